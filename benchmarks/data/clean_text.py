"""Make `src/lmworks/data/quality/clean_text.json`, by which garbage is told from text.

    python benchmarks/data/clean_text.py CORPORA GOOD OUT

CORPORA is a folder with the unpacked `udhr2`, `genesis`, `inaugural` and `state_union` of NLTK's data, all in the
public domain: the declaration of human rights in some 300 languages in Latin script, Genesis (World English Bible;
Luther; Louis Segond 1910; Swedish 1917), speeches of presidents; and with checkouts of 18F/handbook (CC0, 1e49556) and,
under MIT or Apache-2.0, rust-lang/book (9175448), rust-lang-de/rustbook-de (4aafbc0), Jimskapt/rust-book-fr (7e03466)
and RustLangES/rust-book-es (a000a1d). Of them come how likely a letter follows two others, and the most frequent words
of each language.

GOOD is a JSON file of good texts, by kind, as `garbage.py --write` leaves them of its tuning half: on them, and on the
same with letters changed by the functions below, the weights of the misread score are learned. OUT holds numbers and
single words, no text.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import random
import re
import string
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from lmworks.data.quality import clean_text, word_looks
from lmworks.data.quality.garbage import words_of
from lmworks.data.quality.measured_words import Measured

STEPS_OF_TRIPLES = 8
"""Steps per unit of a stored number, which fits a byte."""
TEXTS_AT_A_TIME = 100
"""Number of texts that are measured together."""
RUNNING = {
    "en": (["english-web.txt"], "eng", ("handbook", "book/src")),
    "de": (["german.txt"], "deu", ("rustbook-de/src",)),
    "fr": (["french.txt"], "fra", ("rust-book-fr/FRENCH/src",)),
    "es": ([], "spa", ("rust-book-es/src",)),
    "sv": (["swedish.txt"], "swe", ()),
}
"""Languages with enough running text for frequent words of all kinds."""
OTHERS = dict(
    pair.split(":")
    for pair in [
        "it:ita",
        "nl:nld",
        "pt:por_PT",
        "pl:pol",
        "da:dan",
        "nb:nob",
        "fi:fin",
        "cs:ces",
        "hu:hun",
        "tr:tur",
        "ro:ron_1993",
        "ca:cat",
        "id:ind",
        "hr:hrv",
        "sk:slk",
        "sl:slv",
        "et:est",
        "lv:lav",
        "lt:lit",
        "is:isl",
        "ga:gle",
        "cy:cym",
        "eu:eus",
        "af:afr",
        "sw:swh",
        "vi:vie",
        "eo:epo",
        "la:lat",
    ]
)
"""Languages with enough for their most frequent words."""
FREQUENT, FEW = 150, 40
"""Function words of a language with much and with little text."""
WEIGHTS = {"en": 30, "de": 15, **dict.fromkeys(OTHERS.values(), 4), "fra": 4, "swe": 4}
SMOOTHING_TRIPLES, SMOOTHING_PAIRS = 20, 5
MILLION = 2_000_000

_BESIDE_TEXT = re.compile(
    r"```.*?```|<!--.*?-->|<[^>\n]+>|\{\{.*?\}\}|\A---\n.*?\n---\n|^\[[^\]\n]*\]:[^\n]*$", re.DOTALL | re.MULTILINE
)


def manual(path: Path) -> str:
    """The running text of a page in Markdown."""
    text = _BESIDE_TEXT.sub("", path.read_text(encoding="utf-8", errors="ignore"))
    return re.sub(r"\]\([^)]*\)", "]", text)


def read(path: Path, encoding: str = "utf-8") -> str:
    return html.unescape(path.read_text(encoding=encoding, errors="ignore"))


def triples(texts: dict[str, str]) -> NDArray[np.float64]:
    """log2 of the probability of a letter after two others [28 * 28, 28]."""
    size = word_looks.LETTERS
    counts = np.zeros(size**3)
    for name, text in texts.items():
        words = "\0".join(map(clean_text.core_of, text.split()))
        numbers = word_looks.triples_of(word_looks.letter_classes(f"\0{words}\0"))
        one = np.where(word_looks.counted_triples(), np.bincount(numbers, minlength=size**3), 0)
        counts += one / max(1, one.sum()) * 1e4 * WEIGHTS.get(name, 1)
    cube = counts.reshape(size, size, size)
    single = cube.sum((0, 1)) / cube.sum()
    pairs = cube.sum(0)
    after_one = (pairs + SMOOTHING_PAIRS * size * single) / (pairs.sum(1, keepdims=True) + SMOOTHING_PAIRS * size)
    after_two = (cube + SMOOTHING_TRIPLES * after_one) / (cube.sum(2, keepdims=True) + SMOOTHING_TRIPLES)
    found: NDArray[np.float64] = np.log2(after_two)
    return found


def frequent(text: str, number: int) -> list[str]:
    """The most frequent words in small letters."""
    counts = Counter(word for word in text.split() if word.isalpha() and word.islower())
    return [word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:number]]


def vocabulary(text: str) -> set[str]:
    """Words of a language that come more than once or twice."""
    counts = Counter(map(clean_text.core_of, text.split()))
    least = 2 + len(text) // MILLION
    return {
        word
        for word, times in counts.items()
        if times >= least and word.isalpha() and len(word) >= clean_text.LEAST_KNOWN
    }


def stored(values: NDArray[np.float64]) -> str:
    rounded = (values * STEPS_OF_TRIPLES).round().clip(-127, 127).astype(np.int8)
    return packed(rounded.tobytes())


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


# ---------------------------------------------------------------- noise

_LIKE = dict(
    zip(
        "loemnhaitsudbgwrcvy",
        [
            "1I|",
            "0cO",
            "co",
            "rn,nn",
            "ri,u",
            "b,li",
            "o,e",
            "1l!",
            "f,r",
            "5$",
            "ii,n",
            "cl,o",
            "6h",
            "9q",
            "vv",
            "t,i",
            "e(",
            "u,y",
            "v,j",
        ],
        strict=True,
    )
)


def scanned(text: str, draw: random.Random) -> str:
    """Letters taken for others that look like them; spaces come and go."""
    share, more, fewer = draw.uniform(0.15, 0.4), draw.uniform(0, 0.08), draw.uniform(0, 0.15)
    found = []
    for letter in text:
        likes = _LIKE.get(letter)
        if likes and draw.random() < share:
            letter = draw.choice(likes.split(",") if "," in likes else list(likes))
        if letter == " " and draw.random() < fewer:
            continue
        found.append(letter + (" " if draw.random() < more else ""))
    return "".join(found)


def mistyped(text: str, draw: random.Random) -> str:
    """Letters lost, doubled or replaced by any sign."""
    share = draw.uniform(0.15, 0.35)
    signs = string.ascii_letters + string.digits + string.punctuation
    found = []
    for letter in text:
        if letter.isspace() or draw.random() > share:
            found.append(letter)
        else:
            found.append(draw.choice(("", letter * 2, draw.choice(signs), draw.choice(string.ascii_lowercase))))
    return "".join(found)


def letters(text: str, draw: random.Random) -> str:
    """Words of the same lengths of any letters."""
    return "".join(draw.choice(string.ascii_lowercase) if letter.isalpha() else letter for letter in text)


HOSTS = ("documentation, English", "documentation, German", "documentation, packages", "prose", "plays", "chats")
"""Kinds that noise is put in."""


def misread(good: dict[str, list[str]], known: clean_text.CleanText) -> dict[str, list[float]]:
    """Weights of the misread score, kinds of good texts being of equal weight."""
    draw, lexicon = random.Random(0), clean_text.Lexicon(known)
    hosts = [text for kind in HOSTS for text in good.get(kind, [])]
    clean = {kind: features(some, lexicon) for kind, some in good.items()}
    noisy = [
        each
        for noise in (scanned, mistyped, letters)
        for each in features([noise(text, draw) for text in hosts], lexicon)
    ]
    rows = np.array([vector for some in clean.values() for vector in some] + noisy)
    weights = [1 / len(some) for some in clean.values() for _ in some] + [len(clean) / len(noisy)] * len(noisy)
    labels = [0] * (len(rows) - len(noisy)) + [1] * len(noisy)
    mean, scale = rows.mean(0), rows.std(0)
    scaled = (rows - mean) / scale
    first, second = np.triu_indices(rows.shape[1])
    products = np.concatenate([np.ones((len(rows), 1)), scaled, scaled[:, first] * scaled[:, second]], axis=1)
    model = LogisticRegression(C=10, max_iter=5000, fit_intercept=False).fit(products, labels, np.array(weights) * 100)
    return {
        name: [round(float(each), 5) for each in values]
        for name, values in (("mean", mean), ("scale", scale), ("weights", model.coef_[0]))
    }


def features(texts: list[str], lexicon: clean_text.Lexicon) -> list[NDArray[np.float64]]:
    """As `garbage.score` takes them, of texts in Latin script."""
    words, found = [words_of(text) for text in texts if len(text.split()) >= 12], []
    for start in range(0, len(words), TEXTS_AT_A_TIME):
        measured = Measured(words[start : start + TEXTS_AT_A_TIME], lexicon)
        found += list(measured.features()[measured.is_latin()])
    return found


def main() -> None:
    """Count, learn, write."""
    parser = argparse.ArgumentParser(description="Make the model of clean text.")
    parser.add_argument("corpora", type=Path)
    parser.add_argument("good", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    rights = {path.stem: read(path) for path in sorted((options.corpora / "udhr2").glob("*.txt"))}
    latin = {
        name: text
        for name, text in rights.items()
        if sum(map(str.isascii, filter(str.isalpha, text))) > 0.6 * sum(map(str.isalpha, text))
    }
    speeches = "\n".join(
        read(path, "latin-1")
        for name in ("inaugural", "state_union")
        for path in sorted((options.corpora / name).glob("*.txt"))
    )
    running = {
        language: [
            *(read(options.corpora / "genesis" / book, "latin-1") for book in genesis),
            *(manual(path) for folder in books for path in sorted((options.corpora / folder).rglob("*.md"))),
            rights[name],
        ]
        for language, (genesis, name, books) in RUNNING.items()
    }
    running["en"].append(speeches)
    known = {language: frequent("\n".join(texts), FREQUENT) for language, texts in running.items()}
    known |= {language: frequent(rights[name], FEW) for language, name in OTHERS.items()}
    words = sorted(set().union(*(vocabulary("\n".join(texts)) for texts in running.values())))
    english, german = ("\n".join(running[language]) for language in ("en", "de"))
    model: dict[str, object] = {
        "sources": "see benchmarks/data/clean_text.py; in the public domain, or under MIT or Apache-2.0",
        "steps_of_triples": STEPS_OF_TRIPLES,
        "triples": stored(triples({**latin, "en": english, "de": german})),
        "functions": {language: " ".join(words) for language, words in sorted(known.items())},
        "languages_of_words": sorted(running),
        "words": packed("\n".join(words).encode()),
    }
    model["misread"] = misread(json.loads(options.good.read_text()), clean_text.parse({**model, "misread": {}}))
    options.out.write_text(json.dumps(model, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
