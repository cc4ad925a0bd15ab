"""Check before tuning: whether the rows train the right tokens, with the template that is served, and fit in memory.

A wrong mask, template or stop token can hide behind a healthy loss. The check reads all of this from the rows.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lmworks.data.base.text import one_form
from lmworks.data.forms.row import Fault
from lmworks.data.forms.turns import check_turns
from lmworks.data.personal.hidden import hide
from lmworks.engines.open import open_engine
from lmworks.errors import GateRefused, LmworksError
from lmworks.lazy import np
from lmworks.model.folder import ModelFolder, shape_of
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.rewards.models import ClassifierReward
from lmworks.rewards.reward import Reward
from lmworks.terminal import shown
from lmworks.tokens.rows.shards import LOST, PackedRows, Shards
from lmworks.tokens.settings import TEMPLATE_FILE
from lmworks.tokens.tokenizer import FILES, ChatRefused, Tokenizer, TokenizerFolder
from lmworks.train.configs.train import TrainConfig
from lmworks.train.memory import MEND, Layout, memory_there, size_in_words, training_memory
from lmworks.train.preflight.inspection import Inspection, Piece, Record


def other_tokens(ids: int) -> str:
    """Return the refusal of a teacher whose tokenizer, with `ids` ids, differs from the student's."""
    return (
        f"the teacher has another tokenizer ({ids} ids), so the student cannot learn from its probabilities: give the "
        "student the teacher's tokenizer, or tune it on answers that the teacher wrote"
    )


ROWS = "shards.json"
"""File that only folders of packed rows have."""
STRANGE = "validation_texts_of_strange_labels"
"""Name of the count of validation texts whose labels no training text has."""
STRANGE_SHARE = 0.1
"""Largest share of validation texts whose labels no training text has. A larger share is a sign of a wrong split."""
COMPARED = 64
"""Number of conversations that are encoded as the server encodes them."""


@stage(version=6, reads="tokenizer", measures=("base", "data", "samples", "taught_by", "held_out", "labelled"))
def check(
    config: TrainConfig,
    base: ModelFolder | None,
    data: Shards,
    tokenizer: TokenizerFolder,
    samples: Handle,
    taught_by: TokenizerFolder | None,
    held_out: Shards | None,
    out: Path,
    context: Context,
    labelled: list[Handle] | None = None,
) -> Result:
    """Check the rows, the samples from which they were packed, chat templates and memory, and run one step.

    `base` is a published model. For a model of this recipe the plan's rehearsal runs the step. `taught_by` is the
    tokenizer of a teacher, and `held_out` has labelled texts for validation. `labelled` has the labels of classifiers
    that give rewards: their training rows, or the classifiers themselves. Raises GateRefused with all faults and their
    remedies.
    """
    assert config.inspects  # noqa: S101 - else there is no check
    encoder, rows = tokenizer.open(), data.open()
    facts = json.loads((data.path / ROWS).read_text())
    found = config.inspects.of(config, rows, encoder, samples.path)
    whole, samples_are = found.whole(facts)
    faults = [
        *found.faults(config),
        *_faults_of_records(found.records),
        *_faults_of_templates(base if found.records else None, tokenizer, encoder, rows, found.records),
        *_faults_of_length(config, facts, whole, found, samples_are, encoder),
    ]
    strange, share = _strange_labels(held_out.open(), rows.label_names) if held_out else (Counter[str](), 0.0)
    if share > STRANGE_SHARE or any(_alike(strange, rows.label_names)):
        faults.append(_fault_of_strange(strange, rows.label_names))
    if taught_by and (theirs := taught_by.open()).digest != encoder.digest:
        faults.append(f"- {other_tokens(theirs.vocab_size)}")
    faults += _faults_of_labels(getattr(config, "rewards", ()), labelled or ())
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data.path / "ids.txt", out / "ids.txt")  # some of their texts are kept as examples
    if base:
        faults += _faults_of_memory(config, base, encoder)
    hidden = [[(hide(text), trained) for text, trained in sample] for sample in found.shown]
    if faults:
        for sample in hidden:
            context.log(as_text(sample))
        raise GateRefused("\n".join([f"the check of {config.step_name or config.objective} refuses:", *faults]))
    measured, tried = dict[str, float](), config.without_judges()
    if base and tried and config.processes == 1:
        measured = _one_step(tried, base, data, tokenizer, context)
    counts = {
        "records": whole,
        **{name: facts[name] for name in LOST if name in facts},
        **found.counts(),
        **({STRANGE: strange.total()} if strange else {}),
        "micro_batches": -(-len(rows.tokens) // min(config.micro_batch_rows, config.rows_per_step)),
    }
    examples = [{"reason": "sample", "pieces": sample} for sample in hidden]
    return Result(counts=counts, examples=examples, measured=measured)


def as_text(sample: Sequence[Piece], *, colour: bool = False) -> str:
    """Return a sample for a terminal. Trained text is green, or in ⟦ ⟧ without colours. Other text is `shown`."""
    marks = {True: ("\x1b[32m", "\x1b[0m"), False: ("\x1b[2m", "\x1b[0m")} if colour else {True: "⟦⟧", False: ("", "")}
    return "".join(
        f"{marks[trained][0]}{shown(text) if colour else text}{marks[trained][1]}" for text, trained in sample
    )


# ---------------------------------------------------------------- faults and their remedies


def _faults_of_records(records: Sequence[Record]) -> Iterator[str]:
    reasons: Counter[str] = Counter()
    first: dict[str, str] = {}
    for place, turns, _ in records:
        try:
            check_turns(turns)
        except Fault as fault:
            reason = str(fault).split(":")[0]
            reasons[reason] += 1
            first.setdefault(reason, f"{place}: {fault}")
    for reason, count in reasons.items():
        yield (
            f"- {reason} in {count} of {len(records)} conversations, first in {first[reason]}. Correct them in their "
            "source, or read it with a step of kind `conversations` or `preferences`, which leaves them out"
        )


def _strange_labels(held_out: PackedRows, known: Sequence[str]) -> tuple[Counter[str], float]:
    """Return how many texts have each unknown label, and the share of all such texts."""
    if held_out.labels is None:
        return Counter(), 0.0
    numbers, counts = np.unique(held_out.labels[held_out.weights > 0], return_counts=True)
    texts = {held_out.label_names[number]: int(count) for number, count in zip(numbers, counts, strict=True)}
    strange = Counter({name: count for name, count in texts.items() if name not in known})
    return strange, strange.total() / max(1, sum(texts.values()))


def _alike(strange: Iterable[str], known: Sequence[str]) -> list[str]:
    """Return, in words, the labels that differ from a known one only by case or spaces."""
    forms = {one_form(name): name for name in known}
    return [f"{name} is {forms[one_form(name)]}" for name in sorted(strange) if one_form(name) in forms]


def _fault_of_strange(strange: Iterable[str], known: Sequence[str]) -> str:
    alike = _alike(strange, known)
    first = f"But for case and spaces, {', '.join(alike[:5])}: give their source `label_case: lower`. " if alike else ""
    return (
        f"- validation labels that no training text has: {', '.join(sorted(strange)[:5])}; training texts have "
        f"{', '.join(known)}. {first}Hold out other groups (`split`), or leave out `validation`"
    )


def _faults_of_templates(
    base: ModelFolder | None,
    tokenizer: TokenizerFolder,
    encoder: Tokenizer,
    rows: PackedRows,
    records: Sequence[Record],
) -> Iterator[str]:
    """Yield mismatches of templates. The model is served with this tokenizer, because the trainer copies its files."""
    if rows.tokenizer_digest != encoder.digest:
        yield (
            f"- template mismatch: the rows were packed with tokenizer {rows.tokenizer_digest[:12]}, but the model is "
            f"served with {encoder.digest[:12]}. Pack the rows again: `--rebuild` their step"
        )
    for folder in filter(None, (tokenizer, base)):
        stray = folder.path / TEMPLATE_FILE
        if stray.is_file() and stray.read_bytes() != encoder.chat_template.encode():
            yield (
                f"- template mismatch: {stray} is not the template in {FILES[1]}. Training uses the second one, and "
                "other servers use the first. Remove one of them"
            )
    for name in FILES if base else ():
        theirs, ours = (folder.path / name for folder in (base, tokenizer) if folder)
        if theirs.read_bytes() != ours.read_bytes():
            yield (
                f"- template mismatch: {name} of the base ({theirs}) is not that of the tokenizer ({ours}), so ids or "
                "turns mean something else to the base. Write `tokenizer:` with the name of the base"
            )
    for place, turns, _ in records[:COMPARED]:
        try:
            whole, _ = encoder.encode_chat(turns)
            asked, _ = encoder.encode_chat(turns[:-1], add_generation_prompt=True)
        except ChatRefused:  # was counted when the rows were packed
            continue
        if whole[: len(asked)] != asked:
            yield (
                f"- template mismatch: the prompt of {place} ends in {encoder.spell(asked)[-80:]!r} on the server and "
                f"in {encoder.spell(whole[: len(asked)])[-80:]!r} in training. The template's generation prompt must "
                "be the same text that it writes before an answer"
            )
            return


def _faults_of_length(
    config: TrainConfig, facts: Mapping[str, Any], whole: int, found: Inspection, samples: str, encoder: Tokenizer
) -> Iterator[str]:
    names = ("dropped", "truncated", "untrained", "refused")
    lost = {name: int(facts.get(name, 0)) for name in names} | {"masked": found.lost}
    most = getattr(config, "largest_lost_share", 1.0)
    if sum(lost.values()) > most * whole:
        told = ", ".join(f"{count} {name}" for name, count in lost.items() if count)
        refusal, mend = next(_refusals(found.records, encoder), ""), "Raise largest_lost_share if the rest is enough"
        if sum(lost.values()) > lost["refused"]:
            other = "take `long_samples: split`, " if "long_samples" in type(config).model_fields else ""
            mend = f"Raise sequence_length (now {config.sequence_length}), {other}or raise largest_lost_share"
        yield f"- too much is lost: {told} of {whole} {samples}, more than {most:.0%}. {refusal}{mend}"


def _refusals(records: Sequence[Record], encoder: Tokenizer) -> Iterator[str]:
    """Yield the template's message for each sample that it refuses."""
    for place, turns, _ in records:
        try:
            encoder.encode_chat(turns)
        except ChatRefused as error:
            others = turns[0]["role"] == "system" and not [*_refusals([(place, turns[1:], 1)], encoder)]
            mend = "It takes them without the system's turn: remove it, or put its text into the first question. "
            yield f"The chat template refuses turns, first in {place}: {error}. {mend if others else ''}"


def _faults_of_labels(rewards: Sequence[Reward], labelled: Sequence[Handle]) -> Iterator[str]:
    """Yield a fault for each reward that needs labels which its classifier does not predict."""
    classifiers = [each for each in rewards if isinstance(each, ClassifierReward)]
    for reward, told in zip(classifiers, labelled, strict=False):
        rows = (told.path / ROWS).is_file()
        try:
            reward.require_labels(
                Shards(told.path, told.digest).open().label_names
                if rows
                else open_engine(told.path).classify(["?"])[0].probabilities
            )
        except LmworksError as error:
            yield f"- reward {reward.name}: {error}"


def _faults_of_memory(config: TrainConfig, base: ModelFolder, encoder: Tokenizer) -> Iterator[str]:
    shape = config.tuned_shape(shape_of(base.path))
    there, apart = memory_there(config)
    parts = training_memory(shape, config, encoder.vocab_size, 0, Layout.of(config, apart=apart))
    if sum(parts.values()) > there:
        largest = ", ".join(
            f"{part} {size_in_words(count)}" for part, count in sorted(parts.items(), key=lambda item: -item[1])[:3]
        )
        yield (
            f"- memory: training takes about {size_in_words(sum(parts.values()))} ({largest}), and "
            f"{size_in_words(there)} are free; {MEND}, or train an `adapter`"
        )


def _one_step(
    config: TrainConfig, base: ModelFolder, data: Shards, tokenizer: TokenizerFolder, context: Context
) -> dict[str, float]:
    """Return measurements of a first training step. Its weights are not kept."""
    from lmworks.train.loop.train import first_step

    try:
        line, seconds = first_step(config, base, data, tokenizer, context)
    except LmworksError as error:
        raise GateRefused(f"the check of {config.step_name} refuses: its first step fails: {error}") from error
    if not line["gradient_norm"] and not config.may_stand_still:
        raise GateRefused(
            f"the check of {config.step_name} refuses: the first step moves nothing, because its gradient is zero. "
            "Find out whether all weights are frozen"
        )
    if line.get("unscored"):
        raise GateRefused(
            f"the check of {config.step_name} refuses: rewards fail on {line['unscored']:.0%} of the base's first "
            "answers (listed above). Correct these rewards, or let them return 0 there"
        )
    told = ("loss", "gradient_norm", "reward", "distinct", "teaching", "answer_tokens")
    return {"step_seconds": seconds, **{name: line[name] for name in told if name in line}}
