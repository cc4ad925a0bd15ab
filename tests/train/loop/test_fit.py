"""Runs that were made up, each with one fault or none, are told right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpora import make_documents, pack_texts
from lmworks.model.folder import ModelFolder
from lmworks.tokens.kinds.wordpiece import WordPieceConfig, wordpiece
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.loop.fit import Course, Kind, Sums, judge
from lmworks.train.loop.leak import share_seen
from lmworks.train.loop.train import train
from support import make_context

UNIGRAMS, PARTS = 6.2, 16
LABELS, MAJORITY = 2.3, 0.15
"""Loss and accuracy of always saying the commonest of twelve labels."""
COIN = 0.693


def parts(mean: float, data: int, model: int, count: int = PARTS, spread: float = 0.05) -> list[float]:
    """Losses of parts of data, which differ by what they hold, and a little by which model reads them."""
    drawn = [random.Random(f"{data} {part}").gauss(0, spread) for part in range(count)]
    return [
        mean * (1 + off) + random.Random(f"{data} {model} {part}").gauss(0, 0.003 * mean)
        for part, off in enumerate(drawn)
    ]


def sums(losses: Sequence[float], weight: float = 500.0, **metrics: float) -> list[Sums]:
    """As a run measures them."""
    more = {name: value * weight for name, value in metrics.items()}
    return [{"loss": loss * weight, "weight": weight, **more} for loss in losses]


def falling(first: float, last: float, steps: int, jitter: float = 0.1, seed: int = 0) -> list[float]:
    """Losses of single steps on the way from one to another, most of it early."""
    draw = random.Random(seed)
    return [last + (first - last) * 0.02 ** (step / steps) + draw.gauss(0, jitter) for step in range(steps)]


@dataclass
class MadeUp:
    """A run by what it came to: losses of steps, validation losses before the first step and at each validation."""

    losses: Sequence[float]
    validations: Sequence[float]
    trained: float
    passes: float = 1.0
    trivial: float | None = UNIGRAMS
    accuracy: tuple[float, float] | None = None
    """The model's, and the trivial baseline's."""
    weight: float = 500.0
    count: int = PARTS
    more: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    spread: float = 0.05
    """Of the parts of the data, as a share of their mean."""

    def course(self, seed: int) -> Course:
        known: dict[str, float] = {} if self.accuracy is None else {"accuracy": self.accuracy[0]}
        plain = {} if self.accuracy is None else {"accuracy": self.accuracy[1]}
        weight, seen = (
            self.weight,
            [parts(mean, seed, model, self.count, self.spread) for model, mean in enumerate(self.validations)],
        )
        return Course(
            losses=self.losses,
            validations=seen,
            validated=[0, *(len(self.losses) * part // (len(seen) - 1) for part in range(1, len(seen)))],
            trained=sums(parts(self.trained, 1000 + seed, 0, self.count), weight, **known),
            unseen=sums(seen[-1], weight, **known, **self.metrics),
            trivial=[] if self.trivial is None else sums(parts(self.trivial, seed, 99, self.count), weight, **plain),
            passes=self.passes,
            **self.more,
        )


TEXTS = {"mean_over": "text"}
PAIRS = {"mean_over": "pair"}
RUNS: dict[str, tuple[Kind | None, MadeUp]] = {
    "muon at rate 2": ("diverged", MadeUp([8.3, *falling(45, 45, 200, 20)], [8.3, 60, 70, 77, 77], 45.0)),
    "a loss that fell and leapt": (
        "diverged",
        MadeUp([*falling(8.3, 4, 200), *falling(7, 7.2, 100)], [8.3, 4.6, 4.2, 7.1, 7.3], 7.2),
    ),
    "no number": (
        "diverged",
        MadeUp([*falling(8.3, 4, 200), *[float("nan")] * 20], [8.3, 4.4, float("nan")], float("nan")),
    ),
    "preferences at a rate of 1": (
        "diverged",
        MadeUp(falling(0.7, 9, 300, 0.5), [0.693, 4, 8, 9, 9], 9, 1, COIN, (0.5, 0.5), 4, more=PAIRS),
    ),
    "a rate of 1e-7 from scratch": (
        "no better than the baseline",
        MadeUp(falling(8.3, 8.29, 400, 0.02), [8.3, 8.3, 8.295, 8.29, 8.29], 8.29),
    ),
    "constant logits": ("no better than the baseline", MadeUp(falling(8.3, 8.3, 400, 0.0), [8.3] * 6, 8.3, 3)),
    "a tuned model at a rate of 1e-7": (
        "no better than the baseline",
        MadeUp(falling(1.9, 1.9, 400), [1.9, 1.901, 1.899, 1.899, 1.8985], 1.9, 2),
    ),
    "twenty steps": ("underfit", MadeUp(falling(8.3, 7, 20), [8.3, 7.2], 7.2, 0.02)),
    "sixty steps that learned something": ("underfit", MadeUp(falling(8.3, 5, 60), [8.3, 5.6, 5.2], 5.2, 0.1)),
    "validation rows that were trained on": (
        None,
        MadeUp(falling(8.3, 1.2, 2000), [8.3, 3, 2, 1.5, 1.2, 1.2], 1.2, 20, more={"leaked": 0.75}),
    ),
    "twenty passes": ("overfit", MadeUp(falling(8.3, 0.6, 2000), [8.3, 4, 3.4, 3.5, 3.9, 4.4], 0.6, 20)),
    "texts learned by heart": (
        "overfit",
        MadeUp(falling(2.5, 0.02, 900), [2.5, 0.9, 0.8, 0.95, 1.1], 0.02, 9, LABELS, (0.8, MAJORITY), 40, more=TEXTS),
    ),
    "a gap of 1.65 nats": (
        "overfit",
        MadeUp(falling(8.3, 2.3, 900), [8.3, 4.6, 4.0, 3.96, 3.95, 3.95], 2.3, 12),
    ),
    "cut off while it fell": ("underfit", MadeUp(falling(8.3, 4, 800), [8.3, 5.6, 5.1, 4.7, 4.3], 4.3, 0.6)),
    "a sorter at its majority": (
        "no better than the baseline",
        MadeUp(falling(2.5, 2.3, 900), [2.6, 2.31, 2.3, 2.3, 2.3], 2.3, 9, LABELS, (0.14, MAJORITY), 40, more=TEXTS),
    ),
    "preferences no better than a coin": (
        "no better than the baseline",
        MadeUp(
            falling(0.69, 0.66, 500, 0.02), [0.693, 0.692, 0.69, 0.69, 0.69], 0.66, 2, COIN, (0.52, 0.5), 16, more=PAIRS
        ),
    ),
    "two hundred pairs no better than a coin": (
        "no better than the baseline",
        MadeUp(falling(COIN, 0.68, 300, 0.001), [COIN] * 5, 0.683, 3, COIN, (0.54, 0.5), 12, more=PAIRS),
    ),
    "every pair tied": (
        "no better than the baseline",
        MadeUp(
            falling(COIN, COIN, 500, 0.0),
            [COIN] * 5,
            COIN,
            2,
            COIN,
            (0.0, 0.5),
            16,
            more=PAIRS,
            metrics={"margin": 0.0},
        ),
    ),
    "two parts of validation data": (
        None,
        MadeUp(falling(8.3, 3, 900), [8.3, 3.6, 3.3, 3.2, 3.25], 3.1, 3, count=2),
    ),
    "pretraining that settled": (
        "fine",
        MadeUp(falling(8.3, 3, 2000), [8.3, 3.5, 3.2, 3.15, 3.11, 3.1, 3.09, 3.09], 3.05, 0.9),
    ),
    "few steps of a pass, whose learning rate fell to 0": (
        "underfit",
        MadeUp(falling(4.0, 3.50, 100), [3.804, 3.70, 3.617, 3.539, 3.505], 3.45, 0.3, trivial=4.9),
    ),
    "a short training, whose learning rate fell to 0": (
        "underfit",
        MadeUp(falling(4.0, 3.50, 400), [3.804, 3.70, 3.617, 3.539, 3.52, 3.51], 3.45, 0.3, trivial=4.9),
    ),
    "ended by patience": (
        "fine",
        MadeUp(falling(8.3, 2.9, 900), [8.3, 3.5, 3.2, 3.1], 3.05, 3, more={"past_best": True}),
    ),
    "preferences that moved a little": (
        "underfit",
        MadeUp(
            falling(COIN, 0.690, 400, 0.001),
            [COIN, 0.692, 0.691, 0.6905, 0.690],
            0.69,
            1,
            COIN,
            (0.62, 0.5),
            16,
            more=PAIRS,
        ),
    ),
    "sixteen pairs that the loss tells apart": (
        "fine",
        MadeUp(
            falling(COIN, 0.5, 400, 0.01), [COIN, 0.6, 0.55, 0.54, 0.54, 0.54], 0.52, 1, COIN, (0.6, 0.5), 1, more=PAIRS
        ),
    ),
    "words alone": ("underfit", MadeUp(falling(8.3, 5.9, 800), [8.3, 6.1, 5.95, 5.91, 5.9, 5.9], 5.88, 1)),
    "a spike that was made good": (
        "fine",
        MadeUp([*falling(8.3, 4, 200), *falling(6, 3.4, 200)], [8.3, 4.6, 4.2, 3.7, 3.5, 3.48, 3.48], 3.45, 1),
    ),
    "diverged in the last steps": (
        "diverged",
        MadeUp([*falling(8.3, 4, 300), *[4.5, 5, 6, 7, 7.5, 7.8], *[8.0] * 6], [8.3, 4.6, 4.3, 4.2, 8.0], 8.0),
    ),
    "labels learned": (
        "fine",
        MadeUp(
            falling(2.5, 0.2, 900),
            [2.6, 0.6, 0.4, 0.33, 0.32, 0.319, 0.319],
            0.31,
            4,
            LABELS,
            (0.93, MAJORITY),
            40,
            more=TEXTS,
        ),
    ),
    "preferences learned": (
        "fine",
        MadeUp(
            falling(0.69, 0.4, 500, 0.02),
            [0.693, 0.5, 0.45, 0.44, 0.44, 0.44],
            0.43,
            1,
            COIN,
            (0.8, 0.5),
            16,
            more=PAIRS,
        ),
    ),
    "validation text of another kind, half a pass": (
        "other kind of text",
        MadeUp(falling(8.3, 3.1, 800), [8.3, 5.4, 5.0, 4.8, 4.75, 4.745], 3.1, 0.5),
    ),
    "validation text of another kind, on which a tuned model loses": (
        "other kind of text",
        MadeUp(falling(4.0, 2.0, 800), [3.0, 3.1, 3.2, 3.3, 3.4, 3.4], 2.0, 0.8),
    ),
    "a little more than a pass over text of another kind": (
        "other kind of text",
        MadeUp(falling(4.6, 3.5, 440), [0.2, 2.2, 3.0, 3.6, 4.0], 3.45, 1.1),
    ),
    "validation text that no model of the training text reads": (
        "other kind of text",
        MadeUp(falling(8.3, 2.0, 800), [8.3, 8.0, 7.6, 7.5, 7.5, 7.5], 2.0, 0.8),
    ),
    "validation text that is easier": (
        "other kind of text",
        MadeUp(falling(8.3, 4.0, 800), [8.3, 4.0, 3.0, 2.9, 2.89, 2.89], 4.0, 0.8),
    ),
    "validation text of another kind, three passes": (
        "other kind of text",
        MadeUp([*falling(8.3, 3.0, 400), *falling(3.0, 2.9, 800)], [8.3, 5.4, 5.1, 5.0, 5.0, 5.0, 5.0], 2.9, 3),
    ),
    "text of another language, which rose from the first pass on, read four times": (
        "other kind of text",
        MadeUp(falling(8.3, 3.0, 2000), [8.3, 7.2, 7.3, 7.6, 7.9, 8.2], 3.0, 4, trivial=9.5),
    ),
    "few texts, many copies of each": (
        "overfit",
        MadeUp(falling(8.3, 2.3, 900), [8.3, 4.6, 4.0, 3.96, 3.95, 3.95], 2.3, 0.8, more={"repeated": 1.0}),
    ),
    "a loss that rose in the end though no text came twice": (
        "diverged",
        MadeUp([*falling(8.3, 3, 700), *[3.25] * 100], [8.3, 3.6, 3.2, 3.1, 3.05, 3.3], 3.25, 0.7),
    ),
    "a gap next to a loss of none": (
        "fine",
        MadeUp(
            falling(2.5, 0.001, 900, 0.0),
            [2.5, 0.01, 0.004, 0.003, 0.003, 0.003],
            0.001,
            9,
            LABELS,
            (0.999, MAJORITY),
            40,
            more=TEXTS,
        ),
    ),
    "a rise next to a loss of none": (
        "fine",
        MadeUp(
            [*falling(2.5, 0.001, 900, 0.0), *[0.003] * 20],
            [2.5, 0.01, 0.002, 0.001, 0.003, 0.004],
            0.003,
            9,
            LABELS,
            (0.999, MAJORITY),
            40,
            more=TEXTS,
        ),
    ),
    "a solved task whose loss halves once more": (
        "fine",
        MadeUp(
            falling(2.5, 0.005, 900, 0.0),
            [2.5, 0.1, 0.02, 0.011, 0.009, 0.005],
            0.005,
            9,
            LABELS,
            (0.999, MAJORITY),
            40,
            more=TEXTS,
        ),
    ),
    "three texts that are told wrongly, of a model that knows its own": (
        None,
        MadeUp(falling(2.5, 0.3, 500), [2.5, 2.5, 2.6, 2.5], 0.3, 9, LABELS, (0.0, 0.4), 1, 3, TEXTS),
    ),
    "twelve texts that tell nothing": (
        None,
        MadeUp(
            falling(2.5, 1.8, 500), [2.5, 2.3, 2.2, 2.2], 1.9, 1.5, LABELS, (0.2, MAJORITY), 1, 12, TEXTS, spread=0.9
        ),
    ),
    "five texts whose loss is that of the commonest label, and that are told rightly": (
        None,
        MadeUp(
            falling(2.4, 0.23, 60),
            [2.4, 1.3, 1.2, 1.144],
            0.22,
            17,
            1.103,
            (0.845, 0.429),
            9,
            5,
            more=TEXTS,
            spread=0.5,
        ),
    ),
    "a loss next to that of the commonest label, of a sorter that is right twice as often": (
        "fine",
        MadeUp(falling(2.4, 1.1, 900), [2.4, 1.2, 1.146, 1.145, 1.144], 1.14, 4, 1.103, (0.845, 0.429), 40, more=TEXTS),
    ),
    "thirty pairs learned by heart": (
        "overfit",
        MadeUp(
            falling(COIN, 0.02, 300, 0.01), [COIN, 0.69, 0.75, 0.9, 1.0], 0.02, 40, COIN, (0.5, 0.5), 16, more=PAIRS
        ),
    ),
    "a sorter that only grew sure of itself": (
        "overfit",
        MadeUp(falling(2.4, 0.05, 500), [2.3, 2.5, 2.9, 3.2], 0.05, 20, LABELS, (0.5, MAJORITY), 40, more=TEXTS),
    ),
    "a tuned model that hardly moved": (
        "no better than the baseline",
        MadeUp(falling(1.9, 1.89, 400, 0.01), [1.9, 1.897, 1.894, 1.892, 1.891], 1.89, 1),
    ),
    "a tuned model that does not move, on validation text that is harder": (
        "no better than the baseline",
        MadeUp(falling(1.4, 1.4, 110), [1.9, 1.9, 1.899, 1.9, 1.9], 1.4, 1.2),
    ),
    "twenty steps on training text that is easier": (
        "underfit",
        MadeUp(falling(5.0, 4.2, 20), [5.6, 5.3, 5.0, 4.9], 4.2, 0.3),
    ),
    "the best of a run that went on far beyond it": (
        "fine",
        MadeUp(falling(8.3, 2.6, 900), [8.3, 3.5, 3.2, 3.0], 2.9, 3, more={"past_best": True}),
    ),
}


def test_a_loss_that_is_next_to_none_is_not_underfitted() -> None:
    solved = MadeUp(falling(1.0, 0.001, 400, 0.0), [1.0, 0.01, 0.002, 0.0012, 0.0011, 0.001], 0.001, 5, 1.0)
    assert judge(solved.course(0))[0] == "fine"


def test_a_run_that_knows_its_rows_by_heart_and_nothing_else_is_not_told_to_have_learned_nothing() -> None:
    by_heart = MadeUp(falling(7.0, 0.04, 150), [7.0, 8.1, 10.7, 13.5, 15.0], trained=0.04, passes=170)
    assert judge(by_heart.course(0))[0] == "overfit"
    once = MadeUp(falling(7.0, 0.04, 150), [7.0, 8.1, 10.7, 13.5, 15.0], trained=6.9, passes=170)
    assert judge(once.course(0))[0] in ("no better than the baseline", "diverged")


@pytest.mark.parametrize(("gains", "kind"), [((0.44, 0.48), "underfit"), ((0.02, 0.9), None)])
def test_how_much_better_than_the_trivial_baseline_is_told_where_its_interval_tells(
    gains: tuple[float, float], kind: Kind | None
) -> None:
    _, run = RUNS["words alone"]
    course = run.course(0)
    plain = [each["loss"] / each["weight"] + gains[part % 2] for part, each in enumerate(course.unseen)]
    verdict, words = judge(replace(course, trivial=sums(plain)))
    assert verdict == kind and "better than the baseline" in words and ", by 0.460 [" in words


def test_one_validation_settles_nothing() -> None:
    once = MadeUp(falling(8.3, 3, 2000), [8.3, 3.05], 3.0, 0.9)
    kind, words = judge(once.course(0))
    assert kind is None and words.startswith("no verdict: only 1 of 4 needed validations"), words


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_told_for_what_it_is(name: str) -> None:
    kind, run = RUNS[name]
    for seed in range(5):  # other data, other noise
        verdict, words = judge(run.course(seed))
        assert verdict == kind, words
        assert words.startswith(f"{kind or 'no verdict'}: ")


# ---------------------------------------------------------------- real runs, as far as seconds go

SMALL: dict[str, Any] = {
    **{"from": "scratch", "data": "x", "hidden_size": 32, "num_layers": 1, "sequence_length": 48},
    **{"global_batch_tokens": 192, "warmup_steps": 2, "data_type": "float32", "threads": 1, "compile": False},
    **{"steps": 120, "validation_steps": 20, "checkpoint_steps": 1000, "validation": "y"},
}
SETTINGS: dict[str, tuple[Kind, dict[str, Any]]] = {
    "a rate of 1": ("diverged", {"learning_rate": 1.0, "adamw_learning_rate": 3.0}),
    "a rate of nothing": ("no better than the baseline", {"learning_rate": 1e-9, "adamw_learning_rate": 1e-9}),
    "three steps": ("underfit", {"steps": 3}),
    "sound": ("fine", {"steps": 400, "validation_steps": 40}),
}


@pytest.fixture(scope="module")
def parted(folder: Path, tokenizer: TokenizerFolder) -> tuple[Shards, Shards]:
    """Rows to train on, and of texts that none of them holds."""
    draw = random.Random(3)
    words = [f"{first}{last}" for first in ("ba", "ce", "do", "fi", "gu") for last in ("n", "r", "st", "lm", "ck")]
    found = [" ".join(draw.choices(words, k=12)) for _ in range(900)]
    rows = [pack_texts(folder / name, tokenizer, part, 48) for name, part in (("a", found[:700]), ("b", found[700:]))]
    return rows[0], rows[1]


def trained(folder: Path, rows: Shards, unseen: Shards, tokenizer: TokenizerFolder, **more: Any) -> dict[str, Any]:
    config = CausalLMConfig.model_validate({**SMALL, **more})
    result = train(config, None, rows, tokenizer, unseen, None, out=folder / "out", context=make_context(folder))
    return next(dict(example) for example in result.examples if example["reason"] == "fit")


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.slow
def test_a_real_run_is_told_for_what_it_is(
    name: str, parted: tuple[Shards, Shards], tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    kind, settings = SETTINGS[name]
    told = trained(tmp_path, *parted, tokenizer, **settings)
    assert told["verdict"] == kind, told["text"]


@pytest.mark.whole
def test_text_of_another_kind_and_copies_of_few_texts_are_told_apart(
    parted: tuple[Shards, Shards], tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    draw, letters = random.Random(4), "aeiou" * 2 + "klmnprst"
    others = ["".join(draw.choices(letters, k=60)) for _ in range(200)]
    strange = pack_texts(tmp_path / "c", tokenizer, others, 48)
    told = trained(tmp_path, parted[0], strange, tokenizer, steps=150)
    assert told["verdict"] == "other kind of text" and "read for the first time" in told["text"], told["text"]
    known = ["".join(draw.choices(letters, k=240)) for _ in range(8)]
    few = pack_texts(tmp_path / "d", tokenizer, known * 100, 48)
    told = trained(tmp_path, few, strange, tokenizer, steps=150, learning_rate=0.05)
    assert told["verdict"] == "overfit", told["text"]


@pytest.mark.whole
def test_validation_texts_that_are_trained_on_are_found_wherever_they_stand(
    parted: tuple[Shards, Shards], folder: Path, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    rows, unseen = parted
    both = [array for each in (unseen, rows) for array in each.open().tokens]
    ends = [tokenizer.open().end_of_text_id]
    mixed = np.concatenate([[0, 0, 0], *both])  # every row begins elsewhere than it did
    mixed = mixed[: len(mixed) // 49 * 49].reshape(-1, 49)
    assert share_seen(mixed, np.arange(len(mixed)), unseen.open().tokens, ends) > 0.5
    assert share_seen(rows.open().tokens, np.arange(len(rows.open().tokens)), unseen.open().tokens, ends) < 0.05
    told = trained(tmp_path, rows, rows, tokenizer, steps=60)
    assert told["verdict"] == "no verdict" and "% of the validation texts are in the training rows" in told["text"]


def test_a_form_that_all_texts_share_is_no_sign_that_they_are_trained_on() -> None:
    draw = np.random.default_rng(0)
    form = draw.integers(1, 99, 60)  # such as a system prompt

    def rows(count: int) -> np.ndarray[Any, Any]:
        return np.stack([np.concatenate([[0], form, draw.integers(100, 200, 12), [0]]) for _ in range(count)])

    trained_on, unseen = rows(40), rows(6)
    assert share_seen(trained_on, np.arange(40), unseen, [0]) == 0
    assert share_seen(trained_on, np.arange(40), np.concatenate([trained_on[:3], unseen[:3]]), [0]) == 0.5
    assert share_seen(trained_on, np.arange(40), np.repeat(trained_on[:5], 9, axis=0), [0]) == 1  # of five texts


@pytest.mark.whole
def test_a_branch_on_other_data_is_told_by_them_alone(
    parted: tuple[Shards, Shards], folder: Path, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    rows, unseen = parted
    flat = {"schedule": "constant", "steps": 40, "publish_checkpoints": [40]}
    trained(tmp_path, rows, unseen, tokenizer, **flat)
    others = [
        pack_texts(tmp_path / name, tokenizer, ["fi gu ba do ce"] * count, 48)
        for name, count in (("c", 400), ("d", 30))
    ]
    base, config = ModelFolder(tmp_path / "out", "base"), {**SMALL, "from": "base", "branch_step": 40, "steps": 60}
    context = make_context(tmp_path / "branch")
    result = train(
        CausalLMConfig.model_validate(config),
        base,
        others[0],
        tokenizer,
        others[1],
        None,
        out=tmp_path / "b",
        context=context,
    )
    told = next(str(example["text"]) for example in result.examples if example["reason"] == "fit")
    passes = 20 * 4 / len(others[0].open().tokens)
    assert f"{passes:.1f} passes" in told, told


@pytest.mark.whole
def test_validation_data_in_order_are_measured_from_their_beginning_to_their_end(
    parted: tuple[Shards, Shards], tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    alike, strange = ["ban cest dolm"] * 90, ["qzxj kvwq zzqx"] * 90  # such as a file sorted by label
    losses = []
    for name, texts in (("a", alike + strange), ("b", strange + alike)):
        unseen = pack_texts(tmp_path / name, tokenizer, texts, 48)
        config = CausalLMConfig.model_validate({**SMALL, "steps": 60, "validation_rows": 8})
        assert len(unseen.open().tokens) > 20
        result = train(
            config,
            None,
            parted[0],
            tokenizer,
            unseen,
            None,
            out=tmp_path / "o" / name,
            context=make_context(tmp_path / name),
        )
        losses.append(next(figure.value for figure in result.figures if figure.name == "validation loss"))
    assert min(losses) > max(losses) / 2


def test_unknown_words_are_not_taken_for_the_same_words(tmp_path: Path) -> None:
    documents = make_documents(tmp_path / "documents", ["ban cest dolm"] * 9)
    wordpiece(WordPieceConfig(documents="x", vocab_size=261), documents, tmp_path / "words", make_context(tmp_path))
    tokenizer, draw = TokenizerFolder(tmp_path / "words", "words"), random.Random(5)
    drawn = [" ".join("".join(draw.choices("aeklmnr", k=7)) for _ in range(9)) for _ in range(500)]
    rows, unseen = (
        pack_texts(tmp_path / name, tokenizer, some, 48) for name, some in (("a", drawn[:400]), ("b", drawn[400:]))
    )
    assert tokenizer.open().unknown_id in rows.open().tokens
    told = trained(tmp_path, rows, unseen, tokenizer, steps=20)
    assert "are in the training rows" not in told["text"], told["text"]
