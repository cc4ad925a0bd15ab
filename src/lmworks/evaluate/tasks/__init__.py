"""The tasks, one line each: what a model is scored on, and the baselines scored beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lmworks.evaluate.items import TaskConfig
from lmworks.evaluate.tasks import (
    classification,
    documentation,
    exact_answer,
    extraction,
    facts_to_text,
    judged_answers,
    last_word,
    multiple_choice,
    perplexity,
    preference_accuracy,
    reverse_question,
    rules,
    summary,
    text_to_text,
)
from lmworks.pipeline.stage import Stage


@dataclass(frozen=True)
class Task:
    """A config class, the stage that scores a model on it, and stages of the same config that score baselines.

    A model's stage has the inputs `model` and those that the config names, `data` and `train` first; a baseline's has
    the latter.
    """

    config: type[TaskConfig]
    stage: Stage
    baselines: Mapping[str, Stage] = field(default_factory=dict)
    """By the label that they are shown under."""
    of_scores: bool = False
    """Whether it can be asked of models that score texts and write none."""
    objective: str | None = None
    """The only objective whose models it is asked of, beside published ones."""
    is_kept: bool = False
    """Whether it asks for what a base can do anyway: tuning for something else is not to cost it."""


TASKS: Mapping[str, Task] = {
    "perplexity": Task(
        perplexity.PerplexityConfig,
        perplexity.evaluate_perplexity,
        {"5-gram": perplexity.evaluate_perplexity_ngram, "xz": perplexity.evaluate_perplexity_xz},
    ),
    "classification": Task(
        classification.ClassificationConfig,
        classification.evaluate_classification,
        {
            "majority": classification.evaluate_classification_majority,
            "bag-of-words": classification.evaluate_classification_words,
        },
        objective="sequence-classification",
    ),
    "extraction": Task(
        extraction.ExtractionConfig,
        extraction.evaluate_extraction,
        {
            "rules": extraction.evaluate_extraction_rules,
            "dictionary": extraction.evaluate_extraction_dictionary,
        },
        objective="token-classification",
    ),
    "documentation": Task(
        documentation.DocumentationConfig,
        documentation.evaluate_documentation,
        {"copy-nearest": documentation.evaluate_documentation_nearest},
    ),
    "reverse-question": Task(
        reverse_question.ReverseQuestionConfig,
        reverse_question.evaluate_reverse_question,
        {"shared-words": reverse_question.evaluate_reverse_question_nearest},
    ),
    "preference-accuracy": Task(
        preference_accuracy.PreferenceAccuracyConfig,
        preference_accuracy.evaluate_preference_accuracy,
        {"length": preference_accuracy.evaluate_preference_accuracy_length},
        of_scores=True,
    ),
    "judged-answers": Task(
        judged_answers.JudgedAnswersConfig,
        judged_answers.evaluate_judged_answers,
        {"chosen": judged_answers.evaluate_judged_answers_chosen},
    ),
    "last-word": Task(last_word.LastWordConfig, last_word.evaluate_last_word, is_kept=True),
    "multiple-choice": Task(
        multiple_choice.MultipleChoiceConfig, multiple_choice.evaluate_multiple_choice, is_kept=True
    ),
    "exact-answer": Task(exact_answer.ExactAnswerConfig, exact_answer.evaluate_exact_answer),
    "rules": Task(rules.RulesConfig, rules.evaluate_rules),
    "text-to-text": Task(
        text_to_text.TextToTextTaskConfig,
        text_to_text.evaluate_text_to_text,
        {
            "copy-source": text_to_text.evaluate_text_to_text_copy,
            "word-table": text_to_text.evaluate_text_to_text_words,
        },
    ),
    "facts-to-text": Task(
        facts_to_text.FactsToTextConfig,
        facts_to_text.evaluate_facts_to_text,
        {
            "template": facts_to_text.evaluate_facts_to_text_template,
            "nearest-facts": facts_to_text.evaluate_facts_to_text_nearest,
        },
    ),
    "summary": Task(
        summary.SummaryConfig,
        summary.evaluate_summary,
        {
            "lead-sentence": summary.evaluate_summary_lead,
            "central-sentence": summary.evaluate_summary_central,
            "learned-sentence": summary.evaluate_summary_learned,
        },
    ),
}
