"""Compare every kind of vocabulary on 49 languages, beside SentencePiece's own: one JSON line.

    python benchmarks/vocabularies.py DATA

DATA is a folder with `udhr-languages` as published. One paragraph in five of each language is measured on, none of
them learned from. Fertility is tokens a word (a character, where a script puts no space between words). Speeds are
megabytes a processor second on one thread; SentencePiece's are of models of its own, trained on the same text.
"""

from __future__ import annotations

import os

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from lmworks.data.records import Document
from lmworks.data.words import word_spans
from lmworks.pipeline.files import digest_text
from lmworks.tokens.bulk import BulkEncoder
from lmworks.tokens.kinds.bpe import Bpe
from lmworks.tokens.kinds.character import Character
from lmworks.tokens.kinds.learn import Vocabulary, write_tokenizer
from lmworks.tokens.kinds.unigram import Unigram
from lmworks.tokens.kinds.word import Word
from lmworks.tokens.kinds.wordpiece import WordPiece
from lmworks.tokens.measure import Sample, measure
from lmworks.tokens.tokenizer import open_tokenizer

SIZES, ROUNDS = (8_192, 32_768), 5


def read(data: Path) -> tuple[list[str], list[Document]]:
    """Texts to learn from, and documents to measure on."""
    training, held_out = [], []
    with (data / "udhr-languages" / "udhr.jsonl").open(encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            name = f"{record['lang']} {record['i']}"
            if int(digest_text(name)[:8], 16) % 5:
                training.append(record["text"])
            else:
                found = Document(id=name, text=record["text"], source="udhr", licence="MIT", language=record["lang"])
                held_out.append(found)
    return training, held_out


def speed(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Megabytes a processor second, the median of some rounds; the first, with cold caches, among them."""
    found = []
    for _ in range(ROUNDS):
        started = time.process_time()
        encode(texts)
        found.append(sum(len(text.encode()) for text in texts) / 1e6 / (time.process_time() - started))
    return round(statistics.median(found), 1)


def ours(vocabulary: Vocabulary, training: Sequence[str], sample: Sample, texts: Sequence[str]) -> dict[str, Any]:
    """One of our kinds."""
    with tempfile.TemporaryDirectory() as name:
        write_tokenizer(vocabulary.learn(lambda: iter(training)), Path(name))
        tokenizer = open_tokenizer(Path(name))
    found = measure(tokenizer, sample)
    fertility = found.pop("tokens_per_word")
    worst = max(fertility, key=lambda language: fertility[language])
    return {
        "name": f"{vocabulary.kind} {vocabulary.vocab_size}",
        **rounded(found),
        "fertility": round(fertility["all"], 3),
        "fertility_by_language": rounded(fertility),
        "worst_language": worst,
        "megabytes_a_second": speed(BulkEncoder(tokenizer).encode, texts),
    }


def theirs(kind: str, size: int, training: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    """SentencePiece with byte fallback, all characters covered."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(training),
        model_writer=model,
        model_type=kind,
        vocab_size=size,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    processor = SentencePieceProcessor(model_proto=model.getvalue())
    tokens = sum(map(len, processor.encode(list(texts), num_threads=1)))
    words = sum(len(word_spans(text)) for text in texts)
    return {
        "name": f"sentencepiece {kind} {size}",
        "ids": processor.vocab_size(),
        "bytes_per_token": round(sum(len(text.encode()) for text in texts) / tokens, 3),
        "fertility": round(tokens / words, 3),
        "megabytes_a_second": speed(lambda found: processor.encode(list(found), num_threads=1), texts),
    }


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Three decimals are more than so few texts tell."""
    return {
        name: rounded(value) if isinstance(value, dict) else round(value, 3) if isinstance(value, float) else value
        for name, value in values.items()
    }


def main(data: Path) -> None:
    training, held_out = read(data)
    sample = Sample.of(held_out, training)
    texts = [document.text for document in held_out]
    found = []
    for size in SIZES:
        kinds = (Bpe(kind="bpe", vocab_size=size), Unigram(kind="unigram", vocab_size=size))
        kinds += (WordPiece(kind="wordpiece", vocab_size=size), Word(kind="word", vocab_size=size))
        found += [ours(vocabulary, training, sample, texts) for vocabulary in kinds]
        found += [theirs(kind, size, training, texts) for kind in ("bpe", "unigram")]
    found.append(ours(Character(kind="character", vocab_size=SIZES[0]), training, sample, texts))
    facts = {"languages": len({each.language for each in held_out}), "texts_held_out": len(texts)}
    print(json.dumps({"benchmark": "vocabularies", **facts, "rounds": ROUNDS, "tokenizers": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
