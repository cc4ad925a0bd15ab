"""Validated requests, and the JSON of answers. Names and structure follow OpenAI's API reference."""

from __future__ import annotations

import base64
import json
import secrets
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from lmworks.data.forms.turns import Turn, answering, calling, offering
from lmworks.engines.protocol import Answer, Classified, Embedded, Tagged
from lmworks.engines.request import Piece, Sampling
from lmworks.pipeline.files import DuplicateKey, without_duplicates
from lmworks.serve.errors import ApiError
from lmworks.tokens.calls import Call, Calling

MAX_CHOICES = 8
"""Maximum number of answers to one prompt."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _either(words: str) -> WrapValidator:
    """Return a validator that gives one error message for a field of several types, instead of one per type."""

    def check(value: object, handler: Callable[[object], object]) -> object:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("either", "expected {words}", {"words": words}) from None

    return WrapValidator(check)


Seconds = Annotated[float | None, Field(gt=0, description="Time limit of the answer in seconds. Not in OpenAI's API.")]


class StreamOptions(_Strict):
    """Options of a streamed answer."""

    include_usage: bool = False


class Parameters(_Strict):
    """Fields that chat and completion requests share. Null means the default."""

    thoughts_apart: ClassVar[bool] = False
    """Whether a model's thoughts are returned separately from the answer."""

    @property
    def functions(self) -> Sequence[Tool]:
        """Functions that may be called."""
        return ()

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=0, lt=2**31, description="Not part of OpenAI's API, but common.")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[str | list[str] | None, _either("at most 4 strings, none of them empty")] = None
    presence_penalty: float | None = Field(None, ge=0, le=0)
    frequency_penalty: float | None = Field(None, ge=0, le=0)
    timeout_seconds: Seconds = None
    user: str | None = Field(None, description="Accepted, because many clients send it. Not used and not logged.")

    def samplings(self, max_tokens: int) -> list[Sampling]:
        """Return the sampling of each of the `n` answers. Each has its own seed, derived from the request's seed."""
        if self.stream_options and not self.stream:
            raise ApiError(400, "stream_options: only with stream set to true", param="stream_options")
        seed = secrets.randbits(63) if self.seed is None else self.seed
        temperature = 1.0 if self.temperature is None else self.temperature
        top_p = 1.0 if self.top_p is None else self.top_p
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if len(stops) > 4 or "" in stops:
            raise ApiError(400, "stop: expected at most 4 strings, none of them empty", param="stop")
        how: Any = {"thoughts_apart": self.thoughts_apart, "calls": bool(self.functions)}
        return [
            Sampling(max_tokens, temperature, top_p, self.top_k or 0, seed + index, stops, **how)
            for index in range(self.n or 1)
        ]


class TextPart(_Strict):
    """A part of a message. This server accepts only text."""

    type: Literal["text"]
    text: str


class CalledFunction(_Strict):
    """Name and arguments of a called function."""

    name: str
    arguments: str


class ToolCall(_Strict):
    """A function call in an assistant's turn."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class Function(_Strict):
    """Description of a function that the model can call."""

    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: Literal[False] | None = None


class Tool(_Strict):
    """A tool that the model can call: always a function."""

    type: Literal["function"]
    function: Function


TEXT = "a string or a list of parts of type text"


class Message(_Strict):
    """One turn of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | list[TextPart] | None, _either(TEXT)] = None
    refusal: None = None
    reasoning_content: str | None = Field(
        None, description="Thoughts before an assistant's answer. Not part of OpenAI's API."
    )
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    def turn(self, place: str) -> Turn:
        """Return the turn as the chat template reads it. Raises `ApiError` 400 if a field does not fit the role."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content or ())
        if self.content is None and not self.tool_calls:
            what = f"expected {TEXT}" if "content" in self.model_fields_set else "field required"
            raise _wrong(f"{place}.content", what)
        if self.tool_calls and self.role != "assistant":
            raise _wrong(f"{place}.tool_calls", "allowed only for role assistant")
        if (self.tool_call_id is None) == (self.role == "tool"):
            raise _wrong(f"{place}.tool_call_id", "field required" if self.role == "tool" else "only for role tool")
        turn: Turn = {"role": "system" if self.role == "developer" else self.role, "content": content}
        if self.tool_calls:
            calls = [
                {"name": call.function.name, "arguments": _arguments(call, f"{place}.tool_calls[{number}]")}
                for number, call in enumerate(self.tool_calls)
            ]
            turn = calling(content, calls)
        thoughts = self.reasoning_content if self.role == "assistant" else None
        return turn if thoughts is None else {**turn, "reasoning_content": thoughts}


def _wrong(param: str, what: str) -> ApiError:
    return ApiError(400, f"{param}: {what}", param=param)


def _arguments(call: ToolCall, place: str) -> dict[str, Any]:
    try:
        found = json.loads(call.function.arguments, object_pairs_hook=without_duplicates)
    except DuplicateKey as error:
        raise _wrong(f"{place}.function.arguments", f"names {error} twice in one object") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _wrong(f"{place}.function.arguments", "expected a JSON object as a string")
    return found


class ChatRequest(Parameters):
    """POST /v1/chat/completions"""

    thoughts_apart = True
    messages: list[Message] = Field(min_length=1)
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    parallel_tool_calls: Literal[True] | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)

    @property
    def functions(self) -> Sequence[Tool]:
        """Functions that may be called."""
        return () if self.tool_choice == "none" else self.tools or ()

    def turns(self) -> list[Turn]:
        """Return the turns for the chat template, results in the order of calls. Raises `ApiError` for misfits."""
        turns, results = list[Turn](), dict[str, str]()
        calls: list[str] = []  # those without a result
        for number, message in enumerate(self.messages):
            place = f"messages[{number}]"
            turn = message.turn(place)
            if message.role == "tool":
                name = message.tool_call_id or ""
                if name not in calls or name in results:
                    raise _wrong(f"{place}.tool_call_id", f"no earlier call {name[:40]!r} waits for a result")
                results[name] = turn["content"]
                if len(results) == len(calls):
                    turns.append(answering([results[call] for call in calls]))
                    calls, results = [], {}
                continue
            if calls:
                break
            calls = [call.id for call in message.tool_calls or ()]
            turns.append(turn)
        if calls:
            raise _wrong(place, f"the call {next(each for each in calls if each not in results)[:40]!r} has no result")
        if tools := [tool.model_dump(exclude_unset=True) for tool in self.functions]:
            has_system = turns[:1] and turns[0]["role"] == "system"
            turns[: int(bool(has_system))] = [offering(turns[0]["content"] if has_system else "", tools)]
        return turns

    def limit(self) -> int | None:
        """Return the maximum number of tokens of the answer, if the request states it."""
        if self.max_tokens and self.max_completion_tokens:
            raise ApiError(
                400, "max_tokens is the old name of max_completion_tokens; set one of them", param="max_tokens"
            )
        return self.max_tokens or self.max_completion_tokens


class CompletionRequest(Parameters):
    """POST /v1/completions"""

    prompt: Annotated[
        str | list[str] | list[int] | list[list[int]],
        _either("a string, a list of strings, a list of token ids or a list of such lists"),
    ]
    max_tokens: int | None = Field(None, ge=1)

    def prompts(self) -> list[str | list[int]]:
        """Return each prompt, as text or as token ids."""
        one = isinstance(self.prompt, str) or (self.prompt and isinstance(self.prompt[0], int))
        return cast("list[str | list[int]]", [self.prompt] if one else self.prompt)


class TextsRequest(_Strict):
    """POST /v1/classify, /v1/extract"""

    model: str
    input: Annotated[str | list[str], _either("a string or a list of strings")]
    timeout_seconds: Seconds = None
    user: str | None = Field(None, description="Accepted, because many clients send it. Not used and not logged.")

    def texts(self) -> list[str]:
        """Return the texts as a list."""
        return [self.input] if isinstance(self.input, str) else self.input

    def described(self, index: int, answer: Answer) -> dict[str, Any]:
        """Return the JSON of one answer. `truncated` states whether the end of the text was not read."""
        if isinstance(answer, Classified):
            found: dict[str, Any] = {"object": "classification", "label": answer.label}
            found |= {"probability": answer.probability, "probabilities": dict(answer.probabilities)}
        elif isinstance(answer, Tagged):
            text = self.texts()[index]
            spans = [
                {"label": label, "start": start, "end": end, "text": text[start:end]}
                for label, start, end in answer.spans
            ]
            found = {"object": "extraction", "spans": spans}
        else:
            raise TypeError(f"{type(answer).__name__} is not an answer to a text")
        return {"index": index, "truncated": answer.is_cut, **found}


class EmbeddingsRequest(TextsRequest):
    """POST /v1/embeddings"""

    encoding_format: Literal["float", "base64"] = "float"

    def described(self, index: int, answer: Answer) -> dict[str, Any]:
        """Return the JSON of one answer. In base64, the numbers are little-endian float32."""
        assert isinstance(answer, Embedded)  # noqa: S101 - asked for them alone
        vector: Any = list(answer.vector)
        if self.encoding_format == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        return {"index": index, "truncated": answer.is_cut, "object": "embedding", "embedding": vector}


Body = TypeVar("Body", bound=_Strict)


def read(kind: type[Body], body: bytes) -> Body:
    """Parse and validate a request body. Raises `ApiError` 400, which names the parameter that is wrong."""
    try:
        found = kind.model_validate_json(body)
        json.loads(
            body, object_pairs_hook=without_duplicates, parse_int=str
        )  # the line above takes the last of several
        return found
    except DuplicateKey as error:
        raise ApiError(
            400, f"the body names {error} twice in one object. Leave one of them out", code="duplicate_key"
        ) from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
    if fault["type"] == "json_invalid":
        raise ApiError(400, f"the body is not JSON: {fault['ctx']['error']}") from None
    param = _param(fault["loc"])
    if fault["type"] == "extra_forbidden":
        names = ", ".join(sorted(kind.model_fields))
        raise ApiError(
            400, f"unknown parameter: {param}; known parameters: {names}", param=param, code="unknown_parameter"
        )
    raise ApiError(400, f"{param or 'body'}: {fault['msg'][0].lower()}{fault['msg'][1:]}", param=param)


def _param(location: Sequence[str | int]) -> str | None:
    """Return a location in the form `messages[0].content`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)[1:] or None


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return the token counts. The tokens of a prompt count once, even if it has several answers."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


@dataclass
class Said:
    """An answer, or the next part of a streamed answer."""

    text: str = ""
    thoughts: str | None = None
    calls: Sequence[Call] = ()
    reason: str | None = None
    """Reason why the answer ended. None while it goes on."""

    def add(self, piece: Piece, reader: Calling | None) -> Self:
        """Add the next piece, and return self. If there is a reader, it parses function calls in the text."""
        text, ended = piece.text, piece.finish_reason
        if reader:
            text = reader.add(text)
            if ended:
                more, self.calls = reader.finish()
                text += more
        self.text += text
        self.thoughts = piece.thoughts if self.thoughts is None else self.thoughts + (piece.thoughts or "")
        self.reason = "tool_calls" if ended and self.calls else ended
        return self

    def more(self, in_stream: bool) -> dict[str, Any]:
        """Return fields for thoughts (as in DeepSeek's API) and function calls. In a stream, calls have an index."""
        found: dict[str, Any] = {} if self.thoughts is None else {"reasoning_content": self.thoughts}
        calls = [
            ({"index": number} if in_stream else {})
            | {"id": f"call_{secrets.token_hex(12)}", "type": "function"}
            | {"function": {"name": call["name"], "arguments": json.dumps(call["arguments"], ensure_ascii=False)}}
            for number, call in enumerate(self.calls)
        ]
        return found | ({"tool_calls": calls} if calls else {})


class ChatShape:
    """The JSON of a chat answer."""

    object, chunk_object, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl-"

    @staticmethod
    def choice(index: int, said: Said) -> dict[str, Any]:
        content = None if said.calls and not said.text else said.text
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        message |= said.more(in_stream=False)
        return {"index": index, "message": message, "logprobs": None, "finish_reason": said.reason}

    @staticmethod
    def delta(index: int, said: Said, first: bool) -> dict[str, Any]:
        """Return the JSON of the next part of an answer. The first part also has the role."""
        delta: dict[str, Any] = {"role": "assistant"} if first else {}
        if said.text or first:
            delta["content"] = said.text
        delta |= said.more(in_stream=True)
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": said.reason}


class CompletionShape:
    """The JSON of a completion, whole or in parts."""

    object, chunk_object, prefix = "text_completion", "text_completion", "cmpl-"

    @staticmethod
    def choice(index: int, said: Said) -> dict[str, Any]:
        return {"index": index, "text": said.text, "logprobs": None, "finish_reason": said.reason}

    @classmethod
    def delta(cls, index: int, said: Said, first: bool) -> dict[str, Any]:
        return cls.choice(index, said)


Shape = type[ChatShape] | type[CompletionShape]
