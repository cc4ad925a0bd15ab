"""Metrics of written texts, one per line. A task names those that it uses, the main one first."""

from __future__ import annotations

from typing import Annotated

from lmworks.evaluate.text_metrics import overlap, slots, style
from lmworks.evaluate.text_metrics.metric import TextMetric
from lmworks.recipe.kinds import Named
from lmworks.registry import Kinds, instance_of

TEXT_METRICS: Kinds[TextMetric] = Kinds(
    "metrics",
    "metric",
    {
        "bleu": overlap.BLEU_SCORE,
        "chrf": overlap.CHRF_SCORE,
        "exact": overlap.EXACT_MATCH,
        "rouge": overlap.ROUGE,
        "slots": slots.SLOTS,
        "style": style.STYLE,
    },
    instance_of(TextMetric),
)

TextMetricName = Annotated[str, Named(TEXT_METRICS)]
