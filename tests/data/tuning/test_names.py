"""A name in `fields` or `ignore` that nothing has, or that no form reads, is told and never passed over."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from layouts import JUDGED_ALONE, LAYOUTS
from pydantic import ValidationError
from test_samples import converse, judge

from lmworks.data.forms.forms import FORMS, USUAL, form_of
from lmworks.data.forms.row import Fault, LeftOut, Read
from lmworks.data.forms.sample import samples_of
from lmworks.data.tuning.naming import Naming
from lmworks.data.tuning.samples import ConversationsConfig, PreferencesConfig
from lmworks.errors import UsageError

JUDGED: list[dict[str, Any]] = [
    {"prompt": f"What is {word}?", "chosen": "Water.", "rejected": "Fire.", "good_note": good, "bad_note": 3}
    for word, good in (("rain", 5), ("snow", 4), ("ice", 1))
]
SCORES = {"score_chosen": "good_note", "score_rejected": "bad_note"}


def test_scores_that_say_the_other_way_round_are_refused(tmp_path: Path) -> None:
    result, found = judge(tmp_path, JUDGED, fields=SCORES)
    assert sorted(each.margin or 0 for each in found) == [1, 2]
    assert result.counts["quarantined: reversed scores"] == 1


@pytest.mark.parametrize("config", [ConversationsConfig, PreferencesConfig])
def test_a_usual_name_that_no_form_reads_is_refused_with_the_nearest(config: Any) -> None:
    with pytest.raises(ValidationError, match=r"'chosn_skore'.*did you mean 'chosen_score'"):
        config.model_validate({"from": "raw", "fields": {"chosn_skore": "good_note"}})
    with pytest.raises(ValidationError, match=r"'answr'.*did you mean 'answer'"):
        config.model_validate({"from": "raw", "fields": {"answr": "good_note"}, "form": "mmlu"})


def test_a_column_that_no_record_has_stops_the_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'noote_gut'.*prompt, chosen, rejected, good_note, bad_note"):
        judge(tmp_path, JUDGED, fields={**SCORES, "score_chosen": "noote_gut"})


def test_an_ignored_column_that_no_record_has_stops_the_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`ignore`.*'komentar'.*did you mean 'comment'"):
        converse(tmp_path, [{"prompt": "Rain?", "completion": "Water.", "comment": "a b"}], ignore=["komentar"])


def test_a_misspelt_column_is_told_before_that_no_form_is_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'fragee'.*did you mean 'frage'"):
        converse(tmp_path, [{"frage": "Rain?", "antwort": "Water."}], fields={"prompt": "fragee"})


def test_records_that_lack_a_named_column_are_counted(tmp_path: Path) -> None:
    rows = [*JUDGED[:2], {name: value for name, value in JUDGED[0].items() if name != "good_note"} | {"prompt": "Why?"}]
    result, found = judge(tmp_path, rows, fields=SCORES)
    assert len(found) == 3
    assert result.counts["records without the field 'good_note'"] == 1


def test_a_path_may_be_ignored(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": "Water.", "note": "not so sure"}]
    _, found = converse(tmp_path / "a", [{"messages": turns}], ignore=["messages.*.note"])
    assert len(found) == 1
    with pytest.raises(UsageError, match=r"'messages.\*.noote'"):
        converse(tmp_path / "b", [{"messages": turns}], ignore=["messages.*.noote"])


def test_what_the_message_says_to_ignore_may_be_ignored(tmp_path: Path) -> None:
    turns = [
        {"de": "Ana Lima", "papel": "user", "texto": "Chove?"},
        {"de": "Rui Sá", "papel": "assistant", "texto": "É."},
    ]
    ways = {"messages": "fio", "messages.*.role": "fio.*.papel", "messages.*.content": "fio.*.texto"}
    with pytest.raises(UsageError, match=r"`ignore: \[messages.\*.de\]`"):
        converse(tmp_path / "a", [{"fio": turns}], fields=ways)
    _, found = converse(tmp_path / "b", [{"fio": turns}], fields=ways, ignore=["messages.*.de"])
    assert len(found) == 1


def test_a_usual_name_that_this_form_does_not_read_stops_the_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pair.*'rank'"):
        judge(tmp_path, JUDGED, fields={"rank": "good_note"})


def test_a_text_that_another_column_takes_the_name_of_is_not_lost_unseen(tmp_path: Path) -> None:
    row = {"prompt": "What is rain?", "chosen": "Rain is fire.", "better": "Rain is water.", "rejected": "No idea."}
    with pytest.raises(UsageError, match=r"'chosen'"):
        judge(tmp_path / "a", [row], fields={"chosen": "better"})
    _, (found,) = judge(tmp_path / "b", [row], fields={"chosen": "better"}, ignore=["chosen"])
    assert found.chosen == [{"role": "assistant", "content": "Rain is water."}]
    _, (swapped,) = judge(tmp_path / "c", [row], fields={"chosen": "rejected", "rejected": "better"}, ignore=["chosen"])
    assert swapped.chosen == [{"role": "assistant", "content": "No idea."}]


def test_templates_read_the_names_that_they_hold(tmp_path: Path) -> None:
    template = {"prompt": "What is meant? {words}", "completion": "It is {kind}."}
    row = {"wording": "My card!", "category": "lost"}
    fields = {"words": "wording", "kind": "category"}
    _, (found,) = converse(tmp_path, [row], templates=[template], fields=fields)
    assert found["messages"][0]["content"] == "What is meant? My card!"
    with pytest.raises(ValidationError, match=r"'wordds'.*did you mean 'words'"):
        ConversationsConfig.model_validate({"from": "raw", "templates": [template], "fields": {"wordds": "wording"}})


def test_the_fields_of_records_of_no_form_are_told_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no record has a known form: their fields are frage, antwort.*Forms are "):
        converse(tmp_path, [{"frage": "Rain?", "antwort": "Water."}])


def test_a_code_in_a_field_is_not_counted_as_a_text(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Rain {n}?", "completion": "Water.", "tag": tag} for n, tag in enumerate(("a", "b", "two words"))
    ]
    with pytest.raises(UsageError, match=r"'tag' \(text, not only a code, in 1 of 3 records"):
        converse(tmp_path, rows)


ROWS = [row for layout in LAYOUTS.values() for row in layout.rows] + [row for row, _ in JUDGED_ALONE.values()]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_field_that_a_form_reads_is_a_usual_name(row: dict[str, Any]) -> None:
    read = Read(row)
    name = form_of(row)
    assert name
    with suppress(Fault, LeftOut):
        samples_of(FORMS[name], read)
    assert read.asked <= USUAL, sorted(read.asked - USUAL)


NESTED: list[dict[str, Any]] = [
    {"ticket": {"nr": 7, "fil": [{"de": "client", "texte": f"Bonjour {n}"}, {"de": "agent", "texte": f"Oui {n}"}]}}
    for n in range(4)
]
WAYS = {"messages.*.role": "ticket.fil.*.de", "messages.*.content": "ticket.fil.*.texte"}
SPEAKERS = {"client": "user", "agent": "assistant"}


@pytest.mark.parametrize("fields", [WAYS, {"messages": "ticket.fil", **WAYS}])
def test_turns_inside_of_a_record_under_names_of_their_own(tmp_path: Path, fields: dict[str, str]) -> None:
    _, found = converse(tmp_path, NESTED, fields=fields, roles=SPEAKERS)
    assert sorted(str(each["messages"]) for each in found) == [
        str([{"role": "user", "content": f"Bonjour {n}"}, {"role": "assistant", "content": f"Oui {n}"}])
        for n in range(4)
    ]


def test_a_text_beside_the_turns_is_not_lost(tmp_path: Path) -> None:
    rows = [{"ticket": {**each["ticket"], "note": "a text of two lines and more words"}} for each in NESTED]
    with pytest.raises(UsageError, match="form messages does not use: 'ticket'"):
        converse(tmp_path / "told", rows, fields=WAYS, roles=SPEAKERS)
    converse(tmp_path / "left", rows, fields=WAYS, roles=SPEAKERS, ignore=["ticket"])


def test_a_speaker_that_nobody_is_and_a_path_that_leads_nowhere_stop_the_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`roles` names 'agnet'"):
        converse(tmp_path / "speaker", NESTED, fields=WAYS, roles={"client": "user", "agnet": "assistant"})
    with pytest.raises(UsageError, match=r"'ticket\.fil\.\*\.von'"):
        converse(tmp_path / "path", NESTED, fields={**WAYS, "messages.*.role": "ticket.fil.*.von"}, roles=SPEAKERS)
    for wrong in ({"messages.*.role": "de"}, {**WAYS, "messages": "ticket"}):
        with pytest.raises(ValidationError, match=r"expected a path such as"):
            ConversationsConfig.model_validate({"from": "raw", "fields": wrong})


def test_a_text_of_a_turn_that_another_takes_the_name_of_is_not_lost_unseen(tmp_path: Path) -> None:
    rows = [
        {"ticket": {"fil": [turn | {"content": "in two words"} for turn in each["ticket"]["fil"]]}} for each in NESTED
    ]
    with pytest.raises(UsageError, match=r"'messages\.\*\.content' \(text, not only a code, in 4 of 4 records"):
        converse(tmp_path / "told", rows, fields=WAYS, roles=SPEAKERS)
    _, found = converse(tmp_path / "left", rows, fields=WAYS, roles=SPEAKERS, ignore=["messages.*.content"])
    assert sorted(each["messages"][1]["content"] for each in found) == [f"Oui {n}" for n in range(4)]


def test_speakers_may_be_numbers_and_what_is_none_costs_its_record(tmp_path: Path) -> None:
    def row(number: int, first: Any) -> dict[str, Any]:
        turns = [{"role": first, "content": f"Rain {number}?"}, {"role": 1, "content": f"Water {number}."}]
        return {"messages": turns, "mails": [{"from": ["x"]}]}

    rows = [row(0, 0), row(1, 0), row(2, {"name": "x"}), row(3, ["x"]), *(row(number, 0) for number in range(4, 9))]
    roles, ignore = {"0": "user", "1": "assistant"}, ["mails"]
    result, found = converse(tmp_path, rows, roles=roles, ignore=ignore, largest_bad_share=0.5)
    assert (len(found), result.counts["quarantined: unknown role"]) == (7, 2)


INNER = {"messages.*.content": "fil.*.texte"}


@pytest.mark.parametrize(
    ("row", "fields", "expected"),
    [
        ({"fil": [{"texte": "Oui", "n": 1}]}, INNER, {"messages": [{"n": 1, "content": "Oui"}]}),
        ({"fil": ["lone", {"texte": "Oui"}]}, INNER, {"messages": ["lone", {"content": "Oui"}]}),
        ({"fil": {"texte": "Oui"}}, INNER, {"messages": {"texte": "Oui"}}),
        ({"a": {"b": 1, "c": 2}}, {"x": "a.b"}, {"a": {"c": 2}, "x": 1}),
        ({"a": {"b": 1}}, {"x": "a.b"}, {"x": 1}),
        ({"a.b": {"c": 1}}, {"x": "a.b.c"}, {"x": 1}),
    ],
)
def test_a_record_under_usual_names_keeps_all_that_stands_beside(
    row: dict[str, Any], fields: dict[str, str], expected: dict[str, Any]
) -> None:
    assert Naming(fields, [], {}).named(row) == expected


def test_turns_of_one_conversation_do_not_come_from_two_lists() -> None:
    with pytest.raises(ValidationError, match=r"expected a path such as 'a\.\*\.y'"):
        fields = {"messages.*.role": "a.*.x", "messages.*.content": "b.*.y"}
        ConversationsConfig.model_validate({"from": "raw", "fields": fields})


def test_what_no_record_has_is_told_under_its_own_key_and_where_some_have_it_not() -> None:
    naming = Naming({}, ["notes.*.by"], {"client": "user"})
    naming.require_columns("raw")  # of no records nothing is known
    naming.named({"notes": [{}, {"by": "x"}], "messages": [{"role": "client"}]})
    naming.require_columns("raw")
    assert naming.counts() == {}
    naming = Naming({}, ["note"], {})
    naming.named({str(number): number for number in range(31)})
    with pytest.raises(UsageError, match=r"`ignore` names 'note'.* and 1 more"):
        naming.require_columns("raw")


def test_a_template_takes_a_name_with_dots_and_refuses_what_lies_inside_of_a_text(tmp_path: Path) -> None:
    wording = {"prompt": "{a.b}", "completion": "{c.d}"}
    _, (found,) = converse(tmp_path / "a", [{"a.b": "Rain?", "c": {"d": "Water."}}], templates=[wording])
    assert [turn["content"] for turn in found["messages"]] == ["Rain?", "Water."]
    rows = [{"a.b": "Rain?", "c": inner} for inner in ({"d": "Water."}, "Water.", None)]
    result, _ = converse(tmp_path / "b", rows, templates=[wording], largest_bad_share=1)
    assert result.counts["quarantined: field missing"] == 2


def test_templates_take_paths(tmp_path: Path) -> None:
    wording = {"prompt": "{ticket.fil.0.texte} ({ticket[nr]})", "completion": "{ticket.fil[1].texte}"}
    _, found = converse(tmp_path, NESTED[:1], templates=[wording])
    assert [turn["content"] for turn in found[0]["messages"]] == ["Bonjour 0 (7)", "Oui 0"]
