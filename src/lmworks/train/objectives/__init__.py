"""What a model is trained for. An objective is one file and one line here."""

from __future__ import annotations

from lmworks.train.contract import Objective
from lmworks.train.objectives.causal_lm import CausalLM
from lmworks.train.objectives.classification import SequenceClassification, TokenClassification
from lmworks.train.objectives.distillation import Distillation
from lmworks.train.objectives.grpo import Grpo
from lmworks.train.objectives.kto import Kto
from lmworks.train.objectives.masked_lm import MaskedLM
from lmworks.train.objectives.pairwise import Dpo, Ipo, Orpo, Simpo
from lmworks.train.objectives.ppo import Ppo
from lmworks.train.objectives.rejection_sampling import RejectionSampling
from lmworks.train.objectives.reward import Reward
from lmworks.train.objectives.rloo import Rloo
from lmworks.train.objectives.sft import Sft
from lmworks.train.objectives.span_corruption import SpanCorruption
from lmworks.train.objectives.text_to_text import TextToText

OBJECTIVES: dict[str, type[Objective]] = {
    "causal-lm": CausalLM,
    "sft": Sft,
    "distillation": Distillation,
    "masked-lm": MaskedLM,
    "sequence-classification": SequenceClassification,
    "token-classification": TokenClassification,
    "span-corruption": SpanCorruption,
    "text-to-text": TextToText,
    "dpo": Dpo,
    "ipo": Ipo,
    "kto": Kto,
    "orpo": Orpo,
    "simpo": Simpo,
    "reward": Reward,
    "grpo": Grpo,
    "rloo": Rloo,
    "rejection-sampling": RejectionSampling,
    "ppo": Ppo,
}
