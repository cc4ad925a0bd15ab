"""Repeated passages are cut from all documents but one."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_support import documents_of, payload_bytes, texts
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.duplicates import passages
from lmworks.data.duplicates.passages import PassagesConfig, cut_words, repeated_passages
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Result
from support import MemoryJournal, make_context


def prose(seed: int, length: int) -> str:
    return " ".join(f"w{random.Random(seed * 1000 + place).randrange(10**6)}" for place in range(length))


HEADER = prose(0, 30)


def run(folder: Path, documents: Documents, workers: int = 1, **options: Any) -> tuple[Result, Path]:
    config = PassagesConfig.model_validate({"from": "x", "words": 20, **options})
    context = replace(make_context(folder), workers=workers)
    return repeated_passages(config, documents, out=folder / "out", context=context), folder / "out"


def test_the_smallest_id_keeps_the_passage(tmp_path: Path) -> None:
    one, other, third = prose(1, 40), prose(2, 40), prose(3, 40)
    documents = documents_of(tmp_path / "in", f"{one}\n{HEADER.upper()}.", f"{HEADER}\n{other}", f"{third}, {HEADER}!")
    result, out = run(tmp_path, documents)
    assert texts(out) == sorted([f"{one}\n{HEADER.upper()}.", other, third + ","])
    assert result.counts["cut: passage of another document"] == 2
    assert result.counts["words cut"] == 60
    assert result.examples[0] == {
        "reason": "cut: passage of another document",
        "id": f"{1:032x}",
        "text": HEADER[:200],
        "characters": len(HEADER),
    }


def test_a_run_that_was_stopped_does_not_join_again(tmp_path: Path) -> None:
    documents = documents_of(tmp_path / "in", f"{prose(1, 40)} {HEADER}", f"{prose(2, 40)} {HEADER}")
    context, config = make_context(tmp_path, MemoryJournal()), PassagesConfig.model_validate({"from": "x", "words": 20})
    repeated_passages(config, documents, out=tmp_path / "out", context=context)
    before = payload_bytes(tmp_path / "out")
    for path in (context.scratch / "windows").glob("*.hashes"):
        path.unlink()
    repeated_passages(config, documents, out=tmp_path / "out", context=context)
    assert payload_bytes(tmp_path / "out") == before


def test_shorter_passages_and_repeats_within_one_document_stay(tmp_path: Path) -> None:
    short = prose(9, 19)
    given = [f"{HEADER} {prose(1, 30)} {HEADER}", f"{prose(2, 30)} {short} {prose(3, 30)}", f"{short} {prose(4, 30)}"]
    result, out = run(tmp_path, documents_of(tmp_path / "in", *given))
    assert texts(out) == sorted(given)
    assert result.counts["words cut"] == 0


def test_a_document_of_nothing_else_goes(tmp_path: Path) -> None:
    result, out = run(tmp_path, documents_of(tmp_path / "in", f"{prose(1, 40)} {HEADER}", f"({HEADER})", "?"))
    assert texts(out) == sorted([f"{prose(1, 40)} {HEADER}", "?"])
    assert result.counts["nothing but passages of other documents"] == 1


def shared(windows: list[list[str]]) -> set[str]:
    """Windows that stand in more than one text."""
    every = Counter(window for some in windows for window in set(some))
    return {window for window, times in every.items() if times > 1}


@pytest.mark.parametrize("spans", [[(0, 30), (10, 40), (20, 50)], [(0, 40), (30, 60), (5, 55), (0, 25), (35, 60)]])
def test_of_passages_that_overlap_each_stands_whole_somewhere(tmp_path: Path, spans: list[tuple[int, int]]) -> None:
    stream = prose(7, 60).split()
    written = [
        " ".join([*prose(10 + number, 5).split(), *stream[first:last], *prose(20 + number, 5).split()])
        for number, (first, last) in enumerate(spans)
    ]

    def windows(some: list[str]) -> list[list[str]]:
        return [
            [" ".join(text.split()[place : place + 20]) for place in range(len(text.split()) - 19)] for text in some
        ]

    _, out = run(tmp_path, documents_of(tmp_path / "in", *written))
    assert shared(windows(written)) <= {window for some in windows(texts(out)) for window in some}
    assert sum(len(text.split()) for text in texts(out)) < sum(len(text.split()) for text in written)


def test_no_documents_are_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match="no documents"):
        run(tmp_path, Documents(tmp_path / "nothing", ""))


def test_punctuation_goes_with_the_words_it_belongs_to() -> None:
    text = 'He said: "one two three." Then (four).'
    assert cut_words(text, np.array([0, 0, 1, 1, 1, 0, 0], bool)) == ("He said:\n\nThen (four).", ['"one two three."'])
    assert cut_words("(a b) c.d", np.array([1, 1, 1, 0], bool)) == ("c.d", ["(a b)"])  # no half of c.d stays


def in_shards(folder: Path) -> Documents:
    folder.mkdir(parents=True)
    for shard in range(3):
        made = [
            Document(id=f"{(7 * place) % 12:032x}", text=text_of(place), source="s", licence="MIT")
            for place in range(shard, 12, 3)
        ]
        write_shard(folder / f"part-{shard:05d}.parquet", made)
    return Documents(folder, "")


def text_of(place: int) -> str:
    return "\n\n".join(
        [prose(place + 10, 15 + place), prose(place % 4, 25), prose(place + 30, 30), prose(place % 3 + 5, 22)]
    )


def text_without_repeats(place: int) -> str:
    """A text with those of its repeated paragraphs that no document of a smaller id has."""
    paragraphs = text_of(place).split("\n\n")
    earlier = [text_of(other).split("\n\n") for other in range(12) if (7 * other) % 12 < (7 * place) % 12]
    return "\n\n".join(one for one in paragraphs if not any(one in other for other in earlier))


def test_passages_at_the_ends_of_neighbours_are_two(tmp_path: Path) -> None:
    last, first = prose(20, 25), prose(21, 25)
    pairs = [(f"{prose(seed, 30)}\n{last}", f"{first}\n{prose(seed + 1, 30)}") for seed in (30, 40)]
    _, out = run(tmp_path, documents_of(tmp_path / "in", *pairs[0], *pairs[1]))
    assert texts(out) == sorted([*pairs[0], prose(40, 30), prose(41, 30)])


@pytest.mark.slow
def test_processes_memory_and_kills_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = in_shards(tmp_path / "in")
    result, one = run(tmp_path / "a", documents)
    assert texts(one) == sorted(text_without_repeats(place) for place in range(12))
    assert result.counts["words cut"] == 8 * 25 + 9 * 22
    _, two = run(tmp_path / "b", documents, workers=2)
    monkeypatch.setattr(passages, "_JOINED_WINDOWS", 1)
    _, small = run(tmp_path / "c", documents)
    assert payload_bytes(one) == payload_bytes(two) == payload_bytes(small)
    config = PassagesConfig.model_validate({"from": "x", "words": 20})
    for kept in range(9):
        place, journal = tmp_path / f"killed-{kept}", MemoryJournal()
        repeated_passages(config, documents, out=place / "out", context=make_context(place, journal))
        del journal.lines[kept:]
        repeated_passages(config, documents, out=place / "out", context=make_context(place, journal))
        assert payload_bytes(place / "out") == payload_bytes(one)


@given(st.lists(st.booleans(), max_size=12))
def test_cutting_words_leaves_the_others_in_order(cut: list[bool]) -> None:
    text = ", ".join(f"é{place}" for place in range(len(cut)))
    left, gone = cut_words(text, np.array(cut, bool))
    assert [word.strip(",") for word in left.split()] == [f"é{place}" for place, out in enumerate(cut) if not out]
    assert " ".join(gone).replace(",", "").split() == [f"é{place}" for place, out in enumerate(cut) if out]
