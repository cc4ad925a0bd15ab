"""Findings of personal data, and the search for them. One pass of RE2 finds which detectors are worth running."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import re2

from lmworks.data.personal.reading import readings

TABLE = files("lmworks.data.personal") / "kinds.yaml"
"""Table of the kinds of personal data, with a row for each way in which they are found."""
GUESSED = ("person", "place", "organisation")
"""Kinds that no row of the table finds. A record's field states them, or a model finds them."""
Kind = str
KINDS: tuple[Kind, ...] = (
    *dict.fromkeys(re.findall(r"(?m)^- kind: (\w+)$", TABLE.read_text(encoding="utf-8"))),
    *GUESSED,
)
"""All kinds. Only their names are read here, because reading the whole table takes a fifth of a second."""

ELSEWHERE: Mapping[Kind, str] = {
    "national_id": "identity numbers",
    "vehicle": "number plates",
    "address": "addresses of streets",
    "birth_date": "dates of birth",
    "secret": "passwords",
}
"""Kinds that are found only in the forms or words of some countries, which docs/privacy.md lists."""

MOST_MEMORY = 64 << 20
"""Maximum bytes of one automaton."""
AT_ONCE = 4
"""Number of triggers in one automaton. With more, it slows down by more than reading the text again costs."""
PIECE, OVERLAP = 2_500, 300
"""Number of characters that are searched together, and number by which such pieces overlap."""
LETTERS = "0-9A-Za-zÀ-ɏͰ-ԯ"
"""Digits and the letters of Europe. All letters of Unicode would take two hundred times the memory in RE2."""
WORDS_BEFORE, WORDS_AFTER = 60, 25
"""Number of characters before and after a value that are searched for a word for its kind."""
NEAR = 150
"""Number of characters before and after two digits within which a value with digits and its words lie."""
TWO_DIGITS = re.compile(rf"[0-9][ \t.()/–-]{{0,3}}[0-9](?s:.{{0,{NEAR}}})")


class Finding(NamedTuple):
    """Personal data at characters `start` to `end` of a text."""

    kind: str
    """One of `KINDS`, or the name of a detector of the user's own."""
    start: int
    end: int
    value: str
    """Characters found. After a join of overlapping findings, these are only a part of the span."""
    check: Callable[[str], bool] = bool
    """Check that a surrogate's normal form must pass."""
    whole: str = ""
    """Whole name of a person of which the value is a part."""
    guessed: bool = False
    """Whether a model found it. Findings of patterns, checks and a record's own names have priority over it."""


@dataclass(frozen=True, eq=False)
class Detector:
    """Function that finds one kind of personal data, and the texts that are worth searching."""

    kind: Kind
    find: Callable[[str], Iterable[Finding]]
    trigger: str = ""
    """Pattern of RE2 that every stretch with such a value matches. If empty, the function reads every whole text."""
    near_digits: bool = True
    """Whether only stretches near two digits are searched."""
    whole: bool = False
    """Whether the function reads the whole text if any stretch matches, because values can exceed `OVERLAP`."""


class Detectors(tuple[Detector, ...]):
    """Detectors in order of priority. If equally long findings overlap, that of the earlier detector counts."""

    @cached_property
    def _searches(self) -> tuple[list[_Search], list[_Search]]:
        """Return the searches near digits, and the searches of the whole text."""
        triggered = [(rank, detector) for rank, detector in enumerate(self) if detector.trigger]
        near, anywhere = ([pair for pair in triggered if pair[1].near_digits is near] for near in (True, False))
        return _searches_for(near), _searches_for(anywhere)

    def worth_running(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield the rank of each detector that may find something, with the stretch of the text that it must read."""
        whole = {rank for rank, detector in enumerate(self) if not detector.trigger}
        for searches, stretches in zip(self._searches, (_near_digits(text), [(0, len(text))]), strict=True):
            for left, right in _pieces(text, stretches):
                raw = text[left:right].encode("utf-8", "replace")
                for rank in (ranks[number] for triggers, ranks in searches for number in triggers.Match(raw) or ()):
                    if self[rank].whole:
                        whole.add(rank)
                    else:
                        yield rank, left, right
        yield from ((rank, 0, len(text)) for rank in sorted(whole))


_Search = tuple[Any, list[int]]
"""Automaton of the triggers of some detectors, and the ranks of these detectors."""


def _searches_for(detectors: Sequence[tuple[int, Detector]]) -> list[_Search]:
    groups = (detectors[start : start + AT_ONCE] for start in range(0, len(detectors), AT_ONCE))
    return [(_automaton(*(detector.trigger for _, detector in some)), [rank for rank, _ in some]) for some in groups]


@lru_cache(maxsize=100)
def _automaton(*triggers: str) -> Any:
    """Return the automaton of some triggers. A process keeps it, because it is slow until it has read some text."""
    options = re2.Options()
    options.max_mem = MOST_MEMORY
    automaton = re2.Set.SearchSet(options)
    for trigger in triggers:
        automaton.Add(trigger)
    automaton.Compile()
    return automaton


def _near_digits(text: str) -> list[tuple[int, int]]:
    """Return the stretches in which two digits are near, from white space to white space."""
    stretches: list[tuple[int, int]] = []
    for match in TWO_DIGITS.finditer(text):
        left, right = _widened(text, match.start() - NEAR, match.end())
        if stretches and left <= stretches[-1][1]:
            stretches[-1] = stretches[-1][0], right
        else:
            stretches.append((left, right))
    return stretches


def _widened(text: str, left: int, right: int) -> tuple[int, int]:
    """Return a stretch, extended to white space if there is some within 64 characters, so that no word is cut."""
    left, right = max(0, left), min(len(text), right)
    before = max(text.rfind(sign, max(0, left - 64), left) for sign in " \n")
    after = [place for sign in " \n" if (place := text.find(sign, right, right + 64)) >= 0]
    return (before + 1 if before >= 0 else max(0, left - 64)), min(after, default=min(len(text), right + 64))


def _pieces(text: str, stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield stretches in pieces that overlap, so that few detectors are worth running on each piece."""
    for start, end in stretches:
        left = start
        while end - left > PIECE + OVERLAP:
            yield _widened(text, left, left + PIECE)
            left += PIECE - OVERLAP
        yield _widened(text, left, end) if left > start else (left, end)


def scan(
    text: str, detectors: Detectors, guessed: Sequence[Finding] = (), label: str = "", more: Sequence[Detector] = ()
) -> list[Finding]:
    """Return what detectors find in a text and what a model found, in order and without overlaps.

    `label` is the name of the text's field. `more` detectors are only for this text, such as one of its people's names.
    Values of findings are as detectors read them, with plain spaces and dashes.
    """
    findings = [(len(detectors), finding) for finding in guessed]
    for reading in readings(text, label):
        worth = [(rank, left, right, detectors[rank]) for rank, left, right in detectors.worth_running(reading.text)]
        worth += [(-1, 0, len(reading.text), detector) for detector in more]
        for rank, left, right, detector in worth:
            for finding in detector.find(reading.text[left:right]):
                start, end = reading.span(finding.start + left, finding.end + left)
                if start < end:
                    findings.append((rank, finding._replace(start=start, end=end)))
    return join_overlaps(findings)


def join_overlaps(found: Sequence[tuple[int, Finding]]) -> list[Finding]:
    """Return one finding for each set of overlapping findings, so that no part of them stays readable.

    It covers them all, and has the kind and value of the longest that is not guessed. Among equally long findings, the
    one with the lowest rank counts.
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
    """Return the text with other words in place of each finding. Findings are in order and do not overlap."""
    pieces, position = [], 0
    for finding in findings:
        pieces += [text[position : finding.start], instead(finding)]
        position = finding.end
    return "".join([*pieces, text[position:]])


def plain(value: str) -> str:
    """Return only the letters and digits, in upper case, as checksums are computed from them."""
    return "".join(filter(str.isalnum, value)).upper()


def whole_words(words: Iterable[str], anywhere: str = "") -> str:
    """Return a pattern of RE2 for whole words in any case, also as parts of a name such as `phone_number`.

    Its first group is the word. Text that `anywhere` matches counts even inside other words.
    """
    inner = "|".join(words).replace(r"\w", f"[{LETTERS}_]")
    whole = [rf"(?:^|[^{LETTERS}])((?i:{inner}))(?:$|[^{LETTERS}])"] if inner else []
    return "|".join([*whole, *([anywhere] if anywhere else [])])
