"""A run with other `steps` begins where an earlier one kept its state, if it then ends as a straight run does."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from corpora import make_documents, pack_asked, pack_texts, texts
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.growth import last_constant_step, why_anew
from quick import few
from support import MemoryJournal, make_context
from train.loop.test_damage import flip
from train.loop.test_recovery import SMALL, Killed, kill_after, payload, run

PLATEAU = {"schedule": "constant"}
WSD = {"schedule": "linear", "decay_share": 0.25}


def context_of(folder: Path, earlier: Sequence[Path] = (), said: list[str] | None = None) -> Context:
    """Of a run that keeps its state beside its output, and may begin where others kept theirs."""
    log = (lambda line: None) if said is None else said.append
    context = make_context(folder, MemoryJournal())
    return dataclasses.replace(
        context, kept=folder / "kept", kept_before=tuple(each / "kept" for each in earlier), log=log
    )


def kept(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "kept").glob("*"))


@pytest.mark.whole
@pytest.mark.parametrize(
    ("more", "state"),
    few(
        [
            (PLATEAU, 11),
            (WSD, 9),
            ({**WSD, "schedule": "cosine", "dropout": 0.2, "optimizer": "adamw", "learning_rate": 0.002}, 9),
            ({**PLATEAU, "on_spike": "skip", "spike_ratio": 1.05}, 11),
        ],
        1,
    ),
)
def test_more_steps_end_as_the_straight_run(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path, more: dict[str, Any], state: int
) -> None:
    watch = make_documents(tmp_path / "watch", texts(2))
    settings = {**more, "validation_steps": 5}
    folders = {name: tmp_path / name for name in ("straight", "few", "more", "most")}
    run(folders["straight"], rows, tokenizer, context_of(folders["straight"]), watch=watch, **settings, steps=22)
    run(folders["few"], rows, tokenizer, context_of(folders["few"]), watch=watch, **settings, steps=12)
    assert kept(folders["few"]) == [f"step-{state:06d}.json", f"step-{state:06d}.safetensors"]
    said: list[str] = []
    context = context_of(folders["more"], [folders["few"]], said)
    with pytest.raises(Killed):  # before its own first checkpoint, and once more after it
        run(folders["more"], rows, tokenizer, kill_after(1, context), watch=watch, **settings, steps=22)
    with pytest.raises(Killed):
        run(folders["more"], rows, tokenizer, kill_after(8, context), watch=watch, **settings, steps=22)
    result = run(folders["more"], rows, tokenizer, context, watch=watch, **settings, steps=22)
    assert said[0] == f"goes on after {state} steps, where the run of 12 steps kept its state"
    assert result.measured["steps_of_this_run"] < 22 - state
    assert payload(folders["more"]) == payload(folders["straight"])
    assert kept(folders["more"]) == kept(folders["straight"])
    for name in kept(folders["straight"]):
        assert (folders["more"] / "kept" / name).read_bytes() == (folders["straight"] / "kept" / name).read_bytes()


@pytest.mark.whole
def test_of_several_states_the_furthest_that_fits_is_taken(
    rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    folders = [tmp_path / str(steps) for steps in (8, 12, 16)]
    for folder in folders:
        run(folder, rows, tokenizer, context_of(folder), **PLATEAU, steps=int(folder.name))
    said: list[str] = []
    context = context_of(tmp_path / "new", folders, said)
    run(tmp_path / "new", rows, tokenizer, context, **PLATEAU, steps=14)
    assert said[0] == "goes on after 11 steps, where the run of 12 steps kept its state"
    context = context_of(tmp_path / "fewer", folders[1:], said)
    run(tmp_path / "fewer", rows, tokenizer, context, **PLATEAU, steps=6)
    assert "begins anew: states of 11, 15 steps are kept, and here the rate is constant up to 5" in said
    flip(folders[1] / "kept" / "step-000011.safetensors", 30_000)
    said.clear()
    context = context_of(tmp_path / "hurt", folders[:2], said)
    run(tmp_path / "hurt", rows, tokenizer, context, **PLATEAU, steps=14)
    assert "step-000011" in said[0] and "differs from its digest" in said[0]
    assert said[0].endswith("; goes on after 7 steps, where the run of 8 steps kept its state")
    assert payload(tmp_path / "hurt") == payload(tmp_path / "new")


@pytest.mark.slow
def test_other_threads_would_give_other_bits(rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    run(tmp_path / "few", rows, tokenizer, context_of(tmp_path / "few"), **PLATEAU)
    said: list[str] = []
    context = context_of(tmp_path / "more", [tmp_path / "few"], said)
    result = run(tmp_path / "more", rows, tokenizer, context, **PLATEAU, steps=14, threads=2)
    assert result.measured["steps_of_this_run"] == 14
    assert "begins anew: bits may differ, since threads was 1, now 2" in said


@pytest.mark.whole
def test_a_policy_goes_on_where_its_answers_are_drawn(folder: Path, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    run(folder / "base", pack_texts(folder / "short", tokenizer, texts(), 48), tokenizer, steps=2)
    base = ModelFolder(folder / "base" / "out", "base")
    asked = pack_asked(folder / "asked", tokenizer, 48, answer_tokens=8)
    more: dict[str, Any] = {
        **{"objective": "grpo", "answer_tokens": 8, "group_size": 4, "global_batch_tokens": 384, "epochs": 4},
        **{"learning_rate": 1e-3, "rewards": [{"kind": "length", "most": 3}]},
    }
    run(tmp_path / "straight", asked, tokenizer, context_of(tmp_path / "straight"), base, **more, steps=14)
    run(tmp_path / "few", asked, tokenizer, context_of(tmp_path / "few"), base, **more, steps=11)
    context = context_of(tmp_path / "more", [tmp_path / "few"])
    result = run(tmp_path / "more", asked, tokenizer, context, base, **more, steps=14)
    assert result.measured["steps_of_this_run"] == 6, "eight is a multiple of four"
    assert payload(tmp_path / "more") == payload(tmp_path / "straight")


def config_of(**more: Any) -> CausalLMConfig:
    return CausalLMConfig.model_validate({**SMALL, **more})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "the rate falls from step 1 on, by less where there are more steps: `decay_share` below 1 or `schedule"),
        ({**PLATEAU, "keep_best": True}, "the best weights are not kept with the state"),
        ({**PLATEAU, "patience": 3}, "the best weights are not kept with the state"),
        ({**PLATEAU, "on_spike": "roll-back"}, "checkpoints to roll back to are not kept with the state"),
        ({**PLATEAU, "publish_checkpoints": [4]}, "published checkpoints stand in the earlier model alone"),
        (
            {**PLATEAU, "proportions": {"curriculum": [{"until": 1.0, "weights": {"a": 1.0}}]}},
            "the order of a mixture with `curriculum` or `max_epochs` follows from all steps",
        ),
    ],
)
def test_where_it_is_not_exact_a_run_begins_anew_and_says_why(more: dict[str, Any], why: str) -> None:
    assert why in why_anew(config_of(**more))


@pytest.mark.parametrize("more", [PLATEAU, WSD, {**PLATEAU, "publish_checkpoints": [12]}])
def test_elsewhere_it_does_not(more: dict[str, Any]) -> None:
    assert why_anew(config_of(**more)) == ""


def test_up_to_that_step_the_rate_is_the_same_however_many_there_are() -> None:
    from lmworks.train.loop.optimizer import rate_share

    for steps, share, schedule in itertools.product((3, 7, 40, 333), (0.1, 0.3, 0.5, 0.99), ("linear", "cosine")):
        config = config_of(steps=steps, decay_share=share, schedule=schedule, warmup_steps=0)
        last = last_constant_step(config)
        assert all(rate_share(step, config, steps) == 1.0 for step in range(last)) and last < steps
        assert rate_share(last + 1, config, steps) < 1 or last + 1 == steps
