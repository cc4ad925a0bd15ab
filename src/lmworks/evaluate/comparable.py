"""The metrics by the names of their figures: what two evaluations are compared in."""

from __future__ import annotations

from collections.abc import Mapping

from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, EXACT, FOLLOWED, JUDGE_SCORE, ROUGE_L, SPAN_F1, Metric
from lmworks.evaluate.text_metrics import TEXT_METRICS

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *(BITS_PER_BYTE, ROUGE_L, ACCURACY, EXACT, JUDGE_SCORE, SPAN_F1, FOLLOWED),
        *(metric for each in TEXT_METRICS.values() for metric in each.figures),
    )
}
