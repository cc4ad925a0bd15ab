"""Models that read, and those that rewrite, behind the same server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from live_server import MODEL, Live, serving
from lmworks.engines.open import open_engine
from lmworks.engines.protocol import Engine, Reading
from lmworks.engines.request import Sampling
from lmworks.serve.errors import ApiError
from published import take, write_published
from readers import LABELS, write_reader, write_rewriter

TEXTS = ["Where is my parcel?", "Thank you", "Where is my parcel? " * 20]
PATHS = {"classifier": "classify", "tagger": "extract", "encoder": "embeddings"}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    folder = tmp_path_factory.mktemp("models")
    take(write_published(folder / "theirs", "Gemma 3"), folder / "gemma")
    return {
        "classifier": open_engine(write_reader(folder / "a", "sequence classifier")),
        "tagger": open_engine(write_reader(folder / "b", "token classifier")),
        "encoder": open_engine(write_reader(folder / "c", "encoder")),
        "rewriter": open_engine(write_rewriter(folder / "d")),
        "published": open_engine(folder / "gemma"),
    }


@pytest.fixture(scope="module")
def lives(engines: dict[str, Engine]) -> Iterator[dict[str, Live]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(engine)) for name, engine in engines.items()}


def posted(live: Live, path: str, **body: Any) -> Any:
    with live.http() as http:
        return http.post(f"/v1/{path}", json={"model": MODEL, **body})


def test_labels_come_with_how_likely_each_is(lives: dict[str, Live], engines: dict[str, Engine]) -> None:
    found = posted(lives["classifier"], "classify", input=TEXTS).json()
    assert found["object"] == "list" and found["usage"]["prompt_tokens"] == found["usage"]["total_tokens"] > 30
    for index, (each, expected) in enumerate(zip(found["data"], engines["classifier"].classify(TEXTS), strict=True)):
        assert each["index"] == index and each["label"] == expected.label
        assert each["probabilities"] == pytest.approx(dict(expected.probabilities)) and list(each["probabilities"]) == [
            *LABELS
        ]
    assert [each["truncated"] for each in found["data"]] == [False, False, True]
    assert posted(lives["classifier"], "classify", input="Where").json()["data"][0]["object"] == "classification"


def test_spans_come_with_their_words(lives: dict[str, Live], engines: dict[str, Engine]) -> None:
    found = posted(lives["tagger"], "extract", input=TEXTS).json()["data"]
    for text, each, expected in zip(TEXTS, found, engines["tagger"].tag(TEXTS), strict=True):
        assert [(span["label"], span["start"], span["end"]) for span in each["spans"]] == list(expected.spans)
        assert all(text[span["start"] : span["end"]] == span["text"] for span in each["spans"])


def test_the_official_client_reads_embeddings_in_both_encodings(
    lives: dict[str, Live], engines: dict[str, Engine]
) -> None:
    client = lives["encoder"].client()
    expected = [each.vector for each in engines["encoder"].embed(TEXTS[:2])]
    for more in ({}, {"encoding_format": "float"}):  # unset, the client asks for base64
        found: Any = client.embeddings.create(model=MODEL, input=TEXTS[:2], **more)
        for each, vector in zip(found.data, expected, strict=True):
            assert each.embedding == pytest.approx(vector, abs=1e-6)


def test_a_rewriter_answers_one_text_by_both_ways(lives: dict[str, Live], engines: dict[str, Engine]) -> None:
    engine, client = engines["rewriter"], lives["rewriter"].client()
    (expected,) = engine.generate([engine.encode_text(TEXTS[0])], Sampling(max_tokens=6))
    chat: Any = [{"role": "user", "content": TEXTS[0]}]
    found = client.chat.completions.create(model=MODEL, messages=chat, max_tokens=6, temperature=0)
    assert found.choices[0].message.content == expected.text
    completion = client.completions.create(model=MODEL, prompt=TEXTS[0], max_tokens=6, temperature=0)
    assert completion.choices[0].text == expected.text
    stream = client.chat.completions.create(model=MODEL, messages=chat, max_tokens=6, temperature=0, stream=True)
    assert "".join(each.choices[0].delta.content or "" for each in stream) == expected.text
    with pytest.raises(openai.BadRequestError, match="rewrites one text; the conversation has 2 turns"):
        client.chat.completions.create(model=MODEL, messages=chat * 2)


@pytest.mark.parametrize("text", ["", "why " * 5000])
def test_a_text_that_a_rewriter_cannot_take_ends_itself_alone(text: str, lives: dict[str, Live]) -> None:
    client = lives["rewriter"].client()
    chat: Any = [{"role": "user", "content": text}]
    with pytest.raises(openai.BadRequestError, match="context"):
        client.chat.completions.create(model=MODEL, messages=chat, max_tokens=2)
    with pytest.raises(openai.BadRequestError, match="context"):
        client.completions.create(model=MODEL, prompt=text, max_tokens=2)
    chat = [{"role": "user", "content": "Still there?"}]
    assert client.chat.completions.create(model=MODEL, messages=chat, max_tokens=2).choices


def test_a_request_that_the_batch_refuses_ends_itself_and_not_the_worker(lives: dict[str, Live]) -> None:
    import asyncio

    service = lives["classifier"].service

    async def asked() -> list[object]:
        reply = service.submit([Reading("classify", "a"), Reading("tag", "b")], MODEL)
        try:
            return [each async for each in reply.answers()]
        finally:
            reply.close()

    with pytest.raises(ApiError, match="needs a model that finds the spans"):
        asyncio.run(asked())
    assert posted(lives["classifier"], "classify", input="a").status_code == 200


def test_a_published_decoder_is_served(lives: dict[str, Live], engines: dict[str, Engine]) -> None:
    engine, client = engines["published"], lives["published"].client()
    chat: Any = [{"role": "user", "content": "Hello"}]
    (expected,) = engine.generate([engine.encode(chat)], Sampling(max_tokens=6))
    found = client.chat.completions.create(model=MODEL, messages=chat, max_tokens=6, temperature=0)
    assert found.choices[0].message.content == expected.text


def test_the_wrong_endpoint_is_refused_with_the_right_one(lives: dict[str, Live]) -> None:
    for name, live in lives.items():
        right = PATHS.get(name)
        for path in {*PATHS.values()} - {right}:
            answer = posted(live, path, input="a")
            place = f"/v1/{right}" if right else "/v1/chat/completions or /v1/completions"
            assert answer.status_code == 400 and answer.json()["error"]["message"].endswith(f"Use {place}")
            assert answer.json()["error"]["code"] == "wrong_endpoint"
        if right:
            for path, body in (
                ("completions", {"prompt": "a"}),
                ("chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
            ):
                assert posted(live, path, **body).json()["error"]["code"] == "wrong_endpoint"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": []}, "input: the list is empty"),
        ({"input": 3}, "input: expected a string or a list of strings"),
        ({"input": ["a"] * 200}, "at most 80 texts in one request"),
        ({"input": "a", "encoding_format": "base64"}, "unknown parameter: encoding_format"),
        ({}, "input: field required"),
    ],
)
def test_what_cannot_be_read_is_refused(body: dict[str, Any], words: str, lives: dict[str, Live]) -> None:
    answer = posted(lives["classifier"], "classify", **body)
    assert answer.status_code == 400 and answer.json()["error"]["message"].startswith(words)
