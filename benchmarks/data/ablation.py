"""What each classic cleaning step does to words and to a classifier, on public sets: one JSON line.

    python benchmarks/data/ablation.py DATA [--peers PYTHON]

DATA is a folder with `sentence-polarity`, `glue-sst2`, `banking77`, `truthfulqa`, `tiny-shakespeare` and
`licence-tagged-docs`. `types`: shares of word types lost or merged with another, by each step alone, in Early Modern
English plays (dialect), in READMEs (technical) and in customers' questions. `dialect`: forms of the plays and what
becomes of them. `accuracy`: of the hashed linear classifier and, with two labels, of scikit-learn's TF-IDF with
logistic regression on `n` held-out texts, cleaned alike, and p of McNemar's exact test against no cleaning, not
adjusted for the number of tests. PYTHON may have spacy, nltk and textblob: their stop lists and tokens beside ours, as
far as they work without a download.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "data"))
from classifier import Examples, Judge, learn, learn_tfidf, read_sets
from data_support import documents_of

from lmworks.data.clean.classic import STEPS, STOP_WORDS, ClassicConfig, classic, clean
from support import make_context

DIALECT = ("'tis", "o'er", "ne'er", "e'en", "th'", "i'", "ha'", "we'll", "who's", "sland'rous", "Thou", "THOU", "'Tis")
PEERS = """
import json, sys
sentence, stop_words = json.load(sys.stdin)
import nltk, spacy, textblob
from nltk.tokenize import TreebankWordTokenizer, WordPunctTokenizer
from spacy.lang.en.stop_words import STOP_WORDS
found = {"versions": {"nltk": nltk.__version__, "spacy": spacy.__version__}, "spacy stop words": len(STOP_WORDS)}
found["ours in spacy's stop words"] = len(set(stop_words) & STOP_WORDS)
found["spacy"] = [token.text for token in spacy.blank("en")(sentence)]
found["treebank"] = TreebankWordTokenizer().tokenize(sentence)
found["word-punct"] = WordPunctTokenizer().tokenize(sentence)
for name, ask in (("nltk stop words", lambda: len(nltk.corpus.stopwords.words("english"))),
                  ("textblob", lambda: list(textblob.TextBlob(sentence).words))):
    try:
        found[name] = ask()
    except Exception as error:
        found[name] = "offline: " + type(error).__name__
print(json.dumps(found))
"""
SENTENCE = "I'm sure they won't deploy C++ code on AT&T's servers: ain't it so, y'all?"


def config(*steps: str) -> ClassicConfig:
    """Steps without protected terms."""
    return ClassicConfig.model_validate({"from": "x", "steps": list(steps)})


def types(texts: Sequence[str]) -> dict[str, list[float]]:
    """Value and n of each figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = documents_of(folder / "in", *texts)
        result = classic(config(*STEPS), documents, out=folder / "out", context=make_context(folder))
    return {figure.name: [round(figure.value, 4), figure.n] for figure in result.figures}


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided exact test that two classifiers err equally often (McNemar 1947)."""
    from scipy.stats import binomtest

    better = sum(one and not other for one, other in zip(first, second, strict=True))
    worse = sum(other and not one for one, other in zip(first, second, strict=True))
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def accuracy(examples: Examples) -> dict[str, object]:
    """Of both classifiers, after no step, each step, and all."""
    unique = sorted(dict(examples).items())
    random.Random(7).shuffle(unique)
    held, learned = unique[: len(unique) // 4], unique[len(unique) // 4 :]
    found: dict[str, object] = {"n": len(held)}
    sides: dict[str, Callable[[Examples], Judge]] = {"hashed linear": learn}
    if len({label for _, label in examples}) == 2:  # the other side takes minutes for many labels
        sides["tfidf"] = lambda some: learn_tfidf(some, 10)
    for side, learner in sides.items():
        plain: list[bool] = []
        for name, steps in {"none": (), **{step: (step,) for step in STEPS}, "all": tuple(STEPS)}.items():
            wanted = config(*steps or ("readability",))  # which changes no word
            ready = [(clean(text, wanted), label) for text, label in [*held, *learned]]
            guesses = learner(ready[len(held) :])([text for text, _ in ready[: len(held)]])
            right = [guess == label for guess, (_, label) in zip(guesses, held, strict=True)]
            plain = plain or right
            found[f"{side}, {name}"] = [round(sum(right) / len(right), 4), round(mcnemar(plain, right), 4)]
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--peers")
    arguments = parser.parse_args()
    plays = (arguments.data / "tiny-shakespeare" / "input.txt").read_text(encoding="utf-8")
    readmes = (arguments.data / "licence-tagged-docs" / "docs.jsonl").read_text(encoding="utf-8").splitlines()
    sets = dict(read_sets(arguments.data))
    result: dict[str, Any] = {
        "types": {
            "plays": types(plays.split("\n\n")),
            "readmes": types([json.loads(line)["text"] for line in readmes]),
            "banking77": types([text for text, _ in sets["banking77"]]),
        },
        "dialect": {word: {step: clean(word, config(step)) for step in STEPS} for word in DIALECT},
        "accuracy": {},
        "cleaned": clean(SENTENCE, config("contractions", "punctuation")),
    }
    for name, examples in sets.items():
        result["accuracy"][name] = accuracy(examples)
        print(name, result["accuracy"][name], file=sys.stderr, flush=True)
    if arguments.peers:
        command, given = [arguments.peers, "-c", PEERS], json.dumps([SENTENCE, STOP_WORDS])
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, input=given.encode()).stdout
        result["peers"] = json.loads(answer)
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
