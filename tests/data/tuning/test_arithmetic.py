"""Made-up sums."""

from __future__ import annotations

import json
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import Documents
from lmworks.data.tuning.arithmetic import ArithmeticConfig, arithmetic
from lmworks.data.tuning.conversations import Conversations
from support import make_context


def read(folder: Path, part: str) -> list[dict[str, Any]]:
    return list(Conversations(folder / part, "").iterate())


def operands(records: list[dict[str, Any]]) -> set[int]:
    return {int(word) for record in records for word in record["messages"][0]["content"].split("+")}


def test_no_operand_is_in_two_parts_and_all_answers_to_be_rewarded_are_sums(tmp_path: Path) -> None:
    arithmetic(ArithmeticConfig(largest=39), out=tmp_path, context=make_context(tmp_path))
    parts = {part: read(tmp_path, part) for part in ("demonstrations", "train", "validation", "test")}
    found = [operands(records) for records in parts.values()]
    assert sum(map(len, found)) == len(set.union(*found)) == 30
    for part in ("train", "validation", "test"):
        assert len(parts[part]) == len(operands(parts[part])) ** 2
        for record in parts[part]:
            a, b = map(int, record["messages"][0]["content"].split("+"))
            assert record["messages"][1]["content"] == str(a + b)


def test_what_a_model_is_shown_does_not_tell_which_answer_is_wanted(tmp_path: Path) -> None:
    arithmetic(ArithmeticConfig(largest=39), out=tmp_path, context=make_context(tmp_path))
    texts = [document.text for document in Documents(tmp_path / "corpus", "").iterate()]
    assert len(texts) == 15 * 15 * 8
    numbers = [[int(word) for word in text.replace("=", "+").split("+")] for text in texts]
    assert sum(a + b == answer for a, b, answer in numbers) / len(texts) == 1 / 8
    slips = Counter(answer - a - b for a, b, answer in numbers)
    assert max(slips.items(), key=itemgetter(1))[0] != 0, "the likeliest answer is wrong"
    assert all(slip % 10 for slip in slips if slip), "and so is its last digit, whatever becomes of the tens"
    shown = {f"{r['messages'][0]['content']}={r['messages'][1]['content']}" for r in read(tmp_path, "demonstrations")}
    assert shown == set(texts)


def test_numbers_are_new_to_a_part_and_last_digits_are_not(tmp_path: Path) -> None:
    for seed in range(3):
        folder = tmp_path / str(seed)
        arithmetic(ArithmeticConfig(largest=59, seed=seed), out=folder, context=make_context(folder))
        for part in ("demonstrations", "train", "test"):
            assert {number % 10 for number in operands(read(folder, part))} == set(range(10)), part


def test_another_seed_deals_out_other_numbers(tmp_path: Path) -> None:
    dealt = []
    for seed in (0, 0, 1):
        folder = tmp_path / str(len(dealt))
        arithmetic(ArithmeticConfig(seed=seed), out=folder, context=make_context(folder))
        dealt.append((folder / "test" / "conversations.jsonl").read_text())
    assert dealt[0] == dealt[1] != dealt[2]
    assert json.loads(dealt[0].splitlines()[0])["form"] == "pair"
