"""What a recipe says about learning beside a base that stays as it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lmworks.recipe.schema import StepConfig


class LoraConfig(StepConfig):
    """Freeze the base and learn a product of two thin matrices beside each of its matrices."""

    kind: Literal["lora"] = Field(default="lora", description="The one kind: low-rank adapters.")
    rank: int = Field(
        default=16, ge=1, description="A hundredth of the weights or less; more changed little in LoRA's paper."
    )
    alpha: float = Field(
        default=32, gt=0, description="The product counts alpha/rank: twice, as QLoRA's authors have it."
    )
    targets: Literal["all-linear"] | list[str] = Field(
        default="all-linear",
        description="Adapters on every matrix of the blocks reach full tuning (Dettmers et al. 2023); on some do not.",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="On the adapter's input; as for the whole model.")
    quantise: Literal["q4_1", "nf4"] | None = Field(
        default=None,
        description="How frozen matrices are held: unset, in `data_type`. `q4_1`, the blocks of GGUF files, takes 5 "
        "bits a weight: from a file of that type nothing is lost, from others what 4 bits round away. `nf4`, QLoRA's, "
        "takes 4.13 bits, rounds a sixth more, and takes longer.",
    )


ADAPTER_RATE = 2e-4
"""AdamW's, QLoRA's, of adapters whose recipe states none."""
ADAPTER_RATES = "With an `adapter` 0.0002 applies instead."
"""Words for the descriptions of `learning_rate`."""
