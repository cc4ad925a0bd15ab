"""Search for the assistant's words in a rendered chat. It works for any template: it renders the chat several times.

A template is a program, and nothing in it says who speaks. An answer begins where the prompt that asks for it ends. It
ends where the chat continues as before, although the answer's words were replaced by others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lmworks.data.forms.turns import CALLS, RESULTS, SAID

Message = Mapping[str, Any]
"""Message with `role` and `content`. `reasoning_content` holds the thoughts before an answer. `finish_reason` is
"length" if a limit cut the answer. `weight` is 0 if it is not trained. Functions have the same fields as in `Turn`."""
Render = Callable[[Sequence[Message], bool], str]
"""Function that renders messages as text. Its second argument says whether an answer is asked for."""

OTHER_WORDS = ("\ue002", "\ue003")
"""Characters of Unicode's private use, which no chat contains."""
FRAME = 200
"""Maximum number of characters that a template is expected to write before an answer."""


def was_cut(message: Message) -> bool:
    """Return whether a token limit ended an answer, and not the model. `finish_reason` is as in OpenAI's API."""
    return message.get("finish_reason") == "length"


def whole_chat(render: Render, messages: Sequence[Message]) -> str:
    """Return a chat as the prompt for its last answer, followed by this answer.

    Some templates change the turns before an answer once it is there. Mistral's puts the system's words before the last
    message, if it is a user's. Training must use the text that a model gets as its prompt.
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
    """Return how many characters a template writes between the last message before an answer and the answer."""
    return shared(asked[::-1], render([*before[:-1], *map(_otherwise, before[-1:])], True)[::-1])


def _joined(text: str, words: int, asked: str, frame: int) -> tuple[int, int]:
    """Return where an answer begins if its prompt and the text agree only in part, and how many characters agree."""
    alike = shared(text, asked)
    if alike >= len(asked) - frame:
        return min(words, alike), alike - len(asked) + frame
    places = {place: shared(text[:place][::-1], asked[::-1]) for place in range(words, max(-1, words - FRAME), -1)}
    place = max(places, key=lambda each: places[each])
    return place, places[place]


def shared(one: str, other: str) -> int:
    """Return how many characters at the beginnings of two texts are equal."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _otherwise(message: Message) -> Message:
    """Return a message with other words, or other calls or results of functions."""
    other = OTHER_WORDS[message["content"] == OTHER_WORDS[0]]
    made = {**message, "content": other}
    if calls := message.get(CALLS):
        made[CALLS] = [{**call, "name": other} for call in calls]
    elif results := message.get(RESULTS):
        made[RESULTS] = [other for _ in results]
    elif SAID in message:
        made[SAID] = other
    return made
