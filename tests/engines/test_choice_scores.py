"""Every choice is scored as if it stood behind its prompt alone, however many are read together."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch

from lmworks.engines import decoder as decoder_module
from lmworks.engines.decoder import Choices, DecoderEngine
from lmworks.engines.open import open_decoder
from tiny import make_tiny_model

PER_TOKEN = 1e-5
"""Nats that a sum in another order may move a token by, in float32."""


@pytest.fixture(scope="module", params=[None, 16])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DecoderEngine:
    return open_decoder(make_tiny_model(tmp_path_factory.mktemp("model") / "m", window=request.param))


def questions(count: int, shared: int = 0, ids: int = 317) -> list[Choices]:
    draw = random.Random(count)
    header = [draw.randrange(3, 320) for _ in range(shared)]

    def text(most: int) -> list[int]:
        return [3 + draw.randrange(ids) for _ in range(draw.randint(1, most))]

    return [([*header, *text(40)], [text(12) for _ in range(draw.randint(1, 6))]) for _ in range(count)]


def one_by_one(engine: DecoderEngine, asked: list[Choices]) -> list[list[list[float]]]:
    """By reading each text whole and alone."""
    return [
        [engine.log_likelihoods([[*prompt, *choice]], [len(prompt)])[0] for choice in choices]
        for prompt, choices in asked
    ]


def furthest(one: list[list[list[float]]], other: list[list[list[float]]]) -> float:
    assert [[len(x) for x in each] for each in one] == [[len(x) for x in each] for each in other]
    return max(
        abs(a - b)
        for first, second in zip(one, other, strict=True)
        for x, y in zip(first, second, strict=True)
        for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("ids", [317, 2])
@pytest.mark.parametrize("shared", [0, 40])
def test_choices_that_are_read_together_score_as_each_alone(engine: DecoderEngine, shared: int, ids: int) -> None:
    asked = questions(32, shared, ids)
    assert furthest(engine.choice_log_likelihoods(asked), one_by_one(engine, asked)) < PER_TOKEN


@pytest.mark.parametrize("tokens", [1, 64, 100_000])
def test_scores_do_not_hang_on_the_size_of_the_batch(
    engine: DecoderEngine, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = questions(32)
    together = engine.choice_log_likelihoods(asked)
    texts = [[*prompt, *choice] for prompt, choices in asked for choice in choices]
    windows = engine.log_likelihoods(texts, [1] * len(texts))
    alone = [engine.choice_log_likelihoods([each])[0] for each in asked]  # batches of one question
    monkeypatch.setattr(decoder_module, "BATCH_TOKENS", tokens)  # 1: of one choice
    assert furthest(alone, together) < PER_TOKEN
    assert furthest(engine.choice_log_likelihoods(asked), together) < PER_TOKEN
    assert furthest([engine.log_likelihoods(texts, [1] * len(texts))], [windows]) < PER_TOKEN


@pytest.fixture
def read(engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens went through the model."""
    read = [0]
    hidden = engine.model.hidden

    def counting(tokens: torch.Tensor, *rest: object) -> torch.Tensor:
        read[0] += tokens.numel()
        return hidden(tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.model, "hidden", counting)
    return read


def test_what_several_choices_begin_with_is_read_once(engine: DecoderEngine, read: list[int]) -> None:
    texts = [[5, 6, 7, 8], [5, 6, 9, 8], [5, 6, 7, 8], [5], [5, 6, 7], [10, 6]]
    (together,) = engine.choice_log_likelihoods([([3, 4], texts)])
    assert read == [2 + 3 + 1 + 1]  # the prompt; 5 6 7; 9; 10
    alone = [engine.log_likelihoods([[3, 4, *each]], [2])[0] for each in texts]
    assert furthest([together], [alone]) < PER_TOKEN


def test_what_many_questions_begin_with_is_read_once(
    engine: DecoderEngine, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_module, "BATCH_TOKENS", 1)  # no padding
    asked = questions(16, 60)
    engine.choice_log_likelihoods(asked)
    behind = sum(len(prompt) - 60 + sum(len(choice) - 1 for choice in choices) for prompt, choices in asked)
    rows = sum(max(1, len(choices)) for _, choices in asked)
    assert 60 < read[0] <= 60 + behind + rows * 40 < 60 * len(asked) + behind + rows * 40


def test_scores_are_those_of_a_bigram_worked_out_by_hand(tmp_path: Path) -> None:
    """Without attention and feed-forward a decoder is a bigram: no token is off by one, and the first counts."""
    engine = open_decoder(make_tiny_model(tmp_path / "m"))
    state = engine.model.state_dict()
    for name, weight in state.items():
        if "o_proj" in name or "down_proj" in name:
            weight.zero_()
    embedded = state["model.embed_tokens.weight"].double()
    normed = embedded / (embedded.square().mean(-1, keepdim=True) + engine.model.config.norm_epsilon).sqrt()
    bigram = ((normed * state["model.norm.weight"].double()) @ state["lm_head.weight"].double().T).log_softmax(-1)
    prompt, choices = [7, 9, 11], [[13], [15, 17, 19], [15, 18]]
    wanted = [[bigram[a, b].item() for a, b in zip([11, *each], each, strict=False)] for each in choices]
    (found,) = engine.choice_log_likelihoods([(prompt, choices)])
    for scores, expected in zip(found, wanted, strict=True):
        assert scores == pytest.approx(expected, abs=1e-4)
    (whole,) = engine.log_likelihoods([[*prompt, *choices[1]]], [1])
    assert whole == pytest.approx([bigram[7, 9].item(), bigram[9, 11].item(), *wanted[1]], abs=1e-4)
    assert engine.score_choices(prompt, choices) == pytest.approx([math.fsum(each) for each in wanted], abs=1e-4)
