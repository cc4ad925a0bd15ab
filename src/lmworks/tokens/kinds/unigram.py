"""Unigram: the pieces whose likelihoods explain the text best (Kudo 2018), over bytes."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.lazy import tokenizers
from lmworks.tokens.kinds.learn import Texts, Vocabulary, learning_stage
from lmworks.tokens.tokenizer import SPECIAL_TOKENS

THREADS = 4
"""Threads of the trainer. The vocabulary depends on their number, because sums of floats do."""


class UnigramConfig(Vocabulary):
    """Unigram over bytes, after the same pre-tokenizer as BPE."""

    packages: ClassVar[tuple[str, ...]] = ("sentencepiece",)
    kind: Literal["unigram"] = "unigram"
    vocab_size: int = Field(
        default=4096, ge=320, description="Number of ids, including three special tokens and bytes, as for BPE."
    )

    def learn(self, texts: Texts) -> tokenizers.Tokenizer:
        """Return pieces of words. Bytes that are in no text are as unlikely as the least likely piece."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        words: Counter[str] = Counter()
        for text in texts():
            words.update(word for word, _ in split.pre_tokenize_str(text))
        unseen = sorted(set(split.alphabet()).difference(*words))
        pieces = _learn_pieces(words, self.vocab_size - len(SPECIAL_TOKENS) - len(unseen))
        least = min(score for _, score in pieces)
        special = [(token, 0.0) for token in SPECIAL_TOKENS]
        backend = Tokenizer(models.Unigram([*special, *pieces, *((byte, least) for byte in unseen)]))
        backend.pre_tokenizer = split
        backend.decoder = decoders.ByteLevel()
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        return backend


def _learn_pieces(words: Counter[str], count: int) -> list[tuple[str, float]]:
    """Return pieces and log-likelihoods by SentencePiece: the trainer of `tokenizers` differs from run to run."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    model = BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(f"{word}\t{times}" for word, times in sorted(words.items())),
        model_writer=model,
        input_format="tsv",
        model_type="unigram",
        vocab_size=count + 1,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        split_by_whitespace=False,
        split_by_unicode_script=False,
        split_by_number=False,
        bos_id=-1,
        eos_id=-1,
        num_threads=THREADS,
        minloglevel=2,
    )
    learned = SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [number for number in range(learned.get_piece_size()) if not learned.is_unknown(number)]
    return [(learned.id_to_piece(number), learned.get_score(number)) for number in pieces]


unigram = learning_stage(UnigramConfig)
