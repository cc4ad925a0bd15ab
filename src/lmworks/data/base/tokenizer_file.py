"""`tokenizer.json` of other authors. A file is read only if its steps cannot make texts many times as long."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from lmworks.errors import LmworksError, told
from lmworks.lazy import tokenizers
from lmworks.pipeline.files import read_regular

MOST_GROWTH = 256
"""Maximum growth of a text. Published tokenizers reach 72: NFKC (18 characters for one), a replacement, a new space."""
TRIAL = f"One text, of 2 lines,\n\tand a long word: {'a' * 60}b"
"""Text that is encoded once when a tokenizer is read, because only this reveals some broken tokenizers."""
PARTS = {
    "normalizer and pre_tokenizer": ("normalizer", "pre_tokenizer"),
    "post_processor": ("post_processor",),
    "decoder": ("decoder",),
}
NESTED = ("normalizers", "pretokenizers", "processors", "decoders")
"""Names of fields that hold the steps of a Sequence."""
GROWTH = {"ByteLevel": 4, "BertNormalizer": 3, "Metaspace": 2, "WordPiece": 2, "BPEDecoder": 2, "CTC": 2}
"""Growth of a text by type of step. Unicode's forms are left out, because repeating them adds no growth."""


def read_tokenizer(path: Path) -> tokenizers.Tokenizer:
    """Return the tokenizer of a file. Raises LmworksError if it is invalid, or a short text could fill the memory."""
    with told(f"{path}: not a tokenizer.json that can be read", "one that the `tokenizers` library reads and can use"):
        raw = read_regular(path).decode()
        _require_bounded(path, json.loads(raw))  # before it is built, which normalises the added tokens
        with _without_panics():
            found = tokenizers.Tokenizer.from_str(raw)
            with suppress(Exception):  # words that it does not know; panics are no Exception
                found.decode(found.encode(TRIAL).ids)
        return found


@contextmanager
def _without_panics() -> Iterator[None]:
    """Keep Rust's message about a panic from standard error, as the exception that follows says the same in a line."""
    with TemporaryFile() as written:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            written.seek(0)
            if b" panicked at " not in (text := written.read()):
                os.write(2, text)


def _require_bounded(path: Path, found: Mapping[str, Any]) -> None:
    for name, parts in PARTS.items():
        growth = prod(_growth(found.get(part)) for part in parts)
        if growth > MOST_GROWTH:
            raise LmworksError(
                f"{path}: its {name} can make a text {min(growth, 10**9):,} times as long or more; expected at most "
                f"{MOST_GROWTH} times. Look for steps such as Replace with a long `content`, or many of them"
            )


def _growth(step: Any) -> int:
    """Return the maximum growth by a step. It follows from the fields, as the library reads steps without `type`."""
    if isinstance(step, list):
        return prod(map(_growth, step))
    if not isinstance(step, dict):
        return 1
    growth = prod(_growth(step[name]) for name in NESTED if name in step) * GROWTH.get(str(step.get("type")), 1)
    if "content" in step and "pattern" in step:
        shortest = len(step["pattern"].get("String", ""))  # an expression may match between any two characters
        growth *= max(1, -(-len(step["content"]) // shortest)) if shortest else 1 + len(step["content"])
    if "prepend" in step:
        growth *= 1 + len(step["prepend"])
    if "precompiled_charsmap" in step:
        growth *= _longest_mapped(step["precompiled_charsmap"])
    if "single" in step:
        growth *= max(_pieces(step[name], step.get("special_tokens") or {}) for name in ("single", "pair"))
    return growth


def _longest_mapped(table: str | None) -> int:
    """Return the longest text's length in SentencePiece's table: a trie's length (4 bytes), the trie, then texts."""
    raw = base64.b64decode(table or "")
    texts = raw[4 + int.from_bytes(raw[:4], "little") :].decode(errors="replace").split("\0")
    return max(1, *map(len, texts))


def _pieces(template: list[dict[str, Any]], special: Mapping[str, Any]) -> int:
    names = [str(piece["SpecialToken"]["id"]) if "SpecialToken" in piece else "" for piece in template]
    counts: list[int] = [len(special[name]["ids"]) if name in special else 1 for name in names]
    return max(1, sum(counts))
