"""Blend: train a recipe's model with more and more of one part of a mixture, and measure it on each part's text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmworks.data.mixtures.mixing import MixConfig
from lmworks.errors import UsageError
from lmworks.evaluate.tasks.perplexity import PerplexityConfig
from lmworks.pipeline.record import split_reference
from lmworks.recipe.schema import Recipe
from lmworks.release.render.charts import Series, line_chart
from lmworks.release.render.words import interval_of
from lmworks.search.runs import Outcome, Runs, report, table
from lmworks.workspace import open_workspace

RULE = (
    "the smallest mean excess: how far the bits per byte of each part's validation text lie above the best of the "
    "sweep, relative to it, on average over parts"
)


def sweep(
    path: Path, settings: Sequence[str], store: Path | None, mix: str, part: str, ratios: Sequence[float]
) -> Outcome:
    """Build the model at each ratio, and measure it on the validation text of every part."""
    recipe = open_workspace(path, settings, store, measure=True).recipe
    others = _weights(recipe, mix, part)
    parts = [*others]
    model = next((name for name, config in recipe.models.items() if getattr(config, "data", None) == mix), None)
    if model is None:
        raise UsageError(f"--mix {mix}: no model of this recipe is trained on it: `data: {mix}`")
    if strange := [ratio for ratio in ratios if not 0 <= ratio <= 1]:
        raise UsageError(f"--ratios: {strange[0]:g} is not a share; expected numbers from 0 to 1, such as 0,0.5,1")
    tasks = {name: PerplexityConfig(data=_held_out(recipe, mix, name), train=mix) for name in parts}
    del others[part]
    runs, trials = Runs(path, settings, store, model, validated=False), list[dict[str, Any]]()
    for ratio in sorted(set(ratios)):
        print(f"{part}: {ratio:.0%} of {mix}", file=sys.stderr)
        shares = {name: (1 - ratio) * weight / (sum(others.values()) or 1.0) for name, weight in others.items()}
        changed = {f"data.{mix}.parts.{name}.weight": share for name, share in {part: ratio, **shares}.items()}
        figures, counts = runs.bits_per_byte(changed, tasks)
        read = {name: counts[f"{name} rows"] for name in parts}
        trials.append({"ratio": ratio, "share": read[part] / sum(read.values()), "figures": figures})
    best = {name: min(trial["figures"][name].value for trial in trials) for name in parts}
    for trial in trials:
        trial["excess"] = sum(trial["figures"][name].value / best[name] - 1 for name in parts) / len(parts)
    recommended = min(trials, key=lambda trial: trial["excess"])
    shown = [
        {"given": trial["ratio"], "was read": trial["share"], "mean excess": trial["excess"]}
        | {f"on {name}": f"{figure.value:.4f} ({interval_of(figure)})" for name, figure in trial["figures"].items()}
        | {"": "recommended" if trial is recommended else ""}
        for trial in trials
    ]
    formats = {"given": ".2f", "was read": ".1%", **{f"on {name}": "" for name in parts}, "mean excess": ".2%", "": ""}
    words = [
        f"share of {part}; bits per byte of {model} on each part's validation text, with 95 % interval",
        *table(shown, formats),
        f"Recommended by {RULE}.",
        "One training each: another seed moves these figures, too.",
    ]
    series = [Series(name, [(each["share"], each["figures"][name].value) for each in trials]) for name in parts]
    picture = line_chart("Trade-off of the blend", f"share of {part}", "bits per byte", series)
    for trial in trials:
        trial["bits_per_byte"] = {name: figure.as_json() for name, figure in trial.pop("figures").items()}
    about = {"mix": mix, "part": part, "model": model, "recommended": recommended["ratio"], "rule": RULE}
    return report(runs.plain, f"blend-{part}", {**about, "trials": trials}, words, picture)


def _weights(recipe: Recipe, mix: str, part: str) -> dict[str, float]:
    """Return the weight of each part of a mix; raises `UsageError` if there is no such mix and part."""
    config = recipe.data.get(mix)
    if not isinstance(config, MixConfig) or part not in config.documents or len(config.documents) < 2:
        mixes = [(name, each) for name, each in recipe.data.items() if isinstance(each, MixConfig)]
        known = "; ".join(f"{name} ({', '.join(each.documents)})" for name, each in mixes)
        raise UsageError(
            f"--mix {mix} --part {part}: expected a step of kind `mix` and one of its several parts; this recipe has "
            f"{known or 'no such step'}"
        )
    return {name: 1.0 if each.weight is None else each.weight for name, each in config.documents.items()}


def _held_out(recipe: Recipe, mix: str, part: str) -> str:
    """Return the validation part of the split that a part of the mixture came from. Test parts are kept for the end."""
    config = recipe.data[mix]
    reference: object = config.documents[part].documents if isinstance(config, MixConfig) else None
    while isinstance(reference, str):
        step, inside = split_reference(reference)
        if inside == "train" and "validation" in recipe.data[step].output_parts():
            return f"{step}.validation"
        reference = getattr(recipe.data[step], "documents", None)
    raise UsageError(
        f"part {part!r} does not come from the train part of a split, so there is no validation text to measure it on; "
        "split its documents before they are mixed"
    )
