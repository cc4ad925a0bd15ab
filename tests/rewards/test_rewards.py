"""What answers are worth."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lmworks.rewards import Answer, AnyReward


def worth(text: str, reference: str = "", *, ended: bool = True, **fields: object) -> float:
    reward = TypeAdapter[AnyReward](AnyReward).validate_python(fields)
    (score,) = reward.scores([Answer(text, reference, ended)])
    return score


@given(st.text(), st.text())
def test_an_exact_answer_is_the_reference_to_the_letter(text: str, reference: str) -> None:
    assert worth(text, reference, kind="exact-answer") == (text.strip() == reference.strip())


def test_an_answer_that_was_cut_is_not_exact() -> None:
    assert worth("95", "95", kind="exact-answer") == 1
    assert worth("95", "95", kind="exact-answer", ended=False) == 0


@pytest.mark.parametrize(
    ("text", "reference", "right"),
    [
        ("37 and 58 make 95.\n#### 95", "95", 1),
        ("#### 94\nNo: #### 95", "first 90\n#### 95", 1),
        ("#### 95\nNo: #### 94", "95", 0),
        ("95", "95", 0),
        ("", "", 0),
    ],
)
def test_a_pattern_finds_the_last_result(text: str, reference: str, right: int) -> None:
    assert worth(text, reference, kind="exact-answer", pattern="#### (.+)") == right


def test_a_form_is_matched_by_the_whole_answer() -> None:
    form = {"kind": "regex", "pattern": "<think>.*</think> [0-9]+"}
    assert worth("<think>30 and 50,\n7 and 8</think> 95", **form) == 1
    assert worth("<think>30 and 50</think> 95 or so", **form) == 0


def test_words_are_counted() -> None:
    length = {"kind": "length", "least": 2, "most": 3}
    assert [worth("word " * count, **length) for count in range(5)] == [0, 0, 1, 1, 0]
    with pytest.raises(ValidationError, match="least 3 is more than most 2"):
        worth("", kind="length", least=3, most=2)


# ---------------------------------------------------------------- programs

TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0"
RIGHT = "def add(a, b):\n    return a + b"


def passes(program: str, tests: str = TESTS) -> float:
    return worth(program, tests, kind="unit-tests", seconds=1, megabytes=64)


def test_a_program_that_passes_the_tests_is_worth_one() -> None:
    assert passes(RIGHT) == 1
    assert passes(f"Here it is:\n```python\n{RIGHT}\n```\nIt adds.") == 1
    assert passes(f"from __future__ import annotations\nimport math, re, collections\n{RIGHT}") == 1


@pytest.mark.parametrize(
    "program",
    [
        RIGHT.replace("+", "-"),
        "def add(a, b) return",
        "",
        "import os\nos._exit(0)",
        "raise SystemExit(0)",
        "while True: pass",
        "import time\ntime.sleep(60)",
        "print('x' * (1 << 21))\n" + RIGHT,
        "held = bytearray(1 << 28)\n" + RIGHT,
    ],
)
def test_a_program_that_fails_or_ends_early_or_takes_too_much_is_worth_nothing(program: str) -> None:
    assert passes(program) == 0


@pytest.mark.parametrize(
    "deed",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', PORT))",
        "import socket\nsocket.socket(socket.AF_UNIX)",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.fork()",
        "import os, signal\nos.kill(PARENT, signal.SIGKILL)",
        "open('KEPT', 'w')",
        "import os\nos.remove('KEPT')",
        "import os\nos.rename('KEPT', 'KEPT.gone')",
        "import os\nos.chmod('KEPT', 0)",
        "import os\nos.mkdir('KEPT.new')",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (60, 60))",
        "import threading\nthreading.Thread(target=print).start()",
    ],
)
def test_a_program_reaches_nothing_outside_itself(deed: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    with socket.create_server(("127.0.0.1", 0)) as server:
        known = {"PORT": str(server.getsockname()[1]), "PARENT": str(os.getpid()), "KEPT": str(kept)}
        for name, value in known.items():
            deed = deed.replace(name, value)
        assert passes(f"{RIGHT}\n{deed}") == 0
        tried = "".join(f"    {line}\n" for line in deed.splitlines())
        refused = f"{RIGHT}\ntry:\n{tried}except (PermissionError, ValueError, RuntimeError):\n    pass\n"
        assert passes(f"{refused}else:\n    raise SystemExit('it could')") == 1
    assert kept.read_text() == "as it was" and list(tmp_path.iterdir()) == [kept]
