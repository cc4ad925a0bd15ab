"""How a reward model likes what models answer, and whether it is to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lmworks.data.tuning.preferences import Preference, Preferences
from lmworks.engines.open import open_engine, open_reward_model
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.items import (
    ACCURACY,
    DISTINCT,
    JUDGE_SCORE,
    TRUNCATED,
    Item,
    Metric,
    Scored,
    evidence,
    with_distinct,
)
from lmworks.evaluate.questions import QuestionsConfig, draw
from lmworks.evaluate.tasks.preference_accuracy import SHOWN_CHARACTERS, items_by_length, items_by_scores
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference

if TYPE_CHECKING:
    from lmworks.engines.engine import Engine

PROMPTS_AT_ONCE = 64
"""As many as the engine decodes together."""
CHARACTERS = Metric(name="answer_characters", label="characters an answer", value="characters")


class JudgedAnswersConfig(QuestionsConfig):
    """Scores by a reward model of answers to prompts; models are compared prompt by prompt."""

    kind: Literal["judged-answers"] = "judged-answers"
    data: Reference = Field(description="Preferences: their prompts are asked, each once. New to models and judge.")
    train: Reference | None = Field(
        None,
        description="Preferences that the models were trained on; they tell which length was chosen oftener. "
        "Without it nothing tells whether the judge is better than length.",
    )
    judge: Reference = Field(
        description="A model of objective `reward`. One that learned from other people's judgements than the models "
        "did tells more than the judge that they were trained to please."
    )
    judged: Reference | None = Field(
        None,
        description="Preferences, new to the judge, on which it is held against length; unset, those of `data`. "
        "Hundreds are needed to tell 5 points.",
    )
    prompt: Literal["chat"] = Field("chat", description="As users ask.")
    max_tokens: int = Field(128, ge=1, description="Where an answer is cut: a paragraph, as people judged them.")


@stage(version=2, reads="train", judges="judge", measures=("model", "data", "judged"))
def evaluate_judged_answers(
    config: JudgedAnswersConfig,
    model: ModelFolder,
    data: Preferences,
    train: Preferences | None,
    judge: ModelFolder,
    judged: Preferences | None,
    out: Path,
    context: Context,
) -> Result:
    """Let a model answer greedily, and the judge score each answer as the end of its chat."""
    engine = open_engine(model.path, config.data_type, config.device)
    judging = open_reward_model(judge.path, config.data_type, config.device)
    asked, drawn = _asked(config, data)
    sampling = Sampling(config.max_tokens)

    def answer(some: Sequence[Preference]) -> list[Item]:
        prompts = [engine.tokenizer.encode_chat(each.prompt, True)[0] for each in some]
        found = [(each.text.strip(), each.end_id is None) for each in engine.generate(prompts, sampling)]
        return _items(some, found, judging)

    items = with_distinct(in_chunks(context, asked, PROMPTS_AT_ONCE, answer))
    known = evidence(engine, [engine.tokenizer.render_chat(each.prompt, True) for each in asked])
    found = Scored.written(items, out, train, [item["cluster"] for item in items], **known)
    method = f"{drawn}, greedy in a chat, at most {config.max_tokens} tokens"
    return found.result(
        found.figure(JUDGE_SCORE, f"score by {config.judge}; {method}"),
        found.figure(CHARACTERS, method),
        found.figure(TRUNCATED, f"answers cut at the limit; {method}"),
        found.figure(DISTINCT, f"distinct answers / answers; {method}"),
    )


@stage(version=1, trains_on="train", judges="judge", measures=("data", "judged"))
def evaluate_judged_answers_chosen(
    config: JudgedAnswersConfig,
    data: Preferences,
    train: Preferences,
    judge: ModelFolder,
    judged: Preferences | None,
    out: Path,
    context: Context,
) -> Result:
    """Score the answers that people chose, and hold the judge against length on pairs of answers."""
    judging = open_reward_model(judge.path, config.data_type, config.device)
    asked, drawn = _asked(config, data)

    def score(some: Sequence[Preference]) -> list[Item]:
        return _items(some, [(str(each.chosen[-1]["content"]), False) for each in some if each.chosen], judging)

    items = in_chunks(context, asked, PROMPTS_AT_ONCE, score)
    found = Scored.written(items, out, train, [item["cluster"] for item in items])
    method = f"the answers that people chose; {drawn}"
    return found.result(
        found.figure(JUDGE_SCORE, f"score by {config.judge}; {method}"),
        found.figure(CHARACTERS, method),
        *_trust(config, judged or data, train, judging),
    )


def _asked(config: JudgedAnswersConfig, data: Preferences) -> tuple[list[Preference], str]:
    """The prompts of pairs, each once, and how they were drawn."""
    once: dict[str, Preference] = {}
    for each in _pairs(data):
        once.setdefault(canonical_json(each.prompt), each)
    chosen, how = draw([{"id": each.id} for each in once.values()], config)
    ids = {record["id"] for record in chosen}
    return [each for each in once.values() if each.id in ids], how


def _items(asked: Sequence[Preference], answers: Sequence[tuple[str, bool]], judging: Engine) -> list[Item]:
    """Of answers, and whether they were cut."""
    chats = [
        judging.tokenizer.encode_chat([*each.prompt, {"role": "assistant", "content": text}])[0]
        for each, (text, _) in zip(asked, answers, strict=True)
    ]
    return [
        {
            "id": each.id,
            "cluster": each.document or each.id,
            "prompt": str(each.prompt[-1]["content"])[-SHOWN_CHARACTERS:],
            "answer": text,
            "reference": str(each.chosen[-1]["content"])[:SHOWN_CHARACTERS] if each.chosen else "",
            "score": score,
            "characters": len(text),
            "truncated": float(cut),
        }
        for each, (text, cut), score in zip(asked, answers, judging.scores(chats), strict=True)
    ]


def _trust(config: JudgedAnswersConfig, pairs: Preferences, train: Preferences, judging: Engine) -> list[Figure]:
    """The judge's accuracy on pairs, and how far it lies above that of length."""
    by_judge = items_by_scores(_pairs(pairs), judging)
    if not by_judge:
        raise UsageError(f"{config.judged or config.data}: no pair within the judge's {judging.context_length} tokens")
    judged = {item["id"] for item in by_judge}
    by_length, side = items_by_length([each for each in _pairs(pairs) if each.id in judged], _pairs(train))
    found = ACCURACY.compare(by_judge, by_length)
    lead = Figure(
        name=str(JUDGE_SCORE.holds_if),
        value=found.difference,
        n=found.n,
        method=f"accuracy of {config.judge} less that of the {side} answer on the same pairs of "
        f"{config.judged or config.data}; paired bootstrap of {found.clusters} clusters",
        interval=found.interval,
    )
    return [ACCURACY.figure(by_judge, f"of {config.judge}: the chosen answer scores higher", chance=0.5), lead]


def _pairs(data: Preferences) -> list[Preference]:
    return [each for each in data.iterate() if each.chosen and each.rejected]
