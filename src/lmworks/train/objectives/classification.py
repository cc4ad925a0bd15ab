"""Tell labels: one of a whole text, or one of each token."""

from __future__ import annotations

from lmworks.train.encoder import EncoderObjective


class SequenceClassification(EncoderObjective):
    """Cross-entropy of the label of each text."""

    auto_class = "AutoModelForSequenceClassification"


class TokenClassification(EncoderObjective):
    """Cross-entropy of the label of each token."""

    auto_class = "AutoModelForTokenClassification"
