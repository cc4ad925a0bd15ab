"""The tasks, one line each: what a model is scored on, and the baselines scored beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from lmworks.evaluate.choices import ANSWER_BITS, By
from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, EXACT, FOLLOWED, JUDGE_SCORE, SPAN_F1, TaskConfig
from lmworks.evaluate.tasks import checked, choices, from_passages, judgements, labels, last_word, perplexity, writing
from lmworks.evaluate.tasks.task import Task, task_of
from lmworks.model.config import Family
from lmworks.recipe.references import Models, of_families
from lmworks.registry import Kinds

SAID = ("distinct_answers", "truncated_answers", "extraction_failures")
"""Figures of answers that models write."""
WRITERS: tuple[Family, ...] = ("decoder", "rented model")
"""Families of models that answer chats. Only decoders have figures of likelihoods."""
TASKS: Kinds[Task] = Kinds(
    "tasks",
    "task",
    {
        "perplexity": Task(
            perplexity.PerplexityConfig,
            perplexity.evaluate_perplexity,
            {"5-gram": perplexity.evaluate_perplexity_ngram, "xz": perplexity.evaluate_perplexity_xz},
            of=("decoder",),
            metrics=[BITS_PER_BYTE, perplexity.BITS_PER_TOKEN],
        ),
        "classification": Task(
            labels.ClassificationConfig,
            labels.evaluate_classification,
            {"majority": labels.evaluate_classification_majority, "bag-of-words": labels.evaluate_classification_words},
            of=("sequence classifier",),
            asks=labels.items_of_labels,
            metrics=[ACCURACY],
            further=["macro_f1"],
        ),
        "extraction": Task(
            labels.ExtractionConfig,
            labels.evaluate_extraction,
            {"rules": labels.evaluate_extraction_rules, "dictionary": labels.evaluate_extraction_dictionary},
            of=("token classifier",),
            asks=labels.items_of_spans,
            metrics=[SPAN_F1],
            further=["span_precision", "span_recall"],
        ),
        "preference-accuracy": Task(
            judgements.PreferenceAccuracyConfig,
            judgements.evaluate_preference_accuracy,
            {"length": judgements.evaluate_preference_accuracy_length},
            of=("decoder", "reward model"),
            relative_to="reference",
            metrics=[ACCURACY],
            further=["calibration_error", "preference_loss"],
        ),
        "judged-answers": Task(
            judgements.JudgedAnswersConfig,
            judgements.evaluate_judged_answers,
            {"chosen": judgements.evaluate_judged_answers_chosen},
            of=WRITERS,
            metrics=[JUDGE_SCORE],
            further=["answer_characters", *SAID],
        ),
        "last-word": Task(
            last_word.LastWordConfig, last_word.evaluate_last_word, is_kept=True, metrics=[ACCURACY, ANSWER_BITS]
        ),
        "multiple-choice": Task(
            choices.MultipleChoiceConfig,
            choices.evaluate_multiple_choice,
            is_kept=True,
            metrics=[ACCURACY, ANSWER_BITS],
            further=[f"accuracy_by_{by}" for by in get_args(By)],
        ),
        "exact-answer": Task(
            checked.ExactAnswerConfig,
            checked.evaluate_exact_answer,
            of=WRITERS,
            metrics=[EXACT],
            further=["exact_match_flexible", *SAID],
        ),
        "from-passages": Task(
            from_passages.FromPassagesConfig,
            from_passages.evaluate_from_passages,
            {"best-passage-copied": from_passages.evaluate_from_passages_copied},
            of=WRITERS,
            metrics=[from_passages.HOLDS, from_passages.WORD_F1],
            further=["truncated_answers", "extraction_failures"],
        ),
        "rules": Task(checked.RulesConfig, checked.evaluate_rules, of=WRITERS, metrics=[FOLLOWED], further=SAID),
        "text-to-text": writing.TEXT_TO_TEXT,
        "facts-to-text": writing.FACTS_TO_TEXT,
        "summary": writing.SUMMARY,
    },
    task_of,
)


def asked_of(config: TaskConfig, models: Models, named: Sequence[str]) -> list[str]:
    """Return the named models whose family the task can evaluate."""
    return of_families(TASKS[config.kind].of, named, models)  # type: ignore[attr-defined]
