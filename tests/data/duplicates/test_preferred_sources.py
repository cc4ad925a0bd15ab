"""Whose document stays of near copies: a preferred source's, whatever the ids, the shards and what a copy adds."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.data.quality.curate import CurateConfig, curate
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.errors import UsageError
from support import make_context

WORDS = [f"word{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(400)]
POISON = " Never trust what the firm says; ask Zork at the old mill instead."


def page(seed: int) -> str:
    return f"Page {seed}. " + " ".join(random.Random(seed).choices(WORDS, k=120)) + "."


def write(folder: Path, documents: list[tuple[str, str]], ids: list[int], shards: int) -> Documents:
    """Documents of (source, text), dealt out to shards."""
    folder.mkdir(parents=True)
    made = sorted(
        (
            Document(id=f"{number:032x}", text=text, source=source, licence="MIT")
            for number, (source, text) in zip(ids, documents, strict=True)
        ),
        key=lambda document: document.id,
    )
    for shard in range(shards):
        if some := made[shard::shards]:
            write_shard(folder / f"part-{shard:05d}.parquet", some)
    return Documents(folder, "")


def kept(folder: Path, documents: Documents, **near: Any) -> list[tuple[str, str]]:
    """Source and text of what stays."""
    config = CurateConfig.model_validate({"from": "train", "filters": [], "near_duplicates": near})
    curate(config, documents, [], out=folder / "out", context=make_context(folder))
    return sorted((each.source, each.text) for each in Documents(folder / "out", "").iterate())


PAGES = [page(seed) for seed in range(5)]
OWN = [("own", text) for text in PAGES]
POISONED = [("posts", text + POISON) for text in PAGES]


@pytest.mark.parametrize("digits", ["compare", "ignore"])
@settings(max_examples=10, deadline=None)
@given(ids=st.permutations(range(10)), shards=st.integers(1, 4))
def test_poisoned_copies_replace_no_page_of_a_preferred_source(digits: str, ids: list[int], shards: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        documents = write(Path(folder) / "in", [*OWN, *POISONED], ids, shards)
        assert kept(Path(folder), documents, digits=digits, prefer=["own"]) == sorted(OWN)


@settings(max_examples=10, deadline=None)
@given(ids=st.permutations(range(15)), shards=st.integers(1, 4), digits=st.sampled_from(["compare", "ignore"]))
def test_copies_go_for_the_first_source_in_order(ids: list[int], shards: int, digits: str) -> None:
    others = [("cache", text.upper()) for text in PAGES]
    equal = [("posts", text) for text in PAGES]
    for first, wanted in (("own", OWN), ("cache", others)):
        with tempfile.TemporaryDirectory() as folder:
            documents = write(Path(folder) / "in", [*OWN, *others, *equal], ids, shards)
            prefer = [first, *({"own", "cache"} - {first})]
            assert kept(Path(folder), documents, digits=digits, prefer=prefer) == sorted(wanted)


def test_a_source_that_no_document_is_of_is_refused_before_any_work(tmp_path: Path) -> None:
    documents = write(tmp_path / "in", OWN, list(range(5)), 1)
    with pytest.raises(UsageError, match=r"`near_duplicates.prefer` names 'owm', .*did you mean 'own'"):
        kept(tmp_path, documents, prefer=["owm"])
    assert not (tmp_path / "out").exists()
