"""Tuning a published model with LoRA: whole steps here and of TRL's trainers with PEFT, in turns, on equal rows.

    python benchmarks/align/lora_speed.py MODEL QUESTIONS [--threads 2] [--rounds 8] [--only sft]

MODEL is a folder made by the step `pretrained` (measured: SmolLM2-135M-Instruct), QUESTIONS one made by
`operations-to-prompts` (the quickstart's `questions.train`). Needs `trl` (measured: 1.16.0), `peft` and `datasets`.
Each case has a process of its own, in which one step is taken at a time, in an order drawn anew each round. All begin
with the same adapters and take the same conversations, or pairs, at the same step: 4 rows of 256 tokens. TRL gets our
rows as rows of its own packing (`packed`, the padding-free way of its "bfd"), or their conversations as a padded batch;
the trainers are TRL's whole. `as shipped` computes activations again, as TRL does unless told otherwise; its other
cases do not, which is faster. Weights are float32, products bfloat16 on both sides; `helped` has frozen weights in
bfloat16, and keeps freed memory as our trainer does.

Prints one JSON line: by case trained tokens a second of wall and of processor time (medians of rounds after the first
two), losses step by step and peak memory (VmHWM); by peer the median of its time over ours, and the largest difference
of a loss from ours.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

ROWS, LENGTH, QUESTIONS, PAIRS, WARM = 4, 256, 2000, 600, 2
RATE = 2e-4
OURS = "lmworks compiled", "lmworks eager"
MORE = "lmworks compiled, q4_1", "lmworks eager, q4_1", "lmworks eager, nf4"
CASES = {
    f"{objective} {side}": (objective, *side.split(" ", 1))
    for objective, sides in {
        "sft": (*OURS, *MORE, "trl packed", "trl padded", "trl packed, as shipped", "trl packed, helped"),
        "dpo": (*OURS, "trl padded", "trl padded, helped"),
    }.items()
    for side in sides
}
BY = ("wall", "processor")
Say = Callable[[dict[str, float]], None]


def config(objective: str, steps: int, threads: int, how: str = "") -> Any:
    """What is trained, and how."""
    from lmworks.train.objectives import OBJECTIVES

    form = next((form for form in ("q4_1", "nf4") if form in how), None)
    adapter = {"quantise": form}
    fields = {
        **{"from": "x", "data": "x", "objective": objective, "adapter": adapter, "learning_rate": RATE},
        **{"sequence_length": LENGTH, "global_batch_tokens": ROWS * LENGTH, "micro_batch_rows": ROWS, "steps": steps},
        **{"schedule": "constant", "warmup_steps": 0, "data_type": "bfloat16", "threads": threads, "compile": False},
    }
    return OBJECTIVES[objective].model_validate(fields)


def prepare(model: Path, questions: Path, folder: Path) -> None:
    """Write rows of both objectives, and the adapters that all begin with."""
    from lmworks.data.tuning.conversations import Conversations
    from lmworks.data.tuning.preferences import Preference, Preferences, write_preferences
    from lmworks.model.folder import load_model
    from lmworks.tokens.rows.pack import PackConversationsConfig, pack_conversations
    from lmworks.tokens.rows.pack_preferences import PackPreferencesConfig, pack_preferences
    from lmworks.tokens.tokenizer import TokenizerFolder
    from lmworks.train.families.adapters import Adapters
    from support import make_context

    chats = Conversations(folder, "")
    lines = (questions / "conversations.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "conversations.jsonl").write_text("".join(lines[:QUESTIONS]), "utf-8")
    messages = [record["messages"] for record in islice(chats.iterate(), PAIRS)]
    pairs = [  # an answer to another question is the rejected one
        Preference(id=f"{number:05d}", prompt=[question], chosen=[answer], rejected=[other])
        for number, ((question, answer), (_, other)) in enumerate(pairwise(messages))
    ]
    write_preferences(folder / "pairs", pairs)
    tokenizer, context = TokenizerFolder(model, ""), make_context(folder)
    how = {"from": "x", "sequence_length": LENGTH}
    asked = PackConversationsConfig.model_validate(how)
    pack_conversations(asked, chats, tokenizer, folder / "sft", context)
    judged = PackPreferencesConfig.model_validate(how)
    pack_preferences(judged, Preferences(folder / "pairs", ""), tokenizer, folder / "dpo", context)
    decoder, begun = load_model(model), config("sft", 1, 1)
    Adapters(decoder, decoder.blocks, begun.adapter, begun.seed).save(folder / "adapter")


def lmworks(objective: str, how: str, given: argparse.Namespace, say: Say) -> None:
    """Steps of the trainer."""
    from lmworks.model.folder import ModelFolder
    from lmworks.tokens.rows.shards import Shards
    from lmworks.tokens.tokenizer import TokenizerFolder
    from lmworks.train.loop.freed_memory import freed_memory_kept
    from lmworks.train.loop.run import Run, RunInputs
    from support import make_context

    folder = given.folder / "scratch" / how
    base, tokenizer = ModelFolder(given.model, ""), TokenizerFolder(given.model, "")
    inputs = RunInputs(base, Shards(given.folder / objective, ""), tokenizer)
    with freed_memory_kept():
        wanted = config(objective, given.rounds, given.threads, how)
        run = Run(wanted, inputs, folder, make_context(folder), compiled=how.startswith("compiled"))
        say({})
        for step, _ in enumerate(sys.stdin):
            began, used = time.perf_counter(), time.process_time()
            line = run.step(step)
            taken = {"wall": time.perf_counter() - began, "processor": time.process_time() - used}
            say({**taken, "loss": line["loss"] if line else float("nan")})


def trl(objective: str, how: str, given: argparse.Namespace, say: Say) -> None:
    """Steps of TRL's trainer, which waits at the beginning of each."""
    import torch
    from datasets import Dataset
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
    from trl_sides import padded, settings

    from lmworks.tokens.rows.pack_preferences import CHOSEN, REJECTED
    from lmworks.train.loop.freed_memory import freed_memory_kept

    class Turns(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            say({})

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            if not sys.stdin.readline():
                sys.exit()
            self.began = time.perf_counter(), time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.taken = time.perf_counter() - self.began[0], time.process_time() - self.began[1]

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" in logs:
                say({**dict(zip(BY, self.taken, strict=True)), "loss": logs["loss"]})

    packed, helped = how.startswith("packed"), "helped" in how
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.bfloat16 if helped else torch.float32),
        given.folder / "adapter",
        is_trainable=True,
    )
    words = AutoTokenizer.from_pretrained(given.model)
    more = {
        **{"max_steps": given.rounds, "learning_rate": RATE, "lr_scheduler_type": "constant", "max_grad_norm": 1.0},
        **{"adam_beta2": 0.95, "weight_decay": 0.0, "bf16": True, "gradient_checkpointing": "shipped" in how},
        **{"train_sampling_strategy": "sequential", "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True},
        **{"remove_unused_columns": packed, "per_device_train_batch_size": ROWS if packed else 1},
    }
    steps = [step_rows(given, objective, step) for step in range(given.rounds)]
    texts = {name: ["a"] * given.rounds for name in ("prompt", "chosen", "rejected")}  # asked for, and not read
    numbers: Any = Dataset.from_dict({"step": list(range(given.rounds)), **texts})
    out = str(given.folder / "out")
    if objective == "dpo":
        batches = [padded(rows, CHOSEN, REJECTED) for rows in steps]
        trainer: Any = DPOTrainer(
            model,
            args=DPOConfig(**settings(out, **more)),
            train_dataset=numbers,
            data_collator=lambda items: batches[items[0]["step"]],
            processing_class=words,
        )
    else:
        end = words.convert_tokens_to_ids("<|endoftext|>")
        examples = [[packed_row(*row, end) for row in zip(rows.tokens, rows.weights, strict=True)] for rows in steps]
        collate = DataCollatorForLanguageModeling(words.pad_token_id)
        trainer = SFTTrainer(
            model,
            args=SFTConfig(**settings(out, **more, packing=packed, dataset_kwargs={"skip_prepare_dataset": True})),
            train_dataset=Dataset.from_list([row for rows in examples for row in rows]) if packed else numbers,
            data_collator=None if packed else lambda items: collate(apart(examples[items[0]["step"]])),
            processing_class=words,
        )
    trainer.add_callback(Turns())
    with freed_memory_kept() if helped else nullcontext():
        trainer.train()


def step_rows(given: argparse.Namespace, objective: str, step: int) -> Any:
    """The rows that our trainer takes at a step."""
    from lmworks.tokens.rows.shards import Shards

    rows = Shards(given.folder / objective, "").open()
    chosen = rows.numbers(config(objective, 1, 1).seed, step * ROWS, ROWS)
    labels = None if rows.labels is None else rows.labels[chosen]
    return replace(rows, tokens=rows.tokens[chosen], weights=rows.weights[chosen], labels=labels)


def packed_row(tokens: Any, weights: Any, end_of_text: int) -> dict[str, list[int]]:
    """A row as TRL packs them: without what fills it up, and with the lengths of its conversations."""
    size = int(weights.nonzero()[0].max()) + 1
    tokens = tokens[:size]
    starts = [*(tokens == end_of_text).nonzero()[0].tolist(), size]
    lengths = [end - start for start, end in pairwise(starts)]
    labels = [token if weight else -100 for token, weight in zip(tokens.tolist(), weights, strict=False)]
    return {"input_ids": tokens.tolist(), "labels": labels, "seq_lengths": lengths}


def apart(rows: list[dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    """The conversations of packed rows."""
    found = []
    for row in rows:
        start = 0
        for length in row["seq_lengths"]:
            found.append({name: row[name][start : start + length] for name in ("input_ids", "labels")})
            start += length
    return found


def work(given: argparse.Namespace) -> None:
    """Make one case ready, then a step for each line that comes in."""
    import torch

    from lmworks.pipeline.work.process import peak_memory_bytes

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere

    def say(line: dict[str, float]) -> None:
        print(json.dumps({**line, "peak_bytes": peak_memory_bytes()}), file=wire, flush=True)

    objective, side, how = CASES[given.case]
    (lmworks if side == "lmworks" else trl)(objective, how, given, say)


def measure(names: list[str], given: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Take turns; what each case says of each step."""
    workers, found = {}, {name: [] for name in names}
    for name in names:
        asked = [sys.executable, __file__, *sys.argv[1:], "--case", name, "--folder", str(given.folder)]
        workers[name] = subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _answer(workers[name])
        print(name, "is ready", file=sys.stderr)
    for turn in range(given.rounds):
        for name in random.Random(turn).sample(names, len(names)):
            workers[name].stdin.write("\n")
            workers[name].stdin.flush()
            found[name].append(_answer(workers[name]))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return found


def _answer(worker: Any) -> Any:
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"a case failed: {' '.join(map(str, worker.args))}")
    return json.loads(line)


def case(lines: list[dict[str, float]], trained: list[int]) -> dict[str, Any]:
    """Of one case; `trained` tokens of each step."""
    rates = {
        by: statistics.median(count / line[by] for count, line in zip(trained[WARM:], lines[WARM:], strict=True))
        for by in BY
    }
    return {
        **{f"trained_tokens_per_{by}_second": round(rate, 1) for by, rate in rates.items()},
        "first_step_seconds": round(lines[0]["wall"], 1),
        "peak_gib": round(max(line["peak_bytes"] for line in lines) / 2**30, 2),
        "losses": [round(line["loss"], 4) for line in lines],
    }


def lead(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> dict[str, float]:
    """Median of their time over ours, step by step, and how far their losses are from ours at the most."""
    pairs = list(zip(ours, theirs, strict=True))
    ratios = {by: round(statistics.median(b[by] / a[by] for a, b in pairs[WARM:]), 2) for by in BY}
    return {**ratios, "loss_difference": round(max(abs(b["loss"] / a["loss"] - 1) for a, b in pairs), 4)}


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=[""], help="cases with one of these words in their name")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rounds <= WARM:
        parser.error(f"--rounds: the first {WARM} only warm up; take more")
    if given.case:
        work(given)
        return
    with tempfile.TemporaryDirectory() as name:
        given.folder = Path(name)
        prepare(given.model, given.questions, given.folder)
        found, tokens = {}, {}
        for objective in ("sft", "dpo"):
            names = [one for one in CASES if one.startswith(objective) and any(word in one for word in given.only)]
            found |= measure(names, given)
            each = [int(step_rows(given, objective, step).weights[:, 1:].sum()) for step in range(given.rounds)]
            tokens |= dict.fromkeys(names, each)
    leads = {
        f"{ours} over {theirs}": lead(found[ours], found[theirs])
        for ours in found
        for theirs in found
        if " lmworks " in ours and " trl " in theirs and ours[:3] == theirs[:3]
    }
    cases = {one: case(lines, tokens[one]) for one, lines in found.items()}
    print(json.dumps({"threads": given.threads, "rounds": given.rounds, "cases": cases, "lead": leads}))


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2] / room) for room in ("src", "tests")]
    main()
