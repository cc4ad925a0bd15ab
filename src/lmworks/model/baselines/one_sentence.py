"""Summaries by copying one sentence: the first, the most central, or the one that a linear classifier chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lmworks.data.base.rouge import rouge_n, split_of
from lmworks.data.base.sentences import sentences
from lmworks.lazy import np

Pick = Callable[[str], str]


def lead(text: str) -> str:
    """Return the first sentence. It is hard to beat on news, where the first sentence is written to be read alone."""
    return next(iter(sentences(text)), "")


def central(text: str) -> str:
    """Return the sentence that has most words in common with the others (mean ROUGE-1). Ties: the first."""
    found, split = sentences(text), split_of([text])
    return max(
        found, key=lambda one: sum(rouge_n(other, one, 1, split) for other in found if other is not one), default=""
    )


def learned(pairs: Sequence[tuple[str, str]]) -> Pick:
    """Return a function, learned from (text, summary), that picks the sentence most like a summary (ROUGE-1).

    It is a linear classifier on words, pairs of words and runs of letters. The place of a sentence, from the start and
    from the end, is added as words.
    """

    from lmworks.data.quality.hashed_linear import learn

    texts: list[str] = []
    best: list[int] = []
    split = split_of(summary for _, summary in pairs)
    for text, summary in pairs:
        found = sentences(text)
        scores = [rouge_n(summary, sentence, 1, split) for sentence in found]
        texts += _placed(found)
        best += [int(place == scores.index(max(scores))) for place in range(len(found))]
    if len(set(best)) < 2:
        return lead
    model = learn(("other", "best"), texts, np.array(best))

    def pick(text: str) -> str:
        found = sentences(text)
        return found[int(model.probabilities(_placed(found))[:, 1].argmax())] if found else ""

    return pick


def _placed(found: Sequence[str]) -> list[str]:
    return [f"place{number} back{len(found) - number} {sentence}" for number, sentence in enumerate(found)]
