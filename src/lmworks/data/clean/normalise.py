"""Normalise: bring every text into one clean form."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.base.letters import SHAPED, as_letters
from lmworks.data.clean.html import html_to_text
from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Parts, Tally, counted, map_shards
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class NormaliseConfig(StepConfig):
    """Repair encodings, turn HTML into text, bring characters and white space into one form.

    Letters that a font joined or shaped, such as "ﬁ" and Arabic presentation forms, become letters as people type
    them, and are counted. "²", "½" and "™" stay.
    """

    packages: ClassVar[tuple[str, ...]] = ("ftfy", "lxml")
    makes: ClassVar[str] = "documents"
    kind: Literal["normalise"] = "normalise"
    documents: Reference = Field(alias="from", description="Documents to clean.")
    html: Literal["text", "keep"] = Field(
        default="text", description="Treatment of HTML. Keep the markup only to teach HTML itself."
    )


@stage(version=6, reads="documents")
def normalise(config: NormaliseConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Clean every document, and drop documents that are empty afterwards."""
    tally = map_shards(documents, normalise_shard, config, out, context)
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def normalise_shard(config: NormaliseConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """Clean the documents of one shard."""
    tally, kept = Tally(), []

    def clean_text(text: str) -> str:
        text, shaped = _normalised(text)
        if shaped:
            tally.counts[SHAPED] += shaped
        return text

    for document in documents:
        meta = dict(document.meta)
        is_html = meta.pop("format", "text") == "html" and config.html == "text"
        clean = document.changed((lambda page: clean_text(html_to_text(page))) if is_html else clean_text)
        if clean.lacks_all_of(document):
            tally.lose("empty", id=document.id, path=meta.get("path"), raw=document.text[:200])
            continue
        kept.append(replace(clean, meta=meta))
    return counted(kept, tally)


_UNUSUAL = bytes((*range(9), *range(11, 32), 127))
_REPAIRED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffc\ud800-\udfff]")
"""Characters that ftfy removes or replaces, whatever is around them."""
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")
_EMPTY_LINES = re.compile("\n{3,}")


_MOST_MARKS = 1_000


@cache
def _marks() -> str:
    """Return the characters that combine with the one before them."""
    return "".join(filter(unicodedata.combining, map(chr, range(sys.maxunicode))))


@cache
def _long_marks() -> re.Pattern[str]:
    """Return a pattern of more marks in a row than any script has."""
    return re.compile(f"[{_marks()}]{{{_MOST_MARKS}}}(?=[{_marks()}])")


@cache
def _first_bytes_of_marks() -> bytes:
    return bytes({mark.encode()[0] for mark in _marks()})


def parted_marks(text: str) -> str:
    """Return a text with long runs of marks split, so that its Unicode normalisation takes linear time."""
    if len(text) <= _MOST_MARKS or text.isascii():
        return text
    content = text.encode(errors="surrogatepass")  # few texts hold so many bytes of marks, and this is seen fast
    if len(content) - len(content.translate(None, _first_bytes_of_marks())) <= _MOST_MARKS:
        return text
    return _long_marks().sub("\\g<0>\u034f", text)  # as in the Stream-Safe Text Format of UAX #15


def normalise_text(text: str) -> str:
    """Return a text repaired, in Unicode NFC, without ligatures and presentation forms, with plain spaces, without
    white space at line ends, and with at most one empty line in a row."""
    return _normalised(text)[0]


def _normalised(text: str) -> tuple[str, int]:
    """Return a normalised text, and how many of its characters were ligatures or presentation forms."""
    text, shaped = as_letters(repair(parted_marks(text)))
    if shaped:
        text = unicodedata.normalize("NFC", parted_marks(text))
    if not text.isascii():
        text = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    if not is_plain(text) or " \n" in text or "\t\n" in text or text.endswith((" ", "\t")):
        text = "\n".join(line.rstrip() for line in text.split("\n"))
    if "\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n", text)
    return text.strip("\n"), shaped


def is_plain(text: str) -> bool:
    """Return whether a text is ASCII without control characters, except tabs and line ends."""
    return text.isascii() and len(text.encode().translate(None, _UNUSUAL)) == len(text)


def repair(text: str) -> str:
    """Return a text after ftfy's repair of wrong decoding, control characters and line ends. Typography stays.

    ftfy works line by line and leaves most lines as they are, so that it gets only lines that it may change.
    """
    import ftfy

    if is_plain(text):
        return text
    config = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, explain=False
    )
    return "\n".join(
        ftfy.fix_text(line, config) if may_be_repaired(line) else line
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )


def may_be_repaired(line: str) -> bool:
    """Return whether ftfy may change a line: to remove characters, decode it again, or bring it into Unicode NFC."""
    from ftfy.badness import is_bad

    if is_plain(line):
        return False
    return bool(_REPAIRED.search(line)) or is_bad(line) or not unicodedata.is_normalized("NFC", line)
