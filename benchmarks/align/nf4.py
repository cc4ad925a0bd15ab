"""Matrices in NF4 beside those of bitsandbytes, QLoRA's own: codes, scales and numbers.

    python benchmarks/align/nf4.py [MODEL]

Needs `bitsandbytes` (measured: 0.50.2), which computes on a CPU, too. Of drawn matrices, or of those in the blocks of a
model folder: the shares of bytes and of numbers that are equal to theirs, the largest difference of a number over the
largest number, bits a weight, and the relative error (root of mean squares) here and of `q4_1`. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import bitsandbytes.functional as theirs
import torch

from lmworks.model.folder import load_model
from lmworks.model.quantised import FORMS


def matrices() -> Iterator[torch.Tensor]:
    """Of the model that is named, else drawn."""
    if len(sys.argv) > 1:
        yield from (weight.data for name, weight in load_model(Path(sys.argv[1])).named_parameters() if "_proj" in name)
    else:
        torch.manual_seed(0)
        yield from (torch.randn(shape) * 0.1 for shape in ((1536, 576), (576, 1536), (100, 192)))


def main() -> None:
    """Compare and print."""
    sums = dict.fromkeys(("weights", "bytes", "numbers", "bits", "squares", "nf4", "q4_1"), 0.0)
    furthest = 0.0
    for matrix in matrices():
        codes, state = theirs.quantize_4bit(matrix, blocksize=64, quant_type="nf4", compress_statistics=True)
        expected = theirs.dequantize_4bit(codes, state)
        packed = FORMS["nf4"].pack(matrix)
        found = {form: FORMS[form].unpack(*FORMS[form].pack(matrix)) for form in FORMS}
        sums["weights"] += matrix.numel()
        sums["bytes"] += float((packed[0].flatten() == codes.flatten()).sum()) * 2
        sums["numbers"] += float((found["nf4"] == expected).sum())
        sums["bits"] += 8 * sum(part.nbytes for part in packed)
        sums["squares"] += float(matrix.square().sum())
        for form, numbers in found.items():
            sums[form] += float((numbers - matrix).square().sum())
        furthest = max(furthest, float((found["nf4"] - expected).abs().max() / expected.abs().max()))
    shares = {name: round(sums[name] / sums["weights"], 5) for name in ("bytes", "numbers", "bits")}
    errors = {f"{form}_error": round((sums[form] / sums["squares"]) ** 0.5, 4) for form in FORMS}
    print(json.dumps({"weights": int(sums["weights"]), **shares, "furthest": round(furthest, 5), **errors}))


if __name__ == "__main__":
    main()
