"""Shared parts of all tasks: the items that they score, and figures made of items.

An item is one scored document or question, a line of `items.jsonl`. It has `id`, `cluster` (shared by similar items,
see `cluster_of`), the fields that a metric reads, and a `digest` of question and answer. A question also has `prompt`,
`answer`, `reference` and `score`. Models and baselines write the same items, so that any two can be compared pair by
pair.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import Field

from lmworks.data.base.structure import value_at
from lmworks.data.duplicates.join import near_groups
from lmworks.data.personal.hidden import hide_all
from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import Document
from lmworks.data.splits.groups import OWN, group_name
from lmworks.engines.request import UNFINISHED
from lmworks.errors import LmworksError
from lmworks.evaluate.contamination import CLEAN_AT_LEAST, Contamination, judged, standing, verdict_text
from lmworks.evaluate.metrics import bleu_of, chrf_of, span_f1_of, span_precision_of, span_recall_of
from lmworks.lazy import np
from lmworks.model.files import weight_bits
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.stage import Handle, Result
from lmworks.pipeline.statistics import (
    LEAST_GROUPS,
    Comparison,
    Estimate,
    by_cluster,
    compare_groups,
    compare_of_sums,
    compare_shares,
    of_sums,
    ratio,
    share,
)
from lmworks.pipeline.work.chunks import read_records, write_records
from lmworks.recipe.schema import Device, Effect, Reference, StepConfig

if TYPE_CHECKING:
    from lmworks.engines.protocol import Engine
    from lmworks.engines.request import Generation
    from lmworks.model.folder import ModelFolder
    from lmworks.pipeline.statistics import Floats

_Record = TypeVar("_Record")
Item = dict[str, Any]
LOST = "items longer than the context"
WITHIN = "within_thoughts"
"""Name of the item field that is true if an answer ended within the thoughts."""
BYTES_PER_TOKEN = 4
"""Approximate bytes of text per token."""
SHOWN = 6
"""Number of items kept as examples, unless a task chooses them."""


class Tokens(NamedTuple):
    """Estimated tokens that one model reads, and the most that it writes."""

    read: int
    most_read: int
    """Estimate for long questions."""
    written: int = 0
    beams: int = 1
    """Beams of an encoder-decoder, which writes this many texts per answer."""

    def times(self, number: float, more: int = 0) -> Tokens:
        """Return the tokens with those read multiplied by `number`, plus `more`."""
        read, most = (int(number * each) + more for each in (self.read, self.most_read))
        return self._replace(read=read, most_read=most)


class Records(NamedTuple):
    """Facts about the source records."""

    mean_bytes: int = 0
    """Mean bytes of a record, 0 if unknown."""
    context_length: int = sys.maxsize
    """Context of the model. Longer questions are left out."""


UNKNOWN = Records()


class TaskConfig(StepConfig):
    """Fields of every task."""

    data: Reference = Field(description="Data to evaluate on. No model may have been trained on it.")
    train: Reference | None = Field(
        None,
        description="Data that the baselines learn from. Without it there are no baselines that learn. lmworks "
        "searches the models' own training data for test items in any case.",
    )
    device: Annotated[Device, Effect.SPEED | Effect.MEMORY] = Field(
        "auto", description="Device of the task. `auto` takes `budget.device`."
    )
    data_type: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Data type of the model's activations. With float32, figures agree on all processors. bfloat16 "
        "takes half the time on some, and changes bits per byte by about 0.0002.",
    )

    largest_lost_share: Annotated[float, Effect.CHECK] = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Largest share of items that may be longer than a model's context. These items are left out. A "
        "larger share is rarely meant, so the build refuses it before any training.",
    )

    cluster: str | None = Field(
        default=None,
        description="Field whose value similar items share, such as a question template or the field in the `by` of "
        "`split`. For documents name it as in `by`. For conversations and judgements name a field that their step "
        "keeps (`keep`). Items with one value form a group, and intervals, comparisons and gates count groups. Items "
        "without the field, and all items with `id`, are grouped only if they repeat each other (Jaccard similarity "
        "0.8 of five-word shingles). This is also the default. By default, conversations and `perplexity` also use a "
        "field `service`, and judgements the document that they were read from.",
    )

    def also_compared(self) -> list[str]:
        """Return the names of further figures, after the first, by which systems are also compared."""
        return []

    @property
    def has_baselines(self) -> bool:
        """Whether the task's baselines are scored. Baselines that learn need `train`."""
        return self.train is not None

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Return the tokens that a model reads and writes for this many bytes of text, 0 if unknown."""
        return Tokens(read := text_bytes // BYTES_PER_TOKEN, read)

    def baseline_bytes(self, text_bytes: int) -> int:
        """Return the bytes of memory of the baseline that needs most, if it learns from this many bytes of text."""
        return text_bytes if self.train else 0


def cluster_of(config: TaskConfig, record: Document | Mapping[str, Any], usual: str | None = None) -> str:
    """Return the group of a record's item: the field that the recipe names, if it does, or `usual`.

    A record that has neither is a group of its own.
    """
    own = str(record.id if isinstance(record, Document) else record["id"])
    found = usual if config.cluster is None else value_at({**fields_of(record), "id": own}, config.cluster)
    return own if found in (None, "") else str(found)


def draw_evenly(ranked: Iterable[_Record], cluster: Callable[[_Record], str], limit: int | None) -> list[_Record]:
    """Return `limit` records: the first of each cluster, then the second of each cluster, and so on.

    A comparison gives every cluster the same weight, so a cluster of few questions widens its interval.
    """
    seen: Counter[str] = Counter()

    def place_in_cluster(record: _Record) -> int:
        seen[name := cluster(record)] += 1
        return seen[name]

    return sorted(ranked, key=place_in_cluster)[:limit]


def require_cluster(config: TaskConfig, records: Iterable[Document | Mapping[str, Any]]) -> None:
    """Raise UsageError if no record has the field, because each record would then be its own group."""
    if config.cluster not in (None, "id"):
        require_fields({"cluster": config.cluster}, map(fields_of, records), getattr(config, "kind", "the task"))


def fields_of(record: Document | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields that a recipe can name: the record's, kept ones, and those that every document has."""
    if not isinstance(record, Document):
        return {**(record.get("meta") or {}), **record}
    own = {name: getattr(record, name) for name in OWN if getattr(record, name) is not None}
    if record.subject is not None:
        own["subject"] = group_name("subject", None, record.subject)
    return {**(row := {**record.row(), **record.meta}), **own, **row, "source": record.source}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure that is Σ value / Σ weight over items."""

    name: str
    label: str
    """The name in sentences."""
    value: str = "score"
    """The item's field that is summed."""
    weight: str | None = None
    """The item's field whose sum is the divisor. None divides by the number of items."""
    unit: str = ""
    higher_is_better: bool = True
    is_share: bool = False
    """Whether all values are 0 or 1, so that the interval is exact."""
    most: float | None = None
    """Score of perfect answers, if the lowest score is 0."""
    counts_wins: bool = False
    """Whether a comparison also counts how often one value is above the other, because differences say little."""
    per_token: bool = False
    """Whether it depends on the tokenizer's tokens, so that values for different tokenizers are different figures."""
    holds_if: str | None = None
    """Name of an evaluation's figure that must be above zero. Otherwise all values are in doubt."""

    def values(self, items: Sequence[Item]) -> list[float]:
        """Return the summed field of every item."""
        return [float(item[self.value]) for item in items]

    def weights(self, items: Sequence[Item]) -> list[float]:
        """Return the weight of each item."""
        return [float(item[self.weight]) if self.weight else 1.0 for item in items]

    def figure(self, items: Sequence[Item], method: str, **evidence: Any) -> Figure:
        """Return the figure with its interval, which treats items of one cluster as alike.

        Raises LmworksError without an item.
        """
        if not items:
            raise LmworksError(
                "there is nothing to measure: the task's `data` has no item of its kind, or each item is longer than "
                "the model's context. Look at the data with `lmworks show`, and name other data in the task"
            )
        clusters = [item["cluster"] for item in items]
        found = self.estimate(items, clusters)
        return Figure(
            name=self.name,
            value=found.value,
            n=len(items),
            method=f"{method}; 95 % {found.method}, {len(set(clusters))} clusters",
            unit=self.unit,
            interval=found.interval,
            doubt=found.doubt,
            **evidence,
        )

    def estimate(self, items: Sequence[Item], clusters: Sequence[str]) -> Estimate:
        """Return the value with its interval."""
        if self.is_share:
            return share(self.values(items), clusters)
        return of_sums(self._sums(items), ratio, clusters, most=self.most, weights=self.weights(items))

    def of_groups(self, items: Sequence[Item], clusters: Sequence[str]) -> Floats:
        """Return the score of each group alone, in order of first appearance: [groups]."""
        return ratio(by_cluster(self._sums(items), clusters))

    def compare(self, a: Sequence[Item], b: Sequence[Item]) -> Comparison:
        """Return how far a is above b on the same items: the mean of their groups, or of all items if none are grouped.

        Raises LmworksError if a and b group the items differently.
        """
        clusters = clusters_of(a, b)
        first, second = self.of_groups(a, clusters), self.of_groups(b, clusters)
        are_tied = len(first) >= LEAST_GROUPS and np.allclose(first, second, rtol=1e-12, atol=1e-12)
        if len(first) < len(clusters) and not are_tied:
            return compare_groups(first, second, len(clusters), 1 if self.is_share else self.most)
        return replace(self._compare_items(a, b), clusters=len(first))

    def _compare_items(self, a: Sequence[Item], b: Sequence[Item]) -> Comparison:
        """Compare item by item, each divided by its own weight."""
        if self.is_share:
            return compare_shares(self.values(a), self.values(b))
        return compare_of_sums(self._sums(a), self._sums(b), ratio, most=self.most, weights=self.weights(a))

    def _sums(self, items: Sequence[Item]) -> Floats:
        return np.stack([self.values(items), self.weights(items)], axis=1)


@dataclass(frozen=True, kw_only=True)
class CorpusMetric(Metric):
    """A figure of counts, which each item holds in the field `value`, and which are summed over items."""

    of_sums: Callable[[Floats], Floats]
    """[…,K] sums -> […]"""
    trials: Callable[[Floats], Floats] | None = None
    """[…,K] sums -> […] number of things counted, if the figure is the share of them that are right."""

    def values(self, items: Sequence[Item]) -> list[float]:
        """Return each item's own score, only to look at: the mean of these scores is not the figure."""
        return [float(self.of_sums(np.array(item[self.value], float))) for item in items]

    def estimate(self, items: Sequence[Item], clusters: Sequence[str]) -> Estimate:
        """Return the estimate from the sums of all items."""
        counts = [item[self.value] for item in items]
        return of_sums(counts, self.of_sums, clusters, most=self.most, trials=self.trials)

    def of_groups(self, items: Sequence[Item], clusters: Sequence[str]) -> Floats:
        return self.of_sums(by_cluster(np.array([item[self.value] for item in items], float), clusters))

    def _compare_items(self, a: Sequence[Item], b: Sequence[Item]) -> Comparison:
        first, second = ([item[self.value] for item in items] for items in (a, b))
        return compare_of_sums(first, second, self.of_sums, most=self.most)


BITS_PER_BYTE = Metric(
    name="bits_per_byte", label="bits per byte", value="bits", weight="bytes", unit="bits", higher_is_better=False
)
ROUGE_L = Metric(name="rouge_l", label="ROUGE-L", value="rouge_l", most=1)
ACCURACY = Metric(name="accuracy", label="accuracy", is_share=True)
BLEU = CorpusMetric(name="bleu", label="BLEU", value="bleu", of_sums=bleu_of, most=100)
CHRF = CorpusMetric(name="chrf", label="chrF", value="chrf", of_sums=chrf_of, most=100)
EXACT = Metric(name="exact_match", label="exact match", is_share=True)
TRUNCATED = Metric(
    name="truncated_answers", label="truncated answers", value="truncated", higher_is_better=False, is_share=True
)
UNEXTRACTED = Metric(
    name="extraction_failures", label="extraction failures", value="unextracted", higher_is_better=False, is_share=True
)
DISTINCT = Metric(name="distinct_answers", label="distinct answers", value="distinct", most=1)
JUDGE_SCORE = Metric(name="judge_score", label="score", counts_wins=True, holds_if="accuracy: judge - length")
FOLLOWED = Metric(name="follows_rules", label="answers that follow the rules", is_share=True)
SPAN_F1 = CorpusMetric(
    name="span_f1",
    label="span F1",
    value="spans",
    of_sums=span_f1_of,
    most=1,
    trials=lambda sums: sums[..., 1] + sums[..., 2],
)
SPAN_PRECISION = replace(
    SPAN_F1, name="span_precision", label="span precision", of_sums=span_precision_of, trials=lambda sums: sums[..., 1]
)
SPAN_RECALL = replace(
    SPAN_F1, name="span_recall", label="span recall", of_sums=span_recall_of, trials=lambda sums: sums[..., 2]
)


@dataclass(frozen=True)
class Evaluation(Handle):
    """One model or baseline, scored on one task."""

    def figures(self) -> list[Figure]:
        """Return the figures; the first one is the headline."""
        return [Figure.from_json(record) for record in json.loads((self.path / "figures.json").read_text("utf-8"))]

    def items(self) -> list[Item]:
        """Return the scored items. Empty if only the whole has a score."""
        return read_records(self.path / "items.jsonl")


@dataclass(frozen=True)
class Scored:
    """All items of one model or baseline, and the conditions under which they hold."""

    items: Sequence[Item]
    conditions: Conditions
    contamination: str
    """Result of the search for the items in the training text, in words."""
    lost: int = 0
    """Number of items that are longer than the model reads."""

    @classmethod
    def written(
        cls,
        items: Sequence[Item],
        out: Path,
        contamination: Contamination | None,
        conditions: Conditions | None = None,
        lost: int = 0,
    ) -> Self:
        """Write the items, each with the result of its search in the training text. Items have their records' ids."""
        items = judged(alike(items), contamination)
        write_records(out / "items.jsonl", items)
        # Where only the whole has a score, the verdict is on all that was scored.
        asked = items or judged(contamination.verdicts.values() if contamination else (), contamination)
        told = verdict_text(asked, contamination)
        digests = sorted(item["digest"] for item in items)
        return cls(items, replace(conditions or Conditions(), items=digest_of(digests)), told, lost)

    def figure(self, metric: Metric, method: str, *, judged: str | None = None, chance: float | None = None) -> Figure:
        """Return a figure of all items, with its value over the clean ones. `judged` is the signature of judgement."""
        if self.lost:
            method += f"; {self.lost} of {self.lost + len(self.items)} {LOST} are left out"
        if self.unfinished:
            method += f"; {self.unfinished} of {len(self.items)} {UNFINISHED}"
        if failed := sum(item.get(UNEXTRACTED.value, False) for item in self.items):
            method += f"; in {failed} of {len(self.items)} answers the pattern finds nothing"
        known = {**self.evidence, "chance": chance}
        if judged:
            known["conditions"] = replace(self.conditions, judged=judged)
        return beside_clean(self.items, lambda items: metric.figure(items, method, **known))

    @property
    def evidence(self) -> dict[str, Any]:
        """Return the evidence that every figure of these items carries."""
        return {"conditions": self.conditions, "contamination": self.contamination}

    @property
    def unfinished(self) -> int:
        """Number of answers that ended within the thoughts."""
        return sum(item.get(WITHIN, False) for item in self.items)

    def result(self, *figures: Figure, examples: Sequence[Item] | None = None, **more: Any) -> Result:
        """Return the stage's result. The first figure leads. `more` are further parts of the result."""
        if self.lost:
            more |= {"counts": {LOST: self.lost, **more.get("counts", {})}, "losses": {LOST, *more.get("losses", ())}}
        if self.unfinished:
            more |= {"counts": {UNFINISHED: self.unfinished, **more.get("counts", {})}}
            more |= {"losses": {UNFINISHED, *more.get("losses", ())}}
        examples = hide_all(self.items[:SHOWN] if examples is None else examples)
        return Result(figures=figures, examples=examples, **more)


def beside_clean(items: Sequence[Item], figure: Callable[[Sequence[Item]], Figure]) -> Figure:
    """Return a figure of all items, with its value over the clean items if some are known and enough are clean."""
    found, clean = figure(items), [item for item in items if standing(item) == "clean"]
    if len(clean) < CLEAN_AT_LEAST or all(standing(item) != "known" for item in items):
        return found
    alone = figure(clean)
    return replace(found, clean_value=alone.value, clean_n=alone.n, clean_interval=alone.interval)


NEAR = 0.8
"""Least Jaccard similarity of shingles of two near copies. `split` uses the same limit to keep copies together."""


def alike(items: Sequence[Item]) -> list[Item]:
    """Return the items. Those with nearly the same question are in one cluster, unless a recipe grouped them.

    The same question gets the same answer and shows nothing new. So copies in the test would narrow every interval.
    """
    found, own = [*items], [place for place, item in enumerate(items) if item["cluster"] == str(item["id"])]
    texts = [str(items[place].get("prompt") or items[place]["digest"]) for place in own]
    for place, first in zip(own, near_groups(texts, NEAR), strict=True):
        found[place] = {**items[place], "cluster": items[own[first]]["cluster"]}
    return found


KEPT = ("put", "raw", "finish_reason", "tokens", "extracted", "unextracted", "thoughts", WITHIN)
"""Kept fields of an answer: the prompt for the model, all text after the thoughts, why it ended, number of tokens,
match of a pattern, and thoughts."""


def said_by(answer: Generation) -> Item:
    """Return an item's fields of an answer: the text after its thoughts, and the thoughts if there are any."""
    said: Item = {
        "answer": answer.text.strip(),
        "raw": answer.text,
        "truncated": answer.finish_reason == "length",
        "finish_reason": answer.finish_reason,
        "tokens": len(answer.ids),
    }
    return said if answer.thoughts is None else {**said, "thoughts": answer.thoughts, WITHIN: answer.is_within_thoughts}


def kept_of(said: Item) -> Item:
    """Return the fields of an answer that its item keeps in every task, see `KEPT`."""
    return {name: said[name] for name in KEPT if name in said}


def with_distinct(items: Sequence[Item]) -> list[Item]:
    """Return items with `distinct`, in sum 1 per different answer. It exposes a model that always answers the same."""
    counts = Counter(item["answer"] for item in items)
    return [{**item, "distinct": 1 / counts[item["answer"]]} for item in items]


def measured_by(engine: Engine, model: ModelFolder, **asked: Any) -> Conditions:
    """Return the conditions of a model's figures: those of the engine, of the model, and of the task (`asked`)."""
    bits = weight_bits(model.path)
    return replace(engine.conditions(), model=model.digest, weight_bits=bits, **asked)


def clusters_of(a: Sequence[Item], b: Sequence[Item]) -> list[str]:
    """Return the groups of the same items, scored twice. If the groups differ, the larger groups count.

    Near copies are the same on both sides. Raises LmworksError if neither side's groups lie within the other's groups.
    """
    first, second = ([item["cluster"] for item in items] for items in (a, b))
    both, *groups = (len(set(each)) for each in (zip(first, second, strict=False), first, second))
    if both not in groups:
        raise LmworksError(
            f"their items form {groups[0]} and {groups[1]} groups, which overlap only in part; give both tasks the "
            "same `cluster`"
        )
    return first if both == groups[1] else second


def digest_of(*parts: Any) -> str:
    """Return a digest of an item's question and answer, to find it in another build under another id."""
    return digest_text(canonical_json(parts))
