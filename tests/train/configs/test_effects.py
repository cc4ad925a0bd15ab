"""What each field of a config changes, as it declares: keys, the plan's classes, the check, rehearsals go by it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from lmworks.graph import CLASSES, make_nodes
from lmworks.pipeline.keys import key_config
from lmworks.plan.plan import Plan, make_plan
from lmworks.plan.probe import STATED, as_rehearsed
from lmworks.recipe.file import load_recipe
from lmworks.recipe.references import references
from lmworks.recipe.schema import Effect, Recipe, StepConfig, effects, unaffecting
from lmworks.train.configs.train import TrainConfig, from_record
from lmworks.train.memory import flops_per_token, training_memory
from lmworks.train.objectives import OBJECTIVES

ALL = {
    **{f"data {name}": config for name, config in CLASSES.data.classes()},
    **{f"tokenizer {name}": config for name, config in CLASSES.tokenizers.classes()},
    **{f"objective {name}": config for name, config in CLASSES.objectives.classes()},
    **{f"task {name}": config for name, config in CLASSES.tasks.classes()},
    "recipe": Recipe,
}
"""Every config that a recipe may hold."""

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of values that are not validated

STATED_FIELDS: dict[str, Any] = {
    "base": "first",
    "data": "texts",
    "rewards": [{"kind": "length", "most": 5}, {"kind": "exact-answer", "weight": 0}],
    "teacher": "first",
}


SMALL = {
    "data": "texts",
    "hidden_size": 64,
    "num_layers": 1,
    "steps": 9,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
}


def example(config: type[TrainConfig], **fields: Any) -> TrainConfig:
    """A config of an objective with what it must state."""
    needed = {name: value for name, value in STATED_FIELDS.items() if name in config.model_fields}
    return config.model_validate(
        {**needed, "steps": 9, "data_type": "float32", "threads": 1, "compile": False, **fields}
    )


def other(value: Any) -> Any:
    """A value that is not this one; configs that hold it are not validated."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 or 1
    if isinstance(value, list | dict):
        return [] if value else [7] if isinstance(value, list) else {"jsonl": "elsewhere"}
    return f"not {value}" if isinstance(value, str) else 7


@pytest.mark.parametrize("name", ALL)
def test_every_field_of_every_config_declares_what_it_changes(name: str) -> None:
    declared = effects(ALL[name])
    assert declared.keys() == ALL[name].model_fields.keys()
    left_out = {field for field, info in ALL[name].model_fields.items() if info.exclude}
    assert not left_out & {field for field, effect in declared.items() if Effect.KEY in effect}


def test_a_field_of_a_training_without_a_declared_effect_is_refused() -> None:
    class Careless(TrainConfig):
        objective: Literal["careless"] = "careless"
        learning_rate: float = 0.1
        strength: float = Field(1.0, description="Of something.")

    with pytest.raises(TypeError, match=r"Careless\.strength: declare its effect"):
        effects(Careless)


def test_an_overridden_field_keeps_its_effect_unless_it_declares_another() -> None:
    class Base(StepConfig):
        size: Annotated[int, Effect.SPEED] = 1
        note: Annotated[str, Effect.NOTHING] = ""
        rest: int = 0

    class Other(Base):
        size: int = Field(2, ge=1)
        note: Annotated[str, Effect.MEMORY] = "x"

    assert effects(Other) == {"size": Effect.SPEED, "note": Effect.MEMORY, "rest": Effect.KEY}
    assert unaffecting(Other, Effect.KEY) == {"size", "note"}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_key_of_a_training_changes_with_those_fields_that_say_so(objective: str) -> None:
    config = example(OBJECTIVES[objective])
    naming = {name for name, _ in references(config)}
    for name, effect in effects(type(config)).items():
        changed = config.model_copy(update={name: other(getattr(config, name))})
        same = key_config(changed) == key_config(config)
        assert same == (Effect.KEY not in effect or name in naming), name


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_counted_memory_and_operations_change_only_with_fields_that_say_so(objective: str) -> None:
    config = example(OBJECTIVES[objective])
    base = OBJECTIVES["causal-lm"].model_validate({**SMALL, "from": "scratch"}).shape(400)

    def counted(of: TrainConfig) -> Any:
        shape = of.tuned_shape(base)
        return training_memory(shape, of, 400, 0), of.rows_per_step * flops_per_token(of, shape)

    for name in unaffecting(type(config), Effect.SPEED | Effect.MEMORY):
        changed = config.model_copy(update={name: other(getattr(config, name))})
        assert name == "base" or counted(changed) == counted(config), (
            name
        )  # whether there is one says who has the shape


RECIPE = """\
name: small
use_case: effects
data:
  texts: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  judgements: {kind: preferences, from: texts}
tokenizer: {kind: bpe, vocab_size: 400, from: texts}
models:
  first: {objective: causal-lm, from: scratch, data: texts, hidden_size: 64, num_layers: 1, compile: false, threads: 1}
  second: {objective: dpo, from: first, data: judgements, compile: false, threads: 1, steps: 3, sequence_length: 512}
"""


def planned(folder: Path, setting: str = "") -> tuple[Plan, dict[str, Any]]:
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "text.txt").write_text("one two three")
    (folder / "recipe.yaml").write_text(RECIPE)
    recipe = load_recipe(folder / "recipe.yaml", CLASSES, [f"models.second.{setting}"] if setting else [])
    plan = make_plan(recipe, folder, folder / "store", measure=False)
    return plan, {node.name: key_config(node.config) for node in make_nodes(recipe, plan, folder)}


@pytest.mark.parametrize(
    "setting",
    ["beta=0.3", "seed=3", "learning_rate=0.5", "log_to.jsonl=told", "dropout=0.1", "micro_batch_rows=8", "patience=2"],
)
def test_plan_and_check_go_by_what_a_field_declares(setting: str, tmp_path: Path) -> None:
    (plain, keys), (plan, changed) = planned(tmp_path), planned(tmp_path, setting)
    effect = effects(OBJECTIVES["dpo"])[setting.partition("=")[0].partition(".")[0]]
    alike = plan.classes["second"] == plain.classes["second"]
    assert alike == (not effect & (Effect.SPEED | Effect.MEMORY))
    assert (changed["second/check"] == keys["second/check"]) == (not (Effect.CHECK in effect and Effect.KEY in effect))
    assert (changed["second"] == keys["second"]) == (Effect.KEY not in effect)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_rehearsal_leaves_out_what_changes_neither_time_nor_memory(objective: str) -> None:
    kind = OBJECTIVES[objective]
    course = {"patience": 2, "keep_best": True, "publish_checkpoints": [3], "validation": "texts"}
    course |= {"best_by": "exact-answer", "kl_limit": 0.1, "branch_step": 2, "log_to": {"jsonl": "told"}}
    config = example(kind, **{name: value for name, value in course.items() if name in kind.model_fields})
    copied = from_record(as_rehearsed(config))
    for name in unaffecting(kind, Effect.SPEED | Effect.MEMORY) - STATED - {name for name, _ in references(config)}:
        info = kind.model_fields[name]
        assert info.is_required() or getattr(copied, name) == info.get_default(call_default_factory=True), name
    for name, effect in effects(kind).items():
        assert not effect & (Effect.SPEED | Effect.MEMORY) or getattr(copied, name) == getattr(config, name), name
