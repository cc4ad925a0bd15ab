"""Train a recipe's model again and again with changed settings: every search, ladder and comparison stands on this."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lmworks.errors import UsageError
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks.perplexity import PerplexityConfig, evaluate_perplexity
from lmworks.graph import node
from lmworks.model.config import DecoderConfig
from lmworks.pipeline.build import Display, Node
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Artifact
from lmworks.release.render.charts import standalone
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.workspace import Workspace, open_workspace, run

Seen = Callable[[float, float], None]
"""Is told (share of the run that is done, validation loss)."""


@dataclass(frozen=True)
class Outcome:
    """What a search, a ladder or a comparison found: for programs, for a terminal, and drawn."""

    figures: Mapping[str, Any]
    words: str
    picture: Path


@dataclass(frozen=True)
class Trained:
    """What one training came to. Nothing here has seen test data."""

    loss: float
    """Validation loss, nats a token."""
    seconds: float
    """In training steps, by their median: a run that was stopped and went on counts whole."""
    parameters: int
    tokens: int


class Runs:
    """Trainings of one model of a recipe. They are artifacts of the store, so none is made twice.

    What the recipe leaves `auto` is as its own plan has it in every run, unless a run's settings say otherwise.
    Raises `UsageError` where the recipe has no such model, or the model no validation data.
    """

    def __init__(self, path: Path, settings: Sequence[str], store: Path | None, model: str, show: Display) -> None:
        self.path, self.store, self.model, self.show = path, store, model, show
        self.plain = open_workspace(path, settings, store, measure=True, until=model)
        config = self.plain.recipe.models.get(model)
        if not isinstance(config, TrainConfig):
            names = ", ".join(self.plain.recipe.models) or "none"
            raise UsageError(f"{path}: no model {model!r} that is trained; its models: {names}")
        if config.validation is None:
            raise UsageError(f"{path}: models.{model}.validation is not set, so that nothing can tell runs apart")
        self.config = self.plain.plan.resolved(model, config)
        planned = [(name, *item) for name, values in self.plain.plan.models.items() for item in values.items()]
        autos = [item for item in planned if getattr(self.plain.recipe.models[item[0]], item[1]) == "auto"]
        self.settings = [
            *settings,
            *(
                self.setting(f"models.{name}.{field}", value)
                for name, field, value in autos
                if field != "steps" or not getattr(self.plain.recipe.models[name], "same_operations_as", None)
            ),
        ]

    @cached_property
    def vocab_size(self) -> int:
        """Of the tokenizer that the recipe's rows are packed with."""
        return int(
            json.loads((self.until(f"{self.model}/validation").payload / "shards.json").read_text())["vocab_size"]
        )

    def setting(self, field: str, value: object) -> str:
        """The `--set` text of a field of this model, or with a dot in it of any field of the recipe."""
        text = value if isinstance(value, str) else json.dumps(value)
        return f"{field if '.' in field else f'models.{self.model}.{field}'}={text}"

    def own(self, field: str) -> Any:
        """What the recipe has for a field that `setting` takes; None where it is of no model or not set."""
        value: Any = self.config
        for name in field.removeprefix(f"models.{self.model}.").split("."):
            value = getattr(value, name, None)
        return value

    def open(self, changed: Mapping[str, object]) -> Workspace:
        """The recipe with changed fields."""
        settings = [*self.settings, *(self.setting(*item) for item in changed.items())]
        return open_workspace(self.path, settings, self.store, until=self.model)

    def until(
        self, step: str, changed: Mapping[str, object] | None = None, *more: Node, seen: Seen | None = None
    ) -> Artifact:
        """A step of the recipe with changed fields; nodes of `more` stand in for its own or join them."""
        workspace = self.open(changed or {})
        instead = {each.name: each for each in more}
        kept = [each for each in workspace.build.nodes if each.name not in instead]
        workspace.build.nodes = [*kept, *more]
        return run(workspace, Quiet(self.show, self.model, seen), until=step, remember=False)[step]

    def train(self, changed: Mapping[str, object], *more: Node, seen: Seen | None = None) -> Trained:
        """Train with changed fields, or take it from the store."""
        manifest = self.until(self.model, changed, *more, seen=seen).manifest
        tokens = manifest.counts["tokens"]
        seconds = tokens / manifest.run.measured["tokens_per_second"]
        return Trained(manifest.figures[0].value, seconds, manifest.counts["parameters"], tokens)

    def bits_per_byte(self, changed: Mapping[str, object]) -> float:
        """Of all validation documents, by the model trained with changed fields: for vocabularies that differ."""
        task = PerplexityConfig(data=str(self.config.validation))
        name = "validation/bits"
        scored = self.until(name, changed, node(name, evaluate_perplexity, task, model=self.model))
        return Evaluation(scored.payload, scored.digest()).figures()[0].value

    def shape(self, changed: Mapping[str, object]) -> DecoderConfig:
        """Of the decoder with changed fields; raises `UsageError` for a model that begins with another."""
        config = self.config.model_copy(update=changed)
        if not isinstance(config, CausalLMConfig) or config.base is not None:
            raise UsageError(
                f"{self.model} begins with another model, so that its architecture is fixed; name the base"
            )
        return config.shape(self.vocab_size)

    def flops_per_token(self, changed: Mapping[str, object]) -> int:
        """Of a training step with changed fields."""
        shape = self.shape(changed)
        return shape.training_flops_per_token(shape.context_length)

    def report(self, name: str, figures: Mapping[str, Any], words: Sequence[str], picture: Markup) -> Outcome:
        """Keep a picture and, beside it, all figures as JSON."""
        path = write_report(self.plain, f"{self.model}-{name}", picture, figures)
        return Outcome(figures, "\n".join(words), path)


def write_report(workspace: Workspace, name: str, picture: Markup, figures: Mapping[str, Any]) -> Path:
    """A picture that stands alone, and all figures beside it; returns the picture's path."""
    path = workspace.store.root / "reports" / f"{workspace.recipe.name}-{name}.svg"
    write_atomically(path, standalone(picture))
    write_atomically(path.with_suffix(".json"), json.dumps(figures, indent=1) + "\n")
    return path


class Quiet:
    """A display that tells only what is made, and a progress that has each validation loss of a model heard."""

    def __init__(self, show: Display, model: str, seen: Seen | None) -> None:
        self.show, self.model, self.seen = show, model, seen
        self.say, self.finished, self.close = show.say, show.finished, show.close

    def reused(self, node: str, index: int, total: int) -> None:
        """Nothing is shown: a trial tells only what it makes."""

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Progress:
        self.progress, self.heard = (
            self.show.step(node, index, total, reason, most_seconds),
            self.seen if node == self.model else None,
        )
        return self

    def start(self, total: float, unit: str) -> None:
        self.total = total
        self.progress.start(total, unit)

    def update(self, done: float, **values: float | str) -> None:
        self.progress.update(done, **values)
        if self.heard and "validation_loss" in values:
            self.heard(done / self.total, float(values["validation_loss"]))

    def sample(self, title: str, text: str) -> None:
        """Not told: there would be many models' samples."""
