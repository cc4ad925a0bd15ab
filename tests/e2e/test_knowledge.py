"""Answers from documents: the shipped recipe on a small made-up collection, its live server, and an erasure."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from data.tiny_encoders import stand_in_for_minilm
from e2e.answering import serving
from e2e.small_recipe import lmworks
from tiny import make_tiny_model

pytestmark = pytest.mark.whole
RECIPE = Path(__file__).parents[2] / "recipes" / "knowledge.yaml"
SYLLABLES = ("bar", "gel", "kom", "lux", "nid", "pov", "rud", "tiz", "zan")
THINGS = ["kettle", "toaster", *(f"{first}{second}er" for first in SYLLABLES for second in SYLLABLES)]


def write_shop(folder: Path) -> None:
    """A page and a question for each thing that a shop sells, and a tiny model in the place of the published one."""
    (folder / "documents").mkdir()
    (folder / "questions").mkdir()
    rows = []
    for number, thing in enumerate(THINGS):
        article = f"ZX-{1000 + 7 * number}"
        text = f"# The {thing}\n\nThe {thing} is article {article}. Its cable is as long as a table is wide.\n"
        (folder / "documents" / f"{thing}.md").write_text(text)
        rows.append({"question": f"Which article is the {thing}?", "answers": [article]})
    (folder / "questions" / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    make_tiny_model(folder / "smollm2-135m", context_length=2048)
    recipe = RECIPE.read_text().replace("limit: 64", "limit: 4") + "plan: {measure: false}\n"
    shown = "  with-passages: {kind: retrieve, from: measured-on, passages: passages}\n"
    (folder / "recipe.yaml").write_text(recipe.replace("\nmodels:", f"{shown}\nmodels:"))


def payload(folder: Path, step: str) -> Path:
    return Path(lmworks(folder, "show", step, "--path").stdout.strip())


def ask(http: Any, model: str, *contents: str, **more: Any) -> Any:
    turns = [{"role": ("user", "assistant")[place % 2], "content": each} for place, each in enumerate(contents)]
    body = {"model": model, "messages": turns, "max_tokens": 4, "temperature": 0, **more}
    return http.post("v1/chat/completions", json=body)


def test_answers_cite_documents_until_one_is_erased(tmp_path: Path) -> None:
    write_shop(tmp_path)
    lmworks(tmp_path, "build", "recipe.yaml")
    shown = lmworks(tmp_path, "show", "passages").stdout
    assert "hit_rate_at_5: 1.000" in shown and "absent_told" in shown and "falsely_not_found" in shown
    told = json.loads(lmworks(tmp_path, "passages", "Which article is the toaster?", "-n", "1", "--json").stdout)
    (cited,) = told["passages"]
    assert told["found"] and cited["path"] == "toaster.md" and cited["licence"] == "LicenseRef-own"
    traced = lmworks(tmp_path, "trace", "with-passages").stdout
    assert "all unchanged" in traced and "documents" in traced
    compared = json.loads((payload(tmp_path, "evaluate/from-passages-measured-on") / "comparison.json").read_text())
    for pairs in (compared["pairs"], compared["also"]["word_f1"]):
        both = [{pair["a"], pair["b"]} for pair in pairs]
        model, copied = "smollm2-135m", "best-passage-copied"
        assert {model, copied} in both and {model, f"{model}-without-passages-prompt"} in both
        assert all("difference" in pair and "interval" in pair and pair["n"] == 4 for pair in pairs)
    (first,) = [line for line in compared["verdicts"] if line.startswith(f"{copied} is ahead") and "1.000" in line]
    assert first in (tmp_path / ".lmworks" / "reports" / "knowledge.html").read_text(), (
        "of four questions it is doubtful"
    )
    with serving(tmp_path, "smollm2-135m") as (http, model):
        answer = ask(http, model, "Hello", "Hello.", "Which article is the toaster?").json()
        assert answer["found"] and answer["citations"][0] == cited and len(answer["citations"]) == 3
        assert answer["usage"]["prompt_tokens"] > 100 and answer["choices"][0]["message"]["content"]
        streamed = ask(http, model, "Which article is the toaster?", stream=True).text.split("\n\n")
        first, *others = [json.loads(event.removeprefix("data: ")) for event in streamed if event.startswith("data: {")]
        assert first["citations"][0] == cited and not any("citations" in event for event in others)
        absent = ask(http, model, "Who was Napoleon's horse?", n=2).json()
        assert not absent["found"] and absent["citations"] == []
        said = {choice["message"]["content"] for choice in absent["choices"]}
        assert said == {"The documents hold no answer to this."} and absent["usage"]["completion_tokens"] == 0
        in_stream = ask(http, model, "Who was Napoleon's horse?", stream=True).text
        assert '"found": false' in in_stream and "hold no answer" in in_stream
        assert in_stream.endswith("data: [DONE]\n\n")
        # Once it is erased, neither a server that runs nor the next one finds it.
        lmworks(tmp_path, "erase", cited["document"], "--apply")
        gone = ask(http, model, "Which article is the toaster?")
        assert gone.status_code == 503 and "toaster" not in gone.text
    assert "its last build has no step of kind" in lmworks(tmp_path, "passages", "toaster", code=2).stderr
    lmworks(tmp_path, "build", "recipe.yaml")
    for file in (tmp_path / ".lmworks" / "artifacts").rglob("*"):
        if file.is_file() and file.parent.parent.name in ("passages", "retrieve", "index"):
            assert b"ZX-1007" not in file.read_bytes() and b"toaste" not in file.read_bytes()
    left = json.loads(lmworks(tmp_path, "passages", "Which article is the toaster?", "--json").stdout)
    assert left["passages"] and all(each["path"] != "toaster.md" for each in left["passages"])
    with serving(tmp_path, "smollm2-135m") as (http, model):
        assert cited["document"] not in ask(http, model, "Which article is the toaster?").text


@pytest.mark.slow
def test_what_an_encoder_finds_is_shown_served_and_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_for_minilm(tmp_path / "site", [*THINGS, "the", "which", "article", "is", "a", "cable"], monkeypatch)
    write_shop(tmp_path)
    recipe = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(recipe.replace("from: clean, ques", "from: clean, encoder: minilm, ques"))
    lmworks(tmp_path, "build", "recipe.yaml")
    assert "hit_rate_at_5: 1.000" in lmworks(tmp_path, "show", "passages").stdout
    told = json.loads(lmworks(tmp_path, "passages", "a cable", "-n", "80", "--json").stdout)
    assert len(told["passages"]) == 80, "by words no more than those of a cable would be found, each alike"
    traced = lmworks(tmp_path, "trace", "with-passages").stdout
    assert re.search(r"passages .* from .*\bminilm\b", traced)
    with serving(tmp_path, "smollm2-135m") as (http, model):
        answer = ask(http, model, "Which article is the toaster?").json()
        assert answer["found"] and answer["citations"][0]["path"] == "toaster.md"
    lmworks(tmp_path, "erase", answer["citations"][0]["document"], "--apply")
    assert not [*(tmp_path / ".lmworks" / "artifacts").rglob("vectors.npy")]
    lmworks(tmp_path, "build", "recipe.yaml")
    left = json.loads(lmworks(tmp_path, "passages", "Which article is the toaster?", "--json").stdout)
    assert left["passages"] and all(each["path"] != "toaster.md" for each in left["passages"])


def test_what_makes_no_vectors_is_no_encoder(tmp_path: Path) -> None:
    write_shop(tmp_path)
    recipe = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(recipe.replace(": clean, ques", ": clean, encoder: smollm2-135m, ques"))
    refused = lmworks(tmp_path, "plan", "recipe.yaml", code=2).stderr
    assert "encoder" in refused and "expected an encoder" in refused


def test_what_serves_no_passages_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    write_shop(tmp_path)
    recipe = (tmp_path / "recipe.yaml").read_text().replace("-135m, passages: passages", "-135m, passages: clean")
    (tmp_path / "recipe.yaml").write_text(recipe)
    refused = lmworks(tmp_path, "plan", "recipe.yaml", code=2).stderr
    assert "serve.passages: found 'clean'; expected a data step of kind `passages`" in refused


def test_too_few_questions_choose_nothing(tmp_path: Path) -> None:
    write_shop(tmp_path)
    rows = (tmp_path / "questions" / "all.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "questions" / "all.jsonl").write_text("".join(rows[:9]))
    refused = lmworks(tmp_path, "build", "recipe.yaml", code=2).stderr
    assert "chosen-on: " in refused and "20" in refused
