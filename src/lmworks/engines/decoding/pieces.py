"""Text that arrives in pieces: without a torn character, and cut before a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"


class Detokeniser:
    """Yields text as soon as no later token can change it.

    A character may be spread over several tokens. Until it is whole, decoders show U+FFFD at the end, once or once per
    byte, so such an end waits. All text together, with `flush`, is exactly `decode` of all tokens. The exception are
    decoders with `ByteFallback` that read several bytes as a whole: if the last bytes make no character, they change
    earlier text, and the text already yielded stays.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._window: list[int] = []
        """The tokens last given out (some decoders look at them) and those still waiting."""
        self._waiting_from = 0
        self._given = 0
        """Characters of the window's text that have been given out."""

    def add(self, token: int) -> str:
        """Return the text that became certain with this token."""
        self._window.append(token)
        text = self._decode(self._window)
        whole = len(text.rstrip(REPLACEMENT))
        new = text[self._given : whole]
        self._given = max(self._given, whole)
        if whole == len(text):
            last = self._decode(self._window[self._waiting_from :])
            if last:  # else the next token would be read as the first, which may lose its space
                self._window, self._given = self._window[self._waiting_from :], len(last)
            self._waiting_from = len(self._window)
        return new

    def flush(self) -> str:
        """Return the waiting text. At the end it can only be a torn character."""
        new = self._decode(self._window)[self._given :]
        self._given += len(new)
        return new


class StopStrings:
    """Cuts a text before the first stop that is completed, however the text is cut into pieces.

    Only an end that could still grow into a stop is held back. When two stops are completed by the same character, the
    longer one counts.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""

    def add(self, text: str) -> tuple[str, bool]:
        """Return the text that may be shown now, and whether a stop was found; nothing comes after a stop."""
        text = self._held + text
        found = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)[1]], True
        safe = len(text) - self._longest_start(text)
        self._held = text[safe:]
        return text[:safe], False

    def flush(self) -> str:
        """Return the text held back, if the text ends without a stop."""
        held, self._held = self._held, ""
        return held

    def _longest_start(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop begins."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        sizes = range(min(longest, len(text)), 0, -1)
        return next((size for size in sizes if any(stop.startswith(text[-size:]) for stop in self._stops)), 0)
