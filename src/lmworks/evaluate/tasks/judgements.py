"""How often a model prefers what people chose, a reward model's scores of answers, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.tuning.conversations import last_answer, turns_before
from lmworks.data.tuning.preferences import Preference, Preferences
from lmworks.engines.open import open_decoder, open_reward_model
from lmworks.errors import UsageError
from lmworks.evaluate.choices import parted
from lmworks.evaluate.items import (
    ACCURACY,
    DISTINCT,
    JUDGE_SCORE,
    TRUNCATED,
    UNKNOWN,
    Item,
    Metric,
    Records,
    TaskConfig,
    Tokens,
    cluster_of,
    digest_of,
    measured_by,
    require_cluster,
    with_distinct,
)
from lmworks.evaluate.questions import GenerationConfig, Question, answered, ask, draw, extraction_failures, result_of
from lmworks.evaluate.scoring import Scoring
from lmworks.lazy import np
from lmworks.model.folder import ModelFolder, is_native, read_config
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Result, stage
from lmworks.pipeline.statistics import root_mean_square
from lmworks.recipe.schema import Expected, Reference
from lmworks.tokens.rows.pack_preferences import CHOSEN, REJECTED, Segment, segment
from lmworks.tokens.tokenizer import Before, Tokenizer

if TYPE_CHECKING:
    from lmworks.engines.decoder import DecoderEngine


PAIRS_AT_ONCE = 32
"""Pairs per chunk, some seconds for a model of 100 million parameters. A kill costs one chunk."""
BINS = 10
PREFERENCE_LOSS = Metric(name="preference_loss", label="loss a pair", value="loss", unit="nats", higher_is_better=False)

Pair = tuple[Preference, tuple[Segment, Segment]]


class PreferenceAccuracyConfig(TaskConfig):
    """Accuracy on pairs of answers, and for a reward model the calibration of its scores."""

    expects: ClassVar[Expected] = {"reference": ("decoder",)}

    kind: Literal["preference-accuracy"] = "preference-accuracy"
    reference: Reference | None = Field(
        None,
        description="Base of a decoder. With it, an answer's reward is the change of its log-likelihood from the base, "
        "as in DPO. By default a decoder's reward is the log-likelihood per token, as in SimPO. A reward model gives "
        "its own reward.",
    )
    template: str = Field(
        "chat",
        description="Form of the prompt. `chat` uses the model's chat template. A text with {prompt} also works for "
        "models without a template. '{prompt}' alone suits pairs of sentences.",
    )
    delimiter: str = Field(" ", description="Text between this prompt and an answer.")
    before: Before = Field("auto", description="Token before this prompt, as in `multiple-choice`.")
    score: Literal["sum", "per-token", "per-byte"] | None = Field(
        None,
        description="Score of an answer: its log-likelihood, or the same per token or per byte, which does not favour "
        "short answers. By default `sum` with a reference, and otherwise `per-token`.",
    )

    @model_validator(mode="after")
    def _can_be_put(self) -> Self:
        if self.template != "chat" and "{prompt}" not in self.template:
            raise ValueError(f"template: found {self.template!r}; expected chat or a text with {{prompt}}")
        return self

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Return the tokens. A model reads each prompt with both answers, and so does a reference."""
        return super().tokens(text_bytes, records).times(4 if self.reference else 2)

    @property
    def measure(self) -> Literal["sum", "per-token", "per-byte"]:
        """Measure by which log-likelihoods are compared."""
        return self.score or ("sum" if self.reference else "per-token")


@stage(version=10, measures=("model", "data", "reference"))
def evaluate_preference_accuracy(
    config: PreferenceAccuracyConfig,
    model: ModelFolder,
    data: Preferences,
    reference: ModelFolder | None,
    scoring: Scoring,
) -> Result:
    """Score both answers of each pair. Pairs with an answer beyond the context are left out, and counted."""
    ranks = is_native(model.path) and bool(read_config(model.path).labels)
    engine = (open_reward_model if ranks else open_decoder)(model.path, config.data_type, config.device)
    told = {"sum": "", "per-token": " a token", "per-byte": " a byte"}[config.measure]
    if ranks:
        worth, how = partial(_by_scores, engine), "difference of a reward model's scores"
    else:
        before = open_decoder(reference.path, config.data_type, config.device) if reference else None
        worth = partial(_by_likelihoods, config, engine, before)
        how = "difference of log-probabilities" + (f" over those of the reference{told}" if reference else told)
    pairs = [(each, _segments(config, each, engine.tokenizer)) for each in _asked_pairs(config, data)]

    def score(chunk: Sequence[Pair]) -> list[Item]:
        return [_item(config, each, *both) for (each, _), both in zip(chunk, worth(chunk), strict=True)]

    items = scoring.in_chunks(pairs, PAIRS_AT_ONCE, score)
    method = f"{how} above zero"
    decoding = f"{how} {reference.digest}" if reference and not ranks else how
    asked: dict[str, Any] = {"decoding": decoding, "prompt": config.template}
    if config.template != "chat":
        begin = engine.tokenizer.spell(engine.tokenizer.before(config.before))
        asked |= {"delimiter": config.delimiter, "before": begin}
        method += f", put as {config.template!r} and {config.delimiter!r} after {begin or 'nothing'}"
    found = scoring.written(items, measured_by(engine, model, **asked))
    figures, examples = [found.figure(ACCURACY, method, chance=0.5)], []
    if ranks:
        calibration, table = calibrate(items, **found.evidence)
        figures += [found.figure(PREFERENCE_LOSS, f"−ln σ({how})"), calibration]
        examples.append({"reason": "calibration", "text": table})
    return found.result(*figures, examples=[*examples, *(item for item in items if item["score"] < 1)][:7])


@stage(version=8, trains_on="train", measures=("data", "reference"))
def evaluate_preference_accuracy_length(
    config: PreferenceAccuracyConfig,
    data: Preferences,
    train: Preferences,
    reference: ModelFolder | None,
    scoring: Scoring,
) -> Result:
    """Prefer the longer answer, or the shorter one, as chosen more often in the training pairs."""
    items, side = items_by_length(config, _asked_pairs(config, data), _some_pairs(config, train))
    found = scoring.written(items)
    method = f"the {side} answer in characters, as was chosen oftener in training"
    return found.result(found.figure(ACCURACY, method, chance=0.5), examples=())


def items_by_scores(config: TaskConfig, pairs: Sequence[Preference], engine: DecoderEngine) -> list[Item]:
    """Return the items of pairs within the context, judged by a reward model."""
    every = [(each, _in_chat(each, engine.tokenizer)) for each in pairs]
    fitting = [(each, both) for each, both in every if _fits(both, engine)]
    return [_item(config, each, *both) for (each, _), both in zip(fitting, _by_scores(engine, fitting), strict=True)]


def items_by_length(
    config: TaskConfig, pairs: Sequence[Preference], train: Sequence[Preference]
) -> tuple[list[Item], str]:
    """Return items judged by length, and the length to prefer, as in training: the longer or the shorter."""
    sign = 1 if sum(_sign(_longer(each)) for each in train) >= 0 else -1
    return [_item(config, each, sign * _longer(each), 0) for each in pairs], "longer" if sign > 0 else "shorter"


def calibrate(items: Sequence[Item], **evidence: Any) -> tuple[Figure, str]:
    """Return the root mean square distance of σ(lead) from the share that is right, over bins, and the bins in words.

    Bins hold equally many pairs. What chance adds to the squares is subtracted (Kumar et al. 2019), so that a
    calibrated model has about 0, even for few pairs.
    """
    leads = np.array([item["lead"] for item in items])
    sure, right = 1 / (1 + np.exp(-np.abs(leads))), np.array([item["score"] for item in items])
    bins = np.array_split(np.argsort(sure, kind="stable"), max(1, min(BINS, len(items) // 2)))
    found = root_mean_square(right - sure, bins, [item["cluster"] for item in items])
    figure = Figure(
        name="calibration_error",
        value=found.value,
        n=len(items),
        method=f"root mean square distance of σ(|difference of scores|) from the share that is right, over {len(bins)} "
        f"bins of equally many pairs, less what chance adds; 95 % {found.method}",
        interval=found.interval,
        doubt=found.doubt,
        **evidence,
    )
    words = [f"said {sure[each].mean():.0%}, right {right[each].mean():.0%} of {len(each)}" for each in bins]
    return figure, "; ".join(words)


def _by_scores(engine: DecoderEngine, pairs: Sequence[Pair]) -> list[tuple[float, float]]:
    """Return a reward model's scores of the chosen and of the rejected answer of each pair."""
    found = engine.scores([one.ids for _, both in pairs for one in both])
    return list(zip(found[::2], found[1::2], strict=True))


def _by_likelihoods(
    config: PreferenceAccuracyConfig, engine: DecoderEngine, reference: DecoderEngine | None, pairs: Sequence[Pair]
) -> list[tuple[float, float]]:
    """Return both answers' ln p, less the reference's if there is one, per answer, token or byte."""
    segments = [both for _, both in pairs]
    now, before = _log_p(engine, segments), _log_p(reference, segments) if reference else [(0.0, 0.0)] * len(pairs)
    sizes = [
        {
            "sum": (1, 1),
            "per-token": (sum(both[0].trained), sum(both[1].trained)),
            "per-byte": (len(_said(each.chosen).encode()), len(_said(each.rejected).encode())),
        }[config.measure]
        for each, both in pairs
    ]
    return [
        ((a - c) / max(1, one), (b - d) / max(1, other))
        for (a, b), (c, d), (one, other) in zip(now, before, sizes, strict=True)
    ]


def _said(turns: Sequence[Mapping[str, Any]] | None) -> str:
    """Return the words of an answer."""
    return "".join(str(turn["content"]) for turn in turns or ())


def _log_p(engine: DecoderEngine, pairs: Sequence[tuple[Segment, Segment]]) -> list[tuple[float, float]]:
    """Return Σ ln p of the trained tokens of both answers of each pair."""
    every = [one for pair in pairs for one in pair]
    firsts = [one.trained.index(True) for one in every]
    found = engine.log_likelihoods([one.ids for one in every], firsts)
    sums = [
        math.fsum(score for score, counts in zip(scores, one.trained[first:], strict=True) if counts)
        for one, first, scores in zip(every, firsts, found, strict=True)
    ]
    return list(zip(sums[::2], sums[1::2], strict=True))


def _some_pairs(config: PreferenceAccuracyConfig, data: Preferences) -> list[Preference]:
    found = _pairs(data)
    if not found:
        raise UsageError(f"{config.data}: found no pair of answers with one chosen and one rejected")
    return found


def _asked_pairs(config: PreferenceAccuracyConfig, data: Preferences) -> list[Preference]:
    """Return the pairs to score. Raises UsageError if none has the field that groups similar ones."""
    require_cluster(config, map(vars, found := _some_pairs(config, data)))
    return found


def _segments(config: PreferenceAccuracyConfig, each: Preference, tokenizer: Tokenizer) -> tuple[Segment, Segment]:
    """Return both answers, each after the prompt."""
    if config.template == "chat":
        return _in_chat(each, tokenizer)
    asked = config.template.replace("{prompt}", "\n".join(str(turn["content"]) for turn in each.prompt))
    answers = [f"{config.delimiter}{_said(turns)}" for turns in (each.chosen, each.rejected)]
    prompt, behind, _ = parted(tokenizer, tokenizer.before(config.before), asked, answers)
    one, other = (
        Segment([*prompt, *ids], [False] * len(prompt) + [True] * len(ids), side)
        for ids, side in zip(behind, (CHOSEN, REJECTED), strict=True)
    )
    return one, other


def _in_chat(each: Preference, tokenizer: Tokenizer) -> tuple[Segment, Segment]:
    assert each.chosen and each.rejected  # noqa: S101 - `_pairs` sees to it
    return segment(tokenizer, each.prompt, each.chosen, CHOSEN), segment(
        tokenizer, each.prompt, each.rejected, REJECTED
    )


def _item(config: TaskConfig, each: Preference, better: float, worse: float) -> Item:
    chosen, rejected = (_said(turns[-1:]) for turns in (each.chosen, each.rejected) if turns)
    lead = better - worse
    return {
        "id": each.id,
        "digest": digest_of(each.prompt, each.chosen, each.rejected),
        "cluster": cluster_of(config, vars(each), each.document),
        "prompt": "".join(str(turn["content"]) for turn in each.prompt[-1:]),
        "answer": chosen if lead > 0 else rejected,
        "reference": chosen,
        "score": (1 + _sign(lead)) / 2,
        "lead": lead,
        "choices": [{"text": chosen, "worth": better}, {"text": rejected, "worth": worse}],
        "loss": max(0.0, -lead) + math.log1p(math.exp(-abs(lead))),
    }


def _longer(each: Preference) -> int:
    """Return by how many characters the chosen answer is longer."""
    chosen, rejected = (sum(len(turn["content"]) for turn in turns or ()) for turns in (each.chosen, each.rejected))
    return chosen - rejected


def _fits(both: tuple[Segment, Segment], engine: DecoderEngine) -> bool:
    return max(len(one.ids) for one in both) <= engine.context_length


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


PROMPTS_AT_ONCE = 64
"""Prompts per chunk, as many as the engine decodes together."""
CHARACTERS = Metric(name="answer_characters", label="characters an answer", value="characters")


class JudgedAnswersConfig(GenerationConfig):
    """A reward model's scores of answers. Models are compared prompt by prompt."""

    expects: ClassVar[Expected] = {"judge": ("reward model",)}

    kind: Literal["judged-answers"] = "judged-answers"
    data: Reference = Field(
        description="Preferences, of which each prompt is used once. They must be new to the models and the judge."
    )
    train: Reference | None = Field(
        None,
        description="Preferences that the models were trained on. They show if longer or shorter answers were chosen "
        "more often. Without them the judge is not compared with length.",
    )
    judge: Reference = Field(
        description="Model of objective `reward`. A judge trained on other people's judgements tells more than the "
        "judge that the models were trained to please."
    )
    judged: Reference | None = Field(
        None,
        description="Preferences, new to the judge, on which it is compared with choosing by length. By default those "
        "of `data`. It takes hundreds to show a difference of 5 points.",
    )
    prompt: Literal["chat"] = Field("chat", description="Form of the prompt.")

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Return the tokens. The judge also reads each chat with its answer, and counts like the model."""
        found = super().tokens(text_bytes, records)
        return found.times(2, found.written)


@stage(version=11, judges="judge", measures=("model", "data", "judged"))
def evaluate_judged_answers(
    config: JudgedAnswersConfig,
    model: ModelFolder,
    data: Preferences,
    judge: ModelFolder,
    judged: Preferences | None,
    scoring: Scoring,
) -> Result:
    """Let a model answer greedily, and the judge score each answer as the end of its chat."""
    judging = open_reward_model(judge.path, config.data_type, config.device)
    asked, drawn = _asked(config, data)

    def score(said: Sequence[tuple[Question, Item]]) -> list[Item]:
        return _items(said, judging)

    said, known = ask(config, model, asked, scoring, finish=score, at_once=PROMPTS_AT_ONCE)
    items = with_distinct([each for _, each in said])
    found = scoring.written(items, known)
    method = f"{drawn}, greedy in a chat, at most {config.max_tokens} tokens"
    return found.result(
        found.figure(JUDGE_SCORE, f"score by {config.judge}; {method}", judged=judge.digest),
        *extraction_failures(config, found, method),
        found.figure(CHARACTERS, method),
        found.figure(TRUNCATED, f"answers cut at the limit; {method}"),
        found.figure(DISTINCT, f"distinct answers / answers; {method}"),
    )


@stage(version=9, trains_on="train", judges="judge", measures=("data", "judged"))
def evaluate_judged_answers_chosen(
    config: JudgedAnswersConfig,
    data: Preferences,
    train: Preferences,
    judge: ModelFolder,
    judged: Preferences | None,
    scoring: Scoring,
) -> Result:
    """Score the answers that people chose, and compare the judge with length on pairs of answers."""
    judging = open_reward_model(judge.path, config.data_type, config.device)
    asked, drawn = _asked(config, data)
    trust = _trust(config, judged or data, train, judging)  # first: it may refuse

    def score(some: Sequence[Question]) -> list[Item]:
        return _items([(each, {"answer": last_answer(each), "truncated": False}) for each in some], judging)

    items = scoring.in_chunks(asked, PROMPTS_AT_ONCE, score)
    found = scoring.written(items)
    method = f"the answers that people chose; {drawn}"
    return found.result(
        found.figure(JUDGE_SCORE, f"score by {config.judge}; {method}", judged=judge.digest),
        found.figure(CHARACTERS, method),
        *trust,
    )


def _asked(config: JudgedAnswersConfig, data: Preferences) -> tuple[list[Question], str]:
    """Return each prompt of pairs once, as a conversation with the answer that people chose, and how drawn."""
    once: dict[str, Preference] = {}
    for each in _pairs(data):
        once.setdefault(canonical_json(each.prompt), each)
    return draw(
        [
            {
                "id": each.id,
                "messages": [*each.prompt, *(each.chosen or ())[-1:]],
                "service": each.document,  # judgements of one document are alike
                "meta": each.meta,
                "digest": digest_of(each.prompt, each.chosen),
            }
            for each in once.values()
        ],
        config,
    )


def _items(said: Sequence[tuple[Question, Item]], judging: DecoderEngine) -> list[Item]:
    """Return items of answers as the ends of their chats."""
    chats = [
        judging.tokenizer.encode_chat([*turns_before(one), {"role": "assistant", "content": result_of(each)}])[0]
        for one, each in said
    ]
    return [
        {
            **answered(one, each["answer"], score, each),
            "digest": one["digest"],
            "characters": len(result_of(each)),
            "truncated": float(each["truncated"]),
        }
        for (one, each), score in zip(said, judging.scores(chats), strict=True)
    ]


def _trust(config: JudgedAnswersConfig, pairs: Preferences, train: Preferences, judging: DecoderEngine) -> list[Figure]:
    """Return the judge's accuracy on pairs, and how far it is above the accuracy of length."""
    by_judge = items_by_scores(config, _pairs(pairs), judging)
    if not by_judge:
        raise UsageError(f"{config.judged or config.data}: no pair fits in the judge's {judging.context_length} tokens")
    judged = {item["id"] for item in by_judge}
    by_length, side = items_by_length(config, [each for each in _pairs(pairs) if each.id in judged], _pairs(train))
    found = ACCURACY.compare(by_judge, by_length)
    lead = Figure(
        name=str(JUDGE_SCORE.holds_if),
        value=found.difference,
        n=found.n,
        method=f"accuracy of {config.judge} less that of the {side} answer on the same pairs of "
        f"{config.judged or config.data}; paired test of {found.clusters} clusters",
        interval=found.interval,
        doubt=found.doubt,
    )
    return [ACCURACY.figure(by_judge, f"of {config.judge}: the chosen answer scores higher", chance=0.5), lead]


def _pairs(data: Preferences) -> list[Preference]:
    return [each for each in data.iterate() if each.chosen and each.rejected]
