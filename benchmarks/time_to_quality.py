"""Bits per byte on held-out services after a pretraining of fixed wall time: one JSON line.

    python benchmarks/time_to_quality.py DATA [--part validation] [--steps 400] [field=value ...]

DATA holds `corpus` and `split/{validation,test}` as the quickstart's data steps write them. The wall time includes the
compiler's. Settings not given are the quickstart's.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from lmworks.data.documents import Documents
from lmworks.evaluate.tasks.perplexity import PerplexityConfig, evaluate_perplexity
from lmworks.model.folder import ModelFolder
from lmworks.tokens.bpe import BpeConfig, bpe
from lmworks.tokens.pack import PackDocumentsConfig, pack_documents
from lmworks.tokens.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.config import CausalLMConfig
from lmworks.train.train import train
from support import make_context

QUICKSTART = {"hidden_size": 256, "num_layers": 3, "data_type": "bfloat16", "compile": True}


def main() -> None:
    """Tokenize, train, evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="validation", choices=("validation", "test"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("settings", nargs="*", metavar="field=value")
    options = parser.parse_intermixed_args()
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


if __name__ == "__main__":
    main()
