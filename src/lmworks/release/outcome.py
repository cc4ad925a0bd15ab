"""What a training was expected to take beside what it took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lmworks.release.words import duration, number, size

Row = tuple[str, str, str, str]
"""What, predicted, actual, and a verdict."""

LEAST_MEMORY = 0.85
"""Of the predicted peak: it is to be enough, and not much more."""

BARE_BYTES = 50 * 2**20
"""What a process that begins with a training holds before; what earlier steps of a build left is not its own."""

SOURCES = {"counted": "counting", "rehearsed": "a rehearsal", "own runs": "earlier trainings in this store"}


def compare(name: str, range_: Sequence[float], actual: float | None, write: Callable[[float], str]) -> Row:
    """Whether something turned out as predicted."""
    low, high = range_
    predicted = f"{write(low)} to {write(high)}" if low else f"up to {write(high)}"
    if actual is None:
        return name, predicted, "", "not known yet"
    return name, predicted, write(actual), "less" if actual < low else "MORE" if actual > high else "as predicted"


def outcome(manifest: Mapping[str, Any]) -> Iterator[Row]:
    """Time, memory and speed of one training; nothing for a step of which nothing was predicted."""
    run, step = manifest["run"], manifest["step"]
    if not (predicted := run.get("predicted")):
        return
    measured, most = run["measured"], predicted["memory_bytes"]
    whole = measured.get("steps_of_this_run") == manifest["counts"].get("steps")
    yield compare(f"time of {step}", predicted["seconds"], run["seconds"] if whole else None, duration)
    yield _memory(f"memory of {step}", most, run["peak_memory_bytes"], run["memory_before_bytes"] - BARE_BYTES)
    speed, actual = predicted["tokens_per_second"], measured["tokens_per_second"]
    verdict = f"{actual / speed - 1:+.0%}; predicted from {SOURCES[predicted['source']]}"
    yield f"tokens per second of {step}", number(speed), number(actual), verdict


def _memory(name: str, most: float, peak: float, before: float) -> Row:
    """From what came on top to the peak: `before` were leavings, and libraries, which the prediction holds, too."""
    low, least = LEAST_MEMORY * most, peak - max(0.0, before)
    actual = size(peak) if least == peak else f"{size(least)} to {size(peak)}"
    verdict = "less" if peak < low else "MORE" if least > most else "as predicted"
    return name, f"{size(low)} to {size(most)}", actual, verdict


def in_words(rows: Iterable[Row]) -> str:
    """Rows for a terminal; empty if there are none."""
    lines = [f"  {name:30} {predicted:22} {actual:10} {verdict}".rstrip() for name, predicted, actual, verdict in rows]
    return "\n".join(["predicted before, and actual", *lines] if lines else [])
