"""Attention of one new token a row on a processor: as torch does it, and as `engines/decoding/attention.py` asks it.

    python benchmarks/decode_attention.py [--threads 2]

One JSON line for each shape: milliseconds (median of 60) in float32 and in bfloat16 by
`scaled_dot_product_attention`, and in bfloat16 by `attention`; the largest error of both beside float64.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.engines.decoding.attention import attention

SHAPES = ((16, 9, 3, 700, 64), (1, 9, 3, 700, 64), (64, 9, 3, 1000, 64), (4, 32, 8, 1000, 128), (8, 12, 12, 700, 64))
"""Rows, heads, key-value heads, cached tokens, head size: of SmolLM2-135M, of Llama-3.1-8B, of GPT-2."""


def milliseconds(function: Callable[..., Tensor], *given: Tensor) -> float:
    function(*given)
    taken = []
    for _ in range(60):
        began = time.perf_counter()
        function(*given)
        taken.append(time.perf_counter() - began)
    return round(1e3 * statistics.median(taken), 3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    for rows, heads, shared, cached, size in SHAPES:
        q, k, v = (torch.randn(rows, h, t, size) for h, t in ((heads, 1), (shared, cached), (shared, cached)))
        mask = torch.ones(rows, 1, 1, cached, dtype=torch.bool)
        exact = torch_attention(q.double(), k.double(), v.double(), mask)
        found = {"shape": [rows, heads, shared, cached, size]}
        found["float32"] = milliseconds(torch_attention, q, k, v, mask)
        q, k, v = (part.bfloat16() for part in (q, k, v))
        for name, function in (("torch", torch_attention), ("attention", attention)):
            found[name] = milliseconds(function, q, k, v, mask)
            found[f"error of {name}"] = round((function(q, k, v, mask).double() - exact).abs().max().item(), 5)
        print(json.dumps(found), flush=True)


def torch_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)


if __name__ == "__main__":
    main()
