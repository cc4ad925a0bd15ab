"""Encoding of rendered chats. Only the chat template makes tokens of the frame, and the text of a message never does.

While a chat is rendered, marks replace each part of a message that looks like a token of the frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from lmworks.lazy import tokenizers

EncodedWithOffsets = tuple[list[int], list[tuple[int, int]]]
"""Ids, and the characters [first, last + 1) that each id covers."""
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""White space as in Unicode and the `tokenizers` library. Python also counts four control characters."""
_MARK = re.compile("\ue000([0-9]{1,9})\ue001")
"""Mark in a rendered chat, with the number of the text that it replaces."""


class Framing:
    """Encoder of rendered chats of one tokenizer."""

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        frame: Mapping[str, tuple[bool, bool]],
        special: Collection[str],
        told: Callable[[], AbstractContextManager[None]],
        refused: Callable[[str], Exception],
        *,
        is_found_otherwise: bool,
    ) -> None:
        """Take a tokenizer that reads special tokens as text, and the tokens that text must not become.

        `frame` says for each token whether it includes the white space before it, and after it. `is_found_otherwise`
        says whether normalised text can match a special token. `told` turns errors of the tokenizer into messages, and
        `refused` does so for the template.
        """
        self._plain, self.frame, self._special = backend, frame, special
        self._told, self._refused, self._is_found_otherwise = told, refused, is_found_otherwise
        self._reading = tokenizers.Tokenizer.from_str(backend.to_str())
        self._reading.encode_special_tokens = False
        tokens = longest_first(frame)
        self._hiding = re.compile("|".join([*tokens, "\ue000", "\ue001"]), re.IGNORECASE)
        self._framing = re.compile("|".join(tokens) or "(?!)")

    def hidden(self, value: Any, literals: list[str]) -> Any:
        """Return a value in whose texts marks replace all that looks like a token of the frame or like a mark.

        The replaced texts are added to `literals`.
        """
        if isinstance(value, str):
            return self._hide(value, literals)
        if isinstance(value, Mapping):
            return {self._hide(str(name), literals): self.hidden(inner, literals) for name, inner in value.items()}
        return [self.hidden(inner, literals) for inner in value] if isinstance(value, list | tuple) else value

    def _hide(self, text: str, literals: list[str]) -> str:
        def mark(found: re.Match[str]) -> str:
            literals.append(found[0])
            return f"\ue000{len(literals) - 1}\ue001"

        return self._hiding.sub(mark, text)

    def _shown(self, text: str, literals: Sequence[str]) -> str:
        def literal(found: re.Match[str]) -> str:
            if int(found[1]) >= len(literals):
                raise self._refused("it writes characters of Unicode's private use")
            return literals[int(found[1])]

        return _MARK.sub(literal, text) if literals else text

    def length(self, text: str, literals: Sequence[str]) -> int:
        """Return how many characters a rendered text has after its marks are replaced by the original texts."""
        return len(self._shown(text, literals))

    def encode(self, text: str, literals: Sequence[str]) -> EncodedWithOffsets:
        """Return the ids of a rendered chat, with their places in the text without marks."""
        if not literals and not self._is_found_otherwise:
            with self._told():
                encoded = self._reading.encode(text, add_special_tokens=False)
            return encoded.ids, encoded.offsets
        parts, place = list[tuple[EncodedWithOffsets, int]](), 0
        for found in [*self._framing.finditer(text), None]:
            start, end = found.span() if found else (len(text), len(text))
            before, behind = self.frame[found[0]] if found else (False, False)
            if before:
                start = place + len(text[place:start].rstrip(WHITE_SPACE))
            if behind:
                end = len(text) - len(text[end:].lstrip(WHITE_SPACE))
            for words in self._words(text[place:start], literals):
                with self._told():
                    encoded = self._plain.encode(words, add_special_tokens=False)
                parts.append(((encoded.ids, encoded.offsets), len(words)))
            if found:
                parts.append((([int(self._plain.token_to_id(found[0]) or 0)], [(0, end - start)]), end - start))
            place = end
        return joined(parts)

    def _words(self, text: str, literals: Sequence[str]) -> Iterator[str]:
        """Yield a text without marks in parts. Cuts are inside text that would become a token of the frame."""
        words, place = "", 0
        for found in _MARK.finditer(text):
            literal = self._shown(found[0], literals)
            words += text[place : found.start()] + literal
            place = found.end()
            if len(literal) > 1 and literal not in self._special:
                yield words[: 1 - len(literal)]
                words = words[1 - len(literal) :]
        yield words + text[place:]


def joined(parts: Iterable[tuple[EncodedWithOffsets, int]]) -> EncodedWithOffsets:
    """Return the ids and places of a whole text from those of its parts, each given with its number of characters."""
    ids, edges, place = list[int](), list[tuple[int, int]](), 0
    for (more, places), length in parts:
        ids += more
        edges += [(place + first, place + last) for first, last in places]
        place += length
    return ids, edges


def longest_first(tokens: Iterable[str]) -> list[str]:
    """Return tokens as alternatives of a pattern, the longest first, so that the longest possible token matches."""
    return [re.escape(token) for token in sorted(tokens, key=len, reverse=True)]
