"""What was erased is nowhere in the store; what was not is as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from e2e.small_recipe import lmworks, made
from lmworks.data.shards.records import Document, Documents
from lmworks.tokens.tokenizer import open_tokenizer

pytestmark = pytest.mark.slow


def documents(folder: Path, step: str, part: str = "") -> dict[str, Document]:
    payload = Path(lmworks(folder, "show", step, "--path").stdout.strip())
    return {document.id: document for document in Documents(payload / part, "").iterate()}


def texts(store: Path) -> Iterator[tuple[Path, str]]:
    """Everything readable in a store: Parquet decompressed, token rows decoded."""
    tokenizers = {folder.parent: open_tokenizer(folder.parent) for folder in store.rglob("tokenizer.json")}
    for path in store.rglob("*"):
        if path.suffix == ".parquet":
            yield path, "\n".join(pq.read_table(path).column("text").to_pylist())
        elif path.name == "tokens.npy":
            for tokenizer in tokenizers.values():
                yield path, tokenizer.decode(np.load(path).ravel().tolist())
        elif path.is_file():
            yield path, path.read_bytes().decode(errors="replace")


def test_an_erased_document_is_nowhere_and_the_others_are_unchanged(built: Path) -> None:
    store = built / ".lmworks"
    (built / ".lmworks" / "work" / "0123").mkdir()
    before = documents(built, "clean")
    victims = [next(iter(documents(built, "corpus").values())), next(iter(documents(built, "split", "test").values()))]
    passages = [max(victim.text.split("\n"), key=len) for victim in victims]
    assert all(any(passage in text for _, text in texts(store)) for passage in passages)

    ids = [victim.id for victim in victims]
    listed = lmworks(built, "erase", *ids).stdout
    assert "finetune  weights that saw the text" in listed and "would be deleted" in listed
    assert documents(built, "clean") == before, "nothing is deleted without --apply"
    lmworks(built, "erase", *ids, "--apply")
    left = [path for path, text in texts(store) if any(passage in text for passage in passages)]
    assert left == []

    rebuilt = made(lmworks(built, "build").stderr)
    assert {"raw", "clean", "corpus", "tokenizer", "pretrain", "finetune"} <= set(rebuilt)
    assert [path for path, text in texts(store) if any(passage in text for passage in passages)] == []
    assert documents(built, "clean") == {name: each for name, each in before.items() if name not in ids}
    assert json.loads(lmworks(built, "show", "raw", "--json").stdout)["counts"]["erased"] == 2
    marks = [json.loads(path.read_text()) for path in store.glob("artifacts/*/*/erased.json")]
    assert "raw" in {mark["step"] for mark in marks}


def test_a_held_out_document_leaves_the_models_alone(built: Path) -> None:
    *_, victim = documents(built, "split", "test")
    listed = json.loads(lmworks(built, "erase", victim, "--json").stdout)["held_by"]
    steps = {row["step"] for row in listed}
    assert {"raw", "clean", "split", "evaluate/perplexity-split-test/pretrain"} <= steps
    assert not any(row["model"] for row in listed)
    assert not {"tokenizer", "pretrain/data", "finetune/data"} & steps


def test_a_deletion_that_was_cut_off_is_ended_by_the_next(built: Path) -> None:
    store = built / ".lmworks"
    victim = next(iter(documents(built, "corpus")))
    (raw,) = store.glob("artifacts/ingest/*")
    shutil.rmtree(raw / "payload")  # killed between the payload and its manifest
    (raw / "erased.json").write_text("{}")
    lmworks(built, "erase", victim, "--apply")
    assert not (raw / "manifest.json").exists()
    assert "raw" in made(lmworks(built, "build").stderr)


def test_what_is_not_there_cannot_be_erased(built: Path) -> None:
    assert f"nor has any the id {'0' * 32}" in lmworks(built, "erase", "0" * 32, code=1).stderr
    said = lmworks(built, "erase", "nobody@example.com", code=1).stderr
    assert "no document holds value 1 of 1; nothing was erased" in said and "nobody" not in said
    assert "fewer than 3" in lmworks(built, "erase", "a", code=1).stderr
