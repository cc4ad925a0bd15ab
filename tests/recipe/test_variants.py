"""Several approaches to one model under `variants`: what they become, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.evaluate.compare import CompareConfig
from lmworks.graph import CLASSES, make_nodes, tuning
from lmworks.plan.plan import Plan, make_plan
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import Recipe, RecipeError
from lmworks.train.configs.adapter import LoraConfig
from lmworks.train.configs.language_model import CausalLMConfig

RECIPE = """\
name: small
use_case: approaches
data:
  texts: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
tokenizer: {kind: bpe, vocab_size: 400, from: texts}
models:
  base: {objective: causal-lm, from: scratch, data: texts, hidden_size: 64, num_layers: 2, steps: 50}
  own:
    objective: causal-lm
    data: texts
    steps: 90
    sequence_length: 64
    adapter: {alpha: 8}
    variants:
      full: {from: base, adapter: null}
      lora: {from: base, adapter: {rank: 4}}
      scratch:
        from: scratch
        adapter: null
        hidden_size: 128
        num_layers: 2
evaluate:
  models: [base, own]
  tasks: [{kind: perplexity, data: texts}]
"""
NAMES = ["base", "own-full", "own-lora", "own-scratch"]


def load(folder: Path, text: str = RECIPE, *settings: str) -> Recipe:
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "text.txt").write_text("one two three")
    (folder / "recipe.yaml").write_text(text)
    return load_recipe(folder / "recipe.yaml", CLASSES, ["plan.measure=false", *settings])


def plan(folder: Path, recipe: Recipe) -> Plan:
    return make_plan(recipe, folder, folder / "store", measure=False)


def test_variants_become_models_and_are_measured_where_the_model_is_named(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    assert list(recipe.models) == NAMES and recipe.evaluate and recipe.evaluate.models == NAMES
    lora, scratch = recipe.models["own-lora"], recipe.models["own-scratch"]
    assert isinstance(lora, CausalLMConfig) and isinstance(scratch, CausalLMConfig)
    assert lora.adapter == LoraConfig(rank=4, alpha=8) and lora.optimizer == "adamw" and lora.sequence_length == 64
    assert scratch.base is None and scratch.adapter is None and scratch.hidden_size == 128


def test_each_trains_for_as_many_operations_as_the_first(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    found = plan(tmp_path, recipe)
    steps = {name: found.resolved(name, recipe.models[name]).steps for name in NAMES[1:]}  # type: ignore[arg-type]
    assert steps["own-full"] == 90 < steps["own-lora"] and steps["own-scratch"] < 45
    assert found.operations["own-lora"] == pytest.approx(found.operations["own-full"], rel=0.01)
    assert found.operations["own-scratch"] == pytest.approx(found.operations["own-full"], rel=0.03)


def test_gains_are_told_over_the_one_from_scratch_with_the_budget(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    found = plan(tmp_path, recipe)
    (comparison,) = [node.config for node in make_nodes(recipe, found, tmp_path) if node.name.count("/") == 1][-1:]
    assert isinstance(comparison, CompareConfig)
    pairs = [(each.kind, each.model, each.beside) for each in comparison.relations]
    assert pairs == [
        ("transfer", "own-full", "own-scratch"),
        ("transfer", "own-lora", "own-scratch"),
        ("tuning", "own-full", "base"),
        ("tuning", "own-lora", "base"),
    ]
    assert comparison.relations[0].note == f"{found.operations['own-full']:.1e} operations of training each"


def test_a_setting_reaches_one_variant_or_all(tmp_path: Path) -> None:
    settings = "own-lora.adapter.rank=2", "models.own-scratch.num_layers=1", "own.learning_rate=0.001"
    models = load(tmp_path, RECIPE, *settings).models
    assert models["own-lora"].adapter == LoraConfig(rank=2, alpha=8)  # type: ignore[attr-defined]
    assert models["own-scratch"].num_layers == 1  # type: ignore[attr-defined]
    assert {models[name].learning_rate for name in NAMES[1:]} == {0.001}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{rank: 4}", "{rnk: 4}", ":16: models.own-lora.adapter.rnk: unknown field 'rnk'; did you mean 'rank'?"),
        ("steps: 90", "stepz: 90", ":11: models.own-full.stepz: unknown field 'stepz'; did you mean 'steps'?"),
        ("        hidden_size: 128", "        hidden_size: wide", ":20: models.own-scratch.hidden_size"),
        ("from: base, adapter: {", "steps: 9, from: base, adapter: {", ":16: models.own.variants.lora.steps: computed"),
        ("  base: {", "  own-lora: {", ":16: models.own.variants.lora: another model is called 'own-lora' (line 7)"),
        ("full: {from: base,", "full: {from: bass,", ":15: models.own-full.from: no earlier step 'bass'; did you mean"),
        ("[base, own]", "[base, owl]", ":23: evaluate.models: no earlier step 'owl'"),
    ],
)
def test_a_fault_is_told_where_it_stands_in_the_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in RECIPE
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, RECIPE.replace(old, new))
    assert said in str(caught.value)


@pytest.mark.parametrize("variants", ["{}", "[full, lora]", "{full: {from: base}}", "{full: {from: base}, lora: 3}"])
def test_what_is_no_set_of_variants_is_refused(tmp_path: Path, variants: str) -> None:
    with pytest.raises(RecipeError, match=r":14: models.own.variants: expected two or more"):
        load(tmp_path, RECIPE, f"own.variants={variants}")


def test_a_model_is_set_beside_the_nearest_measured_one_that_it_began_with() -> None:
    def model(base: str) -> CausalLMConfig:
        return CausalLMConfig.model_validate({"from": base, "data": "texts", "steps": 1})

    models = {"a": model("scratch"), "b": model("a"), "c": model("b"), "d": model("c")}
    found = [(each.model, each.beside) for each in tuning(["a", "b", "d"], models, "tuning")]
    assert found == [("b", "a"), ("d", "b")]
