"""Judgements in the layouts of published sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lmworks.data.forms.row import Fault, LeftOut, Read, as_list, as_number, as_row, as_text, first
from lmworks.data.forms.sample import (
    Sample,
    judged,
)
from lmworks.data.forms.turns import (
    HUMAN,
    Turns,
    ask,
    framed,
    read_turns,
    say,
    transcript,
)


def openai_preference(row: Read) -> Iterator[Sample]:
    inside = as_row(row["input"], "input")
    prompt = framed(inside, read_turns(inside["messages"], "input.messages"))
    good, bad = (read_turns(row[name], name) for name in ("preferred_output", "non_preferred_output"))
    yield judged(prompt, good, bad)


def _two(prompt: Turns, sides: Sequence[Turns], better: int | None, margin: float | None = None) -> Sample:
    if better is None:
        raise LeftOut("a tie: neither answer is preferred")
    if better not in (0, 1):
        raise Fault(f"no verdict: {better} names neither of two answers")
    return judged(prompt, sides[better], sides[1 - better], margin)


def _said(row: Read, *names: str) -> list[Turns]:
    return [say(as_text(row[name], name)) for name in names]


def shp(row: Read) -> Iterator[Sample]:
    """Of two comments under a post the one that readers preferred: `labels` 1 is A (Ethayarajh et al. 2022)."""
    better = 1 - int(as_number(row["labels"], "labels"))
    yield _two(ask(as_text(row["history"], "history")), _said(row, "human_ref_A", "human_ref_B"), better)


def saferlhf(row: Read) -> Iterator[Sample]:
    better = int(as_number(row["better_response_id"], "better_response_id"))
    yield _two(ask(as_text(row["prompt"], "prompt")), _said(row, "response_0", "response_1"), better)


def nectar(row: Read) -> Iterator[Sample]:
    """Every pair of answers of unlike rank; 1 is best. An empty Assistant's turn ends the prompt."""
    prompt = transcript(row["prompt"], HUMAN) or ask(as_text(row["prompt"], "prompt"))
    prompt = prompt[:-1] if prompt and prompt[-1] == {"role": "assistant", "content": ""} else prompt
    yield from _ranked(prompt, as_list(row["answers"], "answers"), "answer", "rank", sign=-1)


def _ranked(
    prompt: Turns, items: Sequence[Any], text: str, by: str, sign: int, scored: bool = False
) -> Iterator[Sample]:
    found = [
        (as_text(item[text], text), sign * as_number(item[by], by)) for item in (as_row(each, text) for each in items)
    ]
    if len(found) < 2:
        raise LeftOut("one answer alone: nothing to compare it with")
    for place, (one, score) in enumerate(found):
        for other, against in found[place + 1 :]:
            if score != against and one != other:
                better, worse = (one, other) if score > against else (other, one)
                yield judged(prompt, say(better), say(worse), abs(score - against) if scored else None)


def helpsteer(row: Read) -> Iterator[Sample]:
    """`preference_strength` from -3, the first is much better, to 3, the second is (Wang et al. 2024)."""
    strength = as_number(row["preference_strength"], "preference_strength")
    better = None if strength == 0 else int(strength > 0)
    prompt = transcript(row["prompt"], HUMAN) or ask(as_text(row["prompt"], "prompt"))
    yield _two(prompt, _said(row, "response_1", "response_2"), better, abs(strength) or None)


def arena(row: Read) -> Iterator[Sample]:
    one, other = (read_turns(row[name], name) for name in ("conversation_a", "conversation_b"))
    if one[:-1] != other[:-1]:
        same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
        prompt, sides = one[:same], [one[same:], other[same:]]
    else:
        prompt, sides = one[:-1], [one[-1:], other[-1:]]
    better = {"model_a": 0, "model_b": 1}.get(as_text(row["winner"], "winner"))
    yield _two(prompt, sides, better)


def arena_lists(row: Read) -> Iterator[Sample]:
    """Prompts and answers as lists in JSON; of several turns the last is judged, behind those before it."""
    prompts, *sides = (as_list(row[name], name) for name in ("prompt", "response_a", "response_b"))
    won = [as_number(row[name], name) for name in ("winner_model_a", "winner_model_b")]
    if len(prompts) != 1 or any(len(side) != 1 for side in sides):
        raise LeftOut("several turns: the answers before the last differ")
    better = None if won[0] == won[1] else int(won[1] > won[0])
    yield _two(ask(as_text(prompts[0], "prompt")), [say(as_text(side[0], "response")) for side in sides], better)


def webgpt(row: Read) -> Iterator[Sample]:
    question = as_row(row["question"], "question")
    scores = [as_number(row[f"score_{side}"], f"score_{side}") for side in (0, 1)]
    better = None if scores[0] == scores[1] else int(scores[1] > scores[0])
    prompt = ask(as_text(question["full_text"], "question.full_text"))
    yield _two(prompt, _said(row, "answer_0", "answer_1"), better, abs(scores[0] - scores[1]) or None)


def summaries(row: Read) -> Iterator[Sample]:
    info = as_row(row["info"], "info")
    info.leave("id", "subreddit", "site", "title")
    given = [as_row(each, "summaries") for each in as_list(row["summaries"], "summaries")]
    for each in given:
        each.leave("note", "policy")
    text = as_text(info[first(info, ("post", "article"))], "info.post")
    titled = f"{as_text(info['title'], 'info.title')}\n\n{text}" if info.get("title") else text
    if len(given) != 2:
        raise Fault(f"no pair: field 'summaries' has {len(given)} texts")
    yield _two(
        ask(titled),
        [say(as_text(each["text"], "summaries.text")) for each in given],
        int(as_number(row["choice"], "choice")),
    )


def ultrafeedback(row: Read) -> Iterator[Sample]:
    found = as_list(row["completions"], "completions")
    for each in found:
        as_row(each, "completions").leave("model", "principle", "critique", "annotations", "custom_system_prompt")
        each.leave("fine-grained_score")
    yield from _ranked(
        ask(as_text(row["instruction"], "instruction")), found, "response", "overall_score", sign=1, scored=True
    )


def two_answers(prompt: str, good: str, bad: str, row: Read) -> Iterator[Sample]:
    asked = framed(row, ask(as_text(row[prompt], prompt)))
    yield judged(asked, say(as_text(row[good], good)), say(as_text(row[bad], bad)))
