"""Conversion of a recipe into nodes: the steps to build, their order and their inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lmworks.data.mixtures.mixing import mix
from lmworks.engines.open import ENGINES
from lmworks.engines.rented.address import RentedModelConfig
from lmworks.engines.rented.stages import (
    PromptsConfig,
    RentedAnswersConfig,
    asked_for,
    rent,
    rented_answers,
    rented_prompts,
)
from lmworks.errors import UsageError
from lmworks.evaluate.gates import NODE
from lmworks.evaluate.primary import NODE as PRIMARY
from lmworks.evaluate.tasks import TASKS, asked_of
from lmworks.fitting import with_meaning
from lmworks.graph.evaluation import (
    CONTAMINATION,
    Learned,
    Systems,
    alike_but_for_seeds,
    evaluation_nodes,
    gates_node,
    labelled,
    left_out,
    primary_node,
    rehearsal_nodes,
    systems_of,
    transfer,
    tuning,
)
from lmworks.graph.kinds import MADE, STEPS
from lmworks.graph.nodes import makes, model_nodes, node, room_nodes
from lmworks.model.folder import ModelFolder
from lmworks.model.pretrained import import_model
from lmworks.pipeline.build import Node
from lmworks.plan.plan import Plan
from lmworks.recipe.references import Models, steps_in_order, with_files
from lmworks.recipe.schema import Recipe, StepConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.loop.train import train


def make_nodes(recipe: Recipe, plan: Plan, folder: Path) -> list[Node]:
    """Return the nodes of a recipe with the plan's values, in an order in which they can be built."""
    nodes: list[Node] = []
    for (section, *_), name, config in steps_in_order(recipe):
        if isinstance(config, TrainConfig):
            config = plan.resolved(name, config.model_copy(update={"step_name": name})).resolve(folder)
            config.require_checkpoints_on_the_way()
            *before, training = model_nodes(name, config, recipe.data, recipe.models)
            made = [*before, replace(training, predicted=plan.prediction(name))]
        else:
            stage = MADE[config.objective] if section == "models" else STEPS[config.kind]  # type: ignore[attr-defined]
            made = [node(name, stage, config.resolve(folder))]
        nodes += [*room_nodes(name, config, recipe), *made]
    if recipe.evaluate:
        learned = Learned({each.name: each for each in nodes}, folder, recipe.evaluate.reworded)
        known, systems = with_files(recipe, folder).models, dict[str, Systems]()
        for label, tasks in labelled([task.resolve(folder) for task in recipe.evaluate.tasks]):
            asked = asked_of(tasks[0], known, recipe.evaluate.models)
            models = with_meaning(tasks[0], known, asked)
            is_kept = TASKS[tasks[0].kind].is_kept  # type: ignore[attr-defined]
            tuned = tuning(models, recipe.models, "retention" if is_kept else "tuning")
            said = [*transfer(recipe.models, plan), *tuned], left_out(tasks[0], models, asked)
            systems[label] = systems_of(tasks, models)
            nodes += rehearsal_nodes(label, systems[label], known)
            nodes += evaluation_nodes(label, tasks, models, learned, *said, alike_but_for_seeds(recipe.models))
        if recipe.evaluate.gates:
            nodes.append(gates_node(recipe, systems))
        if primary := primary_node(recipe, systems, learned):
            nodes.append(primary)
    nodes = [each for some in nodes for each in _asked_of_rented(some, recipe.models)]
    _refuse_other_kinds(nodes, recipe.data)
    configs = {each.name: each.config for each in nodes}
    return [_with_engines(each, configs) for each in _checked_first(nodes)]


def _refuse_other_kinds(nodes: Sequence[Node], data: Mapping[str, StepConfig]) -> None:
    """Raise UsageError for a step that would get the wrong kind of records, such as conversations for documents."""
    for each in nodes:
        for parameter, reference in each.given():
            wanted, made = each.stage.inputs[parameter].handle.holds, makes(reference, data)
            if made == "both":
                raise UsageError(
                    f"{each.name}: {reference!r} mixes conversations with documents\nUse the mix as `data` of a "
                    "model that learns from conversations. Here, name one part of the mix"
                )
            if wanted and made and made != wanted and each.stage is not mix:  # which takes both
                kinds = ", ".join(name for name, step in STEPS.loadable() if step.config.makes == wanted)
                raise UsageError(
                    f"{each.name}: {reference!r} makes {made}; this step reads {wanted}. Kinds that make it: {kinds}"
                )


def _with_engines(made: Node, configs: Mapping[str, StepConfig]) -> Node:
    """Return the node with the packages that provide the engines of the models that it reads."""
    plugins = set(made.plugins)
    for parameter, model in made.given():
        engine = getattr(configs.get(model), "engine", None)
        if made.stage.inputs[parameter].handle is ModelFolder and isinstance(engine, str):
            plugins |= set(ENGINES.plugins(engine))
    return replace(made, plugins=sorted(plugins))


def _asked_of_rented(made: Node, models: Models) -> Iterator[Node]:
    """Yield a node. If it reads rented models, first yield nodes for the prompts and the answers of each of them."""
    order = [*made.stage.inputs]
    given = sorted((each for each in made.given() if each[0] != CONTAMINATION), key=lambda each: order.index(each[0]))
    rented = {each: models[each] for _, each in given if isinstance(models.get(each), RentedModelConfig)}
    if not rented:
        yield made
        return
    instead = {name: asked_for(made.name) + (f"/{name}" if len(rented) > 1 else "") for name in rented}
    for name, asked in instead.items():
        noted = PromptsConfig(
            step=made.config,
            stage=made.stage.name,
            read=[each for _, each in given if each not in rented],
            given=[(parameter, each if each in rented else "") for parameter, each in given],
            of=name,
            declared=made.stage,
        )
        prompts = asked.replace("asked/", "prompts/", 1)
        yield replace(node(prompts, rented_prompts, noted), plugins=made.plugins)
        yield node(asked, rented_answers, RentedAnswersConfig(prompts=prompts, model=name, rented=rented[name]))
    yield replace(
        made,
        inputs={
            parameter: [instead.get(each, each) for each in value]
            if isinstance(value, list)
            else instead.get(value or "", value)
            for parameter, value in made.inputs.items()
        },
    )


def _checked_first(nodes: Sequence[Node]) -> list[Node]:
    """Return nodes with all that need no trained model before the first training, so that their errors come early.

    Among them, models that need no training loop come after the others. Measurements without a trained model come last,
    because they take longest, and because the trial of a task may already stop the build.
    """
    order: dict[str, int] = {}
    for each in nodes:
        measured = each.name.startswith(("evaluate/", "contamination/", NODE, PRIMARY))
        fitted = each.stage in MADE.values() and each.stage not in (import_model, rent)
        own = 3 if each.stage is train else 2 if measured else int(fitted)
        order[each.name] = max([own, *(order[reference.partition(".")[0]] for reference in each.references())])
    return sorted(nodes, key=lambda each: order[each.name])
