"""Trainable encoder-decoders: a T5 of `transformers` that reads batches of similar length and returns hidden states.

Axes: B batch, S source, T target, D hidden size, V vocabulary, N trained positions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lmworks.data.base.pretrained import quiet_transformers
from lmworks.engines.request import Generation
from lmworks.engines.seq2seq import rewrite
from lmworks.errors import LmworksError
from lmworks.model.device import narrow_products
from lmworks.model.folder import ModelFolder
from lmworks.model.published import load_published, save_published
from lmworks.model.shapes import BUCKETS, EncoderDecoderConfig
from lmworks.pipeline.files import write_atomically
from lmworks.tokens.kinds.pretrained import vocabulary_of
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.arithmetic.losses import best_output_gradient
from lmworks.train.arithmetic.recompute import compute_again
from lmworks.train.configs.seq2seq import SENTINELS, Seq2SeqConfig
from lmworks.train.contract import Ids, Objective, Trainable

KNOWN = ("t5", "mt5")
"""Architectures whose encoder, decoder and output matrix this module can combine."""
_SENTINEL = "<extra_id_{}>"


@dataclass(frozen=True)
class Pairs:
    """Sources and targets, without end tokens. The ids −1, −2, … represent the first sentinel, the second, …"""

    sources: Sequence[Ids]
    targets: Sequence[Ids]
    weights: Sequence[Ids]
    """Weight of each target token."""

    def to(self, device: torch.device) -> Pairs:
        """Return this object. Pairs become tensors when the model reads them."""
        return self

    def wanted(self) -> Tensor:
        """Return all trained target tokens [N]. Sentinels have no id yet and become id 0."""
        every = zip(self.targets, self.weights, strict=True)
        return torch.from_numpy(np.concatenate([target[weight > 0] for target, weight in every]).clip(min=0))

    def split(self, rows: int) -> Iterator[Pairs]:
        """Yield `rows` pairs at a time. Pairs of similar length are together, so that there is little padding."""
        order = sorted(range(len(self.sources)), key=lambda i: (len(self.sources[i]), len(self.targets[i])))
        for start in range(0, len(order), rows):
            some = order[start : start + rows]
            yield Pairs(*([each[index] for index in some] for each in (self.sources, self.targets, self.weights)))


class TrainableSeq2Seq(Trainable):
    """A T5 with the interface for the trainer and for objectives."""

    module: Any

    def __init__(self, module: Any, sentinels: Sequence[int], data_type: str, *, compiled: bool) -> None:
        # Nearly every batch has another shape, and compiling for all takes minutes; chunks of the output have one.
        super().__init__(best_output_gradient(compiled))
        self.module = self.network = module
        self.sentinels = torch.tensor(sentinels)
        self.data_type = getattr(torch, data_type)

    @property
    def output_weight(self) -> Tensor:
        """[V,D]"""
        weight: Tensor = self.module.lm_head.weight
        return weight

    @property
    def blocks(self) -> nn.ModuleList:
        return nn.ModuleList([*self.module.encoder.block, *self.module.decoder.block])

    def _padded(self, rows: Sequence[Ids], end: int | None) -> Tensor:
        """Return ids [B,·] on the model's device, with sentinels' ids and end tokens, padded with −1."""
        ended = [torch.from_numpy(row if end is None else np.append(row, end)) for row in rows]
        ids = [torch.where(row < 0, self.sentinels[(-1 - row).clamp(min=0)], row) for row in ended]
        return nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-1).to(self.output_weight.device)

    def hidden(self, batch: Pairs) -> Tensor:
        """Return hidden states [B,T,D]. Each predicts a target token from the source and the earlier target."""
        config = self.module.config
        source, target = (self._padded(rows, config.eos_token_id) for rows in (batch.sources, batch.targets))
        before = nn.functional.pad(target[:, :-1].clamp(min=0), (1, 0), value=config.decoder_start_token_id)
        seen = (source >= 0).long()
        with narrow_products(source.device, self.data_type):
            coded = self.module.encoder(input_ids=source.clamp(min=0), attention_mask=seen).last_hidden_state
            states: Tensor = self.module.decoder(
                input_ids=before, encoder_hidden_states=coded, encoder_attention_mask=seen, use_cache=False
            ).last_hidden_state
        if config.scale_decoder_outputs:
            states = states * config.d_model**-0.5
        return states.to(self.data_type)

    def targets(self, batch: Pairs) -> tuple[Tensor, Tensor]:
        """Return the ids to predict, with an end token per target, and their weights, both [B,T]."""
        ids = self._padded(batch.targets, self.module.config.eos_token_id)
        weights = self._padded([np.append(row, 1) for row in batch.weights], None)
        return ids, weights.clamp(min=0).float()

    def training_flops_per_token(self, sequence_length: int) -> float:
        """Return the operations of blocks and output, forward and backward. Half of a row counts as source."""
        inside = sum(parameter.numel() for parameter in self.blocks.parameters()) / 2
        return float(6 * (inside + self.output_weight.numel() / 2))

    def answer(self, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[Generation]:
        """Return the outputs for sources with the current weights."""
        made = rewrite(self.module, prompts, max_tokens)
        return [Generation(ids, tokenizer.decode(ids), "stop") for ids in made]

    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write a model folder whose tokenizer contains the sentinels."""
        _scale_queries(self.module, -0.5)
        save_published(self.module, folder, tokenizer_folder)
        _scale_queries(self.module, 0.5)
        path = folder / "config.json"
        config = json.loads(path.read_text())
        # transformers 5 writes that every T5 is tied; older releases tie, and scale, by this field.
        config["tie_word_embeddings"] = self.module.config.scale_decoder_outputs
        write_atomically(path, (json.dumps(config, indent=2, sort_keys=True) + "\n").encode())
        path = folder / "tokenizer.json"
        end = self.module.config.eos_token_id
        write_atomically(path, _with_sentinels(path.read_text(), self.sentinels.tolist(), end).encode())


class Seq2SeqObjective(Objective):
    """An objective of training an encoder-decoder to predict each token of a target."""

    def loss(self, model: TrainableSeq2Seq, batch: Pairs) -> tuple[Tensor, float, dict[str, float]]:
        """Return the cross-entropy of the targets' trained tokens."""
        targets, weights = (each.flatten() for each in model.targets(batch))
        loss, right = model.cross_entropy(model.hidden(batch).flatten(0, 1), targets, weights)
        return loss, float(weights.sum()), {"accuracy": float(right)}

    @classmethod
    def begin(
        cls, config: Seq2SeqConfig, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Trainable:
        """Return the base, or a new T5 with the shape in the config."""
        if base:
            module = load_published(base.path, "AutoModelForSeq2SeqLM")
            _check(base.path, module, tokenizer)
            _grow(module, tokenizer)
        else:
            module = fresh(config.shape(tokenizer.vocab_size), tokenizer, config)
        _prepare(module, config.dropout)
        sentinels = sentinel_ids(tokenizer.to_json(), module.config.vocab_size)
        model = TrainableSeq2Seq(module, sentinels, config.data_type, compiled=compiled)
        if config.activation_checkpointing:
            compute_again(model.blocks, compiled=False)
        return model


def fresh(shape: EncoderDecoderConfig, tokenizer: Tokenizer, config: Seq2SeqConfig) -> Any:
    """Return a T5 with its authors' random weights. Only the output matrix differs, so that first guesses are even."""
    transformers = quiet_transformers()
    known = transformers.T5Config(
        vocab_size=shape.vocab_size,
        d_model=shape.hidden_size,
        d_kv=shape.head_size,
        d_ff=shape.intermediate_size,
        num_layers=shape.num_layers,
        num_heads=shape.num_heads,
        relative_attention_num_buckets=BUCKETS,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=shape.tie_embeddings,
        pad_token_id=tokenizer.end_of_text_id,
        decoder_start_token_id=tokenizer.end_of_text_id,
        eos_token_id=tokenizer.end_of_turn_id,
    )
    torch.manual_seed(config.seed)
    module = transformers.T5ForConditionalGeneration(known)
    if not shape.tie_embeddings:
        module.lm_head.weight = nn.Parameter(torch.empty_like(module.shared.weight).normal_(0, shape.hidden_size**-0.5))
    return module


def sentinel_ids(tokenizer_json: str, vocab_size: int) -> list[int]:
    """Return the ids of the sentinels in order: those in the tokenizer, or else the last ids of the model."""
    named = {token["content"]: token["id"] for token in json.loads(tokenizer_json)["added_tokens"]}
    if count := sum(re.fullmatch(r"<extra_id_\d+>", name) is not None for name in named):
        return [named[_SENTINEL.format(number)] for number in range(count)]
    return [vocab_size - 1 - number for number in range(SENTINELS)]


def _with_sentinels(tokenizer_json: str, ids: Sequence[int], end: int) -> str:
    """Return a `tokenizer.json` that has these sentinels, and ends texts with the token `end`, as T5 tokenizers do."""
    tokenizer = json.loads(tokenizer_json)
    named = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    if set(ids) <= named.keys():
        return tokenizer_json
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer["added_tokens"] += [
        {"id": id_, "content": _SENTINEL.format(number), **plain}
        for number, id_ in sorted(enumerate(ids), key=lambda numbered: numbered[1])
    ]
    text, ending = ({"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": named[end], "type_id": 0}})
    other = {"Sequence": {"id": "B", "type_id": 0}}
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [text, ending],
        "pair": [text, ending, other, ending],
        "special_tokens": {named[end]: {"id": named[end], "ids": [end], "tokens": [named[end]]}},
    }
    return json.dumps(tokenizer, indent=2, ensure_ascii=False) + "\n"


def _check(folder: Path, module: Any, tokenizer: Tokenizer) -> None:
    """Raise LmworksError unless the base is a T5 with the same vocabulary as the data."""
    kind = module.config.model_type
    if kind not in KNOWN:
        raise LmworksError(f"{folder}: model_type is {kind!r}; encoder-decoders that can be tuned: {', '.join(KNOWN)}")
    if json.loads(tokenizer.to_json())["model"] != vocabulary_of(folder / "tokenizer.json"):
        raise LmworksError(
            f"{folder}: the model has its own vocabulary of {module.config.vocab_size} ids, but the data has one of "
            f"{tokenizer.vocab_size} ids; use the model's own tokenizer (`tokenizer: {{kind: pretrained, path: …}}`)"
        )


def _grow(module: Any, tokenizer: Tokenizer) -> None:
    """Add a row, the mean of all rows, to the embeddings for each new token of documents, chats and sentinels.

    Many published embeddings are larger than their tokenizers. They have such rows already.
    """
    known, last = module.config.vocab_size, sentinel_ids(tokenizer.to_json(), tokenizer.vocab_size + SENTINELS)[0]
    if known <= (wanted := max(tokenizer.vocab_size - 1, last)):
        module.resize_token_embeddings(wanted + 1, mean_resizing=False)
        for part in (module.get_input_embeddings(), module.get_output_embeddings()):
            weight = part.weight.detach()
            weight[known:] = weight[:known].mean(0)


def _prepare(module: Any, dropout: float) -> None:
    """Drop out only values added to the residual stream, as in decoders, and use a GELU of one kernel.

    A step takes 0.8 of the time. T5's dropout inside attention and feed-forward needs the most random numbers.
    """
    module.config.dropout_rate = dropout
    _scale_queries(module, 0.5)
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = dropout
        if hasattr(part, "key_value_proj_dim"):
            part.q.register_forward_hook(lambda _, __, queries, share=part.key_value_proj_dim**-0.5: queries * share)
        if hasattr(part, "wi_1"):
            part.dropout, part.act = nn.Identity(), nn.GELU(approximate="tanh")
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0


@torch.no_grad()
def _scale_queries(module: Any, power: float) -> None:
    """Multiply the weights of queries by a power of the head size. T5's attention has no other scale.

    The size of Muon's updates does not depend on the weights. Without a scale, every head soon saw one position only.
    So queries are trained as in other models, scaled where they are used, and scaled back when they are saved.
    """
    for part in module.modules():
        if hasattr(part, "key_value_proj_dim"):
            part.q.weight.mul_(part.key_value_proj_dim**power)
