"""Ask models of five kinds of 10,000 rows each: rows a second, their order, and that a killed run goes on where it was.

    python benchmarks/predict_rows.py [--rows 10000]

Models are tiny, with random weights: what is measured is reading, batching and writing, not a model's arithmetic.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from published import take, write_published
from readers import write_reader, write_rewriter

KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "labels": (lambda folder: write_reader(folder, "sequence classifier"), "predicted_label"),
    "spans": (lambda folder: write_reader(folder, "token classifier"), "predicted_spans"),
    "vectors": (lambda folder: write_reader(folder, "encoder"), "predicted_vector"),
    "texts, rewritten": (write_rewriter, "predicted_text"),
    "texts, continued": (lambda folder: _taken(folder), "predicted_text"),
}
WORDS = ("this", "operation", "returns", "a list", "of", "the tags", "resource", "name", "role", "that may read")


def _taken(folder: Path) -> Path:
    """GPT-2 as a recipe takes it: with what frames a chat."""
    take(write_published(folder.parent / "published", "GPT-2"), folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    drawn = random.Random(0)
    texts = [f"{number} {' '.join(drawn.choices(WORDS, k=drawn.randint(1, 6)))}" for number in range(rows)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = folder / "asked.jsonl"
        asked.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        print(f"{'answers':20} {'rows':>7} {'seconds':>8} {'rows/s':>8}  in order  goes on after a kill")
        for kind, (write, column) in KINDS.items():
            model = write(folder / kind.replace(", ", "-"))
            command = [sys.executable, "-m", "lmworks", "predict", str(model), str(asked), "--overwrite"]
            command += ["--max-tokens", "4"] if column == "predicted_text" else []
            begin = time.perf_counter()
            subprocess.run(command, check=True, cwd=folder, capture_output=True)
            seconds = time.perf_counter() - begin
            written = folder / "asked.predicted.jsonl"
            whole = written.read_bytes()
            found = [json.loads(line) for line in whole.splitlines()]
            ordered = [row["text"] for row in found] == texts and all(column in row for row in found)
            written.unlink()
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(seconds * 0.5)
            process.kill()
            process.wait()
            begin = time.perf_counter()
            subprocess.run(command, check=True, cwd=folder, capture_output=True)
            rest = time.perf_counter() - begin
            same = written.read_bytes() == whole
            written.unlink()
            print(
                f"{kind:20} {len(found):7,} {seconds:8.1f} {rows / seconds:8,.0f}  {'yes' if ordered else 'NO':8}  "
                f"{'equal bytes' if same else 'OTHER BYTES'}, {rest:.1f} s"
            )


if __name__ == "__main__":
    main()
