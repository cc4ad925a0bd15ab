"""Semantic duplicates: what is like what stays goes, and nothing else."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_support import documents_of, payload_bytes, texts
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoders import write_encoder

from lmworks.data.duplicates import semantic
from lmworks.data.duplicates.semantic import SemanticConfig, embed, nearest_kept, semantic_duplicates
from lmworks.data.records import Document, Documents, write_shard
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.stage import Result
from support import MemoryJournal, make_context

WORDS = [f"word{number}" for number in range(60)]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return write_encoder(tmp_path / "encoder", WORDS)


def run(folder: Path, documents: Documents, name: str = "out", **more: Any) -> tuple[Result, Path]:
    """Search with the encoder of `folder`, into `folder`/`name`."""
    options = {"from": "raw", "encoder": "encoder", "cosine": 0.999, **more}
    config = SemanticConfig.model_validate(options).resolve(folder)
    out = folder / name
    return semantic_duplicates(config, documents, out=out, context=make_context(folder / f"{name}-work")), out


def in_shards(folder: Path, number: int, *written: str) -> Documents:
    folder.mkdir()
    for shard in range(number):
        some = list(enumerate(written))[shard::number]
        made = [Document(id=f"{place:04d}", text=text, source="s", licence="MIT") for place, text in some]
        write_shard(folder / f"part-{shard:05d}.parquet", made)
    return Documents(folder, "")


def test_of_texts_that_say_the_same_the_smallest_id_stays(tmp_path: Path, encoder: Path) -> None:
    written = ("word1 word2 word3", "word3 word1 word2", "word4 word5", "word2 word3 WORD1")
    result, out = run(tmp_path, documents_of(tmp_path / "raw", *written))
    assert texts(out) == ["word1 word2 word3", "word4 word5"]
    (record,) = [json.loads(line) for line in (out / "clusters.jsonl").read_text().splitlines()]
    assert record == {"kept": [f"{0:032x}"], "dropped": [f"{1:032x}", f"{3:032x}"], "held_out": []}
    assert result.counts["semantic duplicate"] == 2 and result.counts["documents"] == 2
    assert (out / "ids.txt").read_text().split() == [f"{0:032x}", f"{2:032x}"]


def test_only_the_first_tokens_count(tmp_path: Path, encoder: Path) -> None:
    written = [" ".join([*WORDS[:6], other]) for other in ("word30", "word40")]
    raw = documents_of(tmp_path / "raw", *written)
    assert len(texts(run(tmp_path, raw, "all")[1])) == 2
    assert texts(run(tmp_path, raw, "first", tokens=8)[1]) == written[:1]


def test_a_text_has_the_same_embedding_alone_and_among_longer_ones(encoder: Path) -> None:
    among = embed(encoder, ["word1 word2", " ".join(WORDS[:20]), ""], 32)
    assert np.allclose(among[0], embed(encoder, ["word1 word2"], 32)[0], atol=1e-6)
    assert np.allclose(np.linalg.norm(among, axis=1), 1)


@given(st.integers(0, 2**32), st.integers(0, 30), st.sampled_from([1, 3, 100]))
def test_what_goes_is_like_what_stays_and_what_stays_is_unlike(seed: int, count: int, block: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(count, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semantic, "_BLOCK_ROWS", block)
        leads = nearest_kept(vectors, 0.8)
    stays: list[int] = []
    for row in range(count):
        near = [lead for lead in stays if vectors[row] @ vectors[lead] >= 0.8]
        assert leads[row] == (near[0] if near else row)
        stays += [] if near else [row]


def test_shards_and_cells_change_nothing_between_equal_bags(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantic, "CELL_DOCUMENTS", 20)
    draw = random.Random(1)
    bags = [draw.sample(WORDS, 8) for _ in range(60)]
    written = [" ".join(draw.sample(bag, 8)) for bag in bags + bags[1:21]]
    cells = semantic.find_cells([embed(encoder, written, 32)])
    assert len(set(cells.tolist())) > 1
    outs = [run(tmp_path, in_shards(tmp_path / f"in{n}", n, *written), f"out{n}")[1] for n in (1, 4)]
    assert texts(outs[0]) == texts(outs[1]) == sorted(written[:60])
    assert (outs[0] / "clusters.jsonl").read_text() == (outs[1] / "clusters.jsonl").read_text()


def test_embedding_goes_on_after_a_kill(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = in_shards(tmp_path / "in", 3, *(f"word{n} word{n + 1}" for n in range(12)))
    _, whole = run(tmp_path, documents, "whole")
    config = SemanticConfig.model_validate({"from": "raw", "encoder": "encoder", "cosine": 0.999}).resolve(tmp_path)
    journal, embedded = MemoryJournal(), []

    def dies_at_the_third(folder: Path, some: list[str], tokens: int) -> Any:
        embedded.append(some)
        if len(embedded) == 3:
            raise KeyboardInterrupt
        return embed(folder, some, tokens)

    monkeypatch.setattr(semantic, "embed", dies_at_the_third)
    context = replace(make_context(tmp_path / "again", journal), workers=2)
    with pytest.raises(KeyboardInterrupt):
        semantic_duplicates(config, documents, out=tmp_path / "out", context=context)
    semantic_duplicates(config, documents, out=tmp_path / "out", context=context)
    assert len(embedded) == 4
    assert payload_bytes(tmp_path / "out") == payload_bytes(whole)


def test_an_empty_text_and_no_text_at_all(tmp_path: Path, encoder: Path) -> None:
    assert texts(run(tmp_path, documents_of(tmp_path / "raw", "", "word1"))[1]) == ["", "word1"]
    result, out = run(tmp_path, Documents(tmp_path / "none", ""), "nothing")
    assert result.counts["documents"] == 0 and texts(out) == []


def test_a_folder_that_holds_no_encoder_is_named(tmp_path: Path, encoder: Path) -> None:
    config = SemanticConfig.model_validate({"from": "raw", "encoder": "absent"})
    with pytest.raises(UsageError, match=r"encoder: .*absent has no config\.json and no tokenizer\.json"):
        config.resolve(tmp_path)
    (encoder / "config.json").write_text('{"model_type": "unheard-of"}')
    with pytest.raises(LmworksError, match="cannot be loaded as AutoModel"):
        run(tmp_path, documents_of(tmp_path / "raw", "word1"))


def test_other_weights_make_the_step_stale(tmp_path: Path) -> None:
    config = SemanticConfig.model_validate({"from": "raw", "encoder": "encoder"})
    write_encoder(tmp_path / "encoder", WORDS)
    before = config.resolve(tmp_path).encoder_digest
    write_encoder(tmp_path / "encoder", WORDS[:-1])
    assert before != config.resolve(tmp_path).encoder_digest


def test_what_is_labelled_otherwise_stays(tmp_path: Path, encoder: Path) -> None:
    text = "the cat sat on the mat"
    made = [
        Document(id=f"{number:032x}", text=text, source="s", licence="MIT", meta={"label": label})
        for number, label in enumerate(["praise", "blame", "praise"])
    ]
    (tmp_path / "in").mkdir()
    write_shard(tmp_path / "in" / "part-00000.parquet", made)
    _, out = run(tmp_path, Documents(tmp_path / "in", ""), encoder=str(encoder))
    assert [each.meta["label"] for each in Documents(out, "").iterate()] == ["praise", "blame"]
