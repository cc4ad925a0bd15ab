"""Functions that a model can call. Rendering shows how a chat template writes definitions, calls and results.

A call is rendered and searched in the text. The marks around it, and the names of its fields, are those that a model
writes. Calls in another format than JSON are trained as they are written, but not read from answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmworks.data.forms.turns import CALL, CALLS, RESULTS, SAID, TOOLS
from lmworks.errors import LmworksError
from lmworks.tokens.answers import Message, shared
from lmworks.tokens.thoughts import Thoughts, begins

Call = Mapping[str, Any]
"""Function call with `name` and `arguments`."""
Turn = dict[str, Any]
"""Message in the form in which `transformers` gives it to a template."""
Render = Callable[[Sequence[Turn], bool, Any], str]
"""Function that renders turns. It also takes whether an answer is asked for, and the definitions of functions."""
NO_FUNCTIONS = (
    "the model's chat template takes no functions (it writes no definitions, calls or results of them); leave out "
    "`tools`, and turns that call functions or give their results"
)
NOT_READ = (
    "the model's chat template writes function calls in another format than JSON, which lmworks cannot read: no `tools`"
)
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Calls:
    """Marks around function calls, and the form of a call."""

    begin: str
    """Mark before a call. Empty if a call is the whole answer."""
    end: str
    name: str
    arguments: str
    keeps_words: bool
    """Whether the template also writes the words beside calls."""

    @property
    def is_read(self) -> bool:
        """Whether calls are JSON, which can be read from an answer. Other formats are only written."""
        return bool(self.name)

    def read(self, text: str, known: Collection[str]) -> tuple[str, list[Call]]:
        """Return the words before calls of known functions, and the calls. If the text has anything else, return it."""
        place = text.find(self.begin)
        words, rest, found = text[:place].rstrip(), text[max(place, 0) :].strip(), list[Call]()
        while place >= 0 and rest:
            if not rest.startswith(self.begin):
                return text, []
            rest = rest.removeprefix(self.begin).lstrip()
            try:
                value, end = _DECODER.raw_decode(rest)
            except (ValueError, RecursionError):
                return text, []
            calls = [self._call(each) for each in (value if isinstance(value, list) else [value])]
            if not all(call and call["name"] in known for call in calls):
                return text, []
            found += [call for call in calls if call]
            rest = rest[end:].lstrip().removeprefix(self.end).lstrip(" \n,;")
        return (words, found) if found else (text, [])

    def _call(self, value: Any) -> Call | None:
        inner = value.get("function", value) if isinstance(value, Mapping) else None
        if not isinstance(inner, Mapping) or not isinstance(inner.get(self.name), str):
            return None
        arguments = inner.get(self.arguments)
        return {"name": inner[self.name], "arguments": arguments} if isinstance(arguments, Mapping) else None


HOUSE = Calls(CALL.split("\n")[0], CALL.split("\n")[-1], name="name", arguments="arguments", keeps_words=True)
"""Format of function calls in lmworks's own template."""


class Calling:
    """Separator of an answer's words from the calls after them, for an answer that arrives in pieces."""

    def __init__(self, calls: Calls, known: Collection[str]) -> None:
        self._calls, self._known = calls, known
        self._text, self._shown = "", 0

    def add(self, text: str) -> str:
        """Add a piece. Return the words that now certainly do not belong to a call."""
        self._text += text
        begin = self._calls.begin
        if begin:
            place = self._text.find(begin)
            safe = self._text[: len(self._text) - begins(self._text, begin) if place < 0 else place].rstrip()
        else:
            bare = self._text.lstrip()
            safe = "" if not bare or bare[0] in "[{" else self._text
        words, self._shown = safe[self._shown :], max(self._shown, len(safe))
        return words

    def finish(self) -> tuple[str, list[Call]]:
        """Return the words that were held back, and the calls, when the answer ends."""
        words, found = self._calls.read(self._text, self._known)
        return words[self._shown :], found


def expanded(messages: Sequence[Message]) -> tuple[list[Turn], list[Any] | None]:
    """Return a chat as `transformers` gives it to a template, with an id of nine letters per call, and definitions."""
    turns, tools, waiting, count = list[Turn](), None, list[Turn](), 0
    for message in messages:
        turn = {**message, "content": message.get(SAID, message["content"])}
        calls, results = turn.pop(CALLS, ()), turn.pop(RESULTS, ())
        tools = turn.pop(TOOLS, tools)
        if calls:
            waiting = [{"id": f"call{number:05}", **call} for number, call in enumerate(calls, count)]
            turn[CALLS] = [
                {"id": call["id"], "type": "function", "function": {name: call[name] for name in ("name", "arguments")}}
                for call in waiting
            ]
            count += len(calls)
        for number, result in enumerate(results):
            of = waiting[number] if number < len(waiting) else {"id": f"call{count:05}", "name": "unknown"}
            turns.append({"role": "tool", "content": result, "tool_call_id": of["id"], "name": of["name"]})
        waiting = waiting if calls else []
        if turn["content"] or calls or not (results or TOOLS in message):
            turns.append(turn)
    return turns, tools


NAME, PLACE, VALUE, RESULT, WORDS = "find_rain", "city_name", "Ulm_on_Danube", "wet_as_ever", "I look it up."
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": NAME,
            "description": "Tells whether it rains.",
            "parameters": {"type": "object", "properties": {PLACE: {"type": "string"}}, "required": [PLACE]},
        },
    }
]
_CALL = {"name": NAME, "arguments": {PLACE: VALUE}}
_CALLED, _SAID = ({"role": "assistant", "content": "", SAID: words, CALLS: [_CALL]} for words in ("", WORDS))
_TOLD = {"role": "user", "content": "", SAID: "", RESULTS: [RESULT]}
_ASK = {"role": "user", "content": "?"}


def rendered(render: Render) -> str:
    """Return a rendered chat with a definition, a call and a result. Raises LmworksError if the template fails."""
    return render(expanded([_ASK, _CALLED, _TOLD])[0], True, _TOOLS)


def why_not_called(calls: Calls | None, messages: Sequence[Message]) -> str:
    """Return why a template cannot write the functions of messages. Empty if it can. `calls` is its format."""
    if not calls:
        return NO_FUNCTIONS
    if not calls.keeps_words and any(each.get(CALLS) and each[SAID].strip() for each in messages):
        return "the model's chat template leaves out the words beside a function call; leave those words out"
    return ""


def calls_of(render: Render, end_of_turn: str, thoughts: Thoughts | None) -> Calls | None:
    """Return the format in which a template writes calls. None if the template takes no functions."""
    try:
        asked = render([_ASK], True, _TOOLS)
        text = render(expanded([_ASK, _CALLED])[0], False, _TOOLS)
        whole = rendered(render)
        said = render(expanded([_ASK, _SAID])[0], False, _TOOLS)
    except LmworksError:
        return None
    if NAME not in asked or RESULT not in whole:
        return None
    keeps_words = WORDS in said
    answer, closed, _ = text[shared(text, asked) :].partition(end_of_turn)
    answer = thoughts.apart(answer)[1] if thoughts else answer
    for place in (number for number, letter in enumerate(answer) if letter == "{"):
        try:
            value, end = _DECODER.raw_decode(answer[place:])
        except (ValueError, RecursionError):
            continue
        inner = value.get("function", value)
        keys = [next((key for key in inner if inner[key] == wanted), "") for wanted in _CALL.values()]
        if closed and all(keys):
            before, behind = answer[:place].strip(), answer[place + end :].strip()
            is_list = before.endswith("[") and behind.startswith("]")
            before, behind = (before[:-1].rstrip(), behind[1:].lstrip()) if is_list else (before, behind)
            name, arguments = keys
            return Calls(before, behind, name, arguments, keeps_words)
    is_written = closed and all(each in answer for each in (NAME, PLACE, VALUE))
    return Calls("", "", "", "", keeps_words) if is_written else None
