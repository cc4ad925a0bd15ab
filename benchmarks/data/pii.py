"""Hold the detectors of personal data against labelled sentences, beside presidio: one JSON line.

    python benchmarks/data/pii.py DATA [PRESIDIO_PYTHON]

DATA is a folder with `pii-presidio-synth` as published. Its templates with even numbers may be looked at when patterns
are changed; what is reported is found on the others. PRESIDIO_PYTHON is an interpreter that can import
`presidio_analyzer`; its recognisers of the same kinds run without a language model, on a blank pipeline of spaCy. Both
run on one thread, in turns, and the medians of their times are compared.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "US_SSN": "national_id",
    "IP_ADDRESS": "ip",
}
"""The sentences' labels that stand for kinds found by pattern and checksum."""
ROUNDS, RESAMPLES = 5, 2_000
HOSTILE = ("@a", "1 ", "sk-", "eyJ.", "a.@", "1/1/11 ", "key=x", "12.3.", ":1:", "born ", "GB", "4111 1111 ", "MRN ")
"""What patterns begin to match again and again."""

Span = tuple[str, int, int]


def labelled(data: Path, remainder: int) -> list[dict[str, Any]]:
    """The sentences of templates whose number leaves `remainder` when halved."""
    path = data / "pii-presidio-synth" / "synth_dataset_v2.json"
    return [record for record in json.loads(path.read_text()) if record["template_id"] % 2 == remainder]


def truth(record: dict[str, Any], kinds: Mapping[str, str] = KINDS) -> set[Span]:
    """What is labelled in a sentence."""
    spans = record["spans"]
    return {
        (kinds[span["entity_type"]], span["start_position"], span["end_position"])
        for span in spans
        if span["entity_type"] in kinds
    }


def score(
    records: Sequence[dict[str, Any]], found: Sequence[set[Span]], kinds_of: Mapping[str, str] = KINDS
) -> dict[str, Any]:
    """Precision, recall and F1 of spans whose kind and both ends are right, with intervals over whole templates."""
    by_template: dict[int, Counter[str]] = {}
    kinds: dict[str, Counter[str]] = {}
    for record, spans in zip(records, found, strict=True):
        true = truth(record, kinds_of)
        for name, group in (("right", spans & true), ("wrong", spans - true), ("missed", true - spans)):
            by_template.setdefault(record["template_id"], Counter())[name] += len(group)
            for kind, _, _ in group:
                kinds.setdefault(kind, Counter())[name] += 1
    drawn = [figures(each) for each in resampled(by_template)]
    total = sum(by_template.values(), Counter[str]())
    return {
        **{
            name: [round(value, 4), *(round(cut, 4) for cut in middle([each[name] for each in drawn]))]
            for name, value in figures(total).items()
        },
        "counts": dict(total),
        "by_kind": {kind: dict(counts) for kind, counts in sorted(kinds.items())},
        "by_template": by_template,
    }


def resampled(by_template: dict[int, Counter[str]]) -> list[Counter[str]]:
    """Counts over templates drawn with repeats; the same templates for every system."""
    draw, names = random.Random(0), sorted(by_template)
    drawn = (draw.choices(names, k=len(names)) for _ in range(RESAMPLES))
    return [sum((by_template[name] for name in chosen), Counter[str]()) for chosen in drawn]


def difference(first: dict[str, Any], second: dict[str, Any]) -> list[float]:
    """F1 of the first less that of the second, with the interval of their difference over the same templates."""
    pairs = zip(resampled(first["by_template"]), resampled(second["by_template"]), strict=True)
    drawn = [figures(one)["f1"] - figures(other)["f1"] for one, other in pairs]
    return [round(value, 4) for value in (first["f1"][0] - second["f1"][0], *middle(drawn))]


def figures(counts: Counter[str]) -> dict[str, float]:
    """Precision, recall and F1."""
    right, wrong, missed = (counts[name] for name in ("right", "wrong", "missed"))
    return {
        "precision": right / max(1, right + wrong),
        "recall": right / max(1, right + missed),
        "f1": 2 * right / max(1, 2 * right + wrong + missed),
    }


def middle(values: list[float]) -> tuple[float, float]:
    """The middle 95 % of values."""
    ordered = sorted(values)
    return ordered[int(0.025 * len(ordered))], ordered[int(0.975 * len(ordered))]


def ours(texts: Sequence[str]) -> list[set[Span]]:
    """What the project's detectors of the same kinds find."""
    from lmworks.data.privacy.detectors import DETECTORS
    from lmworks.data.privacy.findings import scan

    wanted = [detector for detector in DETECTORS if detector.kind in KINDS.values()]
    return [{(each.kind, each.start, each.end) for each in scan(text, wanted)} for text in texts]


def presidio() -> Callable[[Sequence[str]], list[set[Span]]]:
    """What presidio finds of the same kinds; of findings that overlap, the surest and longest."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer import predefined_recognizers as known
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        """spaCy's tokenizer for English alone."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None: ...

    recognisers = [
        known.EmailRecognizer(),
        known.PhoneRecognizer(),
        known.CreditCardRecognizer(),
        known.IbanRecognizer(),
        known.UsSsnRecognizer(),
        known.IpRecognizer(),
    ]
    engine = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognisers), nlp_engine=Blank(), supported_languages=["en"]
    )

    def find(texts: Sequence[str]) -> list[set[Span]]:
        found = []
        for text in texts:
            kept: list[Span] = []
            results = engine.analyze(text, language="en", entities=list(KINDS))
            for each in sorted(results, key=lambda each: (-each.score, each.start - each.end)):
                if all(each.end <= start or each.start >= end for _, start, end in kept):
                    kept.append((KINDS[each.entity_type], each.start, each.end))
            found.append(set(kept))
        return found

    return find


def serve_presidio() -> None:
    """Answer each line of texts with what presidio finds and how long it took."""
    find = presidio()
    for line in sys.stdin:
        started = time.perf_counter()
        found = find(json.loads(line))
        seconds = time.perf_counter() - started
        print(json.dumps({"found": [sorted(spans) for spans in found], "seconds": seconds}), flush=True)


def plain_speed(data: Path) -> float:
    """Megabytes a second of every kind but `date` over encyclopedia text in pieces of 4,000 characters."""
    from lmworks.data.privacy.detectors import DETECTORS
    from lmworks.data.privacy.findings import scan

    text = (data / "wikitext2-raw" / "wiki.test.raw").read_text()
    pieces = [text[start : start + 4000] for start in range(0, len(text), 4000)]
    wanted = [detector for detector in DETECTORS if detector.kind != "date"]
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for piece in pieces:
            scan(piece, wanted)
        times.append(time.perf_counter() - started)
    return round(len(text.encode()) / 1e6 / statistics.median(times), 3)


def hostile_growth() -> float:
    """How many times longer eight times as much hostile text takes, for the worst of it: 8 is linear, 64 quadratic."""
    from lmworks.data.privacy.detectors import DETECTORS
    from lmworks.data.privacy.findings import scan

    worst = 0.0
    for piece in HOSTILE:
        times = []
        for length in (10_000, 80_000):
            text, rounds = (piece * length)[:length], []
            for _ in range(ROUNDS):
                started = time.process_time()
                scan(text, DETECTORS)
                rounds.append(time.process_time() - started)
            times.append(max(statistics.median(rounds), 1e-3))
        worst = max(worst, times[1] / times[0])
    return round(worst, 1)


def main() -> None:
    """Score both on the half that was not looked at."""
    data = Path(sys.argv[1])
    records = labelled(data, 1)
    texts = [record["full_text"] for record in records]
    size = sum(len(text.encode()) for text in texts) / 1e6
    peer = None
    if len(sys.argv) > 2:
        command = [sys.argv[2], __file__, "--presidio"]
        peer = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    times: dict[str, list[float]] = {"lmworks": [], "presidio": []}
    theirs: list[set[Span]] | None = None
    found = ours(texts)
    for _ in range(ROUNDS):
        started = time.perf_counter()
        ours(texts)
        times["lmworks"].append(time.perf_counter() - started)
        if peer and peer.stdin and peer.stdout:
            peer.stdin.write(json.dumps(texts) + "\n")
            peer.stdin.flush()
            answer = json.loads(peer.stdout.readline())
            times["presidio"].append(answer["seconds"])
            theirs = [{(kind, start, end) for kind, start, end in spans} for spans in answer["found"]]
    if peer:
        peer.communicate()
    speed = {name: round(size / statistics.median(each), 3) for name, each in times.items() if each}
    tuned = labelled(data, 0)
    mine, peers = score(records, found), score(records, theirs) if theirs is not None else None
    result = {
        "sentences": len(records),
        "templates": len(mine["by_template"]),
        "megabytes": round(size, 3),
        "lmworks": mine,
        "presidio": peers,
        "f1_difference": difference(mine, peers) if peers else None,
        "tuned_on": score(tuned, ours([record["full_text"] for record in tuned])),
        "megabytes_per_second": {**speed, "lmworks_on_wikitext2": plain_speed(data)},
        "hostile_growth": hostile_growth(),
    }
    for scores in (mine, peers, result["tuned_on"]):
        if isinstance(scores, dict):
            del scores["by_template"]
    print(json.dumps(result))


if __name__ == "__main__":
    serve_presidio() if sys.argv[1:] == ["--presidio"] else main()
