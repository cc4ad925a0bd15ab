"""What the columns of a table are for, by their names and by what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from lmworks.data.base.words import words_in
from lmworks.data.forms.forms import FORMS, form_of
from lmworks.data.forms.turns import LISTS
from lmworks.data.parsers.facts import LANGUAGE
from lmworks.data.personal.hidden import hide_name
from lmworks.start.columns import SHARE_OF_NAMES, Values, column_of
from lmworks.start.predicted import fits
from lmworks.start.seen import Column, Shape, Table
from lmworks.start.speakers import items_of, speakers_of, tree_of, unread_fields
from lmworks.start.words import (
    ANSWERED,
    ANSWERS,
    ASKED,
    GROUPS,
    LABELS,
    PARTICLES,
    QUESTIONS,
    SUBJECTS,
    THINGS,
    rank,
    tokens,
)

PERSONAL = ("name", "id", "category")
"""Kinds of columns that may name people."""
NAME_IN_PATH = re.compile(r"[^.*{}\[\]]+")
STATED, FEWEST_FACTS = 0.5, 3
"""Share of rows whose text states a column's value, and columns from which on texts are about the others."""
SPAN = {"start", "end", "label"}
FEWEST_PEOPLE = 7
"""Values written as people's names, of fewer of which it is not sure: `Credit Card` and `Debit Card` are so written."""
LIKELY = 0.6
"""Share of values that are, from where on a column may hold people's names."""
MOST_INSIDE = 100
"""Different paths inside the objects of a column, beyond which their names are data, as in parameters of programs."""
TEXTS_OF_A_THING = 5
"""Texts in the mean that state the same name, from where on it may be a thing's, such as a restaurant's."""
WHOLE_NAMES = {"name", "nombre", "nome", "nom"}
"""Words for a name, the parts of which stand inside of it: `customer.name.first`."""


def _ranked(columns: Sequence[Column], words: Sequence[str]) -> list[str]:
    ranks = {column.name: found for column in columns if (found := rank(column.name, words)) is not None}
    return sorted(ranks, key=lambda name: ranks[name])


def roles_of(table: Table, rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table with what its columns are for, and its shape. `rows` are some of its records."""
    columns = table.columns
    texts = [column for column in columns if column.kind == "text"]
    people = [name for name in _ranked(columns, SUBJECTS) if table.column(name).kind in PERSONAL]
    named = [name for name in people if not _is_of_things(name)]
    said = (str(row.get(column.name, "")) for column in texts for row in rows)
    common = {word for text in said for word in re.findall(r"[^\W\d_]{3,}", text) if word.islower()} - PARTICLES
    may = {column.name: _holds_names(column, common) for column in columns if column.name not in named}
    named += [name for name, is_sure in may.items() if is_sure]
    unsure = [name for name, is_sure in may.items() if is_sure is False]
    categories = [column for column in columns if column.kind == "category" and column.name not in named]
    categories = [column for column in categories if column.distinct > 1 and not _holds_languages(column, rows)]
    numbers = [column for column in columns if column.kind == "number" and column.counts]
    measured = fits(rows, [column.name for column in texts], [column.name for column in (*categories, *numbers)])
    codes = {column.name for column in numbers if column.name in measured and measured[column.name].shows_codes}
    columns = [replace(column, kind="category") if column.name in codes else column for column in columns]
    categories += [column for column in columns if column.name in codes]
    table = replace(table, columns=columns)
    told = _ranked(categories, LABELS)

    def place(name: str) -> tuple[object, ...]:
        fit = measured.get(name)
        by_name = told.index(name) if name in told else len(told)
        return not (fit and fit.is_clear), by_name, name in unsure, -fit.accuracy if fit else 0, _distinct(table, name)

    labels = sorted((column.name for column in categories), key=place)
    stated = [column.name for column in columns if _is_stated(column, texts, rows)]
    known = [name for name, fit in measured.items() if fit.is_clear]
    facts = (
        [column.name for column in columns if column.name in {*stated, *known}] if len(stated) >= FEWEST_FACTS else []
    )
    things = [name for name in named if name in facts and _may_name_things(table.column(name))]
    named, unsure = [name for name in named if name not in things], [*unsure, *things]
    is_label = bool(labels) and (measured[labels[0]].is_clear if labels[0] in measured else bool(told))
    shared = [c for c in columns if c.kind in ("name", "category", "id") and 1 < c.distinct < c.filled]
    table = replace(
        table,
        subjects=[*named, *_people_inside(columns, rows)],
        unsure=unsure,
        dates=[column.name for column in columns if column.kind == "date"],
        labels=labels,
        fits=measured,
        facts=facts,
        texts=_in_order(texts),
        groups=[name for name in _ranked(shared, GROUPS) if name not in labels[:1]],
    )
    return replace(table, **_shape(table, rows, is_label))


def _is_stated(column: Column, texts: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether texts say word for word what a column of short values has in their row."""
    if column.kind not in ("name", "category"):
        return False
    said = [(_as_words(row.get(column.name)), row) for row in rows]
    held = [any(value in _as_words(row.get(each.name)) for each in texts) for value, row in said if value.strip()]
    return sum(held) >= STATED * len(held) > 0


def _as_words(value: Any) -> str:
    """Return the words of a value in small letters, each between two spaces: `hen` is not said where `then` is."""
    return f" {' '.join(words_in(str(value or '').lower()))} "


def _holds_names(column: Column, common: Set[str]) -> bool | None:
    """Whether a column holds people's names, by how its values are written; False if it may, None if it does not.

    What most values share with the words that texts have in small letters is no name of anybody. `common` is those.
    """
    if column.kind not in ("name", "category") or column.names < LIKELY or _is_of_things(column.name):
        return None
    words = [re.findall(r"[^\W\d_]{3,}", value.lower()) for value in column.counts]
    if 2 * sum(not common.isdisjoint(each) for each in words) > len(words):
        return None
    says_other = rank(column.name, (*LABELS, *GROUPS)) is not None
    return column.distinct >= FEWEST_PEOPLE and column.names >= SHARE_OF_NAMES and not says_other


def _may_name_things(column: Column) -> bool:
    """Whether a column called `name` has few values for its many texts."""
    return {*tokens(column.name)} <= WHOLE_NAMES and column.filled >= TEXTS_OF_A_THING * column.distinct


def _people_inside(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths inside of objects that name people, such as `customer.name`, the likeliest first."""
    inside: dict[str, Values] = {}
    for name in (column.name for column in columns if column.kind == "nested"):
        theirs: dict[str, Values] = {}
        for row in rows:
            for path, value in _leaves(row.get(name), name):
                theirs.setdefault(path, Values()).add(value)
        inside |= theirs if len(theirs) <= MOST_INSIDE else {}
    found = [column_of(path, values, len(rows)) for path, values in inside.items() if _names_person(path)]
    return _ranked([each for each in found if each.kind in PERSONAL], SUBJECTS)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What stands inside of objects, but for lists, by its path; names that no path can be made of have none."""
    if not isinstance(value, Mapping):
        yield from () if isinstance(value, list) else [(path, value)]
        return
    for name, inner in value.items():
        if NAME_IN_PATH.fullmatch(name) and hide_name(name) == name:
            yield from _leaves(inner, f"{path}.{name}")


def _names_person(path: str) -> bool:
    _, *names = path.split(".")
    says = rank(names[-1], SUBJECTS) is not None if names else False
    return (says or bool(WHOLE_NAMES & {*tokens(path)})) and bool(names) and not _is_of_things(path)


def _distinct(table: Table, name: str) -> int:
    return table.column(name).distinct


def _is_of_things(name: str) -> bool:
    """Whether a name is of a file, a product or the like rather than of a person."""
    return not THINGS.isdisjoint(tokens(name))


def _holds_languages(column: Column, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = {str(row.get(column.name, "")).strip() for row in rows}
    return bool({"lang", "language", "idioma", "sprache", "langue", "locale"} & {*tokens(column.name)}) and all(
        LANGUAGE.fullmatch(value) for value in values if value
    )


def _in_order(texts: Sequence[Column]) -> list[str]:
    """Columns of texts, what asks before what answers; without names that say it the longer first.

    What says the same in several languages stays as it stands: longer is no sign of which is translated.
    """
    spoken = [language_of(column) for column in texts]
    if len(texts) > 1 and all(spoken) and len({*spoken}) == len(texts):
        texts = [replace(column, characters=0.0) for column in texts]

    def place(column: Column) -> tuple[int, float]:
        words = [word for word in ASKED if len(word) > 2]  # `en` is a language rather than what is asked
        asks, answers = rank(column.name, words), rank(column.name, ANSWERED)
        return (0 if asks is not None else 2 if answers is not None else 1), -column.characters

    return [column.name for column in sorted(texts, key=place)]


def language_of(column: Column) -> str | None:
    """The language of a column of texts, by its name, else by what it holds."""
    is_code = LANGUAGE.fullmatch(column.name) and len(column.name) in (2, 5)
    return column.name if is_code else column.language


def _shape(table: Table, rows: Sequence[Mapping[str, Any]], is_label: bool) -> dict[str, Any]:
    nested = [column.name for column in table.columns if column.kind == "nested"]
    first = rows[0] if rows else {}
    remarks = [*table.remarks]
    if (name := form_of(first)) and (FORMS[name].is_judgement or {*LISTS} & {*nested}):
        if FORMS[name].is_judgement:
            return {"shape": "preferences", "layout": name}
        return {"shape": "conversations", "layout": name, "ignored": unread_fields(rows, {}, {})}
    for column in nested:
        items = [item for row in rows for item in items_of(row.get(column))]
        if items and all(item.keys() >= SPAN for item in items) and table.texts:
            return {"shape": "spans", "labels": [column]}
        speakers = speakers_of(column, rows) if items else tree_of(column, rows)
        table = replace(table, subjects=[*dict.fromkeys([*table.subjects, *speakers.people])])
        if speakers.roles:
            conversations = {"shape": "conversations", "renamed": speakers.renamed, "roles": speakers.roles}
            return conversations | {"ignored": speakers.ignored, "subjects": table.subjects}
        remarks += speakers.remarks
    shape: Shape = "nothing"
    if is_pair(table):
        shape = "pairs"
    elif table.texts and table.labels and is_label:
        shape = "labelled"
    elif table.texts:
        shape = "texts"
    elif any(column.kind in ("number", "category", "date") for column in table.columns):
        shape = "events" if table.dates and len(table.columns) > 2 and table.records > 1 else "nothing"
    return {"shape": shape, "remarks": remarks, "subjects": table.subjects}


def is_dialogue(table: Table) -> bool:
    """Whether one column of texts asks what another answers, rather than that one is about the other."""
    first, *_, last = table.texts or [""]
    return rank(first, QUESTIONS) is not None or rank(last, ANSWERS) is not None


def is_pair(table: Table) -> bool:
    """Whether two columns of texts ask and answer, by their names, or say the same in two languages."""
    if len(table.texts) < 2:
        return False
    first, *_, last = table.texts
    names = rank(first, ASKED) is not None and rank(last, ANSWERED) is not None
    one, other = table.column(first).language, table.column(last).language
    codes = all(LANGUAGE.fullmatch(name) and len(name) in (2, 5) for name in (first, last))
    return names or codes or (one is not None and other is not None and one != other)
