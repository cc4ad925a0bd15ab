"""Display of a run in a terminal: curves made of block characters, values, and the newest sample."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lmworks.release.render.words import duration, size
from lmworks.watch.follow import Standing, read_standing

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 48
"""Number of columns of a curve. With its name and value, it fits a terminal of 80 columns."""
ROWS = (
    ("loss", "loss", "{:.3f}"),
    ("validation loss", "validation_loss", "{:.3f}"),
    ("bits per byte", "bits_per_byte", "{:.3f}"),
    ("accuracy", "accuracy", "{:.1%}"),
    ("reward", "reward", "{:.3f}"),
    ("nats from the beginning", "kl", "{:.2f}"),
    ("learning rate", "learning_rate", "{:.2e}"),
    ("gradient norm", "gradient_norm", "{:.2f}"),
    ("tokens a second", "tokens_per_second", "{:,.0f}"),
    ("MFU", "model_flops_utilisation", "{:.1%}"),
)
"""Title, name in the history, and format of each value. MFU is the rate divided by that of a large matrix product."""
SAMPLE_LETTERS = 400


def follow(path: Path) -> None:
    """Show a run until it ends, and update the display every second. Ctrl-C ends the display, not the run."""
    standing = read_standing(path)
    with Live(render(standing), refresh_per_second=4) as live:
        while not standing.finished:
            time.sleep(1.0)
            if not path.exists():  # it went when the run was published
                break
            standing = read_standing(path)
            live.update(render(standing))


def render(standing: Standing) -> Group:
    table = Table(box=None, padding=(0, 1), show_header=False)
    for title, name, form in ROWS:
        if points := standing.series(name):
            table.add_row(title, curve([value for _, value in points]), form.format(points[-1][1]))
    sample = standing.samples[-1] if standing.samples else None
    shown = f"\n{sample['prompt']}\n  {sample['text'][:SAMPLE_LETTERS]}" if sample else ""
    return Group(Text(f"{standing.name}: {as_text(standing)}", style="bold"), table, Text(shown))


def as_text(standing: Standing) -> str:
    """Return one line with the progress, the time left and the largest memory use."""
    parts = [f"step {standing.done:,} of {standing.steps:,}"]
    if standing.finished:
        parts.append("finished")
    if standing.stopped:
        parts.append("stopped: `lmworks build` continues")
    if (left := standing.seconds_left) is not None:
        parts.append(f"{duration(left)} left")
    if memory := standing.last("memory_bytes"):
        parts.append(f"{size(int(memory))} at most")
    return ", ".join(parts)


def curve(values: list[float], width: int = WIDTH) -> str:
    """Return values as a row of blocks. Each block shows the mean of the values in its column."""
    columns = min(width, len(values))
    ends = [len(values) * place // columns for place in range(columns + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(ends)]
    low, high = min(means), max(means)
    return "".join(BLOCKS[int((value - low) / ((high - low) or 1) * (len(BLOCKS) - 1))] for value in means)
