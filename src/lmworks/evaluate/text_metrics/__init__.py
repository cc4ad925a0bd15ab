"""The metrics of written texts, one line each: a task names those that it wants, and the first leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lmworks.evaluate.text_metrics import overlap, slots, style
from lmworks.evaluate.text_metrics.metric import TextMetric

TextMetricName = Literal["bleu", "chrf", "exact", "rouge", "slots", "style"]

TEXT_METRICS: Mapping[TextMetricName, TextMetric] = {
    "bleu": overlap.BLEU_SCORE,
    "chrf": overlap.CHRF_SCORE,
    "exact": overlap.EXACT_MATCH,
    "rouge": overlap.ROUGE,
    "slots": slots.SLOTS,
    "style": style.STYLE,
}
