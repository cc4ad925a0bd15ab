"""Answers that follow rules, and rules that cannot be followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluated import make_conversations

from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import LmworksError
from lmworks.evaluate.tasks.checked import RulesConfig, evaluate_rules
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from support import make_context


def evaluated(model: ModelFolder, data: Conversations, out: Path) -> Result:
    config = RulesConfig.model_validate({"data": "d", "rules": [{"kind": "unit-tests"}], "max_tokens": 4})
    return evaluate_rules(config, model, data, None, out=out, context=make_context(out))


def test_tests_that_cannot_be_judged_are_told_with_the_figure_and_refused_where_all_are_so(
    model: ModelFolder, conversations: Conversations, tmp_path: Path
) -> None:
    with pytest.raises(LmworksError, match=r"unit-tests: none of the data's \d+ answers can judge another"):
        evaluated(model, conversations, tmp_path / "none")
    records = list(conversations.iterate())
    for record in records[1:]:
        record["messages"][1]["content"] = "assert add(1, 2) == 3"
        record.pop("answer", None)
    data = make_conversations(tmp_path / "tested")
    write_json_lines(data.path / "conversations.jsonl", records)
    (tmp_path / "some").mkdir()
    (figure,) = evaluated(model, data, tmp_path / "some").figures
    assert figure.value == 0 and ", 1 of them unjudged by unit-tests, greedy" in figure.method
