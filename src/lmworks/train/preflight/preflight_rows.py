"""What packed chats and judged answers hold, read from the rows themselves: turns, their ends, and what is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lmworks.tokens.rows.pack_preferences import REJECTED, SIDES
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 4
"""Samples that are shown; a wrong template is wrong in all."""
Piece = tuple[str, bool]
"""Text, and whether it is trained."""


@dataclass
class Found:
    """What stands in packed rows."""

    samples: int = 0
    masked: int = 0
    """Samples without a trained token."""
    turns: int = 0
    """Of assistants, that the rows train: all in conversations, the last of each judged answer."""
    silent: int = 0
    """Turns of which no word is trained."""
    endless: int = 0
    """Turns whose <|im_end|> is there and not trained."""
    cut: int = 0
    """Turns without <|im_end|>."""
    doubled: int = 0
    """Samples that begin with <|endoftext|> twice."""
    joined: int = 0
    """Rows that do not begin with <|endoftext|>: nothing keeps the samples in them apart."""
    foreign: int = 0
    """Trained tokens that no assistant says, or that stand before a judged answer."""
    groups: int = 0
    """Of two answers, of which one is judged against the other."""
    alike: int = 0
    """Groups whose chosen answer is the rejected one, token by token."""
    tokens: int = 0
    trained: int = 0
    shown: list[list[Piece]] = field(default_factory=list)
    """The first of rows spread evenly: the longest stand in the first."""

    def counts(self) -> dict[str, int]:
        """Without texts, and without groups where there are none."""
        found = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        return found if self.groups else {name: found[name] for name in found if name not in ("groups", "alike")}


def inspect(rows: PackedRows, encoder: Tokenizer, *, one_turn: bool = True) -> Found:
    """Read every row: samples begin at <|endoftext|>, turns at <|im_start|>.

    Judged answers are of `one_turn` each, the last, or some are of several, and the turns before may be trained.
    """
    import numpy as np

    found, assistants = Found(), dict[tuple[int, ...], bool]()
    every = -(-len(rows.tokens) // SHOWN)
    for row, (tokens, weights) in enumerate(zip(rows.tokens, rows.weights, strict=True)):
        (filled,) = np.nonzero((tokens != encoder.end_of_text_id) | (weights > 0))
        end = int(filled[-1]) + 1 if len(filled) else 0
        labels = None if rows.labels is None else rows.labels[row][:end]
        starts = _starts(tokens[:end], labels, encoder, found)
        samples = [slice(*each) for each in zip(starts, [*starts[1:], end], strict=True)]
        for number, place in enumerate(samples):
            sample = tokens[place], weights[place] > 0
            if number <= (labels is not None) and row % every == 0:
                found.shown.append(pieces(sample[0].tolist(), sample[1].tolist(), encoder))
            _inspect_sample(*sample, labels is not None, one_turn, encoder, assistants, found)
            if labels is not None and number % 2:
                found.groups += 1
                rejected = labels[place.start] % len(SIDES) == REJECTED
                found.alike += bool(rejected and np.array_equal(tokens[samples[number - 1]], sample[0]))
    return found


def _starts(tokens: NDArray[Any], labels: NDArray[Any] | None, encoder: Tokenizer, found: Found) -> list[int]:
    """Where samples begin in a row: at <|endoftext|>, or, of judged answers, where the label changes."""
    import numpy as np

    if labels is not None:
        return [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
    begins = (tokens == encoder.end_of_text_id).astype(np.int8)
    starts: list[int] = np.flatnonzero(np.diff(begins, prepend=0) == 1).tolist()
    found.joined += not starts or starts[0] != 0
    return starts or [0]


def _inspect_sample(
    tokens: NDArray[Any],
    trained: NDArray[Any],
    judged: bool,
    one_turn: bool,
    encoder: Tokenizer,
    assistants: dict[tuple[int, ...], bool],
    found: Found,
) -> None:
    """Count what one sample holds."""
    import numpy as np

    starts, ends = (
        np.flatnonzero(tokens == token).tolist() for token in (encoder.start_of_turn_id, encoder.end_of_turn_id)
    )
    found.doubled += bool((tokens[:2] == encoder.end_of_text_id).all()) and len(tokens) > 1
    turns, length = list[tuple[int, int | None, int]](), len(encoder.encode("assistant")) + 1
    for start, stop in zip(starts, [*starts[1:], len(tokens)], strict=True):
        head = tuple(tokens[start + 1 : start + 1 + length].tolist())
        if head not in assistants:
            assistants[head] = encoder.decode(head).startswith("assistant")
        if assistants[head]:
            inside = [end for end in ends if start < end < stop]
            turns.append((start, inside[-1] if inside else None, stop))
    before = turns[:-1] if judged else []
    spoken = sum(_count_turn(trained, *turn, found) for turn in turns[len(before) :])
    found.samples += 1
    found.masked += not trained.any()
    found.tokens += len(tokens)
    found.trained += int(trained.sum())
    found.foreign += int(trained.sum()) - spoken
    if not one_turn:
        found.foreign -= sum(int(trained[start:stop].sum()) for start, _, stop in before)


def _count_turn(trained: NDArray[Any], start: int, end: int | None, stop: int, found: Found) -> int:
    """Count one assistant's turn; its trained tokens."""
    words = trained[start : stop if end is None else end]
    found.turns += 1
    found.silent += not words.any()
    found.cut += end is None
    found.endless += end is not None and not trained[end]
    return int(trained[start : stop if end is None else end + 1].sum())


def pieces(ids: Sequence[int], trained: Sequence[bool], encoder: Tokenizer) -> list[Piece]:
    """A sample as text, cut where the mask changes."""
    found: list[Piece] = []
    start = 0
    for stop in range(1, len(ids) + 1):
        if stop == len(ids) or trained[stop] != trained[start]:
            found.append((encoder.spell(ids[start:stop]), trained[start]))
            start = stop
    return found
