"""What a build says of figures and differences is seldom wrong: small draws of `benchmarks/evaluate/coverage.py`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lmworks.evaluate import compare
from lmworks.evaluate.compare import CompareConfig, System
from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, Item
from lmworks.evaluate.rehearsal import power
from lmworks.evaluate.relations import Relation
from lmworks.evaluate.tasks.labels import macro_f1
from lmworks.graph import CLASSES, make_nodes
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.statistics import compare_groups, detectable, items_needed
from lmworks.plan.plan import make_plan
from lmworks.recipe.file import load_recipe
from quick import few


@pytest.fixture(scope="module")
def grid() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "evaluate" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_of_intervals", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_grid_has_136_cells_of_its_own_names(grid: ModuleType) -> None:
    names = [cell.name for cell in grid.cells()]
    assert len(names) == len(set(names)) == 136


@pytest.mark.parametrize(
    "name",
    few(
        [
            "share, 0.995, n 100, none",
            "macro F1, labels of 60% 35% 5%, n 100, none",
            "macro F1, labels of 50% 49% 1%, n 200, none",
            "macro F1, labels of 49% 49% 2%, n 100, none",
            "share, 0.02, n 500, 25 equal",
            "share, paired, 0.99 and 0.98 alike to 0.5, n 20, none",
            "calibration error, times 1, n 400, none",
        ],
        1,
    ),
)
def test_intervals_that_once_misled_hold(grid: ModuleType, name: str) -> None:
    (number,) = [number for number, cell in enumerate(grid.cells()) if cell.name == name]
    assert grid.tried(number, 200, seed=7).coverage > 0.93 - 3 * (0.05 * 0.95 / 200) ** 0.5


def test_macro_f1_of_rare_labels_lies_within_its_own_interval() -> None:
    random = np.random.default_rng(0)
    rate = 1 / np.arange(1, 78)
    asked = random.choice(77, 500, p=rate / rate.sum())
    said = np.where(random.random(500) < 0.7, asked, random.choice(77, 500, p=rate / rate.sum()))
    pairs = zip(asked.tolist(), said.tolist(), strict=True)
    figure = macro_f1([{"cluster": n, "reference": str(a), "answer": str(s)} for n, (a, s) in enumerate(pairs)], "x")
    assert figure.interval and figure.interval[0] < figure.value < figure.interval[1]


def test_two_items_of_a_rare_label_prove_no_macro_f1() -> None:
    """However right they are, or if there is none of a label that the model knows."""
    for rare in (2, 0):
        labels = ["common"] * 100 + ["usual"] * (100 - rare) + ["rare"] * rare
        known = dict.fromkeys(("common", "usual", "rare"), 1 / 3)
        items: list[Item] = [
            {"cluster": str(n), "reference": label, "answer": label, "probabilities": known}
            for n, label in enumerate(labels)
        ]
        figure = macro_f1(items, "x")
        assert figure.value == 1 and figure.interval and figure.interval[0] < 0.8 and figure.interval[1] == 1
        assert ("1 more neither asked for nor said" in figure.method) == (rare == 0)


def test_noise_of_a_few_long_documents_is_not_taken_for_skewness(grid: ModuleType) -> None:
    draw, random = grid.noisy_documents(1.5), np.random.default_rng(3)
    a, b = grid.both(draw, draw)(random, np.ones(100, int))
    outcome = BITS_PER_BYTE.compare(a, b)
    assert outcome.interval
    middle, width = sum(outcome.interval) / 2, outcome.interval[1] - outcome.interval[0]
    assert abs(middle - outcome.difference) < 0.02 * width


@pytest.mark.parametrize("form", ["200 items", "25 equal", "100 skewed"])
def test_where_nothing_differs_the_primary_question_is_seldom_answered(grid: ModuleType, form: str) -> None:
    _, said = grid.null_builds(form, 400, seed=7)
    assert 0.02 < said < 0.08


@pytest.mark.parametrize("loss", [0.05, 0.02])
@pytest.mark.parametrize("n", [20, 145, 200])
@pytest.mark.slow
def test_what_lost_points_is_seldom_said_to_keep_them(grid: ModuleType, n: int, loss: float) -> None:
    _, said = grid.losses(n, loss, 100, seed=7)
    assert said <= 0.1


def test_a_pair_is_told_apart_exactly_where_its_interval_excludes_zero(grid: ModuleType) -> None:
    def items(wrong: set[int]) -> list[Item]:
        return [{"cluster": f"c{n}", "score": float(n not in wrong)} for n in range(200)]

    (shown,) = grid.verdicts(grid.config_of(), items(set(range(8, 15))), items({0}))
    assert shown.startswith("after is ahead of before: +0.030 accuracy [+0.0") and shown.endswith("], n=200")
    (open_,) = grid.verdicts(grid.config_of(), items(set(range(8, 12))), items({0}))
    assert open_.startswith("after and before do not differ significantly: +0.015 accuracy [-0.0")


def test_a_model_that_keeps_what_its_base_can_is_told_so_whatever_else_is_compared(grid: ModuleType) -> None:
    same: list[Item] = [{"cluster": f"c{n}", "score": float(n % 3 > 0)} for n in range(400)]
    relation = Relation(kind="retention", model="after", beside="before")
    first, *_ = grid.verdicts(grid.config_of(relation), same, same)
    assert first.startswith("after keeps what before can, to within 2 points: +0.000 accuracy [-0.01")


def test_how_many_items_tell_two_points() -> None:
    assert items_needed(0.02) == 3925
    assert detectable([1] * 3925) == pytest.approx(0.02, abs=1e-5)
    assert detectable([1] * 200) == pytest.approx(0.0886, abs=1e-4)


def test_what_is_told_before_a_run_counts_groups_and_not_their_items() -> None:
    def told(groups: int, n: int = 1440) -> str:
        return power([{"cluster": f"g{number % groups}"} for number in range(n)])

    assert told(1440) == (
        "1440 items: if two models differ in one answer of five, a true difference of 3.3 points is found in 4 of 5 "
        "cases; 2 points need 3,925 items"
    )
    assert told(144).startswith("1440 items in 144 groups (of one `cluster`, or nearly the same question), each")
    assert "a true difference of 10.5 points is found" in told(144) and "2 points need 3,925 groups" in told(144)
    assert "with so few items no true difference is found" in told(2)
    assert detectable([10] * 90 + [500]) is None, "one group outweighs all others"


def test_so_small_a_difference_of_groups_is_found_so_often() -> None:
    """Where all of a group are answered alike, as it was assumed."""
    draw, groups, found = np.random.default_rng(5), 150, 0
    least = detectable([4] * groups) or 0.0
    for _ in range(200):
        kind = draw.choice(3, groups, p=[(0.2 + least) / 2, (0.2 - least) / 2, 0.8])
        found += compare_groups(kind != 1, kind != 0, 4 * groups).is_shown
    assert 140 <= found <= 180


RECIPE = """\
name: seeds
use_case: luck
plan: {measure: false}
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  split: {kind: split, from: raw, by: id, test: 0.2}
tokenizer: {kind: bpe, vocab_size: 300, from: raw}
models:
  lm:
    {objective: causal-lm, from: scratch, data: split.train, hidden_size: 32, num_heads: 2, num_layers: 1, steps: 2,
     sequence_length: 64, variants: {one: {seed: 1}, two: {seed: 2}, large: {seed: 1, hidden_size: 64}}}
evaluate: {models: [lm], tasks: [{kind: perplexity, data: split.test}, {kind: perplexity, data: split.train}]}
"""


def test_a_build_knows_which_models_are_of_other_seeds(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a text")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES)
    nodes = make_nodes(recipe, make_plan(recipe, tmp_path, tmp_path / "store", measure=False), tmp_path)
    comparing = [each.config for each in nodes if isinstance(each.config, CompareConfig)]
    assert [each.seeds for each in comparing] == [[["lm-one", "lm-two"]]] * 2


@pytest.mark.parametrize("number", [2, 3, 5])
def test_the_spread_over_seeds_stands_beside_what_is_compared(number: int) -> None:
    """Two further trainings by seed alone lie farther apart than is said once in twenty times, of few seeds, too."""
    random, told, beyond = np.random.default_rng(0), "", 0
    config = CompareConfig(evaluations=["x"], labels=["x"], seeds=[[str(seed) for seed in range(number)]])
    for values, one, other in zip(random.normal(size=(4000, number)), *random.normal(size=(2, 4000)), strict=True):
        systems = [
            System(str(seed), False, Figure(name="accuracy", value=value, n=1, method="x"), [])
            for seed, value in enumerate(values.tolist())
        ]
        (told,) = compare._over_seeds(config, compare.Tests(ACCURACY, systems, [], [], [], []))
        beyond += abs(one - other) > float(told.partition("differ by less than ")[2].partition(" ")[0])
    assert 0.04 < beyond / 4000 < 0.06
    assert f"over {number} seeds, 0, 1" in told and "may differ by their seeds alone, whatever tests over items" in told
    assert told.endswith("; of two the spread is hardly known") == (number == 2)


def test_a_doubt_is_kept_with_a_figure() -> None:
    few: list[Item] = [{"cluster": f"c{n % 3}", "score": float(n % 2)} for n in range(60)]
    figure = ACCURACY.figure(few, "x")
    assert figure.doubt.startswith("the interval may be too narrow")
    assert json.loads(json.dumps(figure.as_json()))["doubt"] == figure.doubt
