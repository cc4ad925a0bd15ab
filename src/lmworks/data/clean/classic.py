"""Classic cleaning for classifiers that count words, and what it does to rare, technical and dialect words.

A language model needs what these steps take away: case and punctuation carry names and structure, stop words hold its
sentences together. A classifier that counts words may gain by them; the figures say what they cost.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from lmworks.data.clean.contractions import CONTRACTIONS, Language, written_out
from lmworks.data.quality.word_list import read_list
from lmworks.data.records import Documents, read_shard
from lmworks.data.steps import Parts, Tally, counted, map_units, origins_of
from lmworks.errors import LmworksError, UsageError, format_counts
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig

STOP_WORDS = "a an and are as at be by for from has he in is it its of on that the to was were will with".split()  # noqa: SIM905
"""The 25 of Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, figure 2.5."""
RARE = 2
"""A type that occurs no more often is rare."""

Step = Literal["readability", "contractions", "lower-case", "punctuation", "stop-words"]


class ClassicConfig(StepConfig):
    """Clean documents for classifiers that count words; never for language models."""

    makes: ClassVar[str] = "documents"
    kind: Literal["classic"] = "classic"
    documents: Reference = Field(alias="from", description="The documents to clean.")
    steps: list[Step] = Field(
        min_length=1,
        description="Done in this order, however they are written: readability, contractions, lower-case, punctuation, "
        "stop-words. Each needs what those after it take away.",
    )
    protect: list[str] | str = Field(
        default=[],
        description="Terms that no step touches, in their own case, or a file with one a line; yours to know.",
    )
    language: Language = Field(
        default="en", description="Of the contractions that are written out; those of other languages are left."
    )
    stop_words: list[str] | str = Field(
        default=STOP_WORDS,
        description="25 English ones that carry no meaning alone; your own, or a file; or a language of two letters, "
        "such as `de`, whose words the package stopwordsiso knows.",
    )

    def resolve(self, folder: Path) -> Self:
        """This config with the words of its files."""
        stop_words = stop_words_of(folder, self.stop_words)
        return self.model_copy(update={"protect": read_list(folder, self.protect), "stop_words": stop_words})

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if _is_language(self.stop_words):
            yield "stopwordsiso"


def _is_language(words: list[str] | str) -> bool:
    return isinstance(words, str) and re.fullmatch("[a-z]{2}", words) is not None


def stop_words_of(folder: Path, words: list[str] | str) -> list[str]:
    """The stop words given as such, of a file, or of a language. Raises UsageError for a language that nobody knows."""
    if not _is_language(words):
        return read_list(folder, words)
    try:
        import stopwordsiso
    except ModuleNotFoundError:  # told with all other packages that are missing
        return [str(words)]
    if not (found := stopwordsiso.stopwords(words)):
        known = ", ".join(sorted(stopwordsiso.langs()))
        raise UsageError(f"stop_words: found the language {words!r}, expected one of {known}, a list or a file")
    return sorted(found)


@stage(version=3, reads="documents")
def classic(config: ClassicConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Cleaned documents; figures show what each step alone does to the types of words that occur."""
    folder = context.beside / "types"
    work = partial(_clean_shard, config, folder)
    shards = documents.shards()
    tally = map_units(list(enumerate(shards)), work, out, context, origins=origins_of(shards, key_config(config)))
    if not tally.counts["documents"]:
        raise LmworksError(f"classic: no document is left: {format_counts(tally.counts)}.")
    types: Counter[str] = Counter()
    for path in sorted(folder.glob("*.json")):
        types.update(json.loads(path.read_text(encoding="utf-8")))
    figures = list(_effects(config, types, tally))
    if known := tally.counts["protected items"]:
        kept = tally.counts["kept protected items"] / known
        figures.append(Figure(name="protected terms kept", value=kept, n=known, method="occurrences before and after"))
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples, figures=figures)


def _clean_shard(config: ClassicConfig, folder: Path, numbered: tuple[int, Path]) -> tuple[Parts, Tally]:
    number, shard = numbered
    tally, kept, types = Tally(), [], Counter[str]()
    protected = _protected(tuple(config.protect))
    for document in read_shard(shard):
        types.update(_types(document.text))
        cleaned = document.changed(lambda text: clean(text, config))
        before, after = (Counter(protected.findall(each.text)) for each in (document, cleaned))
        tally.counts["protected items"] += before.total()
        tally.counts["kept protected items"] += (before & after).total()
        if cleaned.lacks_all_of(document):
            tally.lose("empty", id=document.id, text=document.text[:200])
            continue
        meta = dict(document.meta)
        if "readability" in config.steps:
            meta["readability"] = flesch_kincaid(document.text)
        kept.append(replace(cleaned, meta=meta))
    tally.files.append(folder / f"{number:05d}.json")
    write_atomically(tally.files[0], json.dumps(types).encode())
    return counted(kept, tally)


def clean(text: str, config: ClassicConfig) -> str:
    """A text after the steps asked for."""
    pieces = _protected(tuple(config.protect)).split(text)  # every second one is a protected term
    for name, step in STEPS.items():
        if name in config.steps:
            pieces[::2] = [step(piece, config) for piece in pieces[::2]]
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


@functools.lru_cache(maxsize=4)
def _protected(terms: tuple[str, ...]) -> re.Pattern[str]:
    choices = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
    return re.compile(rf"(?<!\w)({choices})(?!\w)" if choices else r"(?!)()")


_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_TECHNICAL = re.compile(
    r"(?<![^\W_])[a-z][a-z0-9]*(?:\+\+\d*|#)(?![^\W_])|(?:(?<![^\W_])[a-z][a-z0-9]*)?\.(?:net|js)(?![^\W_])",
    re.IGNORECASE,
)
"""Names whose signs tell them from other words: C++, C#, F#, .NET, node.js."""
_PUNCTUATION = re.compile(rf"(?P<name>{_TECHNICAL.pattern})|[^\w\s]|_", re.IGNORECASE)
_WORD = re.compile(rf"{_TECHNICAL.pattern}|\w+(?:['’]\w+)*", re.IGNORECASE)


def _without_stop_words(text: str, config: ClassicConfig) -> str:
    stop_words = {word.lower() for word in config.stop_words}
    return _WORD.sub(lambda word: "" if word[0].lower() in stop_words else word[0], text)


STEPS: Mapping[Step, Callable[[str, ClassicConfig], str]] = {
    "contractions": lambda text, config: written_out(text, config.language),
    "lower-case": lambda text, config: text.lower(),
    "punctuation": lambda text, config: _PUNCTUATION.sub(lambda found: found["name"] or " ", _APOSTROPHE.sub("", text)),
    "stop-words": _without_stop_words,
}
"""In the order of doing; an apostrophe inside a word goes without a space, as is usual."""

_VOWELS = re.compile("[aeiouyà-ýÀ-Ý]+", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")


def flesch_kincaid(text: str) -> float:
    """Years of American schooling that a text asks for (Kincaid et al. 1975): English, to 2 decimals, 0 without words.

    Syllables are groups of vowels, less a silent final e.
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(1, len(_SENTENCE_END.findall(text)))
    return round(0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59, 2)


def syllables(word: str) -> int:
    """Syllables of an English word, at least 1."""
    lower = word.lower()
    silent = lower.endswith("e") and not lower.endswith(("le", "ee"))
    return max(1, len(_VOWELS.findall(lower)) - silent)


def _types(text: str) -> Iterator[str]:
    for word in text.split():
        name = _TECHNICAL.search(word)
        if found := name[0] if name else word.strip('.,;:!?"()[]{}“”…'):
            yield found


def _is_jargon(word: str) -> bool:
    is_name = _TECHNICAL.fullmatch(word) is not None
    return is_name or sum(map(str.isupper, word)) > 1 or (word.isalnum() and not word.isalpha() and not word.isdigit())


def _is_dialect(word: str) -> bool:
    plain = word.replace("’", "'")
    known = any(pattern.search(plain) for pattern, _ in CONTRACTIONS["en"])
    return "'" in plain.removesuffix("'s").removesuffix("s'") and not known and any(map(str.isalpha, plain))


def _effects(config: ClassicConfig, types: Counter[str], tally: Tally) -> Iterator[Figure]:
    """For each step alone: types of which nothing is left, or that become the same as another."""
    groups = {
        "rare": [word for word, count in types.items() if count <= RARE],
        "technical": list(filter(_is_jargon, types)),
        "dialect": list(filter(_is_dialect, types)) if config.language == "en" else [],
    }
    for step in STEPS:
        if step not in config.steps:
            continue
        alone = config.model_copy(update={"steps": [step]})
        become = {word: clean(word, alone) for word in types}
        times = Counter(become.values())
        for group, words in groups.items():
            gone = sorted(word for word in words if not become[word] or times[become[word]] > 1)
            for word in gone:
                effect = "merged" if become[word] else "lost"
                tally.note(f"{step}: {group} type {effect}", before=word, after=become[word])
            if words:
                method = f"types of words; {step} alone, protected terms excepted"
                name = f"{group} types lost or merged by {step}"
                yield Figure(name=name, value=len(gone) / len(words), n=len(words), method=method)
