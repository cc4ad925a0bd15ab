"""Processor seconds of a tuning step with an adapter and without, on a published model and real questions.

    python benchmarks/lora_steps.py MODEL QUESTIONS.jsonl [--steps 6]

MODEL is a folder made by the step `pretrained` (measured: SmolLM2-135M-Instruct), QUESTIONS has lines with `question`
and `answer` (GSM8K's train.jsonl). One thread, bfloat16, rows of 256 tokens, 1,024 tokens a step. Prints one JSON line:
loss of the first and last step, median processor seconds a step after the first, and bytes of a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from gguf_files import Quiet

from lmworks.data.tuning.conversations import Conversations, conversation, write_conversations
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.journal import FileJournal
from lmworks.pipeline.stage import Context
from lmworks.tokens.rows.pack import PackConversationsConfig, pack_conversations
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import SftConfig
from lmworks.train.loop.train import train

QUESTIONS, LENGTH = 400, 256
WAYS = {
    "adapter": {"adapter": {"kind": "lora"}, "learning_rate": 1e-3},
    "whole": {"optimizer": "adamw", "learning_rate": 1e-4},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--steps", type=int, default=6)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = pack(given.model, given.questions, folder)
        found = {way: run(given.model, rows, given.steps, values, folder / way) for way, values in WAYS.items()}
        print(json.dumps({"model": given.model.name, "steps": given.steps, **found}))


def pack(model: Path, questions: Path, folder: Path) -> Shards:
    """Rows of the first questions."""
    records = [json.loads(line) for line in questions.read_text("utf-8").splitlines()[:QUESTIONS]]
    chats = [
        conversation(
            id=str(i), form="asked", question=one["question"], answer=one["answer"], document=str(i), phrasing=0
        )
        for i, one in enumerate(records)
    ]
    write_conversations(folder / "chats", chats)
    config = PackConversationsConfig(conversations="x", sequence_length=LENGTH)
    context = Context(folder, FileJournal(folder / "pack.jsonl"), Quiet(), check_stop=lambda: None)
    chats_folder = Conversations(folder / "chats", "chats")
    pack_conversations(config, chats_folder, TokenizerFolder(model, "model"), folder / "rows", context)
    return Shards(folder / "rows", "rows")


def run(model: Path, rows: Shards, steps: int, values: dict[str, object], folder: Path) -> dict[str, float]:
    """Tune, and look at the clock between steps."""
    folder.mkdir()
    times: list[float] = []
    context = Context(
        folder, FileJournal(folder / "journal.jsonl"), Quiet(), check_stop=lambda: times.append(time.process_time())
    )
    fixed = {"from": "x", "data": "x", "sequence_length": LENGTH, "global_batch_tokens": 1024, "steps": steps}
    machine = {"data_type": "bfloat16", "threads": 1, "compile": False, "checkpoint_steps": steps - 1}
    config = SftConfig.model_validate({**fixed, **machine, **values})
    tokenizer = TokenizerFolder(model, "model")
    train(config, ModelFolder(model, "model"), rows, tokenizer, None, None, out=folder / "out", context=context)
    losses = [json.loads(line)["loss"] for line in (folder / "out" / "history.jsonl").read_text().splitlines()]
    passed = [later - earlier for earlier, later in pairwise(times[1:])]
    (checkpoint,) = folder.glob("step-*.safetensors")
    return {
        "first_loss": round(losses[0], 3),
        "last_loss": round(losses[-1], 3),
        "processor_seconds_a_step": round(statistics.median(passed), 2),
        "checkpoint_megabytes": round(checkpoint.stat().st_size / 1e6, 1),
    }


if __name__ == "__main__":
    main()
