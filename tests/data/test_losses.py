"""What a step leaves out is told before what it made, and too much of it is no success."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from data.data_support import quarantined
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.reading.reader import NOT_KEPT
from lmworks.errors import GateRefused, LmworksError
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.stage import Result
from support import make_context, make_manifest


def ingested(folder: Path, good: int, bad: int, **fields: float) -> Result:
    (folder / "rows").mkdir(parents=True)
    lines = [json.dumps({"text": f"text {number}"}) for number in range(good)] + ["{no json"] * bad
    (folder / "rows" / "a.jsonl").write_text("\n".join(lines) + "\n")
    source = {"kind": "files", "path": "rows", "licence": "MIT"}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["permissive"]}, **fields})
    return ingest(config.resolve(folder), out=folder / "out", context=make_context(folder / "work"))


def test_a_source_that_can_hardly_be_read_is_refused_and_shown(tmp_path: Path) -> None:
    with pytest.raises(
        GateRefused, match=r"11 of 20 records could not be read.*largest_bad_share \(0.2\).*a.jsonl, record 10"
    ):
        ingested(tmp_path, 9, 11)
    assert len(quarantined(tmp_path / "out")) == 11


def test_as_many_bad_records_as_the_recipe_says_pass(tmp_path: Path) -> None:
    result = ingested(tmp_path / "asked", 9, 11, largest_bad_share=0.6)
    assert result.losses == {"quarantined: not JSON"}
    assert ingested(tmp_path / "few", 1, 10).counts["documents"] == 1
    with pytest.raises(GateRefused, match="11 of 500"):
        ingested(tmp_path / "strict", 489, 11, largest_bad_share=0)


def two_sources(folder: Path, other: str, **settings: object) -> Result:
    """Ingest 200 readable texts beside a source of one JSON file."""
    for name, content in (("good/a.jsonl", '{"text": "good"}\n' * 200), ("other/b.json", other)):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
    other_source = {"kind": "files", "path": "other", "licence": "MIT", "format": "json", **settings}
    sources = [{"kind": "files", "path": "good", "licence": "MIT"}, other_source]
    config = IngestConfig.model_validate({"sources": sources, "licences": {"allow": ["permissive"]}})
    return ingest(config.resolve(folder), out=folder / "out", context=make_context(folder / "work"))


TICKETS = json.dumps({"tickets": [{"text": f"hail {number}"} for number in range(20)]})


def test_a_source_that_gives_nothing_beside_another_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(
        LmworksError, match=r"Source other: no document.*b.json, record 1: .*a list: .*`records: tickets\.\*`"
    ):
        two_sources(tmp_path / "list", TICKETS, records="tickets")
    with pytest.raises(LmworksError, match="Source other: no document of it could be read: its files hold no record"):
        two_sources(tmp_path / "nothing", '{"tickets": []}', records="tickets.*")
    assert two_sources(tmp_path / "items", TICKETS, records="tickets.*").counts["documents"] == 220


def test_a_source_of_which_much_is_bad_is_refused_however_large_another_is(tmp_path: Path) -> None:
    rows = json.dumps([{"text": "good"}] * 9 + [1] * 11)
    with pytest.raises(GateRefused, match=r"Source other: 11 of 20 records could not be read.*b.json, record 10"):
        two_sources(tmp_path, rows)


def test_what_is_lost_behind_damage_counts_by_its_bytes(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"hail {number} " + "x" * 50}) for number in range(400)]
    broken = ",\n".join([*rows[:200], '{"other": [}', *rows[200:]])
    with pytest.raises(GateRefused, match=r"20\d of 60\d records could .* about 20\d of them behind damage"):
        two_sources(tmp_path, f"[{broken}]")


def told(counts: dict[str, int], losses: tuple[str, ...]) -> str:
    stream = io.StringIO()
    manifest = make_manifest(step="raw", counts=counts, losses=losses)
    PlainDisplay(stream).finished(manifest)
    return stream.getvalue()


def test_the_line_of_a_step_tells_losses_first() -> None:
    counts = {"documents": 10, "bytes": 99, "files": 1, "x": 2, "y": 3, "quarantined: not JSON": 9990}
    assert (
        told(counts, ("quarantined: not JSON",))
        .strip()
        .endswith("left out: quarantined: not JSON 9,990; documents 10, bytes 99, files 1, x 2")
    )
    assert "left out" not in told(counts | {"z": 1}, ())


def test_more_losses_than_a_line_holds_are_counted() -> None:
    counts = {f"reason {n}": n for n in range(9, 4, -1)}
    assert "left out: reason 9 9, reason 8 8, reason 7 7, 2 reasons more (lmworks show raw)" in told(
        counts, tuple(counts)
    )


def packed_rows(folder: Path, rows: bytes, **settings: object) -> Result:
    """Ingest a table of one column with such rows, gzipped, beside 60 good texts."""
    (folder / "rows").mkdir(parents=True)
    (folder / "rows" / "a.csv.gz").write_bytes(gzip.compress(b"text\n" + rows, mtime=0))
    (folder / "rows" / "b.jsonl").write_text("".join(json.dumps({"text": f"text {n}"}) + "\n" for n in range(60)))
    source = {"kind": "files", "path": "rows", "licence": "MIT"}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["permissive"]}, **settings})
    return ingest(config.resolve(folder), out=folder / "out", context=make_context(folder / "work"))


@pytest.mark.slow
def test_a_file_of_broken_rows_is_given_up_and_fills_no_disk(tmp_path: Path) -> None:
    """3 KB of gzip hold a million of them, and each takes 200 bytes where it is kept."""
    with pytest.raises(GateRefused, match=r"10,001 of 10,061 records .* given up \(1\).*Some of them are in"):
        packed_rows(tmp_path, b"a,\n" * 1_000_000)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "rows"]
    assert sum(path.stat().st_size for path in files) < 2**23
    kept = quarantined(tmp_path / "out")
    assert [each["record"] for each in kept[:2]] == ["1", "2"] and len(kept) > 1_000
    (given_up,) = (each for each in kept if each["reason"].startswith("given up"))
    assert given_up["record"] == "after 10000"


def test_of_very_many_broken_rows_that_may_be_there_the_first_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    result = packed_rows(tmp_path, b"a,\n" * 30_000 + b"good\n", largest_bad_share=1)
    kept = quarantined(tmp_path / "out")
    assert result.counts["quarantined: wrong number of fields"] == 30_000
    assert result.counts["documents"] == 61
    assert result.counts[NOT_KEPT] == 30_000 - len(kept) > 0 and NOT_KEPT in result.losses


def test_long_broken_rows_are_kept_as_far_as_there_is_room(tmp_path: Path) -> None:
    packed_rows(tmp_path, (b"a" * 60_000 + b",\n") * 200, largest_bad_share=1)
    assert (tmp_path / "out" / "quarantine.jsonl").stat().st_size < 2**22
