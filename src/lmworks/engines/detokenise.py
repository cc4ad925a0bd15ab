"""Text from tokens that arrive one at a time, without a torn character."""

from __future__ import annotations

from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"


class Detokeniser:
    """Gives out text as soon as no later token can change it.

    A character may be spread over several tokens; until it is whole, decoders show U+FFFD at the end, so such an end
    waits. All that is given out, `flush` included, is exactly `decode` of all tokens.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._window: list[int] = []
        """The tokens last given out (some decoders look at them) and those still waiting."""
        self._waiting_from = 0
        self._given = 0
        """Characters of the window's text that have been given out."""

    def add(self, token: int) -> str:
        """The text that became certain with this token."""
        self._window.append(token)
        text = self._decode(self._window)
        torn = text.endswith(REPLACEMENT)
        new = text[self._given : len(text) - torn]
        self._given = max(self._given, len(text) - torn)
        if not torn:
            self._window = self._window[self._waiting_from :]
            self._waiting_from = len(self._window)
            self._given = len(self._decode(self._window))
        return new

    def flush(self) -> str:
        """What still waits; at the end a torn character is all there is."""
        new = self._decode(self._window)[self._given :]
        self._given += len(new)
        return new
