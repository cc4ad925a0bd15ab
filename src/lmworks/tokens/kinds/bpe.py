"""Byte-level BPE: merges of the pairs that come together most often (Sennrich et al. 2016; Radford et al. 2019)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lmworks.lazy import tokenizers
from lmworks.tokens.kinds.learn import Texts, Vocabulary, learning_stage
from lmworks.tokens.tokenizer import SPECIAL_TOKENS


class BpeConfig(Vocabulary):
    """Byte-level BPE after GPT-2's pre-tokenizer. It is the default, because it loses nothing and encodes fastest."""

    kind: Literal["bpe"] = "bpe"
    vocab_size: int = Field(
        default=4096,
        ge=259,
        description="Number of ids, including three special tokens and 256 bytes. 4,096 suits models of a few million "
        "weights. There, a larger table would need more compute than the rest. Raise it for larger models.",
    )

    def learn(self, texts: Texts) -> tokenizers.Tokenizer:
        """Train with `tokenizers`. Any text can be encoded, because all 256 bytes are in the vocabulary."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab_size,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        backend.train_from_iterator(texts(), trainer)
        return backend


bpe = learning_stage(BpeConfig)
