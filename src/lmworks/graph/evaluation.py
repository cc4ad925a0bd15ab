"""Nodes of an evaluation: measurements, comparisons, and searches for test items in training texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lmworks.data.contamination.search import SearchConfig, contamination_search
from lmworks.engines.protocol import LONGEST_SOURCE
from lmworks.errors import UsageError
from lmworks.evaluate.compare import CompareConfig, compare, metric_named
from lmworks.evaluate.gates import NODE, GatesConfig, TriedGate, gates
from lmworks.evaluate.items import TaskConfig
from lmworks.evaluate.primary import NODE as PRIMARY
from lmworks.evaluate.primary import AskedConfig, answer_primary
from lmworks.evaluate.rehearsal import RehearsalConfig, StandIn, Trial, rehearse
from lmworks.evaluate.relations import Relation
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.task import figures_named
from lmworks.fitting import reference_of
from lmworks.graph.nodes import inputs_of, node
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.build import Node
from lmworks.pipeline.conditions import Condition
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.record import split_reference
from lmworks.pipeline.stage import Role, Stage
from lmworks.plan.plan import Plan
from lmworks.recipe.kinds import plugins_of
from lmworks.recipe.references import Models, bases, family_of, first_of, room_of
from lmworks.recipe.schema import Recipe, RewordedConfig, StepConfig
from lmworks.registry import plugins_behind
from lmworks.train.configs.train import TrainConfig

Systems = Mapping[str, tuple[Stage, TaskConfig, str | None]]
"""Systems of a task by label: a stage, its settings, and the model, which is None for baselines."""
WAYS: tuple[Condition, ...] = ("prompt", "shots", "decoding", "delimiter", "before")
"""Conditions that may differ if a recipe has one task with several prompt forms."""
CONTAMINATION = "contamination"
"""Input of a task's stages that says which items are in the training texts."""


def left_out(config: TaskConfig, models: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return a sentence that names the models without a figure, because they did not begin with the reference."""
    *others, last = [name for name in asked if name not in models] or [""]
    names = f"{', '.join(others)} and {last} are" if others else f"{last} is"
    told = f"{names} not asked: this figure of a model is told over {reference_of(config)}, with which "
    return [f"{told}{'these' if others else 'it'} did not begin"] if last else []


def rehearsal_nodes(label: str, systems: Systems, models: Models) -> Iterator[Node]:
    """Yield a node that tries a task before training, for its models and for baselines that a trained model judges.

    Systems whose trials are equal share one trial.
    """
    tokenizers: list[str] = []
    tasks: list[StepConfig] = []
    trials: dict[str, Trial] = {}
    read: dict[str, str] = {}
    for name, (stage, config, model) in systems.items():
        instead = {"model": model} if model else {}
        given = dict(node(label, stage, config, **instead).given())
        judging = {
            parameter: each for parameter, each in given.items() if stage.inputs[parameter].handle is ModelFolder
        }
        is_asked = bool(model and TASKS[_kind_of(systems)].asks)
        if not is_asked and not any(isinstance(models[each], TrainConfig) for each in judging.values()):
            continue
        read |= {parameter: each for parameter, each in given.items() if parameter not in judging}
        stand_ins = []
        for parameter, each in judging.items() if not is_asked else ():
            tokenizer = getattr(models[each], "tokenizer", each)
            tokenizers += [] if tokenizer in tokenizers else [tokenizer]
            family, number = family_of(models[each]), tokenizers.index(tokenizer)
            room = LONGEST_SOURCE if family == "encoder-decoder" else room_of(each, models)
            stand_ins.append(StandIn(parameter=parameter, tokenizer=number, context_length=room, family=family))
        tasks += [] if config in tasks else [config]
        first = first_of(model, models) if model and room_of(model, models) else ""
        is_ours = isinstance(models.get(first), TrainConfig)
        trial = Trial(
            systems=[name],
            task=tasks.index(config),
            stage=stage.name,
            stand_ins=stand_ins,
            most=config.largest_lost_share,
            mend=f"Raise sequence_length of {first}" if is_ours else "Name models that read more",
        )
        alike = canonical_json(trial.model_dump(mode="json", exclude={"systems"}))
        before = trials[alike].systems if alike in trials else []
        trials[alike] = trial.model_copy(update={"systems": [*before, name]})
    if trials:
        tried = RehearsalConfig(
            label=f"evaluate/{label}",
            read=list(read.values()),
            parameters=list(read),
            tokenizers=tokenizers,
            tasks=tasks,
            trials=list(trials.values()),
            declared=TASKS[tasks[0].kind],  # type: ignore[attr-defined]
        )
        plugins = {each for task in tasks for each in plugins_of(task)}
        plugins |= plugins_behind([stage.function for stage, *_ in systems.values()])
        yield replace(node(f"rehearsal/{label}", rehearse, tried), plugins=sorted(plugins))


def tuning(
    measured: Sequence[str], models: Mapping[str, StepConfig], kind: Literal["tuning", "retention"]
) -> Iterator[Relation]:
    """Yield each model with its nearest base that is also measured, to compare what the model learned or forgot."""
    for name in measured:
        if base := next((each for each in bases(name, models) if each in measured), None):
            yield Relation(kind=kind, model=name, beside=base)


def alike_but_for_seeds(models: Mapping[str, StepConfig]) -> list[list[str]]:
    """Return groups of models whose trainings differ only in their seed. Variants of a model may differ in steps."""
    firsts = {getattr(config, "same_operations_as", None) for config in models.values()}
    groups: dict[str, list[str]] = {}
    for name, config in models.items():
        if isinstance(config, TrainConfig):
            of = config.same_operations_as or (name if name in firsts else None)
            also = {"steps"} if of else set()
            fields = config.model_dump(mode="json", exclude={"seed", "same_operations_as", "step_name"} | also)
            groups.setdefault(canonical_json([of, fields]), []).append(name)
    return [group for group in groups.values() if len({models[name].seed for name in group}) > 1]  # type: ignore[attr-defined]


def transfer(models: Mapping[str, StepConfig], plan: Plan) -> Iterator[Relation]:
    """Yield each variant of a model with the variant trained from scratch, which has the fewest bases."""
    firsts = {name: getattr(config, "same_operations_as", None) or name for name, config in models.items()}
    for first in dict.fromkeys(firsts.values()):
        group = [name for name, of in firsts.items() if of == first]
        scratch = [name for name in group if isinstance(models.get(first_of(name, models)), TrainConfig)]
        ways = {name: len([*bases(name, models)]) for name in scratch}
        shortest = [name for name, way in ways.items() if way == min(ways.values())]
        if len(group) > 1 and len(shortest) == 1:
            note = f"{plan.operations[first]:.1e} operations of training each"
            others = (name for name in group if name not in shortest)
            yield from (Relation(kind="transfer", model=name, beside=shortest[0], note=note) for name in others)


def evaluation_nodes(
    label: str,
    tasks: Sequence[TaskConfig],
    models: Sequence[str],
    learned: Learned,
    relations: Iterable[Relation],
    left_out: list[str],
    seeds: Iterable[Sequence[str]] = (),
) -> Iterator[Node]:
    """Yield the nodes of one task: every model with each prompt form, the baselines, and their comparison."""
    first, systems = tasks[0], systems_of(tasks, models)
    for name, (stage, config, model) in systems.items():
        instead: dict[str, str | None] = {"model": model} if model else {}
        if CONTAMINATION in stage.inputs:
            search, instead[CONTAMINATION] = learned.search(config.data, model, config.train)
            yield from [search] if search else []
        yield node(f"evaluate/{label}/{name}", stage, config, **instead)
    comparing = CompareConfig(
        evaluations=[f"evaluate/{label}/{name}" for name in systems],
        labels=list(systems),
        baselines=[name for name, (_, _, model) in systems.items() if not model],
        also=first.also_compared(),
        may_differ=_may_differ(systems),
        relations=[each for each in relations if {each.model, each.beside} <= systems.keys()],
        left_out=left_out,
        seeds=[list(each) for each in seeds if set(each) <= systems.keys()],
    )
    plugins = plugins_of(first) | plugins_behind([TASKS[first.kind].stage.function])  # type: ignore[attr-defined] # whose metrics are compared in
    yield replace(node(f"evaluate/{label}", compare, comparing), plugins=sorted(plugins))


def gates_node(recipe: Recipe, systems: Mapping[str, Systems]) -> Node:
    """Return the node that tries all gates. Raises UsageError for a gate on a task, model or metric not measured."""
    assert recipe.evaluate  # noqa: S101 - gates stand in it
    named: list[str] = []
    tried: list[TriedGate] = []
    candidates = recipe.serve.candidates if recipe.serve else []
    for number, gate in enumerate(recipe.evaluate.gates):
        place = f"evaluate.gates.{number}"
        labels = [each for each in systems if gate.task in (each, _kind_of(systems[each]))]
        if len(labels) != 1:
            raise UsageError(f"{place}.task: found {gate.task!r}, expected one of {', '.join(systems)}")
        label = labels[0]
        models = {each: name for each, (_, _, name) in systems[label].items() if name}
        for asked in gate.asked_of(candidates):
            model = asked or ""
            if model not in models:
                found = f"found {gate.model!r}" if gate.model else f"the recipe serves {asked or 'nothing'}"
                raise UsageError(f"{place}.model: {found}; models measured on {label}: {', '.join(models)}")
            if gate.not_worse_than is not None and gate.not_worse_than not in systems[label].keys() - {model}:
                others = ", ".join(each for each in systems[label] if each != model)
                raise UsageError(f"{place}.not_worse_than: found {gate.not_worse_than!r}, expected one of {others}")
            is_of_items = bool(gate.where or gate.not_worse_than)
            if gate.metric and (why := _misnamed(gate.metric, systems[label], is_of_items=is_of_items)):
                raise UsageError(f"{place}.metric: found {gate.metric!r}, {why}")
            sides = [f"evaluate/{label}/{each}" for each in (model, gate.not_worse_than) if each]
            named += [each for each in sides if each not in named]
            numbers = dict(zip(("evaluation", "beside"), map(named.index, sides), strict=False))
            tried.append(TriedGate(gate=gate, model=models[model], may_differ=_may_differ(systems[label]), **numbers))
    plugins = {each for some in systems.values() for _, config, _ in some.values() for each in plugins_of(config)}
    return replace(node(NODE, gates, GatesConfig(evaluations=named, tried=tried)), plugins=sorted(plugins))


def primary_node(recipe: Recipe, systems: Mapping[str, Systems], learned: Learned) -> Node | None:
    """Return the node that answers the primary question. None if none is stated and no model can be compared.

    Raises UsageError for a question about a task, model, opponent or figure that is not measured.
    """
    assert recipe.evaluate  # noqa: S101 - the question stands in it
    asked, place = recipe.evaluate.primary, "evaluate.primary"
    label, model, opponents = next(_comparable(recipe, systems, learned), ("", "", list[str]()))
    if not opponents:
        if stated := [name for name in ("task", "model", "opponent", "figure") if getattr(asked, name) is not None]:
            names = "; ".join(f"{label}: {', '.join(some)}" for label, some in systems.items())
            raise UsageError(f"{place}.{stated[0]}: found {getattr(asked, stated[0])!r}; the recipe measures {names}")
        return None
    some = systems[label]
    if asked.figure and (why := _misnamed(asked.figure, some, is_of_items=True)):
        raise UsageError(f"{place}.figure: found {asked.figure!r}, {why}")
    stated_question = AskedConfig(
        evaluations=[f"evaluate/{label}/{name}" for name in (model, *opponents)],
        task=label,
        model=model,
        opponents=opponents,
        baselines=[name for name in opponents if some[name][2] is None],
        figure=asked.figure,
        margin=asked.margin,
        may_differ=_may_differ(some),
    )
    plugins = {each for _, config, _ in some.values() for each in plugins_of(config)}
    return replace(node(PRIMARY, answer_primary, stated_question), plugins=sorted(plugins))


def _comparable(
    recipe: Recipe, systems: Mapping[str, Systems], learned: Learned
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield tasks that can answer the primary question, with a model and its opponents. Served models come first."""
    assert recipe.evaluate  # noqa: S101 - the question stands in it
    asked = recipe.evaluate.primary
    served = recipe.serve.candidates if recipe.serve else recipe.evaluate.models[::-1]
    for model in [asked.model] if asked.model else served:
        for label, some in systems.items():
            if model not in some or asked.task not in (None, label, _kind_of(some)):
                continue
            if asked.task is None and (TASKS[_kind_of(some)].is_kept or _learned_from(some, model, learned)):
                continue
            baselines = [name for name, (_, _, of) in some.items() if of is None]
            named = [asked.opponent] if asked.opponent in some.keys() - {model} else []
            if opponents := named if asked.opponent else baselines:
                yield label, model, opponents


def _learned_from(systems: Systems, label: str, learned: Learned) -> bool:
    """Return whether a model was trained on the data of a task."""
    _, config, model = systems[label]
    return model is not None and config.data in learned.of(model)[0]


def _misnamed(figure: str, systems: Systems, *, is_of_items: bool) -> str:
    """Return why a figure cannot be used: it is unknown, or not made of items. Empty if it can be used."""
    config = next(each for _, each, _ in systems.values())
    named = figures_named(TASKS[_kind_of(systems)], config)
    if " " in figure or figure.startswith("follows_rule_"):
        return ""
    if figure not in named:
        return f"expected one of {', '.join(dict.fromkeys(named))}"
    if is_of_items and metric_named(figure) is None:
        return "which has no values per item, so lmworks cannot compare it item by item or compute it for some items"
    return ""


def _may_differ(systems: Systems) -> list[Condition]:
    """Return the conditions in which two systems of a task may differ, by their kinds and prompt forms."""
    ways = {canonical_json(config.model_dump(mode="json")) for _, config, _ in systems.values()}
    return [*TASKS[_kind_of(systems)].may_differ, *(WAYS if len(ways) > 1 else ())]


def _kind_of(systems: Systems) -> str:
    return next(str(config.kind) for _, config, _ in systems.values())  # type: ignore[attr-defined]


def systems_of(tasks: Sequence[TaskConfig], models: Sequence[str]) -> Systems:
    """Return the systems of a task by label: models with each prompt form, and baselines, which have no model."""
    first, systems = tasks[0], dict[str, tuple[Stage, TaskConfig, str | None]]()
    task = TASKS[first.kind]  # type: ignore[attr-defined]
    for config in tasks:
        suffix = "" if config is first else f"-{config.prompt_name}-prompt"  # type: ignore[attr-defined]
        systems |= {f"{model}{suffix}": (task.stage, config, model) for model in models}
    return systems | {
        name: (each, first, None) for name, each in (task.baselines if first.has_baselines else {}).items()
    }


class Learned:
    """Texts that models and baselines learned from, and the searches for test items in them.

    Systems that learned from the same texts share a search.
    """

    def __init__(self, nodes: Mapping[str, Node], folder: Path, reworded: RewordedConfig | None) -> None:
        self._nodes, self._folder, self._reworded = nodes, folder, reworded
        self._names: dict[str, str] = {}
        """Name of each search by its config."""

    def search(self, data: str, model: str | None, train: str | None) -> tuple[Node | None, str]:
        """Return the search for scored data in the texts of a model, or of baselines, if it is new, and its name."""
        texts, unknown = self.of(model) if model else ([train] if train else [], [])
        config = SearchConfig(data=data, texts=texts, unknown=unknown, reworded=self._reworded)
        content = canonical_json(config.model_dump(mode="json"))
        if content in self._names:
            return None, self._names[content]
        name, number = f"contamination/{data.replace('.', '-')}/{model or 'baselines'}", 1
        while (numbered := name if number == 1 else f"{name}-{number}") in self._names.values():
            number += 1
        self._names[content] = numbered
        return node(numbered, contamination_search, config.resolve(self._folder)), numbered

    def of(self, model: str) -> tuple[list[str], list[str]]:
        """Return the texts that a model and its bases learned from, in the order of training, and why some are unknown.
        `Lineage.trained_on` does the same for artifacts.
        """
        made = self._nodes[model]
        texts, unknown = list[str](), list[str]()
        for base in inputs_of(made, Role.BEGINS_WITH):
            texts, unknown = self.of(base)
        learned_from = list(inputs_of(made, Role.TRAINS_ON))
        if not learned_from:
            return texts, [*unknown, f"others trained {model}, on text that is not known here"]
        if isinstance(teacher := made.inputs.get("teacher"), str):  # whose answers are learned from
            learned, why = self.of(teacher)
            texts, unknown = [*texts, *learned], [*unknown, *why]
        texts += [text for reference in learned_from for text in self._packed_of(reference)]
        return list(dict.fromkeys(texts)), unknown

    def _packed_of(self, reference: str) -> Iterator[str]:
        """Yield the texts from which rows were packed."""
        rows = self._nodes.get(split_reference(reference)[0])
        before = list(inputs_of(rows, Role.TRAINS_ON)) if rows and "/" in rows.name else []
        for each in before:
            yield from self._packed_of(each)
        if not before:
            yield reference


def labelled(tasks: Sequence[StepConfig]) -> Iterator[tuple[str, list[TaskConfig]]]:
    """Yield tasks with unique labels of kind and data. Tasks that differ only in the prompt form share a label."""
    alike: dict[str, list[TaskConfig]] = {}
    for task in tasks:
        if isinstance(task, TaskConfig):
            alike.setdefault(canonical_json(task.model_dump(mode="json", exclude={"prompt", "shots"})), []).append(task)
    seen: Counter[str] = Counter()
    for first, *others in alike.values():
        label = f"{first.kind}-{first.data.replace('.', '-')}"  # type: ignore[attr-defined]
        seen[label] += 1
        yield label if seen[label] == 1 else f"{label}-{seen[label]}", [first, *others]
