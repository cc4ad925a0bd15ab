"""What requests may say, checked, and the JSON of the answers. Names and shapes are those of OpenAI's API reference."""

from __future__ import annotations

import base64
import secrets
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from lmworks.engines.protocol import Answer, Classified, Embedded, Tagged
from lmworks.engines.request import Piece, Sampling
from lmworks.serve.errors import ApiError

MAX_CHOICES = 8
"""Answers to one prompt."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _either(words: str) -> WrapValidator:
    """For a field of several types: one fault in words, not one a type."""

    def check(value: object, handler: Callable[[object], object]) -> object:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("either", "expected {words}", {"words": words}) from None

    return WrapValidator(check)


Seconds = Annotated[float | None, Field(gt=0, description="not OpenAI's: at the most, the answer takes these")]


class StreamOptions(_Strict):
    """How an answer is streamed."""

    include_usage: bool = False


class Parameters(_Strict):
    """What both kinds of request have. Null means the default."""

    thoughts_apart: ClassVar[bool] = False
    """Whether thoughts stand beside the answer."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=0, description="not OpenAI's, but common")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[str | list[str] | None, _either("at most 4 strings, none of them empty")] = None
    presence_penalty: float | None = Field(None, ge=0, le=0)
    frequency_penalty: float | None = Field(None, ge=0, le=0)
    timeout_seconds: Seconds = None
    user: str | None = Field(None, description="taken, since many clients send it; not used and not logged")

    def samplings(self, max_tokens: int) -> list[Sampling]:
        """How each of the `n` answers is drawn: the same seed gives the same n answers, all different."""
        if self.stream_options and not self.stream:
            raise ApiError(400, "stream_options: only with stream set to true", param="stream_options")
        seed = secrets.randbits(63) if self.seed is None else self.seed
        temperature = 1.0 if self.temperature is None else self.temperature
        top_p = 1.0 if self.top_p is None else self.top_p
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if len(stops) > 4 or "" in stops:
            raise ApiError(400, "stop: expected at most 4 strings, none of them empty", param="stop")
        return [
            Sampling(max_tokens, temperature, top_p, self.top_k or 0, seed + index, stops, None, self.thoughts_apart)
            for index in range(self.n or 1)
        ]


class TextPart(_Strict):
    """A part of a message; this server reads text only."""

    type: Literal["text"]
    text: str


class Message(_Strict):
    """One turn of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str | list[TextPart], _either("a string or a list of parts of type text")]

    reasoning_content: str | None = Field(None, description="thoughts before an assistant's answer; not OpenAI's")

    def plain(self) -> dict[str, str]:
        """The turn as the chat template reads it."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        turn = {"role": "system" if self.role == "developer" else self.role, "content": content}
        thoughts = self.reasoning_content if self.role == "assistant" else None
        return turn if thoughts is None else {**turn, "reasoning_content": thoughts}


class ChatRequest(Parameters):
    """POST /v1/chat/completions"""

    thoughts_apart = True
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)

    def limit(self) -> int | None:
        """Tokens that the answer may have, if the request says."""
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
        """Each prompt, as text or as ids."""
        one = isinstance(self.prompt, str) or (self.prompt and isinstance(self.prompt[0], int))
        return cast("list[str | list[int]]", [self.prompt] if one else self.prompt)


class TextsRequest(_Strict):
    """POST /v1/classify, /v1/extract"""

    model: str
    input: Annotated[str | list[str], _either("a string or a list of strings")]
    timeout_seconds: Seconds = None
    user: str | None = Field(None, description="taken, since many clients send it; not used and not logged")

    def texts(self) -> list[str]:
        """Each text."""
        return [self.input] if isinstance(self.input, str) else self.input

    def described(self, index: int, answer: Answer) -> dict[str, Any]:
        """The JSON of one answer. Where the end of a text was not read, `truncated` says so."""
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
            raise TypeError(f"{type(answer).__name__} is no answer to a text")
        return {"index": index, "truncated": answer.is_cut, **found}


class EmbeddingsRequest(TextsRequest):
    """POST /v1/embeddings"""

    encoding_format: Literal["float", "base64"] = "float"

    def described(self, index: int, answer: Answer) -> dict[str, Any]:
        """The JSON of one answer; in base64, the numbers are float32, the low byte first."""
        assert isinstance(answer, Embedded)  # noqa: S101 - asked for them alone
        vector: Any = list(answer.vector)
        if self.encoding_format == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        return {"index": index, "truncated": answer.is_cut, "object": "embedding", "embedding": vector}


Body = TypeVar("Body", bound=_Strict)


def read(kind: type[Body], body: bytes) -> Body:
    """Check a body. Raises `ApiError` 400, which names the parameter, for whatever is wrong with it."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
    if fault["type"] == "json_invalid":
        raise ApiError(400, f"the body is not JSON: {fault['ctx']['error']}") from None
    param = _param(fault["loc"])
    if fault["type"] == "extra_forbidden":
        names = ", ".join(sorted(kind.model_fields))
        raise ApiError(
            400, f"unknown parameter: {param}; this server takes {names}", param=param, code="unknown_parameter"
        )
    raise ApiError(400, f"{param or 'body'}: {fault['msg'][0].lower()}{fault['msg'][1:]}", param=param)


def _param(location: Sequence[str | int]) -> str | None:
    """`messages[0].content`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)[1:] or None


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Each prompt counts once, however many answers it has."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _thought(thoughts: str | None) -> dict[str, str]:
    """As DeepSeek's API has it."""
    return {} if thoughts is None else {"reasoning_content": thoughts}


class ChatShape:
    """The JSON of a chat answer."""

    object, chunk_object, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl-"

    @staticmethod
    def choice(index: int, text: str, finish_reason: str | None, thoughts: str | None = None) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None} | _thought(thoughts)
        return {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason}

    @staticmethod
    def delta(index: int, piece: Piece, first: bool) -> dict[str, Any]:
        """A further part of an answer; the first one names the role."""
        delta: dict[str, str] = {"role": "assistant"} if first else {}
        if piece.text or first:
            delta["content"] = piece.text
        delta |= _thought(piece.thoughts)
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": piece.finish_reason}


class CompletionShape:
    """The JSON of a completion, whole or in parts."""

    object, chunk_object, prefix = "text_completion", "text_completion", "cmpl-"

    @staticmethod
    def choice(index: int, text: str, finish_reason: str | None, thoughts: str | None = None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}

    @classmethod
    def delta(cls, index: int, piece: Piece, first: bool) -> dict[str, Any]:
        return cls.choice(index, piece.text, piece.finish_reason)


Shape = type[ChatShape] | type[CompletionShape]
