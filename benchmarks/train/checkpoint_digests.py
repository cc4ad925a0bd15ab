"""What the digests of a checkpoint cost beside writing and reading it: one JSON line.

    python benchmarks/train/checkpoint_digests.py [--rounds 3] [--layers 30] [--folder .]

Weights of SmolLM2-135M's shape in float32, with AdamW's two moments: 272 tensors each, 1.6 GB a checkpoint. In each
round, in turn: the copy that a step waits for (`safetensors.torch.save`), the digests by each algorithm, what stands in
for them (writing the file and having it on the disk), reading it back without and with a look at the digests.
`xxhash` and `blake3` are measured where they are installed. Medians of all rounds, of wall time and of processor time:
digests are made by the thread that writes, beside the training, so that it is processor time that they take from it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import statistics
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from lmworks.model import sealed
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.work.process import processor_name

VOCABULARY, WIDTH, LAYERS, INNER, KEYS = 49_152, 576, 30, 1_536, 192
BLOCK: dict[str, tuple[int, ...]] = {
    **{"q_proj": (WIDTH, WIDTH), "k_proj": (KEYS, WIDTH), "v_proj": (KEYS, WIDTH), "o_proj": (WIDTH, WIDTH)},
    **{"gate_proj": (INNER, WIDTH), "up_proj": (INNER, WIDTH), "down_proj": (WIDTH, INNER)},
    **{"input_layernorm": (WIDTH,), "post_attention_layernorm": (WIDTH,)},
}


def algorithms() -> dict[str, Callable[[bytes], Any]]:
    """What could stand for the sha256 of each tensor."""
    found: dict[str, Callable[[bytes], Any]] = {
        "sha256": lambda content: list(sealed.with_digests(content)),
        "blake2b": lambda content: hashlib.blake2b(content).digest(),
        "crc32": zlib.crc32,
    }
    for package, name in (("xxhash", "xxh3_128_digest"), ("blake3", "blake3")):
        try:
            found[name] = getattr(importlib.import_module(package), name)
        except ImportError:
            continue
    return found


def main() -> None:
    """Measure in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=LAYERS, help="fewer make a smaller checkpoint")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to write to")
    options = parser.parse_args()
    shapes = {"embed_tokens": (VOCABULARY, WIDTH), "norm": (WIDTH,)}
    shapes |= {f"layers.{layer}.{name}": shape for layer in range(options.layers) for name, shape in BLOCK.items()}
    kinds = ("model", "mean", "square")
    tensors = {f"{kind}.{name}": torch.randn(shape) for kind in kinds for name, shape in shapes.items()}
    wall, processor = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)

    def take(stored: dict[str, torch.Tensor]) -> None:
        for name, tensor in stored.items():
            tensors[name].copy_(tensor)

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began, busy = time.perf_counter(), time.process_time()
        result = work()
        wall[name].append(time.perf_counter() - began)
        processor[name].append(time.process_time() - busy)
        return result

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "step-000050.safetensors"
        for _ in range(options.rounds):
            content: bytes = timed("copy", partial(save, tensors))
            for name, algorithm in algorithms().items():
                timed(f"digest {name}", partial(algorithm, content))
            timed("write", partial(write_atomically, path, content))
            write_atomically(path, sealed.with_digests(content))
            timed("read", lambda: take(load_file(path)))
            timed("read and check", lambda: take(sealed.load_tensors(path)))
    record = {
        "gigabytes": round(len(content) / 1e9, 3),
        "tensors": len(tensors),
        "wall_seconds": {name: round(statistics.median(times), 2) for name, times in wall.items()},
        "processor_seconds": {name: round(statistics.median(times), 2) for name, times in processor.items()},
        "processor": processor_name(),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
