"""Functions that a served model may call: in the form of OpenAI's API outside, in the template's own inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chat_families import write_family
from live_server import MODEL, serving
from scripted import Script
from tiny import make_tiny_model

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "rain", "description": "Rain?", "parameters": {"type": "object"}}}
]
CALL = '<tool_call>\n{"name": "rain", "arguments": {"city": "Ulm", "days": [1, 2]}}\n</tool_call>'
CALLS: dict[str, tuple[str, str]] = {
    "qwen-3": (f"<think>\nI look.\n</think>\n\nA moment.\n{CALL}\n{CALL}", "<tool_response>\nwet\n</tool_response>"),
    "mistral-v0.3": (
        '[TOOL_CALLS] [{"name": "rain", "arguments": {"city": "Ulm", "days": [1, 2]}, "id": "000000000"}]',
        '[TOOL_RESULTS] {"content": wet, "call_id": "call00000"}[/TOOL_RESULTS]',
    ),
    "own": (CALL, "<tool_response>\nwet\n</tool_response>"),
}
"""What a model writes, and how it is told of a result."""


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("stream", [False, True])
def test_calls_are_handed_on_and_results_told(name: str, stream: bool, tmp_path: Path) -> None:
    folder = (
        make_tiny_model(tmp_path / name, context_length=2048) if name == "own" else write_family(tmp_path / name, name)
    )
    written, told = CALLS[name]
    engine = Script(folder, written, "It rains.")
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Rain in Ulm?"}]
    with serving(engine) as live:
        client: Any = live.client().chat.completions
        asked = {"model": MODEL, "messages": messages, "tools": TOOLS}
        if stream:
            chunks = [chunk.choices[0] for chunk in client.create(**asked, stream=True)]
            words = "".join(chunk.delta.content or "" for chunk in chunks)
            calls = [call for chunk in chunks for call in chunk.delta.tool_calls or ()]
            assert [call.index for call in calls] == list(range(len(calls)))
            reason = chunks[-1].finish_reason
            turn = {"role": "assistant", "content": words or None}
            turn["tool_calls"] = [call.model_dump(exclude={"index"}) for call in calls]
        else:
            (choice,) = client.create(**asked).choices
            turn, reason = choice.message, choice.finish_reason
            words, calls = choice.message.content or "", choice.message.tool_calls
        assert reason == "tool_calls" and words == ("A moment." if name == "qwen-3" else "")
        assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Ulm", "days": [1, 2]}] * len(calls)
        assert len(calls) == 1 + (name == "qwen-3") and len({call.id for call in calls}) == len(calls)
        results = [{"role": "tool", "tool_call_id": call.id, "content": "wet"} for call in reversed(calls)]
        answer = client.create(**{**asked, "messages": [*messages, turn, *results]}).choices[0]
        assert (answer.message.content, answer.finish_reason, answer.message.tool_calls) == ("It rains.", "stop", None)
    assert '"rain"' in engine.asked[0] and told in engine.asked[1]


def test_without_functions_an_answer_is_what_was_written(tmp_path: Path) -> None:
    engine = Script(write_family(tmp_path / "qwen-3", "qwen-3"), CALL)
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Rain?"}]}
    others = [{"type": "function", "function": {"name": "snow"}}]
    with serving(engine) as live, live.http() as http:
        for more in ({}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": others}):
            (choice,) = http.post("/v1/chat/completions", json={**asked, **more}).json()["choices"]
            assert (choice["message"]["content"], choice["finish_reason"]) == (CALL, "stop")
            assert "tool_calls" not in choice["message"]
    assert "# Tools" not in engine.asked[0] + engine.asked[1] and "snow" in engine.asked[2]


def test_a_template_that_takes_no_functions_is_said_so(tmp_path: Path) -> None:
    called = {"id": "a", "type": "function", "function": {"name": "rain", "arguments": "{}"}}
    ask = {"role": "user", "content": "Rain?"}
    chat = [ask, {"role": "assistant", "tool_calls": [called]}, {"role": "tool", "tool_call_id": "a", "content": "wet"}]
    with serving(Script(write_family(tmp_path / "gemma-2", "gemma-2"), "x")) as live, live.http() as http:
        for more, param in (({"messages": [ask], "tools": TOOLS}, "tools"), ({"messages": chat}, "messages")):
            answer = http.post("/v1/chat/completions", json={"model": MODEL, **more})
            assert answer.status_code == 400 and answer.json()["error"]["param"] == param
            assert "takes no functions" in answer.json()["error"]["message"]
