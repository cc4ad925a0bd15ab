"""A run on two processes is the run on one, whoever begins it and whoever goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from lmworks.errors import LmworksError, Stopped
from lmworks.pipeline.stage import Result
from lmworks.pipeline.work.journal import FileJournal
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.distributed import launch
from lmworks.train.distributed.launch import torchrun
from lmworks.train.loop.train import train
from support import Quiet, make_context

pytestmark = pytest.mark.slow
SETTINGS: dict[str, Any] = {
    "from": "scratch",
    "data": "x",
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "num_key_value_heads": 2,
    "sequence_length": 48,
    "global_batch_tokens": 192,
    "micro_batch_rows": 1,
    "steps": 50,
    "warmup_steps": 2,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
    "checkpoint_steps": 10,
    "validation_steps": 25,
    "validation_rows": 2,
}
ADAMW = {"optimizer": "adamw", "learning_rate": 0.002}


@pytest.fixture
def run(tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path) -> Any:
    """Train in a folder, where an earlier run may have left checkpoints."""

    def go(
        name: str, stop: int = 0, progress: Quiet | None = None, **values: Any
    ) -> tuple[Result, list[dict[str, Any]], dict[str, torch.Tensor]]:
        work = tmp_path / name
        work.mkdir(exist_ok=True)
        context = make_context(work, FileJournal(work / "progress.jsonl"))
        progress = StopAfter(stop * 192) if stop else progress
        context = replace(context, progress=progress or Quiet())
        config = CausalLMConfig.model_validate({**SETTINGS, **values})
        result = train(config, None, rows, tokenizer, rows, None, out=work / "out", context=context)
        lines = [json.loads(line) for line in (work / "out" / "history.jsonl").read_text().splitlines()]
        return result, lines, load_file(work / "out" / "model.safetensors")

    return go


class StopAfter(Quiet):
    """Ends the run after so many tokens."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def update(self, done: float, **values: float | str) -> None:
        if done > self.tokens:
            raise Stopped("stopped here")


class KillOnce(Quiet):
    """Kills one of the two processes, as a machine that fails does, when checkpoints have been written."""

    def __init__(self) -> None:
        self.killed, self.steps_after = False, [99.0]

    def update(self, done: float, **values: float | str) -> None:
        if self.killed:
            self.steps_after.append(done / 192)
        elif done >= 25 * 192:
            self.killed = True
            commands = {child: child.cmdline() for child in psutil.Process().children(recursive=True)}
            workers = [child for child, words in commands.items() if words[2:4] == ["-m", "lmworks.train.loop.worker"]]
            max(workers, key=lambda child: child.pid).kill()


def difference(weights: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> float:
    assert weights.keys() == others.keys()
    return max(float((weights[name] - others[name]).abs().max()) for name in weights)


def test_two_processes_do_in_fifty_steps_what_one_does(run: Any) -> None:
    _, one, weights = run("one", **ADAMW)
    result, two, others = run("two", **ADAMW, processes=2)
    for line, other in zip(one, two, strict=True):
        assert other["loss"] == pytest.approx(line["loss"], abs=1e-5)
        assert other["gradient_norm"] == pytest.approx(line["gradient_norm"], rel=1e-4)
    assert difference(weights, others) < 1e-4
    assert result.counts["steps"] == 50 and result.figures[0].name == "validation loss"


@pytest.mark.parametrize("tensor", [1, 2])
def test_muon_and_split_matrices_take_the_same_steps(run: Any, tensor: int) -> None:
    _, one, weights = run("one", steps=3)
    _, two, others = run("two", steps=3, processes=2, tensor_parallel=tensor)
    assert two[0]["loss"] == pytest.approx(one[0]["loss"], abs=1e-5)
    assert two[0]["gradient_norm"] == pytest.approx(one[0]["gradient_norm"], rel=1e-5)
    assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], abs=1e-3)
    assert difference(weights, others) < 0.02  # bfloat16 in the orthogonalisation rounds differently


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_checkpoint_of_one_number_of_processes_loads_in_another(
    run: Any, tmp_path: Path, before: int, after: int
) -> None:
    _, straight, weights = run("straight", **ADAMW, steps=60)
    with pytest.raises(Stopped, match="stopped here"):
        run("stopped", **ADAMW, steps=60, processes=before, stop=10)
    saved = FileJournal(tmp_path / "stopped" / "progress.jsonl").records()[-1]
    assert before == 1 or (saved["stopped"] and saved["checkpoint"] > "step-000010"), "several save before they end"
    _, lines, others = run("stopped", **ADAMW, steps=60, processes=after)
    assert len(lines) == 60 and difference(weights, others) < 1e-4
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in straight], abs=1e-5)


def test_a_lost_process_is_replaced_and_nothing_is_lost(run: Any, tmp_path: Path) -> None:
    _, straight, weights = run("straight", **ADAMW, steps=30)
    killer = KillOnce()
    _, lines, others = run("killed", **ADAMW, steps=30, processes=2, progress=killer)
    assert killer.killed and min(killer.steps_after) <= 21  # it went on from a checkpoint, not from the beginning
    assert len(lines) == 30 and difference(weights, others) < 1e-4
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in straight], abs=1e-5)


def test_bfloat16_ends_inside_the_noise_of_seeds(run: Any) -> None:
    seeds = [run(f"seed{seed}", data_type="bfloat16", seed=seed)[1][-1]["validation_loss"] for seed in (0, 1, 2)]
    two = run("two", data_type="bfloat16", processes=2)[1][-1]["validation_loss"]
    assert min(seeds) - (max(seeds) - min(seeds)) <= two <= max(seeds) + (max(seeds) - min(seeds))


def test_what_a_lost_process_said_is_told(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = "import os\nif os.environ.get('LOCAL_RANK') == '1':\n    raise SystemExit('the card fell off the bus')\n"
    (tmp_path / "sitecustomize.py").write_text(fault)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setattr(launch, "MOST_RESTARTS", 0)
    with pytest.raises(LmworksError, match=r"(?s)none could be started.*last output: .*: the card fell off the bus$"):
        run("lost", processes=2)


def test_rows_that_do_not_go_evenly_are_refused(run: Any) -> None:
    with pytest.raises(LmworksError, match="3 micro-batches per step cannot be spread evenly over 2 processes"):
        run("uneven", processes=2, global_batch_tokens=144)
    with pytest.raises(LmworksError, match="found 2, into which num_key_value_heads 1 does not go evenly"):
        run("heads", processes=2, tensor_parallel=2, num_key_value_heads=1)


def test_the_nodes_of_a_slurm_job_share_the_processes() -> None:
    slurm = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7", "LMWORKS_RENDEZVOUS": "node1:29400"}
    command = torchrun(8, slurm)
    assert command[0] == "srun" and "--nproc-per-node=4" in command and "--rdzv-endpoint=node1:29400" in command
    assert "--standalone" in torchrun(2, {})
    with pytest.raises(LmworksError, match="3 processes cannot be spread evenly over 2 nodes"):
        torchrun(3, slurm)
    with pytest.raises(LmworksError, match="LMWORKS_RENDEZVOUS"):
        torchrun(2, {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7"})
