"""Train a byte-level BPE tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.documents import Documents, write_file
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig
from lmworks.tokens.tokenizer import CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, SPECIAL_TOKENS, open_tokenizer

SAMPLE_DOCUMENTS = 1000
"""Documents that bytes per token are measured on."""


class BpeConfig(StepConfig):
    """A vocabulary learned from the training text itself."""

    kind: Literal["bpe"] = "bpe"
    documents: Reference = Field(
        alias="from", description="Training text only: a tokenizer fitted to test text flatters it."
    )
    vocab_size: int = Field(
        default=4096,
        ge=259,
        description="Ids, the three special tokens and 256 bytes among them. 4,096 suits models of a few million "
        "weights, where a larger table would take the compute of several layers; raise it with the model.",
    )


@stage(version=1)
def bpe(config: BpeConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Learn merges after GPT-2's pre-tokenizer; any text can be encoded, since all 256 bytes are in the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    count = documents.count()
    if not count:
        raise LmworksError(f"{documents.path}: no documents to learn a tokenizer from; see the step that made them")
    context.progress.start(count, "documents")
    backend.train_from_iterator((document.text for document in documents.iterate()), trainer, length=count)
    context.progress.update(count)
    write_file(out / "tokenizer.json", (backend.to_str(pretty=True) + "\n").encode())
    write_file(out / "tokenizer_config.json", (json.dumps(TOKENIZER_CONFIG, indent=2) + "\n").encode())
    return Result(counts={"documents": count, "ids": backend.get_vocab_size()} | _compression(documents, out))


TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": END_OF_TEXT,
    "eos_token": END_OF_TURN,
    "pad_token": END_OF_TEXT,
    "clean_up_tokenization_spaces": False,
    "chat_template": CHAT_TEMPLATE,
}
"""What `transformers.AutoTokenizer` reads beside the vocabulary."""


def _compression(documents: Documents, out: Path) -> dict[str, int]:
    texts = [document.text for document, _ in zip(documents.iterate(), range(SAMPLE_DOCUMENTS), strict=False)]
    tokens = sum(map(len, open_tokenizer(out).encode_batch(texts)))
    return {"sampled bytes": sum(len(text.encode()) for text in texts), "sampled tokens": tokens}
