"""Runner of every search: train a recipe's model again with changed fields, and report what varied."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

from markupsafe import Markup
from pydantic import Field

from lmworks.errors import UsageError
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks.perplexity import PerplexityConfig, evaluate_perplexity
from lmworks.graph import node
from lmworks.model.config import DecoderConfig
from lmworks.pipeline.build import Node
from lmworks.pipeline.display import PlainDisplay, PlainProgress
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context, Progress, Result, stage
from lmworks.pipeline.store import Artifact
from lmworks.recipe.schema import Reference, StepConfig
from lmworks.release.render.charts import standalone
from lmworks.tokens.rows.shards import Shards, permutation, write_rows
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.workspace import Workspace, open_workspace, run

Changed = Mapping[str, object]
"""New values of fields. A name without a dot is a field of the model, and a name with a dot is a field of any step."""
Seen = Callable[[float, float], None]
"""Function that receives the share of a run that is done, and the validation loss."""


@dataclass(frozen=True)
class Outcome:
    """Result of a search: figures for programs, words for a terminal, and a picture."""

    figures: Mapping[str, Any]
    words: str
    picture: Path


@dataclass(frozen=True)
class Trained:
    """Result of one training. It never reads test data."""

    loss: float
    """Validation loss, in nats per token."""
    seconds: float
    """Time in training steps, by their median: a run that was stopped and went on counts whole."""
    parameters: int
    tokens: int


class Runs:
    """Trainings of one model of a recipe. They are artifacts of the store, so none is made twice.

    Fields that the recipe leaves `auto` have the values of its own plan in every run, unless a run changes them. Raises
    `UsageError` for a model that the recipe does not train. With `validated`, also for a model without validation data.
    """

    def __init__(
        self, path: Path, settings: Sequence[str], store: Path | None, model: str, *, validated: bool = True
    ) -> None:
        self.path, self.store, self.model = path, store, model
        self.plain = open_workspace(path, settings, store, measure=True, until=model)
        models, plan = self.plain.recipe.models, self.plain.plan
        config = models.get(model)
        if not isinstance(config, TrainConfig):
            raise UsageError(f"{path}: does not train a model {model!r}; its models: {', '.join(models) or 'none'}")
        if validated and config.validation is None:
            raise UsageError(f"{path}: models.{model}.validation is not set, so runs cannot be compared: set it")
        self.config = plan.resolved(model, config)
        self.settings = [*settings]
        for name, values in plan.models.items():
            follows = getattr(models[name], "same_operations_as", None)
            for field, value in values.items():
                if getattr(models[name], field) == "auto" and not (field == "steps" and follows):
                    self.settings.append(self.setting(f"models.{name}.{field}", value))

    @cached_property
    def vocab_size(self) -> int:
        """Return the vocabulary size with which the recipe's rows are packed."""
        rows = self.build(f"{self.model}/validation")[f"{self.model}/validation"].payload
        return int(json.loads((rows / "shards.json").read_text())["vocab_size"])

    def setting(self, field: str, value: object) -> str:
        """Return the `--set` text of a field of this model, or, if its name has a dot, of any field of the recipe."""
        text = value if isinstance(value, str) else json.dumps(value)
        return f"{field if '.' in field else f'models.{self.model}.{field}'}={text}"

    def own(self, field: str) -> Any:
        """Return the recipe's value of a field that `setting` takes. None if it is not set, or if no model has it."""
        value: Any = self.config
        for name in field.removeprefix(f"models.{self.model}.").split("."):
            value = getattr(value, name, None)
        return value

    def open(self, changed: Changed) -> Workspace:
        """Return the recipe with changed fields."""
        settings = [*self.settings, *(self.setting(*item) for item in changed.items())]
        return open_workspace(self.path, settings, self.store, until=self.model)

    def build(
        self, until: str, changed: Changed | None = None, *more: Node, seen: Seen | None = None
    ) -> dict[str, Artifact]:
        """Build up to a step with changed fields. Nodes of `more` replace nodes of the same name, or are added."""
        workspace = self.open(changed or {})
        names = {node.name for node in more}
        workspace.build.nodes = [*(node for node in workspace.build.nodes if node.name not in names), *more]
        return run(workspace, Quiet(self.model, seen), until=until, remember=False)

    def train(self, changed: Changed, *more: Node, seen: Seen | None = None) -> Trained:
        """Train with changed fields, or take the training from the store."""
        manifest = self.build(self.model, changed, *more, seen=seen)[self.model].manifest
        tokens = manifest.counts["tokens"]
        seconds = tokens / manifest.run.measured["tokens_per_second"]
        return Trained(manifest.figures[0].value, seconds, manifest.counts["parameters"], tokens)

    def vary(
        self, table: Mapping[str, Changed], seeds: int = 1, shares: Mapping[str, float] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Train each row of a table of changed fields, with the recipe's seed and the seeds after it.

        `shares` are the shares of the data that rows are trained on. An entry has all `losses`, their mean `loss`, mean
        `seconds`, `parameters` and `tokens`.
        """
        entries = {}
        for name, changed in table.items():
            trained = []
            for number in range(seeds):
                seeded = {**changed, "seed": self.config.seed + number}
                trained.append(self.train(seeded, *(self.on_part(seeded, shares[name]) if shares else ())))
            losses = [training.loss for training in trained]
            entries[name] = {
                "losses": losses,
                "loss": fmean(losses),
                "seconds": fmean(training.seconds for training in trained),
                "parameters": trained[0].parameters,
                "tokens": trained[0].tokens,
            }
        return entries

    def on_part(self, changed: Changed, share: float) -> tuple[Node, Node]:
        """Return the node of a share of the data, and the node of the model that is trained on it."""
        data = f"{self.model}/data"
        (own,) = (node for node in self.open(changed).build.nodes if node.name == self.model)
        part = Node(f"{data}-part", fraction_of_rows, FractionConfig(rows=data, share=min(1.0, share)), {"rows": data})
        return part, Node(own.name, own.stage, own.config, {**own.inputs, "data": f"{data}-part"})

    def bits_per_byte(
        self, changed: Changed, tasks: Mapping[str, PerplexityConfig]
    ) -> tuple[dict[str, Figure], Mapping[str, int]]:
        """Return the bits per byte of the model on the data of each task, and the counts of its training."""
        nodes = [node(f"bits/{name}", evaluate_perplexity, task, model=self.model) for name, task in tasks.items()]
        made = self.build("bits", changed, *nodes)
        scored = {name: made[f"bits/{name}"] for name in tasks}
        figures = {name: Evaluation(each.payload, each.digest()).figures()[0] for name, each in scored.items()}
        return figures, made[self.model].manifest.counts

    def shape(self, changed: Changed) -> DecoderConfig:
        """Return the decoder's shape. Raises `UsageError` for a model that is no decoder trained from scratch."""
        config = self.config.model_copy(update=changed)
        if not isinstance(config, CausalLMConfig) or config.base is not None:
            raise UsageError(
                f"{self.model} is not a decoder trained from scratch, so its architecture is fixed; name such a decoder"
            )
        return config.shape(self.vocab_size)

    def flops(self, changed: Changed) -> float:
        """Return the floating-point operations of a training with changed fields."""
        shape, config = self.shape(changed), self.config.model_copy(update=changed)
        tokens = int(config.steps) * config.rows_per_step * config.sequence_length
        return float(shape.training_flops_per_token(shape.context_length) * tokens)


def report(
    workspace: Workspace, name: str, figures: Mapping[str, Any], words: Sequence[str], picture: Markup
) -> Outcome:
    """Write a picture and, beside it, all figures as JSON to the store's `reports` folder."""
    path = workspace.store.root / "reports" / f"{workspace.recipe.name}-{name}.svg"
    write_atomically(path, standalone(picture))
    write_atomically(path.with_suffix(".json"), json.dumps(figures, indent=1) + "\n")
    return Outcome(figures, "\n".join(words), path)


def table(entries: Iterable[Mapping[str, Any]], formats: Mapping[str, str]) -> list[str]:
    """Return the lines of a table with a column for each field, in its format. Fields without a format are text."""
    cells = [[*formats]]
    for entry in entries:
        known = {field: entry.get(field) for field in formats}
        cells.append(["" if value is None else format(value, formats[field]) for field, value in known.items()])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligned = [f"{'>' if form else '<'}{width}" for form, width in zip(formats.values(), widths, strict=True)]
    return ["  ".join(map(format, row, aligned)).rstrip() for row in cells]


class FractionConfig(StepConfig):
    """Fields of the step that `lmworks scale` adds before a model."""

    rows: Reference = Field(description="Packed documents or conversations.")
    share: float = Field(gt=0, le=1, description="Share of the rows. A larger share holds all rows of a smaller one.")


@stage(version=1, trains_on="rows")
def fraction_of_rows(config: FractionConfig, rows: Shards, out: Path, context: Context) -> Result:
    """Keep the first rows of a seeded permutation, in the order of the file."""
    opened = rows.open()
    kept = sorted(permutation(len(opened.tokens), 0, 0)[: max(1, round(config.share * len(opened.tokens)))])
    tokens, weights = opened.tokens[kept], opened.weights[kept]
    counts = write_rows(
        out,
        [tokens],
        [weights],
        (rows.path / "ids.txt").read_text().split(),  # of all: erasure must find whatever may have seen a text
        rows=len(kept),
        sequence_length=opened.sequence_length,
        trained_tokens=int(weights[:, 1:].sum()),
        vocab_size=opened.vocab_size,
        tokenizer_digest=opened.tokenizer_digest,
        bytes_of_text=round(opened.bytes_of_text * len(kept) / len(opened.tokens)),
    )
    return Result(counts=counts)


class Quiet(PlainDisplay):
    """Display of new steps only, without samples. `seen` receives each validation loss of a model."""

    def __init__(self, model: str = "", seen: Seen | None = None) -> None:
        super().__init__(sys.stderr)
        self.model, self.seen = model, seen

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Progress:
        self.say(f"[{index}/{total}] {node}: {reason}")
        return _Heard(self.say, node, self.seen if node == self.model else None, most_seconds)

    def reused(self, node: str, index: int, total: int) -> None:
        """Show nothing: a trial shows only new steps."""


class _Heard(PlainProgress):
    def __init__(self, say: Callable[[str], None], node: str, seen: Seen | None, most_seconds: float) -> None:
        super().__init__(say, node, most_seconds)
        self._seen = seen

    def update(self, done: float, **values: float | str) -> None:
        super().update(done, **values)
        if self._seen and "validation_loss" in values:
            self._seen(done / self.total, float(values["validation_loss"]))

    def sample(self, title: str, text: str) -> None:
        """Show nothing, because there would be samples of many models."""
