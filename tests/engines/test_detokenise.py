from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lmworks.engines.decoding.pieces import Detokeniser


def byte_tokenizer() -> Tokenizer:
    """One token a byte, the hardest case: every other character is torn."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


TOKENIZER = byte_tokenizer()


def decode(ids: Sequence[int]) -> str:
    return TOKENIZER.decode(list(ids))


def pieces(ids: Sequence[int]) -> list[str]:
    detokeniser = Detokeniser(decode)
    return [*(detokeniser.add(token) for token in ids), detokeniser.flush()]


@given(st.lists(st.integers(0, 255), max_size=40))
def test_random_bytes_come_out_as_when_decoded_whole(ids: list[int]) -> None:
    assert "".join(pieces(ids)) == decode(ids)


@given(st.text(max_size=20))
def test_whole_characters_come_out_at_once_and_never_torn(text: str) -> None:
    shown = ""
    detokeniser = Detokeniser(decode)
    for character in text:
        for token in TOKENIZER.encode(character).ids:
            shown += detokeniser.add(token)
        # U+FFFD itself looks like a torn character until the next one is there.
        assert shown + "\ufffd" * (character == "\ufffd") == text[: len(shown) + (character == "\ufffd")]
    assert shown + detokeniser.flush() == text


@pytest.mark.parametrize("text", ["naïve 日本語 한국어", "👩‍👩‍👧 ok", "\ufffd real", "é"])
def test_characters_over_several_tokens(text: str) -> None:
    ids = TOKENIZER.encode(text).ids
    assert "".join(pieces(ids)) == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces(ids))


def test_a_character_that_never_ends_is_shown_as_such_at_the_end_only() -> None:
    ids = TOKENIZER.encode("a日").ids[:-1]
    assert pieces(ids) == ["a", "", "", "\ufffd"]


def test_a_decoder_that_strips_the_first_space_keeps_the_others() -> None:
    words = ["▁one", "▁two", "▁three"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="▁one"))
    tokenizer.decoder = decoders.Metaspace()
    detokeniser = Detokeniser(lambda ids: tokenizer.decode(list(ids)))
    assert [detokeniser.add(index) for index in range(3)] == ["one", " two", " three"]


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
WORDS = ["<unk>", "<s>", "▁gar", "gar", "▁"]
SENTENCE_PIECE = Tokenizer(models.BPE({word: n for n, word in enumerate([*WORDS, *BYTES])}, [], byte_fallback=True))
SENTENCE_PIECE.add_special_tokens(["<unk>", "<s>"])
SENTENCE_PIECE.decoder = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
"""As Llama 2's and Mistral's."""
character = st.characters(exclude_categories=["Cs"]).filter("\ufffd".__ne__)
spelled = character.map(lambda each: [len(WORDS) + byte for byte in each.encode()])
pieced = st.lists(st.integers(0, len(WORDS) - 1).map(lambda each: [each]) | spelled, max_size=12)


@given(pieced)
def test_words_bytes_and_tokens_that_are_not_shown_come_out_as_when_decoded_whole(parts: list[list[int]]) -> None:
    ids = [token for part in parts for token in part]
    detokeniser = Detokeniser(lambda some: SENTENCE_PIECE.decode(list(some)))
    found = [*(detokeniser.add(token) for token in ids), detokeniser.flush()]
    assert "".join(found) == SENTENCE_PIECE.decode(ids)


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        ([2, 0, 2], ["gar", "", " gar", ""]),
        ([0, 0, 2, 3], ["", "", "gar", "gar", ""]),
        ([len(WORDS) + byte for byte in "日é".encode()], ["", "", "日", "", "é", ""]),
    ],
)
def test_a_piece_comes_as_soon_as_it_is_certain(ids: list[int], wanted: list[str]) -> None:
    detokeniser = Detokeniser(lambda some: SENTENCE_PIECE.decode(list(some)))
    assert [*map(detokeniser.add, ids), detokeniser.flush()] == wanted
