"""What a model says to prompts, as conversations; and which of its answers follow rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from chat_families import write_family
from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import LmworksError, UsageError
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from lmworks.rewards import Answer
from lmworks.rewards.models import PrincipleReward
from lmworks.teach.answers import AnswersConfig, answers
from lmworks.teach.constitution import ConstitutionConfig, constitution
from scripted import Script
from support import make_context
from tiny import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return ModelFolder(make_tiny_model(tmp_path_factory.mktemp("teach") / "model"), "m")


def asked(folder: Path, questions: Sequence[str]) -> Conversations:
    folder.mkdir()
    turns = [[{"role": "user", "content": text}, {"role": "assistant", "content": "It lists."}] for text in questions]
    records = [{"id": f"q{number}", "messages": each, "document": f"d{number}"} for number, each in enumerate(turns)]
    write_json_lines(folder / "conversations.jsonl", records)
    return Conversations(folder, "c")


def said(model: ModelFolder, data: Conversations, out: Path, **config: Any) -> tuple[Result, list[dict[str, Any]]]:
    out.mkdir()
    made = AnswersConfig(model="m", data="d", **config)
    result = answers(made, model, data, out=out, context=make_context(out / "work"))
    return result, list(Conversations(out, "a").iterate())


QUESTIONS = [f"What does bucket {number} do?" for number in range(8)]


def test_an_answer_follows_from_its_prompt_and_number_alone(model: ModelFolder, tmp_path: Path) -> None:
    data = asked(tmp_path / "data", QUESTIONS)
    _, every = said(model, data, tmp_path / "all", samples=2, max_tokens=8, cut="keep")
    _, few = said(model, data, tmp_path / "few", samples=1, temperature=1, max_tokens=8, cut="keep", limit=3)
    by_id = {record["id"]: record["messages"] for record in every}
    assert len(every) == 16 and {record["asked"] for record in few} < {f"q{number}" for number in range(8)}
    assert len(few) == 3 and all(record["messages"] == by_id[f"{record['asked']}-0"] for record in few)
    assert len({json.dumps(messages) for messages in by_id.values()}) > 12
    assert few[0]["reference"] == "It lists." and few[0]["document"] == few[0]["asked"].replace("q", "d")


def test_the_likeliest_answer_is_taken_where_one_is_asked_for(model: ModelFolder, tmp_path: Path) -> None:
    _, (record, *_) = said(model, asked(tmp_path / "data", QUESTIONS), tmp_path / "out", max_tokens=8, cut="keep")
    engine = open_decoder(model.path)
    (expected,) = engine.generate(
        [engine.tokenizer.encode_chat(record["messages"][:-1], True)[0]], Sampling(max_tokens=8)
    )
    assert expected.end_id is None
    said_so = {"role": "assistant", "content": expected.text.strip(), "finish_reason": "length"}
    assert record["messages"][-1] == said_so


def test_who_learns_from_a_cut_answer_is_not_told_that_it_ended(model: ModelFolder, tmp_path: Path) -> None:
    _, records = said(
        model, asked(tmp_path / "data", QUESTIONS), tmp_path / "out", samples=8, max_tokens=30, cut="keep"
    )
    tokenizer = open_decoder(model.path).tokenizer
    last = {"length": set[bool](), "": set[bool]()}
    for *before, answer in (record["messages"] for record in records):
        ids, trained = tokenizer.encode_chat([*before, answer])
        frame, _ = tokenizer.encode_chat(before, True)
        assert ids[: len(frame)] == frame and trained[len(frame)]
        last[answer.get("finish_reason", "")].add(tokenizer.end_of_turn_id in ids[len(frame) :])
    assert last == {"length": {False}, "": {True}}


def test_what_has_no_room_or_no_end_is_left_out_and_counted(model: ModelFolder, tmp_path: Path) -> None:
    data = asked(tmp_path / "data", [*QUESTIONS, "What " * 70])
    result, records = said(model, data, tmp_path / "out", samples=8, max_tokens=30)
    assert records and not any("finish_reason" in record["messages"][-1] for record in records)
    assert result.counts["prompts without room"] == 1 and result.counts["prompts"] == 8
    assert result.counts["answers"] == len(records) == 64 - result.counts["answers that were cut"] - 1
    assert result.counts["empty answers"] == 1
    assert (tmp_path / "out" / "ids.txt").read_text().split() == sorted({record["document"] for record in records})
    with pytest.raises(LmworksError, match=r"wrote no complete answer.*Raise max_tokens \(now 1\)"):
        said(model, data, tmp_path / "short", max_tokens=1)


def test_a_prompt_that_the_template_refuses_costs_itself(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    refusing = "{% if 'snow' in messages[0]['content'] %}{{ raise_exception('no snow') }}{% endif %}"
    settings["chat_template"] = refusing + settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    model = ModelFolder(folder, "m")
    data = asked(tmp_path / "data", [*QUESTIONS, "And snow?"])
    result, records = said(model, data, tmp_path / "out", max_tokens=8, cut="keep")
    assert result.counts["prompts refused"] == 1 and len(records) == result.counts["prompts"] == 8
    with pytest.raises(LmworksError, match="no snow"):
        said(model, asked(tmp_path / "all", ["And snow?"]), tmp_path / "none", max_tokens=8)


def written(folder: Path, texts: Sequence[Sequence[str]]) -> Conversations:
    """Answers of each of some prompts."""
    folder.mkdir()
    user = {"role": "user", "content": "What is it?"}
    records = [
        {
            **{
                "id": f"q{place}-{number}",
                "asked": f"q{place}",
                "document": f"d{place}",
                "reference": "",
            },
            "messages": [user, {"role": "assistant", "content": text}],
        }
        for place, group in enumerate(texts)
        for number, text in enumerate(group)
    ]
    write_json_lines(folder / "conversations.jsonl", records)
    return Conversations(folder, "w")


def judged(data: Conversations, out: Path, rules: Sequence[dict[str, Any]], **more: Any) -> tuple[Result, list[Any]]:
    out.mkdir()
    config = ConstitutionConfig.model_validate({"from": "w", "rules": rules, **more}).resolve(out)
    result = constitution(config, data, None, out=out, context=make_context(out / "work"))
    return result, [json.loads(line) for line in (out / "preferences.jsonl").read_text().splitlines()]


RULES = [{"kind": "length", "most": 3}, {"kind": "words", "avoid": ["fool", "bad man"], "weight": 3}]


def test_the_best_answer_is_preferred_to_the_worst_by_the_weighted_rules(tmp_path: Path) -> None:
    data = written(
        tmp_path / "w",
        [
            ["You Fool.", "A store of many small things.", "A store."],
            ["A store.", "A place."],
            ["It is a store of things.", "A BAD, man"],
        ],
    )
    result, (first, third) = judged(data, tmp_path / "out", RULES)
    assert (first["id"], first["chosen"][0]["content"]) == ("q0", "A store.")
    assert first["rejected"][0]["content"] == "You Fool." and first["decided"] == {"length": 0, "words": 3}
    assert third["rejected"][0]["content"] == "A BAD, man" and third["decided"] == {"length": -1, "words": 3}
    assert third["margin"] == 2 and third["document"] == "d2" and third["prompt"][0]["content"] == "What is it?"
    assert result.counts["prompts"] == 3 and result.counts["prompts that teach"] == 2
    assert result.counts["decided by words"] == 2 and "decided by length" not in result.counts


def test_rules_that_tell_no_answers_apart_are_refused(tmp_path: Path) -> None:
    data = written(tmp_path / "w", [["A store.", "A place."]])
    with pytest.raises(LmworksError, match="for none of 1 prompts do rewards of answers differ"):
        judged(data, tmp_path / "out", RULES)


def test_answers_are_ranked_by_tests_and_those_that_cannot_be_are_counted(tmp_path: Path) -> None:
    right, wrong = (f"def add(a, b):\n    return a {sign} b" for sign in "+-")
    data = written(tmp_path / "w", [[wrong, right], [right, wrong]])
    records = list(data.iterate())
    for record in records[:2]:
        record["reference"] = "assert add(1, 2) == 3"
    write_json_lines(data.path / "conversations.jsonl", records)
    result, (pair,) = judged(data, tmp_path / "out", [{"kind": "unit-tests"}])
    assert (pair["id"], pair["chosen"][0]["content"]) == ("q0", right)
    assert result.counts["unjudged by unit-tests"] == 2


def test_an_answer_on_which_a_rule_fails_is_counted_and_costs_itself(tmp_path: Path) -> None:
    data = written(tmp_path / "w", [["A store.", "A place."], ["A box.", "A bag."]])
    (tmp_path / "own.py").write_text(
        "def score(answer):\n    return {'A store.': 1, 'A place.': 0.5, 'A bag.': 1}[answer]"
    )
    result, pairs = judged(data, tmp_path / "out", [{"kind": "python", "file": "../own.py"}])
    assert [pair["chosen"][0]["content"] for pair in pairs] == ["A store.", "A bag."]
    failed = "answers on which a rule failed, which then says 0"
    assert result.counts[failed] == 1 and failed in result.losses


def test_answers_longer_than_a_judge_reads_cost_their_prompt_alone(tmp_path: Path) -> None:
    judge = ModelFolder(make_tiny_model(tmp_path / "judge", context_length=512), "m")
    data = written(
        tmp_path / "w", [["A store.", "A place."], ["Things. " * 200, "A place."], ["A box.", "A bag of it."]]
    )
    rules = [{"kind": "principle", "rule": "It is short.", "model": "m"}]
    config = ConstitutionConfig.model_validate({"from": "w", "rules": rules})
    (tmp_path / "out").mkdir()
    result = constitution(config, data, [judge], out=tmp_path / "out", context=make_context(tmp_path / "out" / "work"))
    lost = "prompts whose answers are longer than a judge reads"
    assert result.counts["prompts"] == 3 and result.counts[lost] == 1 and lost in result.losses
    assert result.counts["prompts that teach"] == 2 and result.counts["answers"] == 4


def test_a_list_of_words_is_read_from_a_file(tmp_path: Path) -> None:
    data = written(tmp_path / "w", [["A store.", "An idiot."]])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "insults.txt").write_text("idiot\n")
    config = ConstitutionConfig.model_validate(
        {"from": "w", "rules": [{"kind": "words", "avoid": "insults.txt", "source": "ours"}]}
    )
    assert config.resolve(tmp_path / "out").rules[0].avoid == ["idiot"]  # type: ignore[union-attr]
    constitution(config.resolve(tmp_path / "out"), data, None, out=tmp_path / "out", context=make_context(tmp_path))
    assert "idiot" in json.loads((tmp_path / "out" / "preferences.jsonl").read_text())["rejected"][0]["content"]


def test_answers_of_people_are_not_ranked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name a step of kind `answers`"):
        judged(asked(tmp_path / "data", QUESTIONS), tmp_path / "out", RULES)


def test_a_judge_hears_both_orders_and_its_probabilities_are_those_of_the_letters(model: ModelFolder) -> None:
    rule = TypeAdapter(PrincipleReward).validate_python({"rule": "Be brief.", "model": "m"})
    scorer = rule.opened({"m": ModelFolder(make_longer(model), "l")}, "cpu")
    turns = [{"role": "user", "content": "What?"}]
    three = [Answer(text, "", True, turns) for text in ("A store.", "It is a store of things.", "Things")]
    found = scorer.scores(three)
    assert sum(found) == pytest.approx(1.5), "what one wins another loses"
    assert scorer.scores(three[::-1]) == pytest.approx(found[::-1]), "the order in which they come does not matter"
    assert max(found) > 0.5
    (alone,) = scorer.scores(three[:1])
    assert alone == 0.5
    other = Answer("Of another prompt", "", True, [{"role": "user", "content": "Who?"}])
    assert scorer.scores([*three, other]) == pytest.approx([*found, 0.5])


def make_longer(model: ModelFolder) -> Path:
    return make_tiny_model(model.path.parent / "longer", context_length=512)


def test_thoughts_are_kept_before_what_a_student_learns_and_rules_judge_what_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_family(tmp_path / "qwen-3", "qwen-3")
    whole, never = "<think>\nEasy.\n</think>\n\nIt lists.", "<think>\nEasy, but"
    engine = Script(base, whole, never, "It lists.", whole)
    monkeypatch.setattr("lmworks.teach.answers.open_engine", lambda *_: engine)
    data = asked(tmp_path / "data", QUESTIONS[:4])
    result, made = said(ModelFolder(base, "m"), data, tmp_path / "out", max_tokens=40)
    assert sorted(record["messages"][-1]["content"] for record in made) == sorted([whole, "It lists.", whole])
    assert result.counts["answers that never left their thoughts"] == 1
    assert engine.tokenizer.thoughts
    student = open_decoder(make_tiny_model(tmp_path / "student")).tokenizer
    learned = [record["messages"] for record in made if record["messages"][-1]["content"] == whole]
    ids, trained = engine.tokenizer.encode_chat(learned[0])
    assert engine.tokenizer.spell([token for token, on in zip(ids, trained, strict=True) if on]) == f"{whole}<|im_end|>"
    ids, trained = student.encode_chat(learned[0])
    assert student.decode([token for token, on in zip(ids, trained, strict=True) if on]) == whole
