"""Before a model is tuned, what would spoil it behind a healthy loss is refused, with how to mend it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chat_families import TEMPLATES
from lmworks.data.shards.records import write_json_lines
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.preferences import Preferences
from lmworks.errors import GateRefused, LmworksError
from lmworks.graph import model_nodes
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Handle, Result
from lmworks.rewards import Answer
from lmworks.rewards.rules import LengthReward
from lmworks.sandbox import run
from lmworks.tokens.rows.pack_preferences import CHOSEN, REJECTED
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import CHAT_TEMPLATE, TokenizerFolder
from lmworks.train.objectives import OBJECTIVES
from lmworks.train.preflight.check import as_text, check
from lmworks.train.preflight.inspection import Prompts
from support import make_context
from tiny import make_tiny_model

LENGTH = 96


def record(number: int, *words: str, system: bool = False) -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(words)]
    before = [{"role": "system", "content": "Speak."}] if system else []
    return {"id": f"{number:032x}", "document": f"{number:x}", "messages": before + turns}


SOUND = [record(n, f"What does S3 do {n}?", "It lists tags.", "And then?", "It returns.") for n in range(20)]


class Tuning:
    """Conversations, packed for a small model of another's making."""

    objective, file, length = "sft", "conversations.jsonl", LENGTH

    def __init__(self, folder: Path, records: list[dict[str, Any]], template: str = CHAT_TEMPLATE, **fields: Any):
        self.folder = folder
        self.base = ModelFolder(make_tiny_model(folder / "base", context_length=self.length), "base")
        self.tokenizer = TokenizerFolder(self.base.path, "base")
        config = json.loads((self.base.path / "tokenizer_config.json").read_text()) | {"chat_template": template}
        (self.base.path / "tokenizer_config.json").write_text(json.dumps(config))
        settings = {
            "steps": 1,
            "threads": 1,
            "compile": False,
            "data_type": "float32",
            "global_batch_tokens": 4 * self.length,
        }
        kind = OBJECTIVES[self.objective]
        pack = kind.packed.pack
        given = {
            "from": "base",
            "data": "x",
            "sequence_length": self.length,
            "micro_batch_rows": 2,
            **settings,
            **fields,
        }
        given = {"objective": self.objective, **given}
        self.config = kind.model_validate(given).model_copy(update={"step_name": "tuned"})
        write_json_lines(folder / "samples" / self.file, records)
        packing = {"from": "x", "sequence_length": self.length, **self.config.packing()}
        handle = Preferences if self.file.startswith("pref") else Conversations
        samples, out, context = handle(folder / "samples", ""), folder / "rows", make_context(folder / "pack")
        pack(pack.config.model_validate(packing), samples, self.tokenizer, out, context)
        self.rows = Shards(out, "rows")

    def weights(self) -> Any:
        """Of the rows, to be spoilt in their file."""
        return np.load(self.rows.path / "weights.npy", mmap_mode="r+")

    def check(self, log: Callable[[str], None] | None = None) -> Result:
        context = make_context(self.folder / "check")
        context = replace(context, log=log) if log else context
        samples = Handle(self.folder / "samples", "")
        return check(
            self.config, self.base, self.rows, self.tokenizer, samples, None, None, self.folder / "out", context
        )

    def refused(self, log: Callable[[str], None] | None = None) -> str:
        with pytest.raises(GateRefused) as caught:
            self.check(log)
        return str(caught.value)


def test_sound_rows_pass_and_one_step_is_run(tmp_path: Path) -> None:
    result = Tuning(tmp_path, SOUND).check()
    assert (tmp_path / "out" / "ids.txt").read_bytes() == (tmp_path / "rows" / "ids.txt").read_bytes()
    assert result.counts["records"] == result.counts["samples"] == 20
    assert result.counts["turns"] == 40
    assert not any(result.counts[name] for name in ("silent", "endless", "doubled", "foreign", "masked", "cut"))
    assert result.measured["gradient_norm"] > 0


def test_the_mask_is_shown_over_the_whole_sample(tmp_path: Path) -> None:
    sample = Tuning(tmp_path, SOUND).check().examples[0]["pieces"]
    told = as_text(sample)
    assert told.startswith("<|endoftext|><|im_start|>user\nWhat does S3")
    assert told.count("⟦It lists tags.<|im_end|>⟧") == told.count("⟦It returns.<|im_end|>⟧") == 1
    assert "\x1b[32mIt returns.<|im_end|>\x1b[0m" in as_text(sample, colour=True)


def test_samples_are_shown_without_personal_data(tmp_path: Path) -> None:
    told: list[str] = []
    said = "Write to jane.roe@example.org or call +49 30 901820."
    tuning = Tuning(tmp_path, [record(n, f"Whom do I ask {n}?", said) for n in range(20)])
    shown = str(tuning.check().examples)
    assert "Whom do I ask" in shown and "‹email hidden›" in shown
    assert not any(part in shown for part in ("jane.roe", "901820"))
    weights = tuning.weights()
    weights[:, :] = 0
    weights.flush()
    tuning.refused(told.append)
    assert "‹email hidden›" in "".join(told) and "jane.roe" not in "".join(told)


def test_a_lost_mask_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    weights, rows = tuning.weights(), tuning.rows.open()
    start = int(np.nonzero(weights[0])[0][0])
    stop = start + int(np.argmin(weights[0][start:]))
    weights[0, start:stop] = 0
    weights.flush()
    assert f"lost mask: in 1 of {40} assistant turns" in tuning.refused()
    del rows


def unlearned(number: int, **fields: Any) -> dict[str, Any]:
    """A conversation whose first answer is only history."""
    made = record(number, f"What does S3 do {number}?", "It may list tags.", "And then?", "It returns.", **fields)
    made["messages"][-3]["weight"] = 0
    return made


@pytest.mark.parametrize("long_samples", ["drop", "truncate", "split"])
def test_turns_that_are_not_to_be_learned_from_are_no_lost_mask(tmp_path: Path, long_samples: str) -> None:
    long = record(40, "Why?", "It lists. ", "And?", "It lists tags. " * 40)
    long["messages"][3]["weight"] = 0
    records = [*SOUND, *(unlearned(n, system=n % 2 == 0) for n in range(20, 40)), long]
    tuning = Tuning(tmp_path, records, long_samples=long_samples)
    counts = tuning.check().counts
    cut = long_samples == "truncate"
    assert (counts["unlearned"], counts["silent"], counts["endless"]) == (20 + cut, 0, 0)
    assert counts["turns"] == 60 + (long_samples != "drop")


@pytest.mark.parametrize("long_samples", ["drop", "truncate", "split"])
def test_answers_that_lose_their_thoughts_are_read_and_told_and_no_lost_mask(tmp_path: Path, long_samples: str) -> None:
    thought = "<think>\nIt is so.\n</think>\n\n"
    records = [
        record(n, f"What does S3 do {n}?", f"{thought}It lists.", "And then?", f"{thought}It returns.")
        for n in range(20, 30)
    ]
    template = (TEMPLATES / "qwen-3.jinja").read_text()
    tuning = Tuning(tmp_path, [*SOUND, *records], template, long_samples=long_samples, answers="last")
    assert json.loads((tuning.rows.path / "shards.json").read_text())["answers_unlike_asked"] == 10
    counts = tuning.check().counts
    assert (counts["unlike_asked"], counts["turns"], counts["silent"]) == (10, 50, 0)
    assert "unlearned" not in counts
    weights = tuning.weights()
    weights[:] = 0
    weights.flush()
    assert "lost mask: in 50 of 50 assistant turns" in tuning.refused()


@pytest.mark.parametrize("long_samples", ["drop", "truncate", "split"])
def test_each_answer_that_loses_its_thoughts_is_trained_in_a_chat_of_its_own(tmp_path: Path, long_samples: str) -> None:
    thought = "<think>\nIt is so.\n</think>\n\n"
    records = [
        record(n, f"What does S3 do {n}?", f"{thought}It lists.", "And then?", f"{thought}It returns.")
        for n in range(20)
    ]
    tuning = Tuning(tmp_path, records, (TEMPLATES / "qwen-3.jinja").read_text(), long_samples=long_samples)
    facts, counts = json.loads((tuning.rows.path / "shards.json").read_text()), tuning.check().counts
    assert facts["chats_of_answers"] == 20 and "answers_unlike_asked" not in facts
    assert (counts["records"], counts["samples"], counts["turns"], counts["history"]) == (40, 40, 40, 20)
    assert not any(counts[name] for name in ("silent", "endless", "foreign", "masked", "cut"))
    long = [*records[:1], record(21, "Why?", f"{thought}It lists.", "And?", f"{thought}{'It lists tags. ' * 40}")]
    kept = Tuning(tmp_path / "long", long, (TEMPLATES / "qwen-3.jinja").read_text(), long_samples=long_samples)
    facts = json.loads((kept.rows.path / "shards.json").read_text())
    assert (facts["dropped"], facts["truncated"]) == ((0, 1) if long_samples == "truncate" else (1, 0))
    assert facts.get("exchanges_dropped", 0) == (long_samples == "split"), "it is counted once, not for each chat"


@pytest.mark.parametrize("spoilt", ["words", "end"])
def test_a_lost_mask_is_refused_beside_turns_that_are_not_to_be_learned_from(tmp_path: Path, spoilt: str) -> None:
    tuning = Tuning(tmp_path, [*SOUND, *(unlearned(n) for n in range(20, 40))])
    weights, tokens = tuning.weights(), tuning.rows.open().tokens
    ends = tokens == tuning.tokenizer.open().end_of_turn_id
    weights[~ends if spoilt == "words" else ends] = 0
    weights.flush()
    said = "lost mask: in 60 of 60 assistant turns" if spoilt == "words" else "untrained stop token: in 60 of 60 turns"
    assert said in tuning.refused()


def test_a_mask_over_the_users_words_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    weights = tuning.weights()
    weights[0, 5] = 1
    weights.flush()
    assert "1 trained tokens are outside of assistant turns" in tuning.refused()


def test_an_untrained_stop_token_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    weights, tokens = tuning.weights(), tuning.rows.open().tokens
    weights[tokens == tuning.tokenizer.open().end_of_turn_id] = 0
    weights.flush()
    assert "untrained stop token: in 40 of 40 turns" in tuning.refused()


def test_a_template_that_does_not_close_answers_is_refused(tmp_path: Path) -> None:
    template = CHAT_TEMPLATE.replace("<|im_end|>\n", "{% if message['role'] == 'user' %}<|im_end|>{% endif %}\n")
    with pytest.raises(LmworksError, match="writes no special token after an answer"):
        Tuning(tmp_path, SOUND, template)


def test_a_double_begin_is_refused(tmp_path: Path) -> None:
    said = Tuning(tmp_path, SOUND, "<|endoftext|>" + CHAT_TEMPLATE).refused()
    assert "double begin: 20 samples begin with two document tokens instead of one" in said


def test_samples_are_kept_apart_whatever_their_template_begins_with(tmp_path: Path) -> None:
    result = Tuning(tmp_path / "sound", SOUND, CHAT_TEMPLATE.removeprefix("<|endoftext|>")).check()
    assert result.counts["samples"] == result.counts["records"] == 20 and not result.counts["joined"]
    tuning = Tuning(tmp_path / "spoilt", SOUND)
    begins = np.load(tuning.rows.path / "begins.npy", mmap_mode="r+")
    begins[0] = 0
    begins.flush()
    assert "samples run together: in 1 rows no sample begins" in tuning.refused()


def test_an_answer_is_trained_behind_what_asks_for_it(tmp_path: Path) -> None:
    template = CHAT_TEMPLATE.replace("<|im_start|>assistant\n{%", "<|im_start|>assistant\n<think>{%")
    result = Tuning(tmp_path, SOUND, template).check()
    assert result.counts["turns"] == result.counts["records"], "earlier answers stand there otherwise than asked for"
    for example in result.examples:
        before, *_ = as_text(example["pieces"]).partition("⟦")
        assert before.endswith("<|im_start|>assistant\n<think>")


PLAIN = (
    "<|endoftext|>{% for message in messages %}{% if message['role'] == 'user' %}[INST] {{ message['content'] }} "
    "[/INST]{% else %}{{ message['content'] }}<|im_end|>{% endif %}{% endfor %}"
)
"""Frames turns with plain text, as Mistral's first templates do."""


@pytest.mark.parametrize(
    ("words", "turns"),
    [
        (("What does [/INST] do?", "It ends.", "And then?", "It returns."), 2),
        (("What ends?", "The word [/INST] ends.", "And then?", "[/INST] it is."), 2),
        (("What does [/INST] or [/INST] do?", "It ends [/INST]."), 1),
        (("What ends?", "It lists tags.", "Is [/INST] the end?" * 40, "Yes."), 1),
    ],
    ids=["asked", "answered", "both", "cut"],
)
def test_words_that_read_like_a_frame_of_plain_text_are_words(
    tmp_path: Path, words: tuple[str, ...], turns: int
) -> None:
    tuning = Tuning(tmp_path, [*SOUND, record(20, *words)], PLAIN, long_samples="truncate")
    counts = tuning.check().counts
    assert (counts["turns"], counts["silent"], counts["foreign"]) == (40 + turns, 0, 0)
    weights, rows = tuning.weights(), tuning.rows.open()
    ends = rows.tokens == tuning.tokenizer.open().end_of_turn_id
    weights[~ends] = 0
    weights.flush()
    assert f"lost mask: in {40 + turns} of {40 + turns} assistant turns" in tuning.refused()


def test_words_that_read_like_a_frame_stand_beside_turns_that_are_not_to_be_learned_from(tmp_path: Path) -> None:
    asked = record(20, "What does [/INST] do?", "It may end [/INST].", "Is [/INST] the end?", "It is.")
    asked["messages"][1]["weight"] = 0
    counts = Tuning(tmp_path, [*SOUND, asked], PLAIN).check().counts
    assert (counts["turns"], counts["unlearned"], counts["silent"], counts["foreign"]) == (41, 1, 0, 0)


@pytest.mark.parametrize("spoilt", ["base", "file", "rows"])
def test_another_template_than_the_served_one_is_refused(tmp_path: Path, spoilt: str) -> None:
    tuning = Tuning(tmp_path / "tuning", SOUND)
    if spoilt == "base":
        tuning.base = ModelFolder(make_tiny_model(tmp_path / "other"), "other")
        config = tuning.base.path / "tokenizer_config.json"
        config.write_text(config.read_text().replace("assistant", "bot"))
    elif spoilt == "file":
        (tuning.base.path / "chat_template.jinja").write_text("{{ messages }}")
    else:
        config = tuning.base.path / "tokenizer_config.json"
        config.write_text(config.read_text() + "\n")
    assert "template mismatch" in tuning.refused()


def test_samples_that_are_too_long_for_their_rows_are_refused_above_a_share(tmp_path: Path) -> None:
    long = [record(n, "Why?", "It lists tags. " * 40) for n in range(8)]
    said = Tuning(tmp_path / "drop", SOUND[:12] + long).refused()
    assert "too much is lost: 8 dropped of 20 conversations, more than 20%" in said
    assert "sequence_length (now 96)" in said
    assert "8 truncated" in Tuning(tmp_path / "cut", SOUND[:12] + long, long_samples="truncate").refused()
    assert Tuning(tmp_path / "few", SOUND[:18] + long[:2]).check().counts["dropped"] == 2
    stated = Tuning(tmp_path / "stated", SOUND[:12] + long, largest_lost_share=0.5)
    assert stated.check().counts["dropped"] == 8


@pytest.mark.parametrize("longer", [0, 2])
def test_turns_that_the_template_refuses_are_told_with_what_it_says(tmp_path: Path, longer: int) -> None:
    template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system!') }}{% endif %}" + CHAT_TEMPLATE
    spoken = [record(n, "Why?", "So.", system=True) for n in range(20, 28)]
    long = [record(n, "Why?", "It lists tags. " * 40) for n in range(30, 30 + longer)]
    said = Tuning(tmp_path, [*SOUND, *long, *spoken], template).refused()
    first = f"conversations.jsonl:{21 + longer} ({20:032x})"
    assert "8 refused of" in said and f"The chat template refuses turns, first in {first}: " in said
    assert "says 'No system!'; leave them out. It takes them without the system's turn: remove it" in said
    assert ("Raise sequence_length (now 96)" in said) == bool(longer), "what is refused is none too long"


def test_a_micro_batch_that_trains_nothing_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND, micro_batch_rows=1)
    weights = tuning.weights()
    weights[0] = 0
    weights.flush()
    rows = len(weights)
    assert f"all-masked micro-batch: 1 of {rows} micro-batches of 1 rows" in tuning.refused()


def test_memory_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuning = Tuning(tmp_path, SOUND)
    monkeypatch.setattr("lmworks.train.memory.available_bytes", lambda: 2.0**20)
    said = tuning.refused()
    assert "memory: training takes about" in said
    assert "1 MiB are free" in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [(("Why?", "So.", "And?"), "wrong role order"), (("Why?", ""), "empty assistant turn")],
)
def test_conversations_that_are_none_are_refused(tmp_path: Path, words: tuple[str, ...], reason: str) -> None:
    said = Tuning(tmp_path, [*SOUND, record(99, *words)]).refused()
    assert f"{reason} in 1 of 21 conversations, first in conversations.jsonl:21" in said
    assert "kind `conversations`" in said


def test_a_base_without_gradients_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    from safetensors.torch import load_file, save_file

    path = tuning.base.path / "model.safetensors"
    save_file({name: tensor * 0 for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})
    assert "the first step moves nothing" in tuning.refused()


# ---------------------------------------------------------------- judged answers


def judgement(number: int, prompt: list[str], chosen: str | None, rejected: str | None) -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(prompt)]
    said = {
        side: [{"role": "assistant", "content": text}] if text is not None else None
        for side, text in (("chosen", chosen), ("rejected", rejected))
    }
    return {"id": f"{number:032x}", "document": f"{number:x}", "prompt": turns, **said}


PAIRS = [
    judgement(n, [f"Rain {n}?", "Yes.", "Why?"] if n % 3 == 0 else [f"Rain {n}?"], f"On day {n}.", "No idea.")
    for n in range(20)
]
ALONE = [judgement(n, [f"Rain {n}?"], *((f"Day {n}.", None) if n % 2 else (None, f"No {n}."))) for n in range(20)]


class Judging(Tuning):
    """Judged answers, packed likewise."""

    objective, file, length = "dpo", "preferences.jsonl", 2 * LENGTH


def test_judged_answers_may_read_like_a_frame_of_plain_text(tmp_path: Path) -> None:
    framed = judgement(20, ["Is [/INST] it?"], "The word [/INST] is.", "[/INST] is not it.")
    counts = Judging(tmp_path, [*PAIRS, framed], PLAIN).check().counts
    assert (counts["turns"], counts["silent"], counts["foreign"]) == (42, 0, 0)


class JudgingAlone(Judging):
    objective = "kto"


def test_sound_pairs_pass_and_one_step_is_run(tmp_path: Path) -> None:
    result = Judging(tmp_path, PAIRS).check()
    assert (result.counts["records"], result.counts["groups"], result.counts["turns"]) == (20, 20, 40)
    assert not any(result.counts[name] for name in ("silent", "endless", "doubled", "foreign", "masked", "alike"))
    assert result.measured["loss"] == pytest.approx(0.693, abs=1e-3) and result.measured["gradient_norm"] > 0
    shown = [as_text(example["pieces"]) for example in result.examples]
    assert any("⟦On day" in text for text in shown) and any("⟦No idea.<|im_end|>⟧" in text for text in shown)


def test_pairs_of_answers_that_were_all_cut_pass_and_no_end_is_learned(tmp_path: Path) -> None:
    cut = [judgement(n, [f"Rain {n}?"], f"On day {n}", "No idea, but") for n in range(20)]
    for pair in cut:
        for side in ("chosen", "rejected"):
            pair[side][0]["finish_reason"] = "length"
    result = Judging(tmp_path, cut).check()
    assert (result.counts["cut"], result.counts["endless"]) == (40, 0) and result.measured["gradient_norm"] > 0
    assert not any("<|im_end|>⟧" in as_text(example["pieces"]) for example in result.examples)


def test_answers_that_are_judged_alone_pass(tmp_path: Path) -> None:
    result = JudgingAlone(tmp_path, ALONE).check()
    assert (result.counts["records"], result.counts["samples"]) == (20, 40)
    assert not result.counts["alike"] and result.measured["gradient_norm"] > 0


@pytest.mark.parametrize("side", ["chosen", "rejected"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("words", "lost mask: in 1 of 40 assistant turns no word is trained"),
        ("stop", "untrained stop token: in 1 of 40 turns"),
        ("prompt", "trained prompt: 1 trained tokens are in the prompts before the judged answers"),
        ("earlier answer", "trained prompt: 1 trained tokens are in the prompts before the judged answers"),
    ],
)
def test_a_spoilt_mask_of_either_answer_is_refused(tmp_path: Path, side: str, spoil: str, said: str) -> None:
    tuning = Judging(tmp_path, PAIRS)
    weights, rows = tuning.weights(), tuning.rows.open()
    assert rows.labels is not None
    start_of_turn = tuning.tokenizer.open().encode_chat([{"role": "user", "content": ""}])[0][1]
    for row, labels in enumerate(rows.labels):
        (place,) = np.nonzero(labels == (CHOSEN if side == "chosen" else REJECTED))
        if (rows.tokens[row][place] == start_of_turn).sum() == 4:  # with an earlier answer
            break
    else:
        raise AssertionError
    trained = place[weights[row][place] > 0]
    if spoil == "words":
        weights[row, trained[:-1]] = 0
    elif spoil == "stop":
        weights[row, trained[-1]] = 0
    else:
        turns = place[rows.tokens[row][place] == start_of_turn]
        weights[row, turns[0 if spoil == "prompt" else 1] + 3] = 1
    weights.flush()
    assert said in tuning.refused()


def test_a_pair_whose_answers_are_one_is_refused(tmp_path: Path) -> None:
    same = judgement(99, ["Rain?"], "No idea.", "No idea.")
    assert "nothing preferred: in 1 of 21 pairs" in Judging(tmp_path / "data", [*PAIRS, same]).refused()
    lost = CHAT_TEMPLATE.replace("message['content'] | trim", "message['content'] | trim if loop.first else 'So.'")
    assert "check whether the chat template drops" in Judging(tmp_path / "template", PAIRS[1:3], lost).refused()


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        (Judging, [judgement(98, ["Rain 1?"], "No idea.", " On day 1.")]),
        (JudgingAlone, [judgement(98, ["Rain 1?"], None, "Day 1. ")]),
    ],
)
def test_judgements_that_contradict_each_other_are_refused(
    tmp_path: Path, kind: type[Judging], others: list[dict[str, Any]]
) -> None:
    said = kind(tmp_path, [*(PAIRS if kind is Judging else ALONE), *others]).refused()
    assert "contradictory judgements: 1 contradict an earlier" in said and "preferences.jsonl:21" in said


def test_pairs_with_a_double_begin_are_refused(tmp_path: Path) -> None:
    said = Judging(tmp_path / "double", PAIRS[1:3], "<|endoftext|>" + CHAT_TEMPLATE).refused()
    assert "double begin: 4 samples begin with two document tokens instead of one" in said


def test_pairs_that_are_too_long_for_their_rows_are_refused_above_a_share(tmp_path: Path) -> None:
    long = [judgement(n, ["Why?"], "It lists tags. " * 40, "No.") for n in range(50, 58)]
    said = Judging(tmp_path / "many", PAIRS[:12] + long).refused()
    assert "too much is lost: 8 dropped of 20 judgements, more than 20%" in said
    assert "long_samples" not in said
    assert Judging(tmp_path / "few", PAIRS[:18] + long[:2]).check().counts["dropped"] == 2


# ---------------------------------------------------------------- prompts


class Asking(Tuning):
    """Prompts, packed likewise."""

    objective = "grpo"

    def __init__(self, folder: Path, records: list[dict[str, Any]], template: str = CHAT_TEMPLATE, **fields: Any):
        given = {"rewards": [{"kind": "length", "most": 2}], "group_size": 4, "answer_tokens": 16, **fields}
        super().__init__(folder, records, template, **given)


ASKED = [record(n, f"What does S3 do {n}?", "It lists.") for n in range(20)]


def test_sound_prompts_pass_and_one_rollout_is_learned_from(tmp_path: Path) -> None:
    result = Asking(tmp_path, ASKED).check()
    assert result.counts["records"] == result.counts["prompts"] == 20
    assert not any(result.counts[name] for name in ("unframed", "crowded", "beyond", "doubled"))
    assert {"loss", "gradient_norm", "reward", "distinct", "answer_tokens"} <= set(result.measured)
    told = as_text(result.examples[0]["pieces"])
    assert told.startswith("<|endoftext|><|im_start|>user\nWhat does S3")
    assert told.endswith("<|im_start|>assistant\n⟦It lists.<|im_end|>⟧")


def test_a_rollout_that_teaches_nothing_is_told_and_not_refused(tmp_path: Path) -> None:
    never = [{"kind": "regex", "pattern": "never this"}]
    measured = Asking(tmp_path, ASKED, rewards=never).check().measured
    assert measured["gradient_norm"] == measured["teaching"] == 0


def test_a_template_that_begins_no_answer_is_refused(tmp_path: Path) -> None:
    template = CHAT_TEMPLATE.replace("add_generation_prompt", "false")
    assert "no generation prompt: 20 of 20 prompts" in Asking(tmp_path / "none", ASKED, template).refused()
    tuning = Asking(tmp_path / "spoilt", ASKED)
    weights = tuning.weights()
    weights[3, int(weights[3].argmax()) - 1] = 1
    weights.flush()
    assert "no generation prompt: 1 of 20 prompts" in tuning.refused()


def test_prompts_without_room_for_answers_are_refused(tmp_path: Path) -> None:
    tuning = Asking(tmp_path, ASKED)
    tuning.config = tuning.config.model_copy(update={"answer_tokens": LENGTH - 8})
    assert "no room for answers: 20 of 20 prompts leave less than answer_tokens 88" in tuning.refused()


def test_answers_that_no_model_could_give_are_refused_where_only_they_count(tmp_path: Path) -> None:
    exact = {"rewards": [{"kind": "exact-answer"}], "answer_tokens": 4}
    said = Asking(tmp_path / "exact", ASKED, **exact).refused()
    assert "answers out of reach: 20 of 20 answers of the data take more than answer_tokens 4" in said
    found = {"rewards": [{"kind": "exact-answer", "pattern": "lists"}], "answer_tokens": 4}
    assert Asking(tmp_path / "found", ASKED, **found).check().counts["beyond"] == 20


def test_a_reward_that_cannot_be_computed_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROOT", "/nowhere")
    said = Asking(tmp_path, ASKED, rewards=[{"kind": "unit-tests"}], answer_tokens=32).refused()
    assert "reward unit-tests: cannot be computed here: programs cannot be run safely here" in said


def test_tests_that_judge_no_program_are_refused_and_a_share_of_them_is_told(tmp_path: Path) -> None:
    rewards: dict[str, Any] = {"rewards": [{"kind": "unit-tests"}, {"kind": "length", "most": 9}], "answer_tokens": 32}
    said = Asking(tmp_path / "none", ASKED, **rewards).refused()
    assert "none of the data's 20 answers can judge another; for 20 of them, the tests are not Python" in said
    tested = [record(n, f"Add {n}.", f"assert add({n}, 1) == {n + 1}" if n % 4 else "It adds.") for n in range(20)]
    assert Asking(tmp_path / "some", tested, **rewards).check().counts["unjudged by unit-tests"] == 5


def test_a_file_of_ones_own_is_tried_before_training(tmp_path: Path) -> None:
    """On the data's own answers behind their prompts, on made-up ones, and on answers of the base."""

    def asking(folder: str, code: str) -> Asking:
        tuning = Asking(tmp_path / folder, ASKED, rewards=[{"kind": "python", "file": "own.py"}])
        (tmp_path / "own.py").write_text(code)
        tuning.config = tuning.config.model_copy(
            update={"rewards": [each.resolve(tmp_path) for each in tuning.config.rewards]}
        )
        return tuning

    fine = "def score(answer, prompt):\n    assert prompt[-1]['content'].startswith('What does S3')\n    return 0.5"
    found = asking("fine", fine).check()
    assert found.measured["reward"] == 0.5
    said = asking("own", "def score(answer, reference):\n    return 1 / (answer != reference)").refused()
    assert "reward own: fails on 8 of 16 answers in a trial" in said
    assert "own.py: ZeroDivisionError in line 2: division by zero" in said
    tuning = asking("drawn", fine)
    encoder, samples = tuning.tokenizer.open(), tuning.folder / "samples"
    known = ["It lists.", *Prompts.of(tuning.config, tuning.rows.open(), encoder, samples).made_up]
    strict = asking("first", f"def score(answer):\n    return 1 / (answer in {known!r})")
    assert "rewards fail on 100% of the base's first" in strict.refused()


@pytest.mark.parametrize("kind", [Judging, Asking])
def test_memory_that_is_not_there_is_refused_before_alignment(
    kind: type[Tuning], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = kind(tmp_path, PAIRS if kind is Judging else ASKED)
    monkeypatch.setattr("lmworks.train.memory.available_bytes", lambda: 2.0**20)
    assert "memory: training takes about" in tuning.refused()


@pytest.mark.parametrize("kind", [Judging, Asking])
def test_a_search_over_learning_rates_and_distances_checks_once(kind: type[Tuning]) -> None:
    rewards = {"rewards": [{"kind": "length", "most": 2}]} if kind is Asking else {}
    given = {"objective": kind.objective, "from": "base", "data": "x", **rewards}
    keys = []
    for more in ({}, {"learning_rate": 0.1, "beta" if kind is Judging else "kl_weight": 0.5, "steps": 7}):
        config = OBJECTIVES[kind.objective].model_validate({**given, **more})
        keys += [key_config(node.config) for node in model_nodes("tuned", config, {}, {}) if node.stage is check]
    assert len(keys) == 2 and keys[0] == keys[1]


def test_rewards_are_tried_on_answers_of_a_model_that_has_learned_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Answer] = []

    def scores(self: LengthReward, answers: Sequence[Answer]) -> list[float]:
        tried.extend(answers)
        if any(not each.ended for each in answers):
            raise LmworksError("no end, no worth")
        return [0.0 for _ in answers]

    monkeypatch.setattr(LengthReward, "scores", scores)
    assert "reward length: cannot be computed here: no end, no worth" in Asking(tmp_path, ASKED).refused()
    made_up = [each for each in tried if not each.ended]
    assert len({each.text for each in made_up}) == 8 and {each.reference for each in made_up} == {"It lists."}
