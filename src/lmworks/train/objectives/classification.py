"""Tell labels: one of a whole text, or one of each token."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.encoder import EncoderObjective
from lmworks.train.objective import Ids, made_up_tokens, write_made_up_rows


class SequenceClassification(EncoderObjective):
    """Cross-entropy of the label of each text."""

    auto_class = "AutoModelForSequenceClassification"
    weighed = "text"

    @staticmethod
    def write_made_up(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Random tokens; the one that begins a text has a label."""
        tokens = made_up_tokens(sequence_length, rows, tokenizer)
        _write_labelled(out, tokens, (tokens == tokenizer.end_of_text_id).astype(np.int64), tokenizer)


class TokenClassification(EncoderObjective):
    """Cross-entropy of the label of each token."""

    auto_class = "AutoModelForTokenClassification"

    @staticmethod
    def write_made_up(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Random tokens; each has a label but those that begin texts."""
        tokens = made_up_tokens(sequence_length, rows, tokenizer)
        _write_labelled(out, tokens, (tokens != tokenizer.end_of_text_id).astype(np.int64), tokenizer)


def _write_labelled(out: Path, tokens: Ids, weights: Ids, tokenizer: Tokenizer) -> None:
    """Two labels, the fewest that there can be: their number hardly tells in time or memory."""
    write_made_up_rows(out, tokens, weights, tokenizer, (("even", "odd"), tokens % 2))
