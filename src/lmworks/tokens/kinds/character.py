"""Single characters, and bytes for those too rare to have an id."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import Field

from lmworks.lazy import tokenizers
from lmworks.tokens.kinds.learn import Texts, Vocabulary, learning_stage
from lmworks.tokens.tokenizer import SPECIAL_TOKENS


class CharacterConfig(Vocabulary):
    """Single characters. Sequences are long, and no word is cut in a bad place."""

    kind: Literal["character"] = "character"
    vocab_size: int = Field(
        default=1024,
        ge=259,
        description="Number of ids, including three special tokens and 256 bytes. 1,024 hold most alphabets' letters. "
        "A rarer character takes two to four bytes.",
    )

    def learn(self, texts: Texts) -> tokenizers.Tokenizer:
        """Number the bytes first, so that any text can be encoded, and then the characters by frequency."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        counts = count_characters(texts)
        known = [*SPECIAL_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256)), *counts][: self.vocab_size]
        vocabulary = {token: number for number, token in enumerate(known)}
        backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
        backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        return backend


character = learning_stage(CharacterConfig)


def count_characters(texts: Texts) -> list[str]:
    """Return every character of the texts, the most frequent first."""
    counts: Counter[str] = Counter()
    for text in texts():
        counts.update(text)
    return sorted(counts, key=lambda character: (-counts[character], character))
