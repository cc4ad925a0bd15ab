"""The same task with other tools, for `duplicates.py --peers PYTHON`: run by a Python that has them.

    PYTHON benchmarks/data/peers.py daft|datatrove RAW OUT WORKERS

RAW holds Parquet shards with `id` and `text`; OUT/kept.txt receives the ids that stay. Both use 128 hashes (125 in
bands) of 5-word shingles in 25 bands of 5, so that a pair at 0.8 is found as surely as by the other side; neither
compares the texts of the pairs that it finds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

BANDS, ROWS = 25, 5


def with_daft(raw: Path, out: Path, workers: int) -> None:
    """The recipe of Daft's documentation: minhash, chunks, group by, connected components, anti-join."""
    os.environ["DO_NOT_TRACK"] = "1"
    import daft  # type: ignore[import-not-found]
    from daft import col
    from daft import functions as f

    documents = daft.read_parquet(str(raw / "part-*.parquet")).select("id", "text")
    words = f.normalize(f.regexp_replace(col("text"), r"\W+", " "), lowercase=True, white_space=True)
    hashes = f.minhash(words, num_hashes=BANDS * ROWS, ngram_size=5)
    rows = documents.select(col("id"), hashes.alias("hashes"))
    rows = rows.select(
        col("id"), f.chunk(col("hashes"), ROWS).alias("band"), daft.lit(list(range(BANDS))).alias("number")
    )
    rows = rows.explode("band", "number").select(col("id"), col("number"), f.hash(col("band")).alias("band"))
    groups = rows.groupby("number", "band").agg(f.list_agg(col("id")).alias("ids"))
    buckets = groups.where(f.list_count(col("ids")) > 1).select("ids").to_pydict()["ids"]
    dropped = daft.from_pydict({"id": sorted(_all_but_least(buckets))})
    kept = documents.join(dropped, on="id", how="anti")
    kept.write_parquet(str(out / "documents"))
    _write_ids(out, daft.read_parquet(str(out / "documents") + "/**").select("id").to_pydict()["id"])


def _all_but_least(buckets: Iterable[list[str]]) -> Iterable[str]:
    parents: dict[str, str] = {}

    def find(item: str) -> str:
        while parents.setdefault(item, item) != item:
            parents[item] = item = parents[parents[item]]
        return item

    for first, *others in buckets:
        for other in others:
            low, high = sorted((find(first), find(other)))
            parents[high] = low
    return (item for item in parents if find(item) != item)


def with_datatrove(raw: Path, out: Path, workers: int) -> None:
    """Its four stages: signatures, buckets, clusters, filter."""
    from datatrove.executor import LocalPipelineExecutor  # type: ignore[import-not-found]
    from datatrove.pipeline.dedup import (  # type: ignore[import-not-found]
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader  # type: ignore[import-not-found]
    from datatrove.pipeline.writers import ParquetWriter  # type: ignore[import-not-found]

    config = MinhashConfig(n_grams=5, num_buckets=BANDS, hashes_per_bucket=ROWS)
    tasks = len(list(raw.glob("part-*.parquet")))
    work = {name: str(out / name) for name in ("signatures", "buckets", "removed", "documents")}
    stages = [
        (
            [ParquetReader(str(raw), glob_pattern="part-*.parquet"), MinhashDedupSignature(work["signatures"], config)],
            tasks,
        ),
        ([MinhashDedupBuckets(work["signatures"], work["buckets"], config=config)], BANDS),
        ([MinhashDedupCluster(work["buckets"], work["removed"], config=config)], 1),
        (
            [
                ParquetReader(str(raw), glob_pattern="part-*.parquet"),
                MinhashDedupFilter(work["removed"]),
                ParquetWriter(work["documents"]),
            ],
            tasks,
        ),
    ]
    for number, (pipeline, count) in enumerate(stages):
        logs = str(out / "logs" / str(number))
        LocalPipelineExecutor(pipeline=pipeline, tasks=count, workers=min(workers, count), logging_dir=logs).run()
    import pyarrow.parquet as pq

    paths = sorted((out / "documents").rglob("*.parquet"))
    _write_ids(out, (name for path in paths for name in pq.read_table(path, columns=["id"]).column("id").to_pylist()))


def _write_ids(out: Path, ids: Iterable[str]) -> None:
    (out / "kept.txt").write_text("".join(f"{name}\n" for name in sorted(ids)))


def main() -> None:
    """Run one."""
    peer, raw, out, workers = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    {"daft": with_daft, "datatrove": with_datatrove}[peer](Path(raw), Path(out), int(workers))


if __name__ == "__main__":
    main()
