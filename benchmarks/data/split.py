"""Feature-aware against random splits of 25,000 synthetic groups: one JSON line, exit code 1 when one falls short.

    python benchmarks/data/split.py [--seeds 5] [--groups 25000]

Each seed makes documents of twenty topics with a tenth of the groups holding a near-copy of another group's text, and
splits them 90/5/5. `assign_seconds` is what counting and assigning take. `leakage` is the share of held-out documents
whose planted copy is trained on. `total_variation` is the mean over features of the test and validation parts. `spread`
is the standard deviation, over ten ties drawn anew, of the test part's bits a word under a unigram model.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from math import log2
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import numpy as np
import pyarrow as pa

from lmworks.data.duplicates.minhash import jaccard, shingles
from lmworks.data.quality.curate import NearDuplicates
from lmworks.data.shards.records import Document, Documents, read_shard, write_shard
from lmworks.data.splits.balance import GroupCounts, assign_balanced
from lmworks.data.splits.features import read_features
from lmworks.data.splits.groups import SplitConfig
from lmworks.data.splits.split import split
from support import make_context

SHARDS, TOPICS, DRAWS = 8, 20, 10
MOST_SECONDS, LEAST_GAIN = 2.0, 5.0


def make_corpus(folder: Path, groups: int, seed: int) -> dict[str, str]:
    """Write documents; returns the id of each near-duplicate with the id of what it copies."""
    draw = random.Random(seed)
    words = [f"w{number}" for number in range(5000)]
    topics = [draw.sample(words, 150) for _ in range(TOPICS)]
    weights = [draw.random() + 0.05 for _ in range(TOPICS)]
    made: list[Document] = []
    copies: dict[str, str] = {}
    for group in range(groups):
        topic = draw.choices(range(TOPICS), weights)[0]
        for _ in range(min(8, 1 + int(draw.expovariate(2)))):
            text = draw.choices(topics[topic], k=draw.choice((30, 60, 120)))
            name = f"{len(made):032x}"
            if made and draw.random() < 0.1:
                other = draw.choice(made)
                text = other.text.split()
                text[draw.randrange(len(text))] = "changed"
                if likeness(" ".join(text), other.text) >= NearDuplicates().jaccard:
                    copies[name] = other.id
            made.append(
                Document(
                    id=name,
                    text=" ".join(text),
                    source=f"source{int(draw.triangular(0, 12, 2))}",
                    licence=draw.choice(("MIT", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "Apache-2.0")),
                    language=draw.choices(("en", "de", "fr", "cs", "fi"), (16, 8, 4, 2, 1))[0],
                    meta={"group": f"g{group}"},
                )
            )
    for shard in range(SHARDS):
        write_shard(folder / f"part-{shard:05d}.parquet", made[shard::SHARDS])
    return copies


def likeness(first: str, second: str) -> float:
    """Jaccard similarity of the 5-word shingles of two texts."""
    hashes, counts = shingles(pa.array([first, second]))
    return jaccard(*(np.unique(part) for part in np.split(hashes, counts[:1])))


def leakage(copies: dict[str, str], out: Path) -> float:
    """Share of held-out documents with a planted copy that is trained on."""
    part_of = {
        document.id: part
        for part in ("train", "validation", "test")
        for document in Documents(out / part, "").iterate()
    }
    held_out = {name for name, part in part_of.items() if part != "train"}
    pairs = [pair for one in copies.items() for pair in (one, one[::-1])]
    return len({name for name, other in pairs if name in held_out and part_of[other] == "train"}) / len(held_out)


def spread(documents: Documents, table: GroupCounts, owners: np.ndarray, balanced: bool) -> float:
    """Standard deviation of the test part's score over ties drawn anew."""
    texts = [document.text.split() for shard in documents.shards() for document in read_shard(shard)]
    counts = Counter(word for text in texts for word in text)
    total = sum(counts.values())
    scores = np.array([statistics.mean(-log2(counts[word] / total) for word in text) for text in texts])
    found = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(owners.max() + 1)
        if balanced:
            parts = assign_balanced(table, [0.9, 0.05, 0.05], order.tolist(), {})
        else:
            parts = (np.argsort(order) < len(order) // 20).astype(int)
        found.append(float(scores[parts[owners] == 1].mean()))
    return statistics.stdev(found)


def measure(groups: int, seed: int, folder: Path) -> dict[str, float]:
    """One corpus, split both ways."""
    copies = make_corpus(folder / "in", groups, seed)
    documents = Documents(folder / "in", "")
    fields = {"from": "x", "by": "group", "seed": seed}
    config = SplitConfig.model_validate({**fields, "assign": "balance", "near_duplicates": {}})
    context = make_context(folder)
    split(config, documents, out=folder / "balanced", context=context)
    split(SplitConfig.model_validate(fields), documents, out=folder / "hash", context=make_context(folder / "hashed"))
    parts = json.loads((folder / "balanced" / "balance.json").read_text())
    rows = [row for part in ("test", "validation") for row in parts[part]["features"].values() if row["random"]]
    features = read_features(context.beside / "described")
    names = [document.meta["group"] for shard in documents.shards() for document in read_shard(shard)]
    owners = np.unique(names, return_inverse=True)[1].astype(np.int64)
    started = time.perf_counter()
    table = GroupCounts.of(owners, {"documents": np.zeros_like(owners), **features})
    assign_balanced(table, [0.9, 0.05, 0.05], range(len(set(names))), {})
    return {
        "documents": len(names),
        "groups": len(set(names)),
        "assign_seconds": time.perf_counter() - started,
        "leakage": leakage(copies, folder / "balanced"),
        "leakage_by_hash": leakage(copies, folder / "hash"),
        "total_variation": statistics.mean(row["total_variation"] for row in rows),
        "total_variation_random": statistics.mean(row["random"] for row in rows),
        "spread": spread(documents, table, owners, True),
        "spread_random": spread(documents, table, owners, False),
    }


def main() -> None:
    """Measure every seed and print the means."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--groups", type=int, default=25_000)
    arguments = parser.parse_args()
    runs = []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as name:
            runs.append(measure(arguments.groups, seed, Path(name)))
    found = {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
    found["most_assign_seconds"] = max(run["assign_seconds"] for run in runs)
    found["gain"] = found["total_variation_random"] / found["total_variation"]
    leaked = max(run["leakage"] for run in runs)
    ok = found["most_assign_seconds"] < MOST_SECONDS and not leaked and found["gain"] >= LEAST_GAIN
    print(json.dumps({"seeds": len(runs), **{key: round(value, 5) for key, value in found.items()}, "ok": ok}))
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
