"""Passages found by words alone, and by words and a sentence encoder: one JSON line, exit code 1 where that finds less.

    python benchmarks/knowledge/encoder.py DATA [--encoder FOLDER]

DATA as for `squad.py`; the encoder is all-MiniLM-L6-v2 of the package that `lmworks models` names, unless told. The
weight of the cosine and each least score are chosen on the questions of every second article of SQuAD 2.0: the weight
with most passages among the first five, the smaller of equals. All else is told of the other articles and of BoolQ,
which nothing was chosen on. A question's answer is absent where the passages of its document are left out of what was
found.

`told`: questions whose answer is absent of which that is told, at the least score under which five in a hundred of the
same set's questions are told so falsely, each way its own; `told_as_chosen`: at SQuAD's, and `falsely_as_chosen`.
Differences are paired. Intervals, of 95 %, go by pages of BoolQ and by paragraphs of SQuAD, since five articles test
no difference: those hold for other questions about these articles.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from squad import indexed, passage, rounded, told, write_project

from lmworks.evaluate.items import ACCURACY
from lmworks.knowledge.collection import Collection, Passage, write_facts
from lmworks.knowledge.cut import passages_in
from lmworks.knowledge.embedding import ENCODER, VECTORS, as_file, embed, files_of
from lmworks.knowledge.passages import PassagesConfig
from lmworks.lazy import NDArray
from lmworks.pipeline.units import link
from lmworks.tokens.packaged import place_of

WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
FALSE = 0.05
AT = (1, 5, 20)


@dataclass(frozen=True)
class Asked:
    """Questions [Q] of passages [P]."""

    by_words: NDArray[np.float64]
    """[Q, P]."""
    cosines: NDArray[np.float64]
    """[Q, P]."""
    right: NDArray[np.bool_]
    """[Q, P] which passages hold the answer."""
    own: NDArray[np.bool_]
    """[Q, P] which are of its document."""
    clusters: Sequence[str]
    """[Q] what questions share that are alike."""

    def of(self, some: Sequence[int]) -> Asked:
        arrays = (each[some] for each in (self.by_words, self.cosines, self.right, self.own))
        return Asked(*arrays, [self.clusters[each] for each in some])


@dataclass(frozen=True)
class Searched:
    """What was found for each question [Q]."""

    ranks: NDArray[np.int64]
    best: NDArray[np.float64]
    best_elsewhere: NDArray[np.float64]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", type=Path)
    given = parser.parse_args()
    encoder = given.encoder or place_of("minilm", Path())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        squad, validation, times = of_squad(given.data, folder, encoder)
        boolq, more = of_boolq(given.data, folder, encoder)
        test = sorted({*range(len(squad.clusters))} - {*validation})
        chosen_on = squad.of(validation)
        tried = {weight: search(chosen_on, weight) for weight in (0.0, *WEIGHTS)}
        hits = {weight: float((found.ranks < 5).mean()) for weight, found in tried.items()}
        weight = max(WEIGHTS, key=lambda each: (hits[each], -each))
        least = {each: threshold(tried[each].best) for each in (0.0, weight)}
        found: dict[str, Any] = {"hit_rate_at_5_of_validation": {f"{each:g}": round(hits[each], 4) for each in hits}}
        found |= {"weight": weight, "weight_by_default": PassagesConfig.model_fields["cosine_weight"].default}
        found |= {"least_score": {f"{each:g}": round(least[each], 4) for each in least}}
        found["squad"] = compared(squad.of(test), weight, least) | times
        found["boolq"] = compared(boolq, weight, least) | more
    print(json.dumps(found))
    return 0 if all(found[name]["both-words"]["5"]["value"] > 0 for name in ("squad", "boolq")) else 1


def of_squad(data: Path, folder: Path, encoder: Path) -> tuple[Asked, list[int], dict[str, Any]]:
    """Answerable questions, which of them are of validation articles, and the times."""
    articles = json.loads((data / "squad-v2-dev" / "dev-v2.0.part.json").read_text())["data"]
    questions = [each for each in write_project(folder / "squad", articles, 0) if each["place"]]
    config = PassagesConfig.model_validate({"from": "articles"})
    passages = [
        replace(passage(text["title"], text["text"][start:end]), title=text["title"], start=start)
        for text in map(json.loads, (folder / "squad" / "articles" / "all.jsonl").read_text().splitlines())
        for start, end in passages_in(text["text"], config.words, config.least_words)
    ]
    titles, starts = np.array([each.title for each in passages]), np.array([each.start for each in passages])
    ends = starts + [len(each.text) for each in passages]
    right = [
        (titles == each["title"]) & (starts <= each["place"][0]) & (ends >= each["place"][0] + len(each["place"][1]))
        for each in questions
    ]
    asked, times = ask(folder / "squad-index", encoder, passages, questions, right)
    return asked, [place for place, each in enumerate(questions) if each["is_validation"]], times


def of_boolq(data: Path, folder: Path, encoder: Path) -> tuple[Asked, dict[str, Any]]:
    rows = [json.loads(line) for line in (data / "superglue-boolq" / "val.jsonl").read_text().splitlines()]
    texts = list(dict.fromkeys(row["passage"] for row in rows))
    places = {text: place for place, text in enumerate(texts)}
    passages = [passage(str(place), text) for place, text in enumerate(texts)]
    questions = [{"question": row["question"], "title": str(places[row["passage"]])} for row in rows]
    right = [np.arange(len(texts)) == places[row["passage"]] for row in rows]
    return ask(folder / "boolq-index", encoder, passages, questions, right)


def ask(
    folder: Path,
    encoder: Path,
    passages: Sequence[Passage],
    questions: Sequence[dict[str, Any]],
    right: Sequence[NDArray[np.bool_]],
) -> tuple[Asked, dict[str, Any]]:
    """All scores, and what they took; those of a collection with vectors are held against what is computed here."""
    began = [time.perf_counter()]
    words = indexed(folder, passages, 0)
    began.append(time.perf_counter())
    vectors = embed(encoder, [each.searched for each in passages])
    began.append(time.perf_counter())
    by_words = np.array([words.scores(each["question"]) for each in questions])
    began.append(time.perf_counter())
    (folder / VECTORS).write_bytes(as_file(vectors))
    for path in files_of(encoder):
        link(path, folder / ENCODER / path.name)
    write_facts(folder, 0, 1.0)
    both = Collection(folder)
    both.scores(questions[0]["question"])  # opens the encoder
    began.append(time.perf_counter())
    cosines = 2 * np.array([both.scores(each["question"]) for each in questions]) - by_words
    began.append(time.perf_counter())
    index, embedding, search, _, searching = np.diff(began)
    times = {"passages": len(passages), "questions": len(questions)}
    times |= {"index_seconds": {"words": round(index, 2), "vectors": round(embedding, 1)}}
    each = {"words": round(1000 * search / len(questions), 2), "both": round(1000 * searching / len(questions), 2)}
    documents = [each["title"] for each in questions]
    own = np.array(documents)[:, None] == np.array([each.document for each in passages])
    clusters = [each.get("paragraph", each["title"]) for each in questions]
    return Asked(by_words, cosines, np.array(right), own, clusters), {**times, "milliseconds_a_question": each}


def search(asked: Asked, weight: float) -> Searched:
    scores = (asked.by_words + weight * asked.cosines) / (1 + weight)
    order = np.argsort(-scores, axis=1, kind="stable")
    right = np.take_along_axis(asked.right, order, axis=1)
    ranks = np.where(right.any(axis=1), right.argmax(axis=1), len(order[0]))  # cut through: never found
    return Searched(ranks, scores.max(axis=1), np.where(asked.own, 0.0, scores).max(axis=1))


def threshold(best: NDArray[np.float64]) -> float:
    return float(np.sort(best)[int(FALSE * len(best))])


def compared(asked: Asked, weight: float, least: dict[float, float]) -> dict[str, Any]:
    """Both ways of searching, and the one less the other."""
    ways = {"words": search(asked, 0.0), "both": search(asked, weight), "vectors": search(asked, 1e9)}
    values: dict[str, dict[str, list[bool]]] = {}
    for way, found in ways.items():
        values[way] = {str(at): (found.ranks < at).tolist() for at in AT}
        values[way]["told"] = (found.best_elsewhere < threshold(found.best)).tolist()
        if way != "vectors":
            chosen = least[weight if way == "both" else 0.0]
            values[way]["told_as_chosen"] = (found.best_elsewhere < chosen).tolist()
            values[way]["falsely_as_chosen"] = (found.best < chosen).tolist()
    result: dict[str, Any] = {
        way: {name: told(some, asked.clusters) for name, some in each.items()} for way, each in values.items()
    }
    result["both-words"] = {
        name: difference(values["both"][name], values["words"][name], asked.clusters) for name in values["words"]
    }
    return result


def difference(ours: Sequence[bool], theirs: Sequence[bool], clusters: Sequence[str]) -> dict[str, Any]:
    sides = (
        [{"cluster": cluster, "score": float(right)} for right, cluster in zip(side, clusters, strict=True)]
        for side in (ours, theirs)
    )
    found = ACCURACY.compare(*sides)
    return {"value": round(found.difference, 4), "interval": rounded(found.interval)}


if __name__ == "__main__":
    sys.exit(main())
