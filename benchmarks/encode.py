"""Encode real text with our bulk encoder and with `tokenizers`, and pack it: one JSON line.

    python benchmarks/encode.py [MEGABYTES] [COPIES]

Text is what the installed Python packages hold (sources and documents), each file once, in random order: MEGABYTES of
it (60), of which a sixth trains the tokenizer ("seen"). Speeds are megabytes a processor second on one thread, medians
of rounds taken in turns; every document's ids are compared. Packing runs in a process of its own, over COPIES (1) of
the text in shards of a megabyte, so that its memory can be seen to stay as it is.
"""

from __future__ import annotations

import os

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import hashlib
import json
import random
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lmworks.data.records import Document, Documents, write_ids, write_shard
from lmworks.pipeline.journal import FileJournal
from lmworks.pipeline.stage import Context
from lmworks.tokens.bulk import BulkEncoder
from lmworks.tokens.kinds.bpe import Bpe
from lmworks.tokens.kinds.learn import write_tokenizer
from lmworks.tokens.rows.pack import BATCH_DOCUMENTS, PackDocumentsConfig, pack_documents
from lmworks.tokens.tokenizer import TokenizerFolder, open_tokenizer

ROUNDS, SIZES = 3, (4_096, 32_768)
ENDINGS = (".py", ".md", ".rst", ".txt", ".html", ".json", ".pyi")


class Silent:
    """A progress display that shows nothing."""

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


def real_texts(megabytes: float) -> list[str]:
    """Texts of installed packages, none twice."""
    files = sorted(path for path in Path(sysconfig.get_path("purelib")).rglob("*") if path.suffix in ENDINGS)
    random.Random(0).shuffle(files)
    found, digests, size = [], set(), 0
    for path in files:
        raw = path.read_bytes() if path.is_file() and path.stat().st_size < 1_000_000 else b""
        digest = hashlib.sha256(raw).digest()
        if len(raw) < 200 or digest in digests:
            continue
        try:
            found.append(raw.decode())
        except UnicodeDecodeError:
            continue
        digests.add(digest)
        size += len(raw)
        if size > megabytes * 1e6:
            break
    return found


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """As packing takes them."""
    for start in range(0, len(texts), BATCH_DOCUMENTS):
        yield list(texts[start : start + BATCH_DOCUMENTS])


def speed(work: Callable[[], object], megabytes: float) -> float:
    """Megabytes a processor second."""
    started = time.process_time()
    work()
    return megabytes / (time.process_time() - started)


def compare(folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    """Both encoders on the same texts, in turns; a fresh encoder each round, as each worker has one."""
    tokenizer = open_tokenizer(folder)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    ours, theirs = [], []
    for _ in range(ROUNDS):
        encoder = BulkEncoder(tokenizer)
        ours.append(speed(lambda encoder=encoder: [encoder.encode(batch) for batch in batches(texts)], megabytes))
        part = texts[: len(texts) // 10]  # a tenth of the text tells the speed of the slower one
        theirs.append(
            speed(lambda part=part: tokenizer.encode_batch(part), sum(len(text.encode()) for text in part) / 1e6)
        )
    different = 0
    for batch in batches(texts):
        ids, edges = encoder.encode(batch)
        found = [ids[start:end].tolist() for start, end in pairwise(edges)]
        different += sum(a != b for a, b in zip(found, tokenizer.encode_batch(batch), strict=True))
    medians = {"ours": statistics.median(ours), "tokenizers": statistics.median(theirs)}
    return {
        **{f"{name}_megabytes_a_second": round(value, 1) for name, value in medians.items()},
        "ratio": round(medians["ours"] / medians["tokenizers"], 1),
        "megabytes": round(megabytes, 1),
        "documents": len(texts),
        "documents_with_other_ids": different,
        "fallback": encoder.fallback,
    }


def write_documents(folder: Path, texts: Sequence[str], copies: int) -> None:
    """Shards of about a megabyte."""
    shard: list[Document] = []
    number = size = 0
    for copy in range(copies):
        for index, text in enumerate(texts):
            shard.append(Document(id=f"{copy:04d}{index:08d}", text=text, source="s", licence="MIT"))
            size += len(text)
            if size > 1_000_000 or (copy, index) == (copies - 1, len(texts) - 1):
                write_shard(folder / f"part-{number:05d}.parquet", shard)
                shard, size, number = [], 0, number + 1
    write_ids(folder, (f"{copy:04d}{index:08d}" for copy in range(copies) for index in range(len(texts))))


def peak_kilobytes() -> int:
    """Of this program; what `getrusage` tells counts the process that started it too."""
    (found,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


def pack(folder: Path) -> dict[str, Any]:
    """Pack the documents in a folder; speed and peak memory of this process."""
    (folder / "scratch").mkdir()
    journal = FileJournal(folder / "progress.jsonl")
    context = Context(folder / "scratch", journal, Silent(), check_stop=lambda: None, log=lambda line: None)
    config = PackDocumentsConfig(documents="x", sequence_length=1024)
    started = time.process_time()
    tokenizer = TokenizerFolder(folder / "tokenizer", "")
    result = pack_documents(config, Documents(folder / "documents", ""), tokenizer, folder / "out", context)
    seconds, size = time.process_time() - started, result.counts["bytes_of_text"]
    return {
        "megabytes": round(size / 1e6, 1),
        "megabytes_a_second": round(size / 1e6 / seconds, 1),
        "peak_memory_megabytes": round(peak_kilobytes() * 1024 / 1e6),
    }


def main(megabytes: float, copies: int) -> None:
    texts = real_texts(megabytes)
    seen, unseen = texts[: len(texts) // 6], texts[len(texts) // 6 :]
    result: dict[str, Any] = {"benchmark": "encode", "rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            folder = Path(name, str(size))
            write_tokenizer(Bpe(kind="bpe", vocab_size=size).learn(lambda: iter(seen)), folder / "tokenizer")
            result[f"{size}_ids"] = {
                "seen_in_training": compare(folder / "tokenizer", seen),
                "unseen": compare(folder / "tokenizer", unseen),
            }
        write_documents(folder / "documents", unseen, copies)
        command = [sys.executable, __file__, "--pack", str(folder)]
        result["packing"] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pack"]:
        print(json.dumps(pack(Path(sys.argv[2]))))
    else:
        main(float(sys.argv[1]) if sys.argv[1:] else 60, int(sys.argv[2]) if sys.argv[2:] else 1)
