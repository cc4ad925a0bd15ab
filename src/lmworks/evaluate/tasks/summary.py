"""How like people's summaries a model's are: ROUGE, beside one sentence copied from the text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations
from lmworks.evaluate.baselines import one_sentence
from lmworks.evaluate.tasks.text_to_text import WritingConfig, judge_baseline, judge_model, learned_from
from lmworks.evaluate.text_metrics import TextMetricName
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Result, stage


class SummaryConfig(WritingConfig):
    """ROUGE of summaries."""

    kind: Literal["summary"] = "summary"
    metrics: list[TextMetricName] = Field(
        default=["rouge"], min_length=1, description="The first leads; all are compared in. ROUGE is what papers quote."
    )


@stage(version=1, reads="train", measures=("model", "data"))
def evaluate_summary(
    config: SummaryConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    out: Path,
    context: Context,
) -> Result:
    """Let a model summarise."""
    return judge_model(config, model, data, train, out, context)


@stage(version=1, trains_on="train", measures="data")
def evaluate_summary_lead(
    config: SummaryConfig, data: Conversations, train: Conversations, out: Path, context: Context
) -> Result:
    """The same figures for the first sentence."""
    return judge_baseline(config, data, train, out, one_sentence.lead, "the first sentence")


@stage(version=1, trains_on="train", measures="data")
def evaluate_summary_central(
    config: SummaryConfig, data: Conversations, train: Conversations, out: Path, context: Context
) -> Result:
    """The same figures for the sentence that shares most words with the others."""
    how = "the sentence that shares most words with the others"
    return judge_baseline(config, data, train, out, one_sentence.central, how)


@stage(version=1, trains_on="train", measures="data")
def evaluate_summary_learned(
    config: SummaryConfig, data: Conversations, train: Conversations, out: Path, context: Context
) -> Result:
    """The same figures for the sentence that a classifier, trained on the training pairs, would take."""
    how = "the sentence that a linear classifier takes, which learned from the training pairs"
    return judge_baseline(config, data, train, out, one_sentence.learned(learned_from(train)), how)
