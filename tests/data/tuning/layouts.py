"""A record of each published layout, in the fields that its publisher gives it, and what is to become of it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

ASKED, SAID = "What is rain made of?", "Rain is made of water."
WORSE = "Rain is made of fire."
NOTE = "This was noted by a person who labels."


class Layout(NamedTuple):
    """`asked` and `said` are what user and assistant say, `over` what is rejected, `compared` a verifier's answer."""

    rows: list[dict[str, Any]]
    asked: str = ASKED
    said: str = SAID
    over: str | None = None
    compared: str | None = None
    system: str | None = None
    references: tuple[str, ...] = ()


def turn(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **more}


CHAT = [turn("user", ASKED), turn("assistant", SAID)]
BAD = [turn("user", ASKED), turn("assistant", WORSE)]
LETTERED = f"{ASKED}\n\nA. fire\nB. water"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather of a place.", "parameters": {"type": "object"}},
}
NODE = {"lang": "en", "deleted": False, "model_name": None}


def message(name: str, parent: str | None, role: str, text: str, rank: int | None = None) -> dict[str, Any]:
    given = {"message_id": name, "parent_id": parent, "message_tree_id": "t", "text": text, "role": role, "rank": rank}
    return {**given, **NODE}


def one(row: dict[str, Any], **told: Any) -> Layout:
    return Layout([row], **told)


SHAREGPT = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]
CALL = "<tool_call>\n{'name': 'weather', 'arguments': {'place': 'Rome'}}\n</tool_call>"
PROMPTED = f"You may call functions. <tools> {[TOOL]} </tools> Return each call between tags."
RIGHT = "<think>\nTwo and two.\n</think>\n\nIt is $\\boxed{4}$."
MAGPIE = {
    "uuid": "0b3c",
    "model": "A model of theirs",
    "gen_input_configs": {"temperature": 1.0, "top_p": 1.0, "input_generator": "the same model", "seed": None},
    "instruction": ASKED,
    "response": SAID,
    "task_category": "Information seeking",
    "other_task_category": ["Advice seeking"],
    "task_category_generator": "A model of theirs",
    "difficulty": "very easy",
    "intent": "The user wants to know about rain.",
    "knowledge": "To answer it, one has to know rain.",
    "input_quality": "good",
    "quality_explanation": "The question is clear.",
    "instruct_reward": -8.5,
    "reward_model": "A judge of theirs",
    "language": "EN",
}
OPENR1 = {
    "problem": ASKED,
    "solution": "One adds. It is $\\boxed{4}$.",
    "answer": "4",
    "problem_type": "Number Theory",
    "question_type": "math-word-problem",
    "source": "olympiads of old",
    "uuid": "0b3c",
    "is_reasoning_complete": [True, True, False],
    "generations": ["<think>\nHm.\n</think>\n\nIt is $\\boxed{5}$.", RIGHT, "<think>\nIt is $\\boxed{4}$, or"],
    "correctness_math_verify": [False, True, True],
    "correctness_llama": None,
    "finish_reasons": ["stop", "stop", "length"],
    "correctness_count": 1,
    "messages": CHAT,
}

LAYOUTS: dict[str, Layout] = {
    # --- conversations ---
    "magpie": one({**MAGPIE, "conversations": SHAREGPT}),
    "magpie-without-turns": one(MAGPIE),
    "smoltalk": one({"messages": CHAT, "full_topic": "Weather/Water from above/Rain", "source": "talk of every day"}),
    "smol-magpie-ultra": one(
        {"messages": CHAT, "category": "data analysis", "difficulty": "very easy", "conversation_tokens": 9}
    ),
    "hermes-function-calling": one(
        {
            "id": "0b3c",
            "conversations": [
                {"from": "system", "value": PROMPTED},
                {"from": "human", "value": ASKED},
                {"from": "gpt", "value": CALL},
            ],
            "tools": json.dumps([TOOL]),
            "category": "Weather and Climate",
            "subcategory": "Weather of Places",
            "task": "Get the Weather",
        },
        said='<tool_call>\n{"name": "weather", "arguments": {"place": "Rome"}}\n</tool_call>',
        system=PROMPTED,
    ),
    "openr1": one(OPENR1, said=RIGHT, compared="4"),
    "solutions": one({"problem": ASKED, "solutions": [SAID]}),
    "messages": one(
        {"messages": [turn("system", "Be brief, please."), *CHAT], "id": "a-1"}, system="Be brief, please."
    ),
    "sharegpt": one({"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}], "id": "x"}),
    "ultrachat-200k": one({"prompt": ASKED, "prompt_id": "f0", "messages": CHAT}),
    "ultrachat": one({"id": "0", "data": [ASKED, SAID]}),
    "capybara": one({"source": "a set of puzzles", "conversation": [{"input": ASKED, "output": SAID}]}),
    "lima": one({"conversations": [ASKED, SAID], "source": "a wiki of hows"}),
    "alpaca": one(
        {"system": "Be brief, please.", "instruction": "What is this?", "input": "water from above", "output": SAID},
        asked="What is this?\n\nwater from above",
        system="Be brief, please.",
    ),
    "self-instruct": one(
        {
            "id": "seed_task_0",
            "instruction": ASKED,
            "instances": [{"input": "", "output": SAID}],
            "is_classification": False,
        }
    ),
    "flan": one({"inputs": ASKED, "targets": SAID, "task": "weather_qa"}),
    "p3": one({"inputs_pretokenized": ASKED, "targets_pretokenized": SAID, "inputs": [1, 2], "targets": [3]}),
    "dolly": one(
        {"instruction": "Say it.", "context": "It rained all day.", "response": SAID, "category": "closed_qa"},
        asked="Say it.\n\nIt rained all day.",
    ),
    "openorca": one(
        {"id": "niv.1", "system_prompt": "Think first.", "question": ASKED, "response": SAID}, system="Think first."
    ),
    "gsm8k": one({"question": ASKED, "answer": "Two and two.\n#### 4"}, said="Two and two.\n#### 4", compared="4"),
    "math": one(
        {
            "problem": ASKED,
            "level": "Level 5",
            "type": "Number Theory",
            "solution": "So it is $\\boxed{\\frac{1}{2}}$.",
        },
        said="So it is $\\boxed{\\frac{1}{2}}$.",
        compared="\\frac{1}{2}",
    ),
    "numina": one(
        {"source": "olympiads of old", "problem": ASKED, "solution": "It is $\\boxed{7}$.", "messages": CHAT},
        said="It is $\\boxed{7}$.",
        compared="7",
    ),
    "magicoder": one(
        {"lang": "python", "raw_index": 3, "seed": "def a(b): pass", "problem": ASKED, "solution": SAID, "index": 1}
    ),
    "squad": one(
        {
            "id": "5733be",
            "title": "University of Rain",
            "context": "It rained all day.",
            "question": ASKED,
            "answers": {"text": ["water", "some water"], "answer_start": [3, 5]},
        },
        asked=f"It rained all day.\n\n{ASKED}",
        said="water",
        compared="water",
        references=("water", "some water"),
    ),
    "squad-paragraphs": one(
        {
            "context": "It rained all day.",
            "qas": [
                {
                    "question": ASKED,
                    "id": "5",
                    "answers": [{"text": "water", "answer_start": 3}],
                    "is_impossible": False,
                },
                {
                    "question": "Who drank it all?",
                    "id": "6",
                    "answers": [],
                    "plausible_answers": [{"text": "all day", "answer_start": 10}],
                    "is_impossible": True,
                },
            ],
        },
        asked=f"It rained all day.\n\n{ASKED}",
        said="water",
        compared="water",
    ),
    "trivia-qa": one(
        {
            "question": ASKED,
            "question_id": "tc_1",
            "question_source": "http://x.example/",
            "answer": {
                "value": "Water",
                "aliases": ["Water", "H 2 O"],
                "normalized_value": "water",
                "normalized_aliases": ["water", "h 2 o"],
            },
        },
        said="Water",
        compared="Water",
        references=("Water", "H 2 O"),
    ),
    "translation": one(
        {"translation": {"de": "Woraus ist Regen?", "en": ASKED}}, asked="Woraus ist Regen?", said=ASKED
    ),
    "boolq": one(
        {"question": "is rain wet", "passage": "Rain (water from above) is wet.", "answer": True},
        asked="Rain (water from above) is wet.\n\nis rain wet",
        said="yes",
        compared="yes",
    ),
    "nli": one(
        {"premise": "It rains now.", "hypothesis": "It is dry.", "label": "contradiction", "idx": 4},
        asked="It rains now.\n\nIt is dry.",
        said="contradiction",
        compared="contradiction",
    ),
    "question-pairs": one(
        {"question1": "Is it wet?", "question2": "Wet is it?", "label": "duplicate", "idx": 3},
        asked="Is it wet?\n\nWet is it?",
        said="duplicate",
        compared="duplicate",
    ),
    "sentence-pairs": one(
        {"sentence1": "It is wet.", "sentence2": "Wet it is.", "label": 4.5, "idx": 3},
        asked="It is wet.\n\nWet it is.",
        said="4.5",
        compared="4.5",
    ),
    "stsb": one(
        {"sentence1": "It is wet.", "sentence2": "Wet it is.", "score": 4.5},
        asked="It is wet.\n\nWet it is.",
        said="4.5",
        compared="4.5",
    ),
    "e2e-nlg": one(
        {"mr": "name[Blue Spice], area[city centre]", "ref": SAID}, asked="name[Blue Spice], area[city centre]"
    ),
    "lambada": one(
        {"context": "It rained on the", "continuation": "street"},
        asked="It rained on the",
        said="street",
        compared="street",
    ),
    "scitldr": one(
        {
            "source": ["It rained.", "It was wet."],
            "source_labels": [0, 1],
            "rouge_scores": [0.1, 0.2],
            "paper_id": "p1",
            "target": [SAID],
            "title": "On rain and water",
        },
        asked="It rained. It was wet.",
    ),
    "labels": one({"text": ASKED, "label": "weather"}, said="weather", compared="weather"),
    "summaries-of-articles": one({"article": ASKED, "highlights": SAID, "id": "42c0"}),
    "summaries-of-documents": one({"document": ASKED, "summary": SAID, "id": "42"}),
    "summaries-of-dialogues": one(
        {"id": "1", "dialogue": "#Person1#: Rain?\n#Person2#: Yes.", "summary": SAID, "topic": "the weather today"},
        asked="#Person1#: Rain?\n#Person2#: Yes.",
    ),
    "mbpp": one(
        {
            "task_id": 2,
            "text": ASKED,
            "code": "def f(a): return a",
            "test_list": ["assert f(1) == 1"],
            "test_setup_code": "",
            "challenge_test_list": [],
        },
        said="def f(a): return a",
    ),
    "humaneval": one(
        {
            "task_id": "HumanEval/0",
            "prompt": ASKED,
            "canonical_solution": "    return a + b",
            "entry_point": "f",
            "test": "def check(f): assert f(1)",
        },
        said="    return a + b",
    ),
    "helpsteer": one({"prompt": ASKED, "response": SAID, "helpfulness": 4, "correctness": 4, "verbosity": 1}),
    # --- with functions ---
    "openai-tools": one(
        {
            "messages": [
                turn("developer", "Help people."),
                turn("user", ASKED),
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"place": "Ulm"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "It rains there."},
                turn("assistant", SAID),
            ],
            "tools": [TOOL],
            "parallel_tool_calls": False,
        },
        system="Help people.",
    ),
    "glaive-function-calling": one(
        {
            "system": "SYSTEM: You have access to functions.",
            "chat": f"USER: {ASKED}\n\n\nASSISTANT: <functioncall> "
            '{"name": "weather", "arguments": \'{"place": "Ulm"}\'} <|endoftext|>\n\n\n'
            f"FUNCTION RESPONSE: It rains there.\n\n\nASSISTANT: {SAID} <|endoftext|>",
        },
        system="You have access to functions.",
    ),
    "xlam-function-calling": one(
        {
            "id": 1,
            "query": ASKED,
            "answers": '[{"name": "weather", "arguments": {"place": "Ulm"}}]',
            "tools": '[{"name": "weather", "description": "The weather of a place.", "parameters": {}}]',
        },
        said='<tool_call>\n{"name": "weather", "arguments": {"place": "Ulm"}}\n</tool_call>',
        system="weather",
    ),
    # --- with choices ---
    "mmlu": one(
        {"question": ASKED, "subject": "the weather", "choices": ["fire", "water"], "answer": 1},
        asked=LETTERED,
        said="B. water",
        compared="B",
    ),
    "mmlu-csv": one(
        {"question": ASKED, "A": "fire", "B": "water", "C": "wind", "D": "the earth", "answer": "B"},
        asked=f"{LETTERED}\nC. wind\nD. the earth",
        said="B. water",
        compared="B",
    ),
    "arc": one(
        {"id": "M_1", "question": ASKED, "choices": {"text": ["fire", "water"], "label": ["1", "2"]}, "answerKey": "2"},
        asked=LETTERED,
        said="B. water",
        compared="B",
    ),
    "commonsense-qa": one(
        {
            "id": "1a",
            "answerKey": "B",
            "question": {
                "question_concept": "rain and snow",
                "stem": ASKED,
                "choices": [{"label": "A", "text": "fire"}, {"label": "B", "text": "water"}],
            },
        },
        asked=LETTERED,
        said="B. water",
        compared="B",
    ),
    "openbook-qa": one(
        {
            "id": "7",
            "question_stem": ASKED,
            "choices": {"text": ["fire", "water"], "label": ["A", "B"]},
            "answerKey": "B",
            "fact1": "rain is water",
        },
        asked=LETTERED,
        said="B. water",
        compared="B",
    ),
    "hellaswag": one(
        {
            "ind": 4,
            "activity_label": "Walking in rain",
            "ctx_a": "A man",
            "ctx_b": "walks",
            "ctx": "A man walks",
            "endings": ["into a fire.", "into water."],
            "source_id": "a v_x",
            "split": "train",
            "label": "1",
        },
        asked="A man walks\n\nA. into a fire.\nB. into water.",
        said="B. into water.",
        compared="B",
    ),
    "piqa": one(
        {"goal": ASKED, "sol1": "fire", "sol2": "water", "label": 1}, asked=LETTERED, said="B. water", compared="B"
    ),
    "winogrande": one(
        {"sentence": ASKED, "option1": "fire", "option2": "water", "answer": "2"},
        asked=LETTERED,
        said="B. water",
        compared="B",
    ),
    "social-iqa": one(
        {
            "context": "It rained.",
            "question": "Of what?",
            "answerA": "fire",
            "answerB": "water",
            "answerC": "wind",
            "label": "2",
        },
        asked="It rained.\n\nOf what?\n\nA. fire\nB. water\nC. wind",
        said="B. water",
        compared="B",
    ),
    "copa": one(
        {
            "premise": "The street was wet.",
            "choice1": "It burned.",
            "choice2": "It rained.",
            "question": "cause",
            "label": 1,
            "idx": 0,
        },
        asked="The street was wet. What was the cause?\n\nA. It burned.\nB. It rained.",
        said="B. It rained.",
        compared="B",
    ),
    "aqua-rat": one(
        {"question": ASKED, "options": ["A)fire", "B)water"], "rationale": "It is wet, so B.", "correct": "B"},
        asked=LETTERED,
        said="B. water",
        compared="B",
    ),
    # --- judgements ---
    "hh-rlhf": one(
        {"chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {SAID}", "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: {WORSE}"},
        over=WORSE,
    ),
    "ultrafeedback-binarized": one(
        {
            "prompt": ASKED,
            "prompt_id": "f1",
            "chosen": CHAT,
            "rejected": BAD,
            "score_chosen": 8.5,
            "score_rejected": 4.0,
        },
        over=WORSE,
    ),
    "orca-dpo-pairs": one(
        {"system": "Think first.", "question": ASKED, "chosen": SAID, "rejected": WORSE},
        over=WORSE,
        system="Think first.",
    ),
    "openai-preference": one(
        {
            "input": {"messages": [turn("user", ASKED)], "tools": [TOOL], "parallel_tool_calls": True},
            "preferred_output": [turn("assistant", SAID)],
            "non_preferred_output": [turn("assistant", WORSE)],
        },
        over=WORSE,
        system="weather",
    ),
    "shp": one(
        {
            "post_id": "x1",
            "domain": "askscience",
            "history": ASKED,
            "human_ref_A": WORSE,
            "human_ref_B": SAID,
            "labels": 0,
            "score_A": 3,
            "score_B": 30,
            "seconds_difference": 10.0,
            "score_ratio": 10.0,
        },
        over=WORSE,
    ),
    "pku-saferlhf": one(
        {
            "prompt": ASKED,
            "response_0": WORSE,
            "response_1": SAID,
            "is_response_0_safe": True,
            "is_response_1_safe": True,
            "better_response_id": 1,
            "safer_response_id": 0,
        },
        over=WORSE,
    ),
    "nectar": one(
        {
            "prompt": f"\n\nHuman: {ASKED}\n\nAssistant: ",
            "answers": [{"answer": WORSE, "model": "m-1", "rank": 2.0}, {"answer": SAID, "model": "m-2", "rank": 1.0}],
            "turns": 1,
            "num_responses": 2,
            "source": ["a set of chats"],
            "good_natured": True,
        },
        over=WORSE,
    ),
    "helpsteer-preference": one(
        {
            "split": "train",
            "prompt": ASKED,
            "response_1": WORSE,
            "response_2": SAID,
            "preference_strength": 2,
            "preference_statement": NOTE,
            "preference_elaboration": NOTE,
        },
        over=WORSE,
    ),
    "arena": one(
        {
            "question_id": "q1",
            "model_a": "m-1",
            "model_b": "m-2",
            "winner": "model_b",
            "judge": "arena_user_1",
            "conversation_a": BAD,
            "conversation_b": CHAT,
            "turn": 1,
            "anony": True,
            "language": "English",
        },
        over=WORSE,
    ),
    "arena-pairs": one(
        {
            "id": 30192,
            "model_a": "m-1",
            "model_b": "m-2",
            "prompt": f'["{ASKED}"]',
            "response_a": f'["{WORSE}"]',
            "response_b": f'["{SAID}"]',
            "winner_model_a": 0,
            "winner_model_b": 1,
            "winner_tie": 0,
        },
        over=WORSE,
    ),
    "webgpt": one(
        {
            "question": {"dataset": "eli5", "id": "12", "full_text": ASKED},
            "quotes_0": {"title": ["A page"], "extract": ["It is wet."]},
            "answer_0": WORSE,
            "tokens_0": {"prefix": [1], "completion": [2]},
            "score_0": -0.5,
            "quotes_1": {"title": [], "extract": []},
            "answer_1": SAID,
            "tokens_1": {"prefix": [1], "completion": [2]},
            "score_1": 0.5,
        },
        over=WORSE,
    ),
    "summarize-from-feedback": one(
        {
            "info": {"id": "t3", "post": "It rained on us.", "title": "Rain today", "subreddit": "weather"},
            "summaries": [
                {"text": WORSE, "policy": "sup1", "note": NOTE},
                {"text": SAID, "policy": "ref", "note": NOTE},
            ],
            "choice": 1,
            "worker": "w1",
            "batch": "batch3",
            "split": "train",
            "extra": {"confidence": 5},
        },
        asked="Rain today\n\nIt rained on us.",
        over=WORSE,
    ),
    "ultrafeedback": one(
        {
            "source": "evol_instruct",
            "instruction": ASKED,
            "models": ["m-1", "m-2"],
            "completions": [
                {
                    "model": "m-1",
                    "principle": "helpfulness",
                    "custom_system_prompt": NOTE,
                    "response": WORSE,
                    "overall_score": 3.0,
                    "fine-grained_score": 3.5,
                    "critique": NOTE,
                    "annotations": {"honesty": {"Rating": "4", "Rationale": NOTE}},
                },
                {
                    "model": "m-2",
                    "principle": "honesty",
                    "custom_system_prompt": NOTE,
                    "response": SAID,
                    "overall_score": 8.0,
                    "fine-grained_score": 4.0,
                    "critique": NOTE,
                    "annotations": {"honesty": {"Rating": "4", "Rationale": NOTE}},
                },
            ],
            "correct_answers": [NOTE],
            "incorrect_answers": [NOTE],
        },
        over=WORSE,
    ),
    "stack-exchange-paired": one(
        {
            "qid": 5,
            "question": ASKED,
            "date": "2011/01/02",
            "metadata": ["https://x.example"],
            "response_j": SAID,
            "response_k": WORSE,
        },
        over=WORSE,
    ),
    "ranking": one({"prompt": ASKED, "responses": [WORSE, SAID], "ranking": [2, 1]}, over=WORSE),
    "oasst-trees": one(
        {
            "message_tree_id": "t",
            "tree_state": "ready_for_export",
            "prompt": {
                **message("m1", None, "prompter", ASKED),
                "replies": [
                    {**message("m2", "m1", "assistant", WORSE, 1), "replies": []},
                    {**message("m3", "m1", "assistant", SAID, 0), "replies": []},
                ],
            },
        },
        over=WORSE,
    ),
    "oasst-messages": Layout(
        [
            message("m2", "m1", "assistant", WORSE, 1),
            message("m1", None, "prompter", ASKED),
            message("m3", "m1", "assistant", SAID, 0),
        ],
        over=WORSE,
    ),
}
"""By the set that a layout was published with."""
JUDGED_ALONE = {
    "kto-mix": ({"prompt": [turn("user", ASKED)], "completion": [turn("assistant", SAID)], "label": True}, True),
    "good-or-bad": ({"prompt": ASKED, "completion": WORSE, "label": "bad"}, False),
}
