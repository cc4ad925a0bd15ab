"""A question is known to be answered where its answer stands in whole words, in whatever script."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lmworks.knowledge.collection import Collection, Passage, write_facts, write_passages
from lmworks.knowledge.passages import try_questions


@pytest.mark.parametrize(
    ("answer", "right", "other"),
    [
        ("120", "The bridge has 120 lamps.", "The bridge was painted in lot 71209."),
        ("120", "The bridge has 120 lamps.", "The bridge cost 7,120.50 crowns."),
        ("art", "The bridge is a work of art.", "The bridge starts at the party hall."),
        ("C++", "The bridge is reckoned in C++.", "The bridge is reckoned in C."),
        ("$120", "The bridge cost US$120.", "The bridge cost $1205."),
        ("Café Noir", "By the bridge: CAFE NOIR.", "By the bridge: Café Noiret."),
        ("120", "桥上有120盏灯。", "桥的编号是71209。"),
        ("北京", "这座桥在北京市。", "这座桥在南京市。"),
        ("東京", "その橋は東京にあります。", "その橋は京都にあります。"),
        ("ตลาด", "สะพานอยู่ใกล้ตลาดใหญ่", "สะพานอยู่ใกล้วัดใหญ่"),
        ("서울", "다리는 서울에 있다.", "다리는 부산에 있다."),
        ("120", "다리에는 등이 120개 있다.", "다리의 번호는 71209이다."),
        ("काम", "पुल पर काम चला.", "पुल पर मुकाम था."),
    ],
)
def test_the_document_is_the_one_that_holds_the_answer_in_whole_words(
    answer: str, right: str, other: str, tmp_path: Path
) -> None:
    def passage(document: str, text: str) -> Passage:
        return Passage(document=document, start=0, title="", text=text, source="", licence="MIT", path="", link="")

    write_passages(tmp_path, [passage("other", other), passage("right", right)])
    write_facts(tmp_path, 0)
    asked = {"messages": [{"role": "user", "content": right}, {"role": "assistant", "content": answer}]}
    counts: Counter[str] = Counter()
    tried = try_questions(Collection(tmp_path), iter([asked]), counts)
    assert [each.document for each in tried] == ["right"], counts
