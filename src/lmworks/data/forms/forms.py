"""Table of the forms of tuning data. A record's fields identify its form, which reads it into samples of one shape.

A row of the table states how each field of a published layout is used. Some forms also need a function. The first
row that fits a record is its form, so forms of single data sets come before forms that many have in common.
"""

from __future__ import annotations

from functools import partial

from lmworks.data.forms import choices, general, judgements, published, threads
from lmworks.data.forms.layout import choosing, flat, layout, told
from lmworks.data.forms.row import Read, Row, has
from lmworks.data.forms.sample import Choice, SampleForm
from lmworks.data.forms.threads import message_threads, tree
from lmworks.data.forms.turns import LISTS
from lmworks.registry import Kinds, instance_of

judging = partial(layout, judges=True)

FORMS: Kinds[SampleForm] = Kinds(
    "forms",
    "form",
    {
        # judgements
        "openai-preference": judging(
            "input preferred_output non_preferred_output",
            judgements.openai_preference,
            "input.messages behind input.tools → preferred_output over non_preferred_output",
        ),
        "shp": judging(
            "history human_ref_A human_ref_B labels",
            judgements.shp,
            "history → the one of human_ref_A and human_ref_B that `labels` prefers",
        ),
        "pku-saferlhf": judging(
            "prompt response_0 response_1 better_response_id",
            judgements.saferlhf,
            "prompt → the more helpful one of response_0 and response_1",
            left="prompt_source response_0_source response_1_source response_0_harm_category response_1_harm_category",
        ),
        "nectar": judging(
            "prompt answers num_responses",
            judgements.nectar,
            "prompt → every pair of `answers` of different rank",
            left="source",
        ),
        "helpsteer-preference": judging(
            "prompt response_1 response_2 preference_strength",
            judgements.helpsteer,
            "prompt → the preferred one of response_1 and response_2, and by how much",
            left="preference_statement preference_elaboration three_most_similar_preferences "
            "all_preferences_unprocessed",
        ),
        "arena": judging(
            "conversation_a conversation_b winner",
            judgements.arena,
            "the common turns → the winner's last",
            left="language judge",
        ),
        "arena-pairs": judging(
            "prompt response_a response_b winner_model_a winner_model_b",
            judgements.arena_lists,
            "prompt → the winner of response_a and response_b",
        ),
        "webgpt": judging(
            "question answer_0 answer_1 score_0 score_1",
            judgements.webgpt,
            "question.full_text → the one of two answers with the higher score",
            left="dataset quotes_0 quotes_1",
        ),
        "summarize-from-feedback": judging(
            "info summaries choice",
            judgements.summaries,
            "title and post → the chosen one of two summaries",
            left="extra",
        ),
        "ultrafeedback": judging(
            "instruction completions correct_answers",
            judgements.ultrafeedback,
            "instruction → every pair of completions of different overall_score",
            left="source models correct_answers incorrect_answers",
        ),
        "stack-exchange-paired": judging(
            "question response_j response_k",
            partial(judgements.two_answers, "question", "response_j", "response_k"),
            "question → response_j over response_k",
            left="date metadata",
        ),
        "oasst-trees": SampleForm(
            told("message_tree_id prompt"),
            tree,
            True,
            "Each path of best replies → a conversation. Two replies of different rank → a judgement.",
        ),
        "oasst-messages": SampleForm(
            told("message_id parent_id text role"),
            tree,
            True,
            "As oasst-trees, with one message per row.",
            threads=message_threads,
        ),
        # conversations
        "ultrachat-200k": layout("prompt prompt_id messages", published.ultrachat, "messages", left="prompt"),
        "magpie": layout(
            "uuid gen_input_configs/gen_input_config conversations/instruction/input",
            published.magpie,
            "conversations, or instruction or input → response or output",
            left="model gen_input_configs gen_input_config instruction response input output task_category "
            "other_task_category task_category_generator difficulty intent knowledge difficulty_generator "
            "input_quality quality_explanation quality_generator llama_guard_2 reward_model base_output language",
        ),
        "smoltalk": layout(
            "messages full_topic/conversation_tokens",
            general.messages,
            "messages",
            left="full_topic topic subtopic subsubtopic category difficulty quality source",
        ),
        "hermes-function-calling": layout(
            "conversations category subcategory",
            general.messages,
            "conversations behind tools; calls and results in their text are read",
            left="category subcategory task schema",
        ),
        **{
            name: layout(
                f"problem/question/prompt {name}:texts",
                partial(published.several, name),
                f"problem → each of {name} unless checkers found it wrong; answer, or the end of solution, is compared",
                left=" ".join(("solution messages problem_type question_type source", *published.VERDICTS)),
            )
            for name in ("generations", "solutions")
        },
        "numina": layout(
            "problem solution messages",
            published.numina,
            "problem → solution, compared by what stands at its end",
            left="messages source",
        ),
        "ultrachat": layout("id data", partial(published.texts, "data"), "data: texts by turns"),
        "capybara": layout(
            "source conversation:exchanges", published.capybara, "conversation: input → output", left="source"
        ),
        "lima": layout(
            "conversations:texts",
            partial(published.texts, "conversations"),
            "conversations: texts by turns",
            left="source",
        ),
        "glaive-function-calling": layout(
            "system chat", published.glaive, "system, and the turns of chat with calls and results"
        ),
        "xlam-function-calling": layout(
            "query answers tools", published.xlam, "query behind tools → answers, the calls"
        ),
        "dolly": flat("instruction context response category", "instruction context", "response", left="category"),
        "openorca": flat("system_prompt question response", "question", "response"),
        "p3": flat("inputs_pretokenized targets_pretokenized", "inputs_pretokenized", "targets_pretokenized"),
        "math": flat("problem solution level type", "problem", "solution", check="solution", left="level type"),
        "magicoder": flat("problem solution seed lang", "problem", "solution", left="seed lang"),
        "squad": layout(
            "context question answers:object",
            published.squad,
            "context + question → the first answer; the others are right too",
            left="title",
        ),
        "squad-paragraphs": layout(
            "context qas", published.squad_paragraph, "context + each question → its first answer"
        ),
        "trivia-qa": layout(
            "question answer:object question_id",
            published.trivia,
            "question → answer.value; its aliases are right too",
            left="question_source entity_pages search_results",
        ),
        "translation": layout("translation:object", published.translation, "the first language → the second"),
        "boolq": layout(
            "question passage answer/label", published.boolq, "passage + question → yes or no", left="title"
        ),
        "query-choices": choosing(
            "query choices gold", choices.listed(["query"], "choices", "gold"), "query, choices, gold from 0"
        ),
        "mmlu": choosing(
            "question choices:list answer",
            choices.listed(["question"], "choices", "answer", ["subject"]),
            "question, choices, answer from 0",
        ),
        "mmlu-csv": choosing(
            "question A B C D answer",
            choices.named(["question"], ["A", "B", "C", "D", "E"], "answer"),
            "question, A to D, the letter of the answer",
        ),
        "arc": choosing("question choices answerKey", choices.arc, "question, choices with labels, answerKey"),
        "commonsense-qa": choosing(
            "question:object answerKey", choices.commonsense, "question.stem, question.choices, answerKey"
        ),
        "openbook-qa": choosing(
            "question_stem choices answerKey", choices.openbook, "question_stem, choices with labels, answerKey"
        ),
        "hellaswag": choosing("ctx endings label", choices.hellaswag, "ctx, endings, label from 0"),
        "piqa": choosing(
            "goal sol1 sol2 label", choices.named(["goal"], ["sol1", "sol2"], "label"), "goal, sol1, sol2, label"
        ),
        "winogrande": choosing(
            "sentence option1 option2 answer",
            choices.named(["sentence"], ["option1", "option2"], "answer", first=1),
            "sentence, option1, option2, answer from 1",
        ),
        "social-iqa": choosing(
            "context question answerA answerB answerC label",
            choices.named(["context", "question"], ["answerA", "answerB", "answerC"], "label", first=1),
            "context, question, answerA to answerC, label from 1",
        ),
        "copa": choosing("premise choice1 question label", choices.copa, "premise, choice1, choice2, label"),
        "aqua-rat": choosing("question options correct", choices.aqua, "question, options, the right letter"),
        "aqua-rat-rationale": flat("question rationale correct", "question", "rationale", left="options"),
        "nli": flat(
            "premise hypothesis label",
            "premise hypothesis",
            "label",
            check="label",
            left="pairID promptID genre premise_parse hypothesis_parse premise_binary_parse hypothesis_binary_parse",
        ),
        "question-pairs": flat("question1 question2 label", "question1 question2", "label", check="label"),
        "sentence-pairs": flat("sentence1 sentence2 label/score", "sentence1 sentence2", "label score", check="label"),
        "e2e-nlg": flat("mr ref", "mr", "ref"),
        "lambada": flat("context continuation", "context", "continuation", check="label"),
        "scitldr": layout(
            "source target source_labels",
            published.sentences,
            "the sentences of source → each summary in target",
            left="title author_tldr pr_tldr",
        ),
        "summaries-of-articles": flat("article highlights", "article", "highlights"),
        "summaries-of-documents": flat("document summary", "document", "summary"),
        "summaries-of-dialogues": flat("dialogue summary", "dialogue", "summary", left="topic"),
        "mbpp": flat(
            "text/prompt code test_list",
            "text prompt",
            "code",
            left="test_list test_setup_code challenge_test_list source_file test_imports",
        ),
        "humaneval": flat("prompt canonical_solution test entry_point", "prompt", "canonical_solution", left="test"),
        "helpsteer": flat("prompt response helpfulness", "prompt", "response"),
        "pair": SampleForm(
            lambda row: has(row, ["chosen"], ["rejected"]),
            general.pair,
            True,
            "`chosen` and `rejected`, after a prompt or including it. Scores or `margin` state by how much.",
        ),
        "ranking": SampleForm(
            lambda row: has(row, general.PROMPT, general.ANSWERS) and general.is_ranked(row),
            general.ranking,
            True,
            "A prompt, and several answers with scores or ranks.",
        ),
        "good-or-bad": SampleForm(
            lambda row: has(row, general.PROMPT, general.COMPLETION, ["label"]) and general.is_verdict(row["label"]),
            general.alone,
            True,
            "A prompt, an answer, and `label`: good or bad.",
        ),
        "messages": SampleForm(
            lambda row: has(row, ["messages"]),
            general.messages,
            about="`messages` with `role` and `content`, after `system` and `tools`. Calls and reasoning are kept.",
        ),
        "sharegpt": SampleForm(
            lambda row: has(row, LISTS), general.messages, about="`conversations` of `from` and `value`, as `messages`."
        ),
        "self-instruct": layout(
            "instruction instances", general.alpaca, "instruction + each instance's input → its output", left="name"
        ),
        "alpaca": SampleForm(
            lambda row: has(row, ["instruction"], ["output"]),
            general.alpaca,
            about="`instruction`, `input` and `output`, after `system` and `history`.",
        ),
        "flan": SampleForm(
            lambda row: has(row, ["inputs"], ["targets"]), general.flan, about="`inputs` and `targets`."
        ),
        "question-answer": SampleForm(
            lambda row: has(row, general.PROMPT, general.ANSWER) and not has(row, general.COMPLETION),
            general.question_answer,
            about="A question and its answer, that a verifier can compare.",
        ),
        "prompt-completion": SampleForm(
            lambda row: has(row, general.PROMPT, general.COMPLETION),
            general.prompt_completion,
            about="A prompt and what follows.",
        ),
        "labels": SampleForm(
            lambda row: has(row, general.TEXT, general.LABEL), general.labels, about="A text and its label."
        ),
    },
    instance_of(SampleForm),
)
"""Forms by the name that a step's `form` states."""

USUAL = general.USUAL.union(choices.MORE, threads.MESSAGE, *(form.names for form in FORMS.built_in.values()))
"""All names of record fields in the built-in forms."""


def choice_of(row: Row) -> Choice | None:
    """Return the question of a record with choices, in any layout, else None. Raises Fault and LeftOut."""
    name = form_of(row)
    read = FORMS[name].choice if name else None
    return read(Read(row)) if read else None


def form_of(row: Row) -> str | None:
    """Return the form of a record by its fields, the first built-in one that fits; None if it has none of them."""
    return next((name for name, form in FORMS.built_in.items() if form.fits(row)), None)
