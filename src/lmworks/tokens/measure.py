"""How well a tokenizer suits a language: measured on documents that it was not learned from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lmworks.data.records import Document
from lmworks.data.words import word_spans
from lmworks.pipeline.files import digest_text
from lmworks.tokens.tokenizer import Tokenizer

PRONOUNS = {
    "he": ("he", "him", "his", "himself"),
    "she": ("she", "her", "hers", "herself"),
    "they": ("they", "them", "their", "theirs", "themself", "themselves"),
    "xe": ("xe", "xem", "xyr", "xyrs", "xemself"),
    "ze": ("ze", "zir", "zirs", "zirself", "hir", "hirs", "hirself"),
    "ey": ("ey", "em", "eir", "eirs", "emself", "eirself"),
}
"""English third-person pronouns and all their forms. A set that is cut into more tokens is learned from less."""
RARE = 5
"""A word seen at most so often in the training documents is rare."""
WORDS = 2_000
"""Rare words and names measured at most: means of so many change little."""
_LETTERS = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Sample:
    """Documents held out, and words in them that a tokenizer may know badly."""

    documents: Sequence[Document]
    rare_words: Sequence[str]
    """In lower case, seen at most `RARE` times in the training documents."""
    names: Sequence[str]
    """Written with a capital, and nowhere in lower case."""

    @classmethod
    def of(cls, held_out: Sequence[Document], training: Iterable[str]) -> Sample:
        """Find the words, given the texts that are learned from."""
        wanted = {word for document in held_out for word in _LETTERS.findall(document.text)}
        lower = {word.lower() for word in wanted}
        counts: Counter[str] = Counter()
        for text in training:
            counts.update(word for word in _LETTERS.findall(text) if word in wanted or word in lower)
        rare = (word for word in wanted if word.islower() and counts[word] <= RARE)
        names = (word for word in wanted if word.istitle() and word.lower() not in wanted and not counts[word.lower()])
        return cls(held_out, _some(rare), _some(names))


def _some(words: Iterable[str]) -> list[str]:
    return sorted(words, key=digest_text)[:WORDS]


def measure(tokenizer: Tokenizer, sample: Sample) -> dict[str, Any]:
    """What a tokenizer makes of the sample; means are over all documents or words, not of means."""
    texts = [document.text for document in sample.documents]
    encoded = tokenizer.encode_batch(texts)
    tokens, words = Counter[str](), Counter[str]()
    for document, ids in zip(sample.documents, encoded, strict=True):
        for group in {"all", document.language or "unknown"}:
            tokens[group] += len(ids)
            words[group] += len(word_spans(document.text))
    unknown = sum(ids.count(tokenizer.unknown_id) for ids in encoded) if tokenizer.unknown_id is not None else 0
    lost = sum(tokenizer.decode(ids) != text for ids, text in zip(encoded, texts, strict=True))
    return {
        "ids": tokenizer.vocab_size,
        "documents": len(texts),
        "bytes_per_token": sum(len(text.encode()) for text in texts) / max(1, tokens["all"]),
        "tokens_per_word": {group: tokens[group] / max(1, words[group]) for group in sorted(tokens)},
        "unknown_share": unknown / max(1, tokens["all"]),
        "documents_lost": lost,
        "tokens_per_rare_word": tokens_per_word(tokenizer, sample.rare_words),
        "tokens_per_name": tokens_per_word(tokenizer, sample.names),
        "tokens_per_pronoun": {name: tokens_per_word(tokenizer, forms) for name, forms in PRONOUNS.items()},
    }


def tokens_per_word(tokenizer: Tokenizer, words: Sequence[str]) -> float | None:
    """Mean tokens that a word adds to the text before it, its space among them; None without words."""
    if not words:
        return None
    before = len(tokenizer.encode("the"))
    return sum(len(ids) - before for ids in tokenizer.encode_batch([f"the {word}" for word in words])) / len(words)
