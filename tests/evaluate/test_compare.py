"""What is compared, what is refused, and what is said first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmworks.evaluate.compare import CompareConfig, compare, metric_named
from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, JUDGE_SCORE, ROUGE_L, TRUNCATED, Evaluation, Metric
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.stage import Result
from lmworks.pipeline.statistics import compare_groups
from lmworks.pipeline.work.chunks import write_records
from support import make_context

N = 120
NOISE = np.random.default_rng(0).normal(scale=0.05, size=(3, N))
LITTLE = (NOISE[2] - NOISE[2].mean()) / 100
MODEL = {"conditions": Conditions(context_length=512, prompt="chat", data_type="float32", device="cpu")}


def evaluation(folder: Path, scores: Any, metric: Metric = ROUGE_L, group: int = 3, **evidence: Any) -> Evaluation:
    """An evaluation as the store holds it, of so many items a cluster."""
    items = [
        {
            "id": f"q{index}",
            "digest": f"d{index}",
            "cluster": f"service {index // group}",
            metric.value: float(score),
            "bytes": 10 + index,
        }
        for index, score in enumerate(scores)
    ]
    folder.mkdir()
    evidence.setdefault("conditions", Conditions())
    write_records(folder / "items.jsonl", items)
    (folder / "figures.json").write_text(json.dumps([metric.figure(items, "method", **evidence).as_json()]))
    return Evaluation(folder, folder.name)


def compared(tmp_path: Path, *evaluations: Evaluation, **config: Any) -> tuple[Result, dict[str, Any]]:
    labels = [each.path.name for each in evaluations]
    made = CompareConfig(evaluations=labels, labels=labels, **config)
    result = compare(made, list(evaluations), out=tmp_path, context=make_context(tmp_path))
    return result, json.loads((tmp_path / "comparison.json").read_text())


def test_a_better_model_is_ahead_of_the_others_in_the_mean_of_groups(tmp_path: Path) -> None:
    tuned = evaluation(tmp_path / "tuned", 0.4 + NOISE[0], **MODEL)
    untuned = evaluation(tmp_path / "untuned", 0.1 + NOISE[0] + NOISE[1], **MODEL)
    copied = evaluation(tmp_path / "copied", 0.1 + NOISE[0] + NOISE[2])
    result, record = compared(tmp_path, untuned, copied, tuned, baselines=["copied"])
    first, second, third = record["verdicts"]
    assert first.startswith("tuned is ahead of untuned: +0.30") and first.endswith("40 groups of 120 items")
    assert second.startswith("tuned is ahead of copied: +0.30") and " ROUGE-L [+0.2" in second
    assert "do not differ significantly: +0.00" in third
    sides = [each.reshape(-1, 3).mean(axis=1) for each in (0.4 + NOISE[0], 0.1 + NOISE[0] + NOISE[1])]
    (pair,) = [pair for pair in record["pairs"] if {pair["a"], pair["b"]} == {"tuned", "untuned"}]
    expected = compare_groups(*sides, N, most=1)
    assert pair["difference"] == pytest.approx(expected.difference)
    assert tuple(pair["interval"]) == pytest.approx(expected.interval)
    assert (pair["n"], pair["clusters"], pair["p"]) == (N, 40, pytest.approx(expected.p))
    (figure,) = [figure for figure in result.figures if figure.name == "rouge_l: tuned - untuned"]
    assert (figure.value, figure.interval, figure.n) == (pair["difference"], tuple(pair["interval"]), N)


def test_a_baseline_that_wins_stands_in_the_first_line(tmp_path: Path) -> None:
    model = evaluation(tmp_path / "tuned", 0.4 + NOISE[0], **MODEL)
    copied = evaluation(tmp_path / "copied", 0.6 + NOISE[1])
    _, record = compared(tmp_path, model, copied, baselines=["copied"])
    assert (
        record["verdicts"][0]
        == f"copied wins: {0.6 + NOISE[1].mean():.3f} ROUGE-L, the best model, tuned, has {0.4 + NOISE[0].mean():.3f}"
    )
    assert record["verdicts"][1].startswith("copied is ahead of tuned: +0.19")


@pytest.mark.parametrize(
    ("shift", "on_clean", "is_better"),
    [(0.3, 0.3, True), (0.001, 0.001, False), (-0.1, -0.1, False), (0.3, 0.001, False), (0.3, -0.1, False)],
)
def test_a_model_is_better_than_the_baselines_where_tests_say_so_and_on_clean_items_too(
    tmp_path: Path, shift: float, on_clean: float, is_better: bool
) -> None:
    first = evaluation(tmp_path / "weak", 0.1 + NOISE[1])
    second = evaluation(tmp_path / "copied", 0.2 + NOISE[2])
    is_known = np.arange(N) < N // 2
    model = evaluation(tmp_path / "tuned", 0.2 + np.where(is_known, shift, on_clean) + NOISE[0], **MODEL)
    items = [json.loads(line) for line in (model.path / "items.jsonl").read_text().splitlines()]
    marks = [{"contamination": "known" if known else "clean"} for known in is_known]
    (model.path / "items.jsonl").unlink()
    write_records(model.path / "items.jsonl", [item | mark for item, mark in zip(items, marks, strict=True)])
    _, record = compared(tmp_path, model, first, second, baselines=["weak", "copied"])
    beside = record["beside_baselines"]
    assert (beside["model"], beside["baseline"], beside["is_better"]) == ("tuned", "copied", is_better)
    _, alone = compared(tmp_path, model, first)
    assert "beside_baselines" not in alone


@pytest.mark.parametrize(("known", "is_better"), [(0, True), (N // 2, True), (N - 19, False), (N, False)])
def test_a_model_that_learned_what_it_is_asked_is_shown_to_be_better_on_the_other_items_alone(
    tmp_path: Path, known: int, is_better: bool
) -> None:
    copied = evaluation(tmp_path / "copied", 0.2 + NOISE[2])
    scores = 0.5 + NOISE[0]
    model = evaluation(tmp_path / "leaking", scores, **MODEL)
    items = [json.loads(line) for line in (model.path / "items.jsonl").read_text().splitlines()]
    marked = [each | ({"contamination": "known"} if n < known else {}) for n, each in enumerate(items)]
    (model.path / "items.jsonl").unlink()
    write_records(model.path / "items.jsonl", marked)
    _, record = compared(tmp_path, model, copied, baselines=["copied"])
    beside = record["beside_baselines"]
    assert (beside["model"], beside["is_better"]) == ("leaking", is_better)
    honest = evaluation(tmp_path / "honest", scores - 0.1, **MODEL)
    _, record = compared(tmp_path, model, honest, copied, baselines=["copied"])
    beside = record["beside_baselines"]
    assert (beside["model"], beside["is_better"]) == ("leaking" if is_better else "honest", True)


def test_models_that_are_no_better_than_guessing_are_called_so_first(tmp_path: Path) -> None:
    guesses = [
        evaluation(tmp_path / name, [index % 30 < hits for index in range(N)], ACCURACY, chance=1 / 30, **MODEL)
        for name, hits in (("broken", 1), ("tuned", 20))
    ]
    _, record = compared(tmp_path, *guesses)
    assert record["verdicts"][0].startswith("not shown to be better than chance: broken has 0.033 accuracy [0.0")
    assert record["verdicts"][0].endswith("n=120, and blind guessing 0.033")
    assert not any("than chance: tuned" in line for line in record["verdicts"])


def test_models_whose_answers_are_cut_off_are_called_so_before_who_wins(tmp_path: Path) -> None:
    made = []
    for name, cut, evidence in (("chatty", 0.5, MODEL), ("brief", 0.1, MODEL), ("copied", 1.0, {})):
        each = evaluation(tmp_path / name, NOISE[len(made)], **evidence)
        figures = json.loads((each.path / "figures.json").read_text())
        cuts = [{"id": f"q{n}", "cluster": f"q{n}", TRUNCATED.value: n < cut * N} for n in range(N)]
        (each.path / "figures.json").write_text(json.dumps([*figures, TRUNCATED.figure(cuts, "method").as_json()]))
        made.append(each)
    _, record = compared(tmp_path, *made, baselines=["copied"])
    assert record["verdicts"][0].startswith(f"cut off: 50% of the {N} answers of chatty end at the limit")
    assert not any("cut off" in line for line in record["verdicts"][1:])


def test_further_figures_are_tested_and_a_baseline_that_wins_one_is_said_before_what_a_model_wins(
    tmp_path: Path,
) -> None:
    made = []
    for name, shift, evidence in (("tuned", 0.4, MODEL), ("copied", 0.2, {"conditions": Conditions()})):
        items = [
            {
                "id": f"q{index}",
                "digest": f"d{index}",
                "cluster": f"q{index}",
                "rouge_1": shift + noise,
                "rouge_2": 0.9 - shift + other,
            }
            for index, (noise, other) in enumerate(
                zip(NOISE[0] + shift * LITTLE, NOISE[1] - shift * LITTLE, strict=True)
            )
        ]
        (tmp_path / name).mkdir()
        write_records(tmp_path / name / "items.jsonl", items)
        figures = [metric_named(each).figure(items, "method", **evidence).as_json() for each in ("rouge_1", "rouge_2")]  # type: ignore[union-attr]
        (tmp_path / name / "figures.json").write_text(json.dumps(figures))
        made.append(Evaluation(tmp_path / name, name))
    result, record = compared(tmp_path, *made, baselines=["copied"], also=["rouge_2"])
    first, second, third = record["verdicts"]
    assert first.startswith("copied wins: 0.694 ROUGE-2") and "tuned, has 0.494" in first
    assert second.startswith("tuned is ahead of copied: +0.200 ROUGE-1 [")
    assert third.startswith("copied is ahead of tuned: +0.200 ROUGE-2 [")
    assert record["metric"] == "rouge_1" and [pair["a"] for pair in record["pairs"]] == ["tuned"]
    assert [pair["a"] for pair in record["also"]["rouge_2"]] == ["copied"]
    assert {figure.name for figure in result.figures} == {"rouge_1: tuned - copied", "rouge_2: copied - tuned"}


def test_a_baseline_that_may_owe_its_lead_to_chance_does_not_win(tmp_path: Path) -> None:
    model = evaluation(tmp_path / "tuned", 0.4 + NOISE[0], **MODEL)
    copied = evaluation(tmp_path / "copied", 0.4 + NOISE[1] + max(0, NOISE[0].mean() - NOISE[1].mean()) + 0.001)
    _, record = compared(tmp_path, model, copied, baselines=["copied"])
    assert record["verdicts"][0].startswith("copied is ahead, but within doubt: 0.4")
    assert record["verdicts"][1].startswith("copied and tuned do not differ significantly: +0.00")


def test_fewer_bits_are_better_and_are_weighed_by_bytes_within_a_group(tmp_path: Path) -> None:
    small = evaluation(tmp_path / "small", 9 + NOISE[0], BITS_PER_BYTE, **MODEL)
    large = evaluation(tmp_path / "large", 9.5 + NOISE[1], BITS_PER_BYTE, **MODEL)
    xz = evaluation(tmp_path / "xz", 1 + NOISE[1], BITS_PER_BYTE)
    write_records(xz.path / "items.jsonl", [])
    _, record = compared(tmp_path, large, small, xz, baselines=["xz"])
    assert record["verdicts"][0].startswith("xz wins: 0.0") and "(no test: method" in record["verdicts"][0]
    assert record["verdicts"][1].startswith("small is ahead of large: -0.0")
    (pair,) = record["pairs"]
    sums = [each.reshape(-1, 3).sum(axis=1) for each in (NOISE[0] - NOISE[1] - 0.5, 10 + np.arange(N))]
    assert pair["difference"] == pytest.approx(float((sums[0] / sums[1]).mean()))


def test_models_under_other_conditions_are_not_compared_unless_that_is_meant(tmp_path: Path) -> None:
    read = replace(MODEL["conditions"], stride=384, truncated=3, data_type="bfloat16")
    short = evaluation(tmp_path / "short", 0.4 + NOISE[0], conditions=read)
    far = replace(read, context_length=1024, device="cuda")
    long = evaluation(tmp_path / "long", 0.5 + NOISE[1], conditions=far)
    result, record = compared(tmp_path, short, long)
    assert record["pairs"] == [] and not result.figures
    assert record["verdicts"] == [
        "long and short are not compared: context length is 1,024 in one, 512 in the other; "
        "device is cuda in one, cpu in the other"
    ]
    _, record = compared(tmp_path, short, long, may_differ=["context_length", "device"])
    assert record["verdicts"][0].startswith("long is ahead of short")


def test_two_that_were_not_scored_on_the_same_items_are_compared_on_those_that_both_were(tmp_path: Path) -> None:
    """A model leaves out what is beyond its context, a baseline does not."""
    whole = evaluation(tmp_path / "whole", 0.4 + NOISE[0], **MODEL)
    half = evaluation(tmp_path / "half", 0.5 + NOISE[1][:60], **MODEL)
    beside = evaluation(tmp_path / "beside", 0.4 + NOISE[0][:60], **MODEL)
    _, record = compared(tmp_path, whole, half)
    assert record["verdicts"][-1] == (
        "half and whole are compared on 60 items: 0 more were scored of half alone, 60 of whole alone"
    )
    (pair,), (expected,) = record["pairs"], compared(tmp_path, beside, half)[1]["pairs"]
    assert {**pair, "a": "", "b": ""} == {**expected, "a": "", "b": ""}


def test_who_is_ahead_on_the_shared_items_is_said_to_be(tmp_path: Path) -> None:
    """Though the other is by all."""
    values = np.concatenate((0.2 + 0.01 * NOISE[0][:60], np.full(60, 0.9)))
    whole = evaluation(tmp_path / "whole", values, **MODEL)
    half = evaluation(tmp_path / "half", 0.3 + 0.01 * NOISE[1][:60], **MODEL)
    _, record = compared(tmp_path, whole, half)
    assert record["verdicts"][0].startswith("half is ahead of whole: +0.1")


def test_a_baseline_that_is_ahead_on_other_items_alone_does_not_win(tmp_path: Path) -> None:
    values = np.concatenate((0.2 + 0.01 * NOISE[0][:60], np.full(60, 0.9)))
    copied = evaluation(tmp_path / "copied", values)
    model = evaluation(tmp_path / "model", 0.3 + 0.01 * NOISE[1][:60], **MODEL)
    _, record = compared(tmp_path, model, copied, baselines=["copied"])
    assert record["verdicts"][0].startswith("model is ahead of copied: +0.1")
    assert not any("wins" in line or "copied is ahead" in line for line in record["verdicts"])


@pytest.mark.parametrize("metric", [ROUGE_L, ACCURACY, JUDGE_SCORE], ids=lambda metric: metric.name)
def test_items_are_grouped_as_the_side_has_them_that_has_fewer_groups_whichever_is_named_first(
    tmp_path: Path, metric: Metric
) -> None:
    better, worse = (0.4 + NOISE[0] > 0.42, NOISE[1] > 0.02) if metric is ACCURACY else (0.4 + NOISE[0], NOISE[1])
    found = {}
    for alone, grouped in ((1, 3), (3, 1), (3, 3)):
        folder = tmp_path / f"{alone}-{grouped}"
        folder.mkdir()
        one = evaluation(folder / "better", better, metric, alone, **MODEL)
        other = evaluation(folder / "worse", worse, metric, grouped, **MODEL)
        (result, said), (mirrored, again) = compared(folder, one, other), compared(folder, other, one)
        assert (said, result.figures) == (again, mirrored.figures)
        found[alone, grouped] = said
    assert found[1, 3]["pairs"] == found[3, 1]["pairs"] == found[3, 3]["pairs"]
    assert found[3, 3]["pairs"][0]["clusters"] == N / 3
    told = "{0} and {1} are compared in the 40 groups of items that {0} has: the 120 of {1} lie within them"
    assert told.format("worse", "better") in found[1, 3]["verdicts"]
    assert told.format("better", "worse") in found[3, 1]["verdicts"]
    assert not any("groups of items" in line for line in found[3, 3]["verdicts"])


def test_two_whose_groups_of_items_contradict_each_other_are_not_compared(tmp_path: Path) -> None:
    one = evaluation(tmp_path / "one", 0.4 + NOISE[0], group=3, **MODEL)
    other = evaluation(tmp_path / "other", 0.1 + NOISE[1], group=4, **MODEL)
    _, record = compared(tmp_path, one, other)
    assert record["pairs"] == [] and record["verdicts"] == record["refused"]
    assert record["refused"][0].startswith("one and other are not compared: their items form 40 and 30 groups")
    assert compared(tmp_path, other, one)[1] == record


def test_two_without_an_item_in_common_are_not_compared(tmp_path: Path) -> None:
    some = evaluation(tmp_path / "some", 0.4 + NOISE[0], **MODEL)
    others = evaluation(tmp_path / "others", 0.5 + NOISE[0], **MODEL)
    path = others.path / "items.jsonl"
    path.write_text(path.read_text().replace('"id":"', '"id":"other ').replace('"digest":"', '"digest":"other '))
    _, record = compared(tmp_path, some, others)
    assert record["pairs"] == [] and "no item in common" in record["verdicts"][-1]


def test_one_model_alone_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    _, record = compared(tmp_path, evaluation(tmp_path / "only", NOISE[0], **MODEL))
    assert (record["pairs"], record["verdicts"]) == ([], [])


def test_a_transfer_gain_is_told_by_which_way_the_metric_is_better(tmp_path: Path) -> None:
    scratch = evaluation(tmp_path / "scratch", (1.5 + NOISE[0]) * (10 + np.arange(N)), BITS_PER_BYTE, **MODEL)
    full = evaluation(tmp_path / "full", (1.2 + NOISE[0] + NOISE[1]) * (10 + np.arange(N)), BITS_PER_BYTE, **MODEL)
    worse = evaluation(tmp_path / "lora", (1.7 + NOISE[0] + NOISE[1]) * (10 + np.arange(N)), BITS_PER_BYTE, **MODEL)
    same = evaluation(tmp_path / "same", (1.5 + NOISE[0] + NOISE[2]) * (10 + np.arange(N)), BITS_PER_BYTE, **MODEL)
    relations = [
        {"kind": "transfer", "model": model, "beside": "scratch", "note": "1e+12 operations each"}
        for model in ("full", "lora", "same")
    ]
    _, record = compared(tmp_path, scratch, full, worse, same, relations=relations)
    gained, lost, unknown, *_ = record["verdicts"]
    (pair,) = [pair for pair in record["pairs"] if {pair["a"], pair["b"]} == {"full", "scratch"}]
    low, high = pair["interval"]
    assert low < -0.3 < high < 0
    assert gained == (
        f"transfer gain: full is better than scratch by {-pair['difference']:.3f} bits per byte "
        f"[{-high:+.3f}, {-low:+.3f}], {scratch.figures()[0].value:.3f} to {full.figures()[0].value:.3f}, "
        "40 groups of 120 items; 1e+12 operations each"
    )
    assert lost.startswith("no transfer gain: lora is worse than scratch by 0.19") and " [+0.1" in lost
    assert unknown.startswith("transfer gain not known: same is ")


def shares(seed: int, lost: int) -> Any:
    """A thousand answers of which six hundred are right, and the same after `lost` of those are lost."""
    right = np.random.default_rng(seed).permutation(1000) < 600
    after = right.copy()
    after[np.flatnonzero(right)[:lost]] = False
    return right, after


@pytest.mark.parametrize(
    ("lost", "low", "first"),
    [
        (5, -0.02, "tuned keeps what base can, to within 2 points: -0.005"),
        (14, -0.03, "tuned may have lost more than 2 points of what base can: -0.014"),
    ],
)
def test_what_tuning_may_have_cost_is_said_first(tmp_path: Path, lost: int, low: float, first: str) -> None:
    before, after = (
        evaluation(tmp_path / name, scores, ACCURACY, **MODEL)
        for name, scores in zip(("base", "tuned"), shares(0, lost), strict=True)
    )
    other = evaluation(tmp_path / "other", shares(1, 0)[0], ACCURACY, **MODEL)
    baseline = evaluation(tmp_path / "words", np.ones(1000), ACCURACY)
    relations = [
        {"kind": "retention", "model": model, "beside": base} for model, base in (("tuned", "base"), ("other", "gone"))
    ]
    _, record = compared(tmp_path, before, after, other, baseline, baselines=["words"], relations=relations)
    (said,) = (line for line in record["verdicts"] if "what base can" in line)
    assert said.startswith(first), said
    assert low - 0.01 < float(said.split("[")[1].split(",")[0]) < low + 0.01
    assert record.get("lost") == ([said] if lost > 10 else None)
    assert [line == said or line.startswith("words wins") for line in record["verdicts"][:2]] == [True, True]
    assert (record["verdicts"][0] == said) == (lost > 10)


def test_what_training_made_of_a_model_is_told_beside_what_it_began_with(tmp_path: Path) -> None:
    sizes = 10 + np.arange(N)
    before = evaluation(tmp_path / "before", (1.0 + NOISE[0]) * sizes, BITS_PER_BYTE, **MODEL)
    noisy = NOISE[0] + 20 * NOISE[1] - 20 * NOISE[1].mean()
    after = {
        "learned": 0.9 + NOISE[0] + LITTLE,
        "kept": 1.01 + NOISE[0] + NOISE[1] / 50,
        "forgot": 1.1 + NOISE[0] + LITTLE,
        "not known whether it forgot": 1.0 + noisy,
    }
    made = [
        evaluation(tmp_path / name.split()[0], bits * sizes, BITS_PER_BYTE, **MODEL) for name, bits in after.items()
    ]
    relations = [{"kind": "tuning", "model": each.path.name, "beside": "before"} for each in made]
    _, record = compared(tmp_path, before, *made, relations=relations)
    for verdict, line in zip(after, record["verdicts"], strict=False):
        model = verdict.split()[0]
        better = model == "learned" or (model == "not" and "better" in line)
        word = "better" if better else "worse"
        shown = f"not shown to be {word}" if verdict.startswith("not known") else word
        start = f"{verdict}: {model} is {shown} than before, from which it was trained, by "
        assert line.startswith(start), line
        assert "1.0" in line and not line.endswith("; ")
        assert ("not shown" in line) == verdict.startswith("not known")


@pytest.mark.parametrize("kind", ["tuning", "transfer"])
def test_of_few_groups_nothing_is_shown(tmp_path: Path, kind: str) -> None:
    before = evaluation(tmp_path / "before", 0.4 + NOISE[0] / 50, group=24, **MODEL)
    after = evaluation(tmp_path / "after", 0.7 + NOISE[1] / 50, group=24, **MODEL)
    relations = [{"kind": kind, "model": "after", "beside": "before"}]
    _, record = compared(tmp_path, before, after, relations=relations)
    said, pair, *_ = record["verdicts"]
    why = "its items come in 5 groups, and a comparison needs 6"
    assert said.startswith("not tested: after has 0.700 ROUGE-L, before") and said.endswith(why)
    assert pair == f"after and before are not tested: +0.300 ROUGE-L, n=120: {why}"


@pytest.mark.parametrize(("group", "is_shown"), [(12, True), (24, False)])
def test_a_model_is_shown_to_be_better_than_a_baseline_by_six_groups(
    tmp_path: Path, group: int, is_shown: bool
) -> None:
    """Of ten groups and of five."""
    copied = evaluation(tmp_path / "copied", 0.4 + NOISE[0], group=group)
    for shift in (0.3, -0.3):
        model = evaluation(tmp_path / f"tuned{shift}", 0.4 + shift + NOISE[1], group=group, **MODEL)
        _, record = compared(tmp_path, model, copied, baselines=["copied"])
        assert record["beside_baselines"]["is_better"] == (is_shown and shift > 0)
        assert record["verdicts"][0].startswith(("copied wins", "copied is ahead, but within doubt")[not is_shown]) == (
            shift < 0
        )


def test_of_scores_that_are_the_same_on_every_item_nothing_is_tested(tmp_path: Path) -> None:
    before = evaluation(tmp_path / "before", np.full(N, 0.5), **MODEL)
    after = evaluation(tmp_path / "after", np.full(N, 0.5), **MODEL)
    other = evaluation(tmp_path / "other", 0.1 + NOISE[0], **MODEL)
    relations = [{"kind": kind, "model": "after", "beside": "before"} for kind in ("tuning", "transfer")]
    result, record = compared(tmp_path, after, before, other, relations=relations)
    why = "the scores are the same on every item"
    assert record["verdicts"][:2] == [
        f"not tested: after has 0.500 ROUGE-L, before, from which it was trained, 0.500; n=120: {why}",
        f"not tested: after has 0.500 ROUGE-L, before 0.500; n=120: {why}",
    ]
    (line,) = (line for line in record["verdicts"][2:] if "before" in line and "after" in line)
    assert line == f"after and before are not tested: +0.000 ROUGE-L [-0.023, +0.023], n=120: {why}"
    (pair,) = (pair for pair in record["pairs"] if {pair["a"], pair["b"]} == {"after", "before"})
    assert pair["p"] is None
    (figure,) = (figure for figure in result.figures if figure.name == "rouge_l: after - before")
    assert figure.interval == tuple(pair["interval"]) and figure.method == f"no test of 40 clusters: {why}"
    assert len([pair for pair in record["pairs"] if pair["p"] is not None]) == 2


def test_a_baseline_ahead_on_every_item_wins(tmp_path: Path) -> None:
    model = evaluation(tmp_path / "tuned", np.zeros(N), ACCURACY, **MODEL)
    result, record = compared(
        tmp_path, model, evaluation(tmp_path / "words", np.ones(N), ACCURACY), baselines=["words"]
    )
    assert record["verdicts"] == [
        "words wins: 1.000 accuracy, the best model, tuned, has 0.000",
        "words is ahead of tuned: +1.000 accuracy [+0.950, +1.000], 40 groups of 120 items",
    ]
    assert "a true difference of 0.0707" in result.figures[0].method


def test_all_items_of_one_cluster_are_no_test(tmp_path: Path) -> None:
    made = []
    for name, shift in (("a", 0.1), ("b", 0.0)):
        items = [
            {"id": str(index), "digest": str(index), "cluster": "S3", "rouge_l": shift + noise}
            for index, noise in enumerate(NOISE[0])
        ]
        (tmp_path / name).mkdir()
        write_records(tmp_path / name / "items.jsonl", items)
        (tmp_path / name / "figures.json").write_text(
            json.dumps([ROUGE_L.figure(items, "method", conditions=Conditions()).as_json()])
        )
        made.append(Evaluation(tmp_path / name, name))
    _, record = compared(tmp_path, *made)
    assert record["verdicts"] == [
        "a and b are not tested: +0.100 ROUGE-L, n=120: its items come in 1 group, and a comparison needs 6"
    ]


@pytest.mark.parametrize(
    ("times", "lost", "first"),
    [(1, 0, "tuned may have lost more"), (6, 0, "tuned keeps what base can"), (6, 1, "tuned may have lost more")],
)
def test_what_tuning_left_as_it_was_is_kept_where_items_are_enough_to_tell(
    tmp_path: Path, times: int, lost: int, first: str
) -> None:
    """Forty clusters alike on both sides may be luck, where one in twenty has changed."""
    base = evaluation(tmp_path / "base", np.ones(N * times), ACCURACY, **MODEL)
    tuned = evaluation(tmp_path / "tuned", np.full(N * times, 1 - lost), ACCURACY, **MODEL)
    _, record = compared(tmp_path, base, tuned, relations=[{"kind": "retention", "model": "tuned", "beside": "base"}])
    assert record["verdicts"][0].startswith(first)


def test_a_model_that_is_left_out_is_told(tmp_path: Path) -> None:
    _, record = compared(tmp_path, evaluation(tmp_path / "only", NOISE[0], **MODEL), left_out=["base is not asked"])
    assert record["verdicts"] == ["base is not asked"]


def test_a_baseline_that_is_ahead_by_rounding_alone_is_not_ahead(tmp_path: Path) -> None:
    values = 0.4 + NOISE[0]
    model = evaluation(tmp_path / "counts", values, **MODEL)
    copied = evaluation(tmp_path / "copied", values + 1e-15)
    _, record = compared(tmp_path, model, copied, baselines=["copied"])
    assert not any("ahead" in line or "wins" in line for line in record["verdicts"]), record["verdicts"]
