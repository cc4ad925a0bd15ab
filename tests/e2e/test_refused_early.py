"""Ways to end a build late: each is refused before anything is trained, in words that say what, where, how to mend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lmworks.errors import LmworksError
from lmworks.pipeline.manifest import Manifest
from lmworks.workspace import open_workspace, run
from published import write_published
from quick import few
from readers import write_rewriter
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


WORDS = "  words: {objective: bag-of-words, data: texts}\n"


def evaluated(models: str, task: str, gates: str = "") -> str:
    return f"evaluate: {{models: [{models}], tasks: [{task}], gates: [{gates}]}}\n"


@dataclass
class Case:
    """A recipe that would end late, and what is said of it."""

    more: str
    said: Sequence[str]
    settings: Sequence[str] = ()
    family: str = ""
    """Of a published base that it begins with."""
    free: int | None = None
    """Bytes on the disk."""
    wrong: Mapping[str, Callable[[list[dict[str, Any]]], object]] = field(default_factory=dict)
    """By source, what is done to its records."""
    unmade: Sequence[str] = ()
    """Further steps that are not to be begun."""


def wrong_spans(records: list[dict[str, Any]]) -> None:
    for number in (3, 7, 9):
        records[number]["spans"] = [{"start": 3, "end": 4000, "label": "name"}]


CASES = {
    "test prompts longer than the context": Case(
        TUNED + evaluated("tuned", "{kind: exact-answer, data: long}"),
        [
            "evaluate/exact-answer-long refuses",
            "12 of 12 items longer than the context of 64 tokens, more than 20%; the longest takes ",
            "Raise sequence_length of lm, shorten the items, or set largest_lost_share in the task",
        ],
    ),
    "sources to rewrite longer than the context": Case(
        TUNED + evaluated("lm, tuned", "{kind: text-to-text, data: long, train: chats}"),
        ["lm, tuned: 12 of 12 items longer than the context of 64 tokens", "Raise sequence_length of lm"],
    ),
    "fewer examples than are shown": Case(
        TUNED + evaluated("tuned", "{kind: exact-answer, data: chats, train: chats, prompt: few-shot, shots: 40}"),
        ["chats: 'exact-answer' can show only 12 conversations", "`shots` is 40: lower it, or name more"],
    ),
    "records without the fields of a task": Case(
        evaluated("lm", "{kind: last-word, data: texts}"),
        ["texts: lines.jsonl (document ", "has None as 'context'; expected str", "rename its fields"],
    ),
    "records that ask nothing": Case(
        evaluated("lm", "{kind: multiple-choice, data: texts}"),
        ["texts: lines.jsonl (document ", "is not a question with choices", "Known layouts: "],
    ),
    "a metric without what judges": Case(
        TUNED + evaluated("tuned", "{kind: facts-to-text, data: chats, metrics: [style]}"),
        ["style: the task has no classifier; name a step of kind `classifier` in its `style`"],
    ),
    "spans that are wrong": Case(
        TAGGER,
        [
            "3 documents have spans that are wrong in the field 'spans'; fix them where they come from",
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
    "clusters of a field that is not there": Case(
        WORDS + evaluated("words", "{kind: classification, data: texts, cluster: mod}"),
        ["evaluate/classification-texts refuses", "`cluster` names 'mod', which none", "they have format, label, "],
        unmade=["words"],
    ),
    "targets that the base does not have": Case(
        "  tuned: {objective: sft, from: lm, data: chats, adapter: {targets: [query]}, SMALL}\n",
        ["recipe.yaml:", "models.tuned.adapter.targets: found query; expected some of down_proj, gate_proj"],
    ),
    "an adapter on a base without linear layers": Case(
        BASE + "  tuned: {objective: sft, from: base, tokenizer: base, data: chats, adapter: {kind: lora}, SMALL}\n",
        [
            "the check of tuned refuses: its first step fails: adapter.targets: no linear layer is called all-linear",
            "leave `adapter` out, which trains all weights, or start from a Llama",
        ],
        family="GPT-2",
    ),
    "an adapter beside an encoder": Case(
        ENCODER
        + "  sorter: {objective: sequence-classification, from: enc, data: texts, adapter: {kind: lora}, SMALL}\n",
        ["models.sorter.adapter: found enc, an encoder; adapters work only with decoders: leave `adapter` out"],
    ),
    "an adapter in two processes": Case(
        "  tuned: {objective: sft, from: lm, data: chats, adapter: {kind: lora}, processes: 2, SMALL}\n",
        ["models.tuned: processes must be 1: adapters are trained by one process"],
    ),
    "preferences that are conversations": Case(
        TUNED + "  judge: {objective: dpo, from: tuned, data: chats, SMALL}\n",
        ["judge/data: 'chats' makes conversations; this step reads preferences. Kinds that make it:"],
    ),
    "a teacher of other tokens": Case(
        BASE + TUNED + "  policy: {objective: distillation, from: tuned, teacher: base, data: chats, SMALL}\n",
        ["the check of policy refuses", "has another tokenizer (321 ids)", "student the teacher's tokenizer"],
        family="Llama",
    ),
    "a judge that reads less than the answers": Case(
        TUNED
        + "  judge: {objective: reward, from: tuned, data: pairs, SMALL}\n"
        + "  base: {objective: causal-lm, from: scratch, data: texts, hidden_size: 32, num_heads: 2, num_layers: 1, "
        + SMALL.replace("64", "128")
        + "}\n  policy: {objective: grpo, from: base, data: chats, rewards: [{kind: model, model: judge}], "
        + "answer_tokens: 8, group_size: 2, SMALL}\n".replace("SMALL", SMALL.replace("64", "128")),
        [
            "models.policy.sequence_length: found 128; expected at most 64, which is all that the judge judge reads",
            "lower it, or train the judge on longer rows",
        ],
    ),
    "a reward that cannot judge": Case(
        TUNED
        + "  policy: {objective: grpo, from: tuned, data: chats, rewards: [{kind: unit-tests}], answer_tokens: 8, "
        + "group_size: 4, SMALL}\n",
        ["the check of policy refuses", "none of the data's 12 answers can judge another", "docs/policy.md says which"],
    ),
    "labels that a reward's classifier does not tell": Case(
        TUNED
        + SORTER
        + WORDS
        + "  policy: {objective: grpo, from: tuned, data: chats, answer_tokens: 8, group_size: 4, SMALL,\n"
        + "    rewards: [{kind: classifier, model: sorter, labels: [wet, damp]}, "
        + "{kind: classifier, model: words, labels: [fine]}]}\n",
        [
            "- reward sorter: labels: found damp; sorter has only dry, wet",
            "- reward words: labels: found fine; words has only dry, wet",
        ],
    ),
    "a judge that can read no pair": Case(
        TUNED
        + "  judge: {objective: reward, from: tuned, data: pairs, SMALL}\n"
        + evaluated("tuned", "{kind: judged-answers, data: pairs, train: pairs, judge: judge, judged: wide}"),
        ["evaluate/judged-answers-pairs refuses", "wide: no pair fits in the judge's 64 tokens"],
        [
            "data.wider={kind: ingest, sources: [FILES wider], licences: {allow: [permissive]}}",
            "data.wide={kind: preferences, from: wider}",
        ],
    ),
    "labels to validate on that are not learned": Case(
        SORTER.replace(
            "sequence-classification, from: enc, data: texts",
            "sequence-classification, from: enc, data: texts, validation: more",
        ),
        ["the check of sorter refuses", "labels that no training text has: odd; training texts have dry, wet"],
        ["data.more={kind: ingest, sources: [FILES more], licences: {allow: [permissive]}}"],
        wrong={"more": lambda records: [records[number].update(label="odd") for number in (2, 5, 8)]},
    ),
    "a label to validate on that differs by case alone": Case(
        SORTER.replace(
            "sequence-classification, from: enc, data: texts",
            "sequence-classification, from: enc, data: texts, validation: more",
        ),
        ["no training text has: Dry; training texts have dry, wet", "case and spaces, Dry is dry: give their source"],
        ["data.more={kind: ingest, sources: [FILES more], licences: {allow: [permissive]}}"],
        wrong={"more": lambda records: records[2].update(label="Dry")},
    ),
    "answers without room for a prompt": Case(
        TUNED,
        ["data.said.max_tokens: found 64; expected less than 64, the context of tuned for prompt and answer"],
        ["data.said={kind: answers, model: tuned, data: chats, max_tokens: 64}"],
    ),
    "a rate that overwrites all": Case(
        "",
        ["models.lm: learning_rate is 1000, at which the first step overwrites all", "expected at most 10"],
        ["lm.learning_rate=1000"],
    ),
    "heads that do not divide a size that is found": Case(
        "",
        ["is not a multiple of num_heads 3; expected one of 1, 2, 4", "write hidden_size in the recipe"],
        ["lm.num_heads=3", "lm.hidden_size=auto", "lm.num_layers=auto"],
    ),
    "processes that share what cannot be shared": Case(
        "",
        ["models.lm.tensor_parallel: found 2, into which num_key_value_heads 1 does not go", "or another num_key"],
        ["lm.processes=2", "lm.tensor_parallel=2", "lm.num_key_value_heads=1"],
    ),
    "a checkpoint beyond the steps": Case(
        "",
        ["models.lm.publish_checkpoints: 100000000 is beyond the ", "name earlier steps, or set `steps`"],
        ["lm.steps=auto", "lm.publish_checkpoints=[100000000]"],
    ),
    "memory that no machine has": Case(
        "",
        ["models.lm: micro_batch_rows 4 takes ", "GiB are free", "choose a smaller hidden_size"],
        ["lm.hidden_size=65536", "lm.num_heads=64", "lm.num_layers=200"],
    ),
    "a disk that is full": Case(
        TUNED,
        ["training lm, tuned writes ", "0 MiB are free. Make room (`lmworks gc`", "--store"],
        free=1000,
    ),
    "a model that answers nobody": Case(
        TUNED + "  judge: {objective: reward, from: tuned, data: pairs, SMALL}\nserve: {model: judge}\n",
        ["serve.model: found judge, a reward model, which cannot be served; expected a decoder or"],
    ),
    "examples that are no questions": Case(
        TUNED + "serve: {model: tuned, examples: texts}\n",
        ["serve.examples: found texts, documents; expected conversations. You can leave it out"],
    ),
    "a base that is a name": Case(
        "  tuned: {objective: sft, from: meta-llama/Llama-3.2-1B, data: chats, SMALL}\n",
        [
            "models.tuned.from: no earlier step 'meta-llama/Llama-3.2-1B'",
            "`base: {objective: pretrained, path: FOLDER",
        ],
    ),
    "an encoder-decoder that knows other words": Case(
        BASE + "  tuned: {objective: text-to-text, from: base, data: chats, SMALL}\n",
        [
            "models.tuned.tokenizer: base has its own vocabulary, and tokenizer has a different one",
            "`tokenizer: base`",
        ],
        family="T5",
    ),
    "prompts without room whose answers a trained model writes": Case(
        TUNED
        + "  policy: {objective: grpo, from: tuned, data: said, rewards: [{kind: length, most: 9}], answer_tokens: 8, "
        + "group_size: 4, SMALL}\n",
        [
            "12 of 12 prompts leave no room for an answer: the limit is 57 tokens per prompt, and the longest has ",
            "Try: a greater models.policy.sequence_length, or shorter prompts",
        ],
        ["data.said={kind: answers, model: tuned, data: long, max_tokens: 4}", "lm.sequence_length=512"],
    ),
    "prompts that a trained model has no room to answer": Case(
        TUNED,
        ["12 of 12 prompts leave no room for an answer", "Try: a smaller data.said.max_tokens, or shorter prompts"],
        ["data.said={kind: answers, model: tuned, data: long, max_tokens: 8}"],
    ),
    "sources that no encoder-decoder reads": Case(
        BASE
        + "  tuned: {objective: text-to-text, from: base, tokenizer: base, data: chats, SMALL}\n"
        + evaluated("tuned", "{kind: text-to-text, data: long, train: chats}"),
        [
            "- tuned: 1 of 1 items longer than the context of 4096 tokens",
            "Name models that read more, shorten the items, or set largest_lost_share",
        ],
        family="T5",
        wrong={"asking": lambda records: [each["messages"][0].update(content="Rain? " * 2000) for each in records]},
    ),
    "words where a number stands": Case(
        "", ["models.lm.steps: expected a whole number or 'auto'; found the word 'many'"], ["lm.steps=many"]
    ),
    "a tokenizer that loses text": Case(
        evaluated("lm", "{kind: perplexity, data: more}"),
        ["evaluate/perplexity-more refuses", "its tokens do not give its text back", "use a byte-level tokenizer"],
        [
            "tokenizer={kind: wordpiece, vocab_size: 300, from: texts}",
            "data.more={kind: ingest, sources: [FILES more], licences: {allow: [permissive]}}",
        ],
        wrong={"more": lambda records: records[0].update(text="Words in 日本語 that nobody has learned")},
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
        "wider": [{"prompt": each * 30, "chosen": "On some day.", "rejected": "No."} for each in asked],
        "judged": [{"prompt": each, "chosen": "On some day.", "rejected": "No."} for each in asked],
    }


class Told(Quiet):
    """A display that remembers which steps were begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Told:
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


@pytest.mark.parametrize("name", few(CASES, 8))
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
        (write_rewriter if case.family == "T5" else partial(write_published, family=case.family))(folder / case.family)
    recipe = RECIPE.replace("MORE\n", case.more).replace("SMALL", SMALL).replace("FAMILY", case.family)
    (folder / "recipe.yaml").write_text(_with_sources(recipe))
    if case.free is not None:
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=case.free))
    settings = [_with_sources(each) for each in case.settings]
    with pytest.raises(LmworksError) as refused:
        workspace = open_workspace(folder / "recipe.yaml", settings, measure=True)
        run(workspace, display)
    for words in case.said:
        assert words in str(refused.value)
    assert ".lmworks/artifacts" not in str(refused.value), "a user knows the step, not its folder"
    trained = ("lm", "tuned", "enc", "sorter", "tagger", "judge", "policy", *case.unmade)
    assert not [step for step in display.begun if step in trained]
    assert not list((folder / ".lmworks" / "artifacts").glob("train/*"))


def _with_sources(text: str) -> str:
    """Each source stands in a folder of its name."""
    text = re.sub(r"FILES (texts|more)", r"{kind: files, path: \1, licence: MIT, keep: [label, spans]}", text)
    return re.sub(r"FILES (\w+)", r"{kind: files, path: \1, licence: MIT, fields: all}", text)
