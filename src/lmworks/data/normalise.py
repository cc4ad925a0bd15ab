"""Normalise: one clean form of every text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.documents import Document, Documents
from lmworks.data.html import html_to_text
from lmworks.data.steps import Parts, Tally, map_shards
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig


class NormaliseConfig(StepConfig):
    """Repair encodings, turn HTML into text, bring characters and white space into one form."""

    kind: Literal["normalise"] = "normalise"
    documents: Reference = Field(alias="from", description="The documents to clean.")
    html: Literal["text", "keep"] = Field(
        default="text", description="A model of language learns from text; keep the markup only to teach HTML itself."
    )


@stage(version=1)
def normalise(config: NormaliseConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Clean every document; what is empty afterwards is dropped."""
    tally = map_shards(documents, normalise_shard, config, out, context)
    return Result(counts=tally.counts, examples=tally.examples)


def normalise_shard(config: NormaliseConfig, documents: list[Document]) -> tuple[Parts, Tally]:
    """One shard of `normalise`."""
    tally, kept = Tally(), []
    for document in documents:
        meta = dict(document.meta)
        is_html = meta.pop("format", "text") == "html" and config.html == "text"
        text = normalise_text(html_to_text(document.text) if is_html else document.text)
        if not text:
            tally.note("empty", id=document.id, path=meta.get("path"), raw=document.text[:200])
            continue
        kept.append(replace(document, text=text, meta=meta))
    tally.counts["documents"] += len(kept)
    tally.counts["bytes"] += sum(len(document.text.encode()) for document in kept)
    return {"": kept}, tally


_UNUSUAL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")
_EMPTY_LINES = re.compile("\n{3,}")


def normalise_text(text: str) -> str:
    """Repaired, in Unicode NFC, with plain spaces, no white space at line ends, one empty line at most."""
    text = repair(text)
    if not text.isascii():
        text = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", text).strip("\n")


def repair(text: str) -> str:
    """ftfy's repair of mis-decoded text, control characters and line ends; typography is left as written.

    ftfy works line by line and leaves plain ASCII lines as they are, so it is given the others only.
    """
    import ftfy

    if text.isascii() and not _UNUSUAL.search(text):
        return text
    config = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, explain=False
    )
    return "\n".join(
        line if line.isascii() and not _UNUSUAL.search(line) else ftfy.fix_text(line, config)
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )
