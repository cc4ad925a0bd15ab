"""Tasks that let a model write: how a record becomes a prompt, what is taken from an answer, what its item keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from chat_families import write_family
from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import UsageError
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.checked import ExactAnswerConfig, evaluate_exact_answer
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from lmworks.pipeline.work.chunks import read_records
from lmworks.rewards.exact import Comparison
from scripted import Script
from support import make_context

Ask = Callable[..., tuple[Result, list[dict[str, Any]], Script]]
WRITING = ["exact-answer", "rules", "text-to-text", "facts-to-text", "summary", "judged-answers", "documentation"]


def conversations(folder: Path, *pairs: tuple[str, str], **more: Any) -> Conversations:
    folder.mkdir(parents=True)
    records = [
        {
            "id": f"{folder.name}{number}",
            "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}],
            "document": None,
            "form": "chat",
            **more,
        }
        for number, (asked, answer) in enumerate(pairs)
    ]
    write_json_lines(folder / "conversations.jsonl", records)
    return Conversations(folder, folder.name)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Two sums, to which scripted answers are given, and one to show before them."""
    base = write_family(tmp_path / "zephyr", "zephyr")
    data = conversations(tmp_path / "data", ("2 + 2?", "4"), ("2 + 3?", "5"), topic="sums")
    train = conversations(tmp_path / "train", ("1 + 1?", "#### 2"), topic="sums")

    def asked(fields: dict[str, Any], *texts: str) -> tuple[Result, list[dict[str, Any]], Script]:
        engine = Script(base, *texts)
        monkeypatch.setattr("lmworks.evaluate.questions.open_engine", lambda *_: engine)
        config = ExactAnswerConfig.model_validate({"data": "data", "train": "train", "max_tokens": 60, **fields})
        out = tmp_path / "out"
        out.mkdir()
        context = make_context(tmp_path)
        result = evaluate_exact_answer(config, ModelFolder(base, "m"), data, train, out=out, context=context)
        return result, read_records(out / "items.jsonl"), engine

    return asked


def test_nothing_stands_between_a_question_and_its_answer_but_what_the_recipe_says(ask: Ask) -> None:
    text = {"prompt": "few-shot-text", "shots": 1, "template": "Q ({topic}): {question}", "delimiter": "\nA: "}
    _, items, engine = ask({**text, "between_shots": "\n--\n", "stop": ["\n"]}, "4\nQ: and on", " 5")
    begin = engine.tokenizer.end_of_text
    assert [each.removeprefix(begin) for each in engine.asked] == [
        f"Q (sums): 1 + 1?\nA: #### 2\n--\nQ (sums): {asked}\nA:" for asked in ("2 + 2?", "2 + 3?")
    ], "the delimiter is a shot's as stated; before an answer that is to be written, without the spaces at its end"
    assert [item["put"] for item in items] == engine.asked
    assert [(item["raw"], item["answer"], item["finish_reason"]) for item in items] == [
        ("4", "4", "stop"),
        (" 5", "5", "stop"),
    ]
    assert all(item["tokens"] > 0 for item in items)


def test_in_a_chat_the_template_says_what_stands_before_an_answer(ask: Ask) -> None:
    with pytest.raises(ValidationError, match="delimiter: prompt chat uses the chat template between turns"):
        ask({"delimiter": " "}, "4")
    _, items, engine = ask({}, "4", "5")
    asked = [[{"role": "user", "content": text}] for text in ("2 + 2?", "2 + 3?")]
    assert [item["put"] for item in items] == [engine.tokenizer.render_chat(each, True) for each in asked]


def test_answers_without_a_result_are_counted_beside_the_score_and_read_flexibly_too(ask: Ask) -> None:
    result, items, _ = ask({"pattern": "#### (.+)"}, "It is 4. #### 4", "That makes 5.")
    figures = {figure.name: figure for figure in result.figures}
    assert (figures["exact_match"].value, figures["exact_match_flexible"].value) == (0.5, 1.0)
    assert figures["extraction_failures"].value == 0.5
    assert "in 1 of 2 answers the pattern finds nothing" in figures["exact_match"].method
    assert [item["extracted"] for item in items] == ["4", None]
    assert [item["unextracted"] for item in items] == [False, True]


def test_a_shots_answer_that_is_copied_in_the_reasoning_is_not_the_result(ask: Ask) -> None:
    copied = "As in the example, 1 + 1 is #### 2\nSo 2 + 2 is #### 4"
    result, items, _ = ask({"prompt": "few-shot", "shots": 1, "pattern": "#### (.+)"}, copied, "#### 5\nno, #### 6")
    assert [item["extracted"] for item in items] == ["4", "6"] and [item["score"] for item in items] == [1, 0]
    assert "with a 1-shot prompt" in result.figures[0].method


@pytest.mark.parametrize("field", ["stop", "delimiter", "between_shots", "template"])
def test_a_backslash_and_a_letter_are_refused_where_the_end_of_a_line_is_meant(field: str) -> None:
    """As YAML reads '\\n' between single quotes."""
    wrong, right = r"{question}\nAnswer:", "{question}\nAnswer:"
    for kind in WRITING:
        fields: dict[str, Any] = {"data": "d", "train": "t", "judge": "j", "rules": [{"kind": "length", "most": 9}]}
        fields = {name: value for name, value in fields.items() if name in TASKS[kind].config.model_fields}
        if kind not in ("judged-answers", "documentation"):
            fields["prompt"] = "few-shot-text"
        elif field in ("delimiter", "between_shots"):
            continue
        with pytest.raises(ValidationError, match=r'For the end of a line or a tab, use double quotes: "\\n"'):
            TASKS[kind].config.model_validate({**fields, field: [wrong] if field == "stop" else wrong})
        TASKS[kind].config.model_validate({**fields, field: [right] if field == "stop" else right})
    ExactAnswerConfig(data="d", template=r"Is $\nabla {question}$ right?")
    if field in ("delimiter", "template"):
        with pytest.raises(ValidationError, match=r"use double quotes"):
            TASKS["multiple-choice"].config.model_validate({"data": "d", field: r"{query}\nAnswer:"})


@pytest.mark.parametrize("template", ["{question.__class__}", "{question!r}", "{question:>9}", "{0}", "{", "no field"])
def test_a_template_holds_names_of_fields_and_no_code(template: str) -> None:
    with pytest.raises(ValidationError, match=r"names of fields between braces|write a literal brace twice"):
        ExactAnswerConfig(data="d", template=template)


@pytest.mark.parametrize("name", ["subject", "answer", "messages"])
def test_a_field_that_is_not_there_or_says_the_answer_is_refused_with_those_that_are(ask: Ask, name: str) -> None:
    known = "has only form, id, question, source, topic: name one"
    with pytest.raises(UsageError, match=f"has the field '{name}'.*{known}"):
        ask({"template": f"{{{name}}}: {{question}}"}, "4")


def test_squads_normaliser_takes_no_notice_of_articles_and_punctuation() -> None:
    squad, value = Comparison(compare="squad"), Comparison()
    assert squad.is_right("The  Eiffel-Tower!", "an eiffeltower") and not value.is_right("The tower", "tower")
    assert not squad.is_right("the tower", "towers")
    numbers = Comparison(pattern=r"#### (.+)")
    assert numbers.ends_right("Seven, that is 1,000.", "#### 1000") and not numbers.ends_right("1000 or 7", "1000")
    assert numbers.ends_right("It is clear:\nParis.", "paris") and not numbers.ends_right("", "paris")


@pytest.mark.parametrize(
    ("answer", "wanted", "other", "language"),
    [
        ("It takes 5-7 days.", "7", "-7", "en"),
        ("pages 3–4", "4", "-4", "en"),
        ("COVID-19", "19", "-19", "en"),
        ("on 2024-05-12", "12", "-12", "en"),
        ("from $5-$7, or 5€-7€", "7", "-7", "en"),
        ("between 5%-7%", "7", "-7", "en"),
        ("(5)-7", "7", "-7", "en"),
        ("x=-7", "-7", "7", "en"),
        ("1-7=-6", "-6", "6", "en"),
        ("That is \\boxed{-7}.", "-7", "7", "en"),
        ("that makes –7", "-7", "7", "en"),
        ("a loss of -$1,234.50.", "-1234.5", "1234.5", "en"),
        ("a loss of $-7", "-7", "7", "en"),
        ("#### 1,000", "1000", "0", "en"),
        ("1,000-2,000", "2000", "-2000", "en"),
        ("ein Gewinn von 1.234,50 €", "1234.50", "50", "de"),
        ("Le total est 1 500 €.", "1500", "500", "fr"),
        ("1'500", "1500", "500", "de-CH"),
        ("it is .5", "0.5", "5", "en"),
        ("it is -.5", "-0.5", "5", "en"),
        ("it is 3/4", "0.75", "4", "en"),
        ("it is 1 1/2", "1.5", "0.5", "en"),
        ("it is 1.5e3", "1500", "3", "en"),
    ],
)
def test_a_last_number_is_read_with_its_own_sign_and_whole(answer: str, wanted: str, other: str, language: str) -> None:
    rule = Comparison(language=language)
    if language == "de":
        wanted, other = wanted.replace(".", ","), other.replace(".", ",")
    assert rule.ends_right(answer, wanted) and not rule.ends_right(answer, other)


@pytest.mark.parametrize("field", ["template", "about.template"])
def test_questions_asked_anew_with_other_numbers_tell_as_much_as_their_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """Twenty times each of eight, half of which are right: a field of the record, and one kept in its `meta`."""
    base = write_family(tmp_path / "zephyr", "zephyr")
    said = ["4" if template % 2 else "no" for template in range(8) for _ in range(20)]
    data = conversations(tmp_path / "data", *((f"2 + 2, {number}?", "4") for number in range(160)))
    records = [{**record, "id": f"{number:03}"} for number, record in enumerate(data.iterate())]
    kept = [{"template": f"t{number // 20}"} for number in range(160)]
    if field == "template":
        records = [{**record, "meta": each} for record, each in zip(records, kept, strict=True)]
    else:
        records = [{**record, "about": each} for record, each in zip(records, kept, strict=True)]
    write_json_lines(data.path / "conversations.jsonl", records)

    def width(**fields: Any) -> tuple[float, str]:
        monkeypatch.setattr("lmworks.evaluate.questions.open_engine", lambda *_: Script(base, *said))
        config = ExactAnswerConfig.model_validate({"data": "data", **fields})
        out = tmp_path / f"out{len(fields)}"
        out.mkdir()
        context = make_context(out)
        figure = evaluate_exact_answer(config, ModelFolder(base, "m"), data, None, out=out, context=context).figures[0]
        assert figure.interval and figure.value == 0.5
        return figure.interval[1] - figure.interval[0], figure.method

    alone, method = width()
    together, of_templates = width(cluster=field)
    assert together > 2 * alone and "160 clusters" in method and "8 clusters" in of_templates
    with pytest.raises(
        UsageError, match=r"exact-answer: `cluster` names 'tmplate', .* did you mean '(about.)?template'"
    ):
        width(cluster="tmplate", max_tokens=5)
