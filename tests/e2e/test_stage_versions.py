"""The output of every stage on a small input, held against a stored table.

A stored artifact is reused as long as its stage's version stays. So whoever changes what a stage makes, or a default,
raises the version; then `python tests/e2e/test_stage_versions.py` writes the table anew.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_jsonable_python

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
from e2e.small_recipe import lmworks, make_project
from e2e.small_writing import build_writing
from e2e.test_translation import build_translation
from lmworks import graph
from lmworks.data.base.identity import document_id
from lmworks.data.contamination.search import contamination_search
from lmworks.evaluate.tasks import TASKS
from lmworks.model.pretrained import PretrainedModelConfig, import_model
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.stage import Stage
from lmworks.pipeline.store import Artifact, Store
from lmworks.recipe.schema import StepConfig
from lmworks.train.configs.language_model import SftConfig
from lmworks.train.loop.train import train
from lmworks.train.objectives import OBJECTIVES
from lmworks.train.preflight.check import check
from published import write_published

TABLE = Path(__file__).with_name("stage_versions.json")
INEXACT = ("train", "evaluate", "compare", "classif", "unigram")
"""Stages that reckon in floating point: their figures agree closely, not to the bit, on another kind of processor."""

NOTES_RECIPE = """\
name: notes
use_case: holding on to what the data steps make
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: texts, licence: MIT, keep: [writer]}]
    licences: {allow: [permissive]}
    shard_bytes: 2048
  clean: {kind: normalise, from: raw}
  private: {kind: anonymise, from: clean, action: surrogate, people: [writer]}
  single: {kind: repeated-passages, from: private, words: 12}
  unseen: {kind: decontaminate, from: single, files: [exam.jsonl]}
  judged: {kind: verdicts, from: unseen, verdicts: verdicts.jsonl}
  examples:
    kind: ingest
    sources: [{kind: files, path: examples, licence: MIT}]
    licences: {allow: [permissive]}
  answers:
    kind: ingest
    sources: [{kind: files, path: answers, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  better: {kind: preferences, from: answers}
  quoted: {kind: conversations, from: answers}
  sums: {kind: arithmetic, largest: 29}
  mixed: {kind: mix, parts: {notes: {from: unseen, weight: 2}, examples: {from: examples, weight: 1}}}
  taste: {kind: classifier, from: [examples]}
  tasted: {kind: classify, from: unseen, classifier: taste, label: notes}
  turns:
    kind: ingest
    sources: [{kind: files, path: turns, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  chats: {kind: conversations, from: turns}
  drafts: {kind: answers, model: base, data: chats, samples: 3, limit: 8, max_tokens: 8, cut: keep}
  ruled:
    kind: constitution
    from: drafts
    rules: [{kind: length, most: 2}, {kind: length, most: 4}, {kind: length, most: 6}, {kind: regex, pattern: '[^e]*'}]
  pairs:
    kind: ingest
    sources: [{kind: files, path: pairs, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  either: {kind: preferences, from: pairs}
  found: {kind: passages, from: unseen}
  informed: {kind: retrieve, from: quoted, passages: found}
  kept:
    kind: ingest
    sources: [{kind: files, path: kept, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
models:
  base: {objective: pretrained, path: base, licence: Apache-2.0}
  spoken:
    objective: sft
    from: base
    tokenizer: base
    data: chats
    sequence_length: 64
    global_batch_tokens: 256
    steps: 2
    data_type: float32
    threads: 1
    compile: false
  tuned:
    objective: causal-lm
    from: base
    tokenizer: base
    data: unseen
    adapter: {rank: 4}
    learning_rate: 0.02
    sequence_length: 64
    global_batch_tokens: 256
    steps: 6
    data_type: float32
    threads: 1
    compile: false
  aligned: {objective: dpo, from: base, tokenizer: base, data: better, learning_rate: 0.001, SMALL}
  rewarded:
    {objective: grpo, from: base, tokenizer: base, data: chats, rewards: [{kind: length, most: 5}], answer_tokens: 6,
    group_size: 4, learning_rate: 0.001, SMALL}
  judge: {objective: reward, from: base, tokenizer: base, data: better, learning_rate: 0.001, SMALL}
evaluate:
  models: [aligned, judge]
  tasks:
    - {kind: preference-accuracy, data: better, train: better, reference: base}
    - {kind: exact-answer, data: chats, limit: 8, max_tokens: 8}
    - {kind: from-passages, data: chats, passages: found, limit: 8, max_tokens: 8}
    - {kind: rules, data: chats, limit: 8, max_tokens: 8, rules: [{kind: length, most: 3}]}
    - {kind: judged-answers, data: better, train: better, judge: judge, limit: 8, max_tokens: 8}
    - {kind: last-word, data: kept}
    - {kind: multiple-choice, data: kept}
""".replace(
    "SMALL", "sequence_length: 128, global_batch_tokens: 512, steps: 6, data_type: float32, threads: 1, compile: false"
)
ENCODERS_RECIPE = """\
name: readers
use_case: holding on to what encoders make
plan: {measure: false}
data:
  letters:
    kind: ingest
    sources: [{kind: files, path: labelled, licence: MIT, keep: [topic, spans]}]
    licences: {allow: [permissive]}
  labelled: {kind: label, from: letters, by: topic, labels: {weather: [rain, tides], goods: [bread, glass, wool]}}
  told: {kind: tell, from: letters, template: "{text} ({topic})"}
  parted: {kind: split, from: labelled, test: 0.2, validation: 0.1}
tokenizer: {kind: bpe, vocab_size: 300, from: parted.train}
models:
  encoder: {objective: masked-lm, from: scratch, data: parted.train, hidden_size: 32, num_layers: 2, SMALL}
  sorter:
    {objective: sequence-classification, from: encoder, data: parted.train, validation: parted.validation, SMALL}
  marker: {objective: token-classification, from: encoder, data: parted.train, SMALL}
evaluate:
  models: [sorter, marker]
  tasks:
    - {kind: classification, data: parted.test, train: parted.train}
    - {kind: extraction, data: parted.test, train: parted.train}
""".replace("SMALL", "sequence_length: 48, steps: 8, data_type: float32, threads: 1, compile: false")
TOKENIZERS = (
    "{kind: unigram, vocab_size: 400, from: unseen}",
    "{kind: wordpiece, vocab_size: 100, from: unseen}",
    "{kind: character, vocab_size: 300, from: unseen}",
    "{kind: pretrained, path: tokenizer.json}",
)


def make_notes(folder: Path) -> Path:
    """A folder with texts, an examination and a recipe; returns the folder."""
    footer = "This note is kept for five years and may be read by all who work in the house."
    notes = [
        {
            "writer": f"Ada Example{number % 5}",
            "text": f"Ada Example{number % 5} <ada{number}@example.org> wrote note {number} on {number % 28 + 1} May "
            f"2024 about {topic}, since {topic} was asked for {number} times.\n{footer if number % 3 else ''}",
        }
        for number in range(40)
        for topic in [("bread", "rain", "trains", "glass", "music", "tides", "wool")[number % 7]]
    ]
    (folder / "texts").mkdir(parents=True)
    (folder / "texts" / "notes.jsonl").write_text("".join(json.dumps(note) + "\n" for note in notes))
    question = "about trains, since trains was asked for 9 times and then for ten more"
    (folder / "exam.jsonl").write_text(json.dumps({"question": question}) + "\n")
    judged = document_id(b"a key for tests only", "texts", "notes.jsonl", "7")
    verdict = {"id": judged, "label": "reject", "annotator": "expert-1"}
    (folder / "verdicts.jsonl").write_text(json.dumps(verdict) + "\n")
    for name, words in (("notes", "wrote a note about"), ("orders", "sold ten pounds of")):
        (folder / "examples" / name).mkdir(parents=True)
        lines = [
            json.dumps({"text": f"Someone {words} {note['text'][-30:]} {number}"}) for number, note in enumerate(notes)
        ]
        (folder / "examples" / name / "lines.jsonl").write_text("\n".join(lines) + "\n")
    choice = {"query": "What fell on that day?", "choices": ["rain", "bread"], "gold": 0}
    for name, lines in (
        ("turns", [{"prompt": f"Rain {n}?", "completion": f"On day {n}."} for n in range(12)]),
        ("pairs", [{"prompt": "Rain?", "chosen": f"On {n}.", "rejected": "No."} for n in range(4)]),
        ("kept", [{"context": f"On day {n} it", "continuation": "rained", **choice} for n in range(8)]),
    ):
        (folder / name).mkdir()
        (folder / name / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "answers").mkdir()
    judged = [
        {"prompt": f"Who wrote note {number}?", "chosen": f"Ada Example{number % 5} did.", "rejected": f"I, {number}."}
        for number in range(40)
    ]
    (folder / "answers" / "judged.jsonl").write_text("".join(json.dumps(line) + "\n" for line in judged))
    write_published(folder / "base", "Llama")
    (folder / "labelled").mkdir()
    topics = ("bread", "rain", "trains", "glass", "tides", "wool")
    marked = [
        {"text": f"Note {number} is about {topic}.", "topic": topic, "spans": [{"start": 0, "end": 4, "label": "kind"}]}
        for number in range(60)
        for topic in [topics[number % 6]]
    ]
    (folder / "labelled" / "notes.jsonl").write_text("".join(json.dumps(note) + "\n" for note in marked))
    (folder / "recipe.yaml").write_text(NOTES_RECIPE)
    (folder / "encoders.yaml").write_text(ENCODERS_RECIPE)
    return folder


@pytest.fixture(scope="module")
def artifacts(built_once: Path, written: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Artifact]:
    """What the recipes make; of steps of one name, those of the last."""
    translation, notes = (tmp_path_factory.mktemp(name) for name in ("translation", "notes"))
    return made_by(*folders_of(written), build_translation(translation), built_once, build_notes(notes))


def folders_of(written: Path) -> list[Path]:
    """The projects that write."""
    return [written / "content", written / "summarize"]


def build_notes(folder: Path) -> Path:
    """The notes, built."""
    make_notes(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMWORKS_PRIVACY_KEY", "a key for tests only")
        lmworks(folder, "build", "recipe.yaml")
        lmworks(folder, "build", "encoders.yaml")
        for tokenizer in TOKENIZERS:
            lmworks(folder, "build", "recipe.yaml", "--set", f"tokenizer={tokenizer}")
            made = folder / ".lmworks" / "artifacts" / "wordpiece"
            for file in made.glob("*/payload/tokenizer.json"):
                shutil.copy(file, folder)
    return folder


def made_by(*folders: Path) -> list[Artifact]:
    """The artifacts of projects."""
    return [artifact for folder in folders for artifact in Store(folder / ".lmworks").all()]


def described(artifacts: list[Artifact]) -> dict[str, dict[str, Any]]:
    """Version, defaults and outputs of each stage."""
    table: dict[str, dict[str, Any]] = {}
    for stage, config in stages():
        table[stage.name] = {"version": stage.version, "defaults": defaults_digest(config), "outputs": {}}
    for artifact in artifacts:
        if artifact.stage in table:
            exact = not artifact.stage.startswith(INEXACT)
            output = artifact.digest("") if exact else [round(value, 6) for value in numbers(artifact)]
            table[artifact.stage]["outputs"][artifact.manifest.step] = output
    return table


def stages() -> list[tuple[Stage, type[StepConfig]]]:
    """Every stage that a recipe can name, with its config."""
    found = [(stage, stage.config) for stage in graph.STEPS.values()]
    found += [(config.packed.pack, config.packed.pack.config) for config in OBJECTIVES.values()]
    found += [(train, config) for config in OBJECTIVES.values()]
    found += [(import_model, PretrainedModelConfig), (check, SftConfig)]
    found += [(contamination_search, contamination_search.config)]
    return found + [(task.stage, task.config) for task in TASKS.values()]


def defaults_digest(config: type[StepConfig]) -> str:
    """Digest of the defaults of a config."""
    defaults = {
        name: to_jsonable_python(info.get_default(call_default_factory=True), fallback=lambda value: "required")
        for name, info in config.model_fields.items()
    }
    return digest_text(canonical_json(defaults))[:16]


NEARLY_EVEN = "evaluate-reverse-question"
"""The stage whose choices differ by hundredths of a nat: on one processor three of eight answers turned."""


def numbers(artifact: Artifact) -> list[float]:
    """Return the figures of an artifact and the losses on its way; of nearly even choices, how likely they are."""
    if artifact.stage == NEARLY_EVEN:
        return of_choices(artifact)
    history = artifact.payload / "history.jsonl"
    lines = history.read_text().splitlines() if history.exists() else []
    losses = [json.loads(line).get("loss") for line in lines]
    return [figure.value for figure in artifact.manifest.figures] + [loss for loss in losses if loss is not None]


def of_choices(artifact: Artifact) -> list[float]:
    """Return the mean log-likelihood of each item's choices, and by how much each accuracy is not the share they give.

    Which of several nearly even choices is the likeliest turns on another processor. How likely they are does not.
    """
    items = [json.loads(line) for line in (artifact.payload / "items.jsonl").read_text().splitlines()]
    means = [statistics.fmean(choice["log_likelihood"] for choice in item["choices"]) for item in items]

    def is_right(item: dict[str, Any]) -> bool:
        return max(item["choices"], key=lambda choice: choice["log_likelihood"])["text"] == item["reference"]

    shares = {
        "accuracy": statistics.fmean(is_right(item) for item in items),
        "accuracy_by_per-byte": statistics.fmean(item["correct by per-byte"] for item in items),
    }
    return means + [figure.value - shares[figure.name] for figure in artifact.manifest.figures]


TWO_ITEMS = 0.26
"""Of the eight that the small recipe asks: those whose answers are nearly even turn on another processor."""


DIFFERENCE = 0.002
"""Of figures that are no shares: what two losses of 5 nats differ by is known no better than they are. One of 0.0093
on one processor was 0.0089 on another."""


CLOSE = {"evaluate-text-to-text": 0.3}
"""Relative, 0.03 for others: of its twenty sentences one that is written otherwise moves BLEU by a fifth."""


def is_the_same(output: str | list[float], expected: str | list[float], close: float = 0.03) -> bool:
    """Equal digests, or figures that agree closely."""
    if isinstance(output, str) or isinstance(expected, str):
        return output == expected
    shares = all(0 <= value <= 1 for value in expected)
    return output == pytest.approx(expected, rel=close, abs=TWO_ITEMS if shares else DIFFERENCE)


@pytest.mark.slow
def test_a_stage_that_makes_something_else_has_another_version(artifacts: list[Artifact]) -> None:
    stored, found = json.loads(TABLE.read_text()), described(artifacts)
    assert set(found) == set(stored), "write the table anew: see the top of this file"
    for name, now in found.items():
        before = stored[name]
        assert now["outputs"], f"no recipe above runs the stage {name}; add it to one"
        assert now["version"] == before["version"], f"{name} has a new version: write the table anew"
        assert now["defaults"] == before["defaults"], f"the defaults of {name} changed: raise its version"
        for step, output in now["outputs"].items():
            expected = before["outputs"][step]
            assert is_the_same(output, expected, CLOSE.get(name, 0.03)), (
                f"{name} makes {output} of step {step}, not {expected}: raise its version"
            )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name) / "small")
        lmworks(project, "build", "recipe.yaml")
        translation, notes = build_translation(Path(name) / "translation"), build_notes(Path(name) / "notes")
        writing = folders_of(build_writing(Path(name) / "writing"))
        table = described(made_by(*writing, translation, project, notes))
    TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
