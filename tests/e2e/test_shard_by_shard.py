"""A build makes again only the shards whose inputs changed, and ends with the bytes of a build from nothing."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpora import make_tokenizer
from data.data_support import KEY, payload_bytes
from lmworks import graph
from lmworks.cli.erase import erase as erase_command
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError
from lmworks.pipeline.erasure import add_erased, delete, holders, leftovers, leftovers_with
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.lineage import remove, unused
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Artifact, Store
from lmworks.tokens.rows.pack import PackDocumentsConfig, pack_documents
from lmworks.workspace import open_workspace, run

pytestmark = pytest.mark.slow

WORDS = [
    "rain",
    "bread",
    "tides",
    "glass",
    "wool",
    "music",
    "trains",
    "harbour",
    "winter",
    "letters",
    "copper",
    "lanterns",
    "orchard",
    "velvet",
    "meadow",
    "cellar",
    "saddle",
    "willow",
    "kettle",
    "marble",
]
STEPS: dict[str, Any] = {
    "raw": {
        "kind": "ingest",
        "sources": [{"kind": "files", "path": "texts", "licence": "MIT", "keep": ["writer"]}],
        "licences": {"allow": ["permissive"]},
        "shard_bytes": 900,
    },
    "clean": {"kind": "normalise", "from": "raw"},
    "private": {"kind": "anonymise", "from": "clean", "people": ["writer"]},
    "parts": {
        "kind": "split",
        "from": "private",
        "by": "id",
        "test": 2,
        "validation": 0,
        "leak_test": {"jaccard": 0.99},
    },
    "corpus": {"kind": "curate", "from": "parts.train", "filters": ["length", "repetition"], "avoid": ["parts.test"]},
    "fair": {"kind": "decontaminate", "from": "corpus", "files": ["exam.jsonl"]},
    "single": {"kind": "repeated-passages", "from": "fair", "words": 12},
    "mixed": {"kind": "mix", "parts": {"one": {"from": "single"}, "two": {"from": "parts.test"}}},
}


class Listener:
    """A display that counts the units of work that were taken from earlier builds and those that were not."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.made: list[str] = []
        self.lines: list[str] = []

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Progress:
        self.made.append(node)
        return self

    def reused(self, node: str, index: int, total: int) -> None: ...

    def finished(self, manifest: Manifest) -> None: ...

    def say(self, line: str) -> None:
        self.lines.append(line)
        if found := re.match(r"(\S+): (\d+) of (\d+) (\S+) are as an earlier build made them", line):
            self.taken[f"{found[1]} {found[4]}"] = int(found[3]) - int(found[2])

    def close(self) -> None: ...

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty files, a recipe of document steps, a tokenizer."""
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    make_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "exam.jsonl").write_text(json.dumps({"question": "which lanterns burned in the harbour all winter?"}))
    recipe = {"name": "small", "use_case": "tests", "plan": {"measure": False}, "data": STEPS}
    recipe["tokenizer"] = {"kind": "pretrained", "path": "tokenizer/tokenizer/tokenizer.json"}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    (tmp_path / "texts").mkdir()
    draw = random.Random(0)
    for number in range(20):
        write(tmp_path, f"file-{number:02d}.jsonl", draw)
    return tmp_path


def write(project: Path, name: str, draw: random.Random, records: int = 4) -> None:
    """A file of notes; some say again what a note in every file says."""
    footer = "this note is kept for five years and may be read by all who work in the house"
    notes = [
        {
            "writer": draw.choice(["Ada Byron", "Tom Kilburn"]),
            "text": f"{' '.join(draw.choices(WORDS, k=30))} asked on 3 May 2024 by {draw.choice(WORDS)}@example.org. "
            + footer * (draw.random() < 0.3),
        }
        for _ in range(records)
    ]
    (project / "texts" / name).write_text("".join(json.dumps(note) + "\n" for note in notes))


def build(project: Path, store: Path, **settings: Any) -> tuple[dict[str, Artifact], Listener]:
    """Build every step, packing too."""
    workspace, listener = open_workspace(project / "recipe.yaml", store=store), Listener()
    packing = PackDocumentsConfig.model_validate({"from": "mixed", "sequence_length": 32})
    workspace.build.nodes = [*workspace.build.nodes, graph.node("rows", pack_documents, packing)]
    return run(workspace, listener, **{"workers": 1, "remember": False, **settings}), listener


def assert_as_from_nothing(project: Path, artifacts: Mapping[str, Artifact], fresh: Path, **settings: Any) -> None:
    """Every payload is what a build in an empty store makes."""
    for name, artifact in build(project, fresh, **settings)[0].items():
        assert payload_bytes(artifacts[name].payload) == payload_bytes(artifact.payload), name
        assert artifacts[name].digest() == artifact.digest(), name


def erase(store: Store, project: Path, ids: list[str]) -> None:
    add_erased(project, ids)
    delete(store, holders(store, ids), ids)


def test_whatever_changes_the_bytes_are_those_of_a_build_from_nothing(project: Path) -> None:
    draw, store = random.Random(0), project / "store"
    artifacts, _ = build(project, store)
    for turn, changes in enumerate((["edit", "erase"], ["remove", "erase", "add", "add"], ["back", "edit"])):
        for change in changes:
            files = sorted((project / "texts").iterdir())
            match change:
                case "add":
                    write(project, f"file-{draw.randrange(20):02d}-{draw.random()}.jsonl", draw, draw.randint(1, 30))
                case "remove":
                    draw.choice(files).unlink()
                case "edit":
                    write(project, draw.choice(files).name, draw)
                case "erase":
                    ids = (artifacts["raw"].payload / "ids.txt").read_text().split()
                    erase(Store(store), project, draw.sample(ids, 2))
                case "back":
                    erased = project / "erased-documents.txt"
                    erased.write_text("".join(f"# {line}\n" for line in erased.read_text().splitlines()))
        artifacts, _ = build(project, store)
        assert_as_from_nothing(project, artifacts, project / f"fresh-{turn}")


def test_one_more_file_makes_one_shard_or_two_again(project: Path) -> None:
    build(project, project / "store")
    write(project, "file-07-more.jsonl", random.Random(1), records=1)
    artifacts, listener = build(project, project / "store")
    assert_as_from_nothing(project, artifacts, project / "fresh")
    for step in (
        "raw files",
        "raw shards",
        "clean shards",
        "private shards",
        "parts hashed",
        "corpus filter",
        "rows encode",
    ):
        assert 1 <= listener.taken[step] <= 3, (step, listener.taken)


def test_one_erased_document_makes_one_shard_of_each_step_again_and_is_nowhere(project: Path) -> None:
    store = project / "store"
    build(project, store)
    write(project, "zzz.jsonl", random.Random(1))
    artifacts, _ = build(project, store)  # whose files are those of the build before, under names of their own
    *_, victim = Documents(artifacts["single"].payload, "").iterate()
    words = next(each.text for each in Documents(artifacts["raw"].payload, "").iterate() if each.id == victim.id)[:60]
    erase(Store(store), project, [victim.id])
    for left in store.rglob("*"):
        if left.suffix == ".parquet":
            assert victim.id not in _named(left)
        elif left.is_file() and left.name != "erased.txt":  # keyed ids of what must not come back
            content = left.read_bytes()
            assert words.encode() not in content, left
            assert victim.id.encode() not in content, left
    artifacts, listener = build(project, store)
    assert_as_from_nothing(project, artifacts, project / "fresh")
    for step in ("raw shards", "clean shards", "private shards", "parts hashed", "corpus filter", "rows encode"):
        assert listener.taken[step] == 1, (step, listener.taken)


def test_a_document_in_shards_that_an_erasure_left_is_erased_there(project: Path) -> None:
    artifacts, _ = build(project, project / "store", until="clean")
    shards = Documents(artifacts["raw"].payload, "").shards()
    first, second = ([str(name) for name in pq.read_table(each).column("id").to_pylist()] for each in shards[:2])
    texts = {each.id: each.text for each in Documents(artifacts["raw"].payload, "").iterate()}
    erase(Store(project / "store"), project, first[:1])
    assert holders(Store(project / "store"), second[:1]) == {}, "no artifact is left to list it"
    assert len(leftovers_with(Store(project / "store"), second[:1])) == 2
    assert leftovers_with(Store(project / "store"), first[:1]) == []
    erase(Store(project / "store"), project, second[:1])
    assert leftovers_with(Store(project / "store"), second[:1]) == []
    for left in (project / "store").rglob("*"):
        if left.suffix == ".parquet":
            assert not {*first[:1], *second[:1]} & {*_named(left)}
        elif left.is_file():
            assert texts[second[0]][:60] not in left.read_text(), left
    assert leftovers(Store(project / "store")), "what neither has reached stays"


def test_the_command_erases_in_shards_that_an_erasure_left(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    store = project / "store"
    recipe = {"name": "small", "use_case": "tests", "plan": {"measure": False}, "data": {"raw": STEPS["raw"]}}
    (project / "recipe.yaml").write_text(json.dumps(recipe))
    artifacts = run(open_workspace(project / "recipe.yaml", store=store), Listener(), workers=1)
    first, second = Documents(artifacts["raw"].payload, "").shards()[:2]
    for shard in (first, second):
        (victim, *_) = [str(name) for name in pq.read_table(shard).column("id").to_pylist()]
        erase_command([victim], apply=True, store=store)
        assert victim in (project / "erased-documents.txt").read_text()
        assert not shard.exists()
    assert "shards that an earlier erasure left of ingest" in capsys.readouterr().out
    with pytest.raises(LmworksError, match="that are missing now, named above, not searched: 1"):
        erase_command(["ada@example.org"], apply=True, store=store)
    with pytest.raises(LmworksError, match="nothing in this store was made from"):
        erase_command([victim], apply=True, store=store)


def test_a_record_that_names_an_erased_document_goes_with_its_unit(project: Path) -> None:
    artifacts, _ = build(project, project / "store", until="raw")
    ids = (artifacts["raw"].payload / "ids.txt").read_text().split()
    record = next(artifacts["raw"].folder.glob("beside/units/shards/0*.json"))
    content = json.loads(record.read_text())
    content["facts"]["left_out"], content["quarantined"] = ["0" * 32], [{"raw": "its text"}]
    record.write_text(json.dumps(content))
    other = next(name for name in ids if name not in _ids_of(artifacts["raw"].payload, record.stem))
    erase(Store(project / "store"), project, [other, "0" * 32])
    assert not record.exists()
    assert leftovers(Store(project / "store")) == [artifacts["raw"].folder], "units that name neither stay"


def _named(file: Path) -> list[str]:
    """The ids in a table; none in one of numbers alone, which stands beside the shard that it was made of."""
    table = pq.read_table(file)
    return table.column("id").to_pylist() if "id" in table.column_names else []


def _ids_of(payload: Path, number: str) -> set[str]:
    return set(pq.read_table(payload / f"part-{number}.parquet").column("id").to_pylist())


def damage(shard: Path) -> None:
    """Change one byte in place, under every name of the file, with the size and time that it had."""
    facts = shard.stat()
    with shard.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"x")
    os.utime(shard, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_a_shard_that_was_changed_on_disk_is_made_again(project: Path) -> None:
    store = project / "store"
    before, _ = build(project, store, until="clean")
    write(project, "zzz.jsonl", random.Random(1))
    linked, _ = build(project, store, until="clean")
    shard = sorted(before["clean"].payload.glob("part-*.parquet"))[0]
    assert shard.stat().st_ino in {path.stat().st_ino for path in linked["clean"].payload.iterdir()}
    damage(shard)
    write(project, "zzzz.jsonl", random.Random(2))
    artifacts, _ = build(project, store, until="clean")
    assert_as_from_nothing(project, artifacts, project / "fresh", until="clean")


def test_where_there_are_no_links_shards_are_copied(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    build(project, project / "store", until="corpus")
    write(project, "zzz.jsonl", random.Random(1))
    artifacts, listener = build(project, project / "store", until="corpus")
    assert listener.taken["clean shards"] < 4
    assert all(path.stat().st_nlink == 1 for path in (project / "store").rglob("*") if path.is_file())
    assert_as_from_nothing(project, artifacts, project / "fresh", until="corpus")


RECORDS = {
    "raw": "a8bf1ce2dfad",
    "clean": "3aee7c4eb214",
    "private": "adceac8c0b77",
    "parts": "adceac8c0b77",
    "corpus": "6f25b897cf9f",
    "fair": "6f25b897cf9f",
    "single": "651455925219",
    "mixed": "748c99fc3ab5",
}
"""Digests of the ids and texts that each step makes, wherever shards are cut."""


@pytest.mark.parametrize("size", [900, 10**6])
def test_where_shards_are_cut_changes_no_id_and_no_text(project: Path, size: int) -> None:
    recipe = json.loads((project / "recipe.yaml").read_text())
    recipe["data"]["raw"]["shard_bytes"] = size
    (project / "recipe.yaml").write_text(json.dumps(recipe))
    artifacts, _ = build(project, project / "store", until="mixed")
    for name, artifact in artifacts.items():
        folders = {shard.parent for shard in artifact.payload.rglob("part-*.parquet")}
        records = sorted((each.id, each.text) for folder in folders for each in Documents(folder, "").iterate())
        assert digest_text(canonical_json(records))[:12] == RECORDS[name], name


def test_what_is_made_anew_takes_nothing(project: Path) -> None:
    build(project, project / "store", until="clean")
    _, listener = build(project, project / "store", until="clean", rebuild=["clean"])
    assert listener.made == ["clean"]
    assert listener.taken == {}


def test_cleaning_up_takes_earlier_builds_and_leaves_what_was_linked(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    store = project / "store"
    first, _ = build(project, store, until="clean")
    write(project, "zzz.jsonl", random.Random(1))
    second, _ = build(project, store, until="clean", remember=True)
    shared = {path.stat().st_ino for path in first["clean"].payload.glob("*.parquet")}
    assert shared & {path.stat().st_ino for path in second["clean"].payload.glob("*.parquet")}
    for waste in unused(Store(store)):
        remove(waste)
    assert not first["clean"].folder.exists()
    fresh, _ = build(project, project / "fresh", until="clean")
    assert payload_bytes(second["clean"].payload) == payload_bytes(fresh["clean"].payload)


def test_the_manifest_names_what_each_shard_was_made_from(project: Path) -> None:
    artifacts, _ = build(project, project / "store", until="clean")
    raw, clean = (artifacts[name].manifest.files for name in ("raw", "clean"))
    listed = {each["sha256"] for each in json.loads((artifacts["raw"].payload / "files.json").read_text())}
    shards = {record.sha256 for name, record in raw.items() if name.endswith(".parquet")}
    assert all(set(raw[name].made_from) <= listed for name in raw if name.endswith(".parquet"))
    made_from = [clean[name].made_from for name in clean if name.endswith(".parquet")]
    assert {digest for each in made_from for digest in each} == shards


def test_what_is_made_wholly_is_named_apart_before_anything_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    recipe = {"name": "small", "use_case": "tests", "plan": {"measure": False}}
    recipe |= {"data": {name: STEPS[name] for name in ("raw", "clean")}, "tokenizer": {"kind": "bpe", "from": "clean"}}
    (project / "recipe.yaml").write_text(json.dumps(recipe))
    run(open_workspace(project / "recipe.yaml"), first := Listener(), workers=1)
    write(project, "zzz.jsonl", random.Random(1))
    run(open_workspace(project / "recipe.yaml"), second := Listener(), workers=1)
    run(open_workspace(project / "recipe.yaml"), third := Listener(), workers=1)
    told = r"to be made again by shard, only those that changed: raw \(\d+\), clean \(\d+\); wholly: tokenizer"
    assert re.fullmatch(told, second.lines[0])
    assert not any(line.startswith("to be made again") for line in first.lines + third.lines)
