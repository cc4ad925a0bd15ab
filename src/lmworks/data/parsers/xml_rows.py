"""An element of XML as a row: its attributes, the elements inside it and theirs are fields, by their paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile, islice
from operator import not_
from typing import Any
from xml.parsers import expat  # given one element alone: no document type, hence no entities

from lmworks.data.structure import DEEPEST

MOST_PATHS = 100
"""Of a row that are listed, for messages; all can be asked for."""
OWN_TEXT = "#text"
"""The field of what a record says beside its elements."""
_INLINE = (
    "a abbr acronym b big bdi bdo bold cite code del dfn em emph emphasis ext-link font g hi i ins italic kbd link "
    "mark monospace q ref rp rt ruby s samp sc small span strike strong sub sup tt u underline var w wbr x xref"
)
INLINE = frozenset(_INLINE.split())
"""Names of elements that mark words of a text (HTML, JATS, TEI, DocBook, XLIFF); others stand on lines of their own."""
MOST_TAGS = 2**20
"""Tags and attributes of a record, which stands in memory as a tree, of up to a KB each."""
_ATTRIBUTE = re.compile(rb"=\s*[\"']")
_NONE: dict[str, str] = {}


class TooMuch(ValueError):
    """What is well-formed, and takes more than is read."""


class Node:
    """One element."""

    __slots__ = ("attributes", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.parts: list[str | Node] = []

    def children(self, name: str = "") -> list[Node]:
        """The elements in it, or those of a name."""
        return [part for part in self.parts if isinstance(part, Node) and name in ("", part.name)]

    def is_mixed(self) -> bool:
        """Whether it says something beside its elements."""
        return any(isinstance(part, str) and part.strip() for part in self.parts)

    def text(self, *, is_record: bool = False) -> str:
        """All that stands in it, as it is written and in its order.

        What only lays out elements is one line break; between elements that touch each other, and around those of a
        record, there is at least that, but for words of a line.
        """
        found: list[str] = []
        last: str | Node = ""
        keeps_spaces = self.is_mixed()

        def is_line(part: str | Node) -> bool:
            return isinstance(part, Node) and not (keeps_spaces and part.name in INLINE)

        for part in self.parts:
            said = part if isinstance(part, str) else part.text()
            if isinstance(part, str) and not keeps_spaces and not said.strip() and "\n" in said:
                said = "\n"
            elif is_line(part) and (is_record or not keeps_spaces):
                said = trimmed(said)
            if not said:
                continue
            touch = is_record or (isinstance(last, Node) and isinstance(part, Node))
            are_parted = not found or found[-1][-1].isspace() or said[0].isspace()
            if touch and not are_parted and (is_line(last) or is_line(part)):
                found.append("\n")
            found.append(said)
            last = part
        return "".join(found)

    def inside(self) -> Any:
        """Its text, or what stands in it by names; each character of text is there once."""
        children = self.children()
        found: dict[str, Any] = {f"@{name}": value for name, value in self.attributes.items()}
        if not children or self.is_mixed():
            said = trimmed(self.text())
            children = [only for child in children if (only := child.only_attributes())]
            if not found and not children:
                return said
            if said:
                found[OWN_TEXT] = said
        return by_name(children, found)

    def only_attributes(self) -> Node | None:
        """It and what is in it without texts; None if no attribute is left."""
        found = Node(self.name, self.attributes)
        found.parts = [only for child in self.children() if (only := child.only_attributes())]
        return found if found.attributes or found.parts else None


def trimmed(text: str) -> str:
    """Without empty lines around it, and without spaces at its end; a text of one line without any around it."""
    text = text.rstrip()
    if "\n" not in text:
        return text.lstrip()
    begin = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, begin) + 1 :]


def by_name(children: Sequence[Node], found: dict[str, Any]) -> dict[str, Any]:
    """The elements added to the fields of attributes: those of one name as a list."""
    named: dict[str, list[Any]] = {}
    for child in children:
        named.setdefault(child.name, []).append(child.inside())
    for name, values in named.items():
        value = values[0] if len(values) == 1 else values
        found[name] = [found[name], *values] if name in found else value
    return found


class Row(Mapping[str, Any]):
    """The fields of an element by their paths: `id`, `message`, `message.title`, `message.@author`, `#text`.

    A field is the text of the elements that its path leads to, joined by empty lines, and worked out when it is asked
    for. The element's own name leads to all that it says.
    """

    def __init__(self, record: Node) -> None:
        self.record = record

    def inside(self) -> dict[str, Any]:
        """All of it, each character of text once."""
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
    """What the path from an element leads to, in each that it leads to. A name that holds dots itself comes first."""
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


def refuse_many(raw: bytes) -> None:
    """Raise TooMuch for a record of more tags and attributes than are read."""
    if len(raw) > MOST_TAGS and (tags := raw.count(b"<") + len(_ATTRIBUTE.findall(raw))) > MOST_TAGS:
        raise TooMuch(f"more tags and attributes than are read: {tags:,}, and {MOST_TAGS:,} are")


def row_of(raw: bytes) -> Row:
    """The row of one element. Raises ValueError for what is not well-formed, TooMuch for what takes too much memory."""
    refuse_many(raw)
    open_: list[Node] = []
    roots: list[Node] = []

    def begin(name: str, given: dict[str, str]) -> None:
        if len(open_) >= DEEPEST:
            raise TooMuch(f"nested too deeply: more than {DEEPEST} elements in each other")
        if any(key.startswith("xmlns") for key in given):
            given = {key: value for key, value in given.items() if not (key == "xmlns" or key.startswith("xmlns:"))}
        node = Node(name, given or _NONE)
        (open_[-1].parts if open_ else roots).append(node)
        open_.append(node)

    def end(_: str) -> None:
        open_.pop()

    def text(said: str) -> None:
        open_[-1].parts.append(said)

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text, parser.buffer_size = True, len(raw) + 1
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return Row(roots[0])
