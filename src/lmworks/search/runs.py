"""Train a recipe's model again and again with changed settings: every search, ladder and comparison stands on this."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from lmworks.errors import UsageError
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks.perplexity import PerplexityConfig, evaluate_perplexity
from lmworks.graph import node
from lmworks.pipeline.build import Build, Display, Node
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Artifact
from lmworks.train.config import CausalLMConfig, TrainConfig
from lmworks.workspace import Workspace, open_workspace, run

STYLE = (
    "<style>text{font:11px sans-serif}.grid{stroke:#ddd}.line,.whisker{fill:none;stroke-width:2}"
    ".s0{stroke:#1f4e79}.s1{stroke:#c0504d}.s2{stroke:#4f8f3a}.s3{stroke:#7f6000}.dot{stroke:none}"
    ".dot.s0{fill:#1f4e79}.dot.s1{fill:#c0504d}.dot.s2{fill:#4f8f3a}.dot.s3{fill:#7f6000}</style>"
)
Seen = Callable[[float, float], None]
"""Is told (share of the run that is done, validation loss)."""


class Shown(Protocol):
    """What a search, a ladder or a comparison found."""

    def as_json(self) -> dict[str, object]: ...

    def in_words(self) -> str: ...


@dataclass(frozen=True)
class Trained:
    """What one training came to. Nothing here has seen test data."""

    loss: float
    """Validation loss, nats a token."""
    seconds: float
    """In training steps, from their median."""
    parameters: int
    tokens: int
    flops: float
    """In training steps, by counting; 0 where the model's shape is its base's."""
    artifact: Artifact


class Runs:
    """Trainings of one model of a recipe. They are artifacts of the store, so none is made twice.

    Values that the recipe leaves `auto` are those of its own plan for every run, unless a run's settings say otherwise.
    Raises `UsageError` where the recipe has no such model, or the model no validation data.
    """

    def __init__(self, path: Path, settings: Sequence[str], store: Path | None, model: str, show: Display) -> None:
        self.path, self.store, self.model, self.show = path, store, model, show
        self.plain = open_workspace(path, settings, store, measure=True)
        config = self.plain.recipe.models.get(model)
        if not isinstance(config, TrainConfig):
            names = ", ".join(self.plain.recipe.models) or "none"
            raise UsageError(f"{path}: no model {model!r} that is trained; its models: {names}")
        if config.validation is None:
            raise UsageError(f"{path}: models.{model}.validation is not set, so that nothing can tell runs apart")
        self.config = self.plain.plan.resolved(model, config)
        self.settings = [*settings, *self._pinned()]

    def _pinned(self) -> list[str]:
        """The plan's values as settings."""
        return [
            self.setting(f"models.{name}.{field}", value)
            for name, values in self.plain.plan.models.items()
            for field, value in values.items()
            if getattr(self.plain.recipe.models[name], field) == "auto"
        ]

    @cached_property
    def vocab_size(self) -> int:
        """Of the tokenizer that the recipe's rows are packed with."""
        return _vocab_size(self.until(f"{self.model}/validation"))

    def setting(self, field: str, value: object) -> str:
        """The `--set` text of a field of this model, or with a dot in it of any field of the recipe."""
        text = value if isinstance(value, str) else json.dumps(value)
        return f"{field if '.' in field else f'models.{self.model}.{field}'}={text}"

    def open(self, changed: Mapping[str, object]) -> Workspace:
        """The recipe with changed fields."""
        settings = [*self.settings, *(self.setting(*item) for item in changed.items())]
        return open_workspace(self.path, settings, self.store)

    def train(
        self,
        changed: Mapping[str, object],
        seen: Seen | None = None,
        more: Callable[[Workspace], Sequence[Node]] | None = None,
    ) -> Trained:
        """Train with changed fields, or take it from the store. `more` gives a graph in place of the recipe's."""
        workspace = self.open(changed)
        if more:
            workspace.build.nodes = more(workspace)
        artifacts = run(workspace, Quiet(self.show, self.model, seen), until=self.model, remember=False)
        return self.trained(artifacts[self.model], artifacts)

    def trained(self, artifact: Artifact, artifacts: Mapping[str, Artifact]) -> Trained:
        """The figures of a training."""
        manifest = artifact.manifest
        tokens, config = manifest["counts"]["tokens"], type(self.config).model_validate(manifest["config"])
        return Trained(
            loss=manifest["figures"][0]["value"],
            seconds=tokens / manifest["run"]["measured"]["tokens_per_second"],
            parameters=manifest["counts"]["parameters"],
            tokens=tokens,
            flops=float(tokens * flops_per_token(config, _vocab_size(artifacts[f"{self.model}/validation"]))),
            artifact=artifact,
        )

    def bits_per_byte(self, changed: Mapping[str, object]) -> float:
        """Of all validation documents, by the model trained with changed fields: for vocabularies that differ."""
        workspace, name = self.open(changed), "validation/bits"
        task = PerplexityConfig(data=str(self.config.validation))
        workspace.build.nodes = [*workspace.build.nodes, node(name, evaluate_perplexity, task, model=self.model)]
        scored = run(workspace, Quiet(self.show), until=name, remember=False)[name]
        return Evaluation(scored.payload, scored.digest()).figures()[0].value

    def until(self, step: str) -> Artifact:
        """One step of the recipe, made if it must be."""
        return run(self.open({}), Quiet(self.show), until=step, remember=False)[step]

    def found(self) -> Trained | None:
        """The recipe's own training, if it is in the store."""
        build: Build = self.plain.build
        for each in build.nodes:
            if build.look(each)[0] is None and each.name == self.model:
                return None
        return self.trained(build.artifacts[self.model], build.artifacts)

    def report(self, name: str, picture: Markup, found: Mapping[str, Any]) -> Path:
        """Write a picture and, beside it, all figures as JSON; returns the picture's path."""
        return write_report(self.plain, f"{self.model}-{name}", picture, found)


def write_report(workspace: Workspace, name: str, picture: Markup, found: Mapping[str, Any]) -> Path:
    """A picture that stands alone, and all figures beside it."""
    path = workspace.store.root / "reports" / f"{workspace.recipe.name}-{name}.svg"
    drawn = str(picture).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    write_atomically(path, drawn.replace("><", f">{STYLE}<", 1))
    write_atomically(path.with_suffix(".json"), json.dumps(found, indent=1) + "\n")
    return path


def flops_per_token(config: TrainConfig, vocab: int) -> int:
    """Of a training step; 0 where there is no shape to count."""
    if not isinstance(config, CausalLMConfig) or config.base is not None:
        return 0
    return config.shape(vocab).training_flops_per_token(config.sequence_length)


def _vocab_size(rows: Artifact) -> int:
    return int(json.loads((rows.payload / "shards.json").read_text())["vocab_size"])


class Quiet:
    """A display that tells only what is made, and has each validation loss of a model heard."""

    def __init__(self, show: Display, model: str = "", seen: Seen | None = None) -> None:
        self.show, self.model, self.seen = show, model, seen
        self.say, self.finished, self.close = show.say, show.finished, show.close

    def reused(self, node: str, index: int, total: int) -> None:
        """Not told."""

    def step(self, node: str, index: int, total: int, reason: str) -> Progress:
        """Begin a step."""
        progress = self.show.step(node, index, total, reason)
        return Heard(progress, self.seen) if self.seen and node == self.model else progress


class Heard:
    """Progress whose validation losses are heard."""

    def __init__(self, progress: Progress, seen: Seen) -> None:
        self.progress, self.seen, self.total = progress, seen, 1.0
        self.sample = progress.sample

    def start(self, total: float, unit: str) -> None:
        """Begin to count."""
        self.total = total
        self.progress.start(total, unit)

    def update(self, done: float, **values: float | str) -> None:
        """Note progress."""
        self.progress.update(done, **values)
        if "validation_loss" in values:
            self.seen(done / self.total, float(values["validation_loss"]))
