"""Predict each next token."""

from __future__ import annotations

from itertools import islice

from lmworks.data.records import Documents
from lmworks.pipeline.stage import Handle
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.contract import Watched
from lmworks.train.families.decoder import DecoderObjective


class CausalLM(DecoderObjective):
    """Cross-entropy of every token given those before it in its document."""

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Documents to be continued from their first line."""
        found = []
        for document in islice(Documents(handle.path, handle.digest).iterate(), count):
            title, _, rest = document.text.partition("\n")
            found.append(Watched(title, [tokenizer.end_of_text_id, *tokenizer.encode(title + "\n")], rest.lstrip()))
        return found
