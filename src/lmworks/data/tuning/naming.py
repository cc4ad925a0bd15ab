"""Fields with other names in the records: they get their usual names, and names that match nothing are errors."""

from __future__ import annotations

import difflib
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lmworks.data.base.structure import value_at
from lmworks.data.forms.forms import FORMS, USUAL
from lmworks.data.forms.row import Row, says_something
from lmworks.data.personal.hidden import hide_name
from lmworks.errors import UsageError
from lmworks.registry import nearest

COLUMNS_SHOWN = 30
INSIDE = ".*."
"""Part of a path between a list and a field of its items, as in `messages.*.role`."""
REPLIES = "replies"
"""Field of a message in a tree that holds its replies."""
ROLE = ("role", "from")
"""Fields of a turn that name its speaker."""


def require_usual(fields: Mapping[str, str], form: str, templates: Sequence[str]) -> None:
    """Raise ValueError for a usual name in `fields` that no form reads, or no template if there are templates."""
    if not templates and form in set(FORMS) - FORMS.built_in.keys():
        return  # a package's form knows its names itself
    written = {word for template in templates for word in _placeholders(template)}
    known, where = (written, "no template holds it") if templates else (USUAL, "no form reads it")
    if unknown := next((name for name in fields if name.partition(INSIDE)[0] not in known), None):
        turned = f", as {{usual name: name here}}: {where}" if not templates else f": {where}"
        raise ValueError(f"`fields` has the usual name {unknown!r}{turned}{nearest(unknown, sorted(known))}")


def parted(fields: Mapping[str, str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the paths of columns in `fields`, and by column the fields of its list's items, as in `messages.*.role`.

    Raises ValueError if a name leads into a list and its path does not, or leads into a different list.
    """
    columns = {ours: theirs for ours, theirs in fields.items() if INSIDE not in ours}
    inside: dict[str, dict[str, str]] = {}
    for ours, theirs in fields.items():
        column, is_inside, name = ours.partition(INSIDE)
        if is_inside:
            place, _, own = theirs.rpartition(INSIDE)
            if not place or columns.setdefault(column, place) != place:
                expected = f"{columns.get(column, 'turns')}{INSIDE}{own}"
                raise ValueError(f"`fields` takes {ours!r} from {theirs!r}: expected a path such as {expected!r}")
            inside.setdefault(column, {})[name] = own
    return columns, inside


def _placeholders(template: str) -> Iterable[str]:
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    except ValueError:
        return []
    return [name.replace("[", ".").partition(".")[0] for name in names]


class Naming:
    """Names that `fields`, `ignore` and `roles` state, and what one pass over the records found of them."""

    def __init__(self, fields: Mapping[str, str], ignore: Sequence[str], roles: Mapping[str, str]) -> None:
        self.fields, self.ignore, self.roles = fields, ignore, roles
        self.columns_of, self.inside = parted(fields)
        self.read: set[str] = set()
        """Usual names that the form looked up."""
        self.begin()

    def begin(self) -> None:
        """Forget what was found, before another pass."""
        self.records = 0
        self.lacking = Counter[str]()
        """Number of records that lack a column, by the column's name in the recipe."""
        self.replaced = Counter[str]()
        """Number of records with a text in a field whose name another column takes, by that name."""
        self.columns: dict[str, None] = {}
        self.speakers: set[str] = set()

    def named(self, row: Row) -> dict[str, Any]:
        """Return a record with the usual names of its fields."""
        self.records += 1
        self.columns |= dict.fromkeys(row)
        self.lacking.update({name for name in self.fields.values() if not _is_in(row, name)})
        called = {ours: value_at(row, theirs) for ours, theirs in self.columns_of.items() if _is_in(row, theirs)}
        own: dict[str, Any] = dict(row)
        for theirs in self.columns_of.values():
            own = _without(own, theirs)
        taken = {name for name in called.keys() & own.keys() if name not in self.ignore}
        self.replaced.update(name for name in taken if says_something(own[name]))
        found = own | {ours: self._with_names(ours, value) for ours, value in called.items()}
        ignored = [name for name in self.ignore if name not in self.fields]
        self.lacking.update({name for name in ignored if not _is_in(row, name) and not _is_in(found, name)})
        return {name: self._with_roles(value) for name, value in found.items()} if self.roles else found

    def _with_names(self, column: str, value: Any) -> Any:
        """Return a list of turns, or a tree of messages, with the usual names of their fields."""
        names = self.inside.get(column)
        if names and REPLIES in names and isinstance(value, Mapping):
            (root,) = self._with_names(column, [value])
            below = root.get(REPLIES)
            return {**root, REPLIES: [self._with_names(column, each) for each in below]} if below else root
        if names is None or not isinstance(value, list):
            return value
        turns, taken = [], set[str]()
        for turn in value:
            if isinstance(turn, Mapping):
                rest = {name: inner for name, inner in turn.items() if name not in names.values()}
                called = {ours: turn[theirs] for ours, theirs in names.items() if theirs in turn}
                taken |= {f"{column}{INSIDE}{name}" for name in called if says_something(rest.get(name))}
                turn = rest | called
            turns.append(turn)
        self.replaced.update(taken.difference(self.ignore))
        return turns

    def _with_roles(self, value: Any) -> Any:
        """Return a list of turns, or a tree of messages, with the usual names of speakers."""
        if isinstance(value, Mapping) and REPLIES in value:
            (root,) = self._with_roles([value])
            return {**root, REPLIES: [self._with_roles(each) for each in value[REPLIES] or ()]}
        if not isinstance(value, list):
            return value
        turns = []
        for turn in value:
            known = {name: str(turn.get(name)) for name in ROLE} if isinstance(turn, Mapping) else {}
            if place := next((name for name, speaker in known.items() if speaker in self.roles), None):
                self.speakers.add(known[place])
                turn = {**turn, place: self.roles[known[place]]}
            turns.append(turn)
        return turns

    def require_columns(self, where: str) -> None:
        """Raise UsageError for a column or a speaker named here that no record has."""
        for name, count in self.lacking.items():
            if self.records and count == self.records:
                key = "fields" if name in self.fields.values() else "ignore"
                close = difflib.get_close_matches(name, self.columns, n=1)
                meant = f"; did you mean {hide_name(close[0])!r}?" if close else ""
                raise UsageError(
                    f"{where}: `{key}` names {name!r}, which none of {count} records has: {self.told()}{meant}"
                )

        if unheard := next((name for name in self.roles if self.records and name not in self.speakers), None):
            raise UsageError(
                f"{where}: `roles` names {unheard!r}, which speaks in no turn of {self.records} records. Fix the name, "
                f"state the field with the speaker (`fields: {{messages{INSIDE}role: …}}`), or leave it out"
            )

    def told(self) -> str:
        """Return the columns that there are, for a message."""
        more = len(self.columns) - COLUMNS_SHOWN
        shown = ", ".join(map(hide_name, [*self.columns][:COLUMNS_SHOWN]))
        return f"their fields are {shown}{f' and {more} more' if more > 0 else ''}"

    def require_read(self, where: str, form: str) -> None:
        """Raise UsageError for a usual name under which a form reads nothing."""
        if unread := [name for name in self.columns_of if name not in self.read and name not in self.ignore]:
            of = self.columns_of[unread[0]]
            raise UsageError(
                f"{where}: the form {form} does not read {unread[0]!r}, which `fields` takes from {of!r}: "
                "its text would not be learned. Name a field that the form reads, or another `form`"
            )

    def counts(self) -> dict[str, int]:
        """Return the numbers of records that lack a column."""
        return {f"records without the field {name!r}": count for name, count in sorted(self.lacking.items())}


def _without(row: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a record without the value at a path. Values next to it stay."""
    if path in row:
        return {name: value for name, value in row.items() if name != path}
    for head, inner in row.items():
        if path.startswith(f"{head}.") and isinstance(inner, Mapping) and _is_in(inner, rest := path[len(head) + 1 :]):
            left = _without(inner, rest)
            return {name: left if name == head else value for name, value in row.items() if name != head or left}
    return dict(row)


def _is_in(value: Any, path: str) -> bool:
    """Return whether a value has something at `messages.*.note`."""
    if isinstance(value, Mapping) and path in value:
        return True
    name, _, rest = path.partition(".")
    if isinstance(value, Mapping) and name != "*":
        parts = [(name, rest)] if name in value else []
        parts += [(key, path[len(key) + 1 :]) for key in value if key != name and path.startswith(f"{key}.")]
        return any(not rest or _is_in(value[key], rest) for key, rest in parts)
    if name == "*":  # the items of a list, or the messages of a tree
        return any(_is_in(item, rest) for item in (value if isinstance(value, list) else [value]))
    return False
