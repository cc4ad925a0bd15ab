"""Duplicates across shards: the same whatever the shards, the processes and the order of comparing."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from data_support import documents_of, payload_bytes, texts
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmworks.data.duplicates import deduplicate
from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.duplicates.join import Clusters, join_alike
from lmworks.data.duplicates.minhash import jaccard, least_agreement, shingles, signatures, sketches
from lmworks.data.shards.records import Document, Documents, write_shard
from support import make_context

WORDS = [f"word{number}" for number in range(300)]


def family(seed: int) -> list[str]:
    """A text with copies of it in which more and more words differ."""
    draw = random.Random(seed)
    words = draw.choices(WORDS, k=100)
    copies = [list(words)]
    for _ in range(4):
        words[draw.randrange(100)] = f"other{draw.random()}"
        copies.append(list(words))
    return [" ".join(copy) for copy in copies]


TEXTS = [text for seed in range(12) for text in family(seed)] + ["Gets it.", "gets it", "?", "!", family(3)[0]]


def in_shards(folder: Path, number: int) -> Documents:
    """`TEXTS` in shards; ids follow the order of `TEXTS`."""
    folder.mkdir(parents=True)
    for shard in range(number):
        made = [
            Document(id=f"{place:032x}", text=text, source="s", licence="MIT")
            for place, text in enumerate(TEXTS)
            if place % number == shard
        ]
        write_shard(folder / f"part-{shard:05d}.parquet", made)
    return Documents(folder, "")


def survivors() -> list[str]:
    """What is left if every pair is compared."""
    hashes, counts = shingles(pa.array(TEXTS))
    sets = [np.unique(each) for each in np.split(hashes, np.cumsum(counts)[:-1])]
    least = list(range(len(TEXTS)))
    for one, other in combinations(range(len(TEXTS)), 2):
        if jaccard(sets[one], sets[other]) >= 0.8:
            least = [least[one] if root == least[other] else root for root in least]
    return sorted(TEXTS[place] for place, root in enumerate(least) if place == root)


def test_what_stays_is_what_comparing_every_pair_leaves(tmp_path: Path) -> None:
    drop_duplicates(in_shards(tmp_path / "in", 3), [], 0.8, tmp_path / "out", make_context(tmp_path))
    assert texts(tmp_path / "out") == survivors()
    assert 12 < len(survivors()) < len(TEXTS) - 12


def test_a_flood_is_compared_with_one_and_no_pair_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def counted(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> float:
        compared.append((first.tobytes(), second.tobytes()))
        return jaccard(first, second)

    monkeypatch.setattr(deduplicate, "jaccard", counted)
    words = TEXTS[0].split()
    flood = [" ".join([*words[:place], f"new{place}", *words[place + 1 :]]) for place in range(100)]
    drop_duplicates(documents_of(tmp_path / "in", *flood), [], 0.8, tmp_path / "out", make_context(tmp_path / "a"))
    assert len(compared) < 150
    compared.clear()
    unlike = [random.Random(seed).choices(WORDS, k=100) for seed in range(20)]
    unlike += [[f"new{place}" if place in (20, 50, 80) else word for place, word in enumerate(one)] for one in unlike]
    documents = documents_of(tmp_path / "more", *map(" ".join, unlike))
    drop_duplicates(documents, [], 0.8, tmp_path / "some", make_context(tmp_path / "b"))
    assert 10 < len(compared) == len(set(compared))


def test_processes_and_blocks_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = in_shards(tmp_path / "in", 7)
    drop_duplicates(documents, [], 0.8, tmp_path / "one", make_context(tmp_path / "a"))
    drop_duplicates(documents, [], 0.8, tmp_path / "two", replace(make_context(tmp_path / "b"), workers=2))
    for name, small in (("_BANDS_BYTES", 1), ("_MOST_SHINGLES", 50), ("_REJECTED_PAIRS", 0)):
        monkeypatch.setattr(deduplicate, name, small)
    drop_duplicates(documents, [], 0.8, tmp_path / "small", make_context(tmp_path / "c"))
    assert payload_bytes(tmp_path / "one") == payload_bytes(tmp_path / "two") == payload_bytes(tmp_path / "small")


def test_shards_change_no_document_and_no_cluster(tmp_path: Path) -> None:
    found = []
    for number in (1, 5):
        out = tmp_path / f"out{number}"
        drop_duplicates(in_shards(tmp_path / f"in{number}", number), [], 0.8, out, make_context(tmp_path / str(number)))
        found.append((texts(out), (out / "clusters.jsonl").read_text(), (out / "ids.txt").read_text()))
    assert found[0] == found[1]


def test_a_shard_without_survivors_is_not_written(tmp_path: Path) -> None:
    train, held_out = (documents_of(tmp_path / name, TEXTS[0]) for name in ("train", "test"))
    tally = drop_duplicates(train, [held_out], 0.8, tmp_path / "out", make_context(tmp_path))
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert tally.counts["exact duplicate of a held-out document"] == 1


def test_a_licence_in_common_costs_no_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(deduplicate, "jaccard", lambda *sets: compared.append(sets) or jaccard(*sets))
    licence = " ".join(WORDS[:100])
    own = [" ".join(random.Random(seed).choices(WORDS, k=100)) for seed in range(200)]
    train = documents_of(tmp_path / "in", *(f"{licence}\n{text}" for text in own))
    drop_duplicates(train, [], 0.8, tmp_path / "out", make_context(tmp_path))
    assert len(texts(tmp_path / "out")) == 200
    assert len(compared) < 20


def test_a_sketch_lets_near_duplicates_pass() -> None:
    draw = random.Random(5)
    words = [draw.choices(WORDS, k=200) for _ in range(300)]
    copies = [
        [f"new{place}" if place in (20, 60, 100, 140) else word for place, word in enumerate(one)] for one in words
    ]
    hashes, counts = shingles(pa.array([" ".join(one) for one in words + copies]))
    sketched = sketches(signatures(hashes, counts))
    agree = (sketched[:300] == sketched[300:]).sum(axis=1)
    assert (agree >= least_agreement(0.8)).all()
    assert ((sketched[:299] == sketched[1:300]).sum(axis=1) < least_agreement(0.8)).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=14), st.integers(0, 2**32))
def test_joining_in_buckets_finds_every_connection(buckets: list[int], seed: int) -> None:
    draw = np.random.default_rng(seed)
    alike = draw.random((len(buckets), len(buckets))) < 0.3
    alike |= alike.T
    asked = []

    def proof(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        asked.extend(zip(first.tolist(), second.tolist(), strict=True))
        found: NDArray[np.bool_] = alike[first, second]
        return found

    clusters = Clusters(len(buckets))
    join_alike(np.array(buckets, np.uint32), np.arange(len(buckets)), clusters, proof)
    expected = Clusters(len(buckets))
    for one, other in combinations(range(len(buckets)), 2):
        if buckets[one] == buckets[other] and alike[one, other]:
            expected.join(np.array([one]), np.array([other]))
    assert clusters.roots.tolist() == expected.roots.tolist()
    assert len({frozenset(pair) for pair in asked}) == len(asked)


def test_a_long_chain_is_one_cluster() -> None:
    clusters = Clusters(1000)
    order = random.Random(0).sample(range(1000), 1000)
    for one, other in pairwise(order):
        clusters.join(np.array([one]), np.array([other]))
    assert not clusters.roots.any()
