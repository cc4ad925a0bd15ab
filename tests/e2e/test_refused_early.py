"""Ways to end a build late: each is refused before anything is trained, in words that say what, where, how to mend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lmworks.errors import LmworksError
from lmworks.pipeline.manifest import Manifest
from lmworks.workspace import open_workspace, run
from published import write_published
from support import Quiet

RECIPE = """\
name: late
use_case: ending late
plan: {measure: false}
data:
  texts: {kind: ingest, sources: [FILES texts], licences: {allow: [permissive]}}
  turns: {kind: ingest, sources: [FILES turns], licences: {allow: [permissive]}}
  judged: {kind: ingest, sources: [FILES judged], licences: {allow: [permissive]}}
  asking: {kind: ingest, sources: [FILES asking], licences: {allow: [permissive]}}
  chats: {kind: conversations, from: turns}
  long: {kind: conversations, from: asking}
  pairs: {kind: preferences, from: judged}
tokenizer: {kind: bpe, vocab_size: 300, from: texts}
models:
  lm: {objective: causal-lm, from: scratch, data: texts, hidden_size: 32, num_heads: 2, num_layers: 1, SMALL}
MORE
"""
SMALL = "sequence_length: 64, global_batch_tokens: 256, steps: 2, data_type: float32, threads: 1, compile: false"
TUNED = "  tuned: {objective: sft, from: lm, data: chats, SMALL}\n"
ENCODER = (
    "  enc: {objective: masked-lm, from: scratch, data: texts, hidden_size: 32, num_heads: 2, num_layers: 1, SMALL}\n"
)
TAGGER = ENCODER + "  tagger: {objective: token-classification, from: enc, data: texts, SMALL}\n"
SORTER = ENCODER + "  sorter: {objective: sequence-classification, from: enc, data: texts, SMALL}\n"
BASE = "  base: {objective: pretrained, path: FAMILY, licence: MIT}\n"


def evaluated(models: str, task: str) -> str:
    return f"evaluate: {{models: [{models}], tasks: [{task}]}}\n"


@dataclass
class Case:
    """A recipe that would end late, and what is said of it."""

    more: str
    said: Sequence[str]
    settings: Sequence[str] = ()
    family: str = ""
    """Of a published base that it begins with."""
    wrong: Mapping[str, Callable[[list[dict[str, Any]]], object]] = field(default_factory=dict)
    """By source, what is done to its records."""


def wrong_spans(records: list[dict[str, Any]]) -> None:
    for number in (3, 7, 9):
        records[number]["spans"] = [{"start": 3, "end": 4000, "label": "name"}]


CASES = {
    "test prompts longer than the context": Case(
        TUNED + evaluated("tuned", "{kind: exact-answer, data: long}"),
        [
            "evaluate/exact-answer-long refuses",
            "12 of 12 items longer than the context of 64 tokens, more than 20%; the longest takes ",
            "Raise sequence_length of lm, shorten them, or state largest_lost_share in the task",
        ],
    ),
    "sources to rewrite longer than the context": Case(
        TUNED + evaluated("lm, tuned", "{kind: text-to-text, data: long, train: chats}"),
        ["lm, tuned: 12 of 12 items longer than the context of 64 tokens", "Raise sequence_length of lm"],
    ),
    "fewer examples than are shown": Case(
        TUNED + evaluated("tuned", "{kind: exact-answer, data: chats, train: chats, prompt: few-shot, shots: 40}"),
        ["chats: 12 conversations", "`shots` asks for 40: lower it, or name more conversations in `train`"],
    ),
    "records without the fields of a task": Case(
        evaluated("lm", "{kind: last-word, data: texts}"),
        ["texts: lines.jsonl (document ", "has None as 'context'; expected str", "rename its fields"],
    ),
    "records that ask nothing": Case(
        evaluated("lm", "{kind: multiple-choice, data: texts}"),
        ["texts: lines.jsonl (document ", "is no question with choices", "Layouts that are read: "],
    ),
    "a metric without what judges": Case(
        TUNED + evaluated("tuned", "{kind: facts-to-text, data: chats, metrics: [style]}"),
        ["style: no classifier judges; name a step of kind `classifier` in the task's `style`"],
    ),
    "spans that are wrong": Case(
        TAGGER,
        [
            "3 documents have spans that are wrong in the field 'spans'; mend them where they come from",
            "lines.jsonl (document ",
            "a span from 3 to 4000 is empty, outside of 49 characters",
        ],
        wrong={"texts": wrong_spans},
    ),
    "spans to test on that are wrong": Case(
        TAGGER + evaluated("tagger", "{kind: extraction, data: more}"),
        ["evaluate/extraction-more refuses", "3 documents have spans that are wrong", "lines.jsonl (document "],
        ["data.more={kind: ingest, sources: [FILES more], licences: {allow: [permissive]}}"],
        wrong={"more": wrong_spans},
    ),
    "labels to test on that are not there": Case(
        SORTER + evaluated("sorter", "{kind: classification, data: texts, label: mood}"),
        ["evaluate/classification-texts refuses", "'mood'"],
    ),
}


def write_sources(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Records of each source."""
    texts = []
    for number in range(24):
        text = f"On day {number} Ada saw rain in Rome and wrote it down"
        start = text.index("Ada")
        spans = [{"start": start, "end": start + 3, "label": "name"}]
        texts.append({"text": f"{text[:48]:.<49}", "label": ["wet", "dry"][number % 2], "spans": spans})
    said = [{"role": "assistant", "content": "On some day."}]
    asked = [f"Rain {number}?" for number in range(12)]
    return {
        "texts": texts,
        "more": texts,
        "turns": [{"messages": [{"role": "user", "content": each}, *said]} for each in asked],
        "asking": [{"messages": [{"role": "user", "content": each * 30}, *said]} for each in asked],
        "judged": [{"prompt": each, "chosen": "On some day.", "rejected": "No."} for each in asked],
    }


class Told(Quiet):
    """A display that remembers which steps were begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def step(self, node: str, index: int, total: int, reason: str) -> Told:
        self.begun.append(node)
        return self

    def reused(self, node: str, index: int, total: int) -> None: ...

    def finished(self, manifest: Manifest) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all recipes lie: what they share is made once."""
    return tmp_path_factory.mktemp("late")


@pytest.mark.parametrize("name", CASES)
def test_what_would_end_a_build_late_is_refused_before_anything_is_trained(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMWORKS_ID_KEY", "a key for tests only")
    monkeypatch.chdir(folder)
    case, display = CASES[name], Told()
    for source, records in write_sources(folder).items():
        case.wrong.get(source, lambda records: None)(records := json.loads(json.dumps(records)))
        (folder / source).mkdir(exist_ok=True)
        (folder / source / "lines.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    if case.family and not (folder / case.family).exists():
        write_published(folder / case.family, case.family)
    recipe = RECIPE.replace("MORE\n", case.more).replace("SMALL", SMALL).replace("FAMILY", case.family)
    (folder / "recipe.yaml").write_text(_with_sources(recipe))
    settings = [_with_sources(each) for each in case.settings]
    with pytest.raises(LmworksError) as refused:
        workspace = open_workspace(folder / "recipe.yaml", settings, measure=True)
        run(workspace, display)
    for words in case.said:
        assert words in str(refused.value)
    assert str(folder / ".lmworks") not in str(refused.value), "a user knows the step, not its folder"
    assert not [step for step in display.begun if step in ("lm", "tuned", "enc", "sorter", "tagger", "judge", "policy")]
    assert not list((folder / ".lmworks" / "artifacts").glob("train/*"))


def _with_sources(text: str) -> str:
    """Each source stands in a folder of its name."""
    text = re.sub(r"FILES (texts|more)", r"{kind: files, path: \1, licence: MIT, keep: [label, spans]}", text)
    return re.sub(r"FILES (\w+)", r"{kind: files, path: \1, licence: MIT, fields: all}", text)
