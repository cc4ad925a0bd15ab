"""WordPiece as in BERT: words and their pieces, no white space (Schuster and Nakajima 2012; Devlin et al. 2019)."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from lmworks.lazy import tokenizers
from lmworks.tokens.kinds.character import count_characters
from lmworks.tokens.kinds.learn import Texts, Vocabulary, learning_stage
from lmworks.tokens.settings import UNKNOWN
from lmworks.tokens.tokenizer import SPECIAL_TOKENS

ALPHABET = 1_000
"""Maximum number of characters, as for BERT. A word with another character becomes the unknown token."""


class WordPieceConfig(Vocabulary):
    """WordPiece, as for BERT. A decoded text loses its white space."""

    kind: Literal["wordpiece"] = "wordpiece"
    vocab_size: int = Field(default=4096, ge=64, description="Number of ids, as for BPE.")

    def learn(self, texts: Texts) -> tokenizers.Tokenizer:
        """Train with `tokenizers`, so that every run gives the same ids. Case is kept."""
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        alphabet = [each for each in count_characters(texts) if not each.isspace()]
        alphabet = sorted(alphabet[: min(ALPHABET, self.vocab_size // 4)])
        special = [*SPECIAL_TOKENS, UNKNOWN]
        backend = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        backend.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        backend.decoder = decoders.WordPiece()
        # The library numbers ##a, ##b … in an order that differs from run to run, and merges follow the numbers. Given
        # as special tokens they have fixed numbers; afterwards they are plain again.
        trainer = trainers.WordPieceTrainer(
            vocab_size=self.vocab_size,
            special_tokens=[*special, *(f"##{each}" for each in alphabet)],
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            show_progress=False,
        )
        backend.train_from_iterator(texts(), trainer)
        facts = json.loads(backend.to_str())
        facts["added_tokens"] = facts["added_tokens"][: len(special)]
        return Tokenizer.from_str(json.dumps(facts))


wordpiece = learning_stage(WordPieceConfig)
