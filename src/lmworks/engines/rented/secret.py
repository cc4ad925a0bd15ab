"""Takes a key out of what a server says, which was sent the key and may repeat it."""

from __future__ import annotations

import base64
import re

SHORTEST = 8
"""Letters and digits; fewer are a word, such as `EMPTY`, that a good answer may hold."""
INSTEAD = "‹key›"
_OTHERS = re.compile(r"[^A-Za-z0-9]+")


class Secret:
    """A key as it may be written: in either case, with anything between, backwards, as hexadecimals, in base64."""

    def __init__(self, key: str | None) -> None:
        raw = (key or "").encode()
        plain = _bare(key or "")
        escaped = "".join(chr(each) if chr(each).isalnum() else f"{each:02x}" for each in raw)  # sk%2D…
        forms = [plain, escaped, raw.hex(), *(_in_base64(raw, before) for before in range(3))]
        self.is_sought = len(plain) >= SHORTEST
        self._parts = {
            way[start : start + width]
            for each in (map(_bare, forms) if self.is_sought else ())
            for way in (each, each[::-1])
            for width in [max(SHORTEST, len(way) // 2)]
            for start in range(len(way) - width + 1)
        }

    def taken_out(self, text: str) -> str:
        """A text without the key, and without runs that are half of it or longer."""
        bare = _bare(text)
        found = [part for part in self._parts if part in bare]
        if not found:
            return text
        places = [each.start() for each in re.finditer(r"[A-Za-z0-9]", text)]
        spans = sorted(
            (places[each.start()], places[each.start() + len(part) - 1] + 1)
            for part in found
            for each in re.finditer(f"(?={part})", bare)
        )
        said, end = list[str](), 0
        for first, last in spans:
            if first >= end:
                said += [text[end:first], INSTEAD]
            end = max(end, last)
        return "".join(said) + text[end:]


def _bare(text: str) -> str:
    return _OTHERS.sub("", text).lower()


def _in_base64(raw: bytes, before: int) -> str:
    """What is the same of the key in base64, wherever it begins: behind so many bytes, and before any."""
    said = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
    return said[(0, 2, 3)[before] : len(said) - bool((before + len(raw)) % 3)]
