"""Reading a recipe: YAML 1.2, faults with file, line, field and the nearest name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, field_validator

from lmworks.recipe.faults import expected
from lmworks.recipe.file import StepClasses, load_recipe
from lmworks.recipe.kinds import Chosen
from lmworks.recipe.references import references, steps_in_order
from lmworks.recipe.schema import NeedsConfig, Recipe, RecipeError, Reference, StepConfig
from lmworks.recipe.yaml import read_yaml
from lmworks.registry import Kinds, derived_from


class Files(StepConfig):
    kind: Literal["files"] = "files"
    folder: str = "."


class Archive(StepConfig):
    kind: Literal["archive"] = "archive"
    path: str = "."


class Read(StepConfig):
    kind: Literal["read"] = "read"
    sources: list[Annotated[Files | Archive, Field(discriminator="kind")]]


class Clean(StepConfig):
    kind: Literal["clean"] = "clean"
    documents: Reference = Field(alias="from")
    html: Literal["text", "keep"] = "text"
    avoid: list[Reference] = Field(default_factory=list)


class Split(StepConfig):
    parts: ClassVar[tuple[str, ...]] = ("train", "test")
    kind: Literal["split"] = "split"
    documents: Reference = Field(alias="from")


class Bpe(StepConfig):
    kind: Literal["bpe"] = "bpe"
    vocab_size: int = 4096
    documents: Reference = Field(alias="from")


class Train(StepConfig):
    objective: Literal["causal-lm"] = "causal-lm"
    start: Reference | None = Field(None, alias="from")
    learning_rate: float = 1e-3
    steps: int = 10
    note: str = ""


class Measure(StepConfig):
    kind: Literal["perplexity"] = "perplexity"
    data: Reference


def chosen(classes: dict[str, type[StepConfig]], key: str = "kind") -> Chosen:
    return Chosen(Kinds("nothing", "kind", classes, derived_from(StepConfig)), key)


CLASSES = StepClasses(
    data=chosen({"read": Read, "clean": Clean, "split": Split}),
    tokenizers=chosen({"bpe": Bpe}),
    objectives=chosen({"causal-lm": Train}, "objective"),
    tasks=chosen({"perplexity": Measure}),
)

GOOD = """\
name: example
use_case: content
data:
  raw: {kind: read, sources: [{kind: files, folder: .}]}
  clean: {kind: clean, from: raw}
  split: {kind: split, from: clean}
tokenizer: {kind: bpe, from: split.train}
models:
  pretrain:
    objective: causal-lm
    learning_rate: 3e-4
    note: no
evaluate:
  models: [pretrain]
  tasks: [{kind: perplexity, data: split.test}]
"""


def load(tmp_path: Path, text: str, *settings: str) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return load_recipe(path, CLASSES, settings)


def faults(tmp_path: Path, text: str, *settings: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, text, *settings)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_no_is_a_word_and_3e_4_is_a_number(tmp_path: Path) -> None:
    model = load(tmp_path, GOOD).models["pretrain"]
    assert isinstance(model, Train)
    assert model.note == "no"
    assert model.learning_rate == 0.0003


def test_steps_keep_the_order_of_the_file(tmp_path: Path) -> None:
    assert list(load(tmp_path, GOOD).data) == ["raw", "clean", "split"]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("clean, from: raw}", "clean, from: raw, htm: x}", 5, "clean.htm: unknown field 'htm'; did you mean 'html'?"),
        ("name: example", "nam: example", 1, "unknown field 'nam'; did you mean 'name'?"),
        ("{kind: read,", "{kind: reed,", 4, "no kind 'reed'; did you mean 'read'?"),
        ("3e-4", "fast", 11, "models.pretrain.learning_rate: expected a number; found the word 'fast'"),
        ("from: raw}", "from: rwa}", 5, "data.clean.from: no earlier step 'rwa'; did you mean 'raw'?"),
        ("data: split.test", "data: split.tset", 15, "step 'split' has no part 'tset'; did you mean 'test'?"),
        ("data: split.test", "data: split", 15, "name one of split.train, split.test"),
        ("{kind: bpe,", "{kind: bpe, vocb_size: 3,", 7, "unknown field 'vocb_size'; did you mean 'vocab_size'?"),
        ("folder: .", "foldr: .", 4, "data.raw.sources.0.foldr: unknown field 'foldr'; did you mean 'folder'?"),
    ],
)  # fmt: skip
def test_a_fault_names_line_field_and_the_nearest_name(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    said = faults(tmp_path, GOOD.replace(old, new))
    assert words in said
    assert f"recipe.yaml:{line}:" in said


class Strange(StepConfig):
    form: str = Field("a", pattern="^[a-z]+$")
    words: list[str] = Field(["a"], min_length=1, max_length=2)
    sign: str = Field("a", min_length=1, max_length=1)
    path: Path = Path("a")
    range_: tuple[int, int] = (1, 2)
    day: date = date(2026, 1, 1)

    @field_validator("words")
    @classmethod
    def _no_x(cls, words: list[str]) -> list[str]:
        if "x" in words:
            raise ValueError("x is no word")
        return words


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("form", "A1", "expected words of the form ^[a-z]+$"),
        ("words", [], "expected 1 entries or more"),
        ("words", ["a", "b", "c"], "expected 2 entries at most"),
        ("words", ["x"], "x is no word"),
        ("sign", "", "expected text of 1 characters or more"),
        ("sign", "ab", "expected text of 1 characters at most"),
        ("path", 3, "expected a path"),
        ("range_", 3, "expected a list"),
        ("range_", [1, 2, 3], "expected 2 entries at most"),
        ("day", "soon", "expected a day such as 2026-01-31"),
        ("day", 1.5, "expected a day such as 2026-01-31"),
        ("day", [1], "expected a day such as 2026-01-31"),
    ],
)
def test_no_fault_speaks_as_the_library_that_found_it(field: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Strange.model_validate({field: value})
    (fault,) = error.value.errors()
    assert expected(fault) == said


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("3e-4", "fast").replace("{kind: read,", "{kind: reed,")
    assert len(faults(tmp_path, text).splitlines()) == 2


def test_a_duplicate_key_is_refused_with_both_lines(tmp_path: Path) -> None:
    assert "recipe.yaml:2: 'name' occurs twice (first in line 1)" in faults(tmp_path, "name: a\nname: b\n")


def test_a_step_may_not_name_a_later_one(tmp_path: Path) -> None:
    text = GOOD.replace("{kind: clean, from: raw}", "{kind: clean, from: split.train}")
    assert "no earlier step 'split'" in faults(tmp_path, text)


def test_missing_file_bad_bytes_and_broken_yaml_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="lmworks init"):
        load_recipe(tmp_path / "absent.yaml", CLASSES)
    (tmp_path / "bytes.yaml").write_bytes(b"name: \xff")
    with pytest.raises(RecipeError, match="byte 6 is not UTF-8"):
        load_recipe(tmp_path / "bytes.yaml", CLASSES)
    assert "recipe.yaml:1: not YAML" in faults(tmp_path, "name: [x")
    assert "expected fields" in faults(tmp_path, "just words")
    assert "anchors" in faults(tmp_path, "name: &x a\nuse_case: *x\n")


def test_set_overrides_a_field_and_knows_the_short_form(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD, "pretrain.steps=60", "plan.measure=false", "clean.html=keep")
    assert recipe.models["pretrain"].steps == 60  # type: ignore[attr-defined]
    assert recipe.plan.measure is False
    assert recipe.data["clean"].html == "keep"  # type: ignore[attr-defined]


def test_set_that_reaches_nothing_suggests_a_name(tmp_path: Path) -> None:
    assert "did you mean 'pretrain'?" in faults(tmp_path, GOOD, "pretran.steps=60")
    assert "expected a.b=value" in faults(tmp_path, GOOD, "pretrain.steps")
    assert "unknown field 'stepz'; did you mean 'steps'?" in faults(tmp_path, GOOD, "pretrain.stepz=3")


def test_references_are_found_in_every_form(tmp_path: Path) -> None:
    text = GOOD.replace("from: raw}", "from: raw, avoid: [raw]}")
    found = dict(references(load(tmp_path, text).data["clean"]))
    assert found == {"documents": "raw", "avoid": ["raw"]}


class Write(StepConfig):
    kind: Literal["write"] = "write"
    model: Reference


def test_data_that_a_model_makes_may_be_trained_on_by_a_later_one(tmp_path: Path) -> None:
    text = GOOD.replace(
        "  split: {", "  said: {kind: write, model: pretrain}\n  told: {kind: clean, from: said}\n  split: {"
    )
    text = text.replace("evaluate:", "  second: {objective: causal-lm, from: pretrain}\nevaluate:")
    classes = replace(CLASSES, data=chosen({**CLASSES.data.kinds.built_in, "write": Write}))
    (tmp_path / "recipe.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "recipe.yaml", classes)
    order = [name for _, name, _ in steps_in_order(recipe)]
    assert order == ["raw", "clean", "split", "tokenizer", "pretrain", "said", "told", "second"]
    (tmp_path / "recipe.yaml").write_text(text.replace("from: split.train", "from: said"))
    with pytest.raises(RecipeError, match=r":9: tokenizer.from: no earlier step 'said'"):
        load_recipe(tmp_path / "recipe.yaml", classes)


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp")), max_size=20)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), PRINTABLE
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.lists(SCALARS, max_size=3), max_size=4))
def test_json_is_read_as_what_it_is(value: dict[str, object]) -> None:
    assert read_yaml(json.dumps(value, ensure_ascii=False), "test").value == value


def test_numbers_that_follow_from_others_may_be_stated_as_auto() -> None:
    assert NeedsConfig.model_validate({"parameters": "auto", "tokens": "auto"}).parameters == "auto"
    with pytest.raises(ValidationError, match="greater than or equal to 1000000"):
        NeedsConfig.model_validate({"parameters": 3})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nother: " + "9" * 5_000, r"r:2: a number of 5,000 digits"),
        ("deep: " + "[" * 3_000, "r: lists and fields are nested too deeply"),
    ],
)
def test_what_no_recipe_needs_is_refused_in_a_line(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_yaml(text, "r")
