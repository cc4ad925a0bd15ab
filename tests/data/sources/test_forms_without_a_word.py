"""Files that are read although no source names their form."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_support import quarantined, texts

from data.parsers.test_parsers import good, read
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.samples import ConversationsConfig, conversations
from support import make_context

Ingest = Callable[..., Any]
CHATS = [
    {"conversations": [{"from": "human", "value": f"Question {number}?"}, {"from": "gpt", "value": f"Yes, {number}."}]}
    for number in range(3)
]


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("written", [json.dumps(CHATS), json.dumps(CHATS, indent=2), lines(CHATS), lines(CHATS)[:-1]])
@pytest.mark.parametrize("kind", ["files", "huggingface"])
def test_chats_in_json_are_learned_from(ingest_files: Ingest, tmp_path: Path, kind: str, written: str) -> None:
    beside = {"dataset_info.json": "{}", "state.json": json.dumps({"_split": "train of it"})}
    _, out = ingest_files({"chats.json": written, **beside}, kind=kind, fields="all")
    assert quarantined(out) == []
    config = ConversationsConfig.model_validate({"from": "raw"})
    conversations(config, Documents(out, ""), out=tmp_path / "chats", context=make_context(tmp_path / "chatting"))
    found = Conversations(tmp_path / "chats", "").iterate()
    assert sorted(chat["messages"][-1]["content"] for chat in found) == ["Yes, 0.", "Yes, 1.", "Yes, 2."]


def test_json_beside_texts_stays_unread_where_nothing_says_that_it_holds_records(ingest_files: Ingest) -> None:
    result, out = ingest_files({"a.md": "a text", "package.json": '{"name": "no text"}'})
    assert texts(out) == ["a text"] and result.counts["not read: .json"] == 1


def test_lines_of_json_are_cut_like_lines_and_a_bad_one_costs_itself(tmp_path: Path) -> None:
    bad = lines(CHATS[:1]) + '{"conversations": [\n' + lines(CHATS[1:])
    found = read(tmp_path, {"a.json": bad.encode()}, fields="all")
    assert [item.key for item in good(found)] == ["1", "3", "4"] and len(found) == 4


def test_source_code_of_a_checkout_is_text(tmp_path: Path, ingest_files: Ingest) -> None:
    checkout = tmp_path / "texts"
    checkout.mkdir()
    for arguments in (["init", "-q"], ["config", "core.autocrlf", "false"]):
        subprocess.run(["git", "-C", str(checkout), *arguments], check=True)
    files = {"a.py": "print('a')\n", "src/B.java": "class B {}\n", "data.json": "{}", "logo.png": "x", "b.md": "# B\n"}
    for name, text in files.items():
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text(text)
    subprocess.run(["git", "-C", str(checkout), "add", "."], check=True)
    result, out = ingest_files({}, kind="git")
    assert texts(out) == ["# B\n", "class B {}\n", "print('a')\n"]
    assert [result.counts[f"not read: {ending}"] for ending in (".json", ".png")] == [1, 1]
