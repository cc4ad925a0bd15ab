"""Filters: each measures texts, and decides by its measures which texts are not worth learning from.

Measures do not depend on limits and are stored, so that texts are not measured again after a change of limits. A new
filter needs a `Rule`, a name in `Filter` and a line in `FILTERS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, Literal

from pydantic import Field

from lmworks.data.base import words
from lmworks.data.base.words import judged_words
from lmworks.data.quality.garbage import garbage, has_cells
from lmworks.data.quality.garbage import score as score_garbage
from lmworks.data.quality.language import MIN_SCORE, languages_of
from lmworks.data.quality.published_rules import (
    c4,
    fineweb,
    gopher_quality,
    gopher_repetition,
    phrases,
    repeated_characters,
    repeats,
)
from lmworks.data.quality.word_list import share_listed
from lmworks.lazy import NDArray, np
from lmworks.recipe.schema import StepConfig

MIN_WORDS = 8
"""Minimum number of words. Shorter texts are little more than their title: "S3 GetObject" teaches nothing."""

Scores = Mapping[str, "NDArray[Any]"]
"""Measures of texts by name: numbers [N], NaN for none, or codes [N] as objects, None for none."""


class FilterSettings(StepConfig):
    """Fields of filters."""

    languages: list[str] = Field(default=["en"], description="Languages to keep, as ISO 639-1 codes.")
    language_score: float = Field(
        default=0,
        ge=0,
        lt=1,
        description="Minimum probability that a text is in one of `languages`. FineWeb uses 0.65. 0 also keeps texts "
        "whose language is unclear, such as names and code.",
    )
    word_list: list[str] | str = Field(
        default=[], description="Terms for the filter `word-list`, or a file with one term per line. None by default."
    )
    word_list_limit: int | float = Field(
        default=1, gt=0, description="Number of listed words that drop a text. A number below 1 is their share."
    )


@dataclass(frozen=True)
class Rule:
    """A function that measures texts, and one that judges them by these measures."""

    measure: Callable[[Sequence[str], FilterSettings], Scores]
    judge: Callable[[Scores, FilterSettings], Sequence[str | None]]


def _column(values: Sequence[Any], kind: str = "float32") -> NDArray[Any]:
    return np.array(values, kind)


def _codes(values: Sequence[str | None]) -> NDArray[Any]:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _reasons(broken: NDArray[np.bool_], reason: str) -> list[str | None]:
    return [reason if each else None for each in broken.tolist()]


def count_words(texts: Sequence[str], settings: FilterSettings) -> Scores:
    """Count words between white space. In scripts without spaces, a fixed number of letters counts as one word."""
    return {"words": _column([words.count_words(text) for text in texts], "int32")}


def too_short(scores: Scores, settings: FilterSettings) -> list[str | None]:
    """Find texts of a few words."""
    return _reasons(scores["words"] < MIN_WORDS, "too short")


def tell_languages(texts: Sequence[str], settings: FilterSettings) -> Scores:
    """Return the two languages of most of each text."""
    found = [languages_of(text) for text in texts]
    return {
        "language": _codes([each.language for each in found]),
        "language_probability": _column([each.score for each in found]),
        "language_share": _column([each.share for each in found]),
        "second_language": _codes([each.second for each in found]),
        "second_language_share": _column([each.second_share for each in found]),
    }


def other_language(scores: Scores, settings: FilterSettings) -> list[str | None]:
    """Find texts that are mostly in other languages. Uncertain texts stay if `language_score` is 0."""
    found: list[str | None] = []
    columns = ("language", "language_probability", "language_share", "second_language", "second_language_share")
    for language, probability, share, second, second_share in zip(
        *(scores[name].tolist() for name in columns), strict=True
    ):
        wanted = share * (language in settings.languages) + second_share * (second in settings.languages)
        reason = None
        if language not in settings.languages and probability >= MIN_SCORE and wanted < 0.5:
            reason = f"language: {language}"
        elif settings.language_score and wanted * probability < settings.language_score:
            reason = "language: unsure"
        found.append(reason)
    return found


# The rules are those of Rae et al. 2021 (Gopher), table A1: share of the characters that lie in repeated lines, in the
# most frequent n-gram, in any n-gram that occurred before. The limits are wider than theirs, which are meant for web
# pages: reference documentation repeats its terms, and those drop one text in ten of it, good ones.
_REPEATED_LINES = 0.30
_TOP_PHRASE, _TOP_PHRASE_WORDS = 0.25, 4
_REPEATED_PHRASES, _REPEATED_PHRASE_WORDS = 0.40, 5
_REPETITION_MIN_WORDS = 50
"""Minimum number of words to judge phrases. In shorter texts, a phrase that occurs twice is already a large share."""


def measure_repetition(texts: Sequence[str], settings: FilterSettings) -> Scores:
    """Return the shares of repeated characters. A share is 0 if a bound shows that it is below its limit."""
    found = np.array([_repetition(text) for text in texts], np.float32).reshape(-1, 3)
    return dict(zip(("repeated_lines", "top_phrase", "repeated_phrases"), found.T, strict=True))


def _repetition(text: str) -> tuple[float, float, float]:
    words, times = judged_words(text)
    if len(words) < _REPETITION_MIN_WORDS * times:
        return 0, 0, 0
    characters = sum(map(len, words))
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    repeated_lines = repeats(lines)[1] / sum(map(len, lines))
    if has_cells(text):  # a column of labels says the same in row after row
        return repeated_lines, 0, 0
    # A phrase comes no more often than each of its words, and each word of one that came before came before.
    counts, top, repeated = Counter(words), 0.0, 0.0
    most = max(map(mul, counts.values(), map(len, counts)))
    if _TOP_PHRASE_WORDS * times * most / characters > _TOP_PHRASE:
        phrase, often = Counter(phrases(words, _TOP_PHRASE_WORDS * times)).most_common(1)[0]
        top = often * sum(map(len, phrase)) / characters if often > 1 else 0
    if (characters - sum(map(len, counts))) / characters > _REPEATED_PHRASES:
        repeated = repeated_characters(words, _REPEATED_PHRASE_WORDS * times) / characters
    return repeated_lines, top, repeated


def repetitive(scores: Scores, settings: FilterSettings) -> list[str | None]:
    """Find texts that repeat lines or phrases too often."""
    found: list[str | None] = []
    columns = (scores[name].tolist() for name in ("repeated_lines", "top_phrase", "repeated_phrases"))
    for lines, top, repeated in zip(*columns, strict=True):
        broken = {
            "lines": lines > np.float32(_REPEATED_LINES),
            "one phrase": top > np.float32(_TOP_PHRASE),
            "phrases": repeated > np.float32(_REPEATED_PHRASES),
        }
        found.append(next((f"repetition: {what}" for what, is_broken in broken.items() if is_broken), None))
    return found


def count_listed(texts: Sequence[str], settings: FilterSettings) -> Scores:
    """Return how many listed words each text has, and its number of words."""
    terms = tuple(settings.word_list)
    found = np.array([share_listed(text, terms) for text in texts], np.int32).reshape(-1, 2)
    return {"listed_words": found[:, 0], "list_words": found[:, 1]}


def on_word_list(scores: Scores, settings: FilterSettings) -> list[str | None]:
    """Find texts whose number or share of listed words reaches the limit."""
    limit, found = settings.word_list_limit, scores["listed_words"]
    least = limit if limit >= 1 else limit * scores["list_words"]
    return _reasons((found > 0) & (found >= least), "word list")


def _published(name: str, rule: Callable[[str], str | None]) -> Rule:
    """Return a rule with the limits of its paper. Its stored measure is its verdict."""

    def measure(texts: Sequence[str], settings: FilterSettings) -> Scores:
        return {name: _codes([rule(text) for text in texts])}

    def judge(scores: Scores, settings: FilterSettings) -> list[str | None]:
        found: list[str | None] = scores[name].tolist()
        return found

    return Rule(measure, judge)


def _measure_garbage(texts: Sequence[str], settings: FilterSettings) -> Scores:
    return {f"garbage_{name}": values for name, values in score_garbage(texts).items()}


def _judge_garbage(scores: Scores, settings: FilterSettings) -> list[str | None]:
    return garbage({name.removeprefix("garbage_"): values for name, values in scores.items()})


Filter = Literal[
    "length", "language", "garbage", "repetition", "gopher-quality", "gopher-repetition", "c4", "fineweb", "word-list"
]

FILTERS: Mapping[Filter, Rule] = {
    "length": Rule(count_words, too_short),
    "language": Rule(tell_languages, other_language),
    "garbage": Rule(_measure_garbage, _judge_garbage),
    "repetition": Rule(measure_repetition, repetitive),
    "gopher-quality": _published("gopher_quality", gopher_quality),
    "gopher-repetition": _published("gopher_repetition", gopher_repetition),
    "c4": _published("c4", c4),
    "fineweb": _published("fineweb", fineweb),
    "word-list": Rule(count_listed, on_word_list),
}


def reasons_to_drop(name: Filter, texts: Sequence[str], settings: FilterSettings) -> Sequence[str | None]:
    """Return the reason why one filter would drop each text, or None."""
    rule = FILTERS[name]
    return rule.judge(rule.measure(texts, settings), settings)
