"""Trainable decoders: they read packed rows, return hidden states, and use one compiled block for all layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lmworks.data.forms.turns import behind_thoughts
from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.published import PublishedEngine
from lmworks.errors import LmworksError
from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Decoder, rotations
from lmworks.model.device import narrow_products
from lmworks.model.files import read_json
from lmworks.model.folder import (
    ADAPTER,
    ARCHITECTURES,
    ModelFolder,
    is_native,
    load_model,
    save_model,
    stored_tensors,
    write_json,
)
from lmworks.model.published import PublishedDecoder, load_published_decoder, save_published_decoder
from lmworks.pipeline.stage import Handle
from lmworks.tokens.kinds.frame import Frame, write_framing_tokenizer
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import ChatRefused, Tokenizer, open_tokenizer
from lmworks.train.arithmetic.bigrams import begin_with_bigrams
from lmworks.train.arithmetic.losses import best_output_gradient
from lmworks.train.arithmetic.packed import masked_attention, visible_positions
from lmworks.train.arithmetic.recompute import compute_again
from lmworks.train.configs.language_model import LARGEST_PAIR_VOCABULARY, CausalLMConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.contract import Batch, Labelling, Objective, TextBatch, Watched
from lmworks.train.families.adapters import adapt, keep_narrow, save_adapters
from lmworks.train.families.reference import WithReference


class TrainableDecoder(WithReference[Decoder]):
    """A decoder with the interface for the trainer and for objectives."""

    stored: Callable[[], Iterator[tuple[str, Tensor]]]
    """Function that yields the base's weights by name, as in its files. It is set only for adapters."""

    def __init__(
        self, decoder: Decoder, *, end_of_text: int, compiled: bool, dropout: float = 0.0, recompute: bool = False
    ) -> None:
        super().__init__(decoder, decoder, end_of_text, best_output_gradient(compiled))
        for block in decoder.blocks if dropout else ():
            block.dropout = nn.Dropout(dropout)
        self.run_block: Callable[..., Tensor] = run_block
        if compiled:
            # Shapes are fixed by the micro-batch, so each is compiled once, and one block's code serves every layer.
            self.run_block = torch.compile(run_block, dynamic=False)
        if recompute:
            self.run_block = partial(checkpoint, self.run_block, use_reentrant=False)

    def hidden(self, batch: Batch) -> Tensor:
        """Return hidden states [B,T,D]. Attention stays inside segments, and positions restart in each segment."""
        decoder, tokens = self.decoder, batch.inputs
        number, positions = batch.segments(self.end_of_text)
        visible = visible_positions(number, decoder.config.sliding_window, decoder.compute_type)
        x = decoder.model.embed_tokens(tokens).to(decoder.compute_type)
        cos, sin = rotations(positions, decoder.config, x.dtype)
        for block in decoder.blocks:
            x = self.run_block(block, x, cos, sin, visible)
        output: Tensor = decoder.model.norm(x)
        return output

    def engine(self, tokenizer: Tokenizer) -> DecoderEngine:
        return DecoderEngine(self.decoder, tokenizer)

    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write a model folder with merged adapters, and the adapters alone in `adapter`."""
        weights = None
        if self.adapters:
            self.adapters.save(folder / ADAPTER)
            weights = self.adapters.merged(self.stored())
        save_model(self.decoder, folder, tokenizer_folder, weights)


class ClassifyingDecoder(TrainableDecoder, Labelling):
    """A decoder with a head for labels. It predicts one label at the end of each text, where it has seen all of it."""

    def __init__(self, decoder: Decoder, frame: Frame, **how: Any) -> None:
        super().__init__(decoder, end_of_text=frame.begin, **how)
        self.frame = frame

    def told(self, batch: TextBatch) -> Tensor:
        """Return the label number of each text at its last token, and −1 at all other positions [B,T]."""
        ends, targets = batch.tokens == self.frame.end, batch.targets
        return torch.full_like(targets, -1).masked_scatter(ends, targets[targets >= 0])

    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write a model folder whose tokenizer adds the same tokens around texts as training did."""
        super().save(folder, tokenizer_folder)
        config, fields = self.decoder.config, folder / "config.json"
        write_json(fields, {**read_json(fields), "pad_token_id": self.frame.pad})
        write_framing_tokenizer(open_tokenizer(folder), folder, config.vocab_size, config.context_length)


class TrainablePublished(WithReference[PublishedDecoder]):
    """A decoder of another architecture, run by `transformers`, with the interface for the trainer and objectives."""

    def __init__(self, decoder: PublishedDecoder, *, end_of_text: int, data_type: torch.dtype) -> None:
        super().__init__(decoder, decoder.module, end_of_text)
        self.data_type = data_type

    def hidden(self, batch: Batch) -> Tensor:
        """Return hidden states [B,T,D]. Each segment becomes a padded row, because some architectures have no segments.

        A row that begins inside a document begins at position 0, as for our decoder.
        """
        tokens = batch.inputs
        _, position = batch.segments(self.end_of_text)
        row = (position == 0).flatten().cumsum(0).view_as(tokens) - 1  # [B,T], one number a segment
        alone = tokens.new_full((int(row.max()) + 1, int(position.max()) + 1), self.end_of_text)
        alone[row, position] = tokens
        with narrow_products(tokens.device, self.data_type):
            return self.decoder.hidden(alone)[row, position].to(self.data_type)

    def engine(self, tokenizer: Tokenizer) -> DecoderEngine:
        return PublishedEngine(self.decoder, tokenizer)

    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write a model folder with merged adapters, and the adapters alone in `adapter`."""
        save_adapters(self.adapters, folder)
        save_published_decoder(self.decoder, folder, tokenizer_folder)


class DecoderObjective(Objective):
    """An objective of training a decoder."""

    labels: ClassVar[tuple[str, ...]] = ()
    """Labels whose scores are learned instead of the next token."""
    needs_reference: ClassVar[bool] = False
    """Whether the model keeps its initial weights, to be compared with them."""
    ours_alone: ClassVar[str] = ""
    """Reason why it cannot train decoders that `transformers` runs. Empty if it can."""

    @classmethod
    def begin(
        cls, config: Any, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Any:
        """Return the decoder to train: the base, or a new one with the shape in the config."""
        model: TrainableDecoder | TrainablePublished
        if base and not is_native(base.path):
            if cls.ours_alone:
                raise LmworksError(f"{base.path}: {cls.ours_alone.format(config.objective)}")
            model = begin_published(config, base, tokenizer)
        else:
            model = begin_native(config, base, rows, tokenizer, compiled=compiled, labels=cls.labels)
        if cls.needs_reference:
            model.keep_beginning()
        return model

    def loss(self, model: Any, batch: Any) -> tuple[Tensor, float, dict[str, float]]:
        """Return the cross-entropy of a trained tokens, their weight, and the weight of correct predictions."""
        targets, weights = batch.tokens[:, 1:].flatten(), batch.weights[:, 1:].flatten()
        loss, right = model.cross_entropy(model.hidden(batch).flatten(0, 1), targets, weights)
        return loss, float(weights.sum()), {"accuracy": float(right)}

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Return conversations without their last answer. Those that the chat template refuses are skipped."""
        found: list[Watched] = []
        for record in Conversations(handle.path, handle.digest).iterate():
            *before, last = record["messages"]
            with suppress(ChatRefused):
                prompt, _ = tokenizer.encode_chat(before, add_generation_prompt=True)
                found.append(Watched(before[-1]["content"], prompt, behind_thoughts(last["content"])))
            if len(found) == count:
                break
        return found


def begin_native(
    config: TrainConfig,
    base: ModelFolder | None,
    rows: PackedRows,
    tokenizer: Tokenizer,
    *,
    compiled: bool,
    labels: Sequence[str] = (),
    frame: Frame | None = None,
) -> TrainableDecoder:
    """Return a decoder on lmworks's engine: the base, with a head for labels if there are any, or a new one.

    With a `frame`, the decoder reads texts in the frame and predicts their labels.
    """
    decoder = _loaded(base, config, tokenizer, labels) if base else _fresh(config, rows, tokenizer)
    decoder.compute_type = getattr(torch, config.data_type)
    how: Any = {"compiled": compiled, "dropout": config.dropout, "recompute": config.activation_checkpointing}
    if frame:
        model: TrainableDecoder = ClassifyingDecoder(decoder, frame, **how)
    else:
        model = TrainableDecoder(decoder, end_of_text=tokenizer.end_of_text_id, **how)
    adapt(model, decoder, config)
    if base and config.adapter:
        keep_narrow(decoder, decoder.compute_type)
        model.stored = partial(stored_tensors, base.path)
    return model


def _shape(config: TrainConfig, tokenizer: Tokenizer) -> DecoderConfig:
    if not isinstance(config, CausalLMConfig):
        raise LmworksError("a model to tune is missing: `from` must name an earlier model")
    return config.shape(tokenizer.vocab_size)


def _fresh(config: TrainConfig, rows: PackedRows, tokenizer: Tokenizer) -> Decoder:
    decoder = Decoder(_shape(config, tokenizer))
    decoder.initialise(torch.Generator().manual_seed(config.seed))
    if not decoder.config.tie_embeddings and tokenizer.vocab_size <= LARGEST_PAIR_VOCABULARY:
        begin_with_bigrams(decoder, rows.shares(), config.seed)
    return decoder


def _loaded(base: ModelFolder, config: TrainConfig, tokenizer: Tokenizer, labels: Sequence[str]) -> Decoder:
    decoder = load_model(base.path, None if config.adapter else "float32", labels=labels)
    require_room(decoder.config, base, config, tokenizer)
    return decoder


def require_room(shape: DecoderConfig, base: ModelFolder, config: TrainConfig, tokenizer: Tokenizer) -> None:
    """Raise LmworksError if the data has longer rows, or more token ids, than the base can read."""
    if shape.context_length < config.sequence_length or shape.vocab_size < tokenizer.vocab_size:
        raise LmworksError(
            f"{base.path}: the model reads rows of {shape.context_length} tokens and {shape.vocab_size} token ids, but"
            f" the data has rows of {config.sequence_length} and {tokenizer.vocab_size} ids; lower sequence_length, or"
            " use the model's own tokenizer"
        )


def begin_published(config: TrainConfig, base: ModelFolder, tokenizer: Tokenizer) -> TrainablePublished:
    """Return a trainable decoder that `transformers` runs."""
    decoder = load_published_decoder(base.path)
    require_room(decoder.config, base, config, tokenizer)
    if config.adapter and config.adapter.quantise:
        raise LmworksError(f"{base.path}: adapter.quantise works only with {', '.join(ARCHITECTURES)}: leave it out")
    if config.dropout:
        raise LmworksError(f"{base.path}: its config.json sets dropout; leave `dropout` at 0 here")
    data_type = getattr(torch, config.data_type)
    model = TrainablePublished(decoder, end_of_text=tokenizer.end_of_text_id, data_type=data_type)
    if config.activation_checkpointing:
        compute_again(model.blocks, compiled=False)
    adapt(model, decoder.module, config)
    return model


def run_block(block: nn.Module, x: Tensor, cos: Tensor, sin: Tensor, visible: Tensor) -> Tensor:
    """Compute one layer. Only tensors differ between layers, so that all layers share one compiled function."""
    output: Tensor = block(x, cos, sin, partial(_attend, visible), 0)
    return output


def _attend(visible: Tensor, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return masked_attention(q, k, v, visible)
