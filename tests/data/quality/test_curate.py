"""Curation: near duplicates are found, proved and dropped by rule."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import documents_of, payload_bytes, texts
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmworks.data.duplicates.minhash import HASH_FUNCTIONS, RECALL, band_rows, bands, jaccard, shingles, signatures
from lmworks.data.quality.curate import CurateConfig, curate
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Result
from lmworks.pipeline.units import Earlier
from support import MemoryJournal, make_context

WORDS = [f"word{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(400)]


def story(seed: int, length: int = 120) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def changed(words: list[str], *positions: int) -> str:
    return " ".join("changed" if place in positions else word for place, word in enumerate(words))


def run(tmp_path: Path, train: Documents, *avoid: Documents, **options: Any) -> tuple[Result, Path]:
    config = CurateConfig.model_validate({"from": "train", "filters": [], **options})
    out = tmp_path / "out"
    return curate(config, train, list(avoid), out=out, context=make_context(tmp_path)), out


def sets_of(*texts: str) -> list[NDArray[np.uint32]]:
    """The set of shingles of each text."""
    hashes, counts = shingles(pa.array(texts, pa.string()))
    return [np.unique(each) for each in np.split(hashes, np.cumsum(counts)[:-1])]


def signatures_of(*texts: str) -> NDArray[np.uint32]:
    """The MinHash signatures of texts, a row each."""
    return signatures(*shingles(pa.array(texts, pa.string()))).T


def clusters(out: Path) -> list[dict[str, list[str]]]:
    return [json.loads(line) for line in (out / "clusters.jsonl").read_text().splitlines()]


def test_the_smallest_id_of_a_chain_of_near_duplicates_stays(tmp_path: Path) -> None:
    words = story(1)
    chain = [changed(words), changed(words, 20, 60), changed(words, 20, 60, 100, 119)]
    sets = sets_of(*chain)
    assert min(jaccard(sets[0], sets[1]), jaccard(sets[1], sets[2])) >= 0.8 > jaccard(sets[0], sets[2])
    train = documents_of(tmp_path / "in", " ".join(story(2)), *chain[::-1])
    result, out = run(tmp_path, train)
    assert texts(out) == sorted([" ".join(story(2)), chain[2]])
    assert result.counts["near duplicate"] == 2
    assert clusters(out) == [{"kept": [f"{1:032x}"], "dropped": [f"{2:032x}", f"{3:032x}"], "held_out": []}]
    assert (out / "ids.txt").read_text().split() == [f"{0:032x}", f"{1:032x}"]


def test_a_flood_of_near_copies_is_one_cluster(tmp_path: Path) -> None:
    words = story(1)
    train = documents_of(tmp_path / "in", *(changed(words, place) for place in range(120)))
    result, out = run(tmp_path, train)
    assert len(texts(out)) == 1
    assert result.counts["near duplicate"] == 119
    assert len(clusters(out)) == 1


def test_texts_below_the_threshold_both_stay(tmp_path: Path) -> None:
    words = story(1)
    pair = changed(words), changed(words, 20, 60, 100)
    likeness = jaccard(*sets_of(*pair))
    assert 0.7 < likeness < 0.8
    _, out = run(tmp_path / "a", documents_of(tmp_path / "in", *pair))
    assert len(texts(out)) == 2
    _, out = run(tmp_path / "b", documents_of(tmp_path / "in", *pair), near_duplicates={"jaccard": likeness})
    assert len(texts(out)) == 1


def test_what_repeats_a_held_out_text_goes(tmp_path: Path) -> None:
    words = story(1)
    train = documents_of(tmp_path / "in", changed(words, 50), changed(words), " ".join(story(2)))
    held_out = documents_of(tmp_path / "test", changed(words))
    result, out = run(tmp_path, train, held_out, avoid=["split.test"])
    assert texts(out) == [" ".join(story(2))]
    assert result.counts["near duplicate of a held-out document"] == 1
    assert result.counts["exact duplicate of a held-out document"] == 1
    assert result.counts["documents"] == 1
    assert texts(tmp_path / "test") == [changed(words)]


def test_only_exact_duplicates_when_near_ones_are_not_asked_for(tmp_path: Path) -> None:
    words = story(1)
    train = documents_of(tmp_path / "in", changed(words), changed(words, 3), changed(words))
    result, out = run(tmp_path, train, near_duplicates=None)
    assert len(texts(out)) == 2
    assert result.counts["exact duplicate"] == 1
    assert result.counts["near duplicate"] == 0


def test_short_texts_are_compared_whole(tmp_path: Path) -> None:
    result, out = run(tmp_path, documents_of(tmp_path / "in", "Gets it.", "gets it", "Puts it.", "?", "!"))
    assert texts(out) == ["!", "?", "Gets it.", "Puts it."]
    assert result.counts["near duplicate"] == 1


def test_filters_count_and_show_and_set_the_language(tmp_path: Path) -> None:
    english = "Returns every queue that is owned by the account, in the order in which the queues were made."
    train = documents_of(tmp_path / "in", "too short", english)
    result, out = run(tmp_path, train, filters=["length", "language", "repetition"])
    (document,) = Documents(out, "").iterate()
    assert (document.text, document.language) == (english, "en")
    assert result.counts["too short"] == 1
    assert result.examples[0] == {"reason": "too short", "id": f"{0:032x}", "text": "too short"}


def test_filters_judge_the_whole_text_and_change_none(tmp_path: Path) -> None:
    sentences = [f"Queue number {number} is owned by the account that made it." for number in range(3)]
    text = "\n".join(["Menu", *sentences, "Contact | Help | Imprint | Login | Search"])
    train = documents_of(tmp_path / "in", text)
    _, out = run(tmp_path / "a", train, filters=["c4"])
    assert texts(out) == [text]
    for number, filters in enumerate((["c4", "word-list"], ["word-list", "c4"])):
        with pytest.raises(LmworksError, match="word list"):
            run(tmp_path / str(number), train, filters=filters, word_list=["imprint"])


def test_scores_stand_beside_the_text(tmp_path: Path) -> None:
    english = "Returns every queue that is owned by the account, in the order in which the queues were made. "
    german = "Gibt jede Warteschlange, die zu dem Konto gehört, in der Reihenfolge zurück, in der sie gemacht wurde."
    train = documents_of(tmp_path / "in", f"{english * 2}\n\n{german}")
    _, out = run(tmp_path, train, filters=["length", "garbage"])
    table = pq.read_table(out / "part-00000.parquet")
    row = table.to_pylist()[0]
    assert (row["score_words"], row["language"], row["score_second_language"]) == (53, "en", "de")
    assert 0.2 < row["score_second_language_share"] < 0.5
    assert row["score_garbage_damaged"] == 0
    assert table.schema.field("score_words").type == pa.int32()
    assert table.schema.field("score_garbage_letters").type == pa.float32()


def test_a_changed_limit_measures_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = documents_of(
        tmp_path / "in", *(f"Eine Warteschlange, die Konto {n} gehört, wird gelöscht. " * 3 for n in range(3))
    )
    first = build(tmp_path / "first", train, languages=["de"])
    assert len(texts(first)) == 3

    def refuse(*inputs: object) -> None:
        raise RuntimeError("measures")

    monkeypatch.setattr("lmworks.data.quality.curate.measure_shard", refuse)
    with pytest.raises(LmworksError, match="language: de"):
        build(tmp_path / "second", train, tmp_path / "first", languages=["en"])
    with pytest.raises(RuntimeError, match="measures"):
        build(tmp_path / "third", train, tmp_path / "first", filters=["repetition"])


def build(folder: Path, train: Documents, *earlier: Path, **options: Any) -> Path:
    """Curate into a folder as the store does, after earlier builds."""
    config = CurateConfig.model_validate({"from": "train", "filters": ["length", "language"], **options})
    context = replace(make_context(folder), earlier=Earlier(None, earlier))
    curate(config, train, [], out=folder / "payload", context=context)
    return folder / "payload"


@pytest.mark.parametrize(("options", "said"), [({}, True), ({"languages": ["en"]}, False)])
def test_what_goes_for_its_language_unasked_is_told(tmp_path: Path, options: Any, said: bool) -> None:
    english = "Returns every queue that is owned by the account, in the order in which the queues were made."
    german = "Gibt jede Warteschlange, die zu dem Konto gehört, in der Reihenfolge zurück, in der sie gemacht wurde."
    config = CurateConfig.model_validate({"from": "train", "filters": ["language"], **options})
    lines: list[str] = []
    context = replace(make_context(tmp_path), log=lines.append)
    curate(config, documents_of(tmp_path / "in", english, german), [], out=tmp_path / "out", context=context)
    assert any("1 documents in other languages were dropped: `languages` is [en]" in line for line in lines) == said


def test_the_language_that_a_source_told_stays(tmp_path: Path) -> None:
    english = "Returns every queue that is owned by the account, in the order in which the queues were made."
    document = Document(id="a", text=english, source="s", licence="MIT", language="en-GB")
    write_shard(tmp_path / "in" / "part-00000.parquet", [document])
    _, out = run(tmp_path, Documents(tmp_path / "in", ""), filters=["language"])
    assert [each.language for each in Documents(out, "").iterate()] == ["en-GB"]


def test_a_word_list_is_read_from_its_file_and_enters_the_key(tmp_path: Path) -> None:
    (tmp_path / "toxic.txt").write_text("foo\nbar baz\n")
    fields = {"from": "train", "filters": ["word-list"], "word_list": "toxic.txt"}
    assert CurateConfig.model_validate(fields).resolve(tmp_path).word_list == ["foo", "bar baz"]
    for wrong in ({"word_list": "toxic.txt"}, {"filters": ["word-list"]}):
        with pytest.raises(ValueError, match="need each other"):
            CurateConfig.model_validate({"from": "train", **wrong})


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match="too short"):
        run(tmp_path, documents_of(tmp_path / "in", "tiny"), filters=["length"])


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    words = story(1)
    train = documents_of(tmp_path / "in", changed(words), changed(words, 7), " ".join(story(2)))
    config = CurateConfig.model_validate({"from": "train", "filters": ["length"]})
    whole = MemoryJournal()
    curate(config, train, [], out=tmp_path / "whole", context=make_context(tmp_path / "a", whole))
    for kept in range(len(whole.lines) + 1):
        place = tmp_path / f"killed-{kept}"
        journal = MemoryJournal()
        curate(config, train, [], out=place / "out", context=make_context(place, journal))
        del journal.lines[kept:]
        curate(config, train, [], out=place / "out", context=make_context(place, journal))
        assert payload_bytes(place / "out") == payload_bytes(tmp_path / "whole")


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60), min_size=1))
def test_jaccard_is_the_share_of_common_members(first: set[int], second: set[int]) -> None:
    sets = [np.array(sorted(each), np.uint32) for each in (first, second)]
    assert jaccard(*sets) == len(first & second) / len(first | second)


def test_signatures_estimate_jaccard() -> None:
    words = story(1, 400)
    texts = [changed(words, *range(0, 400, step)) for step in (401, 40, 20)]
    for (first, one), (second, other) in combinations(zip(signatures_of(*texts), sets_of(*texts), strict=True), 2):
        agree = float((first == second).mean())
        true = jaccard(one, other)
        assert abs(agree - true) < 4 * (true * (1 - true) / HASH_FUNCTIONS) ** 0.5


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_bands_reach_the_recall_they_promise(threshold: float) -> None:
    rows = band_rows(threshold)
    assert 1 - (1 - threshold**rows) ** (HASH_FUNCTIONS // rows) >= RECALL


def test_planted_near_duplicates_are_all_found() -> None:
    generator = random.Random(0)
    originals = [story(seed, 150) for seed in range(300)]
    copies = [changed(words, generator.randrange(150)) for words in originals]
    hashes = bands(signatures_of(*map(" ".join, originals), *copies).T, 0.8)
    proposed = (hashes[:, :300, None] == hashes[:, None, 300:]).any(axis=0)
    assert proposed.diagonal().all()
    assert proposed.sum() < 400
