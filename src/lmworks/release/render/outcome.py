"""What a training was expected to take beside what it took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from lmworks.pipeline.manifest import Manifest
from lmworks.plan.probe import peak_of
from lmworks.release.render.words import duration, number, size

Row = tuple[str, str, str, str]
"""What, predicted, actual, and a verdict."""

LEAST_MEMORY = 0.85
"""Of the predicted peak: it is to be enough, and not much more."""

BARE_BYTES = 50 * 2**20
"""What a process that begins with a training holds before. What is more is what earlier steps of a build left, and
libraries, which the prediction holds, too."""

FAR_OFF = 50
"""Per cent, by which a speed that differs is no accident of the machine's other work."""

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
    """Whether something turned out as predicted: `actual`, or, where that is not known better, `least` to `actual`."""
    low, high = range_
    predicted = f"{write(low)} to {write(high)}" if low else f"up to {write(high)}"
    if actual is None:
        return name, predicted, "", NOT_YET
    least = actual if least is None else least
    told = write(actual) if least == actual else f"{write(least)} to {write(actual)}"
    if least <= high < actual:
        return name, predicted, told, f"not known: {write(actual - least)} was held before it began"
    return name, predicted, told, "less" if actual < low else "MORE" if least > high else "as predicted"


def missed(verdict: str) -> bool:
    """Whether a prediction did not come true: it went beyond its range, or is of a speed that is off by half."""
    return verdict in ("MORE", "less") or (verdict[:1] in "+-" and abs(float(verdict.partition("%")[0])) > FAR_OFF)


def wrong(rows: Iterable[Row]) -> list[str]:
    """The predictions that did not come true, in words."""
    return [
        f"{name} is {actual}, and {predicted} was predicted ({verdict})"
        for name, predicted, actual, verdict in rows
        if missed(verdict)
    ]


def outcome(manifest: Manifest) -> Iterator[Row]:
    """Time, memory and speed of one training; nothing for a step of which nothing was predicted."""
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
    """Rows for a terminal; empty if there are none."""
    lines = [f"  {name:30} {predicted:22} {actual:10} {verdict}".rstrip() for name, predicted, actual, verdict in rows]
    return "\n".join(["predicted before, and actual", *lines] if lines else [])
