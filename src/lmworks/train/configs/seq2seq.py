"""Settings of a recipe for training an encoder-decoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.model.config import Family, require_heads
from lmworks.model.pretrained import PretrainedModelConfig
from lmworks.model.shapes import EncoderDecoderConfig
from lmworks.recipe.schema import Expected, Location, Recipe
from lmworks.tokens.kinds.pretrained import PretrainedConfig
from lmworks.tokens.rows.packings import DOCUMENTS, PAIRS, Packing
from lmworks.train.configs.train import STEP, TrainConfig

SENTINELS = 100
"""Number of sentinel tokens, each the mark of one removed span. Published T5 tokenizers have as many."""


NOISE_SHARE, MEAN_SPAN = 0.15, 3


def noise_of(sequence_length: int) -> tuple[int, int]:
    """Return the number of tokens to remove from a row, and the number of spans that they form."""
    noise = max(1, round(sequence_length * NOISE_SHARE))
    return noise, max(1, round(noise / MEAN_SPAN))


class Seq2SeqConfig(TrainConfig):
    """Encoder-decoders: a T5 from scratch, or the model that `from` names."""

    needs_transformers: ClassVar[bool] = True
    family: ClassVar[Family] = "encoder-decoder"
    expects: ClassVar[Expected] = {"base": ("encoder-decoder",)}

    learning_rate: float = Field(default=0.02, gt=0, description="Learning rate of Muon for matrices inside blocks.")
    adamw_learning_rate: float = Field(
        default=0.03, gt=0, description="AdamW's learning rate. On pairs, 0.005 learned more slowly than 0.02."
    )
    hidden_size: Annotated[int, STEP] = Field(
        default=256, ge=8, description="Width. Two cores train 256 in minutes. Halve it for few pairs."
    )
    micro_batch_rows: int = Field(default=48, ge=1, description="Rows computed at once.")
    num_layers: Annotated[int, STEP] = Field(default=3, ge=1, description="Blocks of encoder and of decoder.")
    num_heads: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Attention heads. By default each has 64 dimensions, as in T5."
    )
    intermediate_size: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Width of feed-forward layers. By default 8/3 of `hidden_size`, as in T5 1.1."
    )
    tie_embeddings: Annotated[bool, STEP] = Field(
        default=False, description="Whether input and output share a table. Set it for few pairs."
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        require_heads(self.hidden_size, self.num_heads, rotary=False)
        return self

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Also yield the tokenizer if its vocabulary differs from that of the published base."""
        yield from super().misfits(recipe)
        base = recipe.models.get(self.base or "")
        if not isinstance(base, PretrainedModelConfig) or not base.fingerprint or self.tokenizer == self.base:
            return
        ours, theirs = recipe.tokenizer if self.tokenizer == "tokenizer" else None, base.file / "tokenizer.json"
        if not isinstance(ours, PretrainedConfig) or (ours.sha256 and not ours.is_that_of(theirs)):
            yield (
                ("tokenizer",),
                f"{self.base} has its own vocabulary, and {self.tokenizer} has a different one, so ids would mean "
                f"other words to the model. Write `tokenizer: {self.base}`",
            )

    def shape(self, vocab_size: int) -> EncoderDecoderConfig:
        """Return the encoder-decoder to build without a base, for a tokenizer with `vocab_size` ids."""
        heads = self.num_heads or max(1, self.hidden_size // 64)
        return EncoderDecoderConfig(
            vocab_size=vocab_size + SENTINELS,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=heads,
            head_size=self.hidden_size // heads,
            intermediate_size=self.intermediate_size or -(-self.hidden_size * 8 // 3 // 64) * 64,
            tie_embeddings=self.tie_embeddings,
        )


class SpanCorruptionConfig(Seq2SeqConfig):
    """Write the spans that were removed from documents."""

    implementation: ClassVar[str] = "lmworks.train.objectives.seq2seq:SpanCorruption"
    packed: ClassVar[Packing] = DOCUMENTS

    objective: Literal["span-corruption"] = "span-corruption"
    micro_batch_rows: int = Field(default=4, ge=1, description="Rows computed at once. Four fit in a CPU's cache.")

    @model_validator(mode="after")
    def _spans_have_sentinels(self) -> Self:
        _, spans = noise_of(self.sequence_length)
        if spans >= SENTINELS:
            raise ValueError(
                f"rows of {self.sequence_length} tokens have {spans} spans of noise, which is too many for {SENTINELS} "
                "sentinels: set sequence_length to 1900 or less"
            )
        return self


class TextToTextConfig(Seq2SeqConfig):
    """Write the target text of a source text."""

    implementation: ClassVar[str] = "lmworks.train.objectives.seq2seq:TextToText"
    packed: ClassVar[Packing] = PAIRS

    objective: Literal["text-to-text"] = "text-to-text"
    sequence_length: int = Field(
        default=128, ge=8, description="Tokens of source and target together. Two sentences of 60 words fit."
    )
