"""A run that is watched: what its file says, a terminal, a page, and the sinks."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import make_tokenizer, pack_texts, texts
from lmworks.errors import UsageError
from lmworks.pipeline.store import Store, locked
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.loop.train import train
from lmworks.watch.follow import find_run, read_standing
from lmworks.watch.page import render as as_page
from lmworks.watch.terminal import as_text, curve, follow, render
from support import make_context, make_manifest

SHAPE = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "sequence_length": 48}
SETTINGS = {"global_batch_tokens": 192, "data_type": "float32", "threads": 1, "compile": False, "steps": 6}
CONFIG = {"steps": 100, "tokens_per_step": 192}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def rows(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return pack_texts(tmp_path_factory.mktemp("texts"), tokenizer, texts(), 48)


@pytest.fixture
def run(tmp_path: Path, tokenizer: TokenizerFolder, rows: Shards) -> Path:
    """The file of a training that ran with two sinks, in a store; its last line is being written."""
    store = Store(tmp_path / "store")
    work = store.work("k" * 32)
    (work / "step").write_text("pretrain")
    context = make_context(work)
    log_to = {"jsonl": "logs/run.jsonl", "tensorboard": "boards"}
    fields = {"from": "scratch", "data": "rows", **SHAPE, **SETTINGS, "validation_steps": 3, "log_to": log_to}
    config = CausalLMConfig.model_validate(fields).resolve(tmp_path).model_copy(update={"step_name": "pretrain"})
    train(config, None, rows, tokenizer, rows, None, out=tmp_path / "out", context=context)
    live = work / "scratch" / "live.jsonl"
    with live.open("a") as file:
        file.write('{"step": 7, "lo')
    return live


def test_a_run_is_found_and_read_while_it_writes(run: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert find_run(store, None) == find_run(store, "pretrain") == run
    with pytest.raises(UsageError, match=r"no training run of 'finetune'.*there are runs of pretrain"):
        find_run(store, "finetune")
    standing = read_standing(run)
    assert (standing.name, standing.done, standing.steps) == ("pretrain", 6, 6)
    history = [json.loads(line) for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    assert standing.series("loss") == [(line["step"], line["loss"]) for line in history]
    assert [step for step, _ in standing.series("validation_bits_per_byte")] == [3, 6]
    for line in standing.lines:
        assert line["bits_per_byte"] > 0 and line["tokens_per_second"] > 0 and 0 < line["model_flops_utilisation"] < 1
    assert "step 6 of 6, 0.0 s left" in as_text(standing)


def test_a_run_that_nobody_works_on_has_stopped(run: Path) -> None:
    lock = run.parents[1] / "lock"
    with locked(lock, print):
        assert "0.0 s left" in as_text(read_standing(run))
    standing = read_standing(run)
    assert as_text(standing).startswith("step 6 of 6, stopped: `lmworks build` continues, ")
    assert standing.stopped and standing.seconds_left is None
    page = as_page(read_standing(run))
    assert "stopped" in page and " left" not in page


def test_where_nothing_was_trained_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training has begun"):
        find_run(Store(tmp_path), None)


def test_steps_that_are_done_again_replace_those_before(tmp_path: Path) -> None:
    records = [{"run": "m", "config": CONFIG}, *({"step": n, "loss": 9 - n, "seconds": n * 2.0} for n in (1, 2, 3, 4))]
    again = [{"run": "m", "config": CONFIG}, {"step": 3, "loss": 7.5, "seconds": 20.0}]
    path = tmp_path / "live.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in [*records, *again]))
    standing = read_standing(path)
    assert standing.series("loss") == [(1, 8), (2, 7), (3, 7.5)]
    assert standing.seconds_left == pytest.approx((20 - 2) / 2 * 97)


def test_the_terminal_shows_what_is_known(run: Path) -> None:
    from rich.console import Console

    console = Console(width=80, record=True, file=StringIO())
    console.print(render(read_standing(run)))
    text = console.export_text()
    for title in ("pretrain: step 6 of 6", "loss", "validation loss", "bits per byte", "accuracy", "MFU"):
        assert title in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_run_that_has_ended_is_shown_once(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store")
    store.publish(tmp_path / "out", make_manifest(step="tuned", stage="train", config={"steps": 6}))
    follow(find_run(store, "tuned"))
    shown = capsys.readouterr().out
    assert "tuned: step 6 of 6, finished" in shown and "validation loss" in shown


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 60))
def test_a_curve_fits_its_place_and_rises_with_its_values(values: list[float], width: int) -> None:
    drawn = curve(values, width)
    assert len(drawn) == min(width, len(values))
    rising = curve(sorted(values), width)
    assert list(rising) == sorted(rising)


def test_the_page_draws_every_curve(run: Path) -> None:
    page = as_page(read_standing(run))
    assert "pretrain" in page and page.count("<svg") >= 6


def test_sinks_hold_what_the_run_told(run: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses = read_standing(run).series("loss")
    board = EventAccumulator(str(tmp_path / "boards" / "pretrain"))
    board.Reload()
    assert [(event.step, pytest.approx(event.value)) for event in board.Scalars("loss")] == losses
    lines = [json.loads(line) for line in (tmp_path / "logs" / "run.jsonl").read_text().splitlines()]
    assert lines[0]["config"]["hidden_size"] == 32
    assert [(line["step"], line["loss"]) for line in lines[1:]] == losses


def test_a_sink_that_is_not_installed_is_named(tmp_path: Path, tokenizer: TokenizerFolder, rows: Shards) -> None:
    fields = {"from": "scratch", "data": "rows", **SHAPE, **SETTINGS, "log_to": {"mlflow": "http://127.0.0.1:1"}}
    with pytest.raises(UsageError, match="pip install mlflow"):
        config = CausalLMConfig.model_validate(fields)
        train(config, None, rows, tokenizer, None, None, out=tmp_path / "out", context=make_context(tmp_path))
