"""What the columns of a table are for, by their names and by what they hold."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmworks.data.forms.forms import FORMS, form_of
from lmworks.data.forms.row import Fault, LeftOut, Read
from lmworks.data.forms.turns import LISTS, ROLES
from lmworks.data.parsers.facts import LANGUAGE
from lmworks.data.privacy.hidden import hide_name
from lmworks.data.tuning.naming import Naming
from lmworks.start.columns import Values, column_of
from lmworks.start.seen import Column, Shape, Table

WORDS: Mapping[str, Sequence[str]] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
"""Words of columns' names by what they say of a column, the likeliest first; and endings of source code."""
SUBJECTS = WORDS["subjects"]
LABELS = WORDS["labels"]
QUESTIONS, ANSWERS = WORDS["asked"], WORDS["answered"]
ASKED, ANSWERED = [*QUESTIONS, *WORDS["read"]], [*ANSWERS, *WORDS["told"]]
GROUPS = WORDS["groups"]
SPEAKERS = frozenset((*SUBJECTS, *WORDS["speakers"]))
"""Words for who speaks in a conversation; whatever else they are called by must be heard in most conversations."""
MOST_ROLES = 6
LONGEST_NAME = 40
"""Characters of who speaks."""
PERSONAL = ("name", "id", "category")
"""Kinds of columns that may name people."""
NAME_IN_PATH = re.compile(r"[^.*{}\[\]]+")
EXAMPLES = "customer and agent"
SPAN = {"start", "end", "label"}
THINGS = {"file", "product", "producto", "produkt", "produto", "item", "service", "model", "company"}
WHOLE_NAMES = {"name", "nombre", "nome", "nom"}
"""Words for a name, the parts of which stand inside of it: `customer.name.first`."""


def tokens(name: str) -> list[str]:
    """The words of a column's name, without accents, in lower case: `customerId` is customer, id."""
    import unicodedata

    plain = unicodedata.normalize("NFD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    return re.findall(r"[^\W\d_]+", letters.lower())


def _rank(name: str, words: Sequence[str]) -> int | None:
    """How early a word of a name stands in a list; None if none does."""
    found = [words.index(token) for token in tokens(name) if token in words]
    return min(found, default=None)


def _ranked(columns: Sequence[Column], words: Sequence[str]) -> list[str]:
    ranks = {column.name: _rank(column.name, words) for column in columns}
    return sorted((name for name, rank in ranks.items() if rank is not None), key=lambda name: ranks[name] or 0)


def roles_of(table: Table, rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table with what its columns are for, and its shape. `rows` are some of its records."""
    columns = table.columns
    texts = [column for column in columns if column.kind == "text"]
    people = [name for name in _ranked(columns, SUBJECTS) if table.column(name).kind in PERSONAL]
    named = [name for name in people if not _is_of_things(name)]
    categories = [column for column in columns if column.kind == "category" and column.name not in named]
    categories = [column for column in categories if column.distinct > 1 and not _holds_languages(column, rows)]
    told = _ranked(categories, LABELS)
    labels = [
        *told,
        *sorted((c.name for c in categories if c.name not in told), key=lambda name: _distinct(table, name)),
    ]
    shared = [c for c in columns if c.kind in ("name", "category", "id") and 1 < c.distinct < c.filled]
    table = replace(
        table,
        subjects=[*named, *_people_inside(columns, rows)],
        dates=[column.name for column in columns if column.kind == "date"],
        labels=labels,
        texts=_in_order(texts),
        groups=[name for name in _ranked(shared, GROUPS) if name not in labels[:1]],
    )
    return replace(table, **_shape(table, rows, bool(told)))


def _people_inside(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths inside of objects that name people, such as `customer.name`, the likeliest first."""
    inside: dict[str, Values] = {}
    for name in (column.name for column in columns if column.kind == "nested"):
        for row in rows:
            for path, value in _leaves(row.get(name), name):
                inside.setdefault(path, Values()).add(value)
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
    says = _rank(names[-1], SUBJECTS) is not None if names else False
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
        asks, answers = _rank(column.name, words), _rank(column.name, ANSWERED)
        return (0 if asks is not None else 2 if answers is not None else 1), -column.characters

    return [column.name for column in sorted(texts, key=place)]


def language_of(column: Column) -> str | None:
    """The language of a column of texts, by its name, else by what it holds."""
    is_code = LANGUAGE.fullmatch(column.name) and len(column.name) in (2, 5)
    return column.name if is_code else column.language


def _shape(table: Table, rows: Sequence[Mapping[str, Any]], is_label_named: bool) -> dict[str, Any]:
    nested = [column.name for column in table.columns if column.kind == "nested"]
    first = rows[0] if rows else {}
    remarks = [*table.remarks]
    if (name := form_of(first)) and (FORMS[name].is_judgement or {*LISTS} & {*nested}):
        if FORMS[name].is_judgement:
            return {"shape": "preferences", "layout": name}
        return {"shape": "conversations", "layout": name, "ignored": _unread(rows, {}, {})}
    for column in nested:
        turns = [_items(row.get(column)) for row in rows]
        items = [item for each in turns for item in each]
        if items and all(item.keys() >= SPAN for item in items) and table.texts:
            return {"shape": "spans", "labels": [column]}
        speakers, said = _turn_fields(turns)
        roles = {name: _roles(turns, name) for name in speakers}
        people = [f"{column}.*.{name}" for name in speakers if not roles[name] and _are_names(items, name)]
        subjects = [*dict.fromkeys([*table.subjects, *people])]
        known = sorted((each for each in roles.items() if each[1]), key=lambda each: not all(map(_is_word, each[1])))
        if speaker := next(iter(known), None):
            renamed = {"messages": column, "messages.*.role": f"{column}.*.{speaker[0]}"}
            renamed["messages.*.content"] = f"{column}.*.{said}"
            ignored = _unread(rows, renamed, speaker[1])
            conversations = {"shape": "conversations", "renamed": renamed, "roles": speaker[1], "ignored": ignored}
            return conversations | {"subjects": subjects}
        if speakers:
            table = replace(table, subjects=subjects)
            remarks.append(
                f"not read as conversations: {[*people, f'{column}.*.{speakers[0]}'][0]} says who speaks by other "
                f"words than a few roles that most conversations have, such as {EXAMPLES}: people's names are no "
                "roles; write a role beside each turn"
            )
    shape: Shape = "nothing"
    if is_pair(table):
        shape = "pairs"
    elif table.texts and table.labels and is_label_named:
        shape = "labelled"
    elif table.texts:
        shape = "texts"
    elif any(column.kind in ("number", "category", "date") for column in table.columns):
        shape = "events" if table.dates and len(table.columns) > 2 and table.records > 1 else "nothing"
    return {"shape": shape, "remarks": remarks, "subjects": table.subjects}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _turn_fields(turns: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[list[str], str]:
    """The fields of turns that may say who speaks, the likeliest first, and the one that says what; none of others.

    Who speaks is short, and of few values in all, or again and again the same within a conversation, whatever the
    field is called.
    """
    items = [item for each in turns for item in each]
    strings = {name for item in items for name, value in item.items() if isinstance(value, str)}
    strings = {name for name in strings if hide_name(name) == name}
    distinct = {name: {str(item.get(name)) for item in items} for name in strings}
    length = {name: sum(len(str(item.get(name, ""))) for item in items) / len(items) for name in strings}
    said = max(strings, key=lambda name: length[name], default="")
    if not said or length[said] < 8:
        return [], ""
    named = {"role", "speaker", "from", "who", "by", "sender", "sprecher", "author"}
    is_named = {name: bool(named & {*tokens(name)}) for name in strings}
    speakers = [
        name
        for name in strings - {said}
        if 2 <= len(distinct[name]) <= (len(items) if is_named[name] or _recurs(turns, name) else MOST_ROLES)
    ]
    return sorted(speakers, key=lambda name: (not is_named[name], len(distinct[name]), name)), said


def _recurs(turns: Sequence[Sequence[Mapping[str, Any]]], name: str) -> bool:
    """Whether a field says by whom of a few each turn of a conversation is: two or more of them, in most several times.

    Where no conversation has three turns, these must be the same in many.
    """
    said = [[item.get(name) for item in each] for each in turns if len(each) > 1]
    values = [value for each in said for value in each]
    if not values or not all(isinstance(value, str) and len(value) <= LONGEST_NAME for value in values):
        return False
    several = [each for each in said if 2 <= len({*each}) <= MOST_ROLES]
    longer = [each for each in several if len(each) > 2]
    again = sum(len({*each}) < len(each) for each in longer)
    is_again = 2 * again > len(longer) if longer else 2 * len({*values}) < len(values)
    return 2 * len(several) > len(said) and is_again


def _are_names(items: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether a field of turns holds people's names: by its own, or as more values than there are roles, written so."""
    values = {value.strip() for item in items if isinstance(value := item.get(name), str)}
    written = [value for value in values if value and not value[0].islower() and not re.search(r"\d", value)]
    return len(values) > MOST_ROLES and 2 * len(written) > len(values)


def _unread(rows: Sequence[Mapping[str, Any]], fields: Mapping[str, str], roles: Mapping[str, str]) -> list[str]:
    """Fields with texts that most records have and that conversations of them leave unused.

    Those that few have are not named: a part that is held out may have none of them, and what none has is refused.
    """
    naming, found, read = Naming(fields, [], roles), Counter[str](), 0
    for row in rows:
        named = Read(naming.named(row))
        if (form := form_of(named)) and FORMS[form].threads is None:
            with suppress(Fault, LeftOut):
                deque(FORMS[form].convert(named), 0)
            found.update(named.unread())
            read += 1
    return [name for name, count in found.items() if 2 * count > read and hide_name(name) == name]


def _roles(turns: Sequence[Sequence[Mapping[str, Any]]], speaker: str) -> dict[str, str]:
    """The role of each speaker: who speaks first in most conversations is the user, and the others answer.

    None where one is neither a word for a role nor heard in most conversations: these are names of people.
    """
    heard = Counter(name for items in turns for name in {str(item.get(speaker)) for item in items})
    held = sum(map(bool, turns))
    if len(heard) > MOST_ROLES or not all(_is_role(name, count, held) for name, count in heard.items()):
        return {}
    opened = [str(items[0].get(speaker)) for items in turns if items]
    first = max(sorted(set(opened)), key=opened.count)
    roles = {name: "user" if name == first else "assistant" for name in sorted(heard)}
    return roles | {name: ROLES[name.lower()] for name in roles if name.lower() in ROLES}


def _is_word(name: str) -> bool:
    """Whether a speaker is called by a word for a role."""
    return name.lower() in ROLES or (bool(tokens(name)) and SPEAKERS.issuperset(tokens(name)))


def _is_role(name: str, heard: int, conversations: int) -> bool:
    if _is_word(name):
        return True
    looks_own = hide_name(name) != name or (len(name.split()) > 1 and name.istitle())
    return 2 * heard > conversations and not looks_own


def is_dialogue(table: Table) -> bool:
    """Whether one column of texts asks what another answers, rather than that one is about the other."""
    first, *_, last = table.texts or [""]
    return _rank(first, QUESTIONS) is not None or _rank(last, ANSWERS) is not None


def is_pair(table: Table) -> bool:
    """Whether two columns of texts ask and answer, by their names, or say the same in two languages."""
    if len(table.texts) < 2:
        return False
    first, *_, last = table.texts
    names = _rank(first, ASKED) is not None and _rank(last, ANSWERED) is not None
    one, other = table.column(first).language, table.column(last).language
    codes = all(LANGUAGE.fullmatch(name) and len(name) in (2, 5) for name in (first, last))
    return names or codes or (one is not None and other is not None and one != other)
