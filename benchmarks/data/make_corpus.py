"""Make a corpus of real text with plants whose truth is known.

    python benchmarks/data/make_corpus.py SEED TEMPLATES OUT [--megabytes 250]

The text is what this Python has installed: botocore's documentation, doc strings, documentation files and sources.
Beyond that amount (some 475 MB after `make setup`) it comes again with its words exchanged for others of about the same
frequency, so that no phrase recurs and vocabulary, lengths and language stay as they are. OUT receives

- `documents/part-*.jsonl`: a record a document, with the field `text`;
- `evaluation.jsonl`: items that were pasted into some documents, and stand nowhere else;
- `truth.json`: every plant, by file and line (from 1): `near` and `hard` (near duplicates and hard negatives, with the
  line they were made of and their measured Jaccard similarity of 5-word shingles), `exact`, `evaluation`, `pii` (kind
  and value), `bad` (lines that cannot be read, and why).

TEMPLATES is a JSON file. `kinds` has, for each kind of personal data, `templates` (sentences with `{value}`), `formats`
and, where digits must fit, `check` (`luhn` or `iban`). In a format `#` is a digit, `%` a digit but 0, `?` a small
letter, `^` a capital or digit, and `{word}` one of the list of that name in `words`.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import random
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lmworks.data.base.words import word_spans, words_in
from lmworks.data.duplicates.minhash import shingles

LINES_A_FILE = 10_000
EVALUATION_WORDS = 40
DOCUMENT_CHARACTERS = 6_000
NEAR, HARD = (0.8, 0.95), (0.5, 0.7)
PER_MEGABYTE = {"near": 8, "hard": 4, "exact": 2, "evaluation": 1, "pii": 8, "bad": 1}
"""Plants: each in or of a document of its own."""
ALONE = 0.8
"""Least share of its phrases that a document has to itself to be given a plant: what is near it is then planted."""

SAMPLED, STAYING, NEIGHBOURS = 20, 100, 64
"""Texts a text that words are ranked by; frequent words that are not exchanged; ranks that a word's stand-in is drawn
from."""

_WORD = re.compile(r"[A-Za-z]{2,}")
_DOC_STRING = re.compile(r'"""(.{200,}?)"""', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_SENTENCE = re.compile(r"(?<=[.!?\n])\s+")


# ---------------------------------------------------------------- real text


def installed_texts() -> Iterator[str]:
    """Every text that is installed with this Python, in an order that its files give."""
    yield from _service_documentation()
    for root in dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")):
        for path in sorted(root.rglob("*")):
            if path.suffix not in (".py", ".rst", ".md", ".txt", ".pyi") or not path.is_file():
                continue
            text = path.read_bytes().decode("utf-8", "ignore")
            if path.suffix == ".py":
                yield from _DOC_STRING.findall(text)
                text = _DOC_STRING.sub("", text)
            yield from _cut(text)


def _service_documentation() -> Iterator[str]:
    found = importlib.util.find_spec("botocore")
    if not found or not found.submodule_search_locations:
        return
    for path in sorted(Path(found.submodule_search_locations[0], "data").rglob("service-2.json.gz")):
        model = json.loads(gzip.decompress(path.read_bytes()))
        for name, operation in sorted(model["operations"].items()):
            shape = model["shapes"].get(operation.get("input", {}).get("shape"), {})
            members = [f"{key}: {member.get('documentation', '')}" for key, member in shape.get("members", {}).items()]
            yield _TAG.sub("", "\n".join([name, operation.get("documentation", ""), *members]))


def _cut(text: str) -> Iterator[str]:
    """Pieces of a long text, cut at empty lines."""
    piece: list[str] = []
    for block in text.split("\n\n"):
        piece.append(block)
        if sum(map(len, piece)) > DOCUMENT_CHARACTERS:
            yield "\n\n".join(piece)
            piece = []
    yield "\n\n".join(piece)


def ranked_words(pool: Sequence[str]) -> list[str]:
    """The words of a sample of texts, the most frequent first."""
    counts = Counter(word.lower() for text in pool[::SAMPLED] for word in _WORD.findall(text))
    return sorted(counts, key=lambda word: (-counts[word], word))


def exchanger(draw: random.Random, ranked: Sequence[str]) -> Callable[[str], str]:
    """A function that puts in place of each word another that is about as frequent, the same throughout.

    The most frequent stay, so that the text stays in its language, and looks to a filter as it did.
    """
    table: dict[str, str] = {}
    for start in range(STAYING, len(ranked), NEIGHBOURS):
        some = ranked[start : start + NEIGHBOURS]
        table |= zip(some, draw.sample(some, len(some)), strict=True)

    def exchange(found: re.Match[str]) -> str:
        word = found[0]
        other = table.get(word) or table.get(word.lower(), word)
        return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other

    return lambda text: _WORD.sub(exchange, text)


def pool_of(draw: random.Random, megabytes: int) -> tuple[list[str], list[bool]]:
    """Texts of about so many megabytes in random order, and which of them share next to nothing with others."""
    pool = sorted({text for text in installed_texts() if len(text) >= 200})
    draw.shuffle(pool)
    sizes = np.cumsum([len(text.encode()) for text in pool])
    pool = pool[: int(np.searchsorted(sizes, megabytes * 1e6)) + 1]
    hashes, counts = shingles(pa.array(pool, pa.large_string()).cast(pa.string()))
    order = np.argsort(hashes, kind="stable")
    equal = hashes[order[1:]] == hashes[order[:-1]]
    shared = np.zeros(len(hashes), bool)
    shared[order[1:][equal]] = shared[order[:-1][equal]] = True
    starts = np.cumsum(counts) - counts
    alone = 1 - np.add.reduceat(shared, starts, dtype=np.int64) / counts >= ALONE
    fit = [bool(own) and 60 <= number <= 2000 for own, number in zip(alone, counts.tolist(), strict=True)]
    return pool, fit


# ---------------------------------------------------------------- plants


def phrases(text: str) -> set[tuple[str, ...]]:
    """The 5-word shingles of a text, by definition and not by the code under test; a word is what it is there."""
    words = words_in(text.casefold())
    return set(zip(*(words[start:] for start in range(5)), strict=False))


def likeness(first: str, second: str) -> float:
    """Jaccard similarity of the shingles of two texts."""
    one, other = phrases(first), phrases(second)
    return len(one & other) / max(1, len(one | other))


def changed(text: str, wanted: tuple[float, float], draw: random.Random) -> tuple[str, str, float] | None:
    """A changed copy whose similarity lies in a range, how it was changed, and how similar it is; None if none is."""
    target = draw.uniform(*wanted)
    how = draw.choice(["swap", "insert", "reorder", "all"])
    edges = [0, *(edge for span in word_spans(text) for edge in span), len(text)]
    parts = [text[start:stop] for start, stop in pairwise(edges)]  # words stand at odd places
    words = range(1, len(parts), 2)
    edits = max(1, round(len(words) * (1 - target) / (5 * (1 + target))))
    for _ in range(12):
        copy, sentences = list(parts), draw.randint(1, max(1, edits // 2))
        if how in ("swap", "all"):
            for place in draw.sample(words, min(len(words), edits if how == "swap" else max(1, edits // 2))):
                copy[place] = parts[draw.choice(words)] + "x"
        if how in ("insert", "all"):
            for place in draw.sample(words, min(len(words), edits if how == "insert" else max(1, edits // 3))):
                copy[place] += " " + parts[draw.choice(words)]
        made = "".join(copy)
        if how in ("reorder", "all"):
            made = _reordered(made, sentences, draw)
        similarity = likeness(text, made)
        if wanted[0] <= similarity <= wanted[1]:
            return made, how, round(similarity, 4)
        edits = max(1, edits + (1 if similarity > wanted[1] else -1) * max(1, edits // 4))
    return None


def _reordered(text: str, moves: int, draw: random.Random) -> str:
    sentences = _SENTENCE.split(text)
    for _ in range(moves):
        sentences.insert(draw.randrange(len(sentences) + 1), sentences.pop(draw.randrange(len(sentences))))
    return "\n".join(sentences)


def inserted(text: str, addition: str, draw: random.Random) -> str:
    """A text with a paragraph of its own somewhere between its lines."""
    lines = text.split("\n")
    lines.insert(draw.randrange(len(lines) + 1), addition)
    return "\n".join(lines)


def personal_value(form: str, words: dict[str, list[str]], check: str | None, draw: random.Random) -> str:
    """A value of a format, with digits that fit."""
    form = re.sub(r"\{(\w+)\}", lambda found: draw.choice(words[found[1]]), form)
    choices = {
        "#": "0123456789",
        "%": "123456789",
        "?": "abcdefghijklmnopqrstuvwxyz",
        "^": "ABCDEFGHJKLMNPQRSTUVWXYZ234567",
    }
    value = "".join(draw.choice(choices[sign]) if sign in choices else sign for sign in form)
    if check == "luhn":
        return next(tried for digit in "0123456789" if _luhn(tried := value[:-1] + digit))
    if check == "iban":
        return next(tried for number in range(98, 1, -1) if _mod97(tried := f"{value[:2]}{number:02d}{value[4:]}"))
    return value


def _luhn(value: str) -> bool:
    digits = [int(digit) for digit in reversed(value) if digit.isdigit()]
    return sum(digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits)) % 10 == 0


def _mod97(value: str) -> bool:
    plain = value.replace(" ", "")
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def spoiled(text: str, draw: random.Random) -> tuple[bytes, str]:
    """A line that no reader can take for a record, and why."""
    line = json.dumps({"text": text}, ensure_ascii=False).encode()
    match draw.choice(["bad byte", "cut short", "no object", "no text"]):
        case "bad byte":
            place = draw.randrange(12, len(line) - 4)
            return line[:place] + b"\xff\xfe" + line[place:], "not UTF-8"
        case "cut short":
            return line[: draw.randrange(3, len(line) - 2)].decode("utf-8", "ignore").encode(), "not JSON"
        case "no object":
            return json.dumps([text[:100]]).encode(), "not a JSON object"
        case _:
            return json.dumps({"body": text[:100]}).encode(), "field 'text' is missing"


# ---------------------------------------------------------------- the corpus


@dataclass
class Line:
    """One line of the corpus: a document, or what was meant to be one."""

    raw: bytes
    plant: str = ""
    of: Line | None = None
    details: dict[str, Any] = field(default_factory=dict)
    place: str = ""


class Maker:
    """Walks through texts and plants as it goes."""

    def __init__(self, templates: dict[str, Any], draw: random.Random) -> None:
        self.templates = templates
        self.draw = draw
        self.lines: list[Line] = []
        self.items: list[str] = []
        self.size = 0
        self._host: tuple[Line, str] | None = None

    def add(self, text: str, **more: Any) -> Line:
        """Add a document."""
        line = Line(_record(text), **more)
        self.lines.append(line)
        self.size += len(line.raw)
        return line

    def plant(self, what: str, text: str) -> bool:
        """Plant something in or of a text; False if it cannot be done with this one."""
        match what:
            case "near" | "hard":
                made = changed(text, NEAR if what == "near" else HARD, self.draw)
                if not made:
                    return False
                copy, how, similarity = made
                self.add(copy, plant=what, of=self.add(text), details={"how": how, "jaccard": similarity})
            case "exact":
                self.add(text, plant=what, of=self.add(text))
            case "evaluation":
                if not self._host:
                    return False
                spans = [found.span() for found in re.finditer(r"\w+", text)]
                first = self.draw.randrange(max(1, len(spans) - EVALUATION_WORDS))
                item = text[spans[first][0] : spans[min(len(spans), first + EVALUATION_WORDS) - 1][1]]
                line, host = self._host
                line.raw = _record(inserted(host, item, self.draw))
                line.plant, line.details, self._host = what, {"item": len(self.items)}, None
                self.items.append(item)
            case "pii":
                kind = self.draw.choice(sorted(self.templates["kinds"]))
                rules = self.templates["kinds"][kind]
                form = self.draw.choice(rules["formats"])
                value = personal_value(form, self.templates.get("words", {}), rules.get("check"), self.draw)
                sentence = self.draw.choice(rules["templates"]).replace("{value}", value)
                self.add(
                    inserted(text, sentence, self.draw),
                    plant=what,
                    details={"kind": kind, "value": value, "format": form, "sentence": sentence},
                )
            case "bad":
                raw, reason = spoiled(text, self.draw)
                self.lines.append(Line(raw, what, details={"reason": reason}))
                self.size += len(raw)
        return True

    def leave(self, text: str) -> None:
        """Add a text as it is."""
        self._host = self.add(text), text


def _record(text: str) -> bytes:
    return json.dumps({"text": text}, ensure_ascii=False).encode()


def fill(maker: Maker, pool: list[str], fit: list[bool], megabytes: int) -> None:
    """Give `maker` texts and plants, spread over the whole, until there is enough."""
    draw, wanted = maker.draw, megabytes * 1e6
    queue = [what for what, number in PER_MEGABYTE.items() for _ in range(round(number * megabytes))]
    draw.shuffle(queue)
    fit_per_byte = sum(fit) / sum(map(len, pool))
    exchange: Callable[[str], str] = str
    ranked: list[str] = []
    texts = list(zip(pool, fit, strict=True))
    while True:
        for text, is_fit in texts:
            if maker.size >= wanted:
                break
            share = len(queue) / max(1.0, (wanted - maker.size) * fit_per_byte * 0.9)
            plain, text = text, exchange(text)
            drawn = is_fit and queue and draw.random() < share
            # Texts of numbers and in other scripts come again as they were: what is near them is not planted alone.
            renewed = exchange is str or (drawn and likeness(plain, text) <= 1 - ALONE)
            if not (drawn and renewed and maker.plant(queue[-1], text)):
                maker.leave(text)
            else:
                queue.pop()
        if maker.size >= wanted:
            break
        first, ranked = not ranked, ranked or ranked_words(pool)
        exchange = exchanger(draw, ranked)
        if first:  # tables of numbers would come as near duplicates of themselves
            texts = [(text, is_fit) for text, is_fit in texts if likeness(text, exchange(text)) < 1 - ALONE]
    if queue:
        print(f"{len(queue)} plants found no place", file=sys.stderr)


def write(maker: Maker, out: Path) -> None:
    """Write the corpus, the evaluation items and the truth."""
    (out / "documents").mkdir(parents=True)
    maker.draw.shuffle(maker.lines)
    for number, start in enumerate(range(0, len(maker.lines), LINES_A_FILE)):
        name = f"documents/part-{number:03d}.jsonl"
        some = maker.lines[start : start + LINES_A_FILE]
        for place, line in enumerate(some, 1):
            line.place = f"{name}:{place}"
        (out / name).write_bytes(b"".join(line.raw + b"\n" for line in some))
    truth: dict[str, list[dict[str, Any]]] = {what: [] for what in PER_MEGABYTE}
    for line in maker.lines:
        if line.plant:
            of = {"of": line.of.place} if line.of else {}
            truth[line.plant].append({"place": line.place, **of, **line.details})
    (out / "evaluation.jsonl").write_bytes(b"".join(_record(item) + b"\n" for item in maker.items))
    (out / "truth.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False))
    counts = {what: len(plants) for what, plants in truth.items()}
    print(json.dumps({"documents": len(maker.lines), "bytes": maker.size, "plants": counts}))


def main() -> None:
    """Make one corpus."""
    parser = argparse.ArgumentParser(description="Make a corpus with plants whose truth is known.")
    parser.add_argument("seed", type=int)
    parser.add_argument("templates", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=int, default=250)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    pool, fit = pool_of(draw, options.megabytes)
    maker = Maker(json.loads(options.templates.read_text()), draw)
    fill(maker, pool, fit, options.megabytes)
    write(maker, options.out)


if __name__ == "__main__":
    main()
