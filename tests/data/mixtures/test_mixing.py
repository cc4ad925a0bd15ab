"""The `mix` step: what it joins, what a recipe may say, and which nodes it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.data.mixtures.mixing import MixConfig, mix
from lmworks.data.shards.records import Document, Documents, write_ids, write_json_lines, write_shard
from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import UsageError
from lmworks.graph import CLASSES, make_nodes
from lmworks.pipeline.build import Node
from lmworks.pipeline.keys import key_config
from lmworks.plan.plan import make_plan
from lmworks.recipe.file import load_recipe
from lmworks.recipe.references import references
from lmworks.recipe.schema import RecipeError
from lmworks.tokens.rows.pack import pack_conversations, pack_documents
from support import make_context

RECIPE = """\
name: mixed
use_case: tests
plan: {measure: false}
data:
  handbook: {kind: ingest, sources: [{kind: files, path: notes, licence: CC0-1.0}], licences: {allow: [permissive]}}
  novels: {kind: ingest, sources: [{kind: files, path: novels, licence: CC0-1.0}], licences: {allow: [permissive]}}
  mixed:
    kind: mix
    parts:
      domain: {from: handbook, weight: 3, max_epochs: 4}
      general:
        from: novels
        weight: 1
tokenizer: {kind: bpe, from: mixed}
models:
  pretrain: {objective: causal-lm, from: scratch, data: mixed, steps: 3, hidden_size: 64, num_layers: 2}
"""


def write_recipe(folder: Path, text: str = RECIPE) -> Path:
    for name in ("notes", "novels"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "one.txt").write_text(f"A text of the {name}.")
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


def make_part(folder: Path, names: list[str]) -> Documents:
    documents = [Document(id=name, text=f"text {name}", source="s", licence="MIT") for name in names]
    write_shard(folder / "part-00000.parquet", documents)
    write_ids(folder, sorted(names))
    return Documents(folder, "")


def test_a_mix_holds_every_document_of_its_parts_and_takes_no_room(tmp_path: Path) -> None:
    parts = [make_part(tmp_path / "a", ["01", "03"]), make_part(tmp_path / "b", ["02", "03"])]
    config = MixConfig.model_validate({"parts": {"x": {"from": "a"}, "y": {"from": "b"}}})
    (tmp_path / "out").mkdir()
    result = mix(config, parts, tmp_path / "out", make_context(tmp_path))
    assert [document.id for document in Documents(tmp_path / "out", "").iterate()] == ["01", "03", "02", "03"]
    assert (tmp_path / "out" / "ids.txt").read_text().split() == ["01", "02", "03"]
    assert result.counts == {"x documents": 2, "y documents": 2}
    assert (tmp_path / "out" / "part-00001.parquet").stat().st_nlink == 2


def test_a_model_on_a_mix_is_trained_on_rows_of_each_part(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    recipe = load_recipe(path, CLASSES)
    plan = make_plan(recipe, tmp_path, tmp_path / "store", measure=False)
    nodes = {node.name: node for node in make_nodes(recipe, plan, tmp_path)}
    assert nodes["mixed"].inputs == {"documents": ["handbook", "novels"]}
    assert nodes["pretrain/data/general"].inputs["documents"] == "novels"
    assert nodes["pretrain/data"].inputs["rows"] == ["pretrain/data/domain", "pretrain/data/general"]
    assert nodes["pretrain"].inputs["data"] == "pretrain/data"
    assert nodes["pretrain"].config.model_dump()["proportions"] == {
        "weights": {"domain": 3.0, "general": 1.0},
        "max_epochs": {"domain": 4.0},
        "temperature": 1.0,
        "curriculum": [],
    }


def test_judgements_are_not_mixed(tmp_path: Path) -> None:
    aligned = "  aligned: {objective: dpo, from: pretrain, data: mixed, steps: 3, sequence_length: 512}\n"
    recipe = load_recipe(write_recipe(tmp_path, RECIPE + aligned), CLASSES)
    plan = make_plan(recipe, tmp_path, tmp_path / "store", measure=False)
    with pytest.raises(UsageError, match="'mixed' is a mix, which holds documents or conversations, but dpo"):
        make_nodes(recipe, plan, tmp_path)


def write_chats(folder: Path, *names: str) -> Documents:
    """A part of conversations, which have no documents but the first."""
    folder.mkdir()
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]
    lines = [{"id": name, "messages": turns, "document": name if name == names[0] else None} for name in names]
    write_json_lines(folder / "conversations.jsonl", lines)
    return Documents(folder, "")


def test_conversations_are_mixed_and_keep_their_documents(tmp_path: Path) -> None:
    parts = [write_chats(tmp_path / "a", "2", "1"), write_chats(tmp_path / "b", "1")]
    config = MixConfig.model_validate({"parts": {"x": {"from": "a", "weight": 1}, "y": {"from": "b", "weight": 3}}})
    (tmp_path / "out").mkdir()
    result = mix(config, parts, tmp_path / "out", make_context(tmp_path))
    mixed = Conversations(tmp_path / "out", "")
    assert [line["id"] for line in mixed.iterate()] == ["x/1", "x/2", "y/1"]
    assert (tmp_path / "out" / "ids.txt").read_text().split() == ["1", "2"]
    assert result.counts == {"x conversations": 2, "y conversations": 1}
    with pytest.raises(UsageError, match="here are no conversations; name a step that makes them"):
        list(Conversations(make_part(tmp_path / "c", ["01"]).path, "").iterate())


BOTH = """\
  chats: {kind: pairs, from: handbook}
  both: {kind: mix, parts: {chats: {from: chats, weight: 2}, texts: {from: novels, weight: 1}}}
"""
TUNED = "  tuned: {objective: sft, from: pretrain, data: both, steps: 3}\n"


def nodes_of_both(folder: Path, *changes: tuple[str, str]) -> dict[str, Node]:
    text = RECIPE.replace("tokenizer:", BOTH + "tokenizer:") + TUNED
    for old, new in changes:
        text = text.replace(old, new)
    recipe = load_recipe(write_recipe(folder, text), CLASSES)
    return {
        node.name: node
        for node in make_nodes(recipe, make_plan(recipe, folder, folder / "store", measure=False), folder)
    }


def test_a_model_is_tuned_on_conversations_and_documents_of_one_mix(tmp_path: Path) -> None:
    nodes = nodes_of_both(tmp_path)
    assert nodes["tuned/data/chats"].stage is pack_conversations
    assert nodes["tuned/data/texts"].stage is pack_documents
    assert nodes["tuned/data"].inputs == {
        "rows": ["tuned/data/chats", "tuned/data/texts"],
        "tokenizer": "tokenizer",
    }
    assert nodes["tuned"].config.model_dump()["proportions"]["weights"] == {"chats": 2.0, "texts": 1.0}
    assert (nodes["tuned/check"].inputs["data"], nodes["tuned/check"].inputs["samples"]) == (
        "tuned/data/chats",
        "chats",
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("from: mixed", "from: both"), "'both' mixes conversations with documents\nUse the mix as `data` of a model"),
        (
            ("texts: {from: novels, weight: 1}", "more: {from: chats, weight: 1}, texts: {from: novels, weight: 1}"),
            "models.tuned.data: expected one part with conversations among parts with documents, found chats, more",
        ),
        (("data: both", "data: mixed"), "among parts with documents, found none"),
    ],
)
def test_what_cannot_read_a_mix_of_both_is_refused_before_a_build(
    tmp_path: Path, change: tuple[str, str], fault: str
) -> None:
    with pytest.raises(UsageError) as caught:
        nodes_of_both(tmp_path, change)
    assert fault in str(caught.value)


def test_a_mix_of_both_forms_keeps_the_ids_of_all_documents(tmp_path: Path) -> None:
    chats = write_chats(tmp_path / "b", "02")
    write_ids(chats.path, ["02"])
    config = MixConfig.model_validate({"parts": {"x": {"from": "a"}, "y": {"from": "b"}}})
    (tmp_path / "out").mkdir()
    mix(config, [make_part(tmp_path / "a", ["01"]), chats], tmp_path / "out", make_context(tmp_path))
    assert (tmp_path / "out" / "ids.txt").read_text().split() == ["01", "02"]


def test_weights_but_no_names_of_steps_are_in_a_key() -> None:
    def key(**parts: dict[str, object]) -> object:
        return key_config(MixConfig.model_validate({"parts": parts}))

    first = key(domain={"from": "a", "weight": 1}, general={"from": "b", "weight": 2})
    assert first == key(domain={"from": "other", "weight": 1}, general={"from": "b", "weight": 2})
    assert first != key(domain={"from": "a", "weight": 2}, general={"from": "b", "weight": 2})
    assert first != key(general={"from": "a", "weight": 2}, domain={"from": "b", "weight": 1})


def test_a_reference_inside_a_part_is_checked_at_its_line(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, RECIPE.replace("from: novels", "from: novel"))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, CLASSES)
    assert str(caught.value) == (
        f"{path}:12: data.mixed.parts.general.from: no earlier step 'novel'; did you mean 'novels'?"
    )


def test_a_weight_can_be_set_from_the_command_line(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path), CLASSES, ["mixed.parts.domain.weight=0.5"])
    config = recipe.data["mixed"]
    assert isinstance(config, MixConfig) and config.documents["domain"].weight == 0.5
    assert dict(references(config)) == {"documents": ["handbook", "novels"]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("        weight: 1\n", ""), "weights are of ['domain'], parts are ['domain', 'general']"),
        (("    parts:", "    temperature: 2\n    parts:"), "keep one"),
        (("weight: 3, max_epochs: 4", "weight: 0"), ""),
        (("      general:", "      my part:"), "expected words of the form"),
        (("weight: 3", "weight: -1"), "expected at least 0"),
        (("weight: 3", "weigth: 3"), "unknown field 'weigth'; did you mean 'weight'?"),
        (
            ("    parts:", "    curriculum: [{until: 0.5, weights: {domain: 1, general: 1}}]\n    parts:"),
            "must rise from stage to stage and end at 1; found [0.5]",
        ),
    ],
)
def test_proportions_that_say_nothing_clear_are_refused(tmp_path: Path, change: tuple[str, str], fault: str) -> None:
    path = write_recipe(tmp_path, RECIPE.replace(*change))
    if not fault:
        load_recipe(path, CLASSES)
        return
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, CLASSES)
    assert fault in str(caught.value)
