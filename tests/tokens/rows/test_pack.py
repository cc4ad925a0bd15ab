from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from corpora import make_conversations, make_documents, make_tokenizer, pack_chats, pack_texts, texts
from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import LmworksError
from lmworks.tokens.bulk import BulkEncoder
from lmworks.tokens.rows import pack
from lmworks.tokens.rows.mixture import row_numbers
from lmworks.tokens.rows.pack import PackConversationsConfig, PackDocumentsConfig, pack_conversations, pack_documents
from lmworks.tokens.rows.shards import Shards, write_rows
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder
from support import MemoryJournal, make_context


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_every_token_of_every_document_is_a_target_once(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    rows = pack_texts(tmp_path, tokenizer, texts(), sequence_length=32).open()
    encode = tokenizer.open().encode
    stream = [token for text in texts() for token in [0, *encode(text)]]
    inputs, targets = rows.tokens[:, :-1].reshape(-1), rows.tokens[:, 1:].reshape(-1)
    trained = rows.weights[:, 1:].reshape(-1) == 1
    assert inputs[: len(stream)].tolist() == stream
    assert targets[trained].tolist() == stream[1:]
    assert rows.trained_tokens == len(stream) - 1
    assert rows.bytes_of_text == sum(len(text.encode()) for text in texts())
    assert rows.tokens.dtype == np.uint16
    assert rows.tokenizer_digest == tokenizer.open().digest


@pytest.mark.parametrize("block", [16, 50, 4096])
@pytest.mark.parametrize("length", [8, 31, 512])
def test_files_are_those_of_all_rows_made_at_once(
    tokenizer: TokenizerFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, block: int
) -> None:
    monkeypatch.setattr(pack, "BLOCK_TOKENS", block)
    monkeypatch.setattr(pack, "BATCH_DOCUMENTS", 7)
    shards = pack_texts(tmp_path, tokenizer, texts(), length)
    encode = tokenizer.open().encode
    stream = [token for text in texts() for token in [0, *encode(text)]]
    rows = -(-(len(stream) - 1) // length)
    starts = np.arange(rows)[:, None] * length + np.arange(length + 1)
    filled = np.array(stream + [0] * length, np.uint16)
    for name, array in (("tokens", filled[starts]), ("weights", (starts < len(stream)).astype(np.uint8))):
        np.save(tmp_path / name, array)
        assert (tmp_path / f"{name}.npy").read_bytes() == (shards.path / f"{name}.npy").read_bytes()


def test_a_stopped_packing_goes_on_and_gives_the_same_bytes(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    class Halt(Exception):
        pass

    whole = pack_texts(tmp_path / "whole", tokenizer, texts(), 32).path
    documents = make_documents(tmp_path / "documents", texts())
    config, journal = PackDocumentsConfig(documents="x", sequence_length=32), MemoryJournal()
    calls = iter(range(9))

    def stop() -> None:
        if next(calls) == 1:
            raise Halt

    context = replace(make_context(tmp_path, journal), check_stop=stop)
    with pytest.raises(Halt):
        pack_documents(config, documents, tokenizer, tmp_path / "out", context)
    assert {"step": "encode", "unit": 0} in journal.records()
    done = (tmp_path / "beside" / "tokens" / "00000.tokens").stat().st_mtime_ns
    pack_documents(config, documents, tokenizer, tmp_path / "out", make_context(tmp_path, journal))
    assert (tmp_path / "beside" / "tokens" / "00000.tokens").stat().st_mtime_ns == done
    for file in whole.iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()


def test_two_processes_give_the_same_bytes(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    one = pack_texts(tmp_path / "one", tokenizer, texts(), 32).path
    config = PackDocumentsConfig(documents="x", sequence_length=32)
    documents = make_documents(tmp_path / "documents", texts())
    pack_documents(config, documents, tokenizer, tmp_path / "out", replace(make_context(tmp_path), workers=2))
    for file in one.iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()


def test_many_ids_take_four_bytes(tmp_path: Path) -> None:
    for vocab_size, kind in ((65_536, np.uint16), (65_537, np.uint32)):
        rows = [np.array([[vocab_size - 1, 0, 1]])]
        facts = {"tokenizer_digest": "", "bytes_of_text": 2}
        write_rows(
            tmp_path, rows, rows, [], rows=1, sequence_length=2, trained_tokens=2, vocab_size=vocab_size, **facts
        )
        tokens = Shards(tmp_path, "").open().tokens
        assert tokens.dtype == kind and tokens[0, 0] == vocab_size - 1


def test_documents_on_which_the_fast_encoder_differs_are_encoded_without_it(
    tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    class Differs(Tokenizer):
        def to_json(self) -> str:
            facts = json.loads(super().to_json())
            merges = facts["model"]["merges"]
            facts["model"]["merges"] = [pair for pair in merges if "aramet" not in "".join(pair)]
            return json.dumps(facts)

    class DiffersFolder(TokenizerFolder):
        def open(self) -> Tokenizer:
            return Differs(self.path)

    assert not BulkEncoder(DiffersFolder(tokenizer.path, "").open()).fallback
    whole = pack_texts(tmp_path / "whole", tokenizer, texts(), 32).path
    said: list[str] = []
    pack_documents(
        PackDocumentsConfig(documents="x", sequence_length=32),
        make_documents(tmp_path / "documents", texts()),
        DiffersFolder(tokenizer.path, ""),
        tmp_path / "out",
        replace(make_context(tmp_path), log=said.append),
    )
    assert "other ids" in said[0]
    for file in whole.iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()


def test_without_the_fast_encoder_the_rows_are_the_same(
    tokenizer: TokenizerFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = pack_texts(tmp_path / "fast", tokenizer, texts(), 32).path
    monkeypatch.setitem(sys.modules, "fastokens", None)
    pack._open.cache_clear()
    slow = pack_texts(tmp_path / "slow", tokenizer, texts(), 32).path
    for file in fast.iterdir():
        assert file.read_bytes() == (slow / file.name).read_bytes()


def test_rows_name_the_documents_in_them(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    shards = pack_texts(tmp_path, tokenizer, texts(9), sequence_length=32)
    assert (shards.path / "ids.txt").read_text().split() == [f"{number:04d}" for number in range(9)]


def test_packing_twice_gives_the_same_bytes(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    for make in (pack_chats, lambda *values: pack_texts(*values[:2], texts(), values[2])):
        first, second = (make(tmp_path / name, tokenizer, 64).path for name in "ab")
        for file in first.iterdir():
            assert file.read_bytes() == (second / file.name).read_bytes()


def test_conversations_are_whole_and_each_is_there_once(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    rows = pack_chats(tmp_path, tokenizer, sequence_length=160).open()
    encoder = tokenizer.open()
    records = make_conversations(tmp_path / "again").iterate()
    expected = sorted(tuple(encoder.encode_chat(record["messages"])[0]) for record in records)
    found = []
    for row in rows.tokens:
        begins = [*np.flatnonzero(row == 0).tolist(), len(row)]
        parts = [tuple(row[start:end].tolist()) for start, end in pairwise(begins)]
        found += [part for part in parts if part != (0,)]  # a lone <|endoftext|> fills a row up
    assert sorted(found) == expected
    assert len(rows.tokens) < len(expected) / 2


def test_conversations_longer_than_a_row_are_dropped_and_counted(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    conversations = make_conversations(tmp_path / "conversations")
    lengths = [len(tokenizer.open().encode_chat(record["messages"])[0]) for record in conversations.iterate()]
    limit = max(lengths) - 1
    config = PackConversationsConfig(conversations="x", sequence_length=limit - 1)
    result = pack_conversations(config, conversations, tokenizer, tmp_path / "out", make_context(tmp_path))
    assert result.counts["dropped"] == sum(length > limit for length in lengths) > 0
    assert result.counts["conversations"] == sum(length <= limit for length in lengths)


def test_conversations_of_which_none_fits_name_what_to_change(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    conversations = make_conversations(tmp_path / "conversations")
    config = PackConversationsConfig(conversations="x", sequence_length=8)
    with pytest.raises(LmworksError, match=r"no rows: .*raise sequence_length \(now 8\).*`long_samples.* dropped"):
        pack_conversations(config, conversations, tokenizer, tmp_path / "out", make_context(tmp_path))


def test_no_text_is_an_error(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match="no rows"):
        pack_texts(tmp_path, tokenizer, [], sequence_length=32)


def test_an_epoch_is_a_permutation_and_places_depend_on_nothing_else() -> None:
    whole = row_numbers(10, seed=1, first=0, count=30)
    for epoch in range(3):
        assert sorted(whole[epoch * 10 : epoch * 10 + 10]) == list(range(10))
    assert row_numbers(10, 1, 7, 8).tolist() == whole[7:15].tolist()
    assert whole[:10].tolist() != whole[10:20].tolist()
    assert whole.tolist() != row_numbers(10, 2, 0, 30).tolist()


EXCHANGES = [("Does rain fall?", "It does, and often."), ("And snow?", "In winter."), ("And hail?", "Now and then.")]


def pack_long(
    folder: Path, tokenizer: TokenizerFolder, how: str, length: int, *lines: list[tuple[str, str]]
) -> tuple[dict[str, int], list[str]]:
    """Counts, and every conversation as packed."""
    records = [
        {
            "id": str(number),
            "document": None,
            "messages": [
                {"role": "system", "content": "Speak."},
                *(
                    {"role": role, "content": words}
                    for exchange in exchanges
                    for role, words in zip(("user", "assistant"), exchange, strict=True)
                ),
            ],
        }
        for number, exchanges in enumerate(lines)
    ]
    write_json_lines(folder / "conversations.jsonl", records)
    config = PackConversationsConfig(conversations="x", sequence_length=length, long_samples=how)
    out = folder / "out"
    result = pack_conversations(config, Conversations(folder, ""), tokenizer, out, make_context(folder))
    rows, words = Shards(out, "").open(), tokenizer.open()
    stream = [token for row in rows.tokens.tolist() for token in row]
    starts = [n for n, token in enumerate(stream) if token == 0 and stream[n + 1 : n + 2] not in ([], [0])]
    return dict(result.counts), [words.decode(stream[start:stop]) for start, stop in pairwise([*starts, len(stream)])]


def test_a_long_conversation_is_split_between_exchanges_with_the_systems_turn(
    tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    whole, (text,) = pack_long(tmp_path / "whole", tokenizer, "split", 400, EXCHANGES)
    assert whole["split"] == 0
    length = len(tokenizer.open().encode(text)) + 3
    counts, pieces = pack_long(tmp_path / "split", tokenizer, "split", length - 5, EXCHANGES)
    assert (counts["split"], counts["conversations"]) == (1, 2)
    assert all("Speak." in piece for piece in pieces)
    assert sorted(answer in piece for piece in pieces for _, answer in EXCHANGES) == [False] * 3 + [True] * 3


def test_an_exchange_that_fits_no_row_is_counted(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    long = [EXCHANGES[0], ("And?", "So it goes. " * 90), EXCHANGES[2]]
    counts, pieces = pack_long(tmp_path, tokenizer, "split", 90, long)
    assert (counts["split"], counts["exchanges_dropped"], counts["conversations"]) == (1, 1, 2)
    assert not any("So it goes" in piece for piece in pieces)


def test_a_truncated_conversation_loses_its_end_and_its_stop_token(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    long = [("And?", "So it goes. " * 90)]
    counts, (piece,) = pack_long(tmp_path, tokenizer, "truncate", 60, long)
    assert counts["truncated"] == 1
    assert piece.count("So it goes") > 1
    rows = Shards(tmp_path / "out", "").open()
    assert rows.weights[0, -1] == 1
    assert rows.tokens[0, -1] != tokenizer.open().end_of_turn_id


def test_what_nothing_is_trained_of_is_left_out_and_counted(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    long = [("So it goes. " * 900, "Yes.")]
    counts, _ = pack_long(tmp_path / "cut", tokenizer, "truncate", 120, long, EXCHANGES[:1])
    assert (counts["dropped"], counts["truncated"], counts["conversations"]) == (1, 0, 1)
    counts, _ = pack_long(tmp_path / "empty", tokenizer, "drop", 120, [], EXCHANGES[:1])
    assert (counts["untrained"], counts["conversations"]) == (1, 1)
