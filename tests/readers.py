"""Models that read, and those that rewrite, as others publish them: real files, random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from tiny import train_backend

BERT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
}
LABELS = ("delivery", "praise", "refund")
TAGS = ("O", "B-name", "I-name")
KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "encoder": (BertForMaskedLM, ()),
    "sequence classifier": (BertForSequenceClassification, LABELS),
    "token classifier": (BertForTokenClassification, TAGS),
}


def write_reader(folder: Path, kind: str) -> Path:
    """A BERT of this kind, whose texts stand between two tokens."""
    from tokenizers.processors import TemplateProcessing

    backend = train_backend(["[PAD]", "[CLS]", "[SEP]"])
    backend.post_processor = TemplateProcessing("[CLS] $0 [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    model, labels = KINDS[kind]
    torch.manual_seed(5)
    named = {"id2label": dict(enumerate(labels)), "label2id": {name: n for n, name in enumerate(labels)}}
    config = BertConfig(**BERT, vocab_size=backend.get_vocab_size(), pad_token_id=0, **(named if labels else {}))
    network = model(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # or all texts are alike to it
    network.save_pretrained(folder)
    backend.save(str(folder / "tokenizer.json"))
    return folder


def write_rewriter(folder: Path) -> Path:
    """A T5, whose tokenizer has no chat template."""
    backend = train_backend(["</s>", "<pad>"])
    torch.manual_seed(1)
    config = T5Config(
        vocab_size=backend.get_vocab_size(),
        d_model=32,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        pad_token_id=1,
        decoder_start_token_id=1,
        eos_token_id=0,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="<pad>").save_pretrained(folder)
    return folder
