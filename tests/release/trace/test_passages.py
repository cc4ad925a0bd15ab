"""The scan for training texts that share words with an answer."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from lmworks.release.trace.passages import SHORTEST_RUN, Closest, IndexedAnswer, cut_out, words

texts = st.lists(st.sampled_from(["a", "b", "c", "It's", "Über", "漢字"]), max_size=14).map(" ".join)


def common_runs(answer: list[str], text: list[str], shortest: int) -> tuple[set[int], int]:
    """What the scan should find, by looking at every pair of places."""
    covered: set[int] = set()
    longest = 0
    for i in range(len(answer)):
        for j in range(len(text)):
            run = 0
            while i + run < len(answer) and j + run < len(text) and answer[i + run] == text[j + run]:
                run += 1
            if run >= shortest:
                covered.update(range(i, i + run))
                longest = max(longest, run)
    return covered, longest


@example("a b c It's Über a", "a b c It's c b c It's Über c a b c It's Über")
@example("a a a a b b b b", "a a a a c b b b b")
@example("a b c a b c", "a b c a c b c a b")
@given(texts.filter(bool), texts)
def test_the_scan_finds_exactly_the_shared_runs(answer: str, text: str) -> None:
    indexed = IndexedAnswer(answer)
    overlap = indexed.overlap(text)
    covered, longest = common_runs(words(answer), words(text), min(SHORTEST_RUN, len(words(answer))))
    if overlap is None:
        assert not covered
        return
    assert (overlap.covered, overlap.longest) == (frozenset(covered), longest)
    before, shared, after = cut_out(text, overlap.start, overlap.longest, around=1000)
    assert before + shared + after == text
    run = words(shared)
    assert any(words(answer)[place : place + longest] == run for place in range(len(words(answer))))


@given(st.text())
def test_any_text_can_be_scanned(text: str) -> None:
    if words(text):
        overlap = IndexedAnswer(text).overlap(text)
        assert overlap is not None and overlap.longest == len(words(text))


def test_case_and_punctuation_do_not_hide_a_copy() -> None:
    overlap = IndexedAnswer("Lists the queues, in your account!").overlap("It lists — the Queues in YOUR account.")
    assert overlap is not None and overlap.longest == 6


def test_common_phrases_of_three_words_count_for_nothing() -> None:
    assert IndexedAnswer("Returns a list of buckets").overlap("a list of queues, and a list of topics") is None


def test_a_short_answer_is_looked_for_whole() -> None:
    answer = IndexedAnswer("CreateBucket")
    assert answer.overlap("S3 CreateBucket\n\nCreates one.") is not None
    assert answer.overlap("S3 DeleteBucket") is None


def test_most_covered_first_then_the_longest_run_then_the_name() -> None:
    closest: Closest[str] = Closest(IndexedAnswer("one two three four five six seven eight nine ten"))
    closest.add("long", "one two three four five six", "")
    closest.add("most", "one two three four - seven eight nine ten", "")
    closest.add("b", "one two three four", "")
    closest.add("a", "one two three four", "")
    closest.add("none", "something else", "")
    assert [group for group, *_ in closest.top(9)] == ["most", "long", "a", "b"]
    assert closest.scanned == 5
    assert closest.answer.share(closest.covered) == 1.0


def test_texts_of_one_group_are_shown_once() -> None:
    closest: Closest[str] = Closest(IndexedAnswer("one two three four five"))
    closest.add("document", "one two three four", "its text")
    closest.add("document", "one two three four five", "a conversation about it")
    assert [(group, origin) for group, _, _, origin in closest.top(9)] == [("document", "a conversation about it")]
