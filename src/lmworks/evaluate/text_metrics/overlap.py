"""BLEU, chrF, exact matches and ROUGE: how many words or characters a text shares with right texts."""

from __future__ import annotations

from functools import partial

from lmworks.data.tuning.conversations import references_of
from lmworks.evaluate.items import BLEU, CHRF, EXACT, ROUGE_L, Metric
from lmworks.evaluate.metrics import (
    OTHER_SCRIPTS_SIGNATURE,
    ROUGE_SIGNATURE,
    Split,
    bleu_counts,
    bleu_tokenizer_of,
    chrf_counts,
    rouge_l,
    rouge_n,
    sacrebleu_signatures,
    split_of,
    words_of,
)
from lmworks.evaluate.text_metrics.metric import Fields, Judge, Known, TextMetric, Written

ROUGE_1 = Metric(name="rouge_1", label="ROUGE-1", value="rouge_1", most=1)
ROUGE_2 = Metric(name="rouge_2", label="ROUGE-2", value="rouge_2", most=1)


def _bleu(known: Known) -> Judge:
    tokenize = bleu_tokenizer_of(_references(known))
    return Judge(lambda text: {"bleu": bleu_counts(text.references, text.answer, tokenize)}, [_signatures(known)[0]])


def _chrf(known: Known) -> Judge:
    return Judge(lambda text: {"chrf": chrf_counts(text.references, text.answer)}, [_signatures(known)[1]])


def _signatures(known: Known) -> tuple[str, str]:
    return sacrebleu_signatures(
        {len(references_of(pair)) for pair in known.asked}, bleu_tokenizer_of(_references(known))
    )


def _references(known: Known) -> list[str]:
    return [reference for pair in known.asked for reference in references_of(pair)]


def _exact(known: Known) -> Judge:
    return Judge(lambda text: {"score": float(text.answer in text.references)}, ["written exactly as a target"])


def _rouge(known: Known) -> Judge:
    """Return the judge of all ROUGE scores, of the reference best in ROUGE-1, as in SciTLDR (Cachola et al. 2020)."""
    several = any(len(references_of(pair)) > 1 for pair in known.asked)
    which = "mean F1 beside the reference that is best in ROUGE-1" if several else "mean F1"
    split = split_of(_references(known))
    signature = ROUGE_SIGNATURE if split is words_of else OTHER_SCRIPTS_SIGNATURE
    return Judge(
        partial(_rouge_fields, split), [f"{name}, {which} ({signature})" for name in ("ROUGE-1", "ROUGE-2", "ROUGE-L")]
    )


def _rouge_fields(split: Split, text: Written) -> Fields:
    best = max(text.references, key=lambda reference: rouge_n(reference, text.answer, 1, split))
    scores = {f"rouge_{order}": rouge_n(best, text.answer, order, split) for order in (1, 2)}
    return {**scores, "rouge_l": rouge_l(best, text.answer, split)}


BLEU_SCORE = TextMetric([BLEU], _bleu)
CHRF_SCORE = TextMetric([CHRF], _chrf)
EXACT_MATCH = TextMetric([EXACT], _exact)
ROUGE = TextMetric([ROUGE_1, ROUGE_2, ROUGE_L], _rouge)
