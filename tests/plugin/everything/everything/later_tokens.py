"""An objective: its config, which the plan reads. The class that trains brings torch, and has a file of its own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.configs.train import RESULT


class LaterTokensConfig(CausalLMConfig):
    """Predict each next token but those at the beginning of a row."""

    implementation: ClassVar[str] = "everything.later_tokens_training:LaterTokens"
    engine: ClassVar[str | None] = "loud"

    objective: Literal["later-tokens"] = "later-tokens"  # type: ignore[assignment]
    skipped: Annotated[int, RESULT] = Field(default=4, ge=0, description="Tokens of a row that are not learned.")
