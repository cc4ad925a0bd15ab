"""Runs that are stopped, branched, or given what they cannot use: nothing is lost, and each says what is wrong."""

from __future__ import annotations

import dataclasses
import itertools
import json
import multiprocessing
import re
import resource
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import encoders
from corpora import (
    make_conversations,
    make_documents,
    make_preferences,
    pack_asked,
    pack_chats,
    pack_judged,
    pack_texts,
    texts,
)
from lmworks.errors import LmworksError, Stopped
from lmworks.model.decoder import Block
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Handle, Result
from lmworks.tokens.rows.pack import PackPairsConfig, pack_pairs
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train import objectives
from lmworks.train.configs.train import TrainConfig
from lmworks.train.loop.checkpoints import Position
from lmworks.train.loop.train import train
from lmworks.train.memory import available_bytes, shortage_in_words
from lmworks.train.objectives import OBJECTIVES
from lmworks.workspace import stop_flag
from quick import few
from support import MemoryJournal, Quiet, make_context

SMALL = {
    **{"from": "scratch", "data": "x", "objective": "causal-lm", "hidden_size": 32, "num_layers": 2},
    **{"sequence_length": 48, "global_batch_tokens": 96, "micro_batch_rows": 2, "warmup_steps": 2, "steps": 12},
    **{"data_type": "float32", "threads": 1, "compile": False, "checkpoint_steps": 3},
    **{"validation_steps": 4, "validation_rows": 4},
}


def run(
    folder: Path,
    rows: Shards,
    tokenizer: TokenizerFolder,
    context: Context | None = None,
    base: ModelFolder | None = None,
    watch: Handle | None = None,
    teacher: ModelFolder | None = None,
    **more: Any,
) -> Result:
    fields = {**SMALL, **({"from": "base"} if base else {}), **({"teacher": "teacher"} if teacher else {}), **more}
    known = OBJECTIVES[fields["objective"]]
    names = {info.alias or name for name, info in known.model_fields.items()}
    config: TrainConfig = known.model_validate({name: value for name, value in fields.items() if name in names})
    context = context or make_context(folder)
    return train(config, base, rows, tokenizer, rows, watch, out=folder / "out", context=context, teacher=teacher)


class Killed(BaseException):
    """Stands for SIGKILL: nobody handles it."""


def stop_after(steps: int, context: Context, how: type[BaseException] = Stopped) -> Context:
    """A context that asks the run to stop after so many steps."""
    asked = itertools.count()

    def stop() -> None:
        if next(asked) == steps:
            raise how("by the test")

    return dataclasses.replace(context, check_stop=stop)


def kill_after(steps: int, context: Context) -> Context:
    """A context in which the run is killed after so many steps."""
    return stop_after(steps, context, Killed)


def payload(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in (folder / "out").rglob("*") if file.is_file()}


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "history.jsonl").read_text().splitlines()]


def checkpoints(context: Context) -> list[str]:
    return sorted(file.name for file in context.scratch.glob("*.safetensors"))


# ---------------------------------------------------------------- every objective goes on where it was


def text_rows(folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, ModelFolder | None]:
    return pack_texts(folder / "texts", tokenizer, texts(), 48), None


def chat_rows(folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, ModelFolder | None]:
    found, _ = text_rows(folder, tokenizer)
    run(folder / "base", found, tokenizer, steps=2)
    return pack_chats(folder / "chats", tokenizer, 48), ModelFolder(folder / "base" / "out", "base")


def encoder_rows(objective: str, folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, ModelFolder | None]:
    documents = encoders.labelled(folder / "labelled")
    found, _ = encoders.pack(folder / objective, objective, documents, tokenizer)
    if objective == "masked-lm":
        return found, None
    texts_alone, _ = encoders.pack(folder / "masked-lm", "masked-lm", documents, tokenizer)
    return found, encoders.tune(folder / "base", "masked-lm", None, texts_alone, tokenizer, steps=2)


def pair_rows(folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, ModelFolder | None]:
    pairs = make_conversations(folder / "pairs")
    config = PackPairsConfig.model_validate({"from": "x", "sequence_length": 48})
    pack_pairs(config, pairs, tokenizer, out=folder / "rows", context=make_context(folder))
    return Shards(folder / "rows", "rows"), None


def judged_rows(objective: str, folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, ModelFolder | None]:
    found = pack_texts(folder / "texts", tokenizer, texts(), 96)
    run(folder / "base", found, tokenizer, steps=2, sequence_length=96)
    preferences = make_preferences(folder / "preferences")
    packed = pack_judged(folder, tokenizer, 96, preferences, alone=objective == "kto")
    return packed, ModelFolder(folder / "base" / "out", "base")


def asked_rows(folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, ModelFolder | None]:
    _, base = chat_rows(folder, tokenizer)
    return pack_asked(folder / "asked", tokenizer, 48, answer_tokens=8), base


POLICIES = ("grpo", "rloo", "rejection-sampling", "ppo")
JUDGED = ("dpo", "ipo", "kto", "orpo", "simpo", "reward")
MAKE: dict[str, Callable[[Path, TokenizerFolder], tuple[Shards, ModelFolder | None]]] = {
    "causal-lm": text_rows,
    "sft": chat_rows,
    "distillation": chat_rows,
    **{objective: partial(encoder_rows, objective) for objective in encoders.TASKS},
    "span-corruption": text_rows,
    "text-to-text": pair_rows,
    **{objective: partial(judged_rows, objective) for objective in JUDGED},
    **dict.fromkeys(POLICIES, asked_rows),
}
"""Data and base of each objective; a new objective adds itself here."""


@pytest.mark.whole
@pytest.mark.parametrize("objective", few(objectives.OBJECTIVES, 1))
@pytest.mark.parametrize(("end_at", "how", "left"), [(1, Killed, 12), (8, Killed, 6), (8, Stopped, 4)])
def test_every_objective_killed_or_stopped_and_continued_ends_with_the_same_bytes(
    objective: str, end_at: int, how: type[BaseException], left: int, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    assert objective in MAKE, f"say in MAKE above what {objective} is trained on"
    data, base = MAKE[objective](tmp_path, tokenizer)
    more: dict[str, Any] = {"objective": objective, "publish_checkpoints": [12]}
    if objective in JUDGED:
        more |= {"sequence_length": 96, "global_batch_tokens": 384, "learning_rate": 1e-3}
    if objective in POLICIES:  # a checkpoint of step 6 lies in the midst of the second rollout
        more |= {"answer_tokens": 8, "group_size": 4, "global_batch_tokens": 384, "epochs": 4, "learning_rate": 1e-3}
        more |= {"rewards": [{"kind": "length", "most": 3}, {"kind": "regex", "pattern": "[a-z ]*", "weight": 0.5}]}
    if objective == "distillation":
        more["teacher"] = base
    run(tmp_path / "straight", data, tokenizer, base=base, **more)
    context = make_context(tmp_path / "stopped", MemoryJournal())
    with pytest.raises(how):
        run(tmp_path / "stopped", data, tokenizer, stop_after(end_at, context, how), base, **more)
    result = run(tmp_path / "stopped", data, tokenizer, context, base, **more)
    assert result.measured["steps_of_this_run"] == left
    assert payload(tmp_path / "stopped") == payload(tmp_path / "straight")


# ---------------------------------------------------------------- checkpoints


def test_the_last_checkpoints_are_kept_and_a_damaged_one_costs_one_interval(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    run(tmp_path / "calm", rows, tokenizer)
    context = make_context(tmp_path / "hurt", MemoryJournal())
    with pytest.raises(Killed):
        run(tmp_path / "hurt", rows, tokenizer, kill_after(11, context))
    assert checkpoints(context) == ["step-000006.safetensors", "step-000009.safetensors"]
    newest = context.scratch / "step-000009.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    said: list[str] = []
    result = run(tmp_path / "hurt", rows, tokenizer, dataclasses.replace(context, log=said.append))
    assert result.measured["steps_of_this_run"] == 6
    assert "step-000009: not taken: the file is cut" in said[0]
    assert payload(tmp_path / "hurt") == payload(tmp_path / "calm")


def test_a_checkpoint_is_read_by_whoever_reads_safetensors(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    run(tmp_path, rows, tokenizer, publish_checkpoints=[12])
    stored = load_file(tmp_path / "out" / "checkpoints" / "step-000012.safetensors")
    model = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(stored[name], weight) for name, weight in model.items())
    assert "momentum.model.layers.0.self_attn.q_proj.weight" in stored


def test_what_goes_wrong_while_a_checkpoint_is_written_ends_the_run(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    context = make_context(tmp_path)
    (context.scratch / "step-000003.json").mkdir()
    with pytest.raises(LmworksError, match=r"step-000003: Is a directory.*goes on after the beginning"):
        run(tmp_path, rows, tokenizer, context)


@pytest.mark.parametrize("steps", [9, 12])
def test_the_best_weights_are_kept_if_asked(
    steps: int, rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    worse = {"learning_rate": 0.5, "schedule": "constant", "validation_steps": 1, "steps": steps}
    result = run(tmp_path / "best", rows, tokenizer, keep_best=True, **worse)
    losses = [line["validation_loss"] for line in history(tmp_path / "best")]
    best = losses.index(min(losses)) + 1
    assert len(losses) == steps, "it does not stop early"
    assert next(figure.value for figure in result.figures if figure.name == "validation loss") == min(losses)
    run(tmp_path / "short", rows, tokenizer, **{**worse, "steps": best})
    assert payload(tmp_path / "best")["out/model.safetensors"] == payload(tmp_path / "short")["out/model.safetensors"]


def fill_the_disk(folder: Path, rows: Shards, tokenizer: TokenizerFolder, after: int, said: Any) -> None:
    """In a process of its own: files may grow to 50 kB only, once so many steps are done."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    context = make_context(folder, MemoryJournal())
    asked = itertools.count()

    def fill() -> None:
        if next(asked) == after:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))

    try:
        run(folder, rows, tokenizer, dataclasses.replace(context, check_stop=fill))
    except LmworksError as error:
        said.put(str(error))
    said.put((checkpoints(context), [file.name for file in folder.rglob(".*")]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said.put(run(folder, rows, tokenizer, context).measured["steps_of_this_run"])


@pytest.mark.parametrize(
    ("after", "message", "kept", "left"),
    [
        (5, r"step-000006: File too large: 0.6 MB are needed, [\d,]+.\d free.*goes on after step-000003", ["3"], 9),
        (
            11,
            r"full/out: File too large: 0.2 MB are needed, [\d,]+.\d MB free.*goes on after step-000009",
            ["6", "9"],
            3,
        ),
    ],
)
@pytest.mark.slow
def test_a_full_disk_costs_no_checkpoint_and_the_run_goes_on_afterwards(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path, after: int, message: str, kept: list[str], left: int
) -> None:
    processes = multiprocessing.get_context("spawn")
    said = processes.Queue()
    child = processes.Process(target=fill_the_disk, args=(tmp_path / "full", rows, tokenizer, after, said))
    child.start()
    error, (names, unfinished), steps = (said.get(timeout=60) for _ in range(3))
    child.join()
    assert re.search(message, error) and "\n" not in error
    assert names == [f"step-00000{step}.safetensors" for step in kept] and steps == left
    assert not unfinished, "what was begun takes no room"
    run(tmp_path / "calm", rows, tokenizer)
    assert payload(tmp_path / "full") == payload(tmp_path / "calm")


def test_training_goes_on_where_nothing_can_be_told_of_it(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    run(tmp_path / "calm", rows, tokenizer)
    said: list[str] = []
    context = dataclasses.replace(make_context(tmp_path / "mute"), log=said.append)
    (context.scratch / "live.jsonl").symlink_to("/dev/full")
    run(tmp_path / "mute", rows, tokenizer, context)
    (told,) = (line for line in said if "live.jsonl" in line)
    assert "live.jsonl: No space left on device" in told and "training goes on" in told
    assert payload(tmp_path / "mute") == payload(tmp_path / "calm")


# ---------------------------------------------------------------- asked to stop


class Signals(Quiet):
    """Sends this process signals once so many steps are done."""

    def __init__(self, steps: int, *numbers: signal.Signals) -> None:
        self.tokens, self.numbers = steps * 96, numbers

    def update(self, done: float, **values: float | str) -> None:
        if done == self.tokens:
            for number in self.numbers:
                signal.raise_signal(number)


@pytest.mark.whole
@pytest.mark.parametrize(
    ("numbers", "error", "left"),
    [
        ([signal.SIGINT], Stopped, 7),
        ([signal.SIGTERM], Stopped, 7),
        ([signal.SIGINT, signal.SIGINT], KeyboardInterrupt, 9),
    ],
)
def test_a_run_that_is_asked_to_stop_saves_first_and_asked_twice_ends_at_once(
    rows: Shards,
    tokenizer: TokenizerFolder,
    tmp_path: Path,
    numbers: list[signal.Signals],
    error: type[BaseException],
    left: int,
) -> None:
    run(tmp_path / "calm", rows, tokenizer)
    said: list[str] = []
    context = dataclasses.replace(make_context(tmp_path / "asked", MemoryJournal()), log=said.append)
    with pytest.raises(error), stop_flag() as check:
        asking = dataclasses.replace(context, check_stop=check, progress=Signals(5, *numbers))
        run(tmp_path / "asked", rows, tokenizer, asking)
    assert ("saved after 5 of 12 steps" in said) == (error is Stopped)
    assert run(tmp_path / "asked", rows, tokenizer, context).measured["steps_of_this_run"] == left
    assert payload(tmp_path / "asked") == payload(tmp_path / "calm")


def test_stopped_again_and_again_it_goes_on_each_time_and_old_ones_are_dropped(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    run(tmp_path / "calm", rows, tokenizer)
    context = make_context(tmp_path / "asked", MemoryJournal())
    for steps in (0, 4, 3, 0, 1):  # 0, 4, 7, 7, 8
        with pytest.raises(Stopped):
            run(tmp_path / "asked", rows, tokenizer, stop_after(steps, context))
    assert [name[5:11] for name in checkpoints(context)] == ["000003", "000006", "000008"]
    assert run(tmp_path / "asked", rows, tokenizer, context).measured["steps_of_this_run"] == 4
    assert payload(tmp_path / "asked") == payload(tmp_path / "calm")


# ---------------------------------------------------------------- what changed under a run


def copied(rows: Shards, folder: Path, change: Callable[[Any], None]) -> Shards:
    """The rows with other tokens."""
    shutil.copytree(rows.path, folder)
    tokens = np.load(folder / "tokens.npy")
    change(tokens)
    np.save(folder / "tokens.npy", tokens)
    return Shards(folder, rows.digest)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, r"step-000006: this run began with other settings: rows was \w+, now \w+"),
        ({"learning_rate": 0.01}, "learning_rate was its default, now 0.01"),
    ],
)
def test_a_run_does_not_go_on_with_other_data_or_settings(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    def change(tokens: Any) -> None:
        tokens[7, 3] = 9 if not more else tokens[7, 3]

    context = make_context(tmp_path, MemoryJournal())
    with pytest.raises(Killed):
        run(tmp_path, rows, tokenizer, kill_after(8, context))
    with pytest.raises(LmworksError, match=message) as refused:
        run(tmp_path, copied(rows, tmp_path / "rows", change), tokenizer, context, **more)
    assert "delete" in str(refused.value)
    assert run(tmp_path, rows, tokenizer, context).measured["steps_of_this_run"] == 6


# ---------------------------------------------------------------- branches


@pytest.fixture(scope="module")
def plateau(folder: Path, rows: Shards, tokenizer: TokenizerFolder) -> ModelFolder:
    published = {"schedule": "constant", "publish_checkpoints": [5, 12]}
    run(folder / "plateau", rows, tokenizer, watch=make_documents(folder / "watch", texts(2)), **published)
    return ModelFolder(folder / "plateau" / "out", "plateau")


def test_a_branch_with_nothing_changed_is_the_straight_run(
    folder: Path, plateau: ModelFolder, rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    watch = make_documents(tmp_path / "watch", texts(2))
    result = run(tmp_path, rows, tokenizer, base=plateau, watch=watch, schedule="constant", branch_step=5)
    assert result.measured["steps_of_this_run"] == 7
    straight, branch = payload(folder / "plateau"), payload(tmp_path)
    for name in ("model.safetensors", "history.jsonl", "samples.jsonl"):
        assert branch[f"out/{name}"] == straight[f"out/{name}"], name


def test_a_position_that_an_earlier_release_stored_is_read() -> None:
    assert Position.read({"step": 3, "spikes": [2], "data_shift": 1}) == Position(step=3)


def test_a_branch_decays_from_the_plateau_and_can_be_stopped(
    plateau: ModelFolder, rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    decay = {"branch_step": 5, "steps": 10, "decay_share": 0.5}
    run(tmp_path / "a", rows, tokenizer, base=plateau, **decay)
    rates = [line["learning_rate"] / 0.02 for line in history(tmp_path / "a")]
    assert rates[2:] == pytest.approx([1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    context = make_context(tmp_path / "b", MemoryJournal())
    with pytest.raises(Stopped):
        run(tmp_path / "b", rows, tokenizer, stop_after(2, context), plateau, **decay)
    run(tmp_path / "b", rows, tokenizer, context, plateau, **decay)
    assert payload(tmp_path / "b") == payload(tmp_path / "a")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"branch_step": 7}, r"no checkpoint of step 7; published are 5, 12.*publish_checkpoints: \[7\]"),
        (
            {"branch_step": 5, "optimizer": "adamw", "learning_rate": 0.1},
            "momentum.model.layers.0.* a branch must keep shape",
        ),
    ],
)
def test_a_branch_from_what_is_not_there_is_refused(
    plateau: ModelFolder, rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(LmworksError, match=message):
        run(tmp_path, rows, tokenizer, base=plateau, steps=14, **more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"branch_step": 5}, "and there is none"),
        ({"branch_step": 12, "from": "plateau"}, "above branch_step 12"),
        ({"publish_checkpoints": [13]}, "from 1 to 12"),
    ],
)
def test_a_step_that_is_not_on_the_way_is_refused_by_the_recipe(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OBJECTIVES["causal-lm"].model_validate({**SMALL, **more})


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_computing_blocks_again_changes_no_bit(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path, dropout: float
) -> None:
    blocks: list[int] = []
    for name, again in (("kept", False), ("again", True)):
        blocks.append(0)

        def count(module: torch.nn.Module, *_: object) -> None:
            blocks[-1] += isinstance(module, Block)

        hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
        run(tmp_path / name, rows, tokenizer, dropout=dropout, steps=4, activation_checkpointing=again)
        hook.remove()
    assert blocks[1] >= blocks[0] + 4 * 2, "each of two blocks once more a step"
    assert history(tmp_path / "kept") == history(tmp_path / "again")
    model = "out/model.safetensors"
    assert payload(tmp_path / "kept")[model] == payload(tmp_path / "again")[model]


def test_a_batch_that_cannot_fit_is_refused_before_the_first_step(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    many = {"micro_batch_rows": 10**8, "global_batch_tokens": 48 * 10**8}
    with pytest.raises(LmworksError, match=r"micro_batch_rows 100000000 takes .* GiB are free: .*; \d+ would fit"):
        run(tmp_path, rows, tokenizer, **many)
    with pytest.raises(LmworksError, match="not even 1 would fit"):
        run(tmp_path, rows, tokenizer, hidden_size=2**20, num_heads=1)
    assert 2**20 < available_bytes() < 2**50


GPU = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.2 GiB is free."
)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda: torch.empty(2**46), "can't allocate memory: you tried to allocate"),
        (lambda: bytearray(2**60), "MemoryError"),
        (lambda: torch.OutOfMemoryError(GPU), "Tried to allocate 2.00 GiB"),
        (lambda: RuntimeError("CUDA error: out of memory"), "CUDA error"),
    ],
)
def test_memory_that_runs_out_after_all_is_said_in_words(fault: Callable[[], object], told: str) -> None:
    expected = rf"micro_batch_rows 4: not enough memory \(.*{told}.*\); 2 may fit: lower"

    def spend() -> None:
        if isinstance(raised := fault(), Exception):  # there is no GPU here
            raise raised

    with pytest.raises(LmworksError, match=expected) as error, shortage_in_words(4):
        spend()
    assert "\n" not in str(error.value)
    journal = MemoryJournal()
    journal.append({"checkpoint": "step-000003"})
    with pytest.raises(LmworksError, match="the same command goes on after step-000003"), shortage_in_words(4, journal):
        spend()


def test_other_faults_are_not_taken_for_a_shortage() -> None:
    with pytest.raises(RuntimeError, match="shapes"), shortage_in_words(4):
        torch.ones(2, 3) @ torch.ones(2, 3)


# ---------------------------------------------------------------- what cannot be learned from


def test_a_row_with_ids_outside_the_vocabulary_is_named(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows.open().checked_digest("x")
    monkeypatch.setattr("lmworks.tokens.rows.shards.ROWS_AT_ONCE", 4)
    assert rows.open().checked_digest("x") == whole

    def change(tokens: Any) -> None:
        tokens[5, 3] = 400

    with pytest.raises(LmworksError, match="row 5 has id 400, but the tokenizer has 400"):
        run(tmp_path, copied(rows, tmp_path / "rows", change), tokenizer)


@pytest.mark.parametrize(
    ("value", "message"),
    [(float("nan"), "lm_head.weight holds values that are not finite"), (3e38, "step 1: the loss is not a number")],
)
def test_weights_that_give_no_number_are_refused_before_anything_is_learned(
    plateau: ModelFolder,
    rows: Shards,
    tokenizer: TokenizerFolder,
    tmp_path: Path,
    value: float,
    message: str,
) -> None:
    base = shutil.copytree(plateau.path, tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"][3] = value
    save_file(weights, base / "model.safetensors")
    with pytest.raises(LmworksError, match=message):
        run(tmp_path, rows, tokenizer, base=ModelFolder(base, "base"))


def test_an_unknown_architecture_is_named_with_those_that_are_known(
    plateau: ModelFolder, rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    base = shutil.copytree(plateau.path, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"model_type": "unheard-of"}))
    with pytest.raises(LmworksError, match=r"model_type is 'unheard-of'.*llama"):
        run(tmp_path, rows, tokenizer, base=ModelFolder(base, "base"))
