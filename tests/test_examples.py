"""The example of a package: what it declares is there, needs spaCy only when it runs, and says so."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from lmworks.data.shards.records import Documents
from lmworks.errors import UsageError
from lmworks.graph import step_of
from lmworks.pipeline.stage import Stage
from lmworks.registry import load
from support import make_context

EXAMPLE = Path(__file__).parents[1] / "examples" / "lmworks-spacy"
DECLARED = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]["lmworks.steps"]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, Stage]:
    """The steps of the package, where spaCy is not installed."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setitem(sys.modules, "spacy", None)
    return {name: step_of(name, load(place)) for name, place in DECLARED.items()}


def test_each_field_says_what_it_is(steps: dict[str, Stage]) -> None:
    assert set(steps) == {"lemmas", "entities"}
    fields = [(name, info) for step in steps.values() for name, info in step.config.model_fields.items()]
    assert all(info.description for name, info in fields if name != "kind")


def test_without_spacy_it_says_what_to_install(steps: dict[str, Stage], tmp_path: Path) -> None:
    step = steps["lemmas"]
    with pytest.raises(UsageError, match="pip install spacy spacy-lookups-data"):
        step(step.config(documents="raw"), Documents(tmp_path, ""), tmp_path / "out", make_context(tmp_path))  # type: ignore[call-arg]
