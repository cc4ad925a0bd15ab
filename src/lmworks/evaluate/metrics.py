"""Scores of one answer compared with references, and scores of many answers from their summed counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lmworks.data.base.rouge import Split as Split
from lmworks.data.base.rouge import rouge_n as rouge_n
from lmworks.data.base.rouge import split_of as split_of
from lmworks.data.base.rouge import words_of as words_of
from lmworks.data.base.words import letters_a_word
from lmworks.extras import told_if_missing
from lmworks.lazy import NDArray, np

if TYPE_CHECKING:
    Floats = NDArray[np.float64]

ROUGE_L_SIGNATURE = (
    "ROUGE-L F1 (LCS of whole texts, lower case, [a-z0-9]+ words, no stemming: rouge-score 0.1.2's rougeL)"
)
"""The signature printed beside every ROUGE-L: variants of this metric differ by tens of per cent."""

ROUGE_SIGNATURE = "lower case, [a-z0-9]+ words, no stemming: rouge-score 0.1.2"

OTHER_SCRIPTS_SIGNATURE = (
    "lower case, words of letters, digits and marks, every letter by itself in scripts without spaces, no stemming; "
    "rouge-score reads Latin letters alone, and few of the references have them"
)

_HAN, _KANA = re.compile("[\u3400-\u9fff]"), re.compile("[\u3040-\u30ff]")


def bleu_tokenizer_of(references: Iterable[str]) -> str:
    """Return sacreBLEU's tokenizer of references: `zh` in Chinese, `char` in other scripts without spaces, or `13a`."""
    text = " ".join(references)
    if letters_a_word(text) == 1:
        return "13a"
    return "zh" if len(_HAN.findall(text)) > 10 * len(_KANA.findall(text)) and letters_a_word(text) == 2 else "char"


def rouge_l(reference: str, answer: str, split: Split = words_of) -> float:
    """Return F1 of the longest common subsequence of words (Lin 2004), 0 to 1, as `rougeL` of `rouge-score` 0.1.2."""
    wanted, given = split(reference), split(answer)
    common = longest_common_subsequence(wanted, given)
    return 2 * common / (len(wanted) + len(given)) if common else 0.0


def longest_common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest common subsequence. The bits of one integer hold a row of the table.

    Hyyrö 2004, "Bit-parallel LCS-length computation revisited": a cleared bit i says that the length grows at a[i].
    """
    places: dict[str, int] = {}
    for index, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(a)) - 1
    row = full
    for word in b:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(a) - row.bit_count()


def span_counts(wanted: Sequence[tuple[str, int, int]], given: Sequence[tuple[str, int, int]]) -> list[int]:
    """Return how many spans (label, start, end) are right to the character, were given, and were wanted."""
    return [len({*wanted} & {*given}), len({*given}), len({*wanted})]


def span_precision_of(sums: Floats) -> Floats:
    """[…,3] sums of `span_counts` -> […] right / given; 0 if nothing was given."""
    return _share(sums[..., 0], sums[..., 1], of_nothing=0.0)


def span_recall_of(sums: Floats) -> Floats:
    """[…,3] sums of `span_counts` -> […] right / wanted; 0 if nothing was wanted."""
    return _share(sums[..., 0], sums[..., 2], of_nothing=0.0)


def span_f1_of(sums: Floats) -> Floats:
    """[…,3] sums of `span_counts` -> […] F1 of CoNLL-2003 (Tjong Kim Sang and De Meulder), 2 right / (given + wanted).

    1 where nothing was wanted and nothing given.
    """
    return _share(2 * sums[..., 0], sums[..., 1] + sums[..., 2], of_nothing=1.0)


def _share(right: Floats, of: Floats, *, of_nothing: float) -> Floats:
    return np.where(of > 0, right / np.maximum(of, 1), of_nothing)


CHARACTER_ORDERS = 6


def bleu_counts(references: Sequence[str], answer: str, tokenize: str = "13a") -> list[int]:
    """Return words given and wanted, then right and given n-grams of 1 to 4 words, by sacreBLEU.

    An n-gram counts at most as often as it occurs in one reference. The reference nearest in length gives the length.
    """
    score = _sacrebleu().BLEU(tokenize=tokenize, effective_order=True).sentence_score(answer, list(references))
    return [score.sys_len, score.ref_len, *score.counts, *score.totals]


def bleu_of(sums: Floats) -> Floats:
    """[…,10] sums of `bleu_counts` -> […] BLEU (Papineni et al. 2002), 0 to 100, smoothed as sacreBLEU does."""
    given, wanted, right, total = sums[..., 0], sums[..., 1], sums[..., 2:6], sums[..., 6:10]
    # The first order without a match counts as half a match, the next as a quarter, …
    precision = np.where(right > 0, right, 0.5 ** (right == 0).cumsum(-1)) / np.maximum(total, 1)
    brevity = np.exp(np.minimum(0, 1 - wanted / np.maximum(given, 1)))
    score: Floats = 100 * brevity * np.exp(np.log(precision).mean(-1))
    return np.where((total > 0).all(-1) & (right > 0).any(-1), score, 0.0)


def chrf_counts(references: Sequence[str], answer: str) -> list[int]:
    """Return given, wanted and right n-grams of 1 to 6 characters, order by order. Spaces do not count.

    If there are several references, the one with the best chrF2 counts, as in sacreBLEU.
    """
    counted = [_character_counts(reference, answer) for reference in references]
    return counted[int(chrf_of(np.array(counted, float)).argmax())]


def _character_counts(reference: str, answer: str) -> list[int]:
    texts = ["".join(text.split()) for text in (answer, reference)]
    counts: list[int] = []
    for order in range(1, CHARACTER_ORDERS + 1):
        given, wanted = (
            Counter(text[start : start + order] for start in range(len(text) - order + 1)) for text in texts
        )
        counts += [given.total() if wanted else 0, wanted.total(), (given & wanted).total()]
    return counts


def chrf_of(sums: Floats) -> Floats:
    """[…,18] sums of `chrf_counts` -> […] chrF2 (Popović 2016), 0 to 100, as sacreBLEU computes it."""
    given, wanted, right = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    orders = np.maximum(((given > 0) & (wanted > 0)).sum(-1), 1)
    precision = np.where(wanted > 0, right / np.maximum(given, 1), 0).sum(-1) / orders
    recall = np.where(given > 0, right / np.maximum(wanted, 1), 0).sum(-1) / orders
    # In the order of sacreBLEU's operations, so that of references that score alike the same one is taken.
    score: Floats = 100 * (5 * precision * recall / np.maximum(4 * precision + recall, 1e-300))
    return score


def sacrebleu_signatures(references: Collection[int] = (1,), tokenize: str = "13a") -> tuple[str, str]:
    """Return the signatures of BLEU and of chrF, whose variants differ by several points.

    `references` are the numbers of references that items have.
    """
    version = _sacrebleu().__version__
    count = str(min(references)) if len(set(references)) == 1 else "var"
    return (
        f"BLEU nrefs:{count}|case:mixed|eff:no|tok:{tokenize}|smooth:exp|version:{version}",
        f"chrF2 nrefs:{count}|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{version}",
    )


@lru_cache
def _sacrebleu() -> Any:
    with told_if_missing():
        import sacrebleu
    return sacrebleu
