"""Thoughts that an answer begins with, and how a chat template keeps them apart from it: found by rendering.

An answer is rendered with thoughts and without; what is written around them is what a model writes around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lmworks.data.forms.turns import END_OF_THOUGHTS, REASONING, THINK
from lmworks.errors import LmworksError
from lmworks.tokens.answers import OTHER_WORDS, Message, Render, was_cut

_ASK = {"role": "user", "content": "?"}


@dataclass(frozen=True)
class Thoughts:
    """Marks around thoughts."""

    begin: str
    end: str
    space: str
    """White space that stands beside these, and is part neither of the thoughts nor of the answer."""
    is_begun: bool
    """Whether `begin` ends a prompt, so that its answer goes on with thoughts."""
    is_ended: bool = False
    """Whether `end` ends a prompt, so that its answer has none."""

    def begun_by(self, prompt: str) -> bool:
        """Return whether a prompt ends with what begins thoughts."""
        return prompt.rstrip(self.space).endswith(self.begin)

    def hold(self, text: str, begin: int, end: int) -> bool:
        """Return whether an answer is in thoughts that its prompt begins, as where a template only cuts them off."""
        return self.is_begun and self.begun_by(text[:begin]) and self.end not in text[begin:end]

    def before(self, message: Message, *, is_begun: bool) -> str:
        """Return what is before an answer in its chat: its thoughts, ended unless it was cut within them."""
        line = "\n" if "\n" in self.space else ""
        thoughts = ("" if is_begun else self.begin + line) + (message.get(REASONING[0]) or "")
        return thoughts if was_cut(message) and not message["content"] else f"{thoughts}{line}{self.end}{line * 2}"

    def apart(self, text: str) -> tuple[str | None, str]:
        """Return the thoughts that a text begins with, None if with none, and what stands behind them."""
        parting = Parting(self, is_begun=False)
        thoughts, words = zip(parting.add(text), parting.flush(), strict=True)
        return "".join(thoughts) if parting.has_thoughts else None, "".join(words)


HOUSE = Thoughts(THINK, END_OF_THOUGHTS, "\n", is_begun=False)
"""Marks in data, in which thoughts precede the answer for every model."""


class Parting:
    """Parts thoughts from the answer behind them, however a text is cut into pieces.

    Only an end that could still grow into a mark, and white space that a mark may follow, is held back.
    """

    def __init__(self, thoughts: Thoughts, is_begun: bool) -> None:
        self._thoughts = thoughts
        self._held = ""
        self._is_first = True
        """Whether thoughts, or the text after them, begin. White space is then left out."""
        self.has_thoughts = self.is_within = is_begun
        self._is_open = not is_begun
        """Whether thoughts may still begin."""

    def add(self, text: str) -> tuple[str, str]:
        """Return the thoughts, and the words behind them, that became certain with this piece."""
        known, text, thought = self._thoughts, self._held + text, ""
        self._held = ""
        if self._is_open:
            bare = text.lstrip(known.space)
            if not bare.startswith(known.begin):
                if known.begin.startswith(bare):
                    self._held = text
                    return "", ""
                self._is_open = self._is_first = False
                return "", text
            self._is_open, self.has_thoughts, self.is_within = False, True, True
            text = bare.removeprefix(known.begin)
        if self.is_within:
            text = self._begun(text)
            place = text.find(known.end)
            if place < 0:
                shown = text[: len(text) - begins(text, known.end)].rstrip(known.space)
                self._held = text[len(shown) :]
                return shown, ""
            thought, text = text[:place].rstrip(known.space), text[place + len(known.end) :]
            self.is_within, self._is_first = False, True
        return thought, self._begun(text)

    def flush(self) -> tuple[str, str]:
        """Return the text held back when the text ends."""
        held, self._held = self._held, ""
        return (held.rstrip(self._thoughts.space), "") if self.is_within else ("", held)

    def _begun(self, text: str) -> str:
        if self._is_first:
            text = text.lstrip(self._thoughts.space)
            self._is_first = not text
        return text


def begins(text: str, mark: str) -> int:
    """Length of the longest end of a text with which a mark begins."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-size:])), 0)


def thoughts_of(render: Render, constants: Callable[[], Iterable[str]]) -> Thoughts | None:
    """Return how a template keeps thoughts apart, None for one that does not; `constants` gives the texts in it."""
    try:
        return _told_apart(render) or _cut_off(render, constants)
    except LmworksError:  # is told where a chat is rendered
        return None


def _told_apart(render: Render) -> Thoughts | None:
    """Return the marks of a template that takes thoughts beside an answer."""
    thought, words = OTHER_WORDS
    answer = {"role": "assistant", "content": words}
    asked = render([_ASK], True)
    before, is_told, behind = render([_ASK, {**answer, **dict.fromkeys(REASONING, thought)}], False).partition(thought)
    end, answered, _ = behind.partition(words)
    if not (is_told and answered):
        return None
    is_begun = before == asked
    frame = render([_ASK, answer, _ASK], False).partition(words)[0] if is_begun else asked
    begin = before.removeprefix(frame)
    found = _around(begin if begin != before else before.rstrip().rpartition("\n")[2], end, is_begun)
    return found and replace(found, is_ended=asked.rstrip().endswith(found.end))


def _cut_off(render: Render, constants: Callable[[], Iterable[str]]) -> Thoughts | None:
    """Return the marks of a template that leaves out the part of an answer before a mark."""
    thought, words = OTHER_WORDS
    asked = render([_ASK], True)
    for end in constants():
        said = {"role": "assistant", "content": f"{thought}{end}{words}"}
        frame, answered, _ = render([_ASK, said, _ASK], False).partition(words)
        if end.strip() and answered and thought not in frame:
            begin = asked.removeprefix(frame)
            is_begun = begin not in ("", asked)
            return _around(begin if is_begun else end.replace("/", "", 1), end, is_begun)
    return None


def _around(begin: str, end: str, is_begun: bool) -> Thoughts | None:
    marks = begin.strip(), end.strip()
    space = "".join(sorted({letter for letter in begin + end if letter.isspace()}))
    return Thoughts(*marks, space, is_begun) if all(marks) and marks[0] != marks[1] else None
