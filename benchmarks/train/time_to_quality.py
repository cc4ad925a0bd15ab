"""Loss on text held out, against the time that training takes: one JSON line.

    python benchmarks/train/time_to_quality.py characters --data DIR --nanogpt DIR [--threads 1] [--whole]
    python benchmarks/train/time_to_quality.py quickstart --data DIR --nanochat DIR [--threads 1] [--seconds 300]

Of one thread the clock is processor time, that of compilers and all that a trainer does at its start and finish
included; of several it is wall time. Ours takes as many steps as a short run before says will fill the time. Intervals
are Student's over seeds. `--side NAME --seed N` with `--part` and `--fields` is a single run, for trials.

`characters`: text by character in windows of 64, beside nanoGPT's configuration for processors as its README gives it
(four layers of width 128, 2,000 iterations of 12 windows, no compiler), run by its own train.py from a clone. DIR holds
either `input.txt` (tiny Shakespeare: the first 90 % train, the rest tests) or `wiki.valid.raw` and `wiki.test.raw`
(WikiText-2: the first trains, the second tests). The test part is read once by each model, whole, in windows that do
not overlap. Ours has a quarter of nanoGPT's time (a third on WikiText-2), with `--whole` all of it besides. SETTINGS
were chosen on the last ninth of tiny Shakespeare's train.

`quickstart`: bits per byte of whole documents of services held out, beside nanochat and `transformers.Trainer`
(quality_peers.py), which get our tokenizer and are scored by our evaluation. DIR holds `corpus` and
`split/{validation,test}` as the quickstart's data steps write them. Each side's settings are the best of three that
were tried on `validation` (TRIED). None compiles: on one thread that takes 37 (transformers) to 83 seconds (nanochat),
which the faster steps only just win back in five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle  # the form in which nanoGPT asks for the size of its vocabulary; written only
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from lmworks.pipeline.statistics import student
from lmworks.train.configs.language_model import CausalLMConfig
from support import Quiet, make_context

WINDOW = 64
README = (
    *("config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1"),
    *("--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000"),
    *("--lr_decay_iters=2000", "--dropout=0.0"),
)
SETTINGS: dict[str, Any] = {
    **{"hidden_size": 128, "num_layers": 3, "num_heads": 2, "num_key_value_heads": 2, "intermediate_size": 384},
    **{"global_batch_tokens": 2048, "micro_batch_rows": 32, "data_type": "bfloat16", "compile": False},
}
"""Everything else is a default of causal-lm."""
STRIDE = 16
"""Characters between the beginnings of our training windows, so that a character is met at several positions, as in
nanoGPT's random windows."""
PROBE_STEPS = 40
MARGIN = 0.96
"""Share of the time that is planned for."""
DOCUMENT_WINDOW = 512
DOCUMENT_SETTINGS: dict[str, dict[str, Any]] = {
    "ours": {"hidden_size": 256, "num_layers": 2, "data_type": "bfloat16", "compile": False},
    "nanochat": {
        **{"layers": 3, "width": 256, "heads": 4, "batch": 4, "micro_batch": 4},
        **{"rates": 1.0, "compile": False},
    },
    "transformers": {
        **{"layers": 3, "width": 256, "heads": 4, "intermediate": 704, "batch": 2, "micro_batch": 2},
        **{"rate": 0.002, "compile": False},
    },
}
TRIED = {
    "ours": {"num_layers 3": 1.328, "num_layers 3, global_batch_tokens 1024": 1.335, "as chosen": 1.298},
    "nanochat": {"rates 0.3": 1.608, "as chosen": 1.523, "batch 2": 1.524},
    "transformers": {"batch 4, rate 0.003": 1.844, "batch 4, rate 0.006": 1.897, "as chosen": 1.726},
}
"""Bits per byte of 200 documents of `validation` after a minute of one thread."""


def clock(threads: int) -> float:
    """Processor seconds of this process and its finished children, compilers among them; of several threads, wall."""
    return sum(os.times()[:4]) if threads == 1 else time.perf_counter()


class Clocked(Quiet):
    """Notes the time after every step."""

    def __init__(self, threads: int) -> None:
        self.threads, self.times = threads, list[float]()

    def update(self, done: float, **values: float | str) -> None:
        self.times.append(clock(self.threads))

    @property
    def step_seconds(self) -> float:
        """Of a step but the first, which may compile."""
        return (self.times[-1] - self.times[0]) / max(1, len(self.times) - 1)


def steps_within(seconds: float, probe: dict[str, float]) -> int:
    """Steps that fill the time, from a run of some whose start and finish count, too."""
    beside = probe["seconds"] - probe["steps"] * probe["step_seconds"]
    return max(1, int((seconds * MARGIN - beside) / probe["step_seconds"]))


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


def nanogpt(options: argparse.Namespace) -> dict[str, float]:
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
        (clone / "train.py").write_text(source.replace("manual_seed(1337", f"manual_seed({1337 + options.seed}"))
        os.chdir(clone)
        sys.path.insert(0, str(clone))
        sys.argv = ["train.py", *README]
        wall, began = time.perf_counter(), clock(options.threads)
        finished = runpy.run_path("train.py")
        seconds, wall = clock(options.threads) - began, time.perf_counter() - wall
        os.chdir("/")
    model = finished["model"].eval()

    def logits(x: torch.Tensor) -> torch.Tensor:
        every: torch.Tensor = model(x, x)[0]
        return every

    return {"seconds": seconds, "wall_seconds": wall, "loss": loss_on(numbers[1], logits)}


def ours(options: argparse.Namespace) -> dict[str, float]:
    """Characters by our tokenizer (its 256 bytes and three special ids are in the softmax as well), our trainer."""
    from lmworks.model.folder import load_model
    from lmworks.tokens.kinds.character import CharacterConfig
    from lmworks.tokens.kinds.learn import TOKENIZER_CONFIG
    from lmworks.tokens.rows.shards import Shards, write_rows
    from lmworks.tokens.tokenizer import TokenizerFolder
    from lmworks.train.contract import Batch
    from lmworks.train.families.decoder import TrainableDecoder
    from lmworks.train.loop.train import train

    train_text, test_text = texts(options.data, options.part)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = CharacterConfig(kind="character", documents="x", vocab_size=259 + len(set(train_text + test_text)))
        vocabulary.learn(lambda: [train_text + test_text]).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
        tokenizer = TokenizerFolder(folder, "")
        opened = tokenizer.open()
        ids, held_out = (np.array(opened.encode(text), np.uint16) for text in (train_text, test_text))
        rows = np.lib.stride_tricks.sliding_window_view(ids, WINDOW + 1)[::STRIDE]
        facts = {"rows": len(rows), "sequence_length": WINDOW, "trained_tokens": rows.size, "bytes_of_text": len(ids)}
        facts |= {"vocab_size": opened.vocab_size, "tokenizer_digest": opened.digest}
        write_rows(folder, [rows], [np.ones_like(rows)], [], **facts)
        fields = {
            **{"from": "scratch", "data": "x", "sequence_length": WINDOW, "threads": options.threads},
            **{"seed": options.seed, "steps": options.steps, "checkpoint_steps": 10**6},
        }
        config = CausalLMConfig.model_validate({**fields, **SETTINGS, **json.loads(options.fields)})
        wall, began = time.perf_counter(), clock(options.threads)
        steps = Clocked(options.threads)
        context = replace(make_context(folder / "run"), progress=steps)
        train(config, None, Shards(folder, ""), tokenizer, None, None, out=folder / "model", context=context)
        seconds, wall = clock(options.threads) - began, time.perf_counter() - wall
        model = TrainableDecoder(load_model(folder / "model"), end_of_text=opened.end_of_text_id, compiled=False)

        def logits(x: torch.Tensor) -> torch.Tensor:
            whole = torch.nn.functional.pad(x, (0, 1))  # inputs are all but the last
            return model.hidden(Batch(whole, torch.ones(whole.shape))) @ model.output_weight.T

        loss = loss_on(held_out, logits)
    found = {"seconds": seconds, "wall_seconds": wall, "loss": loss}
    return {**found, "steps": options.steps, "step_seconds": steps.step_seconds}


def alone(options: argparse.Namespace, mode: str, side: str, seed: int, **more: Any) -> dict[str, float]:
    """One run in a process of its own."""
    given = {**vars(options), **more, "side": side, "seed": seed}
    flags = [
        part
        for name in (
            *("data", "nanogpt", "nanochat", "prepared", "part", "fields", "side", "seed", "threads", "steps"),
            *("seconds", "documents"),
        )
        if given.get(name) is not None
        for part in (f"--{name}", str(given[name]))
    ]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    command = [sys.executable, __file__, mode, *flags]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(side, seed, more, found, file=sys.stderr)
    return found


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Means, and every run."""
    return {name: round(statistics.fmean(run[name] for run in runs), 4) for name in runs[0]} | {"runs": runs}


def less(differences: list[float]) -> dict[str, Any]:
    """Their mean and Student's interval over seeds."""
    mean, count = statistics.fmean(differences), len(differences)
    reach = student(count - 1) * statistics.stdev(differences) / count**0.5 if count > 1 else float("nan")
    return {"mean": round(mean, 4), "interval": [round(mean + side * reach, 4) for side in (-1, 1)]}


def characters(options: argparse.Namespace) -> None:
    """nanoGPT, then ours in a part of its time, seed by seed."""
    if options.side:
        torch.set_num_threads(options.threads)
        print("\n" + json.dumps((nanogpt if options.side == "nanogpt" else ours)(options)))
        return
    share = 0.25 if (options.data / "input.txt").exists() else 1 / 3
    probe = alone(options, "characters", "ours", 0, steps=PROBE_STEPS, part="tuning")
    theirs, own, long = [], [], []
    for seed in options.seeds:
        theirs.append(alone(options, "characters", "nanogpt", seed))
        seconds = theirs[-1]["seconds"]
        own.append(alone(options, "characters", "ours", seed, steps=steps_within(share * seconds, probe)))
        if options.whole:
            long.append(alone(options, "characters", "ours", seed, steps=steps_within(seconds, probe)))
    record = {
        **{"data": options.data.name, "part": options.part, "threads": options.threads},
        "nanogpt": summary(theirs),
        f"ours in {share:.2f} of its time": summary(own),
        "shares_of_time": [round(run["seconds"] / other["seconds"], 4) for run, other in zip(own, theirs, strict=True)],
        "loss_less_nanogpt": less([mine["loss"] - other["loss"] for mine, other in zip(own, theirs, strict=True)]),
        **({"ours in all of its time": summary(long)} if long else {}),
        "settings": SETTINGS,
    }
    print(json.dumps(record))


# --- quickstart ------------------------------------------------------------------------------------------------------


def prepare(options: argparse.Namespace, folder: Path) -> None:
    """Tokenizer and rows of the corpus, which all sides share."""
    from lmworks.data.shards.records import Documents
    from lmworks.tokens.kinds.bpe import BpeConfig, bpe
    from lmworks.tokens.rows.pack import PackDocumentsConfig, pack_documents
    from lmworks.tokens.tokenizer import TokenizerFolder

    corpus, tokenizer = Documents(options.data / "corpus", ""), TokenizerFolder(folder / "tokenizer", "")
    bpe(BpeConfig(documents="x", vocab_size=4096), corpus, tokenizer.path, make_context(folder / "a"))
    packing = PackDocumentsConfig(documents="x", sequence_length=DOCUMENT_WINDOW)
    pack_documents(packing, corpus, tokenizer, folder / "rows", make_context(folder / "b"))


def document_side(options: argparse.Namespace) -> dict[str, float]:
    """Train one side until its time is used, and score it on whole documents."""
    from quality_peers import nanochat, trainer, with_tokenizer

    from lmworks.data.shards.records import Documents
    from lmworks.engines.open import open_decoder
    from lmworks.evaluate.items import BITS_PER_BYTE
    from lmworks.evaluate.tasks.perplexity import PerplexityConfig, _score, windows
    from lmworks.tokens.rows.shards import Shards
    from lmworks.tokens.tokenizer import TokenizerFolder
    from lmworks.train.loop.train import train

    shared, side = options.prepared, options.side
    settings = DOCUMENT_SETTINGS[side] | json.loads(options.fields)
    rows, tokenizer = Shards(shared / "rows", ""), TokenizerFolder(shared / "tokenizer", "")
    opened, corpus = tokenizer.open(), Documents(options.data / "corpus", "")
    with tempfile.TemporaryDirectory() as name:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = name + "/compiled"  # what was compiled for another run costs anew
        model = Path(name) / "model"
        texts = [document.text for document in corpus.iterate()] if side == "nanochat" else []
        wall, began = time.perf_counter(), clock(options.threads)

        def progress() -> float:
            return (clock(options.threads) - began) / options.seconds

        engine: Any = None
        if side == "ours":
            fields = {"from": "scratch", "data": "x", "threads": options.threads, "seed": options.seed}
            config = CausalLMConfig.model_validate({**fields, "steps": options.steps, **settings})
            steps = Clocked(options.threads)
            context = replace(make_context(Path(name) / "c"), progress=steps)
            result = train(config, None, rows, tokenizer, None, None, out=model, context=context)
            found = {count: result.counts[count] for count in ("steps", "parameters")}
            found["step_seconds"] = steps.step_seconds
        elif side == "nanochat":
            arguments = (settings, options.seed, DOCUMENT_WINDOW, texts, opened, options.nanochat.resolve())
            engine, found = nanochat(*arguments, progress)
        else:
            found = trainer(settings, options.seed, rows.open().tokens, model, opened.vocab_size, progress)
            with_tokenizer(model, tokenizer.path)
        used, wall = clock(options.threads) - began, time.perf_counter() - wall
        engine = engine or open_decoder(model, "bfloat16")
        documents = list(Documents(options.data / "split" / options.part, "").iterate())[: options.documents]
        before, stride = (engine.tokenizer.beginning_id,), DOCUMENT_WINDOW * 3 // 4
        cut = partial(windows, context=DOCUMENT_WINDOW, stride=stride)
        items = _score(PerplexityConfig(data="split"), engine, documents, before, cut)
    bits = BITS_PER_BYTE.figure(items, "whole documents").value
    return {"bits_per_byte": bits, "seconds": used, "wall_seconds": wall, "documents": len(documents), **found}


def quickstart(options: argparse.Namespace) -> None:
    """Each side with each seed in as many seconds; ours takes the steps that a shorter run says will fill them."""
    if options.side:
        torch.set_num_threads(options.threads)
        print("\n" + json.dumps(document_side(options)))
        return
    with tempfile.TemporaryDirectory() as name:
        options.prepared = options.prepared or Path(name)
        if not (options.prepared / "rows").exists():
            prepare(options, options.prepared)
        probe = alone(options, "quickstart", "ours", 0, steps=PROBE_STEPS, part="validation", documents=1)
        found: dict[str, list[dict[str, float]]] = {side: [] for side in DOCUMENT_SETTINGS}
        steps = steps_within(options.seconds, probe)
        for seed in options.seeds:
            for side, runs in found.items():
                runs.append(alone(options, "quickstart", side, seed, seconds=options.seconds, steps=steps))
    ours = [run["bits_per_byte"] for run in found["ours"]]
    record = {
        **{"part": options.part, "threads": options.threads, "seconds": options.seconds},
        **{side: summary(runs) for side, runs in found.items()},
        "less_than": {
            side: less([mine / run["bits_per_byte"] - 1 for mine, run in zip(ours, runs, strict=True)])
            for side, runs in found.items()
            if side != "ours"
        },
        "settings": DOCUMENT_SETTINGS,
        "tried": TRIED,
    }
    print(json.dumps(record))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(required=True)
    by_letter, by_service = modes.add_parser("characters"), modes.add_parser("quickstart")
    by_letter.set_defaults(run=characters)
    by_letter.add_argument("--nanogpt", type=Path, required=True)
    by_letter.add_argument("--whole", action="store_true", help="ours in all of nanoGPT's time besides")
    by_letter.add_argument("--part", choices=("test", "tuning"), default="test", help="tuning: the end of train")
    by_service.set_defaults(run=quickstart)
    by_service.add_argument("--nanochat", type=Path, required=True)
    by_service.add_argument("--part", choices=("test", "validation"), default="test")
    by_service.add_argument("--seconds", type=float, default=300.0)
    by_service.add_argument("--prepared", type=Path, help="where tokenizer and rows are, or are to be kept")
    by_service.add_argument("--documents", type=int, help="score so many only")
    for mode in (by_letter, by_service):
        mode.add_argument("--data", type=Path, required=True)
        mode.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
        mode.add_argument("--threads", type=int, default=2)
        mode.add_argument("--fields", default="{}", help="further settings of a side as JSON, for trials")
        mode.add_argument("--side", help="a single run, with its --seed and --steps")
        mode.add_argument("--seed", type=int, default=0)
        mode.add_argument("--steps", type=int)
    options = parser.parse_args()
    options.data = options.data.resolve()
    options.run(options)


if __name__ == "__main__":
    main()
