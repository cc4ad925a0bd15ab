"""The card of a model."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import mlcroissant
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_store import build_store, make_nodes, make_pair_nodes, write_sources

from lmworks.data.tuning.conversations import Conversations
from lmworks.pipeline.build import Node
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.lineage import remove, unused
from lmworks.pipeline.store import Store
from lmworks.recipe.yaml import read_yaml
from lmworks.release.built import Built
from lmworks.release.cards.card import card_facts, card_text
from lmworks.release.cards.croissant import write_data_cards
from lmworks.release.render.templates import markdown
from lmworks.release.report.report import write_report
from lmworks.release.trace.trace import trace_answer, trace_lineage


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


def said(store: Store, name: str = "handbook") -> dict[str, str]:
    """What a build's cards, its report's data and its traces say."""
    built = Built.open(store, name)
    model = built.models["pretrain"]
    write_data_cards(built)
    answer = "waits until the bucket is ready for use and returns its name"
    return {
        "card": card_text(built, model),
        "data": (store.root / f"{name}-corpus-croissant.json").read_text(),
        "trace": trace_lineage(store, model).as_text(),
        "answer": trace_answer(store, model, answer).as_text(),
    }


def collect(store: Store) -> None:
    for waste in unused(store):
        remove(waste)


def licences_in(texts: dict[str, str]) -> dict[str, set[str]]:
    found = {where: re.findall(r"(?i)CC-BY-(?:SA-)?4\.0", text) for where, text in texts.items()}
    return {where: {licence.upper() for licence in licences} for where, licences in found.items()}


def test_a_corrected_licence_reaches_all_that_is_said_of_a_model_that_is_reused(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    first = build_store(tmp_path, make_nodes(tmp_path, until="pretrain"))
    model, read = first.named("pretrain"), first.named("pretrain/data")
    store = build_store(tmp_path, make_nodes(tmp_path, until="pretrain", licence="CC-BY-SA-4.0"))
    assert store.named("pretrain") == model and store.named("pretrain/data") != read
    before = said(store)
    assert set(map(frozenset, licences_in(before).values())) == {frozenset({"CC-BY-SA-4.0"})}
    assert before["card"].startswith("---\nlicense: cc-by-sa-4.0\n")
    assert "equal content: pretrain/data" in " ".join(before["card"].split()), "it read the rows of an earlier build"
    collect(store)
    assert not read.folder.exists()
    assert said(store) == before
    write_report(store)


def test_each_of_two_recipes_in_a_store_says_what_is_its_own(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    build_store(tmp_path, make_nodes(tmp_path, until="pretrain"))
    nodes = make_nodes(tmp_path, until="pretrain", licence="CC-BY-SA-4.0")
    store = build_store(tmp_path, nodes, name="second")
    model = store.named("pretrain")
    before = {name: said(store, name) for name in ("handbook", "second")}
    assert "\nlicense: cc-by-4.0\n" in before["handbook"]["card"]
    assert set(map(frozenset, licences_in(before["second"]).values())) == {frozenset({"CC-BY-SA-4.0"})}
    assert "equal content" not in before["handbook"]["card"]
    assert Built.open(store, "second").outdated == [] == Built.open(store, "handbook").outdated
    collect(store)
    assert {name: said(store, name) for name in ("handbook", "second")} == before
    assert Built.open(store, "second").models["pretrain"] == model


def test_the_steps_of_a_recipe_that_calls_them_otherwise_go_by_its_names(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    build_store(tmp_path, make_nodes(tmp_path, until="pretrain"))
    nodes = [renamed(node) for node in make_nodes(tmp_path, until="pretrain", licence="CC-BY-SA-4.0")]
    store = build_store(tmp_path, nodes, name="second")
    built = Built.open(store, "second")
    card = card_text(built, built.models["pretrain"])
    assert "in papers" in card and "corpus" not in card and "license: cc-by-sa-4.0" in card
    assert built.outdated == []


def renamed(node: Node) -> Node:
    """The same step where `corpus` is called `papers`."""
    inputs = {name: "papers" if each == "corpus" else each for name, each in node.inputs.items()}
    return replace(node, name="papers" if node.name == "corpus" else node.name, inputs=inputs)


@given(st.text())
def test_a_text_in_markdown_is_one_line_and_means_itself(text: str) -> None:
    written = str(markdown(text))
    assert written.isprintable()
    plain = written
    for sign in "\\`*_{}[]<>#|!&":
        assert sign not in plain.replace(f"\\{sign}", "").replace("\\\\", "") or sign == "\\"
