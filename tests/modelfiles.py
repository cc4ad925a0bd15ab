"""What Ollama reads in a Modelfile and sends for a chat, as `parser/parser.go` and `template/template.go` have it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

INSTRUCTIONS = ("from", "license", "template", "system", "adapter", "parameter", "message")


def parse(text: str) -> list[tuple[str, str]]:
    """The instructions by name, those of parameters by theirs; ValueError for what Ollama refuses."""
    found: list[tuple[str, str]] = []
    state, name, buffer = "nil", "", ""
    for rune in text:
        following, kept = _step(state, rune)
        if following != state:
            if state == "name":
                name, following = _named(buffer), "parameter" if buffer.lower() == "parameter" else following
            elif state == "parameter":
                name = buffer
            elif state == "value":
                value = _unquoted(buffer.strip())
                if value is None or kept in (" ", "\t"):
                    buffer += kept
                    continue
                found.append((name, value))
            buffer, state = "", following
        if kept.isprintable():
            buffer += kept
    if state == "value":
        if (value := _unquoted(buffer.strip())) is None:
            raise ValueError("unexpected end")
        found.append((name, value))
    elif state != "nil" and state != "comment":
        raise ValueError("unexpected end")
    if "from" not in dict(found):
        raise ValueError("no FROM line")
    return found


def _step(state: str, rune: str) -> tuple[str, str]:
    space, newline = rune in " \t", rune in "\r\n"
    if state == "nil":
        return ("comment", "") if rune == "#" else ("nil", "") if space or newline else ("name", rune)
    if state == "comment":
        return ("nil" if newline else "comment"), ""
    if state == "value":
        return ("nil" if space or newline else "value"), rune
    if space:
        return "value", ""
    if not (rune.isascii() and (rune.isalpha() or (state == "parameter" and (rune.isdigit() or rune == "_")))):
        raise ValueError(f"{rune!r} in the {state} of an instruction")
    return state, rune


def _named(word: str) -> str:
    if word.lower() not in INSTRUCTIONS:
        raise ValueError(f"command must be one of …: {word}")
    return word.lower()


def _unquoted(value: str) -> str | None:
    for quotes in ('"""', '"'):
        if value.startswith(quotes):
            size = len(quotes)
            return value[size:-size] if len(value) >= 2 * size and value.endswith(quotes) else None
    return value


def sent(said: Sequence[tuple[str, str]], turns: Sequence[Mapping[str, Any]]) -> str:
    """The text that a chat becomes; a system's turn of the Modelfile leads one that has none."""
    facts = dict(said)
    if facts.get("system") and turns[0]["role"] != "system":
        turns = [{"role": "system", "content": facts["system"]}, *turns]
    nodes = re.split(r"\{\{ (.*?) \}\}", facts["template"])
    return _run(nodes, {"Messages": turns, "Prompt": turns[-1]["content"]})[0]


def _run(nodes: list[str], data: Mapping[str, Any], shown: bool = True) -> tuple[str, list[str]]:
    """Text and actions by turns, up to the `end` or `else` of what they stand in; what is left begins with that."""
    text = ""
    while nodes:
        words, *nodes = nodes
        text += words if shown else ""
        if not nodes or nodes[0] == "end" or nodes[0].startswith("else"):
            return text, nodes
        action, *nodes = nodes
        if action == "range .Messages":
            body = nodes
            for turn in data["Messages"]:
                made, nodes = _run(body, {"Role": turn["role"], "Content": turn["content"]})
                text += made
            nodes = nodes[1:]
        elif action.startswith("if "):
            made, nodes = _branches(action, nodes, data, shown)
            text += made
        elif shown:
            text += data[action.removeprefix(".")]
    return text, nodes


def _branches(action: str, nodes: list[str], data: Mapping[str, Any], shown: bool) -> tuple[str, list[str]]:
    """What the first branch that holds says."""
    text, taken = "", not shown
    while True:
        asked = re.fullmatch(r'(?:else )?if eq \.Role "(\w+)"', action)
        if asked is None:
            raise ValueError(action)
        holds = not taken and data["Role"] == asked[1]
        made, nodes = _run(nodes, data, holds)
        text, taken = text + made, taken or holds
        action, *nodes = nodes
        if action == "end":
            return text, nodes
