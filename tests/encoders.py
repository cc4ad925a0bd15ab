"""Labelled texts, and encoders small enough to train in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpora import THINGS, texts
from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Result
from lmworks.tokens.rows.pack_texts import PackLabelledConfig, PackTextsConfig, pack_labelled, pack_spans, pack_texts
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.encoder import MaskedLMConfig, SequenceClassificationConfig, TokenClassificationConfig
from lmworks.train.loop.train import train
from support import make_context

LENGTH = 48
SMALL = {
    "data": "x",
    "sequence_length": LENGTH,
    "global_batch_tokens": 8 * LENGTH,
    "micro_batch_rows": 4,
    "steps": 6,
    "warmup_steps": 2,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
    "checkpoint_steps": 2,
    "validation_steps": 4,
    "validation_rows": 4,
}
TINY = {"from": "scratch", "hidden_size": 32, "num_layers": 2, "num_heads": 2}
TASKS = {
    "masked-lm": (MaskedLMConfig, PackTextsConfig, pack_texts),
    "sequence-classification": (SequenceClassificationConfig, PackLabelledConfig, pack_labelled),
    "token-classification": (TokenClassificationConfig, PackLabelledConfig, pack_spans),
}
LABELS = {"sequence-classification": "label", "token-classification": "spans"}


def labelled(folder: Path, found: list[str] | None = None) -> Documents:
    """Documents labelled by the thing that they speak of, which is also a span."""
    documents = []
    for number, text in enumerate(texts() if found is None else found):
        thing = next(each for each in THINGS if each in text)
        start = text.index(thing)
        meta = {"label": thing, "spans": [{"start": start, "end": start + len(thing), "label": "thing"}]}
        documents.append(Document(id=f"{number:04}", text=text, source="t", licence="MIT", meta=meta))
    write_shard(folder / "part-00000.parquet", documents)
    write_ids(folder, [each.id for each in documents])
    return Documents(folder, folder.name)


def pack(
    folder: Path,
    objective: str,
    documents: Documents,
    tokenizer: TokenizerFolder,
    context: Context | None = None,
    **values: Any,
) -> tuple[Shards, Result]:
    """Rows for an objective."""
    _, config, stage = TASKS[objective]
    fields = {"documents": "x", "sequence_length": LENGTH, "label": LABELS.get(objective), **values}
    fields = {name: value for name, value in fields.items() if value is not None}
    result = stage(config.model_validate(fields), documents, tokenizer, folder, context or make_context(folder / "c"))
    return Shards(folder, folder.name), result


def tune(
    folder: Path,
    objective: str,
    base: ModelFolder | None,
    rows: Shards,
    tokenizer: TokenizerFolder,
    context: Context | None = None,
    validation: Shards | None = None,
    **values: Any,
) -> ModelFolder:
    """Train for some steps; the model's folder."""
    fields = {**SMALL, **({"from": "x"} if base else TINY), **values}
    config = TASKS[objective][0].model_validate(fields)
    out, context = folder / "out", context or make_context(folder)
    train(config, base, rows, tokenizer, validation, None, out=out, context=context)
    return ModelFolder(out, "model")
