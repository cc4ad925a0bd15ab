"""Judgements of a model's answers by rules, to align the model without human judges (Bai et al. 2022)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from lmworks.data.forms.turns import behind_thoughts
from lmworks.data.personal.hidden import hide_all
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.preferences import Preference, write_preferences
from lmworks.errors import LmworksError, UsageError
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.work.chunks import in_chunks, losing_none_else
from lmworks.recipe.schema import Device, Effect, Reference, StepConfig
from lmworks.rewards import Answer, AnyRule, count_unjudged, names_of, unscored
from lmworks.rewards.models import JudgedReward
from lmworks.tokens.answers import was_cut

PROMPTS_AT_ONCE = 16
"""Number of prompts per chunk. A kill loses one chunk: a minute or two of a judge of 100 million parameters."""


class ConstitutionConfig(StepConfig):
    """Judge answers by rules."""

    kind: Literal["constitution"] = "constitution"
    answers: Reference = Field(alias="from", description="Step `answers` with several samples per prompt.")
    rules: list[AnyRule] = Field(min_length=1, description="Reward functions. Their weighted sum ranks the answers.")
    device: Annotated[Device, Effect.SPEED | Effect.MEMORY] = Field(
        default="auto", description="Device of the judges. `auto` takes `budget.device`."
    )

    def resolve(self, folder: Path) -> Self:
        return self.model_copy(update={"rules": [rule.resolve(folder) for rule in self.rules]})


UNREAD = "prompts whose answers are longer than a judge reads"
FAILED = "answers on which a rule failed, which then says 0"


@stage(version=5, reads="answers", judges="rules")
def constitution(
    config: ConstitutionConfig, answers: Conversations, rules: list[ModelFolder] | None, out: Path, context: Context
) -> Result:
    """Write preferences: each prompt's best and worst answer, and how much each rule prefers the best one.

    Prompts whose answers all have equal rewards are only counted. Raises `LmworksError` if no other prompt is left.
    """
    judging = [rule for rule in config.rules if isinstance(rule, JudgedReward)]
    folders = {rule.model: folder for rule, folder in zip(judging, rules or (), strict=True)}
    scorers = [rule.opened(folders, config.device) for rule in config.rules]
    written = sorted(answers.iterate(), key=lambda record: (_asked(config, record), record["id"]))
    unjudged = count_unjudged(config.rules, [record["reference"] for record in written])
    prompts = [list(group) for _, group in groupby(written, key=lambda record: record["asked"])]

    def judge(some: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        every = [record for records in some for record in records]
        judged = [_answer(record) for record in every]
        found = [scorer.scores(judged) for scorer in scorers]
        return [
            {**record, "scores": list(scores), "failures": unscored(scores)}
            for record, *scores in zip(every, *found, strict=True)
        ]

    items = in_chunks(context, prompts, PROMPTS_AT_ONCE, losing_none_else(judge, []))
    unread = len(prompts) - len({item["asked"] for item in items})
    pairs = list(_pairs(config, items))
    names = names_of(config.rules)
    counts = Counter({"prompts": len(prompts), "prompts that teach": len(pairs), "answers": len(items), **unjudged})
    counts.update({UNREAD: unread} if unread else {})
    failures = [reason for item in items for reason in item["failures"]]
    if failures:
        counts[FAILED] = sum(1 for item in items if item["failures"])
        context.log(f"{counts[FAILED]} {FAILED}: {failures[0]}")
    for pair in pairs:
        counts.update(f"decided by {name}" for name in names if (pair.decided or {}).get(name, 0) > 0)
    if not pairs:
        raise LmworksError(
            f"{config.answers}: for none of {len(prompts)} prompts do rewards of answers differ. Draw more samples, or "
            "change the rules. A rule that all answers follow, or that no answer follows, does not help"
            + (f". {unread} {UNREAD}: lower max_tokens of the answers, or use another judge" if unread else "")
        )
    write_preferences(out, pairs)
    examples = hide_all({"reason": "judged by rules", **pair.as_json()} for pair in pairs[:3])
    return Result(counts=counts, losses={UNREAD, FAILED}, examples=examples)


def _asked(config: ConstitutionConfig, record: dict[str, Any]) -> str:
    if "asked" not in record:
        raise UsageError(f"{config.answers}: this step does not hold a model's answers. Name a step of kind `answers`")
    return str(record["asked"])


def _answer(record: dict[str, Any]) -> Answer:
    *before, last = record["messages"]
    written = last["content"]
    return Answer(behind_thoughts(written), record["reference"], not was_cut(last), before, written)


def _pairs(config: ConstitutionConfig, items: Sequence[Mapping[str, Any]]) -> Iterator[Preference]:
    names = names_of(config.rules)
    for prompt, group in groupby(items, key=lambda item: str(item["asked"])):
        ranked = sorted(group, key=lambda item: (-_worth(config, item), item["id"]))
        best, worst = ranked[0], ranked[-1]
        margin = _worth(config, best) - _worth(config, worst)
        if margin > 0:
            weighted = [
                rule.weight * (one - other)
                for rule, one, other in zip(config.rules, best["scores"], worst["scores"], strict=True)
            ]
            *before, chosen = best["messages"]
            yield Preference(
                id=prompt,
                prompt=before,
                chosen=[chosen],
                rejected=worst["messages"][-1:],
                margin=margin,
                document=best["document"],
                passages=best.get("passages"),
                decided=dict(zip(names, weighted, strict=True)),
            )


def _worth(config: ConstitutionConfig, item: Mapping[str, Any]) -> float:
    return float(sum(rule.weight * score for rule, score in zip(config.rules, item["scores"], strict=True)))
