"""Predict what the assistant says."""

from __future__ import annotations

from lmworks.train.families.decoder import DecoderObjective


class Sft(DecoderObjective):
    """Cross-entropy of the assistant's tokens given all before them in their conversation."""
