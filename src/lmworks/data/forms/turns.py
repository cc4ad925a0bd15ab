"""Published turns of chats, converted to turns of a system, a user and an assistant."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lmworks.data.forms.row import Fault, Read, as_list, as_text, short, whole

Turn = dict[str, Any]
"""Mapping with `role` and `content`. An assistant's turn with `weight` 0 is not learned from.

For functions, `content` uses the texts below. Chat templates with texts of their own use these fields instead: `tools`
(definitions after a system's words), `tool_calls` (after an answer), `results` (before a user's words), and `said`,
which holds the words without these.
"""
Turns = list[Turn]

TOOL = "tool"
ROLES = {
    **{"system": "system", "developer": "system"},
    **{"user": "user", "human": "user", "prompter": "user"},
    **{"assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"},
    **{"function_call": "assistant"},
    **{"tool": TOOL, "function": TOOL, "observation": TOOL, "ipython": TOOL, "function_response": TOOL},
}
LISTS = ("messages", "conversations", "conversation")
"""Fields that hold turns."""
REASONING = ("reasoning_content", "reasoning", "thinking")
TRAINED = ("weight", "loss_weight", "train", "trainable", "loss")

SAID, TOOLS, CALLS, RESULTS = "said", "tools", "tool_calls", "results"

# The texts around definitions, calls and results are those of Qwen 2.5's and Hermes' chat templates, which models that
# call functions have learned; lmworks's own template writes them so.
DEFINITIONS = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
CALL = "<tool_call>\n{call}\n</tool_call>"
RESULT = "<tool_response>\n{result}\n</tool_response>"
THINK, END_OF_THOUGHTS = "<think>", "</think>"
"""Tags around the thoughts before an answer. Templates that keep thoughts separate write them in their own way."""


def ask(text: str) -> Turns:
    """Return a user's turn."""
    return [{"role": "user", "content": text}]


def say(text: str) -> Turns:
    """Return an assistant's turn."""
    return [{"role": "assistant", "content": text}]


def with_thoughts(thought: str, text: str | None) -> str:
    """Return an answer after its thoughts. `text` is None if the thoughts never end."""
    begun = f"{THINK}\n{thought.strip()}"
    return begun if text is None else f"{begun}\n{END_OF_THOUGHTS}\n\n{text}"


def behind_thoughts(text: str) -> str:
    """Return an answer without the thoughts at its beginning. Empty if the thoughts never end."""
    return text.partition(END_OF_THOUGHTS)[2].lstrip("\n") if text.startswith(THINK) else text


def check_turns(turns: Sequence[Mapping[str, Any]]) -> None:
    """Raise Fault unless user and assistant alternate, after at most one system's turn, and no turn is empty."""
    begin = 1 if turns and turns[0]["role"] == "system" else 0
    for number, turn in enumerate(turns):
        wanted = "system" if number < begin else ("user", "assistant")[(number - begin) % 2]
        if turn["role"] != wanted:
            raise Fault(f"wrong role order: turn {number + 1} is the {turn['role']}'s, expected the {wanted}'s")
        if not turn["content"].strip():
            raise Fault(f"empty {turn['role']} turn: turn {number + 1} has no words")
    if not turns or turns[-1]["role"] != "assistant":
        raise Fault(f"wrong role order: ends without an assistant's turn, after {len(turns)} turns")


def offering(words: str, tools: Sequence[Any]) -> Turn:
    """Return a system's turn with definitions of functions: JSON schemas, bare or in OpenAI's form."""
    told = DEFINITIONS.format(tools="\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools))
    usual = [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]
    return {"role": "system", "content": _both(words, told), SAID: words, TOOLS: usual}


def calling(words: str, calls: Sequence[Mapping[str, Any]]) -> Turn:
    """Return an assistant's turn with function calls, each a `name` and `arguments`."""
    made = [{"name": call["name"], "arguments": call["arguments"]} for call in calls]
    told = "\n".join(CALL.format(call=json.dumps(call, ensure_ascii=False)) for call in made)
    return {"role": "assistant", "content": "\n".join(filter(None, (words, told))), SAID: words, CALLS: made}


def answering(results: Sequence[str]) -> Turn:
    """Return results of functions as a user's turn."""
    content = "\n".join(RESULT.format(result=result) for result in results)
    return {"role": "user", "content": content, SAID: "", RESULTS: list(results)}


def _both(first: str, second: str) -> str:
    return "\n\n".join(part for part in (first, second) if part.strip())


def joined(turns: Sequence[Turn]) -> Turns:
    """Join consecutive turns of one speaker into one turn. The joined turn is trained if each of them is."""
    made: Turns = []
    for turn in turns:
        if made and made[-1]["role"] == turn["role"]:
            before = made[-1]
            both = {**before, **turn, "content": f"{before['content']}\n\n{turn['content']}"}
            if SAID in both:
                both[SAID] = _both(*(str(each.get(SAID, each["content"])) for each in (before, turn)))
                both |= {name: before.get(name, []) + turn.get(name, []) for name in (CALLS, RESULTS) if name in both}
            made[-1] = both
        else:
            made.append(turn)
    return made


def trimmed(turns: Sequence[Turn]) -> Turns:
    """Return turns without the assistant's before the first exchange, and the user's after the last one."""
    made = list(turns)
    begin = 1 if made and made[0]["role"] == "system" else 0
    while len(made) > begin and made[begin]["role"] == "assistant":
        del made[begin]
    while made and made[-1]["role"] == "user":
        del made[-1]
    return made


def framed(row: Read, turns: Turns) -> Turns:
    """Return turns after the system's turn of a row, which includes the functions that can be called."""
    before = [row.text(name) for name in ("system", "system_prompt") if row.get(name)]
    if turns and turns[0]["role"] == "system":
        before.append(turns[0]["content"])
        turns = turns[1:]
    tools = next((row[name] for name in ("tools", "functions") if row.get(name)), None)
    words = "\n\n".join(part for part in before if part.strip())
    if tools:
        offered = offering(words, [_definition(whole(tool)) for tool in as_list(tools, "tools")])
        return [offered | {"content": words, SAID: ""} if "<tools>" in words else offered, *turns]
    return [{"role": "system", "content": words}, *turns] if words else turns


def _definition(tool: Any) -> Any:
    if not isinstance(tool, Mapping):
        raise Fault(f"not a function: tools has {short(tool)}, expected an object with its name and parameters")
    return tool


def calls_in(calls: Any, field: str) -> list[dict[str, Any]]:
    """Return names and arguments of calls. `calls` is a list in OpenAI's form or of name and arguments, or its JSON."""
    found = []
    for call in as_list(calls, field):
        call = whole(call)
        inner = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
            raise Fault(f"not a call: {field} has {short(call)}, expected a name and arguments")
        arguments = inner.get("arguments", inner.get("parameters", {}))
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments or "{}")
            except ValueError:
                raise Fault(f"not a call: the arguments of {inner['name']!r} in {field} are not JSON") from None
        found.append({"name": inner["name"], "arguments": arguments})
    return found


def read_turns(value: Any, field: str) -> Turns:
    """Read turns of `role` and `content`, or ShareGPT's `from` and `value`. Results of functions become user's turns.

    Results of several calls follow the order of the calls. Raises Fault for a value that is not a turn, for parts of
    `content` that are not text, and for results without a call.
    """
    if not isinstance(value, list):
        raise Fault(f"not a list of turns: field {field!r} is {short(value)}")
    turns: Turns = []
    results: list[tuple[str, str, str]] = []  # place, id of the call, and text of those that follow each other
    calls: list[str] = []  # ids of those that were not answered yet
    is_named = False

    def tell() -> None:
        if results:
            texts = _in_order(results, calls) if is_named else [text for _, _, text in results]
            turns.append(answering(texts))
            results.clear()
            calls.clear()

    for number, turn in enumerate(value):
        place = f"{field}[{number}]"
        if not isinstance(turn, Read):
            raise Fault(f"not a turn: {place} is {short(turn)}")
        made = _turn(turn, place)
        if made["role"] == TOOL:
            _, texts = _tagged(made["content"], "tool_response")
            name = str(turn.get("tool_call_id") or "")
            results += [(place, name, text) for text in texts or [made["content"]]]
            continue
        tell()
        turns.append(made)
        called = turn["tool_calls"] if isinstance(turn.get("tool_calls"), list) else []
        calls += [str(call.get("id") or "") for call in called if isinstance(call, Mapping)]
        is_named |= any(calls)
    tell()
    return turns


def _in_order(results: Sequence[tuple[str, str, str]], calls: Sequence[str]) -> list[str]:
    """Return the texts of results in the order of their calls, because the ids of calls are not written.

    Results keep their order if ids are missing, or if two calls have the same id. Raises Fault for a result without a
    call, and if a result would be read as the result of another call.
    """
    answered: dict[int, str] = {}
    for place, name, _ in results:
        if name and name not in calls and (all(calls) or not calls):
            others = f"the calls before it are {', '.join(map(repr, calls))}" if calls else "there is none before it"
            raise Fault(f"a result of no call: {place} answers {name!r:.40}, and {others:.200}")
    if not all(name for _, name, _ in results) or not all(calls) or len({*calls}) < len(calls):
        return [text for _, _, text in results]
    for place, name, text in results:
        number = calls.index(name)
        if number in answered:
            raise Fault(f"two results of one call: {place} answers {name!r:.40} again")
        answered[number] = text
    if missing := [number for number in range(max(answered)) if number not in answered]:
        raise Fault(
            f"a call without its result: {calls[missing[0]]!r:.40}. The later result of {calls[max(answered)]!r:.40} "
            "would be read as its result"
        )
    return [answered[number] for number in sorted(answered)]


def _turn(turn: Read, place: str) -> Turn:
    role, content = (next((turn[name] for name in names if name in turn), None) for names in (_ROLE, _CONTENT))
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise Fault(
            f"unknown role: {place} has {short(role)}, expected one of {', '.join(ROLES)}; `roles` says who it is"
        )
    if turn.get("prefix"):
        raise Fault(f"unfinished turn: {place} is a prefix, which nothing completes")
    role = role.lower()
    if ROLES[role.lower()] == TOOL and isinstance(content, Read | list) and not _is_parts(content):
        content = json.dumps(whole(content), ensure_ascii=False)
    text, calls = _content(content, place), list[dict[str, Any]]()
    if role == "function_call":
        text, calls = "", calls_in(text if text.lstrip().startswith("[") else f"[{text}]", place)
    for name in ("tool_calls", "function_call"):
        if turn.get(name):
            calls += calls_in(turn[name] if isinstance(turn[name], list) else [turn[name]], f"{place}.{name}")
    if ROLES[role] == "assistant" and not calls:
        text, calls = _called(text, place)
    made: Turn = {"role": ROLES[role], "content": text}
    if calls:
        made |= {name: value for name, value in calling(text, calls).items() if name != "role"}
    thought = next((turn[name] for name in REASONING if turn.get(name)), None)
    if thought:
        made |= {name: with_thoughts(as_text(thought, place), made[name]) for name in ("content", SAID) if name in made}
    if made["role"] == "assistant" and any(name in turn and turn[name] in (0, False) for name in TRAINED):
        made["weight"] = 0
    for name in TRAINED:
        if name in turn and turn[name] not in (0, 1, None):
            raise Fault(f"no weight: {place}.{name} is {short(turn[name])}, expected 0 or 1")
    return made


def _tagged(text: str, name: str) -> tuple[str, list[str]]:
    """Return the words of a text, and each part in tags after them. If words follow a tag, return all as words."""
    words, *rest = text.split(f"<{name}>")
    parts = [part.partition(f"</{name}>") for part in rest]
    if not all(end and not behind.strip() for _, end, behind in parts):
        return text, []
    return words.strip() if parts else text, [inside.strip() for inside, _, _ in parts]


def _called(text: str, place: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the words of an answer and the calls that it has as text, written as JSON or as Python writes objects.

    An answer with a call that cannot be read stays as it is written.
    """
    words, parts = _tagged(text, "tool_call")
    try:
        calls = [json.loads(part) if '"name"' in part else ast.literal_eval(part) for part in parts]
        return words, calls_in(calls, place)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # a Fault is a ValueError
        return text, []


_ROLE, _CONTENT = ("role", "from"), ("content", "value", "text")


def _content(content: Any, place: str) -> str:
    if not isinstance(content, list):
        return as_text(content if content is not None else "", f"{place}.content")
    text = ""
    for part in content:
        more = _part(part, f"{place}.content")
        apart = text and more and not (text[-1].isspace() or more[0].isspace())
        text += f"\n{more}" if apart else more
    return text


def _is_parts(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(part, Read) and "type" in part for part in content)


def _part(part: Any, place: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type", "text") if isinstance(part, Read) else None
    if not isinstance(part, Read) or kind not in ("text", "input_text", "output_text"):
        raise Fault(f"no text: {place} has a part of type {kind or short(part)}")
    return as_text(part.get("text") or "", f"{place}.text")


def transcript(text: Any, marks: Mapping[str, str]) -> Turns:
    """Return the turns of a text. A mark such as "Human:" begins each turn. Empty if the text begins without a mark."""
    names = "|".join(map(re.escape, marks))
    if not isinstance(text, str) or not re.match(rf"\s*(?:{names})", text):
        return []
    pieces = re.split(rf"(?:^|(?<!\n)\n\n)\s*+({names})", text.lstrip())[1:]
    return [
        {"role": marks[mark], "content": words.strip()} for mark, words in zip(pieces[::2], pieces[1::2], strict=True)
    ]


HUMAN: Mapping[str, str] = {"Human:": "user", "Assistant:": "assistant"}
"""Marks of turns in Anthropic's HH-RLHF."""
