"""Conversations in the layouts of published sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lmworks.data.forms.general import PROMPT
from lmworks.data.forms.row import Fault, LeftOut, Read, first
from lmworks.data.forms.sample import Sample, conversation, short_answer, verified
from lmworks.data.forms.turns import Turns, answering, ask, calling, calls_in, framed, read_turns, say, transcript

USER_MARKS = {"USER:": "user", "ASSISTANT:": "assistant", "FUNCTION RESPONSE:": "tool"}


def texts(name: str, row: Read) -> Iterator[Sample]:
    """Yield a conversation from a list of texts. The first text is the user's."""
    turns = [turn for place, text in enumerate(row.texts(name)) for turn in (say if place % 2 else ask)(text)]
    yield conversation(framed(row, turns))


def capybara(row: Read) -> Iterator[Sample]:
    pairs = [ask(pair.joined(["input"])) + say(pair.joined(["output"])) for pair in row.rows("conversation")]
    yield conversation([turn for pair in pairs for turn in pair])


def glaive(row: Read) -> Iterator[Sample]:
    """Yield a conversation whose turns are in one text. Results of functions become user's turns."""
    turns: Turns = []
    for turn in transcript(row.text("chat").replace("<|endoftext|>", ""), USER_MARKS):
        said = turn["content"]
        if turn["role"] == "tool":
            turn = answering([said])
        elif said.startswith("<functioncall>"):
            call = said.removeprefix("<functioncall>").strip().replace("'{", "{").replace("}'", "}")
            turn = calling("", calls_in(f"[{call}]", "chat"))
        turns.append(turn)
    system = row.text("system").removeprefix("SYSTEM:").strip()
    yield conversation([{"role": "system", "content": system}, *turns])


def xlam(row: Read) -> Iterator[Sample]:
    yield conversation(framed(row, [*ask(row.text("query")), calling("", calls_in(row["answers"], "answers"))]))


def squad(row: Read) -> Iterator[Sample | LeftOut]:
    yield _about_a_passage(row, row, row.row("answers").texts("text"))


def squad_paragraph(row: Read) -> Iterator[Sample | LeftOut]:
    """Yield each question with its paragraph. Questions that the paragraph does not answer are left out."""
    for question in row.rows("qas"):
        question.leave("plausible_answers")
        yield _about_a_passage(row, question, [answer.text("text") for answer in question.rows("answers")])


def _about_a_passage(passage: Read, question: Read, answers: Sequence[str]) -> Sample | LeftOut:
    asked = ask(f"{passage.text('context')}\n\n{question.text('question')}")
    if not answers:
        return LeftOut("without an answer: the passage does not answer its question")
    return conversation(asked + say(answers[0]), short_answer(answers[0]), dict.fromkeys(answers[1:]))


def trivia(row: Read) -> Iterator[Sample]:
    found = row.row("answer")
    found.leave("matched_wiki_entity_name", "normalized_matched_wiki_entity_name")
    found.leave("normalized_aliases", "normalized_value")
    value, aliases = found.text("value"), found.texts("aliases") if found.get("aliases") else []
    asked = ask(row.text("question"))
    yield conversation(asked + say(value), value, [alias for alias in aliases if alias != value])


def translation(row: Read) -> Iterator[Sample]:
    """Yield a text and its translation. The first language named is the one that is translated."""
    pair = row.row("translation")
    if len(pair) != 2:
        raise Fault(f"not a pair: field 'translation' has {len(pair)} languages")
    source, target = map(pair.text, pair)
    yield conversation(ask(source) + say(target))


def sentences(row: Read) -> Iterator[Sample]:
    """Yield a text, made from a list of sentences, with each of its summaries."""
    text = " ".join(map(str.strip, row.texts("source")))
    for summary in row.texts("target"):
        yield conversation(ask(text) + say(summary))


def boolq(row: Read) -> Iterator[Sample]:
    said = row[first(row, ("answer", "label"))]
    if said in (-1, None):
        raise LeftOut("without a label: it was published without one")
    right = "yes" if said in (True, 1, "true", "True") else "no"
    yield conversation(ask(f"{row.text('passage')}\n\n{row.text('question')}") + say(right), right)


def ultrachat(row: Read) -> Iterator[Sample]:
    yield conversation(framed(row, read_turns(row["messages"], "messages")))


def numina(row: Read) -> Iterator[Sample]:
    solution = row.text("solution")
    yield conversation(ask(row.text("problem")) + say(solution), verified(solution))


def magpie(row: Read) -> Iterator[Sample]:
    """Yield one exchange, or the turns of several exchanges, the first exchange included."""
    if row.get("conversations"):
        yield conversation(read_turns(row["conversations"], "conversations"))
    else:
        asked, said = first(row, ("instruction", "input")), first(row, ("response", "output"))
        yield conversation(ask(row.text(asked)) + say(row.text(said)))


WHOLE = "is_reasoning_complete"
CORRECT = ("correctness_math_verify", "correctness_llama", "correctness", "is_correct")
VERDICTS = (*CORRECT, WHOLE)
"""Fields that state for each of several answers whether a checker found it right, or whether it is finished."""


def several(name: str, row: Read) -> Iterator[Sample | LeftOut]:
    """Yield each answer of a list. Leave out answers that are unfinished, or that no checker found right."""
    verdicts = [row[field] for field in CORRECT if isinstance(row.get(field), list)]
    whole = row[WHOLE] if isinstance(row.get(WHOLE), list) else []
    answer = (
        row.text("answer") if row.get("answer") else verified(row.text("solution")) if row.get("solution") else None
    )
    for number, text in enumerate(row.texts(name)):
        if verdicts and not any(found[number : number + 1] == [True] for found in verdicts):
            yield LeftOut("a wrong answer: no checker found it right")
        elif whole[number : number + 1] == [False]:
            yield LeftOut("an unfinished answer: it ends within its reasoning")
        else:
            yield conversation(framed(row, ask(row.text(first(row, PROMPT))) + say(text)), answer)
