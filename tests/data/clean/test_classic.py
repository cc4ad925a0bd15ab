"""Classic cleaning: each step, what is protected, and the figures on what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of, texts
from hypothesis import given
from hypothesis import strategies as st
from nltk.tokenize import TreebankWordTokenizer

from lmworks.data.clean.classic import STEPS, ClassicConfig, classic, clean, flesch_kincaid, syllables
from lmworks.data.records import Documents
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.stage import Result
from support import make_context


def config(*steps: str, **options: Any) -> ClassicConfig:
    return ClassicConfig.model_validate({"from": "clean", "steps": list(steps), **options})


def run(tmp_path: Path, wanted: ClassicConfig, *documents: str) -> tuple[Result, Path]:
    out = tmp_path / "out"
    return classic(wanted, documents_of(tmp_path / "in", *documents), out=out, context=make_context(tmp_path)), out


@pytest.mark.parametrize(
    ("steps", "before", "after"),
    [
        (["lower-case"], "The US, in ÉVRY", "the us, in évry"),
        (["punctuation"], "Well-known: C++, don’t (ever) use snake_case!", "Well known C++ dont ever use snake case"),
        (
            ["lower-case", "punctuation", "stop-words"],
            "The C++, C# (or F#) of .NET: node.js, ASP.NET, C++17. A.net? 3+4 # no",
            "c++ c# or f# .net node.js asp.net c++17 a.net 3 4 no",
        ),
        (["stop-words"], "The state of the art is on a shelf", "state art shelf"),
        (
            ["contractions"],
            "I'm sure they won't, can’t or Couldn't; we'll see",
            "I am sure they will not, cannot or Could not; we will see",
        ),
        (["contractions"], "Ain't she John's? He'd know", "Ain't she John's? He'd know"),
        (["stop-words", "lower-case", "punctuation", "contractions"], "It isn't\n\nThe end.", "not\nend"),
        (["readability"], "Left as  it is.\n\nAll of it", "Left as it is.\nAll of it"),
    ],
)
def test_each_step(steps: list[str], before: str, after: str) -> None:
    assert clean(before, config(*steps)) == after


@pytest.mark.parametrize(
    ("language", "before", "after"),
    [
        ("fr", "J'ai vu qu’il va au parc d'un ami", "Je ai vu que il va à le parc de un ami"),
        ("fr", "s'il vient aujourd'hui, l'eau", "si il vient aujourd'hui, l'eau"),
        ("it", "C'è un'idea nell'acqua del mare", "Ci è una idea in l’acqua di il mare"),
        ("it", "dei nei sulla pelle, l'altro", "dei nei su la pelle, l'altro"),
        ("fr", "It isn't mine", "It isn't mine"),
    ],
)
def test_contractions_of_other_languages(language: str, before: str, after: str) -> None:
    assert clean(before, config("contractions", language=language)) == after


def test_stop_words_of_a_language_come_from_a_package(tmp_path: Path) -> None:
    wanted = config("stop-words", stop_words="de")
    assert list(wanted.imports(tmp_path)) == ["stopwordsiso"]
    assert clean("Das Haus ist auf dem Berg", wanted.resolve(tmp_path)) == "Haus Berg"
    with pytest.raises(UsageError, match="found the language 'xx', expected one of af, ar"):
        config("stop-words", stop_words="xx").resolve(tmp_path)


def test_protected_terms_are_touched_by_no_step() -> None:
    wanted = config(*STEPS, protect=["C++", "IT", "The Who", "ain't"])
    assert clean("The IT staff ain't using C++ at The Who's", wanted) == "IT staff ain't using C++ The Who s"
    assert clean("The Who THE", config("lower-case", protect=["The", "The Who"])) == "The Who the"
    assert clean("BIT it C++11", config("lower-case", protect=["IT", "C++"])) == "bit it c++11"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.lists(st.text(min_size=1, max_size=5), max_size=4),
)
def test_cleaning_ends_and_leaves_no_empty_line(text: str, protect: list[str]) -> None:
    cleaned = clean(text, config(*STEPS, protect=protect))
    assert all(line.strip() for line in cleaned.split("\n")) or not cleaned


def test_contractions_are_those_of_another_tokenizer() -> None:
    sentence = "I'm sure we'll see that they've gone, you're late, and she didn't, wasn't, hasn't and couldn't come"
    expanded = clean(sentence, config("contractions")).replace(",", "").split()
    short = {"n't": "not", "'m": "am", "'ll": "will", "'ve": "have", "'re": "are"}
    theirs = [short.get(token, token) for token in TreebankWordTokenizer().tokenize(sentence) if token != ","]
    assert expanded == theirs


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("make", 1), ("banana", 3), ("see", 1), ("readability", 5), ("the", 1), ("rhythm", 1)],
)
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


def test_readability_is_the_formula_of_its_authors() -> None:
    assert flesch_kincaid("The cat sat on the mat.") == round(0.39 * 6 + 11.8 * 1 - 15.59, 2)
    assert flesch_kincaid("The cat sat. The dog ran.") == round(0.39 * 3 + 11.8 - 15.59, 2)
    assert flesch_kincaid("...") == 0
    assert flesch_kincaid("." * 300_000 + "x") == flesch_kincaid("x")


def test_a_step_writes_what_it_cleaned_and_how_hard_it_was_to_read(tmp_path: Path) -> None:
    result, out = run(tmp_path, config("readability", "lower-case", "stop-words"), "The Cat sat.", "the a")
    assert texts(out) == ["cat sat."]
    assert next(Documents(out, "").iterate()).meta["readability"] == flesch_kincaid("The Cat sat.")
    assert result.counts["empty"] == result.counts["documents"] == 1


def test_figures_say_what_each_step_costs(tmp_path: Path) -> None:
    text = "US staff told us: ain't aint, the C++ of y'all. ++ staff staff IT. Don't"
    result, _ = run(tmp_path, config("lower-case", "punctuation", "stop-words"), text)
    found = {figure.name: (figure.value, figure.n) for figure in result.figures}
    assert found["technical types lost or merged by lower-case"] == (1 / 3, 3)  # US → us; IT and C++ stay alone
    assert found["dialect types lost or merged by punctuation"] == (
        1 / 2,
        2,
    )  # ain't → aint; don't is none
    assert found["rare types lost or merged by punctuation"] == (3 / 12, 12)  # ain't, aint, ++
    assert found["rare types lost or merged by stop-words"] == (3 / 12, 12)  # the, of, and IT
    examples = {(each["reason"], each["before"], each["after"]) for each in result.examples if "before" in each}
    assert ("lower-case: technical type merged", "US", "us") in examples
    assert ("punctuation: rare type lost", "++", "") in examples


def test_protection_shows_in_the_figures(tmp_path: Path) -> None:
    text = "US staff told us about C++ and the US"
    result, _ = run(tmp_path, config("lower-case", "punctuation", protect=["US", "C++"]), text)
    found = {figure.name: (figure.value, figure.n) for figure in result.figures}
    assert found["protected terms kept"] == (1.0, 3)
    assert found["technical types lost or merged by lower-case"] == (0.0, 2)


def test_names_with_signs_are_technical_types(tmp_path: Path) -> None:
    text = "We write C++ and c++ for .NET, (node.js) too."
    result, out = run(tmp_path, config("lower-case", "punctuation"), text)
    found = {figure.name: (figure.value, figure.n) for figure in result.figures}
    assert texts(out) == ["we write c++ and c++ for .net node.js too"]
    assert found["technical types lost or merged by lower-case"] == (2 / 4, 4)  # C++ and c++ become one
    assert found["technical types lost or merged by punctuation"] == (0.0, 4)


def test_lists_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("C++\n\n IT \n")
    wanted = config("lower-case", protect="terms.txt").resolve(tmp_path)
    assert wanted.protect == ["C++", "IT"]
    with pytest.raises(UsageError, match="cannot be read"):
        config("stop-words", stop_words="none.txt").resolve(tmp_path)
    (tmp_path / "terms.txt").write_text("\n")
    with pytest.raises(UsageError, match="no word found"):
        config("stop-words", stop_words="terms.txt").resolve(tmp_path)


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match=r"empty \(1\)"):
        run(tmp_path, config("stop-words"), "the")
