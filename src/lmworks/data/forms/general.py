"""Forms that many data sets have in common, with the different names of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lmworks.data.forms.row import Fault, Read, Row, as_label, as_list, as_number, as_text, first, has
from lmworks.data.forms.sample import Sample, conversation, judged, ranked, verified
from lmworks.data.forms.turns import HUMAN, LISTS, Turns, ask, framed, read_turns, say, transcript

PROMPT = ("prompt", "question", "problem", "instruction", "query", "input", "source")
COMPLETION = ("completion", "response", "output", "target")
ANSWER = ("answer", "solution", "final_answer", "ground_truth")
TEXT = ("text", "sentence", "review", "content", "tweet")
LABEL = ("label", "category", "intent", "sentiment", "class")
ANSWERS = ("completions", "responses", "answers")
SCORES = ("scores", "ratings", "score", "rating", "overall_score")
RANKS = ("ranks", "ranking", "rank")
USUAL = frozenset(
    {*PROMPT, *COMPLETION, *ANSWER, *TEXT, *LABEL, *ANSWERS, *SCORES, *RANKS, *LISTS}
    | {"system", "system_prompt", "tools", "functions", "history", "instances", "inputs", "targets"}
    | {"chosen", "rejected", "margin", "score_chosen", "score_rejected", "chosen_score", "rejected_score"}
)
"""Names of the fields that these forms read, and of fields that come before the turns in any form."""
GOOD, BAD = (True, "true", "True", "good", 1), (False, "false", "False", "bad", 0)


def messages(row: Read) -> Iterator[Sample]:
    name = next(name for name in LISTS if name in row)
    yield conversation(framed(row, read_turns(row[name], name)))


def alpaca(row: Read) -> Iterator[Sample]:
    """Yield instruction, input and output, after earlier exchanges. Self-Instruct has several inputs and outputs."""
    instruction = row.text("instruction")
    before: Turns = []
    for pair in row.listed("history") if row.get("history") else ():
        asked, answered = [as_text(each, "history") for each in as_list(pair, "history")][:2]
        before += ask(asked) + say(answered)
    several = "instances" in row and isinstance(row["instances"], list)
    for instance in row.rows("instances") if several else [row]:
        given, output = (as_text(instance.get(name) or "", instance.place(name)) for name in ("input", "output"))
        asked = f"{instruction}\n\n{given}" if given.strip() else instruction
        yield conversation(framed(row, before + ask(asked) + say(output)))


def flan(row: Read) -> Iterator[Sample]:
    yield conversation(ask(row.text("inputs")) + say(row.text("targets")))


def prompt_completion(row: Read) -> Iterator[Sample]:
    name = first(row, COMPLETION)
    yield conversation(_prompt(row) + _turns_or_text(row[name], name))


def question_answer(row: Read) -> Iterator[Sample]:
    text = row.text(first(row, ANSWER))
    yield conversation(_prompt(row) + say(text), verified(text))


def labels(row: Read) -> Iterator[Sample]:
    text, label = (first(row, names) for names in (TEXT, LABEL))
    answer = as_label(row[label], label)
    yield conversation(ask(row.text(text)) + say(answer), answer)


def pair(row: Read) -> Iterator[Sample]:
    """Yield a judgement of two answers. The prompt has its own field, or both answers begin with it."""
    chosen, rejected = (_turns_or_text(row[name], name) for name in ("chosen", "rejected"))
    if any(name in row for name in PROMPT):
        prompt = _prompt(row)
        chosen, rejected = (
            turns[len(prompt) :] if turns[: len(prompt)] == prompt else turns for turns in (chosen, rejected)
        )
    else:
        same = next((n for n, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), len(chosen))
        while same and chosen[same - 1]["role"] != "user":
            same -= 1
        prompt, chosen, rejected = chosen[:same], chosen[same:], rejected[same:]
    margin = row.get("margin")
    scores = [row.get(f"score_{side}", row.get(f"{side}_score")) for side in ("chosen", "rejected")]
    if margin is None and None not in scores:
        margin = as_number(scores[0], "score_chosen") - as_number(scores[1], "score_rejected")
    yield judged(prompt, chosen, rejected, None if margin is None else as_number(margin, "margin"))


def ranking(row: Read) -> Iterator[Sample]:
    prompt, (texts, scores, scored) = _prompt(row), _judged_answers(row)
    if len(texts) != len(scores) or len(texts) < 2:
        raise Fault(f"no ranking: {len(texts)} answers and {len(scores)} ranks or scores")
    yield from ranked(prompt, zip(texts, scores, strict=True), scored=scored)


def _judged_answers(row: Read) -> tuple[list[str], list[float], bool]:
    """Return answers, a number for each (higher is better), and whether the numbers are stated as scores."""
    name = first(row, ANSWERS)
    items = row.listed(name)
    inside = bool(items) and all(isinstance(item, Read) for item in items)
    keys = (*COMPLETION, *TEXT)
    texts = [as_text(item[first(item, keys)] if inside else item, name) for item in items]
    where = items[0] if inside else row
    by = first(where, (*SCORES, *RANKS))
    found = [item.get(by) for item in items] if inside else row[by]
    values = [as_number(value, by) for value in (found if isinstance(found, list) else [found])]
    return texts, values if by in SCORES else [-value for value in values], by in SCORES


def alone(row: Read) -> Iterator[Sample]:
    """Yield one answer that is judged good or bad (Ethayarajh et al. 2024, "KTO")."""
    name = first(row, COMPLETION)
    answer, good = _turns_or_text(row[name], name), row["label"] in GOOD
    yield judged(_prompt(row), answer if good else None, None if good else answer)


def _prompt(row: Read) -> Turns:
    name = first(row, PROMPT)
    turns = read_turns(row[name], name) if isinstance(row[name], list) else transcript(row[name], HUMAN)
    return framed(row, turns or ask(row.text(name)))


def _turns_or_text(value: Any, name: str) -> Turns:
    """Return the turns after a prompt: given turns, a transcript with its prompt, or one answer."""
    if isinstance(value, list):
        return read_turns(value, name)
    return transcript(value, HUMAN) or say(as_text(value, name))


def is_ranked(row: Row) -> bool:
    items = row[next(name for name in ANSWERS if name in row)]
    inside = items[0] if isinstance(items, list) and items and isinstance(items[0], Mapping) else {}
    return has(row, (*SCORES, *RANKS)) or has(inside, (*SCORES, *RANKS))


def is_verdict(value: Any) -> bool:
    return isinstance(value, str | bool | int) and value in (*GOOD, *BAD)
