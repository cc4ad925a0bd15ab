"""Losses and gradients of GRPO and RLOO beside TRL's trainers, on the same weights and the same answers.

    python benchmarks/align/grpo_loss.py

Needs `trl` (measured: 1.16.0). A decoder of random weights, in float32, answers; it is disturbed before, so that its
reference is another, and after, so that ratios are not 1 and some are clipped. TRL's own `_compute_loss` is given the
same tokens, earlier log-probabilities, reference and advantages, and asked for the paper's GRPO: its own defaults mean
over all tokens of a batch, and weigh the distance to the reference by the ratio. Prints one JSON line: by objective
both losses, the largest difference of a gradient as a share of the largest gradient, and the share that is clipped.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl_sides import gradient_difference, make_base, settings

from corpora import pack_asked
from lmworks.model.folder import ModelFolder, save_model
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.objectives import OBJECTIVES as CONFIGS
from lmworks.train.objectives import objective_of
from lmworks.train.objectives.policy import Rollout
from support import make_context
from tiny import disturbed

GROUP, LENGTH, ANSWER, CLIP, KL = 8, 48, 12, 0.2, 0.3
THEIRS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "grpo": (GRPOTrainer, GRPOConfig, {"loss_type": "grpo", "use_bias_correction_kl": False}),
    "rloo": (RLOOTrainer, RLOOConfig, {}),
}


def main() -> None:
    """Compare and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = make_base(folder, LENGTH)
        print(json.dumps({objective: compare(objective, folder, tokenizer) for objective in THEIRS}))


def compare(objective: str, folder: Path, tokenizer: TokenizerFolder) -> dict[str, float]:
    """Both sides of one objective."""
    rows = pack_asked(folder / objective, tokenizer, LENGTH, ANSWER).open()
    fields = {"from": "x", "data": "x", "sequence_length": LENGTH, "global_batch_tokens": 4 * GROUP * LENGTH}
    more = {"rewards": [{"kind": "length", "most": 2}], "clip_range": CLIP, "kl_weight": KL, "data_type": "float32"}
    sizes = {"group_size": GROUP, "answer_tokens": ANSWER, "objective": objective}
    config = CONFIGS[objective].model_validate({**fields, **more, **sizes})
    asked: Any = objective_of(objective)(rows, config)
    model: Any = asked.begin(config, ModelFolder(folder / "base", ""), rows, tokenizer.open(), compiled=False)
    asked.prepare(model, tokenizer.open(), make_context(folder / objective))
    disturbed(model.decoder, 0.02)
    rollout = asked.batch(0, model)
    disturbed(model.decoder, 0.03)
    loss, count, metrics = asked.loss(model, rollout)
    (loss / count).backward()
    network = folder / f"{objective}-model"
    save_model(model.decoder, network, tokenizer.path)
    learned = AutoModelForCausalLM.from_pretrained(network)
    other = theirs(objective, learned, rollout, network)
    other.backward()  # type: ignore[no-untyped-call]
    return {
        "answers": count,
        "loss": loss.item() / count,
        "trl": other.item(),
        "gradient_difference": gradient_difference(model.module, learned, tokenizer.open().end_of_text_id),
        "clipped": metrics["clipped"] / count,
    }


def theirs(objective: str, learned: Any, rollout: Rollout, folder: Path) -> Tensor:
    """TRL's loss on the rollout: prompts padded on the left, answers on the right, as it holds them."""
    trainer_class, config_class, more = THEIRS[objective]
    arguments = config_class(
        **settings(str(folder)),
        beta=KL,
        epsilon=CLIP,
        num_generations=GROUP,
        per_device_train_batch_size=GROUP,
        **more,
    )
    trainer = trainer_class(
        model=learned,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": ["a"]}),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    trainer.current_gradient_accumulation_steps = 1
    starts = rollout.weights.argmax(1).tolist()
    ends = [int(weights.nonzero().max()) + 1 for weights in rollout.weights]
    prompt, answer = max(starts), max(end - start for start, end in zip(starts, ends, strict=True))

    def fill(values: Tensor, target: int) -> tuple[Tensor, Tensor]:
        """Prompts [R,P] and answers [R,A] of [R,T+1] values, of which column 0 stands for target `target`."""
        left, right = (
            torch.zeros(len(values), prompt, dtype=values.dtype),
            torch.zeros(len(values), answer, dtype=values.dtype),
        )
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if target == 0:
                left[row, prompt - start :] = values[row, :start]
            right[row, : end - start] = values[row, start - target : end - target]
        return left, right

    prompts, answers = fill(rollout.tokens, 0)
    read = torch.ones_like(rollout.tokens)
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": fill(read, 0)[0],
        "completion_ids": answers,
        "completion_mask": fill(read, 0)[1],
        "advantages": rollout.advantages,
        "old_per_token_logps": fill(rollout.before, 1)[1],
        "old_logps": rollout.before.sum(1),
        "ref_per_token_logps": fill(rollout.reference, 1)[1],
        "num_items_in_batch": rollout.weights.sum(),
    }
    learned.train()
    loss: Tensor = trainer._compute_loss(learned, inputs)
    return loss


if __name__ == "__main__":
    main()
