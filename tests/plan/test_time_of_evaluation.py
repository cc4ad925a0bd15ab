"""What a plan says of the time in which models are asked their tasks: counted from what each task asks."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lmworks.evaluate.items import TaskConfig
from lmworks.evaluate.tasks import TASKS
from lmworks.graph import CLASSES
from lmworks.plan.plan import Plan, make_plan
from lmworks.recipe.file import load_recipe

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    **{"vocab_size": 8192, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8},
    **{"num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5},
    **{"hidden_act": "silu", "rope_theta": 10000.0, "tie_word_embeddings": False},
}
RECIPE = """\
name: small
use_case: planning
budget: {minutes: 60}
data:
  texts: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  split: {kind: split, from: texts, test: 0.2, validation: 0.1}
  chats: {kind: conversations, from: split.test}
tokenizer: {kind: bpe, vocab_size: 400, from: texts}
models:
  base: {objective: pretrained, path: base, licence: MIT}
evaluate:
  models: [base]
  tasks: [{kind: exact-answer, data: chats, limit: 100, max_tokens: 64}]
"""
TRAINED = "models.first={objective: causal-lm, from: scratch, data: split.train, hidden_size: 64, num_layers: 1}"


def plan(folder: Path, *settings: str, text_bytes: int = 100_000) -> Plan:
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "text.txt").write_text("a word " * (text_bytes // 7))
    if not (base := folder / "base").exists():
        base.mkdir()
        (base / "config.json").write_text(json.dumps(LLAMA))
        (base / "model.safetensors").write_bytes(b"")
    (folder / "recipe.yaml").write_text(RECIPE)
    recipe = load_recipe(folder / "recipe.yaml", CLASSES, settings)
    return make_plan(recipe, folder, folder / "store", measure=False)


def evaluation(found: Plan) -> tuple[float, float]:
    (seconds,) = (each.seconds for each in found.predicted if each.step == "evaluation")
    return seconds


def asking(**fields: Any) -> str:
    shown = ", ".join(f"{name}: {value}" for name, value in {"kind": "exact-answer", "data": "chats", **fields}.items())
    return f"evaluate.tasks=[{{{shown}}}]"


@pytest.mark.parametrize("setting", ["limit", "max_tokens"])
def test_a_base_that_nobody_tunes_is_evaluated_in_a_time_that_grows_with_what_is_asked(
    tmp_path: Path, setting: str
) -> None:
    times = []
    for value in (50, 100, 200, 400):
        found = plan(tmp_path, asking(**{"limit": 100, "max_tokens": 64, setting: value}), text_bytes=10**6)
        assert ", evaluation " in found.as_text()
        times.append(evaluation(found))
    assert all(0 < low < high for low, high in times)
    assert all(one[end] < more[end] for one, more in pairwise(times) for end in (0, 1))


def test_no_more_is_asked_than_the_held_out_part_may_hold(tmp_path: Path) -> None:
    few, many = (evaluation(plan(tmp_path, asking(limit=limit), text_bytes=30_000)) for limit in (100, 10**6))
    assert few == many, "6 KB hold some forty questions"
    reads = [
        evaluation(plan(tmp_path, "evaluate.tasks=[{kind: perplexity, data: split.test}]", f"split.test={share}"))
        for share in (0.1, 0.2, 0.4)
    ]
    added = [more[1] - one[1] for one, more in pairwise(reads)]
    assert added[1] == pytest.approx(2 * added[0], rel=0.01) and added[0] > 0


@pytest.mark.parametrize("kind", [name for name, _ in TASKS.loadable()])
def test_what_a_task_asks_grows_with_its_settings_and_its_data(kind: str) -> None:
    more = {"passages": "p", "judge": "j", "rules": [{"kind": "length", "most": 9}]}
    known = TASKS[kind].config.model_fields
    needed = {name: value for name, value in more.items() if name in known}

    def tokens(text_bytes: int = 10**7, **fields: Any) -> int:
        config = TASKS[kind].config.model_validate({"kind": kind, "data": "d", **needed, **fields})
        assert isinstance(config, TaskConfig)
        return config.tokens(text_bytes).read + 4 * config.tokens(text_bytes).written

    sizes = [tokens(size) for size in (10**3, 10**4, 10**5, 10**9)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[1]
    for name in {"limit", "max_tokens"} & known.keys():
        found = [tokens(**{name: value}) for value in (10, 20, 40)]
        assert found[0] < found[1] < found[2]
    if "limit" in known:
        assert tokens(0, limit=10) == tokens(limit=10), "of sources whose size nobody knows, the limit counts"


def test_training_has_the_time_that_evaluation_leaves(tmp_path: Path) -> None:
    large = TRAINED.replace("hidden_size: 64, num_layers: 1", "hidden_size: 512, num_layers: 8")
    asked = "evaluate.models=[base, first]"
    steps = [
        plan(tmp_path, large, asked, asking(limit=limit, max_tokens=256), text_bytes=10**7).models["first"]["steps"]
        for limit in (10, 100, 1000)
    ]
    assert steps[0] > steps[1] > steps[2]


def test_an_evaluation_that_leaves_little_of_the_budget_is_told_before_anything_begins(tmp_path: Path) -> None:
    (low, high), roomy = evaluation(plan(tmp_path)), plan(tmp_path)
    assert not roomy.doubts
    found = plan(tmp_path, f"budget.minutes={(low + high) / 2 / 60:.4f}")
    (doubt,) = found.doubts
    assert doubt.startswith("evaluation: ") and all(each in doubt for each in ("budget.minutes", "limit", "max_tokens"))
    assert f"  in doubt   {doubt}" in found.as_text()


def test_a_stored_plan_keeps_its_values_and_tells_the_time_of_what_is_asked_now(tmp_path: Path) -> None:
    asked = "evaluate.models=[base, first]"
    first = plan(tmp_path, TRAINED, asked)
    (tmp_path / "store" / "plans").mkdir(parents=True)
    (tmp_path / "store" / "plans" / f"{first.key}.json").write_text(json.dumps(first.as_json()))
    again, more = plan(tmp_path, TRAINED, asked), plan(tmp_path, TRAINED, asked, asking(limit=300, max_tokens=512))
    assert again == first
    assert more.key == first.key and more.models == first.models, "what is trained is not trained again"
    assert evaluation(more)[1] > evaluation(first)[1]


def test_who_takes_out_personal_data_is_told_that_it_takes_longer(tmp_path: Path) -> None:
    def data(*settings: str) -> float:
        (seconds,) = (each.seconds for each in plan(tmp_path, *settings, text_bytes=5_000_000).predicted[:1])
        return seconds[1]

    assert data("data.private={kind: anonymise, from: texts}") - data() > 5


def test_questions_made_of_long_records_take_as_long_as_their_records_say(tmp_path: Path) -> None:
    def of_lines(count: int, size: int, *settings: str) -> tuple[float, float]:
        (folder := tmp_path / f"{count} {size}").mkdir(exist_ok=True)
        (folder / "texts").mkdir(exist_ok=True)
        (folder / "texts" / "pairs.jsonl").write_text((json.dumps({"text": "x" * size}) + "\n") * count)
        return evaluation(plan(folder, "data.split.test=0.5", *settings, text_bytes=0))

    sizes = [of_lines(400, size) for size in (300, 2_000, 4_000, 7_000, 9_000)]
    assert all(one[1] < more[1] for one, more in pairwise(sizes))
    assert sizes[-1] == of_lines(400, 10_000), "longer than what the model reads"
    assert of_lines(40, 4_000)[1] == of_lines(40, 4_000, asking(limit=10**6, max_tokens=64))[1], "there are but 20"
    assert of_lines(40, 4_000)[1] < of_lines(400, 4_000)[1] / 3
