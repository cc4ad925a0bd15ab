"""Whole words: the baseline of other vocabularies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lmworks.lazy import tokenizers
from lmworks.tokens.kinds.learn import FromDocuments, Texts, Vocabulary, learning_stage
from lmworks.tokens.tokenizer import SPECIAL_TOKENS, UNKNOWN


class Word(Vocabulary):
    """The most frequent words; every other word is one <unk>, and lost."""

    kind: Literal["word"]
    vocab_size: int = Field(
        default=32_768, ge=5, description="Ids. Words are many: with fewer than this, every tenth is unknown."
    )

    def learn(self, texts: Texts) -> tokenizers.Tokenizer:
        """By the trainer of `tokenizers`. White space of texts whose words are all known comes back exactly."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        backend = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        backend.decoder = decoders.ByteLevel()
        special = [*SPECIAL_TOKENS, UNKNOWN]
        trainer = trainers.WordLevelTrainer(vocab_size=self.vocab_size, special_tokens=special, show_progress=False)
        backend.train_from_iterator(texts(), trainer)
        return backend


class WordConfig(FromDocuments, Word):
    """Whole words, after the same pre-tokenizer as BPE."""

    kind: Literal["word"] = "word"


word = learning_stage(WordConfig)
