"""Shards of documents in which a bit has flipped: no step reads them, whatever arrow would say."""

from __future__ import annotations

import random
import shutil
from io import StringIO
from pathlib import Path

import pytest

from lmworks.errors import LmworksError
from lmworks.pipeline.build import Build, Environment
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.store import Artifact, Store
from packages import load, nodes

RECIPE = """\
name: damaged
use_case: what a disk does
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  clean: {kind: normalise, from: raw}
"""
AGAIN = """\
name: again
use_case: documents of another store
data:
  raw: {kind: ingest, sources: [{kind: artifact, store: ../first/.lmworks, artifact: raw}], licences: {allow: [any]}}
""".replace("any", "permissive")


@pytest.fixture(autouse=True)
def id_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_ID_KEY", "a key for tests only")


def build(folder: Path, text: str, *steps: str) -> dict[str, Artifact]:
    """The artifacts of a recipe's steps; those that are named here are made if they are not there."""
    folder.mkdir(exist_ok=True)
    made = nodes(folder, load(folder, text))
    state = Build(Store(folder / ".lmworks"), list(made.values()))
    for name, node in made.items():
        if state.look(node)[0] is None and name in steps:
            state.run(node, PlainDisplay(StringIO()), (1, 1), Environment(lambda: None, workers=1))
    return state.artifacts


def flipped(sound: bytes, bit: int) -> bytes:
    return bytes([*sound[: bit // 8], sound[bit // 8] ^ 1 << bit % 8, *sound[bit // 8 + 1 :]])


def test_no_flipped_bit_of_a_shard_is_read(tmp_path: Path) -> None:
    shard = build(tmp_path, RECIPE, "raw")["raw"].payload / "part-00000.parquet"
    sound = shard.read_bytes()
    for bit in random.Random(1).sample(range(8 * len(sound)), 60):
        shard.write_bytes(flipped(sound, bit))
        with pytest.raises(LmworksError, match=r"part-00000.parquet: differs from its digest .*--rebuild raw"):
            build(tmp_path, RECIPE, "clean")
    shard.write_bytes(sound)
    assert build(tmp_path, RECIPE, "clean")["clean"].manifest.counts["documents"] == 1


def test_a_damaged_shard_of_another_store_is_no_source(tmp_path: Path) -> None:
    shard = build(tmp_path / "first", RECIPE, "raw")["raw"].payload / "part-00000.parquet"
    sound = shard.read_bytes()
    text_bit = 8 * (sound.index(b"A text.") if b"A text." in sound else 40)
    shard.write_bytes(flipped(sound, text_bit))
    first = build(tmp_path / "first", RECIPE)["raw"]
    again = AGAIN.replace("artifact: raw", f'artifact: "{first.key[:12]}"')  # one as 1e2… is a number
    with pytest.raises(LmworksError, match=r"part-00000.parquet: differs from its digest .*--rebuild raw"):
        build(tmp_path / "second", again, "raw")
    shard.write_bytes(sound)
    shutil.rmtree(tmp_path / "second" / ".lmworks")
    assert build(tmp_path / "second", again, "raw")["raw"].manifest.counts["documents"] == 1


def test_what_reads_a_damaged_shard_for_people_names_file_and_remedy(tmp_path: Path) -> None:
    from lmworks.data.shards.records import read_columns, read_shard

    shard = build(tmp_path, RECIPE, "raw")["raw"].payload / "part-00000.parquet"
    sound = shard.read_bytes()
    for damaged in (sound[:-30], sound[:40] + bytes(200) + sound[240:], sound[: len(sound) // 2]):
        shard.write_bytes(damaged)
        for read in (read_shard, read_columns):
            with pytest.raises(LmworksError, match=r"part-00000.parquet: .*damaged.*lmworks build --rebuild raw"):
                read(shard)
