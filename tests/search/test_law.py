from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.errors import LmworksError, UsageError
from lmworks.search.law import fit_law
from lmworks.search.study import parse_range

LADDER = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0])


@settings(max_examples=15)
@given(st.floats(0.5, 2.5), st.floats(0.8, 2.5), st.floats(0.12, 0.35), st.sampled_from([1.0, 1e13]))
def test_a_known_law_is_recovered_and_carried_on(floor: float, size: float, exponent: float, unit: float) -> None:
    def loss(x: float | np.ndarray) -> float | np.ndarray:
        return floor + size * x**-exponent

    law = fit_law(LADDER * unit, loss(LADDER))
    for x in (2.0, 8.0):
        predicted, (low, high) = law.predict(x * unit)
        assert low <= loss(x) <= high
        assert predicted == pytest.approx(loss(x), rel=0.04)


@pytest.mark.slow
def test_intervals_hold_what_they_promise() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(80):
        floor, size = random.uniform(0.5, 2), random.uniform(1, 2.5)
        exponent, noise = 0.18 * np.exp(0.5 * random.standard_normal()), random.uniform(0.002, 0.007)
        x = np.append(LADDER, 8.0)
        losses = (floor + size * x**-exponent) * (1 + noise * random.standard_normal(6))
        _, (low, high) = fit_law(x[:5], losses[:5]).predict(8.0)
        held += low <= losses[5] <= high
    assert held >= 70, "95 % are meant; fewer than 70 of 80 would come by chance once in a hundred"


def test_one_run_that_went_wrong_does_not_bend_the_law() -> None:
    x = np.append(LADDER / 16, LADDER)
    losses = 1.5 + 1.8 * x**-0.2
    losses[3] *= 1.2
    assert fit_law(x, losses).predict(8.0)[0] == pytest.approx(1.5 + 1.8 * 8**-0.2, rel=0.03)


def test_a_slow_beginning_does_not_bend_the_law() -> None:
    def loss(x: float | np.ndarray) -> float | np.ndarray:
        return 1.0 + 1.6 * x**-0.18

    x = 2.5 ** np.arange(-8.0, 1.0)
    late = loss(x) * (1 - 0.06 * np.array([1.0, 0.6, 0.3, *[0.0] * 6]))  # the first fall slower from run to run
    for times in (2.0, 8.0):
        predicted, (low, high) = fit_law(x, late).predict(times)
        assert low <= loss(times) <= high
        assert predicted == pytest.approx(loss(times), rel=0.035)


def test_losses_that_fall_faster_and_faster_are_not_carried_below_zero() -> None:
    law = fit_law(LADDER, 3.0 - 0.45 * np.log(LADDER * 16) ** 1.1 / 1.1)
    assert law.predict(1e9)[1][0] >= 0


def test_certainty_falls_with_distance_even_where_runs_lie_on_one_law() -> None:
    x = np.geomspace(1 / 64, 1, 60)
    law = fit_law(x, 1.0 + 1.6 * x**-0.18)
    half = [(high - low) / 2 / loss for loss, (low, high) in (law.predict(times) for times in (1.0, 8.0, 64.0))]
    assert half[0] < 0.008 and half[1] > 0.01 and half[2] > 0.02


@pytest.mark.slow
def test_seeds_of_a_ladder_narrow_its_interval_as_far_as_the_law_is_exact() -> None:
    def half(seeds: int) -> float:
        x = np.repeat(2.5 ** np.arange(-4.0, 1.0), seeds)
        random = np.random.default_rng(5)
        losses = (1.0 + 1.6 * x**-0.18) * (1 + 0.009 * random.standard_normal(len(x)))
        loss, (low, high) = fit_law(x, losses).predict(8.0)
        return (high - low) / 2 / loss

    one, three, many = (half(seeds) for seeds in (1, 3, 200))
    assert three < 0.85 * one
    assert many > 0.022, "seeds tell nothing of how the slope goes on"


def test_enough_is_where_doubling_gains_too_little() -> None:
    law = fit_law(LADDER, 1.5 + 1.8 * LADDER**-0.2)
    enough, (low, high) = law.enough(0.02)
    assert low < enough < high
    now, doubled = (float(np.median(law.at(each))) for each in (enough, 2 * enough))
    assert 1 - doubled / now == pytest.approx(0.02, abs=0.003)
    reached, _ = law.amount_for(now)
    assert reached == pytest.approx(enough, rel=0.1)
    assert law.amount_for(0.01)[0] == float("inf"), "below the floor"


def test_losses_that_rise_have_no_law() -> None:
    with pytest.raises(LmworksError, match="do not fall"):
        fit_law(LADDER, [1.0, 1.5, 2.0, 2.5, 3.0])
    with pytest.raises(LmworksError, match="three"):
        fit_law([1, 2], [3, 2])


def test_ranges_are_read_as_they_are_written() -> None:
    name, rate = parse_range("learning_rate=5e-3..0.05:log")
    assert (name, rate.low, rate.high, rate.log) == ("learning_rate", 0.005, 0.05, True)
    _, layers = parse_range("num_layers=1..4")
    assert (layers.low, layers.high) == (1, 4) and isinstance(layers.low, int)
    assert parse_range("tokenizer.vocab_size=512,1024")[1].choices == ("512", "1024")
    for text in ("learning_rate", "learning_rate=", "x=3..1", "x=0..1:log", "x=1..", "x=5"):
        with pytest.raises(UsageError, match="expected FIELD"):
            parse_range(text)
