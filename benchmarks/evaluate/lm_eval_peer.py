"""LM Evaluation Harness, asked by the scripts beside this one: run by the Python of an environment that has it.

    PYTHON lm_eval_peer.py MODEL THREADS

Each line of standard input is a request in JSON, and is answered by one: `task` runs a task of its own on a local file
and gives the log-likelihood of every request of every document; `pairs` times the scoring of (context, continuation).
Only its `hf` model is asked, in float32, on the processor.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what the harness prints is no answer
for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[name] = "1"


def main() -> None:
    import lm_eval
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    folder, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    lm = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=1)
    whole = lm.max_length

    def task(asked: dict[str, Any]) -> dict[str, Any]:
        lm._max_length = asked.get("max_length", whole)
        with tempfile.TemporaryDirectory() as scratch:
            rows = Path(scratch, "rows.jsonl")
            rows.write_text("".join(json.dumps(row) + "\n" for row in asked["rows"]), "utf-8")
            config = {
                "task": "measured",
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": str(rows)}, "cache_dir": scratch},
                "test_split": "test",
                **asked["config"],
            }
            Path(scratch, "measured.yaml").write_text(json.dumps(config), "utf-8")
            found = lm_eval.simple_evaluate(
                model=lm,
                tasks=["measured"],
                task_manager=TaskManager(include_path=scratch, include_defaults=False),
                num_fewshot=0,
                bootstrap_iters=0,
                log_samples=True,
            )
        samples = sorted(found["samples"]["measured"], key=lambda sample: sample["doc_id"])
        return {"scores": [[_score(each[0]) for each in sample["resps"]] for sample in samples]}

    def pairs(asked: dict[str, Any]) -> dict[str, Any]:
        lm._max_length = whole
        lm.batch_size_per_gpu, lm.batch_sizes, lm.batch_schedule = asked["batch"], {}, 1
        requests = [
            Instance(request_type="loglikelihood", doc={}, arguments=tuple(each), idx=0) for each in asked["pairs"]
        ]
        start, used = time.perf_counter(), time.process_time()
        found = lm.loglikelihood(requests, disable_tqdm=True)
        seconds, used = time.perf_counter() - start, time.process_time() - used
        return {"seconds": seconds, "used": used, "scores": [score for score, _ in found]}

    print(json.dumps({"version": lm_eval.__version__}), file=ANSWERS)
    for line in sys.stdin:
        asked = json.loads(line)
        lm.batch_size_per_gpu = asked["batch"]
        print(json.dumps({"task": task, "pairs": pairs}[asked["do"]](asked)), file=ANSWERS)


def _score(answer: Any) -> float:
    """Of (log-likelihood, whether greedy), or of a log-likelihood alone."""
    return float(answer[0] if isinstance(answer, (list, tuple)) else answer)


if __name__ == "__main__":
    main()
