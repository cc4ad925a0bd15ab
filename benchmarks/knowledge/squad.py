"""Passages found and answered from, on SQuAD 2.0 and BoolQ: one JSON line, exit code 1 where a goal is missed.

    python benchmarks/knowledge/squad.py DATA [--model 150] [--keep FOLDER]

DATA holds `squad-v2-dev/` (Rajpurkar et al. 2018: 11 articles of the development set) and `superglue-boolq/`
(Clark et al. 2019). An article is a document, and all are one collection. The right passage is the one that holds the
answer where SQuAD's annotators marked it. The least score is chosen by the step itself, on the questions of every
second article, the first, the third and so on; what is told of the others is told with it. Absent: an article of these
is taken out of the collection, which is indexed anew, and its questions are asked. Of BoolQ, passages are documents of
their own, and a question is absent where its passage is left out of what was found.

`--model N` asks SmolLM2-135M-instruct N questions with three passages and without any, and copies the best passage, by
the task `from-passages` of a recipe: N of the other articles' questions, and N of BoolQ's, of which nothing was chosen
and whose answers are yes or no. `holds_answer` and `word_f1` are the task's. Intervals of search go by articles; those
of the model by paragraphs, since five articles test no difference: they hold for other questions about these articles.
Those of differences are as the recipe's report has them. With `--keep` a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lmworks.knowledge.collection import Collection, Passage, write_facts, write_passages
from lmworks.pipeline.statistics import share

HIT_AT_5, ABSENT, FALSE = 0.95, 0.85, 0.10
WORDED = "{question}\nAnswer in a few words."
WORDED_YES_NO = "{question}?\nAnswer yes or no."


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=int, default=150)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    articles = json.loads((given.data / "squad-v2-dev" / "dev-v2.0.part.json").read_text())["data"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary) / "project"  # beside what is indexed without it
        boolq = given.data / "superglue-boolq" / "val.jsonl"
        write_boolq(folder, boolq)
        asked = write_project(folder, articles, given.model)
        (folder / ".lmworks-id-key").write_text("0" * 64)  # of ids, which decide which questions are drawn
        began = time.perf_counter()
        lmworks(folder, "build", "recipe.yaml", "--until", "passages")
        collection = Collection(payload(folder, "passages"))
        found: dict[str, Any] = {"build_seconds": round(time.perf_counter() - began, 1), "passages": len(collection)}
        found |= searched(collection, asked, Path(temporary))
        found["boolq"] = other_texts(boolq, Path(temporary), collection.least_score)
        if given.model:
            began = time.perf_counter()
            lmworks(folder, "build", "recipe.yaml")
            found["model"] = {name: answered(folder, name) for name in ("asked", "boolq-asked")}
            found["model"]["build_seconds"] = round(time.perf_counter() - began)
    print(json.dumps(found))
    reached = found["hit_rate"]["5"]["value"] >= HIT_AT_5
    reached &= found["absent_told"]["value"] >= ABSENT and found["falsely_not_found"]["value"] <= FALSE
    return 0 if reached else 1


Asked = dict[str, Any]


def write_project(folder: Path, articles: Sequence[dict[str, Any]], model: int) -> list[Asked]:
    """Documents, questions and the recipe; every question, with its answer's place in its document."""
    folder.mkdir(parents=True, exist_ok=True)
    documents, asked = [], list[Asked]()
    for number, article in enumerate(articles):
        text = ""
        for paragraph in article["paragraphs"]:
            start = len(text)
            text += paragraph["context"] + "\n\n"
            for question in paragraph["qas"]:
                places = [(start + each["answer_start"], each["text"]) for each in question["answers"]]
                asked.append(
                    {
                        "id": question["id"],
                        "title": article["title"],
                        "paragraph": f"{number}, {start}",
                        "question": question["question"],
                        "answers": list(dict.fromkeys(each for _, each in places)),
                        "place": places[0] if places else None,
                        "is_validation": number % 2 == 0,
                    }
                )
        documents.append({"title": article["title"], "text": text})
    write_lines(folder / "articles" / "all.jsonl", documents)
    fields = ("title", "paragraph", "question", "answers")
    for name in ("validation", "test"):
        some = [each for each in asked if each["place"] and each["is_validation"] == (name == "validation")]
        write_lines(folder / name / "all.jsonl", [{field: each[field] for field in fields} for each in some])
    (folder / "recipe.yaml").write_text(recipe(model))
    return asked


def write_boolq(folder: Path, path: Path) -> None:
    """Its passages as documents, and its questions with yes or no."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    passages = list(dict.fromkeys(row["passage"] for row in rows))
    write_lines(folder / "boolq-passages" / "all.jsonl", [{"title": "", "text": text} for text in passages])
    asked = [{"question": row["question"], "answers": ["yes" if row["label"] else "no"]} for row in rows]
    write_lines(folder / "boolq" / "all.jsonl", [{**each, "paragraph": "", "title": ""} for each in asked])


def recipe(model: int) -> str:
    def read(name: str, licence: str = "CC-BY-SA-4.0") -> str:
        source = f"{{kind: files, path: {name}, licence: {licence}"
        fields = "text_field: question, keep: [title, paragraph, answers]"
        more = "keep: [title]" if name in ("articles", "boolq-passages") else fields
        return f"{{kind: ingest, sources: [{source}, {more}}}], licences: {{allow: [{licence}]}}}}"

    def tasks(data: str, passages: str, worded: str, more: str = "") -> str:
        how = f"limit: {model or 1}, template: {json.dumps(worded)}{more}"
        task = f"{{kind: from-passages, data: {data}, passages: {passages}, {how}"
        return f"    - {task}}}\n    - {task}, prompt: without-passages}}"

    pairs = "source: text, target: answers, targets: references"
    return f"""\
name: squad
use_case: measurement
plan: {{measure: false}}
data:
  articles: {read("articles")}
  validation: {read("validation")}
  test: {read("test")}
  boolq-passages: {read("boolq-passages", "CC-BY-SA-3.0")}
  boolq: {read("boolq", "CC-BY-SA-3.0")}
  chosen-on: {{kind: pairs, from: validation, {pairs}}}
  asked: {{kind: pairs, from: test, {pairs}, keep: [paragraph]}}
  boolq-asked: {{kind: pairs, from: boolq, {pairs}}}
  passages: {{kind: passages, from: articles, questions: chosen-on}}
  boolq-found: {{kind: passages, from: boolq-passages}}
models:
  smollm2-135m: {{objective: pretrained, path: smollm2-135m, licence: Apache-2.0}}
evaluate:
  models: [smollm2-135m]
  tasks:
{tasks("asked", "passages", WORDED, ", cluster: paragraph")}
{tasks("boolq-asked", "boolq-found", WORDED_YES_NO)}
"""


def searched(collection: Collection, asked: Sequence[Asked], folder: Path) -> dict[str, Any]:
    """Hit rates of all answerable questions, and of the held-out articles what is told of absent ones."""
    titles, starts = collection.column("title"), np.array(collection.column("start"))
    ends = starts + [len(text) for text in collection.column("text")]
    of = np.array(titles)
    answerable = [each for each in asked if each["place"]]
    began = time.perf_counter()
    ranks = []
    for each in answerable:
        begin, text = each["place"]
        right = (of == each["title"]) & (starts <= begin) & (ends >= begin + len(text))
        order = np.argsort(-collection.scores(each["question"]), kind="stable")
        ranks.append(int(right[order].argmax()) if right.any() else len(order))  # cut through: never found
    found: dict[str, Any] = {"milliseconds_a_question": round(1000 * (time.perf_counter() - began) / len(ranks), 2)}
    found["least_score"] = collection.least_score
    for name, some in (("hit_rate", range(len(ranks))), ("hit_rate_of_test", held(answerable))):
        clusters = [answerable[each]["title"] for each in some]
        found[name] = {str(at): told([ranks[each] < at for each in some], clusters) for at in (1, 5, 20)}
    test = [answerable[each] for each in held(answerable)]
    absent, clusters = list[bool](), [each["title"] for each in test]
    passages = [collection.passage(each) for each in range(len(collection))]
    for title in dict.fromkeys(clusters):
        without = indexed(folder / title, [each for each in passages if each.title != title], collection.least_score)
        absent += [not without.search(each["question"]).is_enough for each in test if each["title"] == title]
    found["absent_told"] = told(absent, clusters)
    found["falsely_not_found"] = told([not collection.search(each["question"]).is_enough for each in test], clusters)
    posed = [each for each in asked if not each["place"] and not each["is_validation"]]
    not_found = [not collection.search(each["question"]).is_enough for each in posed]
    found["unanswerable_of_squad_told"] = told(not_found, [each["title"] for each in posed])
    return found


def held(asked: Sequence[Asked]) -> list[int]:
    return [number for number, each in enumerate(asked) if not each["is_validation"]]


def other_texts(path: Path, folder: Path, least: float) -> dict[str, Any]:
    """BoolQ, at SQuAD's least score, and at one that keeps to five false in a hundred of its first half."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    places: dict[str, int] = {}
    for row in rows:
        places.setdefault(row["passage"], len(places))
    passages = [passage(str(number), text) for text, number in places.items()]
    collection = indexed(folder / "boolq", passages, least)
    ranks, best, elsewhere = list[int](), list[float](), list[float]()
    for row in rows:
        scores, right = collection.scores(row["question"]), places[row["passage"]]
        ranks.append(int(np.argsort(-scores, kind="stable").tolist().index(right)))
        best.append(float(scores.max()))
        elsewhere.append(float(np.delete(scores, right).max()))
    half, of = len(rows) // 2, [str(places[row["passage"]]) for row in rows]
    own = float(np.sort(best[:half])[int(0.05 * half)])
    found: dict[str, Any] = {"passages": len(passages)}
    found["hit_rate"] = {str(at): told([rank < at for rank in ranks], of) for at in (1, 5, 20)}
    for name, at, some in (("at_least_score_of_squad", least, slice(None)), ("at_own", own, slice(half, None))):
        found[name] = {
            "least_score": round(at, 4),
            "absent_told": told([each < at for each in elsewhere[some]], of[some]),
            "falsely_not_found": told([each < at for each in best[some]], of[some]),
        }
    return found


def answered(folder: Path, data: str) -> dict[str, Any]:
    """What the task tells of the model with passages, without, and of the best passage copied."""
    task = f"evaluate/from-passages-{data}"
    found: dict[str, Any] = {}
    for system in ("smollm2-135m", "smollm2-135m-without-passages-prompt", "best-passage-copied"):
        figures = json.loads((payload(folder, f"{task}/{system}") / "figures.json").read_text())
        found[system] = {
            each["name"]: {"value": round(each["value"], 4), "n": each["n"], "interval": rounded(each["interval"])}
            for each in figures
        }
    compared = json.loads((payload(folder, task) / "comparison.json").read_text())
    for name, pairs in {compared["metric"]: compared["pairs"], **compared["also"]}.items():
        found[f"differences of {name}"] = [
            {"of": [each["a"], each["b"]], "value": round(each["difference"], 4), "interval": rounded(each["interval"])}
            for each in pairs
        ]
    return found


def told(values: Sequence[bool], clusters: Sequence[str]) -> dict[str, Any]:
    found = share(np.array(values, float), clusters)
    return {"value": round(found.value, 4), "n": len(values), "interval": rounded(found.interval)}


def rounded(interval: Sequence[float] | None) -> list[float] | None:
    return interval and [round(each, 4) for each in interval]


def indexed(folder: Path, passages: Sequence[Passage], least: float) -> Collection:
    folder.mkdir(parents=True)
    write_passages(folder, passages)
    write_facts(folder, least)
    return Collection(folder)


def passage(name: str, text: str) -> Passage:
    return Passage(document=name, start=0, title="", text=text, source="", licence="", path="", link="")


def payload(folder: Path, step: str) -> Path:
    return Path(lmworks(folder, "show", step, "--path").strip())


def lmworks(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "lmworks", *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


if __name__ == "__main__":
    sys.exit(main())
