"""XML elements as rows. Attributes of an element, and elements inside it, are fields, named by their paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import dropwhile, islice
from operator import not_
from typing import IO, Any
from xml.parsers import expat  # given one element alone: no document type, hence no entities

from lmworks.data.parsers.fields import row_record, settings_of
from lmworks.data.parsers.parser import Found, Piece, Reading, Record, Skipped, Span, span_form
from lmworks.data.parsers.publications.xml import read_element, read_elements

MOST_PATHS = 100
"""Maximum paths of a row that messages list. Settings can name any path."""
OWN_TEXT = "#text"
"""Name of the field with the text of a record that is outside of its elements."""
_INLINE = (
    "a abbr acronym b big bdi bdo bold cite code del dfn em emph emphasis ext-link font g hi i ins italic kbd link "
    "mark monospace q ref rp rt ruby s samp sc small span strike strong sub sup tt u underline var w wbr x xref"
)
INLINE = frozenset(_INLINE.split())
"""Names of elements that mark words of a text (HTML, JATS, TEI, DocBook, XLIFF). Other elements get their own lines."""


class Node:
    """One element."""

    __slots__ = ("attributes", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.parts: list[str | Node] = []

    def children(self, name: str = "") -> list[Node]:
        """Return the elements in this element, or only those with a name."""
        return [part for part in self.parts if isinstance(part, Node) and name in ("", part.name)]

    def is_mixed(self) -> bool:
        """Return whether the element has text outside of its inner elements."""
        return any(isinstance(part, str) and part.strip() for part in self.parts)

    def text(self, *, is_record: bool = False) -> str:
        """Return all text in it as it is written.

        White space that only lays out elements becomes one line break. Elements that touch each other are separated by
        a line break, and so are elements of a record. Marked words inside a line are not separated.
        """
        texts: list[str] = []
        last: str | Node = ""
        keeps_spaces = self.is_mixed()

        def is_line(part: str | Node) -> bool:
            return isinstance(part, Node) and not (keeps_spaces and part.name in INLINE)

        for part in self.parts:
            text = part if isinstance(part, str) else part.text()
            if isinstance(part, str) and not keeps_spaces and not text.strip() and "\n" in text:
                text = "\n"
            elif is_line(part) and (is_record or not keeps_spaces):
                text = trimmed(text)
            if not text:
                continue
            touch = is_record or (isinstance(last, Node) and isinstance(part, Node))
            are_parted = not texts or texts[-1][-1].isspace() or text[0].isspace()
            if touch and not are_parted and (is_line(last) or is_line(part)):
                texts.append("\n")
            texts.append(text)
            last = part
        return "".join(texts)

    def inside(self) -> Any:
        """Return the element's text, or its fields by name. Each character of text is there once."""
        children = self.children()
        found: dict[str, Any] = {f"@{name}": value for name, value in self.attributes.items()}
        if not children or self.is_mixed():
            text = trimmed(self.text())
            children = [only for child in children if (only := child.only_attributes())]
            if not found and not children:
                return text
            if text:
                found[OWN_TEXT] = text
        return by_name(children, found)

    def only_attributes(self) -> Node | None:
        """Return a copy without texts of the element and its inner elements, or None if they have no attributes."""
        found = Node(self.name, self.attributes)
        found.parts = [only for child in self.children() if (only := child.only_attributes())]
        return found if found.attributes or found.parts else None


def trimmed(text: str) -> str:
    """Return a text without empty lines around it and spaces at its end. A single line also loses spaces before it."""
    text = text.rstrip()
    if "\n" not in text:
        return text.lstrip()
    begin = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, begin) + 1 :]


def by_name(children: Sequence[Node], found: dict[str, Any]) -> dict[str, Any]:
    """Add elements to the fields in `found`. Elements with the same name become a list."""
    named: dict[str, list[Any]] = {}
    for child in children:
        named.setdefault(child.name, []).append(child.inside())
    for name, values in named.items():
        value = values[0] if len(values) == 1 else values
        found[name] = [found[name], *values] if name in found else value
    return found


class Row(Mapping[str, Any]):
    """The fields of an element by their paths: `id`, `message`, `message.title`, `message.@author`, `#text`.

    A field is the text of the elements that its path leads to, joined by empty lines. The element's own name leads to
    all of its text.
    """

    def __init__(self, record: Node) -> None:
        self.record = record

    def inside(self) -> dict[str, Any]:
        """Return all fields. Each character of text is there once."""
        found: dict[str, Any] = {**self.record.attributes}
        if own := self._own():
            found[OWN_TEXT] = own
        return by_name(self.record.children(), found)

    def _own(self) -> str:
        texts = (trimmed(part) for part in self.record.parts if isinstance(part, str))
        return "\n\n".join(filter(None, texts))

    def _at(self, path: str) -> Iterator[str]:
        if path in self.record.attributes:
            yield self.record.attributes[path]
        if path == OWN_TEXT:
            yield from filter(None, [self._own()])
        else:
            yield from _texts(self.record, path)

    def __getitem__(self, path: str) -> str:
        found = [*self._at(path)]
        if not found and path == self.record.name:
            return trimmed(self.record.text(is_record=True))
        if not found:
            raise KeyError(path)
        return "\n\n".join(dropwhile(not_, found))

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and (path == self.record.name or next(self._at(path), None) is not None)

    def __iter__(self) -> Iterator[str]:
        return islice(dict.fromkeys(self._paths()), MOST_PATHS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _paths(self) -> Iterator[str]:
        yield from self.record.attributes
        if self.record.is_mixed():
            yield OWN_TEXT
        children = self.record.children()
        yield from dict.fromkeys(child.name for child in children)
        yield self.record.name
        for child in children:
            yield from (f"{child.name}.@{name}" for name in child.attributes)
            yield from (f"{child.name}.{inner.name}" for inner in child.children())


def _texts(node: Node, path: str) -> Iterator[str]:
    """Yield the text of each element that a path leads to. A name that holds dots itself comes first."""
    if path == OWN_TEXT:
        yield trimmed(node.text())
    elif path.startswith("@"):
        yield from (value for name, value in node.attributes.items() if name == path[1:])
    elif named := node.children(path):
        yield from (trimmed(child.text()) for child in named)
    else:
        for child in node.children():
            if path.startswith(f"{child.name}."):
                yield from _texts(child, path[len(child.name) + 1 :])


def row_of(raw: bytes) -> Row:
    """Return the row of one element. Raises ValueError for what is not well-formed."""
    open_ = [Node("", {})]

    def begin(name: str, given: dict[str, str]) -> None:
        named = {key: value for key, value in given.items() if not (key == "xmlns" or key.startswith("xmlns:"))}
        open_.append(Node(name, named))
        open_[-2].parts.append(open_[-1])

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text, parser.buffer_size = True, len(raw) + 1
    parser.StartElementHandler, parser.EndElementHandler = begin, lambda _: open_.pop()
    parser.CharacterDataHandler = lambda text: open_[-1].parts.append(text)
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return Row(open_[0].children()[0])


def _record(row: Row, path: str, number: str, reading: Reading) -> Found:
    inside = row.inside() if reading.fields == "all" else None
    found = row_record(row, Piece(path, 0), int(number), Span(0, b"", 0), reading, inside)
    fields = dict.fromkeys(row) if inside is None else inside
    return found if isinstance(found, Skipped) else replace(found, row=fields)


def _row(piece: Piece, number: int, span: Span, reading: Reading) -> Iterable[Found]:
    """Yield the row of an element. Count its text outside of inner elements if no setting names that text."""
    (found,) = read_element(piece, number, span, reading, to_record=_record, parsed=row_of)
    yield found
    names = {*settings_of(reading).values(), *reading.text_fields, OWN_TEXT if reading.fields == "all" else ""}
    if isinstance(found, Record) and names.isdisjoint((OWN_TEXT, reading.records)) and OWN_TEXT in (found.row or ()):
        reason = f"text beside the elements of a record, which `{OWN_TEXT}` names"
        yield Skipped(found.path, f"{found.key}, {OWN_TEXT}", reason)


def _elements(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Span]:
    return read_elements(str(reading.records), piece, stream, reading.limit)


FORM = span_form(
    _elements, _row, encoding="xml", guarded=True, about="XML in which the elements named in `records` are rows."
)
