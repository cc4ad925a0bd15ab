"""Tasks whose answers a program checks, by the answer in the data or by rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from lmworks.data.forms.turns import with_thoughts
from lmworks.data.tuning.conversations import Conversations, turns_before, wanted_answer
from lmworks.evaluate.items import DISTINCT, EXACT, FOLLOWED, TRUNCATED, WITHIN, Item, Metric, digest_of, with_distinct
from lmworks.evaluate.questions import (
    GenerationConfig,
    Question,
    Ways,
    answered,
    ask,
    draw,
    extraction_failures,
    result_of,
    shots,
    wanted_of,
)
from lmworks.evaluate.scoring import Scoring
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Result, stage
from lmworks.rewards import Answer, AnyAnswerReward, count_unjudged, unscored
from lmworks.rewards.exact import Comparison

EXACT_AT_ONCE = 256
FLEXIBLE = Metric(name="exact_match_flexible", label="exact match, read flexibly", value="flexible", is_share=True)
COMPARED = {
    "value": ", numbers by value and words without capitals",
    "letters": ", to the letter",
    "squad": ", without capitals, punctuation and articles",
}
WAYS = (
    "Form of the prompt. `chat` is a chat, as users ask. `text` is a text to continue, for a model that was not "
    "trained on chats. The `few-shot` forms put answered questions of `train` before it."
)


class ExactAnswerConfig(GenerationConfig, Comparison):
    """Share of right answers, compared as the reward `exact-answer` does."""

    kind: Literal["exact-answer"] = "exact-answer"
    prompt: Ways = Field("chat", description=WAYS)
    max_tokens: int = Field(32, ge=1, description="Most tokens of an answer. A longer answer is wrong.")


@stage(version=13, reads=["train"], measures=("model", "data"))
def evaluate_exact_answer(
    config: ExactAnswerConfig, model: ModelFolder, data: Conversations, train: Conversations | None, scoring: Scoring
) -> Result:
    """Let a model answer greedily, and compare each answer with the answer in the data."""
    questions, drawn = draw(list(data.iterate()), config)
    shown = shots(config, train)
    said, known = ask(config, model, questions, scoring, shown=shown, at_once=EXACT_AT_ONCE)
    items = with_distinct([_item(config, one, each) for one, each in said])
    found = scoring.written(items, known)
    where = f", of each what {config.pattern!r} finds" if config.pattern else ""
    where += COMPARED[config.compare]
    method = f"{drawn}, greedy {config.told}, at most {config.max_tokens} tokens{where}"
    rule = canonical_json({name: getattr(config, name) for name in Comparison.model_fields})
    flexible = f"or, where that is not right, by the last number or line of the answer; {method}"
    return found.result(
        found.figure(EXACT, f"answered exactly; {method}", judged=rule),
        *(
            [found.figure(FLEXIBLE, f"answered exactly, {flexible}", judged=f"flexibly, {rule}")]
            if config.pattern
            else ()
        ),
        *extraction_failures(config, found, method),
        found.figure(DISTINCT, f"distinct answers / answers; {method}"),
        found.figure(TRUNCATED, f"answers cut at the limit; {method}"),
    )


def _item(rule: Comparison, question: Question, said: Item) -> Item:
    """Return the item of an answer, which is right if it equals any text of `wanted_of`."""
    wanted = wanted_of(question)
    is_right = not said["truncated"] and any(rule.is_right(said["answer"], each) for each in wanted)
    item = {**answered(question, said["answer"], float(is_right), said), "truncated": said["truncated"]}
    if rule.pattern:
        item[FLEXIBLE.value] = float(is_right or any(rule.ends_right(said["answer"], each) for each in wanted))
    return item


RULED_AT_ONCE = 64


class RulesConfig(GenerationConfig):
    """Share of answers that follow rules."""

    kind: Literal["rules"] = "rules"
    prompt: Ways = Field("chat", description=WAYS)
    rules: list[AnyAnswerReward] = Field(
        min_length=1, description="Rules. An answer must get 1 from each rule. Weights do not matter."
    )

    def resolve(self, folder: Path) -> Self:
        return self.model_copy(update={"rules": [rule.resolve(folder) for rule in self.rules]})


@stage(version=11, reads=["train"], measures=("model", "data"))
def evaluate_rules(
    config: RulesConfig, model: ModelFolder, data: Conversations, train: Conversations | None, scoring: Scoring
) -> Result:
    """Let a model answer greedily, and check each answer by every rule."""
    questions, drawn = draw(list(data.iterate()), config)
    unjudged = count_unjudged(config.rules, [wanted_answer(question) for question in questions])

    found, known = ask(config, model, questions, scoring, shown=shots(config, train), at_once=RULED_AT_ONCE)
    said = [
        Answer(result_of(each), wanted_answer(question), not each["truncated"], turns_before(question), _whole(each))
        for question, each in found
    ]
    scores = [rule.scores(said) for rule in config.rules]
    followed = zip(*([score == 1 for score in each] for each in scores), strict=True)
    items = [
        {
            **answered(question, each["answer"], float(all(by_rule)), each),
            "truncated": each["truncated"],
            "followed": [float(one) for one in by_rule],
        }
        for (question, each), by_rule in zip(found, followed, strict=True)
    ]
    judged, told = scoring.written(items, known), ", ".join(rule.told for rule in config.rules)
    known_to_fail = "".join(f", {count} of them {name}" for name, count in unjudged.items())
    if failures := [reason for each in scores for reason in unscored(each)]:
        known_to_fail += f", a rule failing {len(failures)} times ({failures[0]})"
    method = f"{drawn}{known_to_fail}, greedy {config.told}, at most {config.max_tokens} tokens"
    signature = f"{told} {digest_of(*(rule.model_dump(mode='json') for rule in config.rules))[:12]}"
    figures = [judged.figure(FOLLOWED, f"answers that follow all rules ({told}); {method}", judged=signature)]
    for number, rule in enumerate(config.rules if len(config.rules) > 1 else ()):
        one = Metric(name=f"follows_rule_{number + 1}", label=rule.name, is_share=True)
        by_rule = replace(judged, items=[{**item, "score": item["followed"][number]} for item in items])
        figures.append(by_rule.figure(one, f"answers that follow rule {number + 1}, {rule.told}; {method}"))
    return judged.result(*figures, *extraction_failures(config, judged, method))


def _whole(said: Item) -> str:
    """Return an answer with its thoughts, if they are kept apart. Otherwise return an empty text."""
    return with_thoughts(said["thoughts"], None if said[WITHIN] else said["answer"]) if "thoughts" in said else ""
