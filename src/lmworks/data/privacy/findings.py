"""Findings of personal data, and the fast search for them.

A detector is a function from a text to findings. Most are a `Pattern`. What a model found comes to them at the end.
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import starmap, zip_longest
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from lmworks.data.privacy.alternatives import in_any_case
from lmworks.data.privacy.reading import Reading, read
from lmworks.data.privacy.words import Places, lowered, words_of_lists
from lmworks.lazy import pa, pc

Kind = Literal[
    "email", "phone", "card", "iban", "national_id", "passport", "driving_licence", "vehicle", "imei", "ip", "secret",
    "record_number", "birth_date", "date", "person", "place", "organisation", "address",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)

ELSEWHERE: Mapping[Kind, str] = {
    "national_id": "identity numbers",
    "vehicle": "number plates",
    "address": "addresses of streets",
    "birth_date": "dates of birth",
    "secret": "passwords",
}
"""Kinds that have the forms or words of some countries alone: docs/privacy.md says of which."""

REACH = 80
"""Characters looked at on each side of a trigger: an IBAN in groups of four, "phone" some words before a number."""
CONTEXT_BEFORE, CONTEXT_AFTER = 60, 25
"""Characters before and after a number in which a word must stand that says what the number is."""


class Finding(NamedTuple):
    """Personal data at characters `start` to `end` of a text."""

    kind: str
    """One of `KINDS`, or the name of a detector of the user's own."""
    start: int
    end: int
    value: str
    """The characters found; fewer than the stretch where overlapping findings were joined."""
    check: Callable[[str], bool] = bool
    """What a surrogate must pass, given its normal form."""
    whole: str = ""
    """The name of which the value is a part, for a person."""
    guessed: bool = False
    """Whether a model found it, which patterns, checks and a record's own names go before."""


Detect = Callable[[str], Iterable[Finding]]
Probes = tuple[tuple[str, bool], ...]
"""Patterns of RE2, and whether each is sought in any case."""


@dataclass(frozen=True, eq=False)  # compared by identity: it is looked up for every text
class Trigger:
    """What a text must hold before a detector is worth running, and how far around it the detector looks.

    With words and a pattern the detector looks around the pattern where one of the words stands there, too.
    """

    pattern: re.Pattern[str] | None = None
    words: tuple[str, ...] = ()
    """In lower case they are found in any case."""
    exact: bool = False
    """Whether words are found only as they are written."""
    reach: int = REACH
    probe: str = ""
    """What every text with the pattern matches, in the syntax of RE2, which has no lookarounds; else the pattern."""
    needs: tuple[str, ...] = ()
    """What every such text matches besides, in that syntax: many triggers share it, and it is looked for but once."""
    near_digits: bool = False
    """Whether it is looked for only where two digits are near: a quarter of most texts."""

    def probes(self) -> Probes:
        """What a text must match, in the syntax of RE2, and whether in any case; what is asked of most texts first.

        Words are asked for only where something is said that all texts with them match.
        """
        needs = tuple((each, False) for each in self.needs)
        if self.pattern:
            return (*needs, (self.probe or self.pattern.pattern, False))
        return (*needs, (self.probe, not self.exact)) if self.probe else needs

    @cached_property
    def _longest_first(self) -> Mapping[str, Sequence[str]]:
        """Words by their first two characters."""
        by_start: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self.words, key=len, reverse=True):
            by_start[word[:2]].append(word)
        return by_start

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.words))

    def word_end(self, text: str, place: int, most: int) -> int:
        """Where the longest word that begins at a place ends, no further than `most`; 0 if none does."""
        beginning = text[place : min(place + self._longest, most)]
        beginning = beginning if self.exact else lowered(beginning)
        for word in self._longest_first.get(beginning[:2], ()):
            if beginning.startswith(word):
                return place + len(word)
        return 0

    def windows(self, text: Searched) -> list[tuple[int, int]]:
        """Stretches around each place that has the trigger, from white space to white space, without overlaps."""
        if not self.pattern:
            return text.joined(text.words(self), self.reach)
        windows = text.around(self.pattern, self.reach, self.near_digits)
        return [each for each in windows if text.has_word(self, *each)] if self.words else windows


def _find_all(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


LATIN = "0-9A-Za-zÀ-ɏ"
"""Characters that a number may not touch; Chinese sentences put no space before one."""
DIGITS = Trigger(re.compile(r"[0-9](?:[ \t.()/–-]{0,3}[0-9]){6,}"), near_digits=True)
"""A number long enough for a telephone's."""


TWO_DIGITS = re.compile(r"[0-9][ \t.()/–-]{0,3}[0-9](?s:.{0,150})")
NEAR = 200
"""Characters from two digits within which they are near: more than any trigger's reach, and what it grows by."""


class Searched:
    """A text with what several triggers ask of it."""

    def __init__(
        self,
        text: str,
        numeric: Sequence[tuple[int, int]] | None = None,
        places: Mapping[Trigger, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        self.text = text
        self.numeric = _numeric(text) if numeric is None else numeric
        self._places = places
        self._around: dict[tuple[re.Pattern[str], int, bool], list[tuple[int, int]]] = {}

    def digits_end(self, left: int) -> int:
        """Where the stretch ends in which two digits are near, if a place lies in one."""
        number = bisect.bisect_right(self.numeric, (left, len(self.text)))
        return self.numeric[number - 1][1] if number > 0 else 0

    def words(self, trigger: Trigger) -> list[tuple[int, int]]:
        """Where words of a trigger stand, in order; of those that begin at one place the longest."""
        places = self._places.get(trigger)
        if places is None:
            searched = self.text if trigger.exact else self.lower
            places = sorted({place for word in trigger.words for place in _find_all(searched, word)})
        words = []
        for place in places:
            most = self.digits_end(place) if trigger.near_digits else len(self.text)
            if end := trigger.word_end(self.text, place, most):
                words.append((place, end))
        return words

    def has_word(self, trigger: Trigger, left: int, right: int) -> bool:
        """Whether a word of a trigger stands in a stretch."""
        places = self._places.get(trigger)
        if places is None or (trigger.near_digits and right > self.digits_end(left)):
            searched = self.text[left:right] if trigger.exact else lowered(self.text[left:right])
            return any(map(searched.__contains__, trigger.words))
        some = places[bisect.bisect_left(places, left) : bisect.bisect_left(places, right)]
        return any(trigger.word_end(self.text, place, right) for place in some)

    def around(self, pattern: re.Pattern[str], reach: int, near_digits: bool) -> list[tuple[int, int]]:
        """Stretches around each place of a pattern; the same for all triggers that share it."""
        key = (pattern, reach, near_digits)
        if key not in self._around:
            stretches = self.numeric if near_digits else [(0, len(self.text))]
            places = (match.span() for each in stretches for match in pattern.finditer(self.text, *each))
            self._around[key] = self.joined(places, reach)
        return self._around[key]

    def joined(self, places: Iterable[tuple[int, int]], reach: int) -> list[tuple[int, int]]:
        """Stretches of so many characters around places, grown to white space, without overlaps."""
        return _joined(starmap(self.widen, _joined((left - reach, right + reach) for left, right in places)))

    @cached_property
    def lower(self) -> str:
        """The text in lower case, as long as the text."""
        return lowered(self.text)

    def widen(self, left: int, right: int) -> tuple[int, int]:
        """The stretch, grown to a space or line end where there is one within 64 characters, so that no word is cut."""
        text, find = self.text, self.text.find
        left, right = max(0, left), min(len(text), right)
        far_left, far_right = max(0, left - 64), min(len(text), right + 64)
        before = max(text.rfind(" ", far_left, left), text.rfind("\n", far_left, left))
        space, line = find(" ", right, far_right), find("\n", right, far_right)
        after = max(space, line) if space < 0 or line < 0 else min(space, line)
        return before + 1 if before >= 0 else far_left, after if after >= 0 else far_right


def _numeric(text: str) -> list[tuple[int, int]]:
    """Stretches in which all that is near two digits stands."""
    spans = map(re.Match.span, TWO_DIGITS.finditer(text))
    return _joined((max(0, left - NEAR), min(len(text), right + NEAR)) for left, right in spans)


def _joined(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for left, right in stretches:
        if joined and left <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], right)
        else:
            joined.append((left, right))
    return joined


def plain(value: str) -> str:
    """Letters and digits only, in upper case: what a checksum is made of."""
    return "".join(filter(str.isalnum, value)).upper()


@dataclass(frozen=True)
class Pattern:
    """A detector: a regular expression, a check of what it matches, and perhaps a word that must stand near."""

    kind: Kind
    trigger: Trigger
    pattern: re.Pattern[str]
    """Its group `value`, if it has one, is the finding; else the whole match. It must take linear time."""
    check: Callable[[str], bool] = bool
    """Given the value as `plain` makes it."""
    context: re.Pattern[str] | None = None

    def __call__(self, text: str) -> Iterator[Finding]:
        group = "value" if "value" in self.pattern.groupindex else 0
        position = 0
        while match := self.pattern.search(text, position):
            start, end = match.span(group)
            if self.check(plain(match[group])) and (not self.context or near(self.context, text, start, end)):
                yield Finding(self.kind, start, end, match[group], self.check)
                position = max(end, match.start() + 1)
            else:  # what fails the check must not hide a true value that begins inside it
                position = match.start() + 1


def named(words: str, anywhere: str = "") -> re.Pattern[str]:
    """Whole words in any case, also as parts of a name such as `phone_number` or `phoneNumber`.

    Those of `anywhere` may stand in others: Chinese and Korean put no space between words.
    """
    whole = rf"(?<![^\W_]){in_any_case(words)}(?![^\W_A-Z])"
    return re.compile(f"{whole}|{anywhere}" if anywhere else whole)


def near(context: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether a word of `context` stands shortly before, or right after."""
    before, after = text[max(0, start - CONTEXT_BEFORE) : start], text[end : end + CONTEXT_AFTER]
    return bool(context.search(before) or context.search(after))


@dataclass(frozen=True)
class Function:
    """A detector that is more than a pattern."""

    kind: str
    trigger: Trigger
    find: Detect

    def __call__(self, text: str) -> Iterable[Finding]:
        return self.find(text)


Detector = Pattern | Function


SHARED = 7
"""Triggers that are sought at once: with more the automaton grows faster than reading the text again costs."""


def sharing(detectors: Sequence[Detector], at_once: int = SHARED) -> Iterator[Detector]:
    """The same detectors, for whose triggers, which few texts have, a text is searched at once, some at a time."""
    probes = list(dict.fromkeys(detector.trigger.probes()[-1] for detector in detectors))
    unions: dict[tuple[str, bool], str] = {}
    for start in range(0, len(probes), at_once):
        some = probes[start : start + at_once]
        unions |= dict.fromkeys(some, "|".join(f"(?:{'(?i)' if case else ''}{probe})" for probe, case in some))
    for each in detectors:
        needs = (*each.trigger.needs, unions[each.trigger.probes()[-1]])
        yield replace(each, trigger=replace(each.trigger, needs=needs))


class Chosen(NamedTuple):
    """What is worth running on a text."""

    detectors: Sequence[Detector]
    numeric: Sequence[tuple[int, int]] | None = None
    """Where two digits are near, if that is known."""
    reading: Reading | None = None
    """The text as detectors read it, if it is at hand."""
    places: Mapping[Trigger, Sequence[int]] = MappingProxyType({})
    """Where the words of triggers may begin, as far as that is known."""


def worth_running(texts: Sequence[str], detectors: Sequence[Detector], names: Sequence[str] = ()) -> list[Chosen]:
    """For each text, of a field of that name, the detectors without those whose trigger it does not have.

    RE2 reads all texts at once, for each probe those that the one before it has left; words are sought all at once.
    """
    readings = [read(*each) for each in zip_longest(texts, names, fillvalue="")]
    searched = [Searched(each.text) for each in readings]
    places = _places_of_words(searched, list(dict.fromkeys(detector.trigger for detector in detectors)))
    whole = pa.array([each.text for each in searched], pa.string())
    numeric = pa.array(["\n".join(each.text[slice(*some)] for some in each.numeric) for each in searched], pa.string())
    asked: dict[Trigger, list[int]] = defaultdict(list)
    for rank, detector in enumerate(detectors):
        asked[detector.trigger].append(rank)
    chosen: list[list[int]] = [[] for _ in texts]
    of_words: list[dict[Trigger, Sequence[int]]] = [{} for _ in texts]
    matching = {near_digits: _Matching(array) for near_digits, array in ((False, whole), (True, numeric))}
    for trigger, ranks in asked.items():
        probes, words = trigger.probes(), places.get(trigger)
        numbers = matching[trigger.near_digits].texts(probes) if probes or not words else words.texts()
        for number in numbers:
            if words and not (inside := words.inside(number)):
                continue
            chosen[number] += ranks
            if words:
                of_words[number][trigger] = inside
    return [
        Chosen([detectors[rank] for rank in sorted(ranks)], text.numeric, None if reading.places else reading, words)
        for ranks, text, reading, words in zip(chosen, searched, readings, of_words, strict=True)
    ]


def _places_of_words(texts: Sequence[Searched], triggers: Sequence[Trigger]) -> dict[Trigger, Places]:
    """Where the words of triggers may stand, for those with words and no probe of their own."""
    places: dict[Trigger, Places] = {}
    for near_digits in (False, True):
        asked = [each for each in triggers if each.words and each.near_digits == near_digits]
        asked = [each for each in asked if each.pattern or not each.probe]
        finder = words_of_lists(tuple(tuple(map(lowered, each.words)) for each in asked))
        stretches = [each.numeric if near_digits else [(0, len(each.text))] for each in texts]
        places |= zip(asked, finder.places([each.text for each in texts], stretches), strict=True)
    return places


class _Matching:
    """Which of some texts match a row of probes."""

    def __init__(self, texts: Any) -> None:
        self._texts: dict[Probes, Any] = {(): texts}
        self._numbers: dict[Probes, Any] = {(): pa.array(range(len(texts)), pa.int64())}

    def texts(self, probes: Probes) -> list[int]:
        numbers: list[int] = self._matching(probes).to_pylist()
        return numbers

    def _matching(self, probes: Probes) -> Any:
        if probes not in self._numbers:
            before, (pattern, any_case) = probes[:-1], probes[-1]
            numbers = self._matching(before)
            if before not in self._texts:
                self._texts[before] = self._texts[()].take(numbers)
            self._numbers[probes] = numbers.filter(
                pc.match_substring_regex(self._texts[before], pattern, ignore_case=any_case)
            )
        return self._numbers[probes]


def scan(
    text: str, detectors: Sequence[Detector] | Chosen, guessed: Sequence[Finding] = (), label: str = ""
) -> list[Finding]:
    """Everything that the detectors find and what a model found, in order and without overlaps.

    `label` is the name of the text's field. Values are as detectors read them, with plain spaces and dashes.
    """
    chosen = detectors if isinstance(detectors, Chosen) else Chosen(detectors)
    detectors, reading = chosen.detectors, chosen.reading or read(text, label)
    searched = Searched(reading.text, chosen.numeric, chosen.places)
    found = [(len(detectors), finding) for finding in guessed]
    for rank, detector in enumerate(detectors):
        for left, right in detector.trigger.windows(searched):
            for finding in detector(reading.text[left:right]):
                start, end = reading.span(finding.start + left, finding.end + left)
                if start < end:
                    found.append((rank, finding._replace(start=start, end=end)))
    return join_overlaps(found)


def join_overlaps(found: Sequence[tuple[int, Finding]]) -> list[Finding]:
    """Make one finding of those that overlap, so that no part of any stays in the clear.

    It covers them all, and has the kind and value of the longest that is not guessed; of equally long ones, of the
    least rank.
    """
    joined: list[tuple[int, Finding]] = []
    for rank, finding in sorted(found, key=lambda item: (item[1].start, item[0])):
        if not joined or joined[-1][1].end <= finding.start:
            joined.append((rank, finding))
            continue
        before = joined[-1]
        best, other = sorted(
            (before, (rank, finding)), key=lambda item: (item[1].guessed, -len(item[1].value), item[0])
        )
        end = max(best[1].end, other[1].end)
        joined[-1] = best[0], best[1]._replace(start=before[1].start, end=end)
    return [finding for _, finding in joined]


def substitute(text: str, findings: Sequence[Finding], instead: Callable[[Finding], str]) -> str:
    """The text with something else in place of each finding; `findings` are in order and do not overlap."""
    pieces, position = [], 0
    for finding in findings:
        pieces += [text[position : finding.start], instead(finding)]
        position = finding.end
    return "".join([*pieces, text[position:]])
