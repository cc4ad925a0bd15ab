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
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from markupsafe import Markup

from lmworks.errors import LmworksError, Stopped, UsageError
from lmworks.pipeline.build import key_config
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.ray_workers import RayWorkers
from lmworks.pipeline.workers import Execute, in_processes
from lmworks.release.charts import Series, line_chart
from lmworks.search.runs import Runs

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

ENOUGH_FOR_IMPORTANCE = 8
"""Finished trials below which shares of importance are chance."""
WAIT_SECONDS = 60
"""For another process to end its write."""


@dataclass(frozen=True)
class Range:
    """Values that a field may take: choices, or numbers from `low` to `high`."""

    field: str
    choices: Sequence[str] = ()
    low: float = 0
    high: float = 0
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def suggest(self, trial: Trial) -> object:
        """A value proposed."""
        if self.choices:
            return trial.suggest_categorical(self.field, self.choices)
        if self.whole:
            return trial.suggest_int(self.field, cast(int, self.low), cast(int, self.high), log=self.log)
        return trial.suggest_float(self.field, self.low, self.high, log=self.log)

    def holds(self, value: object) -> bool:
        """Whether a value of the recipe lies inside."""
        if self.choices:
            return str(value) in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high


def parse_range(text: str) -> Range:
    """`field=low..high`, `field=low..high:log` or `field=a,b,c`; raises `UsageError`."""
    number = r"[-+]?[0-9.]*[0-9](?:e[-+]?[0-9]+)?"
    if found := re.fullmatch(rf"([\w.-]+)=({number})\.\.({number})(:log)?", text, re.IGNORECASE):
        field, *ends, log = found.groups()
        whole = all(re.fullmatch(r"[-+]?[0-9]+", end) for end in ends)
        try:
            low, high = (int(end) if whole else float(end) for end in ends)
            if low < high and (low > 0 or not log):
                return Range(field, low=low, high=high, log=bool(log))
        except ValueError:
            pass
    elif (found := re.fullmatch(r"([\w.-]+)=([^,]+(?:,[^,]+)+)", text)) and ".." not in text:
        return Range(found[1], choices=found[2].split(","))
    raise UsageError(f"--over {text}: expected FIELD=LOW..HIGH, FIELD=LOW..HIGH:log with LOW above 0, or FIELD=A,B,C")


@dataclass(frozen=True)
class Job:
    """What a process that works on a study must know."""

    path: Path
    settings: Sequence[str]
    store: Path | None
    model: str
    ranges: Sequence[Range]
    trials: int
    ends: float | None
    """Time after which no trial begins, in seconds since the epoch."""
    seed: int
    file: Path
    name: str

    @property
    def vocabulary_varies(self) -> bool:
        """Losses a token then cannot be compared."""
        return any(each.field.startswith("tokenizer.") for each in self.ranges)

    def open(self, seed: int = 0) -> Study:
        """The study, made when missing."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        wait = {"connect_args": {"timeout": WAIT_SECONDS}}
        return optuna.create_study(
            study_name=self.name,
            storage=optuna.storages.RDBStorage(f"sqlite:///{self.file}", engine_kwargs=wait),
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )


@dataclass(frozen=True)
class Tried:
    """One trial."""

    number: int
    state: str
    """`complete`, `pruned` or `failed`."""
    values: Mapping[str, Any]
    score: float | None
    seconds: float | None
    """Of training."""
    parameters: int | None
    fault: str | None


@dataclass(frozen=True)
class Found:
    """All trials of a study so far."""

    model: str
    measure: str
    settings: Sequence[str]
    """Of the best trial, as `--set` takes them."""
    trials: Sequence[Tried]
    importance: Mapping[str, float]

    @property
    def ended(self) -> list[Tried]:
        """Trials that were trained to their end, best first."""
        return sorted((each for each in self.trials if each.state == "complete"), key=lambda each: each.score or 0)

    @property
    def front(self) -> list[Tried]:
        """Trials that no other beats in both score and time, fastest first (Pareto)."""
        front: list[Tried] = []
        for each in sorted(self.ended, key=lambda each: (each.seconds, each.score)):
            if not front or cast(float, each.score) < cast(float, front[-1].score):
                front.append(each)
        return front

    def as_json(self) -> dict[str, object]:
        """All of it, for programs."""
        trials, front = [asdict(each) for each in self.trials], [each.number for each in self.front]
        best = {"number": self.ended[0].number, "settings": self.settings}
        about = {"model": self.model, "measure": self.measure, "best": best, "front": front}
        return {**about, "importance": self.importance, "trials": trials}

    def in_words(self) -> str:
        """For a terminal."""
        lines = [f"{'trial':>5} {'score':>8} {'seconds':>8} {'parameters':>11}  settings"]
        front = {each.number for each in self.front}
        for each in [*self.ended, *(each for each in self.trials if each.state != "complete")]:
            known = (
                f"{each.score:8.4f} {each.seconds:8.1f} {each.parameters:>11,}" if each.score else f"{each.state:>29}"
            )
            values = ", ".join(f"{name} {_short(value)}" for name, value in each.values.items())
            mark = "  fastest at its score" if each.number in front else ""
            fault = f"  {each.fault.splitlines()[0]}" if each.fault else ""
            lines.append(f"{each.number:5} {known}  {values}{mark}{fault}")
        if self.importance:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in self.importance.items())
            lines.append(f"importance: {shares}")
        chosen = " ".join(f"--set {each}" for each in self.settings)
        lines += [
            f"score: {self.measure}; the best of several flatters itself, so judge it on data that chose nothing",
            f"best: {chosen}",
        ]
        return "\n".join(lines)

    def picture(self) -> Markup:
        """Scores over training time, with the front."""
        front, others = (
            [(cast(float, each.seconds), cast(float, each.score)) for each in group]
            for group in (self.front, self.ended)
        )
        shown = [Series("Pareto front", front), Series("trials", others, joined=False)]
        return line_chart(f"Quality against time: {self.model}", "seconds of training", self.measure, shown)


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
) -> tuple[Found, Path]:
    """Go on with the study of these ranges until it has so many trials. Returns the picture, too.

    The first trial is the recipe's own where the ranges hold it. `workers` trials run at once, each on its share of the
    cores; on Ray where `ray` says so. Raises `UsageError` for a range of no field, `LmworksError` if no trial ended.
    """
    ranges, show = [parse_range(each) for each in over], PlainDisplay(sys.stderr)
    runs = Runs(path, settings, store, model, show)
    for each in ranges:
        runs.open({each.field: each.choices[0] if each.choices else each.low})
    pinned = list(runs.settings)
    if workers > 1:
        pinned.append(runs.setting("threads", max(1, (os.cpu_count() or 1) // workers)))
    nodes = [[node.name, key_config(node.config)] for node in runs.plain.build.nodes]
    name = digest_text(canonical_json([nodes, model, [asdict(each) for each in ranges], seed]))[:16]
    file = (runs.plain.store.root / "studies" / f"{runs.plain.recipe.name}-{model}-{name}.sqlite").absolute()
    ends = time.time() + minutes * 60 if minutes is not None else None
    job = Job(path.absolute(), pinned, store and store.absolute(), model, ranges, trials, ends, seed, file, name)
    with _beside_others(job, runs):
        place: AbstractContextManager[Execute] = nullcontext(in_processes) if ray is None else RayWorkers(ray)
        with place as execute:
            for _ in execute(work, [job] * workers, workers):
                pass
    found = _found(job, runs)
    return found, runs.report("search", found.picture(), found.as_json())


def work(job: Job) -> int:
    """Try settings until there are enough trials or the time is over. Returns how many this process tried."""
    runs = Runs(job.path, job.settings, job.store, job.model, PlainDisplay(sys.stderr))
    tried = 0
    while job.ends is None or time.time() < job.ends:
        before = job.open().get_trials(deepcopy=False)
        if sum(_counts(each) for each in before) >= job.trials:
            break
        _try(job, runs, job.open(job.seed * 10_007 + len(before)))
        tried += 1
    return tried


def _counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: all but those that a kill or a stop cut off, and those that wait."""
    return trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") or "fault" in trial.user_attrs


class _Pruned(Exception):
    """The trial is worse than others were at its point."""


def _try(job: Job, runs: Runs, study: Study) -> None:
    from optuna.trial import TrialState

    trial = study.ask()
    values = {each.field: each.suggest(trial) for each in job.ranges}
    runs.show.say(f"trial {trial.number}: " + ", ".join(f"{name} {_short(value)}" for name, value in values.items()))

    def seen(share: float, loss: float) -> None:
        trial.report(loss, round(100 * share))
        if share < 1 and trial.should_prune():
            raise _Pruned

    try:
        run = runs.train(values, None if job.vocabulary_varies else seen)
        score = runs.bits_per_byte(values) if job.vocabulary_varies else run.loss
    except _Pruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (Stopped, KeyboardInterrupt):
        study.enqueue_trial(trial.params)
        study.tell(trial, state=TrialState.FAIL)
        raise
    except (LmworksError, ValueError) as error:  # such as heads that do not divide a width, or a rate that diverges
        trial.set_user_attr("fault", str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        for name, value in (("seconds", run.seconds), ("parameters", run.parameters), ("key", run.artifact.key)):
            trial.set_user_attr(name, value)
        study.tell(trial, score)


@contextmanager
def _beside_others(job: Job, runs: Runs) -> Iterator[None]:
    """Share the study's lock, which dies with its process; whoever finds nobody there takes up what was cut off."""
    from optuna.trial import TrialState

    job.file.parent.mkdir(parents=True, exist_ok=True)
    with job.file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            runs.show.say("another process works on this study, too")
        else:
            study = job.open()
            if not study.trials and (own := _own(job, runs)):
                study.enqueue_trial(own)
            for trial in study.get_trials(states=(TrialState.RUNNING,)):
                if len(trial.params) == len(job.ranges):
                    study.enqueue_trial(trial.params)
                study.tell(trial.number, state=TrialState.FAIL)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _own(job: Job, runs: Runs) -> dict[str, Any] | None:
    """The recipe's own values, if every range holds them."""
    values: dict[str, Any] = {}
    for each in job.ranges:
        value: Any = runs.plain.recipe if "." in each.field else runs.config
        for key in each.field.split("."):
            models = getattr(value, "models", {}) | getattr(value, "data", {}) if value is runs.plain.recipe else {}
            value = models[key] if key in models else getattr(value, key, None)
        if not each.holds(value):
            return None
        values[each.field] = str(value) if each.choices else value
    return values


def _found(job: Job, runs: Runs) -> Found:
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    study = job.open()
    trials = [
        Tried(
            each.number,
            {"COMPLETE": "complete", "PRUNED": "pruned"}.get(each.state.name, "failed"),
            each.params,
            each.value if each.state.name == "COMPLETE" else None,
            each.user_attrs.get("seconds"),
            each.user_attrs.get("parameters"),
            each.user_attrs.get("fault"),
        )
        for each in study.trials
        if each.state.is_finished() and _counts(each)
    ]
    ended = [each for each in trials if each.state == "complete"]
    if not ended:
        faults = "; ".join(sorted({each.fault for each in trials if each.fault})) or "none was begun in the time given"
        raise LmworksError(f"no trial of {job.model} came to its end: {faults}")
    importance: dict[str, float] = {}
    if len(ended) >= ENOUGH_FOR_IMPORTANCE and len(job.ranges) > 1:
        importance = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    best = min(ended, key=lambda each: each.score or 0)
    settings = [runs.setting(name, value) for name, value in best.values.items()]
    measure = "bits per byte of validation data" if job.vocabulary_varies else "validation loss, nats a token"
    return Found(job.model, measure, settings, trials, importance)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
