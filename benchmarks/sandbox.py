"""How fast programs are judged in the sandbox, and how much of a published set of tests can be: one JSON line.

    python benchmarks/sandbox.py [HUMANEVAL.jsonl] [--rounds 5]

Speed: answers a second to `unit-tests`, beside those of a harness that starts one interpreter for each program with its
tests, without any wall (`python -I -S -B`, as many at once as in the sandbox). Rounds are interleaved; medians are
told, with processor milliseconds an answer, which a busy machine changes less. With HumanEval as published (Chen et al.
2021): of how many problems the tests can be judged, how many of the published solutions pass, and how many programs
that return nothing, or what is equal to everything; none of the latter may.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lmworks.rewards import Answer, UnitTestsReward
from lmworks.sandbox.run import Sandbox

ROUNDS, ANSWERS = 5, 64
PROGRAM = "def add(a, b):\n    return a + b\n"
TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0\nassert add('a', 'b') == 'ab'\n"
EQUAL = "class Equal:\n    __eq__ = lambda *_: True\n"


def sandboxed() -> None:
    """A rollout of answers."""
    assert sum(UnitTestsReward().scores([Answer(PROGRAM, TESTS, ended=True)] * ANSWERS)) == ANSWERS


def trusting() -> None:
    """The same, run as they are."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        path = Path(folder) / "program.py"
        path.write_text(PROGRAM + TESTS)
        command = [sys.executable, "-I", "-S", "-B", str(path)]
        ended = pool.map(lambda _: subprocess.run(command, env={}, check=False).returncode, range(ANSWERS))
        assert not any(ended)


def speed(judge: Callable[[], None]) -> tuple[float, float]:
    """Answers a second, and processor milliseconds an answer."""
    before, start = _processor_seconds(), time.perf_counter()
    judge()
    seconds = time.perf_counter() - start
    return ANSWERS / seconds, (_processor_seconds() - before) * 1e3 / ANSWERS


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def human_eval(path: Path) -> dict[str, object]:
    """Of the problems of a file: judged by their tests, and who passes."""
    problems = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    tests = [f"{each['test']}\ncheck({each['entry_point']})\n" for each in problems]
    bodies = {
        "published": [each["prompt"] + each["canonical_solution"] for each in problems],
        "nothing": [f"{each['prompt']}    return None\n" for each in problems],
        "equal to all": [f"{EQUAL}{each['prompt']}    return Equal()\n" for each in problems],
    }
    found: dict[str, object] = {"problems": len(problems)}
    with Sandbox(seconds=20, megabytes=512, wall_seconds=120) as sandbox:
        for name, programs in bodies.items():
            verdicts = sandbox.verdicts(list(zip(programs, tests, strict=True)))
            found[name] = Counter(each.kind for each in verdicts)
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", type=Path, nargs="?", metavar="HUMANEVAL.jsonl")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    speeds: dict[str, list[tuple[float, float]]] = {"sandboxed": [], "trusting": []}
    for _ in range(options.rounds):
        for judge in (sandboxed, trusting):
            speeds[judge.__name__].append(speed(judge))
    told: dict[str, object] = {}
    for name, found in speeds.items():
        told[f"{name}_per_second"], told[f"{name}_processor_ms"] = (
            round(statistics.median(each), 1) for each in zip(*found, strict=True)
        )
    told |= {"answers": ANSWERS, "at_once": len(os.sched_getaffinity(0))}
    if options.problems:
        told["human_eval"] = human_eval(options.problems)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
