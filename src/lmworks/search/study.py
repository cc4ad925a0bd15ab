"""Search settings for the lowest validation loss: Optuna proposes, the store trains, bad trials end early.

A study is a file of the store (SQLite): the same command goes on with it, after a kill too, and several processes may
work on it at once. A proposal is a function of the seed and of what was tried before.
"""

from __future__ import annotations

import fcntl
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna import Study, Trial, TrialPruned
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from lmworks.errors import LmworksError, Stopped, UsageError
from lmworks.evaluate.tasks.perplexity import PerplexityConfig
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.store import locked
from lmworks.release.render.charts import Series, line_chart
from lmworks.search.runs import Changed, Outcome, Runs, report, table

SHOWN = {"number": "d", "score": ".4f", "seconds": ".1f", "parameters": ",", "state": "", "settings": "", "": ""}
"""Fields of a trial that are printed, with their formats."""
ENOUGH_FOR_IMPORTANCE = 8
"""Number of finished trials below which shares of importance are random."""


@dataclass(frozen=True)
class Search:
    """Study of some ranges of a model. Several commands can work on it at once."""

    runs: Runs
    over: Sequence[str]
    ranges: Mapping[str, Any]
    """Distribution of each field."""
    seed: int
    file: Path
    study: Study

    @property
    def vocabulary_varies(self) -> bool:
        """Return whether the vocabulary varies, so that losses per token cannot be compared."""
        return any(field.startswith("tokenizer.") for field in self.ranges)


def search(
    path: Path,
    settings: Sequence[str],
    store: Path | None,
    model: str,
    over: Sequence[str],
    *,
    trials: int,
    minutes: float | None = None,
    seed: int = 0,
) -> Outcome:
    """Continue the study of these ranges until it has so many trials. Without ranges, take the usual ones.

    The first trial has the recipe's own values if the ranges hold them. Raises `UsageError` for a range of an unknown
    field, `LmworksError` if no trial ended.
    """
    runs = Runs(path, settings, store, model)
    over = over or usual_ranges(runs)
    ranges = dict(map(parse_range, over))
    for field, values in ranges.items():
        with suppress(ValueError):  # of a shape that cannot be: its trial fails alone
            runs.open({field: values.choices[0] if hasattr(values, "choices") else values.low})
    nodes = [[node.name, key_config(node.config)] for node in runs.plain.build.nodes]
    name = digest_text(canonical_json([nodes, model, list(over), seed]))[:16]
    file = (runs.plain.store.root / "studies" / f"{runs.plain.recipe.name}-{model}-{name}.sqlite").absolute()
    file.parent.mkdir(exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{file}?timeout=60"  # seconds that another process may take to write
    with locked(file.with_suffix(".ask"), lambda line: None):
        study = optuna.create_study(
            study_name=file.stem, storage=storage, pruner=optuna.pruners.MedianPruner(), load_if_exists=True
        )
    this = Search(runs, over, ranges, seed, file, study)
    ends = time.monotonic() + minutes * 60 if minutes is not None else math.inf
    with _beside_others(this):
        while time.monotonic() < ends and (trial := _ask(this, trials)):
            _try(this, trial)
    return _outcome(this)


def parse_range(text: str) -> tuple[str, Any]:
    """Return field and distribution of `field=low..high`, `field=low..high:log` or `field=a,b,c`."""
    with suppress(ValueError):
        if found := re.fullmatch(r"([\w.-]+)=([^,]+?)\.\.([^,]+?)(:log)?", text):
            field, low, high, log = found.groups()
            if re.fullmatch(r"-?[0-9]+\.\.-?[0-9]+", f"{low}..{high}"):
                return field, IntDistribution(int(low), int(high), log=bool(log))
            return field, FloatDistribution(float(low), float(high), log=bool(log))
        if found := re.fullmatch(r"([\w.-]+)=([^,]+(?:,[^,]+)+)", text):
            return found[1], CategoricalDistribution(found[2].split(","))
    raise UsageError(f"--over {text}: expected FIELD=LOW..HIGH, FIELD=LOW..HIGH:log with LOW above 0, or FIELD=A,B,C")


def usual_ranges(runs: Runs) -> list[str]:
    """Return ranges of rate, batch, regularisation and rank around the recipe's values, if its objective takes them."""
    config, adapter = runs.config, runs.config.adapter
    batch, inside = config.global_batch_tokens, f"models.{runs.model}.adapter"
    choices: dict[str, set[int] | set[float]] = {
        "global_batch_tokens": {max(config.sequence_length, batch // 2), batch, 2 * batch},
        "weight_decay": {0.0, 0.1, config.weight_decay},
    }
    if adapter:
        choices[f"{inside}.dropout"] = {0.0, 0.1, adapter.dropout}
        choices[f"{inside}.rank"] = {max(1, adapter.rank // 4), adapter.rank, 4 * adapter.rank}
    else:
        choices["dropout"] = {0.0, 0.1, config.dropout}
    over = [f"learning_rate={config.learning_rate / 4:g}..{config.learning_rate * 4:g}:log"]
    for field, values in choices.items():
        with suppress(ValueError, UsageError):
            for value in values:
                runs.open({field: value})
            over.append(f"{field}={','.join(map(str, sorted(values)))}")
    return over


def with_steps(runs: Runs, values: Changed) -> Changed:
    """Return settings with as many steps as changed batches need to read as many tokens as the recipe does."""
    if "global_batch_tokens" not in values or "steps" in values:
        return values
    share = runs.config.global_batch_tokens / int(str(values["global_batch_tokens"]))
    counts = {"steps": runs.config.steps, "validation_steps": runs.config.validation_steps}
    return {**values, **{name: max(1, round(int(count) * share)) for name, count in counts.items()}}


def _ask(this: Search, trials: int) -> Trial | None:
    """Return a new trial, or None if there are enough. A lock keeps processes from choosing the same values."""
    with locked(this.file.with_suffix(".ask"), lambda line: None):
        before = this.study.get_trials(deepcopy=False)
        if sum(map(_counts, before)) >= trials:
            return None
        this.study.sampler = optuna.samplers.TPESampler(seed=this.seed * 10_007 + len(before))
        return this.study.ask(dict(this.ranges))


def _counts(trial: FrozenTrial) -> bool:
    """Return whether a trial counts: it was not cut off by a kill or a stop, and it is not waiting."""
    return trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") or "fault" in trial.user_attrs


def _try(this: Search, trial: Trial) -> None:
    runs, study, changed = this.runs, this.study, with_steps(this.runs, trial.params)
    print(f"trial {trial.number}: {_in_words(trial.params)}", file=sys.stderr, flush=True)

    def seen(share: float, loss: float) -> None:
        trial.report(loss, round(100 * share))
        if share < 1 and trial.should_prune():
            raise TrialPruned

    try:
        run = runs.train(changed, seen=None if this.vocabulary_varies else seen)
        score = run.loss
        if this.vocabulary_varies:
            task = PerplexityConfig(data=str(runs.config.validation))
            score = runs.bits_per_byte(changed, {"validation": task})[0]["validation"].value
    except TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (Stopped, KeyboardInterrupt):
        _put_back(this, trial)
        raise
    except (LmworksError, ValueError) as error:  # such as heads that do not divide a width, or a rate that diverges
        trial.set_user_attr("fault", str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        trial.set_user_attr("seconds", run.seconds)
        trial.set_user_attr("parameters", run.parameters)
        study.tell(trial, score)


def _put_back(this: Search, trial: Trial | FrozenTrial) -> None:
    """Close a trial that was cut off, and put its values in the queue again."""
    if len(trial.params) == len(this.over):
        this.study.enqueue_trial(trial.params)
    this.study.tell(trial.number, state=TrialState.FAIL)


@contextmanager
def _beside_others(this: Search) -> Iterator[None]:
    """Share the study's lock, which ends with its process. The first holder queues trials that were cut off."""
    with this.file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another process works on this study, too", file=sys.stderr)
        else:
            if not this.study.trials:
                first = dict[str, Any]()
                for name, values in this.ranges.items():
                    own = this.runs.own(name)
                    if hasattr(values, "choices"):
                        first |= {name: str(own)} if str(own) in values.choices else {}
                    elif own is not None and values.low <= own <= values.high:
                        first[name] = own
                this.study.enqueue_trial(first)
            for trial in this.study.get_trials(states=(TrialState.RUNNING,)):
                _put_back(this, trial)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _outcome(this: Search) -> Outcome:
    runs, study = this.runs, this.study
    trials = [
        {
            "number": trial.number,
            "state": "failed" if trial.state.name == "FAIL" else trial.state.name.lower(),
            "values": trial.params,
            "score": trial.value if trial.state.name == "COMPLETE" else None,
            **trial.user_attrs,
        }
        for trial in study.trials
        if trial.state.is_finished() and _counts(trial)
    ]
    ended = sorted((trial for trial in trials if trial["state"] == "complete"), key=lambda trial: trial["score"])
    if not ended:
        faults = "; ".join(sorted({trial["fault"] for trial in trials if "fault" in trial}))
        raise LmworksError(f"no trial of {runs.model} was completed: {faults or 'none began in the given minutes'}")
    front: list[dict[str, Any]] = []
    for trial in sorted(ended, key=lambda trial: (trial["seconds"], trial["score"])):
        if not front or trial["score"] < front[-1]["score"]:
            front.append(trial)
    importance: dict[str, float] = {}
    if len(ended) >= ENOUGH_FOR_IMPORTANCE and len(this.over) > 1:
        importance = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    measure = "bits per byte of validation data" if this.vocabulary_varies else "validation loss, nats per token"
    settings = [runs.setting(name, value) for name, value in with_steps(runs, ended[0]["values"]).items()]
    remarks = {trial["number"]: "on the Pareto front" for trial in front}
    rows = [
        {**trial, "settings": _in_words(trial["values"]), "": remarks.get(trial["number"], trial.get("fault", ""))}
        for trial in sorted(trials, key=lambda trial: (trial["score"] is None, trial["score"] or 0.0))
    ]
    words = [
        f"over {' '.join(this.over)}",
        *table(rows, SHOWN),
        *([f"importance: {_in_words(importance)}"] if importance else []),
        f"score: {measure}; the best of several flatters itself, so judge it on data that chose nothing",
        "best: " + " ".join(f"--set {setting}" for setting in settings),
    ]
    points = [[(trial["seconds"], trial["score"]) for trial in group] for group in (front, ended)]
    shown = [Series("Pareto front", points[0]), Series("trials", points[1], joined=False)]
    picture = line_chart(f"Quality against time: {runs.model}", "seconds of training", measure, shown)
    figures: dict[str, Any] = {
        "over": list(this.over),
        "measure": measure,
        "settings": settings,
        "importance": importance,
    }
    figures |= {"front": [trial["number"] for trial in front], "trials": trials}
    return report(runs.plain, f"{runs.model}-search", figures, words, picture)


def _in_words(values: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
