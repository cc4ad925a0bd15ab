"""Verdicts on test items in many scripts beside those on the same items in English: one JSON line.

    python benchmarks/evaluate/contamination_scripts.py [--folder /usr/share/locale] [--items 400]

Items and training text are translations of messages of installed programs, as gettext has them, each with its English
original. Training text is two thirds of the messages, items are of the last third, in both languages. A fifth of the
items is planted: whole, with other line ends, with tags, or its first three quarters, of which many have fewer than 13
words. Recall is the share of planted items that are found, in English beside it; an item that is too short to be sought
is not. A flag on an item that was not planted is `false` if the English one is not found in the English training text,
and `shared` if it is; `missed` are those that are found in English alone.
"""

from __future__ import annotations

import argparse
import gettext
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from lmworks.data.contamination.search import FOUND, Sought
from lmworks.data.contamination.training import Texts

LANGUAGES = ("zh_CN", "zh_TW", "ja", "th", "km", "my", "hi", "bn", "ta", "ru")
LEAST_WORDS = 14
HIDING: Mapping[str, Callable[[str], str]] = {
    "whole": lambda text: text,
    "line ends": lambda text: text.replace(" ", "\r\n"),
    "tags": lambda text: f"<p>{text[: len(text) // 2]}<b></b>{text[len(text) // 2 :]}</p>",
    "part": lambda text: text[: len(text) * 3 // 4],
}


def messages(folder: Path, language: str) -> list[tuple[str, str]]:
    """English and translated messages, each English one once."""
    found: dict[str, str] = {}
    for path in sorted((folder / language / "LC_MESSAGES").glob("*.mo")):
        try:
            with path.open("rb") as stream:
                lines = gettext.GNUTranslations(stream)._catalog  # type: ignore[attr-defined]
        except (OSError, UnicodeDecodeError, ValueError):
            continue
        for english, said in lines.items():
            if isinstance(english, str) and english != said and len(english.split()) >= LEAST_WORDS:
                found.setdefault(english, said)
    return sorted(found.items())


def verdicts(items: Sequence[str], texts: Sequence[str]) -> list[bool]:
    """Whether each item is found in the texts."""
    sought = Sought(items, (3, 5))
    sought.seek(Texts([str(number) for number in range(len(texts))], pa.array(texts, pa.string())))
    return [sought.verdict(number) in FOUND for number in range(len(items))]


def measure(pairs: Sequence[tuple[str, str]], count: int) -> dict[str, object]:
    """Recall by way of hiding, and flags beside those of English."""
    draw = random.Random(0)
    pairs = draw.sample(pairs, len(pairs))
    learned, items = pairs[: 2 * len(pairs) // 3], pairs[2 * len(pairs) // 3 :][:count]
    chosen = draw.sample(range(len(items)), len(items) // 5)
    planted = {number: [*HIDING][place % len(HIDING)] for place, number in enumerate(chosen)}
    in_english, found = (
        verdicts(
            [item[side] for item in items],
            [pair[side] for pair in learned] + [HIDING[way](items[number][side]) for number, way in planted.items()],
        )
        for side in (0, 1)
    )
    counts: Counter[str] = Counter()
    for number, (here, there) in enumerate(zip(found, in_english, strict=True)):
        if number not in planted:
            counts["clean"] += not there
            counts["false"] += here and not there
            counts["shared"] += here and there
            counts["missed"] += there and not here
    recall = {
        name: {
            way: round(float(np.mean([each[number] for number in planted if planted[number] == way])), 3)
            for way in HIDING
        }
        for name, each in (("recall", found), ("recall_in_english", in_english))
    }
    return {"items": len(items), "training_texts": len(learned), **recall, **counts}


def main() -> None:
    """Measure every language that is installed, and print."""
    parser = argparse.ArgumentParser(description="Measure verdicts on test items in many scripts.")
    parser.add_argument("--folder", type=Path, default=Path("/usr/share/locale"))
    parser.add_argument("--items", type=int, default=400)
    options = parser.parse_args()
    found = {language: messages(options.folder, language) for language in LANGUAGES}
    print(json.dumps({name: measure(pairs, options.items) for name, pairs in found.items() if len(pairs) >= 30}))


if __name__ == "__main__":
    main()
