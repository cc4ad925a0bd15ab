"""Rollouts: answers that the trained model writes, their rewards, and how the model learns from them.

Axes: P prompts, G answers to each, R = P·G answers (rows), T time, K rewards.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lmworks.engines.protocol import Engine
from lmworks.engines.request import UNFINISHED, Generation, Sampling
from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.model.sealed import check_tensors, load_tensors, with_digests
from lmworks.pipeline.figure import Figure, wilson
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context
from lmworks.rewards import Answer, Unscored, names_of, unscored
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.arithmetic.packed import segments_of
from lmworks.train.configs.alignment import PolicyConfig
from lmworks.train.contract import Batch, Numbers, packed_batch, write_synthetic_rows
from lmworks.train.families.decoder import DecoderObjective, TrainableDecoder
from lmworks.train.loop.fit import TEACH

DEAD_ROLLOUTS, DEAD_ANSWERS = 4, 256
"""Least rollouts and answers of equal reward for a dead reward. If 1 % are right, 256 have one in 92 % of cases."""
COMPARED_ANSWERS = 64
"""Least number of first and of last answers that are compared, to see whether they became longer or more alike."""
ALIKE = 1e-9
"""Difference below which two rewards are equal. Sums in another order can differ this much."""


class Chats(Batch):
    """Rows with one chat each, and padding."""

    def segments(self, begin: int) -> tuple[Tensor, Tensor]:
        return segments_of(torch.arange(self.inputs.shape[1], device=self.tokens.device).expand_as(self.inputs) == 0)


@dataclass(frozen=True)
class Prompts(Chats):
    """Chats with the number of each row."""

    numbers: Tensor


@dataclass(frozen=True)
class Rollout(Chats):
    """Rows with a prompt and an answer each, and values that were computed when the answers were drawn.

    Answers to one prompt are next to each other. Weights are 1 at the tokens of the answer, including its end token.
    """

    drawn: Tensor
    """ln p [R,T] of the answer's tokens from the engine that drew them, and 0 elsewhere."""
    before: Tensor
    """ln p [R,T] of these tokens from the trainer's forward pass, before it learns from them."""
    reference: Tensor
    """ln p [R,T] of these tokens from the initial model of the run."""
    rewards: Tensor
    """Weighted rewards [R,K]."""
    shown: Tensor
    """Rewards [R,S] of weight 0, from which nothing is learned."""
    unscored: Tensor
    """Tensor [R] with 1 for an answer on which a reward failed and gave 0, else 0."""
    distinct: Tensor
    """Tensor [R] with 1 / number of equal answers in the group, so that the sum counts distinct answers."""
    teaching: Tensor
    """Tensor [R] with 1 if the answers that are compared with each other have different rewards, else 0."""

    @property
    def answered(self) -> Tensor:
        """Mask [R,T] of the targets that are tokens of the answer."""
        return self.weights[:, 1:] > 0


class PolicyObjective(DecoderObjective):
    """Draws answers, scores and stores them, and learns from them for `epochs` steps.

    A rollout depends only on weights, prompts, seed and its number. It is stored in the scratch folder before training
    on it starts, so that a run can continue in the middle of it.
    """

    mean_over = "answer"
    rows_apart = False  # prompts are answered together
    tells_its_loss = False
    needs_reference = True
    # Answers must be drawn together, each with a seed of its own.
    ours_alone = (
        "{} draws answers with the engine, which runs only Llama, Mistral, Qwen2 and Qwen3; start from one of these"
    )
    learned_from: ClassVar[type[Rollout]]
    validation_measure: tuple[str, str] | None = (
        "negated mean reward of greedy answers to validation prompts",
        "reward",
    )
    config: PolicyConfig

    def __init__(self, rows: PackedRows, config: PolicyConfig) -> None:
        super().__init__(rows, config)
        if config.best_by:
            self.validation_measure = (
                f"negated {config.best_by} of greedy answers, a reward of weight 0",
                "reward",
            )
        self.number = -1
        self.rollout: Rollout | None = None

    def prepare(self, model: Any, tokenizer: Tokenizer, context: Context, judges: Sequence[ModelFolder] = ()) -> None:
        """Open the rewards, and find the rollouts that earlier runs have stored."""
        self.tokenizer, self.context = tokenizer, context
        folders = dict(zip(self.config.judges, judges, strict=True))
        device = str(model.output_weight.device)
        self.scorers = [reward.opened(folders, device) for reward in self.config.rewards]
        self.stored = {record["rollout"] for record in context.journal.records() if "rollout" in record}

    def finished(self, history: Sequence[Mapping[str, float]]) -> str | None:
        """Return why training ends: the model is too far from its base, or answers no longer differ in reward.

        Raises LmworksError if the rewards of the answers to a prompt have never differed.
        """
        limit, line = self.config.kl_limit, history[-1]
        if limit is not None and line["kl"] > limit:
            return f"answers are {line['kl']:.2f} nats from those of `from`, beyond kl_limit {limit}"
        told = [each for each in history[-self._dead_steps :] if "teaching" in each]
        if len(told) < self._dead_steps or any(each["teaching"] for each in told):
            return None
        worth = sum(each["reward"] for each in told) / len(told)
        words = (
            f"all answers to a prompt were worth the same in the last {len(told) // self.config.epochs} rollouts "
            f"({len(told) // self.config.epochs * self.rows_per_step} answers; mean reward {worth:.3f})"
        )
        if any(each.get("teaching") for each in history):
            return f"{words}: nothing more is learned from them"
        names = ", ".join(each.name for each in self.config.rewards if each.weight)
        raise LmworksError(
            f"{words}, and in all earlier ones: the reward is dead ({names}), and nothing was learned. Look at the "
            "model's answers (`lmworks check`). Then add easier rewards (kind `regex` or `length`), take easier "
            "prompts, a larger group_size or answer_tokens, or tune the model to answer first"
        )

    @property
    def _dead_steps(self) -> int:
        """Number of steps without different rewards after which a reward is dead."""
        rollouts = max(DEAD_ROLLOUTS, -(-DEAD_ANSWERS // self.rows_per_step))
        return int(rollouts * self.config.epochs)

    def is_within(self, step: int, metrics: Mapping[str, float], weight: float) -> bool:
        """Return whether the step's weights drew its answers, and are within `kl_limit` of the base."""
        limit = self.config.kl_limit
        return limit is not None and step % self.config.epochs == 0 and metrics["kl"] <= limit * weight

    def figures(self, history: Sequence[Mapping[str, float]]) -> list[Figure]:
        """Return the share of groups whose answers had different rewards, and the side effects of training."""
        told = [line["teaching"] for line in history if "teaching" in line]
        groups = len(told) // self.config.epochs * (self.rows_per_step // self.config.group_size)
        if not groups:
            return []
        share = sum(told) / len(told)
        method = "share of groups of answers to one prompt, over all rollouts, with different rewards; Wilson interval"
        if self.config.group_size == 1:
            method = "share of rollouts whose answers had different rewards; Wilson interval"
            groups = len(told) // self.config.epochs
        ends = wilson(share * groups, groups)
        taught = Figure(name=TEACH, value=share, n=groups, method=method, interval=ends)
        return [taught, *self._courses(history)]

    def _courses(self, history: Sequence[Mapping[str, float]]) -> Iterator[Figure]:
        """Yield signs that the model cheats a reward: the length and variety of last answers relative to the first."""
        rollouts = history[:: self.config.epochs]
        few = max(-(-COMPARED_ANSWERS // self.rows_per_step), len(rollouts) // 10)
        if 2 * few > len(rollouts):
            return
        for name, what in (("growth of answers", "answer_tokens"), ("unlike answers left", "distinct")):
            first, last = (sum(line[what] for line in part) / few for part in (rollouts[:few], rollouts[-few:]))
            answers = few * self.rows_per_step
            method = f"mean `{what}` of the last {answers} drawn answers, divided by that of the first"
            yield Figure(name=name, value=last / first, n=answers, method=method)

    def selection_loss(self, measured: Mapping[str, float]) -> float:
        """Return the negated reward of `best_by`, or the loss."""
        judge = self.config.best_by
        return -measured[f"validation_{judge} reward"] if judge else super().selection_loss(measured)

    def batch(self, step: int, model: Any) -> Rollout:
        """Return the answers of this step: stored ones, or new ones that the current model draws."""
        number = step // self.config.epochs
        if number != self.number or self.rollout is None:
            self.require_stored(step)
            path = self._path(number)
            if number not in self.stored:
                _save(path, self._roll_out(number, model))
                self.context.journal.append({"rollout": number})
                self.stored.add(number)
            self.number, self.rollout = number, self.learned_from(**load_tensors(path))
            kept = (self.config.keep_checkpoints + 1) * self.config.checkpoint_steps // self.config.epochs + 1
            self._path(number - kept).unlink(missing_ok=True)
        return self.rollout

    def require_stored(self, step: int) -> None:
        """Raise ValueError if this step is inside a damaged rollout. At its first step, a rollout is drawn again."""
        number, rest = divmod(step, self.config.epochs)
        if number in self.stored:
            try:
                check_tensors(self._path(number))
            except (OSError, ValueError) as error:
                if rest:
                    raise ValueError(f"{self._path(number).name}: {error}") from error
                self.stored.remove(number)

    def sums(self, model: Any, batch: Prompts) -> list[dict[str, float]]:
        """Return, for each prompt, the negated reward of a greedy answer, and each reward by name."""
        answers = self._answers(model.engine(self.tokenizer), batch, Sampling(self.config.answer_tokens))
        rewards, shown, _ = self._rewards(answers, batch)
        return [
            {"loss": -float(reward.sum()), **self._by_name(reward[None], looks_on[None]), "weight": 1.0}
            for reward, looks_on in zip(rewards, shown, strict=True)
        ]

    def loss(self, model: Any, batch: Rollout) -> tuple[Tensor, float, dict[str, float]]:
        """Return the sum of losses over answers, and sums of the metrics in the history."""
        losses, more = self.rollout_losses(model, batch)
        length = batch.answered.sum(1)
        metrics = {
            **self._by_name(batch.rewards, batch.shown),
            "kl": float((batch.before - batch.reference).sum()),
            **more,
            "engine_mismatch": float(((batch.drawn - batch.before).abs().sum(1) / length).sum()),
            "answer_tokens": float(length.sum()),
            "unscored": float(batch.unscored.sum()),
            "distinct": float(batch.distinct.sum()),
            "teaching": float(batch.teaching.sum()),
        }
        return losses.sum(), float(len(losses)), metrics

    @abstractmethod
    def weigh(self, model: Any, rollout: Rollout) -> Rollout:
        """Return the rollout as `learned_from`, with the values that its losses need. This trains nothing."""

    @abstractmethod
    def rollout_losses(self, model: Any, rollout: Any) -> tuple[Tensor, dict[str, float]]:
        """Return losses [R] of a part of a rollout, and sums over answers of metrics for the history."""

    @staticmethod
    def write_synthetic(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Write prompts of half a row. The data's answer is only an end token."""
        place = sequence_length // 2
        tokens = np.full((rows, sequence_length + 1), tokenizer.end_of_text_id)
        tokens[:, 1:place] = np.random.default_rng(0).integers(3, tokenizer.vocab_size, (rows, place - 1))
        weights = np.zeros_like(tokens)
        weights[:, place] = 1
        write_synthetic_rows(out, tokens, weights, tokenizer)

    def _path(self, number: int) -> Path:
        return self.context.scratch / f"rollout-{number:06d}.safetensors"

    def batch_of(self, numbers: Numbers, step: int) -> Prompts:
        batch = packed_batch(self.rows, numbers)
        return Prompts(batch.tokens, batch.weights, torch.from_numpy(np.asarray(numbers, np.int64)))

    def _roll_out(self, number: int, model: TrainableDecoder) -> Rollout:
        """Draw answers to the prompts of a rollout, and compute the values that are stored with them."""
        group = self.config.group_size
        prompts = self.rows_per_step // group
        chosen = self.rows.numbers(self.seed, number * prompts, prompts)
        asked = self.batch_of(np.repeat(chosen, group), number)
        samplings = [
            Sampling(self.config.answer_tokens, 1.0, seed=_seed(self.seed, number, row), log_probabilities=True)
            for row in range(len(asked.tokens))
        ]
        answers = self._answers(model.engine(self.tokenizer), asked, samplings)
        tokens = torch.full_like(asked.tokens, self.tokenizer.end_of_text_id)
        weights, drawn = torch.zeros_like(asked.weights), torch.zeros_like(asked.weights)
        for row, (answer, (prompt, _)) in enumerate(zip(answers, self._asked(asked), strict=True)):
            whole = [*prompt, *answer.ids, *([] if answer.end_id is None else [answer.end_id])]
            tokens[row, : len(whole)] = torch.tensor(whole)
            weights[row, len(prompt) : len(whole)] = 1
            drawn[row, len(prompt) : len(whole)] = torch.tensor(answer.log_probabilities)
        rewards, shown, unscored = self._rewards(answers, asked)
        answered = Chats(tokens, weights)
        before = self.found(answer_log_probabilities, model, answered)
        with model.reference():
            reference = self.found(answer_log_probabilities, model, answered)
        found = before, reference, rewards, shown, unscored, _distinct(answers, group), _teaching(rewards, group)
        return self.weigh(model, Rollout(tokens, weights, drawn[:, 1:].contiguous(), *found))

    def found(self, what: Callable[[Any, Batch], Tensor], model: TrainableDecoder, rows: Batch) -> Tensor:
        """Return `what` [R,T], computed in micro-batches as in a step, so that the first step gets identical values."""
        device = model.output_weight.device
        parts = Chats(rows.tokens, rows.weights).split(self.config.micro_batch_rows)
        return torch.cat([what(model, part.to(device)).detach().cpu() for part in parts])

    def _asked(self, batch: Batch) -> Iterator[tuple[list[int], str]]:
        """Yield the prompt of each row, and the answer of the data."""
        for tokens, weights in zip(batch.tokens.tolist(), batch.weights, strict=True):
            start, end = int(weights.argmax()), int(weights.nonzero().max())
            yield tokens[:start], self.tokenizer.decode(tokens[start:end])

    def _answers(self, engine: Engine, batch: Batch, sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        return engine.generate([prompt for prompt, _ in self._asked(batch)], sampling)

    def _rewards(self, answers: Sequence[Generation], batch: Prompts) -> tuple[Tensor, Tensor, Tensor]:
        """Return weighted rewards [R,K], those of weight 0 [R,S], and for which answers a reward failed [R]."""
        judged = [
            Answer(
                answer.text.strip(),
                reference,
                answer.end_id is not None and not answer.is_within_thoughts,
                self.rows.turns(number),
                self.tokenizer.decode(answer.ids).strip(),
            )
            for answer, (_, reference), number in zip(answers, self._asked(batch), batch.numbers.tolist(), strict=True)
        ]
        if within := sum(answer.is_within_thoughts for answer in answers):
            self.context.log(f"{within} of {len(answers)} {UNFINISHED}")
        learned, shown, failed = list[list[float]](), list[list[float]](), torch.zeros(len(judged))
        for reward, scorer in zip(self.config.rewards, self.scorers, strict=True):
            scores = scorer.scores(judged)
            if reasons := unscored(scores):
                failed += torch.tensor([float(isinstance(each, Unscored)) for each in scores])
                said = f"reward {reward.name}: fails on {len(reasons)} of {len(scores)} answers"
                self.context.log(f"{said}, which are worth 0: {Counter(reasons).most_common(1)[0][0]}")
            if reward.weight:
                learned.append([reward.weight * score for score in scores])
            else:
                shown.append(scores)
        others = torch.tensor(shown).view(len(shown), len(judged)).T.contiguous()
        return torch.tensor(learned).T.contiguous(), others, failed.clamp(max=1)

    def _by_name(self, rewards: Tensor, shown: Tensor) -> dict[str, float]:
        """Return the sum of all weighted rewards, of each one if there are several, and of each of weight 0."""
        every = list(zip(names_of(self.config.rewards), self.config.rewards, strict=True))
        learned = [name for name, reward in every if reward.weight]
        others = [name for name, reward in every if not reward.weight]
        several = zip(learned if len(learned) > 1 else [], rewards.T, strict=False)
        named = [*several, *zip(others, shown.T, strict=True)]
        return {"reward": float(rewards.sum()), **{f"{name} reward": float(found.sum()) for name, found in named}}


def answer_log_probabilities(model: TrainableDecoder, batch: Batch, hidden: Tensor | None = None) -> Tensor:
    """Return ln p of the answers' tokens, 0 elsewhere [R,T]. Gradients stay on, to avoid another compilation."""
    where = batch.weights[:, 1:] > 0
    states = (model.hidden(batch) if hidden is None else hidden)[where]
    return spread(model.log_probabilities(states, batch.tokens[:, 1:][where]), where)


def spread(values: Tensor, where: Tensor) -> Tensor:
    """Return a tensor [R,T] with the values [N] at the N true places of a mask, and 0 elsewhere."""
    return torch.zeros(where.shape, device=values.device).masked_scatter(where, values)


def clipped_objective(ratio: Tensor, advantages: Tensor, clip_range: float) -> tuple[Tensor, Tensor]:
    """Return the objective to maximise (Schulman et al. 2017, equation 7), and where it is clipped, in any shape."""
    bounded = ratio.clamp(1 - clip_range, 1 + clip_range)
    plain, held = ratio * advantages, bounded * advantages
    return torch.minimum(plain, held), (held < plain).detach()


def _seed(seed: int, number: int, row: int) -> int:
    return int(np.random.SeedSequence([seed, number, row]).generate_state(1)[0])


def _distinct(answers: Sequence[Generation], group: int) -> Tensor:
    """Return [R] 1 / number of equal answers in the group."""
    texts = [answer.text for answer in answers]
    shares = []
    for start in range(0, len(texts), group):
        counts = Counter(texts[start : start + group])
        shares += [1 / counts[text] for text in texts[start : start + group]]
    return torch.tensor(shares)


def _teaching(rewards: Tensor, group: int) -> Tensor:
    """Return, for each answer [R], whether rewards differ in its group, or in the rollout if groups have one answer."""
    worth = rewards.sum(1).view(-1, group if group > 1 else len(rewards))
    unlike = worth.amax(1) - worth.amin(1) > ALIKE
    return unlike.float().repeat_interleave(worth.shape[1])


def _save(path: Path, rollout: Rollout) -> None:
    from safetensors.torch import save

    write_atomically(path, with_digests(save({name: part for name, part in vars(rollout).items() if part is not None})))
