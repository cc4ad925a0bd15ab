"""Decontamination: what gives an evaluation set away is found, shown and dropped or cut."""

from __future__ import annotations

import json
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from data_support import documents_of, payload_bytes, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from corpora import make_conversations
from lmworks.data.contamination.decontaminate import DecontaminateConfig, decontaminate
from lmworks.data.contamination.join import Form, Index, spans, write_index
from lmworks.data.shards.records import Documents, read_shard, write_shard
from lmworks.data.tuning.conversations import Conversations, conversation, write_conversations
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.stage import Handle, Result
from quick import examples
from support import MemoryJournal, make_context

WORDS = [f"word{number}" for number in range(2000)]


def story(seed: int, length: int = 60) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def clean(tmp_path: Path, documents: Documents, *sets: Handle, **fields: Any) -> tuple[Result, Path]:
    names = [f"set{number}" for number in range(len(sets))]
    config = DecontaminateConfig.model_validate({"from": "clean", "against": names, **fields}).resolve(tmp_path)
    out = tmp_path / "out"
    return decontaminate(config, documents, list(sets), out=out, context=make_context(tmp_path)), out


def verdicts(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "items.jsonl").read_text().splitlines()]


def index_of(folder: Path, items: list[str]) -> Index:
    """The index of items of one set."""
    write_index(folder, [Form(number, item, "set", str(number)) for number, item in enumerate(items)])
    return Index(folder)


ITEM = story(1, 40)
OTHER = " ".join(story(2))


@pytest.mark.parametrize(
    ("text", "method"),
    [
        (f"{OTHER} {' '.join(ITEM).upper()}! {OTHER}", "exact"),
        (f"{OTHER} {', '.join(ITEM)} {OTHER}", "exact"),
        (" ".join([*ITEM[:-1], "new"]), "near-duplicate"),
        (f"{OTHER} <p>{' '.join(f'<b>{word}</b>' for word in ITEM)}</p> {OTHER}", "exact"),
        (f"{OTHER} {' '.join(f'{word[:2]}<i>{word[2:]}</i>' for word in ITEM)} {OTHER}", "exact"),
        (f"{OTHER} {'&nbsp;'.join(ITEM)} {OTHER}", "exact"),
        (f"{OTHER} {' '.join([*ITEM[:-2], 'new', 'names'])} {OTHER}", "near-duplicate"),
        (f"{OTHER} {' '.join(ITEM[5:18])} {OTHER}", "13-gram"),
        (f"{OTHER} {' '.join(ITEM[5:17])} {OTHER}", None),
        (f"{OTHER} {' '.join(word for part in (ITEM[:12], ITEM[12:24], ITEM[24:36]) for word in [*part, 'x'])}", None),
        (OTHER, None),
    ],
)
def test_each_way_to_hold_an_item(tmp_path: Path, text: str, method: str | None) -> None:
    documents = documents_of(tmp_path / "in", "A text of its own, with more than eight words in it.", text)
    result, out = clean(tmp_path, documents, documents_of(tmp_path / "set", " ".join(ITEM)))
    assert texts(out) == sorted(each.text for each in documents.iterate() if each.text != text or not method)
    (verdict,) = verdicts(out)
    assert verdict["method"] == method
    assert verdict["documents"] == (method is not None)
    if method:
        assert result.counts[f"dropped: {method} of an evaluation item"] == 1
        (example,) = [each for each in result.examples if each["reason"].startswith("dropped")]
        passage = example["text"].split("»")[1].split("«")[0].lower().replace("&nbsp;", " ")
        first = re.findall(r"\w+", re.sub("<[^>]*>", "", passage))[:10]
        assert " ".join(first) in " ".join(ITEM)
        assert (example["set"], example["record"]) == ("set0", f"{0:032x}")


@pytest.mark.parametrize(("pieces", "found"), [(3, True), (2, False)])
def test_most_of_an_item_in_pieces_is_found_by_its_8_grams(tmp_path: Path, pieces: int, found: bool) -> None:
    item = story(3, 22)  # 15 8-grams; the pieces hold 5, 5 and 1 of them, 73 %; without the last 67 %
    held = [" ".join(piece) for piece in (item[:12], item[5:17], item[10:18])[:pieces]]
    result, _ = clean(
        tmp_path,
        documents_of(tmp_path / "in", " x ".join([OTHER, *held, OTHER]), OTHER),
        documents_of(tmp_path / "set", " ".join(item)),
    )
    assert result.counts["dropped: near-duplicate of an evaluation item"] == found


@pytest.mark.parametrize("length", [5, 6, 7, 8])
def test_a_short_item_is_found_inside_and_a_shorter_one_only_as_the_whole(tmp_path: Path, length: int) -> None:
    short = " ".join(story(4, length))
    held = f"{OTHER} {short} {OTHER}"
    result, out = clean(
        tmp_path,
        documents_of(tmp_path / "in", held, "Yes, sir.", f"{OTHER} yes sir {OTHER}"),
        documents_of(tmp_path / "set", short, "yes sir"),
    )
    assert texts(out) == [f"{OTHER} yes sir {OTHER}"]
    assert result.counts["dropped: exact of an evaluation item"] == 2


def test_cutting_takes_the_lines_that_hold_the_item(tmp_path: Path) -> None:
    before, after = " ".join(story(5)), " ".join(story(6))
    held = f"{before}\nIt says {' '.join(ITEM[:38])}\n{' '.join(ITEM[38:])} and more\n{after}"
    nothing_else = f"Short.\n{' '.join(ITEM)}"
    result, out = clean(
        tmp_path,
        documents_of(tmp_path / "in", held, nothing_else, after),
        documents_of(tmp_path / "set", " ".join(ITEM)),
        action="cut",
    )
    assert texts(out) == sorted([f"{before}\n{after}", after])
    assert result.counts["cut: exact of an evaluation item"] == 1
    assert result.counts["dropped: exact of an evaluation item"] == 1


def test_questions_and_published_files_are_sets_too(tmp_path: Path) -> None:
    questions = make_conversations(tmp_path / "questions", 1)
    asked = [message["content"] for record in questions.iterate() for message in record["messages"]]
    rows: list[Any] = [
        {"id": "q1", "question": " ".join(ITEM), "choices": ["short", {"text": " ".join(story(7))}], "n": 1},
        {"question": "who was it"},
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "set.jsonl").write_text(content + "{broken\n")
    held = [f"{OTHER}\n{text}" for text in (" ".join(ITEM), " ".join(story(7)))]
    documents = documents_of(tmp_path / "in", max(asked, key=len), *held, OTHER)
    result, out = clean(tmp_path, documents, questions, files=["set.jsonl"])
    assert texts(out) == [OTHER]
    assert result.counts["unreadable line of set.jsonl"] == 1
    by_set = {(each["set"], each["record"]) for each in verdicts(out)}
    assert by_set == {("set0", "0000"), ("set.jsonl", "1"), ("set.jsonl", "2")}
    assert result.counts["items"] == 4
    assert result.counts["contaminated items"] == 3


def test_the_content_of_a_file_enters_the_key_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    config = DecontaminateConfig.model_validate({"from": "clean", "files": ["set.jsonl"]})
    with pytest.raises(UsageError, match=r"set\.jsonl cannot be read"):
        config.resolve(tmp_path)
    prints = []
    for content in ("{}", "[]"):
        (tmp_path / "set.jsonl").write_text(content)
        prints.append(config.resolve(tmp_path).fingerprints)
    assert prints[0] != prints[1]


def test_without_a_set_or_with_an_empty_one_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="evaluation set"):
        DecontaminateConfig.model_validate({"from": "clean"})
    (tmp_path / "set.jsonl").write_text("{}\n")
    with pytest.raises(LmworksError, match="no text"):
        clean(tmp_path, documents_of(tmp_path / "in", OTHER), files=["set.jsonl"])


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    documents = documents_of(tmp_path / "in", OTHER, " ".join(ITEM))
    for number in range(1, 4):
        write_shard(tmp_path / "in" / f"part-{number:05d}.parquet", read_shard(documents.shards()[0]))
    items = documents_of(tmp_path / "set", " ".join(ITEM))
    config = DecontaminateConfig.model_validate({"from": "clean", "against": ["x"]})
    decontaminate(config, documents, [items], out=tmp_path / "whole", context=make_context(tmp_path / "a"))
    for kept in range(5):
        place, journal = tmp_path / f"killed-{kept}", MemoryJournal()
        for _ in range(2):
            decontaminate(config, documents, [items], out=place / "out", context=make_context(place, journal))
            del journal.lines[kept:]
        assert payload_bytes(place / "out") == payload_bytes(tmp_path / "whole")


@settings(max_examples=examples(40))  # every example writes and syncs an index
@given(st.data())
def test_an_item_pasted_anywhere_is_found_where_it_stands(data: st.DataObject) -> None:

    words = st.sampled_from(WORDS[:40])
    items = data.draw(st.lists(st.lists(words, min_size=5, max_size=30), min_size=1, max_size=5))
    before, after = (data.draw(st.lists(words, max_size=30)) for _ in range(2))
    chosen = data.draw(st.integers(0, len(items) - 1))
    text = " ".join([*before, *items[chosen], *after])
    with tempfile.TemporaryDirectory() as name:
        index = index_of(Path(name), [" ".join(item) for item in items])
        (found,) = index.search(pa.array([text]))
        matches = {match.item: match for match in found}
        assert matches[chosen].method == "exact"
        place = len(" ".join(before)) + bool(before)
        passages = spans(text, matches[chosen])
        assert any(start <= place and stop >= place + len(" ".join(items[chosen])) for start, stop in passages)


@settings(max_examples=examples(50))
@given(st.data())
def test_a_text_holds_the_same_items_alone_and_among_others(data: st.DataObject) -> None:
    words = st.sampled_from(["one", "two", "three", "Four", "fünf", "六", "…"])
    items = data.draw(st.lists(st.lists(words, min_size=1, max_size=14).map(" ".join), min_size=1, max_size=3))
    pasted = st.one_of(words, st.sampled_from(items))
    texts = data.draw(st.lists(st.lists(pasted, max_size=16).map(" ".join), max_size=6))
    with tempfile.TemporaryDirectory() as name:
        index = index_of(Path(name), items)
        together = list(index.search(pa.array(texts, pa.string())))
        assert together == [next(index.search(pa.array([text]))) for text in texts]


def test_an_item_in_a_script_without_spaces_is_found_inside_a_sentence(tmp_path: Path) -> None:
    item = "今天天气很好我们去公园散步吧朋友们"
    texts = [f"他说：{item}，然后走了。", "The operation returns a list of the names of queues."]
    held, other = index_of(tmp_path, [item]).search(pa.array(texts))
    assert [match.method for match in held] == ["exact"] and not other


def test_a_question_goes_where_its_layout_is_another(tmp_path: Path) -> None:
    stem = "Which of the two rivers is the longer one here"
    asked = conversation(
        id="q", form="f", question=f"Question: {stem}?\nA. the Rhine\nB. the Po", answer="A", document=None
    )
    (tmp_path / "questions").mkdir()
    write_conversations(tmp_path / "questions", [asked])
    texts = [f"He asked them: {stem}? Nobody knew.", "Which of the two rivers is it? Nobody knew of one here."]
    documents = documents_of(tmp_path / "documents", *texts)
    _, out = clean(tmp_path, documents, Conversations(tmp_path / "questions", ""))
    assert [document.text for document in Documents(out, "").iterate()] == texts[1:]


QUESTIONS = {
    "Chinese": (
        "一个仓库里有三百二十桶咸鱼每天卖出十六桶请问几天之后仓库就空了",
        "风北方来雪落山上老人坐门前看孩子们跑过桥去集市买鱼和米",
    ),
    "Thai": ("โกดังแห่งหนึ่งมีปลาเค็มสามร้อยยี่สิบถังขายวันละสิบหกถังกี่วันจึงจะหมด", "กขคงจฉชซญดตถทนบปผพมยรลวสหอ"),
    "Hindi": (
        "एक गोदाम में मछली के तीन सौ बीस पीपे हैं और रोज़ सोलह बिकते हैं",
        ["नदी ", "पहाड़ ", "बच्चे ", "बाज़ार ", "मछली ", "घंटी "],
    ),
}


@pytest.mark.parametrize("script", [*QUESTIONS])
@pytest.mark.parametrize("action", ["drop", "cut"])
def test_a_question_beside_a_longer_passage_goes_in_any_script(tmp_path: Path, script: str, action: str) -> None:
    question, letters = QUESTIONS[script]
    passage, *others = ("".join(random.Random(seed).choices(letters, k=90)).strip() for seed in range(4))
    line = json.dumps({"question": question, "passage": passage, "answer": "20"}, ensure_ascii=False)
    (tmp_path / "set.jsonl").write_text(line + "\n", encoding="utf-8")
    documents = documents_of(tmp_path / "in", f"{others[0]}\n{question}？\n{others[1]}", others[2])
    _, out = clean(tmp_path, documents, files=["set.jsonl"], action=action)
    left = [others[2]] if action == "drop" else [f"{others[0]}\n{others[1]}", others[2]]
    assert texts(out) == sorted(left)


@pytest.mark.parametrize(("taken", "found"), [(26, True), (25, False)])
def test_13_words_are_26_letters_of_chinese(tmp_path: Path, taken: int, found: bool) -> None:
    draw = random.Random(1)
    item, other = ("".join(chr(0x4E00 + draw.randrange(5000)) for _ in range(80)) for _ in range(2))
    (matches,) = index_of(tmp_path, [item]).search(pa.array([other + item[20 : 20 + taken] + other]))
    assert bool(matches) is found
