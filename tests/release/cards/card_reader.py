"""Reads a card as a suspicious person does: is there evidence behind each sentence, and is it what the card says?"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from lmworks.pipeline.files import digest_file

MARKS = re.compile(r"<sup>((?:\[\d+\]\(#evidence\) ?)+)</sup>")
FOLD = re.compile(r"</?details>(<summary>[A-Za-z ]+</summary>)?")
PLACE = re.compile(r"\[[^\]]*(?:\\\][^\]]*)*\]\(<([^>]*)>\).*\(sha256 `([0-9a-f]+)`\)")


@dataclass(frozen=True)
class Said:
    """What was found in a card."""

    sentences: int
    without_evidence: list[str]
    files: list[Path]
    """That are linked to, each with the digest that stands beside it."""


def code_of(card: str, language: str) -> list[str]:
    """The programs in a card."""
    return re.findall(rf"^```{language}\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)


def read_card(card: str, folder: Path) -> Said:
    """Read a card that lies in a folder."""
    _, _, body = card.split("---\n", 2)
    body, _, listed = re.sub(r"^```.*?^```$", "", body, flags=re.DOTALL | re.MULTILINE).partition("\n## Evidence\n")
    numbered = dict(re.findall(r"^(\d+)\. (.*)$", listed, re.MULTILINE))
    count, bad = 0, []
    lines = body.split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not line.strip() or FOLD.fullmatch(line) or line.startswith(("#", "|---")) or following.startswith("|---"):
            continue
        for number in re.findall(r"\[(\d+)\]\(#evidence\)", line):
            assert number in numbered, f"{number} is not listed: {line}"
        pieces = MARKS.split(line)[::2]
        if line.startswith("|"):
            count, pieces = count + 1, pieces if len(pieces) == 2 else []
            bad += [] if pieces and pieces[1] == " |" else [line]
            continue
        *backed, rest = pieces
        count += len(backed)
        bad += [piece for piece in backed if re.search(r"[.!?]\s+[A-Z]", piece) or not piece.strip(" -")]
        bad += [rest.strip()] if rest.strip() else []
    files = []
    for line in numbered.values():
        place, digest = PLACE.search(line).groups()  # type: ignore[union-attr]
        path = Path(os.path.normpath(folder / unquote(place)))  # the folder may not be there yet
        assert path.is_dir() or digest_file(path).startswith(digest), line
        files.append(path)
    return Said(count, bad, files)
