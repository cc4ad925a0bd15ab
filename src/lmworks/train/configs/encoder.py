"""Settings of a recipe for training an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.model.config import DecoderConfig, Family, Shape, require_heads
from lmworks.model.shapes import Architecture, EncoderConfig
from lmworks.recipe.schema import Expected, Reference
from lmworks.tokens.rows.packings import LABELLED, SPANS, TEXTS, Packing
from lmworks.train.configs.adapter import ADAPTER_RATES
from lmworks.train.configs.train import CHECKED, STEP, TrainConfig
from lmworks.train.preflight.inspection import Inspection, Texts

ENCODERS: Sequence[Family] = ("encoder", "sequence classifier", "token classifier")


class EncoderTrainConfig(TrainConfig):
    """Fields of objectives for encoders."""

    needs_transformers: ClassVar[bool] = True
    family: ClassVar[Family] = "encoder"
    expects: ClassVar[Expected] = {"base": ENCODERS}

    sequence_length: int = Field(
        default=256, ge=8, description="Tokens per row, one or two paragraphs. Short texts share rows."
    )

    @model_validator(mode="after")
    def _answers_nothing(self) -> Self:
        if self.watch or self.proportions:
            raise ValueError("an encoder answers no prompts and trains on no mix; leave `watch` out")
        return self


class MaskedLMConfig(EncoderTrainConfig):
    """Predict hidden tokens from the text on both sides."""

    implementation: ClassVar[str] = "lmworks.train.objectives.encoder:MaskedLM"
    packed: ClassVar[Packing] = TEXTS

    objective: Literal["masked-lm"] = "masked-lm"
    learning_rate: float = Field(default=0.02, gt=0, description="Learning rate of Muon for matrices inside blocks.")
    adamw_learning_rate: float = Field(default=0.003, gt=0, description="AdamW's learning rate for all other weights.")
    architecture: Annotated[Architecture, STEP] = Field(
        default="modernbert",
        description="Architecture. `modernbert` learns faster. `bert` suits programs that read only BERT.",
    )
    hidden_size: Annotated[int, STEP] = Field(
        default=256, ge=8, description="Width. Two cores train 256 well in some minutes."
    )
    num_layers: Annotated[int, STEP] = Field(default=4, ge=1, description="Number of blocks.")
    num_heads: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Attention heads. By default each has 64 dimensions."
    )
    intermediate_size: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Feed-forward width. By default 3/2 of `hidden_size`, or 4 times it for `bert`."
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        require_heads(self.hidden_size, self.num_heads, rotary=self.architecture == "modernbert")
        return self

    @property
    def context_length(self) -> int:
        return self.sequence_length

    def shape(self, vocab_size: int) -> EncoderConfig:
        """Return the encoder to build without a base, for a tokenizer with `vocab_size` ids."""
        middle = self.hidden_size * 3 // 2 if self.architecture == "modernbert" else self.hidden_size * 4
        return EncoderConfig(
            architecture=self.architecture,
            task="masked-lm",
            vocab_size=vocab_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads or max(1, self.hidden_size // 64),
            intermediate_size=self.intermediate_size or middle,
            context_length=self.context_length,
        )


COUNTED = ("one label", "another")
"""Labels assumed when memory and time are estimated. Their number hardly changes either."""


FRESH_RATE = 0.002
"""AdamW's learning rate for labels on a base that this recipe trains from scratch."""


def with_rates_of_fresh_bases(recipe: dict[str, Any]) -> None:
    """Set `FRESH_RATE` in each step that learns labels, states no rate, and has a base that is trained from scratch."""
    models: Any = recipe.get("models")
    steps = {name: fields for name, fields in models.items() if isinstance(fields, dict)} if models else {}
    for fields in steps.values():
        learns_labels = fields.get("objective") in ("sequence-classification", "token-classification")
        base, seen = fields, list[int]()
        while base.get("from") in steps and id(base) not in seen:
            seen.append(id(base))
            base = steps[base["from"]]
        if (
            learns_labels
            and base.get("from") == "scratch"
            and not {"learning_rate", "optimizer", "adapter"} & set(fields)
        ):
            fields["learning_rate"] = FRESH_RATE


class ClassificationConfig(EncoderTrainConfig):
    """Fields of objectives that learn labels."""

    base: Reference = Field(alias="from", description="Encoder to tune. A decoder can also classify whole texts.")
    optimizer: Literal["muon", "adamw"] = Field(
        default="adamw", description="Optimizer. Published settings for tuning are for `adamw`."
    )
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        description="Learning rate, between the usual rates for BERT and for smaller encoders. For a base trained from "
        f"scratch, the default is 0.002. It got 93 % of twelve labels right, and 0.0001 got 38 %. {ADAPTER_RATES}",
    )
    adamw_learning_rate: float = Field(default=1e-4, gt=0, description="AdamW's rate for weights not updated by Muon.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout, as for BERT.")
    weight_decay: float = Field(default=0.01, ge=0, description="Weight decay, as for BERT.")
    long_samples: Annotated[Literal["truncate", "split"], CHECKED] = Field(
        default="truncate",
        description="Treatment of texts longer than a row. `truncate` keeps the beginning, which often decides the "
        "label. `split` learns the label from every part, even from parts that it does not fit.",
    )

    @model_validator(mode="after")
    def _rates_are_of_the_optimizer(self) -> Self:
        return self  # the defaults above are AdamW's

    def tuned_shape(self, base: Shape) -> Shape:
        """Return the base with a head for labels."""
        if isinstance(base, EncoderConfig):
            return replace(base, task=self.objective, num_labels=len(COUNTED))  # type: ignore[arg-type]
        return base.with_labels(COUNTED) if isinstance(base, DecoderConfig) else base

    def packing(self) -> dict[str, Any]:
        return {"label": self.label, "long_samples": self.long_samples}  # type: ignore[attr-defined]


class SequenceClassificationConfig(ClassificationConfig):
    """Predict the label of a text."""

    implementation: ClassVar[str] = "lmworks.train.objectives.encoder:SequenceClassification"
    packed: ClassVar[Packing] = LABELLED
    family: ClassVar[Family] = "sequence classifier"
    expects: ClassVar[Expected] = {"base": (*ENCODERS, "decoder")}

    inspects: ClassVar[type[Inspection] | None] = Texts

    objective: Literal["sequence-classification"] = "sequence-classification"
    label: Annotated[str, CHECKED] = Field(
        default="label", description="Field of `meta` with the label, as the data step `label` writes it."
    )


class TokenClassificationConfig(ClassificationConfig):
    """Predict the label of each token."""

    implementation: ClassVar[str] = "lmworks.train.objectives.encoder:TokenClassification"
    packed: ClassVar[Packing] = SPANS
    family: ClassVar[Family] = "token classifier"

    objective: Literal["token-classification"] = "token-classification"
    label: Annotated[str, CHECKED] = Field(
        default="spans", description="Field of `meta` with labelled spans of characters."
    )
