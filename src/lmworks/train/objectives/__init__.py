"""Objectives of training. The config of each names the class that trains.

This module imports no torch, because recipes are read with these configs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmworks.registry import Kinds, derived_from, load
from lmworks.train.configs.alignment import (
    DpoConfig,
    GrpoConfig,
    IpoConfig,
    KtoConfig,
    OrpoConfig,
    PpoConfig,
    RejectionSamplingConfig,
    RewardConfig,
    RlooConfig,
    SimpoConfig,
)
from lmworks.train.configs.encoder import MaskedLMConfig, SequenceClassificationConfig, TokenClassificationConfig
from lmworks.train.configs.language_model import CausalLMConfig, DistillationConfig, SftConfig
from lmworks.train.configs.seq2seq import SpanCorruptionConfig, TextToTextConfig
from lmworks.train.configs.train import TrainConfig

if TYPE_CHECKING:
    from lmworks.train.contract import Objective

OBJECTIVES: Kinds[type[TrainConfig]] = Kinds(
    "objectives",
    "objective",
    {
        "causal-lm": CausalLMConfig,
        "sft": SftConfig,
        "distillation": DistillationConfig,
        "masked-lm": MaskedLMConfig,
        "sequence-classification": SequenceClassificationConfig,
        "token-classification": TokenClassificationConfig,
        "span-corruption": SpanCorruptionConfig,
        "text-to-text": TextToTextConfig,
        "dpo": DpoConfig,
        "ipo": IpoConfig,
        "kto": KtoConfig,
        "orpo": OrpoConfig,
        "simpo": SimpoConfig,
        "reward": RewardConfig,
        "grpo": GrpoConfig,
        "rloo": RlooConfig,
        "rejection-sampling": RejectionSamplingConfig,
        "ppo": PpoConfig,
    },
    derived_from(TrainConfig, "objective"),
)


def objective_of(name: str) -> type[Objective]:
    """Return the implementation of an objective."""
    found: type[Objective] = load(OBJECTIVES[name].implementation)
    return found
