"""Pack documents and conversations into rows of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from lmworks.data.conversations import Conversations
from lmworks.data.documents import Documents, read_shard
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference, StepConfig
from lmworks.tokens.shards import write_rows
from lmworks.tokens.tokenizer import TokenizerFolder

if TYPE_CHECKING:
    from lmworks.tokens.shards import Rows


class PackConfig(StepConfig):
    """How text becomes rows; made by the graph for each model's data."""

    tokenizer: Reference = Field(default="tokenizer", description="Every model of a recipe shares one.")
    sequence_length: int = Field(ge=8, description="Tokens a row; set by the model that reads the rows.")


class PackDocumentsConfig(PackConfig):
    """Rows for language modelling."""

    documents: Reference = Field(alias="from", description="Every token of these is trained.")


class PackConversationsConfig(PackConfig):
    """Rows for tuning."""

    conversations: Reference = Field(alias="from", description="Only what assistants say in these is trained.")


@stage(version=1)
def pack_documents(
    config: PackDocumentsConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Each document as <|endoftext|> and its tokens, one after another, cut into rows that overlap by one token.

    So every token but the very first is a target once. The last row is filled up with <|endoftext|> of weight 0.
    """
    import numpy as np

    encoder, length = tokenizer.open(), config.sequence_length
    stream: list[Rows] = []
    ids: list[str] = []
    size = 0
    context.progress.start(documents.count(), "documents")
    for shard in documents.shards():
        context.check_stop()
        found = read_shard(shard)
        for encoded in encoder.encode_batch([document.text for document in found]):
            stream.append(np.array([encoder.end_of_text_id, *encoded], dtype=np.uint32))
        ids += [document.id for document in found]
        size += sum(len(document.text.encode()) for document in found)
        context.progress.update(len(ids))
    tokens = np.concatenate(stream or [np.zeros(0, dtype=np.uint32)])
    rows = max(0, -(-(len(tokens) - 1) // length))
    filled = np.full(rows * length + 1, encoder.end_of_text_id, dtype=np.uint32)
    filled[: len(tokens)] = tokens[: len(filled)]
    starts = np.arange(rows)[:, None] * length + np.arange(length + 1)
    counts = write_rows(
        out,
        filled[starts],
        (starts < len(tokens)).astype(np.uint8),
        ids,
        vocab_size=encoder.vocab_size,
        tokenizer_digest=encoder.digest,
        bytes_of_text=size,
    )
    return Result(counts={"documents": len(ids)} | counts)


@stage(version=1)
def pack_conversations(
    config: PackConversationsConfig,
    conversations: Conversations,
    tokenizer: TokenizerFolder,
    out: Path,
    context: Context,
) -> Result:
    """Whole conversations in rows, the longest first, each into the fullest row that has room; none is ever cut.

    Those longer than a row are dropped and counted. Rows are filled up with <|endoftext|> of weight 0.
    """
    import numpy as np

    encoder, width = tokenizer.open(), config.sequence_length + 1
    encoded: list[tuple[list[int], list[bool]]] = []
    documents: list[str] = []
    size = dropped = 0
    for record in conversations.iterate():
        ids, trained = encoder.encode_chat(record["messages"])
        if len(ids) > width:
            dropped += 1
            continue
        encoded.append((ids, trained))
        documents += [record["document"]] if record["document"] else []
        size += sum(len(turn["content"].encode()) for turn in record["messages"] if turn["role"] == "assistant")
    rows = _best_fit([len(ids) for ids, _ in encoded], width)
    tokens = np.full((len(rows), width), encoder.end_of_text_id, dtype=np.uint32)
    weights = np.zeros((len(rows), width), dtype=np.uint8)
    for row, members in enumerate(rows):
        start = 0
        for member in members:
            ids, trained = encoded[member]
            tokens[row, start : start + len(ids)] = ids
            weights[row, start : start + len(ids)] = trained
            start += len(ids)
    counts = write_rows(
        out,
        tokens,
        weights,
        documents,
        vocab_size=encoder.vocab_size,
        tokenizer_digest=encoder.digest,
        bytes_of_text=size,
        dropped=dropped,
    )
    return Result(counts={"conversations": len(encoded)} | counts)


def _best_fit(lengths: list[int], width: int) -> list[list[int]]:
    """Numbers of the items in each row, rows in the order they were begun."""
    rows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(width + 1)]  # free places -> rows that have so many
    for item in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[item]
        room = next((free for free in range(length, width) if with_room[free]), None)
        if room is None:
            row, room = len(rows), width
            rows.append([])
        else:
            row = with_room[room].pop()
        rows[row].append(item)
        with_room[room - length].append(row)
    return rows
