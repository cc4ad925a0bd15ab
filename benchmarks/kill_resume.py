"""Kill a whole build with SIGKILL again and again, and compare what it ends with to an undisturbed build.

    python benchmarks/kill_resume.py [--kills 20] [--seed 0] [--compiled] [--forget] [--until STEP]

Each step is hit at least once, at a random moment of its running time: a step that ended before the kill is withdrawn
from the store and aimed at again. Payloads must end byte-identical. A kill may cost one checkpoint interval, one shard
or one chunk, or the whole step if it keeps none of these and takes under 30 seconds: the next run must say that it goes
on after exactly what the journal names. `--compiled` trains as the plan would on this machine, compiled and on all
cores, instead of plainly. `--forget` deletes the journals after each kill, as if checkpoints could not be read: that
must exit with 1. One JSON line is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from killed import Build, digests, finished_pieces, not_continued

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.yaml"
FIXED = {
    "plan.measure": "false",
    "raw.sources.0.limit": "60",
    "split.test": "5",
    "split.validation": "5",
    "tokenizer.vocab_size": "1024",
    "pretrain.hidden_size": "128",
    "pretrain.num_layers": "2",
    "pretrain.steps": "60",
    "finetune.steps": "40",
    **{f"evaluate.tasks.{task}.limit": "60" for task in range(1, 6)},
}
PLAIN = {"threads": "1", "compile": "false", "data_type": "float32", "checkpoint_steps": "5"}
COMPILED = {"threads": str(os.cpu_count()), "compile": "true", "data_type": "bfloat16", "checkpoint_steps": "5"}
MOST_SECONDS = 30.0
ATTEMPTS = 20
"""The shortest steps take a few hundredths of a second; most kills come too late for them."""


def start(folder: Path, store: Path, training: dict[str, str], until: Sequence[str]) -> Build:
    """Start a build of the small recipe, whole or until a step."""
    both = {f"{model}.{name}": value for model in ("pretrain", "finetune") for name, value in training.items()}
    settings = [part for name, value in (FIXED | both).items() for part in ("--set", f"{name}={value}")]
    return Build(folder, RECIPE, "--store", str(store), *settings, *until)


def withdraw(step: str, store: Path) -> None:
    """Remove what a step has made, if it got so far."""
    for path in store.glob("artifacts/*/*/manifest.json"):
        if json.loads(path.read_text())["step"] == step:
            shutil.rmtree(path.parent)


def kill_in(step: str, after: float, build: Build) -> Build:
    """Let a build run until a step has run for `after` seconds, then kill it; earlier when the build ends."""
    while build.process.poll() is None:
        began = build.began().get(step)
        if began and time.monotonic() - began >= after:
            break
        time.sleep(0.002)
    build.kill()
    return build


def main() -> None:
    """Undisturbed, disturbed, compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="at the least; more when there are more steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--until", metavar="STEP", help="the last step that is built; without it all are")
    parser.add_argument("--forget", action="store_true", help="delete journals after each kill; must fail")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    training = COMPILED if options.compiled else PLAIN
    until = ["--until", options.until] if options.until else []
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name), Path(name) / "killed"
        calm = start(folder, folder / "calm", training, until)
        calm.wait()
        done = calm.finished()
        seconds = {step: done[step] - when for step, when in calm.began().items()}
        more = draw.choices(list(seconds), list(seconds.values()), k=max(0, options.kills - len(seconds)))
        wanted = sorted([*seconds, *more], key=list(seconds).index)
        kills: list[str] = []
        faults: list[str] = []
        left: dict[str, int] = {}
        for step in wanted:
            for _ in range(ATTEMPTS):
                withdraw(step, store)
                build = kill_in(step, draw.random() * seconds[step], start(folder, store, training, until))
                faults += not_continued(left, build)
                left = finished_pieces(store, options.forget)
                if step in build.began() and step not in build.finished():
                    break
            else:
                continue
            kills.append(step)
            print(f"killed in {step}; finished pieces kept: {left.get(step, 0)}", file=sys.stderr)
            if step not in left and seconds[step] > MOST_SECONDS:
                faults.append(f"{step} takes {seconds[step]:.0f} s and keeps no finished piece")
        last = start(folder, store, training, until)
        last.wait()
        faults += not_continued(left, last)
        ours, theirs = digests(store), digests(folder / "calm")
        different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        record = {
            "kills": len(kills),
            "steps": len(seconds),
            "steps_hit": len(set(kills)),
            "steps_not_hit": [step for step in seconds if step not in kills],
            "files": len(theirs),
            "different": different,
            "faults": faults,
        }
        print(json.dumps(record))
        sys.exit(1 if different or faults or record["steps_not_hit"] else 0)


if __name__ == "__main__":
    main()
