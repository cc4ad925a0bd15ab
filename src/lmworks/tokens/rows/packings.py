"""Kinds of packing, from data to rows. Each objective uses one of them."""

from __future__ import annotations

from dataclasses import dataclass

from lmworks.data.tuning.pick import pick_conversations, pick_documents
from lmworks.pipeline.stage import Stage
from lmworks.tokens.rows.pack import pack_conversations, pack_documents, pack_pairs
from lmworks.tokens.rows.pack_preferences import pack_preferences
from lmworks.tokens.rows.pack_prompts import pack_prompts
from lmworks.tokens.rows.pack_texts import pack_labelled, pack_spans, pack_texts


@dataclass(frozen=True)
class Packing:
    """Two stages: one packs data into rows, and one picks the samples that are watched during training."""

    pack: Stage
    pick: Stage


DOCUMENTS = Packing(pack_documents, pick_documents)
CONVERSATIONS = Packing(pack_conversations, pick_conversations)
PREFERENCES = Packing(pack_preferences, pick_conversations)
PAIRS = Packing(pack_pairs, pick_conversations)
PROMPTS = Packing(pack_prompts, pick_conversations)
TEXTS = Packing(pack_texts, pick_documents)
LABELLED = Packing(pack_labelled, pick_documents)
SPANS = Packing(pack_spans, pick_documents)
