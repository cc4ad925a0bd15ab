"""The card of a model."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import mlcroissant
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_store import build_store, make_nodes, make_pair_nodes, write_sources

from lmworks.data.tuning.conversations import Conversations
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.store import Store
from lmworks.recipe.yaml import read_yaml
from lmworks.release.built import Built
from lmworks.release.cards.card import card_facts, card_text
from lmworks.release.render.templates import markdown
from lmworks.release.report.report import write_report
from lmworks.release.trace.trace import trace_answer


def card_of(store: Store, name: str) -> str:
    return card_text(Built.open(store), store.named(name))


@pytest.fixture(scope="module")
def card(built: Store) -> str:
    return card_of(built, "finetune")


def test_the_head_is_yaml_that_a_hub_reads(card: str) -> None:
    _, head, _ = card.split("---\n", 2)
    assert read_yaml(head, "card").value == {
        "license": "cc-by-4.0",
        "language": ["en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["lmworks", "source:handbook"],
    }


def test_the_card_says_what_it_is_what_for_and_how_good(card: str, built: Store) -> None:
    assert "5,901,312 parameters" in card
    assert r"states this use: answering from the \<b\>handbook\</b\>" in card
    assert "| handbook | CC-BY-4.0 | 14 | 13 |" in card
    assert "trained on 8 documents (corpus), then on 9 conversations (questions.train)." in card
    assert "| **finetune** | 0.391 | 0.370 to 0.414 | 1,140 | 0.06 |" in card
    assert "| copy-nearest | 0.412 |" in card
    assert "copy-nearest wins" in card
    model = built.named("finetune")
    assert f"| finetune | {model.stage} | `{model.digest()[:16]}` |" in card
    assert "AutoModelForCausalLM.from_pretrained" in card


def test_a_model_of_pairs_says_what_it_was_trained_on_and_its_data_have_a_card(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_pair_nodes(tmp_path))
    write_report(store)
    card = (store.root / "reports" / "handbook-translate-card.md").read_text()
    assert "It was trained on 12 conversations (pairs)." in card and "license: cc-by-4.0" in card
    assert "| handbook | CC-BY-4.0 | 14 | 13 | 12 |" in card
    dataset = mlcroissant.Dataset(jsonld=str(store.root / "handbook-pairs-croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    read = {
        record["conversations/id"].decode(): [text.decode() for text in record["conversations/messages"]]
        for record in dataset.records("conversations")
    }
    pairs = Conversations(store.named("pairs").payload, "").iterate()
    assert read == {pair["id"]: [turn["content"] for turn in pair["messages"]] for pair in pairs}
    answer = "is ready for use and returns its name, its owner"
    (source,) = {passage.source for passage in trace_answer(store, store.named("translate"), answer).passages}
    assert source == "handbook"


def test_what_is_lost_of_the_training_data_is_unknown(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_pair_nodes(tmp_path))
    shutil.rmtree(store.named("raw").folder)
    card = card_of(store, "translate")
    assert "It was trained on 12 conversations (pairs)." in card and "license: unknown" in card
    assert "| unknown | unknown | 0 | 0 | 12 |" in card
    shutil.rmtree(store.named("translate/data").folder)
    assert re.search(r"unknown: translate/data \(pack-pairs \w+\) is no longer", card_of(store, "translate"))
    write_report(store)


def test_tables_are_whole_lines(card: str) -> None:
    tables = [block for block in card.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({line.count("|") - line.count(r"\|") for line in table.strip().splitlines()}) == 1


def test_a_model_that_was_not_measured_says_so(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="pretrain"), plan=None)
    assert "Nothing has been measured: nothing is known about how good it is." in card_of(store, "pretrain")
    assert "peft" not in card_of(store, "pretrain")
    adapter = store.named("pretrain").payload / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "PROMPT_TUNING"}')
    loading = 'from_pretrained(folder)\nmodel = PeftModel.from_pretrained(model, f"{folder}/adapter")'
    assert loading in card_of(store, "pretrain"), "what is in no weight is loaded, too"


def test_facts_for_the_chat_page(built: Store) -> None:
    facts = card_facts(built, built.named("finetune"))
    figures = facts.pop("figures")
    assert facts == {
        "name": "handbook/finetune",
        "purpose": "answering from the <b>handbook</b>",
        "parameters": 5_901_312,
        "context_length": 512,
        "licences": ["CC-BY-4.0"],
        "digest": built.named("finetune").digest(),
    }
    assert all(isinstance(figure, Figure) for figure in figures)
    names = [figure.name for figure in figures]
    assert names == ["perplexity-questions-test: bits per byte", "documentation-questions-test: ROUGE-L"]
    assert figures[1].n == 1140 and figures[1].interval is not None
    json.dumps([figure.as_json() for figure in figures])


@given(st.text())
def test_a_text_in_markdown_is_one_line_and_means_itself(text: str) -> None:
    written = str(markdown(text))
    assert written.isprintable()
    plain = written
    for sign in "\\`*_{}[]<>#|!&":
        assert sign not in plain.replace(f"\\{sign}", "").replace("\\\\", "") or sign == "\\"
