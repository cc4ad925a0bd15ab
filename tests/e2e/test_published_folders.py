"""Folders that others published, of four families, taken into a recipe as they are: served and asked of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from chat_families import write_family
from e2e.answering import answers, serving
from e2e.small_recipe import lmworks
from published import write_published
from readers import LABELS, write_reader, write_rewriter

pytestmark = pytest.mark.slow
RECIPE = """\
name: theirs
use_case: trying what others published
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [MIT]}}
models:
  gpt2: {objective: pretrained, path: gpt2, licence: MIT}
  bert: {objective: pretrained, path: bert, licence: MIT}
  tagger: {objective: pretrained, path: tagger, licence: MIT}
  t5: {objective: pretrained, path: t5, licence: MIT}
serve: {model: bert}
"""
TUNED_RECIPE = """\
name: tuned
use_case: translating with what others published
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: pairs, licence: MIT, fields: [source, target]}]
    licences: {allow: [MIT]}
  split: {kind: split, from: raw, by: id, test: 12, validation: 12}
  train: {kind: pairs, from: split.train}
  validation: {kind: pairs, from: split.validation}
  test: {kind: pairs, from: split.test}
models:
  t5: {objective: pretrained, path: t5, licence: MIT}
  tuned:
    objective: text-to-text
    from: t5
    tokenizer: t5
    data: train
    validation: validation
    watch: validation
    steps: 4
    sequence_length: 64
    global_batch_tokens: 256
    data_type: float32
    threads: 1
    compile: false
evaluate: {models: [t5, tuned], tasks: [{kind: text-to-text, data: test, train: train, max_tokens: 4}]}
serve: {model: tuned}
"""


@pytest.mark.parametrize("template", ["in a file of its own", "none"])
def test_a_folder_as_it_lies_there_is_served_and_asked_of_a_file(tmp_path: Path, template: str) -> None:
    folder = write_family(tmp_path / "theirs", "zephyr")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    text = settings.pop("chat_template")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if template != "none":
        (folder / "chat_template.jinja").write_text(text)
    (tmp_path / "rows.jsonl").write_text('{"text": "Where is it?"}\n{"text": [{"role": "user", "content": "Hello"}]}\n')
    said = lmworks(tmp_path, "predict", "theirs", "rows.jsonl", "--max-tokens", "4").stdout
    first, second = map(json.loads, (tmp_path / "rows.predicted.jsonl").read_text().splitlines())
    chat = {"messages": [{"role": "user", "content": "Where is it?"}], "temperature": 0, "max_tokens": 4}
    with serving(tmp_path, "theirs") as (http, _):
        answer = http.post("/v1/chat/completions", json={"model": "theirs", **chat})
        asked = {"model": "theirs", "prompt": "Where is it?", "temperature": 0, "max_tokens": 4}
        text = http.post("/v1/completions", json=asked).json()["choices"][0]["text"]
    if template != "none":
        assert answer.json()["choices"][0]["message"]["content"] == first["predicted_text"]
        assert "predicted_text" in second and "no chat template" not in said
    else:
        assert answer.status_code == 400 and "Use /v1/completions" in answer.json()["error"]["message"]
        assert first["predicted_text"] == text and "it continued each text as it is" in said
        assert "a model without a chat template needs texts" in second["predicted_error"]


def test_gpt2_bert_and_t5_answer_as_they_are_published(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text("A text of some words.")
    write_published(tmp_path / "gpt2", "GPT-2")
    write_reader(tmp_path / "bert", "sequence classifier")
    write_reader(tmp_path / "tagger", "token classifier")
    write_rewriter(tmp_path / "t5")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    lmworks(tmp_path, "build", "recipe.yaml")
    texts = ["Where is my parcel?", "Thank you"]
    assert set(answers(tmp_path, "bert", texts)) <= set(LABELS)
    assert all(spans for spans in answers(tmp_path, "tagger", texts))
    for model in ("gpt2", "t5"):
        assert len(answers(tmp_path, model, texts)) == 2


def test_a_published_t5_is_tuned_evaluated_and_answers(tmp_path: Path) -> None:
    write_rewriter(tmp_path / "t5")
    (tmp_path / "pairs").mkdir()
    pairs = [{"source": f"Bucket {number}", "target": f"Eimer {number}"} for number in range(60)]
    (tmp_path / "pairs" / "lines.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    (tmp_path / "recipe.yaml").write_text(TUNED_RECIPE)
    assert "tuned" in lmworks(tmp_path, "plan", "recipe.yaml").stdout
    lmworks(tmp_path, "build", "recipe.yaml")
    for model in ("t5", "tuned"):
        shown = json.loads(lmworks(tmp_path, "show", f"evaluate/text-to-text-test/{model}", "--json").stdout)
        (figure,) = (each for each in shown["figures"] if each["name"] == "chrf")
        assert figure["n"] == 12
    folder = lmworks(tmp_path, "show", "tuned", "--path").stdout.strip()
    theirs = AutoTokenizer.from_pretrained(folder)
    written = AutoModelForSeq2SeqLM.from_pretrained(folder).generate(
        **theirs("Bucket 3", return_tensors="pt"), max_new_tokens=4, num_beams=4, do_sample=False
    )
    assert answers(tmp_path, "tuned", ["Bucket 3"]) == [theirs.decode(written[0], skip_special_tokens=True).strip()]
