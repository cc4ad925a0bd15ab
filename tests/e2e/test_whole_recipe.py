"""A whole recipe from files to a served model, through the command line alone."""

from __future__ import annotations

import json
import re
import signal
import time
from itertools import combinations
from pathlib import Path

import pytest

from e2e.small_recipe import edit_service, lmworks, made, start
from hub_server import TOKEN, Hub, hub_running
from lmworks.pipeline.store import Store
from lmworks.release.cards.card import card_facts
from modelfiles import parse, sent
from report_pages import Pages, said_twice, too_long, words

pytestmark = pytest.mark.whole

MODELS = {"pretrain", "finetune"}


def payloads(store: Path) -> dict[str, str]:
    """File → sha256 of every payload, from the manifests."""
    found = {}
    for path in store.glob("artifacts/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        for name, record in manifest["files"].items():
            found[f"{manifest['step']}/{name}"] = record["sha256"]
    return found


def steps(folder: Path) -> set[str]:
    return {row["step"] for row in json.loads(lmworks(folder, "status", "--json").stdout)}


def below(folder: Path, *names: str) -> set[str]:
    """Steps that depend on one of these, from the manifests."""
    inputs: dict[str, set[str]] = {}
    for path in (folder / ".lmworks").glob("artifacts/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        records = [record for several in manifest["inputs"].values() for record in several]
        inputs[manifest["step"]] = {f"{record['step']}.{record.get('part', '')}" for record in records}
    found = set(names)
    while True:
        more = {step for step, links in inputs.items() if any(link.split(".")[0] in found for link in links)}
        if more <= found:
            return found
        found |= more


def certain(names: set[str]) -> set[str]:
    """All but comparisons, which are made again only if an answer changed."""
    return {name for name in names if not name.startswith("evaluate/") or name.count("/") == 2}


def test_a_second_build_reuses_every_step(built: Path) -> None:
    said = lmworks(built, "build").stderr
    assert made(said) == []
    assert said.count(": reused") == len(steps(built))


def test_an_edit_that_cleaning_undoes_stops_at_cleaning(built: Path) -> None:
    edit_service(built / "services", "bucket-0", "<p>Creates a bucket", "<p>Creates   a bucket")
    said = lmworks(built, "build").stderr
    assert made(said) == ["raw", "clean"]
    assert "raw: source files came, went, or have another size or time" in said


def test_an_edit_in_a_train_service_rebuilds_all_that_train_text_reaches(built: Path) -> None:
    groups = json.loads(next((built / ".lmworks").glob("artifacts/split/*/payload/groups.json")).read_text())
    held_out = {*groups["test"], *groups["validation"]}
    name = next(path.name for path in sorted((built / "services").iterdir()) if path.name not in held_out)
    thing = name.split("-")[0]
    before = lmworks(built, "show", "split", "--json").stdout
    edit_service(built / "services", name, f"Creates a {thing} of", f"Creates a large {thing} of")
    rebuilt = made(lmworks(built, "build").stderr)
    # Held-out parts keep their content, and with it what depends on nothing else.
    everything = below(built, "raw") - {"pretrain/watch"}
    assert certain(everything) <= set(rebuilt) <= everything
    assert before != lmworks(built, "show", "split", "--json").stdout


def test_one_field_rebuilds_exactly_what_is_below_it(built: Path) -> None:
    said = lmworks(built, "build", "recipe.yaml", "--set", "finetune.steps=6").stderr
    everything = below(built, "finetune")
    assert certain(everything) <= set(made(said)) <= everything
    assert "finetune: steps changed from 8 to 6" in said
    said = lmworks(built, "build", "recipe.yaml", "--set", "finetune.threads=2").stderr
    assert made(said) == [], "the number of threads is recorded and in no key"


def test_rebuild_makes_a_step_again_with_the_same_bytes(built: Path) -> None:
    before = payloads(built / ".lmworks")
    assert made(lmworks(built, "build", "--rebuild", "corpus").stderr) == ["corpus"]
    assert payloads(built / ".lmworks") == before


def test_until_builds_a_step_and_what_it_needs(tmp_path: Path, built: Path) -> None:
    said = lmworks(built, "build", "recipe.yaml", "--until", "tokenizer", "--store", str(tmp_path / "store")).stderr
    assert made(said) == ["raw", "clean", "split", "corpus", "tokenizer"]


def test_trace_reaches_each_file_and_flags_an_edit(built: Path) -> None:
    traced = json.loads(lmworks(built, "trace", "--json").stdout)
    assert len(traced["files"]) == 10
    assert {file["state"] for file in traced["files"]} == {"unchanged"}
    assert {file["licence"] for file in traced["files"]} == {"Apache-2.0"}
    edit_service(built / "services", "queue-1", "Creates", "Makes")
    (built / "services" / "table-2" / "2026-01-01" / "service-2.json.gz").unlink()
    words = lmworks(built, "trace", "finetune").stdout
    assert "EDITED" in words and "queue-1" in words
    assert "MISSING" in words and "table-2" in words


def test_an_answer_is_traced_to_its_passage(built: Path) -> None:
    corpus = lmworks(built, "show", "corpus", "--path").stdout.strip()
    from lmworks.data.shards.records import Documents

    document = next(iter(Documents(Path(corpus), "").iterate()))
    passage = document.text.split("\n")[2]
    words = lmworks(built, "trace", "--answer", passage).stdout
    assert document.id in words and "Apache-2.0" in words


def test_a_task_asked_with_two_prompts_is_one_comparison(built: Path) -> None:
    folder = Path(lmworks(built, "show", "evaluate/reverse-question-questions-test", "--path").stdout.strip())
    record = json.loads((folder / "comparison.json").read_text())
    models = {"pretrain", "finetune", "pretrain-document-prompt", "finetune-document-prompt"}
    pairs = {frozenset((pair["a"], pair["b"])) for pair in record["pairs"]}
    assert pairs == {frozenset(pair) for pair in combinations({*models, "shared-words"}, 2)}
    assert not record["refused"]


def test_the_model_folder_loads_in_transformers_with_the_same_logits(built: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from lmworks.engines.open import open_decoder
    from lmworks.tokens.tokenizer import open_tokenizer

    folder = Path(lmworks(built, "show", "finetune", "--path").stdout.strip())
    messages = [{"role": "user", "content": "What does Bucket CreateBucket do?"}]
    tokenizer = open_tokenizer(folder)
    ids, _ = tokenizer.encode_chat(messages, add_generation_prompt=True)
    theirs = AutoTokenizer.from_pretrained(folder).apply_chat_template(messages, add_generation_prompt=True)
    assert list(theirs["input_ids"]) == ids
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(torch.tensor([ids])).logits[0]
    expected = torch.log_softmax(logits, -1)[range(len(ids) - 1), ids[1:]]
    (found,) = open_decoder(folder, "float32").log_likelihoods([ids], [1])
    assert torch.allclose(expected, torch.tensor(found), atol=1e-4)


def test_the_answer_to_the_primary_question_comes_first_wherever_a_model_is_judged(built: Path) -> None:
    store = Store(built / ".lmworks")
    (path,) = store.root.glob("artifacts/answer-primary/*/payload/answer.json")
    sentence = json.loads(path.read_text())["sentence"]
    assert sentence.startswith(
        "It is not known whether finetune is better than 5-gram and xz in perplexity-split-test: "
    )
    page = Pages((built / lmworks(built, "report").stdout.strip()).read_text())
    assert page.of("manager").startswith(f"Manager {sentence}")
    card = (store.root / "reports" / "small-finetune-card.md").read_text()
    assert re.search(r"# small/finetune\n\n- (.*?)\. <sup>", card.replace("\\", ""))[1] == sentence.rstrip(".")  # type: ignore[index]
    assert card_facts(store, store.named("finetune"))["advice"][0] == sentence
    assert sentence not in (store.root / "reports" / "small-pretrain-card.md").read_text(), "it is of another model"


def test_report_show_and_gc_speak(built: Path) -> None:
    report = Path(lmworks(built, "report").stdout.strip())
    text = (built / report).read_text()
    assert "<svg" in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//|<script|@import|url\([^#]""", text), "self-contained"
    page = Pages(text)
    assert too_long(page) == {}
    assert words(page.unfolded) <= 3000 and said_twice(page.read) == []
    assert "near duplicate" in lmworks(built, "show", "corpus").stdout or "documents" in text
    lmworks(built, "build", "recipe.yaml", "--set", "finetune.steps=6")
    listed = lmworks(built, "gc").stdout
    assert "finetune" in listed and "--apply" in listed
    lmworks(built, "gc", "--apply")
    assert "finetune" not in lmworks(built, "gc").stdout
    assert made(lmworks(built, "build").stderr) == []


def test_serve_answers_an_openai_client_and_ends_on_sigterm(built: Path) -> None:
    from openai import OpenAI

    process = start(built, "serve", "--port", "0", "--json")
    try:
        assert process.stdout
        started = json.loads(process.stdout.readline())
        client = OpenAI(base_url=started["address"] + "v1", api_key=Path(started["key_file"]).read_text().strip())
        model = client.models.list().data[0].id
        stream = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "What does CreateBucket do?"}], max_tokens=8, stream=True
        )
        assert any(chunk.choices and chunk.choices[0].finish_reason for chunk in stream)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()


def test_kills_at_any_moment_cost_little_and_change_no_byte(built: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for seconds in (1.5, 2.5, 4.0, 5.5, 7.0):
        process = start(built, "build", "recipe.yaml", "--store", str(store))
        time.sleep(seconds)
        process.kill()
        process.communicate()
    lmworks(built, "build", "recipe.yaml", "--store", str(store))
    assert payloads(store) == payloads(built / ".lmworks")


def test_commands_take_a_recipe_from_any_folder(built: Path) -> None:
    away = built / "services"
    shown = lmworks(built, "show", "finetune", "--path").stdout
    for named in (["../recipe.yaml"], ["../recipe.yaml", "finetune"], ["finetune"]):
        assert lmworks(away, "show", *named, "--path").stdout == shown
    assert "pretrain" in lmworks(away, "trace", "../recipe.yaml", "pretrain").stdout
    assert Path(lmworks(away, "report", "../recipe.yaml").stdout.strip()).name == "small.html"
    (away.parent / "rows.jsonl").write_text('{"text": "What does it do?"}\n')
    lmworks(away, "predict", "../recipe.yaml", "../rows.jsonl", "--max-tokens", "2")
    assert '"predicted_text"' in (away.parent / "rows.predicted.jsonl").read_text()
    process = start(away, "serve", "../recipe.yaml", "--port", "0", "--json")
    assert process.stdout
    assert '"models": ["small/finetune"]' in process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)


def test_a_model_is_exported_with_what_ollama_needs_to_ask_it(built: Path) -> None:
    told = lmworks(built, "export", "finetune").stdout
    assert "`ollama create finetune-f16 -f finetune-f16.Modelfile` takes it" in told
    said = dict(parse((built / "finetune-f16.Modelfile").read_text()))
    assert (built / said["from"]).read_bytes()[:4] == b"GGUF"
    assert said["num_ctx"] == "192" and said["license"] == "Apache-2.0"
    assert sent([*said.items()], [{"role": "user", "content": "?"}]).endswith("<|im_start|>assistant\n")
    for out in ("desk-1.7b", "odd.Modelfile"):
        lmworks(built, "export", "finetune", "--out", out)
        assert (built / out).read_bytes()[:4] == b"GGUF"
        assert dict(parse((built / f"{out}.Modelfile").read_text()))["from"] == f"./{out}"


def test_a_model_is_sent_to_a_hub_as_its_recipe_lets_it(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub_running(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        told = lmworks(built, "push", "finetune", "team/desk")
        assert "nothing was sent" in told.stdout and "private" in told.stderr and not hub.asked
        assert f"{hub.address}/team/desk/commit/" in lmworks(built, "push", "recipe.yaml", "team/desk", "--yes").stdout
        assert {"model.safetensors", "config.json", "README.md"} <= hub.models["team/desk"].keys()
        assert hub.private["team/desk"] and not [each for each in hub.agents if "torch" in each]
        recipe = built / "recipe.yaml"
        recipe.write_text(f"{recipe.read_text()}needs: {{task: chat, privacy: secret}}\n")
        assert "`needs.privacy` is secret" in lmworks(built, "push", "finetune", "team/other", "--yes", code=3).stderr
        assert "team/other" not in hub.models
        lmworks(built, "models", "get", "team/desk", "--yes")
        assert (built / "team" / "desk" / "lmworks-source.json").exists()
        assert "team/desk" in lmworks(built, "models", "--in", "team").stdout
