"""Ingest: sources, ids, the gate, and every kind of bad input."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import KEY, payload_bytes, quarantined, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record
from lmworks.errors import GateRefused, LmworksError, UsageError
from support import make_context

Ingest = Callable[..., Any]


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_every_form_of_file_becomes_documents(tmp_path: Path, ingest_files: Ingest) -> None:
    pq_path = tmp_path / "texts" / "rows.parquet"
    pq_path.parent.mkdir()
    pq.write_table(pa.table({"text": ["row one", "row two"], "other": [1, 2]}), pq_path)
    result, out = ingest_files(
        {
            "a.txt": "plain",
            "b/c.md": "# head",
            "d.HTML": "<p>page</p>",
            "e.jsonl": lines({"text": "line one"}, {"text": "line two"}),
            ".hidden/f.txt": "hidden",
            "g.exe": "binary",
        }
    )
    assert texts(out) == ["# head", "<p>page</p>", "line one", "line two", "plain", "row one", "row two"]
    assert result.counts["documents"] == 7
    assert result.counts["not read: .exe"] == 1
    by_path = {document.meta["path"]: document for document in Documents(out, "").iterate()}
    assert by_path["d.HTML"].meta["format"] == "html"
    assert by_path["b/c.md"].meta["format"] == "text"
    assert {document.source for document in by_path.values()} == {"texts"}
    assert {document.licence for document in by_path.values()} == {"MIT"}


def test_files_are_listed_with_their_hashes(ingest_files: Ingest) -> None:
    _, out = ingest_files({"b.txt": "two", "a.txt": "one"})
    assert json.loads((out / "files.json").read_text()) == [
        {
            "source": "texts",
            "path": name,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "bytes": 3,
            "licence": "MIT",
        }
        for name, text in (("a.txt", "one"), ("b.txt", "two"))
    ]


def test_a_truncated_line_is_quarantined_with_all_that_replays_it(ingest_files: Ingest) -> None:
    content = lines({"text": "good"}) + '{"text": "cut o'
    result, out = ingest_files({"a.jsonl": content})
    assert texts(out) == ["good"]
    (record,) = quarantined(out)
    assert (record["path"], record["record"]) == ("a.jsonl", "2")
    assert record["reason"].startswith("not JSON")
    assert base64.b64decode(record["raw"]) == b'{"text": "cut o'
    start = content.index('{"text": "cut')
    assert start <= record["offset"] <= len(content)
    assert result.counts["quarantined: not JSON"] == 1
    assert any(example["reason"] == "quarantined: not JSON" for example in result.examples)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_an_invalid_byte_is_quarantined_at_its_offset(ingest_files: Ingest, name: str) -> None:
    raw = b'{"text": "caf' + b"\xe9" + b'"}\n'
    result, out = ingest_files({name: raw, "good.txt": "good"})
    (record,) = quarantined(out)
    assert record["reason"].startswith("not UTF-8: it looks like cp1252")
    assert record["offset"] == raw.index(b"\xe9")
    assert base64.b64decode(record["raw"]) == raw
    assert texts(out) == ["good"]
    assert result.counts["quarantined: not UTF-8"] == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1, 2]", "not a JSON object but a list"),
        ('{"txt": "misspelt"}', "field 'text' is missing: found 'txt'"),
        ('{"text": 5}', "field 'text' is of type int"),
        ('{"text": "\\ud800"}', "half of a surrogate pair in the text"),
        ('{"text": ' + "[" * 100_000, "not JSON"),
        ('{"n": ' + "1" * 5000 + ', "text": "x"}', "not JSON"),
    ],
)
def test_other_bad_lines_are_quarantined(ingest_files: Ingest, line: str, reason: str) -> None:
    _, out = ingest_files({"a.jsonl": line + "\n" + lines({"text": "good"})})
    assert texts(out) == ["good"]
    (record,) = quarantined(out)
    assert record["reason"].startswith(reason)


def test_unreadable_parquet_is_quarantined(tmp_path: Path, ingest_files: Ingest) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    pq.write_table(pa.table({"txt": ["misspelt"]}), folder / "misspelt.parquet")
    pq.write_table(pa.table({"text": ["good", None]}), folder / "nulls.parquet")
    pq.write_table(pa.table({"text": ["cut"] * 1000}), folder / "whole.parquet")
    cut = (folder / "whole.parquet").read_bytes()[:-20]
    (folder / "whole.parquet").unlink()
    _, out = ingest_files({"broken.parquet": b"PAR1 no", "cut.parquet": cut})
    assert texts(out) == ["good"]
    assert [(record["path"], record["record"]) for record in quarantined(out)] == [
        ("broken.parquet", ""),
        ("cut.parquet", ""),
        ("misspelt.parquet", ""),
        ("nulls.parquet", "2"),
    ]


def test_a_file_that_a_worker_does_not_see_stops_the_step(tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "a.txt").write_text("here when the step begins")

    def elsewhere(work: Callable[[Any], int], units: Sequence[Any], workers: int) -> Generator[int, None, None]:
        (tmp_path / "seen" / "a.txt").unlink()
        yield from map(work, units)

    source = {"kind": "files", "path": "seen", "licence": "MIT"}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["MIT"]}}).resolve(tmp_path)
    context = replace(make_context(tmp_path), execute=elsewhere)
    with pytest.raises(
        LmworksError, match=r"Source seen: a\.txt is gone, or is not on the machine .* under the same path"
    ):
        ingest(config, out=tmp_path / "raw", context=context)


def test_a_broken_link_is_quarantined(tmp_path: Path, ingest_files: Ingest) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "gone.txt").symlink_to("nowhere")
    _, out = ingest_files({"a.txt": "good"})
    assert texts(out) == ["good"]
    assert [record["reason"] for record in quarantined(out)] == ["unreadable: No such file or directory"]


@given(st.lists(st.binary(max_size=30)), st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_is_lost_however_a_file_is_cut(tmp_path: Path, raw_lines: list[bytes], size: int) -> None:
    good = [json.dumps({"text": str(number)}).encode() for number in range(len(raw_lines))]
    content = b"\n".join(line for pair in zip(raw_lines, good, strict=True) for line in pair)
    (tmp_path / "a.jsonl").write_bytes(content)
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)
    whole, cut = ([r for piece in source.pieces("a.jsonl", n) for r in source.read(piece)] for n in (10**9, size))
    assert cut == whole
    assert len(whole) == sum(bool(line.strip()) for line in content.split(b"\n"))
    found = [record.text for record in whole if isinstance(record, Record)]
    assert {str(number) for number in range(len(raw_lines))} <= set(found)
    for record in whole:
        assert int(record.key) >= 1


def test_ids_stay_when_shards_are_cut_elsewhere(tmp_path: Path, ingest_files: Ingest) -> None:
    content = {"a.jsonl": lines(*({"text": f"text {number}"} for number in range(50))), "b.txt": "b"}
    _, out = ingest_files(content)
    whole = {document.id: document.text for document in Documents(out, "").iterate()}
    assert len(Documents(out, "").shards()) == 1
    out.rename(tmp_path / "whole")
    (tmp_path / "scratch").rename(tmp_path / "old-scratch")
    _, out = ingest_files(content, shard_bytes=100)
    assert len(Documents(out, "").shards()) > 5
    assert {document.id: document.text for document in Documents(out, "").iterate()} == whole
    assert (out / "ids.txt").read_bytes() == (tmp_path / "whole" / "ids.txt").read_bytes()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    config = IngestConfig.model_validate({"sources": [{"kind": "files", "path": "nowhere", "licence": "MIT"}]})
    with pytest.raises(UsageError, match="nowhere"):
        config.resolve(tmp_path)


def test_an_empty_source_is_an_error(tmp_path: Path, ingest_files: Ingest) -> None:
    (tmp_path / "texts").mkdir()
    with pytest.raises(LmworksError, match="no file that can be read"):
        ingest_files({})
    with pytest.raises(LmworksError, match="No document could be read"):
        ingest_files({"a.jsonl": "{"})


def test_a_source_without_a_licence_is_refused(tmp_path: Path, ingest_files: Ingest) -> None:
    with pytest.raises(GateRefused, match=r"texts: no licence") as refusal:
        ingest_files({"a.txt": "text"}, licence=None)
    assert refusal.value.exit_code == 3
    assert not (tmp_path / "raw").exists()


def test_nothing_is_allowed_by_default(ingest_files: Ingest) -> None:
    with pytest.raises(GateRefused, match=r"GPL-3.0-only"):
        ingest_files({"a.txt": "text"}, licence="GPL-3.0-only")
    assert IngestConfig.model_validate({"sources": [{"kind": "files", "path": "x"}]}).licences.allow == []


def test_records_with_licences_of_their_own_pass_one_by_one(ingest_files: Ingest) -> None:
    records = [
        {"text": "a", "l": "MIT"},
        {"text": "b", "l": "CC-BY-NC-4.0"},
        {"text": "c"},
        {"text": "d", "l": ["MIT"]},
    ]
    result, out = ingest_files({"a.jsonl": lines(*records)}, licence=None, licence_field="l")
    assert texts(out) == ["a"]
    assert result.counts["licence not allowed: CC-BY-NC-4.0"] == 1
    assert result.counts["no licence"] == 2
    assert not any("text" in example for example in result.examples)


def test_the_key_is_a_digest_and_a_fingerprint_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    path = tmp_path / "texts" / "a.txt"
    path.write_text("one")
    config = IngestConfig.model_validate({"sources": [{"kind": "files", "path": "texts", "licence": "MIT"}]})
    first, again = config.resolve(tmp_path), config.resolve(tmp_path)
    assert first == again
    stored = first.model_dump_json()
    assert KEY not in stored
    assert str(tmp_path) not in stored
    path.write_text("two!")
    assert config.resolve(tmp_path).fingerprints != first.fingerprints
    path.write_text("one")
    os.utime(path, ns=(1, 1))
    assert config.resolve(tmp_path).fingerprints != first.fingerprints


def test_two_sources_of_one_name_would_clash(tmp_path: Path) -> None:
    sources = [{"kind": "files", "path": f"{place}/docs", "licence": "MIT"} for place in "ab"]
    with pytest.raises(ValidationError, match="two sources are called 'docs'"):
        IngestConfig.model_validate({"sources": sources})


def botocore(tmp_path: Path, **source: Any) -> tuple[Any, Path]:
    config = IngestConfig.model_validate(
        {"sources": [{"kind": "botocore", "path": "models", **source}], "licences": {"allow": ["permissive"]}}
    ).resolve(tmp_path)
    return ingest(config, out=tmp_path / "raw", context=make_context(tmp_path)), tmp_path / "raw"


def test_service_models_give_operations_and_services(tmp_path: Path, write_service: Ingest) -> None:
    write_service("abc", {"Old": "<p>Is gone.</p>"}, version="2010-01-01")
    write_service("abc", {"DeleteThing": "<p>Deletes <ip>.</p>", "ListThings": ""}, version="2020-01-01")
    result, out = botocore(tmp_path)
    found = {document.meta.get("operation"): document for document in Documents(out, "").iterate()}
    assert set(found) == {None, "DeleteThing", "ListThings"}
    path = "abc/2020-01-01/service-2.json.gz"
    assert found["DeleteThing"].meta == {
        "kind": "operation",
        "service": "ABC",
        "folder": "abc",
        "operation": "DeleteThing",
        "path": path,
        "format": "html",
    }
    assert found[None].meta["kind"] == "service"
    assert "Deletes &lt;ip>" in found["DeleteThing"].text
    assert "<dt>Name</dt><dd><p>The name.</p></dd>" in found["DeleteThing"].text
    assert [record["path"] for record in json.loads((out / "files.json").read_text())] == [path]
    assert {document.licence for document in found.values()} == {"Apache-2.0"}
    assert result.counts["documents"] == 3


def test_services_can_be_chosen_and_limited(tmp_path: Path, write_service: Ingest) -> None:
    for name in ("alpha", "beta", "gamma"):
        write_service(name, {"Get": "<p>Gets.</p>"})
    _, out = botocore(tmp_path, services=["gamma", "alpha"], limit=1)
    assert {document.meta["folder"] for document in Documents(out, "").iterate()} == {"alpha"}
    with pytest.raises(UsageError, match="Did you mean 'gamma'"):
        botocore(tmp_path, services=["gama"])


def test_bad_service_models_are_quarantined(tmp_path: Path, write_service: Ingest) -> None:
    write_service("good", {"Get": "<p>Gets.</p>"})
    raw = write_service("cut", {"Get": "<p>Gets.</p>"}).read_bytes()
    write_service("cut2", {}).write_bytes(raw[:-30])
    write_service("nogzip", {}).write_bytes(b"{}")
    write_service("wrong", {"Get": ""}, shapes={})
    _, out = botocore(tmp_path)
    assert {record["path"].split("/")[0]: record["reason"].split(":")[0] for record in quarantined(out)} == {
        "cut2": "not a gzip file",
        "nogzip": "not a gzip file",
        "wrong": "not a service model",
    }


def test_another_version_of_botocore_is_refused_with_the_remedy(tmp_path: Path) -> None:
    config = IngestConfig.model_validate({"sources": [{"kind": "botocore", "version": "0.0.1"}]})
    with pytest.raises(UsageError, match=r"pip install 'botocore==0\.0\.1'"):
        config.resolve(tmp_path)


def test_one_ingest_twice_gives_equal_bytes(tmp_path: Path, write_service: Ingest) -> None:
    for name in ("alpha", "beta"):
        write_service(name, {"Get": "<p>Gets.</p>", "Put": "<p>Puts.</p>"})
    payloads = []
    for place in "ab":
        config = IngestConfig.model_validate(
            {"sources": [{"kind": "botocore", "path": "models"}], "licences": {"allow": ["MIT", "Apache-2.0"]}}
        ).resolve(tmp_path)
        ingest(config, out=tmp_path / place, context=make_context(tmp_path / f"work-{place}"))
        payloads.append(payload_bytes(tmp_path / place))
    assert payloads[0] == payloads[1]


def test_each_source_counts_what_no_source_reads_and_neither_recipe_nor_store(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "b.txt", "in/c.txt", "in/d.exe", "e.exe"):
        (tmp_path / name).write_text("text\nrow one\n")
    for name in ("recipe.yaml", "answers.yaml"):
        (tmp_path / name).write_text("use_case: trying\n")
    (tmp_path / "other.yaml").write_text("apiVersion: v1\n")
    for name in ("artifacts/ingest/1/payload/f.parquet", "builds/last"):
        (tmp_path / "store" / name).parent.mkdir(parents=True)
        (tmp_path / "store" / name).write_text("small")
    sources = [
        {"kind": "files", "path": ".", "include": ["*.csv"], "licence": "MIT", "name": "tables"},
        {"kind": "files", "path": ".", "include": ["b.txt"], "licence": "MIT", "name": "texts"},
        {"kind": "files", "path": "in", "licence": "MIT"},
    ]
    config = IngestConfig.model_validate({"sources": sources, "licences": {"allow": ["MIT"]}})
    config.prepare(tmp_path)
    result = ingest(config.resolve(tmp_path), out=tmp_path / ".out", context=make_context(tmp_path / ".scratch"))
    assert result.counts["documents"] == 3
    assert {name: count for name, count in result.counts.items() if name.startswith("not read")} == {
        "not read: .exe": 2,
        "not read: .yaml": 1,
    }
