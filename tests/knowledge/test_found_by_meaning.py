"""With a sentence encoder passages are found that say it in other words, and what is absent is told as before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertModel

from corpora import make_documents
from data.tiny_encoders import write_encoder
from lmworks.data.shards.records import Documents
from lmworks.graph import CLASSES
from lmworks.knowledge.collection import Collection
from lmworks.knowledge.passages import PassagesConfig, passages
from lmworks.model.folder import ModelFolder
from lmworks.recipe.file import load_recipe
from support import make_context

PAGES = {
    "car": "A car has four wheels, and seats that are red.",
    "boat": "A boat has two sails, and ropes that are long.",
    "oven": "An oven has one door, and plates that are hot.",
}
WORDS = sorted({word.strip(".,").lower() for text in PAGES.values() for word in text.split()} | {"automobile"})


def encoder(folder: Path) -> ModelFolder:
    """One that knows three things, of which it calls the first a car and an automobile."""
    write_encoder(folder, WORDS, positions=64)
    model = BertModel.from_pretrained(folder)
    embeddings = model.embeddings
    with torch.no_grad():
        embeddings.token_type_embeddings.weight.zero_()
        rows = embeddings.word_embeddings.weight.zero_()
        for meaning, words in enumerate((["car", "automobile"], ["boat"], ["oven"])):
            for word in words:
                rows[len(rows) - len(WORDS) + WORDS.index(word), meaning] = 1
    model.save_pretrained(folder)
    return ModelFolder(folder, "the encoder")


def make(folder: Path, model: ModelFolder | None, **fields: object) -> Collection:
    documents = make_documents(folder / "documents", list(PAGES.values()))
    config = PassagesConfig.model_validate({"from": "pages", "encoder": model and "minilm", "least_words": 0, **fields})
    passages(config, documents, model, None, folder / "out", make_context(folder / "work"))
    return Collection(folder / "out")


def test_a_passage_that_says_it_in_other_words_is_found(tmp_path: Path) -> None:
    assert not make(tmp_path / "words", None).search("automobile").passages
    collection = make(tmp_path / "both", encoder(tmp_path / "encoder"))
    found = collection.search("automobile")
    assert [each.text for each in found.passages] == [PAGES["car"]]
    assert all(0 < score <= 1 for score in collection.search(PAGES["boat"]).scores)


def test_each_passage_has_the_vector_of_its_own_text_whatever_shard_it_stands_in(tmp_path: Path) -> None:
    model = encoder(tmp_path / "encoder")
    collection = make(tmp_path, model, cosine_weight=1000)
    assert len(Documents(tmp_path / "documents", "").shards()) == 2
    for text in PAGES.values():
        assert collection.search(text, 1).passages[0].text == text


def test_what_reads_questions_lies_in_the_collection_and_no_pickle_with_it(tmp_path: Path) -> None:
    model = encoder(tmp_path / "encoder")
    make(tmp_path, model)
    for file in model.path.iterdir():
        file.unlink()
    assert Collection(tmp_path / "out").search("automobile").passages[0].text == PAGES["car"]
    files = [each for each in (tmp_path / "out").rglob("*") if each.is_file()]
    assert {each.suffix for each in files} <= {".json", ".npy", ".parquet", ".safetensors", ".txt"}
    assert np.load(tmp_path / "out" / "vectors.npy").shape[0] == len(PAGES)
    assert json.loads((tmp_path / "out" / "collection.json").read_text())["cosine_weight"] == 0.4


@pytest.mark.parametrize("question", ["", "?", "\ud800", "word " * 500])
def test_no_question_is_too_odd_to_be_read(tmp_path: Path, question: str) -> None:
    assert len(make(tmp_path, encoder(tmp_path / "encoder")).search(question).passages) <= len(PAGES)


@pytest.mark.parametrize("models", ["", "models:\n", "models: {}\n"])
def test_a_published_encoder_is_named_alone_in_a_recipe_without_models(models: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "name: a\nuse_case: b\ndata:\n  raw: {kind: ingest, sources: [{kind: files, path: ., licence: MIT}], licences: "
        f"{{allow: [MIT]}}}}\n  passages: {{kind: passages, from: raw, encoder: minilm}}\n{models}"
    )
    recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES)
    assert [(name, each.objective) for name, each in recipe.models.items()] == [("minilm", "pretrained")]
