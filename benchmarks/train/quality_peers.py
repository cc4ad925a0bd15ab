"""Peers of time_to_quality.py on documents: each trains by its own loop until its time is used, then is scored as ours.

nanochat: its model, its MuonAdamW, its rows (documents packed to fit, each row begins with one) and the schedules and
scalings of its base_train.py, from a clone. `transformers`: its Trainer with a Llama on rows of joined documents, as
its run_clm.py has it. Both schedules run over the share of the time that is used instead of steps, so that no peer
loses any of it.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

Progress = Callable[[], float]
"""Share of the time that is used, from 0 to 1 and on."""
REFERENCE_BATCH = 2**19
"""Tokens a step for which nanochat's rates are stated; its base_train.py scales them by √(batch / this)."""


class NanochatEngine:
    """What the scoring of documents asks of an engine."""

    def __init__(self, model: Any, tokenizer: Any, context_length: int) -> None:
        self.model, self.tokenizer, self.context_length = model, tokenizer, context_length

    @torch.inference_mode()
    def log_likelihoods(self, sequences: Sequence[Sequence[int]], first: Sequence[int]) -> list[list[float]]:
        """Natural log p of each token from index `first[i]` of sequence i on."""
        found: list[list[float]] = [[] for _ in sequences]
        order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
        for start in range(0, len(order), 8):
            group = [index for index in order[start : start + 8] if len(sequences[index]) > first[index]]
            if not group:
                continue
            longest = max(len(sequences[index]) for index in group)
            tokens = torch.zeros(len(group), longest + 1, dtype=torch.long)  # its model reads two tokens at the least
            for row, index in enumerate(group):
                tokens[row, : len(sequences[index])] = torch.tensor(sequences[index])
            shares = self.model(tokens[:, :-1]).log_softmax(-1)
            each = shares.gather(-1, tokens[:, 1:, None])[..., 0]
            for row, index in enumerate(group):
                found[index] = each[row, first[index] - 1 : len(sequences[index]) - 1].tolist()
        return found


def nanochat(
    settings: dict[str, Any],
    seed: int,
    length: int,
    texts: list[str],
    tokenizer: Any,
    clone: Path,
    progress: Progress,
) -> tuple[NanochatEngine, dict[str, float]]:
    """`settings`: layers, width, heads, batch and micro_batch in rows, compile, and `rates`, which scales all rates."""
    os.environ["NANOCHAT_DTYPE"] = "bfloat16"
    sys.path.insert(0, str(clone))
    if not settings["compile"]:  # its optimizer asks for the compiler when it is imported
        torch.compile = lambda function=None, **_: function or (lambda wrapped: wrapped)  # type: ignore[assignment]
    import nanochat.dataloader as loader
    from nanochat.gpt import GPT, GPTConfig

    torch.manual_seed(seed)
    heads, width = settings["heads"], settings["width"]
    shape = GPTConfig(length, tokenizer.vocab_size, settings["layers"], heads, heads, width, window_pattern="L")
    model = GPT(shape)
    model.init_weights()
    scale = settings["rates"] or (settings["batch"] * length / REFERENCE_BATCH) ** 0.5
    counts = model.num_scaling_params()
    larger = (12 * 12 * 768**2 + tokenizer.vocab_size * 768) / (counts["transformer_matrices"] + counts["lm_head"])
    decay = 0.28 * settings["batch"] * length / REFERENCE_BATCH * larger / scale  # its rule, from its twelve layers
    optimizer = model.setup_optimizer(
        **{"unembedding_lr": 0.008 * scale, "embedding_lr": 0.3 * scale, "scalar_lr": 0.5 * scale},
        **{"matrix_lr": 0.02 * scale, "weight_decay": decay},
    )
    forward = torch.compile(model, dynamic=False) if settings["compile"] else model

    class Encoder:
        def get_bos_token_id(self) -> int:
            return int(tokenizer.end_of_text_id)

        def encode(self, batch: list[str], prepend: int, num_threads: int) -> list[list[int]]:
            return [[prepend, *ids] for ids in tokenizer.encode_batch(batch)]

    def batches(split: str, resumed: Any, size: int) -> Iterator[tuple[list[str], tuple[int, int, int]]]:
        draw = random.Random(seed)
        while True:
            order = draw.sample(texts, len(texts))
            for start in range(0, len(order), size):
                yield order[start : start + size], (0, 0, 0)

    loader._document_batches = batches
    rows = loader.tokenizing_distributed_data_loader_bos_bestfit(
        Encoder(), settings["micro_batch"], length, "train", device="cpu"
    )
    parts, steps = settings["batch"] // settings["micro_batch"], 0
    while (share := progress()) < 1:
        for _ in range(parts):
            x, y = next(rows)
            (forward(x, y) / parts).backward()
        falling = min(1.0, (1 - share) / 0.65)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * min((steps + 1) / 40, falling + (1 - falling) * 0.05)
            if group["kind"] == "muon":
                early = min(1.0, steps / 400)
                group["weight_decay"] = decay * (1 + math.cos(math.pi * share)) / 2
                group["momentum"] = (0.85 + early * 0.12) if falling == 1 or early < 1 else 0.9 + 0.07 * falling
        optimizer.step()
        model.zero_grad(set_to_none=True)
        steps += 1
    count = sum(parameter.numel() for parameter in model.parameters())
    return NanochatEngine(model.eval(), tokenizer, length), {"steps": steps, "parameters": count}


def trainer(
    settings: dict[str, Any], seed: int, rows: np.ndarray[Any, Any], folder: Path, vocab_size: int, progress: Progress
) -> dict[str, float]:
    """`settings`: layers, width, heads, intermediate, batch and micro_batch in rows, rate, compile. Writes `folder`."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.set_seed(seed)
    length = rows.shape[1] - 1
    shape = transformers.LlamaConfig(
        **{"vocab_size": vocab_size, "hidden_size": settings["width"], "intermediate_size": settings["intermediate"]},
        **{"num_hidden_layers": settings["layers"], "num_attention_heads": settings["heads"], "use_cache": False},
        **{"max_position_embeddings": length, "bos_token_id": 0, "eos_token_id": 0},
    )
    model = transformers.LlamaForCausalLM(shape)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = transformers.TrainingArguments(
            **{"output_dir": scratch, "max_steps": 10**6, "use_cpu": True, "bf16": True, "seed": seed},
            **{"per_device_train_batch_size": settings["micro_batch"], "report_to": [], "save_strategy": "no"},
            **{"gradient_accumulation_steps": settings["batch"] // settings["micro_batch"], "weight_decay": 0.1},
            **{"learning_rate": settings["rate"], "adam_beta2": 0.95, "optim": "adamw_torch_fused"},
            **{"torch_compile": settings["compile"], "disable_tqdm": True, "logging_strategy": "no"},
        )

        class Stop(transformers.TrainerCallback):
            def on_step_end(self, arguments: Any, state: Any, control: Any, **more: Any) -> None:
                control.should_training_stop = progress() >= 1

        class Data(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
            def __len__(self) -> int:
                return len(rows)

            def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
                row = torch.from_numpy(rows[index, :-1].astype(np.int64))
                return {"input_ids": row, "labels": row}

        class Timed(transformers.Trainer):
            def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
                def share(step: int) -> float:
                    used = min(1.0, progress())
                    return min(1.0, (step + 1) / 20) * (0.05 + 0.95 * (1 + math.cos(math.pi * used)) / 2)

                self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, share)
                return self.lr_scheduler

        done = Timed(model=model, args=arguments, train_dataset=Data(), callbacks=[Stop()]).train()
    model.save_pretrained(folder)
    return {"steps": done.global_step, "parameters": model.num_parameters()}


def with_tokenizer(folder: Path, tokenizer: Path) -> None:
    """Put the tokenizer's files into a model folder."""
    for file in tokenizer.iterdir():
        shutil.copy(file, folder / file.name)
