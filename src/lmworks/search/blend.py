"""Blend: train a recipe's model with more and more of one part of a mixture, and see what each text gains and loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from markupsafe import Markup

from lmworks.data.mixtures.mixing import MixConfig
from lmworks.errors import UsageError
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.tasks.perplexity import PerplexityConfig, evaluate_perplexity
from lmworks.graph import node
from lmworks.pipeline.build import Display
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.record import split_reference
from lmworks.recipe.schema import Recipe
from lmworks.release.render.charts import Series, line_chart
from lmworks.search.runs import write_report
from lmworks.workspace import Workspace, open_workspace, run

RULE = (
    "the smallest mean excess: how far the bits per byte of each part's validation text lie above the best of the "
    "sweep, relative to it, on average over parts"
)


@dataclass(frozen=True)
class Trial:
    """One training of the sweep."""

    ratio: float
    share: float
    """Rows of the part among all that were read: less than asked for where its epochs are limited."""
    bits_per_byte: Mapping[str, Figure]
    """On the validation text of each part."""


@dataclass(frozen=True)
class Sweep:
    """All trainings, in the order of their ratios."""

    mix: str
    part: str
    model: str
    trials: Sequence[Trial]

    def excess(self, trial: Trial) -> float:
        """What `RULE` minimises."""
        parts = trial.bits_per_byte
        best = {name: min(each.bits_per_byte[name].value for each in self.trials) for name in parts}
        return sum(figure.value / best[name] - 1 for name, figure in parts.items()) / len(parts)

    @property
    def recommended(self) -> Trial:
        """The best by `RULE`."""
        return min(self.trials, key=self.excess)

    def as_json(self) -> dict[str, object]:
        trials = [asdict(each) | {"excess": self.excess(each)} for each in self.trials]
        about = {"mix": self.mix, "part": self.part, "model": self.model}
        return {**about, "recommended": self.recommended.ratio, "rule": RULE, "trials": trials}

    def as_text(self) -> str:
        names = self.trials[0].bits_per_byte
        lines = [
            f"bits per byte of {self.model} on each part's validation text, with 95 % interval",
            f"{self.part:>10} {'was read':>9}  {''.join(f'{name:28}' for name in names)}mean excess",
        ]
        for trial in self.trials:
            shown = [
                (figure.value, *(figure.interval or (figure.value,) * 2)) for figure in trial.bits_per_byte.values()
            ]
            cells = "".join(f"{f'{value:.4f} ({low:.4f} to {high:.4f})':28}" for value, low, high in shown)
            mark = "  recommended" if trial is self.recommended else ""
            lines.append(f"{trial.ratio:10.2f} {trial.share:9.1%}  {cells}{self.excess(trial):.2%}{mark}")
        return "\n".join(
            [*lines, f"Recommended by {RULE}.", "One training each: another seed moves these figures, too."]
        )

    def picture(self) -> Markup:
        """The trade-off."""
        names = self.trials[0].bits_per_byte
        series = [
            Series(name, [(each.share, each.bits_per_byte[name].value) for each in self.trials]) for name in names
        ]
        return line_chart("Trade-off of the blend", f"share of {self.part}", "bits per byte", series)


def sweep(
    path: Path, settings: Sequence[str], store: Path | None, mix: str, part: str, ratios: Sequence[float], show: Display
) -> tuple[Sweep, Path]:
    """Build the model at each ratio, and measure it on the validation text of every part. Returns the picture, too.

    What is built is kept like any other artifact, so a sweep that was stopped goes on; the last build stays what it is.
    """
    plain = open_workspace(path, settings, store, measure=True)
    weights = {ratio: _weights(plain.recipe, mix, part, ratio) for ratio in sorted(set(ratios))}
    model = _model(plain.recipe, mix)
    trials = []
    for ratio, each in weights.items():
        setting = [f"{mix}.parts.{name}.weight={weight}" for name, weight in each.items()]
        workspace = open_workspace(path, [*settings, *setting], store)
        show.say(f"{part}: {ratio:.0%} of {mix}")
        trials.append(_trial(workspace, mix, part, model, ratio, show))
    found = Sweep(mix, part, model, trials)
    return found, write_report(plain, f"blend-{part}", found.picture(), found.as_json())


def _weights(recipe: Recipe, mix: str, part: str, ratio: float) -> dict[str, float]:
    """Weights with `ratio` for the part; the others keep their proportions."""
    config = recipe.data.get(mix)
    if not isinstance(config, MixConfig) or part not in config.documents or len(config.documents) < 2:
        mixes = [(name, each) for name, each in recipe.data.items() if isinstance(each, MixConfig)]
        known = [f"{name} ({', '.join(each.documents)})" for name, each in mixes]
        raise UsageError(
            f"--mix {mix} --part {part}: expected a step of kind `mix` and one of its several parts; this recipe has "
            f"{'; '.join(known) or 'no such step'}"
        )
    if not 0 <= ratio <= 1:
        raise UsageError(f"--ratios: {ratio:g} is no share; expected numbers from 0 to 1, such as 0,0.5,1")
    parts = config.documents.items()
    others = {name: 1.0 if each.weight is None else each.weight for name, each in parts if name != part}
    total = sum(others.values()) or 1.0
    return {part: ratio} | {name: (1 - ratio) * weight / total for name, weight in others.items()}


def _model(recipe: Recipe, mix: str) -> str:
    for name, config in recipe.models.items():
        if getattr(config, "data", None) == mix:
            return name
    raise UsageError(f"--mix {mix}: no model of this recipe has `data: {mix}`")


def _trial(workspace: Workspace, mix: str, part: str, model: str, ratio: float, show: Display) -> Trial:
    config = workspace.recipe.data[mix]
    assert isinstance(config, MixConfig)  # noqa: S101 - asked for by `_weights`
    tasks = {
        name: PerplexityConfig(data=_held_out(workspace.recipe, name, each.documents), train=mix)
        for name, each in config.documents.items()
    }
    nodes = [node(f"blend/{name}", evaluate_perplexity, task, model=model) for name, task in tasks.items()]
    workspace.build.nodes = [*workspace.build.nodes, *nodes]
    artifacts = run(workspace, show, until="blend", remember=False)
    counts = artifacts[model].manifest.counts
    read = [counts[f"{name} rows"] for name in tasks]
    scored = {name: artifacts[f"blend/{name}"] for name in tasks}
    figures = {name: Evaluation(each.payload, each.digest()).figures()[0] for name, each in scored.items()}
    return Trial(ratio, counts[f"{part} rows"] / sum(read), figures)


def _held_out(recipe: Recipe, part: str, reference: str) -> str:
    """The validation part of the split that a part of the mixture came through; tests are for the end."""
    while True:
        step, inside = split_reference(reference)
        if inside == "train" and "validation" in recipe.data[step].output_parts():
            return f"{step}.validation"
        before = getattr(recipe.data[step], "documents", None)
        if not isinstance(before, str):
            raise UsageError(
                f"part {part!r} does not come from the train part of a split, so that nothing is held out to measure "
                "it on; split its documents before they are mixed"
            )
        reference = before
