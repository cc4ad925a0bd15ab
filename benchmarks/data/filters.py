"""The filters named after published corpora beside datatrove's, as one JSON line.

    python benchmarks/data/filters.py DOCUMENTS PYTHON [--most 4000]

DOCUMENTS is a folder of jsonl files with `text`, such as `make_corpus.py` writes; PYTHON has datatrove and spacy.
datatrove is given the papers' limits where its own differ (C4: 3 sentences, 5 words a line; FineWeb: 0.1, no rule on
line breaks). It takes spaCy's tokens for words, punctuation included, where the filters here split at white space.
`agreement` is the share of documents on which both say the same, by rule (is this the reason?) and in all (is it
kept?); `tokens_alike` is the same after the texts were split into words and punctuation beforehand. What then differs:
datatrove counts a phrase that occurs once as repeated in short texts, and seeks curly brackets in lines kept only.
Megabytes a second are of processor time on one core.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

RULES: dict[str, dict[str, list[str]]] = {
    "gopher-quality": {
        "short": ["gopher_short_doc", "fewer than 50 words"],
        "long": ["gopher_long_doc", "more than 100,000 words"],
        "length of words": ["gopher_below_avg_threshold", "gopher_above_avg_threshold", "mean length of words"],
        "hashes": ["gopher_too_many_hashes", "hash signs"],
        "ellipses": ["gopher_too_many_ellipsis", "ellipses a word"],
        "bullets": ["gopher_too_many_bullets", "bullets"],
        "ending ellipses": ["gopher_too_many_end_ellipsis", "end in an ellipsis"],
        "letters": ["gopher_below_alpha_threshold", "have a letter"],
        "stop words": ["gopher_enough_stop_words", "stop words"],
    },
    "gopher-repetition": {
        "paragraphs": ["dup_para_frac", "% of paragraphs are repeated"],
        "characters of paragraphs": ["dup_para_char_frac", "characters in repeated paragraphs"],
        "lines": ["dup_line_frac", "% of lines are repeated"],
        "characters of lines": ["dup_line_char_frac", "characters in repeated lines"],
        **{f"one {n}-gram": [f"top_{n}_gram", f"one {n}-gram"] for n in (2, 3, 4)},
        "repeated n-grams": ["duplicated_", "characters in repeated 5", *(f"repeated {n}-grams" for n in range(6, 11))],
    },
    "c4": {
        "lorem ipsum": ["lorem_ipsum", "lorem ipsum"],
        "curly bracket": ["curly_bracket", "curly bracket"],
        "sentences": ["too_few_sentences", "3 sentences"],
    },
    "fineweb": {
        "ends of sentences": ["line_punct_ratio", "end a sentence"],
        "short lines": ["short_line_ratio", "below 30 characters"],
        "repeated lines": ["char_dup_ratio", "in repeated lines"],
    },
}
"""By filter and rule: parts of the reasons that mean it, theirs and ours."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


def read(folder: Path, most: int) -> list[str]:
    """A seeded sample of texts."""
    texts = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            try:
                texts.append(json.loads(line)["text"])
            except (ValueError, KeyError, TypeError):
                continue  # planted bad lines
    return random.Random(0).sample(texts, min(most, len(texts)))


def verdicts(judge: Callable[[str], str | None], texts: list[str]) -> tuple[list[str | None], float]:
    """Reasons to drop, and processor seconds."""
    judge(texts[0])  # loads models
    started = time.process_time()
    found = [judge(text) for text in texts]
    return found, time.process_time() - started


def ours() -> Iterator[tuple[str, Callable[[str], str | None]]]:
    from lmworks.data.quality.filters import FilterSettings, reasons_to_drop

    def judging(name: str) -> Callable[[str], str | None]:
        settings = FilterSettings(("en",))

        def judge(text: str) -> str | None:
            return reasons_to_drop(name, [text], settings)[0]  # type: ignore[arg-type]

        return judge

    yield from ((name, judging(name)) for name in RULES)


def theirs() -> Iterator[tuple[str, Callable[[str], str | None]]]:
    from datatrove.data import Document  # type: ignore[import-not-found]
    from datatrove.pipeline.filters import (  # type: ignore[import-not-found]
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    filters = {
        "gopher-quality": GopherQualityFilter(),
        "gopher-repetition": GopherRepetitionFilter(),
        "c4": C4QualityFilter(min_num_sentences=3, min_words_per_line=5),
        "fineweb": FineWebQualityFilter(char_duplicates_ratio=0.1, new_line_ratio=1e9),
    }

    def judging(one: object) -> Callable[[str], str | None]:
        def judge(text: str) -> str | None:
            verdict = one.filter(Document(text=text, id=""))  # type: ignore[attr-defined]
            return None if verdict is True else str(verdict[1])

        return judge

    yield from ((name, judging(one)) for name, one in filters.items())


def run(side: str, texts: list[str]) -> dict[str, tuple[list[str | None], float]]:
    """Verdicts and seconds of every filter."""
    return {name: verdicts(judge, texts) for name, judge in (ours() if side == "ours" else theirs())}


def agreement(name: str, first: list[str | None], second: list[str | None]) -> dict[str, float]:
    """Shares of documents with the same verdict."""
    pairs = list(zip(first, second, strict=True))
    found = {"kept or not": sum((one is None) == (other is None) for one, other in pairs) / len(pairs)}
    for rule, marks in RULES[name].items():
        meant = [[any(mark in (reason or "") for mark in marks) for reason in pair] for pair in pairs]
        found[rule] = sum(one == other for one, other in meant) / len(pairs)
    return {rule: round(share, 4) for rule, share in found.items()}


def main() -> None:
    """Run both sides, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", type=Path)
    parser.add_argument("python")
    parser.add_argument("--most", type=int, default=4000)
    arguments = parser.parse_args()
    if arguments.python == "-":  # the other side: texts in a file
        json.dump(run("theirs", json.loads(arguments.documents.read_text())), sys.stdout)
        return
    texts = read(arguments.documents, arguments.most)
    tokens = ["\n".join(" ".join(_TOKEN.findall(line)) for line in text.split("\n")) for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for number, some in enumerate((texts, tokens)):
            path = Path(folder, f"{number}.json")
            path.write_text(json.dumps(some))
            command = [arguments.python, __file__, str(path), "-"]
            sides.append(
                (run("ours", some), json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            )
    size = sum(len(text.encode()) for text in texts) / 1e6
    result: dict[str, object] = {"documents": len(texts), "megabytes": round(size, 1)}
    for name in RULES:
        (mine, peer), (mine_tokens, peer_tokens) = sides
        result[name] = {
            "agreement": agreement(name, mine[name][0], peer[name][0]),
            "tokens_alike": agreement(name, mine_tokens[name][0], peer_tokens[name][0]),
            "kept": sum(reason is None for reason in mine[name][0]),
            "kept_by_datatrove": sum(reason is None for reason in peer[name][0]),
            "megabytes_a_second": round(size / mine[name][1], 1),
            "datatrove_megabytes_a_second": round(size / peer[name][1], 1),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
