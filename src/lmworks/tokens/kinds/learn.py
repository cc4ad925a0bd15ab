"""Shared parts of tokenizers that are learned from documents: input, files and counts."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import Field

from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError
from lmworks.lazy import tokenizers
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context, Result, Stage, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks.tokens.settings import unknown_token
from lmworks.tokens.tokenizer import CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, open_tokenizer

SAMPLE_DOCUMENTS = 1000
"""Number of documents on which bytes per token are measured."""

Texts = Callable[[], Iterator[str]]
"""Function that yields every text of a corpus, each time it is called."""

TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": END_OF_TEXT,
    "eos_token": END_OF_TURN,
    "pad_token": END_OF_TEXT,
    "clean_up_tokenization_spaces": False,
    "chat_template": CHAT_TEMPLATE,
}
"""Settings that `transformers.AutoTokenizer` reads in addition to the vocabulary."""


class Vocabulary(StepConfig, ABC):
    """Fields of tokenizers that are learned from text."""

    section: ClassVar = "tokenizer"

    documents: Reference = Field(
        alias="from", description="Training text only. A tokenizer fitted to test text flatters the model."
    )
    kind: str
    vocab_size: int = Field(description="Number of ids. Each kind sets a default.")

    @abstractmethod
    def learn(self, texts: Texts) -> tokenizers.Tokenizer:
        """Learn the vocabulary. Equal texts in equal order give an equal vocabulary."""


def learning_stage(config: type[Vocabulary]) -> Stage:
    """Return the stage that learns a vocabulary and writes it for `transformers`. It has the name of the kind."""

    def learn(config: Vocabulary, documents: Documents, out: Path, context: Context) -> Result:
        count = documents.count()
        if not count:
            raise LmworksError(f"{documents.path}: no documents to learn a tokenizer from; see the step that made them")
        context.progress.start(count, "documents")
        backend = config.learn(lambda: (document.text for document in documents.iterate()))
        context.progress.update(count)
        write_tokenizer(backend, out)
        return Result(counts={"documents": count, "ids": backend.get_vocab_size()} | _compression(documents, out))

    learn.__name__ = config.model_fields["kind"].default
    learn.__annotations__["config"] = config
    return stage(version=1, trains_on="documents")(learn)


def write_tokenizer(
    backend: tokenizers.Tokenizer, out: Path, settings: Mapping[str, Any] = MappingProxyType(TOKENIZER_CONFIG)
) -> None:
    """Write the two files of a tokenizer folder."""
    name = unknown_token(backend)
    unknown = {"unk_token": name} if backend.token_to_id(name) is not None and "unk_token" not in settings else {}
    write_atomically(out / "tokenizer.json", (backend.to_str(pretty=True) + "\n").encode())
    write_atomically(out / "tokenizer_config.json", (json.dumps({**settings, **unknown}, indent=2) + "\n").encode())


def _compression(documents: Documents, out: Path) -> dict[str, int]:
    texts = [document.text for document, _ in zip(documents.iterate(), range(SAMPLE_DOCUMENTS), strict=False)]
    tokenizer = open_tokenizer(out)
    encoded = tokenizer.encode_batch(texts)
    counts = {"sampled bytes": sum(len(text.encode()) for text in texts), "sampled tokens": sum(map(len, encoded))}
    if tokenizer.unknown_id is not None:
        counts["sampled unknown tokens"] = sum(ids.count(tokenizer.unknown_id) for ids in encoded)
    return counts
