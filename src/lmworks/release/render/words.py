"""Numbers and texts as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any

from lmworks.pipeline.conditions import COUNTED, TORCH
from lmworks.pipeline.figure import Figure


def number(value: float, spread: float | None = None) -> str:
    """Return a number rounded to the first digit of its spread, or to the second if the first is 1.

    A number with a spread has at least three decimals if it is below 10. Without a spread, it has four digits.
    """
    if not spread:
        return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
    decimals = max(-floor(log10(spread / 2)), 3 if abs(value) < 10 else 0)
    return f"{value:,.{min(decimals, 6)}f}"


def size(count: float) -> str:
    """Return a number of bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours, to about two digits."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return (
        f"{seconds / 60:.1f} min" if seconds < 600 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    )


def value_of(figure: Figure) -> str:
    """Return the value without its unit."""
    return number(figure.value, _spread(figure))


def interval_of(figure: Figure) -> str:
    """Return the 95 % interval, or an empty text."""
    if figure.interval is None:
        return ""
    return " to ".join(number(end, _spread(figure)) for end in figure.interval)


def clean_of(figure: Figure) -> str:
    """Return the value over items that are not in the training text, with interval and number, or an empty text."""
    if figure.clean_value is None or figure.clean_n is None:
        return ""
    spread = figure.clean_interval and (figure.clean_interval[1] - figure.clean_interval[0]) / 2
    ends = " to ".join(number(end, spread) for end in figure.clean_interval or ())
    return f"{number(figure.clean_value, spread)}{f' ({ends})' if ends else ''} of {figure.clean_n:,}"


def sentence_of(figure: Figure) -> str:
    """Return the figure in one line, with its evidence except the method."""
    about = [f"n {figure.n:,}"]
    if figure.interval:
        about.append(f"95 % interval {interval_of(figure)}")
    if figure.doubt:
        about.append(figure.doubt)
    if figure.chance is not None:
        about.append(f"chance {number(figure.chance)}")
    about += [f"{name} {value}" for name, value in conditions_of(figure).items()]
    if figure.contamination:
        about.append(f"contamination: {figure.contamination}")
    if clean := clean_of(figure):
        about.append(f"over the clean items {clean}")
    return f"{value_of(figure)} {figure.unit}".strip() + f" ({', '.join(about)})"


def conditions_of(figure: Figure) -> dict[str, str]:
    """Return the conditions of the measurement that are set, in words. Digests of files are left out."""
    if not (known := figure.conditions):
        return {}
    cut = f", {known.truncated:,} items were longer" if known.truncated else ""
    named: Mapping[str, Any] = {
        "weights": known.weight_bits and f"{known.weight_bits:g} bits",
        "prompt": known.prompt,
        "read before it": known.before and repr(known.before),
        "delimiter": known.delimiter and repr(known.delimiter),
        "decoding": known.decoding,
        "context": f"{known.context_length:,} tokens{cut}" if known.context_length else None,
        "stride": f"{known.stride:,} tokens" if known.stride and known.truncated else None,
        "answered by": known.engine if known.engine not in (TORCH, COUNTED) else None,
        "data type": known.data_type,
        "device": known.device,
    }
    return {name: str(value) for name, value in named.items() if value}


def visible(text: str) -> str:
    """Return the text with a space for each control or direction-changing character, which could alter a terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in text)


def visible_lines(text: str) -> str:
    """Return the text with only visible characters in its lines."""
    return "\n".join(map(visible, text.split("\n")))


def printable(text: str) -> str:
    """Return the text as one line of visible characters."""
    return " ".join(visible(text).split())


def shorten(text: str, width: int) -> str:
    """Return at most `width` characters of a text, as one printable line."""
    text = printable(text)
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def _spread(figure: Figure) -> float | None:
    return (figure.interval[1] - figure.interval[0]) / 2 if figure.interval else None
