"""Before a model is tuned: whether its rows train what they should, with the template that is served, and fit.

A wrong mask, template or stop token hides behind a healthy loss. All of this is read from the rows themselves.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.data.forms.forms import Fault, Sample, check_turns
from lmworks.data.tuning.samples import claims
from lmworks.errors import GateRefused
from lmworks.model.folder import ModelFolder, shape_of
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.rewards import AnswerReward
from lmworks.tokens.rows.shards import LOST, PackedRows, Shards
from lmworks.tokens.tokenizer import FILES, Tokenizer, TokenizerFolder
from lmworks.train.configs.encoder import SequenceClassificationConfig
from lmworks.train.configs.policy import PolicyConfig
from lmworks.train.configs.train import TrainConfig
from lmworks.train.counting import size_in_words, training_memory
from lmworks.train.memory import MEND, available_bytes
from lmworks.train.preflight.preflight_prompts import Prompts
from lmworks.train.preflight.preflight_rows import Found, Piece, inspect
from lmworks.train.preflight.preflight_texts import Texts

if TYPE_CHECKING:
    pass

COMPARED = 64
"""Conversations encoded as the server does."""
TEMPLATE_FILE = "chat_template.jinja"
"""Which other servers take before the template of `tokenizer_config.json`."""

NOT_CHECKED = {
    *("steps", "learning_rate", "adamw_learning_rate", "warmup_steps", "schedule", "decay_share", "momentum"),
    *("weight_decay", "label_smoothing", "gradient_clip", "spike_ratio", "on_spike", "patience", "keep_best"),
    *("checkpoint_steps", "publish_checkpoints", "branch_step", "validation_steps", "validation_rows"),
    *("beta", "odds_weight", "target_margin", "chosen_weight", "rejected_weight", "margins"),
    *("kl_weight", "kl_limit", "best_by", "clip_range", "value_weight", "value_clip_range", "discount", "gae_lambda"),
    *("temperature", "label_share", "divergence"),
}
"""Fields that a check does not depend on: a search over them checks once."""


Record = tuple[str, Sequence[Mapping[str, str]], int]
"""Place and turns of a sample, and how many turns are its answer."""


@stage(version=1, reads="tokenizer", measures=("base", "data", "samples"))
def check(
    config: TrainConfig,
    base: ModelFolder | None,
    data: Shards,
    tokenizer: TokenizerFolder,
    samples: Handle,
    out: Path,
    context: Context,
) -> Result:
    """Look at rows, at the samples that they were packed from, at templates of chats and memory, and run one step.

    `base` is a model that others have trained; of a model of this recipe the plan's rehearsal runs the step. Raises
    GateRefused with all that is wrong and how to mend it.
    """
    encoder, rows = tokenizer.open(), data.open()
    facts, records = json.loads((data.path / "shards.json").read_text()), list[Record]()
    found: Found | Prompts | Texts
    if isinstance(config, SequenceClassificationConfig):
        found = Texts.of(rows, encoder)
        faults, lost, whole, samples_are = list(found.faults()), 0, found.texts, "texts"
    elif isinstance(config, PolicyConfig):
        records = list(_records(samples.path))
        found = Prompts.of(rows, encoder, config)
        faults, lost, whole, samples_are = list(found.faults(config)), 0, len(records), "prompts"
    else:
        records = list(_records(samples.path))
        found = inspect(rows, encoder, one_turn=all(answer == 1 for _, _, answer in records))
        faults = [
            *_faults_of_rows(found),
            *_faults_of_judgements(found, samples.path),
            *_faults_of_batches(config, rows),
        ]
        samples_are = "judgements" if found.groups else "conversations"
        lost, whole = found.masked, found.groups + int(facts["dropped"]) if found.groups else len(records)
    faults += [
        *_faults_of_records(records),
        *_faults_of_templates(base if records else None, tokenizer, encoder, rows, records),
        *_faults_of_length(config, facts, whole, lost, samples_are),
    ]
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data.path / "ids.txt", out / "ids.txt")  # some of their texts are kept as examples
    if base:
        faults += _faults_of_memory(config, base, encoder)
    if faults:
        for sample in found.shown:
            context.log(in_words(sample))
        raise GateRefused("\n".join([f"the check of {config.step_name or config.objective} refuses:", *faults]))
    measured, tried = dict[str, float](), _without_judges(config)
    if base and tried and config.processes == 1:
        measured = _one_step(tried, base, data, tokenizer, context)
    counts = {
        "records": whole,
        **{name: facts[name] for name in LOST if name in facts},
        **found.counts(),
        "micro_batches": -(-len(rows.tokens) // min(config.micro_batch_rows, config.rows_per_step)),
    }
    examples = [{"reason": "sample", "pieces": sample} for sample in found.shown]
    return Result(counts=counts, examples=examples, measured=measured)


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
    if found.foreign and found.groups:
        yield (
            f"- trained prompt: {found.foreign} trained tokens stand before the judged answers, in what both answers "
            "follow: nobody has judged that. Pack the preferences anew: `--rebuild` their step"
        )
    elif found.foreign:
        yield (
            f"- lost mask: {found.foreign} trained tokens stand outside of assistant turns: the model would learn to "
            "speak for the user. Pack the conversations anew: `--rebuild` their step"
        )
    if found.endless:
        yield (
            f"- untrained stop token: in {found.endless} of {found.turns} turns <|im_end|> is not trained, so the "
            "model would never stop. The chat template must write <|im_end|> right after an answer"
        )
    if found.cut == found.turns and found.turns and not found.groups:  # what ranks answers takes them as they are
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


def _faults_of_judgements(found: Found, samples: Path) -> Iterator[str]:
    if found.alike:
        yield (
            f"- nothing preferred: in {found.alike} of {found.groups} pairs the chosen answer is the rejected one, "
            "token by token. Leave them out, or see whether the chat template loses what they differ in"
        )
    seen, contradicted = dict[str, str](), list[str]()
    for place, record in _lines(samples) if found.groups else ():
        sample = Sample(**{name: record[name] for name in ("prompt", "chosen", "rejected")})
        for subject, verdict in claims(sample):
            if seen.setdefault(subject, verdict) != verdict:
                contradicted.append(place)
    if contradicted:
        yield (
            f"- contradictory judgements: {len(contradicted)} say the contrary of an earlier one on the same answers to"
            f" the same prompt, first {contradicted[0]}. Leave both out where nobody knows which is right; a step of "
            "kind `preferences` would have set them aside"
        )


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
            f"- {reason} in {count} of {len(records)} conversations, first in {first[reason]}. Mend them where they "
            "come from; a step of kind `conversations` or `preferences` would have set them aside"
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
    records: Sequence[Record],
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
    for place, turns, _ in records[:COMPARED]:
        whole, _ = encoder.encode_chat(turns)
        asked, _ = encoder.encode_chat(turns[:-1], add_generation_prompt=True)
        if whole[: len(asked)] != asked:
            yield (
                f"- template mismatch: {place} is asked as {encoder.spell(asked)[-80:]!r} by the server and was "
                f"trained as {encoder.spell(whole[: len(asked)])[-80:]!r}. The template's generation prompt must "
                "be what it writes before an answer"
            )
            return


def _faults_of_length(
    config: TrainConfig, facts: Mapping[str, Any], whole: int, masked: int, samples: str
) -> Iterator[str]:
    lost = {name: int(facts.get(name, 0)) for name in ("dropped", "truncated", "untrained")} | {"masked": masked}
    most = getattr(config, "largest_lost_share", 1.0)
    if sum(lost.values()) > most * whole:
        told = ", ".join(f"{count} {name}" for name, count in lost.items() if count)
        other = "take `long_samples: split`, " if "long_samples" in type(config).model_fields else ""
        yield (
            f"- too much is lost: {told} of {whole} {samples}, more than {most:.0%}. Raise sequence_length (now "
            f"{config.sequence_length}), {other}or state largest_lost_share"
        )


def _faults_of_memory(config: TrainConfig, base: ModelFolder, encoder: Tokenizer) -> Iterator[str]:
    shape = config.tuned_shape(shape_of(base.path))
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

    from lmworks.train.loop.run import training_device

    device = training_device(config)
    return available_bytes() if device.type == "cpu" else float(torch.cuda.mem_get_info(device)[0])


def _without_judges(config: TrainConfig) -> TrainConfig | None:
    """The config without models that judge, which may be trained later; None if nothing is left to learn from."""
    if not isinstance(config, PolicyConfig):
        return None if config.judges else config
    known = [reward for reward in config.rewards if isinstance(reward, AnswerReward)]
    return config.model_copy(update={"rewards": known}) if any(reward.weight for reward in known) else None


def _one_step(
    config: TrainConfig, base: ModelFolder, data: Shards, tokenizer: TokenizerFolder, context: Context
) -> dict[str, float]:
    """The first step of the training to come, of which nothing is kept."""
    from lmworks.train.loop.train import first_step

    line, seconds = first_step(config, base, data, tokenizer, context)
    nothing = line and not line["gradient_norm"] and not isinstance(config, PolicyConfig)  # which may be bad luck
    if line is None or nothing:
        raise GateRefused(
            f"the check of {config.step_name} refuses: the first step moves nothing: its gradient is "
            f"{'not a finite number; take float32, or another base' if line is None else 'zero; is all frozen?'}"
        )
    told = ("loss", "gradient_norm", "reward", "distinct", "answer_tokens")
    return {"step_seconds": seconds, **{name: line[name] for name in told if name in line}}


def _lines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and content of each record."""
    path = next(path for name in ("conversations", "preferences") if (path := folder / f"{name}.jsonl").is_file())
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            record = json.loads(line)
            yield f"{path.name}:{number} ({record['id']})", record


def _records(folder: Path) -> Iterator[Record]:
    """Each conversation, or each judged answer behind its prompt."""
    for place, record in _lines(folder):
        for answer in ["messages"] if "messages" in record else ["chosen", "rejected"]:
            if turns := record[answer]:
                yield place, [*record.get("prompt", ()), *turns], len(turns)
