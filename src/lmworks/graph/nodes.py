"""Nodes of data steps and models. One step of a recipe can need several nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lmworks.data.mixtures.mixing import MixConfig
from lmworks.data.tuning.pick import PickConfig
from lmworks.errors import UsageError
from lmworks.model.pretrained import PretrainedModelConfig
from lmworks.pipeline.build import Node
from lmworks.pipeline.record import split_reference
from lmworks.pipeline.stage import Role, Stage
from lmworks.recipe.kinds import plugins_of
from lmworks.recipe.references import references, room_of
from lmworks.recipe.schema import Effect, Recipe, StepConfig, unaffecting
from lmworks.registry import plugins_behind
from lmworks.rewards.models import ClassifierReward
from lmworks.teach.answers import AnswersConfig
from lmworks.tokens.rows.join import JoinConfig, join_rows
from lmworks.tokens.rows.pack import pack_conversations, pack_documents
from lmworks.train.configs.alignment import PolicyConfig
from lmworks.train.configs.language_model import ChatConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.loop.train import train
from lmworks.train.preflight.check import check
from lmworks.train.preflight.room import RoomConfig, room


def node(name: str, stage: Stage, config: StepConfig, **instead: str | list[str] | None) -> Node:
    """Return a node. Its inputs are the references of its config that the stage reads. `instead` overrides some."""
    plugins = plugins_of(config) | plugins_behind([stage.function])
    inputs = {parameter: value for parameter, value in references(config) if parameter in stage.inputs}
    return Node(name, stage, config, {**inputs, **instead}, plugins=sorted(plugins))


def inputs_of(made: Node, role: Role) -> Iterator[str]:
    """Return the inputs of a node that have a role."""
    return (reference for parameter, reference in made.given() if made.stage.inputs[parameter].role is role)


def room_nodes(name: str, config: StepConfig, recipe: Recipe) -> Iterator[Node]:
    """Yield a node that checks whether prompts leave room for answers, if a step needs a model not trained yet."""
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
    """Return the conversations with the same prompts that exist before any training."""
    while isinstance(step := recipe.data.get(reference), AnswersConfig) and isinstance(
        recipe.models.get(step.model), TrainConfig
    ):
        reference = step.data
    return reference


def model_nodes(
    name: str, config: TrainConfig, data: Mapping[str, StepConfig], models: Mapping[str, StepConfig]
) -> Iterator[Node]:
    """Yield the nodes that pack a model's data, pick the watched examples, check the training and run it."""
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
                    f"models.{name}.data: {reference!r} is a mix, which holds documents or conversations, but "
                    f"{config.objective} needs other data. Name a step that makes this data"
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
    """Return the part with conversations of a mix whose other parts hold documents. None if no part holds documents.

    Raises UsageError if not exactly one part of a mix with documents holds conversations.
    """
    made = {part: makes(each.documents, data) for part, each in mixed.documents.items()}
    if "documents" not in made.values():
        return None
    spoken = [part for part, each in made.items() if each != "documents"]
    if len(spoken) != 1:
        raise UsageError(
            f"models.{name}.data: expected one part with conversations among parts with documents, found "
            f"{', '.join(spoken) or 'none'}\nMix the conversations in a step of their own, and name that step as a part"
        )
    return spoken[0]


def makes(reference: str, data: Mapping[str, StepConfig]) -> str:
    """Return the kind of a data step's output. A mix makes the kind of its parts. Empty if unknown before a build."""
    step = data.get(split_reference(reference)[0])
    if not isinstance(step, MixConfig):
        return step.makes if step else ""
    made = {makes(part.documents, data) for part in step.documents.values()}
    return made.pop() if len(made) == 1 else "both" if "documents" in made else ""
