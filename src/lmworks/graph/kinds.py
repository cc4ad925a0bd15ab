"""The kinds of steps, models and tasks that a recipe can name. The only file that imports stages.

A new data step or tokenizer is its own file and one line in `STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lmworks.data.clean.normalise import normalise
from lmworks.data.contamination.decontaminate import decontaminate
from lmworks.data.duplicates.passages import repeated_passages
from lmworks.data.mixtures.mixing import mix
from lmworks.data.privacy.anonymise import anonymise
from lmworks.data.quality.classifier import classifier
from lmworks.data.quality.classify import classify
from lmworks.data.quality.curate import curate
from lmworks.data.reading.ingest import ingest
from lmworks.data.splits.split import split
from lmworks.data.tuning.arithmetic import arithmetic
from lmworks.data.tuning.label import label
from lmworks.data.tuning.pairs import pairs
from lmworks.data.tuning.samples import conversations, preferences
from lmworks.data.tuning.styles import styles
from lmworks.data.tuning.tell import tell
from lmworks.data.tuning.verdicts import verdicts
from lmworks.engines.rented.stages import rent
from lmworks.evaluate.tasks import TASKS
from lmworks.fitting import misfits
from lmworks.knowledge.passages import passages
from lmworks.knowledge.retrieve import retrieve
from lmworks.model.baselines.bag_of_words import bag_of_words
from lmworks.model.baselines.dictionary import dictionary
from lmworks.model.baselines.writer import baseline
from lmworks.model.pretrained import import_model
from lmworks.pipeline.stage import Stage
from lmworks.recipe.file import StepClasses
from lmworks.recipe.kinds import Chosen, ConfigClass
from lmworks.recipe.schema import StepConfig
from lmworks.registry import Kinds, derived_from
from lmworks.teach.answers import answers
from lmworks.teach.constitution import constitution
from lmworks.tokens.kinds.bpe import bpe
from lmworks.tokens.kinds.character import character
from lmworks.tokens.kinds.pretrained import pretrained
from lmworks.tokens.kinds.unigram import unigram
from lmworks.tokens.kinds.wordpiece import wordpiece
from lmworks.tokens.packaged import with_named_bases
from lmworks.train.configs.encoder import with_rates_of_fresh_bases
from lmworks.train.objectives import OBJECTIVES


def step_of(name: str, found: Any) -> Stage:
    """Return the result of an entry point, if it is a stage whose config has this kind. Raises TypeError."""
    if not isinstance(found, Stage):
        raise TypeError(f"expected a function that is marked with `@stage(version=1)`, found {found!r}")
    derived_from(StepConfig)(name, found.config)
    return found


STEPS: Kinds[Stage] = Kinds(
    "steps",
    "kind",
    {
        "ingest": ingest,
        "normalise": normalise,
        "anonymise": anonymise,
        "split": split,
        "classifier": classifier,
        "classify": classify,
        "curate": curate,
        "decontaminate": decontaminate,
        "repeated-passages": repeated_passages,
        "verdicts": verdicts,
        "label": label,
        "tell": tell,
        "mix": mix,
        "pairs": pairs,
        "styles": styles,
        "conversations": conversations,
        "preferences": preferences,
        "arithmetic": arithmetic,
        "answers": answers,
        "constitution": constitution,
        "passages": passages,
        "retrieve": retrieve,
        "bpe": bpe,
        "unigram": unigram,
        "wordpiece": wordpiece,
        "character": character,
        "pretrained": pretrained,
    },
    step_of,
)


MADE: Mapping[str, Stage] = {
    "pretrained": import_model,
    "rented": rent,
    "bag-of-words": bag_of_words,
    "dictionary": dictionary,
    "baseline": baseline,
}
"""Stages of models that need no training loop, by objective."""


def _in_section(section: str, makes: str) -> Callable[[ConfigClass], str | None]:
    return lambda config: None if config.section == section else f"makes {makes}: name it in that section"


def _completed(recipe: dict[str, Any]) -> None:
    """Add the steps and values that follow from the bases of a recipe's models."""
    with_named_bases(recipe)
    with_rates_of_fresh_bases(recipe)


CLASSES = StepClasses(
    data=Chosen(STEPS, config_of=lambda step: step.config, refuse=_in_section("data", "a tokenizer")),
    tokenizers=Chosen(STEPS, config_of=lambda step: step.config, refuse=_in_section("tokenizer", "data")),
    objectives=Chosen(OBJECTIVES, "objective", more={name: made.config for name, made in MADE.items()}),
    tasks=Chosen(TASKS, config_of=lambda task: task.config),
    complete=_completed,
    misfits=misfits,
)
