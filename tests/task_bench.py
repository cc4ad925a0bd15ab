"""Every task, asked of models of each family on one device or another: what their figures are compared by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, T5Config, T5ForConditionalGeneration

from corpora import make_preferences
from data.tiny_encoders import write_classifier
from encoders import labelled
from evaluate.evaluated import make_conversations, make_passages, make_rows
from lmworks.evaluate.items import TaskConfig
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.task import Task
from lmworks.model.config import REWARD
from lmworks.model.folder import ModelFolder, load_model, save_model
from lmworks.model.published import save_published
from lmworks.pipeline.stage import Handle, Result
from published import take, write_published
from support import make_context
from tiny import disturbed, make_tiny_model

FIELDS: dict[str, Any] = {
    "data": "x",
    "train": "x",
    "judge": "judge",
    "passages": "x",
    "max_tokens": 4,
    "limit": 6,
    "rules": [{"kind": "length", "most": 2}],
    "metrics": ["bleu", "rouge"],
    "timed": 2,
}
"""For tasks that have such a field; a new one that asks for another says so when its config is made."""
OF_FAMILY = {
    "decoder": ["decoder", "published"],
    "encoder-decoder": ["t5"],
    "rented model": [],  # answers elsewhere
    "reward model": ["judge"],
    "sequence classifier": ["sorter"],
    "token classifier": ["tagger"],
}
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "documentation, document": ("documentation", "decoder", {"prompt": "document"}),
    "classification, split": ("classification", "sorter", {"long_samples": "split"}),
    "preference-accuracy, reference": ("preference-accuracy", "decoder", {"reference": "x"}),
    "exact-answer, few-shot": ("exact-answer", "decoder", {"prompt": "few-shot", "shots": 1}),
    "perplexity, bfloat16": ("perplexity", "decoder", {"data_type": "bfloat16"}),
}


def cases() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Each task with a model of each family that it can be asked of."""
    found = {}
    for kind, task in TASKS.items():
        names = [name for family in task.of for name in OF_FAMILY[family]]
        found |= {f"{kind}, {name}": (kind, name, {}) for name in names}
    return found | VARIANTS


def make_models(folder: Path) -> dict[str, ModelFolder]:
    """A model of each kind that a task is asked of, in folders of their names."""
    make_tiny_model(folder / "decoder")
    judge = load_model(folder / "decoder", labels=REWARD)
    save_model(disturbed(judge, 0.1), folder / "judge", folder / "decoder")
    take(write_published(folder / "gpt2", "GPT-2"), folder / "published")
    torch.manual_seed(3)
    shape = {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=320, eos_token_id=2, decoder_start_token_id=0, **shape))
    save_published(t5, folder / "t5", folder / "decoder")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    things = {"id2label": {0: "bucket", 1: "queue", 2: "table", 3: "cluster", 4: "alarm"}}
    known = BertConfig(vocab_size=320, max_position_embeddings=48, **sizes, **things)
    save_published(BertForSequenceClassification(known), folder / "sorter", folder / "decoder")
    write_classifier(folder / "tagger", {"bucket": "B-thing", "the": "B-thing", "queue": "I-thing"}, positions=48)
    return {each.name: ModelFolder(each, each.name) for each in folder.iterdir()}


def data_of(kind: str, folder: Path) -> Handle:
    """What a task is asked about, of the form that its stage declares."""
    choice = {
        "context": "S3 Lists the ",
        "continuation": "bucket",
        "query": "S3 Lists",
        "choices": ["a", "the"],
        "gold": 0,
    }
    makers: dict[str, Callable[[Path], Handle]] = {
        "Preferences": lambda place: make_preferences(place, 8),
        "Conversations": make_conversations,
        "Documents": lambda place: (
            labelled(place, None)
            if TASKS[kind].of[0] in ("sequence classifier", "token classifier")
            else make_rows(place, [{**choice, "query": f"S3 Lists {number}"} for number in range(6)])
        ),
    }
    return makers[TASKS[kind].stage.inputs["data"].handle.__name__](folder)


def asked(name: str, device: str) -> tuple[Task, TaskConfig]:
    """A task and its settings."""
    kind, _, more = cases()[name]
    fields = {key: value for key, value in FIELDS.items() if key in TASKS[kind].config.model_fields}
    return TASKS[kind], TASKS[kind].config.model_validate({**fields, "device": device, **more})


def run_task(name: str, models: dict[str, ModelFolder], folder: Path, device: str) -> Result:
    kind, model, _ = cases()[name]
    task, config = asked(name, device)
    inputs: dict[str, Any] = dict.fromkeys(task.stage.inputs)
    data = data_of(kind, folder / "data")
    inputs |= {name: data for name in ("data", "train") if name in inputs} | {"model": models[model]}
    inputs |= {key: models["judge"] for key in inputs if key == "judge"}
    inputs |= {key: models["decoder"] for key in inputs if key == "reference" and getattr(config, key)}
    if "passages" in inputs:
        inputs["passages"] = make_passages(folder / "passages", "The bucket is red.", "The queue is long.")
    out = folder / "out"
    out.mkdir()
    return task.stage(config, **inputs, out=out, context=make_context(folder / "work"))
