from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import make_documents, make_tokenizer
from lmworks.errors import LmworksError
from lmworks.tokens.kinds.bpe import BpeConfig, bpe
from lmworks.tokens.tokenizer import Tokenizer, open_tokenizer
from support import make_context

CHAT = [
    {"role": "user", "content": "What does S3 CreateBucket do?"},
    {"role": "assistant", "content": "Creates a bucket."},
    {"role": "user", "content": "And then?"},
    {"role": "assistant", "content": "Nothing <|im_end|> more."},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer")).path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return open_tokenizer(folder)


@given(text=st.text())
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=st.text(alphabet="<|>endoftxim_sar\n ", max_size=60))
def test_text_never_becomes_a_control_token(tokenizer: Tokenizer, text: str) -> None:
    assert min(tokenizer.encode("<|im_end|>" + text + "<|endoftext|>")) > 2


def test_special_tokens_have_the_first_ids(tokenizer: Tokenizer) -> None:
    assert (tokenizer.end_of_text_id, tokenizer.end_of_turn_id) == (0, 2)
    assert tokenizer.vocab_size == 400


def test_a_folder_that_cuts_and_pads_texts_by_itself_is_read_without_that(folder: Path, tmp_path: Path) -> None:
    stated = json.loads((folder / "tokenizer.json").read_text())
    stated["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    pad = {"pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"}
    stated["padding"] = {"strategy": {"Fixed": 64}, "direction": "Right", **pad}
    (tmp_path / "tokenizer.json").write_text(json.dumps(stated))
    (tmp_path / "tokenizer_config.json").write_bytes((folder / "tokenizer_config.json").read_bytes())
    chat = [{"role": "user", "content": "a question that is longer than four tokens"}]
    theirs, ours = (open_tokenizer(each) for each in (tmp_path, folder))
    assert theirs.encode_chat(chat, True) == ours.encode_chat(chat, True)
    assert theirs.encode("one two three four five six") == ours.encode("one two three four five six")


def test_training_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (make_tokenizer(tmp_path / name).path for name in "ab")
    assert (first / "tokenizer.json").read_bytes() == (second / "tokenizer.json").read_bytes()


def test_transformers_finds_the_same_ids(folder: Path, tokenizer: Tokenizer) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    for text in ("Creates a bucket.\n\nParameters:\nBucket: its name — naïve 日本", "  two  spaces\t\n\n\n1234567"):
        assert theirs(text)["input_ids"] == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode("a , b 's"), clean_up_tokenization_spaces=None) == "a , b 's"
    assert (theirs.bos_token_id, theirs.eos_token_id) == (0, 2)


def test_transformers_renders_the_same_chat(folder: Path, tokenizer: Tokenizer) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    for prompt in (False, True):
        text = theirs.apply_chat_template(CHAT[:3], tokenize=False, add_generation_prompt=prompt)
        assert text == tokenizer.render_chat(CHAT[:3], prompt)
        ids = theirs.apply_chat_template(CHAT[:3], add_generation_prompt=prompt, return_dict=False)
        assert ids == tokenizer.encode_chat(CHAT[:3], prompt)[0]


def test_only_answers_are_trained_with_the_token_that_closes_them(tokenizer: Tokenizer) -> None:
    ids, trained = tokenizer.encode_chat(CHAT)
    answers = [token for token, kept in zip(ids, trained, strict=True) if kept]
    first, last = tokenizer.encode("Creates a bucket."), tokenizer.encode("Nothing <|im_end|> more.")
    assert answers == [*first, 2, *last, 2]
    assert ids.count(2) == 4  # what an answer says of <|im_end|> ends no turn


def test_an_answer_without_weight_is_read_and_not_trained(tokenizer: Tokenizer) -> None:
    first, *rest = [turn for turn in CHAT if turn["role"] == "assistant"]
    chat = [{**turn, "weight": 0} if turn is first else turn for turn in CHAT]
    ids, trained = tokenizer.encode_chat(chat)
    assert ids == tokenizer.encode_chat(CHAT)[0]
    assert [token for token, kept in zip(ids, trained, strict=True) if kept] == [
        token for turn in rest for token in [*tokenizer.encode(turn["content"].strip()), 2]
    ]


def test_a_prompt_is_the_beginning_of_its_conversation(tokenizer: Tokenizer) -> None:
    prompt, _ = tokenizer.encode_chat(CHAT[:1], add_generation_prompt=True)
    ids, trained = tokenizer.encode_chat(CHAT[:2])
    assert ids[: len(prompt)] == prompt
    assert trained.index(True) == len(prompt)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match="a tokenizer folder holds"):
        open_tokenizer(tmp_path)


def test_no_documents_is_an_error(tmp_path: Path) -> None:
    documents = make_documents(tmp_path / "empty", [])
    with pytest.raises(LmworksError, match="no documents"):
        bpe(BpeConfig(documents="x"), documents, tmp_path / "out", make_context(tmp_path))
