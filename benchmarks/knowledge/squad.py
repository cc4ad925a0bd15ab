"""Passages found and answered from, on SQuAD 2.0 and BoolQ: one JSON line, exit code 1 where a goal is missed.

    python benchmarks/knowledge/squad.py DATA [--model 150] [--keep FOLDER]

DATA holds `squad-v2-dev/` (Rajpurkar et al. 2018: 11 articles of the development set) and `superglue-boolq/`
(Clark et al. 2019). An article is a document, and all are one collection. The right passage is the one that holds the
answer where SQuAD's annotators marked it. The least score is chosen by the step itself, on the questions of every
second article, the first, the third and so on; what is told of the others is told with it. Absent: an article of these
is taken out of the collection, which is indexed anew, and its questions are asked. Of BoolQ, passages are documents of
their own, and a question is absent where its passage is left out of what was found.

`--model N` asks SmolLM2-135M-instruct N of the other articles' questions with three passages and without any, through
the steps and the task of a recipe, and sets both beside the best passage copied. `holds`: the answer stands in what
was said (SQuAD's normalisation); `f1`: of their words. Intervals of search go by articles; those of
the model by paragraphs, since five articles test no difference: they hold for other questions about these articles.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lmworks.evaluate.items import Item, Metric
from lmworks.knowledge.collection import Collection, Passage, write_facts, write_passages
from lmworks.pipeline.statistics import share
from lmworks.rewards.exact import squad_form

HIT_AT_5, ABSENT, FALSE = 0.95, 0.85, 0.10
WORDED = "{question}\nAnswer in a few words."
HOLDS = Metric(name="holds", label="answers that hold the right one", value="holds", is_share=True)
F1 = Metric(name="f1", label="F1 of words", value="f1", most=1)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=int, default=150)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    articles = json.loads((given.data / "squad-v2-dev" / "dev-v2.0.part.json").read_text())["data"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        asked = write_project(folder, articles, given.model)
        began = time.perf_counter()
        lmworks(folder, "build", "recipe.yaml", "--until", "passages")
        collection = Collection(payload(folder, "passages"))
        found: dict[str, Any] = {"build_seconds": round(time.perf_counter() - began, 1), "passages": len(collection)}
        found |= searched(collection, asked, Path(temporary))
        boolq = given.data / "superglue-boolq" / "val.jsonl"
        found["boolq"] = other_texts(boolq, Path(temporary), collection.least_score)
        if given.model:
            began = time.perf_counter()
            lmworks(folder, "build", "recipe.yaml")
            found["model"] = answered(folder, collection, asked)
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
    fields = ("title", "question", "answers")
    for name in ("validation", "test"):
        some = [each for each in asked if each["place"] and each["is_validation"] == (name == "validation")]
        write_lines(folder / name / "all.jsonl", [{field: each[field] for field in fields} for each in some])
    (folder / "recipe.yaml").write_text(recipe(model))
    return asked


def recipe(model: int) -> str:
    def read(name: str) -> str:
        source = f"{{kind: files, path: {name}, licence: CC-BY-SA-4.0"
        more = "keep: [title]" if name == "articles" else "text_field: question, keep: [title, answers]"
        return f"{{kind: ingest, sources: [{source}, {more}}}], licences: {{allow: [CC-BY-SA-4.0]}}}}"

    how = f"limit: {model or 1}, max_tokens: 32, cluster: title, template: {json.dumps(WORDED)}"
    task = f"{{kind: exact-answer, compare: squad, {how}"
    return f"""\
name: squad
use_case: measurement
plan: {{measure: false}}
data:
  articles: {read("articles")}
  validation: {read("validation")}
  test: {read("test")}
  chosen-on: {{kind: pairs, from: validation, source: text, target: answers, targets: references}}
  asked: {{kind: pairs, from: test, source: text, target: answers, targets: references, keep: [title]}}
  passages: {{kind: passages, from: articles, questions: chosen-on}}
  with-passages: {{kind: retrieve, from: asked, passages: passages}}
models:
  smollm2-135m: {{objective: pretrained, path: smollm2-135m, licence: Apache-2.0}}
evaluate:
  models: [smollm2-135m]
  tasks:
    - {task}, data: asked}}
    - {task}, data: with-passages}}
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


def answered(folder: Path, collection: Collection, asked: Sequence[Asked]) -> dict[str, Any]:
    """What the model said with passages and without, and the best passage copied."""
    answerable = [each for each in asked if each["place"] and not each["is_validation"]]
    known = {squad_form(each["question"]): each for each in answerable}
    said = {
        name: {each["id"]: each for each in items(folder, f"exact-answer-{data}")}
        for name, data in (("without", "asked"), ("with", "with-passages"))
    }
    shared = sorted(said["without"].keys() & said["with"].keys())
    systems: dict[str, list[Item]] = {"with": [], "without": [], "copied": []}
    for name in shared:
        item = said["without"][name]
        of = known[squad_form(item["prompt"])]
        best = collection.search(of["question"], 1).passages
        answers = {each: said[each][name]["answer"] for each in ("with", "without")}
        answers["copied"] = best[0].text if best else ""
        for system, answer in answers.items():
            scores = {"holds": holds(answer, of["answers"]), "f1": f1(answer, of["answers"])}
            systems[system].append({"id": name, "cluster": of["paragraph"], **scores})
    found: dict[str, Any] = {"questions": len(shared)}
    for metric in (HOLDS, F1):
        for system, some in systems.items():
            figure = metric.figure(some, "measured")
            found[f"{system}_{metric.name}"] = {"value": round(figure.value, 4), "interval": rounded(figure.interval)}
        for beside in ("without", "copied"):
            outcome = metric.compare(systems["with"], systems[beside])
            difference = {"value": round(outcome.difference, 4), "interval": rounded(outcome.interval)}
            found[f"with-{beside}_{metric.name}"] = difference
    return found


def holds(answer: str, references: Sequence[str]) -> float:
    said = f" {squad_form(answer)} "
    return float(any(f" {squad_form(each)} " in said for each in references))


def f1(answer: str, references: Sequence[str]) -> float:
    def one(reference: str) -> float:
        said, wanted = Counter(squad_form(answer).split()), Counter(squad_form(reference).split())
        common = sum((said & wanted).values())
        return 2 * common / (said.total() + wanted.total()) if common else 0.0

    return max(map(one, references))


def told(values: Sequence[bool], clusters: Sequence[str]) -> dict[str, Any]:
    found = share(np.array(values, float), clusters)
    return {"value": round(found.value, 4), "n": len(values), "interval": rounded(found.interval)}


def rounded(interval: tuple[float, float] | None) -> list[float] | None:
    return interval and [round(each, 4) for each in interval]


def indexed(folder: Path, passages: Sequence[Passage], least: float) -> Collection:
    folder.mkdir()
    write_passages(folder, passages)
    write_facts(folder, least)
    return Collection(folder)


def passage(name: str, text: str) -> Passage:
    return Passage(document=name, start=0, title="", text=text, source="", licence="", path="", link="")


def items(folder: Path, task: str) -> list[Item]:
    path = payload(folder, f"evaluate/{task}/smollm2-135m") / "items.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def payload(folder: Path, step: str) -> Path:
    return Path(lmworks(folder, "show", step, "--path").strip())


def lmworks(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "lmworks", *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


if __name__ == "__main__":
    sys.exit(main())
