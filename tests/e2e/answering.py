"""Whether what a build made is of use: the model that the recipe serves answers over HTTP, and for rows of a file."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from e2e.small_recipe import lmworks, start

ENDPOINTS = {"predicted_label": "classify", "predicted_spans": "extract", "predicted_text": "chat/completions"}


def answers(folder: Path, model: str, texts: Sequence[str]) -> list[Any]:
    """What a model says of texts, by `predict` and by `serve` alike: labels, spans or texts."""
    rows = folder / "asked.jsonl"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    lmworks(folder, "predict", model, rows.name, "--max-tokens", "4", "--overwrite")
    predicted = [json.loads(line) for line in (folder / "asked.predicted.jsonl").read_text().splitlines()]
    assert [row["text"] for row in predicted] == list(texts) and not any("predicted_error" in row for row in predicted)
    (column,) = ENDPOINTS.keys() & predicted[0].keys()
    served = _served(folder, model, texts, ENDPOINTS[column])
    assert served == [row[column] for row in predicted], "the server says what `predict` says"
    return served


@contextmanager
def serving(folder: Path, model: str) -> Iterator[tuple[httpx.Client, str]]:
    """A client of a server of this model, and the name that it has there."""
    process = start(folder, "serve", model, "--port", "0", "--json", "--unmeasured")
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        told = json.loads(line)
        key = {"Authorization": f"Bearer {Path(told['key_file']).read_text().strip()}"}
        with httpx.Client(base_url=told["address"], headers=key, timeout=60) as http:
            yield http, told["models"][0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _served(folder: Path, model: str, texts: Sequence[str], endpoint: str) -> list[Any]:
    found = []
    with serving(folder, model) as (http, name):
        page = http.get("/")
        assert page.status_code == 200 and http.get("/page/content.json").json()[0]["model"] == name
        for text in texts:
            turns = {"messages": [{"role": "user", "content": text}], "max_tokens": 4, "temperature": 0}
            body = turns if endpoint == "chat/completions" else {"input": text}
            answer = http.post(f"v1/{endpoint}", json={"model": name, **body})
            assert answer.status_code == 200, answer.text
            found.append(answer.json())
    if endpoint == "classify":
        return [each["data"][0]["label"] for each in found]
    if endpoint == "extract":
        return [each["data"][0]["spans"] for each in found]
    return [each["choices"][0]["message"]["content"] for each in found]
