"""Items are found in training text where they stand in it, by content, and nowhere else."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.contamination.sought import seek
from lmworks.data.contamination.items import items_of
from lmworks.data.contamination.search import FOUND, SearchConfig, contamination_search
from lmworks.data.shards.records import Document, write_ids, write_shard
from lmworks.data.tuning.conversations import Conversations, conversation, write_conversations
from lmworks.data.tuning.preferences import Preference, Preferences, write_preferences
from lmworks.pipeline.stage import Handle
from quick import examples
from support import make_context

WORDS = [f"word{number}" for number in range(2000)]
ORDER = [*FOUND, "not found", "too short"]


SCRIPTS = {
    "Latin": (WORDS, " ", 1),
    "Hindi": ([f"क्{chr(0x915 + n % 30)}ि{chr(0x915 + n // 30)}ो" for n in range(900)], " ", 1),
    "Chinese": ([chr(0x4E00 + n) for n in range(2000)], "", 2),
    "Thai": ([chr(0x0E01 + n) + mark for n in range(40) for mark in "ิีึุู่้๊๋์"], "", 4),
}
"""Words, what stands between them, and how many say as much as a word of English."""


def story(seed: object, length: int, script: str = "Latin") -> list[str]:
    return random.Random(str(seed)).choices(SCRIPTS[script][0], k=length)


def by_definition(item: list[str], texts: list[list[str]], times: int) -> str:
    """The verdict by comparing everything with everything; near to whole texts alone."""
    if len(item) < 8 * times:
        return "too short"
    runs = [{tuple(text[at : at + len(item)]) for at in range(len(text))} for text in texts]
    if any(tuple(item) in each for each in runs):
        return "whole"
    if len(item) < 13 * times:
        return "not found"
    wanted = {tuple(item[at : at + 5]) for at in range(len(item) - 4)}
    for text in texts:
        other = {tuple(text[at : at + 5]) for at in range(len(text) - 4)}
        if len(text) >= 5 and len(wanted & other) / len(wanted | other) >= 0.8:
            return "near"
    size = 13 * times
    long = {tuple(item[at : at + size]) for at in range(len(item) - size + 1)}
    if any(tuple(text[at : at + size]) in long for text in texts for at in range(len(text) - size + 1)):
        return "verbatim"
    return "not found"


@st.composite
def item_and_texts(draw: st.DrawFn) -> tuple[str, list[str], list[list[str]]]:
    """A script, an item in it, and texts that hold it, parts of it, it with other words in it, or nothing of it."""
    script = draw(st.sampled_from([*SCRIPTS]))
    length = draw(st.sampled_from([7, 8, 9, 12, 13, 14, 15, 20, 45, 60, 120])) * SCRIPTS[script][2]
    item = story(draw(st.integers(0, 10**6)), length - draw(st.integers(0, SCRIPTS[script][2] - 1)), script)
    texts = []
    for number in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(item) - 1))
        part = item[first : first + draw(st.integers(1, len(item)))] if draw(st.booleans()) else list(item)
        for _ in range(draw(st.integers(0, 2))):
            place = draw(st.integers(0, len(part)))
            part[place : place + draw(st.integers(0, 2))] = story(draw(st.integers()), draw(st.integers(0, 2)), script)
        before, after = (story((number, side), draw(st.sampled_from([0, 1, 5, 30])), script) for side in "ba")
        texts.append([*before, *part, *after])
    return script, item, texts


@settings(max_examples=examples(300))
@given(item_and_texts())
@example(("Latin", story(1, 13), [story(1, 12)]))
@example(("Latin", story(1, 14), [story(1, 12)]))
@example(("Latin", story(1, 13), [[*story(1, 12), "other"]]))
@example(("Chinese", story(1, 40, "Chinese"), [story(1, 25, "Chinese")]))
@example(("Chinese", story(1, 40, "Chinese"), [story(1, 26, "Chinese")]))
def test_the_verdict_is_that_of_the_definition(case: tuple[str, list[str], list[list[str]]]) -> None:
    script, item, texts = case
    _, between, times = SCRIPTS[script]
    (found,) = seek([between.join(item)], [between.join(text) for text in texts])
    wanted = by_definition(item, texts, times)
    if found == "near":  # a passage of a text may be near where the text is not
        assert wanted in ("near", "verbatim", "not found")
    else:
        assert found == wanted


@pytest.mark.parametrize(
    "hide",
    [
        str.upper,
        lambda text: text.replace(" ", "\r\n"),
        lambda text: " ".join(f"<b>{word}</b>" for word in text.split()),
        lambda text: " ".join(f"<span class='x' id=\"{word}\">{word}</span>" for word in text.split()),
        lambda text: "<item>" + "</w>\n<w>".join(text.split()) + "</item>",
        lambda text: " ".join(f"{word[:3]}<i>{word[3:]}</i>" for word in text.split()),
        lambda text: ", ".join(text.split()) + "!",
        lambda text: text.replace("'", "").replace("-", "").replace("&", "").replace(".", ""),
        lambda text: text.replace("'", "’").replace("-", " - ").replace("&", "&amp;"),
        lambda text: re.sub(r"[^\w\s]", " ", text),
        lambda text: f"_{text}_ &#169; **{text}**",
        lambda text: text.replace("st", "s\u00adt"),
        *(
            lambda text, sign=sign: " ".join(f"{word[0]}{sign}{word[1:]}" for word in text.split())
            for sign in "\u200e\u034f\u061c\u180e\u202c\u2062\u2069\ufe0f\U000e0061\u200b"
        ),
    ],
)
@pytest.mark.parametrize("length", [8, 13, 30])
def test_an_item_is_known_however_it_is_written(hide: Any, length: int) -> None:
    words = [
        *["It's", "the", "well-known", "R&D", "version", "3.11", "that", "doesn't", "cost", "Größe", "of", "users"],
        *story("more", 30),
    ]
    item = " ".join(words[:length])
    other = " ".join(story("other", 40))
    assert seek([item, " ".join(story("none", 20))], [other, f"{other}\n{hide(item)}\n{other}"]) == [
        "whole",
        "not found",
    ]


@pytest.mark.parametrize(
    "brackets", ["'<<{}-find>>': ['<Control-{}>'],", "Map<{}, List<{}>>", "vector<unsigned {}>()", "&lt;{}&gt;"]
)
def test_names_in_brackets_of_code_are_words_of_an_item(brackets: str) -> None:
    item, unlike = ("\n".join(brackets.replace("{}", word) for word in story(seed, 16)) for seed in ("code", "unlike"))
    other = " ".join(story("other", 40))
    assert seek([item], [f"{other} <b>bold</b> {item}\n{other}"]) == ["whole"]
    assert seek([item], [f"{other} {unlike}"]) == ["not found"]


def test_an_item_with_markup_is_found_where_its_markup_is_another() -> None:
    item = story("item", 24)
    first, second = (f"<p class='{' '.join(story(name, 6))}'>" for name in ("one", "two"))
    texts = [" ".join([*item[:12], tag, *item[12:]]) for tag in (first, second)]
    assert seek([texts[0]], [f"{' '.join(story('a', 40))} {texts[1]}"]) == ["whole"]


def test_names_or_numbers_that_were_changed_leave_a_long_item_near_and_a_short_one_unfound() -> None:
    long, short = story("long", 60), story("short", 20)
    changed = [[*each[:10], "Smith", *each[11:]] for each in (long, short)]
    found = seek([" ".join(long), " ".join(short)], [" ".join([*story("b", 50), *each]) for each in changed])
    assert found == ["near", "not found"]


def search(folder: Path, data: Handle, texts: list[Handle]) -> dict[str, dict[str, Any]]:
    """The verdicts that the two stages find, by id."""
    names = [f"text{number}" for number in range(len(texts))]
    config = SearchConfig(data="d", texts=names).resolve(folder)
    (folder / "out").mkdir(parents=True)
    contamination_search(config, data, texts, out=folder / "out", context=make_context(folder / "search"))
    return {each["id"]: each for each in map(json.loads, (folder / "out" / "verdicts.jsonl").read_text().splitlines())}


def test_every_kind_of_training_text_is_searched(tmp_path: Path) -> None:
    asked, said, wanted, other = (" ".join(story(name, 20)) for name in ("asked", "said", "wanted", "other"))
    turn = [{"role": "user", "content": other}]
    preferences = [
        Preference(
            id="p",
            prompt=[{"role": "user", "content": asked}],
            chosen=[{"role": "assistant", "content": "yes"}],
            rejected=[{"role": "assistant", "content": said}],
        ),
        Preference(id="q", prompt=turn, chosen=[{"role": "assistant", "content": wanted}], rejected=None),
    ]
    write_preferences(tmp_path / "preferences", preferences)
    exam = [
        conversation(id=f"c{number}", form="f", question=question, answer=answer, document=None)
        for number, (question, answer) in enumerate([(asked, said), (other, "no"), (" ".join(story("new", 9)), wanted)])
    ]
    write_conversations(tmp_path / "exam", exam)
    data = Conversations(tmp_path / "exam", "")
    found = search(tmp_path / "a", data, [Preferences(tmp_path / "preferences", "")])
    assert [(found[f"c{n}"]["question"], found[f"c{n}"]["answer"]) for n in range(3)] == [
        ("whole", "whole"),
        ("whole", "too short"),
        ("not found", "whole"),
    ]
    assert (found["c0"]["question in"], found["c2"]["answer in"]) == ("p", "q")
    again = search(
        tmp_path / "b", Preferences(tmp_path / "preferences", ""), [documents_of(tmp_path / "docs", other), data]
    )
    assert (again["p"]["question"], again["p"]["answer"]) == ("whole", "too short")
    assert (again["q"]["question"], again["q"]["answer"]) == ("whole", "whole")


def test_a_record_of_a_published_set_is_what_its_task_asks(tmp_path: Path) -> None:
    told = story(3, 20)
    rows = [
        {"query": "Which one is it", "choices": ["this", "that"], "gold": 1},
        {"context": "It rained all", "continuation": "day"},
        {"question": "How many", "options": ["A)one", "B)two"], "rationale": " ".join(told), "correct": "B"},
    ]
    records = [Document.of_row(row, id=f"{number:032x}", source="s", licence="MIT") for number, row in enumerate(rows)]
    write_shard(tmp_path / "part-00000.parquet", records)
    write_ids(tmp_path, [each.id for each in records])
    items = [each[1:] for each in items_of(Handle(tmp_path, ""))]
    assert items == [
        ("Which one is it", "that"),
        ("It rained all", "day"),
        ("How many", "two\n" + " ".join(told)),
    ]


def test_records_of_an_unknown_kind_are_called_unknown(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    data = documents_of(tmp_path / "docs", " ".join(story(1, 20)))
    search(tmp_path / "a", data, [Handle(tmp_path / "odd", ""), data])
    told = json.loads((tmp_path / "a" / "out" / "searched.json").read_text())
    assert told["texts"] == 1 and "of a kind that this search cannot read" in told["unknown"][0]


STEM = "Which of the two rivers is the longer one here"
LAID_OUT = "Question: {}?\nChoices:\nA. the Rhine\nB. the Danube\nAnswer:"


def test_a_question_is_found_where_its_layout_is_another() -> None:
    texts = ["before it " + STEM + "? The Danube.", "nothing of it"]
    assert seek([LAID_OUT.format(STEM)], texts) == ["verbatim"]
    assert seek([f"Question: {STEM}?"], texts) == ["verbatim"]
    assert seek(["A passage of some words that stands in no text at all.\n" + STEM], texts) == ["verbatim"]
    assert seek([LAID_OUT.format(STEM)], ["Which of the two rivers is the longest one here?"]) == ["not found"]


LABELS = ["Question: ", "<b>Question:</b> ", "**Question:** ", "Question 3: ", "12. ", "Q1. ", "Вопрос 4: ", "(iv) "]
LABELS += [
    "### 3) ",
    "Problem No. 12: ",
    "第3题：",
    "[7] ",
    "Frage 2) ",
    "> **Q 3.** ",
    "<p><strong>Example 1a</strong>: ",
]


@pytest.mark.parametrize("label", LABELS)
def test_a_question_is_found_behind_any_label(label: str) -> None:
    asked, choices = " ".join(story("question", 9)), "\n".join(f"{each}. {each}{each}" for each in "ABCD")
    assert seek([f"{label}{asked}?\n{choices}"], [f"Seen: {asked}, and more."]) == ["verbatim"]
    assert seek([f"{label}{asked}?<br>{choices}"], [" ".join(story("other", 40))]) == ["not found"]


@pytest.mark.parametrize(
    "before", ["Answer in one word: ", "Read this, then answer. Question 3 of 20: ", "1/20. Choose. "]
)
@pytest.mark.parametrize("after", ["", " Answer with yes or no."])
def test_an_instruction_on_the_line_of_several_questions_hides_none(before: str, after: str) -> None:
    asked = [" ".join(story(("asked", number), 10)) for number in range(4)]
    items = [f"{before.replace('3', str(number))}{each}?{after}" for number, each in enumerate(asked)]
    found = seek(items, [f"{asked[2]}. {' '.join(story('more', 30))}", f"{before}{' '.join(story('x', 9))}?{after}"])
    assert found == ["not found", "not found", "verbatim", "not found"]


def test_letters_that_a_language_writes_in_two_ways_are_one() -> None:
    turkish = "Geçen kışın ağır karı yüzünden nehir ağzındaki küçük kasabanın ışığı altı ay boyunca kısıldı İstanbul"
    capitals = turkish.replace("i", "İ").upper()
    arabic = "ذهب الولد الى المدرسة في الصباح الباكر ثم عاد الى البيت بعد الظهر"
    signs = "".join(f"{letter}\u064e" if number % 3 else f"{letter}\u0640" for number, letter in enumerate(arabic))
    signs = signs.replace(" \u064e", " ").replace(" \u0640", " ")
    hebrew = "הילד הלך לבית הספר בבוקר מוקדם ואחר כך חזר הביתה אחרי הצהריים"
    points = hebrew.replace("ל", "ל\u05b6").replace("ב", "ב\u05bc\u05b8")
    for plainly, otherwise in ((turkish, capitals), (turkish, turkish.lower()), (arabic, signs), (hebrew, points)):
        assert seek([plainly], [otherwise]) == seek([otherwise], [plainly]) == ["whole"]


def test_what_several_items_share_tells_of_none() -> None:
    asked = "Answer the following question with one letter, please, now"
    items = [f"{asked}.\n{' '.join(story(number, 10))}" for number in range(2)]
    assert seek(items, [f"{asked}. {' '.join(story(9, 10))}"]) == ["not found", "not found"]


def test_a_layout_of_short_lines_is_not_sought() -> None:
    assert seek([LAID_OUT.format("Which river is it")], ["Which river is it? The Rhine."]) == ["too short"]
    assert seek(["Question: Which river is it of the two"], ["Which river is it of the two"]) == ["too short"]


@pytest.mark.parametrize(
    ("item", "text", "verdict"),
    [
        (
            "प्रधानमंत्री नरेंद्र मोदी ने कहा कि इस योजना से किसानों को क्या लाभ होगा और कब से",
            "कल शाम प्रधानमंत्री नरेंद्र मोदी ने कहा कि मौसम अच्छा है",
            "not found",
        ),
        ("বাংলাদেশের প্রধানমন্ত্রী শেখ হাসিনা কোন সালে জন্মগ্রহণ করেন", "বাংলাদেশের প্রধানমন্ত্রী শেখ হাসিনা গেলেন", "not found"),
        ("தமிழ்நாட்டின் முதலமைச்சர் யார்", "நேற்று தமிழ்நாட்டின் முதலமைச்சர் யார்", "too short"),
        (
            "中华人民共和国全国人民代表大会常务委员会的委员长是谁",
            "昨天中华人民共和国全国人民代表大会常务委员会开会讨论了环境法",
            "not found",
        ),
        ("独立行政法人日本学術振興会の理事長は誰ですか", "独立行政法人日本学術振興会は東京にある", "not found"),
        ("กรุงเทพมหานครมีประชากรกี่คน", "เมื่อวานฝนตกที่กรุงเทพมหานคร", "too short"),
        (
            "问题：一个仓库里有三百二十桶咸鱼每天卖出十六桶请问几天之后空了\nA．十天以后\nB．二十天以后",
            "他说一个仓库里有三百二十桶咸鱼，每天卖出十六桶，请问几天之后空了？",
            "verbatim",
        ),
    ],
)
def test_a_name_in_common_is_no_item_in_any_script(item: str, text: str, verdict: str) -> None:
    assert seek([item], [text]) == [verdict]
