"""What is not answered, and in which words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from live_server import ASK, CHAT, KEY, MODEL, Live, serving
from lmworks.engines.open import open_decoder
from lmworks.serve.app import Routes

JSON = {"Content-Type": "application/json"}


def error_of(response: Any) -> dict[str, Any]:
    """The error, which must have OpenAI's shape whatever went wrong."""
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["type"] in ("invalid_request_error", "server_error")
    assert error["code"] is None or isinstance(error["code"], str)
    return error


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
WRONG = {**CALL, "function": {"name": "f", "arguments": "["}}


@pytest.mark.parametrize(
    ("change", "param", "word"),
    [
        ({"max_token": 5}, "max_token", "unknown parameter"),
        ({"logprobs": True}, "logprobs", "unknown parameter"),
        ({"temperature": 9}, "temperature", "less than or equal to 2"),
        ({"temperature": "1"}, "temperature", "number"),
        ({"top_p": -0.1}, "top_p", "greater than"),
        ({"max_tokens": 0}, "max_tokens", "greater than"),
        ({"max_tokens": 1.5}, "max_tokens", "integer"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", "old name"),
        ({"n": 9}, "n", "less than or equal to 8"),
        ({"n": True}, "n", "integer"),
        ({"seed": 2**63}, "seed", "less than"),
        ({"top_k": 10**400}, "top_k", "less than"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
        ({"stop": ""}, "stop", "none of them empty"),
        ({"stop": 5}, "stop", "string"),
        ({"presence_penalty": 0.5}, "presence_penalty", "less than"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only with stream"),
        ({"stream_options": {"usage": True}}, "stream_options.usage", "unknown parameter"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": "hi"}, "messages", "array"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role", "'assistant' or 'tool'"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", "required"),
        (
            {"messages": [{"role": "tool", "content": "x", "tool_call_id": "z"}]},
            "messages[0].tool_call_id",
            "no earlier call 'z'",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "messages[0]", "the call 'a' has no result"),
        (
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "["}}]}
                ]
            },
            "messages[0].tool_calls[0].function.arguments",
            "a JSON object",
        ),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]}, "messages[0].tool_calls", "assistant"),
        ({"tools": [{"type": "search"}]}, "tools[0].type", "'function'"),
        ({"tool_choice": "required"}, "tool_choice", "'auto' or 'none'"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "string"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
            "parts of type text",
        ),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "required"),
        ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages[0].name", "unknown parameter"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(live: Live, change: dict[str, Any], param: str, word: str) -> None:
    with live.http() as http:
        response = http.post("/v1/chat/completions", json=CHAT | change)
    error = error_of(response)
    assert (response.status_code, error["param"]) == (400, param)
    assert word in error["message"]
    if word == "unknown parameter":
        assert error["code"] == "unknown_parameter"


@pytest.mark.parametrize("body", [{"prompt": ["a"] * 1_000}, {"prompt": [[1]] * 60, "n": 8}])
def test_too_many_prompts_are_refused_before_any_is_encoded(
    live: Live, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[object]()
    monkeypatch.setattr(Routes, "_encode", lambda _, prompt: asked.append(prompt) or [1])
    with live.http() as http:
        response = http.post("/v1/completions", json={"model": MODEL, **body})
    assert response.status_code == 400 and "answers in one request" in error_of(response)["message"]
    assert not asked


def test_null_means_the_default(live: Live) -> None:
    names = "max_completion_tokens stream stream_options n temperature top_p seed stop user presence_penalty"
    with live.http() as http:
        body = CHAT | dict.fromkeys(names.split()) | {"max_tokens": 1}
        assert http.post("/v1/chat/completions", json=body).status_code == 200


def test_the_client_raises_its_own_errors(live: Live, client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as unauthorised:
        live.client(api_key="wrong").models.list()
    assert unauthorised.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(**(ASK | {"model": "gpt-9"}))
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(**ASK, extra_body={"zzz": 1})
    assert bad.value.param == "zzz"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"model": ' + b'{"a":' * 100_000,
        b'{"model": "m", "messages": [], "temperature": NaN}',
        b'{"model": "m", "messages": [], "temperature": Infinity}',
        b'{"model": "m", "messages": [], "seed": 1' + b"0" * 5000 + b"}",
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}]}',
    ],
    ids=lambda body: body[:60].decode(errors="replace"),
)
def test_bodies_that_are_no_request(live: Live, body: bytes) -> None:
    with live.http() as http:
        response = http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    error_of(response)


def test_other_failures_have_the_same_shape(live: Live) -> None:
    with live.http() as http:
        for response, status in (
            (http.get("/v1/nothing"), 404),
            (http.get("/docs"), 404),
            (http.get("/openapi.json"), 404),
            (http.get("/v1/models/"), 404),
            (http.get("/v1/chat/completions"), 405),
            (http.delete("/v1/models"), 405),
            (http.post("/v1/completions", content=b"{}", headers={"Content-Type": "text/plain"}), 415),
            (http.post("/v1/completions", json={"model": MODEL, "prompt": []}), 400),
            (http.post("/v1/completions", json={"model": MODEL, "prompt": 5}), 400),
            (http.post("/v1/completions", json={"model": MODEL, "prompt": [1, "a"]}), 400),
            (http.post("/v1/completions", json={"model": MODEL, "prompt": [[]]}), 400),
            (http.post("/v1/completions", json={"model": MODEL, "prompt": [320]}), 400),
            (http.post("/v1/completions", json={"model": MODEL, "prompt": [-1]}), 400),
            (http.post("/v1/completions", json={"model": MODEL, "prompt": ["a"] * 81}), 400),
            (http.get("/page/../../../etc/passwd"), 404),
            (http.get("/page/..%2f..%2fapp.py"), 404),
        ):
            assert response.status_code == status, response.request.url
            error_of(response)
        assert http.get("/v1/chat/completions").headers["allow"] == "POST"


def test_a_long_body_is_refused_before_it_is_read(live: Live) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(17):
            yield b" " * (1 << 16)

    headers = {"Content-Type": "application/json"}
    with live.http() as http:
        said = http.post("/v1/chat/completions", content=b" " * ((1 << 20) + 1), headers=headers)
        chunked = http.post("/v1/chat/completions", content=endless(), headers=headers)
        fits = http.post("/v1/chat/completions", content=b" " * (1 << 20), headers=headers)
    assert (said.status_code, chunked.status_code, fits.status_code) == (413, 413, 400)
    error_of(said)
    error_of(chunked)


def test_a_fault_of_ours_is_a_500_and_tells_nothing(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*values: Any, **named: Any) -> Any:
        raise RuntimeError(f"secret {KEY}")

    monkeypatch.setattr(live.service.engine.tokenizer, "encode_chat", broken)
    with live.http() as http:
        response = http.post("/v1/chat/completions", json=CHAT)
    assert response.status_code == 500
    assert KEY not in response.text
    assert error_of(response)["type"] == "server_error"


def test_a_model_whose_template_goes_on_for_ever_fails_on_its_request_alone(
    model_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer_config.json"
    config = json.loads(path.read_text())
    loops = "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}"
    config["chat_template"] += "{% if messages|length > 4 %}" + loops + "{% endif %}"
    path.write_text(json.dumps(config))
    turn = {"role": "user", "content": "Hello"}
    with serving(open_decoder(tmp_path / "model")) as live, live.http() as http:
        long = http.post("/v1/chat/completions", json={"model": MODEL, "messages": [turn] * 5, "max_tokens": 2})
        assert (long.status_code, long.json()["error"]["type"]) == (500, "server_error")
        assert str(tmp_path) not in long.text
        short = http.post("/v1/chat/completions", json={"model": MODEL, "messages": [turn], "max_tokens": 2})
        assert short.status_code == 200
    assert "tokenizer_config.json: chat_template: it takes more than" in caplog.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", '{"model": "m", "messages": [{"role": "user", "role": "system", "content": "x"}]}'),
        ("chat/completions", '{"max_tokens": 1, "model": "m", "messages": [], "max_tokens": 1000}'),
        ("completions", '{"model": "m", "prompt": "x", "prompt": "y"}'),
        ("embeddings", '{"model": "m", "input": "x", "input": "y"}'),
    ],
)
def test_a_name_twice_in_one_object_is_refused(live: Live, path: str, body: str) -> None:
    """Of several values, one reader takes the first and another the last: a proxy may have checked the other one."""
    with live.http() as http:
        told = http.post(f"/v1/{path}", content=body.replace('"m"', f'"{MODEL}"'), headers=JSON)
    assert told.status_code == 400, told.text
    if "[]" not in body:
        assert told.json()["error"]["code"] == "duplicate_key"
