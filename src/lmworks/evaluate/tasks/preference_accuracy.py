"""How often a model prefers the answer that people chose, and how sure it may be of that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lmworks.data.tuning.preferences import Preference, Preferences
from lmworks.engines.open import open_engine, open_reward_model
from lmworks.errors import UsageError
from lmworks.evaluate.items import ACCURACY, Item, Metric, Scored, TaskConfig
from lmworks.lazy import np
from lmworks.model.folder import ModelFolder, is_ours, read_config
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference
from lmworks.tokens.rows.pack_preferences import CHOSEN, REJECTED, Segment, segment
from lmworks.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from lmworks.engines.engine import Engine

PAIRS_AT_ONCE = 32
"""A chunk takes a model of 100 million parameters some seconds: what a kill costs."""
SHOWN_CHARACTERS = 400
BINS, RESAMPLES = 10, 1000
PREFERENCE_LOSS = Metric(name="preference_loss", label="loss a pair", value="loss", unit="nats", higher_is_better=False)

Leads = Callable[[Sequence[tuple[Segment, Segment]]], list[float]]
"""By how much the first answer of each pair is preferred to the second."""


class PreferenceAccuracyConfig(TaskConfig):
    """Accuracy on pairs of answers; of a reward model, the calibration of its scores too."""

    kind: Literal["preference-accuracy"] = "preference-accuracy"
    reference: Reference | None = Field(
        None,
        description="What a model that writes began with: its reward is then ln p of an answer over what it was, as "
        "DPO has it. Unset, it is ln p a token, as SimPO has it. A reward model tells its own.",
    )


@stage(version=1, reads="train", measures=("model", "data", "reference"))
def evaluate_preference_accuracy(
    config: PreferenceAccuracyConfig,
    model: ModelFolder,
    data: Preferences,
    train: Preferences | None,
    reference: ModelFolder | None,
    out: Path,
    context: Context,
) -> Result:
    """Score both answers of each pair. Pairs with an answer beyond the context are left out, and counted."""
    ranks = is_ours(model.path) and bool(read_config(model.path).labels)
    engine = (open_reward_model if ranks else open_engine)(model.path, config.data_type, config.device)
    if ranks:
        leads, how = _by_scores(engine), "difference of a reward model's scores"
    elif reference:
        leads = _by_ratios(engine, open_engine(reference.path, config.data_type, config.device))
        how = "difference of log-probabilities over those of the reference"
    else:
        leads, how = _by_means(engine), "difference of log-probabilities a token"
    pairs = [(each, _segments(each, engine.tokenizer)) for each in _pairs(config, data)]
    fitting = [pair for pair in pairs if _fits(pair[1], engine)]

    def score(chunk: Sequence[tuple[Preference, tuple[Segment, Segment]]]) -> list[Item]:
        found = leads([both for _, both in chunk])
        return [_item(each, lead) for (each, _), lead in zip(chunk, found, strict=True)]

    items = in_chunks(context, fitting, PAIRS_AT_ONCE, score)
    known = {
        "context_length": engine.context_length,
        "data_type": config.data_type,
        "device": engine.model.output_weight.device.type,
    }
    method = f"{how} above zero; {len(pairs) - len(fitting)} pairs longer than the context left out"
    found = Scored.written(items, out, train, [item["cluster"] for item in items], **known)
    figures, examples = [found.figure(ACCURACY, method, chance=0.5)], []
    if ranks:
        calibration, table = calibrate(items, **found.conditions)
        figures += [found.figure(PREFERENCE_LOSS, f"−ln σ({how})"), calibration]
        examples.append({"reason": "calibration", "text": table})
    return found.result(*figures, examples=[*examples, *(item for item in items if item["score"] < 1)][:7])


@stage(version=1, trains_on="train", measures=("data", "reference"))
def evaluate_preference_accuracy_length(
    config: PreferenceAccuracyConfig,
    data: Preferences,
    train: Preferences,
    reference: ModelFolder | None,
    out: Path,
    context: Context,
) -> Result:
    """Prefer the longer answer, or the shorter one, whichever was chosen oftener in the training pairs."""
    items, side = items_by_length(_pairs(config, data), _pairs(config, train))
    found = Scored.written(items, out, train, [item["cluster"] for item in items])
    method = f"the {side} answer in characters, as was chosen oftener in training"
    return found.result(found.figure(ACCURACY, method, chance=0.5), examples=())


def items_by_scores(pairs: Sequence[Preference], engine: Engine) -> list[Item]:
    """Pairs within the context, judged by a reward model."""
    fitting = [(each, both) for each in pairs if _fits(both := _segments(each, engine.tokenizer), engine)]
    leads = _by_scores(engine)([both for _, both in fitting])
    return [_item(each, lead) for (each, _), lead in zip(fitting, leads, strict=True)]


def items_by_length(pairs: Sequence[Preference], train: Sequence[Preference]) -> tuple[list[Item], str]:
    """Pairs judged by length, and which one is preferred, as in training: the longer or the shorter."""
    sign = 1 if sum(_sign(_longer(each)) for each in train) >= 0 else -1
    return [_item(each, sign * _longer(each)) for each in pairs], "longer" if sign > 0 else "shorter"


def calibrate(items: Sequence[Item], **evidence: Any) -> tuple[Figure, str]:
    """Expected calibration error (Guo et al. 2017) of σ(lead) as the probability of being right, and its bins in words.

    Bins hold equally many pairs. The interval is by resampling; the error of few pairs is above zero even of a model
    that is calibrated.
    """
    leads = np.array([item["lead"] for item in items])
    sure, right = 1 / (1 + np.exp(-np.abs(leads))), np.array([item["score"] for item in items])

    def error(chosen: Any) -> tuple[float, list[str]]:
        bins = np.array_split(chosen[np.argsort(sure[chosen], kind="stable")], min(BINS, len(chosen)))
        gaps = sum(len(each) * abs(sure[each].mean() - right[each].mean()) for each in bins)
        words = [f"said {sure[each].mean():.0%}, right {right[each].mean():.0%} of {len(each)}" for each in bins]
        return float(gaps / len(chosen)), words

    value, words = error(np.arange(len(items)))
    draws = np.random.default_rng(0).integers(0, len(items), (RESAMPLES, len(items)))
    low, high = np.quantile([error(each)[0] for each in draws], (0.025, 0.975))
    figure = Figure(
        name="calibration_error",
        value=value,
        n=len(items),
        method=f"mean distance of σ(|difference of scores|) from the share that is right, over {BINS} bins of equally "
        "many pairs; 95 % bootstrap interval",
        interval=(min(float(low), value), max(float(high), value)),
        **evidence,
    )
    return figure, "; ".join(words)


def _by_scores(engine: Any) -> Leads:
    def leads(pairs: Sequence[tuple[Segment, Segment]]) -> list[float]:
        found = engine.scores([one.ids for pair in pairs for one in pair])
        return [chosen - rejected for chosen, rejected in zip(found[::2], found[1::2], strict=True)]

    return leads


def _by_means(engine: Any) -> Leads:
    def leads(pairs: Sequence[tuple[Segment, Segment]]) -> list[float]:
        sums = _log_p(engine, pairs)
        return [a / sum(one.trained) - b / sum(two.trained) for (a, b), (one, two) in zip(sums, pairs, strict=True)]

    return leads


def _by_ratios(engine: Any, reference: Any) -> Leads:
    def leads(pairs: Sequence[tuple[Segment, Segment]]) -> list[float]:
        now, before = _log_p(engine, pairs), _log_p(reference, pairs)
        return [a - b - (c - d) for (a, b), (c, d) in zip(now, before, strict=True)]

    return leads


def _log_p(engine: Any, pairs: Sequence[tuple[Segment, Segment]]) -> list[tuple[float, float]]:
    """Σ ln p of the trained tokens of both answers of each pair."""
    every = [one for pair in pairs for one in pair]
    firsts = [one.trained.index(True) for one in every]
    found = engine.log_likelihoods([one.ids for one in every], firsts)
    sums = [
        math.fsum(score for score, counts in zip(scores, one.trained[first:], strict=True) if counts)
        for one, first, scores in zip(every, firsts, found, strict=True)
    ]
    return list(zip(sums[::2], sums[1::2], strict=True))


def _pairs(config: PreferenceAccuracyConfig, data: Preferences) -> list[Preference]:
    found = [each for each in data.iterate() if each.chosen and each.rejected]
    if not found:
        raise UsageError(f"{config.data}: no pair of answers, of which one is chosen")
    return found


def _segments(each: Preference, tokenizer: Tokenizer) -> tuple[Segment, Segment]:
    assert each.chosen and each.rejected  # noqa: S101 - `_pairs` sees to it
    return segment(tokenizer, each.prompt, each.chosen, CHOSEN), segment(
        tokenizer, each.prompt, each.rejected, REJECTED
    )


def _item(each: Preference, lead: float) -> Item:
    chosen, rejected = (str(turns[-1]["content"])[:SHOWN_CHARACTERS] for turns in (each.chosen, each.rejected) if turns)
    return {
        "id": each.id,
        "cluster": each.document or each.id,
        "prompt": str(each.prompt[-1]["content"])[-SHOWN_CHARACTERS:],
        "answer": chosen if lead > 0 else rejected,
        "reference": chosen,
        "score": (1 + _sign(lead)) / 2,
        "lead": lead,
        "loss": max(0.0, -lead) + math.log1p(math.exp(-abs(lead))),
    }


def _longer(each: Preference) -> int:
    """By how many characters the chosen answer is longer."""
    chosen, rejected = (sum(len(turn["content"]) for turn in turns or ()) for turns in (each.chosen, each.rejected))
    return chosen - rejected


def _fits(both: tuple[Segment, Segment], engine: Engine) -> bool:
    return max(len(one.ids) for one in both) <= engine.context_length


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
