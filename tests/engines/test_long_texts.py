"""A long text is read in sections, between which others are answered: nobody waits for all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers.normalizers import Replace

from lmworks.engines.open import open_engine
from lmworks.engines.protocol import Engine, Reading
from lmworks.engines.sections import LENGTH, sections
from readers import write_reader

SENTENCE = "Where is my parcel, which Anna Schmidt sent? "
LONG = SENTENCE * (4 * LENGTH // len(SENTENCE))


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return open_engine(write_reader(tmp_path_factory.mktemp("tagger") / "a", "token classifier"))


@given(st.text("ab. \n", max_size=60), st.integers(1, 4))
def test_sections_are_the_text_and_none_is_long(text: str, times: int) -> None:
    text *= times * 400
    found = sections(text)
    assert "".join(found) == text and max(map(len, found), default=0) <= LENGTH
    assert all(len(each) >= LENGTH // 2 for each in found[:-1])


@pytest.mark.parametrize(("between", "ends"), [("\n\n", "\n\n"), ("\n", "\n"), (". ", ". "), (" ", " "), ("", "a")])
def test_a_section_ends_where_the_text_pauses_longest(between: str, ends: str) -> None:
    text = between.join(["a" * 37] * 900)
    assert all(each.endswith(ends) for each in sections(text)[:-1])


def test_spans_of_a_long_text_stand_where_its_words_do(tagger: Engine) -> None:
    (whole,) = tagger.tag([LONG])
    (first, *_, last) = sections(LONG)
    (expected,) = tagger.tag([first])
    assert list(whole.spans)[: len(expected.spans)] == list(expected.spans)
    (expected,) = tagger.tag([last])
    shift = len(LONG) - len(last)
    moved = [(label, shift + start, shift + end) for label, start, end in expected.spans]
    assert moved and list(whole.spans)[-len(moved) :] == moved
    ((_, answer),) = tagger.submit([Reading("tag", LONG)])
    assert answer == whole, "in a batch as by itself"


def counting(engine: Engine, ability: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Characters of each call."""
    calls: list[int] = []
    plain: Callable[..., Any] = getattr(engine, ability)
    monkeypatch.setattr(engine, ability, lambda texts: calls.append(sum(map(len, texts))) or plain(texts))
    return calls


def test_a_short_request_is_answered_between_the_sections_of_a_long_one(
    tagger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counting(tagger, "tag", monkeypatch)
    batch = tagger.batch(16)
    long, other = batch.add(Reading("tag", LONG)), batch.add(Reading("tag", LONG))
    batch.step()
    short = batch.add(Reading("tag", "Where is Anna?"))
    answered = [request for request, _ in [*batch.step(), *batch.step(), *batch.step()]]
    assert answered == [short] and max(calls) <= LENGTH, "it waits for one section of each at the most"
    batch.remove(other)
    while batch.busy:
        answered += [request for request, _ in batch.step()]
    assert answered == [short, long]


@pytest.mark.parametrize("kind", ["sequence classifier", "encoder"])
def test_only_the_beginning_of_a_text_is_read_where_no_more_of_it_counts(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = open_engine(write_reader(tmp_path / "m", kind))
    ask = engine.classify if kind == "sequence classifier" else engine.embed
    read: list[int] = []
    plain = engine.tokenizer

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(plain, name)

        def encode_batch(self, texts: list[str]) -> Any:
            read.extend(map(len, texts))
            return plain.encode_batch(texts)

    expected = ask([LONG[:3000]])
    monkeypatch.setattr(engine, "tokenizer", Counting())
    assert ask([LONG]) == expected and expected[0].is_cut and sum(read) < 2000
    plain.normalizer = Replace(Regex(" +"), " ")
    spread = "Anna?" + " " * 5000 + "Here."
    assert ask([spread]) == ask(["Anna? Here."]) and max(read) == len(spread), "what has few tokens is read to its end"
