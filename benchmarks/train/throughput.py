"""Training speed beside nanoGPT, nanochat, litgpt and transformers: one JSON line.

    python benchmarks/train/throughput.py --nanogpt DIR --nanochat DIR --litgpt DIR [--threads 2] [--rounds 5]
        [--only PART_OF_A_NAME ...]

DIR is a clone of each; a peer without a folder is left out, and transformers is the installed one. Every case is a
process of its own that makes ready and then waits for its turn; in each round each case takes one step of 8,192 random
tokens, in an order that changes from round to round, and medians are printed: of tokens a second (wall), of tokens a
processor second, and of the share of the best matrix product of that data type (MFU), measured in the same rounds.

Six layers of width 384 with six heads, rows of 256 tokens, 8,192 ids: about 12·width² weights a layer for all, and one
count of operations a token (whole rows attended to); each side's own count is beside it. Ours are whole steps of the
trainer, on rows with segments that attention must not leave. `as_shipped` marks how each project runs on a processor
unless told otherwise. litgpt needs `lightning`; the cases of one data type are ready at once, which takes about 16 GB;
`--only` takes fewer.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LAYERS, WIDTH, HEADS, TOKENS, ROWS, VOCABULARY, FEED_FORWARD = 6, 384, 6, 256, 32, 8192, 1024
COUNT = 6 * (LAYERS * 12 * WIDTH**2 + VOCABULARY * WIDTH) + 12 * LAYERS * WIDTH * TOKENS
"""Floating-point operations of a token, forward and backward."""
PRODUCTS = ((8192, 384, 1536), (8192, 1536, 384), (8192, 384, 8192), (4096, 4096, 4096), (1024, 1024, 1024))
"""Rows, inner size and columns of the products whose best rate is the limit."""
CASES = {
    f"{side} {data_type} {how}": (side, data_type, how)
    for side, how in (
        ("lmworks", "adamw"),
        ("lmworks", "muon"),
        ("lmworks", "adamw eager"),
        ("lmworks", "muon eager"),
        ("nanogpt", "eager"),
        ("nanogpt", "compiled"),
        ("nanochat", "muon"),
        ("litgpt", "eager"),
        ("litgpt", "compiled"),
        ("transformers", "eager"),
        ("transformers", "compiled"),
        ("product", "best"),
    )
    for data_type in ("float32", "bfloat16")
}
AS_SHIPPED = (
    "nanogpt float32 compiled",
    "nanochat float32 muon",
    "litgpt float32 compiled",
    "transformers float32 eager",
)

Step = Callable[[], Any]
KEPT = contextlib.ExitStack()
"""What lasts as long as the process."""


def plain(model: Any, loss: Callable[[Any, Any], Any], optimizer: Any, data_type: str, autocast: bool) -> Step:
    """The loop that all peers share: forward, backward, clip, step."""
    import torch

    def step() -> None:
        tokens = torch.randint(0, VOCABULARY, (ROWS, TOKENS + 1))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast and data_type == "bfloat16"):
            value = loss(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def lmworks(data_type: str, how: str) -> tuple[Step, int]:
    """Ours: whole steps of the trainer, on rows written for it."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer, models

    from lmworks.tokens.kinds.learn import TOKENIZER_CONFIG
    from lmworks.tokens.rows.shards import Shards, write_rows
    from lmworks.tokens.tokenizer import SPECIAL_TOKENS, TokenizerFolder
    from lmworks.train.configs.language_model import CausalLMConfig
    from lmworks.train.loop.freed_memory import freed_memory_kept
    from lmworks.train.loop.run import Run, RunInputs
    from support import make_context

    fields = {
        **{"from": "scratch", "data": "x", "threads": torch.get_num_threads(), "data_type": data_type},
        **{"hidden_size": WIDTH, "num_layers": LAYERS, "num_heads": HEADS, "num_key_value_heads": HEADS},
        **{"intermediate_size": FEED_FORWARD, "qk_norm": False, "sequence_length": TOKENS, "steps": 10**6},
        **{"global_batch_tokens": ROWS * TOKENS, "compile": "eager" not in how},
        **({} if "eager" in how else {"micro_batch_rows": ROWS}),  # whole steps at once, as all peers take them
        **({} if "muon" in how else {"optimizer": "adamw", "learning_rate": 0.001}),
        **json.loads(os.environ.get("LMWORKS_FIELDS", "{}")),  # for trials
    }
    config = CausalLMConfig.model_validate(fields)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = {word: number for number, word in enumerate((*SPECIAL_TOKENS, *map(str, range(3, VOCABULARY))))}
        Tokenizer(models.WordLevel(words, "3")).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
        tokenizer, draw = TokenizerFolder(folder, ""), np.random.default_rng(0)
        tokens = draw.integers(3, VOCABULARY, (32 * ROWS, TOKENS + 1))
        tokens[draw.random(tokens.shape) < 1 / TOKENS] = 0
        facts = {"rows": len(tokens), "sequence_length": TOKENS, "trained_tokens": tokens.size, "bytes_of_text": 1}
        facts |= {"vocab_size": VOCABULARY, "tokenizer_digest": tokenizer.open().digest}
        write_rows(folder, [tokens], [np.ones_like(tokens)], [], **facts)
        inputs = RunInputs(None, Shards(folder, ""), tokenizer)
        run = Run(config, inputs, folder, make_context(folder), compiled=bool(config.compile))
    numbers = itertools.count()
    KEPT.enter_context(freed_memory_kept())  # as the train stage does
    return lambda: run.step(next(numbers)) and None, config.shape(VOCABULARY).training_flops_per_token(TOKENS)


def nanogpt(data_type: str, how: str) -> tuple[Step, int]:
    import torch

    from model import GPT, GPTConfig

    model = GPT(GPTConfig(TOKENS, VOCABULARY, LAYERS, HEADS, WIDTH, dropout=0.0, bias=False))
    optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.95), "cpu")
    forward = torch.compile(model) if how == "compiled" else model
    count = 6 * model.get_num_params() + 12 * LAYERS * WIDTH * TOKENS  # estimate_mfu
    return plain(model, lambda x, y: forward(x, y)[1], optimizer, data_type, autocast=True), count


def nanochat(data_type: str, how: str) -> tuple[Step, int]:
    os.environ["NANOCHAT_DTYPE"] = data_type
    import torch
    from nanochat.gpt import GPT, GPTConfig

    shape = GPTConfig(TOKENS, VOCABULARY, LAYERS, HEADS, HEADS, WIDTH, window_pattern="L")
    model = GPT(shape)
    model.init_weights()
    optimizer, forward = model.setup_optimizer(), torch.compile(model, dynamic=False)

    def step() -> None:
        tokens = torch.randint(0, VOCABULARY, (ROWS, TOKENS + 1))
        forward(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()).backward()
        optimizer.step()
        model.zero_grad(set_to_none=True)

    return step, model.estimate_flops()


def litgpt(data_type: str, how: str) -> tuple[Step, int]:
    import torch
    from litgpt.config import Config
    from litgpt.model import GPT

    shape = Config(
        **{"name": "x", "block_size": TOKENS, "n_layer": LAYERS, "n_embd": WIDTH, "n_head": HEADS, "bias": False},
        **{
            "padded_vocab_size": VOCABULARY,
            "vocab_size": VOCABULARY,
            "rotary_percentage": 1.0,
            "parallel_residual": False,
        },
        **{"norm_class_name": "RMSNorm", "mlp_class_name": "LLaMAMLP", "intermediate_size": FEED_FORWARD},
    )
    model = GPT(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    forward = torch.compile(model) if how == "compiled" else model

    def loss(x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(forward(x).float().view(-1, VOCABULARY), y.view(-1))

    return plain(model, loss, optimizer, data_type, autocast=True), COUNT


def transformers(data_type: str, how: str) -> tuple[Step, int]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        **{"vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": FEED_FORWARD, "use_cache": False},
        **{"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "max_position_embeddings": TOKENS},
    )
    model = LlamaForCausalLM(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    forward = torch.compile(model) if how == "compiled" else model

    def loss(x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(forward(x).logits.float().view(-1, VOCABULARY), y.view(-1))

    return plain(model, loss, optimizer, data_type, autocast=True), 6 * model.num_parameters(exclude_embeddings=True)


def product(data_type: str, how: str) -> tuple[Step, int]:
    """The best matrix product; its step returns its own operations a second, wall and processor."""
    import torch

    pairs = [
        (torch.randn(m, k, dtype=getattr(torch, data_type)), torch.randn(k, n, dtype=getattr(torch, data_type)))
        for m, k, n in PRODUCTS
    ]

    def step() -> tuple[float, float]:
        rates = []
        for left, right in pairs:
            each = 2 * left.shape[0] * left.shape[1] * right.shape[1]
            turns = max(1, int(5e10 // each))
            left @ right
            began, used = time.perf_counter(), time.process_time()
            for _ in range(turns):
                left @ right
            rates.append((turns * each / (time.perf_counter() - began), turns * each / (time.process_time() - used)))
        return max(wall for wall, _ in rates), max(processor for _, processor in rates)

    return step, 0


def work(name: str, threads: int) -> None:
    """Make one case ready, then a step for each line that comes in."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    side, data_type, how = CASES[name]
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    step, count = globals()[side](data_type, how)
    for _ in range(2):
        step()
    print(json.dumps(count), file=wire, flush=True)
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        found = step()
        line = (time.perf_counter() - began, time.process_time() - used, found)
        print(json.dumps(line), file=wire, flush=True)


def main() -> None:
    """Start all, take turns, print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer in ("nanogpt", "nanochat", "litgpt"):
        parser.add_argument(f"--{peer}", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[""], help="cases with one of these words in their name")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        work(options.case, options.threads)
        return
    folders = {side: getattr(options, side, None) for side, _, _ in CASES.values()}
    here = Path(__file__).resolve()
    ours = os.pathsep.join(str(here.parents[2] / room) for room in ("src", "tests"))
    folders |= {"lmworks": ours, "transformers": here.parent, "product": here.parent}
    names = [name for name in CASES if folders[CASES[name][0]] and any(word in name for word in options.only)]
    found: dict[str, list[Any]] = {}
    counts: dict[str, int] = {}
    for data_type in dict.fromkeys(CASES[name][1] for name in names):
        group = [name for name in names if CASES[name][1] == data_type] + [f"product {data_type} best"]
        workers = {}
        for name in dict.fromkeys(group):
            folder = str(folders[CASES[name][0]])
            environment = os.environ | {"PYTHONPATH": os.pathsep.join((folder, os.environ.get("PYTHONPATH", "")))}
            workers[name] = subprocess.Popen(
                [sys.executable, str(here), "--case", name, "--threads", str(options.threads)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            counts[name], found[name] = _answer(workers[name]), []
            print(name, "is ready", file=sys.stderr)
        for turn in range(options.rounds):
            for name in random.Random(turn).sample(list(workers), len(workers)):
                workers[name].stdin.write("\n")
                workers[name].stdin.flush()
                found[name].append(_answer(workers[name]))
        for worker in workers.values():
            worker.stdin.close()
            worker.wait()
    print(
        json.dumps(
            {"threads": options.threads, "rounds": options.rounds, "flops_per_token": COUNT} | rows(found, counts)
        )
    )


def _answer(worker: Any) -> Any:
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"a case failed; run it alone to see why: {' '.join(map(str, worker.args))}")
    return json.loads(line)


def rows(found: dict[str, list[Any]], counts: dict[str, int]) -> dict[str, Any]:
    """Medians of each case, and how far ours is ahead of the best peer of each data type."""
    best = {  # operations a wall second and a processor second
        data_type: [statistics.median(line[2][kind] for line in found[f"product {data_type} best"]) for kind in (0, 1)]
        for data_type in dict.fromkeys(CASES[name][1] for name in found)
    }
    cases: dict[str, Any] = {}
    for name, lines in found.items():
        side, data_type, _ = CASES[name]
        if side == "product":
            continue
        wall, used = (ROWS * TOKENS / statistics.median(line[kind] for line in lines) for kind in (0, 1))
        cases[name] = {
            "tokens_per_second": round(wall),
            "tokens_per_processor_second": round(used),
            "mfu": round(wall * COUNT / best[data_type][0], 3),
            "mfu_by_processor_time": round(used * COUNT / best[data_type][1], 3),
            "own_flops_per_token": counts[name],
            "as_shipped": name in AS_SHIPPED,
        }
    return {
        "product_gflops": {name: [round(rate / 1e9) for rate in rates] for name, rates in best.items()},
        "cases": cases,
        "lead": {f"{each} {how}": _lead(cases, each, how) for each in best for how in ("adamw", "muon", "eager")},
    }


def _lead(cases: dict[str, Any], data_type: str, how: str) -> dict[str, float] | None:
    """Ours over the best peer that learns (Muon) or runs (eager) in the same way: wall, processor."""

    def rates(name: str) -> tuple[float, float]:
        return cases[name]["tokens_per_second"], cases[name]["tokens_per_processor_second"]

    ours = {"adamw": "adamw", "muon": "muon", "eager": "adamw eager"}[how]
    name = f"lmworks {data_type} {ours}"
    peers = [
        rates(other)
        for other in cases
        if f" {data_type} " in other
        and not other.startswith("lmworks")
        and ("nanochat" in other) == (how == "muon")
        and (how != "eager" or other.endswith("eager"))
    ]
    if name not in cases or not peers:
        return None
    pairs = zip(("wall", "processor"), rates(name), zip(*peers, strict=True), strict=True)
    return {kind: round(own / max(others), 3) for kind, own, others in pairs}


if __name__ == "__main__":
    main()
