"""Intervals and tests hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.evaluate.items import ACCURACY, BLEU, ROUGE_L, SPAN_F1, Item, Metric
from lmworks.pipeline import statistics
from lmworks.pipeline.figure import wilson
from lmworks.pipeline.statistics import (
    LEVEL,
    Comparison,
    compare_groups,
    compare_of_sums,
    compare_shares,
    non_inferior,
    of_sums,
    ratio,
    root_mean_square,
    share,
    share_interval,
    student,
    student_tail,
    tango,
)

OUTCOMES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=6, max_size=40)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(8, 10, 0.490162, 0.943318), (0, 20, 0, 0.161125), (20, 20, 0.838875, 1), (50, 100, 0.403832, 0.596168)],
)
def test_wilson_equals_the_values_of_statsmodels(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-6)


@given(st.floats(0.1, 3000), st.floats(0.1, 3000), st.floats(0, 1))
def test_the_incomplete_beta_function_is_scipys(a: float, b: float, x: float) -> None:
    assert statistics._beta(a, b, x) == pytest.approx(scipy.special.betainc(a, b, x), abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 2.5, 5, 24, 4999, math.inf])
def test_student_is_scipys(freedom: float) -> None:
    for level in (0.05, 0.005, 0.0001):
        assert student(freedom, level) == pytest.approx(scipy.stats.t.ppf(1 - level / 2, freedom), rel=1e-6)
        assert student_tail(student(freedom, level), freedom) == pytest.approx(level, rel=1e-6)


@settings(max_examples=40)
@given(st.integers(1, 400), st.data())
def test_the_ends_of_a_share_are_where_its_mid_p_is_the_level(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = share_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1 and low < high
    for end, tail in ((low, 0.975), (high, 0.025)):
        if 0 < end < 1:
            law = scipy.stats.binom(n, end)
            assert law.cdf(successes) - law.pmf(successes) / 2 == pytest.approx(tail, abs=1e-6)


def test_a_share_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="5 successes of 4"):
        share_interval(5, 4)


@given(OUTCOMES)
def test_mcnemars_test_rejects_exactly_where_tangos_interval_excludes_zero(outcomes: list[tuple[bool, bool]]) -> None:
    a, b = np.array(outcomes, float).T
    found = compare_shares(a, b)
    assert found.interval
    low, high = found.interval
    assert -1 <= low < high <= 1 and low <= found.difference <= high
    if found.p is not None and abs(found.p - LEVEL) > 1e-6:
        assert found.is_shown == (found.p < LEVEL) == (not low <= 0 <= high)


@given(st.lists(st.floats(-10, 10), min_size=6, max_size=40))
def test_groups_have_students_interval(values: list[float]) -> None:
    found = compare_groups(values, [0.0] * len(values), 100)
    assert found.interval and (found.n, found.clusters) == (100, len(values))
    if max(values) - min(values) > 1e-6:
        theirs = scipy.stats.ttest_1samp(values, 0)
        ends = theirs.confidence_interval(0.95)
        assert found.interval == pytest.approx((ends.low, ends.high), abs=1e-9)
        assert found.p == pytest.approx(max(theirs.pvalue, 0.5 ** (len(values) - 1), 1e-6), abs=1e-9)
    elif max(values) == min(values) != 0:
        assert found.interval[0] < values[0] < found.interval[1], "equal values do not prove the next"


def test_paired_shares_have_the_values_of_the_literature() -> None:
    # Research notes: McNemar of 3 and 12 discordant pairs, without correction: χ² = 81 / 15.
    a, b = np.array([1] * 12 + [0] * 3 + [1] * 35), np.array([0] * 12 + [1] * 3 + [1] * 35)
    assert compare_shares(a, b).p == pytest.approx(scipy.stats.chi2.sf(81 / 15, 1))
    assert tango(0, 0, 50, 1.96) == pytest.approx((-(1.96**2) / (50 + 1.96**2), 1.96**2 / (50 + 1.96**2)), abs=1e-6)


@pytest.mark.parametrize("metric", [ACCURACY, ROUGE_L, SPAN_F1, BLEU])
@pytest.mark.parametrize("clusters", [20, 400])
def test_nothing_has_zero_width(metric: Metric, clusters: int) -> None:
    """Neither a perfect score, nor a comparison in which all is tied."""
    counts = {"score": 1.0, "rouge_l": 1.0, "spans": [3, 3, 3], "bleu": [9, 9, 9, 8, 7, 6, 9, 8, 7, 6]}
    items: list[Item] = [{"cluster": f"{n % clusters}", **counts} for n in range(400)]
    figure, tied = metric.figure(items, "x"), metric.compare(items, items)
    assert figure.interval and figure.interval[1] - figure.interval[0] > 0.004 * (metric.most or 1)
    assert tied.interval and tied.interval[1] - tied.interval[0] > 0.004 * (metric.most or 1)
    assert (tied.p, tied.untested) == (None, "the scores are the same on every item")
    assert not non_inferior(metric.compare(items[:20], items[:20]), 0.02 * (metric.most or 1)), "twenty prove nothing"


def test_one_cluster_says_nothing_of_others() -> None:
    counts = [[1, 1], [2, 1], [3, 1]]
    assert of_sums(counts, ratio, ["a", "a", "a"]).interval is None
    assert share([1, 0, 1], ["a", "a", "a"]).interval is None
    items: list[Item] = [{"cluster": "a", "score": float(n % 3), "rouge_l": 0.5} for n in range(30)]
    for metric in (ACCURACY, ROUGE_L):
        found = metric.compare(items, [{**item, metric.value: 0.0} for item in items])
        assert (found.interval, found.p, found.minimum_detectable, found.clusters) == (None, None, None, 1)
        assert found.untested == "its items come in 1 group, and a comparison needs 6"


def test_one_item_is_not_called_equal_scores() -> None:
    item: Item = {"cluster": "a", "rouge_l": 0.5}
    found = ROUGE_L.compare([item], [{**item, "rouge_l": 0.1}])
    assert (found.interval, found.p) == (None, None)
    assert found.untested == "its items come in 1 group, and a comparison needs 6"


def test_few_clusters_never_prove_a_difference() -> None:
    values = [1.0, 1.1, 0.9, 1, 1, 1.05]
    five, six = (compare_of_sums([[each, 1] for each in values[:n]], [[0, 1]] * n, ratio) for n in (5, 6))
    assert (five.p, five.interval) == (1 / 16, None)
    assert six.p == 1 / 32 and six.interval and six.interval[0] > 0
    assert "may be too narrow" in six.doubt and not non_inferior(six, 0.02)


@pytest.mark.parametrize("items", [3, 30])
@pytest.mark.parametrize("more", [0.1, 1, -0.5])
def test_a_difference_that_is_the_same_on_every_item_is_tested_by_its_sign(items: int, more: float) -> None:
    """One that is right on all items, where another is wrong on all, is better, though nothing varies."""
    a = np.linspace(0.2, 0.9, items)
    first, second = (np.stack([each, np.ones(items)], axis=1) for each in (a + more, a))
    found = compare_of_sums(first, second, ratio)
    assert found.difference == pytest.approx(more)
    assert found.p == max(1e-6, 0.5 ** (items - 1)) and not found.untested
    assert (found.interval is None) == (items < 6)


def test_a_share_of_clusters_that_agree_within_has_the_interval_of_the_clusters() -> None:
    items = [{"cluster": f"service {number // 20}", "score": number // 20 % 2} for number in range(400)]
    figure = ACCURACY.figure(items, "answers")
    assert (figure.value, figure.n) == (0.5, 400)
    assert figure.interval == pytest.approx(wilson(10, 20), abs=0.05), "twenty services, not four hundred answers"


def test_jackknife_interval_of_a_mean_is_students_but_for_skewness() -> None:
    values = np.random.default_rng(3).normal(size=50)
    values -= values.mean()
    values = np.concatenate([values, -values])
    low, high = of_sums(np.stack([values, np.ones(100)], axis=1), ratio, range(100)).interval or (0, 0)
    expected = scipy.stats.t.interval(0.95, 99, 0, scipy.stats.sem(values))
    assert (low, high) == pytest.approx(expected, rel=0.02)


def test_unequal_documents_tell_as_much_as_fewer_equal_ones_and_say_so() -> None:
    bits = [
        {"cluster": str(n), "bits": 2.0 * n + 3 * (n % 3), "bytes": 10_000 if n == 1 else 10 + n} for n in range(1, 31)
    ]
    figure = Metric(name="bits", label="bits", value="bits", weight="bytes").figure(bits, "x")
    assert figure.doubt.startswith("the interval may be too narrow: the items come in groups that tell as much as 2.0")


def test_each_system_is_divided_by_its_own_weights() -> None:
    metric = Metric(name="rate", label="rate", value="hits", weight="words")
    a, b = (
        [{"id": str(n), "cluster": str(n), "hits": 1.0 + n % 3, "words": words + n % 2} for n in range(60)]
        for words in (20.0, 130.0)
    )
    found = metric.compare(a, b)
    figures = [metric.figure(items, "counted").value for items in (a, b)]
    assert found.difference == pytest.approx(figures[0] - figures[1])
    assert found.interval and found.interval[0] > 0.05 and found.p and found.p < 0.001


def test_paired_tests_refuse_other_items() -> None:
    with pytest.raises(ValueError, match="same items"):
        compare_shares([1, 0], [1, 0, 1])
    with pytest.raises(ValueError, match="same items"):
        compare_of_sums([[1, 1]], [[1, 1], [1, 1]], ratio)


def test_a_difference_of_the_size_that_is_said_is_found_in_four_of_five_cases() -> None:
    random, found = np.random.default_rng(6), 0
    for _ in range(400):
        noise = np.stack([random.normal(size=80), np.ones(80)], axis=1)
        zeros = np.stack([np.zeros(80), np.ones(80)], axis=1)
        least = compare_of_sums(noise, zeros, ratio).minimum_detectable or 0
        again = compare_of_sums(noise[random.permutation(80)] * [1, 1] + [[least, 0]], zeros, ratio)
        fresh = compare_of_sums(np.stack([random.normal(size=80) + least, np.ones(80)], axis=1), zeros, ratio)
        assert again.difference == pytest.approx(least + noise[:, 0].mean())
        found += fresh.p is not None and fresh.p < LEVEL
    assert 0.73 < found / 400 < 0.87


def test_a_calibrated_model_has_no_calibration_error_and_a_boasting_one_its_own() -> None:
    random, held = np.random.default_rng(8), 0
    for _ in range(200):
        sure = random.uniform(0.5, 1, 400)
        right = (random.random(400) < sure).astype(float)
        bins = np.array_split(np.argsort(sure), 10)
        found = root_mean_square(right - sure, bins, range(400))
        held += bool(found.interval) and found.interval[0] == 0
    assert held / 200 > 0.93
    boast = root_mean_square(
        np.where(random.random(400) < 0.6, 0.1, -0.9), np.array_split(np.arange(400), 10), range(400)
    )
    assert boast.interval and boast.interval[0] < 0.3 < boast.interval[1]


def outcome(low: float, high: float, doubt: str = "") -> Comparison:
    return Comparison((low + high) / 2, (low, high), 0.5, 0.01, 100, 100, doubt=doubt)


def test_within_a_margin_is_what_the_whole_interval_says() -> None:
    assert non_inferior(outcome(-0.01, 0.05), 0.02) and not non_inferior(outcome(-0.02, 0.05), 0.02)
    assert non_inferior(outcome(-0.05, 0.01), 0.02, higher_is_better=False)
    assert not non_inferior(outcome(-0.01, 0.05, "few"), 0.02)
    assert not non_inferior(Comparison(0, None, None, None, 9, 1), 0.02)
