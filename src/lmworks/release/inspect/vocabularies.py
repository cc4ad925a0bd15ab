"""The comparison of tokenizers that a step of kind `best-of` made: its tables and its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lmworks.release.built import Built, read_json
from lmworks.release.render.charts import Bar, interval_chart
from lmworks.release.render.words import number
from lmworks.tokens.kinds.best_of import SPEED

HEADS = (
    *("", "ids", "bytes a token", "tokens a word", "a rare word", "a name", "he, she, they", "xe, ze, ey"),
    *("unknown", "documents lost", "compute a byte", "MB/s a core"),
)
COMMON, NEW = ("he", "she", "they"), ("xe", "ze", "ey")


@dataclass(frozen=True)
class Comparison:
    """What the report shows of it."""

    chosen: str
    rule: str
    documents: int
    heads: tuple[str, ...]
    rows: list[list[str]]
    chart: Markup
    languages: tuple[list[str], list[list[str]]] | None
    """Heads and rows of tokens a word by language, where the documents are of several."""


def comparison(built: Built) -> Comparison | None:
    """The comparison behind a build's tokenizer; None if there was none."""
    artifact = built.artifacts.get("tokenizer")
    found = read_json(artifact.payload / "comparison.json") if artifact else {}
    if not artifact or not found:
        return None
    candidates = found["candidates"]
    chosen = next(each for each in candidates if each["name"] == found["chosen"])
    speeds = artifact.manifest.run.measured
    bars = []
    for each in candidates:
        value = each["bytes_per_token"]
        bars.append(Bar(each["name"], value, None, number(round(value, 2)), each is chosen))
    return Comparison(
        chosen["name"],
        found["rule"],
        chosen["documents"],
        HEADS,
        [[*_row(each, chosen), _cell(speeds.get(f"{SPEED}{each['name']}"))] for each in candidates],
        interval_chart("Bytes per token of each tokenizer", "bytes per token of held-out text", bars),
        _languages(candidates),
    )


def _row(found: Mapping[str, Any], chosen: Mapping[str, Any]) -> list[str]:
    pronouns = found["tokens_per_pronoun"]
    sets = [sum(pronouns[name] for name in names) / len(names) for names in (COMMON, NEW)]
    means = [found["bytes_per_token"], found["tokens_per_word"]["all"]]
    means += [found["tokens_per_rare_word"], found["tokens_per_name"], *sets]
    return [
        found["name"],
        number(found["ids"]),
        *map(_cell, means),
        f"{found['unknown_share']:.2%}",
        number(found["documents_lost"]),
        f"{found['flops_per_byte'] / chosen['flops_per_byte']:.2f} ×",
    ]


def _languages(candidates: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]] | None:
    names = sorted({name for each in candidates for name in each["tokens_per_word"]} - {"all"})
    if len(names) < 2:
        return None
    rows = [[name, *(_cell(each["tokens_per_word"].get(name)) for each in candidates)] for name in names]
    return ["tokens a word", *(each["name"] for each in candidates)], rows


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"
