"""Power law with an offset, fitted to few runs, and the losses that it expects of other amounts.

Loss = E + A / x^a (Kaplan et al. 2020, arXiv 2001.08361; with E, Hoffmann et al. 2022, arXiv 2203.15556, equation 2,
along one path of sizes and tokens), where x is compute or data. No loss is below zero, so E is not.
Five points cannot determine three free values with an interval. So the fit is Bayesian: priors state what is known of
the exponent and of the noise between seeds, and intervals are quantiles of draws. No law is exact: its slope wanders
with the logarithm of x, so small runs count less, and seeds of one amount reveal the noise but not the law.

Axes: P points, S draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from lmworks.errors import LmworksError
from lmworks.pipeline.figure import Interval

Floats = NDArray[np.float64]

EXPONENT, EXPONENT_SPREAD = 0.18, 0.4
"""Exponent of compute, α·β/(α+β), by Besiroglu et al. 2024 (arXiv 2404.10102), and one standard deviation of its log. A
factor of 1.5 either way includes Hoffmann's 0.15, and this factor twice includes the exponents of data."""
NOISE, NOISE_RUNS = 0.009, 8
"""Relative standard deviation of the losses of small runs over seeds, and its weight in runs. Measured with ten degrees
of freedom in runs of 30,000 to 181,000 parameters on interface documentation (0.0097 with twenty, Python too)."""
WANDERING = 0.004
"""Standard deviation of the relative slope's difference from the law's, one e-fold from the largest run. The law then
misses 0.7 % of the loss at 8 times the amount. This is small beside the noise, and only a rough estimate."""
DRAWS = 10_000
FEWEST = 200
"""Least number of draws left for quantiles of 95 %."""
ROBUST = 2.0
"""Standard deviations beyond which a point counts less: a run that went wrong must not bend the law."""
ROUNDS = 8


@dataclass(frozen=True)
class Law:
    """Law as draws of its three values and of the noise, in `unit`s of the amount."""

    unit: float
    largest: float
    """Amount of the largest run."""
    floor: Floats
    size: Floats
    exponent: Floats
    noise: Floats
    """Relative noise of one run."""
    seed: int

    def at(self, amount: float) -> Floats:
        """Return the expected losses [S] of an amount."""
        result: Floats = self.floor + self.size * (amount / self.unit) ** -self.exponent
        return result

    def predict(self, amount: float) -> tuple[float, Interval]:
        """Return the median loss, and a 95 % interval for one run."""
        draws, generator = self.at(amount), np.random.default_rng(self.seed)
        off = np.hypot(self.noise, _astray([amount], self.largest)[0, 0] ** 0.5)
        low, high = np.quantile(draws * (1 + off * generator.standard_normal(len(draws))), [0.025, 0.975])
        return float(np.median(draws)), (float(low), float(high))

    def amount_for(self, loss: float) -> tuple[float, Interval]:
        """Return the amount at which a loss is reached, or infinity if the loss is below the floor."""
        with np.errstate(divide="ignore", over="ignore"):
            over = np.maximum(loss - self.floor, 0.0)
            return _quantiles(self.unit * (self.size / over) ** (1 / self.exponent))

    def enough(self, gain: float) -> tuple[float, Interval]:
        """Return the amount from which doubling it lowers the loss by less than the share `gain`.

        Solves A·x^-a·(1 - 2^-a) = gain·(E + A·x^-a).
        """
        over = self.size * (1 - 2.0**-self.exponent - gain)
        with np.errstate(divide="ignore", over="ignore"):
            found = np.where(over > 0, over / np.maximum(gain * self.floor, 0.0), 0.0)
            return _quantiles(self.unit * found ** (1 / self.exponent))

    def as_text(self, amount: str) -> str:
        """Return the law at the median of its draws."""
        floor, size, exponent = (float(np.median(each)) for each in (self.floor, self.size, self.exponent))
        return f"loss = {floor:.2f} + {size:.2f} / ({amount} / {self.unit:.3g})^{exponent:.2f}"


def _astray(amounts: ArrayLike, largest: float) -> Floats:
    """Return the relative covariance [P, P] of the law's errors.

    It is the covariance of the integral of a Wiener process that starts at `largest`, in both directions.
    """
    way = np.log(np.asarray(amounts, float) / largest)
    near, far = (each.outer(np.abs(way), np.abs(way)) for each in (np.minimum, np.maximum))
    one_way = np.outer(way, way) > 0
    return np.where(one_way, WANDERING**2 * near**2 * (3 * far - near) / 6, 0.0)


def _quantiles(draws: Floats) -> tuple[float, Interval]:
    low, middle, high = (float(each) for each in np.quantile(draws, [0.025, 0.5, 0.975], method="nearest"))
    return middle, (low, high)


def fit_law(amounts: ArrayLike, losses: ArrayLike, *, seed: int = 0) -> Law:
    """Fit the law to [P] amounts and losses, P >= 3.

    With a given exponent the law is linear. E (not below zero) and A are integrated out in closed form, over a grid of
    exponents and noises (priors log-normal and inverse gamma, flat in the losses at both ends). Amounts may repeat,
    with other seeds. Points far off count less (Huber's weights). Small runs count less too, because the slope may have
    changed since. Raises `LmworksError` if the losses do not fall.
    """
    x, y = np.asarray(amounts, float), np.asarray(losses, float)
    if len(x) < 3:
        raise LmworksError(f"{len(x)} runs: a law has three values; measure three amounts or more")
    astray, weights = _astray(x, x.max()) / NOISE**2, np.ones_like(x)
    for _ in range(ROUNDS):
        law = _draw(x, y, np.linalg.inv(np.linalg.cholesky(astray + np.diag(1 / weights))), seed)
        off = np.abs(1 - np.array([np.median(law.at(each)) for each in x]) / y) / np.sqrt(1 + np.diag(astray))
        weights = np.minimum(1.0, ROBUST * max(NOISE, 1.48 * np.median(off)) / np.maximum(off, 1e-9))
    return law


def _draw(x: Floats, y: Floats, whiten: Floats, seed: int) -> Law:
    generator, unit = np.random.default_rng(seed), float(np.exp(np.log(x).mean()))
    grid, levels = EXPONENT * np.exp(EXPONENT_SPREAD * np.linspace(-3, 3, 121)), NOISE * np.geomspace(1 / 4, 64, 97)
    freedom = len(x) - 2 + NOISE_RUNS
    scores, fitted = [], []
    for exponent in grid:
        bases = (x / unit) ** -exponent
        design = whiten @ (np.stack([np.ones_like(x), bases], 1) / y[:, None])  # errors are relative
        target = whiten @ np.ones_like(x)
        spread = np.linalg.inv(design.T @ design)
        floor, size = spread @ design.T @ target
        left = NOISE_RUNS * NOISE**2 + ((target - design @ [floor, size]) ** 2).sum()
        prior = -((np.log(exponent / EXPONENT) / EXPONENT_SPREAD) ** 2) / 2
        shape = prior + np.log(np.ptp(bases)) + np.linalg.slogdet(spread)[1] / 2
        above = log_ndtr(floor / np.sqrt(spread[0, 0]) / levels)  # the share of E that is not below zero
        scores.append(shape - freedom * np.log(levels) - left / levels**2 / 2 + above)
        lean = spread[0, 1] / spread[0, 0]
        fitted.append((floor, spread[0, 0] ** 0.5, size, lean, (spread[1, 1] - lean * spread[0, 1]) ** 0.5))
    chances = np.exp(np.array(scores) - np.max(scores)).ravel()
    chosen, level = np.divmod(generator.choice(len(chances), DRAWS, p=chances / chances.sum()), len(levels))
    noise, (mean, wide, size, lean, rest) = levels[level], np.array(fitted)[chosen].T
    over = -ndtri(generator.uniform(size=DRAWS) * ndtr(mean / wide / noise))  # of a normal that is cut off at E = 0
    floors = mean + wide * noise * over
    sizes = size + lean * (floors - mean) + rest * noise * generator.standard_normal(DRAWS)
    kept = sizes > 0
    if kept.sum() < FEWEST:
        raise LmworksError(
            "the losses do not fall as the runs grow, so nothing predicts larger runs; raise the amounts"
        )
    return Law(unit, float(x.max()), floors[kept], sizes[kept], grid[chosen][kept], noise[kept], seed)
