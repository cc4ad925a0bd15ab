"""Mixtures: shares hold at every prefix, limits on epochs are kept, places depend on nothing else."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import make_tokenizer, pack_texts, texts
from lmworks.data.mixtures.mixing import Proportions
from lmworks.data.tuning.conversations import Conversations, write_conversations
from lmworks.errors import UsageError
from lmworks.tokens.rows.join import JoinConfig, join_rows
from lmworks.tokens.rows.mixture import Mixture, row_numbers
from lmworks.tokens.rows.pack import PackConversationsConfig, pack_conversations
from lmworks.tokens.rows.shards import Shards
from support import make_context

NAMES = "abcdefg"


def mixture(places: int, parts: dict[str, int], **values: Any) -> Mixture:
    return Mixture(Proportions.model_validate(values), parts, places)


def owners(made: Mixture, places: int) -> list[str]:
    """The part at each place."""
    ends = np.cumsum(list(made.parts.values()))
    return [NAMES[index] for index in np.searchsorted(ends, made.numbers(0, 0, places), side="right")]


def worst(found: list[str], shares: dict[str, float], start: int = 0) -> float:
    """The largest distance of a part from its share over all prefixes, in rows."""
    counts: Counter[str] = Counter()
    largest = 0.0
    for place, name in enumerate(found[start:], start=1):
        counts[name] += 1
        largest = max(largest, *(abs(counts[part] - share * place) for part, share in shares.items()))
    return largest


weights = st.lists(st.integers(0, 50), min_size=1, max_size=7).filter(sum)


@settings(max_examples=40)
@given(weights, st.integers(1, 700))
def test_after_any_number_of_places_each_part_is_within_one_row_of_its_share(drawn: list[int], places: int) -> None:
    given_weights = dict(zip(NAMES, map(float, drawn), strict=False))
    parts = {name: 5 + number for number, name in enumerate(given_weights)}
    made = mixture(places, parts, weights=given_weights)
    shares = {name: value / sum(drawn) for name, value in given_weights.items()}
    # Shares are rounded to 1/10,000: over so few places that moves nothing by more than a tenth of a row.
    assert worst(owners(made, places), shares) < 1 + places / 10_000


@settings(max_examples=40)
@given(weights, st.lists(st.integers(1, 9), min_size=7, max_size=7), st.integers(1, 300), st.data())
def test_no_part_is_read_beyond_its_epochs_and_the_others_take_over(
    drawn: list[int], sizes: list[int], places: int, data: st.DataObject
) -> None:
    given_weights = dict(zip(NAMES, map(float, drawn), strict=False))
    parts = dict(zip(given_weights, sizes, strict=False))
    limited = data.draw(st.sets(st.sampled_from(sorted(parts))))
    limits = {name: data.draw(st.sampled_from([0.5, 1, 4])) for name in limited}
    try:
        made = mixture(places, parts, weights=given_weights, max_epochs=limits)
    except UsageError as error:
        assert "raise max_epochs" in str(error)
        open_ended = [name for name, weight in given_weights.items() if weight and name not in limits]
        assert not open_ended
        return
    counts = Counter(owners(made, places))
    assert sum(counts.values()) == places
    assert {name: counts[name] for name in parts} == made.rows_read
    for name, limit in limits.items():
        assert counts[name] <= limit * parts[name]
    # Parts without a limit keep their proportions to each other.
    free = [name for name in parts if name not in limits and given_weights[name]]
    for one, other in pairwise(free):
        expected = counts[one] * given_weights[other] / given_weights[one]
        assert counts[other] == pytest.approx(expected, abs=1.1 * (1 + given_weights[other] / given_weights[one]))


def test_a_limit_lowers_a_share_evenly_and_is_told() -> None:
    made = mixture(1000, {"a": 50, "b": 900}, weights={"a": 0.7, "b": 0.3}, max_epochs={"a": 4})
    assert made.rows_read == {"a": 200, "b": 800}
    assert worst(owners(made, 1000), {"a": 0.2, "b": 0.8}) < 1
    first, second = made.as_text()
    assert first == "a: 200 of 1,000 rows (20.0%), 4.00 epochs; limits on epochs changed the wanted share of 70.0%"
    assert second.startswith("b: 800 of 1,000 rows (80.0%), 0.89 epochs; limits on epochs changed")


def test_limits_that_leave_too_little_are_refused() -> None:
    with pytest.raises(UsageError, match="too few rows of a, b for 31 places"):
        mixture(31, {"a": 10, "b": 5}, weights={"a": 1, "b": 1}, max_epochs={"a": 2, "b": 2})


@pytest.mark.parametrize(
    ("temperature", "share"), [(1.0, 0.9), (2.0, 0.75), (1e9, 0.5)], ids=["by size", "by root of size", "alike"]
)
def test_temperature_flattens_sizes(temperature: float, share: float) -> None:
    made = mixture(400, {"a": 900, "b": 100}, temperature=temperature)
    assert made.rows_read["a"] == pytest.approx(400 * share, abs=0.51)


def test_a_curriculum_changes_weights_at_its_places() -> None:
    stages = [{"until": 0.8, "weights": {"a": 1, "b": 3}}, {"until": 1.0, "weights": {"a": 1, "b": 0}}]
    made = mixture(500, {"a": 30, "b": 70}, curriculum=stages)
    found = owners(made, 500)
    assert worst(found[:400], {"a": 0.25, "b": 0.75}) < 1
    assert set(found[400:]) == {"a"}
    assert made.shares == [0.4, 0.6]


def test_a_limit_holds_over_a_whole_curriculum() -> None:
    stages = [{"until": 0.5, "weights": {"a": 1, "b": 1}}, {"until": 1.0, "weights": {"a": 3, "b": 1}}]
    made = mixture(1000, {"a": 100, "b": 900}, curriculum=stages, max_epochs={"a": 3})
    assert 295 <= made.rows_read["a"] <= 300


@settings(max_examples=15)
@given(weights, st.integers(0, 400), st.integers(1, 40), st.integers(0, 3))
def test_what_stands_at_a_place_depends_on_nothing_else(drawn: list[int], first: int, count: int, seed: int) -> None:
    parts = {name: 3 + number for number, name in zip(range(len(drawn)), NAMES, strict=False)}
    given_weights = dict(zip(NAMES, map(float, drawn), strict=False))
    whole = mixture(500, parts, weights=given_weights).numbers(seed, 0, 440)
    assert mixture(500, parts, weights=given_weights).numbers(seed, first, count).tolist() == [
        *whole[first : first + count]
    ]


def test_a_part_is_read_epoch_by_epoch() -> None:
    made = mixture(600, {"a": 10, "b": 40}, weights={"a": 1, "b": 2})
    of_a = [number for number in made.numbers(3, 0, 600) if number < 10]
    assert of_a == row_numbers(10, 3, 0, 200).tolist()


def test_one_part_alone_is_read_as_without_a_mixture() -> None:
    made = mixture(70, {"a": 12}, weights={"a": 0.4})
    assert made.numbers(5, 0, 70).tolist() == row_numbers(12, 5, 0, 70).tolist()


def test_joined_rows_are_those_of_the_parts(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    parts = [
        pack_texts(tmp_path / name, tokenizer, texts()[start : start + size], 32)
        for name, start, size in (("a", 0, 20), ("b", 20, 40))
    ]
    config = JoinConfig(rows=["a", "b"], names=["a", "b"])
    result = join_rows(config, parts, None, tmp_path / "out", make_context(tmp_path))
    joined, opened = Shards(tmp_path / "out", "").open(), [part.open() for part in parts]
    assert joined.parts == {"a": len(opened[0].tokens), "b": len(opened[1].tokens)}
    for name in ("tokens", "weights"):
        expected = np.concatenate([getattr(part, name) for part in opened])
        assert np.array_equal(getattr(joined, name), expected)
    assert joined.trained_tokens == sum(part.trained_tokens for part in opened) == result.counts["trained_tokens"]
    assert joined.tokenizer_digest == opened[0].tokenizer_digest


def test_conversations_and_documents_in_one_set_of_rows_say_where_each_begins(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "the old house"}]
    (tmp_path / "chats").mkdir()
    write_conversations(tmp_path / "chats", [{"id": f"{n}", "document": None, "messages": turns} for n in range(9)])
    config = PackConversationsConfig.model_validate({"from": "chats", "sequence_length": 64})
    chats = Conversations(tmp_path / "chats", "")
    (tmp_path / "packed").mkdir()
    pack_conversations(config, chats, tokenizer, tmp_path / "packed", make_context(tmp_path / "p"))
    parts = [Shards(tmp_path / "packed", ""), pack_texts(tmp_path / "texts", tokenizer, texts()[:20], 64)]
    joining = JoinConfig(rows=["a", "b"], names=["a", "b"], tokenizer="tokenizer")
    result = join_rows(joining, parts, tokenizer, tmp_path / "out", make_context(tmp_path))
    joined, (spoken, written) = Shards(tmp_path / "out", "").open(), [part.open() for part in parts]
    end = tokenizer.open().end_of_text_id
    assert joined.begins is not None and spoken.begins is not None
    assert np.array_equal(joined.begins, np.concatenate([spoken.begins, written.tokens == end]))
    assert joined.weights[len(spoken.tokens) :].mean() > 0.8 > 0.7 > joined.weights[: len(spoken.tokens)].mean() > 0
    assert result.counts["dropped"] == 0
