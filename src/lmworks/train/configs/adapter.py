"""Settings of a recipe for adapters, which are trained while the base stays unchanged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lmworks.recipe.schema import StepConfig


class LoraConfig(StepConfig):
    """Low-rank adapters: freeze the base and learn a product of two thin matrices beside each of its matrices."""

    kind: Literal["lora"] = Field(default="lora", description="Kind of adapter. `lora` is the only kind.")
    rank: int = Field(default=16, ge=1, description="Rank. LoRA's paper found little change with higher ranks.")
    alpha: float = Field(
        default=32, gt=0, description="Scale: the product is multiplied by alpha/rank, here 2 as in QLoRA."
    )
    targets: Literal["all-linear"] | list[str] = Field(
        default="all-linear",
        description="Matrices that get an adapter. With all of them, results match full tuning (Dettmers et al. 2023).",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the adapter's input.")
    quantise: Literal["q4_1", "nf4"] | None = Field(
        default=None,
        description="Type of the frozen matrices. By default they stay in `data_type`. `q4_1`, a type of GGUF files, "
        "takes 5 bits per weight, and keeps the weights of such a file exactly. `nf4`, from QLoRA, takes 4.13 bits. It "
        "has a rounding error one sixth larger, and is slower.",
    )


ADAPTER_RATE = 2e-4
"""AdamW's learning rate for adapters, from QLoRA, if the recipe states none."""
ADAPTER_RATES = "With an `adapter`, the default is 0.0002."
"""Sentence that ends the descriptions of `learning_rate`."""
