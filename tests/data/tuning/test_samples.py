"""Tuning data of every usual form becomes conversations and preferences; what is wrong with it is found and placed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.data_support import quarantined
from lmworks.data.forms.forms import FORMS, form_of
from lmworks.data.forms.row import Fault, LeftOut
from lmworks.data.forms.sample import Sample, samples_of
from lmworks.data.forms.turns import check_turns
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.preferences import Preference, Preferences
from lmworks.data.tuning.samples import ConversationsConfig, PreferencesConfig, conversations, preferences
from lmworks.errors import GateRefused, UsageError
from lmworks.pipeline.stage import Result
from support import make_context

HUMAN = "\n\nHuman: What is rain?\n\nAssistant: "
USER = {"role": "user", "content": "What is rain?"}
ANSWER = {"role": "assistant", "content": "Water."}
ONE_EXCHANGE = (
    ("messages", {"messages": [USER, ANSWER]}),
    ("messages", {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "Water."}]}]}),
    ("sharegpt", {"conversations": [{"from": "human", "value": USER["content"]}, {"from": "gpt", "value": "Water."}]}),
    ("alpaca", {"instruction": "What is rain?", "input": "", "output": "Water."}),
    ("self-instruct", {"instruction": "What is rain?", "instances": [{"input": "", "output": "Water."}]}),
    ("flan", {"inputs": "What is rain?", "targets": "Water.", "task": "weather"}),
    ("prompt-completion", {"prompt": "What is rain?", "completion": "Water."}),
    ("prompt-completion", {"prompt": [USER], "completion": [ANSWER]}),
    ("question-answer", {"question": "What is rain?", "answer": "Water."}),
    ("labels", {"text": "What is rain?", "category": "Water."}),
    ("pair", {"prompt": "What is rain?", "chosen": "Water.", "rejected": "Fire."}),
    ("pair", {"chosen": HUMAN + "Water.", "rejected": HUMAN + "Fire."}),
    ("pair", {"chosen": [USER, ANSWER], "rejected": [USER, {"role": "assistant", "content": "Fire."}]}),
    ("ranking", {"prompt": "What is rain?", "responses": ["Fire.", "Water."], "ranking": [2, 1]}),
    ("good-or-bad", {"prompt": "What is rain?", "completion": "Water.", "label": True}),
)


def records(folder: Path, lines: Sequence[dict[str, Any] | bytes]) -> Documents:
    """Lines of a file, ingested whole."""
    (folder / "rows").mkdir(parents=True)
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (folder / "rows" / "rows.jsonl").write_bytes(b"\n".join(raw) + b"\n")
    source = {"kind": "files", "path": "rows", "licence": "MIT", "fields": "all"}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["permissive"]}})
    ingest(config.resolve(folder), out=folder / "raw", context=make_context(folder / "ingest"))
    return Documents(folder / "raw", "raw")


def converse(folder: Path, lines: Sequence[Any], **fields: Any) -> tuple[Result, list[dict[str, Any]]]:
    """The conversations of a file of lines."""
    config = ConversationsConfig.model_validate({"from": "raw", "largest_bad_share": 1, **fields})
    out = folder / "out"
    result = conversations(config, records(folder, lines), out=out, context=make_context(folder / "work"))
    return result, list(Conversations(out, "").iterate())


def judge(folder: Path, lines: Sequence[Any], **fields: Any) -> tuple[Result, list[Preference]]:
    """The preferences of a file of lines."""
    config = PreferencesConfig.model_validate({"from": "raw", "largest_bad_share": 1, **fields})
    out = folder / "out"
    result = preferences(config, records(folder, lines), out=out, context=make_context(folder / "work"))
    return result, list(Preferences(out, "").iterate())


@pytest.mark.parametrize(("form", "row"), ONE_EXCHANGE)
def test_every_form_is_told_and_says_the_same(form: str, row: dict[str, Any]) -> None:
    assert form_of(row) == form
    ((sample,), unread, _, _) = samples_of(FORMS[form], row)
    assert unread == []
    assert sample.prompt == [USER]
    assert sample.chosen == [ANSWER]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(
            sorted({name for _, row in ONE_EXCHANGE for name in row} | {"system", "scores", "score_chosen", "margin"})
        ),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from([HUMAN, "human", "user"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "rank", "text"]), inner)
            ),
            max_leaves=8,
        ),
    )
)
@example({"conversations": [{"role": []}]})
@example({"messages": [{"role": "user", "content": [{"text": ["Rain?"]}]}]})
def test_any_record_gives_sound_samples_or_says_what_is_wrong(row: dict[str, Any]) -> None:
    if (form := form_of(row)) is None:
        return
    try:
        samples: list[Sample] = samples_of(FORMS[form], row)[0]
    except (Fault, LeftOut) as fault:
        assert ":" in str(fault)
        return
    for sample in samples:
        for answer in (sample.chosen, sample.rejected):
            if answer is not None:
                check_turns([*sample.prompt, *answer])


def test_a_ranking_becomes_every_pair_that_it_orders(tmp_path: Path) -> None:
    scores = {"a": 1, "b": 4, "c": 4}
    row = {"prompt": "Rain?", "completions": [{"response": text, "score": n} for text, n in scores.items()]}
    _, found = judge(tmp_path, [row])
    told = [(*(side[0]["content"] for side in (each.chosen, each.rejected) if side), each.margin) for each in found]
    assert sorted(told) == [("b", "a", 3.0), ("c", "a", 3.0)]
    assert len({each.id for each in found}) == 2
    assert len({each.document for each in found}) == 1


def test_answers_judged_alone_have_one_side(tmp_path: Path) -> None:
    lines = [
        {"prompt": "Rain?", "completion": text, "label": good} for text, good in (("Water.", True), ("No.", False))
    ]
    _, found = judge(tmp_path, lines)
    assert sorted((each.chosen is None, each.rejected is None) for each in found) == [(False, True), (True, False)]


def test_pairs_begin_to_differ_after_a_user_has_spoken(tmp_path: Path) -> None:
    more = ["Water.\n\nHuman: Why?\n\nAssistant: So.", "Water.\n\nHuman: Where?\n\nAssistant: There."]
    _, (found,) = judge(tmp_path, [{"chosen": HUMAN + more[0], "rejected": HUMAN + more[1]}])
    assert found.prompt == [USER]
    assert [len(found.chosen or ()), len(found.rejected or ())] == [3, 3]


@pytest.mark.parametrize(
    ("text", "answer"),
    [("3 and 4 are 7.\n#### 7", "7"), (r"So $x$ is \boxed{\frac{1}{2}}.", r"\frac{1}{2}"), ("7", "7"), ("A\nB", None)],
)
def test_what_a_verifier_compares_is_taken_from_the_answer(tmp_path: Path, text: str, answer: str | None) -> None:
    _, (found,) = converse(tmp_path, [{"question": "How many?", "answer": text}])
    assert found.get("answer") == answer
    assert found["messages"][-1]["content"] == text


def test_templates_word_any_record(tmp_path: Path) -> None:
    template = {"prompt": "What is meant? {text}", "completion": "It is {category}."}
    _, (found,) = converse(tmp_path, [{"text": "My card!", "category": "lost"}], templates=[template])
    assert [turn["content"] for turn in found["messages"]] == ["What is meant? My card!", "It is lost."]


def test_fields_may_be_called_otherwise(tmp_path: Path) -> None:
    _, (found,) = converse(
        tmp_path, [{"frage": "Rain?", "antwort": "Water."}], fields={"prompt": "frage", "completion": "antwort"}
    )
    assert found["messages"][-1]["content"] == "Water."


TURN = {"messages": [USER, ANSWER]}
SPOILT = {
    "wrong role order": {"messages": [ANSWER, USER]},
    "empty assistant turn": {"messages": [USER, {"role": "assistant", "content": "  "}]},
    "unknown role": {"messages": [USER, {"role": "oracle", "content": "Water."}]},
    "mixed schemas": {"instruction": "What is rain?", "output": "Water."},
    "not a text": {"messages": [USER, {"role": "assistant", "content": {"a": 1}}]},
}


@pytest.mark.parametrize("reason", SPOILT)
def test_what_is_wrong_is_quarantined_with_its_place(tmp_path: Path, reason: str) -> None:
    result, found = converse(tmp_path, [TURN, SPOILT[reason], {"messages": [*TURN["messages"], *TURN["messages"]]}])
    (entry,) = quarantined(tmp_path / "out")
    assert len(found) == 2
    assert result.counts[f"quarantined: {reason}"] == 1
    assert entry["reason"].startswith(f"{reason}: ")
    assert (entry["path"], entry["record"]) == ("rows.jsonl", "2")
    assert len((tmp_path / "out" / "ids.txt").read_text().split()) == 3, "erasing finds what the quarantine holds"
    assert any(example["reason"] == f"quarantined: {reason}" for example in result.examples)


def test_invalid_utf8_is_quarantined_with_its_line(tmp_path: Path) -> None:
    _, found = converse(tmp_path, [TURN, b'{"prompt": "caf\xe9?", "completion": "yes"}'])
    assert len(found) == 1
    (entry,) = quarantined(tmp_path / "raw")
    assert entry["reason"].startswith("not UTF-8: it looks like")
    assert entry["record"] == "2"


def test_contradictory_labels_are_all_quarantined(tmp_path: Path) -> None:
    rows = [("Café", "positive"), ("Cafe\u0301 ", "negative"), ("Bad film", "negative"), ("Bad film", "negative")]
    result, found = converse(tmp_path, [{"text": text, "label": label} for text, label in rows])
    assert [each["messages"][0]["content"] for each in found] == ["Bad film"]
    assert result.counts["quarantined: contradictory labels"] == 2
    assert result.counts["duplicate"] == 1
    assert "'negative' and 'positive'" in quarantined(tmp_path / "out")[0]["reason"]


def test_prompts_that_differ_in_case_or_spaces_do_not_contradict(tmp_path: Path) -> None:
    rows = [("granary is here", "calm"), ("GRANARY IS HERE", "shouted"), ("a b", "one"), ("a  b", "two")]
    result, found = converse(tmp_path, [{"text": text, "label": label} for text, label in rows])
    assert len(found) == 4
    assert not any("contradictory" in name for name in result.counts)


def test_a_contradictory_question_leaves_the_others_of_its_passage(tmp_path: Path) -> None:
    def asked(number: int, question: str, answer: str) -> dict[str, Any]:
        return {"id": str(number), "question": question, "answers": [{"text": answer, "answer_start": 0}]}

    questions = [asked(1, "Where?", "Rome"), asked(2, "Where?", "Paris"), asked(3, "When?", "in May")]
    result, found = converse(tmp_path, [{"context": "Rome and Paris in May.", "qas": questions}])
    assert [each["messages"][1]["content"] for each in found] == ["in May"]
    assert result.counts["left out: contradictory labels"] == 2
    assert "left out: contradictory labels" in result.losses
    assert quarantined(tmp_path / "out") == []


def test_each_question_of_a_quarantined_passage_is_counted(tmp_path: Path) -> None:
    def passage(context: str, *asked: tuple[str, str]) -> dict[str, Any]:
        answers = [{"question": each, "answers": [{"text": text, "answer_start": 0}]} for each, text in asked]
        return {"context": context, "qas": [{"id": str(place), **each} for place, each in enumerate(answers)]}

    contradictory = passage("Rome and Paris.", ("Where?", "Rome"), ("Where?", "Paris"))
    result, found = converse(tmp_path, [contradictory, passage("In May.", ("When?", "In May"))])
    assert len(found) == 1 and len(quarantined(tmp_path / "out")) == 1
    assert sum(result.counts[name] for name in result.losses if "contradictory" in name) == 2


SAME_PROMPT: dict[str, Any] = {
    "messages": lambda asked, said: {"messages": [{**USER, "content": asked}, {**ANSWER, "content": said}]},
    "prompt-completion": lambda asked, said: {"prompt": asked, "completion": said},
    "alpaca": lambda asked, said: {"instruction": asked, "output": said},
}


@pytest.mark.parametrize("form", SAME_PROMPT)
def test_several_answers_to_one_prompt_are_counted_where_all_may_be_right(tmp_path: Path, form: str) -> None:
    said = [("Is it open?", "yes"), ("Is it open? ", "no"), ("Is it open?", "at noon"), ("Why?", "rain")]
    result, found = converse(tmp_path, [SAME_PROMPT[form](*each) for each in said])
    assert len(found) == 4 and result.counts["prompts with more than one answer"] == 1
    only, _ = converse(tmp_path / "one", [SAME_PROMPT[form](*each) for each in said[::3]])
    assert "prompts with more than one answer" not in only.counts


def test_answers_of_prompts_contradict_each_other_where_their_form_is_named(tmp_path: Path) -> None:
    lines = [{"prompt": "Is it open?", "completion": said} for said in ("yes", "no")]
    lines += [{"prompt": f"Is {n} open?", "completion": "yes"} for n in range(9)]
    fields = {"question": "prompt", "answer": "completion"}
    result, found = converse(tmp_path, lines, form="question-answer", fields=fields)
    assert len(found) == 9 and result.counts["quarantined: contradictory labels"] == 2


def test_opposite_preferences_are_all_quarantined(tmp_path: Path) -> None:
    sides = [("a", "b"), ("b", "a"), ("c", "a")]
    lines = [{"prompt": "Rain?", "chosen": one, "rejected": other} for one, other in sides]
    result, (found,) = judge(tmp_path, lines)
    assert found.chosen == [{"role": "assistant", "content": "c"}]
    assert result.counts["quarantined: contradictory labels"] == 2


@pytest.mark.parametrize("path", ["lines.jsonl", "lines.csv", "lines.parquet"])
def test_a_record_is_mended_in_the_quarantine(tmp_path: Path, path: str) -> None:
    converse(tmp_path, [TURN, SPOILT["wrong role order"]])
    (entry,) = quarantined(tmp_path / "out")
    entry["path"] = path  # whatever the record was read from
    entry["mended"] = json.dumps({"messages": [{**USER, "content": "Snow?"}, ANSWER]})
    (tmp_path / "mended.jsonl").write_text(json.dumps(entry) + "\n")
    source = {"kind": "quarantine", "path": "mended.jsonl", "licence": "MIT", "fields": "all"}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["permissive"]}})
    again = tmp_path / "again"
    ingest(config.resolve(tmp_path), out=again / "raw", context=make_context(again))
    conversations(
        ConversationsConfig.model_validate({"from": "raw"}),
        Documents(again / "raw", ""),
        out=again / "out",
        context=make_context(again),
    )
    (found,) = Conversations(again / "out", "").iterate()
    assert found["messages"][0]["content"] == "Snow?"


def test_too_many_bad_records_refuse_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(GateRefused, match=r"1 of 3 records.*rows.jsonl:2: wrong role order.*largest_bad_share"):
        converse(
            tmp_path, [TURN, SPOILT["wrong role order"], {"messages": TURN["messages"] * 2}], largest_bad_share=0.2
        )


def test_records_of_no_form_name_the_forms(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no record has a known form.*fields"):
        converse(tmp_path, [{"title": "Rain"}])
    with pytest.raises(UsageError, match="has no judgements"):
        judge(tmp_path / "second", [TURN])


def test_what_is_kept_of_a_record_goes_along_and_none_else(tmp_path: Path) -> None:
    rows = [{"question": f"{n} + 1?", "answer": str(n + 1), "made": "a sum of two"} for n in range(2)]
    with pytest.raises(UsageError, match="made"):  # a text that nobody reads
        converse(tmp_path / "a", rows)
    _, made = converse(tmp_path / "b", rows, keep=["made"])
    assert [each["meta"] for each in made] == [{"made": "a sum of two"}] * 2
    with pytest.raises(UsageError, match=r"`keep` names 'mode', which none of its 2 documents has"):
        converse(tmp_path / "c", rows, keep=["mode"])
    pair = {"prompt": "What is rain?", "chosen": "Water.", "rejected": "Fire.", "group": "weather"}
    _, judged = judge(tmp_path / "d", [pair], keep=["group"])
    assert [each.meta for each in judged] == [{"group": "weather"}]
