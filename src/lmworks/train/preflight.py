"""Before a model is tuned: whether its rows train what they should, with the template that is served, and fit.

A wrong mask, template or stop token hides behind a healthy loss. All of this is read from the rows themselves.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.data.forms import Fault, check_turns
from lmworks.errors import GateRefused
from lmworks.model.folder import ModelFolder, approximate_config, is_ours, read_config
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.tokens.shards import PackedRows, Shards
from lmworks.tokens.tokenizer import FILES, Tokenizer, TokenizerFolder
from lmworks.train.config import TrainConfig
from lmworks.train.counting import size_in_words, training_memory
from lmworks.train.memory import MEND, available_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOST = ("dropped", "truncated", "split", "untrained")
"""What packing counts of conversations that it did not take whole."""
SHOWN = 4
"""Samples whose mask is shown; a wrong template is wrong in all."""
COMPARED = 64
"""Conversations encoded as the server does."""
TEMPLATE_FILE = "chat_template.jinja"
"""Which other servers take before the template of `tokenizer_config.json`."""

NOT_CHECKED = {
    *("steps", "learning_rate", "adamw_learning_rate", "warmup_steps", "schedule", "decay_share", "momentum"),
    *("weight_decay", "label_smoothing", "gradient_clip", "spike_ratio", "on_spike", "patience", "keep_best"),
    *("checkpoint_steps", "publish_checkpoints", "branch_step", "validation_steps", "validation_rows"),
}
"""Fields that a check does not depend on: a search over them checks once."""

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
    """Trained tokens that no assistant says."""
    tokens: int = 0
    trained: int = 0
    shown: list[list[Piece]] = field(default_factory=list)
    """The first of rows spread evenly: the longest stand in the first."""


@stage(version=1)
def check(
    config: TrainConfig,
    base: ModelFolder | None,
    data: Shards,
    tokenizer: TokenizerFolder,
    samples: Handle,
    out: Path,
    context: Context,
) -> Result:
    """Look at rows, at the samples that they were packed from, at templates and memory, and run one step.

    `base` is a model that others have trained; of a model of this recipe the plan's rehearsal runs the step. Raises
    GateRefused with all that is wrong and how to mend it.
    """
    encoder, rows = tokenizer.open(), data.open()
    found, facts = inspect(rows, encoder), json.loads((data.path / "shards.json").read_text())
    records = list(_records(samples.path))
    faults = [
        *_faults_of_rows(found),
        *_faults_of_records(records),
        *_faults_of_batches(config, rows),
        *_faults_of_templates(base, tokenizer, encoder, rows, records),
        *_faults_of_length(config, facts, len(records), found),
    ]
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data.path / "ids.txt", out / "ids.txt")  # some of their texts are kept as examples
    measured: dict[str, float] = {}
    if base:
        faults += _faults_of_memory(config, base, encoder)
    if faults:
        for sample in found.shown:
            context.log(in_words(sample))
        raise GateRefused("\n".join([f"the check of {config.step_name or config.objective} refuses:", *faults]))
    if base and config.processes == 1:
        measured = _one_step(config, base, data, tokenizer, context)
    counts = {
        "records": len(records),
        **{name: facts[name] for name in LOST if name in facts},
        **{name: value for name, value in vars(found).items() if name != "shown"},
        "micro_batches": -(-len(rows.tokens) // min(config.micro_batch_rows, config.rows_per_step)),
    }
    examples = [{"reason": "sample", "pieces": sample} for sample in found.shown]
    return Result(counts=counts, examples=examples, measured=measured)


def inspect(rows: PackedRows, encoder: Tokenizer) -> Found:
    """Read every row: samples begin at <|endoftext|>, turns at <|im_start|>."""
    import numpy as np

    found, assistants = Found(), dict[tuple[int, ...], bool]()
    every = -(-len(rows.tokens) // SHOWN)
    for row, (tokens, weights) in enumerate(zip(rows.tokens, rows.weights, strict=True)):
        (filled,) = np.nonzero((tokens != encoder.end_of_text_id) | (weights > 0))
        end = int(filled[-1]) + 1 if len(filled) else 0
        starts = _starts(tokens[:end], None if rows.labels is None else rows.labels[row][:end], encoder, found)
        for start, stop in zip(starts, [*starts[1:], end], strict=True):
            sample = tokens[start:stop], weights[start:stop] > 0
            if start == starts[0] and row % every == 0:
                found.shown.append(_pieces(sample[0].tolist(), sample[1].tolist(), encoder))
            _inspect_sample(*sample, rows.labels is not None, encoder, assistants, found)
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
    spoken, last, length = 0, list[tuple[int, int | None, int]](), len(encoder.encode("assistant")) + 1
    for start, stop in zip(starts, [*starts[1:], len(tokens)], strict=True):
        head = tuple(tokens[start + 1 : start + 1 + length].tolist())
        if head not in assistants:
            assistants[head] = encoder.decode(head).startswith("assistant")
        if assistants[head]:
            inside = [end for end in ends if start < end < stop]
            last = [(start, inside[-1] if inside else None, stop)]
            if not judged:
                spoken += _count_turn(trained, *last[0], found)
    if judged and last:
        spoken += _count_turn(trained, *last[0], found)
    found.samples += 1
    found.masked += not trained.any()
    found.tokens += len(tokens)
    found.trained += int(trained.sum())
    found.foreign += 0 if judged else int(trained.sum()) - spoken


def _count_turn(trained: NDArray[Any], start: int, end: int | None, stop: int, found: Found) -> int:
    """Count one assistant's turn; its trained tokens."""
    words = trained[start : stop if end is None else end]
    found.turns += 1
    found.silent += not words.any()
    found.cut += end is None
    found.endless += end is not None and not trained[end]
    return int(trained[start : stop if end is None else end + 1].sum())


def _pieces(ids: Sequence[int], trained: Sequence[bool], encoder: Tokenizer) -> list[Piece]:
    """A sample as text, cut where the mask changes."""
    pieces: list[Piece] = []
    start = 0
    for stop in range(1, len(ids) + 1):
        if stop == len(ids) or trained[stop] != trained[start]:
            pieces.append((encoder.spell(ids[start:stop]), trained[start]))
            start = stop
    return pieces


def in_words(sample: Sequence[Piece], *, colour: bool = False) -> str:
    """A sample for a terminal: what is trained is green, or stands in ⟦ ⟧."""
    marks = {True: ("\x1b[32m", "\x1b[0m"), False: ("\x1b[2m", "\x1b[0m")} if colour else {True: "⟦⟧", False: ("", "")}
    return "".join(f"{marks[trained][0]}{text}{marks[trained][1]}" for text, trained in sample)


# ---------------------------------------------------------------- what is wrong, and how to mend it


def _faults_of_rows(found: Found) -> Iterator[str]:
    if found.silent:
        yield (
            f"- lost mask: of {found.silent} of {found.turns} assistant turns no word is trained. The chat template "
            "must frame turns with <|im_start|>assistant and <|im_end|>, or the rows are damaged: see the samples above"
        )
    if found.foreign:
        yield (
            f"- lost mask: {found.foreign} trained tokens stand outside of assistant turns: the model would learn to "
            "speak for the user. Pack the conversations anew: `--rebuild` their step"
        )
    if found.endless:
        yield (
            f"- untrained stop token: in {found.endless} of {found.turns} turns <|im_end|> is not trained, so the "
            "model would never stop. The chat template must write <|im_end|> right after an answer"
        )
    if found.cut == found.turns and found.turns:
        yield (
            "- untrained stop token: no answer is whole, so <|im_end|> is never learned. Raise sequence_length, or "
            "take `long_samples: split`"
        )
    if found.doubled:
        yield (
            f"- double begin: {found.doubled} samples begin with <|endoftext|> twice. Take one of them out of the chat "
            "template in tokenizer_config.json"
        )
    if found.joined:
        yield (
            f"- samples run together: {found.joined} rows do not begin with <|endoftext|>, at which attention begins "
            "anew, so that each sample is learned as the end of those before it. Let the chat template begin with it"
        )
    if not found.turns:
        yield "- no assistant turn in any row: expected <|im_start|>assistant; the chat template frames turns otherwise"


def _faults_of_records(records: Sequence[tuple[str, Sequence[Mapping[str, str]]]]) -> Iterator[str]:
    reasons: Counter[str] = Counter()
    first: dict[str, str] = {}
    for place, turns in records:
        try:
            check_turns(turns)
        except Fault as fault:
            reason = str(fault).split(":")[0]
            reasons[reason] += 1
            first.setdefault(reason, f"{place}: {fault}")
    for reason, count in reasons.items():
        yield (
            f"- {reason} in {count} of {len(records)} conversations, first in {first[reason]}. Mend them where they "
            "come from; a step of kind `conversations` would have set them aside"
        )


def _faults_of_batches(config: TrainConfig, rows: PackedRows) -> Iterator[str]:
    """Over one pass, in the order of training."""
    trains = rows.weights[:, 1:].max(axis=1)
    size, masked, count = min(config.micro_batch_rows, config.rows_per_step), 0, 0
    for first in range(0, len(trains), config.rows_per_step):
        numbers = rows.numbers(config.seed, first, config.rows_per_step)
        for start in range(0, len(numbers), size):
            count += 1
            masked += not trains[numbers[start : start + size]].any()
    if masked:
        yield (
            f"- all-masked micro-batch: {masked} of {count} micro-batches of {size} rows train nothing, which is lost "
            "time, and a loss that is not a number in other trainers. Leave samples without an answer out, or raise "
            "micro_batch_rows"
        )


def _faults_of_templates(
    base: ModelFolder | None,
    tokenizer: TokenizerFolder,
    encoder: Tokenizer,
    rows: PackedRows,
    records: Sequence[tuple[str, Sequence[Mapping[str, str]]]],
) -> Iterator[str]:
    """Served is the folder of the tokenizer: the trainer copies its bytes into the model's."""
    if rows.tokenizer_digest != encoder.digest:
        yield (
            f"- template mismatch: the rows were packed by tokenizer {rows.tokenizer_digest[:12]}, served is "
            f"{encoder.digest[:12]}. Pack them anew: `--rebuild` their step"
        )
    for folder in filter(None, (tokenizer, base)):
        stray = folder.path / TEMPLATE_FILE
        if stray.is_file() and stray.read_bytes() != encoder.chat_template.encode():
            yield (
                f"- template mismatch: {stray} is not the template of {FILES[1]}, which is trained with, and other "
                "servers take the file. Remove one of them"
            )
    for name in FILES if base else ():
        theirs, ours = (folder.path / name for folder in (base, tokenizer) if folder)
        if theirs.read_bytes() != ours.read_bytes():
            yield (
                f"- template mismatch: {name} of the base ({theirs}) is not that of the tokenizer ({ours}), so ids or "
                "turns mean something else to it. Take the base's own: `tokenizer:` with the name of the base"
            )
    for place, turns in records[:COMPARED]:
        whole, _ = encoder.encode_chat(turns)
        asked, _ = encoder.encode_chat(turns[:-1], add_generation_prompt=True)
        if whole[: len(asked)] != asked:
            yield (
                f"- template mismatch: {place} is asked as {encoder.spell(asked)[-80:]!r} by the server and was "
                f"trained as {encoder.spell(whole[: len(asked)])[-80:]!r}. The template's generation prompt must "
                "be what it writes before an answer"
            )
            return


def _faults_of_length(config: TrainConfig, facts: Mapping[str, Any], records: int, found: Found) -> Iterator[str]:
    lost = {name: int(facts.get(name, 0)) for name in ("dropped", "truncated", "untrained")} | {"masked": found.masked}
    most = getattr(config, "largest_lost_share", 1.0)
    if sum(lost.values()) > most * records:
        told = ", ".join(f"{count} {name}" for name, count in lost.items() if count)
        yield (
            f"- too much is lost: {told} of {records} conversations, more than {most:.0%}. Raise sequence_length "
            f"(now {config.sequence_length}), take `long_samples: split`, or state largest_lost_share"
        )


def _faults_of_memory(config: TrainConfig, base: ModelFolder, encoder: Tokenizer) -> Iterator[str]:
    theirs = read_config(base.path) if is_ours(base.path) else approximate_config(base.path / "config.json")
    shape = config.tuned_shape(theirs)
    parts = training_memory(shape, config, encoder.vocab_size, 0)
    there = _device_bytes(config)
    if sum(parts.values()) > there:
        largest = ", ".join(
            f"{part} {size_in_words(count)}" for part, count in sorted(parts.items(), key=lambda item: -item[1])[:3]
        )
        yield (
            f"- memory: training takes about {size_in_words(sum(parts.values()))} by counting ({largest}), and "
            f"{size_in_words(there)} are free; {MEND}, or train an `adapter`"
        )


def _device_bytes(config: TrainConfig) -> float:
    import torch

    from lmworks.train.train import training_device

    device = training_device(config)
    return available_bytes() if device.type == "cpu" else float(torch.cuda.mem_get_info(device)[0])


def _one_step(
    config: TrainConfig, base: ModelFolder, data: Shards, tokenizer: TokenizerFolder, context: Context
) -> dict[str, float]:
    """The first step of the training to come, of which nothing is kept."""
    from lmworks.train.train import first_step

    line, seconds = first_step(config, base, data, tokenizer, context)
    if line is None or not line["gradient_norm"]:
        raise GateRefused(
            f"the check of {config.step_name} refuses: the first step moves nothing: its gradient is "
            f"{'not a finite number; take float32, or another base' if line is None else 'zero; is all frozen?'}"
        )
    return {"step_seconds": seconds, "loss": line["loss"], "gradient_norm": line["gradient_norm"]}


def _records(folder: Path) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """Place and turns of each conversation, or of each judged answer."""
    path = next(path for name in ("conversations", "preferences") if (path := folder / f"{name}.jsonl").is_file())
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            record = json.loads(line)
            for answer in ["messages"] if "messages" in record else ["chosen", "rejected"]:
                if turns := record[answer]:
                    yield f"{path.name}:{number} ({record['id']})", [*record.get("prompt", ()), *turns]
