"""A model's answers to the prompts of conversations, written as conversations to tune on.

A small model can be tuned on a large one's answers, even if their tokenizers differ (Kim and Rush 2016, sequence-level
distillation). If there are several answers per prompt, a step `constitution` ranks them by rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from lmworks.data.forms.turns import behind_thoughts, with_thoughts
from lmworks.data.personal.hidden import hide_all
from lmworks.data.tuning.conversations import Conversations, wanted_answer, write_conversations
from lmworks.engines.open import open_engine
from lmworks.engines.request import UNFINISHED, Sampling
from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.files import digest_text
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.work.chunks import in_chunks
from lmworks.recipe.references import room_of
from lmworks.recipe.schema import Device, Effect, Expected, Location, Recipe, Reference, StepConfig, Writing
from lmworks.tokens.answers import was_cut
from lmworks.tokens.tokenizer import ChatRefused

if TYPE_CHECKING:
    from lmworks.engines.protocol import Engine
    from lmworks.engines.request import Generation

PROMPTS_AT_ONCE = 32
"""Number of prompts per chunk. A kill loses one chunk: a minute or two of a model of 100 million parameters."""


class AnswersConfig(StepConfig):
    """Let a model of the recipe answer prompts."""

    expects: ClassVar[Expected] = {"model": ("decoder", "rented model")}

    kind: Literal["answers"] = "answers"
    model: Reference = Field(description="Model of the recipe that writes the answers.")
    data: Reference = Field(description="Conversations. The model answers anew in place of the last answer.")
    samples: int = Field(default=1, ge=1, description="Number of answers per prompt. To tune a student, take 1.")
    temperature: float | None = Field(
        default=None,
        ge=0,
        description="Temperature. By default 0 for one sample, as in the paper, and 1 for several, so they differ.",
    )
    max_tokens: int = Field(default=128, ge=1, description="Maximum number of tokens of an answer.")
    cut: Literal["drop", "keep"] = Field(
        default="drop",
        description="Treatment of answers that reach `max_tokens`. A model tuned on them never learns to stop. Keep "
        "them if rules will rank them.",
    )
    limit: int | None = Field(default=None, ge=1, description="Number of prompts, drawn by their ids. All by default.")
    seed: int = Field(default=0, ge=0, description="Seed of the random choice of prompts and answers.")
    device: Annotated[Device, Effect.SPEED | Effect.MEMORY] = Field(
        default="auto", description="Device of the model. `auto` takes `budget.device`."
    )
    data_type: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Data type of products. float32 gives equal answers on all processors, with rare exceptions.",
    )

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield a fault if answers of `max_tokens` leave no room for a prompt in the model's context."""
        room = room_of(self.model, recipe.models)
        if room and self.max_tokens >= room:
            yield (
                ("max_tokens",),
                f"found {self.max_tokens}; expected less than {room}, the context of {self.model} for prompt and "
                "answer. Lower it, or name a model with a longer context",
            )

    def writing(self) -> Writing | None:
        tokens = (self.limit or 0) * self.samples * self.max_tokens
        return Writing(self.model, tokens, self.data_type) if tokens else None


FIELDS = ("form", "id", "asked", "messages", "document", "reference")
"""Fields of a line: `asked` is the conversation with the prompt, `reference` its answer."""


@stage(version=5, reads=("model", "data"))
def answers(config: AnswersConfig, model: ModelFolder, data: Conversations, out: Path, context: Context) -> Result:
    """Write conversations that end with the model's own answers.

    Prompts that leave no room for an answer, or that the chat template refuses, are left out and counted.

    An answer depends only on weights, prompt, seed and number of the sample, not on other prompts of its chunk. Raises
    `LmworksError` if no answer is left.
    """
    engine = open_engine(model.path, config.data_type, config.device)
    ranked = sorted(data.iterate(), key=lambda record: digest_text(f"{config.seed} {record['id']}"))[: config.limit]
    prompts: dict[str, list[int]] = {}
    refused: list[ChatRefused] = []
    for record in ranked:
        try:
            prompts[record["id"]] = engine.encode(record["messages"][:-1])
        except ChatRefused as error:
            refused.append(error)
    if refused:
        context.log(f"{len(refused)} of {len(ranked)} prompts are left out: {refused[0]}")
    room = engine.context_length - config.max_tokens
    asked = [record for record in ranked if len(prompts.get(record["id"], ())) in range(1, room + 1)]

    def write(some: Sequence[Any]) -> list[dict[str, Any]]:
        found = _generate(engine, [prompts[record["id"]] for record in some], [record["id"] for record in some], config)
        return [
            _written(record, sample, each, config.samples)
            for record, drawn in zip(some, found, strict=True)
            for sample, each in enumerate(drawn)
        ]

    made = [{name: item[name] for name in FIELDS} for item in in_chunks(context, asked, PROMPTS_AT_ONCE, write)]
    kept = [
        each
        for each in made
        if each["messages"][-1]["content"]
        and (config.cut == "keep" if was_cut(each["messages"][-1]) else not engine.thinks or not _is_unfinished(each))
    ]
    counts = {
        "prompts": len(asked),
        "prompts without room": len(prompts) - len(asked),
        **({"prompts refused": len(refused)} if refused else {}),
        "answers": len(kept),
        "answers that were cut": sum(was_cut(each["messages"][-1]) for each in made),
        "empty answers": sum(not each["messages"][-1]["content"] for each in made),
    }
    if engine.thinks:
        counts[UNFINISHED] = sum(map(_is_unfinished, made))
    if refused and not prompts:
        raise refused[0]
    if not kept:
        raise LmworksError(
            f"{config.model} wrote no complete answer: {counts}. Raise max_tokens (now {config.max_tokens}), or "
            "keep cut answers with `cut: keep`"
            + ("" if engine.is_computing else f". To ask it again: `lmworks build --rebuild {config.model}`")
        )
    write_conversations(out, kept)
    examples = hide_all({"reason": f"answer of {config.model}", **each} for each in kept[:3])
    return Result(counts=counts, examples=examples)


def _generate(
    engine: Engine, prompts: Sequence[list[int]], ids: Sequence[str], config: AnswersConfig
) -> list[list[Generation]]:
    """Return the sampled answers of each prompt."""
    temperature = float(config.samples > 1) if config.temperature is None else config.temperature
    samplings = [
        Sampling(config.max_tokens, temperature, seed=int(digest_text(f"{config.seed} {id_} {sample}")[:15], 16))
        for id_ in ids
        for sample in range(config.samples)
    ]
    found = engine.generate([prompt for prompt in prompts for _ in range(config.samples)], samplings)
    return [found[start : start + config.samples] for start in range(0, len(found), config.samples)]


def _is_unfinished(record: dict[str, Any]) -> bool:
    said = record["messages"][-1]["content"]
    return bool(said) and not behind_thoughts(said)


def _written(record: dict[str, Any], sample: int, answer: Generation, samples: int) -> dict[str, Any]:
    """Return the conversation of a record, with the model's answer as its last turn."""
    turn = {"role": "assistant", "content": answer.text.strip()}
    if answer.thoughts is not None:
        turn["content"] = with_thoughts(answer.thoughts, None if answer.is_within_thoughts else turn["content"])
    if answer.finish_reason == "length":
        turn["finish_reason"] = "length"
    return {
        "form": "written",
        "id": record["id"] if samples == 1 else f"{record['id']}-{sample}",
        "asked": record["id"],
        "messages": [*record["messages"][:-1], turn],
        "document": record["document"],
        **({"passages": record["passages"]} if record.get("passages") else {}),
        "reference": wanted_answer(record),
    }
