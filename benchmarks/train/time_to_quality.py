"""Loss on text held out, against the time that training takes: one JSON line.

    python benchmarks/train/time_to_quality.py characters --data DIR --nanogpt DIR [--seeds 3] [--threads 2] [--whole]
    python benchmarks/train/time_to_quality.py quickstart DATA [--part validation] [--steps 400] [field=value ...]

`characters`: text by character in windows of 64, beside nanoGPT's configuration for processors as its README gives it
(four layers of width 128, 2,000 iterations of 12 windows, no compiler), run by its own train.py from a clone. DIR holds
either `input.txt` (tiny Shakespeare: the first 90 % train, the rest tests) or `wiki.valid.raw` and `wiki.test.raw`
(WikiText-2: the first trains, the second tests). The test part is read once by each model, whole, in windows that do
not overlap. Ours goes through the trainer for so many steps as a probe says fill a quarter of nanoGPT's time (a third
on WikiText-2), with `--whole` all of it besides; start and finish of the trainer count, the probe does not. The
interval of a difference is Student's over seeds. SETTINGS were chosen on the last ninth of tiny Shakespeare's train.

`quickstart`: bits per byte on held-out services. DATA holds `corpus` and `split/{validation,test}` as the quickstart's
data steps write them. The time includes the compiler's. Settings not given are the quickstart's.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle  # the form in which nanoGPT asks for the size of its vocabulary; written only
import resource
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from lmworks.evaluate.statistics import student95
from lmworks.train.config import CausalLMConfig
from support import make_context

QUICKSTART = {"hidden_size": 256, "num_layers": 3, "data_type": "bfloat16", "compile": True}
WINDOW = 64
README = (
    *("config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1"),
    *("--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000"),
    *("--lr_decay_iters=2000", "--dropout=0.0"),
)
SETTINGS: dict[str, Any] = {
    **{"hidden_size": 128, "num_layers": 4, "num_heads": 2, "num_key_value_heads": 2, "intermediate_size": 384},
    **{"global_batch_tokens": 2048, "micro_batch_rows": 32, "data_type": "bfloat16", "compile": False},
}
"""Everything else is a default of causal-lm."""


# --- characters ------------------------------------------------------------------------------------------------------


def texts(data: Path, part: str) -> tuple[str, str]:
    """Train and test; with part `tuning` the end of train stands in for test."""
    if (data / "input.txt").exists():
        whole = (data / "input.txt").read_text()
        train, test = whole[: len(whole) * 9 // 10], whole[len(whole) * 9 // 10 :]
    else:
        train, test = ((data / f"wiki.{name}.raw").read_text() for name in ("valid", "test"))
    return (train, test) if part == "test" else (train[: len(train) * 8 // 9], train[len(train) * 8 // 9 :])


def loss_on(ids: np.ndarray[Any, Any], logits: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """Mean −ln p of every character but the first, in windows that do not overlap."""
    rows = (len(ids) - 1) // WINDOW
    total = count = 0.0
    cuts = [(ids[: rows * WINDOW].reshape(rows, -1), ids[1 : rows * WINDOW + 1].reshape(rows, -1))]
    cuts += [(ids[None, rows * WINDOW : -1], ids[None, rows * WINDOW + 1 :])]
    for inputs, targets in cuts:
        for start in range(0, len(inputs) if inputs.size else 0, 256):
            x, y = (torch.from_numpy(each[start : start + 256].astype(np.int64)) for each in (inputs, targets))
            with torch.no_grad():
                total += float(torch.nn.functional.cross_entropy(logits(x).flatten(0, 1), y.flatten(), reduction="sum"))
            count += y.numel()
    return total / count


def nanogpt(options: argparse.Namespace, seed: int) -> dict[str, float]:
    """Its train.py as it ships; its model is then read from the finished script."""
    train, test = texts(options.data, options.part)
    letters = {letter: number for number, letter in enumerate(sorted(set(train + test)))}
    numbers = [np.array([letters[letter] for letter in text], np.uint16) for text in (train, test)]
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "nanoGPT"
        shutil.copytree(options.nanogpt, clone, ignore=shutil.ignore_patterns(".git"))
        folder = clone / "data" / "shakespeare_char"
        for part, ids in zip(("train", "val"), numbers, strict=True):
            ids.tofile(folder / f"{part}.bin")
        (folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(letters)}))
        source = (clone / "train.py").read_text()
        (clone / "train.py").write_text(source.replace("manual_seed(1337", f"manual_seed({1337 + seed}"))
        os.chdir(clone)
        sys.path.insert(0, str(clone))
        sys.argv = ["train.py", *README, *options.more]
        began, used = time.perf_counter(), time.process_time()
        finished = runpy.run_path("train.py")
        seconds, used = time.perf_counter() - began, time.process_time() - used
        os.chdir("/")
    model = finished["model"].eval()

    def logits(x: torch.Tensor) -> torch.Tensor:
        every: torch.Tensor = model(x, x)[0]
        return every

    return {"seconds": seconds, "processor_seconds": used, "loss": loss_on(numbers[1], logits)}


def ours(options: argparse.Namespace, seed: int) -> dict[str, float]:
    """Characters by our tokenizer (its 256 bytes and three special ids are in the softmax as well), our trainer."""
    from lmworks.model.folder import load_model
    from lmworks.tokens.character import CharacterConfig
    from lmworks.tokens.learn import TOKENIZER_CONFIG
    from lmworks.tokens.shards import Shards, write_rows
    from lmworks.tokens.tokenizer import TokenizerFolder
    from lmworks.train.decoder import TrainableDecoder
    from lmworks.train.objective import Batch
    from lmworks.train.train import Run, train

    train_text, test_text = texts(options.data, options.part)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = CharacterConfig(kind="character", documents="x", vocab_size=259 + len(set(train_text + test_text)))
        vocabulary.learn(lambda: [train_text + test_text]).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
        tokenizer = TokenizerFolder(folder, "")
        opened = tokenizer.open()
        ids, held_out = (np.array(opened.encode(text), np.uint16) for text in (train_text, test_text))
        rows = np.lib.stride_tricks.sliding_window_view(ids, WINDOW + 1)[::WINDOW]
        facts = {"rows": len(rows), "sequence_length": WINDOW, "trained_tokens": rows.size, "bytes_of_text": len(ids)}
        facts |= {"vocab_size": opened.vocab_size, "tokenizer_digest": opened.digest}
        write_rows(folder, [rows], [np.ones_like(rows)], [], **facts)
        fields = {
            **{"from": "scratch", "data": "x", "sequence_length": WINDOW, "threads": options.threads, "seed": seed},
            **{"steps": options.steps or 10**6, "checkpoint_steps": 10**6, **SETTINGS, **json.loads(options.fields)},
        }
        config = CausalLMConfig.model_validate(fields)
        shards = Shards(folder, "")
        if not options.steps:
            run = Run(
                config,
                None,
                shards,
                tokenizer,
                None,
                None,
                folder,
                make_context(folder / "probe"),
                bool(config.compile),
            )
            times = []
            for step in range(40):
                began = time.perf_counter()
                run.step(step)
                times.append(time.perf_counter() - began)
            steps = int((options.seconds - options.start_seconds) / statistics.fmean(times[10:]))
            config = CausalLMConfig.model_validate(fields | {"steps": max(1, steps)})
        began, used = time.perf_counter(), time.process_time()
        train(config, None, shards, tokenizer, None, None, out=folder / "model", context=make_context(folder / "run"))
        seconds, used = time.perf_counter() - began, time.process_time() - used
        model = TrainableDecoder(load_model(folder / "model"), end_of_text=opened.end_of_text_id, compiled=False)

        def logits(x: torch.Tensor) -> torch.Tensor:
            whole = torch.nn.functional.pad(x, (0, 1))  # inputs are all but the last
            return model.hidden(Batch(whole, torch.ones(whole.shape))) @ model.output_weight.T

        loss = loss_on(held_out, logits)
    return {"seconds": seconds, "processor_seconds": used, "loss": loss, "steps": int(config.steps)}


def alone(options: argparse.Namespace, side: str, seed: int, **more: float) -> dict[str, float]:
    """One run in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    flags = [part for name, value in more.items() for part in (f"--{name}", str(value))]
    for name in ("part", "fields"):
        flags += [f"--{name}", getattr(options, name)]
    folders = ["--data", str(options.data.resolve()), "--nanogpt", str(options.nanogpt.resolve())]
    command = [sys.executable, __file__, "characters", *folders, *flags]
    command += ["--side", side, "--seed", str(seed), "--threads", str(options.threads)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(side, seed, more, found, file=sys.stderr)
    return found


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Means, and every run."""
    return {name: round(statistics.fmean(run[name] for run in runs), 4) for name in runs[0]} | {"runs": runs}


def characters(options: argparse.Namespace) -> None:
    """nanoGPT, then ours in a part of its time, seed by seed."""
    if options.side:
        torch.set_num_threads(options.threads)
        print("\n" + json.dumps((nanogpt if options.side == "nanogpt" else ours)(options, options.seed)))
        return
    share = 0.25 if (options.data / "input.txt").exists() else 1 / 3
    theirs, own, long = [], [], []
    for seed in range(options.seeds):
        theirs.append(alone(options, "nanogpt", seed))
        own.append(alone(options, "ours", seed, seconds=share * theirs[-1]["seconds"]))
        if options.whole:
            long.append(alone(options, "ours", seed, seconds=theirs[-1]["seconds"]))
    less = [mine["loss"] - other["loss"] for mine, other in zip(own, theirs, strict=True)]
    reach = student95(len(less) - 1) * statistics.stdev(less) / len(less) ** 0.5 if len(less) > 1 else float("nan")
    record = {
        "data": options.data.name,
        "part": options.part,
        "threads": options.threads,
        "nanogpt": summary(theirs),
        f"ours in {share:.2f} of its time": summary(own),
        "share_of_time": round(sum(run["seconds"] for run in own) / sum(run["seconds"] for run in theirs), 3),
        "loss_less_nanogpt": round(statistics.fmean(less), 4),
        "interval": [round(statistics.fmean(less) + side * reach, 4) for side in (-1, 1)],
        **({"ours in all of its time": summary(long)} if long else {}),
    }
    print(json.dumps(record))


# --- quickstart ------------------------------------------------------------------------------------------------------


def quickstart(options: argparse.Namespace) -> None:
    """Tokenize, train, evaluate."""
    from lmworks.data.documents import Documents
    from lmworks.evaluate.tasks.perplexity import PerplexityConfig, evaluate_perplexity
    from lmworks.model.folder import ModelFolder
    from lmworks.tokens.bpe import BpeConfig, bpe
    from lmworks.tokens.pack import PackDocumentsConfig, pack_documents
    from lmworks.tokens.shards import Shards
    from lmworks.tokens.tokenizer import TokenizerFolder
    from lmworks.train.train import train

    settings = dict(setting.split("=", 1) for setting in options.settings)
    fields = {
        "from": "scratch",
        "data": "corpus",
        "threads": torch.get_num_threads(),
        "steps": options.steps,
        **QUICKSTART,
    }
    config = CausalLMConfig.model_validate({**fields, **{name: json.loads(value) for name, value in settings.items()}})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus, held_out = Documents(options.data / "corpus", ""), Documents(options.data / "split" / options.part, "")
        tokenizer = TokenizerFolder(folder / "tokenizer", "")
        bpe(BpeConfig(documents="x", vocab_size=options.vocab_size), corpus, tokenizer.path, make_context(folder / "a"))
        packing = PackDocumentsConfig(documents="x", sequence_length=config.sequence_length)
        pack_documents(packing, corpus, tokenizer, folder / "rows", make_context(folder / "b"))
        began, used = time.perf_counter(), time.process_time()
        rows, model = Shards(folder / "rows", ""), folder / "model"
        result = train(config, None, rows, tokenizer, None, None, out=model, context=make_context(folder / "c"))
        seconds, used = time.perf_counter() - began, time.process_time() - used
        scored = evaluate_perplexity(
            PerplexityConfig(data="x"),
            ModelFolder(model, ""),
            held_out,
            None,
            folder / "scores",
            make_context(folder / "d"),
        )
    print(
        json.dumps(
            {
                "part": options.part,
                **{figure.name: round(figure.value, 4) for figure in scored.figures},
                "context_length": scored.figures[0].context_length,
                "stride": scored.figures[0].stride,
                "documents": scored.figures[0].n,
                "training_seconds": round(seconds, 1),
                "training_cpu_seconds": round(used, 1),
                "first_step_seconds": round(result.measured["first_step_seconds"], 1),
                "tokens_per_second": round(result.measured["tokens_per_second"]),
                **{name: result.counts[name] for name in ("parameters", "steps", "tokens")},
                "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "settings": settings,
            }
        )
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(required=True)
    by_letter = modes.add_parser("characters")
    by_letter.set_defaults(run=characters)
    by_letter.add_argument("--data", type=Path, required=True)
    by_letter.add_argument("--nanogpt", type=Path, required=True)
    by_letter.add_argument("--seeds", type=int, default=3)
    by_letter.add_argument("--threads", type=int, default=2)
    by_letter.add_argument("--whole", action="store_true", help="ours in all of nanoGPT's time besides")
    by_letter.add_argument("--part", choices=("test", "tuning"), default="test", help="tuning: the end of train")
    by_letter.add_argument("--fields", default="{}", help="further fields of our config as JSON, for trials")
    by_letter.add_argument("--start-seconds", type=float, default=1.0, help="of the trainer, besides its steps")
    for name, kind in (("side", str), ("seed", int), ("steps", int), ("seconds", float)):  # of a single run
        by_letter.add_argument(f"--{name}", type=kind)
    by_letter.add_argument("more", nargs="*", help=argparse.SUPPRESS)
    by_service = modes.add_parser("quickstart")
    by_service.set_defaults(run=quickstart)
    by_service.add_argument("data", type=Path)
    by_service.add_argument("--part", default="validation", choices=("validation", "test"))
    by_service.add_argument("--steps", type=int, default=400)
    by_service.add_argument("--vocab-size", type=int, default=4096)
    by_service.add_argument("settings", nargs="*", metavar="field=value")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
