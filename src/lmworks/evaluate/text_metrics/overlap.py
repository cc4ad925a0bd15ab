"""BLEU, chrF, exact matches and ROUGE: how many words or characters a text shares with those that are right."""

from __future__ import annotations

from lmworks.evaluate.items import BLEU, CHRF, EXACT, ROUGE_L, Metric
from lmworks.evaluate.metrics import (
    ROUGE_SIGNATURE,
    bleu_counts,
    chrf_counts,
    rouge_l,
    rouge_n,
    sacrebleu_signatures,
)
from lmworks.evaluate.text_metrics.metric import Fields, Judge, Known, TextMetric, Written, references_of

ROUGE_1 = Metric(name="rouge_1", label="ROUGE-1", value="rouge_1")
ROUGE_2 = Metric(name="rouge_2", label="ROUGE-2", value="rouge_2")


def _bleu(known: Known) -> Judge:
    return Judge(lambda text: {"bleu": bleu_counts(text.references, text.answer)}, [_signatures(known)[0]])


def _chrf(known: Known) -> Judge:
    return Judge(lambda text: {"chrf": chrf_counts(text.references, text.answer)}, [_signatures(known)[1]])


def _signatures(known: Known) -> tuple[str, str]:
    return sacrebleu_signatures({len(references_of(pair)) for pair in known.asked})


def _exact(known: Known) -> Judge:
    return Judge(lambda text: {"score": float(text.answer in text.references)}, ["written exactly as a target"])


def _rouge(known: Known) -> Judge:
    """All three of the reference that is best in ROUGE-1, as SciTLDR's authors reckon (Cachola et al. 2020)."""
    several = any(len(references_of(pair)) > 1 for pair in known.asked)
    which = "mean F1 beside the reference that is best in ROUGE-1" if several else "mean F1"
    return Judge(_rouge_fields, [f"{name}, {which} ({ROUGE_SIGNATURE})" for name in ("ROUGE-1", "ROUGE-2", "ROUGE-L")])


def _rouge_fields(text: Written) -> Fields:
    best = max(text.references, key=lambda reference: rouge_n(reference, text.answer, 1))
    scores = {f"rouge_{order}": rouge_n(best, text.answer, order) for order in (1, 2)}
    return {**scores, "rouge_l": rouge_l(best, text.answer)}


BLEU_SCORE = TextMetric([BLEU], _bleu)
CHRF_SCORE = TextMetric([CHRF], _chrf)
EXACT_MATCH = TextMetric([EXACT], _exact)
ROUGE = TextMetric([ROUGE_1, ROUGE_2, ROUGE_L], _rouge)
