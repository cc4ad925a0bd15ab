"""How words of a folder reach a recipe and a terminal: names of files and columns are whoever's, and end no line."""

from __future__ import annotations

import re

from lmworks.pipeline.files import canonical_json

LONGEST = 2_000
"""Characters of a line that is shown, or a comment: what is longer is a text that stands where a name does."""
_UNSEEN = re.compile("[\0-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
"""What ends a line (YAML 1.1 and 1.2), moves a cursor, turns the direction of writing, or no file of YAML may hold."""


def one_line(text: str) -> str:
    """A text as a comment or a terminal takes it: on one line, with what cannot be seen written out."""
    text = _UNSEEN.sub(_written_out, text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def quoted(value: object) -> str:
    """A value as both JSON and YAML read it, on one line."""
    return _UNSEEN.sub(_written_out, canonical_json(value))


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
