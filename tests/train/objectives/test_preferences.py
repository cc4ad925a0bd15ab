"""Learning from judged answers: losses and gradients against the papers' formulas, and what comes of training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import AutoModelForSequenceClassification

from corpora import make_preferences, make_tokenizer, pack_judged
from lmworks.data.tuning.preferences import Preference, Preferences, write_preferences
from lmworks.errors import LmworksError
from lmworks.model.config import REWARD
from lmworks.model.decoder import Decoder
from lmworks.model.folder import ModelFolder, load_model, save_model
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Result
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.loop.train import train
from lmworks.train.objectives import OBJECTIVES as CONFIGS
from lmworks.train.objectives import objective_of
from model.test_folder import SHAPE as SHORT
from support import make_context
from tiny import disturbed

LENGTH = 128
SHAPE = replace(SHORT, context_length=LENGTH)
BETA, GAMMA, WEIGHT = 0.3, 0.7, 0.4
SETTINGS: dict[str, Any] = {
    **{"from": "base", "data": "x", "sequence_length": LENGTH, "global_batch_tokens": 4 * LENGTH, "warmup_steps": 2},
    **{"data_type": "float32", "threads": 1, "compile": False, "steps": 30, "micro_batch_rows": 4},
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def base(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("base") / "base"
    torch.manual_seed(0)
    save_model(disturbed(Decoder(SHAPE), 0.1), folder, tokenizer.path)
    return ModelFolder(folder, "base")


def settings(objective: str, **more: Any) -> Any:
    return CONFIGS[objective].model_validate({**SETTINGS, "objective": objective, **more})


# ---------------------------------------------------------------- losses and gradients, by the papers

Sides = dict[str, Tensor]
"""Of each side, and of mismatched answers: ln p of each answer, the same by the reference, and its tokens."""


def dpo(s: Sides) -> Tensor:
    ratio = BETA * (s["chosen"] - s["chosen before"]) - BETA * (s["rejected"] - s["rejected before"])
    return -torch.log(torch.sigmoid(ratio))


def ipo(s: Sides) -> Tensor:
    h = (s["chosen"] - s["chosen before"]) / s["chosen tokens"]
    h = h - (s["rejected"] - s["rejected before"]) / s["rejected tokens"]
    return (h - 1 / (2 * BETA)) ** 2


def orpo(s: Sides) -> Tensor:
    means = [s[side] / s[f"{side} tokens"] for side in ("chosen", "rejected")]
    odds = [mean.exp() / (1 - mean.exp()) for mean in means]
    return -means[0] - WEIGHT * torch.log(torch.sigmoid(torch.log(odds[0] / odds[1])))


def simpo(s: Sides) -> Tensor:
    a, b = (BETA * s[side] / s[f"{side} tokens"] for side in ("chosen", "rejected"))
    return -torch.log(torch.sigmoid(a - b - GAMMA))


def kto(s: Sides) -> Tensor:
    shift = torch.cat([s[f"mismatched {side}"] - s[f"mismatched {side} before"] for side in ("chosen", "rejected")])
    z = shift.mean().clamp(min=0).detach()
    good = 2.0 * (1 - torch.sigmoid(BETA * (s["chosen"] - s["chosen before"] - z)))
    bad = 0.5 * (1 - torch.sigmoid(BETA * (z - (s["rejected"] - s["rejected before"]))))
    return torch.cat([good, bad])


FORMULAS: dict[str, tuple[Callable[[Sides], Tensor], dict[str, Any]]] = {
    "dpo": (dpo, {"beta": BETA}),
    "ipo": (ipo, {"beta": BETA}),
    "orpo": (orpo, {"odds_weight": WEIGHT}),
    "simpo": (simpo, {"beta": BETA, "target_margin": GAMMA}),
    "kto": (kto, {"beta": BETA, "chosen_weight": 2.0, "rejected_weight": 0.5}),
}


def alone(model: Decoder, ids: list[int]) -> Tensor:
    """[T,D] hidden states of one sequence, by plain attention."""
    tokens, positions = torch.tensor([ids]), torch.arange(len(ids))[None]

    def attend(_: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    return model.hidden(tokens, positions, attend)[0]


def log_p(model: Decoder, prompt: list[int], whole: list[int]) -> Tensor:
    """Of what stands between a prompt and the line end after the answer."""
    table = (alone(model, whole) @ model.output_weight.T).log_softmax(-1)
    return torch.stack([table[place - 1, whole[place]] for place in range(len(prompt), len(whole) - 1)]).sum()


def by_hand(model: Decoder, before: Decoder, preferences: Preferences, tokenizer: TokenizerFolder) -> Sides:
    words, found = tokenizer.open(), {}
    records = list(preferences.iterate())
    for side in ("chosen", "rejected"):
        answers = [list(getattr(record, side)) for record in records]
        for name, said in ((side, answers), (f"mismatched {side}", answers[1:] + answers[:1])):
            pairs = [
                (words.encode_chat(r.prompt, add_generation_prompt=True)[0], words.encode_chat([*r.prompt, *a])[0])
                for r, a in zip(records, said, strict=True)
            ]
            found[name] = torch.stack([log_p(model, *pair) for pair in pairs])
            found[f"{name} before"] = torch.stack([log_p(before, *pair) for pair in pairs]).detach()
            found[f"{name} tokens"] = torch.tensor([float(len(whole) - len(prompt) - 1) for prompt, whole in pairs])
    return found


@pytest.mark.parametrize(("objective", "by"), [*((objective, 0.02) for objective in FORMULAS), ("kto", -0.02)])
def test_losses_and_gradients_are_those_of_the_paper(
    objective: str, by: float, base: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    formula, values = FORMULAS[objective]
    preferences = make_preferences(tmp_path / "preferences", 5)
    rows = pack_judged(tmp_path, tokenizer, LENGTH, preferences, alone=objective == "kto").open()
    config = settings(objective, **values)
    asked = objective_of(objective)(rows, config)
    model = asked.begin(config, base, rows, tokenizer.open(), compiled=False)
    disturbed(model.module, by)
    loss, count, metrics = asked.loss(model, asked.measured(len(rows.tokens)))
    loss.backward()  # type: ignore[no-untyped-call]
    plain = disturbed(load_model(base.path), by)
    expected = formula(by_hand(plain, load_model(base.path), preferences, tokenizer))
    expected.sum().backward()
    assert count == len(expected) == (10 if objective == "kto" else 5)
    torch.testing.assert_close(loss, expected.sum(), rtol=1e-5, atol=1e-5)
    for (name, weight), other in zip(plain.named_parameters(), model.module.parameters(), strict=True):
        assert other.grad is not None and weight.grad is not None
        torch.testing.assert_close(other.grad, weight.grad, rtol=1e-4, atol=1e-5, msg=name)
    assert ("divergence" in metrics) == (objective in ("dpo", "ipo", "kto"))


def test_a_reward_model_has_the_loss_and_gradients_of_bradley_and_terry_with_margins(
    base: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    preferences = make_preferences(tmp_path / "preferences", 5)
    rows = pack_judged(tmp_path, tokenizer, LENGTH, preferences).open()
    config = settings("reward")
    asked = objective_of("reward")(rows, config)
    model = asked.begin(config, base, rows, tokenizer.open(), compiled=False)
    disturbed(model.module, 0.02)
    loss, count, _ = asked.loss(model, asked.measured(len(rows.tokens)))
    loss.backward()  # type: ignore[no-untyped-call]
    plain, total = disturbed(load_model(base.path, labels=REWARD), 0.02), torch.zeros(())
    for record in preferences.iterate():
        assert record.chosen and record.rejected
        chats = [[*record.prompt, *answer] for answer in (record.chosen, record.rejected)]
        better, worse = (
            (alone(plain, tokenizer.open().encode_chat(chat)[0])[-1] @ plain.score.weight.T)[0] for chat in chats
        )
        margin = record.margin or 0.0
        total = total - torch.log(torch.sigmoid(better - worse - margin))
    total.backward()  # type: ignore[no-untyped-call]
    assert count == 5
    torch.testing.assert_close(loss, total, rtol=1e-5, atol=1e-5)
    for (name, weight), other in zip(plain.named_parameters(), model.module.parameters(), strict=True):
        torch.testing.assert_close(other.grad, weight.grad, rtol=1e-4, atol=1e-5, msg=name)


def test_with_adapters_the_reference_is_the_base_without_them(
    base: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    rows = pack_judged(tmp_path, tokenizer, LENGTH, make_preferences(tmp_path / "preferences", 5)).open()
    config = settings("dpo", adapter={"rank": 4, "dropout": 0.5}, dropout=0.5)
    asked = objective_of("dpo")(rows, config)
    model: Any = asked.begin(config, base, rows, tokenizer.open(), compiled=False)
    model.learn(True, label_smoothing=0.0)
    batch = asked.measured(len(rows.tokens))
    expected = load_model(base.path)
    disturbed(model.module, 0.1)
    with model.reference():
        found = model.hidden(batch)
    torch.testing.assert_close(found[0, :20], alone(expected, batch.tokens[0, :20].tolist()), rtol=1e-5, atol=1e-5)
    assert model.network.training and not torch.allclose(model.hidden(batch), found)
    _, pairs, metrics = asked.loss(model, batch)
    assert metrics["divergence"] / pairs > 1e-3


# ---------------------------------------------------------------- rows


def test_a_prompt_s_own_answers_are_not_trained_and_a_row_holds_whole_pairs(
    tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    turns = [{"role": role, "content": role} for role in ("user", "assistant", "user")]
    said = [[{"role": "assistant", "content": word}] for word in ("Creates the bucket.", "No.")]
    many = [
        Preference(id=str(n), prompt=turns, chosen=said[0], rejected=said[1], margin=0.5, document=f"d{n}")
        for n in range(3)
    ]
    long = Preference(id="4", prompt=turns, chosen=[{"role": "assistant", "content": "x " * 200}], rejected=said[1])
    single = Preference(id="5", prompt=turns, chosen=None, rejected=said[1])
    write_preferences(tmp_path / "preferences", [*many, long, single])
    given = Preferences(tmp_path / "preferences", "")
    packed = pack_judged(tmp_path, tokenizer, LENGTH, given)
    rows, words = packed.open(), tokenizer.open()
    counts = json.loads((packed.path / "shards.json").read_text())
    assert counts["dropped"] == 1 and (packed.path / "ids.txt").read_text().split() == ["d0", "d1", "d2"]
    assert rows.labels is not None and rows.margins is not None
    texts = []
    for tokens, weights, labels in zip(rows.tokens, rows.weights, rows.labels, strict=True):
        assert labels[-1] == 0 and not weights[labels == 0].any()
        for label in np.unique(labels[labels > 0]):
            place = np.flatnonzero(labels == label)
            assert (np.diff(place) == 1).all()
            texts.append((label % 4, words.decode(tokens[place][weights[place] > 0].tolist())))
    assert sorted(texts) == [(1, "Creates the bucket.")] * 3 + [(2, "No.")] * 3
    assert rows.margins[rows.margins > 0].tolist() == [0.5] * 3
    judged = pack_judged(tmp_path / "alone", tokenizer, LENGTH, given, alone=True).open()
    assert judged.labels is not None
    starts = np.flatnonzero(np.diff(judged.labels.flatten()) != 0)
    sides = [int(side) % 4 for side in judged.labels.flatten()[starts] if side]
    assert [sides.count(side) for side in (1, 2, 3)] == [2, 5, 7], (
        "one of four is too long, and so is what it stands by"
    )


def test_judgements_of_single_answers_are_no_pairs(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    turn = [{"role": "user", "content": "What?"}]
    single = Preference(id="5", prompt=turn, chosen=None, rejected=[{"role": "assistant", "content": "No."}])
    write_preferences(tmp_path / "preferences", [single])
    with pytest.raises(LmworksError, match=r"none of 1 judgements gives a pair .*`kto` takes answers"):
        pack_judged(tmp_path, tokenizer, LENGTH, Preferences(tmp_path / "preferences", ""))


# ---------------------------------------------------------------- training


def align(objective: str, base: ModelFolder, folder: Path, **more: Any) -> tuple[Result, list[dict[str, float]]]:
    tokenizer, alike = TokenizerFolder(base.path, "base"), {"alone": objective == "kto"}
    rows = pack_judged(folder / "a", tokenizer, LENGTH, make_preferences(folder / "p", 60), **alike)
    unseen = pack_judged(folder / "b", tokenizer, LENGTH, make_preferences(folder / "q", 20, first=100), **alike)
    config = settings(objective, **more)
    context = make_context(folder)
    result = train(config, base, rows, tokenizer, unseen, None, out=folder / "out", context=context)
    lines = (folder / "out" / "history.jsonl").read_text().splitlines()
    return result, [json.loads(line) for line in lines]


@pytest.mark.parametrize("objective", FORMULAS)
def test_a_small_model_learns_to_prefer_what_is_chosen(objective: str, base: ModelFolder, tmp_path: Path) -> None:
    result, history = align(objective, base, tmp_path, learning_rate=3e-3, validation_rows=16)
    last = history[-1]
    assert last["loss"] < 0.9 * history[0]["loss"]
    assert last["validation_accuracy"] > 0.9 and last["validation_margin"] > 0
    if "divergence" in last:
        assert history[0]["divergence"] < 1e-6 < 0.01 < last["divergence"]
        assert history[0]["accuracy"] == 0, "both answers are as likely as before: a tie is not right"
    assert load_model(tmp_path / "out").config == SHAPE
    assert "pair" in result.figures[0].unit or objective == "kto"


@pytest.mark.parametrize("adapter", [None, {"rank": 4}])
def test_a_reward_model_prefers_what_is_chosen_and_transformers_loads_it(
    adapter: dict[str, Any] | None, base: ModelFolder, tmp_path: Path
) -> None:
    _, history = align("reward", base, tmp_path, learning_rate=3e-3, adapter=adapter)
    assert history[0]["loss"] > 0.69 and history[-1]["validation_accuracy"] > 0.9
    assert history[0]["accuracy"] == 0, "a head that says nothing yet ties all pairs, which is not right"
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert theirs.config.num_labels == 1
    ours = load_model(tmp_path / "out", labels=REWARD)
    tokens = torch.randint(3, 100, (2, 12))
    with torch.no_grad():
        found = torch.stack([alone(ours, ids)[-1] @ ours.score.weight.T for ids in tokens.tolist()])
        torch.testing.assert_close(theirs(tokens).logits, found, rtol=1e-4, atol=1e-5)
    if adapter:
        stored = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
        torch.testing.assert_close(stored["base_model.model.score.weight"], ours.score.weight.detach())
    with pytest.raises(LmworksError, match="this model gives 1 scores for a text and writes no text"):
        load_model(tmp_path / "out")
    again = align("reward", ModelFolder(tmp_path / "out", ""), tmp_path / "again", learning_rate=1e-4)[1]
    assert again[0]["loss"] < 0.3, "a reward model goes on with its head"


def test_rates_of_alignment_are_small_unless_stated() -> None:
    rates = [settings("dpo", **more).learning_rate for more in ({}, {"adapter": {}}, {"learning_rate": 1e-4})]
    assert rates == [1e-6, 2e-5, 1e-4] and settings("dpo").optimizer == "adamw"
    with pytest.raises(ValueError, match="leave `watch` out"):
        settings("reward", watch="x")


def test_no_objective_is_taken_for_another_on_the_same_data() -> None:
    keys = [canonical_json(key_config(settings(objective, learning_rate=0.1))) for objective in FORMULAS]
    assert len(set(keys)) == len(keys)
