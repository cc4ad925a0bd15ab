"""What a model writes about facts: BLEU beside what people wrote, and which of the facts it states."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.facts import parse_facts, verbalise
from lmworks.evaluate.baselines.nearest_facts import NearestFacts
from lmworks.evaluate.tasks.text_to_text import WritingConfig, judge_baseline, judge_model, learned_from
from lmworks.evaluate.text_metrics import TextMetricName
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import Reference


class FactsToTextConfig(WritingConfig):
    """BLEU and slot coverage of texts written from facts."""

    kind: Literal["facts-to-text"] = "facts-to-text"
    metrics: list[TextMetricName] = Field(
        default=["bleu", "slots", "chrf"],
        min_length=1,
        description="The first leads; all are compared in. `style` needs a classifier.",
    )
    style: Reference | None = Field(
        default=None, description="A step of kind `classifier` that tells texts like the references from others."
    )
    style_label: str = Field(default="written", description="Its label of those; as the data step `styles` has it.")


@stage(version=1, reads="train", judges="style", measures=("model", "data"))
def evaluate_facts_to_text(
    config: FactsToTextConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    style: Handle | None,
    out: Path,
    context: Context,
) -> Result:
    """Let a model write about facts."""
    return judge_model(config, model, data, train, out, context, style=style, style_label=config.style_label)


@stage(version=1, trains_on="train", judges="style", measures="data")
def evaluate_facts_to_text_template(
    config: FactsToTextConfig,
    data: Conversations,
    train: Conversations,
    style: Handle | None,
    out: Path,
    context: Context,
) -> Result:
    """The same figures for a template: one plain sentence a fact."""
    more = {"style": style, "style_label": config.style_label}
    return judge_baseline(
        config, data, train, out, lambda source: verbalise(parse_facts(source)), "a sentence a fact", **more
    )


@stage(version=1, trains_on="train", judges="style", measures="data")
def evaluate_facts_to_text_nearest(
    config: FactsToTextConfig,
    data: Conversations,
    train: Conversations,
    style: Handle | None,
    out: Path,
    context: Context,
) -> Result:
    """The same figures for the training text whose facts are most alike, with the values exchanged."""
    nearest = NearestFacts(learned_from(train))
    how = "the training text about the facts most alike, values exchanged"
    more = {"style": style, "style_label": config.style_label}
    return judge_baseline(config, data, train, out, nearest.write, how, **more)
