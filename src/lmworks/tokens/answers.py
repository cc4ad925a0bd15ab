"""Which words of a chat are the assistant's, whatever its template: found by rendering the chat in other ways.

A template is a program, and nothing in it says who speaks. What it writes before an answer is what it writes where one
is asked for; where an answer ends is where the chat with other words in that turn goes on as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lmworks.data.forms.turns import CALLS, RESULTS, SAID

Message = Mapping[str, Any]
"""`role` and `content`; `reasoning_content`, the thoughts before an answer; `finish_reason`, "length", of one that a
model was not let end; `weight`, 0, of one that is not to be learned from; and what `Turn` has of functions."""
Render = Callable[[Sequence[Message], bool], str]
"""Messages, and whether an answer is asked for, to text."""

OTHER_WORDS = ("\ue002", "\ue003")
"""Characters of Unicode's private use, which no chat contains."""
FRAME = 200
"""Characters that a template may write before an answer."""


def was_cut(message: Message) -> bool:
    """Return whether a limit of tokens ended an answer, and not its model; `finish_reason` is as in OpenAI's API."""
    return message.get("finish_reason") == "length"


def whole_chat(render: Render, messages: Sequence[Message]) -> str:
    """Return a chat as it stands when its last answer was asked for and given.

    Some templates write the turns before an answer otherwise when it is there: Mistral's puts the system's words before
    the last message, if that is a user's. What is trained is what is asked.
    """
    text = render(messages, False)
    if not messages or messages[-1]["role"] != "assistant" or text.startswith(asked := render(messages[:-1], True)):
        return text
    words = shared(text, render([*messages[:-1], _otherwise(messages[-1])], False))
    return asked + text[_joined(text, words, asked, _frame(render, messages[:-1], asked))[0] :]


def answers_of(render: Render, messages: Sequence[Message], text: str) -> Iterator[tuple[int, int]]:
    """Yield, for each assistant's turn in `whole_chat`, the characters [first, last + 1) that the model writes.

    A turn is left out if the template writes it in another way than it was requested, such as without its thoughts.
    """
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            other = whole_chat(render, [*messages[:number], _otherwise(message), *messages[number + 1 :]])
            asked, end = render(messages[:number], True), len(text) - shared(text[::-1], other[::-1])
            begin = len(asked)
            if not text.startswith(asked):
                frame = _frame(render, messages[:number], asked)
                begin, alike = _joined(text, shared(text, other), asked, frame)
                begin = begin if alike >= frame else end
            yield begin, max(begin, end)


def _frame(render: Render, before: Sequence[Message], asked: str) -> int:
    """Characters that a template writes behind the words that are to be answered."""
    return shared(asked[::-1], render([*before[:-1], *map(_otherwise, before[-1:])], True)[::-1])


def _joined(text: str, words: int, asked: str, frame: int) -> tuple[int, int]:
    """Return where an answer begins if its prompt and the text only agree in part, and how many characters agree."""
    alike = shared(text, asked)
    if alike >= len(asked) - frame:
        return min(words, alike), alike - len(asked) + frame
    places = {place: shared(text[:place][::-1], asked[::-1]) for place in range(words, max(-1, words - FRAME), -1)}
    place = max(places, key=lambda each: places[each])
    return place, places[place]


def shared(one: str, other: str) -> int:
    """Characters that two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _otherwise(message: Message) -> Message:
    """With other words, or other calls or results of functions."""
    other = OTHER_WORDS[message["content"] == OTHER_WORDS[0]]
    made = {**message, "content": other}
    if calls := message.get(CALLS):
        made[CALLS] = [{**call, "name": other} for call in calls]
    elif results := message.get(RESULTS):
        made[RESULTS] = [other for _ in results]
    elif SAID in message:
        made[SAID] = other
    return made
