"""Predict a larger run from small ones, and how much data is enough from parts of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm, log

from markupsafe import Markup

from lmworks.errors import UsageError
from lmworks.release.render.charts import Series, line_chart
from lmworks.search.law import Law, fit_law
from lmworks.search.runs import Outcome, Runs, report
from lmworks.search.runs import table as in_columns
from lmworks.tokens.rows.shards import Shards

RUNGS = tuple(2.5**-rung for rung in range(4, -1, -1))
"""Compute of the ladder's models, as shares of the largest. Factors of 2.5 show the law's bend 1.6 times as sharply as
factors of 2, and leave enough steps to the smallest model."""
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Shares of the data for the points of a curve."""
LARGEST = 1 / 8
"""Compute of the ladder's largest model, as a share of the predicted run. All five together take a fifth of it."""
SEEDS = 3
"""Seeds per model. Models of 30,000 to 181,000 parameters differ by 0.9 % between seeds. In made-up ladders with this
noise, predictions at 5 times the compute were off by 3 % (one standard deviation) from one seed, 1.8 % from three."""
RATE_EXPONENT = 0.32
"""Exponent with which the best learning rate falls as tokens grow (Bjorck et al. 2024, arXiv 2409.19913)."""
BATCH_EXPONENT = 2 * RATE_EXPONENT
"""Exponent of tokens per step over tokens: compute's 0.33 by Bi et al. 2024 (arXiv 2401.02954), doubled. The best rate
then stays the same, as it grows with the root of the batch. Equal batches would leave the small runs so few steps that
their losses would show the beginning of training rather than the law."""
WIDTH_MULTIPLE = 4
BEYOND = 1000
"""Factor over the present data beyond which no law is used."""
PATIENCE = 3
"""Validations without gain after which a run on little data stops, as it has nothing left to learn."""


def scale(runs: Runs, *, minutes: float, seeds: int) -> Outcome:
    """Train five small models and predict the recipe's own. `minutes` limits the ladder, by the plan's speed.

    Raises `UsageError` for a model that is no decoder trained from scratch.
    """
    whole = runs.flops({})
    allowed = minutes * 60 * runs.plain.plan.speed.flops_per_second / (LARGEST * sum(RUNGS) * whole * seeds)
    rungs = ladder(runs, [LARGEST * share * min(1.0, allowed) for share in RUNGS])
    table = {str(number): rung for number, rung in enumerate(rungs)}
    passes, own = passes_over_data(runs), int(runs.config.steps) * runs.config.global_batch_tokens
    read = {name: int(str(rung["steps"])) * int(str(rung["global_batch_tokens"])) / own for name, rung in table.items()}
    entries = runs.vary(table, seeds, read if passes > 1 else None)
    amounts = [runs.flops(rung) for rung in rungs]
    across = [amount for amount in amounts for _ in range(seeds)]
    losses = [loss for entry in entries.values() for loss in entry["losses"]]
    law = fit_law(across, losses)
    loss, (low, high) = law.predict(whole)
    points = [
        {**rung, "flops": amount, **entry} for rung, amount, entry in zip(rungs, amounts, entries.values(), strict=True)
    ]
    shown = [{**point, "losses": "  ".join(f"{loss:.4f}" for loss in point["losses"])} for point in points]
    words = [
        *in_columns(shown, {"flops": ".3g", "parameters": ",", "tokens": ",", "losses": ""}),
        f"law: {law.as_text('operations')}",
        f"{runs.model} as the recipe has it, {whole:.3g} operations ({whole / amounts[-1]:.1f} times the ladder's "
        f"largest): {loss:.4f} predicted, 95 % interval {low:.4f} to {high:.4f}",
        "Each seed has its own validation loss, in nats per token.",
    ]
    if passes > 1:
        words.append(
            f"data are read {passes:.1f} times: each small model read a part of them as often, since what is read "
            "again teaches less (Muennighoff et al. 2023, arXiv 2305.16264)"
        )
    figures = {"points": points, "flops": whole, "passes": passes, "loss": loss, "interval": [low, high]}
    return report(runs.plain, f"{runs.model}-scale", figures, words, _picture("operations", across, losses, law, whole))


def data_curve(runs: Runs, *, gain: float, target: float | None) -> Outcome:
    """Train on parts of the data, each for as many steps, but no longer than validation gains. The best weights count.

    If the recipe's run is less than one pass, the whole is the data that it reads. Data is enough if doubling it gains
    less than the share `gain`, or if the loss `target` is reached.
    """
    rows, steps = _rows(runs), int(runs.config.steps)
    read = min(1.0, steps * runs.config.rows_per_step / rows["rows"])
    count = rows.get("documents", rows.get("conversations", rows["rows"]))
    changed = {"patience": runs.config.patience or PATIENCE, "validation_steps": max(1, steps // 10), "watch": None}
    amounts = [read * share * count for share in SHARES]
    parts = {f"{share:g}": read * share for share in SHARES}
    losses = [entry["loss"] for entry in runs.vary(dict.fromkeys(parts, changed), shares=parts).values()]
    law = fit_law(amounts, losses)
    enough, (least, most) = law.enough(gain) if target is None else law.amount_for(target)
    loss, (low, high) = law.predict(2 * amounts[-1])
    goal = f"doubling to gain less than {gain:.1%}" if target is None else f"a loss of {target:g}"
    bounds = [amount if amount < BEYOND * amounts[-1] else None for amount in (least, enough, most)]
    from_, middle, to = (f"{amount:,.0f}" if amount is not None else "beyond reach" for amount in bounds)
    points = [{"share": x / count, "examples": x, "loss": y} for x, y in zip(amounts, losses, strict=True)]
    words = [
        *in_columns(points, {"share": ".2%", "examples": ",.0f", "loss": ".4f"}),
        f"law: {law.as_text('examples')}",
        f"twice the data: {loss:.4f} expected, 95 % interval {low:.4f} to {high:.4f}",
        f"enough examples for {goal}: {middle} (95 % interval {from_} to {to})",
    ]
    figures = {"points": points, "goal": goal, "enough": bounds, "doubled": {"loss": loss, "interval": [low, high]}}
    return report(
        runs.plain,
        f"{runs.model}-data-curve",
        figures,
        words,
        _picture("examples", amounts, losses, law, 2 * amounts[-1]),
    )


def passes_over_data(runs: Runs) -> float:
    """Return how often the recipe's run reads its data. Raises `UsageError` for a mix that is read more than once."""
    passes = int(runs.config.steps) * runs.config.rows_per_step / _rows(runs)["rows"]
    if passes > 1 and Shards(runs.build(data := f"{runs.model}/data")[data].payload, "").open().parts:
        raise UsageError(
            f"{runs.model} reads its mix {passes:.1f} times, and no small model can read a part of it that often; name "
            "one of its document sets as `data`"
        )
    return passes


def ladder(runs: Runs, shares: Sequence[float]) -> list[dict[str, object]]:
    """Return changed fields of models that take about these shares of the recipe's own compute, smallest first.

    Operations per token and tokens fall alike, exactly as the square root of compute (Hoffmann et al. 2022, approach
    2): a law needs an even path, and takes any amount. So depth, the number of heads and the proportions of blocks
    stay. Shorter runs take smaller batches, in whole rows, and the learning rates that fit size and batch.
    """
    config, shape, whole = runs.config, runs.shape({}), runs.flops({"steps": 1})
    unit = config.micro_batch_rows * config.processes if config.processes > 1 else 1  # each takes whole micro-batches
    fixed = {"num_heads": shape.num_heads, "num_key_value_heads": shape.num_key_value_heads, "watch": None}
    multiple, hidden = lcm(WIDTH_MULTIPLE, 2 * shape.num_heads), shape.hidden_size
    sizes: list[dict[str, object]] = [
        {**fixed, "hidden_size": width, "intermediate_size": -(-shape.intermediate_size * width // hidden)}
        for width in range(multiple, hidden + 1, multiple)
    ]
    steps_of = [(runs.flops({**size, "steps": 1}) / whole, size) for size in sizes]  # a share, of a step
    rungs = []
    for share in sorted(shares):
        if not steps_of:
            raise UsageError(f"{runs.model}: hidden_size {hidden} has too few multiples of {multiple}; raise it")
        tokens, size = min(steps_of, key=lambda pair: abs(log(pair[0] / share**0.5)))
        steps_of = [pair for pair in steps_of if pair[0] > tokens]
        rows = unit * max(1, round(config.rows_per_step * tokens**BATCH_EXPONENT / unit))
        steps = round(int(config.steps) * config.rows_per_step * tokens / rows)
        if steps <= 2 * config.warmup_steps:
            raise UsageError(
                f"a model of {share:.2%} of the compute of {runs.model} would train for {steps} steps, of which "
                f"{config.warmup_steps} are warm-up; raise its steps"
            )
        faster = (rows / config.rows_per_step) ** 0.5 * tokens**-RATE_EXPONENT
        rates = ["learning_rate", *["adamw_learning_rate"] * (config.optimizer == "muon")]
        batch = {"global_batch_tokens": rows * config.sequence_length, "steps": steps, "validation_steps": steps}
        rungs.append({**size, **{name: getattr(config, name) * faster for name in rates}, **batch})
    return rungs


def _rows(runs: Runs) -> Mapping[str, int]:
    """Return the counts of the rows that the model is trained on."""
    return runs.build(f"{runs.model}/data")[f"{runs.model}/data"].manifest.counts


def _picture(across: str, amounts: Sequence[float], losses: Sequence[float], law: Law, end: float) -> Markup:
    along = [amounts[0] * (end / amounts[0]) ** (step / 60) for step in range(61)]
    drawn = [(x, *law.predict(x)) for x in along]
    edges = [Series(name, [(x, ends[side]) for x, _, ends in drawn]) for side, name in enumerate(("low", "high"))]
    measured = Series("measured", list(zip(amounts, losses, strict=True)), joined=False)
    series = [Series("law", [(x, y) for x, y, _ in drawn]), measured, *edges]
    return line_chart("Validation loss and its law", across, "nats per token", series)
