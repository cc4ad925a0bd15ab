"""Search settings for the lowest validation loss: Optuna proposes, the store trains, bad trials end early.

A study is a file of the store (SQLite): the same command goes on with it, after a kill too, and several processes may
work on it at once. A proposal is a function of the seed and of what was tried before.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna import Study, Trial
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from lmworks.errors import LmworksError, Stopped, UsageError
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.store import locked
from lmworks.pipeline.work.ray_workers import RayWorkers
from lmworks.pipeline.work.workers import Execute, in_processes
from lmworks.release.render.charts import Series, line_chart
from lmworks.search.runs import Outcome, Runs

ENOUGH_FOR_IMPORTANCE = 8
"""Finished trials below which shares of importance are chance."""


def parse_range(text: str) -> tuple[str, Any]:
    """`field=low..high`, `field=low..high:log` or `field=a,b,c`, as Optuna has it; raises `UsageError`."""
    with suppress(ValueError):
        if found := re.fullmatch(r"([\w.-]+)=([^,]+?)\.\.([^,]+?)(:log)?", text):
            field, low, high, log = found.groups()
            if re.fullmatch(r"-?[0-9]+\.\.-?[0-9]+", f"{low}..{high}"):
                return field, IntDistribution(int(low), int(high), log=bool(log))
            return field, FloatDistribution(float(low), float(high), log=bool(log))
        if found := re.fullmatch(r"([\w.-]+)=([^,]+(?:,[^,]+)+)", text):
            return found[1], CategoricalDistribution(found[2].split(","))
    raise UsageError(f"--over {text}: expected FIELD=LOW..HIGH, FIELD=LOW..HIGH:log with LOW above 0, or FIELD=A,B,C")


@dataclass(frozen=True)
class Job:
    """What a process that works on a study must know."""

    path: Path
    settings: Sequence[str]
    store: Path | None
    model: str
    over: Sequence[str]
    trials: int
    ends: float | None
    """Time after which no trial begins, in seconds since the epoch."""
    seed: int
    file: Path

    @property
    def vocabulary_varies(self) -> bool:
        """Losses a token then cannot be compared."""
        return any(each.startswith("tokenizer.") for each in self.over)

    def open(self, seed: int = 0) -> Study:
        """The study, made when missing."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return optuna.create_study(
            study_name=self.file.stem,
            storage=f"sqlite:///{self.file}?timeout=60",  # seconds that another process may take to write
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )


def search(
    path: Path,
    settings: Sequence[str],
    store: Path | None,
    model: str,
    over: Sequence[str],
    *,
    trials: int,
    minutes: float | None = None,
    workers: int = 1,
    ray: str | None = None,
    seed: int = 0,
) -> Outcome:
    """Go on with the study of these ranges until it has so many trials; of none, of the usual ones.

    The first trial has the recipe's own values where the ranges hold them. `workers` trials run at once, each on its
    share of the cores; on Ray where `ray` says so. Raises `UsageError` for a range of no field, `LmworksError` if no
    trial ended.
    """
    runs = Runs(path, settings, store, model, PlainDisplay(sys.stderr))
    over = over or usual_ranges(runs)
    for field, values in map(parse_range, over):
        with suppress(ValueError):  # of a shape that cannot be: its trial fails alone
            runs.open({field: values.choices[0] if hasattr(values, "choices") else values.low})
    nodes = [[node.name, key_config(node.config)] for node in runs.plain.build.nodes]
    name = digest_text(canonical_json([nodes, model, list(over), seed]))[:16]
    file = (runs.plain.store.root / "studies" / f"{runs.plain.recipe.name}-{model}-{name}.sqlite").absolute()
    file.parent.mkdir(exist_ok=True)
    ends = time.time() + minutes * 60 if minutes is not None else None
    cores = [runs.setting("threads", max(1, (os.cpu_count() or 1) // workers))] if workers > 1 else []
    place = path.absolute(), [*runs.settings, *cores], runs.plain.store.root.absolute()
    job = Job(*place, model, over, trials, ends, seed, file)
    with _beside_others(job, runs):
        where: AbstractContextManager[Execute] = nullcontext(in_processes) if ray is None else RayWorkers(ray)
        with where as execute:
            for _ in execute(work, [job] * workers, workers):
                pass
    return _outcome(job, runs)


def usual_ranges(runs: Runs) -> list[str]:
    """Of rate, batch, regularisation and rank, around what the recipe has; what its objective refuses is left out."""
    config, adapter = runs.config, runs.config.adapter
    batch, inside = config.global_batch_tokens, f"models.{runs.model}.adapter"
    choices: dict[str, set[int] | set[float]] = {
        "global_batch_tokens": {max(config.sequence_length, batch // 2), batch, 2 * batch},
        "weight_decay": {0.0, 0.1, config.weight_decay},
        "dropout": {0.0, 0.1, config.dropout},
    }
    if adapter:
        del choices["dropout"]
        choices[f"{inside}.dropout"] = {0.0, 0.1, adapter.dropout}
        choices[f"{inside}.rank"] = {max(1, adapter.rank // 4), adapter.rank, 4 * adapter.rank}
    over = [f"learning_rate={config.learning_rate / 4:g}..{config.learning_rate * 4:g}:log"]
    for field, values in choices.items():
        with suppress(ValueError, UsageError):
            for value in values:
                runs.open({field: value})
            over.append(f"{field}={','.join(map(str, sorted(values)))}")
    return over


def with_steps(runs: Runs, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings; where batches vary, with steps that read as many tokens as the recipe: larger ones would read more."""
    batch = values.get("global_batch_tokens")
    if batch is None or "steps" in values:
        return values
    share = runs.config.global_batch_tokens / int(batch)
    counts = {"steps": runs.config.steps, "validation_steps": runs.config.validation_steps}
    return {**values, **{name: max(1, round(int(count) * share)) for name, count in counts.items()}}


def work(job: Job) -> int:
    """Try settings until there are enough trials or the time is over."""
    runs = Runs(job.path, job.settings, job.store, job.model, PlainDisplay(sys.stderr))
    while (job.ends is None or time.time() < job.ends) and (asked := _ask(job)):
        _try(job, runs, *asked)
    return 0


def _ask(job: Job) -> tuple[Study, Trial] | None:
    """A trial, or None when there are enough. One process asks at a time, so none asks for the same."""
    with locked(job.file.with_suffix(".ask"), lambda line: None):
        before = job.open().get_trials(deepcopy=False)
        if sum(_counts(each) for each in before) >= job.trials:
            return None
        study = job.open(job.seed * 10_007 + len(before))
        trial = study.ask(dict(map(parse_range, job.over)))
        return study, trial


def _counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: all but those that a kill or a stop cut off, and those that wait."""
    return trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") or "fault" in trial.user_attrs


class _Pruned(Exception):
    """The trial is worse than others were at its point."""


def _try(job: Job, runs: Runs, study: Study, trial: Trial) -> None:
    values = trial.params
    runs.show.say(f"trial {trial.number}: {_in_words(values)}")

    def seen(share: float, loss: float) -> None:
        trial.report(loss, round(100 * share))
        if share < 1 and trial.should_prune():
            raise _Pruned

    try:
        changed = with_steps(runs, values)
        run = runs.train(changed, seen=None if job.vocabulary_varies else seen)
        score = runs.bits_per_byte(changed) if job.vocabulary_varies else run.loss
    except _Pruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (Stopped, KeyboardInterrupt):
        _put_back(study, trial.number, trial.params, job)
        raise
    except (LmworksError, ValueError) as error:  # such as heads that do not divide a width, or a rate that diverges
        trial.set_user_attr("fault", str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        for name, value in (("seconds", run.seconds), ("parameters", run.parameters)):
            trial.set_user_attr(name, value)
        study.tell(trial, score)


def _put_back(study: Study, number: int, values: dict[str, Any], job: Job) -> None:
    """Close a trial that was cut off, and have its values tried again."""
    if len(values) == len(job.over):
        study.enqueue_trial(values)
    study.tell(number, state=TrialState.FAIL)


@contextmanager
def _beside_others(job: Job, runs: Runs) -> Iterator[None]:
    """Share the study's lock, which dies with its process; whoever finds nobody there takes up what was cut off."""
    with job.file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            runs.show.say("another process works on this study, too")
        else:
            study = job.open()
            if not study.trials:
                first = dict[str, Any]()
                for name, values in map(parse_range, job.over):
                    value = runs.own(name)
                    if hasattr(values, "low"):
                        first |= {} if value is None else {name: value}
                    elif str(value) in values.choices:
                        first[name] = str(value)
                study.enqueue_trial(first)
            for trial in study.get_trials(states=(TrialState.RUNNING,)):
                _put_back(study, trial.number, trial.params, job)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _outcome(job: Job, runs: Runs) -> Outcome:
    study = job.open()
    trials = [
        {
            "number": each.number,
            "state": "failed" if each.state.name == "FAIL" else each.state.name.lower(),
            "values": each.params,
            "score": each.value if each.state.name == "COMPLETE" else None,
            **each.user_attrs,
        }
        for each in study.trials
        if each.state.is_finished() and _counts(each)
    ]
    ended = sorted((each for each in trials if each["state"] == "complete"), key=lambda each: each["score"])
    if not ended:
        faults = (
            "; ".join(sorted({each["fault"] for each in trials if "fault" in each})) or "none was begun in the time"
        )
        raise LmworksError(f"no trial of {job.model} came to its end: {faults}")
    front: list[dict[str, Any]] = []
    for each in sorted(ended, key=lambda each: (each["seconds"], each["score"])):
        if not front or each["score"] < front[-1]["score"]:
            front.append(each)
    importance: dict[str, float] = {}
    if len(ended) >= ENOUGH_FOR_IMPORTANCE and len(job.over) > 1:
        importance = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    measure = "bits per byte of validation data" if job.vocabulary_varies else "validation loss, nats a token"
    settings = [runs.setting(name, value) for name, value in with_steps(runs, ended[0]["values"]).items()]
    words = [f"over {' '.join(job.over)}", f"{'trial':>5} {'score':>8} {'seconds':>8} {'parameters':>11}  settings"]
    for each in [*ended, *(each for each in trials if each["state"] != "complete")]:
        known = f"{each['state']:>29}"
        if each["state"] == "complete":
            known = f"{each['score']:8.4f} {each['seconds']:8.1f} {each['parameters']:>11,}"
        mark = "  on the Pareto front" if each in front else ""
        words.append(f"{each['number']:5} {known}  {_in_words(each['values'])}{mark}  {each.get('fault', '')}".rstrip())
    words += [f"importance: {_in_words(importance)}"] if importance else []
    words.append(f"score: {measure}; the best of several flatters itself, so judge it on data that chose nothing")
    words.append("best: " + " ".join(f"--set {each}" for each in settings))
    drawn = [[(each["seconds"], each["score"]) for each in group] for group in (front, ended)]
    shown = [Series("Pareto front", drawn[0]), Series("trials", drawn[1], joined=False)]
    picture = line_chart(f"Quality against time: {job.model}", "seconds of training", measure, shown)
    numbers = [each["number"] for each in front]
    figures = {
        "over": list(job.over),
        "measure": measure,
        "settings": settings,
        "front": numbers,
        "importance": importance,
        "trials": trials,
    }
    return runs.report("search", figures, words, picture)


def _in_words(values: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
