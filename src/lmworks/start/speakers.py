"""Who speaks in the conversations of a table, and in which role."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from lmworks.data.forms.forms import FORMS, form_of
from lmworks.data.forms.row import Fault, LeftOut, Read
from lmworks.data.forms.turns import ROLES
from lmworks.data.personal.hidden import hide_name
from lmworks.data.tuning.naming import INSIDE, REPLIES, Naming
from lmworks.start.words import SUBJECTS, WORDS, tokens

SPEAKERS = frozenset((*SUBJECTS, *WORDS["speakers"]))
"""Words for who speaks in a conversation; whatever else they are called by must be heard in most conversations."""
MOST_ROLES = 6
LONGEST_NAME = 40
"""Characters of who speaks."""
EXAMPLES = "customer and agent"


@dataclass(frozen=True)
class Speakers:
    """Who speaks in a column of turns; without `roles`, it holds no conversations that can be read."""

    renamed: Mapping[str, str]
    """The fields of turns by the names that they usually have."""
    roles: Mapping[str, str]
    """Who is the user, the assistant, the system."""
    people: Sequence[str]
    """Paths of fields that name people."""
    ignored: Sequence[str]
    """Fields with texts that nothing is learned from."""
    remarks: Sequence[str]
    """Why they cannot be read as conversations, and what mends it."""


def speakers_of(column: str, rows: Sequence[Mapping[str, Any]]) -> Speakers:
    """Who speaks in a column that may hold lists of turns."""
    turns = [items_of(row.get(column)) for row in rows]
    items = [item for each in turns for item in each]
    fields, said = _turn_fields(turns)
    roles = {name: _roles(turns, name) for name in fields}
    people = [f"{column}.*.{name}" for name in fields if not roles[name] and _are_names(items, name)]
    known = sorted((each for each in roles.items() if each[1]), key=lambda each: not all(map(_is_word, each[1])))
    for name, found in known[:1]:
        renamed = {"messages": column, "messages.*.role": f"{column}.*.{name}"}
        renamed["messages.*.content"] = f"{column}.*.{said}"
        return Speakers(renamed, found, people, unread_fields(rows, renamed, found), [])
    remarks = [
        f"not read as conversations: {[*people, f'{column}.*.{name}'][0]} says who speaks by other words than a few "
        f"roles that most conversations have, such as {EXAMPLES}: people's names are no roles; write a role beside "
        "each turn"
        for name in fields[:1]
    ]
    return Speakers({}, {}, people, [], remarks)


def tree_of(column: str, rows: Sequence[Mapping[str, Any]]) -> Speakers:
    """Who speaks in a column that may hold trees of messages, each with a list of those that answer it."""
    nodes = [node for row in rows if isinstance(node := row.get(column), Mapping)]
    lists = Counter(name for node in nodes for name, value in node.items() if items_of(value))
    below = next((name for name, count in lists.most_common(1) if 2 * count > len(nodes)), "")
    identity = next((name for name, value in rows[0].items() if isinstance(value, str)), "") if rows else ""
    if not (below and identity):
        return Speakers({}, {}, [], [], [])
    found = speakers_of(column, [{column: [*_first_path(node, below)]} for node in nodes])
    names = {name.rpartition(".")[2]: theirs for name, theirs in found.renamed.items()}
    renamed = {"message_tree_id": identity, "prompt": column, f"prompt{INSIDE}role": names.get("role", "")}
    renamed |= {f"prompt{INSIDE}text": names.get("content", ""), f"prompt{INSIDE}{REPLIES}": f"{column}{INSIDE}{below}"}
    return replace(found, renamed=renamed, ignored=[])


def _first_path(node: Mapping[str, Any], below: str) -> Iterator[Mapping[str, Any]]:
    """Yield a message, the first that answers it, and so on."""
    path = [node]
    while path:
        yield path[0]
        path = items_of(path[0].get(below))[:1]


def items_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list."""
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


def unread_fields(rows: Sequence[Mapping[str, Any]], fields: Mapping[str, str], roles: Mapping[str, str]) -> list[str]:
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
