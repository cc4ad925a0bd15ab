from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from corpora import make_tokenizer, texts
from lmworks.errors import LmworksError, UsageError
from lmworks.recipe.schema import Effect, effects
from lmworks.tokens.kinds.pretrained import PretrainedConfig, pretrained
from lmworks.tokens.kinds.sentencepiece_model import read_model, to_backend
from lmworks.tokens.tokenizer import Tokenizer, open_tokenizer
from support import make_context

SENTENCES = [*texts(), "Größe, naïve façade: 1,234.50 € ½", "日本語のテキスト", "aaaa abab ababa xyxyx"]
LIKE_LLAMA = {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False}
EXACT = {**LIKE_LLAMA, "add_dummy_prefix": False}
LIKE_T5: dict[str, Any] = {"normalization_rule_name": "nmt_nfkc", "user_defined_symbols": ["<sep>"]}
MODELS = [
    (kind, settings)
    for kind in ("unigram", "bpe")
    for settings in (LIKE_LLAMA, EXACT, LIKE_T5, {"byte_fallback": True})
]


def train(kind: str, settings: dict[str, Any]) -> bytes:
    model = BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        model_type=kind,
        vocab_size=600,
        hard_vocab_limit=False,
        minloglevel=2,
        **settings,
    )
    return model.getvalue()


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: f"{model[0]}-{MODELS.index(model)}")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Tokenizer]:
    raw = train(*request.param)
    folder = tmp_path_factory.mktemp("model")
    (folder / "spiece.model").write_bytes(raw)
    config = PretrainedConfig(path="spiece.model").resolve(folder)
    pretrained(config, folder / "out", make_context(folder))
    return SentencePieceProcessor(model_proto=raw), open_tokenizer(folder / "out")


@given(
    text=st.text(
        alphabet=st.one_of(
            st.characters(max_codepoint=0x17F, exclude_categories=("Cc", "Cs")),
            st.sampled_from("    abxye日本語のテ①ﬁ．Ａ€<>s/\u3000"),
        ),
        max_size=40,
    )
)
def test_ids_are_those_of_sentencepiece(pair: tuple[Any, Tokenizer], text: str) -> None:
    theirs, ours = pair
    assert ours.encode(text) == theirs.encode(text)


def test_documents_and_control_pieces_in_text_give_the_ids_of_sentencepiece(pair: tuple[Any, Tokenizer]) -> None:
    theirs, ours = pair
    found = [
        *SENTENCES,
        "a<s>b</s> <unk> <0x41>",
        "<s>",
        "",
        " ",
        "   a   b  ",
        "ababababababa",
    ]
    assert ours.encode_batch(found) == theirs.encode(found)
    for text, ids in zip(SENTENCES, theirs.encode(SENTENCES), strict=True):
        if theirs.unk_id() not in ids:
            assert ours.decode(ids) == theirs.decode(ids), text


RUNS = {**LIKE_LLAMA, "byte_fallback": False, "user_defined_symbols": ["▁▁", "▁▁▁▁", "<sep>", "  "]}


@pytest.fixture(scope="module")
def runs() -> tuple[Any, Any]:
    raw = train("bpe", RUNS)
    return SentencePieceProcessor(model_proto=raw), to_backend(read_model(raw))


@given(parts=st.lists(st.sampled_from([" ", "  ", "   ", " " * 5, " " * 9, "a", "ab ", "x<sep>", "<sep"]), max_size=12))
def test_runs_of_spaces_that_are_pieces_give_the_ids_of_sentencepiece(runs: tuple[Any, Any], parts: list[str]) -> None:
    theirs, ours = runs
    assert ours.encode("".join(parts)).ids == theirs.encode("".join(parts))


def test_our_special_tokens_come_behind_the_ids_of_the_model(pair: tuple[Any, Tokenizer]) -> None:
    theirs, ours = pair
    size = theirs.vocab_size()
    assert (ours.end_of_text_id, ours.end_of_turn_id) == (size, size + 2)
    assert ours.vocab_size == size + 3


@pytest.fixture(scope="module")
def exact() -> Any:
    return to_backend(read_model(train("unigram", EXACT)))


@given(text=st.text().map(lambda text: text.replace("▁", " ")))
def test_byte_fallback_without_normaliser_loses_nothing(exact: Any, text: str) -> None:
    assert exact.decode(exact.encode(text).ids) == text


def test_a_tokenizer_json_keeps_its_ids(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "theirs").path
    for path in (folder, folder / "tokenizer.json"):
        config = PretrainedConfig(path=str(path)).resolve(tmp_path)
        assert pretrained(config, tmp_path / "out", make_context(tmp_path)).counts == {"ids": 400}
        assert config.vocab_size == 400
        assert open_tokenizer(tmp_path / "out").encode("a bucket") == open_tokenizer(folder).encode("a bucket")


def test_only_the_content_of_the_file_counts(tmp_path: Path) -> None:
    (tmp_path / "a.model").write_bytes(b"x")
    (tmp_path / "b.model").write_bytes(b"x")
    a, b = (PretrainedConfig(path=f"{name}.model").resolve(tmp_path) for name in "ab")
    assert a.sha256 == b.sha256 and effects(type(a))["path"] == Effect.NOTHING and "file" not in a.model_dump()


def test_transformers_finds_the_same_ids(pair: tuple[Any, Tokenizer], tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(pair[1].to_json())
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert [theirs(text)["input_ids"] for text in SENTENCES] == pair[1].encode_batch(SENTENCES)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.model", b"no model at all", "not a SentencePiece model"),
        ("a.model", b"\x0a\x7f", "not a SentencePiece model"),
        ("a.model", b"", "not a SentencePiece model"),
        ("tokenizer.json", b"{}", "not a tokenizer.json"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    config = PretrainedConfig(path=name).resolve(tmp_path)
    with pytest.raises(LmworksError, match=f"{name}: {said}"):
        pretrained(config, tmp_path / "out", make_context(tmp_path))


def test_the_likelier_pair_is_joined_first_wherever_it_stands_in_the_file() -> None:
    model = ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.BPE
    model.normalizer_spec.add_dummy_prefix = model.normalizer_spec.remove_extra_whitespaces = False
    model.pieces.add(piece="<unk>", type=ModelProto.SentencePiece.UNKNOWN)
    for text, score in {"ab": -2.0, "bc": -1.0, "a": -3.0, "b": -4.0, "c": -5.0}.items():
        model.pieces.add(piece=text, score=score)
    assert to_backend(model).encode("abc").tokens == ["a", "bc"]


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [("word", {}, "expected one of type unigram or bpe"), ("bpe", {"treat_whitespace_as_suffix": True}, "suffix")],
)
def test_what_cannot_be_converted_exactly_is_refused(kind: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(LmworksError, match=said):
        to_backend(read_model(train(kind, settings)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.model is not there"):
        PretrainedConfig(path="nothing.model").resolve(tmp_path)
