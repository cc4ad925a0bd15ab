"""Recipes that cover every accepted pair of a data step, a tokenizer and an objective, each with a model of moments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

from e2e.small_recipe import make_services
from lmworks import graph
from lmworks.data.base.identity import document_id
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.preferences import Preferences
from lmworks.pipeline.stage import Handle, Role
from lmworks.train.objectives import OBJECTIVES
from tiny import train_backend

KEY = "a key for tests only"
TOPICS = ("bread", "rain", "trains", "glass", "music", "tides", "wool", "salt")
NOTES = 48
QUESTION = "Which of the houses down by the water was it that nobody ever saw?"
PASSAGE = "This note is kept for five years and may be read by all who work in the house."

DATA = """\
  raw:
    kind: ingest
    sources:
      - {kind: files, path: notes, licence: MIT, keep: [label, spans, source, target]}
      - {kind: files, path: letters, licence: CC-BY-4.0, keep: [label, spans, source, target]}
    licences: {allow: ALLOWED}
  services: {kind: ingest, sources: [{kind: botocore, path: services}], licences: {allow: ALLOWED}}
  examples: {kind: ingest, sources: [{kind: files, path: examples, licence: MIT}], licences: {allow: ALLOWED}}
  turns: {kind: ingest, sources: [{kind: files, path: turns, licence: MIT, fields: all}], licences: {allow: ALLOWED}}
  short: {kind: ingest, sources: [{kind: files, path: short, licence: MIT, fields: all}], licences: {allow: ALLOWED}}
  pairs: {kind: ingest, sources: [{kind: files, path: pairs, licence: MIT, fields: all}], licences: {allow: ALLOWED}}
  clean: {kind: normalise, from: raw}
  private: {kind: anonymise, from: clean, action: redact}
  parted: {kind: split, from: clean, by: id, test: 4, validation: 2}
  apis: {kind: split, from: services, by: folder, test: 1, validation: 1}
  corpus: {kind: curate, from: parted.train, filters: [], avoid: [parted.test]}
  unseen: {kind: decontaminate, from: clean, files: [exam.jsonl]}
  single: {kind: repeated-passages, from: clean, words: 12}
  judged: {kind: verdicts, from: clean, verdicts: verdicts.jsonl}
  labelled: {kind: label, from: clean, by: label, labels: {weather: [rain, tides], goods: [bread, glass, wool, salt]}}
  told: {kind: tell, from: clean, template: "It is told so: {text}"}
  taste: {kind: classifier, from: [examples]}
  tasted: {kind: classify, from: clean, classifier: taste, label: notes}
  mixed: {kind: mix, parts: {some: {from: corpus, weight: 2}, all: {from: single, weight: 1}}}
  styled: {kind: styles, from: clean}
  paired: {kind: pairs, from: clean}
  chats: {kind: conversations, from: turns}
  cited: {kind: passages, from: clean, words: 20, least_words: 5}
  shown: {kind: retrieve, from: chats, passages: cited, number: 1}
  talks: {kind: mix, parts: {some: {from: chats, weight: 2}, all: {from: paired, weight: 1}}}
  better: {kind: preferences, from: pairs}
  sums: {kind: arithmetic, largest: 29}
  asked: {kind: operations-to-prompts, train: apis.train, validation: apis.validation, test: apis.test, seen: 2}
  brief: {kind: conversations, from: short}
  drafts: {kind: answers, model: speaker, data: chats, samples: 4, limit: 8, max_tokens: 8, cut: keep}
  ruled:
    kind: constitution
    from: drafts
    rules:
      - {kind: regex, pattern: "N.*"}
      - {kind: regex, pattern: "[^e]*"}
      - {kind: regex, pattern: "[^aiou]*"}
      - {kind: regex, pattern: ".{0,9}"}
      - {kind: regex, pattern: ".{0,16}"}
"""
MADE: Mapping[str, Mapping[str, type[Handle] | None]] = {
    "ingest": {"raw": Documents},
    "normalise": {"clean": Documents},
    "anonymise": {"private": Documents},
    "split": {"parted.train": Documents},
    "curate": {"corpus": Documents},
    "decontaminate": {"unseen": Documents},
    "repeated-passages": {"single": Documents},
    "verdicts": {"judged": Documents},
    "label": {"labelled": Documents},
    "tell": {"told": Documents},
    "passages": {"cited": None},
    "retrieve": {"shown": Conversations},
    "classifier": {"taste": None},
    "classify": {"tasted": Documents},
    "mix": {"mixed": Documents, "talks": Conversations},
    "styles": {"styled.written": Documents},
    "pairs": {"paired": Conversations},
    "conversations": {"chats": Conversations},
    "preferences": {"better": Preferences},
    "arithmetic": {"sums.corpus": Documents, "sums.train": Conversations},
    "operations-to-prompts": {"asked.train": Conversations},
    "answers": {"drafts": Conversations},
    "constitution": {"ruled": Preferences},
}
"""Kind of a data step → what the recipe calls its outputs, and what they are; None for what is no text."""
TOKENIZERS = {
    "bpe": "{kind: bpe, vocab_size: 300, from: clean}",
    "unigram": "{kind: unigram, vocab_size: 400, from: clean}",
    "wordpiece": "{kind: wordpiece, vocab_size: 120, from: clean}",
    "character": "{kind: character, vocab_size: 300, from: clean}",
    "pretrained": "{kind: pretrained, path: tokenizer}",
}
NOTES_READ = {("notes", "MIT"), ("letters", "CC-BY-4.0")}
PARTS = {"mixed": ("corpus", "single"), "talks": ("chats", "paired")}
"""Of a mix a model learns from the parts, whose rows are packed apart."""
READ: Mapping[str, set[tuple[str, str]]] = {
    "chats": {("turns", "MIT")},
    "shown": {("turns", "MIT"), ("notes", "MIT")},  # in which the best passages stand
    "drafts": {("turns", "MIT")},
    "ruled": {("turns", "MIT")},
    "better": {("pairs", "MIT")},
    "sums.corpus": {("arithmetic", "CC0-1.0")},
    "sums.train": {("written by lmworks", "")},
    "asked.train": {("botocore", "Apache-2.0"), ("written by lmworks", "")},
}
"""Source and licence of what a step makes, where that is not of the notes."""
SMALL = (
    "sequence_length: 480, global_batch_tokens: 960, micro_batch_rows: 2, data_type: float32, threads: 1, "
    "compile: false"
)
SHAPE = "hidden_size: 32, num_layers: 2, num_heads: 2"
ANSWERS = "rewards: [{kind: length, most: 5}], answer_tokens: 4, learning_rate: 0.001"
FIELDS = {
    "causal-lm": f"from: scratch, {SHAPE}",
    "sft": "from: base",
    "distillation": "from: base, teacher: base",
    "masked-lm": f"from: scratch, {SHAPE}",
    "sequence-classification": "from: encoder",
    "token-classification": "from: encoder",
    "span-corruption": f"from: scratch, {SHAPE}",
    "text-to-text": f"from: scratch, {SHAPE}",
    **dict.fromkeys(("dpo", "ipo", "kto", "orpo", "simpo", "reward"), "from: base, learning_rate: 0.001"),
    **dict.fromkeys(("grpo", "rloo", "ppo", "rejection-sampling"), f"from: base, group_size: 2, {ANSWERS}"),
    "ppo": f"from: base, {ANSWERS}",
}
"""What each objective needs beside data and size."""


MIXED = "is a mix"
REFUSED: Mapping[tuple[str, str], str] = {
    **{("mixed", objective): MIXED for objective in ("masked-lm", "sequence-classification", "token-classification")},
    **{("talks", objective): MIXED for objective in ("text-to-text", "grpo", "rloo", "rejection-sampling", "ppo")},
    ("sums.corpus", "sequence-classification"): "`label` names 'label', which none of its 800 documents has",
    ("sums.corpus", "token-classification"): "`label` names 'spans', which none of its 800 documents has",
}
"""Pairs of data and objective that fit by their form and are refused all the same, with what the refusal says."""


class Case(NamedTuple):
    """One model: trained on the output of a data step, with a tokenizer, for an objective."""

    data: str
    """The reference."""
    tokenizer: str
    objective: str


def outputs() -> Iterator[tuple[str, type[Handle] | None]]:
    """Every output of a data step that a model can name, and what it is."""
    for kind, made in MADE.items():
        if kind not in graph.STEPS:
            raise KeyError(f"{kind!r} is no data step any more")
        yield from made.items()


def takes(objective: str) -> type[Handle]:
    """What an objective learns from."""
    pack = OBJECTIVES[objective].packed.pack
    (wanted,) = [each.handle for each in pack.inputs.values() if each.role is Role.TRAINS_ON]
    return wanted


def accepted() -> list[tuple[str, str]]:
    """Pairs of data and objective that fit."""
    return [
        (reference, objective)
        for reference, made in outputs()
        for objective in OBJECTIVES
        if made is takes(objective) and (reference, objective) not in REFUSED
    ]


def cover() -> list[Case]:
    """Cases in which every accepted pair of two of the three occurs, found greedily and always the same."""
    fitting = accepted()
    every = [Case(data, tokenizer, objective) for (data, objective), tokenizer in product(fitting, TOKENIZERS)]
    left = {pair for case in every for pair in combinations(enumerate(case), 2)}
    found: list[Case] = []
    while left:
        counts = dict.fromkeys(TOKENIZERS, 0)
        for case in found:
            counts[case.tokenizer] += 1
        best = max(every, key=lambda case: (len(left & {*combinations(enumerate(case), 2)}), -counts[case.tokenizer]))
        found.append(best)
        left -= {*combinations(enumerate(best), 2)}
    return found


def recipe(tokenizer: str, cases: Sequence[Case], allowed: str = "[permissive]") -> str:
    """The recipe that trains a model for each case."""
    lines = [f"name: {tokenizer}", "use_case: covering what a recipe may combine", "plan: {measure: false}", "data:"]
    lines += [
        DATA.replace("ALLOWED", allowed).rstrip(),
        f"tokenizer: {TOKENIZERS[tokenizer]}",
        "models:",
    ]
    lines.append(f"  base: {{objective: causal-lm, from: scratch, data: clean, {SHAPE}, steps: 2, {SMALL}}}")
    lines.append(f"  encoder: {{objective: masked-lm, from: scratch, data: clean, {SHAPE}, steps: 2, {SMALL}}}")
    lines.append(f"  speaker: {{objective: sft, from: base, data: brief, steps: 40, {SMALL}}}")  # ends its answers
    for number, case in enumerate(cases):
        what = f"objective: {case.objective}, {FIELDS[case.objective]}, data: {case.data}"
        lines.append(f"  m{number}: {{{what}, seed: {number + 1}, steps: 2, {SMALL}}}")
    return "\n".join(lines) + "\n"


def word_of(number: int) -> str:
    """A word that stands in one note alone."""
    return "quil" + "".join("bdfgklmnprst"[int(digit)] for digit in f"{number:03d}") + "on"


def make_sources(folder: Path) -> None:
    """Everything that the recipe reads."""
    notes: list[dict[str, Any]] = []
    for number in range(NOTES):
        topic, word = TOPICS[number % len(TOPICS)], word_of(number)
        notes.append(
            {
                "text": f"Note {number} is of {topic}: we saw {word} beside the {topic} of house {number * 37 % 101}.",
                "label": topic,
                "spans": [{"start": 0, "end": 4, "label": "kind"}],
                "source": f"{word}[colour[{topic}], house[{number}]]",
                "target": f"{word} is {topic} in house {number}.",
            }
        )
    # What one step each finds, so that no step's output equals that of another.
    said = {40: QUESTION, 41: PASSAGE, 42: PASSAGE, 45: "Write to ada@example.org.", 46: "Write to bob@example.org."}
    for number, more in said.items():
        notes[number]["text"] += f" {more}"
    turns = [
        {"prompt": f"What of {TOPICS[n % 8]} {n}?", "completion": f"It was {word_of(500 + n)}."} for n in range(24)
    ]
    judged = [
        {"prompt": f"{TOPICS[n % 8]} {n}?", "chosen": f"On {word_of(600 + n)}.", "rejected": "No."} for n in range(24)
    ]
    for name, lines in (
        ("notes", notes[: NOTES // 2]),
        ("letters", notes[NOTES // 2 :]),
        ("turns", turns),
        ("short", [{"prompt": f"{TOPICS[n % 8]} {n}?", "completion": ("No.", "Ah.")[n % 2]} for n in range(24)]),
        ("pairs", judged),
        ("examples/notes", [{"text": f"Somebody wrote note {n} on {TOPICS[n % 8]}"} for n in range(24)]),
        ("examples/orders", [{"text": f"Ten pounds of {TOPICS[n % 8]} were sold {n} times"} for n in range(24)]),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    make_services(folder / "services", 4)
    (folder / "exam.jsonl").write_text(json.dumps({"question": QUESTION}) + "\n")
    verdict = {"id": document_id(KEY.encode(), "notes", "lines.jsonl", "7"), "label": "reject", "annotator": "expert-1"}
    (folder / "verdicts.jsonl").write_text(json.dumps(verdict) + "\n")
    (folder / "tokenizer").mkdir()
    train_backend(["<|endoftext|>"]).save(str(folder / "tokenizer" / "tokenizer.json"))
