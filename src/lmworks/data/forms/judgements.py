"""Judgements in the layouts of published sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lmworks.data.forms.row import Fault, LeftOut, Read, as_text, first
from lmworks.data.forms.sample import Sample, judged, ranked
from lmworks.data.forms.turns import HUMAN, Turns, ask, framed, read_turns, say, transcript


def openai_preference(row: Read) -> Iterator[Sample]:
    inside = row.row("input")
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
    return [say(row.text(name)) for name in names]


def _asked(row: Read) -> Turns:
    """Return the turns of a prompt, which can be a transcript."""
    return transcript(row["prompt"], HUMAN) or ask(row.text("prompt"))


def shp(row: Read) -> Iterator[Sample]:
    """Yield a judgement of two comments on a post. `labels` is 1 if readers preferred A (Ethayarajh et al. 2022)."""
    better = 1 - int(row.number("labels"))
    yield _two(ask(row.text("history")), _said(row, "human_ref_A", "human_ref_B"), better)


def saferlhf(row: Read) -> Iterator[Sample]:
    better = int(row.number("better_response_id"))
    yield _two(ask(row.text("prompt")), _said(row, "response_0", "response_1"), better)


def nectar(row: Read) -> Iterator[Sample]:
    """Yield every pair of answers of different rank. Rank 1 is best. An empty assistant's turn ends the prompt."""
    prompt = _asked(row)
    prompt = prompt[:-1] if prompt[-1] == {"role": "assistant", "content": ""} else prompt
    yield from _ranked(prompt, row.rows("answers"), "answer", "rank", sign=-1)


def _ranked(
    prompt: Turns, items: Sequence[Read], text: str, by: str, sign: int, scored: bool = False
) -> Iterator[Sample]:
    found = [(item.text(text), sign * item.number(by)) for item in items]
    if len(found) < 2:
        raise LeftOut("one answer alone: nothing to compare it with")
    yield from (each for each in ranked(prompt, found, scored=scored) if each.chosen != each.rejected)


def helpsteer(row: Read) -> Iterator[Sample]:
    """Yield a judgement. `preference_strength`: -3 if the first is much better, 3 if the second (Wang et al. 2024)."""
    strength = row.number("preference_strength")
    better = None if strength == 0 else int(strength > 0)
    yield _two(_asked(row), _said(row, "response_1", "response_2"), better, abs(strength) or None)


def arena(row: Read) -> Iterator[Sample]:
    one, other = (read_turns(row[name], name) for name in ("conversation_a", "conversation_b"))
    if one[:-1] != other[:-1]:
        same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
        prompt, sides = one[:same], [one[same:], other[same:]]
    else:
        prompt, sides = one[:-1], [one[-1:], other[-1:]]
    better = {"model_a": 0, "model_b": 1}.get(row.text("winner"))
    yield _two(prompt, sides, better)


def arena_lists(row: Read) -> Iterator[Sample]:
    """Yield a judgement. Prompts and answers are lists in JSON. Rows with several turns are left out."""
    prompts, *sides = (row.listed(name) for name in ("prompt", "response_a", "response_b"))
    won = [row.number(name) for name in ("winner_model_a", "winner_model_b")]
    if len(prompts) != 1 or any(len(side) != 1 for side in sides):
        raise LeftOut("several turns: the answers before the last differ")
    better = None if won[0] == won[1] else int(won[1] > won[0])
    yield _two(ask(as_text(prompts[0], "prompt")), [say(as_text(side[0], "response")) for side in sides], better)


def webgpt(row: Read) -> Iterator[Sample]:
    scores = [row.number(f"score_{side}") for side in (0, 1)]
    better = None if scores[0] == scores[1] else int(scores[1] > scores[0])
    prompt = ask(row.row("question").text("full_text"))
    yield _two(prompt, _said(row, "answer_0", "answer_1"), better, abs(scores[0] - scores[1]) or None)


def summaries(row: Read) -> Iterator[Sample]:
    info, given = row.row("info"), row.rows("summaries")
    info.leave("id", "subreddit", "site", "title")
    for each in given:
        each.leave("note", "policy")
    text = info.text(first(info, ("post", "article")))
    titled = f"{info.text('title')}\n\n{text}" if info.get("title") else text
    if len(given) != 2:
        raise Fault(f"no pair: field 'summaries' has {len(given)} texts, expected 2")
    yield _two(ask(titled), [say(each.text("text")) for each in given], int(row.number("choice")))


def ultrafeedback(row: Read) -> Iterator[Sample]:
    found = row.rows("completions")
    left = ("model", "principle", "critique", "annotations", "custom_system_prompt", "fine-grained_score")
    for each in found:
        each.leave(*left)
    yield from _ranked(ask(row.text("instruction")), found, "response", "overall_score", sign=1, scored=True)


def two_answers(prompt: str, good: str, bad: str, row: Read) -> Iterator[Sample]:
    chosen, rejected = _said(row, good, bad)
    yield judged(framed(row, ask(row.text(prompt))), chosen, rejected)
