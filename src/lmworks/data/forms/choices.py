"""Questions with choices, as they are published: by which fields a layout is told, and where its parts stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lmworks.data.forms.row import Fault, LeftOut, Read, as_list, as_row, as_text, short
from lmworks.data.forms.sample import Choice

MORE = frozenset(
    {"E", "subject", "question_concept", "fact1", "humanScore", "clarity", "turkIdAnonymized"}
    | {"ctx_a", "ctx_b", "activity_label", "source_id", "rationale", "choice1", "choice2", "choices"}
)
"""Fields that a layout reads or leaves out beside those by which it is told."""


def _words(row: Read, *names: str) -> str:
    parts = [as_text(row[name], name) for name in names if name in row and row[name] not in (None, "")]
    return "\n\n".join(parts)


def _texts(value: Any, field: str) -> list[str]:
    return [as_text(each, field) for each in as_list(value, field)]


def _place(value: Any, field: str, *, first: int = 0) -> int:
    """A place that is stated as a number, from `first` on, or as a letter."""
    if isinstance(value, str) and len(value) == 1 and value.isalpha():
        return ord(value.upper()) - ord("A")
    try:
        place = int(as_text(value, field)) - first
    except ValueError:
        if value in ("", None):
            raise LeftOut("without a label: it is published so") from None
        raise Fault(f"no right choice: field {field!r} is {short(value)}") from None
    if place < 0:
        raise LeftOut("without a label: it is published so")
    return place


def _labelled(words: str, row: Read, inside: Read, left: Sequence[str]) -> Choice:
    """A question whose choices have a label each, of which `answerKey` names one."""
    row.leave(*left)
    inside.leave(*left)
    found = inside["choices"]
    if isinstance(found, Read):
        texts, labels = _texts(found["text"], "choices.text"), _texts(found["label"], "choices.label")
    else:
        items = [as_row(each, "choices") for each in as_list(found, "choices")]
        texts, labels = ([as_text(item[name], name) for item in items] for name in ("text", "label"))
    key = as_text(row["answerKey"], "answerKey")
    if not key:
        raise LeftOut("without a label: it is published so")
    if key not in labels or len(texts) != len(labels):
        raise Fault(f"no right choice: answerKey is {key!r}, the labels are {', '.join(labels)}")
    return Choice(words, texts, labels.index(key))


def arc(row: Read) -> Choice:
    return _labelled(as_text(row["question"], "question"), row, row, ["question_concept"])


def commonsense(row: Read) -> Choice:
    inside = as_row(row["question"], "question")
    return _labelled(as_text(inside["stem"], "question.stem"), row, inside, ["question_concept"])


def openbook(row: Read) -> Choice:
    left = ["fact1", "humanScore", "clarity", "turkIdAnonymized"]
    return _labelled(as_text(row["question_stem"], "question_stem"), row, row, left)


def named(query: Sequence[str], choices: Sequence[str], gold: str, *, first: int = 0) -> Callable[[Read], Choice]:
    """A question of the fields `query`, with a choice in each field of `choices`; `gold` holds a letter or a place."""

    def read(row: Read) -> Choice:
        found = [as_text(row[name], name) for name in choices if name in row]
        return Choice(_words(row, *query), found, _place(row[gold], gold, first=first))

    return read


def listed(query: Sequence[str], choices: str, gold: str, left: Sequence[str] = ()) -> Callable[[Read], Choice]:
    """A question of the fields `query`, with a list of choices; `gold` holds a letter, or a place from 0."""

    def read(row: Read) -> Choice:
        row.leave(*left)
        return Choice(_words(row, *query), _texts(row[choices], choices), _place(row[gold], gold))

    return read


def hellaswag(row: Read) -> Choice:
    row.leave("ctx_a", "ctx_b", "activity_label", "source_id")
    return Choice(as_text(row["ctx"], "ctx"), _texts(row["endings"], "endings"), _place(row["label"], "label"))


def aqua(row: Read) -> Choice:
    """Options that begin with their letter: "A)21"."""
    row.leave("rationale")
    texts = [text.partition(")")[2].strip() or text for text in _texts(row["options"], "options")]
    return Choice(_words(row, "question"), texts, _place(row["correct"], "correct"))


def copa(row: Read) -> Choice:
    asked = {"cause": "What was the cause?", "effect": "What happened as a result?"}
    relation = as_text(row["question"], "question")
    if relation not in asked:
        raise Fault(f"no question: field 'question' is {relation!r}, expected cause or effect")
    choices = [as_text(row[name], name) for name in ("choice1", "choice2")]
    return Choice(f"{as_text(row['premise'], 'premise')} {asked[relation]}", choices, _place(row["label"], "label"))
