"""Compare architectures on a recipe's data at equal compute, over several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from statistics import fmean, stdev
from typing import Any

from lmworks.pipeline.figure import Interval
from lmworks.pipeline.statistics import student
from lmworks.release.render.charts import Bar, interval_chart
from lmworks.search.runs import Changed, Outcome, Runs, report
from lmworks.search.runs import table as in_columns

HABIT = "habit"
"""Name of the recipe's own architecture, which others are compared with."""
WIDTH_MULTIPLE = 16
SHOWN = {"name": "", "parameters": ",", "steps": "d", "seconds": ".1f", "loss": ".4f", "against the habit": ""}
"""Fields of an entry that are printed, with their formats."""


def variants(runs: Runs) -> dict[str, Changed]:
    """Return changes of a decoder's shape that are worth a try, without those that change nothing."""
    shape = runs.shape({})

    def wide(times: float) -> int:
        return max(1, round(shape.hidden_size * times / WIDTH_MULTIPLE)) * WIDTH_MULTIPLE

    table: dict[str, Changed] = {
        HABIT: {},
        "deeper, narrower": {"num_layers": 2 * shape.num_layers, "hidden_size": wide(0.5**0.5)},
        "shallower, wider": {"num_layers": max(1, shape.num_layers // 2), "hidden_size": wide(2**0.5)},
        "twice the heads": {"num_heads": 2 * shape.num_heads, "num_key_value_heads": 2 * shape.num_key_value_heads},
        "a key head each": {"num_heads": shape.num_heads, "num_key_value_heads": shape.num_heads},
        "one key head": {"num_heads": shape.num_heads, "num_key_value_heads": 1},
        "tied embeddings": {"tie_embeddings": True},
        "embeddings of their own": {"tie_embeddings": False},
        "sliding window": {"sliding_window": max(1, runs.config.sequence_length // 4)},
        "full attention": {"sliding_window": None},
    }
    kept, shapes = dict[str, Changed](), []
    for name, changed in table.items():
        with suppress(ValueError):  # heads that cannot be halved
            if (made := runs.shape(changed)) not in shapes:
                shapes.append(made)
                kept[name] = changed
    return kept


def bakeoff(runs: Runs, *, seeds: int) -> Outcome:
    """Train every variant with every seed, for as many steps as cost the recipe's own operations.

    Intervals are Student's t over seeds. Differences from the habit are paired by seed. Raises `UsageError` for a model
    that is no decoder from scratch.
    """
    whole, table = runs.flops({}), dict[str, Changed]()
    for name, shape in variants(runs).items():
        steps = max(1, round(whole / runs.flops({**shape, "steps": 1})))
        table[name] = {**shape, "steps": steps, "validation_steps": steps, "watch": None}
    varied = runs.vary(table, seeds)
    entries = list[dict[str, Any]]()
    for name, entry in sorted(varied.items(), key=lambda item: item[1]["loss"]):
        relative = [loss / own - 1 for loss, own in zip(entry["losses"], varied[HABIT]["losses"], strict=True)]
        difference, (low, high) = fmean(relative), _interval(relative)
        verdict = "better" if high < 0 else "worse" if low > 0 else "no significant difference"
        against = f"{difference:+.2%} ({low:+.2%} to {high:+.2%}), {verdict}"
        entries.append(
            {"name": name, "steps": table[name]["steps"], **entry, "interval": _interval(entry["losses"])}
            | {"difference": difference, "difference_interval": (low, high)}
            | {"against the habit": "the recipe as it is" if name == HABIT else against}
        )
    words = [
        *in_columns(entries, SHOWN),
        f"Validation loss is the mean of {seeds} seeds, in nats per token.",
        "Each interval is of one comparison. The best of many looks better than it is.",
    ]
    bars = [
        Bar(entry["name"], 100 * entry["difference"], (100 * low, 100 * high), f"{entry['difference']:+.1%}")
        for entry in entries
        for low, high in [entry["difference_interval"]]
    ]
    picture = interval_chart("Architectures at equal compute", "loss against the habit, %", bars, chance=0.0)
    return report(runs.plain, f"{runs.model}-bakeoff", {"entries": entries, "seeds": seeds}, words, picture)


def _interval(values: Sequence[float]) -> Interval:
    half = student(len(values) - 1) * stdev(values) / len(values) ** 0.5
    return fmean(values) - half, fmean(values) + half
