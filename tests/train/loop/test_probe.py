"""The rehearsal of a training: the trainer itself on made-up data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from lmworks.train.configs.alignment import DpoConfig, GrpoConfig, KtoConfig, RewardConfig
from lmworks.train.configs.encoder import MaskedLMConfig, SequenceClassificationConfig, TokenClassificationConfig
from lmworks.train.configs.language_model import CausalLMConfig, SftConfig
from lmworks.train.configs.seq2seq import SpanCorruptionConfig, TextToTextConfig
from lmworks.train.configs.train import TrainConfig, as_record
from lmworks.train.objectives import OBJECTIVES
from quick import few

SETTLED = {"data": "probe", "steps": 9, "sequence_length": 32, "global_batch_tokens": 64, "data_type": "float32"} | {
    "threads": 1,
    "compile": False,
    "validation_rows": 4,
}
FIRST = CausalLMConfig.model_validate(
    {"objective": "causal-lm", "from": "scratch", "hidden_size": 64, "num_layers": 1, **SETTLED}
)
ENCODER = MaskedLMConfig.model_validate({"from": "scratch", "hidden_size": 64, "num_layers": 1, **SETTLED})
PAIRS = TextToTextConfig.model_validate({"from": "scratch", "hidden_size": 64, "num_layers": 1, **SETTLED})
TUNED = {"from": "first", **SETTLED}
ANSWERED = {**TUNED, "rewards": [{"kind": "exact-answer"}], "group_size": 2, "answer_tokens": 4}
AS_ANOTHER = {"ipo", "orpo", "simpo", "rloo", "rejection-sampling", "ppo"}
"""Whose made-up data are another's."""
CHAINS: dict[str, list[TrainConfig]] = {
    "causal-lm": [FIRST],
    "sft": [FIRST, SftConfig.model_validate(TUNED)],
    "lora": [FIRST, SftConfig.model_validate({**TUNED, "adapter": {"kind": "lora", "rank": 2}})],
    "dpo": [FIRST, DpoConfig.model_validate(TUNED)],
    "kto": [FIRST, KtoConfig.model_validate(TUNED)],
    "reward": [FIRST, RewardConfig.model_validate(TUNED)],
    "grpo": [FIRST, GrpoConfig.model_validate(ANSWERED)],
    "masked-lm": [ENCODER],
    "sequence-classification": [ENCODER, SequenceClassificationConfig.model_validate(TUNED)],
    "token-classification": [ENCODER, TokenClassificationConfig.model_validate(TUNED)],
    "text-to-text": [PAIRS],
    "span-corruption": [PAIRS, SpanCorruptionConfig.model_validate(TUNED)],
}


def rehearse(chain: list[TrainConfig], **more: Any) -> dict[str, Any]:
    records = [as_record(config) for config in chain]
    asked = {"chain": records, "vocab_size": 300, "steps": 6, "started": time.monotonic(), **more}
    stdin, held_open = os.pipe()  # a probe ends when its parent does, which closes this
    try:
        command = [sys.executable, "-m", "lmworks.train.loop.probe", json.dumps(asked)]
        done = subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE)
    finally:
        os.close(stdin)
        os.close(held_open)
    return dict(json.loads(done.stdout))


@pytest.mark.whole
@pytest.mark.parametrize("name", few(CHAINS, 1))
def test_a_rehearsal_measures_every_part_of_a_training(name: str) -> None:
    found = rehearse(CHAINS[name])
    parts = ("loading", "begin", "first_step", "first_validation", "validation", "checkpoint")
    assert all(found[f"{part}_seconds"] > 0 for part in parts)
    assert found["tokens_per_second"] > 0 and found["threads"] == 1 and found["steps_of_this_run"] == 6
    assert 50e6 < found["peak_memory_bytes"] < 2e9


def test_every_objective_is_rehearsed() -> None:
    counted = {"distillation"}  # beside a teacher, who is not there yet
    assert set(OBJECTIVES) - AS_ANOTHER - counted == {chain[-1].objective for chain in CHAINS.values()}


@pytest.mark.slow
def test_the_memory_is_that_of_the_training_and_not_of_making_what_it_begins_with() -> None:
    tuned = rehearse(CHAINS["sft"], vocab_size=6000)["peak_memory_bytes"]
    first = rehearse(CHAINS["causal-lm"], vocab_size=6000)["peak_memory_bytes"]
    assert first > tuned + FIRST.beginning_bytes(6000) / 3, "the table of token pairs is the first model's"


@pytest.mark.parametrize("name", few(["causal-lm", "sft", "text-to-text"], 1))
@pytest.mark.slow
def test_what_is_watched_is_answered_while_the_rehearsal_trains(name: str) -> None:
    *before, last = CHAINS[name]
    found = rehearse([*before, last.model_copy(update={"watch": "anything"})])
    assert found["sample_seconds"] > 0 < found["first_sample_seconds"], "of several answers, not of one after the end"


@pytest.mark.slow
def test_a_rehearsal_chooses_among_threads_when_asked() -> None:
    assert rehearse([FIRST.model_copy(update={"threads": 3})])["threads"] == 3
    assert rehearse([FIRST.model_copy(update={"threads": 3})], most_threads=2)["threads"] in (1, 2)
