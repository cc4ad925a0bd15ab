"""What a plan says of a recipe: memory, time, and where each number comes from."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmworks.errors import GateRefused, UsageError
from lmworks.evaluate.compare import CompareConfig
from lmworks.evaluate.primary import AskedConfig
from lmworks.graph import CLASSES, make_nodes
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.record import BuildRecord, KeyParts, StepRecord
from lmworks.pipeline.store import Store
from lmworks.pipeline.work.process import processor_name
from lmworks.plan import plan as planning
from lmworks.plan.machine import this_machine
from lmworks.plan.plan import Plan, make_plan
from lmworks.plan.probe import FLOPS_PER_CORE, NARROW_SHARE, Rate, Speed, counted_rate
from lmworks.recipe.file import load_recipe
from lmworks.release.render.outcome import as_text, outcome
from lmworks.train.configs.alignment import GrpoConfig
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.workspace import open_workspace
from support import make_manifest

RECIPE = """\
name: small
use_case: planning
data:
  texts: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  chats: {kind: conversations, from: texts}
  judgements: {kind: preferences, from: texts}
tokenizer: {kind: bpe, vocab_size: 400, from: texts}
models:
  first: {objective: causal-lm, from: scratch, data: texts, hidden_size: 64, num_layers: 1, compile: false, threads: 1}
  second: {objective: sft, from: first, data: chats, compile: false, threads: 1}
"""


def plan(folder: Path, *settings: str) -> Plan:
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "text.txt").write_text("one two three")
    (folder / "recipe.yaml").write_text(RECIPE)
    recipe = load_recipe(folder / "recipe.yaml", CLASSES, settings)
    return make_plan(recipe, folder, folder / "store", measure=False)


@pytest.mark.parametrize(
    ("speeds", "load", "told"),
    [
        ((1.0, 1.0), 9.0, []),
        ((1.0, 0.5), 1.0, ["second and first take equal operations"]),
        ((0.2, 0.2), 9.0, ["first: ", "second: "]),
        ((0.2, 0.2), 1.0, []),
    ],
)
def test_rates_that_other_work_made_wrong_are_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speeds: tuple[float, ...], load: float, told: list[str]
) -> None:
    counted = plan(tmp_path).rates["first"].tokens_per_second
    left = [Rate("rehearsed", share * counted, 1, 1, 1, 1, 1, 1, 1) for share in speeds]
    monkeypatch.setattr(planning, "rehearsed", lambda *_: (left.pop(0), 1))
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES, ())
    found = make_plan(recipe, tmp_path, tmp_path / "store", measure=True)
    doubts = [doubt for doubt in found.doubts if "read its data" not in doubt]  # three words, again and again
    assert len(doubts) == len(told)
    for doubt, begin in zip(doubts, told, strict=True):
        assert doubt.startswith(begin) and "--replan" in doubt and f"  in doubt   {doubt}" in found.as_text()
    assert Plan.from_json(json.loads(json.dumps(found.as_json()))).doubts == found.doubts


@pytest.mark.parametrize(
    ("settings", "rehearsed"), [((), True), (("first.steps=9",), True), (("first.steps=9", "second.steps=9"), False)]
)
def test_a_build_rehearses_only_models_whose_size_or_steps_are_not_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...], rehearsed: bool
) -> None:
    plan(tmp_path)
    ran: list[str] = []
    rate = Rate("rehearsed", 9e4, 1, 1, 1, 1, 1, 1, 1)
    monkeypatch.setattr(planning, "rehearsed", lambda *_: (ran.append("first"), (rate, 1))[1])
    open_workspace(tmp_path / "recipe.yaml", settings, measure=True)
    assert bool(ran) is rehearsed
    open_workspace(tmp_path / "recipe.yaml", [*settings, "budget.minutes=7"], measure=True, plan_only=True)
    assert ran, "`lmworks plan --measure` measures what is stated, too"


def test_where_nothing_is_trained_by_steps_no_machine_is_measured_and_nothing_is_told_of_what_is_not_counted(
    tmp_path: Path,
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "text.txt").write_text("one two three")
    (tmp_path / "recipe.yaml").write_text(RECIPE[: RECIPE.index("tokenizer:")] + "models:\n" + WORDS)
    recipe, said = load_recipe(tmp_path / "recipe.yaml", CLASSES), list[Plan]()
    found = make_plan(recipe, tmp_path, tmp_path / "store", measure=True, announce=said.append)
    assert not said and not (tmp_path / "store" / "plans").exists()
    told = found.as_text()
    assert "GFLOP/s" not in told and "0 MiB" not in told and "memory" not in told
    assert told.endswith("; what words takes is not counted")


WORDS = "  words: {objective: bag-of-words, data: texts}\n"


def test_a_plan_says_how_often_data_is_read_and_doubts_many_passes(tmp_path: Path) -> None:
    """13 bytes are about 3 tokens, of which a step reads 2,048."""
    found = plan(tmp_path, "models.first.steps=2")
    assert "reads its data about" in found.as_text()
    assert [doubt for doubt in found.doubts if "first: its 2 steps read its data about" in doubt]
    (tmp_path / "texts" / "more.txt").write_text("one two three four five six\n" * 2000)
    found = plan(tmp_path, "models.first.steps=6", "models.second.steps=6")
    assert not [doubt for doubt in found.doubts if "read its data" in doubt]
    assert "reads its data about once" in found.as_text()
    assert found.prediction("first")["rows_read"] == 24


def test_less_time_than_the_least_training_takes_is_doubted(tmp_path: Path) -> None:
    found = plan(tmp_path, "budget.minutes=0.01")
    assert [doubt for doubt in found.doubts if "more than the 0.01 min of `budget.minutes`" in doubt]
    assert not [doubt for doubt in plan(tmp_path, "budget.minutes=60").doubts if "budget.minutes" in doubt]


def test_memory_in_all_holds_what_baselines_take_of_much_text(tmp_path: Path) -> None:
    task = "{models: [first], tasks: [{kind: perplexity, data: texts, train: texts}]}"
    (tmp_path / "texts").mkdir()
    few = plan(tmp_path, f"evaluate={task}")
    (tmp_path / "texts" / "more.txt").write_text("a word " * 5_000_000)
    much, alone = plan(tmp_path, f"evaluate={task}"), plan(tmp_path)
    assert few.memory_bytes > 2**20 * 674, "xz takes that alone"
    assert much.memory_bytes > 30 * 35_000_000 + alone.memory_bytes / 2
    assert "memory     evaluation: " in much.as_text() and "evaluation" not in alone.as_text()


def test_a_tuned_model_is_counted_as_its_base(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert found.parameters["first"] == found.parameters["second"] > 2 * 400 * 64
    assert set(found.memory) == {"first", "second"}
    assert found.memory_bytes == max(sum(each.values()) for each in found.memory.values()) + planning.LEFT_BYTES
    assert Plan.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_model_that_goes_on_is_planned_no_size_of_its_own(tmp_path: Path) -> None:
    found = plan(tmp_path, "models.third={objective: causal-lm, from: first, data: texts, steps: 2}")
    assert not {"hidden_size", "num_layers"} & found.models["third"].keys()
    assert found.parameters["third"] == found.parameters["first"]


def test_the_time_in_which_a_model_writes_data_is_counted_where_the_prompts_are(tmp_path: Path) -> None:
    answers = "data.said={kind: answers, model: first, data: texts, max_tokens: 50, samples: 2, LIMIT}"
    limited = plan(tmp_path, answers.replace("LIMIT", "limit: 1000"))
    (low, high), *others = (each.seconds for each in limited.predicted if each.step == "said")
    operations = 3 * 2 * limited.parameters["first"] * 1000 * 2 * 50  # of so small a model, products are a third
    assert not others and 0 < low < operations / (50e9 * limited.machine.cores) < high
    assert "said" not in [each.step for each in plan(tmp_path, answers.replace(", LIMIT", "")).predicted]


JUDGED = (
    "models.judge={objective: reward, from: second, data: judgements, compile: false, threads: 1, "
    "sequence_length: 512}",
    "models.learn={objective: grpo, from: second, data: chats, compile: false, threads: 1, "
    "rewards: [{kind: length, most: 9}, {kind: model, model: JUDGE, weight: 2}]}",
)


def test_the_memory_of_a_model_that_judges_answers_is_counted(tmp_path: Path) -> None:
    settings = [setting.replace("JUDGE", "judge") for setting in JUDGED]
    found, alone = plan(tmp_path, *settings), plan(tmp_path, *settings, "learn.rewards=[{kind: length, most: 9}]")
    more = found.memory["learn"]["weights"] - alone.memory["learn"]["weights"]
    assert more == 4 * found.parameters["judge"] > 0
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES, settings)
    nodes = {node.name: node for node in make_nodes(recipe, found, tmp_path)}
    assert nodes["learn"].inputs["rewards"] == ["judge"] and "judge" not in nodes["learn/check"].references()
    config = nodes["learn"].config
    assert isinstance(config, TrainConfig) and config.judge_parameters == found.parameters["judge"]


@pytest.mark.parametrize(
    ("judge", "said"),
    [("second", "rewards.1.model: found second, a decoder; expected a reward model"), ("nobody", "no earlier step")],
)
def test_a_judge_that_is_none_is_refused(tmp_path: Path, judge: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settings = [setting.replace("JUDGE", judge) for setting in JUDGED]
        found = plan(tmp_path, *settings)
        make_nodes(load_recipe(tmp_path / "recipe.yaml", CLASSES, settings), found, tmp_path)


def test_rewards_alike_but_for_their_kind_are_not_taken_for_each_other() -> None:
    keys = [
        canonical_json(key_config(GrpoConfig.model_validate({"from": "a", "data": "b", "rewards": [reward]})))
        for reward in ({"kind": "regex", "pattern": "a"}, {"kind": "exact-answer", "pattern": "a"})
    ]
    assert keys[0] != keys[1]


def test_a_task_of_one_objective_is_asked_of_its_models_alone(tmp_path: Path) -> None:
    tuned = "{from: encoder, data: texts, steps: 2, objective: "
    encoder = "{from: scratch, data: texts, steps: 2, objective: masked-lm, hidden_size: 64, num_layers: 1}"
    models = [
        f"models.encoder={encoder}",
        f"models.sorter={tuned}sequence-classification}}",
        f"models.marker={tuned}token-classification}}",
    ]
    kinds = ("classification", "extraction", "perplexity")
    tasks = f"tasks: [{', '.join(f'{{kind: {kind}, data: texts}}' for kind in kinds)}]"

    def asked(*names: str) -> list[str]:
        settings = [*models, f"evaluate={{models: [{', '.join(names)}], {tasks}}}", "plan.measure=false"]
        found = plan(tmp_path, *settings)
        recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES, settings)
        return [node.name for node in make_nodes(recipe, found, tmp_path) if node.stage.name.startswith("evaluate")]

    wanted = ["evaluate/classification-texts/sorter", "evaluate/extraction-texts/marker"]
    assert asked("first", "sorter", "marker") == [*wanted, "evaluate/perplexity-texts/first"], "others write nothing"
    with pytest.raises(
        UsageError, match=r"sorter \(sequence classifier\), marker \(token classifier\); the task perplex"
    ):
        asked("sorter", "marker")
    with pytest.raises(UsageError, match=r"; the task extraction needs a token classifier. Name such"):
        asked("sorter")


def comparison_of(folder: Path, *settings: str) -> CompareConfig:
    found = plan(folder, *settings)
    nodes = make_nodes(load_recipe(folder / "recipe.yaml", CLASSES, settings), found, folder)
    return next(node.config for node in reversed(nodes) if isinstance(node.config, CompareConfig))


def test_what_is_told_over_a_reference_is_asked_only_of_models_that_began_with_it(tmp_path: Path) -> None:
    aligned = "{objective: dpo, data: judgements, compile: false, threads: 1, steps: 2, sequence_length: 512, from: "
    models = [
        f"models.aligned={aligned}second}}",
        f"models.further={aligned}aligned}}",
        f"models.aside={aligned}first}}",
    ]
    models.append(f"models.judge={aligned}first}}".replace("dpo", "reward"))
    task = "{kind: preference-accuracy, data: judgements, train: judgements, reference: second}"

    def comparison(*names: str, task: str = task) -> CompareConfig:
        return comparison_of(tmp_path, *models, f"evaluate={{models: [{', '.join(names)}], tasks: [{task}]}}")

    found = comparison("first", "second", "aligned", "further", "aside", "judge")
    assert found.labels == ["aligned", "further", "judge", "length"]
    assert [(each.model, each.beside) for each in found.relations] == [("further", "aligned")]
    assert found.left_out == [
        "first, second and aside are not asked: this figure of a model is told over second, with which these did not "
        "begin"
    ]
    with pytest.raises(UsageError, match=r"reference: found second; none of first, second was trained from it"):
        comparison("first", "second")
    alone = comparison("first", "second", "aligned", task=task.replace(", reference: second", ""))
    assert alone.labels == ["first", "second", "aligned", "length"] and not alone.left_out


def test_a_context_that_a_model_never_saw_is_refused_before_the_build(tmp_path: Path) -> None:
    def ask(length: int, *names: str) -> None:
        task = f"{{kind: perplexity, data: texts, context_length: {length}}}"
        comparison_of(
            tmp_path,
            f"evaluate={{models: [{', '.join(names)}], tasks: [{task}]}}",
            "first.sequence_length=64",
            "second.sequence_length=64",
        )

    ask(64, "first", "second")
    for name in ("first", "second"):
        with pytest.raises(UsageError, match=rf"context_length 65 is above the context of {name}, 64 tokens. Lower it"):
            ask(65, name)


def test_another_vocabulary_is_another_plan(tmp_path: Path) -> None:
    assert plan(tmp_path).key == plan(tmp_path).key != plan(tmp_path, "tokenizer.vocab_size=500").key


def test_a_family_that_the_plan_does_not_know_is_planned_by_what_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strange:
        parameters = 1_000_005

        @property
        def parts(self) -> dict[str, int]:
            return {"matrices": 1_000_000, "others": 5}

        def training_flops_per_token(self, sequence_length: int) -> int:
            return 7_000_000

        def activation_bytes(self, *args: Any, **more: Any) -> dict[str, int]:
            return {"thoughts": 3 * 2**30}

    monkeypatch.setattr(CausalLMConfig, "shape", lambda config, vocab_size: Strange())
    found = plan(tmp_path)
    assert found.parameters == {"first": 1_000_005, "second": 1_000_005}
    assert found.memory["second"]["thoughts"] == 3 * 2**30 and found.memory["first"]["weights"] == 4_000_020
    of_one_thread = found.speed.flops_per_second / found.speed.threads
    share = NARROW_SHARE if found.speed.data_type == "bfloat16" else 1.0  # without a compiler
    assert found.rates["first"].tokens_per_second == pytest.approx(share * of_one_thread / 7e6), "the recipe states one"
    narrow = plan(tmp_path, "first.data_type=float32").rates["first"].tokens_per_second
    wide = plan(tmp_path, "first.data_type=bfloat16").rates["first"].tokens_per_second
    assert narrow == pytest.approx(wide / NARROW_SHARE * FLOPS_PER_CORE["float32"] / FLOPS_PER_CORE["bfloat16"])


def test_small_models_are_planned_no_faster_than_their_many_small_operations_take() -> None:
    """Seconds of a step on one core, of models that the constants were not set on: two blocks, and four."""
    for blocks, operations, most, least in ((2, 1.1e9, 0.13, 0.03), (4, 3e8, 0.12, 0.02)):
        fields = {"from": "scratch", "data": "x", "steps": 1, "sequence_length": 128, "global_batch_tokens": 512}
        fields |= {"compile": False, "threads": 1, "data_type": "float32"}
        config, speed = CausalLMConfig.model_validate(fields), Speed(False, 50e9, 1, "float32", False)
        rate = counted_rate(config, int(operations / 512), speed, blocks)
        assert least < 512 / rate.tokens_per_second < most
        assert rate.validation_seconds > 8 * 0.004 * blocks


def test_what_cannot_fit_is_refused_with_the_sum(tmp_path: Path) -> None:
    with pytest.raises(GateRefused) as refused:
        plan(tmp_path, "first.micro_batch_rows=100000", "first.global_batch_tokens=51200000")
    said = str(refused.value)
    assert "models.first" in said and "attention scores" in said and "GiB are free" in said
    assert all(words in said for words in ("micro_batch_rows 100000 ", "would fit", "activation_checkpointing"))


def test_the_command_refuses_what_cannot_fit_as_a_gate(tmp_path: Path) -> None:
    plan(tmp_path)
    command = [sys.executable, "-m", "lmworks", "plan", "recipe.yaml", "--set", "first.hidden_size=640000"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3 and "weights" in done.stderr and "hidden_size" in done.stderr


RATE = Rate("rehearsed", 2048.0, 2.0, 1.0, 3.0, 0.5, 0.25, 0.125, 0.0625)


def test_time_is_the_sum_of_its_parts() -> None:
    fields = {"from": "scratch", "data": "x", "steps": 1, "global_batch_tokens": 1024, "sequence_length": 512}
    config = CausalLMConfig.model_validate({**fields, "validation_steps": 10, "checkpoint_steps": 25})
    plain = RATE.parts(config, 100, first=True)
    assert plain == {
        **{"begin": 3.0, "first step": 3.0, "steps": 99 * 0.5},
        **{"validation": 0.0, "checkpoints": 3 * 0.125, "samples": 0.0},
    }
    watched = config.model_copy(update={"validation": "y", "watch": "z"})
    parts = RATE.parts(watched, 100, first=False)
    assert parts["validation"] == 0.5 + 10 * 0.25 and parts["begin"] == 1.0
    assert parts["samples"] == 8 * 0.0625, "after 1, 2, 4, 8, 16, 32, 64 and 100 steps"


def test_steps_fill_the_time_that_is_left(tmp_path: Path) -> None:
    plan(tmp_path)
    (tmp_path / "texts" / "long.txt").write_text("one two three four five six\n" * 1_000_000)
    steps = [plan(tmp_path, f"budget.minutes={minutes}").models["first"]["steps"] for minutes in (10, 20)]
    assert 1.8 < steps[1] / steps[0] < 2.2


def test_no_training_of_auto_steps_reads_its_data_so_often_that_the_plan_doubts_it(tmp_path: Path) -> None:
    plan(tmp_path)
    (tmp_path / "texts" / "short.txt").write_text("one two three four five six\n" * 20_000)
    steps = [plan(tmp_path, f"budget.minutes={minutes}") for minutes in (100, 200)]
    assert steps[0].models["first"] == steps[1].models["first"]
    assert "reads its data about 20 times" in steps[0].as_text()
    assert not any("memorises" in doubt for doubt in steps[0].doubts)


def trained(folder: Path, found: Plan, **measured: float) -> None:
    """A store in which the recipe's first model was trained."""
    values = {**found.models["first"], "objective": "causal-lm"}
    run = {"started": 0, "seconds": 50.0, "peak_memory_bytes": 900 * 2**20, "memory_before_bytes": 50 * 2**20}
    parts = {
        "running_seconds": 46.0,
        "first_step_seconds": 1.0,
        "tokens_per_second": 512.0,
        "first_validation_seconds": 1.0,
    }
    run |= {
        "predicted": found.prediction("first"),
        "measured": parts | {"steps_of_this_run": values["steps"]} | measured,
    }
    manifest = make_manifest(stage="train", key="key", config=values, counts={"steps": values["steps"]}, run=run)
    Store(folder / "store").publish(folder / "out", manifest)
    step = StepRecord(stage="train", key="key", parts=KeyParts(stage="train", version=1, config={}, inputs={}))
    record = BuildRecord(recipe="recipe.yaml", plan=found.as_json(), steps={"first": step})
    Store(folder / "store").builds.save("small", record)


def test_a_training_of_the_same_class_on_this_machine_is_what_a_later_plan_goes_by(tmp_path: Path) -> None:
    before = plan(tmp_path)
    assert before.rates["first"].source == "counted"
    trained(tmp_path, before)
    after = plan(tmp_path, "first.seed=3")
    assert after.rates["first"].source == "own runs" and after.rates["first"].tokens_per_second == 512
    assert after.rates["first"].begin_seconds == 4.0 and after.speed.measured
    assert sum(after.memory["first"].values()) >= 900 * 2**20
    assert "512 tokens/s, own runs" in after.as_text()
    assert plan(tmp_path, "plan.measure=false") == before, "no measurement enters, earlier ones neither"
    assert plan(tmp_path, "first.hidden_size=128").rates["first"].source == "counted", "another class"


@pytest.mark.parametrize("change", ["continued", "other machine"])
def test_other_trainings_are_not_gone_by(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, plan(tmp_path), **({"steps_of_this_run": 3} if change == "continued" else {}))
    if change == "other machine":
        other = replace(this_machine(), processor="another")
        monkeypatch.setattr(planning, "this_machine", lambda asked: other)
    assert plan(tmp_path).rates["first"].source == "counted"


def test_the_prediction_goes_with_the_step_and_is_told_beside_the_outcome(tmp_path: Path) -> None:
    found = plan(tmp_path)
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES, ["plan.measure=false"])
    nodes = {node.name: node for node in make_nodes(recipe, found, tmp_path)}
    predicted = nodes["first"].predicted
    assert predicted["memory_bytes"] == sum(found.memory["first"].values()) and not nodes["first/data"].predicted
    run = {
        "started": 0,
        "seconds": 1e6,
        "predicted": predicted,
        "measured": {"tokens_per_second": 100.0, "steps_of_this_run": 7},
        "peak_memory_bytes": predicted["memory_bytes"] + 30 * 2**20,  # of which 30 MiB were another step's
        "memory_before_bytes": 80 * 2**20,
    }
    time, memory, speed = outcome(make_manifest(step="first", counts={"steps": 7}, run=run))
    assert (time[0], time[3]) == ("time of first", "MORE") and memory[
        3
    ] == "not known: 31.5 MB was in use before it began"
    for peak, before, verdict in ((1.5, 0, "MORE"), (1.5, 1.4, "not known"), (1.5, 0.3, "MORE"), (0.7, 0.5, "less")):
        shares = {"peak_memory_bytes": peak, "memory_before_bytes": before}
        held = run | {name: round(share * predicted["memory_bytes"]) for name, share in shares.items()}
        _, told, _ = outcome(make_manifest(step="first", counts={"steps": 7}, run=held))
        assert told[3].startswith(verdict), "libraries of earlier steps serve this one too"
    assert speed[2] == "100" and "predicted from counting" in speed[3]
    assert "memory of first" in as_text([memory]) and as_text([]) == ""
    continued = make_manifest(step="first", counts={"steps": 9}, run=run)
    assert next(outcome(continued))[3] == "not known yet", "a continued run took longer than its last part"


def test_the_machine_is_named_alike_in_plans_and_manifests() -> None:
    assert this_machine().processor == processor_name() and this_machine().memory_bytes > 2**28


def test_a_machine_too_busy_to_be_measured_is_counted_and_the_plan_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmworks.plan.probe.TIMEOUT_SECONDS", 0.1)
    plan(tmp_path)
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES)
    found = make_plan(recipe, tmp_path, tmp_path / "store", measure=True)
    assert any("first: measuring took longer than" in doubt for doubt in found.doubts)
    assert found.as_text().count("counted") and found.prediction("first")["seconds"]


SCORED = """\
name: scored
use_case: one question first
data:
  texts: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  split: {kind: split, from: texts, by: id, test: 4, validation: 4}
  chats: {kind: conversations, from: split.train}
  asked: {kind: conversations, from: split.test}
tokenizer: {kind: bpe, vocab_size: 400, from: split.train}
models:
  first: {objective: causal-lm, from: scratch, data: split.train, hidden_size: 64, num_layers: 1, compile: false}
  second: {objective: sft, from: first, data: chats, compile: false}
evaluate:
  models: [first, second]
  tasks:
    - {kind: perplexity, data: split.train, train: split.train}
    - {kind: perplexity, data: split.test}
    - {kind: perplexity, data: split.validation, train: split.train}
    - {kind: documentation, data: asked, train: chats}
"""
SERVES = "serve={model: first}"


def question(folder: Path, *settings: str) -> AskedConfig | None:
    """The primary question that a recipe asks."""
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "text.txt").write_text("one two three")
    (folder / "recipe.yaml").write_text(SCORED)
    recipe = load_recipe(folder / "recipe.yaml", CLASSES, settings)
    nodes = make_nodes(recipe, make_plan(recipe, folder, folder / "store", measure=False), folder)
    return next((node.config for node in nodes if isinstance(node.config, AskedConfig)), None)


@pytest.mark.parametrize(
    ("settings", "model", "task", "opponents"),
    [
        ((), "second", "perplexity-split-validation", ["5-gram", "xz"]),
        ((SERVES,), "first", "perplexity-split-validation", ["5-gram", "xz"]),
        (("evaluate.primary.opponent=first",), "second", "perplexity-split-test", ["first"]),
        (("evaluate.primary.model=first",), "first", "perplexity-split-validation", ["5-gram", "xz"]),
        (("evaluate.primary.task=documentation",), "second", "documentation-asked", ["copy-nearest"]),
        (("evaluate.primary.task=perplexity-split-train",), "second", "perplexity-split-train", ["5-gram", "xz"]),
    ],
)
def test_what_is_served_is_set_beside_all_baselines_of_the_first_task_that_it_did_not_learn_from(
    tmp_path: Path, settings: tuple[str, ...], model: str, task: str, opponents: list[str]
) -> None:
    found = question(tmp_path, *settings)
    assert found and (found.model, found.task, sorted(found.opponents)) == (model, task, opponents)
    assert found.evaluations == [f"evaluate/{task}/{name}" for name in (model, *found.opponents)]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("task=summary", r"task: found 'summary'; the recipe measures perplexity-split-train: first, second, "),
        ("model=third", r"model: found 'third'; the recipe measures "),
        ("opponent=third", r"opponent: found 'third'; the recipe measures "),
        ("figure=accuracy", r"figure: found 'accuracy', expected one of bits_per_byte"),
    ],
)
def test_a_question_about_what_is_not_measured_is_refused(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"evaluate\.primary\.{said}"):
        question(tmp_path, f"evaluate.primary.{setting}")


def test_without_a_baseline_no_question_is_asked(tmp_path: Path) -> None:
    assert question(tmp_path, "evaluate.tasks=[{kind: perplexity, data: split.test}]") is None
