from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from chat_families import write_family
from corpora import THINGS, VERBS, make_conversations, make_documents, pack_chats, pack_texts, texts
from lmworks.data.tuning.conversations import write_conversations
from lmworks.engines.request import Sampling
from lmworks.errors import LmworksError, Stopped
from lmworks.model.folder import ModelFolder, load_model
from lmworks.pipeline.stage import Context, Handle, Result
from lmworks.tokens.rows.join import JoinConfig, join_rows
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder, open_tokenizer
from lmworks.train.configs.language_model import CausalLMConfig, SftConfig
from lmworks.train.contract import Objective, Watched
from lmworks.train.loop.run import Run
from lmworks.train.loop.train import train
from lmworks.train.objectives.language_model import Sft
from lmworks.train.objectives.seq2seq import TextToText
from scripted import Script
from support import MemoryJournal, make_context, reading
from train.loop.test_recovery import Killed, kill_after

SMALL = {
    "data": "x",
    "sequence_length": 48,
    "global_batch_tokens": 192,
    "micro_batch_rows": 2,
    "steps": 12,
    "warmup_steps": 2,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
    "checkpoint_steps": 3,
    "validation_steps": 4,
    "validation_rows": 4,
}
SCRATCH = {"from": "scratch", "hidden_size": 64, "num_layers": 2, **SMALL}


@pytest.fixture(scope="module")
def watch(folder: Path) -> Handle:
    return make_documents(folder / "watch", texts(3))


@pytest.fixture(scope="module")
def base(folder: Path, tokenizer: TokenizerFolder, rows: Shards, watch: Handle) -> ModelFolder:
    pretrain(folder / "base", rows, tokenizer, make_context(folder / "base"), watch=watch)
    return ModelFolder(folder / "base" / "out", "base")


def pretrain(
    folder: Path, rows: Shards, tokenizer: TokenizerFolder, context: Context, watch: Handle | None = None, **values: Any
) -> Result:
    config = CausalLMConfig.model_validate({**SCRATCH, **values})
    return train(config, None, rows, tokenizer, rows, watch, out=folder / "out", context=context)


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "history.jsonl").read_text().splitlines()]


def payload(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "out").iterdir()}


def test_training_writes_a_model_its_history_and_its_samples(folder: Path, base: ModelFolder) -> None:
    assert set(payload(folder / "base")) == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *("history.jsonl", "samples.jsonl", "training.json"),
    }
    lines = history(folder / "base")
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[-1]["tokens"] == 12 * 192
    assert [line["step"] for line in lines if "validation_loss" in line] == [4, 8, 12]
    assert lines[-1]["validation_loss"] < lines[0]["loss"] - 0.1
    samples = [json.loads(line) for line in (base.path / "samples.jsonl").read_text().splitlines()]
    assert sorted({sample["step"] for sample in samples}) == [1, 2, 4, 8, 12], "doubling, and the last"
    assert samples[0]["prompt"] == texts(1)[0].splitlines()[0]
    assert samples[0]["reference"] in texts(1)[0]
    settings = json.loads((base.path / "training.json").read_text())
    assert settings["steps"] == 12 and "threads" not in settings


def test_samples_hold_no_personal_data(rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    context = make_context(tmp_path)
    context.progress.sample = lambda title, text: told.append((title, text))  # type: ignore[method-assign]
    watch = make_documents(tmp_path / "watch", ["Write to anna.grau@example.org today.\nHer number is +49 30 901820."])
    pretrain(tmp_path, rows, tokenizer, context, watch=watch, steps=4)
    (sample, *_) = (json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines())
    assert sample["prompt"] == told[0][0] == "Write to ‹email hidden› today."
    assert sample["reference"] == "Her number is ‹phone hidden›."


def test_a_watched_prompt_that_leaves_no_room_costs_itself(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    told: list[str] = []
    context = replace(make_context(tmp_path), log=told.append)
    watch = make_documents(tmp_path / "watch", ["It lists the tags of a bucket. " * 60, "It lists."])
    pretrain(tmp_path, rows, tokenizer, context, watch=watch, steps=2)
    samples = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    assert {(each["step"], each["prompt"]) for each in samples} == {(1, "It lists."), (2, "It lists.")}
    assert [line for line in told if "watched" in line] == ["1 watched prompts leave no room for an answer: left out"]
    watch = make_documents(tmp_path / "none", ["It lists the tags of a bucket. " * 60])
    pretrain(tmp_path / "second", rows, tokenizer, make_context(tmp_path / "second"), watch=watch, steps=2)


@pytest.mark.parametrize(("objective", "watched"), [(Sft, ["Rain?", "And hail?"]), (TextToText, ["Rain?"])])
def test_watched_prompts_are_those_that_a_model_takes(
    objective: type[Objective], watched: list[str], tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    said: list[Any] = [
        [("system", "Be short."), ("user", "Snow?"), ("assistant", "No.")],
        [("user", "Rain?"), ("assistant", "Yes.")],
        [("user", "Rain?"), ("assistant", "Yes."), ("user", "And hail?"), ("assistant", "No.")],
    ]
    turns = [[{"role": role, "content": words} for role, words in chat] for chat in said]
    (tmp_path / "chats").mkdir()
    write_conversations(
        tmp_path / "chats", [{"id": f"{n}", "messages": each, "document": ""} for n, each in enumerate(turns)]
    )
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    folder = shutil.copytree(tokenizer.path, tmp_path / "tokenizer")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings | {"chat_template": refusing + settings["chat_template"]})
    )
    found = objective.watched(Handle(tmp_path / "chats", ""), open_tokenizer(folder), 2)
    assert [each.title for each in found] == watched


def test_thoughts_stand_apart_in_samples(tmp_path: Path) -> None:
    script = Script(write_family(tmp_path / "qwen-3", "qwen-3"), "<think>\nMail anna@example.org?\n</think>\n\n4", "4")
    model = SimpleNamespace(answer=lambda *_: script.generate([[1]] * 2, Sampling(90)))
    run = SimpleNamespace(watched=[Watched("2 + 2?", [1], "4")] * 2, tokenizer=script.tokenizer)
    run.position, run.whole_model = SimpleNamespace(step=1, samples=[]), lambda: model
    run.live, run.context = SimpleNamespace(sample=lambda *_: None), make_context(tmp_path)
    Run.sample(run)  # type: ignore[arg-type]
    assert [sample["text"] for sample in run.position.samples] == ["4", "4"]
    assert [sample.get("thoughts") for sample in run.position.samples] == ["Mail ‹email hidden›?", None]


def test_an_untrained_model_already_knows_pairs_of_tokens(folder: Path, base: ModelFolder) -> None:
    assert history(folder / "base")[0]["loss"] < 0.75 * math.log(400)


@pytest.mark.whole
@pytest.mark.parametrize("kill_at", [2, 7, 11])
def test_a_run_that_was_killed_ends_with_the_same_bytes(
    kill_at: int,
    folder: Path,
    base: ModelFolder,
    tokenizer: TokenizerFolder,
    rows: Shards,
    watch: Handle,
    tmp_path: Path,
) -> None:
    context = make_context(tmp_path, MemoryJournal())
    with pytest.raises(Killed):
        pretrain(tmp_path, rows, tokenizer, kill_after(kill_at, context), watch=watch)
    for half_written in ("step-000099.safetensors", ".step-000012.json.tmp"):
        (tmp_path / "scratch" / half_written).write_bytes(b"\0")
    result = pretrain(tmp_path, rows, tokenizer, context, watch=watch)
    assert result.measured["steps_of_this_run"] == 12 - kill_at // 3 * 3
    assert payload(tmp_path) == payload(folder / "base")


def test_a_continued_run_keeps_its_threads(tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path) -> None:
    journal = MemoryJournal()
    context = make_context(tmp_path, journal)
    pretrain(tmp_path, rows, tokenizer, context, steps=1)
    pretrain(tmp_path, rows, tokenizer, context, steps=1, threads=2)
    assert [record["threads"] for record in journal.lines if "threads" in record] == [1]


@pytest.mark.whole
def test_one_process_loads_nothing_that_only_many_need() -> None:
    code = (
        "import sys, torch, lmworks.train.loop.checkpoints, lmworks.train.objectives, lmworks.train.loop.optimizer\n"
        "from lmworks.train.distributed.processes import Processes\n"
        "Processes(torch.device('cpu')).spread([])\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch.distributed.tensor", "torch.distributed.fsdp", "sympy"} & set(loaded)


def test_micro_batches_change_nothing_but_rounding(
    folder: Path, base: ModelFolder, tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path
) -> None:
    pretrain(tmp_path, rows, tokenizer, make_context(tmp_path), micro_batch_rows=4, steps=3)
    for line, other in zip(history(tmp_path), history(folder / "base"), strict=False):
        assert line["loss"] == pytest.approx(other["loss"], abs=0.02)


def test_documents_of_one_row_do_not_see_each_other(base: ModelFolder, rows: Shards) -> None:
    from lmworks.train.contract import Batch
    from lmworks.train.families.decoder import TrainableDecoder

    model = TrainableDecoder(base.open(), end_of_text=0, compiled=False)
    tokens = torch.from_numpy(rows.open().tokens[:1].astype("int64"))
    begins = int((tokens[0, 1:] == 0).nonzero()[0]) + 1
    changed = tokens.clone()
    changed[0, 1:begins] = 7
    one, other = (model.hidden(Batch(rows_, torch.ones_like(rows_)))[0] for rows_ in (tokens, changed))
    torch.testing.assert_close(one[begins:], other[begins:])
    assert not torch.allclose(one[1:begins], other[1:begins])


@pytest.mark.whole
def test_tuning_learns_answers(base: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    chats = pack_chats(tmp_path / "chats", tokenizer, 48)
    watch = make_conversations(tmp_path / "watch")
    config = SftConfig.model_validate({"from": "base", **SMALL, "steps": 60})
    train(config, base, chats, tokenizer, chats, watch, out=tmp_path / "out", context=make_context(tmp_path))
    lines = history(tmp_path)
    assert lines[-1]["loss"] < lines[0]["loss"] / 3
    samples = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    assert samples[-1]["text"] in {f"{verb} the {thing}." for verb in VERBS for thing in THINGS}
    before, after = base.open().state_dict(), load_model(tmp_path / "out").state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before if "proj" in name)


def test_the_loss_of_tuning_counts_answers_only(base: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    from lmworks.train.families.decoder import TrainableDecoder
    from lmworks.train.objectives import objective_of

    packed = pack_chats(tmp_path / "chats", tokenizer, 48).open()
    model = TrainableDecoder(base.open(), end_of_text=0, compiled=False)
    tuning, modelling = (objective_of(name)(packed, reading(4)) for name in ("sft", "causal-lm"))
    batch = tuning.batch(0, model)
    total, weight, _ = tuning.loss(model, batch)
    assert weight == float(batch.weights[:, 1:].sum())
    expected, _, _ = modelling.loss(model, batch)  # weights are 0 elsewhere
    torch.testing.assert_close(total, expected)


def test_what_the_plan_left_open_is_refused(tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match=r"steps, threads: still auto"):
        pretrain(tmp_path, rows, tokenizer, make_context(tmp_path), steps="auto", threads="auto")


def test_rows_of_another_tokenizer_or_length_are_refused(
    tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path
) -> None:
    with pytest.raises(LmworksError, match="rows of 48 tokens"):
        pretrain(tmp_path, rows, tokenizer, make_context(tmp_path), sequence_length=32)
    facts = json.loads((rows.path / "shards.json").read_text())
    other = tmp_path / "rows"
    other.mkdir()
    for file in rows.path.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "shards.json").write_text(json.dumps(facts | {"tokenizer_digest": "0" * 64}))
    with pytest.raises(LmworksError, match="pack the data anew"):
        pretrain(tmp_path, Shards(other, "x"), tokenizer, make_context(tmp_path))


def test_a_loss_that_is_no_number_stops_the_run(tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path) -> None:
    config = CausalLMConfig.model_validate(SCRATCH).model_copy(  # which a recipe cannot state
        update={"learning_rate": 1e38, "adamw_learning_rate": 1e38}
    )
    with pytest.raises(LmworksError, match="not a finite number"):
        train(config, None, rows, tokenizer, rows, None, out=tmp_path / "out", context=make_context(tmp_path))


# ---------------------------------------------------------------- mixtures


def joined(folder: Path, tokenizer: TokenizerFolder, parts: dict[str, list[str]]) -> Shards:
    packed = [pack_texts(folder / name, tokenizer, found, 48) for name, found in parts.items()]
    join_rows(JoinConfig(rows=list(parts), names=list(parts)), packed, None, folder / "joined", make_context(folder))
    return Shards(folder / "joined", "rows")


@pytest.fixture(scope="module")
def two_parts(folder: Path, tokenizer: TokenizerFolder) -> Shards:
    return joined(folder / "two", tokenizer, {"one": texts()[:40], "other": texts()[40:]})


def test_a_mixture_of_one_part_trains_as_without_it(
    folder: Path, base: ModelFolder, tokenizer: TokenizerFolder, watch: Handle, tmp_path: Path
) -> None:
    alone = joined(tmp_path, tokenizer, {"all": texts()})
    proportions = {"weights": {"all": 0.3}}
    result = pretrain(tmp_path, alone, tokenizer, make_context(tmp_path), watch=watch, proportions=proportions)
    assert result.counts["all rows"] == 48
    assert payload(tmp_path).pop("model.safetensors") == payload(folder / "base").pop("model.safetensors")
    assert history(tmp_path) == history(folder / "base")


def test_a_run_on_a_mixture_that_was_stopped_ends_with_the_same_bytes(
    tokenizer: TokenizerFolder, two_parts: Shards, tmp_path: Path
) -> None:
    stages = [{"until": 0.5, "weights": {"one": 1, "other": 4}}, {"until": 1.0, "weights": {"one": 2, "other": 1}}]
    proportions = {"curriculum": stages, "max_epochs": {"one": 9}}
    said: list[str] = []
    whole = dataclasses.replace(make_context(tmp_path / "whole"), log=said.append)
    pretrain(tmp_path / "whole", two_parts, tokenizer, whole, proportions=proportions)
    assert [line.split(":")[0] for line in said[:2]] == ["one", "other"]
    journal = MemoryJournal()
    asked: list[None] = []

    def stop() -> None:
        if len(asked) == 7:
            raise Stopped("by the test")
        asked.append(None)

    context = make_context(tmp_path / "cut", journal)
    stopped = dataclasses.replace(context, check_stop=stop)
    with pytest.raises(Stopped):
        pretrain(tmp_path / "cut", two_parts, tokenizer, stopped, proportions=proportions)
    pretrain(tmp_path / "cut", two_parts, tokenizer, context, proportions=proportions)
    assert payload(tmp_path / "cut") == payload(tmp_path / "whole")


def test_a_part_of_weight_zero_leaves_no_trace_in_the_model(
    tokenizer: TokenizerFolder, two_parts: Shards, tmp_path: Path
) -> None:
    """Not even in how it begins, which is counted from the rows."""
    alone = joined(tmp_path, tokenizer, {"one": texts()[:40]})
    pretrain(tmp_path / "alone", alone, tokenizer, make_context(tmp_path), steps=3)
    proportions = {"weights": {"one": 1, "other": 0}}
    pretrain(tmp_path / "mixed", two_parts, tokenizer, make_context(tmp_path / "m"), steps=3, proportions=proportions)
    first, second = ([line["loss"] for line in history(tmp_path / name)] for name in ("alone", "mixed"))
    assert first == second
