"""Thoughts at the beginning of an answer. Rendering shows how a chat template separates them from the answer.

An answer is rendered with thoughts and without. A model writes the same marks around thoughts as the template.
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
    """White space beside these marks. It belongs neither to the thoughts nor to the answer."""
    is_begun: bool
    """Whether a prompt ends with `begin`, so that its answer continues with thoughts."""
    is_ended: bool = False
    """Whether a prompt ends with `end`, so that its answer has no thoughts."""

    def begun_by(self, prompt: str) -> bool:
        """Return whether a prompt ends with the mark that begins thoughts."""
        return prompt.rstrip(self.space).endswith(self.begin)

    def hold(self, text: str, begin: int, end: int) -> bool:
        """Return whether a whole answer lies in thoughts that its prompt begins. It then has no end mark."""
        return self.is_begun and self.begun_by(text[:begin]) and self.end not in text[begin:end]

    def before(self, message: Message, *, is_begun: bool) -> str:
        """Return the thoughts to write before an answer, with their end mark unless the answer was cut in them."""
        line = "\n" if "\n" in self.space else ""
        thoughts = ("" if is_begun else self.begin + line) + (message.get(REASONING[0]) or "")
        return thoughts if was_cut(message) and not message["content"] else f"{thoughts}{line}{self.end}{line * 2}"

    def apart(self, text: str) -> tuple[str | None, str]:
        """Return the thoughts at the beginning of a text, or None if it has none, and the text after them."""
        parting = Parting(self, is_begun=False)
        thoughts, words = zip(parting.add(text), parting.flush(), strict=True)
        return "".join(thoughts) if parting.has_thoughts else None, "".join(words)


HOUSE = Thoughts(THINK, END_OF_THOUGHTS, "\n", is_begun=False)
"""Marks of thoughts in data. There, thoughts precede the answer, whichever model reads it."""


class Parting:
    """Separator of thoughts from the answer after them, for a text that arrives in pieces.

    It holds back only an end that could be the beginning of a mark, and white space before a possible mark.
    """

    def __init__(self, thoughts: Thoughts, is_begun: bool) -> None:
        self._thoughts = thoughts
        self._held = ""
        self._is_first = True
        """Whether the next text is the first of the thoughts or of the answer. White space is then left out."""
        self.has_thoughts = self.is_within = is_begun
        self._is_open = not is_begun
        """Whether thoughts can still begin."""

    def add(self, text: str) -> tuple[str, str]:
        """Add a piece. Return the thoughts, and the words after them, that are now certain."""
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
    """Return the length of the longest end of a text that is the beginning of a mark."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-size:])), 0)


def thoughts_of(render: Render, constants: Callable[[], Iterable[str]]) -> Thoughts | None:
    """Return a template's marks around thoughts, or None if it has none. `constants` returns the texts in it."""
    try:
        return _told_apart(render) or _cut_off(render, constants)
    except LmworksError:  # is told where a chat is rendered
        return None


def _told_apart(render: Render) -> Thoughts | None:
    """Return the marks of a template that takes thoughts in a field of their own."""
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
    """Return the marks of a template that removes the text of an answer up to a mark."""
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
