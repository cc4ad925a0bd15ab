"""What a recipe says about training an encoder."""

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
    """Fields of every objective of encoders."""

    needs_transformers: ClassVar[bool] = True
    family: ClassVar[Family] = "encoder"
    expects: ClassVar[Expected] = {"base": ENCODERS}

    sequence_length: int = Field(
        default=256, ge=8, description="A paragraph or two. Texts share rows, so that short ones waste nothing."
    )

    @model_validator(mode="after")
    def _answers_nothing(self) -> Self:
        if self.watch or self.proportions:
            raise ValueError("an encoder answers no prompts and reads no mix of documents; leave `watch` out")
        return self


class MaskedLMConfig(EncoderTrainConfig):
    """Predict hidden tokens from what stands on both sides of them."""

    implementation: ClassVar[str] = "lmworks.train.objectives.encoder:MaskedLM"
    packed: ClassVar[Packing] = TEXTS

    objective: Literal["masked-lm"] = "masked-lm"
    learning_rate: float = Field(default=0.02, gt=0, description="Muon's, for matrices inside blocks; as a decoder's.")
    adamw_learning_rate: float = Field(default=0.003, gt=0, description="For embeddings, head, norms and biases.")
    architecture: Annotated[Architecture, STEP] = Field(
        default="modernbert",
        description="Rotary positions and gated blocks learn faster; `bert` for readers of it alone.",
    )
    hidden_size: Annotated[int, STEP] = Field(
        default=256, ge=8, description="Some minutes on two cores train no larger one well."
    )
    num_layers: Annotated[int, STEP] = Field(default=4, ge=1, description="As deep as a decoder of this width.")
    num_heads: Annotated[int | None, STEP] = Field(default=None, ge=1, description="Unset: heads of 64.")
    intermediate_size: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Unset: 3/2 of hidden_size, gated (ModernBERT), or 4 times it (BERT)."
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        require_heads(self.hidden_size, self.num_heads, rotary=self.architecture == "modernbert")
        return self

    @property
    def context_length(self) -> int:
        return self.sequence_length

    def shape(self, vocab_size: int) -> EncoderConfig:
        """The encoder to build when there is no base; it needs one more id if the tokenizer knows no mask."""
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
"""How many there are hardly matters to time or memory."""


FRESH_RATE = 0.002
"""AdamW's, for labels that are learned by a model which this recipe makes from scratch: it has little to lose."""


def with_rates_of_fresh_bases(recipe: dict[str, Any]) -> None:
    """State `FRESH_RATE` where a step learns labels, states no rate, and begins with a model from scratch."""
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
    """Fields of both objectives that learn labels."""

    base: Reference = Field(alias="from", description="The encoder to tune; of whole texts, a decoder too.")
    optimizer: Literal["muon", "adamw"] = Field(
        default="adamw", description="The published settings of tuning are AdamW's."
    )
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        description="Between those for BERT and for smaller encoders. Unset, 0.002 of a base that is trained from "
        "scratch: it has little to lose, and at 0.0001 it told 38 % of twelve labels where 0.002 told 93 %. "
        f"{ADAPTER_RATES}",
    )
    adamw_learning_rate: float = Field(default=1e-4, gt=0, description="Of what Muon does not move.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="BERT's: labelled texts are few and seen often.")
    weight_decay: float = Field(default=0.01, ge=0, description="BERT's.")
    long_samples: Annotated[Literal["truncate", "split"], CHECKED] = Field(
        default="truncate",
        description="What becomes of texts longer than a row: the beginning often tells, and a label need not be true "
        "of each part; `split` learns it from all.",
    )

    @model_validator(mode="after")
    def _rates_are_of_the_optimizer(self) -> Self:
        return self  # the defaults above are AdamW's

    def tuned_shape(self, base: Shape) -> Shape:
        """The base with a head for labels."""
        if isinstance(base, EncoderConfig):
            return replace(base, task=self.objective, num_labels=len(COUNTED))  # type: ignore[arg-type]
        return base.with_labels(COUNTED) if isinstance(base, DecoderConfig) else base

    def packing(self) -> dict[str, Any]:
        return {"label": self.label, "long_samples": self.long_samples}  # type: ignore[attr-defined]


class SequenceClassificationConfig(ClassificationConfig):
    """Tell the label of a text."""

    implementation: ClassVar[str] = "lmworks.train.objectives.encoder:SequenceClassification"
    packed: ClassVar[Packing] = LABELLED
    family: ClassVar[Family] = "sequence classifier"
    expects: ClassVar[Expected] = {"base": (*ENCODERS, "decoder")}

    inspects: ClassVar[type[Inspection] | None] = Texts

    objective: Literal["sequence-classification"] = "sequence-classification"
    label: Annotated[str, CHECKED] = Field(
        default="label", description="Field of `meta` with the label, as the data step `label` writes."
    )


class TokenClassificationConfig(ClassificationConfig):
    """Tell the label of each token."""

    implementation: ClassVar[str] = "lmworks.train.objectives.encoder:TokenClassification"
    packed: ClassVar[Packing] = SPANS
    family: ClassVar[Family] = "token classifier"

    objective: Literal["token-classification"] = "token-classification"
    label: Annotated[str, CHECKED] = Field(
        default="spans", description="Field of `meta` with labelled spans of characters."
    )
