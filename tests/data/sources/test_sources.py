"""Where documents come from: databases, checkouts, published folders, other storage, earlier builds."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from data_support import quarantined, texts
from pydantic import ValidationError

from lmworks.data.base.identity import ID_KEY
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.sources.dataset import adapters
from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.pipeline.erasure import add_erased
from lmworks.pipeline.files import digest_file
from lmworks.pipeline.store import Store
from support import make_context, make_manifest

Ingest = Callable[..., Any]


def run(folder: Path, *sources: dict[str, Any], allow: list[str] | None = None) -> tuple[Any, Path]:
    """Ingest sources whose paths start at `folder`; each call has an output of its own."""
    gate = {"allow": allow or ["permissive"]}
    config = IngestConfig.model_validate({"sources": list(sources), "licences": gate}).resolve(folder)
    number = len(list(folder.glob("out-*")))
    out = folder / f"out-{number}"
    return ingest(config, out=out, context=make_context(folder / f"work-{number}")), out


def ids(folder: Path) -> dict[str, str]:
    return {document.text: document.id for document in Documents(folder, "").iterate()}


def database(folder: Path, *rows: tuple[Any, ...]) -> None:
    with sqlite3.connect(folder / "tickets.db") as connection:
        connection.execute("create table if not exists tickets (id integer, body text, at text)")
        connection.executemany("insert into tickets values (?, ?, ?)", rows)


QUERY = {
    "kind": "sql",
    "url": "sqlite:///tickets.db",
    "query": "select id, body, at from tickets order by id desc",
    "text_field": "body",
    "key_field": "id",
    "keep": ["at"],
    "licence": "MIT",
}


def test_a_query_is_a_snapshot_of_its_day(tmp_path: Path) -> None:
    database(tmp_path, (1, "first", "2024"), (2, None, "2024"))
    _, out = run(tmp_path, {**QUERY, "date": "2024-01-01"})
    assert texts(out) == ["first"]
    assert quarantined(out)[0]["reason"] == "field 'body' is missing"
    (document,) = Documents(out, "").iterate()
    assert document.meta["at"] == "2024"
    database(tmp_path, (3, "third", "2025"))
    _, same = run(tmp_path, {**QUERY, "date": "2024-01-01"})
    assert ids(same) == ids(out)
    _, later = run(tmp_path, {**QUERY, "date": "2025-01-01"})
    assert set(ids(later)) == {"first", "third"}
    assert ids(later)["first"] == ids(out)["first"]


def test_a_bad_byte_in_a_database_costs_its_row(tmp_path: Path) -> None:
    database(tmp_path, (1, "first", ""), (3, "third", ""))
    with sqlite3.connect(tmp_path / "tickets.db") as connection:
        connection.execute("insert into tickets values (2, cast(x'636166e9' as text), '')")
    _, out = run(tmp_path, {**QUERY, "date": "2024-01-01"})
    assert texts(out) == ["first", "third"]
    assert quarantined(out)[0]["reason"] == "half of a surrogate pair in the text"


def test_a_database_that_cannot_be_asked_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"there is no database .*tickets\.db"):
        run(tmp_path, {**QUERY, "date": "2024-01-01"})
    assert not (tmp_path / "tickets.db").exists()
    database(tmp_path)
    with pytest.raises(LmworksError, match="the query failed: no such table: nowhere"):
        run(tmp_path, {**QUERY, "query": "select * from nowhere", "date": "2024-01-01"})
    with pytest.raises(ValidationError, match="it holds a password") as refused:
        run(tmp_path, {**QUERY, "url": "postgresql://me:hunter2@host/db", "date": "2024-01-01"})
    assert "environment variable" in str(refused.value)
    with pytest.raises(UsageError, match="environment variable TICKETS is not set"):
        run(tmp_path, {**QUERY, "url": "$TICKETS", "date": "2024-01-01"})
    monkeypatch.setenv("TICKETS", "sqlite:///tickets.db")
    database(tmp_path, (1, "found", ""))
    assert texts(run(tmp_path, {**QUERY, "url": "$TICKETS", "date": "2024-01-01"})[1]) == ["found"]


def test_a_checkout_gives_what_is_tracked(tmp_path: Path) -> None:
    checkout = tmp_path / "project"
    checkout.mkdir()
    for name in ("a.py", "b.md", "untracked.py", "gone.py"):
        (checkout / name).write_text(f"text of {name}")
    for arguments in (["init", "-q"], ["add", "a.py", "b.md", "gone.py"]):
        subprocess.run(["git", "-C", str(checkout), *arguments], check=True)
    (checkout / "gone.py").unlink()
    _, out = run(tmp_path, {"kind": "git", "path": "project", "format": "text", "licence": "MIT"})
    assert texts(out) == ["text of a.py", "text of b.md"]
    assert quarantined(out)[0]["path"] == "gone.py"
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="is not a Git checkout"):
        run(tmp_path, {"kind": "git", "path": "plain", "licence": "MIT"})


@pytest.mark.parametrize("setting", ["core.fsmonitor", "core.pager", "core.hooksPath"])
def test_settings_of_a_git_checkout_start_no_program(tmp_path: Path, setting: str) -> None:
    checkout = tmp_path / "project"
    checkout.mkdir()
    (checkout / "a.py").write_text("print()")
    hook = tmp_path / "hook" / "post-index-change"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    hook.chmod(0o755)
    value = str(hook.parent if setting == "core.hooksPath" else hook)
    for arguments in (["init", "--quiet"], ["add", "a.py"], ["config", setting, value]):
        subprocess.run(["git", "-C", str(checkout), *arguments], check=True)
    _, out = run(tmp_path, {"kind": "git", "path": "project", "format": "text", "licence": "MIT"})
    assert len(list(Documents(out, "d").iterate())) == 1 and not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "card", [b"---\nlicense: [mit\n---\n", b"---\nconfigs: 5\n---\n", b"---\nlicense: 7\n---\ncaf\xe9"]
)
def test_a_card_that_cannot_be_used_is_named_or_left(tmp_path: Path, card: bytes) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "README.md").write_bytes(card)
    (tmp_path / "set" / "train.jsonl").write_text('{"text": "line"}')
    source = {"kind": "huggingface", "path": "set", "licence": "MIT"}
    if b"[mit" in card:
        with pytest.raises(UsageError, match=r"the card cannot be read\. .*README\.md:\d"):
            run(tmp_path, source)
    else:
        assert texts(run(tmp_path, source)[1]) == ["line"]


CARD = """---
license: apache-2.0
configs:
- config_name: small
  data_files:
  - split: train
    path: data/part-*.jsonl
  - split: test
    path: [held/out.jsonl]
- config_name: other
  data_files: more/*.jsonl
---
# A data set
"""


def test_a_published_folder_is_read_by_its_card(tmp_path: Path) -> None:
    for name in ("data/part-1.jsonl", "held/out.jsonl", "more/train.jsonl"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"text": name}))
    source = {"kind": "huggingface", "path": "set"}
    with pytest.raises(GateRefused, match="no licence"):
        run(tmp_path, source)
    assert set(texts(run(tmp_path, {**source, "licence": "MIT"})[1])) == {"more/train.jsonl"}
    (tmp_path / "set" / "README.md").write_text(CARD)
    _, out = run(tmp_path, source)
    assert texts(out) == ["data/part-1.jsonl"]
    assert next(Documents(out, "").iterate()).licence == "Apache-2.0"
    assert texts(run(tmp_path, {**source, "split": "test"})[1]) == ["held/out.jsonl"]
    assert texts(run(tmp_path, {**source, "config": "other"})[1]) == ["more/train.jsonl"]
    with pytest.raises(UsageError, match="no config 'none'; it has small, other"):
        run(tmp_path, {**source, "config": "none"})
    with pytest.raises(UsageError, match="no split 'valid'"):
        run(tmp_path, {**source, "split": "valid"})


def test_other_storage_is_read_like_a_folder(tmp_path: Path) -> None:
    storage = fsspec.filesystem("memory")
    storage.pipe("/bucket/texts/a.txt", b"plain")
    storage.pipe("/bucket/texts/b/c.jsonl", b'{"text": "line"}\n{\n')
    source = {"kind": "remote", "url": "memory://bucket/texts", "licence": "MIT"}
    _, out = run(tmp_path, source)
    assert {d.meta["path"]: d.text for d in Documents(out, "").iterate()} == {"a.txt": "plain", "b/c.jsonl": "line"}
    assert len(quarantined(out)) == 1
    (tmp_path / "texts" / "b").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("plain")
    (tmp_path / "texts" / "b" / "c.jsonl").write_text('{"text": "line"}\n{\n')
    local = {"kind": "files", "path": "texts", "licence": "MIT"}
    assert ids(run(tmp_path, local)[1]) == ids(out)
    before = IngestConfig.model_validate({"sources": [source]}).resolve(tmp_path).fingerprints
    storage.pipe("/bucket/texts/a.txt", b"other")
    assert IngestConfig.model_validate({"sources": [source]}).resolve(tmp_path).fingerprints != before
    with pytest.raises(UsageError, match="cannot be opened"):
        run(tmp_path, {**source, "url": "nowhere://bucket"})


def test_documents_of_an_earlier_build_keep_ids_licences_and_sources(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_text('{"text": "free", "l": "MIT"}\n{"text": "nc", "l": "CC-BY-NC-4.0"}\n')
    source = {"kind": "files", "path": "texts", "licence_field": "l"}
    _, made = run(tmp_path, source, allow=["MIT", "CC-BY-NC-4.0"])
    store = Store(tmp_path / "store")
    made_files = {p.name: {"sha256": digest_file(p), "bytes": 1} for p in made.iterdir() if p.is_file()}
    before = ids(made)
    store.publish(made, make_manifest(step="raw", stage="ingest", key="abcdef123456", files=made_files))
    again = {"kind": "artifact", "store": "store", "artifact": "abcdef"}
    (tmp_path / "next").mkdir()
    result, out = run(tmp_path / "next", {**again, "store": "../store"})
    assert ids(out) == {"free": before["free"]}
    assert result.counts["licence not allowed: CC-BY-NC-4.0"] == 1
    (document,) = Documents(out, "").iterate()
    assert (document.source, document.licence, document.meta["path"]) == ("texts", "MIT", "a.jsonl")
    (listed,) = json.loads((out / "files.json").read_text())
    assert listed["path"] == "artifacts/ingest/abcdef123456/payload/part-00000.parquet"
    with pytest.raises(UsageError, match="is not a store of lmworks"):
        run(tmp_path / "next", again)


def test_an_unknown_form_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ValidationError, match="no form 'pptx'; expected one of arrow, arxiv, csv"):
        IngestConfig.model_validate({"sources": [{"kind": "files", "path": "x", "format": "pptx"}]})


PUBLISHED: dict[str, tuple[str, bytes, str]] = {
    "wikipedia": (
        "enwiki-1-pages-articles.xml",
        b"<page><title>A</title><ns>0</ns><id>1</id><revision><text>B.</text></revision></page>",
        "A\n\nB.",
    ),
    "the-pile": ("00.jsonl", b'{"text": "t", "meta": {"pile_set_name": "Wikipedia (en)"}}', "t"),
    "flan": ("a.jsonl", b'{"inputs": "i", "targets": "t", "task": "x"}', "i\n\nt"),
    "alpaca": ("alpaca_data.json", b'[{"instruction": "i", "input": "", "output": "o"}]', "i\n\no"),
    "sharegpt": (
        "s.json",
        b'[{"id": "a", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}]',
        "q\n\na",
    ),
    "openassistant": (
        "ready.messages.jsonl",
        b'{"message_id": "m", "parent_id": null, "text": "t", "lang": "en"}',
        "t",
    ),
    "hh-rlhf": ("train.jsonl", b'{"chosen": "c", "rejected": "r"}', "c"),
    "summarize-from-feedback": (
        "batch3.json",
        b'{"info": {"post": "p"}, "summaries": [{"text": "a"}, {"text": "b"}], "choice": 1}\n',
        "p\n\na\n\nb",
    ),
    "webgpt-comparisons": (
        "comparisons.jsonl",
        b'{"question": {"full_text": "q"}, "answer_0": "a", "answer_1": "b", "score_0": 1.0, "score_1": -1.0}',
        "q\n\na\n\nb",
    ),
    "glue": ("dev.tsv", b"sentence\tlabel\nIt works .\t1\n", "It works ."),
    "superglue": ("val.jsonl", b'{"question": "q", "passage": "p", "idx": 0, "label": true}', "p\n\nq"),
    "squad": ("dev.json", b'{"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q"}]}]}]}', "c\n\nq"),
    "rte": (
        "rte1_dev.xml",
        b'<?xml version="1.0"?><entailment-corpus><pair id="8" value="FALSE" task="IR">\n<t>It&apos;s  so.</t>'
        b"\n<h>Not so.</h></pair></entailment-corpus>",
        "It's  so.\n\nNot so.",
    ),
    "bbh": ("word.json", b'{"canary": "c", "examples": [{"input": "i", "target": "t"}]}', "i"),
    "disfl-qa": ("dev.json", b'{"5a": {"original": "o", "disfluent": "d"}}', "o\n\nd"),
    "aqua-rat": (
        "dev.json",
        b'{"question": "q", "options": ["A)1", "B)2"], "rationale": "r", "correct": "A"}\n',
        "q\n\nA)1\n\nB)2\n\nr",
    ),
    "mt-bench": ("question.jsonl", b'{"question_id": 81, "turns": ["a", "b"], "category": "c"}', "a\n\nb"),
    "self-instruct": (
        "seed_tasks.jsonl",
        b'{"id": "s0", "instruction": "i", "instances": [{"input": "", "output": "o"}], "is_classification": false}',
        "i\n\no",
    ),
    "multi30k": ("val.de", b"Ein Mann.\r\n\n", "Ein Mann."),
    "e2e-nlg": ("devset.csv", b'"mr","ref"\n"name[A]","A is here."\n', "A is here."),
    "mmlu": ("x_test.csv", b'"What, now?",1,2,3,4,B\n', "What, now?\n\n1\n\n2\n\n3\n\n4"),
    "truthfulqa": (
        "TruthfulQA.csv",
        b"Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\nA,M,q,b,c,i,s\n",
        "q\n\nb",
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_known_data_set_is_read_as_published(tmp_path: Path, name: str) -> None:
    file, content, text = PUBLISHED[name]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / file).write_bytes(content)
    licence = adapters()[name].licence
    _, out = run(tmp_path, {"kind": "dataset", "dataset": name, "path": "set"}, allow=[licence])
    (document,) = Documents(out, "").iterate()
    assert (document.text, document.source, document.licence) == (text, name, licence)
    assert not quarantined(out)


@pytest.mark.parametrize("name", list(adapters()))
def test_every_known_data_set_can_be_named_and_the_recipe_comes_first(name: str) -> None:
    source = {"kind": "dataset", "dataset": name, "path": "x", "licence": "MIT", "name": "mine", "text_field": "own"}
    (read,) = IngestConfig.model_validate({"sources": [source]}).sources
    assert (read.source_licence, read.label, read.text_field) == ("MIT", "mine", "own")


def test_data_that_is_not_text_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"'waymo' is not text: .*camera"):
        IngestConfig.model_validate({"sources": [{"kind": "dataset", "dataset": "waymo", "path": "x"}]})
    with pytest.raises(ValidationError, match=r"did you mean 'alpaca'"):
        IngestConfig.model_validate({"sources": [{"kind": "dataset", "dataset": "alpacca", "path": "x"}]})


def test_the_list_of_data_sets_states_licence_stage_and_size() -> None:
    from typer.testing import CliRunner

    from lmworks.cli import app

    shown = CliRunner().invoke(app, ["data", "sources"]).stdout
    assert "CC-BY-NC-4.0" in shown and "52,002 examples" in shown and "preference" in shown
    listed = json.loads(CliRunner().invoke(app, ["data", "sources", "--json"]).stdout)
    assert {each["name"] for each in listed["found"]} == set(adapters())


def test_the_recipe_in_the_documentation_is_one() -> None:
    from lmworks.recipe.yaml import read_yaml

    page = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    block = page.split("\n    raw:\n")[1].split("\n\n")[0]
    step = read_yaml(f"    raw:\n{block}", "sources.md").value["raw"]
    assert [source.kind for source in IngestConfig.model_validate(step).sources] == ["files", "files", "sql", "dataset"]


def test_a_file_that_cannot_be_opened_does_not_stop_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from lmworks.cli import app

    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    (tmp_path / "texts" / "gone.txt").symlink_to("nowhere")
    step = "{kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [MIT]}}"
    (tmp_path / "recipe.yaml").write_text(f"name: small\nuse_case: test\ndata:\n  raw: {step}\n")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["plan", "recipe.yaml"])
    assert result.exit_code == 0, result.output


def holding(folder: Path, passage: str) -> list[str]:
    """Every readable file below a folder that holds a passage, Parquet decompressed; but for the database itself."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            text = "\n".join(map(str, pq.read_table(path).to_pylist()))
        else:
            text = path.read_bytes().decode(errors="replace") if path.is_file() and path.suffix != ".db" else ""
        if passage in text:
            found.append(path.relative_to(folder).as_posix())
    return found


@pytest.mark.parametrize("key_field", ["id", None])
def test_erasure_reaches_the_snapshots_of_every_day_and_those_taken_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_field: str | None
) -> None:
    from typer.testing import CliRunner

    from lmworks.cli import app

    def lmworks(*arguments: str, day: str = "2024-01-02") -> str:
        query = QUERY["query"].replace(" desc", "")  # type: ignore[attr-defined]
        sources = [{**QUERY, "query": query, "date": day, "key_field": key_field}]
        step = {"kind": "ingest", "sources": sources, "licences": {"allow": ["MIT"]}}
        recipe = {"name": "small", "use_case": "test", "data": {"raw": step}}
        (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
        shown = CliRunner().invoke(app, list(arguments))
        assert shown.exit_code == 0, shown.output
        return shown.output

    monkeypatch.chdir(tmp_path)
    database(tmp_path, *((number, f"passage of person {number}, private", "") for number in range(1, 6)))
    for day in ("2024-01-01", "2024-01-02"):
        lmworks("build", "recipe.yaml", day=day)
    (tmp_path / "snapshots" / "2024-01-01" / ".killed.jsonl.1").write_text("passage of person 3, private")
    assert len(holding(tmp_path, "person 3,")) >= 5
    store = json.loads((tmp_path / ".lmworks" / "last.json").read_text())["store"]
    (shard, *_) = Path(store).glob("artifacts/ingest/*/payload/part-*.parquet")
    names = {row["text"]: row["id"] for row in pq.read_table(shard).to_pylist()}
    lmworks("erase", names["passage of person 3, private"])
    assert len(holding(tmp_path, "person 3,")) >= 5, "nothing is deleted without --apply"
    untouched = {path: path.read_bytes() for path in (tmp_path / "snapshots").rglob("*.jsonl")}
    lmworks("erase", names["passage of person 3, private"], "--apply")
    assert holding(tmp_path, "person 3,") == []
    for path, before in untouched.items():
        wanted = [b"\n" if b"person 3," in line else line for line in before.splitlines(keepends=True)]
        assert path.read_bytes().splitlines(keepends=True) == wanted
    for day in ("2024-01-02", "2024-01-03"):
        lmworks("build", "recipe.yaml", day=day)
        assert holding(tmp_path, "person 3,") == []
        (shard,) = Path(store).glob("artifacts/ingest/*/payload/part-*.parquet") if day == "2024-01-02" else [shard]
    again = {row["text"]: row["id"] for row in pq.read_table(shard).to_pylist()}
    assert again == {text: name for text, name in names.items() if "person 3," not in text}


def test_the_text_about_data_that_is_no_text_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "waymo").mkdir()
    (tmp_path / "waymo" / "scenes.jsonl").write_text('{"name": "s1", "weather": "rain", "caption": "A wet street."}\n')
    (tmp_path / "waymo" / "segment-1.tfrecord").write_bytes(b"\0\1")
    source = {"kind": "files", "path": "waymo", "licence": "LicenseRef-Waymo", "text_field": "caption"}
    result, out = run(tmp_path, {**source, "keep": ["weather"]}, allow=["LicenseRef-Waymo"])
    (document,) = Documents(out, "").iterate()
    assert (document.text, document.meta["weather"]) == ("A wet street.", "rain")
    assert result.counts["not read: .tfrecord"] == 1


def test_erased_ids_of_another_key_are_told_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "texts").mkdir()
    for name in ("a", "b"):
        (tmp_path / "texts" / f"{name}.txt").write_text(f"text {name}")
    source = {"kind": "files", "path": "texts", "licence": "MIT"}
    monkeypatch.setenv("LMWORKS_ID_KEY", "the first key of a project")
    first = ids(run(tmp_path, source)[1])
    add_erased(tmp_path, [first["text a"]], ID_KEY.digest(tmp_path))
    said: list[str] = []
    for number, key in enumerate(("the first key of a project", "another key, made anew")):
        monkeypatch.setenv("LMWORKS_ID_KEY", key)
        gate = {"allow": ["permissive"]}
        config = IngestConfig.model_validate({"sources": [source], "licences": gate}).resolve(tmp_path)
        context = replace(make_context(tmp_path / f"again-{number}"), log=said.append)
        ingest(config, out=tmp_path / f"again-out-{number}", context=context)
        assert ("text a" in ids(tmp_path / f"again-out-{number}")) == bool(number)
        assert bool([line for line in said if "1 of 1 ids in" in line and "different key" in line]) == bool(number)
