"""Train a small model to find persons, places and organisations, and hold it against labelled sentences: one JSON line.

    python benchmarks/data/entities.py DATA ENCODER OUT [PRESIDIO_PYTHON SPACY_MODEL]

DATA is a folder with `pii-presidio-synth` as published, ENCODER the folder of a Hugging Face encoder such as
all-MiniLM-L6-v2. It is trained on the sentences of templates with even numbers, written to OUT, and scored on the
others through the step's own search, with intervals over whole templates. Recall is also given for those names of the
test sentences that stand in no training sentence. PRESIDIO_PYTHON is a Python that can import `presidio_analyzer`,
SPACY_MODEL the folder of the spaCy pipeline that presidio finds names with: trained on other texts, so it shows what is
had without training, not which model is better. What either finds inside street addresses and nationalities is left
out, since these are labelled as such and not as places.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pii import Span, difference, labelled, score, truth

KINDS = {"PERSON": "person", "GPE": "place", "ORGANIZATION": "organisation"}
UNJUDGED = ("STREET_ADDRESS", "NRP")
PEERS = {"PERSON": "person", "LOCATION": "place", "ORGANIZATION": "organisation"}
LABELS = ["O", *(f"{prefix}-{kind}" for kind in ("PER", "LOC", "ORG") for prefix in "BI")]
LABEL_OF = {"person": "PER", "place": "LOC", "organisation": "ORG"}
EPOCHS, BATCH, LEARNING_RATE = 3, 16, 3e-4


def train(encoder: Path, records: Sequence[dict[str, Any]], out: Path) -> None:
    """Fine-tune the encoder on labelled sentences: the first token of a word bears its label."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForTokenClassification

    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    model = AutoModelForTokenClassification.from_pretrained(
        encoder, num_labels=len(LABELS), id2label=names, label2id={name: place for place, name in names.items()}
    )
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    examples = sorted((_example(tokenizer, record) for record in records), key=lambda example: len(example[0]))
    starts = list(range(0, len(examples), BATCH))  # of sentences about as long: little is padding
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
    steps = EPOCHS * len(starts)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    draw = random.Random(0)
    model.train()
    for _ in range(EPOCHS):
        draw.shuffle(starts)
        for start in starts:
            some = examples[start : start + BATCH]
            length = max(len(ids) for ids, _ in some)
            ids = torch.tensor([ids + [0] * (length - len(ids)) for ids, _ in some])
            labels = torch.tensor([labels + [-100] * (length - len(labels)) for _, labels in some])
            mask = torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in some])
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    model.save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))


def _example(tokenizer: Any, record: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Token ids and labels of a sentence; -100 where there is none to learn."""
    encoding = tokenizer.encode(record["full_text"])
    spans, labels, before = sorted(truth(record, KINDS), key=lambda span: span[1]), [], None
    for word, (left, right) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is None or word == before:
            labels.append(-100)
            continue
        before = word
        kind, start = next(((k, start) for k, start, end in spans if start < right and left < end), ("", 0))
        prefix = "B" if left <= start else "I"
        labels.append(LABELS.index(f"{prefix}-{LABEL_OF[kind]}") if kind else 0)
    return encoding.ids, labels


def judged(records: Sequence[dict[str, Any]], found: Sequence[set[Span]]) -> dict[str, Any]:
    """Score what was found, but for what lies in stretches that are labelled as something else near to it."""
    kept = []
    for record, spans in zip(records, found, strict=True):
        aside = [
            (each["start_position"], each["end_position"])
            for each in record["spans"]
            if each["entity_type"] in UNJUDGED
        ]
        kept.append({span for span in spans if all(span[2] <= start or span[1] >= end for start, end in aside)})
    return score(records, kept, KINDS)


def presidio(model: str) -> None:
    """Answer the texts of standard input with what presidio finds by a spaCy pipeline, and how long it took."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    settings = NerModelConfiguration(labels_to_ignore=[], low_score_entity_names=[])
    engine = SpacyNlpEngine([{"lang_code": "en", "model_name": model}], settings)
    recogniser = SpacyRecognizer(supported_entities=list(PEERS))
    analyzer = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=[recogniser]), nlp_engine=engine, supported_languages=["en"]
    )
    texts = json.load(sys.stdin)
    analyzer.analyze(texts[0], language="en", entities=list(PEERS))
    started = time.process_time()
    found = [analyzer.analyze(text, language="en", entities=list(PEERS)) for text in texts]
    seconds = time.process_time() - started
    spans = [[(PEERS[each.entity_type], each.start, each.end) for each in some] for some in found]
    print(json.dumps({"found": spans, "cpu_seconds": seconds}))


def main() -> None:
    """Train and score on halves, beside presidio."""
    from lmworks.data.privacy.entities import find_entities

    data, encoder, out = map(Path, sys.argv[1:4])
    learned, records = labelled(data, 0), labelled(data, 1)
    started = time.process_time()
    train(encoder, learned, out)
    trained = time.process_time() - started
    texts = [record["full_text"] for record in records]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    find_entities(out, ("person", "place", "organisation"), texts[:1])
    started = time.process_time()
    found = [set(spans) for spans in find_entities(out, ("person", "place", "organisation"), texts)]
    seconds = time.process_time() - started
    mine = judged(records, found)
    seen = {record["full_text"][start:end] for record in learned for _, start, end in truth(record, KINDS)}
    new = [
        span in spans
        for record, spans in zip(records, found, strict=True)
        for span in truth(record, KINDS)
        if record["full_text"][span[1] : span[2]] not in seen
    ]
    result: dict[str, Any] = {
        "sentences": {"trained_on": len(learned), "scored": len(records)},
        "training_cpu_seconds": round(trained, 1),
        "lmworks": mine,
        "recall_of_names_not_in_training": [round(sum(new) / len(new), 4), len(new)],
        "megabytes_per_cpu_second": {"lmworks": round(megabytes / seconds, 4)},
    }
    if len(sys.argv) > 4:
        command = [sys.argv[4], __file__, "--presidio", sys.argv[5]]
        answer = json.loads(
            subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True).stdout
        )
        theirs = judged(records, [{(kind, start, end) for kind, start, end in spans} for spans in answer["found"]])
        result |= {"presidio": theirs, "f1_difference": difference(mine, theirs)}
        result["megabytes_per_cpu_second"]["presidio"] = round(megabytes / answer["cpu_seconds"], 4)
        del theirs["by_template"]
    del mine["by_template"]
    print(json.dumps(result))


if __name__ == "__main__":
    presidio(sys.argv[2]) if sys.argv[1] == "--presidio" else main()
