"""SentencePiece's `.model` files for the `tokenizers` library."""

from __future__ import annotations

import re
from typing import Any

from lmworks.errors import LmworksError
from lmworks.lazy import tokenizers

SPACE = "▁"
"""What SentencePiece writes for a space."""
UNIGRAM, BPE = 1, 2
"""Of `TrainerSpec.ModelType`."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5
"""Of `SentencePiece.Type`."""


def read_model(raw: bytes) -> Any:
    """The `ModelProto` of a file's bytes; the place of a piece is its id. Raises LmworksError if they are none."""
    from google.protobuf.message import DecodeError
    from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

    try:
        model = ModelProto.FromString(raw)
    except DecodeError as error:
        raise LmworksError(f"not a SentencePiece model: {error}") from error
    if not model.pieces:
        raise LmworksError("not a SentencePiece model: it holds no pieces")
    if model.trainer_spec.treat_whitespace_as_suffix or not model.normalizer_spec.escape_whitespaces:
        raise LmworksError("white space as a suffix, or kept as it is, cannot be converted; expected ▁ before words")
    return model


def to_backend(model: Any) -> tokenizers.Tokenizer:
    """The same model for the `tokenizers` library, with equal ids.

    They may differ where two Unigram segmentations are equally likely, such as "aaa" "aa" and "aa" "aaa": SentencePiece
    adds in single precision, and rounding decides. They may also differ where the normaliser's rules take more than one
    grapheme, or one of six bytes or more, at a time: the library looks at them character by character. And they differ
    where pieces are the user's own, such as runs of spaces, if the model also has rules or drops spaces; where it has
    neither, in a text alone that is such a piece as a whole.

    Control pieces such as <s> are never found in text, there as here: they get a name with a plain space in it, which
    no normalised text has. <unk> and bytes keep their names, and text that says such a name is cut inside it. Raises
    LmworksError for what the library cannot do.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    trainer, normaliser, pieces = model.trainer_spec, model.normalizer_spec, model.pieces
    names = [f" {each.piece}" if each.type in (CONTROL, UNUSED) else each.piece for each in pieces]
    unknown = next((number for number, each in enumerate(pieces) if each.type == UNKNOWN), None)
    if trainer.model_type == UNIGRAM:
        scores = [(name, each.score) for name, each in zip(names, pieces, strict=True)]
        backend = Tokenizer(models.Unigram(scores, unknown, trainer.byte_fallback))
        backend.pre_tokenizer = pre_tokenizers.Split(Regex("<(?=0x[0-9A-F]{2}>|unk>)"), "merged_with_previous")
    elif trainer.model_type == BPE:
        vocabulary = {name: number for number, name in enumerate(names)}
        name = None if unknown is None else names[unknown]
        backend = Tokenizer(
            models.BPE(vocabulary, _merges(model), unk_token=name, fuse_unk=True, byte_fallback=trainer.byte_fallback)
        )
    else:
        raise LmworksError("a SentencePiece model of words or characters; expected one of type unigram or bpe")
    steps: list[normalizers.Normalizer] = []
    if normaliser.precompiled_charsmap:
        steps.append(normalizers.Precompiled(normaliser.precompiled_charsmap))
    if normaliser.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex("^ +| +$"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    # One with a plain space in it is never found: the text has none when pieces are sought.
    symbols = [each.piece for each in pieces if each.type == USER_DEFINED and " " not in each.piece]
    if normaliser.add_dummy_prefix and symbols and not steps:
        # The library normalises symbols as it does texts, and would look for them behind a space alone. Behind other
        # steps it cannot do without.
        any_of_them = "|".join(map(re.escape, symbols))
        steps.append(normalizers.Replace(Regex(rf"\A(?!(?:{any_of_them})\z)(?=[\s\S])"), SPACE))
    elif normaliser.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    backend.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    backend.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        + ([decoders.Strip(" ", 1, 0)] if normaliser.add_dummy_prefix else [])
    )
    backend.add_tokens([AddedToken(symbol, normalized=True) for symbol in symbols])
    return backend


def _merges(model: Any) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, the best piece first: what SentencePiece joins is what it would name."""
    rank = {each.piece: -each.score for each in model.pieces if each.type == NORMAL}
    pairs = []
    for text in rank:
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in rank and right in rank:
                pairs.append((rank[text], rank[left], rank[right], left, right))
    return [(left, right) for *_, left, right in sorted(pairs)]
