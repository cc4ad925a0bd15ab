from __future__ import annotations

import random

import pytest
import torch

from lmworks.engines.decoding.sampling import choose
from lmworks.engines.request import Sampling


def draws(logits: list[float], sampling: Sampling, count: int = 4000) -> list[float]:
    """How often each token is drawn."""
    noise = random.Random(0)
    rows = torch.tensor([logits]).expand(count, -1)
    tokens = choose(rows, [sampling] * count, [noise.random() for _ in range(count)])
    return [tokens.count(token) / count for token in range(len(logits))]


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose(torch.tensor([[0.0, 3.0, 1.0]]), [Sampling(1)], [0.99]) == [1]


def test_draws_follow_the_distribution() -> None:
    logits = [1.0, 0.0, -1.0, float("-inf")]
    expected = torch.tensor(logits).div(0.7).softmax(-1).tolist()
    assert draws(logits, Sampling(1, temperature=0.7)) == pytest.approx(expected, abs=0.02)
    assert draws(logits, Sampling(1, temperature=0.7, top_k=4)) == pytest.approx(expected, abs=0.02)


def test_top_k_and_top_p_keep_the_likeliest_tokens_only() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log().tolist()
    assert draws(logits, Sampling(1, temperature=1, top_k=2)) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.02)
    assert draws(logits, Sampling(1, temperature=1, top_p=0.7)) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.02)
    assert draws(logits, Sampling(1, temperature=1, top_p=0.76)) == pytest.approx([0, 5 / 9, 1 / 6, 5 / 18], abs=0.02)
    assert draws(logits, Sampling(1, temperature=1, top_p=0.0)) == [0, 1, 0, 0]


@pytest.mark.parametrize("temperature", [1e-30, 1e-320])
def test_a_tiny_temperature_is_greedy_and_never_nan(temperature: float) -> None:
    assert draws([80.0, -80.0, 81.0], Sampling(1, temperature=temperature), 50) == [0, 0, 1]


def test_every_number_of_the_noise_gives_a_token_that_can_occur() -> None:
    logits = torch.tensor([[float("-inf"), 0.0, float("-inf"), 0.0, float("-inf")]] * 2)
    assert choose(logits, [Sampling(1, temperature=1)] * 2, [0.0, 1 - 2**-53]) == [1, 3]


def test_each_row_has_its_own_settings() -> None:
    logits = torch.tensor([[0.0, 1.0, 0.9]] * 3)
    samplings = [Sampling(1), Sampling(1, temperature=1), Sampling(1, temperature=1, top_k=1)]
    assert choose(logits, samplings, [0.0, 0.0, 0.9]) == [1, 0, 1]


@pytest.mark.parametrize(
    "values", [{"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 1.1}, {"top_k": -1}, {"stop": ("",)}]
)
def test_values_without_a_meaning_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="max_tokens must be"):
        Sampling(**({"max_tokens": 1} | values))  # type: ignore[arg-type]
