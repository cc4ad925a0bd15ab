"""Losses, advantages and gradients of PPO beside TRL's, on the same weights, values and answers.

    python benchmarks/align/ppo_loss.py

Needs `trl` 0.11.4, the last whose PPO has functions for these (1.16 has no PPO), with `tyro`. A decoder of random
weights and a random value head, in float32, answer; both are disturbed before, so that the reference is another, and
after, so that some ratios and some values are clipped. TRL's `compute_rewards`, `compute_advantages` and `loss` are
given the same tokens, log-probabilities, values and scores. Prints one JSON line: both losses, the shares of tokens and
of values that are clipped, and the largest difference of an advantage, of a return, and of a gradient as a share of the
largest one.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from trl.core import logprobs_from_logits
from trl.trainer.ppo_config import PPOConfig as TheirConfig
from trl.trainer.ppo_trainer import PPOTrainer
from trl_sides import gradient_difference, make_base

from corpora import pack_asked
from lmworks.model.folder import ModelFolder, save_model
from lmworks.train.configs.alignment import PpoConfig
from lmworks.train.objectives.ppo import Ppo, Valued
from support import make_context
from tiny import disturbed

ROWS, LENGTH, ANSWER = 32, 48, 12
CLIP, NEAR, WEIGHT, KL, DISCOUNT, LAMBDA = 0.2, 0.05, 0.3, 0.3, 0.9, 0.95


def main() -> None:
    """Compare and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = make_base(folder, LENGTH)
        rows = pack_asked(folder / "rows", tokenizer, LENGTH, ANSWER).open()
        fields = {
            **{"from": "x", "data": "x", "sequence_length": LENGTH, "global_batch_tokens": ROWS * LENGTH},
            **{"rewards": [{"kind": "length", "most": 2}], "answer_tokens": ANSWER, "data_type": "float32"},
            **{"clip_range": CLIP, "value_clip_range": NEAR, "value_weight": WEIGHT, "kl_weight": KL},
            **{"discount": DISCOUNT, "gae_lambda": LAMBDA},
        }
        asked = Ppo(rows, PpoConfig.model_validate(fields))
        model = asked.begin(asked.config, ModelFolder(folder / "base", ""), rows, tokenizer.open(), compiled=False)
        asked.prepare(model, tokenizer.open(), make_context(folder / "ppo"))
        disturbed(model.module, 0.02)
        rollout = asked.batch(0, model)
        disturbed(model.module, 0.03)
        loss, count, metrics = asked.loss(model, rollout)
        (loss / count).backward()  # type: ignore[no-untyped-call]
        save_model(model.decoder, folder / "learned", tokenizer.path)
        learned = AutoModelForCausalLM.from_pretrained(folder / "learned")
        head = model.module.get_submodule("value")
        other_head = torch.nn.Linear(head.in_features, 1)
        other_head.load_state_dict(head.state_dict())
        other, advantages, returns, held = theirs(learned, other_head, rollout)
        other.backward()  # type: ignore[no-untyped-call]
        answered = rollout.answered
        of_head = max(float((a.grad - b.grad).abs().max()) for a, b in zip(*parameters(head, other_head), strict=True))
        found = {
            "answers": count,
            "loss": loss.item() / count,
            "trl": other.item(),
            "advantage_difference": float((advantages - rollout.advantages)[answered].abs().max()),
            "return_difference": float((returns - rollout.returns)[answered].abs().max()),
            "gradient_difference": gradient_difference(model.decoder, learned, tokenizer.open().end_of_text_id),
            "head_gradient_difference": of_head / max(float(each.grad.abs().max()) for each in head.parameters()),
            "clipped": metrics["clipped"] / count,
            "clipped_values": held,
        }
        print(json.dumps(found))


def parameters(*modules: torch.nn.Module) -> list[list[Any]]:
    """Of each module."""
    return [list(module.parameters()) for module in modules]


def theirs(learned: Any, head: torch.nn.Linear, rollout: Valued) -> tuple[Tensor, Tensor, Tensor, float]:
    """TRL's loss, advantages, returns and clipped share of values; padding stands behind, where nothing sees it."""
    trainer: Any = PPOTrainer.__new__(PPOTrainer)
    settings = {"batch_size": ROWS, "mini_batch_size": ROWS, "gradient_accumulation_steps": 1}
    trainer.config = TheirConfig(
        cliprange=CLIP, cliprange_value=NEAR, vf_coef=WEIGHT, gamma=DISCOUNT, lam=LAMBDA, **settings
    )
    trainer.kl_ctl = SimpleNamespace(value=KL)
    mask = rollout.answered.long()
    scores = list(rollout.rewards.sum(1))
    rewards, _, _ = trainer.compute_rewards(scores, rollout.before, rollout.reference, mask)
    values, advantages, returns = trainer.compute_advantages(rollout.values, rewards, mask)
    found = learned(rollout.tokens[:, :-1], output_hidden_states=True)
    expected = head(found.hidden_states[-1])[:, :, 0]
    now = logprobs_from_logits(found.logits, rollout.tokens[:, 1:])
    policy, value, told = trainer.loss(rollout.before, values, found.logits, expected, now, mask, advantages, returns)
    return policy + value, advantages, returns, float(told["val/clipfrac"])


if __name__ == "__main__":
    main()
