"""Searches, ladders and comparisons on a small made-up cloud."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from e2e.small_recipe import lmworks, make_project, make_services, start
from lmworks.search.runs import Runs
from lmworks.search.scale import ladder

pytestmark = pytest.mark.slow
SMALL = {
    "split.by": "id",
    "split.test": "10",
    "split.validation": "0.2",
    "corpus.near_duplicates": "null",
    "questions.seen": "5",
    "tokenizer.vocab_size": "300",
    "pretrain.watch": "null",
    "pretrain.sequence_length": "32",
    "pretrain.global_batch_tokens": "128",
    "pretrain.warmup_steps": "2",
    "pretrain.steps": "60",
    "pretrain.validation_steps": "6",
    "pretrain.validation_rows": "64",
}
SETTINGS = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
SEARCH = ["search", "recipe.yaml", "pretrain", *SETTINGS, "--set", "pretrain.steps=20", "--json"]
RATES = ["--over", "learning_rate=0.0001..0.1:log", "--over", "hidden_size=32,64"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("search"))
    make_services(folder / "services", count=40)
    return folder


def found(folder: Path, *arguments: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(lmworks(folder, *arguments).stdout)
    return said


def trainings(folder: Path) -> int:
    return len(list((folder / ".lmworks" / "artifacts" / "train").glob("*/manifest.json")))


def reads_no_tests(folder: Path) -> bool:
    """Of what is trained or measured; the corpus is kept clear of test documents, which looks at them."""
    manifests = [json.loads(path.read_text()) for path in (folder / ".lmworks" / "artifacts").glob("*/*/manifest.json")]
    read = [each for manifest in manifests for records in manifest["inputs"].values() for each in records]
    tests = [each for each in read if each["step"] == "split" and each.get("part") == "test"]
    return len(tests) == sum(manifest["stage"] in ("curate", "operations-to-prompts") for manifest in manifests)


def test_a_search_begins_with_the_recipe_and_goes_on(project: Path) -> None:
    first = found(project, *SEARCH, *RATES, "--trials", "3")
    own = first["trials"][0]["values"]
    assert own == {"learning_rate": 0.02, "hidden_size": "64"}
    made = trainings(project)
    more = found(project, *SEARCH, *RATES, "--trials", "12")
    assert [each["values"] for each in more["trials"][:3]] == [each["values"] for each in first["trials"]]
    assert len(more["trials"]) == 12 and made < trainings(project) <= made + 9
    ended = {each["number"]: each for each in more["trials"] if each["state"] == "complete"}
    best = min(ended.values(), key=lambda each: each["score"])
    assert set(more["settings"]) == {f"models.pretrain.{name}={value}" for name, value in best["values"].items()}
    pruned = [each for each in more["trials"] if each["state"] == "pruned"]
    assert pruned and all(each["score"] is None for each in pruned)
    assert set(more["importance"]) <= {"learning_rate", "hidden_size"}
    front = [ended[number] for number in more["front"]]
    for each in ended.values():
        beaten = [one for one in front if one["seconds"] <= each["seconds"] and one["score"] <= each["score"]]
        assert beaten, "the front holds a trial at least as good in both"
    ElementTree.parse(project / ".lmworks" / "reports" / "small-pretrain-search.svg")
    assert reads_no_tests(project)


def test_the_first_trial_lies_inside_the_ranges_where_the_recipe_does_not(project: Path) -> None:
    over = ["--over", "learning_rate=0.03..0.05", "--over", "hidden_size=32,64", "--trials", "1"]
    (trial,) = found(project, *SEARCH, *over)["trials"]
    assert 0.03 <= trial["values"]["learning_rate"] <= 0.05, "the recipe has 0.02"
    assert trial["values"]["hidden_size"] == "64"


def test_a_tuned_model_is_searched_without_a_word_about_ranges(project: Path) -> None:
    settings = {**SMALL, "pretrain.steps": 4, "finetune.steps": 8, "finetune.validation": "questions.validation"}
    settings |= {"pretrain.sequence_length": 192, "finetune.adapter.rank": 8}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    said = found(project, "search", "recipe.yaml", "finetune", *words, "--trials", "3", "--json")
    assert said["over"] == [
        "learning_rate=5e-05..0.0008:log",
        "global_batch_tokens=384,768,1536",
        "weight_decay=0.0,0.1",
        "models.finetune.adapter.dropout=0.0,0.1",
        "models.finetune.adapter.rank=2,8,32",
    ]
    own = {"learning_rate": 0.0002, "global_batch_tokens": "768", "weight_decay": "0.0"}
    first, *others = (each["values"] for each in said["trials"])
    assert first == {**own, "models.finetune.adapter.dropout": "0.0", "models.finetune.adapter.rank": "8"}
    manifests = (
        json.loads(path.read_text()) for path in (project / ".lmworks/artifacts/train").glob("*/manifest.json")
    )
    tuned = [each["counts"] for each in manifests if each["config"].get("adapter")]
    assert len(others) == 2 and len(tuned) == 3 and {each["tokens"] for each in tuned} == {8 * 768}
    steps = {"384": 16, "768": 8, "1536": 4}
    best = dict(each.removeprefix("models.finetune.").split("=") for each in said["settings"])
    assert int(best["steps"]) == steps[best["global_batch_tokens"]]


def test_the_best_settings_build_the_model_that_was_found(project: Path) -> None:
    best = found(project, *SEARCH, *RATES, "--trials", "3")["settings"]
    chosen = [word for each in best for word in ("--set", each)]
    steps = ["--set", "pretrain.steps=20"]
    said = lmworks(project, "build", "recipe.yaml", "--until", "pretrain", *SETTINGS, *steps, *chosen)
    assert "pretrain: reused" in said.stderr


def test_a_killed_search_loses_no_trial(project: Path) -> None:
    over = ["--over", "weight_decay=0.0..0.5", "--trials", "4"]
    process = start(project, *SEARCH, *over)
    deadline = time.monotonic() + 120
    while not list((project / ".lmworks" / "studies").glob("*.sqlite")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.stderr
    for line in process.stderr:
        if line.startswith("trial 1"):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    said = found(project, *SEARCH, *over)
    assert [each["state"] for each in said["trials"]].count("complete") == 4
    values = [each["values"]["weight_decay"] for each in said["trials"]]
    assert len(set(values)) == 4 and values[0] == 0.0


def test_several_commands_share_a_study(project: Path) -> None:
    over = ["--over", "weight_decay=0.0..0.1", "--trials", "4"]
    other = start(project, *SEARCH, *over)
    found(project, *SEARCH, *over)
    other.communicate()
    assert other.returncode == 0
    said = found(project, *SEARCH, *over)
    assert len({each["values"]["weight_decay"] for each in said["trials"]}) == len(said["trials"]) == 4


def test_vocabularies_are_compared_by_bits_per_byte(project: Path) -> None:
    said = found(project, *SEARCH, "--over", "tokenizer.vocab_size=270,400", "--trials", "2")
    assert said["measure"].startswith("bits per byte")
    assert {each["values"]["tokenizer.vocab_size"] for each in said["trials"]} <= {"270", "400"}
    assert all(0.2 < each["score"] < 8 for each in said["trials"])


def test_a_setting_that_cannot_be_trained_is_refused_before_the_search(project: Path) -> None:
    refused = lmworks(project, *SEARCH, "--over", "hidden_size=33,32", "--trials", "5", code=2)
    assert "models.pretrain" in refused.stderr and "odd" in refused.stderr


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        ("learning_rat=0.1..0.2", "learning_rat"),
        ("learning_rate=0.2..0.1", "expected FIELD=LOW..HIGH"),
        ("learning_rate=0..0.1:log", "LOW above 0"),
        ("nowhere.size=1..2", "no field or step 'nowhere'"),
    ],
)
def test_a_range_that_means_nothing_is_refused(project: Path, over: str, fault: str) -> None:
    assert fault in lmworks(project, *SEARCH, "--over", over, code=2).stderr


def test_a_ladder_predicts_the_recipes_own_run(project: Path) -> None:
    more = ["--set", "pretrain.steps=400", "--set", "pretrain.hidden_size=128"]
    more += ["--seeds", "2"]
    said = found(project, "scale", "recipe.yaml", "pretrain", *SETTINGS, *more, "--json")
    assert all(len(set(each["losses"])) == 2 for each in said["points"]), "each model with two seeds"
    amounts = [each["flops"] for each in said["points"]]
    assert [each / amounts[-1] for each in amounts] == pytest.approx([2.5**-k for k in (4, 3, 2, 1, 0)], rel=0.3)
    assert said["flops"] / amounts[-1] == pytest.approx(8, rel=0.2)
    assert said["points"][0]["tokens"] / said["points"][-1]["tokens"] == pytest.approx(
        (amounts[0] / amounts[-1]) ** 0.5, rel=0.05
    ), "tokens and operations a token fall alike"
    assert said["points"][0]["steps"] > 400 / 5, "batches shrink, too, so that the smallest has steps to learn in"
    assert said["points"][0]["global_batch_tokens"] < said["points"][-1]["global_batch_tokens"] < 128
    low, high = said["interval"]
    assert low < said["loss"] < high
    parts = (project / ".lmworks/artifacts/fraction-of-rows").glob("*/manifest.json")
    rows = sorted(json.loads(path.read_text())["counts"]["rows"] for path in parts)
    read = [each["tokens"] / 32 / said["passes"] for each in said["points"]]
    assert said["passes"] > 1 and rows == pytest.approx(read, abs=1), "each model goes as often through its data"
    ElementTree.parse(project / ".lmworks" / "reports" / "small-pretrain-scale.svg")
    again = lmworks(project, "scale", "recipe.yaml", "pretrain", *SETTINGS, *more)
    assert "predicted" in again.stdout and "not built before" not in again.stderr
    assert reads_no_tests(project)


def test_processes_share_out_the_small_batches_of_a_ladder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_ID_KEY", "a key for tests only")  # as the commands before have it
    own = {**SMALL, "pretrain.hidden_size": "128", "pretrain.steps": "400", "pretrain.processes": "2"}
    settings = [f"{name}={value}" for name, value in {**own, "pretrain.global_batch_tokens": "512"}.items()]
    settings += ["pretrain.micro_batch_rows=2"]
    runs = Runs(project / "recipe.yaml", settings, project / ".lmworks", "pretrain")
    rows = [int(str(each["global_batch_tokens"])) // 32 for each in ladder(runs, [1 / 64, 1 / 8, 1 / 2])]
    assert rows[0] < rows[-1] < 16
    assert all(each % (2 * 2) == 0 for each in rows)


def test_more_data_lowers_the_loss_and_an_answer_is_given(project: Path) -> None:
    said = found(project, "scale", "recipe.yaml", "pretrain", "--data", *SETTINGS, "--json")
    losses = [each["loss"] for each in said["points"]]
    assert losses[-1] < losses[0]
    examples = [each["examples"] for each in said["points"]]
    assert [round(each / examples[-1], 3) for each in examples] == [0.062, 0.125, 0.25, 0.5, 1]
    assert "less than 1.0%" in said["goal"] and len(said["enough"]) == 3
    aimed = found(project, "scale", "recipe.yaml", "pretrain", "--data", "--target", "0.001", *SETTINGS, "--json")
    assert aimed["enough"][1] is None, "no amount within reach is enough"


def test_a_tuned_model_has_its_bases_architecture(project: Path) -> None:
    tuned = [*SETTINGS, "--set", "finetune.validation=questions.validation", "--set", "finetune.sequence_length=32"]
    said = lmworks(project, "scale", "recipe.yaml", "finetune", *tuned, code=2)
    assert "architecture is fixed" in said.stderr
    said = lmworks(project, "bakeoff", "recipe.yaml", "finetune", *tuned, code=2)
    assert "architecture is fixed" in said.stderr


def test_architectures_are_compared_at_equal_compute(project: Path) -> None:
    more = ["--set", "pretrain.steps=20", "--set", "pretrain.hidden_size=64", "--seeds", "3"]
    said = found(project, "bakeoff", "recipe.yaml", "pretrain", *SETTINGS, *more, "--json")
    entries = {each["name"]: each for each in said["entries"]}
    assert {"habit", "deeper, narrower", "twice the heads", "tied embeddings", "sliding window"} <= set(entries)
    assert "full attention" not in entries and "embeddings of their own" not in entries
    assert all(len(each["losses"]) == 3 for each in entries.values())
    steps = {name: each["steps"] for name, each in entries.items()}
    assert steps["habit"] == 20 and steps["deeper, narrower"] != 20
    shown = lmworks(project, "bakeoff", "recipe.yaml", "pretrain", *SETTINGS, *more).stdout
    assert "the recipe as it is" in shown and "no significant difference" in shown


def test_a_model_without_validation_data_is_refused(project: Path) -> None:
    blind = [*SETTINGS, "--set", "pretrain.validation=null"]
    assert (
        "models.pretrain.validation is not set"
        in lmworks(project, "scale", "recipe.yaml", "pretrain", *blind, code=2).stderr
    )
