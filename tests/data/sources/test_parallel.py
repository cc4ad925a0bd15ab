"""Files that say the same line by line: a record a line, and none where they do not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_support import quarantined

from lmworks.data.shards.records import Documents
from lmworks.errors import UsageError

Ingest = Callable[..., Any]
EN, DE = "One.\nTwo.\r\nThree.\n", "Eins.\nZwei.\nDrei."


def pairs(out: Path) -> list[tuple[str, ...]]:
    return sorted(tuple(each.text for each in document.fields) for document in Documents(out, "").iterate())


def read(ingest_files: Ingest, files: dict[str, str | bytes], names: dict[str, str], **source: Any) -> Any:
    return ingest_files(files, kind="parallel", files=names, fields=[*names], **source)


def test_a_line_of_each_file_is_a_record(ingest_files: Ingest) -> None:
    files = {"a.en": EN, "a.de": "\ufeff" + DE, "notes.txt": "no"}
    result, out = read(ingest_files, files, {"en": "a.en", "de": "a.de"})
    assert pairs(out) == [("One.", "Eins."), ("Three.", "Drei."), ("Two.", "Zwei.")]
    assert result.counts["documents"] == 3 and result.counts["not read: .txt"] == 1
    assert not any(name.startswith("not read: .de") for name in result.counts)
    (listed,) = json.loads((out / "files.json").read_text())
    assert listed["path"] == "a.en + a.de"


def test_stars_find_all_sets_packed_or_not_and_what_has_no_counterpart_is_counted(ingest_files: Ingest) -> None:
    files = {"a/c.en.txt": EN, "a/c.de.txt": DE, "d.en.txt.gz": gzip.compress(EN.encode()), "e.en.txt": EN}
    files |= {"d.de.txt.gz": gzip.compress(DE.encode())}
    result, out = read(ingest_files, files, {"de": "*.de.txt", "en": "*.en.txt"})
    assert pairs(out)[0] == ("Drei.", "Three.") and result.counts["documents"] == 3
    assert result.counts["not read: .txt"] == 1 and result.counts["not read: .gz"] == 2
    _, out = read(ingest_files, files, {"de": "d.de.txt.gz", "en": "d.en.txt.gz"})
    assert len(pairs(out)) == 3


@pytest.mark.parametrize("cut", [2**20, 1])
def test_unequal_numbers_of_lines_are_refused_with_both(ingest_files: Ingest, cut: int) -> None:
    with pytest.raises(UsageError, match=r"a\.en has 3, a\.de has 2 lines, but lines with the same number must"):
        read(ingest_files, {"a.en": EN, "a.de": "Eins.\nZwei.\n"}, {"en": "a.en", "de": "a.de"}, shard_bytes=cut)


def test_a_line_that_is_not_in_the_encoding_costs_itself_alone(ingest_files: Ingest) -> None:
    files = {"a.en": EN, "a.de": "Größe.\nZwei.\nDrei.\n".encode("latin-1")}
    _, out = read(ingest_files, files, {"en": "a.en", "de": "a.de"})
    assert [text for _, text in pairs(out)] == ["Drei.", "Zwei."] and len(quarantined(out)) == 1
    _, out = read(ingest_files, files, {"en": "a.en", "de": "a.de"}, encoding="cp1252")
    assert ("One.", "Größe.") in pairs(out)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"en": "*.en", "de": "a.de"}, "expected a star in each name, or in none"),
        ({"en": "a.en", "de": "a.en"}, "expected a different file for each field"),
        ({"en": "a.en", "de": "b.de"}, r"`files` has a\.en, b\.de, and .* holds a\.de, a\.en"),
    ],
)
def test_names_that_belong_to_no_files_are_refused(ingest_files: Ingest, names: dict[str, str], why: str) -> None:
    with pytest.raises((ValueError, UsageError), match=why):
        read(ingest_files, {"a.en": EN, "a.de": DE}, names)
