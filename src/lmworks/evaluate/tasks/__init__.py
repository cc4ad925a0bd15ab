"""The tasks, one line each: what a model is scored on, and the baselines scored beside it."""

from __future__ import annotations

from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, EXACT, FOLLOWED, JUDGE_SCORE, SPAN_F1
from lmworks.evaluate.tasks import (
    classification,
    exact_answer,
    extraction,
    facts_to_text,
    judged_answers,
    perplexity,
    preference_accuracy,
    published_sets,
    rules,
    summary,
    text_to_text,
)
from lmworks.evaluate.tasks.task import Task, task_of
from lmworks.registry import Kinds

TASKS: Kinds[Task] = Kinds(
    "tasks",
    "task",
    {
        "perplexity": Task(
            perplexity.PerplexityConfig,
            perplexity.evaluate_perplexity,
            {"5-gram": perplexity.evaluate_perplexity_ngram, "xz": perplexity.evaluate_perplexity_xz},
            metrics=[BITS_PER_BYTE],
        ),
        "classification": Task(
            classification.ClassificationConfig,
            classification.evaluate_classification,
            {
                "majority": classification.evaluate_classification_majority,
                "bag-of-words": classification.evaluate_classification_words,
            },
            objective="sequence-classification",
            metrics=[ACCURACY],
        ),
        "extraction": Task(
            extraction.ExtractionConfig,
            extraction.evaluate_extraction,
            {
                "rules": extraction.evaluate_extraction_rules,
                "dictionary": extraction.evaluate_extraction_dictionary,
            },
            objective="token-classification",
            metrics=[SPAN_F1],
        ),
        "preference-accuracy": Task(
            preference_accuracy.PreferenceAccuracyConfig,
            preference_accuracy.evaluate_preference_accuracy,
            {"length": preference_accuracy.evaluate_preference_accuracy_length},
            of_scores=True,
            metrics=[ACCURACY],
        ),
        "judged-answers": Task(
            judged_answers.JudgedAnswersConfig,
            judged_answers.evaluate_judged_answers,
            {"chosen": judged_answers.evaluate_judged_answers_chosen},
            metrics=[JUDGE_SCORE],
        ),
        "last-word": Task(
            published_sets.LastWordConfig, published_sets.evaluate_last_word, is_kept=True, metrics=[ACCURACY]
        ),
        "multiple-choice": Task(
            published_sets.MultipleChoiceConfig,
            published_sets.evaluate_multiple_choice,
            is_kept=True,
            metrics=[ACCURACY],
        ),
        "exact-answer": Task(exact_answer.ExactAnswerConfig, exact_answer.evaluate_exact_answer, metrics=[EXACT]),
        "rules": Task(rules.RulesConfig, rules.evaluate_rules, metrics=[FOLLOWED]),
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
    },
    task_of,
)
