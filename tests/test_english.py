"""The English of texts in the code and of pages follows the house rules, except where it is not rewritten yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from test_benchmarks import script

WORDS = script("words")


def faults(text: str, kind: str = "docstring") -> list[str]:
    return [fault.partition(":")[0] for fault in WORDS.Text("", kind, text).faults()]


@pytest.mark.parametrize(
    ("kind", "text", "rule"),
    [
        ("docstring", "Of equal files the first.", "opening"),
        ("message", "what is read", "opening"),
        ("heading", "Those that stay", "opening"),
        ("docstring", " ".join(["word"] * 41), "41 words"),
        ("docstring", "A value stands in each row.", "phrase"),
        ("docstring", "It takes 30 ms a passage.", "phrase"),
        ("description", "number of rows", "no period"),
        ("help", "Number of rows", "no period"),
        ("description", "Rows; all by default.", "semicolon"),
    ],
)
def test_a_text_that_breaks_a_rule_is_named(kind: str, text: str, rule: str) -> None:
    assert faults(text, kind) == [rule]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("heading", "What does a gate ask?"),
        ("docstring", "Return the rows. " + " ".join(["word"] * 38) + "."),
        ("docstring", "`stands in` is code; it stays."),
        ("prose", "Of this page only figures count."),
        ("description", "Number of rows."),
    ],
)
def test_a_sound_text_passes(kind: str, text: str) -> None:
    assert faults(text, kind) == []


def test_texts_are_read_from_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WORDS, "ROOT", tmp_path)
    file = tmp_path / "one.py"
    file.write_text(
        '"""Head."""\nSHOWN = "Shown."\nLIMIT = 3\n"""Most rows."""\n\n\ndef read(name):\n    """Read."""\n'
        '    raise ValueError(f"{name}: " + "none")\n\n\nField(description=SHOWN)\nOption(help="Rows. " f"{LIMIT}.")\n'
    )
    found = [(text.kind, text.text) for text in WORDS.texts_of(file)]
    assert sorted(found) == [
        ("description", "Shown."),
        ("docstring", "Head."),
        ("docstring", "Most rows."),
        ("docstring", "Read."),
        ("help", "Rows. X."),
        ("message", "X: none"),
    ]


def test_a_page_is_judged_by_its_prose() -> None:
    page = (
        "# Title\n\nOne sentence; joined. Another: joined. A list:\n\n- one\n- two\n\n```\na: b; c\n```\n\n| a; b |\n"
    )
    headings, found = WORDS.prose(page)
    assert headings == ["Title"]
    assert found == ["One sentence; joined.", "Another: joined.", "A list:", "one", "two"]
    assert WORDS.figures(page) == (2, 0, 0.4)


def test_what_is_rewritten_stays_so() -> None:
    found = [fault for path in WORDS.files() if not WORDS.is_not_yet(path) for fault in WORDS.faults_in(path)]
    assert not found, "run `make words`, and rewrite these texts"


def test_the_list_of_texts_not_yet_rewritten_only_shrinks() -> None:
    failing = {str(path.relative_to(WORDS.ROOT)) for path in WORDS.files() if WORDS.faults_in(path)}
    done = [entry for entry in WORDS.RULES["not_yet"] if not any(name.startswith(entry) for name in failing)]
    assert not done, "delete these entries of `not_yet` in benchmarks/words.yaml: their texts have no fault any more"
