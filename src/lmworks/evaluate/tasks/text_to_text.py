"""How like the targets what a model makes of sources is: BLEU, chrF and exact matches."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lmworks.data.conversations import Conversations
from lmworks.evaluate.items import BLEU, CHRF, EXACT, Item, contamination, evidence, score_in_chunks, write_items
from lmworks.evaluate.metrics import bleu_counts, chrf_counts, sacrebleu_signatures
from lmworks.evaluate.questions import Question, QuestionsConfig, answered, chat_prompt, draw, sources
from lmworks.model.folder import ARCHITECTURES, ModelFolder
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.stage import Context, Handle, Result, stage

SOURCES_AT_ONCE = 256
"""Enough that those of like length can be computed together."""
Write = Callable[[Sequence[Question]], list[str]]


class TextToTextTaskConfig(QuestionsConfig):
    """BLEU of targets written for sources."""

    kind: Literal["text-to-text"] = "text-to-text"
    limit: int | None = Field(None, ge=1, description="Pairs drawn; all, since BLEU is of a whole test set.")
    prompt: Literal["chat"] = Field("chat", description="A source has no other form; decoders are asked it in a chat.")
    max_tokens: int = Field(128, ge=1, description="Where a target is cut: longer than nearly all sentences.")
    beams: int = Field(4, ge=1, description="Of encoder-decoders, as in most published figures; decoders are greedy.")


@stage(version=1)
def evaluate_text_to_text(
    config: TextToTextTaskConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    out: Path,
    context: Context,
) -> Result:
    """Let a model write, and compare with the targets."""
    pairs, drawn = draw(list(data.iterate()), config)
    write, how, known = _writer(config, model.path, [_source(pair) for pair in pairs])
    items = score_in_chunks(context, pairs, SOURCES_AT_ONCE, lambda some: _items(some, write(some)))
    return _result(items, f"{drawn}, {how}, at most {config.max_tokens} tokens", pairs, train, out, **known)


@stage(version=1)
def evaluate_text_to_text_copy(
    config: TextToTextTaskConfig, data: Conversations, train: Conversations, out: Path, context: Context
) -> Result:
    """The same figures for the source as it is."""
    pairs, drawn = draw(list(data.iterate()), config)
    return _result(_items(pairs, map(_source, pairs)), f"{drawn}, the source copied", pairs, train, out)


@stage(version=1)
def evaluate_text_to_text_words(
    config: TextToTextTaskConfig, data: Conversations, train: Conversations, out: Path, context: Context
) -> Result:
    """The same figures for a word table learned from the training pairs."""
    from lmworks.evaluate.baselines.word_table import WordTable

    pairs, drawn = draw(list(data.iterate()), config)
    table = WordTable.fit([(_source(pair), pair["messages"][1]["content"]) for pair in train.iterate()])
    items = _items(pairs, [table.translate(_source(pair)) for pair in pairs])
    return _result(items, f"{drawn}, word by word as IBM model 1 learned from the training pairs", pairs, train, out)


def _source(pair: Question) -> str:
    text: str = pair["messages"][0]["content"]
    return text


def _writer(config: TextToTextTaskConfig, folder: Path, asked: Sequence[str]) -> tuple[Write, str, dict[str, Any]]:
    """How a model writes, in words too, and the conditions under which its figures hold."""
    if json.loads((folder / "config.json").read_text())["model_type"] in ARCHITECTURES:
        from lmworks.generate.engine import Sampling, open_engine

        engine, sampling = open_engine(folder, config.data_type), Sampling(config.max_tokens)

        def answer(pairs: Sequence[Question]) -> list[str]:
            prompts = [chat_prompt(pair, engine.tokenizer).ids for pair in pairs]
            return [each.text for each in engine.generate(prompts, sampling)]

        return answer, "greedy in a chat", evidence(engine, asked)
    from lmworks.generate.seq2seq import rewrite
    from lmworks.model.published import load_published
    from lmworks.tokens.tokenizer import open_tokenizer

    module, tokenizer = load_published(folder, "AutoModelForSeq2SeqLM", config.data_type), open_tokenizer(folder)

    def translate(pairs: Sequence[Question]) -> list[str]:
        ids = tokenizer.encode_batch([_source(pair) for pair in pairs])
        return [tokenizer.decode(row) for row in rewrite(module, ids, config.max_tokens, config.beams)]

    digest = digest_text(canonical_json(list(asked)))
    known = {"prompt_digest": digest, "data_type": config.data_type, "device": "cpu"}
    return translate, f"likeliest of {config.beams} beams", known


def _items(pairs: Sequence[Question], written: Any) -> list[Item]:
    items = []
    for pair, text in zip(pairs, written, strict=True):
        answer, reference = text.strip(), pair["messages"][1]["content"]
        item = answered(pair, answer, float(answer == reference))
        counts = {"bleu": bleu_counts(reference, answer), "chrf": chrf_counts(reference, answer)}
        items.append({**item, **counts})
    return items


def _result(
    items: Sequence[Item], method: str, pairs: Sequence[Question], train: Handle | None, out: Path, **known: Any
) -> Result:
    write_items(out / "items.jsonl", items)
    known["contamination"] = contamination(train, sources(pairs))
    bleu, chrf = sacrebleu_signatures()
    figures = [
        BLEU.figure(items, f"{bleu}; {method}", **known),
        CHRF.figure(items, f"{chrf}; {method}", **known),
        EXACT.figure(items, f"written exactly as the target; {method}", **known),
    ]
    return Result(figures=figures, examples=list(items[:6]))
