"""The card of a model."""

from __future__ import annotations

import functools
import json
import operator
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlcroissant
import pytest
import yaml
from card_reader import read_card
from hypothesis import given
from hypothesis import strategies as st
from small_store import (
    build_store,
    make_nodes,
    make_nodes_of_another_store,
    make_pair_nodes,
    make_tokenizer_nodes,
    write_sources,
)
from typer.testing import CliRunner

from lmworks.cli import app
from lmworks.data.reading.ingest import IngestConfig
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import LmworksError
from lmworks.pipeline.build import Node
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import digest_file
from lmworks.pipeline.lineage import remove, unused
from lmworks.pipeline.manifest import write_manifest
from lmworks.pipeline.store import Artifact, Store
from lmworks.recipe.yaml import read_yaml
from lmworks.release.built import Built, read_lines
from lmworks.release.cards.card import card_facts, card_text
from lmworks.release.cards.croissant import write_data_cards
from lmworks.release.cards.evidence import Witness, say
from lmworks.release.cards.kinds import kind_of
from lmworks.release.cards.layout import Code, render
from lmworks.release.render.templates import markdown
from lmworks.release.report.report import write_report
from lmworks.release.trace.trace import trace_answer, trace_lineage
from lmworks.tokens.packaged import PACKAGED
from support import change_manifest, make_manifest


def card_of(store: Store, name: str) -> str:
    return card_text(Built.open(store), store.named(name))


@pytest.fixture(scope="module")
def card(built: Store) -> str:
    return card_of(built, "finetune")


def test_the_head_is_yaml_that_a_hub_reads(card: str) -> None:
    _, head, _ = card.split("---\n", 2)
    found = read_yaml(head, "card").value
    assert isinstance(found, dict) and yaml.safe_load(head) == found, "readers of YAML 1.1 and 1.2 read it alike"
    (index,) = found.pop("model-index")
    assert index["name"] == "handbook-finetune"
    assert found == {
        "license": "cc-by-4.0",
        "language": ["en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["lmworks", "source:handbook"],
    }


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ({"kind": "huggingface", "name": "acme/handbook"}, ["acme/handbook"]),
        ({"kind": "huggingface", "path": "datasets--acme--hand--book/snapshots/0a1b"}, ["acme/hand--book"]),
        ({"kind": "huggingface", "name": "handbook"}, None),
        (
            {"kind": "dataset", "dataset": "openassistant", "key_field": None},
            ["OpenAssistant/oasst1"],
        ),
        ({"kind": "dataset", "dataset": "alpaca"}, None),
        ({"kind": "files", "name": "acme/handbook"}, None),
    ],
)
def test_the_head_names_published_data_sets_that_it_learned_from(
    source: dict[str, Any], named: list[str] | None, tmp_path: Path
) -> None:
    path = source.get("path", "sources")
    write_sources(tmp_path / "sources")
    if path != "sources":
        shutil.copytree(tmp_path / "sources", tmp_path / path)
    raw, *others = make_nodes(tmp_path, until="pretrain")
    fields = {"licence": "CC-BY-4.0", "path": path, **source}
    fields |= (
        {"text_field": "text", "keep": [], "format": "text", "include": ["*.txt"]}
        if source["kind"] == "dataset"
        else {}
    )
    read = IngestConfig.model_validate({"sources": [fields], "licences": {"allow": ["CC-BY-4.0"]}}).resolve(tmp_path)
    card = card_of(build_store(tmp_path, [replace(raw, config=read), *others]), "pretrain")
    assert yaml.safe_load(card.split("---\n", 2)[1]).get("datasets") == named


def test_texts_of_an_installed_package_lie_at_no_path_and_are_of_no_published_set(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    raw, *others = make_nodes(tmp_path, until="pretrain")
    read = IngestConfig.model_validate(
        {"sources": [{"kind": "botocore", "limit": 3}], "licences": {"allow": ["permissive"]}}
    ).resolve(tmp_path)
    card = card_of(build_store(tmp_path, [replace(raw, config=read), *others]), "pretrain")
    assert "datasets" not in yaml.safe_load(card.split("---\n", 2)[1])


def test_the_card_says_what_it_is_what_for_and_how_good(card: str, built: Store) -> None:
    assert "5,901,312 parameters" in card
    assert r"states this use: answering from the \<b\>handbook\</b\>" in card
    assert "| handbook | CC-BY-4.0 | 14 | 13 |" in card
    assert "Its training data: 8 documents (corpus), then 9 conversations (questions.train)." in card
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
    assert "Its training data: 12 conversations (pairs)." in card and "license: cc-by-4.0" in card
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
    assert "Its training data: 12 conversations (pairs)." in card and "license: unknown" in card
    assert "| unknown | unknown | – | 0 | 12 |" in card
    shutil.rmtree(store.named("translate/data").folder)
    assert re.search(r"trained on translate/data \(pack-pairs \w+\), which is no longer", card_of(store, "translate"))
    write_report(store)


def test_every_sentence_names_its_evidence_which_is_what_it_was(built: Store) -> None:
    for model in ("pretrain", "finetune"):
        said = read_card(card_of(built, model), built.root / "reports")
        assert said.without_evidence == [] and said.sentences >= 25
        assert {path.name for path in said.files} >= {"manifest.json", "items.jsonl", "training.json", "files.json"}


def test_a_statement_without_evidence_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="a statement needs evidence"):
        say("It is good at everything.")


def test_a_sentence_that_nothing_backs_is_seen(card: str, built: Store) -> None:
    more = card.replace(
        "## Limits\n", "## Limits\n\nIt is good at everything.\n\n| a | evidence |\n|---|---|\n| b |  |\n"
    )
    found = read_card(more, built.root / "reports").without_evidence
    assert found == ["It is good at everything.", "| b |  |"]


def higher(*keys: str | int) -> Callable[[Path], None]:
    """One more, or a letter more, in the place of one value of a JSON file."""

    def change(path: Path) -> None:
        record = json.loads(path.read_text())
        place = functools.reduce(operator.getitem, keys[:-1], record)
        value = place[keys[-1]]
        place[keys[-1]] = f"{value}x" if isinstance(value, str) else value + 1
        path.write_text(json.dumps(record))

    return change


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


SCORED = "evaluate/documentation-questions-test/finetune"
ALTERED: list[tuple[str, str, Callable[[Path], None]]] = [
    (SCORED, "manifest.json", higher("figures", 0, "value")),
    (SCORED, "manifest.json", higher("figures", 0, "n")),
    (SCORED, "manifest.json", higher("figures", 0, "interval", 1)),
    (SCORED, "manifest.json", higher("figures", 0, "contamination")),
    (SCORED, "payload/figures.json", higher(0, "value")),
    (SCORED, "payload/items.jsonl", longer),
    ("evaluate/documentation-questions-test", "payload/comparison.json", higher("verdicts", 0)),
    ("evaluate/documentation-questions-test/copy-nearest", "manifest.json", higher("figures", 0, "value")),
    ("finetune", "manifest.json", higher("counts", "parameters")),
    ("finetune", "manifest.json", higher("run", "seconds")),
    ("finetune", "payload/training.json", higher("steps")),
    ("finetune", "payload/config.json", higher("hidden_size")),
    ("pretrain", "manifest.json", higher("counts", "tokens")),
    ("raw", "manifest.json", higher("counts", "documents")),
    ("raw", "payload/files.json", higher(0, "licence")),
    ("corpus", "payload/part-00000.parquet", longer),
    ("questions", "payload/train/conversations.jsonl", longer),
]


@pytest.mark.parametrize(("step", "file", "change"), ALTERED)
def test_a_card_is_refused_where_its_evidence_was_altered(
    step: str, file: str, change: Callable[[Path], None], built: Store, tmp_path: Path
) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    change(store.named(step).folder / file)
    with pytest.raises(LmworksError) as refused:
        card_of(store, "finetune")
    assert str(store.named(step).folder / file) in str(refused.value) and "lmworks build" in str(refused.value)


def test_what_a_recipe_and_a_record_say_by_now_is_what_the_card_says(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / ".lmworks")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: handbook\nuse_case: gardening\n")
    store = Store(tmp_path / ".lmworks")
    assert "The file of its recipe, as it is now, states this use: gardening." in card_of(store, "finetune")
    recipe.unlink()
    assert "Its recipe is gone, so its intended use is not known" in card_of(store, "finetune")
    record = store.root / "builds" / "handbook.json"
    higher("steps", "raw", "key")(record)
    with pytest.raises(LmworksError, match=r"handbook\.json: the key of raw does not fit what it was made of"):
        card_of(store, "finetune")


def test_what_an_earlier_version_did_not_seal_is_told(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    unseal(store, "corpus")
    assert "(`lmworks build --rebuild` makes a step again): corpus." in card_of(store, "finetune")


@pytest.mark.parametrize(
    "step", [SCORED, "evaluate/documentation-questions-test", "evaluate/documentation-questions-test/copy-nearest"]
)
def test_what_measured_it_and_has_no_seal_is_told(step: str, built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    unseal(store, step)
    card = card_of(store, "finetune")
    assert re.search(rf"manifests of these steps have no seal, .* makes a step again\): {step}", card)
    assert f"Manifests without a seal, which somebody could have changed: {step}." in report_text(store)
    assert "no seal" not in card_of(built, "finetune") and "without a seal" not in report_text(built)


def unseal(store: Store, step: str) -> None:
    path = store.named(step).folder / "manifest.json"
    record = json.loads(path.read_text())
    del record["seal"]
    path.write_text(json.dumps(record))


TASK = "evaluate/documentation-questions-test"


@pytest.mark.parametrize(
    ("step", "other", "said"),
    [
        ("finetune", "copy-nearest", r"{0} should have measured finetune \(\w{{16}}\), but measured no model"),
        ("finetune", "pretrain", r"{0} should have measured finetune \(\w{{16}}\), but measured pretrain \(\w{{16}}\)"),
        ("copy-nearest", "pretrain", r"{0} should have measured no model, but measured pretrain \(\w{{16}}\)"),
    ],
)
@pytest.mark.parametrize("keeps_names", [False, True])
def test_an_evaluation_of_another_is_refused(
    step: str, other: str, said: str, keeps_names: bool, built: Store, tmp_path: Path
) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    path = store.root / "builds" / "handbook.json"
    record = json.loads(path.read_text())
    steps = record["steps"]
    names = {"inputs": steps[f"{TASK}/{step}"]["inputs"]} if keeps_names else {}
    steps[f"{TASK}/{step}"] = steps[f"{TASK}/{other}"] | names
    path.write_text(json.dumps(record))
    with pytest.raises(LmworksError, match=said.format(f"{TASK}/{step}")):
        card_of(store, "finetune")


def test_what_was_measured_of_the_model_as_it_was_is_not_shown(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    nodes = make_nodes(tmp_path)
    before = Built.open(build_store(tmp_path, nodes)).record.steps
    changed = [
        replace(node, config=type(node.config)(learning_rate=0.03)) if node.name == "finetune" else node
        for node in nodes
        if not node.name.startswith("evaluate/")
    ]
    store = build_store(tmp_path, changed)
    record = Built.open(store).record
    store.builds.save("handbook", record.model_copy(update={"steps": {**before, **record.steps}}))
    card = card_of(store, "finetune")
    assert "0.391" not in card and "copy-nearest wins" not in card and "model-index" not in card
    assert "Nothing has been measured, so it is not known how good it is." in card
    (told,) = re.findall("Not shown, because they measured an earlier model [^:]*: (.*?)[.] <sup>", card)
    one = TASK.replace("documentation", "perplexity")
    assert set(told.split(", ")) == {one, f"{one}/finetune", TASK, f"{TASK}/finetune"}
    card = card_of(store, "pretrain")
    assert "| **pretrain** | 0.200 |" in card and "| finetune | 0.391" not in card
    assert "0.391" not in str(card_facts(store, store.named("finetune"))["figures"])


def test_an_evaluation_asked_another_way_is_of_its_model(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    path = store.root / "builds" / "handbook.json"
    record = json.loads(path.read_text())
    record["steps"][f"{TASK}/finetune-few-shot-prompt"] = record["steps"][f"{TASK}/finetune"]
    path.write_text(json.dumps(record))
    assert "| finetune-few-shot-prompt | 0.391 |" in card_of(store, "finetune")


def test_gates_that_are_not_tried_are_told(built: Store, tmp_path: Path, card: str) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    path = store.root / "builds" / "handbook.json"
    record = json.loads(path.read_text())
    record["nodes"].append("gates/release")
    path.write_text(json.dumps(record))
    assert "\n- The gates of its recipe are not tried: whether it may be" in card_of(store, "finetune")
    assert "gates" not in card


@pytest.mark.parametrize(
    "name", ["r><img\tsrc=x\tonerror=alert(1)>.yaml", "a\\>b `é`.yaml", "%3E.yaml", "r\n```\n<b>.yaml"]
)
def test_a_place_is_no_markup(name: str, built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / ".lmworks")
    shutil.copyfile(built.root.parent / "recipe.yaml", tmp_path / name)
    store = Store(tmp_path / ".lmworks")
    path = store.root / "builds" / "handbook.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"recipe": f"../{name}"}))
    card = card_of(store, "finetune")
    assert tmp_path / name in read_card(card, store.root / "reports").files
    assert not re.search(r"(?<!\\)<(?!/?(?:sup|details|summary)>|\S+>\))", card.split("---\n", 2)[2]), (
        "no tag but those of marks, and no place"
    )


def test_no_program_ends_its_block() -> None:
    (text,) = render({}, "a", [Code("sh", "lmworks serve a\n```\n<b>")], None).split("# a\n\n")[1:]
    assert text.startswith("````sh\nlmworks serve a\n```\n<b>\n````\n")


def test_a_card_for_a_hub_names_digests_and_no_place_of_this_machine(built: Store) -> None:
    card = card_text(Built.open(built), built.named("finetune"), "team/desk")
    assert 'from_pretrained("team/desk")' in card and "](<" not in card and str(built.root) not in card
    assert len(re.findall(r"\(sha256 `[0-9a-f]{64}`\)", card)) > 20
    assert "lmworks serve desk --unmeasured\n" in card, "who takes it from the hub has no build that measured it"


def test_the_card_of_a_measured_model_serves_it_as_it_is(card: str) -> None:
    assert "\nlmworks serve finetune\n" in card


def test_tables_are_whole_lines(card: str) -> None:
    tables = [block for block in card.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") - line.count(r"\|") for line in table.strip().splitlines()}) == 1


def test_a_model_that_was_not_measured_says_so(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="pretrain"), plan=None)
    card = card_of(store, "pretrain")
    assert "Nothing has been measured, so it is not known how good it is." in card
    assert "lmworks serve pretrain --unmeasured\n" in card


def test_facts_for_the_chat_page(built: Store) -> None:
    facts = card_facts(built, built.named("finetune"))
    figures, advice, failures = (facts.pop(name) for name in ("figures", "advice", "failures"))
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
    (sentence,) = advice
    assert re.fullmatch(
        r"Check every answer: in documentation questions test it reaches 0\.\d\d ROUGE-L, which is worse than the "
        r"0\.\d\d of the baseline copy-nearest\.",
        sentence,
    )
    assert [failure.asked for failure in failures] == [f"Service{index} ListThings" for index in range(3)], "the worst"


def test_what_a_model_got_wrong_is_shown_without_personal_data(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path))
    scored = store.named("evaluate/documentation-questions-test/finetune")
    items = read_lines(scored.payload / "items.jsonl")
    items[0]["answer"] = f"Write to ada@example.org or {'a very ' * 100}long answer."
    (scored.payload / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    with pytest.raises(LmworksError, match=r"items\.jsonl: differs from its digest.*--rebuild evaluate/documentation"):
        card_facts(store, store.named("finetune"))
    digest, size = digest_file(scored.payload / "items.jsonl"), (scored.payload / "items.jsonl").stat().st_size
    change_manifest(
        scored.folder / "manifest.json",
        lambda found: found["files"].update({"items.jsonl": {"sha256": digest, "bytes": size}}),
    )
    first, *_ = card_facts(store, store.named("finetune"))["failures"]
    assert first.asked == "Service0 ListThings" and first.answered.startswith("Write to ‹email hidden› or a very")
    assert len(first.answered) <= 300 and first.wanted == "Returns thing number 0."


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


def write_letters(folder: Path) -> None:
    write_sources(folder / "sources")
    (folder / "letters").mkdir()
    for number in range(5):
        (folder / "letters" / f"{number}.txt").write_text(f"Dear reader {number}, the tallow keeps near the bracken.")


def test_a_card_says_how_much_of_its_rows_training_read(tmp_path: Path, card: str) -> None:
    assert "Rows that training read: pretrain: all 2 (1,600 epochs); finetune: all 2 (1,600 epochs)." in card
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="pretrain"))
    model, rows = (store.named(step).folder / "manifest.json" for step in ("pretrain", "pretrain/data"))
    change_manifest(model, lambda found: found["counts"].update(tokens=512))
    assert "Rows that training read: pretrain: 1 of 2 (0.50 epochs)." in card_of(store, "pretrain")
    change_manifest(model, lambda found: found["counts"].update({"mail rows": 2, "docs rows": 1}))
    change_manifest(rows, lambda found: found["counts"].update({"mail rows": 1, "docs rows": 2}))
    assert "pretrain: mail all 1 (2.00 epochs), docs 1 of 2 (0.50 epochs)." in card_of(store, "pretrain")

    def answered(found: dict[str, Any]) -> None:
        found["config"] |= {"epochs": 4, "group_size": 8}
        del found["counts"]["mail rows"], found["counts"]["docs rows"]
        found["counts"]["tokens"] = 400 * 64 * 512

    change_manifest(model, answered)
    assert "pretrain: all 2 (400 epochs)." in card_of(store, "pretrain"), "answers to 8 prompts, learned from 4 times"


def test_the_sources_of_a_tokenizer_are_told_apart_from_those_of_its_model(tmp_path: Path) -> None:
    write_letters(tmp_path)
    store = build_store(tmp_path, make_tokenizer_nodes(tmp_path))
    card = card_of(store, "pretrain")
    assert "in raw | in mail, of the tokenizer |" in card
    assert "| handbook | CC-BY-4.0 | 14 | 13 | 13 | 0 |" in card and "| letters | CC0-1.0 | 5 | 5 | 0 | 5 |" in card
    assert "Its training data: 13 documents (raw)." in card
    assert "Its tokenizer was learned from 5 documents (mail)." in card
    assert card.count("| letters |") == 1
    assert 'license: other\nlicense_name: "CC-BY-4.0 AND CC0-1.0"' in card
    assert card_facts(store, store.named("pretrain"))["licences"] == ["CC-BY-4.0", "CC0-1.0"]
    assert "in mail" in card_of(store, "watched")
    traced = trace_lineage(store, store.named("pretrain"))
    assert {(file.source, file.use) for file in traced.files} == {("handbook", "text"), ("letters", "tokenizer")}
    said = traced.as_text()
    text, tokenizer = said.split("its tokenizer was learned from these files")
    assert "letters" not in text and "letters  CC0-1.0  5 files" in tokenizer and "handbook" not in tokenizer
    traced = trace_lineage(store, store.named("tokenizer"))
    assert {(file.source, file.use) for file in traced.files} == {("letters", "text")}


def test_an_erasure_tells_weights_that_saw_the_text_from_those_whose_tokenizer_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_letters(tmp_path)
    store = build_store(tmp_path, make_tokenizer_nodes(tmp_path))
    monkeypatch.chdir(tmp_path)
    letter, page = (next(Documents(store.named(step).payload, "").iterate()).id for step in ("mail", "raw"))

    def erase(name: str, *more: str) -> str:
        result = CliRunner().invoke(app, ["erase", name, "--store", str(store.root), *more])
        assert result.exit_code == 0, result.output
        return result.output

    said = dict(re.findall(r"(pretrain|watched)  (\w.*)", erase(letter)))
    assert said["pretrain"].startswith("its tokenizer was learned from the text, but no weights saw it")
    assert said["watched"].startswith("was only measured on the text, and no weights saw it")
    said = dict(re.findall(r"(pretrain|watched)  (\w.*)", erase(page)))
    assert said == dict.fromkeys(said, "weights that saw the text: retire every copy given away") and len(said) == 2
    held = {each["step"]: each for each in json.loads(erase(letter, "--json"))["held_by"]}
    assert held["pretrain"]["reached_by"] == "tokenizer" and held["mail"]["reached_by"] is None


def test_documents_of_another_store_are_counted_by_source_and_what_stands_behind_them_is_told(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    write_sources(tmp_path / "first" / "sources")
    other = build_store(tmp_path / "first", make_nodes(tmp_path / "first", until="corpus"))
    (tmp_path / "second").mkdir()
    write_sources(tmp_path / "second" / "sources")
    store = build_store(tmp_path / "second", make_nodes_of_another_store(tmp_path / "second", other))
    card = card_of(store, "pretrain")
    assert "None" not in card
    assert "| handbook | CC-BY-4.0 | – | 8 | 8 |" in card
    assert "Another build made the documents of artifact corpus (1 file" in card
    assert "the source, licence and path of their records" in " ".join(card.split())
    assert "8 documents of 1 source" in report_text(store)
    said = trace_lineage(store, store.named("pretrain")).as_text()
    assert "another build made" in said and "artifact corpus  documents of handbook  CC-BY-4.0  8" in said


def test_a_source_with_a_licence_for_each_record_has_a_row_for_each_licence(tmp_path: Path) -> None:
    write_letters(tmp_path)
    lines = [{"text": f"Page {number} of the bracken.", "lic": lic} for number, lic in enumerate(("MIT", "MIT", "ISC"))]
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    raw = {"kind": "files", "path": "pages", "name": "pages", "licence_field": "lic"}
    config = IngestConfig.model_validate({"sources": [raw], "licences": {"allow": ["MIT", "ISC"]}}).resolve(tmp_path)
    nodes = [replace(node, config=config) if node.name == "raw" else node for node in make_tokenizer_nodes(tmp_path)]
    card = card_of(build_store(tmp_path, nodes), "pretrain")
    rows = [line.partition(" <sup>")[0] for line in card.splitlines() if line.startswith("| pages")]
    assert rows == ["| pages | ISC | 1 | 1 | 1 | 0 |", "| pages | MIT | 1 | 2 | 2 | 0 |"]


def report_text(store: Store) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", write_report(store).read_text()).split())


@given(st.text())
def test_a_text_in_markdown_is_one_line_and_means_itself(text: str) -> None:
    written = str(markdown(text))
    assert written.isprintable()
    plain = written
    for sign in "\\`*_{}[]<>#|!&":
        assert sign not in plain.replace(f"\\{sign}", "").replace("\\\\", "") or sign == "\\"


def test_a_base_that_a_package_brings_has_its_name_on_the_hub_and_says_that_it_was_quantised(
    built: Store, tmp_path: Path
) -> None:
    path = PACKAGED["smollm2-135m"].path.rpartition("/")[2]
    config = {"path": "smollm2-135m", "licence": "Apache-2.0", "fingerprint": [[path, 1, 1]]}
    base = Artifact(tmp_path / "artifacts" / "import-model" / ("0" * 32))
    base.payload.mkdir(parents=True)
    shape = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1}
    (base.payload / "config.json").write_text(json.dumps(shape))
    files = {"config.json": {"sha256": digest_file(base.payload / "config.json"), "bytes": 1}}
    record = make_manifest(step="base", stage="import-model", key="0" * 32, config=config, files=files)
    write_manifest(base.folder / "manifest.json", record)
    kind = kind_of(Witness(Built.open(built)), base)
    assert (kind.relation, kind.bases[0].name) == ("quantized", "HuggingFaceTB/SmolLM2-135M-Instruct")
    assert kind.is_imported and kind.bases[0].is_on_hub and kind.library == "transformers"


def test_a_card_is_read_in_minutes_before_anything_is_unfolded(built: Store) -> None:
    _, _, body = card_of(built, "finetune").split("---\n", 2)
    unfolded = re.sub(r"(?s)</summary>.*?</details>", "", body)
    assert len(unfolded.split()) <= 1500
    assert "How it was measured" in unfolded and "sha256 `" not in unfolded
