"""What answers are worth."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lmworks.errors import LmworksError
from lmworks.rewards import Answer, AnyReward, LengthReward, UnitTestsReward, count_unjudged
from lmworks.rewards.unit_tests import program_of


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
    "form",
    [
        "```python3\n{}\n```", "```Python\n{}\n```", "```py3\n{}\n```", "``` python\n{}\n```", "```python \n{}\n```",
        '```python title="a.py"\n{}\n```', "~~~python\n{}\n~~~", "````\n{}\n````", "```{{.python}}\n{}\n```",
        "```python\n{}",
        "```python\n{}\n```\nAn example:\n```\n>>> add(2, 3)\n5\n```",
        "```python\n{}\n```\nRun:\n```bash\npython x.py\n```\nand\n```text\nok\n```\n",
        "```python\nnot it\n```\nbetter:\n```python\n{}\n```", "```text\nno\n```\n```\n{}\n```", "``` \n{}\n```",
    ],
)  # fmt: skip
def test_a_program_is_found_in_each_form_of_a_fence(form: str) -> None:
    assert program_of(form.format(RIGHT)).strip() == RIGHT
    assert program_of(form.format(RIGHT).replace("\n", "\r\n")).strip() == RIGHT


def test_an_indented_fence_is_taken_without_its_indent() -> None:
    assert program_of(f"1. It:\n   ```python\n{textwrap.indent(RIGHT, '   ')}\n   ```\n").strip() == RIGHT


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
        "held = bytearray(1 << 28)\n" + RIGHT,
    ],
)
def test_a_program_that_fails_or_ends_early_or_takes_too_much_is_worth_nothing(program: str) -> None:
    assert passes(program) == 0


def test_what_a_program_prints_goes_nowhere() -> None:
    assert passes(f"print('x' * (1 << 21))\n{RIGHT}\nprint('done')") == 1


def test_chance_and_the_order_of_sets_are_the_same_in_every_run() -> None:
    say = "import random; random.seed(0); print([random.random(), *{'red', 'green', 'blue', 'grey'}])"
    said = subprocess.run([sys.executable, "-c", say], env={"PYTHONHASHSEED": "0"}, capture_output=True, check=True)
    program = "import random\ndef said():\n    return [random.random(), *{'red', 'green', 'blue', 'grey'}]"
    assert passes(program, f"assert said() == {said.stdout.decode()}") == 1


def test_tests_that_nobody_can_judge_pay_nothing_and_are_counted() -> None:
    reward = UnitTestsReward()
    assert passes("class Stack:\n    def push(self, a): self.a = a", "s = Stack()\ns.push(1)\nassert s.a == 1") == 0
    assert reward.unjudged(TESTS) == ""
    assert "use .push of an object of the program" in reward.unjudged("s = Stack()\ns.push(1)\nassert s.a == 1")
    assert count_unjudged([reward], [TESTS, TESTS, "It adds."]) == {"unjudged by unit-tests": 1}
    assert count_unjudged([reward, LengthReward(most=3)], [TESTS]) == {}
    with pytest.raises(LmworksError, match="none of the data's 2 answers can judge another; 2 of them are no Python"):
        count_unjudged([reward], ["It adds.", "It does."])


@pytest.mark.parametrize("line", ["~" * 100_000 + " " * 100_000 + "`", "`" * 200_000 + " " * 100_000 + "`"])
def test_an_answer_of_one_long_line_is_read_in_linear_time(line: str) -> None:
    assert program_of(line) == line
