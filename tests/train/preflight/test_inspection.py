"""An objective says itself what the check is to look at in its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pytest

from lmworks.errors import GateRefused
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.configs.language_model import SftConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.preflight.inspection import Inspection
from train.preflight.test_preflight import SOUND, Tuning


class Silence(Inspection):
    @classmethod
    def of(cls, config: Any, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        return cls(rows)

    def faults(self, config: Any) -> Iterator[str]:
        yield f"- too quiet: {len(self.rows.tokens)} rows. Speak up"

    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        return 1, "silences"


class SilenceConfig(SftConfig):
    inspects: ClassVar[type[Inspection] | None] = Silence

    objective: Literal["sft"] = "sft"


def test_the_check_asks_what_the_objective_names(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    tuning.config = SilenceConfig.model_validate(tuning.config.model_dump(by_alias=True, exclude_unset=True))
    with pytest.raises(GateRefused, match=r"- too quiet: .* Speak up$"):
        tuning.check()


class JudgedConfig(SftConfig):
    """Of a judge that may be trained later."""

    @property
    def judges(self) -> list[str]:
        return ["judge"]


class AlsoTriedConfig(JudgedConfig):
    def without_judges(self) -> Self | None:
        return self


@pytest.mark.parametrize(("kind", "is_tried"), [(SftConfig, True), (JudgedConfig, False), (AlsoTriedConfig, True)])
def test_the_objective_says_what_can_be_tried_without_its_judges(
    kind: type[TrainConfig], is_tried: bool, tmp_path: Path
) -> None:
    tuning = Tuning(tmp_path, SOUND)
    tuning.config = kind.model_validate(tuning.config.model_dump(by_alias=True, exclude_unset=True))
    assert ("step_seconds" in tuning.check().measured) == is_tried
