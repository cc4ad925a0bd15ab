"""Two processes on two accelerators, whose sums refuse tensors of the processor, take the steps of one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

import elsewhere
from elsewhere.collectives import Collectives
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Result
from lmworks.pipeline.work.journal import FileJournal
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.loop.train import train
from lmworks.train.memory import Layout, training_memory
from support import make_context
from train.distributed.test_processes import ADAMW, SETTINGS, difference


@pytest.fixture
def run(tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Train in a folder; other processes find so many accelerators."""

    def go(
        name: str, devices: int, memory_bytes: int = elsewhere.PLENTY, **values: Any
    ) -> tuple[Result, list[dict[str, Any]], dict[str, torch.Tensor]]:
        if devices:
            for key, value in elsewhere.environment(tmp_path / "site", devices, memory_bytes).items():
                monkeypatch.setenv(key, value)
        work = tmp_path / name
        work.mkdir(exist_ok=True)
        context = make_context(work, FileJournal(work / "progress.jsonl"))  # type: ignore[arg-type]
        config = CausalLMConfig.model_validate({**SETTINGS, "steps": 4, "validation_steps": 2, **values})
        result = train(config, None, rows, tokenizer, rows, None, out=work / "out", context=context)
        lines = [json.loads(line) for line in (work / "out" / "history.jsonl").read_text().splitlines()]
        return result, lines, load_file(work / "out" / "model.safetensors")

    return go


@pytest.mark.slow
@pytest.mark.parametrize("settings", [ADAMW, {"tensor_parallel": 2}], ids=["adamw", "muon and split matrices"])
def test_two_accelerators_take_the_steps_of_one_process(run: Any, settings: dict[str, Any]) -> None:
    _, one, weights = run("one", 0, **{name: value for name, value in settings.items() if name != "tensor_parallel"})
    result, two, others = run("two", 2, **settings, processes=2, checkpoint_steps=2)
    assert [
        figure.conditions and figure.conditions.device for figure in result.figures if figure.name == "validation loss"
    ] == [elsewhere.NAME]
    close = 1e-5 if settings == ADAMW else 1e-3  # bfloat16 in the orthogonalisation rounds differently
    assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], abs=close)
    assert two[0]["gradient_norm"] == pytest.approx(one[0]["gradient_norm"], rel=1e-4)
    assert [line.get("validation_loss") for line in two] == pytest.approx(
        [line.get("validation_loss") for line in one], abs=close
    )
    assert difference(weights, others) < (1e-4 if settings == ADAMW else 0.02)


@pytest.mark.slow
def test_a_process_holds_one_block_whole_at_a_time(run: Any, another_device: torch.device) -> None:
    deep = {**ADAMW, "hidden_size": 128, "num_layers": 8, "steps": 1}
    alone, shared = (run(name, count, **deep, processes=count or 1)[0] for name, count in (("alone", 0), ("shared", 2)))
    one, two = (result.measured["device_memory_bytes"] for result in (alone, shared))
    assert two < 0.8 * one


@pytest.mark.slow
def test_a_finished_training_is_saved_on_devices_that_the_run_itself_fills(run: Any) -> None:
    """While it is saved, a second model would not fit beside the one that was trained."""
    deep = {**ADAMW, "hidden_size": 128, "num_layers": 8, "steps": 2}
    config = CausalLMConfig.model_validate({**SETTINGS, **deep})
    shape = config.shape(400)
    needed = sum(training_memory(shape, config, 400, 0, Layout(apart=True)).values())
    result, _, weights = run("filled", 2, int(1.1 * needed), **deep, processes=2)
    assert result.counts["steps"] == 2 and sum(each.numel() for each in weights.values()) > 10**6


@pytest.mark.slow
def test_a_run_goes_on_with_accelerators(run: Any, tmp_path: Path) -> None:
    _, straight, weights = run("straight", 0, **ADAMW)
    run("stopped", 0, **ADAMW, checkpoint_steps=2)
    (tmp_path / "stopped" / "out" / "model.safetensors").unlink()  # its last checkpoint is that of step 2
    _, lines, others = run("stopped", 2, **ADAMW, processes=2, checkpoint_steps=2)
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in straight], abs=1e-5)
    assert difference(weights, others) < 1e-4


@pytest.mark.slow
def test_more_processes_than_accelerators_are_refused(run: Any) -> None:
    with pytest.raises(LmworksError, match="processes: 2 on a machine where torch finds 1 elsewhere"):
        run("many", 1, processes=2)


def test_sums_refuse_tensors_of_the_processor(tmp_path: Path, another_device: torch.device) -> None:
    store = dist.FileStore(str(tmp_path / "store"), 1)
    alone = Collectives(dist.ProcessGroupGloo(store, 0, 1), 0, 1)
    there = torch.ones(3, device=another_device)
    alone.allreduce([there]).wait()
    for refused in (
        lambda: alone.allreduce([torch.ones(3)]),
        lambda: alone.broadcast([torch.ones(3)]),
        lambda: alone.all_gather_single(torch.ones(3, device=another_device), torch.ones(3)),
    ):
        with pytest.raises(RuntimeError, match="No backend type associated with device type cpu"):
            refused()
