"""What the reference says: every field of every kind, as it is in the code, and recipes fit the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from lmworks.cli import app
from lmworks.errors import UsageError
from lmworks.recipe.yaml import read_yaml
from lmworks.reference.facts import GROUPS, Kind, find, kinds
from lmworks.reference.render import pages
from lmworks.reference.schema import recipe_schema

ROOT = Path(__file__).parents[2]
RECIPES = sorted([*(ROOT / "recipes").glob("*.yaml"), *(ROOT / "recipes").glob("*/recipe.yaml")])
EVERY = list(kinds())


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = recipe_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda each: each.isoformat()))


def said(validator: Draft202012Validator, text: str) -> list[str]:
    errors = validator.iter_errors(as_json(read_yaml(text, "recipe.yaml").value))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def test_the_pages_are_those_that_the_code_makes() -> None:
    made = pages(EVERY)
    folder = ROOT / "docs" / "reference"
    assert {path.name for path in folder.iterdir()} == set(made)
    for name, text in made.items():
        assert (folder / name).read_text() == text, f"run: lmworks explain --pages docs/reference ({name} is older)"


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: f"{kind.group}-{kind.name}")
def test_every_field_of_every_kind_stands_in_the_reference_with_its_reason(kind: Kind) -> None:
    page = (ROOT / "docs" / "reference" / f"{kind.group}.md").read_text()
    assert f"## `{kind.name}`" in page
    assert kind.about, f"{kind.name}: what is it?"
    inside = kind.config.model_fields if kind.config else {}
    written = {info.alias or name for name, info in inside.items() if not info.exclude}
    assert written <= {field.name for field in kind.fields}
    for field in kind.fields:
        assert f"| `{field.name}` |" in page
        assert field.why or field.name.rpartition(".")[2] in UNEXPLAINED, f"{kind.name}.{field.name} has no description"


UNEXPLAINED = {"kind", "objective"}
"""They name the kind itself."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(ROOT / "recipes")))
def test_each_recipe_fits_the_schema(validator: Draft202012Validator, path: Path) -> None:
    assert said(validator, path.read_text()) == []


QUICKSTART = (ROOT / "recipes" / "quickstart.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: curate", "kind: currate", "data.corpus.kind: 'currate' is not one of"),
        ("kind: normalise", "kind: normalise, htm: text", "'htm' was unexpected"),
        ("objective: causal-lm", "objective: causal-lm\n    hiden_size: 64", "'hiden_size' was unexpected"),
        ("name: ", "nam: ", "'name' is a required property"),
    ],
)
def test_an_editor_sees_what_is_wrong(validator: Draft202012Validator, old: str, new: str, words: str) -> None:
    assert old in QUICKSTART
    assert any(words in line for line in said(validator, QUICKSTART.replace(old, new)))


def test_a_learning_rate_names_the_one_that_applies_with_an_adapter() -> None:
    for kind in ("sft", "causal-lm"):
        told = CliRunner().invoke(app, ["explain", f"{kind}.learning_rate"]).stdout
        assert "With an `adapter`, the default is 0.0002" in " ".join(told.split())


def test_a_kind_and_a_field_are_explained() -> None:
    told = CliRunner().invoke(app, ["explain", "ingest.shard_bytes"]).stdout
    assert "shard_bytes: integer, ≥ 1; default 1048576; changes key" in told
    assert "killed run loses little" in " ".join(told.split())
    assert "licences" not in told
    both = CliRunner().invoke(app, ["explain", "rules", "--json"]).stdout
    assert [(kind["group"], kind["name"]) for kind in json.loads(both)] == [("tasks", "rules")]


def test_all_kinds_are_listed_by_group() -> None:
    told = CliRunner().invoke(app, ["explain"]).stdout
    assert all(title in told for title in GROUPS.values())
    assert "documentation" in told and "repeated-passages" in " ".join(told.split())


def test_an_unknown_kind_or_field_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'adapter' is a field, not a kind\nTry: lmworks explain causal-lm\.adapter"):
        find("adapter")
    with pytest.raises(UsageError, match="no kind 'ingets'; did you mean 'ingest'"):
        find("ingets")
    with pytest.raises(UsageError, match="ingest has no field 'shard_byte'; did you mean 'shard_bytes'"):
        find("ingest.shard_byte")


def test_what_is_wrong_with_an_installed_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from lmworks.graph import STEPS

    monkeypatch.setattr(type(STEPS), "faults", lambda kinds: iter(["broken 1.0: no"] if kinds is STEPS else []))
    assert "broken 1.0: no" in CliRunner().invoke(app, ["explain"]).stdout


def test_the_schema_is_printed(validator: Draft202012Validator) -> None:
    printed = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert printed == json.loads(json.dumps(recipe_schema()))
