"""Time, memory and speed of a training, compared with their prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from lmworks.pipeline.manifest import Manifest
from lmworks.plan.probe import peak_of
from lmworks.release.render.words import duration, number, size

Row = tuple[str, str, str, str]
"""Name of a quantity, its predicted and actual values, and a verdict."""

LEAST_MEMORY = 0.85
"""Least share of the predicted peak that a training should use: the prediction should not be much too high."""

BARE_BYTES = 50 * 2**20
"""Memory of a process before its first training. Memory above this comes from earlier steps of a build, and from
libraries, which the prediction includes."""

FAR_OFF = 50
"""Difference of speed, in per cent, above which other work of the machine cannot be its only reason."""

SOURCES = {"counted": "counting", "rehearsed": "a rehearsal", "own runs": "earlier trainings in this store"}


NOT_YET = "not known yet"


def compare(
    name: str,
    range_: Sequence[float],
    actual: float | None,
    write: Callable[[float], str],
    *,
    least: float | None = None,
) -> Row:
    """Return a row that compares a prediction with `actual`, or with `least` to `actual` if only a range is known."""
    low, high = range_
    predicted = f"{write(low)} to {write(high)}" if low else f"up to {write(high)}"
    if actual is None:
        return name, predicted, "", NOT_YET
    least = actual if least is None else least
    told = write(actual) if least == actual else f"{write(least)} to {write(actual)}"
    if least <= high < actual:
        return name, predicted, told, f"not known: {write(actual - least)} was in use before it began"
    return name, predicted, told, "less" if actual < low else "MORE" if least > high else "as predicted"


def missed(verdict: str) -> bool:
    """Return whether a prediction failed: the value is outside its range, or a speed differs by over half."""
    return verdict in ("MORE", "less") or (verdict[:1] in "+-" and abs(float(verdict.partition("%")[0])) > FAR_OFF)


def wrong(rows: Iterable[Row]) -> list[str]:
    """Return the predictions that failed, in words."""
    return [
        f"{name} is {actual}, and {predicted} was predicted ({verdict})"
        for name, predicted, actual, verdict in rows
        if missed(verdict)
    ]


def outcome(manifest: Manifest) -> Iterator[Row]:
    """Yield time, memory and speed of one training. Yield nothing for a step without predictions."""
    run, step, predicted = manifest.run, manifest.step, manifest.run.predicted
    if not predicted:
        return
    most = predicted["memory_bytes"]
    whole = run.measured.get("steps_of_this_run") == manifest.counts.get("steps")
    yield compare(f"time of {step}", predicted["seconds"], run.seconds if whole else None, duration)
    peak, before = peak_of(run), max(0, run.memory_before_bytes - BARE_BYTES)
    if "device_memory_bytes" in run.measured:
        before = 0  # of a training, counted anew from its beginning
    yield compare(f"memory of {step}", (LEAST_MEMORY * most, most), peak, size, least=peak - before)
    speed, actual = predicted["tokens_per_second"], run.measured["tokens_per_second"]
    verdict = f"{actual / speed - 1:+.0%}; predicted from {SOURCES[predicted['source']]}"
    yield f"tokens per second of {step}", number(speed), number(actual), verdict


def as_text(rows: Iterable[Row]) -> str:
    """Return rows for a terminal. Empty if there are none."""
    lines = [f"  {name:30} {predicted:22} {actual:10} {verdict}".rstrip() for name, predicted, actual, verdict in rows]
    return "\n".join(["predicted before, and actual", *lines] if lines else [])
