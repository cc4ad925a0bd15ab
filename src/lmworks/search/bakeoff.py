"""Compare architectures on a recipe's data at equal compute, over several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from statistics import fmean, stdev
from typing import Any

from lmworks.pipeline.figure import Interval
from lmworks.pipeline.statistics import student
from lmworks.release.render.charts import Bar, interval_chart
from lmworks.search.runs import Outcome, Runs
from lmworks.train.configs.language_model import CausalLMConfig

HABIT = "habit"
"""The recipe's own choice, which others are held against."""
WIDTH_MULTIPLE = 16


def variants(config: CausalLMConfig) -> dict[str, dict[str, object]]:
    """Changes of a decoder's shape worth a try; those that change nothing are left out."""
    shape = config.shape(256)

    def wide(times: float) -> int:
        return max(1, round(shape.hidden_size * times / WIDTH_MULTIPLE)) * WIDTH_MULTIPLE

    found: dict[str, dict[str, object]] = {
        HABIT: {},
        "deeper, narrower": {"num_layers": 2 * shape.num_layers, "hidden_size": wide(0.5**0.5)},
        "shallower, wider": {"num_layers": max(1, shape.num_layers // 2), "hidden_size": wide(2**0.5)},
        "twice the heads": {"num_heads": 2 * shape.num_heads, "num_key_value_heads": 2 * shape.num_key_value_heads},
        "a key head each": {"num_heads": shape.num_heads, "num_key_value_heads": shape.num_heads},
        "one key head": {"num_heads": shape.num_heads, "num_key_value_heads": 1},
        "tied embeddings": {"tie_embeddings": True},
        "embeddings of their own": {"tie_embeddings": False},
        "sliding window": {"sliding_window": max(1, config.sequence_length // 4)},
        "full attention": {"sliding_window": None},
    }
    kept: dict[str, dict[str, object]] = {}
    shapes = []
    for name, changed in found.items():
        with suppress(ValueError):  # heads that cannot be halved
            if (made := config.model_copy(update=changed).shape(256)) not in shapes:
                shapes.append(made)
                kept[name] = changed
    return kept


def bakeoff(runs: Runs, *, seeds: int) -> Outcome:
    """Train every variant with every seed, for as many steps as take the recipe's own operations.

    Intervals are Student's t over seeds; differences from the habit are paired by seed. Raises `UsageError` for a
    model that begins with another's shape.
    """
    whole = runs.flops_per_token({}) * int(runs.config.steps)
    habit: list[float] = []
    entries: list[dict[str, Any]] = []
    for name, shape in variants(runs.config).items():  # type: ignore[arg-type]
        steps = max(1, round(whole / runs.flops_per_token(shape)))
        changed = {**shape, "steps": steps, "validation_steps": steps, "watch": None}
        trained = [runs.train({**changed, "seed": runs.config.seed + number}) for number in range(seeds)]
        losses = [each.loss for each in trained]
        habit = habit or losses
        relative = [loss / own - 1 for loss, own in zip(losses, habit, strict=True)]
        size = {"steps": steps, "parameters": trained[0].parameters, "seconds": fmean(each.seconds for each in trained)}
        mean = {"loss": fmean(losses), "interval": _interval(losses), "difference": fmean(relative)}
        entries.append({"name": name, **size, "losses": losses, **mean, "difference_interval": _interval(relative)})
    entries.sort(key=lambda each: each["loss"])
    words = [
        f"{'architecture':24} {'parameters':>11} {'steps':>6} {'seconds':>8}  loss; against the habit, {seeds} seeds"
    ]
    for each in entries:
        low, high = each["difference_interval"]
        verdict = "better" if high < 0 else "worse" if low > 0 else "not told apart"
        against = f"{each['difference']:+.2%} ({low:+.2%} to {high:+.2%}), {verdict}"
        row = (
            f"{each['name']:24} {each['parameters']:>11,} {each['steps']:>6} {each['seconds']:8.1f}  {each['loss']:.4f}"
        )
        words.append(f"{row} {'the recipe as it is' if each['name'] == HABIT else against}")
    words.append(
        "Validation loss, nats a token. Intervals are of one comparison each; of many, the best flatters itself."
    )
    bars = [
        Bar(each["name"], 100 * each["difference"], (100 * low, 100 * high), f"{each['difference']:+.1%}")
        for each in entries
        for low, high in [each["difference_interval"]]
    ]
    picture = interval_chart("Architectures at equal compute", "loss against the habit, %", bars, chance=0.0)
    return runs.report("bakeoff", {"entries": entries, "seeds": seeds}, words, picture)


def _interval(values: Sequence[float]) -> Interval:
    half = student(len(values) - 1) * stdev(values) / len(values) ** 0.5
    return fmean(values) - half, fmean(values) + half
