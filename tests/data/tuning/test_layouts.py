"""What published sets are made for, each as JSON Lines and as Parquet, without a word of code."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import JUDGED_ALONE, LAYOUTS, Layout

from lmworks.data.forms.forms import FORMS, form_of
from lmworks.data.forms.row import Fault, LeftOut
from lmworks.data.forms.sample import samples_of
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.preferences import Preference, Preferences
from lmworks.data.tuning.samples import ConversationsConfig, PreferencesConfig, conversations, preferences
from support import make_context


def ingested(folder: Path, rows: list[dict[str, Any]], ending: str) -> Documents:
    (folder / "rows").mkdir(parents=True)
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), folder / "rows" / "part.parquet")
    else:
        (folder / "rows" / "part.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"kind": "files", "path": "rows", "licence": "MIT", "fields": "all"}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["permissive"]}})
    ingest(config.resolve(folder), out=folder / "raw", context=make_context(folder / "ingest"))
    return Documents(folder / "raw", "raw")


def conversed(folder: Path, documents: Documents, **fields: Any) -> list[dict[str, Any]]:
    config = ConversationsConfig.model_validate({"from": "raw", **fields})
    conversations(config, documents, out=folder / "chats", context=make_context(folder / "chatting"))
    return list(Conversations(folder / "chats", "").iterate())


def compared(folder: Path, documents: Documents) -> list[Preference]:
    config = PreferencesConfig.model_validate({"from": "raw"})
    preferences(config, documents, out=folder / "judged", context=make_context(folder / "judging"))
    return list(Preferences(folder / "judged", "").iterate())


def leaves(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a row: what holds it, and its key there."""
    places = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [(value, key) for key, _ in places] + [
        leaf for _, inner in places if isinstance(inner, dict | list) for leaf in leaves(inner)
    ]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_layout_becomes_what_it_was_published_for(tmp_path: Path, name: str, ending: str) -> None:
    layout = LAYOUTS[name]
    documents = ingested(tmp_path, layout.rows, ending)
    (chat,) = conversed(tmp_path, documents)
    _check_turns(layout, chat["messages"])
    assert chat.get("answer") == layout.compared
    assert tuple(chat.get("references", ())) in (layout.references, ())
    assert bool(layout.references) == ("references" in chat)
    if layout.over is not None:
        (judged,) = compared(tmp_path, documents)
        assert judged.prompt[-1]["content"] == layout.asked
        assert [judged.chosen, judged.rejected] == [
            [{"role": "assistant", "content": text}] for text in (layout.said, layout.over)
        ]


def _check_turns(layout: Layout, messages: list[dict[str, Any]]) -> None:
    roles = [message["role"] for message in messages]
    system = messages[0]["content"] if roles[0] == "system" else None
    assert bool(layout.system) == (system is not None)
    assert (layout.system or "") in (system or "")
    first = roles.index("user")
    assert messages[first]["content"] == layout.asked
    assert {name: messages[-1][name] for name in ("role", "content")} == {"role": "assistant", "content": layout.said}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", JUDGED_ALONE)
def test_an_answer_that_is_judged_alone_has_one_side(tmp_path: Path, name: str, ending: str) -> None:
    row, good = JUDGED_ALONE[name]
    (judged,) = compared(tmp_path, ingested(tmp_path, [row], ending))
    assert [judged.chosen is not None, judged.rejected is not None] == [good, not good]


def test_each_row_of_the_table_is_told_by_an_example() -> None:
    told = {form_of(layout.rows[0]) for layout in LAYOUTS.values()}
    told |= {form_of(row) for row, _ in JUDGED_ALONE.values()}
    assert set(FORMS.built_in) - told <= {
        "query-choices",
        "pair",
        "question-answer",
        "prompt-completion",
        "aqua-rat-rationale",
    }


PLACES = st.sampled_from(
    [(name, place) for name, layout in LAYOUTS.items() for place in range(len(leaves(layout.rows[0])))]
)
ODD = st.none() | st.booleans() | st.floats() | st.text(max_size=6) | st.lists(st.text(max_size=3), max_size=2)


@given(PLACES, ODD | st.dictionaries(st.sampled_from(["text", "role", "content"]), ODD, max_size=2))
def test_one_odd_value_is_a_fault_and_no_crash(place: tuple[str, int], odd: Any) -> None:
    name, number = place
    row = copy.deepcopy(LAYOUTS[name].rows[0])
    holder, key = leaves(row)[number]
    holder[key] = odd
    if (form := form_of(row)) is None:
        return
    try:
        samples = samples_of(FORMS[form], row).samples
    except (Fault, LeftOut) as fault:
        assert ":" in str(fault)
        return
    assert all(sample.prompt and (sample.chosen or sample.rejected) for sample in samples)
