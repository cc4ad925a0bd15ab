from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from corpora import make_tokenizer, texts
from encoders import LENGTH, labelled, pack
from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.data.tuning.spans import spans_of
from lmworks.errors import LmworksError, UsageError
from lmworks.tokens.rows.pack_texts import tags
from lmworks.tokens.tokenizer import TokenizerFolder
from support import make_context
from tiny import train_backend


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_masked_rows_hold_every_token_of_every_text_once(tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    documents = labelled(tmp_path / "d", [text * 2 for text in texts()])
    shards, result = pack(tmp_path / "rows", "masked-lm", documents, tokenizer)
    rows, encoder = shards.open(), tokenizer.open()
    expected = sorted(token for each in documents.iterate() for token in encoder.encode(each.text))
    assert sorted(rows.tokens[rows.weights > 0].tolist()) == expected
    assert result.counts["texts"] > result.counts["documents"] == len(texts())
    framing = rows.tokens[rows.weights == 0]
    assert set(framing.tolist()) == {encoder.end_of_text_id, encoder.end_of_turn_id}
    assert (rows.tokens[:, -1] == encoder.end_of_text_id).all()


def test_a_text_that_is_cut_is_counted_and_told(tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    documents, told = labelled(tmp_path / "d", [text * (1 + len(text) % 2) for text in texts()]), list[str]()
    context = dataclasses.replace(make_context(tmp_path), log=told.append)
    _, result = pack(tmp_path / "rows", "sequence-classification", documents, tokenizer, context)
    lengths = [len(tokenizer.open().encode(each.text)) for each in documents.iterate()]
    room = LENGTH - 2
    assert result.counts["texts cut"] == sum(length > room for length in lengths) > 0
    assert result.counts["tokens cut off"] == sum(max(0, length - room) for length in lengths)
    assert f"{result.counts['texts cut']} of {len(lengths)} texts are longer than {room} tokens" in told[0]


@pytest.mark.parametrize("objective", ["sequence-classification", "token-classification"])
def test_of_a_text_that_is_split_every_token_is_read_and_each_part_labelled(
    tmp_path: Path, tokenizer: TokenizerFolder, objective: str
) -> None:
    documents, encoder = labelled(tmp_path / "d", [text * 3 for text in texts()[:9]]), tokenizer.open()
    shards, result = pack(tmp_path / "rows", objective, documents, tokenizer, long_samples="split")
    rows, framing = shards.open(), (encoder.end_of_text_id, encoder.end_of_turn_id)
    every = [token for each in documents.iterate() for token in encoder.encode(each.text)]
    assert sorted(rows.tokens[~np.isin(rows.tokens, framing)].tolist()) == sorted(every)
    assert result.counts["texts split"] == 9 < result.counts["texts"]
    assert rows.labels is not None
    said = [rows.label_names[number] for number in rows.labels[rows.weights > 0]]
    if objective == "token-classification":
        assert len(said) == len(every)
        return
    wanted = [
        str(each.meta["label"])
        for each in documents.iterate()
        for _ in range(0, len(encoder.encode(each.text)), LENGTH - 2)
    ]
    assert sorted(said) == sorted(wanted)


def test_labels_stand_where_texts_begin_and_their_balance_is_counted(
    tmp_path: Path, tokenizer: TokenizerFolder
) -> None:
    documents = labelled(tmp_path / "d")
    shards, result = pack(tmp_path / "rows", "sequence-classification", documents, tokenizer)
    rows = shards.open()
    assert rows.labels is not None
    wanted = sorted(str(each.meta["label"]) for each in documents.iterate())
    assert sorted(rows.label_names[number] for number in rows.labels[rows.weights > 0]) == wanted
    assert (rows.tokens[rows.weights > 0] == tokenizer.open().end_of_text_id).all()
    assert {name: result.counts[f"label {name}"] for name in set(wanted)} == {
        name: wanted.count(name) for name in set(wanted)
    }


def test_spans_become_tags(tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    shards, _ = pack(tmp_path / "rows", "token-classification", labelled(tmp_path / "d"), tokenizer)
    rows = shards.open()
    assert rows.labels is not None
    assert rows.label_names[0] == "B-thing"
    assert np.count_nonzero((rows.labels == 0) & (rows.weights > 0)) <= len(texts())
    assert tags([("person", 0, 9)], [(0, 3), (3, 9), (9, 15)]) == ["B-person", "I-person", "O"]


@pytest.mark.parametrize(
    "spans", ["Ada", [{"start": 0}], [{"start": 0, "end": 99, "label": "x"}], [{"start": 3, "end": 3, "label": "x"}]]
)
def test_spans_that_do_not_fit_their_text_are_refused(spans: object) -> None:
    with pytest.raises(UsageError, match="document 1: ") as error:
        spans_of(Document(id="1", text="Ada Byron", source="t", licence="MIT", meta={"spans": spans}), "spans")
    assert "Ada" not in str(error.value), "what a field holds may be personal"


def test_documents_without_labels_are_refused(tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    documents = [Document(id=f"{n}", text=f"text {n}", source="t", licence="MIT", meta={}) for n in range(4)]
    write_shard(tmp_path / "d" / "part-00000.parquet", documents)
    write_ids(tmp_path / "d", [each.id for each in documents])
    with pytest.raises(LmworksError, match="`label` names 'label', which none of its 4 documents has: they have text"):
        pack(tmp_path / "rows", "sequence-classification", Documents(tmp_path / "d", "d"), tokenizer)


def test_a_published_encoders_own_tokenizer_frames_texts_as_its_model_reads_them(tmp_path: Path) -> None:
    backend = train_backend(["[PAD]", "[CLS]", "[SEP]", "[MASK]"])
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]", "pad_token": "[PAD]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(tmp_path / "theirs")
    documents, theirs = labelled(tmp_path / "d"), TokenizerFolder(tmp_path / "theirs", "theirs")
    rows = pack(tmp_path / "rows", "sequence-classification", documents, theirs)[0].open()
    first = rows.tokens[0]
    assert theirs.open().spell(first[:1].tolist()) == "[CLS]" and "[SEP]" in theirs.open().spell(first.tolist())
