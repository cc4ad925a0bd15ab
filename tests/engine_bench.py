"""Every call of an engine, made on one device or another: what their answers are compared by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_decoder, open_reward_model
from lmworks.engines.protocol import Writing
from lmworks.engines.request import Sampling
from lmworks.model.config import REWARD
from lmworks.model.folder import load_model, save_model
from published import take, write_published
from tiny import disturbed, make_adapted, make_tiny_model

PROMPTS = [[5, 6, 7, 8], [9, 10], [11] * 20]
SHARED = [[*range(20, 60), number] for number in (3, 4, 5)]
DRAWN = [Sampling(6, 1.0, 0.9, 40, seed=number, log_probabilities=True) for number in range(3)]


def written(engine: DecoderEngine, prompts: Sequence[Sequence[int]], sampling: Any) -> Any:
    found = engine.generate(prompts, sampling)
    return [[each.ids, each.text, each.finish_reason, list(each.log_probabilities)] for each in found]


def stepped(engine: DecoderEngine) -> Any:
    """Two requests, of which one is taken back, and a third that comes later."""
    batch = engine.batch(2, 40)
    first, second = (batch.add(Writing(prompt, Sampling(6))) for prompt in PROMPTS[:2])
    batch.step()
    batch.remove(first)
    third = batch.add(Writing(PROMPTS[2], Sampling(3)))
    while batch.busy:
        batch.step()
    return second.ids, third.ids


CALLS: dict[str, Callable[[DecoderEngine], Any]] = {
    "generate": lambda engine: [
        written(engine, PROMPTS, Sampling(6)),
        written(engine, SHARED, Sampling(4, log_probabilities=True)),
        written(engine, PROMPTS, Sampling(6, stop=("e",))),
    ],
    "batch": stepped,
    "encode": lambda engine: engine.encode([{"role": "user", "content": "Hello"}]),
    "encode_text": lambda engine: engine.encode_text("Hello"),
    "log_likelihoods": lambda engine: engine.log_likelihoods([[5, 6, 7, 8], [9, 10, 11]], [1, 2]),
    "choice_log_likelihoods": lambda engine: engine.choice_log_likelihoods([([5, 6, 7], [[8, 9], [10, 11]])]),
    "score_choices": lambda engine: engine.score_choices([5, 6, 7], [[8, 9], [10], [11, 12, 13]]),
    "scores": lambda engine: engine.scores([[5, 6, 7], [8, 9]]),
}
DRAWS: dict[str, Callable[[DecoderEngine], Any]] = {"drawn": lambda engine: written(engine, PROMPTS, DRAWN)}
"""Of our own engine, whose noise is the same on every device."""


MODELS = ("plain", "sliding", "published")
"""Whose answers are asked for; what scores says is asked of a reward model."""


def make_folders(folder: Path) -> dict[str, Path]:
    """Model folders by name."""
    make_tiny_model(folder / "plain")
    make_tiny_model(folder / "sliding", window=8)
    judge = load_model(folder / "plain", labels=REWARD)
    save_model(disturbed(judge, 0.1), folder / "judge", folder / "plain")
    for name, adapter in (("lora", {"rank": 4}), ("other", {"rank": 2})):
        make_adapted(folder / "plain", folder / name, **adapter)
    take(write_published(folder / "gpt2", "GPT-2"), folder / "published")
    return {each.name: each for each in folder.iterdir()}


def open_for(call: str, model: str, folders: dict[str, Path], device: str) -> DecoderEngine:
    """The engine that a call is made of."""
    return (
        open_reward_model(folders["judge"], device=device)
        if call == "scores"
        else open_decoder(folders[model], device=device)
    )
