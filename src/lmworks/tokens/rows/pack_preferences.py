"""Pack judged answers into rows of tokens. Answers that are compared share a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from lmworks.data.tuning.preferences import Messages, Preference, Preferences
from lmworks.errors import LmworksError
from lmworks.lazy import np
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference
from lmworks.tokens.rows.pack import PackConfig, best_fit
from lmworks.tokens.rows.shards import write_filled
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder

SIDES = ("filling", "chosen", "rejected", "mismatched")
FILLING, CHOSEN, REJECTED, MISMATCHED = range(len(SIDES))
"""Sides of a token. Its label is 4 · the index of its group in the row + its side. A segment is a run of one label."""


class PackPreferencesConfig(PackConfig):
    """Rows for learning from judgements."""

    preferences: Reference = Field(alias="from", description="Preferences. Only answers are trained, not prompts.")
    alone: bool = Field(
        default=False,
        description="Whether each answer is judged alone (KTO). It is then paired with an answer to another prompt, "
        "not with the answer that it was compared with.",
    )


@dataclass(frozen=True)
class Segment:
    """A prompt and an answer to it."""

    ids: list[int]
    trained: list[bool]
    side: int


@dataclass(frozen=True)
class Group:
    """Answers that must share a row."""

    segments: Sequence[Segment]
    margin: float
    documents: Sequence[str]

    @property
    def length(self) -> int:
        """Number of tokens of all segments."""
        return sum(len(segment.ids) for segment in self.segments)


@stage(version=3, trains_on="preferences", reads="tokenizer")
def pack_preferences(
    config: PackPreferencesConfig, preferences: Preferences, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Pack groups of answers into rows, the longest first, each into the fullest row that has room. Cut no group.

    A group is a pair, or an answer judged alone with a mismatched one. Groups longer than a row are dropped and
    counted, and so are single answers if pairs are needed. The last token of a row is padding, so that the last token
    of every answer has a hidden state. Padding is <|endoftext|> of weight 0.
    """
    encoder, width = tokenizer.open(), config.sequence_length
    records = list(preferences.iterate())
    groups = list(_alone(records, encoder) if config.alone else _pairs(records, encoder))
    fitting = [group for group in groups if group.length <= width]
    if dropped := len(groups) - len(fitting):
        context.log(f"{dropped} of {len(groups)} groups of answers are longer than {width} tokens together")
    rows = best_fit([group.length for group in fitting], width)
    if not rows:
        raise LmworksError(
            f"{preferences.path}: none of {len(records)} judgements gives "
            f"{'an answer' if config.alone else 'a pair of answers'} of at most {width} tokens; raise sequence_length, "
            "or check that the judgements are pairs (`kto` takes answers that were judged alone)"
        )
    tokens = np.full((len(rows), width + 1), encoder.end_of_text_id, dtype=np.uint32)
    weights, labels = np.zeros_like(tokens, np.uint8), np.zeros_like(tokens, np.uint16)
    margins = np.zeros((len(rows), max(map(len, rows))), dtype=np.float32)
    for row, members in enumerate(rows):
        start = 0
        for number, member in enumerate(members):
            margins[row, number] = fitting[member].margin
            for segment in fitting[member].segments:
                place = slice(start, start + len(segment.ids))
                tokens[row, place], weights[row, place] = segment.ids, segment.trained
                labels[row, place] = len(SIDES) * number + segment.side
                start = place.stop
    counts = write_filled(
        out,
        encoder,
        tokens,
        weights,
        [name for group in fitting for name in group.documents],
        labels=(SIDES, labels),
        margins=margins,
        bytes_of_text=sum(len(encoder.decode(each.ids).encode()) for group in fitting for each in group.segments),
        dropped=dropped,
    )
    single = 0 if config.alone else len(records) - len(groups)
    losses = {"dropped", "without a counterpart"}
    return Result(counts={"groups": len(fitting), "without a counterpart": single} | counts, losses=losses)


def _pairs(records: Sequence[Preference], encoder: Tokenizer) -> Iterator[Group]:
    """Yield a group with the two answers of each pair."""
    for record in records:
        if record.chosen and record.rejected:
            chosen = segment(encoder, record.prompt, record.chosen, CHOSEN)
            rejected = segment(encoder, record.prompt, record.rejected, REJECTED)
            yield Group((chosen, rejected), record.margin or 0.0, record.documents)


def _alone(records: Sequence[Preference], encoder: Tokenizer) -> Iterator[Group]:
    """Yield every answer, grouped with its prompt and the next record's answer of this side."""
    for side, name in ((CHOSEN, "chosen"), (REJECTED, "rejected")):
        judged: list[tuple[Preference, Any]] = [(each, getattr(each, name)) for each in records if getattr(each, name)]
        for (record, answer), (_, other) in zip(judged, judged[1:] + judged[:1], strict=True):
            segments = [segment(encoder, record.prompt, said, of) for said, of in ((answer, side), (other, MISMATCHED))]
            yield Group(segments, 0.0, record.documents)


def segment(encoder: Tokenizer, prompt: Messages, answer: Messages, side: int) -> Segment:
    """Return a prompt with an answer. Train the assistant's turns of the answer, but not those of the prompt."""
    ids, trained = encoder.encode_chat([*({**turn, "weight": 0} for turn in prompt), *answer])
    return Segment(ids, trained, side)
