"""Whatever stands in a chat is learned, set aside with its reason, or named: nothing of it goes without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_samples import converse, judge

from lmworks.data.forms.forms import FORMS, form_of
from lmworks.data.forms.row import Fault, LeftOut, Read
from lmworks.data.forms.sample import samples_of, verified
from lmworks.data.forms.turns import HUMAN, transcript
from lmworks.errors import UsageError

ASKED = {"role": "user", "content": "What is rain?"}
SAID = {"role": "assistant", "content": "It is water."}


def turns_of(*turns: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The turns that a row of messages becomes."""
    mend = more.pop("mend", ())
    row = {"messages": list(turns), **more}
    ((sample,), unread, _, _) = samples_of(FORMS["messages"], row, mend)
    assert unread == []
    return [*sample.prompt, *(sample.chosen or [])]


def called(name: str, arguments: dict[str, Any]) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def test_calls_and_results_of_functions_are_written_out() -> None:
    calls = [{"type": "function", "function": {"name": "rain", "arguments": f'{{"day": {day}}}'}} for day in (1, 2)]
    results = [{"role": "tool", "content": "wet"}, {"role": "tool", "content": {"sky": "grey"}}]
    tools = [{"type": "function", "function": {"name": "rain", "parameters": {"type": "object"}}}]
    made = turns_of(
        ASKED, {"role": "assistant", "content": "I look.", "tool_calls": calls}, *results, SAID, tools=tools
    )
    assert [turn["role"] for turn in made] == ["system", "user", "assistant", "user", "assistant"]
    assert json.dumps(tools[0]) in made[0]["content"]
    assert made[2]["content"] == "\n".join(["I look.", called("rain", {"day": 1}), called("rain", {"day": 2})])
    assert made[3]["content"] == (
        '<tool_response>\nwet\n</tool_response>\n<tool_response>\n{"sky": "grey"}\n</tool_response>'
    )


def test_calls_and_results_that_stand_in_texts_are_read() -> None:
    results = "<tool_response>\nwet\n</tool_response>\n<tool_response>\ncold\n</tool_response>"
    calls = [called("rain", {"day": 1}), "<tool_call>\n{'arguments': {'day': 2}, 'name': 'rain'}\n</tool_call>"]
    said = {"role": "assistant", "content": "I look.\n" + "\n".join(calls)}
    tools = [{"type": "function", "function": {"name": "rain", "parameters": {"type": "object"}}}]
    system = {"role": "system", "content": f"Call functions. <tools>{tools}</tools>"}
    made = turns_of(system, ASKED, said, {"role": "tool", "content": results}, SAID, tools=tools)
    assert (made[0]["content"], made[0]["tools"], made[0]["said"]) == (system["content"], tools, "")
    assert (made[2]["said"], [call["arguments"] for call in made[2]["tool_calls"]]) == (
        "I look.",
        [{"day": 1}, {"day": 2}],
    )
    assert (made[3]["content"], made[3]["results"]) == (results, ["wet", "cold"])


@pytest.mark.parametrize(
    "text",
    [
        "Write <tool_call> before a call.",
        "<tool_call>rain(1)</tool_call>",
        "<tool_call>{}</tool_call> was said.",
        "<tool_call>[[[</tool_call>",
        "<tool_call>" + "[" * 100_000 + "</tool_call>",
    ],
)
def test_what_only_looks_like_a_call_stays_a_text(text: str) -> None:
    (_, made) = turns_of(ASKED, {"role": "assistant", "content": text})
    assert made == {"role": "assistant", "content": text}


def calls_of(*names: str | None) -> dict[str, Any]:
    """A turn that calls a function for each id."""
    calls = [{"id": name, "function": {"name": f"f{name}", "arguments": "{}"}} for name in names]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def results_of(*names: str | None) -> list[dict[str, Any]]:
    return [{"role": "tool", "tool_call_id": name, "content": f"of {name}"} for name in names]


def response(*names: str | None) -> str:
    return "\n".join(f"<tool_response>\nof {name}\n</tool_response>" for name in names)


@given(st.permutations(["a", "b", "c"]))
def test_results_stand_in_the_order_of_their_calls(order: list[str]) -> None:
    made = turns_of(ASKED, calls_of("a", "b", "c"), *results_of(*order), calls_of("a"), *results_of("a"), SAID)
    assert [made[2]["content"], made[4]["content"]] == [response("a", "b", "c"), response("a")]


@pytest.mark.parametrize(
    ("calls", "results", "fault"),
    [
        (["a"], ["z"], r"a result of no call: messages\[2\] answers 'z', and the calls before it are 'a'"),
        (["a", "b"], ["a", "b", "a"], "two results of one call: .*'a'"),
        (["a", "b"], ["b"], r"a call without its result: 'a'\. .*'b'"),
    ],
)
def test_results_that_are_of_no_call_are_set_aside(calls: list[str], results: list[str], fault: str) -> None:
    with pytest.raises(Fault, match=fault):
        turns_of(ASKED, calls_of(*calls), *results_of(*results), SAID)
    with pytest.raises(Fault, match="a result of no call"):
        turns_of(ASKED, calls_of("a"), *results_of("a"), SAID, *results_of("a"), SAID)


@pytest.mark.parametrize(
    ("calls", "results"),
    [
        (["a", "b"], ["a"]),  # the last call was never answered
        ([None, None], ["b", "a"]),
        (["a", "b"], [None, None]),
        (["a", "a"], ["a", "a"]),
    ],
)
def test_results_without_ids_that_tell_calls_apart_stand_as_they_are(calls: list[Any], results: list[Any]) -> None:
    made = turns_of(ASKED, calls_of(*calls), *results_of(*results), SAID)
    assert made[2]["content"] == response(*results)
    assert turns_of(ASKED, SAID, *results_of("x"), SAID)[2]["content"] == response("x")


def test_sharegpt_calls_a_function_in_a_turn_of_its_own() -> None:
    turns = [("human", "Rain?"), ("function_call", '{"name": "rain", "arguments": {}}'), ("observation", "wet")]
    row = {"conversations": [{"from": role, "value": text} for role, text in [*turns, ("gpt", "It rains.")]]}
    ((sample,), *_) = samples_of(FORMS["sharegpt"], row)
    assert [turn["content"] for turn in sample.prompt[1:]] == [
        called("rain", {}),
        "<tool_response>\nwet\n</tool_response>",
    ]


def test_reasoning_stands_before_what_is_said() -> None:
    made = turns_of(ASKED, {**SAID, "reasoning_content": "Clouds.\n"})
    assert made[-1]["content"] == "<think>\nClouds.\n</think>\n\nIt is water."


@pytest.mark.parametrize(
    "mark",
    [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"trainable": False}, {"loss_weight": 0}, {"loss": False}],
)
def test_a_turn_without_weight_is_not_learned_from(mark: dict[str, Any]) -> None:
    made = turns_of(ASKED, {**SAID, **mark}, ASKED, {**SAID, "weight": 1})
    assert [turn.get("weight", 1) for turn in made] == [1, 0, 1, 1]


@pytest.mark.parametrize("name", ["weight", "loss_weight", "sample_weight"])
def test_a_record_without_weight_is_left_out_and_other_weights_are_counted(tmp_path: Path, name: str) -> None:
    weights = [0, 0.0, 1, 0.5, None]
    rows = [
        {"prompt": f"Rain {n}?", "completion": "Water falls.", **({} if each is None else {name: each})}
        for n, each in enumerate(weights)
    ]
    result, found = converse(tmp_path, rows)
    assert [each["messages"][0]["content"] for each in found] != [] and len(found) == 3
    assert result.counts["left out: weight 0"] == 2
    assert result.counts["records whose weight is not used"] == 1
    _, everything = converse(tmp_path / "ignored", rows, ignore=[name])
    assert len(everything) == 5


def test_the_last_turn_alone_is_learned_on_request(tmp_path: Path) -> None:
    _, (found,) = converse(tmp_path, [{"messages": [ASKED, SAID, ASKED, SAID]}], learn="last")
    assert [turn.get("weight", 1) for turn in found["messages"]] == [1, 0, 1, 1]


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("turn", "fault"),
    [
        ({"role": "user", "content": [PICTURE, {"type": "text", "text": "What is it?"}]}, r"no text: .*image_url"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, r"no text: .*input_audio"),
        ({"role": "narrator", "content": "Once."}, r"unknown role: messages\[0\] has str 'narrator'"),
        ({"role": "user", "content": "So", "prefix": True}, "unfinished turn"),
        ({"role": "user", "content": "So", "weight": 0.5}, r"no weight: .*expected 0 or 1"),
        ({"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}, "not a call"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, "are not JSON"),
    ],
)
def test_what_is_no_text_is_set_aside_with_its_reason(turn: dict[str, Any], fault: str) -> None:
    with pytest.raises(Fault, match=fault):
        turns_of(turn, SAID)


def test_turns_are_joined_and_trimmed_on_request(tmp_path: Path) -> None:
    hello, more = {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And snow?"}
    row = {"messages": [hello, ASKED, more, SAID, ASKED]}
    with pytest.raises(Fault, match="wrong role order"):
        turns_of(*row["messages"])
    result, (found,) = converse(tmp_path, [row], mend=["join", "trim"])
    assert (result.counts["turns joined to the one before"], result.counts["turns trimmed"]) == (1, 2)
    assert "turns trimmed" in result.losses
    assert [turn["content"] for turn in found["messages"]] == ["What is rain?\n\nAnd snow?", "It is water."]


@given(st.lists(st.sampled_from(["system", "user", "assistant"]), max_size=8))
def test_what_is_mended_is_sound_or_set_aside(roles: list[str]) -> None:
    turns = [{"role": role, "content": f"word {place}"} for place, role in enumerate(roles)]
    try:
        made = turns_of(*turns, mend=["join", "trim"])
    except Fault:
        return
    assert made[-1]["role"] == "assistant"
    said = " ".join(turn["content"] for turn in made)
    assert all(
        f"word {place}" in said for place, role in enumerate(roles) if role == "assistant" and "user" in roles[:place]
    )


def test_a_text_that_the_form_does_not_use_stops_the_step(tmp_path: Path) -> None:
    rows = [{"prompt": "Rain?", "completion": f"Water {n}.", "notes": f"said by {n} people"} for n in range(3)]
    with pytest.raises(
        UsageError,
        match=r"prompt-completion does not use: 'notes' \(.* in 3 of 3 records\).*ignore: \[notes\]",
    ):
        converse(tmp_path, rows)
    _, found = converse(tmp_path / "again", rows, ignore=["notes"])
    assert len(found) == 3


def test_a_text_deep_in_a_turn_is_named_too(tmp_path: Path) -> None:
    rows = [{"messages": [{**ASKED, "translation": "Was ist Regen?"}, SAID]}]
    with pytest.raises(UsageError, match=r"'messages.\*.translation' \(text, not only a code, in 1 of 1 records\)"):
        converse(tmp_path, rows)
    _, found = converse(tmp_path / "again", rows, ignore=["messages.*.translation"])
    assert len(found) == 1


def test_codes_and_numbers_beside_the_texts_stop_nothing(tmp_path: Path) -> None:
    row = {"prompt": "Rain?", "completion": "Water.", "id": "a-1", "url": "https://x.example/a", "votes": 3, "x": None}
    assert len(converse(tmp_path, [row])[1]) == 1


def test_a_field_that_is_called_otherwise_is_used_by_its_usual_name(tmp_path: Path) -> None:
    rows = [{"frage": "Woraus ist Regen?", "antwort": "Aus Wasser."}]
    _, (found,) = converse(tmp_path, rows, fields={"prompt": "frage", "completion": "antwort"})
    assert [turn["content"] for turn in found["messages"]] == ["Woraus ist Regen?", "Aus Wasser."]


def test_numbered_labels_get_their_names(tmp_path: Path) -> None:
    rows = [{"text": f"It is wet {n}.", "label": n} for n in (0, 1)]
    _, found = converse(tmp_path, rows, label_names=["dry", "wet"])
    assert sorted(each["answer"] for each in found) == ["dry", "wet"]


@pytest.mark.parametrize("label", [2.0, "2.0", "2", 2, "good"])
def test_numbers_that_tables_write_are_named_too(tmp_path: Path, label: Any) -> None:
    rows = [{"text": "It is dry.", "label": label}, {"text": "It is wet.", "label": "NaN"}, {"text": "So.", "label": 7}]
    result, (found,) = converse(tmp_path, rows, label_names=["bad", "fair", "good"])
    assert found["answer"] == "good"
    assert result.counts["quarantined: unknown label"] == 2


@pytest.mark.parametrize("label", [float("nan"), None, "NaN", ""])
def test_a_label_that_is_none_is_no_class(tmp_path: Path, label: float | str | None) -> None:
    rows = [{"text": "It is wet.", "label": label}, {"text": "It is dry.", "label": "dry"}]
    result, (found,) = converse(tmp_path, rows)
    assert found["answer"] == "dry"
    assert sum(count for reason, count in result.counts.items() if reason.startswith("quarantined")) == 1


def test_a_tie_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Rain?", "chosen": "Water.", "rejected": "Fire.", "score_chosen": 3, "score_rejected": 3},
        {"prompt": "Snow?", "chosen": "Ice.", "rejected": "Fire.", "score_chosen": 5, "score_rejected": 1},
        {"prompt": "Hail?", "chosen": "Ice.", "rejected": "Fire.", "score_chosen": 1, "score_rejected": 5},
    ]
    result, (found,) = judge(tmp_path, rows)
    assert found.margin == 4
    assert result.counts["left out: a tie"] == 1
    assert result.counts["quarantined: reversed scores"] == 1


def test_an_arena_without_a_winner_is_a_tie() -> None:
    chats = {f"conversation_{side}": [ASKED, {**SAID, "content": side}] for side in "ab"}
    row = {**chats, "winner": "tie (bothbad)", "model_a": "m", "model_b": "n"}
    with pytest.raises(LeftOut, match="a tie"):
        samples_of(FORMS[str(form_of(row))], row)


def test_a_tree_gives_its_best_paths_and_every_judgement() -> None:
    def node(name: str, role: str, rank: int | None, *replies: dict[str, Any], deleted: bool = False) -> dict[str, Any]:
        return {"text": f"text {name}", "role": role, "rank": rank, "replies": list(replies), "deleted": deleted}

    best = node(
        "b", "assistant", 0, node("d", "prompter", None, node("e", "assistant", None)), node("f", "prompter", 1)
    )
    row = {
        "message_tree_id": "t",
        "prompt": node("a", "prompter", None, node("c", "assistant", 1), best, node("x", "assistant", 2, deleted=True)),
    }
    samples, unread, *_ = samples_of(FORMS["oasst-trees"], row)
    assert unread == []
    told = [" ".join(turn["content"][-1] for turn in [*each.prompt, *(each.chosen or [])]) for each in samples]
    judged = [each for each in samples if each.is_judgement]
    assert told == ["a b", "a b d e"]
    assert [each.rejected for each in judged] == [[{"role": "assistant", "content": "text c"}]]


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.text() | st.integers() | st.lists(st.dictionaries(st.just("t"), st.text())),
        max_size=3,
    )
)
def test_what_was_read_is_not_told_as_unread(row: dict[str, Any]) -> None:
    read = Read(row)
    read.whole()
    assert list(read.unread()) == []
    assert set(Read(row).unread()) <= set(row)


def test_a_transcript_with_a_flood_of_line_ends_takes_linear_time() -> None:
    """In quadratic time it would take minutes."""
    found = transcript("Human: hi" + "\n" * 50_000 + "x", HUMAN)
    assert [(turn["role"], turn["content"][:2], turn["content"][-1]) for turn in found] == [("user", "hi", "x")]


def test_what_a_verifier_compares_of_a_solution() -> None:
    told = {"So.\n#### 18 ": "18", "#### 1\nor\n#### 2": "2", "It is $\\boxed{7}$.\nSo.": "7", "No\n#### a\nb": None}
    assert {text: verified(text) for text in told} == told
    assert verified("####" + " " * 50_000 + "b\nc") is None, "in cubic time it would take hours"


def test_questions_without_an_answer_are_counted(tmp_path: Path) -> None:
    asked = [{"question": "What falls?", "answers": [{"text": "rain"}]}, {"question": "Who is dry?", "answers": []}]
    rows = [{"context": "The rain falls.", "qas": asked}, {"context": "The snow lies.", "qas": asked[1:]}]
    result, (found,) = converse(tmp_path, rows)
    assert found["answer"] == "rain"
    assert result.counts["left out: without an answer"] == 2
    assert "left out: without an answer" in result.losses


def test_the_label_alone_is_named(tmp_path: Path) -> None:
    rows = [{"text": "It is wet.", "label": 1, "category": "weather news"}]
    _, (found,) = converse(tmp_path, rows, label_names=["dry", "wet"], ignore=["category"])
    assert found["answer"] == "wet"


def message(name: str, parent: str | None, role: str) -> dict[str, Any]:
    return {"message_id": name, "parent_id": parent, "text": f"text {name}", "role": role}


def test_every_message_of_a_thread_is_used_or_counted(tmp_path: Path) -> None:
    """Of one told twice, of some that answer each other in a circle, and of one that answers nobody."""
    rows = [message("a", None, "prompter"), message("b", "a", "assistant")]
    odd = [message("b", "a", "assistant"), message("c", "d", "assistant"), message("d", "c", "prompter")]
    odd.append(message("e", "nobody", "assistant"))
    result, (found,) = converse(tmp_path, [*rows, *odd])
    assert [turn["content"] for turn in found["messages"]] == ["text a", "text b"]
    told = sum(number for reason, number in result.counts.items() if reason.startswith(("quarantined", "left out")))
    assert told == len(odd)


def test_a_thread_that_is_longer_than_is_read_is_set_aside(tmp_path: Path) -> None:
    roles = ("prompter", "assistant")
    chain = [message(str(n), str(n - 1) if n else None, roles[n % 2]) for n in range(400)]
    result, found = converse(tmp_path, chain)
    used = {turn["content"] for each in found for turn in each["messages"]}
    told = sum(number for reason, number in result.counts.items() if reason.startswith(("quarantined", "left out")))
    assert used and len(used) + told == len(chain)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["Danke.", "Wie lange dauert das?"], "Danke.\nWie lange dauert das?"),
        (["Danke. ", "Wie lange?"], "Danke. Wie lange?"),
        (["Danke.", "\n\nWie lange?"], "Danke.\n\nWie lange?"),
        (["", "Danke.", ""], "Danke."),
    ],
)
def test_parts_of_a_turn_do_not_run_into_each_other(tmp_path: Path, parts: list[str], said: str) -> None:
    content = [{"type": "text", "text": part} for part in parts]
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "Eine Stunde."}]
    _, (found,) = converse(tmp_path, [{"messages": turns}])
    assert found["messages"][0]["content"] == said
