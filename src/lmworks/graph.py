"""From recipe to nodes: what is built, in which order, from what. The only file that imports stages.

A new data step, tokenizer, objective or task is its own file and one line in a table below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lmworks.data.clean.classic import classic
from lmworks.data.clean.normalise import normalise
from lmworks.data.contamination.decontaminate import decontaminate
from lmworks.data.contamination.search import SearchConfig, contamination_search
from lmworks.data.contamination.training import IndexConfig, contamination_index
from lmworks.data.duplicates.passages import repeated_passages
from lmworks.data.ingest import ingest
from lmworks.data.mixtures.mixing import MixConfig, mix
from lmworks.data.privacy.anonymise import anonymise
from lmworks.data.quality.classifier import classifier
from lmworks.data.quality.classify import classify
from lmworks.data.quality.curate import curate
from lmworks.data.splits.split import split
from lmworks.data.tuning.arithmetic import arithmetic
from lmworks.data.tuning.label import label
from lmworks.data.tuning.pairs import pairs
from lmworks.data.tuning.pick import PickConfig
from lmworks.data.tuning.samples import conversations, preferences
from lmworks.data.tuning.styles import styles
from lmworks.data.tuning.tell import tell
from lmworks.data.tuning.verdicts import verdicts
from lmworks.engines.open import ENGINES
from lmworks.engines.protocol import LONGEST_SOURCE
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
from lmworks.evaluate.compare import CompareConfig, compare, metric_named
from lmworks.evaluate.gates import NODE, GatesConfig, TriedGate, gates
from lmworks.evaluate.items import TaskConfig
from lmworks.evaluate.rehearsal import RehearsalConfig, StandIn, Trial, rehearse
from lmworks.evaluate.relations import Relation
from lmworks.evaluate.tasks import TASKS, asked_of, family_of
from lmworks.evaluate.tasks.task import figures_named
from lmworks.fitting import (
    Models,
    bases,
    known_models,
    misfits,
    reference_of,
    room_of,
    room_set_by,
    with_meaning,
)
from lmworks.knowledge.passages import PassagesConfig, passages
from lmworks.knowledge.retrieve import retrieve
from lmworks.model.baselines.bag_of_words import bag_of_words
from lmworks.model.baselines.dictionary import dictionary
from lmworks.model.folder import ModelFolder
from lmworks.model.pretrained import PretrainedModelConfig, import_model
from lmworks.pipeline.build import Node
from lmworks.pipeline.conditions import Condition
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.record import split_reference
from lmworks.pipeline.stage import Role, Stage
from lmworks.plan.plan import Plan
from lmworks.recipe.file import StepClasses
from lmworks.recipe.kinds import Chosen, ConfigClass, plugins_of
from lmworks.recipe.references import references, steps_in_order
from lmworks.recipe.schema import Effect, GateConfig, Recipe, RewordedConfig, StepConfig, unaffecting
from lmworks.registry import Kinds, derived_from, plugins_behind
from lmworks.rewards.models import ClassifierReward
from lmworks.teach.answers import AnswersConfig, answers
from lmworks.teach.constitution import constitution
from lmworks.tokens.kinds.bpe import bpe
from lmworks.tokens.kinds.character import character
from lmworks.tokens.kinds.pretrained import PretrainedConfig, pretrained
from lmworks.tokens.kinds.wordpiece import wordpiece
from lmworks.tokens.packaged import with_named_bases
from lmworks.tokens.rows.join import JoinConfig, join_rows
from lmworks.tokens.rows.pack import (
    pack_conversations,
    pack_documents,
)
from lmworks.train.configs.alignment import PolicyConfig
from lmworks.train.configs.encoder import with_rates_of_fresh_bases
from lmworks.train.configs.language_model import ChatConfig
from lmworks.train.configs.seq2seq import Seq2SeqConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.loop.train import train
from lmworks.train.objectives import OBJECTIVES
from lmworks.train.preflight.check import check
from lmworks.train.preflight.room import RoomConfig, room

Systems = Mapping[str, tuple[Stage, TaskConfig, str | None]]
"""What is scored on a task, by labels: a stage, how it asks, and the model, which baselines have none of."""
WAYS: tuple[Condition, ...] = ("prompt", "shots", "decoding", "delimiter", "before")
"""Conditions that are compared where a recipe asks one task in several ways."""
CONTAMINATION = "contamination"
"""The input of a task's stages that tells which items stand in what was learned from."""


def step_of(name: str, found: Any) -> Stage:
    """What an entry point gave, if it is a stage whose config has this kind. Raises TypeError."""
    if not isinstance(found, Stage):
        raise TypeError(f"expected a function that is marked with `@stage(version=1)`, found {found!r}")
    derived_from(StepConfig)(name, found.config)
    return found


STEPS: Kinds[Stage] = Kinds(
    "steps",
    "kind",
    {
        "ingest": ingest,
        "normalise": normalise,
        "anonymise": anonymise,
        "split": split,
        "classic": classic,
        "classifier": classifier,
        "classify": classify,
        "curate": curate,
        "decontaminate": decontaminate,
        "repeated-passages": repeated_passages,
        "verdicts": verdicts,
        "label": label,
        "tell": tell,
        "mix": mix,
        "pairs": pairs,
        "styles": styles,
        "conversations": conversations,
        "preferences": preferences,
        "arithmetic": arithmetic,
        "answers": answers,
        "constitution": constitution,
        "passages": passages,
        "retrieve": retrieve,
        "bpe": bpe,
        "wordpiece": wordpiece,
        "character": character,
        "pretrained": pretrained,
    },
    step_of,
)


MADE: Mapping[str, Stage] = {
    "pretrained": import_model,
    "rented": rent,
    "bag-of-words": bag_of_words,
    "dictionary": dictionary,
}
"""Models that no training loop makes, by their objective."""


def _in_section(section: str, makes: str) -> Callable[[ConfigClass], str | None]:
    return lambda config: None if config.section == section else f"makes {makes}: name it in that section"


def _completed(recipe: dict[str, Any]) -> None:
    """Fill in what follows from the bases that a recipe's models begin with."""
    with_named_bases(recipe)
    with_rates_of_fresh_bases(recipe)


CLASSES = StepClasses(
    data=Chosen(STEPS, config_of=lambda step: step.config, refuse=_in_section("data", "a tokenizer")),
    tokenizers=Chosen(STEPS, config_of=lambda step: step.config, refuse=_in_section("tokenizer", "data")),
    objectives=Chosen(OBJECTIVES, "objective", more={name: made.config for name, made in MADE.items()}),
    tasks=Chosen(TASKS, config_of=lambda task: task.config),
    complete=_completed,
    misfits=misfits,
)


def make_nodes(recipe: Recipe, plan: Plan, folder: Path) -> list[Node]:
    """The nodes of a recipe with the plan's values in them, in an order in which they can be built."""
    nodes: list[Node] = []
    for (section, *_), name, config in steps_in_order(recipe):
        if section in ("data", "tokenizer"):
            nodes += room_nodes(name, config, recipe)
            nodes.append(node(name, STEPS[config.kind], config.resolve(folder)))  # type: ignore[attr-defined]
        elif isinstance(config, TrainConfig):
            config = plan.resolved(name, config.model_copy(update={"step_name": name})).resolve(folder)
            config.require_checkpoints_on_the_way()
            nodes += room_nodes(name, config, recipe)
            *before, training = model_nodes(name, config, recipe.data, recipe.models)
            nodes += [*before, replace(training, predicted=plan.prediction(name))]
        else:
            nodes.append(node(name, MADE[config.objective], config.resolve(folder)))  # type: ignore[attr-defined]
    if recipe.evaluate:
        learned = Learned({each.name: each for each in nodes}, folder, recipe.evaluate.reworded)
        known, systems = known_models(recipe, folder), dict[str, Systems]()
        for label, tasks in _labelled([task.resolve(folder) for task in recipe.evaluate.tasks]):
            asked = asked_of(tasks[0], known, recipe.evaluate.models)
            models = with_meaning(tasks[0], known, asked)
            is_kept = TASKS[tasks[0].kind].is_kept  # type: ignore[attr-defined]
            tuned = tuning(models, recipe.models, "retention" if is_kept else "tuning")
            said = [*transfer(recipe.models, plan), *tuned], _left_out(tasks[0], models, asked)
            systems[label] = _systems(tasks, models)
            nodes += rehearsal_nodes(label, systems[label], known)
            nodes += evaluation_nodes(label, tasks, models, learned, *said, alike_but_for_seeds(recipe.models))
        nodes = _adjusted_to_the_build(nodes)
        if recipe.evaluate.gates:
            nodes.append(gates_node(recipe, systems))
    nodes = [each for some in nodes for each in _asked_of_rented(some, recipe.models)]
    configs = {each.name: each.config for each in nodes}
    _refuse_other_kinds(nodes, recipe.data)
    _refuse_other_passages(recipe)
    _refuse_other_vocabularies(configs)
    return [_with_engines(each, configs) for each in _checked_first(nodes)]


def _refuse_other_kinds(nodes: Sequence[Node], data: Mapping[str, StepConfig]) -> None:
    """Raise UsageError for a step that would be given conversations for documents, or the like, before it is built."""
    for each in nodes:
        for parameter, expected in each.stage.inputs.items():
            wanted, given = expected.handle.holds, each.inputs.get(parameter)
            for reference in [given] if isinstance(given, str) else given or []:
                made = _makes(reference, data)
                if made == "both":
                    raise UsageError(
                        f"{each.name}: {reference!r} mixes conversations with documents\nName it as `data` of a model "
                        "that learns from conversations; take one of its parts here"
                    )
                if wanted and made and made != wanted and each.stage is not mix:  # which takes both
                    kinds = [name for name, step in STEPS.loadable() if step.config.makes == wanted]
                    raise UsageError(
                        f"{each.name}: {reference!r} makes {made}; it reads {wanted}, which steps of kind "
                        f"{', '.join(kinds)} make"
                    )


def _refuse_other_passages(recipe: Recipe) -> None:
    """Raise UsageError for `serve.passages` that is a step of another kind."""
    named = recipe.serve and recipe.serve.passages
    if named and not isinstance(recipe.data.get(named), PassagesConfig):
        known = [name for name, step in recipe.data.items() if isinstance(step, PassagesConfig)]
        raise UsageError(
            f"serve.passages: found {named!r}; expected a data step of kind `passages`"
            f", of which there is {', '.join(known) or 'none'}"
        )


def _refuse_other_vocabularies(configs: Mapping[str, StepConfig]) -> None:
    """Raise UsageError for a published encoder-decoder whose data would come in tokens of another."""
    for name, config in configs.items():
        base = configs.get(getattr(config, "base", None) or "")
        if isinstance(config, Seq2SeqConfig) and isinstance(base, PretrainedModelConfig):
            ours = configs.get(config.tokenizer)
            known = isinstance(ours, PretrainedConfig) and ours.is_that_of(base.file / "tokenizer.json")
            if not known and config.tokenizer != config.base:
                raise UsageError(
                    f"models.{name}.tokenizer: {config.base} has a vocabulary of its own, and that of "
                    f"{config.tokenizer} is another: ids would mean other words to it. Take `tokenizer: {config.base}`"
                )


def _with_engines(made: Node, configs: Mapping[str, StepConfig]) -> Node:
    """The node with the packages whose engines answer for the models that it reads."""
    plugins = set(made.plugins)
    for name, expected in made.stage.inputs.items():
        value = made.inputs.get(name) if expected.handle is ModelFolder else None
        for model in [value] if isinstance(value, str) else value or []:
            if isinstance(engine := getattr(configs.get(model), "engine", None), str):
                plugins |= set(ENGINES.plugins(engine))
    return replace(made, plugins=sorted(plugins))


def _asked_of_rented(made: Node, models: Models) -> Iterator[Node]:
    """A node; where it is given rented models, behind what is to be asked of each, and its answers, which it reads."""
    given = [
        (parameter, each)
        for parameter in made.stage.inputs
        if parameter != CONTAMINATION
        for value in [made.inputs.get(parameter)]
        for each in ([value] if isinstance(value, str) else value or [])
    ]
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


def _left_out(config: TaskConfig, models: Sequence[str], asked: Sequence[str]) -> list[str]:
    """What is said of models that have no figure over the reference."""
    *others, last = [name for name in asked if name not in models] or [""]
    names = f"{', '.join(others)} and {last} are" if others else f"{last} is"
    told = f"{names} not asked: this figure of a model is told over {reference_of(config)}, with which "
    return [f"{told}{'these' if others else 'it'} did not begin"] if last else []


def _checked_first(nodes: Sequence[Node]) -> list[Node]:
    """All that needs no trained model before the first training: what is wrong with a later one is told at once.

    What needs models that no loop trains comes behind the rest of it, and what is measured without one last: that takes
    longest, and trying the tasks may refuse.
    """
    order: dict[str, int] = {}
    for each in nodes:
        measured = each.name.startswith(("evaluate/", "contamination/", NODE))
        fitted = each.stage in MADE.values() and each.stage not in (import_model, rent)
        own = 3 if each.stage is train else 2 if measured else int(fitted)
        order[each.name] = max([own, *(order[reference.partition(".")[0]] for reference in each.references())])
    return sorted(nodes, key=lambda each: order[each.name])


def rehearsal_nodes(label: str, systems: Systems, models: Models) -> Iterator[Node]:
    """The trial of a task for the models that are trained first, and baselines that such a model judges.

    Where nothing can stand in for a model, it is one for all.
    """
    tokenizers: list[str] = []
    tasks: list[StepConfig] = []
    trials: dict[str, Trial] = {}
    read: dict[str, str] = {}
    for name, (stage, config, model) in systems.items():
        inputs = {parameter: given for parameter, given in node(label, stage, config).inputs.items() if given}
        if model:
            inputs["model"] = model
        given = {parameter: str(each) for parameter, each in inputs.items()}
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
        first = room_set_by(model, models) if model and room_of(model, models) else None
        trial = Trial(
            systems=[name],
            task=tasks.index(config),
            stage=stage.name,
            stand_ins=stand_ins,
            most=config.largest_lost_share,
            mend=f"Raise sequence_length of {first}" if first else "Name models that read more",
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


def room_nodes(name: str, config: StepConfig, recipe: Recipe) -> Iterator[Node]:
    """The room that prompts leave in a step that reads them behind, or from, a model which is not trained yet."""
    tokenizer, tokens, most = getattr(config, "tokenizer", ""), 0, getattr(config, "largest_lost_share", 1.0)
    answered = getattr(config, "data", "")
    prompts = _prompts_before(answered, recipe)
    if isinstance(config, AnswersConfig) and isinstance(model := recipe.models.get(config.model), TrainConfig):
        tokenizer, tokens, most = (
            model.tokenizer,
            (room_of(config.model, recipe.models) or 0) - config.max_tokens,
            0.999,
        )
        told = f"Try: a smaller data.{name}.max_tokens, or shorter prompts"
    elif isinstance(config, ChatConfig | PolicyConfig) and prompts != answered:
        tokens = config.sequence_length + 1 - getattr(config, "answer_tokens", 1)
        told = f"Try: a greater models.{name}.sequence_length, or shorter prompts"
    if tokens > 0:
        fields = {"conversations": prompts, "tokenizer": tokenizer, "tokens": tokens, "most": most, "told": told}
        yield node(f"{name}/room", room, RoomConfig.model_validate(fields))


def _prompts_before(reference: str, recipe: Recipe) -> str:
    """The conversations that are there before any training and have the prompts of these."""
    while isinstance(step := recipe.data.get(reference), AnswersConfig) and isinstance(
        recipe.models.get(step.model), TrainConfig
    ):
        reference = step.data
    return reference


def model_nodes(
    name: str, config: TrainConfig, data: Mapping[str, StepConfig], models: Mapping[str, StepConfig]
) -> Iterator[Node]:
    """Packing of a model's data, its check, the examples watched, and the training itself."""
    pack, pick = config.packed.pack, config.packed.pick
    rows: dict[str, str | None] = {}
    config = config.model_copy(update={"step_name": name})

    checked: tuple[str, str] | None = None

    def packing(use: str, reference: str, *, as_documents: bool = False) -> Node:
        fields = {"from": reference, "tokenizer": config.tokenizer, "sequence_length": config.sequence_length}
        how = pack_documents if as_documents else pack
        fields |= {} if as_documents else config.packing()
        return node(f"{name}/{use}", how, how.config.model_validate(fields))

    for use, reference in (("data", config.data), ("validation", config.validation)):
        rows[use] = reference and f"{name}/{use}"
        if reference and use == "data" and isinstance(mixed := data.get(reference), MixConfig):
            if pack not in (pack_documents, pack_conversations):
                raise UsageError(
                    f"models.{name}.data: {reference!r} is a mix, and {config.objective} is trained on other data "
                    "than documents and conversations; name a step that makes it"
                )
            spoken = spoken_part(name, mixed, data) if pack is pack_conversations else None
            packed = {
                part: packing(f"data/{part}", each.documents, as_documents=spoken not in (None, part))
                for part, each in mixed.documents.items()
            }
            yield from packed.values()
            names = [each.name for each in packed.values()]
            tokenizer = config.tokenizer if spoken else None
            yield node(f"{name}/data", join_rows, JoinConfig(rows=names, names=list(packed), tokenizer=tokenizer))
            if spoken:  # what is checked are turns
                checked = packed[spoken].name, mixed.documents[spoken].documents
            config = config.model_copy(update={"proportions": mixed.proportions()})
        elif reference:
            yield packing(use, reference)
    if config.watch:
        yield node(f"{name}/watch", pick, PickConfig(data=config.watch))
    after = []
    if config.inspects:
        others = config.base if isinstance(models.get(config.base or ""), PretrainedModelConfig) else None
        unseen = unaffecting(type(config), Effect.CHECK)  # a search over these checks once
        same = {"learning_rate": 1e-6} | {  # which has no default of its own in alignment
            field: info.get_default(call_default_factory=True)
            for field, info in type(config).model_fields.items()
            if field in unseen and not info.is_required()
        }
        inputs: dict[str, Any] = {
            "base": others,
            "data": checked[0] if checked else rows["data"],
            "validation": None,
            "watch": None,
            "samples": checked[1] if checked else config.data,
        }
        inputs |= {"rewards": None, "teacher": None}  # which may be trained later
        if config.family == "sequence classifier":
            inputs["held_out"] = rows["validation"]
        tellers = [each.model for each in getattr(config, "rewards", ()) if isinstance(each, ClassifierReward)]
        if tellers:
            inputs["labelled"] = [f"{each}/data" if isinstance(models[each], TrainConfig) else each for each in tellers]
        if teacher := getattr(config, "teacher", None):
            inputs["taught_by"] = getattr(models[teacher], "tokenizer", teacher)
        yield node(f"{name}/check", check, config.model_copy(update=same), **inputs)
        after = [f"{name}/check"]
    yield replace(node(name, train, config, **rows, watch=config.watch and f"{name}/watch"), after=after)


def spoken_part(name: str, mixed: MixConfig, data: Mapping[str, StepConfig]) -> str | None:
    """The part of a mix that holds conversations where the others hold documents; None where all are alike.

    Raises UsageError where several do, or none.
    """
    made = {part: _makes(each.documents, data) for part, each in mixed.documents.items()}
    if "documents" not in made.values():
        return None
    spoken = [part for part, each in made.items() if each != "documents"]
    if len(spoken) != 1:
        raise UsageError(
            f"models.{name}.data: expected one part with conversations beside the documents, found "
            f"{', '.join(spoken) or 'none'}\nMix the conversations in a step of their own, and name that step as a part"
        )
    return spoken[0]


def _makes(reference: str, data: Mapping[str, StepConfig]) -> str:
    """What a data step makes; a mix makes what its parts do; empty where this is not known before a build."""
    step = data.get(split_reference(reference)[0])
    if not isinstance(step, MixConfig):
        return step.makes if step else ""
    made = {_makes(part.documents, data) for part in step.documents.values()}
    return made.pop() if len(made) == 1 else "both" if "documents" in made else ""


def tuning(
    measured: Sequence[str], models: Mapping[str, StepConfig], kind: Literal["tuning", "retention"]
) -> Iterator[Relation]:
    """Each model beside the nearest one measured with it that it began with: what it learned, and forgot."""
    for name in measured:
        if base := next((each for each in bases(name, models) if each in measured), None):
            yield Relation(kind=kind, model=name, beside=base)


def alike_but_for_seeds(models: Mapping[str, StepConfig]) -> list[list[str]]:
    """Models whose trainings differ by their seed alone, the variants of one that train for as many operations too."""
    firsts = {getattr(config, "same_operations_as", None) for config in models.values()}
    groups: dict[str, list[str]] = {}
    for name, config in models.items():
        if isinstance(config, TrainConfig):
            of = config.same_operations_as or (name if name in firsts else None)
            also = {"steps"} if of else set()
            fields = config.model_dump(mode="json", exclude={"seed", "same_operations_as", "step_name"} | also)
            groups.setdefault(canonical_json([of, fields]), []).append(name)
    return [group for group in groups.values() if len({models[name].seed for name in group}) > 1]  # type: ignore[attr-defined]


def _adjusted_to_the_build(nodes: Sequence[Node]) -> list[Node]:
    """Comparisons that know how many pairs all of them test."""
    comparing = [each.config for each in nodes if isinstance(each.config, CompareConfig)]
    if len(comparing) < 2:
        return list(nodes)
    update = {"comparisons_in_build": sum(each.pairs for each in comparing)}
    return [
        replace(each, config=each.config.model_copy(update=update)) if isinstance(each.config, CompareConfig) else each
        for each in nodes
    ]


def transfer(models: Mapping[str, StepConfig], plan: Plan) -> Iterator[Relation]:
    """Each variant of a model beside the one from scratch, which has the shortest way to a model that began so."""
    firsts = {name: getattr(config, "same_operations_as", None) or name for name, config in models.items()}
    for first in dict.fromkeys(firsts.values()):
        group = [name for name, of in firsts.items() if of == first]
        ways = {name: way for name in group if (way := _way_to_scratch(name, models))}
        shortest = [name for name, way in ways.items() if way == min(ways.values())]
        if len(group) > 1 and len(shortest) == 1:
            note = f"{plan.operations[first]:.1e} operations of training each"
            others = (name for name in group if name not in shortest)
            yield from (Relation(kind="transfer", model=name, beside=shortest[0], note=note) for name in others)


def _way_to_scratch(name: str, models: Mapping[str, StepConfig]) -> int:
    """Trainings from the first weights to a model; 0 if others trained the first."""
    config = models[name]
    if not isinstance(config, TrainConfig):
        return 0
    before = _way_to_scratch(config.base, models) if config.base else 0
    return before + 1 if before or not config.base else 0


def evaluation_nodes(
    label: str,
    tasks: Sequence[TaskConfig],
    models: Sequence[str],
    learned: Learned,
    relations: Iterable[Relation],
    left_out: list[str],
    seeds: Iterable[Sequence[str]] = (),
) -> Iterator[Node]:
    """One task, asked with one or several prompts: every model with each, the baselines, and their comparison."""
    first, systems = tasks[0], _systems(tasks, models)
    for name, (stage, config, model) in systems.items():
        instead: dict[str, str | None] = {"model": model} if model else {}
        if CONTAMINATION in stage.inputs:
            made, instead[CONTAMINATION] = learned.search(config.data, model, config.train)
            yield from made
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
    """The trial of all gates. Raises UsageError for one of what is not measured."""
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
                raise UsageError(f"{place}.model: {found}; measured on {label} are {', '.join(models)}")
            if gate.not_worse_than is not None and gate.not_worse_than not in systems[label].keys() - {model}:
                others = ", ".join(each for each in systems[label] if each != model)
                raise UsageError(f"{place}.not_worse_than: found {gate.not_worse_than!r}, expected one of {others}")
            if why := _misnamed(gate, systems[label]):
                raise UsageError(f"{place}.metric: found {gate.metric!r}, {why}")
            sides = [f"evaluate/{label}/{each}" for each in (model, gate.not_worse_than) if each]
            named += [each for each in sides if each not in named]
            numbers = dict(zip(("evaluation", "beside"), map(named.index, sides), strict=False))
            tried.append(TriedGate(gate=gate, model=models[model], may_differ=_may_differ(systems[label]), **numbers))
    plugins = {each for some in systems.values() for _, config, _ in some.values() for each in plugins_of(config)}
    return replace(node(NODE, gates, GatesConfig(evaluations=named, tried=tried)), plugins=sorted(plugins))


def _misnamed(gate: GateConfig, systems: Systems) -> str:
    """Why a gate's figure is none, or none of which this can be asked; empty where it can."""
    config = next(each for _, each, _ in systems.values())
    named = figures_named(TASKS[_kind_of(systems)], config)
    if gate.metric is None or " " in gate.metric or gate.metric.startswith("follows_rule_"):
        return ""
    if gate.metric not in named:
        return f"expected one of {', '.join(dict.fromkeys(named))}"
    if (gate.where or gate.not_worse_than) and metric_named(gate.metric) is None:
        return "which is not made of items alone, so that `where` and `not_worse_than` say nothing of it"
    return ""


def _may_differ(systems: Systems) -> list[Condition]:
    """What may differ between two scored on a task: by what they are, and where it is asked in several ways."""
    ways = {canonical_json(config.model_dump(mode="json")) for _, config, _ in systems.values()}
    return [*TASKS[_kind_of(systems)].may_differ, *(WAYS if len(ways) > 1 else ())]


def _kind_of(systems: Systems) -> str:
    return next(str(config.kind) for _, config, _ in systems.values())  # type: ignore[attr-defined]


def _systems(tasks: Sequence[TaskConfig], models: Sequence[str]) -> Systems:
    """What is scored: models asked in each way, and baselines, which have none; by the labels that they have."""
    first, systems = tasks[0], dict[str, tuple[Stage, TaskConfig, str | None]]()
    task = TASKS[first.kind]  # type: ignore[attr-defined]
    for config in tasks:
        suffix = "" if config is first else f"-{config.prompt_name}-prompt"  # type: ignore[attr-defined]
        systems |= {f"{model}{suffix}": (task.stage, config, model) for model in models}
    return systems | {
        name: (each, first, None) for name, each in (task.baselines if first.has_baselines else {}).items()
    }


class Learned:
    """What models and baselines learned from, and the searches for test items in it.

    A text is indexed once, whatever learned from it; what learned from the same texts shares a search.
    """

    def __init__(self, nodes: Mapping[str, Node], folder: Path, reworded: RewordedConfig | None) -> None:
        self._nodes, self._folder, self._reworded = nodes, folder, reworded
        self._names: dict[str, str] = {}
        """By what a node is made of, its name."""

    def search(self, data: str, model: str | None, train: str | None) -> tuple[list[Node], str]:
        """The search for what is scored in all that a model learned from, or in what baselines do, and its name.

        With the nodes that are not made yet.
        """
        texts, unknown = self.of(model) if model else ([train] if train else [], [])
        nodes = [self._node(f"contamination/{_dashed(text)}", IndexConfig(text=text)) for text in texts]
        indices = [name for _, name in nodes]
        config = SearchConfig(data=data, texts=texts, indices=indices, unknown=unknown, reworded=self._reworded)
        made, name = self._node(f"contamination/{_dashed(data)}/{model or 'baselines'}", config)
        return [each for each, _ in (*nodes, (made, name)) if each], name

    def _node(self, name: str, config: IndexConfig | SearchConfig) -> tuple[Node | None, str]:
        """A node, unless it is made already, and its name: one that another has is numbered."""
        content = canonical_json([type(config).__name__, config.model_dump(mode="json")])
        if content in self._names:
            return None, self._names[content]
        number = 1
        while (numbered := name if number == 1 else f"{name}-{number}") in self._names.values():
            number += 1
        self._names[content] = numbered
        stage = contamination_index if isinstance(config, IndexConfig) else contamination_search
        return node(self._names[content], stage, config.resolve(self._folder)), self._names[content]

    def of(self, model: str) -> tuple[list[str], list[str]]:
        """The texts that a model, and those it began with, learned from, in the order of training, as
        `Lineage.trained_on` has it of artifacts; and why some are unknown.
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
        """The texts that rows were packed of."""
        rows = self._nodes.get(split_reference(reference)[0])
        before = list(inputs_of(rows, Role.TRAINS_ON)) if rows and "/" in rows.name else []
        for each in before:
            yield from self._packed_of(each)
        if not before:
            yield reference


def inputs_of(made: Node, role: Role) -> Iterator[str]:
    """The inputs of a node that have a role."""
    for parameter, value in made.inputs.items():
        if made.stage.inputs[parameter].role is role:
            yield from [value] if isinstance(value, str) else value or []


def _dashed(reference: str) -> str:
    return reference.replace(".", "-")


def _labelled(tasks: Sequence[StepConfig]) -> Iterator[tuple[str, list[TaskConfig]]]:
    """Tasks by kind and data, numbered where two would be called the same. Those alike but for the prompt are one."""
    alike: dict[str, list[TaskConfig]] = {}
    for task in tasks:
        if isinstance(task, TaskConfig):
            alike.setdefault(canonical_json(task.model_dump(mode="json", exclude={"prompt", "shots"})), []).append(task)
    seen: Counter[str] = Counter()
    for first, *others in alike.values():
        label = f"{first.kind}-{first.data.replace('.', '-')}"  # type: ignore[attr-defined]
        seen[label] += 1
        yield label if seen[label] == 1 else f"{label}-{seen[label]}", [first, *others]


def node(name: str, stage: Stage, config: StepConfig, **instead: str | list[str] | None) -> Node:
    """A node whose inputs are what its config refers to and its stage reads, but for those named here."""
    plugins = plugins_of(config) | plugins_behind([stage.function])
    inputs = {parameter: value for parameter, value in references(config) if parameter in stage.inputs}
    return Node(name, stage, config, {**inputs, **instead}, plugins=sorted(plugins))
