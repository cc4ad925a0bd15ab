"""What a small model makes of passages about cloud services that nothing was chosen on: one JSON line.

    python benchmarks/knowledge/services.py [--questions 150] [--services 25] [--keep FOLDER]

Documents are the operations of botocore's services with the lowest SHA-256 of their folders' names, those that the
quickstart holds out. A question gives the first sentence of an operation's documentation, and asks for its name, with
three passages and without any; the best passage copied stands beside. No question was looked at before the model was
asked. Intervals and differences are as the recipe's report has them, by services.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import importlib.util
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squad import answered, lmworks, write_lines

LEAST_WORDS = 5
"""Of a first sentence: fewer tell operations of one service apart too seldom."""
KEY = "0" * 64
"""Of ids, which decide what is drawn: the same questions in each run."""


def operations(count: int) -> Iterator[dict[str, Any]]:
    """Each operation of the services, by its name, with its documentation as text."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        raise SystemExit("botocore is missing: pip install '.[data]'")
    data = Path(found.origin).parent / "data"
    services = (each for each in data.iterdir() if list(each.glob("*/service-2.json.gz")))
    for folder in sorted(services, key=lambda each: hashlib.sha256(each.name.encode()).hexdigest())[:count]:
        (*_, last) = sorted(folder.glob("*/service-2.json.gz"))
        model = json.loads(gzip.decompress(last.read_bytes()))
        for name, operation in model["operations"].items():
            text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", operation.get("documentation", ""))).split())
            yield {"service": folder.name, "name": name, "documentation": text}


def write_project(folder: Path, count: int, questions: int) -> None:
    documents = [each for each in operations(count) if each["documentation"]]
    asked = []
    for each in documents:
        sentence = re.split(r"(?<=[.!?])\s", each["documentation"])[0].rstrip(".")
        if len(sentence.split()) >= LEAST_WORDS and each["name"].lower() not in sentence.lower():
            question = f"Which operation of {each['service']} is described so: {sentence}?"
            asked.append({"service": each["service"], "question": question, "answers": [each["name"]]})
    told = ({"title": each["service"], "text": f"{each['name']}: {each['documentation']}"} for each in documents)
    write_lines(folder / "operations" / "all.jsonl", list(told))
    write_lines(folder / "questions" / "all.jsonl", asked)
    (folder / ".lmworks-id-key").write_text(KEY)
    task = f"{{kind: from-passages, data: asked, passages: passages, cluster: service, limit: {questions}"
    template = json.dumps("{question}\nAnswer with the name of the operation.")
    source = "{kind: files, path: %s, licence: Apache-2.0, %s}"
    (folder / "recipe.yaml").write_text(f"""\
name: services
use_case: measurement
plan: {{measure: false}}
data:
  operations:
    kind: ingest
    sources: [{source % ("operations", "keep: [title]")}]
    licences: {{allow: [permissive]}}
  questions:
    kind: ingest
    sources: [{source % ("questions", "text_field: question, keep: [service, answers]")}]
    licences: {{allow: [permissive]}}
  asked: {{kind: pairs, from: questions, source: text, target: answers, targets: references, keep: [service]}}
  passages: {{kind: passages, from: operations}}
models:
  smollm2-135m: {{objective: pretrained, path: smollm2-135m, licence: Apache-2.0}}
evaluate:
  models: [smollm2-135m]
  tasks:
    - {task}, template: {template}}}
    - {task}, template: {template}, prompt: without-passages}}
""")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument("--services", type=int, default=25)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write_project(folder, given.services, given.questions)
        began = time.perf_counter()
        lmworks(folder, "build", "recipe.yaml")
        print(json.dumps({**answered(folder, "asked"), "build_seconds": round(time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
