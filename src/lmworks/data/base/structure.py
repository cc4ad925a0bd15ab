"""Rows taken apart into their texts and a structure, and put together again.

Steps see only texts: each as it is in the row, without the quotes and escapes of a file's form.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

CODE = re.compile(r"[!-~]*")
"""Pattern of a code, ASCII without white space: a role, a key, a number, an address, a picture as base64."""
BETWEEN = "\n\n"
"""Separator between the texts of a row that is read as one text."""
LONG_NUMBER = 10**6
"""Lowest number that counts as a text, because it may be personal: a telephone, a card, an account."""
THERE = 1_000
"""Level that `reach` returns for a path whose end exists. It is higher than any path's."""
DEEPEST = 100
"""Maximum depth of nested lists and objects, because every step reads them by recursion."""
MOST_VALUES = 2**20
"""Maximum number of values in a row. Each takes some 250 bytes of memory in addition to its text."""
TEXT, NUMBER = "", "#"
"""Placeholders in a structure for a text and for a long number. A structure has no other strings as values."""


class TooMany(ValueError):
    """Row with more than `MOST_VALUES` values."""


class Field(NamedTuple):
    """Text of a row."""

    name: str
    """Path of the text in the row: `question`, `messages.0.content`."""
    text: str


def take_apart(row: Mapping[str, Any]) -> tuple[tuple[Field, ...], str]:
    """Return the texts of a row in their order, and its structure: JSON in which every text is empty.

    Bytes become text if they are UTF-8 without NUL, else `{"bytes": their number}`. Values that JSON lacks, such as
    dates, become text.
    Raises RecursionError for a row that is nested too deeply, TooMany for a row with too many values.
    """
    fields: list[Field] = []
    held = 0

    def hold(value: Any, name: str, depth: int = 0) -> Any:
        nonlocal held
        if depth > DEEPEST:
            raise RecursionError(f"more than {DEEPEST} nested lists and objects")
        if isinstance(value, bytes | bytearray):
            if (words := words_of(value)) is None:
                return {"bytes": len(value)}
            value = words
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            held += len(value)
            _refuse_many(held)
            return {str(key): hold(inner, _below(name, key), depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            held += len(value)
            _refuse_many(held)
            return [hold(inner, _below(name, place), depth + 1) for place, inner in enumerate(value)]
        if isinstance(value, int | float):
            if not is_long_number(value):
                return value
            fields.append(Field(name, json.dumps(value)))
            return NUMBER
        fields.append(Field(name, str(value)))
        return TEXT

    structure = json.dumps(hold(row, ""), ensure_ascii=False, separators=(",", ":"))
    return tuple(fields), structure


def _refuse_many(values: int) -> None:
    if values > MOST_VALUES:
        raise TooMany(f"more values than are read: {values:,} or more, but at most {MOST_VALUES:,} are read")


def words_of(value: bytes | bytearray) -> str | None:
    """Return bytes as text, or None if they are not UTF-8 or contain NUL."""
    try:
        return None if 0 in value else value.decode()
    except UnicodeDecodeError:
        return None


def is_long_number(value: Any) -> bool:
    """Return whether a value is a whole number that may be personal data: see `LONG_NUMBER`."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) >= LONG_NUMBER and (isinstance(value, int) or value.is_integer())


def _below(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


@functools.lru_cache(maxsize=1_000)
def keys_of(structure: str) -> tuple[str, ...]:
    """Return every name in a structure, each once. The cache helps because rows of one source share structures."""
    found: dict[str, None] = {}

    def keep(pairs: list[tuple[str, Any]]) -> None:
        found.update(dict.fromkeys(key for key, _ in pairs))

    json.loads(structure, object_pairs_hook=keep)
    return tuple(found)


def renamed(fields: Sequence[Field], structure: str, change: Callable[[str], str]) -> tuple[tuple[Field, ...], str]:
    """Return the fields and their structure with every name changed. Names that become equal are numbered."""
    named: list[str] = []

    def walk(value: Any, name: str) -> Any:
        if isinstance(value, str):
            named.append(name)
        if isinstance(value, list):
            return [walk(inner, _below(name, place)) for place, inner in enumerate(value)]
        if isinstance(value, dict):
            keys = told_apart(value, change)
            return {key: walk(inner, _below(name, key)) for key, inner in zip(keys, value.values(), strict=True)}
        return value

    new = json.dumps(walk(json.loads(structure), ""), ensure_ascii=False, separators=(",", ":"))
    return tuple(Field(name, field.text) for name, field in zip(named, fields, strict=True)), new


def told_apart(keys: Iterable[str], change: Callable[[str], str]) -> list[str]:
    """Return the changed keys. Keys that become equal are numbered from the second on, so that no value is lost."""
    taken: dict[str, None] = {}
    times: Counter[str] = Counter()
    for key in keys:
        new = unique = change(key)
        while unique in taken:
            times[new] += 1
            unique = f"{new} {times[new] + 1}"
        taken[unique] = None
    return list(taken)


def put_together(structure: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return the row with these texts in the places of its texts, in their order."""
    number = count()

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            text = texts[next(number)]
            return text if value == TEXT else number_of(text)
        if isinstance(value, dict):
            return {key: fill(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner) for inner in value]
        return value

    row: dict[str, Any] = fill(json.loads(structure))
    return row


def number_of(text: str) -> Any:
    """Return the number that a text represents, or else the text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) and not isinstance(found, bool) else text


def places_of_texts(fields: Sequence[Field]) -> list[int]:
    """Return the places of fields whose texts are more than a code, or of all fields if no text is."""
    found = [place for place, field in enumerate(fields) if not CODE.fullmatch(field.text)]
    return found or list(range(len(fields)))


def codes_of(fields: Sequence[Field], structure: str) -> dict[str, str]:
    """Return the values of a row that are not texts, by place: codes, numbers, yes and no."""
    texts = set(places_of_texts(fields))
    found = {field.name: field.text for place, field in enumerate(fields) if place not in texts and field.text}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, bool | int | float):
            found[name] = json.dumps(value)
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in inside:
            walk(inner, _below(name, key))

    walk(json.loads(structure), "")
    return found


def as_one(fields: Sequence[Field]) -> str:
    """Return a row's texts joined by an empty line."""
    return BETWEEN.join(fields[place].text for place in places_of_texts(fields))


def changed(fields: Sequence[Field], change: Callable[[str], str], *, codes: bool = False) -> tuple[Field, ...]:
    """Return the fields with each text changed alone, in their order. With `codes`, codes are changed too."""
    places = range(len(fields)) if codes else places_of_texts(fields)
    found = list(fields)
    for place in places:
        found[place] = Field(fields[place].name, change(fields[place].text))
    return tuple(found)


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Yield the values at a path: `text`, `info.post`, or `messages.*.content` for every item of a list.

    A field whose own name holds dots comes first, such as a kept `info.post`. Missing or null values give nothing. In
    an
    object, `*` gives the values, and adds to those that are objects a field `*` with their name.
    """
    if isinstance(value, Mapping) and path in value:
        found = value[path]
        if found is not None:
            yield found
        return
    head, rest = _first(value, path)
    if head == "*" and isinstance(value, list):
        inner = value
    elif head == "*" and isinstance(value, Mapping):
        inner = [{"*": name, **item} if isinstance(item, Mapping) else item for name, item in value.items()]
    elif isinstance(value, Mapping) and value.get(head) is not None and rest:
        inner = [value[head]]
    else:
        return
    for item in inner:
        if rest:
            yield from values_at(item, rest)
        elif item is not None:
            yield item


def _first(value: Any, path: str) -> tuple[str, str]:
    """Return the name with which a path begins in an object (the name can contain dots), and the rest of the path."""
    head, _, rest = path.partition(".")
    if rest and head != "*" and isinstance(value, Mapping) and head not in value:
        names = path.split(".")
        for size in range(2, len(names)):
            if (longer := ".".join(names[:size])) in value:
                return longer, ".".join(names[size:])
    return head, rest


def value_at(value: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path, or the list of values if the path contains `*`. None if there is no value."""
    found = [*values_at(value, path)]
    if "*" in path.split(".") and path not in value:
        return found or None
    return found[0] if found else None


def reach(value: Any, path: str, level: int = 1) -> tuple[int, bool]:
    """Return how far a path leads. It may reach its field, even an empty one (`THERE`, True). It may end where nothing
    can hold the rest, as in null or an empty list (level, True), or where the name is missing (level, False).
    """
    if value in (None, ""):
        return level - 1, True
    if isinstance(value, Mapping) and path in value:
        return THERE, True
    head, rest = _first(value, path)
    if head == "*" and isinstance(value, list | Mapping):
        inner = [*value.values()] if isinstance(value, Mapping) else value
        return max((reach(item, rest, level + 1) for item in inner), default=(level, True)) if rest else (THERE, True)
    if isinstance(value, Mapping) and rest and head in value:
        return reach(value[head], rest, level + 1)
    return level, False


def paths_of(value: Any, name: str = "") -> Iterator[str]:
    """Yield the paths of the fields of a row, and of fields inside them: `info`, `info.id`, `turns.*.by`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield _below(name, key)
            if name.count(".") < DEEPEST:
                yield from paths_of(inner, _below(name, key))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield from paths_of(value[0], _below(name, "*"))
