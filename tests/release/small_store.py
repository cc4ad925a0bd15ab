"""A small store made by the real build loop: data, tokenizer and rows are real, the rest write what theirs would."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lmworks.data.base.identity import KEY_FILE
from lmworks.data.clean.normalise import NormaliseConfig, normalise
from lmworks.data.quality.curate import CurateConfig, curate
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.splits.groups import SplitConfig
from lmworks.data.splits.split import split
from lmworks.data.tuning.conversations import conversation, write_conversations
from lmworks.data.tuning.pairs import PairsConfig, pairs
from lmworks.evaluate.compare import CompareConfig, compare
from lmworks.evaluate.items import BITS_PER_BYTE, ROUGE_L
from lmworks.pipeline.build import Build, Environment, Node
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.record import BuildRecord
from lmworks.pipeline.stage import Context, Handle, Result, Stage, stage
from lmworks.pipeline.store import Store
from lmworks.recipe.references import references
from lmworks.recipe.schema import StepConfig
from lmworks.tokens.kinds.bpe import BpeConfig, bpe
from lmworks.tokens.rows.pack import (
    PackConfig,
    PackConversationsConfig,
    PackDocumentsConfig,
    PackPairsConfig,
    pack_conversations,
    pack_documents,
    pack_pairs,
)
from lmworks.tokens.rows.shards import Shards

NASTY = "<script>alert('x')</script> & \"quoted\" \x1b[31mred\u202e"
SUBJECTS = ("bucket", "queue", "table", "stream", "topic", "cluster", "function", "key", "alarm", "image", "volume")


class ToyConfig(StepConfig):
    """Of the steps that stand in for real ones; their inputs are named by the graph."""


class TrainConfig(StepConfig):
    objective: str = "causal-lm"
    learning_rate: float = 0.02


class TaskConfig(StepConfig):
    score: float
    context_length: int | None = 512
    kind: Literal["perplexity", "documentation"] = "documentation"


@stage(version=1, reads="documents")
def operations_to_prompts(config: ToyConfig, documents: Documents, out: Path, context: Context) -> Result:
    made = [
        conversation(
            id=document.id[::-1],
            form="explain",
            question=f"What does this do: {document.text.splitlines()[0]}?",
            answer=document.text.split("\n\n")[1],
            document=document.id,
        )
        for document in documents.iterate()
    ]
    other = conversation(
        id="f" * 32,
        form="other",
        question="Hello",
        answer="I write about cloud services and nothing else.",
        document=None,
    )
    write_conversations(out / "train", [*made, other])
    return Result(counts={"train explain": len(made)}, examples=[{"reason": "train conversation", **other}])


operations_to_prompts = replace(
    operations_to_prompts, name="operations-to-prompts"
)  # it stands for the one that is built in


@stage(version=1, begins_with="base", trains_on="data", reads="tokenizer", measures="validation")
def train(
    config: TrainConfig,
    base: Handle | None,
    data: Shards,
    tokenizer: Handle | None,
    validation: Shards | None,
    out: Path,
    context: Context,
) -> Result:
    shape = {"model_type": "qwen3", "num_hidden_layers": 4, "hidden_size": 256, "max_position_embeddings": 512}
    (out / "config.json").write_text(json.dumps(shape))
    (out / "training.json").write_text(json.dumps({"steps": 400, "learning_rate": config.learning_rate}))
    start = 3.2 if base else 8.3
    with (out / "history.jsonl").open("w") as file:
        for step in range(1, 401):
            loss = 2.4 + (start - 2.4) * math.exp(-step / 70) + 0.12 * math.sin(step * 1.7)
            rate = config.learning_rate * (1 - step / 400)
            line: dict[str, Any] = {"step": step, "tokens": step * 4096, "loss": loss, "learning_rate": rate}
            if step % 50 == 0:
                line["validation_loss"] = loss + 0.05
            file.write(json.dumps(line) + "\n")
    texts = ["of of of the", "Lists the the queue.", "Lists the queues in the account.", f"Lists the queues. {NASTY}"]
    with (out / "samples.jsonl").open("w") as file:
        for step, text in zip((50, 100, 200, 400), texts, strict=True):
            sample = {
                "step": step,
                "prompt": "SQS ListQueues",
                "text": text,
                "reference": "Returns a list of your queues.",
            }
            file.write(json.dumps(sample) + "\n")
    loss_figure = Figure(name="validation loss", value=2.45, n=16, method="mean cross-entropy", unit="nats per token")
    counts = {"parameters": 5_901_312, "steps": 400, "tokens": 400 * 4096}
    fact = "a fact of place {0} that is told beside it, with its interval [0.{0}, 0.456], and what would help; "
    facts = "".join(map(fact.format, range(4)))
    doubt = {"reason": "fit", "verdict": "underfit", "text": f"underfit: 400 steps; {facts}done"}
    doubt = doubt if base else {"verdict": "fine"}
    return Result(figures=[loss_figure], counts=counts, measured={"tokens_per_second": 5123.0}, examples=[doubt])


train = replace(train, name="train")  # it stands for the one that is built in


@stage(version=1, measures="model")
def evaluate(config: TaskConfig, model: Handle | None, out: Path, context: Context) -> Result:
    items = [
        {
            "id": f"item-{index:02d}",
            "digest": f"digest-{index:02d}",
            "cluster": f"Service{index}",
            "prompt": f"Service{index} ListThings",
            ROUGE_L.value: config.score * (1 + (index - 10) / 11.73),
            "answer": NASTY if index == 19 else f"Lists thing {index}.",
            "reference": f"Returns thing number {index}.",
        }
        for index in range(20)
    ]
    if config.kind == "perplexity":
        items = [
            {
                **{name: item[name] for name in ("id", "digest", "cluster")},
                BITS_PER_BYTE.value: item[ROUGE_L.value],
                "bytes": 1,
            }
            for item in items
        ]
    (out / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    score, metric = config.score, ROUGE_L if config.kind == "documentation" else BITS_PER_BYTE
    figure = Figure(
        name=metric.name,
        unit=metric.unit,
        value=score,
        n=1140,
        interval=(score - 0.021, score + 0.023),
        method=f"{config.kind}, 95 % interval by bootstrap over services",
        chance=0.06 if config.kind == "documentation" else None,
        conditions=Conditions(context_length=config.context_length, truncated=int(config.kind == "perplexity")),
        contamination="near-duplicates of test documents were dropped from training",
    )
    return Result(figures=[figure])


evaluate = replace(evaluate, name="evaluate")  # it stands for the one that is built in


def write_sources(folder: Path) -> None:
    """Documents of 12 services, one file that is no text, and a marked-up one."""
    folder.mkdir(parents=True)
    (folder.parent / KEY_FILE).write_text("0" * 64)  # equal ids, and so an equal split, in every test
    for index, subject in enumerate(SUBJECTS):
        text = (
            f"Service{index} Create{subject.title()}\n\nCreates a {subject} in the account, waits until the {subject} "
            f"is ready for use and returns its name, its owner and number {index * 7919} as the identifier.\n\n"
            f"Parameters:\nName: The name of the {subject} to create in Region {index}."
        )
        (folder / f"{subject}.txt").write_text(text)
    (folder / "broken.txt").write_bytes(b"\xff\xfe not text")
    (folder / "empty.txt").write_text(" ")
    (folder / "nasty.txt").write_text(
        f"Service99 Nasty\n\nShort {NASTY} but long enough to be kept as a document here."
    )


def make_nodes(folder: Path, *, until: str = "", licence: str = "CC-BY-4.0") -> list[Node]:
    """The graph of the small recipe, up to a step."""
    raw = _reading(folder, "sources", licence)
    nodes = [
        _node("raw", ingest, raw),
        _node("clean", normalise, NormaliseConfig.model_validate({"from": "raw"})),
        _node("split", split, SplitConfig.model_validate({"from": "clean", "test": 2, "validation": 2})),
        _node("corpus", curate, _curation()),
        _node("questions", operations_to_prompts, ToyConfig(), documents="corpus"),
        _node("tokenizer", bpe, BpeConfig.model_validate({"from": "corpus", "vocab_size": 320})),
        _packing("pretrain/data", pack_documents, PackDocumentsConfig, "corpus"),
        _packing("pretrain/validation", pack_documents, PackDocumentsConfig, "split.validation"),
        _node("pretrain", train, TrainConfig(), data="pretrain/data", validation="pretrain/validation"),
        _packing("finetune/data", pack_conversations, PackConversationsConfig, "questions.train"),
        _node("finetune", train, TrainConfig(), base="pretrain", data="finetune/data"),
    ]
    nodes += _task("perplexity", {"pretrain": 1.31, "finetune": 1.36})
    nodes += _task("documentation", {"pretrain": 0.2, "finetune": 0.391, "copy-nearest": 0.412})
    names = [node.name for node in nodes]
    return nodes[: names.index(until) + 1] if until else nodes


def _reading(folder: Path, path: str, licence: str, name: str = "handbook") -> IngestConfig:
    source = {"kind": "files", "path": path, "name": name, "licence": licence}
    return IngestConfig.model_validate({"sources": [source], "licences": {"allow": [licence]}}).resolve(folder)


def make_tokenizer_nodes(folder: Path) -> list[Node]:
    """The graph of a recipe whose tokenizer is learned from texts that its model is not trained on."""
    return [
        _node("raw", ingest, _reading(folder, "sources", "CC-BY-4.0")),
        _node("mail", ingest, _reading(folder, "letters", "CC0-1.0", "letters")),
        _node("tokenizer", bpe, BpeConfig.model_validate({"from": "mail", "vocab_size": 280})),
        _packing("pretrain/data", pack_documents, PackDocumentsConfig, "raw"),
        _packing("pretrain/validation", pack_documents, PackDocumentsConfig, "mail"),
        _node("pretrain", train, TrainConfig(), data="pretrain/data", tokenizer="tokenizer"),
        _node("watched", train, TrainConfig(), data="pretrain/data", validation="pretrain/validation"),
    ]


def make_nodes_of_another_store(folder: Path, store: Store) -> list[Node]:
    """The graph of a recipe that reads documents which a build of another store made."""
    source = {"kind": "artifact", "store": str(store.root), "artifact": "corpus"}
    raw = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["CC-BY-4.0"]}}).resolve(folder)
    return [
        _node("raw", ingest, raw),
        _node("tokenizer", bpe, BpeConfig.model_validate({"from": "raw", "vocab_size": 280})),
        _packing("pretrain/data", pack_documents, PackDocumentsConfig, "raw"),
        _node("pretrain", train, TrainConfig(), data="pretrain/data"),
    ]


def make_pair_nodes(folder: Path) -> list[Node]:
    """The graph of a recipe whose only model is trained on pairs of a source and its target."""
    raw = next(node for node in make_nodes(folder) if node.name == "raw")
    return [
        raw,
        _node("pairs", pairs, PairsConfig.model_validate({"from": "raw", "source": "path", "target": "text"})),
        _node("tokenizer", bpe, BpeConfig.model_validate({"from": "raw", "vocab_size": 320})),
        _packing("translate/data", pack_pairs, PackPairsConfig, "pairs"),
        _node("translate", train, TrainConfig(objective="text-to-text"), data="translate/data"),
    ]


def _packing(name: str, made_by: Stage, kind: type[PackConfig], texts: str) -> Node:
    fields = {"from": texts, "tokenizer": "tokenizer", "sequence_length": 512}
    return _node(name, made_by, kind.model_validate(fields))


def _task(kind: Literal["perplexity", "documentation"], scores: dict[str, float]) -> list[Node]:
    """One task with its comparison; the tuned model reads a shorter context in one of them."""
    task = f"evaluate/{kind}-questions-test"
    nodes = []
    for system, score in scores.items():
        context = 256 if (kind, system) == ("perplexity", "finetune") else 512
        config = TaskConfig(kind=kind, score=score, context_length=None if "-" in system else context)
        inputs = {} if "-" in system else {"model": system}
        nodes.append(_node(f"{task}/{system}", evaluate, config, **inputs))
    baselines = [system for system in scores if "-" in system]
    config = CompareConfig(evaluations=["made", "by", "graph"], labels=list(scores), baselines=baselines)
    return [*nodes, _node(task, compare, config, evaluations=[node.name for node in nodes])]


def _curation() -> CurateConfig:
    return CurateConfig.model_validate({"from": "split.train", "filters": [], "avoid": ["split.test"]})


def _node(name: str, made_by: Any, config: StepConfig, **inputs: str | list[str]) -> Node:
    return Node(name, made_by, config, {**dict(references(config)), **inputs})


PLAN = {
    "device": "cpu",
    "models": {"pretrain": {"hidden_size": 256, "steps": 400, "threads": 2}, "finetune": {"steps": 100}},
    "predicted": [
        {"step": "data", "seconds": [5000.0, 9000.0]},
        {"step": "pretrain", "seconds": [0.0001, 90.0]},
        {"step": "evaluation", "seconds": [0.0, 0.001]},
    ],
    "memory_bytes": 60_000_000_000,
    "bits_per_byte": [1.2, 1.4],
}


class _Silent:
    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...


def build_store(
    folder: Path, nodes: Sequence[Node], plan: dict[str, Any] | None = PLAN, name: str = "handbook"
) -> Store:
    """Build nodes into `folder/.lmworks` as a recipe of this name and record it as a build does."""
    recipe = folder / "recipe.yaml"
    if not recipe.exists():
        recipe.write_text(f"name: handbook\nuse_case: {json.dumps('answering from the <b>handbook</b>')}\n")
    store = Store(folder / ".lmworks")
    previous = store.builds.get(name)
    state = Build(store, nodes, previous.steps if previous else {})
    for index, node in enumerate(nodes, start=1):
        if state.look(node)[0] is None:
            state.run(node, PlainDisplay(_Silent()), (index, len(nodes)), Environment(lambda: None, 1))  # type: ignore[arg-type]
    settings, names = ("pretrain.steps=400", "a b=c"), tuple(node.name for node in make_nodes(folder))
    store.builds.save(
        name,
        BuildRecord(recipe="../recipe.yaml", plan=plan, settings=settings, nodes=names, steps=state.steps),
    )
    return store
