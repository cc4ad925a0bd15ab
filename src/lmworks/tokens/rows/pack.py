"""Pack documents and conversations into rows of tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.forms.turns import RESULTS
from lmworks.data.shards.records import Documents, shard_ids
from lmworks.data.shards.steps import Parts, Tally, map_units, origins_of
from lmworks.data.tuning.conversations import Conversations, documents_of
from lmworks.errors import LmworksError
from lmworks.lazy import np, pq
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks.tokens.answers import Message
from lmworks.tokens.bulk import BulkEncoder
from lmworks.tokens.rows.each_answer import Answers, Encoded, chats_of
from lmworks.tokens.rows.mixture import Rows
from lmworks.tokens.rows.shards import filled, token_type, write_filled, write_rows
from lmworks.tokens.tokenizer import ChatRefused, Tokenizer, TokenizerFolder

SAMPLED_SHARDS = 16
"""Number of shards whose first document is used to compare both encoders."""
BATCH_DOCUMENTS = 256
BLOCK_TOKENS = 2**22
"""Number of tokens joined at a time: 8 MB, or 16 MB for a vocabulary of more than 65,536 ids."""


Long = Literal["drop", "truncate", "split"]
"""Treatment of a conversation longer than a row. `split` cuts between exchanges."""
FATES: Mapping[Long, str] = {"drop": "dropped", "truncate": "truncated", "split": "split"}
LOSSES = frozenset(["dropped", "truncated", "untrained", "exchanges_dropped", "refused", "answers_unlike_asked"])
"""Names of the counts of samples that are not trained, or only in part."""


class PackConfig(StepConfig):
    """Settings for packing text into rows. The graph makes them for each model's data."""

    tokenizer: Reference = Field(default="tokenizer", description="Tokenizer, shared by all models of a recipe.")
    sequence_length: int = Field(ge=8, description="Tokens per row, set by the model that reads the rows.")


class PackDocumentsConfig(PackConfig):
    """Rows for language modelling."""

    documents: Reference = Field(alias="from", description="Documents. Every token is trained.")


class PackConversationsConfig(PackConfig):
    """Rows for tuning."""

    conversations: Reference = Field(
        alias="from", description="Conversations. Only the assistants' answers are trained."
    )
    long_samples: Long = Field(default="drop", description="Treatment of long conversations, set by the model.")
    answers: Answers = Field(default="each", description="Answers of a chat that are trained, set by the model.")


class PackPairsConfig(PackConfig):
    """Rows for encoder-decoders, with one pair per row."""

    pairs: Reference = Field(alias="from", description="Conversations of one question and one answer.")


@stage(version=1, trains_on="documents", reads="tokenizer")
def pack_documents(
    config: PackDocumentsConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Join all documents, each with <|endoftext|> before its tokens, and cut them into rows that overlap by one token.

    Every token except the very first is a target once. The last row is padded with <|endoftext|> of weight 0.
    Shards are encoded separately and joined block by block, so memory does not grow with the documents.
    """
    encoder, folder, length = tokenizer.open(), context.beside / "tokens", config.sequence_length
    bulk, shards = BulkEncoder(encoder), documents.shards()
    bulk.check(list(_samples(shards)))
    if bulk.fallback:
        context.log(f"encodes with `tokenizers`, which is slower: {bulk.fallback}")
    work = partial(_encode_shard, tokenizer, folder, not bulk.fallback)
    origins = origins_of(shards, tokenizer.digest, bulk.fallback)
    done = map_units(list(enumerate(shards)), work, folder, context, (), "encode", origins=origins).counts
    rows = max(0, -(-(done["tokens"] - 1) // length))
    files = [_encoded(folder, index) for index in range(len(shards))]
    counts = write_rows(
        out,
        _join(files, length, encoder, context),
        _full_rows(rows, length, done["tokens"]),
        shard_ids(documents.path),
        rows=rows,
        sequence_length=length,
        trained_tokens=done["tokens"] - 1,
        vocab_size=encoder.vocab_size,
        tokenizer_digest=encoder.digest,
        bytes_of_text=done["bytes"],
    )
    return Result(counts={"documents": done["documents"]} | counts)


def _encode_shard(
    tokenizer: TokenizerFolder, folder: Path, fast: bool, numbered: tuple[int, Path]
) -> tuple[Parts, Tally]:
    """Write the tokens of one shard as one stream."""
    encoder, bulk = _open(tokenizer, fast)
    tally = Tally()

    def encode(texts: list[str]) -> bytes:
        ids, edges = bulk.encode(texts)
        tally.counts.update(
            documents=len(texts), bytes=sum(len(text.encode()) for text in texts), tokens=len(ids) + len(texts)
        )
        stream = np.insert(ids, edges[:-1], encoder.end_of_text_id)
        return stream.astype(token_type(encoder.vocab_size)).tobytes()

    index, shard = numbered
    tally.files.append(_encoded(folder, index))
    write_atomically(tally.files[0], map(encode, _texts(shard)))
    return {}, tally


@lru_cache(maxsize=1)
def _open(tokenizer: TokenizerFolder, fast: bool) -> tuple[Tokenizer, BulkEncoder]:
    opened = tokenizer.open()
    return opened, BulkEncoder(opened, fast)


def _texts(shard: Path) -> Iterator[list[str]]:
    """Yield the texts of a shard, some at a time."""
    for batch in pq.ParquetFile(shard).iter_batches(BATCH_DOCUMENTS, columns=["text"]):
        yield batch.column(0).to_pylist()


def _samples(shards: Sequence[Path]) -> Iterator[str]:
    """Yield the first text of shards spread evenly."""
    for shard in shards[:: -(-len(shards) // SAMPLED_SHARDS) or 1]:
        yield from next(_texts(shard), [])[:1]


def _encoded(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.tokens"


def _join(files: Sequence[Path], length: int, encoder: Tokenizer, context: Context) -> Iterator[Rows]:
    """Yield blocks of rows [R, length + 1] from all files as one stream. A row begins with the last token before it."""
    kind = token_type(encoder.vocab_size)
    rest = np.zeros(0, kind)
    for file in files:
        context.check_stop()
        tokens = np.memmap(file, kind, "r") if file.stat().st_size else rest[:0]
        for start in range(0, len(tokens), BLOCK_TOKENS):
            stream = np.concatenate((rest, tokens[start : start + BLOCK_TOKENS]))
            rows = (len(stream) - 1) // length
            if rows:
                yield np.lib.stride_tricks.sliding_window_view(stream, length + 1)[: rows * length : length]
            rest = stream[rows * length :]
    if len(rest) > 1:
        last = np.full((1, length + 1), encoder.end_of_text_id, kind)
        last[0, : len(rest)] = rest
        yield last


def _full_rows(rows: int, length: int, tokens: int) -> Iterator[Rows]:
    """Yield the weights of rows: 1 everywhere, except for the padding at the end of the last row."""
    block = max(1, BLOCK_TOKENS // length)
    for start in range(0, rows, block):
        weights = np.ones((min(block, rows - start), length + 1), np.uint8)
        if start + block >= rows:
            weights[-1, tokens - (rows - 1) * length :] = 0
        yield weights


@stage(version=6, trains_on="conversations", reads="tokenizer")
def pack_conversations(
    config: PackConversationsConfig,
    conversations: Conversations,
    tokenizer: TokenizerFolder,
    out: Path,
    context: Context,
) -> Result:
    """Pack conversations into rows, the longest first, each into the fullest row that has room.

    Conversations longer than a row are dropped, truncated or split. Those without trained tokens are left out, and
    those that the chat template refuses, for example because of a system message. Some templates leave out the thoughts
    before earlier answers. Such a chat becomes several that each end with an answer, or these answers are not trained.
    All these cases are counted. Rows are padded with tokens of weight 0.
    """
    encoder, width = tokenizer.open(), config.sequence_length + 1
    encoded: list[Encoded] = []
    documents: list[str] = []
    fates = Counter(dropped=0, truncated=0, split=0, untrained=0, refused=0)
    refused: ChatRefused | None = None
    further = 0
    for record in conversations.iterate():
        try:
            chats = chats_of(encoder, record["messages"], config.answers)
        except ChatRefused as error:
            if not refused:
                context.log(f"conversation {record['id']}: {error}")
            refused, fates["refused"] = error, fates["refused"] + 1
            continue
        pieces = list[Encoded]()
        further += len(chats) - 1
        for messages, whole in chats:
            if len(whole[0]) > width:
                pieces += _shortened(encoder, messages, whole, width, config.long_samples, fates)
            elif any(whole[1]):
                pieces.append(whole)
            else:
                fates["untrained"] += 1
        encoded += pieces
        documents += documents_of(record) if pieces else []
    if refused and not encoded:
        raise refused
    if unlike := sum(each[2] for each in encoded):
        fates["answers_unlike_asked"] = unlike
        context.log(
            f"{unlike} answers are read but not trained: in their chats the template changes them, for example leaves "
            "out their thoughts, so they differ from what a model writes. Set `answers: each` to train them"
        )
    if further:
        fates["chats_of_answers"] = further
        context.log(
            f"{further} chats more than conversations: the template changes earlier answers, for example leaves out "
            "their thoughts, so each of them ends a chat of its own. `answers: last` leaves these chats out"
        )
    rows = best_fit([len(ids) for ids, *_ in encoded], width)
    ids = [[each for member in members for each in encoded[member][0]] for members in rows]
    trained = [[each for member in members for each in encoded[member][1]] for members in rows]
    counts = write_filled(
        out,
        encoder,
        filled(ids, width, encoder.end_of_text_id, np.uint32),
        filled(trained, width, 0, np.uint8),
        documents,
        begins=[_begins([[len(encoded[member][0]) for member in members] for members in rows], width)],
        bytes_of_text=sum(len(encoder.decode(_trained(each)).encode()) for each in encoded),
        **fates,
    )
    return Result(counts={"conversations": len(encoded)} | counts, losses=LOSSES)


def _shortened(
    encoder: Tokenizer, messages: Sequence[Message], whole: Encoded, width: int, how: Long, fates: Counter[str]
) -> list[Encoded]:
    """Return the kept parts of a conversation that is too long. Leave out parts without trained tokens."""
    pieces: list[Encoded] = []
    if how == "truncate":
        pieces = [(whole[0][:width], whole[1][:width], whole[2])]
    elif how == "split":
        pieces = list(_split(encoder, messages, width, fates))
    pieces = [piece for piece in pieces if any(piece[1])]
    fates[FATES[how] if pieces else "dropped"] += 1
    return pieces


def _split(encoder: Tokenizer, messages: Sequence[Message], width: int, fates: Counter[str]) -> Iterator[Encoded]:
    """Yield as many exchanges at a time as fit, after the system's turn. An exchange that does not fit alone is lost.

    Function calls and their results are in one exchange.
    """
    system = messages[: messages[0]["role"] == "system"]
    starts = [number for number, each in enumerate(messages) if each["role"] == "user" and not each.get(RESULTS)]
    first, fitting = starts[0], None
    for start, stop in pairwise([*starts, len(messages)]):
        piece = encoder.encode_answers([*system, *messages[first:stop]])
        if len(piece[0]) > width and fitting:
            yield fitting
            first, piece = start, encoder.encode_answers([*system, *messages[start:stop]])
        fitting = piece if len(piece[0]) <= width else None
        if not fitting:
            first = stop
            fates["exchanges_dropped"] += any(piece[1])  # else another chat trains its answers
    if fitting:
        yield fitting


def _begins(rows: Sequence[Sequence[int]], width: int) -> Rows:
    """Return an array with 1 where each sample of these lengths begins, and where the padding of a row begins."""
    array = np.zeros((len(rows), width), np.uint8)
    for place, lengths in zip(array, rows, strict=True):
        starts = np.cumsum([0, *lengths])
        place[starts[starts < width]] = 1
    return array


def _trained(encoded: Encoded) -> list[int]:
    return [token for token, is_trained in zip(*encoded[:2], strict=True) if is_trained]


@stage(version=1, trains_on="pairs", reads="tokenizer")
def pack_pairs(
    config: PackPairsConfig, pairs: Conversations, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Pack one pair per row: source, target and padding. Only the target has weight. Padding is never read.

    Pairs longer than a row, less the two tokens that end source and target, are dropped and counted. No pair is cut.
    """
    encoder, width = tokenizer.open(), config.sequence_length + 1
    records = list(pairs.iterate())
    if odd := next((record["id"] for record in records if len(record["messages"]) != 2), None):
        raise LmworksError(f"{pairs.path}: {odd} is not one question and one answer, as text-to-text models need")
    sides = [encoder.encode_batch([record["messages"][side]["content"] for record in records]) for side in (0, 1)]
    sound = [
        (record, source, target)
        for record, source, target in zip(records, *sides, strict=True)
        if source and target and len(source) + len(target) + 2 <= config.sequence_length
    ]
    dropped = len(records) - len(sound)
    if dropped:
        context.log(f"{dropped} of {len(records)} pairs are empty or longer than {config.sequence_length} tokens")
    counts = write_filled(
        out,
        encoder,
        filled([source + target for _, source, target in sound], width, 0, np.uint32),
        filled([[0] * len(source) + [1] * len(target) for _, source, target in sound], width, 0, np.uint8),
        [name for record, _, _ in sound for name in documents_of(record)],
        bytes_of_text=sum(len(record["messages"][1]["content"].encode()) for record, _, _ in sound),
        dropped=dropped,
    )
    return Result(counts={"pairs": len(sound)} | counts, losses=LOSSES)


def best_fit(lengths: list[int], width: int) -> list[list[int]]:
    """Return the indexes of the items in each row. Put the longest first, each into the fullest row with room."""
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
