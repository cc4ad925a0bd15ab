"""Predict a larger run from small ones, and how much data is enough from parts of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite, log
from pathlib import Path

from markupsafe import Markup
from pydantic import Field

from lmworks.errors import UsageError
from lmworks.pipeline.build import Node
from lmworks.pipeline.figure import Interval
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig
from lmworks.release.charts import Series, line_chart
from lmworks.search.law import Law, fit_law
from lmworks.search.runs import Runs, Trained, flops_per_token
from lmworks.tokens.shards import Shards, permutation, write_rows
from lmworks.train.config import CausalLMConfig
from lmworks.workspace import Workspace

RUNGS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Compute of the ladder's models, in that of the largest: twice the largest in all."""
LARGEST = 1 / 8
"""Compute of the ladder's largest model, in that of the run which it predicts: the whole ladder is a quarter of it."""
WIDTH_MULTIPLE = 16
FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the data: each doubling is one step of the curve."""
PATIENCE = 3
"""Validations without gain after which a run on little data has nothing left to learn from it."""


@dataclass(frozen=True)
class Point:
    """One training of a ladder or curve."""

    changed: Mapping[str, object]
    amount: float
    """Floating-point operations, or trained tokens of data."""
    run: Trained

    def as_json(self) -> dict[str, object]:
        """For programs."""
        run = {name: value for name, value in asdict(self.run).items() if name != "artifact"}
        return {"changed": dict(self.changed), "amount": self.amount, "key": self.run.artifact.key, **run}


@dataclass(frozen=True)
class Scaled:
    """A ladder, its law, and the prediction of the recipe's own run."""

    model: str
    points: Sequence[Point]
    law: Law
    amount: float
    predicted: tuple[float, Interval]
    outcome: float | None
    """The validation loss of the recipe's own run, where it is in the store."""

    def as_json(self) -> dict[str, object]:
        """All of it, for programs."""
        loss, interval = self.predicted
        predicted = {"flops": self.amount, "loss": loss, "interval": interval, "outcome": self.outcome}
        law = self.law.in_words("flops")
        return {"model": self.model, "law": law, "points": [each.as_json() for each in self.points], **predicted}

    def in_words(self) -> str:
        """For a terminal."""
        loss, (low, high) = self.predicted
        rows = [f"{each.amount:>12.3g} {each.run.parameters:>12,} {each.run.tokens:>12,}" for each in self.points]
        lines = [f"{'operations':>12} {'parameters':>12} {'tokens':>12}  validation loss (nats a token)"]
        lines += [f"{row}  {each.run.loss:.4f}" for row, each in zip(rows, self.points, strict=True)]
        lines.append(f"law: {self.law.in_words('operations')}")
        farther = self.amount / self.points[-1].amount
        lines.append(
            f"{self.model} as the recipe has it, {self.amount:.3g} operations ({farther:.1f} times the ladder's "
            f"largest): {loss:.4f} predicted, 95 % interval {low:.4f} to {high:.4f}"
        )
        if self.outcome is not None:
            lines.append(f"it was trained, and came to {self.outcome:.4f}, {self.outcome / loss - 1:+.1%}")
        return "\n".join(lines)

    def picture(self) -> Markup:
        """Losses over compute, with the law."""
        return _picture(f"Scaling of {self.model}", "operations", self.points, self.law, self.amount)


def scale(runs: Runs, *, minutes: float) -> tuple[Scaled, Path]:
    """Train five small models and predict the recipe's own. `minutes` bounds the ladder by the plan's speed.

    Operations a token and tokens fall alike, as the square root of compute (Hoffmann et al. 2022, approach 2); depth
    falls with width. Raises `UsageError` for a model that is no fresh decoder.
    """
    changed = ladder(runs, [LARGEST * share for share in RUNGS], minutes=minutes)
    points = [_point(runs, each) for each in changed]
    law = fit_law([each.amount for each in points], [each.run.loss for each in points])
    amount = _flops(runs, {})
    own = runs.found()
    found = Scaled(runs.model, points, law, amount, law.predict(amount), own.loss if own else None)
    return found, runs.report("scale", found.picture(), found.as_json())


def ladder(runs: Runs, shares: Sequence[float], *, minutes: float | None = None) -> list[dict[str, object]]:
    """Changed fields of models that take these shares of the compute of the recipe's own, smallest first."""
    config = runs.config
    if not isinstance(config, CausalLMConfig) or config.base is not None:
        raise UsageError(f"{runs.model} begins with another model, whose size is fixed; try `lmworks scale --data`")
    whole = _flops(runs, {})
    if minutes is not None:
        allowed = minutes * 60 * runs.plain.plan.speed.flops_per_second
        shares = [share * min(1.0, allowed / (whole * sum(shares))) for share in shares]
    assert isinstance(config.hidden_size, int) and isinstance(config.num_layers, int)  # noqa: S101 - planned
    sizes = []
    for width in range(WIDTH_MULTIPLE, config.hidden_size + 1, WIDTH_MULTIPLE):
        depth = max(1, round(config.num_layers * width / config.hidden_size))
        size: dict[str, object] = {"hidden_size": width, "num_layers": depth, "watch": None}
        if config.intermediate_size:
            size["intermediate_size"] = -(-config.intermediate_size * width // config.hidden_size)
        sizes.append((_flops(runs, {**size, "steps": 1}), size))
    rungs = []
    for share in sorted(shares):
        wanted = share**0.5 * whole / int(config.steps)
        a_step, size = min(sizes, key=lambda each: abs(log(each[0] / wanted)))
        steps = round(share * whole / a_step)
        if steps <= 2 * config.warmup_steps:
            raise UsageError(
                f"a model of {share:.2%} of the compute of {runs.model} would train for {steps} steps, with "
                f"{config.warmup_steps} of them to warm up; raise its steps"
            )
        rungs.append({**size, "steps": steps, "validation_steps": steps})
    return rungs


def _flops(runs: Runs, changed: Mapping[str, object]) -> float:
    config = runs.config.model_copy(update=changed)
    tokens = int(config.steps) * config.rows_per_step * config.sequence_length
    return float(flops_per_token(config, runs.vocab_size) * tokens)


def _point(runs: Runs, changed: Mapping[str, object]) -> Point:
    run = runs.train(changed)
    return Point(changed, run.flops, run)


def _picture(title: str, across: str, points: Sequence[Point], law: Law, end: float) -> Markup:
    first = points[0].amount
    along = [first * (end / first) ** (step / 60) for step in range(61)]
    curve = Series("law", [(x, law.predict(x)[0]) for x in along])
    edges = [Series(name, [(x, law.predict(x)[1][side]) for x in along]) for side, name in enumerate(("low", "high"))]
    measured = Series("measured", [(each.amount, each.run.loss) for each in points], joined=False)
    return line_chart(title, across, "nats a token", [curve, measured, *edges])


# ---------------------------------------------------------------- how much data is enough


class FractionConfig(StepConfig):
    """Made by `lmworks scale --data`."""

    rows: Reference = Field(description="Packed documents or conversations.")
    share: float = Field(gt=0, le=1, description="Of the rows.")
    seed: int = Field(0, ge=0, description="Which of them; a larger share holds all rows of a smaller one.")


@stage(version=1)
def fraction_of_rows(config: FractionConfig, rows: Shards, out: Path, context: Context) -> Result:
    """The first rows of a seeded permutation, in the order of the file."""
    opened, facts = rows.open(), json.loads((rows.path / "shards.json").read_text())
    count = max(1, round(config.share * len(opened.tokens)))
    kept = sorted(permutation(len(opened.tokens), config.seed, 0)[:count])
    ids = (rows.path / "ids.txt").read_text().split()
    chosen = replace(opened, tokens=opened.tokens[kept], weights=opened.weights[kept])
    counts = write_rows(
        out,
        [chosen.tokens],
        [chosen.weights],
        ids,  # of all documents: erasure must find whatever may have seen a text
        rows=count,
        sequence_length=opened.sequence_length,
        trained_tokens=chosen.trained_tokens,
        vocab_size=opened.vocab_size,
        tokenizer_digest=opened.tokenizer_digest,
        bytes_of_text=round(opened.bytes_of_text * count / len(opened.tokens)),
    )
    return Result(counts=counts | {"documents": round(facts.get("documents", len(ids)) * count / len(opened.tokens))})


@dataclass(frozen=True)
class Curve:
    """Losses over parts of the data, their law, and how much is enough."""

    model: str
    points: Sequence[Point]
    law: Law
    examples_per_token: float
    """Documents or conversations for each trained token."""
    gain: float
    target: float | None

    @property
    def enough(self) -> tuple[float, Interval]:
        """Documents or conversations from which doubling them gains less than `gain`, or which reach the target."""
        found = self.law.amount_for(self.target) if self.target is not None else self.law.enough(self.gain)
        middle, (low, high) = found
        each = self.examples_per_token
        return middle * each, (low * each, high * each)

    @property
    def doubled(self) -> tuple[float, Interval]:
        """The loss expected of twice the data."""
        return self.law.predict(2 * self.points[-1].amount)

    def as_json(self) -> dict[str, object]:
        """All of it, for programs."""
        enough, interval = self.enough
        bounds = [each if isfinite(each) else None for each in (enough, *interval)]
        answer = {"goal_loss": self.target, "goal_gain": None if self.target else self.gain, "enough_examples": bounds}
        points = [{**each.as_json(), "examples": each.amount * self.examples_per_token} for each in self.points]
        law = self.law.in_words("tokens")
        return {"model": self.model, "law": law, "points": points, **answer, "doubled": self.doubled}

    def in_words(self) -> str:
        """For a terminal."""
        lines = [f"{'data':>8} {'examples':>10} {'tokens':>12}  validation loss (nats a token)"]
        for each in self.points:
            examples = each.amount * self.examples_per_token
            lines.append(f"{each.changed['data']:>8.2%} {examples:>10,.0f} {each.amount:>12,.0f}  {each.run.loss:.4f}")
        enough, (low, high) = (f"{self.enough[0]:,.0f}", self.enough[1])
        loss, interval = self.doubled
        goal = (
            f"a loss of {self.target:g}" if self.target is not None else f"doubling to gain less than {self.gain:.1%}"
        )
        lines += [
            f"law: {self.law.in_words('tokens')}",
            f"twice the data: {loss:.4f} expected, 95 % interval {interval[0]:.4f} to {interval[1]:.4f}",
            f"enough examples for {goal}: {enough} (95 % interval {low:,.0f} to {high:,.0f}); inf is never",
        ]
        return "\n".join(lines)

    def picture(self) -> Markup:
        """Losses over data, with the law."""
        return _picture(f"Data of {self.model}", "trained tokens", self.points, self.law, 2 * self.points[-1].amount)


def data_curve(runs: Runs, *, gain: float, target: float | None) -> tuple[Curve, Path]:
    """Train on parts of the data, as many steps each but no longer than validation gains; the best weights count.

    Where the recipe's run is less than one pass, the whole is what it reads.
    """
    config = runs.config
    rows = runs.until(f"{runs.model}/data").manifest["counts"]
    read = min(1.0, int(config.steps) * config.rows_per_step / rows["rows"])
    examples = rows.get("documents", rows.get("conversations", rows["rows"]))
    changed = {"patience": config.patience or PATIENCE, "validation_steps": max(1, int(config.steps) // 10)}
    points = []
    for share in FRACTIONS:
        run = runs.train({**changed, "watch": None}, more=_on_part(runs.model, share * read))
        points.append(Point({"data": share * read}, share * read * rows["trained_tokens"], run))
    law = fit_law([each.amount for each in points], [each.run.loss for each in points])
    found = Curve(runs.model, points, law, examples / rows["trained_tokens"], gain, target)
    return found, runs.report("data-curve", found.picture(), found.as_json())


def _on_part(model: str, share: float) -> Callable[[Workspace], Sequence[Node]]:
    """The recipe's graph with a part of the packed rows in place of all."""

    def change(workspace: Workspace) -> Sequence[Node]:
        nodes = []
        for node in workspace.build.nodes:
            if node.name == model:
                part = f"{model}/fraction"
                config = FractionConfig(rows=f"{model}/data", share=share)
                nodes.append(Node(part, fraction_of_rows, config, {"rows": f"{model}/data"}))
                node = replace(node, inputs={**node.inputs, "data": part})
            nodes.append(node)
        return nodes

    return change
