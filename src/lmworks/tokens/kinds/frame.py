"""Special tokens around and inside the texts that an encoder reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lmworks.pipeline.files import write_atomically
from lmworks.tokens.settings import unknown_token
from lmworks.tokens.tokenizer import Tokenizer

MASK = "<|mask|>"
"""Mask token, added after the last id of a tokenizer that has none, such as the ones that lmworks trains."""
PUBLISHED = (("[CLS]", "[SEP]", "[MASK]", "[PAD]"), ("<s>", "</s>", "<mask>", "<pad>"))
"""Special tokens of BERT and of RoBERTa: begin, end, mask, padding."""


@dataclass(frozen=True)
class Frame:
    """Names and ids of the tokens that begin a text, end it, mask a token and pad a row."""

    names: tuple[str, str, str, str]
    begin: int
    end: int
    mask: int
    pad: int


def frame_of(tokenizer: Tokenizer) -> Frame:
    """Return the special tokens of BERT or RoBERTa if the tokenizer has them, else those of documents and chats."""
    ids = {token["content"]: token["id"] for token in json.loads(tokenizer.to_json())["added_tokens"]}
    for names in PUBLISHED:
        if all(name in ids for name in names):
            return Frame(names, *(ids[name] for name in names))
    begin, begin_id = end, end_id = tokenizer.end_of_text, tokenizer.end_of_text_id
    if tokenizer.chat_template:  # a published T5 has none, and closes no turns
        end, end_id = tokenizer.end_of_turn, tokenizer.end_of_turn_id
    return Frame((begin, end, MASK, begin), begin_id, end_id, tokenizer.vocab_size, begin_id)


def write_framing_tokenizer(tokenizer: Tokenizer, folder: Path, vocab_size: int, context_length: int) -> None:
    """Write a tokenizer that frames texts as in training, for `transformers`. Leave out ids that the model lacks."""
    from tokenizers import Tokenizer as Backend
    from tokenizers.processors import TemplateProcessing

    frame = frame_of(tokenizer)
    begin, end, mask, pad = frame.names
    facts = json.loads(tokenizer.to_json())
    facts["added_tokens"] = [token for token in facts["added_tokens"] if token["id"] < vocab_size]
    backend = Backend.from_str(json.dumps(facts))
    if frame.mask < vocab_size:  # a decoder has none
        backend.add_special_tokens([mask])
    backend.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B:1 {end}:1",
        special_tokens=[(begin, frame.begin), (end, frame.end)],
    )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "cls_token": begin,
        "sep_token": end,
        "mask_token": mask if frame.mask < vocab_size else None,
        "pad_token": pad,
        "unk_token": unknown_token(backend) if tokenizer.unknown_id is not None else None,
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
    }
    config = {name: value for name, value in config.items() if value is not None}
    write_atomically(folder / "tokenizer.json", (backend.to_str(pretty=True) + "\n").encode())
    write_atomically(folder / "tokenizer_config.json", (json.dumps(config, indent=2) + "\n").encode())
