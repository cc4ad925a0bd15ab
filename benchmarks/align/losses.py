"""Losses and gradients of alignment beside TRL's trainers, on the same weights and the same tokens.

    python benchmarks/align/losses.py

Needs `trl` (measured: 1.16.0). A decoder of random weights, in float32, is disturbed after its reference was taken;
five pairs of answers are packed into rows here and padded there, with the same tokens trained. TRL's own `compute_loss`
computes its side, but for ORPO: there TRL adds the likelihood of the prompt too, and the paper that of the answer
alone, so TRL's `odds_ratio_loss` is asked, and the likelihood added. Prints one JSON line: by objective both losses and
the largest difference of a gradient, as a share of the largest gradient.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer
from trl_sides import Inputs, gradient_difference, make_base, padded, settings

from corpora import make_preferences, pack_judged
from lmworks.model.config import REWARD
from lmworks.model.folder import ModelFolder, load_model, save_model
from lmworks.tokens.rows.pack_preferences import CHOSEN, MISMATCHED, REJECTED, SIDES
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.objectives import OBJECTIVES as CONFIGS
from lmworks.train.objectives import objective_of
from tiny import disturbed

LENGTH, PAIRS, BETA, WEIGHT, MARGIN = 128, 5, 0.3, 0.4, 0.6


def main() -> None:
    """Compare and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = make_base(folder, LENGTH)
        found = {objective: compare(objective, folder, tokenizer) for objective in THEIRS}
    print(json.dumps({"pairs": PAIRS, **found}))


def compare(objective: str, folder: Path, tokenizer: TokenizerFolder) -> dict[str, float]:
    """Both sides of one objective."""
    values, theirs = THEIRS[objective]
    preferences = make_preferences(folder / "preferences", PAIRS)
    rows = pack_judged(folder / objective, tokenizer, LENGTH, preferences, alone=objective == "kto").open()
    fields = {"from": "x", "data": "x", "sequence_length": LENGTH, "data_type": "float32", "objective": objective}
    config = CONFIGS[objective].model_validate({**fields, **values})
    asked = objective_of(objective)(rows, config)
    model = asked.begin(config, ModelFolder(folder / "base", ""), rows, tokenizer.open(), compiled=False)
    disturbed(model.module, 0.02)
    loss, count, _ = asked.loss(model, asked.first(len(rows.tokens)))
    (loss / count).backward()  # type: ignore[no-untyped-call]
    beginning, network = folder / "base", folder / f"{objective}-model"
    save_model(
        disturbed(load_model(beginning, labels=REWARD if objective == "reward" else ()), 0.02), network, tokenizer.path
    )
    kind = AutoModelForSequenceClassification if objective == "reward" else AutoModelForCausalLM
    learned, reference = kind.from_pretrained(network), AutoModelForCausalLM.from_pretrained(beginning)
    words = AutoTokenizer.from_pretrained(beginning)
    other = theirs(learned, reference, words, rows, str(folder / "out"))
    other.backward()  # type: ignore[no-untyped-call]
    return {
        "loss": float(loss) / count,
        "trl": float(other),
        "gradient_difference": gradient_difference(model.module, learned, tokenizer.open().end_of_text_id),
    }


def some(label: bool = False) -> Dataset:
    """Data that a trainer wants to be made with, and that is not used."""
    pair = {"prompt": ["a b"] * 2, "chosen": [" c"] * 2, "rejected": [" d"] * 2}
    single = {"prompt": ["a b"] * 2, "completion": [" c", " d"], "label": [True, False]}
    return Dataset.from_dict(single if label else pair)


def dpo(kind: str) -> Callable[..., Tensor]:
    def loss(learned: Any, reference: Any, words: Any, rows: PackedRows, out: str) -> Tensor:
        args = DPOConfig(**settings(out), beta=BETA, loss_type=kind)
        trainer = DPOTrainer(learned, reference, args, train_dataset=some(), processing_class=words)
        return trainer.compute_loss(learned, padded(rows, CHOSEN, REJECTED))

    return loss


def kto(learned: Any, reference: Any, words: Any, rows: PackedRows, out: str) -> Tensor:
    args = KTOConfig(
        **settings(out), beta=BETA, desirable_weight=2.0, undesirable_weight=0.5, per_device_train_batch_size=2
    )
    trainer = KTOTrainer(learned, reference, args, train_dataset=some(True), processing_class=words)
    judged, others = padded(rows, CHOSEN, REJECTED), padded(rows, MISMATCHED)
    inputs = {**judged, **{f"KL_{name}": value for name, value in others.items()}}
    inputs["label"] = torch.arange(len(judged["input_ids"])) < len(judged["input_ids"]) // 2
    return trainer.compute_loss(learned, inputs)


def sides(rows: PackedRows) -> Inputs:
    """As the older trainers want pairs."""
    found: Inputs = {}
    for name, side in (("chosen", CHOSEN), ("rejected", REJECTED)):
        each = padded(rows, side)
        found[f"{name}_input_ids"], found[f"{name}_attention_mask"] = each["input_ids"], each["attention_mask"]
        found[f"{name}_labels"] = each["input_ids"].masked_fill(each["completion_mask"] == 0, -100)
    return found


def simpo(learned: Any, reference: Any, words: Any, rows: PackedRows, out: str) -> Tensor:
    args = CPOConfig(**settings(out), beta=BETA, loss_type="simpo", simpo_gamma=MARGIN, cpo_alpha=0.0)
    trainer = CPOTrainer(learned, args, train_dataset=some(), processing_class=words)
    return trainer.get_batch_loss_metrics(learned, sides(rows))[0]


def orpo(learned: Any, reference: Any, words: Any, rows: PackedRows, out: str) -> Tensor:
    trainer = ORPOTrainer(
        learned, ORPOConfig(**settings(out), beta=WEIGHT), train_dataset=some(), processing_class=words
    )
    chosen, rejected, *_ = trainer.concatenated_forward(learned, sides(rows))
    return -chosen.mean() - trainer.odds_ratio_loss(chosen, rejected)[0].mean()


def reward(learned: Any, reference: Any, words: Any, rows: PackedRows, out: str) -> Tensor:
    learned.config.pad_token_id = words.pad_token_id
    trainer = RewardTrainer(
        learned, RewardConfig(**settings(out)), train_dataset=some().remove_columns("prompt"), processing_class=words
    )
    inputs = padded(rows, CHOSEN, REJECTED)
    margins = torch.tensor(
        [
            float(margin)
            for row, labels in zip(rows.margins, rows.labels, strict=True)
            for margin in row[: labels.max() // len(SIDES) + 1]
        ]
    )
    return trainer.compute_loss(
        learned,
        {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"], "margin": margins},
    )


THEIRS: dict[str, tuple[dict[str, Any], Callable[..., Tensor]]] = {
    "dpo": ({"beta": BETA}, dpo("sigmoid")),
    "ipo": ({"beta": BETA}, dpo("ipo")),
    "kto": ({"beta": BETA, "chosen_weight": 2.0, "rejected_weight": 0.5}, kto),
    "orpo": ({"odds_weight": WEIGHT}, orpo),
    "simpo": ({"beta": BETA, "target_margin": MARGIN}, simpo),
    "reward": ({}, reward),
}
"""Settings here, and TRL's loss."""


if __name__ == "__main__":
    main()
