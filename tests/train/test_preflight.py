"""Before a model is tuned, what would spoil it behind a healthy loss is refused, with how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmworks.data.conversations import Conversations
from lmworks.data.documents import write_json_lines
from lmworks.errors import GateRefused
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from lmworks.tokens.pack import PackConversationsConfig, pack_conversations
from lmworks.tokens.shards import Shards
from lmworks.tokens.tokenizer import CHAT_TEMPLATE, TokenizerFolder
from lmworks.train import preflight
from lmworks.train.config import SftConfig
from lmworks.train.preflight import check, in_words
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

    def __init__(self, folder: Path, records: list[dict[str, Any]], template: str = CHAT_TEMPLATE, **fields: Any):
        self.folder = folder
        self.base = ModelFolder(make_tiny_model(folder / "base"), "base")
        self.tokenizer = TokenizerFolder(self.base.path, "base")
        config = json.loads((self.base.path / "tokenizer_config.json").read_text()) | {"chat_template": template}
        (self.base.path / "tokenizer_config.json").write_text(json.dumps(config))
        settings = {
            "steps": 1,
            "threads": 1,
            "compile": False,
            "data_type": "float32",
            "global_batch_tokens": 4 * LENGTH,
        }
        given = {"from": "base", "data": "x", "sequence_length": LENGTH, "micro_batch_rows": 2, **settings, **fields}
        self.config = SftConfig.model_validate(given).model_copy(update={"step_name": "tuned"})
        write_json_lines(folder / "samples" / "conversations.jsonl", records)
        pack = {"conversations": "x", "sequence_length": LENGTH, **self.config.packing()}
        samples, out, context = Conversations(folder / "samples", ""), folder / "rows", make_context(folder / "pack")
        pack_conversations(PackConversationsConfig.model_validate(pack), samples, self.tokenizer, out, context)
        self.rows = Shards(out, "rows")

    def weights(self) -> Any:
        """Of the rows, to be spoilt in their file."""
        return np.load(self.rows.path / "weights.npy", mmap_mode="r+")

    def check(self) -> Result:
        context = make_context(self.folder / "check")
        samples = Conversations(self.folder / "samples", "")
        return check(self.config, self.base, self.rows, self.tokenizer, samples, self.folder / "out", context)

    def refused(self) -> str:
        with pytest.raises(GateRefused) as caught:
            self.check()
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
    told = in_words(sample)
    assert told.startswith("<|endoftext|><|im_start|>user\nWhat does S3")
    assert told.count("⟦It lists tags.<|im_end|>⟧") == told.count("⟦It returns.<|im_end|>⟧") == 1
    assert "\x1b[32mIt returns.<|im_end|>\x1b[0m" in in_words(sample, colour=True)


def test_a_lost_mask_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    weights, rows = tuning.weights(), tuning.rows.open()
    start = int(np.nonzero(weights[0])[0][0])
    stop = start + int(np.argmin(weights[0][start:]))
    weights[0, start:stop] = 0
    weights.flush()
    assert f"lost mask: of 1 of {40} assistant turns" in tuning.refused()
    del rows


def test_a_mask_over_the_users_words_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    weights = tuning.weights()
    weights[0, 5] = 1
    weights.flush()
    assert "1 trained tokens stand outside of assistant turns" in tuning.refused()


def test_an_untrained_stop_token_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND)
    weights, tokens = tuning.weights(), tuning.rows.open().tokens
    weights[tokens == tuning.tokenizer.open().end_of_turn_id] = 0
    weights.flush()
    assert "untrained stop token: in 40 of 40 turns" in tuning.refused()


def test_a_template_that_does_not_close_answers_is_refused(tmp_path: Path) -> None:
    template = CHAT_TEMPLATE.replace("<|im_end|>\n", "{% if message['role'] == 'user' %}<|im_end|>{% endif %}\n")
    assert "untrained stop token: no answer is whole" in Tuning(tmp_path, SOUND, template).refused()


def test_a_double_begin_is_refused(tmp_path: Path) -> None:
    said = Tuning(tmp_path, SOUND, "<|endoftext|>" + CHAT_TEMPLATE).refused()
    assert "double begin: 20 samples begin with <|endoftext|> twice" in said


def test_samples_that_nothing_keeps_apart_are_refused(tmp_path: Path) -> None:
    said = Tuning(tmp_path, SOUND, CHAT_TEMPLATE.removeprefix("<|endoftext|>")).refused()
    assert "samples run together" in said


def test_a_template_that_asks_otherwise_than_it_was_trained_is_refused(tmp_path: Path) -> None:
    template = CHAT_TEMPLATE.replace("<|im_start|>assistant\n{%", "<|im_start|>assistant\n<think>{%")
    said = Tuning(tmp_path, SOUND, template).refused()
    assert "template mismatch: conversations.jsonl:1" in said
    assert "assistant\\n<think>" in said


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


def test_a_micro_batch_that_trains_nothing_is_refused(tmp_path: Path) -> None:
    tuning = Tuning(tmp_path, SOUND, micro_batch_rows=1)
    weights = tuning.weights()
    weights[0] = 0
    weights.flush()
    rows = len(weights)
    assert f"all-masked micro-batch: 1 of {rows} micro-batches of 1 rows" in tuning.refused()


def test_memory_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuning = Tuning(tmp_path, SOUND)
    monkeypatch.setattr(preflight, "available_bytes", lambda: 2.0**20)
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
