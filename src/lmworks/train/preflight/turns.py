"""Contents of packed chats and judged answers, read from the rows: turns, their ends, and trained parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lmworks.data.forms.sample import Sample
from lmworks.data.tuning.samples import claims
from lmworks.lazy import NDArray, np
from lmworks.tokens.rows.each_answer import Answers, chats_of
from lmworks.tokens.rows.pack_preferences import REJECTED, SIDES
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import ChatRefused, Tokenizer
from lmworks.train.preflight.inspection import SHOWN, Inspection, Record, begins_of_answer, lines_of, pieces, records_of

UNTRAINED = ("unlearned", "unlike_asked", "history")
"""Names of the counts of turns that are not trained, and should not be."""


@dataclass
class Turns(Inspection):
    """Contents of rows of chats and of judged answers."""

    samples: int = 0
    masked: int = 0
    """Number of samples without a trained token."""
    turns: int = 0
    """Number of assistant turns to train: all turns in conversations, and the last turn of each judged answer."""
    unlearned: int = 0
    """Number of further turns that are not trained, because their samples give them weight 0."""
    unlike_asked: int = 0
    """Number of further turns that are not trained, because the template writes them differently in the history."""
    history: int = 0
    """Number of further turns that are not trained, because they are in chats that train another answer."""
    silent: int = 0
    """Number of turns without a trained word, although no sample requests this."""
    endless: int = 0
    """Number of turns with a closing token that is not trained."""
    cut: int = 0
    """Number of turns without a closing token."""
    doubled: int = 0
    """Number of samples that begin with the document token twice."""
    joined: int = 0
    """Number of rows in which no sample begins at the first token, so that their samples are not separated."""
    foreign: int = 0
    """Number of trained tokens outside assistant turns, or before a judged answer."""
    groups: int = 0
    """Number of pairs of answers that are compared with each other."""
    alike: int = 0
    """Number of pairs whose chosen and rejected answers have the same tokens."""
    tokens: int = 0
    trained: int = 0
    contradicted: list[str] = field(default_factory=list)
    """Places of judgements that contradict an earlier one."""

    @classmethod
    def of(cls, config: Any, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        """Read every row. An assistant's turn begins after the text that the template writes as generation prompt."""
        turns = cls(rows, list(records_of(samples)))
        _inspect(turns, rows, encoder, getattr(config, "answers", "last"))
        if turns.groups:
            turns.contradicted = list(_contradicted(samples))
        return turns

    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        if self.groups:
            return self.groups + int(facts["dropped"]), "judgements"
        if further := int(facts.get("chats_of_answers", 0)):
            return len(self.records) + further, "conversations and chats of their answers"
        return len(self.records), "conversations"

    @property
    def lost(self) -> int:
        return self.masked

    def counts(self) -> dict[str, int]:
        """Return the counts by name, without groups and untrained turns if there are none."""
        usual = {name: n for name, n in super().counts().items() if self.groups or name not in ("groups", "alike")}
        return {name: n for name, n in usual.items() if n or name not in UNTRAINED}

    def faults(self, config: Any) -> Iterator[str]:
        yield from _faults_of_turns(self)
        yield from _faults_of_judgements(self)
        yield from _faults_of_batches(config, self.rows)


def _inspect(found: Turns, rows: PackedRows, encoder: Tokenizer, answers: Answers) -> None:
    """Count the turns and faults of all rows in `found`.

    If each judged answer is a single turn, only that turn is to be trained. Otherwise earlier turns can be trained too.
    """
    openings = begins_of_answer(encoder)
    asked = dict(_unlearned(found.records, rows, encoder, openings, answers))
    one_turn = all(answer == 1 for _, _, answer in found.records)
    every = -(-len(rows.tokens) // SHOWN)
    for row, (tokens, weights) in enumerate(zip(rows.tokens, rows.weights, strict=True)):
        (filled,) = np.nonzero((tokens != encoder.end_of_text_id) | (weights > 0))
        end = int(filled[-1]) + 1 if len(filled) else 0
        labels = None if rows.labels is None else rows.labels[row][:end]
        begins = tokens == encoder.end_of_text_id if rows.begins is None else rows.begins[row] > 0
        starts = _starts(begins[:end], labels, found)
        samples = [slice(*each) for each in zip(starts, [*starts[1:], end], strict=True)]
        for number, place in enumerate(samples):
            sample = tokens[place], weights[place] > 0
            if number <= (labels is not None) and row % every == 0:
                found.shown.append(pieces(sample[0].tolist(), sample[1].tolist(), encoder))
            _inspect_sample(*sample, labels is not None, one_turn, encoder, openings, asked, found)
            if labels is not None and number % 2:
                found.groups += 1
                rejected = labels[place.start] % len(SIDES) == REJECTED
                found.alike += bool(rejected and np.array_equal(tokens[samples[number - 1]], sample[0]))


def _starts(begins: NDArray[Any], labels: NDArray[Any] | None, found: Turns) -> list[int]:
    """Return where samples begin in a row. Judged answers begin where the label changes."""
    if labels is not None:
        return [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
    starts: list[int] = np.flatnonzero(np.diff(begins.astype(np.int8), prepend=0) == 1).tolist()
    found.joined += not starts or starts[0] != 0
    return starts or [0]


def _inspect_sample(
    tokens: NDArray[Any],
    trained: NDArray[Any],
    judged: bool,
    one_turn: bool,
    encoder: Tokenizer,
    openings: Sequence[Sequence[int]],
    asked: Mapping[int, str],
    found: Turns,
) -> None:
    """Count the turns and faults of one sample in `found`."""
    found.doubled += bool((tokens[:2] == encoder.end_of_text_id).all()) and len(tokens) > 1
    turns = _assistants_turns(tokens, trained, encoder, openings)
    before = turns[:-1] if judged else []
    spoken = sum(_count_turn(tokens, trained, *turn, asked, found) for turn in turns[len(before) :])
    found.samples += 1
    found.masked += not trained.any()
    found.tokens += len(tokens)
    found.trained += int(trained.sum())
    found.foreign += int(trained.sum()) - spoken
    if not one_turn:
        found.foreign -= sum(int(trained[start:stop].sum()) for start, _, stop in before)


def _assistants_turns(
    tokens: NDArray[Any], trained: NDArray[Any], encoder: Tokenizer, openings: Sequence[Sequence[int]]
) -> list[tuple[int, int | None, int]]:
    """Return where each assistant turn in a sample starts, has its closing token (or None), and stops.

    A trained opening inside an unclosed turn starts no turn. It is text of the turn, such as a written `[/INST]`.
    """
    starts = list[int]()
    for begin in openings:
        places: list[int] = np.flatnonzero(tokens == begin[0]).tolist()
        starts += [at + len(begin) for at in places if tokens[at : at + len(begin)].tolist() == [*begin]]
    starts.sort()
    ends = np.flatnonzero(tokens == encoder.end_of_turn_id)
    turns = list[tuple[int, int | None, int]]()
    for start, stop in zip(starts, [*starts, len(tokens)][1:], strict=True):
        if turns and turns[-1][1] is None and trained[start - 1]:
            start = turns.pop()[0]
        closed = ends[(ends >= start) & (ends < stop)]
        turns.append((start, int(closed[0]) if len(closed) else None, stop))
    return turns


def _unlearned(
    records: Sequence[Record], rows: PackedRows, encoder: Tokenizer, openings: Sequence[Sequence[int]], answers: Answers
) -> Iterator[tuple[int, str]]:
    """Yield digests of turns that should not be trained, both whole and cut at the end of a row.

    Each digest comes with the name in `UNTRAINED` under which it is counted.
    """
    for _, turns, _ in records:
        is_asked = any(turn.get("weight") == 0 for turn in turns)
        if is_asked or encoder.thoughts:
            try:
                chats = chats_of(encoder, turns, answers)
                unlike = chats[-1][1][2]
                weighty = [{**turn, "weight": 1} for turn in turns]
                told = encoder.encode_answers(weighty)[1] if unlike else None
            except ChatRefused:  # is in no row
                continue
            for _, (ids, mask, _) in chats if is_asked or unlike or len(chats) > 1 else ():
                tokens, trained = np.array(ids, rows.tokens.dtype), np.array(mask)
                for width in (len(tokens), rows.tokens.shape[1]):
                    sample = tokens[:width], trained[:width]
                    for start, end, stop in _assistants_turns(*sample, encoder, openings):
                        place = slice(start, stop if end is None else end)
                        if (end is not None or stop == len(sample[0])) and not sample[1][place].any():
                            why = "unlearned" if told is None or any(told[place]) else "unlike_asked"
                            yield _digest(sample[0][place]), "history" if len(chats) > 1 else why


def _digest(tokens: NDArray[Any]) -> int:
    return hash(tokens.tobytes())


def _count_turn(
    tokens: NDArray[Any],
    trained: NDArray[Any],
    start: int,
    end: int | None,
    stop: int,
    asked: Mapping[int, str],
    found: Turns,
) -> int:
    """Count one assistant turn in `found`, and return the number of its trained tokens.

    An untrained turn that is not closed does not count: it is a user's text like the template's, or a row ends there.
    """
    place = slice(start, stop if end is None else end)
    words = trained[place]
    if asked and not words.any() and (digest := _digest(tokens[place])) in asked:
        setattr(found, asked[digest], getattr(found, asked[digest]) + 1)
        return 0
    if end is None and not words.any():
        return 0
    found.turns += 1
    found.silent += not words.any()
    found.cut += end is None
    found.endless += end is not None and not trained[end]
    return int(trained[start : stop if end is None else end + 1].sum())


# ---------------------------------------------------------------- faults and their remedies


def _faults_of_turns(found: Turns) -> Iterator[str]:
    if found.silent:
        yield (
            f"- lost mask: in {found.silent} of {found.turns} assistant turns no word is trained, so the rows are "
            "damaged (see the samples above). Pack the conversations again: `--rebuild` their step"
        )
    if found.foreign and found.groups:
        yield (
            f"- trained prompt: {found.foreign} trained tokens are in the prompts before the judged answers, and "
            "nobody has judged the prompts. Pack the preferences again: `--rebuild` their step"
        )
    elif found.foreign:
        yield (
            f"- lost mask: {found.foreign} trained tokens are outside of assistant turns, so the model would learn to "
            "speak for the user. Pack the conversations again: `--rebuild` their step"
        )
    if found.endless:
        yield (
            f"- untrained stop token: in {found.endless} of {found.turns} turns the token that closes them is not "
            "trained, so the model would never stop. The chat template must write it right after an answer"
        )
    if found.cut == found.turns and found.turns and not found.groups:  # what ranks answers takes them as they are
        yield (
            "- untrained stop token: every answer is cut, so the model never learns to stop. Raise sequence_length, or "
            "set `long_samples: split`"
        )
    if found.doubled:
        yield (
            f"- double begin: {found.doubled} samples begin with two document tokens instead of one. Remove one from "
            "the chat template in tokenizer_config.json"
        )
    if found.joined:
        yield (
            f"- samples run together: in {found.joined} rows no sample begins at the first token, so each sample is "
            "learned as a continuation of the sample before it. Pack the conversations again: `--rebuild` their step"
        )
    if not found.turns:
        yield (
            "- no assistant turn in any row: if `add_generation_prompt` is set, the chat template must write the same "
            "text that begins an answer in a conversation, and the vocabulary must have tokens for it"
        )


def _faults_of_judgements(found: Turns) -> Iterator[str]:
    if found.alike:
        yield (
            f"- nothing preferred: in {found.alike} of {found.groups} pairs the chosen answer is the rejected one, "
            "token by token. Leave these pairs out, or check whether the chat template drops their difference"
        )
    if found.contradicted:
        yield (
            f"- contradictory judgements: {len(found.contradicted)} contradict an earlier one about the same answers "
            f"to the same prompt, first {found.contradicted[0]}. Leave both out if nobody knows which is right, as a "
            "step of kind `preferences` does"
        )


def _contradicted(samples: Path) -> Iterator[str]:
    seen = dict[str, str]()
    for place, record in lines_of(samples):
        sample = Sample(**{name: record[name] for name in ("prompt", "chosen", "rejected")})
        for subject, verdict in claims(sample):
            if seen.setdefault(subject, verdict) != verdict:
                yield place


def _faults_of_batches(config: Any, rows: PackedRows) -> Iterator[str]:
    """Yield a fault if micro-batches of the first pass, in the order of training, train nothing."""
    trains = rows.weights[:, 1:].max(axis=1)
    size, masked, count = min(config.micro_batch_rows, config.rows_per_step), 0, 0
    for first in range(0, len(trains), config.rows_per_step):
        numbers = rows.numbers(config.seed, first, config.rows_per_step)
        for start in range(0, len(numbers), size):
            count += 1
            masked += not trains[numbers[start : start + size]].any()
    if masked:
        yield (
            f"- all-masked micro-batch: {masked} of {count} micro-batches of {size} rows train nothing. They waste "
            "time, and make the loss NaN in other trainers. Leave out samples without an answer, or raise "
            "micro_batch_rows"
        )
