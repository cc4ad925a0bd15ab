"""Predict a larger run from small ones, and how much data is enough from parts of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm, log
from pathlib import Path

from markupsafe import Markup
from pydantic import Field

from lmworks.errors import UsageError
from lmworks.pipeline.build import Node
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks.release.render.charts import Series, line_chart
from lmworks.search.law import Law, fit_law
from lmworks.search.runs import Outcome, Runs, Trained
from lmworks.tokens.rows.shards import Shards, permutation, write_rows

RUNGS = tuple(2.5**-rung for rung in range(4, -1, -1))
"""Compute of the ladder's models, in that of the largest. Factors of 2.5 show the law's bend 1.6 times as sharply as
factors of 2, and leave the smallest model steps enough."""
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the data, in a curve."""
LARGEST = 1 / 8
"""Compute of the ladder's largest model, in that of the run which it predicts: all five are a fifth of it."""
SEEDS = 3
"""Of each model. Models of 30,000 to 181,000 parameters differ by 0.9 % from seed to seed. In made-up ladders with that
noise, predictions at 5 times the compute were off by 3 % (one standard deviation) from one seed, 1.8 % from three."""
RATE_EXPONENT = 0.32
"""With which the best learning rate falls as tokens grow (Bjorck et al. 2024, arXiv 2409.19913)."""
BATCH_EXPONENT = 2 * RATE_EXPONENT
"""With which tokens a step grow with tokens: compute's 0.33 by Bi et al. 2024 (arXiv 2401.02954), doubled. As the best
rate grows with the root of the batch, it then stays. Equal batches would leave the small runs so few steps that their
losses belong to the beginning of training rather than to the law."""
WIDTH_MULTIPLE = 4
BEYOND = 1000
"""Times the data there is: no law is carried further."""
PATIENCE = 3
"""Validations without gain after which a run on little data has nothing left to learn from it."""


def scale(runs: Runs, *, minutes: float, seeds: int) -> Outcome:
    """Train five small models and predict the recipe's own. `minutes` bounds the ladder by the plan's speed.

    Raises `UsageError` for a model that is no fresh decoder.
    """
    whole = flops(runs, {})
    allowed = minutes * 60 * runs.plain.plan.speed.flops_per_second / (LARGEST * sum(RUNGS) * whole * seeds)
    rungs = ladder(runs, [LARGEST * share * min(1.0, allowed) for share in RUNGS])
    passes = passes_over_data(runs)
    amounts, trained = [flops(runs, each) for each in rungs], [with_seeds(runs, each, seeds, passes) for each in rungs]
    across = [amount for amount in amounts for _ in range(seeds)]
    losses = [each.loss for alike in trained for each in alike]
    law = fit_law(across, losses)
    loss, (low, high) = law.predict(whole)
    words = [f"{'operations':>12} {'parameters':>12} {'tokens':>12}  validation loss of each seed (nats a token)"]
    for amount, alike in zip(amounts, trained, strict=True):
        found = "  ".join(f"{each.loss:.4f}" for each in alike)
        words.append(f"{amount:>12.3g} {alike[0].parameters:>12,} {alike[0].tokens:>12,}  {found}")
    words += [
        f"law: {law.as_text('operations')}",
        f"{runs.model} as the recipe has it, {whole:.3g} operations ({whole / amounts[-1]:.1f} times the ladder's "
        f"largest): {loss:.4f} predicted, 95 % interval {low:.4f} to {high:.4f}",
    ]
    if passes > 1:
        words.append(
            f"data are read {passes:.1f} times: each small model read a part of them as often, since what is read "
            "again teaches less (Muennighoff et al. 2023, arXiv 2305.16264)"
        )
    points = [
        {**rung, "flops": amount, "parameters": alike[0].parameters, "tokens": alike[0].tokens}
        | {"losses": [each.loss for each in alike]}
        for rung, amount, alike in zip(rungs, amounts, trained, strict=True)
    ]
    figures = {"points": points, "flops": whole, "passes": passes, "loss": loss, "interval": [low, high]}
    return runs.report("scale", figures, words, _picture("operations", across, losses, law, whole))


def with_seeds(runs: Runs, changed: dict[str, object], seeds: int, passes: float = 0.0) -> list[Trained]:
    """A model trained again and again: with the recipe's seed and those that follow.

    With more `passes` than one, on as much of the data as it goes through so often.
    """
    every = [{**changed, "seed": runs.config.seed + number} for number in range(seeds)]
    if passes <= 1:
        return [runs.train(each) for each in every]
    config = runs.config.model_copy(update=changed)
    read = int(config.steps) * config.rows_per_step / int(runs.config.steps) / runs.config.rows_per_step
    return [runs.train(each, *on_part(runs, each, read)) for each in every]


def passes_over_data(runs: Runs) -> float:
    """How often the recipe's run goes through its data. Raises `UsageError` for a mix that it goes through again."""
    data = runs.until(f"{runs.model}/data")
    passes = int(runs.config.steps) * runs.config.rows_per_step / data.manifest.counts["rows"]
    if passes > 1 and Shards(data.payload, "").open().parts:
        raise UsageError(
            f"{runs.model} goes {passes:.1f} times through its mix, and no small model can go through a part of it as "
            "often; name one of its documents as `data`"
        )
    return float(passes)


def on_part(runs: Runs, changed: Mapping[str, object], share: float) -> tuple[Node, Node]:
    """A share of the data, and the model that is trained on it."""
    data = f"{runs.model}/data"
    (own,) = (each for each in runs.open(changed).build.nodes if each.name == runs.model)
    part = Node(f"{data}-part", fraction_of_rows, FractionConfig(rows=data, share=min(1.0, share)), {"rows": data})
    return part, Node(own.name, own.stage, own.config, {**own.inputs, "data": f"{data}-part"})


def ladder(runs: Runs, shares: Sequence[float]) -> list[dict[str, object]]:
    """Changed fields of models that take about these shares of the compute of the recipe's own, smallest first.

    Operations a token and tokens fall alike, as the square root of compute (Hoffmann et al. 2022, approach 2), exactly:
    a law needs an even path, and takes any amount. So depth and the number of heads stay, and blocks their proportions.
    Shorter runs take smaller batches, in whole rows, and the rates that go with both.
    """
    whole, own, shape = flops(runs, {}), int(runs.config.steps), runs.shape({})
    own_rows, processes = runs.config.rows_per_step, runs.config.processes
    unit = runs.config.micro_batch_rows * processes if processes > 1 else 1  # processes share out whole micro-batches
    fixed = {"num_heads": shape.num_heads, "num_key_value_heads": shape.num_key_value_heads, "watch": None}
    multiple, hidden = lcm(WIDTH_MULTIPLE, 2 * shape.num_heads), shape.hidden_size
    names = ["learning_rate", *["adamw_learning_rate"] * (runs.config.optimizer == "muon")]
    sizes: list[tuple[float, dict[str, object]]] = []
    for width in range(multiple, hidden + 1, multiple):
        size: dict[str, object] = {
            **fixed,
            "hidden_size": width,
            "intermediate_size": -(-shape.intermediate_size * width // hidden),
        }
        sizes.append((flops(runs, {**size, "steps": 1}), size))
    rungs = []
    for share in sorted(shares):
        if not sizes:
            raise UsageError(f"{runs.model}: hidden_size {hidden} holds too few multiples of {multiple}; raise it")
        a_step, size = min(sizes, key=lambda each: abs(log(each[0] / (share**0.5 * whole / own))))
        sizes = [each for each in sizes if each[0] > a_step]
        tokens = a_step / (whole / own)  # a share, like that of operations a token
        rows = unit * max(1, round(own_rows * tokens**BATCH_EXPONENT / unit))
        steps = round(own * own_rows * tokens / rows)
        if steps <= 2 * runs.config.warmup_steps:
            raise UsageError(
                f"a model of {share:.2%} of the compute of {runs.model} would train for {steps} steps, with "
                f"{runs.config.warmup_steps} of them to warm up; raise its steps"
            )
        faster = (rows / own_rows) ** 0.5 * tokens**-RATE_EXPONENT
        rates = {name: getattr(runs.config, name) * faster for name in names}
        batch = {"global_batch_tokens": rows * runs.config.sequence_length, "steps": steps}
        rungs.append({**size, **rates, **batch, "validation_steps": steps})
    return rungs


def flops(runs: Runs, changed: dict[str, object]) -> float:
    """Operations of a training with changed fields."""
    config = runs.config.model_copy(update=changed)
    return float(runs.flops_per_token(changed) * int(config.steps) * config.rows_per_step * config.sequence_length)


def _picture(across: str, amounts: Sequence[float], losses: Sequence[float], law: Law, end: float) -> Markup:
    along = [amounts[0] * (end / amounts[0]) ** (step / 60) for step in range(61)]
    drawn = [(x, *law.predict(x)) for x in along]
    edges = [Series(name, [(x, ends[side]) for x, _, ends in drawn]) for side, name in enumerate(("low", "high"))]
    law_line, measured = Series("law", [(x, y) for x, y, _ in drawn]), list(zip(amounts, losses, strict=True))
    series = [law_line, Series("measured", measured, joined=False), *edges]
    return line_chart("Validation loss and its law", across, "nats a token", series)


class FractionConfig(StepConfig):
    """Made by `lmworks scale --data`."""

    rows: Reference = Field(description="Packed documents or conversations.")
    share: float = Field(gt=0, le=1, description="Of the rows; a larger share holds all rows of a smaller one.")


@stage(version=1, trains_on="rows")
def fraction_of_rows(config: FractionConfig, rows: Shards, out: Path, context: Context) -> Result:
    """The first rows of a seeded permutation, in the order of the file."""
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


def data_curve(runs: Runs, *, gain: float, target: float | None) -> Outcome:
    """Train on parts of the data, as many steps each but no longer than validation gains; the best weights count.

    Where the recipe's run is less than one pass, the whole is what it reads. Data is enough where doubling it gains
    less than the share `gain`, or where the loss `target` is reached.
    """
    data = f"{runs.model}/data"
    rows, steps = runs.until(data).manifest.counts, int(runs.config.steps)
    read = min(1.0, steps * runs.config.rows_per_step / rows["rows"])
    count = rows.get("documents", rows.get("conversations", rows["rows"]))
    patience = {"patience": runs.config.patience or PATIENCE, "validation_steps": max(1, steps // 10), "watch": None}
    amounts = [read * share * count for share in SHARES]
    losses = [runs.train(patience, *on_part(runs, patience, read * share)).loss for share in SHARES]
    law = fit_law(amounts, losses)
    enough, ends = law.enough(gain) if target is None else law.amount_for(target)
    loss, (low, high) = law.predict(2 * amounts[-1])
    goal = f"doubling to gain less than {gain:.1%}" if target is None else f"a loss of {target:g}"
    beyond = BEYOND * amounts[-1]
    low_end, middle, high_end = (
        f"{each:,.0f}" if each < beyond else "beyond reach" for each in (ends[0], enough, ends[1])
    )
    words = [f"{'data':>8} {'examples':>10}  validation loss (nats a token)"]
    words += [f"{x / count:>8.2%} {x:>10,.0f}  {y:.4f}" for x, y in zip(amounts, losses, strict=True)]
    words += [
        f"law: {law.as_text('examples')}",
        f"twice the data: {loss:.4f} expected, 95 % interval {low:.4f} to {high:.4f}",
        f"enough examples for {goal}: {middle} (95 % interval {low_end} to {high_end})",
    ]
    bounds = [each if each < beyond else None for each in (ends[0], enough, ends[1])]
    points = [{"examples": x, "loss": y} for x, y in zip(amounts, losses, strict=True)]
    figures = {"points": points, "goal": goal, "enough": bounds, "doubled": {"loss": loss, "interval": [low, high]}}
    return runs.report("data-curve", figures, words, _picture("examples", amounts, losses, law, 2 * amounts[-1]))
