"""What is said of the items of one quickstart: true differences are told, and narrow intervals pass gates.

`quickstart_items.json` holds the scores of a build of `recipes/quickstart.yaml` (pretrain and finetune of seed 3),
without texts. Services are numbered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmworks.evaluate.compare import CompareConfig, concluded
from lmworks.evaluate.gates import TriedGate, outcome_of
from lmworks.evaluate.items import BITS_PER_BYTE, ROUGE_L, Evaluation, Item, beside_clean
from lmworks.evaluate.primary import AskedConfig, answered
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.work.chunks import write_records
from lmworks.recipe.schema import GateConfig

STORED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("quickstart_items.json").read_text())
TASKS = {"perplexity-split-test": BITS_PER_BYTE, "documentation-questions-test": ROUGE_L}
BASELINES = ("xz", "5-gram", "copy-nearest")


def evaluation(folder: Path, task: str, system: str) -> Evaluation:
    stored, metric = STORED[task], TASKS[task]
    known = set(stored[f"{system} knows"])
    items: list[Item] = [
        {
            "id": f"q{n}",
            "digest": f"d{n}",
            "cluster": f"service {group}",
            "contamination": "known" if n in known else "clean",
            metric.value: value,
            "bytes": stored["bytes"][n] if metric is BITS_PER_BYTE else 1,
        }
        for n, (group, value) in enumerate(zip(stored["group"], stored[system], strict=True))
    ]
    (folder / system).mkdir()
    write_records(folder / system / "items.jsonl", items)
    conditions = Conditions() if system in BASELINES else Conditions(model=system[0] * 64)
    figure = beside_clean(items, lambda some: metric.figure(some, "stored", conditions=conditions))
    (folder / system / "figures.json").write_text(json.dumps([figure.as_json()]))
    return Evaluation(folder / system, system)


def verdicts(folder: Path, task: str, *systems: str) -> list[str]:
    config = CompareConfig(
        evaluations=[f"evaluate/{name}" for name in systems],
        labels=list(systems),
        baselines=[name for name in systems if name in BASELINES],
    )
    record, _ = concluded(config, [evaluation(folder, task, name) for name in systems])
    return list(record["verdicts"])


@pytest.mark.parametrize(
    ("task", "opponents", "sentence"),
    [
        (
            "perplexity-split-test",
            ["xz", "5-gram"],
            "Yes: finetune is better than xz, the best of 2 baselines: 1.119 against 1.456 bits per byte, the mean of "
            "the groups. Of 24 groups of items, finetune is better in 24 and worse in 0.",
        ),
        (
            "documentation-questions-test",
            ["copy-nearest"],
            "It is not shown that finetune is better than the baseline copy-nearest: 0.194 against 0.178 ROUGE-L, the "
            "mean of the groups. Of 24 groups of items, finetune is better in 15 and worse in 9.",
        ),
    ],
)
def test_the_answer_is_the_one_that_most_services_give(
    tmp_path: Path, task: str, opponents: list[str], sentence: str
) -> None:
    asked = AskedConfig(
        evaluations=[f"evaluate/{name}" for name in ("finetune", *opponents)],
        task=task,
        model="finetune",
        opponents=opponents,
        baselines=opponents,
    )
    sides = [evaluation(tmp_path, task, name) for name in ("finetune", *opponents)]
    assert answered(asked, sides).sentence == sentence


def test_a_difference_in_nearly_all_services_is_told(tmp_path: Path) -> None:
    """One service has two fifths of all bytes, and once hid a lead of the model in 24 of 25."""
    said = verdicts(tmp_path, "perplexity-split-test", "pretrain", "xz")
    assert any(line.startswith("pretrain is ahead of xz: -0.241 ") for line in said), said


def test_two_that_are_level_are_told_so_with_an_interval_of_their_size(tmp_path: Path) -> None:
    said = verdicts(tmp_path, "documentation-questions-test", "finetune", "copy-nearest")
    (line,) = (line for line in said if "do not differ significantly" in line)
    low, high = map(float, line.partition("[")[2].partition("]")[0].split(", "))
    assert -0.08 < low < 0 < high < 0.08, line


def test_a_figure_with_a_narrow_interval_passes_its_gate(tmp_path: Path) -> None:
    ours = evaluation(tmp_path, "documentation-questions-test", "finetune")
    gate = GateConfig(task="documentation", at_least=0.05)
    outcome = outcome_of(TriedGate(gate=gate, model="finetune", evaluation=0), [ours])
    assert outcome.passed, outcome.sentence
    assert not outcome_of(
        TriedGate(gate=gate.model_copy(update={"at_least": 0.25}), model="finetune", evaluation=0), [ours]
    ).passed
