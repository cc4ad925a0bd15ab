"""Questions with choices in published layouts: which fields hold the question, the choices and the right one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lmworks.data.forms.row import Fault, LeftOut, Read, as_text, short
from lmworks.data.forms.sample import Choice

MORE = frozenset(
    {"E", "subject", "question_concept", "fact1", "humanScore", "clarity", "turkIdAnonymized"}
    | {"ctx_a", "ctx_b", "activity_label", "source_id", "rationale", "choice1", "choice2", "choices"}
)
"""Fields that a layout reads or leaves out, in addition to the fields that identify it."""


def _place(value: Any, field: str, *, first: int = 0) -> int:
    """Return an index from 0, which is stated as a number counted from `first`, or as a letter."""
    if isinstance(value, str) and len(value) == 1 and value.isalpha():
        return ord(value.upper()) - ord("A")
    try:
        place = int(as_text(value, field)) - first
    except ValueError:
        if value in ("", None):
            raise LeftOut("without a label: it was published without one") from None
        raise Fault(f"no right choice: field {field!r} is {short(value)}") from None
    if place < 0:
        raise LeftOut("without a label: it was published without one")
    return place


def _labelled(words: str, row: Read, inside: Read, left: Sequence[str]) -> Choice:
    """Return a question whose choices have labels. `answerKey` is the label of the right choice."""
    row.leave(*left)
    inside.leave(*left)
    if isinstance(inside["choices"], Read):
        texts, labels = (inside.row("choices").texts(name) for name in ("text", "label"))
    else:
        texts, labels = ([item.text(name) for item in inside.rows("choices")] for name in ("text", "label"))
    key = row.text("answerKey")
    if not key:
        raise LeftOut("without a label: it was published without one")
    if key not in labels or len(texts) != len(labels):
        raise Fault(f"no right choice: answerKey is {key!r}, the labels are {', '.join(labels)}")
    return Choice(words, texts, labels.index(key))


def arc(row: Read) -> Choice:
    return _labelled(row.text("question"), row, row, ["question_concept"])


def commonsense(row: Read) -> Choice:
    inside = row.row("question")
    return _labelled(inside.text("stem"), row, inside, ["question_concept"])


def openbook(row: Read) -> Choice:
    left = ["fact1", "humanScore", "clarity", "turkIdAnonymized"]
    return _labelled(row.text("question_stem"), row, row, left)


def named(query: Sequence[str], choices: Sequence[str], gold: str, *, first: int = 0) -> Callable[[Read], Choice]:
    """Return a reader of questions in fields `query`, with a choice per field `choices`. `gold`: a letter or number."""

    def read(row: Read) -> Choice:
        found = [row.text(name) for name in choices if name in row]
        return Choice(row.joined(query), found, _place(row[gold], gold, first=first))

    return read


def listed(query: Sequence[str], choices: str, gold: str, left: Sequence[str] = ()) -> Callable[[Read], Choice]:
    """Return a reader of questions in fields `query`, with a list of choices. `gold`: a letter, or an index from 0."""

    def read(row: Read) -> Choice:
        row.leave(*left)
        return Choice(row.joined(query), row.texts(choices), _place(row[gold], gold))

    return read


def hellaswag(row: Read) -> Choice:
    row.leave("ctx_a", "ctx_b", "activity_label", "source_id")
    return Choice(row.text("ctx"), row.texts("endings"), _place(row["label"], "label"))


def aqua(row: Read) -> Choice:
    """Return a question whose options begin with their letter, such as "A)21"."""
    row.leave("rationale")
    texts = [text.partition(")")[2].strip() or text for text in row.texts("options")]
    return Choice(row.joined(["question"]), texts, _place(row["correct"], "correct"))


def copa(row: Read) -> Choice:
    asked = {"cause": "What was the cause?", "effect": "What happened as a result?"}
    relation = row.text("question")
    if relation not in asked:
        raise Fault(f"no question: field 'question' is {relation!r}, expected cause or effect")
    names, label = ("choice1", "choice2"), row["label"]
    place = names.index(label) if label in names else _place(label, "label")  # a class has the name of its field
    return Choice(f"{row.text('premise')} {asked[relation]}", [row.text(name) for name in names], place)
