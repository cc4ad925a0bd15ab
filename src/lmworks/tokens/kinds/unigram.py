"""Unigram: the pieces whose likelihoods explain the text best (Kudo 2018), over bytes."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.lazy import tokenizers
from lmworks.tokens.kinds.learn import FromDocuments, Texts, Vocabulary, learning_stage
from lmworks.tokens.kinds.sentencepiece_model import NORMAL, read_model
from lmworks.tokens.tokenizer import SPECIAL_TOKENS

THREADS = 4
"""Sums of floats depend on it, and so does the vocabulary: it is the same on every machine."""


class Unigram(Vocabulary):
    """Pieces of words, chosen so that texts are most likely."""

    packages: ClassVar[tuple[str, ...]] = ("sentencepiece",)
    kind: Literal["unigram"]
    vocab_size: int = Field(
        default=4096,
        ge=320,
        description="Ids, the three special tokens and 256 bytes among them; as many as for BPE, so that both compare.",
    )

    def learn(self, texts: Texts) -> tokenizers.Tokenizer:
        """Pieces of words; bytes that no text held are as unlikely as the least likely piece."""
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
    """Pieces and their log-likelihoods. By SentencePiece: the trainer of `tokenizers` differs from run to run."""
    from sentencepiece import SentencePieceTrainer

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
    return [(each.piece, each.score) for each in read_model(model.getvalue()).pieces if each.type == NORMAL]


class UnigramConfig(FromDocuments, Unigram):
    """Unigram over bytes, after the same pre-tokenizer as BPE."""

    kind: Literal["unigram"] = "unigram"


unigram = learning_stage(UnigramConfig)
