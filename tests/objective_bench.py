"""Every objective, trained some steps on one device or another: what their losses are compared by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.train import TrainConfig
from lmworks.train.loop.probe import synthetic_prompts, synthetic_tokenizer
from lmworks.train.loop.train import train
from lmworks.train.objectives import OBJECTIVES, objective_of
from published import take, write_published
from support import make_context

SIZES = {"hidden_size": 64, "num_layers": 2}
SMALL: dict[str, Any] = {
    "data": "x",
    "validation": "x",
    "sequence_length": 48,
    "global_batch_tokens": 192,
    "micro_batch_rows": 2,
    "steps": 3,
    "validation_steps": 2,
    "validation_rows": 4,
    "checkpoint_steps": 2,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
}
FIELDS: dict[str, Any] = {
    "teacher": "judge",
    "rewards": [{"kind": "length", "most": 3}, {"kind": "regex", "pattern": ".*w1.*", "weight": 0.5}],
    "group_size": 2,
    "answer_tokens": 6,
    "learning_rate": 0.001,
}
"""For objectives that have such a field; a new one that asks for another one says so when it is made."""
BEGINS_WITH = {"Encoder": "encoder", "Seq2Seq": "seq2seq"}
"""What an objective of a family is tuned from, by the name of the class that its family shares; else a decoder."""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sft lora": ("sft", {"adapter": {"rank": 4}}),
    "sft lora dropout": ("sft", {"adapter": {"rank": 4, "dropout": 0.1}}),
    "sft q4_1": ("sft", {"adapter": {"rank": 4, "quantise": "q4_1"}}),
    "sft nf4": ("sft", {"adapter": {"rank": 4, "quantise": "nf4"}}),
    "dpo lora": ("dpo", {"adapter": {"rank": 4}}),
    "grpo judged": ("grpo", {"rewards": [{"kind": "model", "model": "judge"}]}),
    "a decoder that sorts": ("sequence-classification", {"from": "decoder"}),
    "a published decoder": ("sft", {"from": "published"}),
    "a published decoder, aligned": ("dpo", {"from": "published"}),
    "a published decoder, lora": ("dpo", {"from": "linear", "adapter": {"rank": 4}}),
    "causal-lm bfloat16": ("causal-lm", {"data_type": "bfloat16"}),
    "masked-lm bfloat16": ("masked-lm", {"data_type": "bfloat16"}),
    "masked-lm of BERT's shape": ("masked-lm", {"architecture": "bert"}),
    "text-to-text bfloat16": ("text-to-text", {"data_type": "bfloat16"}),
    "a published decoder, bfloat16": ("sft", {"from": "published", "data_type": "bfloat16"}),
    "computed again": ("causal-lm", {"activation_checkpointing": True}),
    "smoothed": ("causal-lm", {"label_smoothing": 0.1}),
    "best of it": ("causal-lm", {"keep_best": True, "patience": 1}),
    "ppo lora": ("ppo", {"adapter": {"rank": 4}}),
    "adamw": ("causal-lm", {"optimizer": "adamw", "learning_rate": 0.002}),
}
DROPS = ("sft lora dropout", "masked-lm", "masked-lm bfloat16", "masked-lm of BERT's shape")
"""Encoders drop out unless they are told otherwise, and a device has random numbers of its own."""


def settings_of(name: str) -> tuple[str, dict[str, Any]]:
    """The objective of a name, and what it is trained with: without dropout, but of those that are to show it."""
    objective, values = VARIANTS.get(name, (name, {}))
    if "dropout" in OBJECTIVES[objective].model_fields and name not in DROPS:
        values = {"dropout": 0.0, **values}
    return objective, values


class Bench:
    """What the objectives are tried on: words, and models to begin with, made on the processor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = synthetic_tokenizer(folder / "words", 300)
        self.watch = synthetic_prompts(folder / "watch")
        self.models: dict[str, ModelFolder] = {}
        for name, objective, base in (
            ("decoder", "causal-lm", "scratch"),
            ("encoder", "masked-lm", "scratch"),
            ("seq2seq", "span-corruption", "scratch"),
            ("judge", "reward", "decoder"),
        ):
            self.run(f"base-{name}", objective, {"from": base, "steps": 1, "sequence_length": 64}, "cpu")
            self.models[name] = ModelFolder(folder / f"base-{name}" / "out", name)
        for name, family in (("published", "GPT-2"), ("linear", "Pythia")):
            take(write_published(folder / family, family), folder / name)
            self.models[name] = ModelFolder(folder / name, name)

    def config(self, objective: str, values: dict[str, Any]) -> TrainConfig:
        kind = OBJECTIVES[objective]
        family = {base.__name__.removesuffix("Objective") for base in objective_of(objective).__mro__}
        from_scratch = "hidden_size" in kind.model_fields and values.get("from", "scratch") == "scratch"
        base = (
            "scratch"
            if from_scratch
            else next((BEGINS_WITH[each] for each in BEGINS_WITH if each in family), "decoder")
        )
        fields = {name: value for name, value in FIELDS.items() if name in kind.model_fields}
        if not kind.model_fields["learning_rate"].is_required():
            fields.pop("learning_rate")
        return kind.model_validate(
            {"from": base, **SMALL, **(SIZES if from_scratch else {}), **fields, "step_name": objective, **values}
        )

    def run(self, name: str, objective: str, values: dict[str, Any], where: str) -> Result:
        config = self.config(objective, {**values, "device": where})
        base = self.models[config.base] if config.base else None
        is_published = config.base in ("published", "linear")
        words = TokenizerFolder(base.path, "") if base and is_published else self.words
        tried = objective_of(objective)
        place = self.folder / name
        tried.write_synthetic(place / "rows", config.sequence_length, 16, words.open())
        rows = Shards(place / "rows", "rows")
        judges = {"teacher": self.models["decoder"]} if objective == "distillation" else {}
        if not judges and config.judges:
            judges = {"rewards": [self.models["judge"]]}
        watch = self.watch if tried.watched(self.watch, words.open(), 1) and not is_published else None
        given = (base, rows, words, rows, watch)
        return train(config, *given, out=place / "out", context=make_context(place), **judges)

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name / "out" / "history.jsonl").read_text().splitlines()]

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        return load_file(next((self.folder / name / "out").glob("*.safetensors")))
