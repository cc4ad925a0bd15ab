"""Thoughts: found by rendering, parted from the answer whatever the template and however the text is cut."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from chat_families import TOKENS, write_family
from lmworks.data.forms.turns import answering, calling
from lmworks.tokens.rows.each_answer import Encoded, chats_of
from lmworks.tokens.thoughts import Parting, Thoughts
from lmworks.tokens.tokenizer import Tokenizer, open_tokenizer

BARE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.thinking is string %}[THINK]{{ m.thinking }}[/THINK]"
    "{% endif %}{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BEGUN = (
    "{% for m in messages %}{% if m.role == 'user' %}<|im_start|>{{ m.content }}{% else %}{% set c = m.content %}"
    "{% if '</think>' in c %}{% set c = c.split('</think>')[-1] %}{% endif %}<|im_end|>{{ c }}<|endoftext|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_end|><think>\n{% endif %}"
)
"""As DeepSeek-R1's: thoughts are begun for an answer, and what stands before their end is left out."""
ENDED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content is string %}<think>\n"
    "{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
)
"""As Qwen 3.5's that does not think: thoughts are ended where an answer is asked for."""
CUT = BEGUN.replace("<think>\n{% endif %}", "{% endif %}")
"""As DeepSeek-R1's first: it leaves thoughts out of every answer, and begins none."""
QWEN = Thoughts("<think>", "</think>", "\n", is_begun=False)
FOUND = {"qwen-3": QWEN, "bare": Thoughts("[THINK]", "[/THINK]", "", False)}
FOUND["begun"] = Thoughts("<think>", "</think>", "\n", is_begun=True)
FOUND["ended"] = Thoughts("<think>", "</think>", "\n", is_begun=False, is_ended=True)


def write_base(folder: Path, name: str) -> Path:
    """A base by its name; those with templates of this file have a vocabulary of Qwen's."""
    write_family(folder, name if name in TOKENS else "qwen-3")
    if name not in TOKENS:
        path = folder / "tokenizer_config.json"
        template = {"bare": BARE, "begun": BEGUN, "ended": ENDED, "cut": CUT}[name]
        path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": template}))
    return folder


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: open_tokenizer(write_base(folder / name, name)) for name in {*TOKENS, *FOUND}}


def test_what_stands_around_thoughts_is_found_by_rendering(bases: dict[str, Tokenizer]) -> None:
    assert {name: base.thoughts for name, base in bases.items()} == dict.fromkeys(TOKENS) | FOUND


def test_a_prompt_tells_whether_thoughts_are_begun(bases: dict[str, Tokenizer]) -> None:
    ask = [{"role": "user", "content": "<think>\n"}]
    begun = {name: bases[name].begins_thoughts(bases[name].encode_chat(ask, True)[0]) for name in FOUND}
    assert begun == {"qwen-3": False, "bare": False, "begun": True, "ended": False}
    assert not bases["begun"].begins_thoughts(bases["begun"].encode("A text"))


words = st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=12)
said = st.lists(words | st.sampled_from(["<think>", "</th", "</think", "\n", " ", "<", "[/THINK"]), max_size=5)
texts = said.map("".join)


@given(thought=texts, answer=texts, cuts=st.lists(st.integers(0, 80), max_size=6), is_begun=st.booleans())
def test_what_was_written_as_thoughts_is_parted_again_however_it_is_cut(
    thought: str, answer: str, cuts: list[int], is_begun: bool
) -> None:
    assume("</think>" not in thought)
    whole = ("" if is_begun else "<think>\n") + f"{thought}\n</think>\n\n{answer}"
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    parting = Parting(QWEN, is_begun)
    parts = [parting.add(whole[first:last]) for first, last in pairwise(places)]
    found, told = ("".join(each) for each in zip(*parts, parting.flush(), strict=True))
    assert (found, told) == (thought.strip("\n"), answer.lstrip("\n"))
    assert parting.has_thoughts and not parting.is_within


@given(answer=texts, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_an_answer_without_thoughts_stays_as_it_is(answer: str, cuts: list[int]) -> None:
    assume(not answer.lstrip("\n").startswith("<think>"))
    places = [0, *sorted(min(cut, len(answer)) for cut in cuts), len(answer)]
    parting = Parting(QWEN, is_begun=False)
    parts = [parting.add(answer[first:last]) for first, last in pairwise(places)]
    assert "".join(words for _, words in [*parts, parting.flush()]) == answer
    assert not parting.has_thoughts


@pytest.mark.parametrize("name", ["qwen-3", "bare"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(thought=texts, answer=texts, question=texts)
def test_what_is_rendered_as_thoughts_is_read_again_and_a_users_words_never_are(
    bases: dict[str, Tokenizer], name: str, thought: str, answer: str, question: str
) -> None:
    base, known = bases[name], FOUND[name]
    assume(known.end not in thought and thought.strip())
    turn = {"role": "assistant", "content": answer, "reasoning_content": thought}
    chat: list[dict[str, Any]] = [{"role": "user", "content": f"{known.begin}{question}{known.end}"}, turn]
    prompt = base.encode_chat(chat[:1], True)[0]
    ids, trained = base.encode_chat(chat)
    assert ids[: len(prompt)] == prompt and trained[len(prompt)], "thoughts are learned"
    marks = [base.spell([token]) for token in prompt]
    assert not {known.begin, known.end} & {*marks}
    written = [token for token, is_learned in zip(ids, trained, strict=True) if is_learned]
    found, told = known.apart(base.decode(written))
    assert found == thought.strip(known.space or None if known.space else "")
    assert told.strip() == answer.strip()


def test_thoughts_in_a_text_are_rendered_as_transformers_does(bases: dict[str, Tokenizer]) -> None:
    base = bases["qwen-3"]
    theirs = AutoTokenizer.from_pretrained(base.folder)
    ask, answer = {"role": "user", "content": "2+2?"}, "It is 4."
    for turn in (
        {"role": "assistant", "content": f"<think>\nEasy.\n</think>\n\n{answer}"},
        {"role": "assistant", "content": answer, "reasoning_content": "Easy."},
    ):
        for chat in ([ask, turn], [ask, turn, ask]):
            wanted = theirs.apply_chat_template(chat, add_generation_prompt=chat[-1] == ask, return_dict=False)
            assert base.encode_chat(chat, chat[-1] == ask)[0] == wanted


def test_what_was_cut_within_thoughts_is_learned_so_far(bases: dict[str, Tokenizer]) -> None:
    cut = {"role": "assistant", "content": "<think>\nTwo and", "finish_reason": "length"}
    told = {"qwen-3": "<think>\nTwo and", "bare": "[THINK]Two and", "begun": "Two and"}
    for name, wanted in told.items():
        turn = {**cut, "content": wanted} if name != "begun" else cut
        ids, trained = bases[name].encode_chat([{"role": "user", "content": "2+2?"}, turn])
        learned = [token for token, is_learned in zip(ids, trained, strict=True) if is_learned]
        assert bases[name].spell(learned) == wanted


@pytest.mark.parametrize(
    ("name", "with_thoughts", "without"),
    [
        ("begun", "Two.\n</think>\n\n4<|endoftext|>", "\n</think>\n\n4<|endoftext|>"),
        ("ended", "4<|im_end|>", "4<|im_end|>"),
        ("bare", "[THINK]Two.[/THINK]4<|im_end|>", "4<|im_end|>"),
    ],
)
def test_no_answer_is_learned_within_thoughts_that_its_prompt_begins_nor_thoughts_behind_their_end(
    bases: dict[str, Tokenizer], name: str, with_thoughts: str, without: str
) -> None:
    base, ask = bases[name], {"role": "user", "content": "2+2?"}
    for turn, wanted in (
        ({"content": "<think>\nTwo.\n</think>\n\n4"}, with_thoughts),
        ({"content": "4", "reasoning_content": "Two."}, with_thoughts),
        ({"content": "4"}, without),
    ):
        ids, trained = base.encode_chat([ask, {"role": "assistant", **turn}])
        prompt = base.encode_chat([ask], True)[0]
        assert ids[: len(prompt)] == prompt
        assert base.spell([token for token, on in zip(ids, trained, strict=True) if on]) == wanted
        assert trained[len(prompt)]


@pytest.mark.parametrize("name", ["qwen-3", "begun", "cut"])
def test_no_answer_is_learned_behind_its_prompt_without_the_thoughts_that_it_was_given_with(
    bases: dict[str, Tokenizer], name: str, tmp_path: Path
) -> None:
    base = bases[name] if name in bases else open_tokenizer(write_base(tmp_path, name))
    ask = {"role": "user", "content": "2+2?"}
    thought = {"role": "assistant", "content": "<think>\nTwo.\n</think>\n\n4"}
    apart = {"role": "assistant", "content": "5", "reasoning_content": "Three."}
    plain, ignored = {"role": "assistant", "content": "6"}, {**apart, "weight": 0}
    ids, trained, unlike = base.encode_answers([ask, thought, ask, apart, ask, ignored, ask, thought])
    learned = base.spell([token for token, on in zip(ids, trained, strict=True) if on])
    assert unlike == 2
    assert learned.count("Two.") == 1 and learned.endswith(f"4{base.end_of_turn}")
    assert not {"5", "Three."} & {*learned.split()} and learned.count("4") == 1
    alone = base.encode_answers([ask, thought])
    assert alone[2] == 0 and alone[1][-len(base.encode("4")) - 1 :].count(True)
    if name == "qwen-3":
        ids, trained, unlike = base.encode_answers([ask, plain, ask, plain])
        learned = base.spell([token for token, on in zip(ids, trained, strict=True) if on])
        assert (unlike, learned) == (0, "6<|im_end|><think>\n\n</think>\n\n6<|im_end|>"), "no thoughts were lost"


def thinking() -> list[dict[str, Any]]:
    """A chat whose answers each have thoughts of their own."""
    turns: list[dict[str, Any]] = []
    for number in range(3):
        turns.append({"role": "user", "content": f"{number}+{number}?"})
        turns.append({"role": "assistant", "content": f"{2 * number}.", "reasoning_content": f"Twice {number}"})
    return turns


def trained(base: Tokenizer, encoded: Encoded) -> str:
    return base.spell([token for token, on in zip(*encoded[:2], strict=True) if on])


@pytest.mark.parametrize("name", ["qwen-3", "bare", "begun", "ended", "cut", "smollm2"])
def test_each_answer_of_a_chat_is_trained_as_it_is_written_last(
    bases: dict[str, Tokenizer], name: str, tmp_path: Path
) -> None:
    base, turns = bases[name] if name in bases else open_tokenizer(write_base(tmp_path, name)), thinking()
    if name == "smollm2":
        turns = [{key: value for key, value in turn.items() if key != "reasoning_content"} for turn in turns]
    chats = chats_of(base, turns, "each")
    lasts = [trained(base, base.encode_answers([*with_weight(turns[:stop], 0), turns[stop]])) for stop in (1, 3, 5)]
    assert "".join(trained(base, encoded) for _, encoded in chats) == "".join(lasts)
    assert all("Twice" in last for last in lasts) or name in ("smollm2", "ended")
    assert len(chats) == (1 if name in ("bare", "smollm2") else 3)
    assert not any(unlike for _, (_, _, unlike) in chats)
    (last,) = chats_of(base, turns, "last")
    assert last[1] == base.encode_answers(turns)


def test_answers_that_are_written_alike_share_a_chat(bases: dict[str, Tokenizer]) -> None:
    base = bases["qwen-3"]
    ask, thought = {"role": "user", "content": "2+2?"}, {"role": "assistant", "reasoning_content": "Two."}
    call = {**calling("", [{"name": "add", "arguments": {"a": 2}}]), "reasoning_content": "Add."}
    turns = [ask, call, answering(["4"]), {**thought, "content": "4"}, ask, {**thought, "content": "4"}]
    chats = chats_of(base, turns, "each")
    assert [len(chat) for chat, _ in chats] == [4, 6], "a call and what is said of its result are one exchange"
    assert [trained(base, encoded).count(base.end_of_turn) for _, encoded in chats] == [2, 1]
    ignored = [{**turn, "weight": 0} if turn is turns[3] else turn for turn in turns]
    assert [len(chat) for chat, _ in chats_of(base, ignored, "each")] == [2, 6]


def with_weight(turns: list[dict[str, Any]], weight: int) -> list[dict[str, Any]]:
    return [{**turn, "weight": weight} for turn in turns]
