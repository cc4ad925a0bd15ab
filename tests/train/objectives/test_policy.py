"""Learning from rewards: losses and gradients against the papers' formulas, rollouts, and what comes of training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from chat_families import write_family
from corpora import make_conversations, make_tokenizer, pack_asked
from lmworks.engines.open import open_decoder, open_engine, open_reward_model
from lmworks.engines.request import Sampling
from lmworks.errors import LmworksError
from lmworks.model.baselines.bag_of_words import BagOfWords, BagOfWordsConfig
from lmworks.model.config import REWARD
from lmworks.model.decoder import Decoder
from lmworks.model.folder import ModelFolder, load_model, save_model
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Context, Result
from lmworks.rewards import Answer, PythonReward, Unscored, unscored
from lmworks.rewards.models import Judge
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.families.decoder import TrainableDecoder
from lmworks.train.loop.fit import judge_rewards
from lmworks.train.loop.train import train
from lmworks.train.objectives import OBJECTIVES as CONFIGS
from lmworks.train.objectives import objective_of
from lmworks.train.objectives.policy import PolicyObjective, Rollout, answer_log_probabilities
from model.test_folder import SHAPE as SHORT
from scripted import Script
from support import make_context
from tiny import disturbed, make_tiny_model

CLIP, KL = 0.2, 0.3
SETTINGS: dict[str, Any] = {
    **{"from": "base", "data": "x", "sequence_length": 48, "global_batch_tokens": 768, "micro_batch_rows": 8},
    **{"data_type": "float32", "threads": 1, "compile": False, "warmup_steps": 0, "steps": 4},
    **{"answer_tokens": 6, "group_size": 8, "rewards": [{"kind": "length", "most": 2}]},
}
COMPARING = ("grpo", "rloo", "rejection-sampling")
POLICIES = (*COMPARING, "ppo")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def base(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("base") / "base"
    torch.manual_seed(0)
    save_model(disturbed(Decoder(replace(SHORT, context_length=48)), 0.1), folder, tokenizer.path)
    return ModelFolder(folder, "base")


@pytest.fixture(scope="module")
def asked(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return pack_asked(tmp_path_factory.mktemp("asked"), tokenizer, 48, answer_tokens=6)


def settings(objective: str, **more: Any) -> Any:
    return CONFIGS[objective].model_validate({**SETTINGS, "objective": objective, **more})


Begin = Callable[..., tuple[Any, TrainableDecoder]]


@pytest.fixture
def begin(base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path) -> Begin:
    """An objective and its model before the first step."""

    def make(name: str, judges: Sequence[ModelFolder] = (), **more: Any) -> tuple[Any, TrainableDecoder]:
        config = settings(name, **more)
        objective: Any = objective_of(name)(asked.open(), config)
        model: Any = objective.begin(config, base, asked.open(), tokenizer.open(), compiled=False)
        objective.prepare(model, tokenizer.open(), make_context(tmp_path), judges)
        return objective, model

    return make


def run(
    folder: Path,
    base: ModelFolder,
    asked: Shards,
    tokenizer: TokenizerFolder,
    context: Context | None = None,
    judges: list[ModelFolder] | None = None,
    **more: Any,
) -> tuple[Result, list[dict[str, Any]]]:
    config = settings(more.pop("objective", "grpo"), validation="y", **more)
    context, out = context or make_context(folder), folder / "out"
    result = train(config, base, asked, tokenizer, asked, None, out=out, context=context, rewards=judges)
    return result, [json.loads(line) for line in (folder / "out" / "history.jsonl").read_text().splitlines()]


# ---------------------------------------------------------------- losses and gradients, by the papers


def grpo(now: Tensor, rollout: Rollout, group: int) -> Tensor:
    """Shao et al. 2024, equations 3 and 4, of one answer at a time."""
    losses = []
    for row in range(len(now)):
        where = rollout.weights[row, 1:] > 0
        same = rollout.rewards[row // group * group :][:group].sum(1)
        advantage = (rollout.rewards[row].sum() - same.mean()) / (same.std() + 1e-4)
        ratio = now[row][where].exp() / rollout.before[row][where].exp()
        gained = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
        there = rollout.reference[row][where].exp() / now[row][where].exp()
        losses.append(-(gained - KL * (there - torch.log(there) - 1)).mean())
    return torch.stack(losses)


def rloo(now: Tensor, rollout: Rollout, group: int) -> Tensor:
    """Ahmadian et al. 2024, equation 8, with rewards by equation 3 and the ratio of whole answers."""
    worth = rollout.rewards.sum(1) - KL * (rollout.before.sum(1) - rollout.reference.sum(1))
    losses = []
    for row in range(len(now)):
        others = [other for other in range(row // group * group, row // group * group + group) if other != row]
        advantage = worth[row] - worth[others].mean()
        ratio = now[row].sum().exp() / rollout.before[row].sum().exp()
        losses.append(-torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage))
    return torch.stack(losses)


def rejection_sampling(now: Tensor, rollout: Rollout, group: int) -> Tensor:
    """The mean over groups of the cross-entropy of the best answer of each that has one."""
    losses = torch.zeros(len(now))
    for start in range(0, len(now), group):
        worth = rollout.rewards[start : start + group].sum(1)
        best = start + int(worth.argmax())
        if worth.max() > worth.min():
            losses[best] = -group * now[best][rollout.weights[best, 1:] > 0].mean()
    return losses


@pytest.mark.parametrize(("name", "formula"), list(zip(COMPARING, (grpo, rloo, rejection_sampling), strict=True)))
def test_losses_and_gradients_are_the_papers(name: str, formula: Callable[..., Tensor], begin: Begin) -> None:
    shorter = [{"kind": "regex", "pattern": f".{{0,{letters}}}"} for letters in range(4, 25, 2)]
    more: dict[str, Any] = {"rewards": shorter}
    if name != "rejection-sampling":
        more |= {"clip_range": CLIP, "kl_weight": KL}
    objective, model = begin(name, **more)
    disturbed(model.decoder, 0.02)  # the reference stays behind
    rollout = objective.batch(0, model)
    assert (rollout.rewards.sum(1).view(2, 8).std(1) > 0).all(), "some answers must be better than others"
    disturbed(model.decoder, 0.03)  # a later step of the same rollout
    loss, weight, metrics = objective.loss(model, rollout)
    (loss / weight).backward()
    found = {key: each.grad.clone() for key, each in model.module.named_parameters() if each.grad is not None}
    model.module.zero_grad()
    logits = model.hidden(rollout) @ model.output_weight.T
    now = logits.log_softmax(-1).gather(-1, rollout.tokens[:, 1:, None])[:, :, 0] * (rollout.weights[:, 1:] > 0)
    wanted = formula(now, rollout, 8).mean()
    wanted.backward()
    assert weight == len(rollout.tokens) == 16
    assert loss.item() / weight == pytest.approx(wanted.item(), abs=1e-5)
    assert len(found) > 10
    for key, parameter in model.module.named_parameters():
        torch.testing.assert_close(found[key], parameter.grad, atol=1e-5, rtol=1e-5)
    if name != "rejection-sampling":
        assert metrics["clipped"] > 0, "the clipped part of the formula was not tried"


def advantages_one_by_one(rewards: Tensor, values: Tensor, discount: float, gae_lambda: float) -> Tensor:
    """Schulman et al. 2016, equation 16, of one answer: a sum for each token over all that follow."""
    after = torch.cat([values[1:], torch.zeros(1)])
    surprises = rewards + discount * after - values
    return torch.stack(
        [
            sum(
                ((discount * gae_lambda) ** later * each for later, each in enumerate(surprises[place:])),
                torch.zeros(()),
            )
            for place in range(len(surprises))
        ]
    )


def of_several_lengths(rollout: Rollout) -> Rollout:
    """The rollout with some answers cut, as this model never ends one."""
    weights = rollout.weights.clone()
    for row in range(0, len(weights), 3):
        weights[row, int(weights[row].nonzero().max()) - row % 4 :] = 0
    parts = {each.name: getattr(rollout, each.name) for each in fields(Rollout)}
    where = weights[:, 1:] > 0
    return Rollout(**{**parts, "weights": weights, **{name: parts[name] * where for name in ("before", "reference")}})


def test_ppo_has_the_losses_and_gradients_of_its_papers(begin: Begin) -> None:
    near, weight, discount, lam = 0.05, 0.3, 0.9, 0.8
    more = {"clip_range": CLIP, "kl_weight": KL, "value_clip_range": near, "value_weight": weight, "discount": discount}
    objective, model = begin("ppo", gae_lambda=lam, **more)
    disturbed(model.module, 0.02)
    rollout = objective.weigh(model, of_several_lengths(objective.batch(0, model)))
    disturbed(model.module, 0.03)
    loss, count, metrics = objective.loss(model, rollout)
    (loss / count).backward()
    found = {key: each.grad.clone() for key, each in model.module.named_parameters() if each.grad is not None}
    model.module.zero_grad()

    where = [row > 0 for row in rollout.weights[:, 1:]]
    known: list[tuple[Tensor, Tensor]] = []
    for row, (reward, values) in enumerate(zip(rollout.rewards.sum(1), rollout.values, strict=True)):
        rewards = -KL * (rollout.before[row] - rollout.reference[row])[where[row]]
        rewards[-1] += reward
        values = values[where[row]]
        advantages = advantages_one_by_one(rewards, values, discount, lam)
        known.append((advantages, advantages + values))
    every = torch.cat([advantages for advantages, _ in known])
    hidden, head = model.hidden(rollout), model.module["value"]
    logits, value = hidden @ model.output_weight.T, (hidden @ head.weight.T + head.bias)[:, :, 0]
    now = logits.log_softmax(-1).gather(-1, rollout.tokens[:, 1:, None])[:, :, 0]
    total, errors = torch.zeros(()), torch.zeros(())
    for row, (advantages, returns) in enumerate(known):
        even = (advantages - every.mean()) / (every.var() + 1e-8).sqrt()
        ratio = now[row][where[row]].exp() / rollout.before[row][where[row]].exp()
        gained = torch.minimum(ratio * even, ratio.clamp(1 - CLIP, 1 + CLIP) * even)
        old, new = rollout.values[row][where[row]], value[row][where[row]]
        held = torch.minimum(torch.maximum(new, old - near), old + near)
        error = torch.maximum((new - returns) ** 2, (held - returns) ** 2) / 2
        total, errors = total + (weight * error - gained).sum(), errors + error.sum()
        torch.testing.assert_close(rollout.returns[row][where[row]], returns, atol=1e-5, rtol=1e-5)
    wanted = total / len(every)
    wanted.backward()
    assert loss.item() / count == pytest.approx(wanted.item(), abs=1e-5)
    assert metrics["value_loss"] / count == pytest.approx(errors.item() / len(every), abs=1e-5)
    assert metrics["clipped"] > 0 and "value.weight" in found
    for key, parameter in model.module.named_parameters():
        torch.testing.assert_close(found[key], parameter.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.whole
def test_values_learn_what_comes_and_are_not_kept(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    always = {"rewards": [{"kind": "length", "least": 0, "most": 99}], "steps": 60, "value_clip_range": 1.0}
    result, history = run(tmp_path, base, asked, tokenizer, objective="ppo", learning_rate=0.01, **always)
    assert history[-1]["value_loss"] < 0.1 * history[0]["value_loss"]
    shape = load_model(tmp_path / "out").config
    assert result.counts["parameters"] == shape.parameters + shape.hidden_size + 1


def test_ppo_moves_values_beside_adapters_and_saves_adapters_alone(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    _, history = run(tmp_path, base, asked, tokenizer, objective="ppo", adapter={"rank": 2}, learning_rate=0.01)
    assert len({line["value_loss"] for line in history}) == len(history) == 4
    saved = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert saved and all("lora" in name for name in saved)


# ---------------------------------------------------------------- rollouts


@pytest.mark.parametrize("name", POLICIES)
def test_the_first_step_of_a_rollout_finds_the_very_probabilities_that_were_stored(name: str, begin: Begin) -> None:
    objective, model = begin(name, micro_batch_rows=3)
    rollout = objective.batch(0, model)
    for part in rollout.split(3):
        assert torch.equal(answer_log_probabilities(model, part), part.before)


def test_the_engine_and_the_trainer_agree_on_probabilities(begin: Begin) -> None:
    objective, model = begin("grpo")
    _, weight, metrics = objective.loss(model, objective.batch(0, model))
    assert 0 < metrics["engine_mismatch"] / weight < 1e-5
    disturbed(model.decoder, 0.02)
    rollout = objective.batch(1, model)
    assert (rollout.drawn - rollout.before).abs().max() < 1e-4 < (rollout.reference - rollout.before).abs().max()


def test_a_rollout_asks_each_prompt_as_often_as_a_group_is_large_and_is_drawn_by_seed(begin: Begin) -> None:
    objective, model = begin("grpo")
    rollout = objective.batch(0, model)
    prompts = [
        tuple(row[: int(weights.argmax())])
        for row, weights in zip(rollout.tokens.tolist(), rollout.weights, strict=True)
    ]
    assert [len(set(prompts[start : start + 8])) for start in (0, 8)] == [1, 1] and prompts[0] != prompts[8]
    answers = {tuple(row) for row in rollout.tokens[:8].tolist()}
    assert rollout.distinct[:8].sum() == pytest.approx(len(answers))
    assert len(answers) > 4
    again, same = begin("grpo", seed=0)
    assert torch.equal(again.batch(0, same).tokens, rollout.tokens)
    other, same = begin("grpo", seed=1)
    other.stored.clear()
    assert not torch.equal(other.batch(0, same).tokens, rollout.tokens)


def test_advantages_compare_answers_to_one_prompt_only(begin: Begin) -> None:
    rewards = torch.tensor([[1.0, 0, 0, 1], [5, 5, 5, 5]])
    far = torch.tensor([[2.0, 0, 0, 0], [0, 0, 0, 0]])
    objective, _ = begin("grpo")
    assert objective.advantages(rewards, far)[0].tolist() == pytest.approx([0.8658, -0.8658, -0.8658, 0.8658], abs=1e-3)
    assert objective.advantages(rewards, far)[1].tolist() == [0, 0, 0, 0]
    objective, _ = begin("rloo", kl_weight=0.5)
    assert objective.advantages(rewards, far)[0].tolist() == pytest.approx([-1 / 3, -1 / 3, -1 / 3, 1])
    objective, _ = begin("rejection-sampling")
    assert objective.advantages(rewards, far).tolist() == [[4, 0, 0, 0], [0, 0, 0, 0]]


# ---------------------------------------------------------------- what comes of it


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.slow
def test_rewards_rise_and_unlike_answers_become_few(
    name: str, base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    rollouts = {"steps": 160 if name == "ppo" else 40}
    more = {"rewards": [{"kind": "regex", "pattern": "[^aeiou]*"}], "learning_rate": 0.01, **rollouts}
    result, history = run(tmp_path, base, asked, tokenizer, objective=name, **more)
    first, last = (sum(line["reward"] for line in part) / 5 for part in (history[:5], history[-5:]))
    assert last > first + 0.3, (first, last)
    assert history[-1]["kl"] > 0.5 > abs(history[0]["kl"])
    told = {each.name: each for each in result.figures}
    whole = {
        what: [line[what] for line in history[:: 4 if name == "ppo" else 1]] for what in ("answer_tokens", "distinct")
    }
    for name, what in (("growth of answers", "answer_tokens"), ("unlike answers left", "distinct")):
        assert told[name].value == pytest.approx(sum(whole[what][-4:]) / sum(whole[what][:4])) and told[name].n == 64
    figure = result.figures[0]
    assert figure.unit == "reward" and figure.value == pytest.approx(-history[-1]["validation_reward"])
    fit = next(example for example in result.examples if example["reason"] == "fit")
    assert fit["verdict"] == "fine", fit["text"]  # each prompt tells, though all are answered together


def test_the_verdict_on_a_reward_states_how_answers_changed() -> None:
    changes = {"groups that teach": 0.5, "growth of answers": 2.5, "unlike answers left": 0.2}
    figures = [Figure(name=name, value=value, n=64, method="made up") for name, value in changes.items()]
    kind, words = judge_rewards(figures, [-0.1] * 8, [-0.9, -0.8] * 4, [8.0] * 8)
    assert kind == "fine" and "have reward 0.850, higher by 0.750 [" in words
    assert words.endswith("Groups that teach: 0.50. Growth of answers: 2.50. Unlike answers left: 0.20.")


@pytest.mark.parametrize(
    ("after", "kind"),
    [([-0.01, 0.01], "no better than the baseline"), ([0.4, 0.5], "diverged"), ([-3.0, 3.0], None)],
)
def test_a_reward_that_did_not_rise_is_not_called_fine(after: list[float], kind: str | None) -> None:
    assert judge_rewards([], [0.0] * 16, after * 8, [8.0] * 16)[0] == kind


def test_a_run_ends_where_its_answers_are_too_far_from_where_it_began(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    lines: list[str] = []
    context = replace(make_context(tmp_path), log=lines.append)
    more = {"steps": 40, "learning_rate": 0.01, "kl_limit": 0.5, "kl_weight": 0.0}
    result, history = run(tmp_path, base, asked, tokenizer, context, **more)
    assert history[-1]["kl"] > 0.5 >= max(line["kl"] for line in history[:-1])
    assert 1 < result.counts["steps"] < 40 and "validation_reward" in history[-1]
    assert any("beyond kl_limit 0.5" in line for line in lines)
    within = result.counts["steps"] - 2  # its answers were the last that were near enough
    assert f"takes the weights of step {within}, the last within the limit" in lines
    run(tmp_path / "until", base, asked, tokenizer, **(more | {"steps": within}))
    ended, until = (folder / "out" / "model.safetensors" for folder in (tmp_path, tmp_path / "until"))
    assert ended.read_bytes() == until.read_bytes()
    reward = next(figure for figure in result.figures if figure.unit == "reward")
    assert reward.value == -history[-1]["validation_reward"], "what is told is told of the weights that are taken"


def test_a_reward_that_tells_no_answers_apart_ends_the_run(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    dead = {"rewards": [{"kind": "regex", "pattern": "never said"}], "steps": 40}
    with pytest.raises(LmworksError, match=r"worth the same in the last 16 rollouts \(256 answers; mean reward 0.000"):
        run(tmp_path, base, asked, tokenizer, **dead)


def test_a_reward_that_all_answers_have_by_now_ends_the_run_with_what_was_learned(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    lines: list[str] = []
    context = replace(make_context(tmp_path), log=lines.append)
    more = {"rewards": [{"kind": "regex", "pattern": "[^aeiou]*"}], "learning_rate": 0.03, "kl_weight": 0.0}
    result, history = run(tmp_path, base, asked, tokenizer, context, steps=200, **more)
    taught = [line["teaching"] for line in history]
    assert taught[0] > 0 and taught[-16:] == [0] * 16 and len(taught) < 200
    assert any("nothing more is learned from them" in line for line in lines)
    share = next(figure for figure in result.figures if figure.name == "groups that teach")
    assert share.value == pytest.approx(sum(taught) / len(taught)) and share.n == 2 * len(taught) and share.interval
    assert any("Groups that teach: 0." in line for line in lines)


@pytest.mark.parametrize("validated", [True, False])
def test_a_short_run_in_which_no_group_taught_is_told_to_have_learned_nothing(
    validated: bool, base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    config = settings("grpo", rewards=[{"kind": "regex", "pattern": "never said"}], steps=3)
    unseen, lines = (asked if validated else None), list[str]()
    config = config.model_copy(update={"validation": "y" if validated else None})
    context = replace(make_context(tmp_path), log=lines.append)
    result = train(config, base, asked, tokenizer, unseen, None, out=tmp_path / "out", context=context)
    (told,) = (example for example in result.examples if example["reason"] == "fit")
    assert told["verdict"] == "no better than the baseline" and told["text"] in lines
    assert "the same reward, in each of the 6 groups" in told["text"]


def test_two_rewards_of_one_kind_are_told_apart(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    three = [{"kind": "length", "most": most, "weight": weight} for most, weight in ((2, 1), (99, 2), (1, 0))]
    _, history = run(tmp_path, base, asked, tokenizer, rewards=three, best_by="length 3", keep_best=True)
    for line in history:
        assert line["reward"] == pytest.approx(line["length reward"] + line["length 2 reward"])
        assert line["length 3 reward"] <= line["length reward"] < line["length 2 reward"]
    with pytest.raises(ValidationError, match=r"is not a reward of weight 0; expected one of \['length 3'\]"):
        settings("grpo", rewards=three, best_by="length", validation="y", keep_best=True)


def test_an_answer_on_which_a_file_of_ones_own_fails_costs_itself_and_is_told(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    lines: list[str] = []
    (tmp_path / "own.py").write_text(
        "def score(answer, reference, prompt, ended):\n"
        "    assert answer[:1] not in 'aeiou', prompt[-1]['role']\n"
        "    return len(answer) % 2 / 2\n"
    )
    reward = PythonReward(file="own.py").resolve(tmp_path)
    context = replace(make_context(tmp_path), log=lines.append)
    _, history = run(tmp_path, base, asked, tokenizer, context, rewards=[reward])
    failed = [round(line["unscored"] * 16) for line in history]
    assert 0 < sum(failed) < 64 and all(0 < line["reward"] < 0.5 for line in history)
    said = [line for line in lines if line.startswith("reward own: fails on")]
    first = next(filter(None, failed))
    assert f"fails on {first} of 16 answers, which are worth 0: own.py: AssertionError in line 2: user" in said[0]


def test_the_distance_to_the_reference_holds_a_run_back(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    far = {}
    for weight in (0.0, 2.0):
        more = {"steps": 30, "learning_rate": 0.01, "kl_weight": weight}
        _, history = run(tmp_path / str(weight), base, asked, tokenizer, **more)
        far[weight] = sum(line["kl"] for line in history[-5:]) / 5
    assert far[2.0] < far[0.0] / 2


def test_rewards_look_at_what_stands_behind_thoughts(begin: Begin, tmp_path: Path) -> None:
    objective, _ = begin("grpo", rewards=[{"kind": "regex", "pattern": "4"}])
    script = Script(write_family(tmp_path / "qwen-3", "qwen-3"), "<think>\n5?\n</think>\n\n4", "4", "<think>\n4")
    answers = script.generate([[1]] * 3, Sampling(60))
    objective.tokenizer, said = script.tokenizer, list[str]()
    objective.context = replace(objective.context, log=said.append)
    rewards, _, _ = objective._rewards(answers, objective.batch_of([0, 1, 2], 0))
    assert rewards[:, 0].tolist() == [1, 1, 0]
    assert said == ["1 of 3 answers that never left their thoughts"]


def test_old_rollouts_make_room(base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    context = make_context(tmp_path)
    run(tmp_path, base, asked, tokenizer, context, steps=12, checkpoint_steps=2, keep_checkpoints=1)
    assert min(file.stem for file in context.scratch.glob("rollout-*")) == "rollout-000007"


def test_the_cache_of_answers_is_counted_as_the_engine_makes_it(base: ModelFolder, tokenizer: TokenizerFolder) -> None:
    engine = open_decoder(base.path)
    config = settings("grpo", global_batch_tokens=48 * 40, sequence_length=48)
    batch = engine.batch(config.rows_per_step, config.sequence_length)
    made = sum(tensor.nbytes for tensor in (batch._keys, batch._values))
    assert config.drawing_bytes(engine.model.config) == made


# ---------------------------------------------------------------- judges

JUDGED = {"rewards": [{"kind": "model", "model": "judge"}]}


def test_a_classifier_of_the_users_labels_says_what_answers_are_worth(begin: Begin, tmp_path: Path) -> None:
    texts = ["a e i o u a e", "u o i a e", "b c d f", "f d c b t", "e a u", "t b f"]
    learned = BagOfWords.fit([" ".join(each * 2 for each in text.split()) for text in texts], list("vvccvc"))
    (tmp_path / "labels").mkdir()
    BagOfWordsConfig(data="x").write(tmp_path / "labels")
    learned.save(tmp_path / "labels")
    folder = ModelFolder(tmp_path / "labels", "labels")
    wanted = [{"kind": "classifier", "model": "labels", "labels": ["c"]}]
    objective, _ = begin("grpo", judges=[folder], rewards=wanted)
    assert objective.config.judges == ["labels"] and objective.config.rewards[0].name == "labels"
    (scorer,) = objective.scorers
    vowels, consonants, all_of_them = (
        scorer.scores([Answer(text, "", True)])[0] for text in ("aa ee ii", "bb cc dd", "bb aa")
    )
    assert 0 < vowels < 0.5 < consonants < 1
    expected = open_engine(folder.path).classify(["bb aa"])[0].probabilities["c"]
    assert all_of_them == expected
    with pytest.raises(LmworksError, match="labels: found toxic; labels has only c, v"):
        begin("grpo", judges=[folder], rewards=[wanted[0] | {"labels": ["c", "toxic"]}])


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A reward model with a tokenizer and a template of its own."""
    folder = tmp_path_factory.mktemp("judge")
    writer = make_tiny_model(folder / "writer")
    settings = json.loads((writer / "tokenizer_config.json").read_text())
    template = settings["chat_template"].replace("user", "asker")
    template = template.replace("<|endoftext|>", "<|endoftext|><|im_start|>system\nJudge.<|im_end|>\n")
    (writer / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": template}))
    save_model(disturbed(load_model(writer, labels=REWARD), 0.3), folder / "judge", writer)
    return ModelFolder(folder / "judge", "judge")


def test_a_judge_reads_each_chat_with_its_own_tokenizer_and_template(
    begin: Begin, judge: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    two = [{**JUDGED["rewards"][0], "weight": 0.5}, {"kind": "length", "most": 2, "weight": 0}]
    objective, model = begin("grpo", judges=[judge], rewards=two)
    rollout = objective.batch(0, model)
    engine, words = open_reward_model(judge.path), tokenizer.open()
    questions = [record["messages"][0]["content"] for record in make_conversations(tmp_path / "c").iterate()]
    chats, answers = [], []
    for tokens, weights in zip(rollout.tokens.tolist(), rollout.weights.bool(), strict=True):
        start = int(weights.int().argmax())
        asked = words.decode(tokens[:start])
        (question,) = {each for each in questions if each in asked}
        answers.append(words.decode([token for token, counts in zip(tokens, weights, strict=True) if counts]).strip())
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answers[-1]}]
        chats.append(engine.tokenizer.encode_chat(turns)[0])
    assert len(set(map(tuple, chats))) > 8
    assert rollout.rewards[:, 0].tolist() == pytest.approx([score / 2 for score in engine.scores(chats)], abs=1e-5)
    assert rollout.shown[:, 0].tolist() == [float(1 <= len(answer.split()) <= 2) for answer in answers]


def test_a_chat_that_a_judges_own_template_refuses_costs_its_answers(judge: ModelFolder, tmp_path: Path) -> None:
    folder = shutil.copytree(judge.path, tmp_path / "judge")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    refusing = "{% if 'snow' in messages[0]['content'] %}{{ raise_exception('no snow') }}{% endif %}"
    settings["chat_template"] = refusing + settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    asked = [[{"role": "user", "content": words}] for words in ("And snow?", "Rain?")]
    answers = [Answer("Yes.", "", True, prompt) for prompt in asked]
    found = Judge(open_reward_model(folder)).scores(answers)
    (reason,) = unscored(found)
    assert "no snow" in reason and isinstance(found[0], Unscored)
    assert found[1] == pytest.approx(Judge(open_reward_model(judge.path)).scores(answers)[1], abs=1e-5)


def test_what_a_judge_likes_becomes_likelier_and_the_judge_stays_as_it_is(
    judge: ModelFolder, base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    before = (judge.path / "model.safetensors").read_bytes()
    more = {**JUDGED, "steps": 40, "learning_rate": 0.01, "kl_weight": 0.0}
    result, history = run(tmp_path, base, asked, tokenizer, judges=[judge], **more)
    first, last = (sum(line["reward"] for line in part) / 5 for part in (history[:5], history[-5:]))
    assert last > first + 0.5, (first, last)
    assert result.counts["parameters"] == load_model(base.path).config.parameters
    assert (judge.path / "model.safetensors").read_bytes() == before


def test_a_second_judge_is_shown_and_teaches_nothing(
    judge: ModelFolder, base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    looks_on = [*SETTINGS["rewards"], {"kind": "model", "model": "judge", "weight": 0}]
    _, history = run(tmp_path / "watched", base, asked, tokenizer, judges=[judge], rewards=looks_on)
    run(tmp_path / "alone", base, asked, tokenizer)
    alone, watched = (tmp_path / name / "out" / "model.safetensors" for name in ("alone", "watched"))
    assert alone.read_bytes() == watched.read_bytes()
    assert all(line["judge reward"] and line["kl"] is not None for line in history)
    assert "validation_judge reward" in history[-1]


def test_a_run_ends_where_who_looks_on_likes_answers_no_better(
    base: ModelFolder, asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    """Many words are learned, and few are wanted."""
    parting = [{"kind": "length", "least": 3, "most": 9}, {"kind": "regex", "pattern": r"\S+(\s+\S+)?", "weight": 0}]
    more = {"rewards": parting, "learning_rate": 0.01, "kl_weight": 0.0, "validation_steps": 3}
    _, history = run(tmp_path / "best", base, asked, tokenizer, **more, steps=40, patience=5, best_by="regex")
    measured = [line for line in history if "validation_reward" in line]
    liked = [line["validation_regex reward"] for line in measured]
    best = liked.index(max(liked))
    assert len(measured) == best + 1 + 5 < 13, "it ends five validations after the best"
    assert measured[-1]["validation_reward"] > measured[best]["validation_reward"], "although the reward rises"
    assert liked[-1] < liked[best]
    run(tmp_path / "until", base, asked, tokenizer, **more, steps=measured[best]["step"])
    ended, until = (tmp_path / name / "out" / "model.safetensors" for name in ("best", "until"))
    assert ended.read_bytes() == until.read_bytes()


def test_a_chat_beyond_what_a_judge_reads_is_refused(begin: Begin, tmp_path: Path) -> None:
    short = make_tiny_model(tmp_path / "short", context_length=16)
    save_model(load_model(short, labels=REWARD), tmp_path / "judge", short)
    objective, model = begin("grpo", judges=[ModelFolder(tmp_path / "judge", "")], **JUDGED)
    with pytest.raises(LmworksError, match="the reward model reads 16 tokens, and a prompt with its answer has"):
        objective.batch(0, model)


# ---------------------------------------------------------------- what is refused


LOOKED_ON = [{"kind": "regex", "pattern": "x"}, {"kind": "length", "most": 2, "weight": 0}]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"group_size": 5}, "no multiple of group_size 5"),
        ({"dropout": 0.1}, "dropout must be 0"),
        ({"adapter": {"dropout": 0.1}}, "dropout must be 0"),
        ({"answer_tokens": 48}, "leave no room in rows of 48"),
        ({"rewards": []}, "at least 1 item"),
        ({"rewards": [{"kind": "length", "most": 2, "weight": 0}]}, "all have weight 0"),
        ({"rewards": [{"kind": "regex", "pattern": "("}]}, "is not a regular expression"),
        ({"best_by": "length", "patience": 2, "validation": "y"}, "'length' is not a reward of weight 0"),
        ({"best_by": "length", "rewards": LOOKED_ON}, "add these"),
    ],
)
def test_settings_that_cannot_work_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings("grpo", **fields)


def test_a_base_whose_answers_cannot_be_drawn_together_is_refused(
    asked: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(LmworksError, match="grpo draws answers with the engine"):
        PolicyObjective.begin(
            settings("grpo"), ModelFolder(tmp_path, ""), asked.open(), tokenizer.open(), compiled=False
        )
