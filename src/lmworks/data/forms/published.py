"""Conversations in the layouts of published sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lmworks.data.forms.row import Fault, LeftOut, Read, as_list, as_row, as_text, first
from lmworks.data.forms.sample import (
    Sample,
    conversation,
    short_answer,
    verified,
)
from lmworks.data.forms.turns import (
    RESULT,
    Turns,
    alternating,
    ask,
    call_text,
    exchanges,
    framed,
    read_turns,
    say,
    transcript,
)

USER_MARKS = {"USER:": "user", "ASSISTANT:": "assistant", "FUNCTION RESPONSE:": "tool"}


def texts(name: str, row: Read) -> Iterator[Sample]:
    yield conversation(framed(row, alternating(row[name], name)))


def capybara(row: Read) -> Iterator[Sample]:
    yield conversation(list(exchanges(row["conversation"], "conversation", "input", "output")))


def glaive(row: Read) -> Iterator[Sample]:
    """Turns in one text; what a function gives back is told by the user."""
    turns: Turns = []
    for turn in transcript(as_text(row["chat"], "chat").replace("<|endoftext|>", ""), USER_MARKS):
        said = turn["content"]
        if turn["role"] == "tool":
            turn = {"role": "user", "content": RESULT.format(result=said)}
        elif said.startswith("<functioncall>"):
            call = said.removeprefix("<functioncall>").strip().replace("'{", "{").replace("}'", "}")
            turn = {**turn, "content": call_text(f"[{call}]", "chat")}
        turns.append(turn)
    system = as_text(row["system"], "system").removeprefix("SYSTEM:").strip()
    yield conversation([{"role": "system", "content": system}, *turns])


def xlam(row: Read) -> Iterator[Sample]:
    yield conversation(framed(row, ask(as_text(row["query"], "query")) + say(call_text(row["answers"], "answers"))))


def squad(row: Read) -> Iterator[Sample | LeftOut]:
    found = as_row(row["answers"], "answers")
    texts = [as_text(text, "answers.text") for text in as_list(found["text"], "answers.text")]
    yield _about_a_passage(row["context"], row["question"], texts)


def squad_paragraph(row: Read) -> Iterator[Sample | LeftOut]:
    """A paragraph with all its questions; those that it does not answer are left out."""
    for each in as_list(row["qas"], "qas"):
        question = as_row(each, "qas")
        question.leave("plausible_answers")
        found = [as_row(answer, "answers") for answer in as_list(question["answers"], "answers")]
        texts = [as_text(answer["text"], "answers.text") for answer in found]
        yield _about_a_passage(row["context"], question["question"], texts)


def _about_a_passage(passage: Any, question: Any, answers: Sequence[str]) -> Sample | LeftOut:
    asked = ask(f"{as_text(passage, 'context')}\n\n{as_text(question, 'question')}")
    if not answers:
        return LeftOut("without an answer: the passage does not answer its question")
    return conversation(asked + say(answers[0]), short_answer(answers[0]), dict.fromkeys(answers[1:]))


def trivia(row: Read) -> Iterator[Sample]:
    found = as_row(row["answer"], "answer")
    found.leave(
        "normalized_aliases", "normalized_value", "matched_wiki_entity_name", "normalized_matched_wiki_entity_name"
    )
    value, aliases = as_text(found["value"], "answer.value"), as_list(found.get("aliases") or [], "answer.aliases")
    rest = [as_text(alias, "answer.aliases") for alias in aliases]
    yield conversation(
        ask(as_text(row["question"], "question")) + say(value), value, [alias for alias in rest if alias != value]
    )


def translation(row: Read) -> Iterator[Sample]:
    """The first language named is the one that is translated."""
    pair = as_row(row["translation"], "translation")
    if len(pair) != 2:
        raise Fault(f"not a pair: field 'translation' has {len(pair)} languages")
    source, target = (as_text(pair[name], name) for name in pair)
    yield conversation(ask(source) + say(target))


def sentences(row: Read) -> Iterator[Sample]:
    """Sentences that are one text, and summaries each of which is right."""
    text = " ".join(as_text(each, "source").strip() for each in as_list(row["source"], "source"))
    for summary in as_list(row["target"], "target"):
        yield conversation(ask(text) + say(as_text(summary, "target")))


def boolq(row: Read) -> Iterator[Sample]:
    said = row[first(row, ("answer", "label"))]
    if said in (-1, None):
        raise LeftOut("without a label: it is published so")
    right = "yes" if said in (True, 1, "true", "True") else "no"
    asked = f"{as_text(row['passage'], 'passage')}\n\n{as_text(row['question'], 'question')}"
    yield conversation(ask(asked) + say(right), right)


def ultrachat(row: Read) -> Iterator[Sample]:
    yield conversation(framed(row, read_turns(row["messages"], "messages")))


def numina(row: Read) -> Iterator[Sample]:
    solution = as_text(row["solution"], "solution")
    yield conversation(ask(as_text(row["problem"], "problem")) + say(solution), verified(solution))


def holds(value: Any, *names: str) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], Mapping)
        and all(name in value[0] for name in names)
    )


def holds_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)
