"""Intervals and tests hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.evaluate import statistics
from lmworks.evaluate.items import ACCURACY, Metric
from lmworks.evaluate.statistics import (
    bootstrap,
    compare_of_sums,
    compare_paired,
    design_effect,
    holm,
    ratio,
    student95,
)
from lmworks.pipeline.figure import wilson

SCORES = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30)


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 400)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(8, 10, 0.490162, 0.943318), (0, 20, 0, 0.161125), (20, 20, 0.838875, 1), (50, 100, 0.403832, 0.596168)],
)
def test_wilson_equals_the_values_of_statsmodels(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 500), st.floats(1, 50), st.data())
def test_wilson_holds_the_rate_and_widens_with_the_design_effect(n: int, effect: float, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    (low, high), (wider_low, wider_high) = wilson(successes, n), wilson(successes, n, effect)
    assert 0 <= wider_low <= low + 1e-12 <= successes / n + 2e-12
    assert successes / n <= high + 1e-12 <= wider_high + 2e-12 <= 1 + 2e-12


def test_wilson_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="5 successes of 4"):
        wilson(5, 4)


def test_design_effect_is_the_cluster_size_when_clusters_agree_within() -> None:
    outcomes = np.repeat([0, 1] * 50, 4)
    # 100 clusters estimate the variance with a divisor of 99, and so with Student's t: scipy.stats.t.ppf(0.975, 99).
    expected = 4 * 100 / 99 * (1.984217 / 1.959964) ** 2
    assert design_effect(outcomes, np.repeat(range(100), 4).tolist()) == pytest.approx(expected, rel=1e-5)
    assert design_effect([1, 0, 1], ["a", "a", "a"]) == 3
    assert wilson(50, 100, design_effect=4) == pytest.approx(wilson(12.5, 25))
    assert design_effect([0, 1] * 50, np.repeat(range(50), 2).tolist()) == 1
    assert design_effect([1, 1, 1], ["a", "a", "b"]) == 1


def test_bootstrap_equals_scipy() -> None:
    values = np.random.default_rng(7).gamma(2, size=60)
    # scipy.stats.bootstrap((values,), np.mean, n_resamples=200_000, method="percentile", rng=0,
    # confidence_level=0.956396), which is 95 % expanded for 60 items
    ends = np.mean([bootstrap(values, seed=seed) for seed in range(20)], axis=0)
    assert ends == pytest.approx([1.422330, 2.063323], abs=0.003)
    lengths = np.random.default_rng(8).integers(10, 200, 60)
    # the same with paired=True and Σ x / Σ y
    ends = np.mean([bootstrap(values * lengths, lengths, seed=seed) for seed in range(20)], axis=0)
    assert ends == pytest.approx([1.335930, 1.936537], abs=0.003)


@pytest.mark.parametrize(("freedom", "expected"), [(3, 3.182446), (5, 2.570582), (24, 2.063899), (1000, 1.962339)])
def test_student_equals_scipy(freedom: int, expected: float) -> None:
    assert student95(freedom) == pytest.approx(expected, rel=0.01)


def test_one_cluster_says_nothing_of_others() -> None:
    assert bootstrap([1, 2, 3], clusters=["a", "a", "a"]) is None
    outcome = compare_paired([1, 2, 3], [0, 0, 0], clusters=["a", "a", "a"])
    assert (outcome.difference, outcome.interval, outcome.p, outcome.clusters) == (2, None, None, 1)
    assert (outcome.minimum_detectable, outcome.untested) == (None, "all items are of one cluster")


def test_few_clusters_never_prove_a_difference() -> None:
    assert compare_paired([1.0, 1.1, 0.9, 1, 1], [0, 0, 0, 0, 0]).p == 1 / 16
    assert compare_paired([1.0, 1.1, 0.9, 1, 1, 1], [0, 0, 0, 0, 0, 0]).p == 1 / 32


@pytest.mark.usefixtures("few_resamples")
def test_eight_clusters_give_honest_intervals_and_tests() -> None:
    random, covered, rejected = np.random.default_rng(9), 0, 0
    for seed, values in enumerate(random.normal(size=(600, 8))):
        low, high = bootstrap(values, seed=seed) or (0, 0)
        covered += low <= 0 <= high
        rejected += compare_paired(values, np.zeros(8), seed=seed).p <= 0.05
    assert covered / 600 > 0.92
    assert rejected / 600 < 0.08


def test_bootstrap_of_clusters_is_that_of_their_means() -> None:
    means = np.random.default_rng(1).normal(size=40)
    clusters = np.repeat([f"service {index}" for index in range(40)], 5).tolist()
    assert bootstrap(np.repeat(means, 5), clusters=clusters) == pytest.approx(bootstrap(means))


@pytest.mark.usefixtures("few_resamples")
def test_bootstrap_covers_a_clustered_mean_which_an_unclustered_one_does_not() -> None:
    random = np.random.default_rng(2)
    clusters = np.repeat(range(40), 6).tolist()
    covered = np.zeros(2)
    for seed in range(300):
        values = np.repeat(random.normal(size=40), 6) + random.normal(size=240) / 2
        for column, which in enumerate((clusters, None)):
            low, high = bootstrap(values, clusters=which, seed=seed) or (0, 0)
            covered[column] += low <= 0 <= high
    assert 0.90 < covered[0] / 300 < 0.98
    assert covered[1] / 300 < 0.75


@settings(max_examples=30)
@given(SCORES)
def test_bootstrap_stays_within_the_values_and_repeats(values: list[float]) -> None:
    low, high = bootstrap(values, seed=3) or (0, 0)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert bootstrap(values, seed=3) == (low, high)


def test_resampling_in_blocks_covers_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).normal(size=50)
    whole = bootstrap(values)
    monkeypatch.setattr(statistics, "_DRAWS_AT_ONCE", 777)
    assert bootstrap(values) == pytest.approx(whole, abs=1e-12)


@pytest.mark.usefixtures("few_resamples")
def test_paired_test_is_calibrated_when_nothing_differs() -> None:
    random = np.random.default_rng(5)
    rejected = sum(
        compare_paired(a, a + random.normal(size=60), seed=seed).p <= 0.05
        for seed, a in enumerate(random.normal(size=(400, 60)) * 10)
    )
    assert 0.02 < rejected / 400 < 0.09


@pytest.mark.usefixtures("few_resamples")
def test_paired_test_finds_the_minimum_detectable_difference_in_four_of_five_cases() -> None:
    random = np.random.default_rng(6)
    found = 0
    for seed in range(300):
        noise = random.normal(size=80)
        detectable = compare_paired(noise, np.zeros(80)).minimum_detectable
        found += compare_paired(random.normal(size=80) + detectable, np.zeros(80), seed=seed).p <= 0.05
    assert 0.72 < found / 300 < 0.88


def test_paired_test_sees_what_unpaired_intervals_hide() -> None:
    a = np.random.default_rng(7).normal(size=50)
    b = a - 0.1 + 0.05 * np.random.default_rng(8).normal(size=50)
    outcome = compare_paired(a, b)
    assert outcome.difference == pytest.approx((a - b).mean())
    assert outcome.interval and outcome.interval[0] > 0
    assert outcome.p == pytest.approx(1 / 10_001)
    back = compare_paired(b, a)
    assert (back.difference, back.p) == (pytest.approx(-outcome.difference), outcome.p)
    (low, _), (_, high) = bootstrap(a) or (0, 0), bootstrap(b) or (0, 0)
    assert low < high


def test_scores_that_are_the_same_on_every_item_are_not_tested() -> None:
    a = [0.2, 0.4, 0.9]
    outcome = compare_paired(a, a)
    assert (outcome.difference, outcome.interval, outcome.p, outcome.minimum_detectable) == (0, None, None, None)
    assert outcome.untested == "the scores are the same on every item"
    sums = compare_of_sums([[1, 2], [2, 4]], [[1, 2], [2, 4]], ratio, ["a", "b"])
    assert (sums.difference, sums.p, sums.untested) == (0, None, outcome.untested)
    assert not compare_paired([0.2, 0.4, 0.9], [0.2, 0.4, 0.8]).untested


@pytest.mark.parametrize("items", [3, 30])
@pytest.mark.parametrize("more", [0.1, 1, -0.5])
def test_a_difference_that_is_the_same_on_every_item_is_tested_by_its_sign(items: int, more: float) -> None:
    """One that is right on all items, where another is wrong on all, is better, though nothing varies."""
    a = np.linspace(0.2, 0.9, items)
    outcome = compare_paired(a + more, a)
    assert outcome.difference == pytest.approx(more)
    assert outcome.p == max(1 / 10_001, 0.5 ** (items - 1)) and not outcome.untested
    assert outcome.interval == (None if items < 6 else (outcome.difference, outcome.difference))
    assert outcome.minimum_detectable is None


def test_paired_test_weighs_bits_by_bytes() -> None:
    outcome = compare_paired([30, 8], [20, 8], weights=[10, 8], clusters=["a", "b"])
    assert outcome.difference == pytest.approx(10 / 18)
    assert (outcome.n, outcome.clusters) == (2, 2)


def test_paired_test_refuses_other_items() -> None:
    with pytest.raises(ValueError, match="same items"):
        compare_paired([1, 2], [1, 2, 3])


def test_holm_equals_the_values_of_statsmodels() -> None:
    # statsmodels.stats.multitest.multipletests([0.01, 0.04, 0.03, 0.005], method="holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_share_of_clusters_that_agree_within_has_the_interval_of_the_clusters() -> None:
    items = [{"cluster": f"service {number // 20}", "score": number // 20 % 2} for number in range(200)]
    figure = ACCURACY.figure(items, "answers")
    assert (figure.value, figure.n) == (0.5, 200)
    assert figure.interval
    assert figure.interval == pytest.approx(wilson(5, 10), abs=0.05), "ten services, not two hundred answers"


def test_each_system_is_divided_by_its_own_weights() -> None:
    metric = Metric(name="rate", label="rate", value="hits", weight="words")
    a, b = (
        [{"id": str(n), "cluster": str(n), "hits": 1.0 + n % 3, "words": words + n % 2} for n in range(60)]
        for words in (20.0, 130.0)
    )
    found = metric.compare(a, b)
    figures = [metric.figure(items, "counted").value for items in (a, b)]
    assert found.difference == pytest.approx(figures[0] - figures[1])
    assert found.interval and found.interval[0] > 0.05 and found.p < 0.001
    again = metric.compare(a, [{**item, "hits": 0.0} for item in a])
    assert again == compare_paired(
        metric.values(a), np.zeros(60), metric.weights(a), [item["cluster"] for item in a]
    ), "equal weights are compared as they were"
