"""SentencePiece's `.model` files, read as what they are: a protocol buffer (sentencepiece_model.proto)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from lmworks.errors import LmworksError

if TYPE_CHECKING:
    import tokenizers

SPACE = "▁"
"""What SentencePiece writes for a space."""


class Kind(IntEnum):
    """ModelProto.SentencePiece.Type."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Piece:
    """One entry of the vocabulary; its place in the file is its id."""

    text: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class Model:
    """The parts of a model that say how text becomes ids."""

    pieces: list[Piece]
    algorithm: int
    """1 Unigram, 2 BPE, 3 words, 4 characters."""
    byte_fallback: bool
    character_map: bytes
    """The normaliser's compiled rules; empty if it changes nothing."""
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool


def read_model(raw: bytes) -> Model:
    """Read a file's bytes. Raises LmworksError if they are no such model."""
    try:
        top = list(_fields(raw))
        pieces = [_piece(dict(_fields(value))) for number, value in top if number == 1 and isinstance(value, bytes)]
        if not pieces:
            raise ValueError("it holds no pieces")
        trainer, normaliser = (dict(_fields(_message(dict(top), number))) for number in (2, 3))
        if trainer.get(24, 0) or not normaliser.get(5, 1):
            raise LmworksError(
                "white space as a suffix, or kept as it is, cannot be converted; expected ▁ before words"
            )
        return Model(
            pieces,
            int(trainer.get(3, 1)),
            bool(trainer.get(35, 0)),
            _message(normaliser, 2),
            bool(normaliser.get(3, 1)),
            bool(normaliser.get(4, 1)),
        )
    except (IndexError, KeyError, ValueError, TypeError, struct.error) as error:
        raise LmworksError(f"not a SentencePiece model: {error}") from error


def _piece(fields: dict[int, int | bytes]) -> Piece:
    (score,) = struct.unpack("<f", _message(fields, 2) or bytes(4))
    return Piece(_message(fields, 1).decode(), score, Kind(int(fields.get(3, Kind.NORMAL))))


def _message(fields: dict[int, int | bytes], number: int) -> bytes:
    value = fields.get(number, b"")
    if not isinstance(value, bytes):
        raise ValueError(f"field {number} is a number, not bytes")
    return value


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: varints as numbers, all others as bytes (protobuf.dev, "Encoding")."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = raw[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(raw):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            yield number, varint()
            continue
        size = {1: 8, 2: 0, 5: 4}[wire] or varint()
        if place + size > len(raw):
            raise ValueError(f"field {number} of {size} bytes at byte {place} is cut short")
        yield number, raw[place : place + size]
        place += size


def to_backend(model: Model) -> tokenizers.Tokenizer:
    """The same model for the `tokenizers` library, with equal ids.

    They may differ where two Unigram segmentations are equally likely, such as "aaa" "aa" and "aa" "aaa": SentencePiece
    adds in single precision, and rounding decides. They may also differ where the normaliser's rules take more than one
    grapheme, or one of six bytes or more, at a time: the library looks at them character by character.

    Control pieces such as <s> are never found in text, there as here: they get a name with a plain space in it, which
    no normalised text has. <unk> and bytes keep their names, and text that says such a name is cut inside it. Raises
    LmworksError for what the library cannot do.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    names = [f" {piece.text}" if piece.kind in (Kind.CONTROL, Kind.UNUSED) else piece.text for piece in model.pieces]
    unknown = next((number for number, piece in enumerate(model.pieces) if piece.kind == Kind.UNKNOWN), None)
    if model.algorithm == 1:
        scores = [(name, piece.score) for name, piece in zip(names, model.pieces, strict=True)]
        backend = Tokenizer(models.Unigram(scores, unknown, model.byte_fallback))
        backend.pre_tokenizer = pre_tokenizers.Split(Regex("<(?=0x[0-9A-F]{2}>|unk>)"), "merged_with_previous")
    elif model.algorithm == 2:
        vocabulary = {name: number for number, name in enumerate(names)}
        name = None if unknown is None else names[unknown]
        backend = Tokenizer(
            models.BPE(vocabulary, _merges(model), unk_token=name, fuse_unk=True, byte_fallback=model.byte_fallback)
        )
    else:
        raise LmworksError("a SentencePiece model of words or characters; expected one of type unigram or bpe")
    steps: list[normalizers.Normalizer] = []
    if model.character_map:
        steps.append(normalizers.Precompiled(model.character_map))
    if model.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex("^ +| +$"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if model.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    backend.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    backend.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        + ([decoders.Strip(" ", 1, 0)] if model.add_dummy_prefix else [])
    )
    backend.add_tokens(
        [AddedToken(piece.text, normalized=True) for piece in model.pieces if piece.kind == Kind.USER_DEFINED]
    )
    return backend


def _merges(model: Model) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, the best piece first: what SentencePiece joins is what it would name."""
    rank = {piece.text: -piece.score for piece in model.pieces if piece.kind == Kind.NORMAL}
    pairs = []
    for text in rank:
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in rank and right in rank:
                pairs.append((rank[text], rank[left], rank[right], left, right))
    return [(left, right) for *_, left, right in sorted(pairs)]
