"""Trainable encoders: modules of `transformers` that read packed rows, with attention inside each text.

Axes: B batch, T time, D width, H heads, C head size, N positions with a target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.data.base.pretrained import quiet_transformers
from lmworks.engines.request import Generation
from lmworks.errors import LmworksError, UsageError
from lmworks.model.device import narrow_products
from lmworks.model.folder import ModelFolder
from lmworks.model.published import load_published, save_published
from lmworks.tokens.kinds.frame import frame_of, write_framing_tokenizer
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.arithmetic.packed import segments_of
from lmworks.train.arithmetic.recompute import compute_again
from lmworks.train.configs.encoder import MaskedLMConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.contract import Labelling, Objective, TextBatch, Trainable
from lmworks.train.memory import require_fit_here

HIDDEN = -1
"""Id in a batch that marks a masked position. The model replaces it by its own mask id."""
PLACES = 32
"""Number of which the positions for the head are padded to a multiple. If the size differed in every batch, freed
memory could not be used again, and the process grew by 240 MiB within 250 steps.
"""
ATTENTION = "inside-texts"
"""Name under which `transformers` finds `attend`."""

BLOCKS: dict[str, Callable[[Any], nn.ModuleList]] = {
    "bert": lambda model: model.base_model.encoder.layer,
    "modernbert": lambda model: model.base_model.layers,
}
DROPOUTS = {
    "bert": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "modernbert": ("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout"),
}
HEADS: dict[tuple[str, str], Callable[[Any, Tensor], Tensor]] = {
    ("bert", "AutoModelForMaskedLM"): lambda model, x: model.cls(x),
    ("bert", "AutoModelForSequenceClassification"): lambda model, x: model.classifier(
        model.dropout(model.bert.pooler(x[:, None]))
    ),
    ("bert", "AutoModelForTokenClassification"): lambda model, x: model.classifier(model.dropout(x)),
    ("modernbert", "AutoModelForMaskedLM"): lambda model, x: model.decoder(model.head(x)),
    ("modernbert", "AutoModelForSequenceClassification"): lambda model, x: model.classifier(model.drop(model.head(x))),
    ("modernbert", "AutoModelForTokenClassification"): lambda model, x: model.classifier(model.drop(model.head(x))),
}
"""Head of each architecture for hidden states [N,D]. A new one needs lines here and in the two tables above."""


class Dropout(nn.Module):
    """Dropout with random bytes drawn beforehand. Compiled code draws them one by one, in three times the time.

    The share is rounded to 256ths. The draws for each pass depend only on torch's seed of the step.
    """

    noise: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.p, self.least = share, round(share * 256)
        self.register_buffer("noise", torch.zeros(0, dtype=torch.uint8), persistent=False)

    def draw(self, shape: Sequence[int], draws: np.random.Generator) -> None:
        """Draw the random bytes for the next pass over a tensor of this shape."""
        drawn = torch.frombuffer(bytearray(draws.bytes(math.prod(shape))), dtype=torch.uint8)
        self.noise = drawn.view(*shape).to(self.noise.device)

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of `x`, whose shape must be the one that noise was drawn for."""
        if not self.training or not self.least:
            return x
        return x * (self.noise >= self.least).to(x.dtype) * (256 / (256 - self.least))


class TrainableEncoder(Labelling):
    """An encoder with the interface for the trainer and for objectives."""

    def __init__(
        self, model: Any, auto_class: str, tokenizer: Tokenizer, *, data_type: str, compiled: bool, recompute: bool
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.frame = model, tokenizer, frame_of(tokenizer)
        self.module = self.network = model
        self.kind: str = model.config.model_type
        self.head = HEADS[self.kind, auto_class]
        self.data_type, self.smoothing = getattr(torch, data_type), 0.0
        for block in self.blocks:
            _replace_dropouts(block)
        if recompute:
            compute_again(self.blocks, compiled=compiled)
        elif compiled:
            for block in self.blocks:  # one shape, so that the first one's code serves all
                block.compile(dynamic=False)

    @property
    def output_weight(self) -> Tensor:
        weight: Tensor = (self.model.get_output_embeddings() or self.model.classifier).weight
        return weight

    @property
    def blocks(self) -> nn.ModuleList:
        return BLOCKS[self.kind](self.model)

    def hidden(self, batch: TextBatch) -> Tensor:
        """Return hidden states [B,T,D]. Attention stays inside texts, and positions restart in each text."""
        tokens = batch.tokens.where(batch.tokens != HIDDEN, self.frame.mask)
        number, positions = self._texts(tokens)
        visible = torch.eq(number[:, None, :, None], number[:, None, None, :])
        masks: Any = visible
        if self.kind == "modernbert":
            index = torch.arange(tokens.shape[-1], device=tokens.device)
            near = (index[:, None] - index).abs() <= self.model.config.sliding_window
            masks = {"full_attention": visible, "sliding_attention": visible & near}
        if self.module.training:
            self._draw(*tokens.shape)
        with narrow_products(tokens.device, self.data_type):
            output = self.model.base_model(input_ids=tokens, attention_mask=masks, position_ids=positions)
        hidden: Tensor = output[0]
        if getattr(self.model.config, "classifier_pooling", "cls") == "mean" and self.head_reads_texts:
            hidden = _means(hidden, number)
        return hidden

    def _draw(self, rows: int, time: int) -> None:
        config = self.model.config
        draws = np.random.Generator(np.random.SFC64(int(torch.randint(2**62, ()))))
        for name, module in self.blocks.named_modules():
            if isinstance(module, Dropout) and module.least:
                width = config.intermediate_size if name.endswith("mlp.drop") else config.hidden_size
                is_attention, heads = name.endswith("shares_dropout"), config.num_attention_heads
                shape = (rows, heads, time, time) if is_attention else (rows, time, width)
                module.draw(shape, draws)

    @property
    def head_reads_texts(self) -> bool:
        """Whether the head predicts one label for a whole text."""
        return self.head is HEADS[self.kind, "AutoModelForSequenceClassification"]

    def learn(self, learning: bool, *, label_smoothing: float) -> None:
        super().learn(learning, label_smoothing=label_smoothing)
        self.smoothing = label_smoothing if learning else 0.0

    def _texts(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number of each token's text, and its position there [B,T]. Each padding token is a text."""
        begins = (tokens == self.frame.begin) | (tokens == self.frame.pad)
        return segments_of(begins)

    def cross_entropy(self, hidden: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        with narrow_products(hidden.device, self.data_type):
            logits = self.head(self.model, hidden).float()
        losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=self.smoothing)
        right = (logits >= logits.gather(-1, targets[:, None])).sum(-1) == 1  # a tie is no guess
        return losses @ weights, right.float() @ weights

    def training_flops_per_token(self, sequence_length: int) -> float:
        """Return the floating-point operations of the blocks, forward and backward. Attention spans whole rows."""
        inside = sum(parameter.numel() for parameter in self.blocks.parameters())
        return float(6 * (inside + 2 * len(self.blocks) * self.model.config.hidden_size * sequence_length))

    def answer(self, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[Generation]:
        """Raise LmworksError, because no objective of an encoder watches prompts."""
        raise LmworksError("an encoder answers no prompts")

    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write a model folder whose tokenizer adds the same tokens around texts as training did."""
        save_published(self.model, folder, tokenizer_folder)
        config = self.model.config
        write_framing_tokenizer(self.tokenizer, folder, config.vocab_size, config.max_position_embeddings)


def _replace_dropouts(block: nn.Module) -> None:
    for module in list(block.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, name, Dropout(child.p))
        if hasattr(module, "is_causal"):  # what `transformers` calls attention has this mark
            share: Any = getattr(module, "attention_dropout", None)
            module.shares_dropout = Dropout(module.dropout.p if share is None else share)  # type: ignore[union-attr,arg-type]


def _means(hidden: Tensor, number: Tensor) -> Tensor:
    """Return, at each position, the mean of the hidden states over its text [B,T,D]."""
    same = torch.eq(number[:, :, None], number[:, None, :]).to(hidden.dtype)
    return same @ hidden / same.sum(-1, keepdim=True)


def attend(
    module: nn.Module, q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None, *, scaling: float, **more: Any
) -> tuple[Tensor, None]:
    """Return attention [B,T,H,C] for q, k, v [B,H,T,C] and visible [B,1,T,T], by the interface of `transformers`.

    It consists of plain products, which the compiler can fuse, as in `masked_attention`.
    """
    scores = (q @ k.transpose(-1, -2)).float() * scaling
    if visible is not None:
        scores = scores.masked_fill(~visible, float("-inf"))
    shares = module.shares_dropout(scores.softmax(-1).to(v.dtype))  # type: ignore[operator]
    return (shares @ v).transpose(1, 2), None


def _check(model: Any, config: TrainConfig, ids: int) -> None:
    """Raise UsageError if this model cannot be trained on rows with these lengths and ids."""
    found = model.config
    if found.model_type not in BLOCKS:
        raise UsageError(f"lmworks trains encoders of type {', '.join(BLOCKS)}, and not of type {found.model_type!r}")
    if found.max_position_embeddings < config.sequence_length or found.vocab_size < ids:
        raise UsageError(
            f"the encoder reads rows of {found.max_position_embeddings} tokens and {found.vocab_size} token ids, but "
            f"the data has rows of {config.sequence_length} and {ids} or more ids; lower sequence_length, or use the "
            "encoder's own tokenizer: `tokenizer: {kind: pretrained, path: …}`"
        )


def labels_of(rows: PackedRows) -> Sequence[str]:
    """Return the labels to learn. Raises LmworksError for a single label."""
    if len(rows.label_names) < 2:
        raise LmworksError(f"all training texts have the label {rows.label_names[0]}; add texts with a second label")
    return rows.label_names


class EncoderObjective(Objective):
    """An objective of training an encoder, which predicts something at some positions of each text."""

    auto_class: ClassVar[str]

    def batch_of(self, numbers: Any, step: int) -> TextBatch:
        """Return the rows with these numbers, and their label numbers."""
        tokens, weights, labels = self.arrays(numbers)
        targets = torch.from_numpy(np.where(weights > 0, labels, -1))
        return TextBatch(torch.from_numpy(tokens), targets, self.rows.label_names)

    def arrays(self, numbers: Any) -> list[Any]:
        """Return tokens, weights and labels of rows. Rows without labels have their tokens in place of labels."""
        rows = self.rows
        every = (rows.tokens, rows.weights, rows.tokens if rows.labels is None else rows.labels)
        return [np.stack([array[number, :-1] for number in numbers]).astype(np.int64) for array in every]

    def loss(self, model: Labelling, batch: TextBatch) -> tuple[Tensor, float, dict[str, float]]:
        """Return the loss over the positions that have a target. Only these go through the head."""
        targets = model.told(batch).flatten()
        (said,) = (targets >= 0).nonzero(as_tuple=True)
        missing = -len(said) % PLACES
        ones = torch.ones(len(said), device=said.device)
        places, weights = F.pad(said, (0, missing)), F.pad(ones, (0, missing))
        wanted = targets[places].clamp(min=0)
        hidden = model.hidden(batch).flatten(0, 1)[places]
        loss, right = model.cross_entropy(hidden, wanted, weights)
        return loss, float(len(said)), {"accuracy": float(right)}

    @classmethod
    def begin(
        cls, config: TrainConfig, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Trainable:
        """Return an encoder with the objective's head: the base, or a new one with the shape in the config."""
        transformers = quiet_transformers()
        transformers.AttentionInterface.register(ATTENTION, attend)
        torch.manual_seed(config.seed)
        vocab_size = max(tokenizer.vocab_size, frame_of(tokenizer).mask + 1)
        more: dict[str, Any] = {"attn_implementation": ATTENTION}
        if rows.label_names:
            more["id2label"] = dict(enumerate(labels_of(rows)))
            more["label2id"] = {name: number for number, name in enumerate(rows.label_names)}
        if base:
            known = transformers.AutoConfig.from_pretrained(base.path, local_files_only=True, trust_remote_code=False)
            more |= dict.fromkeys(DROPOUTS.get(known.model_type, ()), config.dropout)
            model = load_published(base.path, cls.auto_class, ignore_mismatched_sizes=True, **more)
        else:
            if not isinstance(config, MaskedLMConfig):
                raise LmworksError("an encoder to tune is missing: `from` must name an earlier model")
            shape = config.shape(vocab_size)
            require_fit_here(shape, config, vocab_size)
            fields = shape.describe() | dict.fromkeys(DROPOUTS[config.architecture], config.dropout)
            fields |= {"pad_token_id": frame_of(tokenizer).pad}
            started = transformers.AutoConfig.for_model(config.architecture, **fields)
            model = getattr(transformers, cls.auto_class).from_config(
                started, attn_implementation=ATTENTION, trust_remote_code=False
            )
        _check(model, config, frame_of(tokenizer).mask + 1)
        how = {"compiled": compiled, "recompute": config.activation_checkpointing}
        return TrainableEncoder(model, cls.auto_class, tokenizer, data_type=config.data_type, **how)
