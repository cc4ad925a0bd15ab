"""Compare architectures on a recipe's data at equal compute, over several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev

from markupsafe import Markup

from lmworks.errors import UsageError
from lmworks.evaluate.statistics import student95
from lmworks.pipeline.figure import Interval
from lmworks.release.charts import Bar, interval_chart
from lmworks.search.runs import Runs, flops_per_token
from lmworks.train.config import CausalLMConfig

HABIT = "habit"
"""The recipe's own choice, which others are held against."""
WIDTH_MULTIPLE = 16
WINDOWS = 4
"""Windows in a row, where attention slides."""


@dataclass(frozen=True)
class Entry:
    """One architecture."""

    name: str
    changed: Mapping[str, object]
    parameters: int
    seconds: float
    """Of training, the mean over seeds."""
    losses: Sequence[float]
    """Validation, nats a token, by seed."""
    loss: float
    interval: Interval
    """95 % of the mean, by Student's t over seeds."""
    difference: float
    """From the habit, the mean over seeds, relative to the habit's loss."""
    difference_interval: Interval | None
    """95 %, paired by seed; None of the habit itself."""


@dataclass(frozen=True)
class Bakeoff:
    """All architectures, best first."""

    model: str
    flops: float
    seeds: int
    entries: Sequence[Entry]

    def as_json(self) -> dict[str, object]:
        """All of it, for programs."""
        return asdict(self)

    def in_words(self) -> str:
        """For a terminal."""
        lines = [
            f"{self.model}: validation loss, nats a token, after {self.flops:.3g} operations each; {self.seeds} seeds, "
            "95 % intervals of the mean",
            f"{'architecture':24} {'parameters':>11} {'steps':>6} {'seconds':>8}  {'loss':28} against the habit",
        ]
        for each in self.entries:
            size = f"{each.parameters:>11,} {each.changed['steps']:>6} {each.seconds:8.1f}"
            loss = f"{each.loss:.4f} ({each.interval[0]:.4f} to {each.interval[1]:.4f})"
            lines.append(f"{each.name:24} {size}  {loss:28} {_against(each)}")
        return "\n".join([*lines, "Intervals are of one comparison each; of many, the best flatters itself."])

    def picture(self) -> Markup:
        """Differences from the habit."""
        bars = [
            Bar(each.name, 100 * each.difference, _percent(each.difference_interval), f"{each.difference:+.1%}")
            for each in self.entries
        ]
        return interval_chart("Architectures at equal compute", "loss against the habit, %", bars, chance=0.0)


def _against(entry: Entry) -> str:
    if entry.difference_interval is None:
        return "the recipe's own"
    low, high = entry.difference_interval
    verdict = "better" if high < 0 else "worse" if low > 0 else "not told apart"
    return f"{entry.difference:+.2%} ({low:+.2%} to {high:+.2%}), {verdict}"


def _percent(interval: Interval | None) -> Interval | None:
    return interval and (100 * interval[0], 100 * interval[1])


def variants(config: CausalLMConfig) -> dict[str, dict[str, object]]:
    """Changes of a decoder's shape worth a try; those that are its own already are left out."""
    assert isinstance(config.hidden_size, int) and isinstance(config.num_layers, int)  # noqa: S101 - planned
    shape = config.shape(256)

    def wide(times: float) -> int:
        return max(1, round(shape.hidden_size * times / WIDTH_MULTIPLE)) * WIDTH_MULTIPLE

    found: dict[str, dict[str, object]] = {
        "deeper, narrower": {"num_layers": 2 * shape.num_layers, "hidden_size": wide(0.5**0.5)},
        "shallower, wider": {"num_layers": max(1, shape.num_layers // 2), "hidden_size": wide(2**0.5)},
        "twice the heads": {"num_heads": 2 * shape.num_heads, "num_key_value_heads": 2 * shape.num_key_value_heads},
        "a key head each": {"num_heads": shape.num_heads, "num_key_value_heads": shape.num_heads},
        "one key head": {"num_heads": shape.num_heads, "num_key_value_heads": 1},
        "tied embeddings": {"tie_embeddings": True},
        "embeddings of their own": {"tie_embeddings": False},
        "sliding window": {"sliding_window": max(1, config.sequence_length // WINDOWS)},
        "full attention": {"sliding_window": None},
    }
    kept: dict[str, dict[str, object]] = {HABIT: {}}
    for name, changed in found.items():
        with suppress(ValueError):  # heads that cannot be halved
            if config.model_copy(update=changed).shape(256) not in [
                config.model_copy(update=each).shape(256) for each in kept.values()
            ]:
                kept[name] = changed
    return kept


def bakeoff(runs: Runs, *, seeds: int) -> tuple[Bakeoff, Path]:
    """Train every variant with every seed, for as many steps as take the recipe's own operations.

    Raises `UsageError` for a model that begins with another's shape.
    """
    config = runs.config
    if not isinstance(config, CausalLMConfig) or config.base is not None:
        raise UsageError(f"{runs.model} begins with another model, whose architecture is fixed; name the base")
    entries: list[Entry] = []
    whole = flops_per_token(config, runs.vocab_size) * int(config.steps)
    habit: list[float] = []
    for name, shape in variants(config).items():
        steps = max(1, round(whole / flops_per_token(config.model_copy(update=shape), runs.vocab_size)))
        changed = {**shape, "steps": steps, "validation_steps": steps, "watch": None}
        trained = [runs.train({**changed, "seed": config.seed + number}) for number in range(seeds)]
        losses = [each.loss for each in trained]
        habit = habit or losses
        relative = [loss / own - 1 for loss, own in zip(losses, habit, strict=True)]
        entries.append(
            Entry(
                name=name,
                changed=changed,
                parameters=trained[0].parameters,
                seconds=fmean(each.seconds for each in trained),
                losses=losses,
                loss=fmean(losses),
                interval=_interval(losses),
                difference=fmean(relative),
                difference_interval=None if name == HABIT else _interval(relative),
            )
        )
    tokens = config.rows_per_step * config.sequence_length
    found = Bakeoff(runs.model, float(whole * tokens), seeds, sorted(entries, key=lambda each: each.loss))
    return found, runs.report("bakeoff", found.picture(), found.as_json())


def _interval(values: Sequence[float]) -> Interval:
    half = student95(len(values) - 1) * stdev(values) / len(values) ** 0.5
    return fmean(values) - half, fmean(values) + half
