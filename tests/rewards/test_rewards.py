"""What answers are worth."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lmworks.errors import LmworksError, UsageError
from lmworks.rewards import Answer, AnyReward, LengthReward, PythonReward, UnitTestsReward, count_unjudged, unscored
from lmworks.rewards.numbers import number_of
from lmworks.rewards.rules import WordsReward
from lmworks.rewards.unit_tests import program_of


def worth(text: str, reference: str = "", *, ended: bool = True, **fields: object) -> float:
    reward = TypeAdapter[AnyReward](AnyReward).validate_python(fields)
    (score,) = reward.scores([Answer(text, reference, ended)])
    return score


def exact(text: str, reference: str, **fields: object) -> bool:
    return worth(text, reference, kind="exact-answer", **fields) == 1


@given(st.text(), st.text())
def test_by_letters_an_answer_is_the_reference_to_the_letter(text: str, reference: str) -> None:
    assert exact(text, reference, compare="letters") == (text.strip() == reference.strip())


@given(st.text())
def test_what_is_the_reference_to_the_letter_is_right(text: str) -> None:
    assert exact(text, text)


@pytest.mark.parametrize(
    "numbers",
    [
        [
            "1000",
            "1,000",
            "1000.0",
            "1 000",
            "1\u202f000.00",
            "1'000",
            "+1000",
            "1.0e+3",
            "１，０００",
            "١٠٠٠",
            "1000.",
        ],
        ["18", "18.", "18.0", "$18", "＄１８", "**18**", "“18”", "$ 18.00", "18/1", "36/2"],
        ["-5", "－５", "−5", "–5", "-$5", "$-5", "-5.0"],
        ["1/2", "0.5", ".5", "½", "50%", "50 %", "5/10", "5.0e-1", "500 ‰"],
        ["1 1/2", "1½", "3/2", "1.5", "150%"],
        ["50", "50%"],
        ["1234567.25", "1,234,567.25", "1 234 567.25"],
        ["0", "0.0", "-0", "0%"],
    ],
)
def test_numbers_are_compared_as_numbers(numbers: list[str]) -> None:
    for said, wanted in itertools.product(numbers, numbers):
        assert exact(said, wanted), (said, wanted)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("18.5", "18"), ("1,000", "1"), ("-5", "5"), ("1/3", "0.333"), ("1,5", "15"), ("1,00", "100"),
        ("$18", "€18"),
        ("50%", "$50"), ("007", "7"), ("0123", "123"), ("2024-05-01", "2018"), ("2024-05-01", "2024/05/01"),
        ("12:30", "12.5"),
        ("1.2.2020", "1.22020"), ("12e4", "120000"), ("5!", "5"), ("2²", "22"), ("1/0", "0"), ("3 7", "37"),
        ("1,2,3", "123"),
        ("0x10", "16"), ("18 km", "18"), ("--5", "5"), ("", "0"), ("1_000", "1000"), ("192.168.0.1", "19216801"),
        ("1e999", "1" + "0" * 99), ("9" * 5000, "9" * 4999), ("NaN", "na"), ("1 3/2", "2.5"),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_number_or_is_another_is_none(said: str, wanted: str) -> None:
    assert not exact(said, wanted)
    assert not exact(wanted, said)


PRICES = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=3)


@given(PRICES, st.sampled_from(["en", "de", "fr"]))
def test_a_number_is_read_exactly_as_it_is_grouped_in_its_language(number: Decimal, language: str) -> None:
    swapped = f"{number:,}".translate(str.maketrans(",.", ".,"))
    texts = {"en": [f"{number:,}"], "de": [swapped], "fr": [swapped.replace(".", "\u202f"), swapped]}
    plain, other = (
        str(each) if language == "en" else str(each).replace(".", ",") for each in (number, number + Decimal("0.001"))
    )
    for text in texts[language]:
        read = number_of(text, language)
        assert read and read.value == Fraction(number)
        assert exact(text, plain, language=language) and not exact(text, other, language=language)


@pytest.mark.parametrize("text", ["9" * 10**6, "1,000" * 10**5, "!" * 10**6 + "a", "- " * 10**6, "½" * 10**6])
def test_an_answer_of_a_million_characters_is_compared_at_once(text: str) -> None:
    """Where time grows with the square of the length, this takes hours."""
    assert not exact(text, text + "b")


def test_the_language_says_what_a_comma_is() -> None:
    german = {"language": "de"}
    assert exact("1.000,5", "1000,50", **german)
    assert exact("1,500", "1,5", **german)
    assert not exact("1,500", "1500", **german)
    assert exact("1.500", "1500", **german)
    assert exact("1,500", "1500", language="de-CH")
    assert exact("1.500", "1.5")
    assert not exact("1.500", "1500")
    with pytest.raises(ValidationError, match="language"):
        exact("1", "1", language="German")


def test_words_are_compared_by_one_form() -> None:
    for said in ("Paris", "paris.", "PARIS", "«Paris»", "*Paris*", " paris!\n", "Ｐａｒｉｓ", "pa\u00adris"):
        assert exact(said, "Paris"), said
    assert exact("Straße  in\nKöln", "STRASSE IN KO\u0308LN")
    assert exact("ﬁn", "fin")
    assert exact("...", "...")
    assert not exact("...", "!!!")
    assert not exact("Köln", "Koln")
    assert exact("Köln", "Koln", accents=False)
    for said, wanted in (
        ("C#", "C"),
        ("C++", "C"),
        (".NET", "NET"),
        ("(1,2]", "[1,2)"),
        ("the cat", "thecat"),
        ("कि", "का"),
    ):
        assert not exact(said, wanted, accents=False), said


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
    with pytest.raises(ValidationError, match="`least` 3 is above `most` 2"):
        worth("", kind="length", least=3, most=2)


AVOID = ["stupid*", "bad man", "ação", "笨蛋"]


@pytest.mark.parametrize(
    "text",
    ["How STUPID.", "Such stupidity!", "s t u p i d", "S.T.U.P.I.D.", "stu\u200bpid", "ｓｔｕｐｉｄ", "stüpid",
     "a Bad  Man", "ACAO", "ac\u0327a\u0303o", "你是笨蛋吗"],
)  # fmt: skip
def test_words_to_avoid_are_found_however_they_are_written(text: str) -> None:
    assert worth(text, kind="words", avoid=AVOID) == 0


@pytest.mark.parametrize("text", ["astupid", "bad woman", "bad mankind", "I a m", "st u", "fine", "", "笨的蛋"])
def test_other_words_are_not_avoided(text: str) -> None:
    assert worth(text, kind="words", avoid=AVOID) == 1


def test_accents_tell_words_apart_where_they_are_said_to() -> None:
    assert worth("um ano", kind="words", avoid=["año"]) == 0
    assert worth("um ano", kind="words", avoid=["año"], accents=True) == 1


def test_a_list_has_a_source(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("fool\nbad man\n")
    with pytest.raises(ValidationError, match=r"found the list list\.txt and no `source`; say where it comes from"):
        WordsReward(avoid="list.txt")
    read = WordsReward(avoid="list.txt", source="LDNOOBW, CC-BY-4.0").resolve(tmp_path)
    assert read.avoid == ["fool", "bad man"] and read.told == "words (2 of LDNOOBW, CC-BY-4.0)"


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
@pytest.mark.whole
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
    with pytest.raises(LmworksError, match="data's 2 answers can judge another; for 2 of them, the tests are not"):
        count_unjudged([reward], ["It adds.", "It does."])


@pytest.mark.parametrize("line", ["~" * 100_000 + " " * 100_000 + "`", "`" * 200_000 + " " * 100_000 + "`"])
def test_an_answer_of_one_long_line_is_read_in_linear_time(line: str) -> None:
    assert program_of(line) == line


# ---------------------------------------------------------------- a file of the user's own


def own(folder: Path, code: str, **fields: object) -> PythonReward:
    (folder / "own.py").write_text(textwrap.dedent(code))
    return PythonReward(file="own.py", **fields).resolve(folder)


def test_a_function_of_a_file_says_what_an_answer_is_worth(tmp_path: Path) -> None:
    reward = own(
        tmp_path,
        """
        import re

        def score(answer, *, prompt, ended, reference):
            asked = prompt[-1]["content"] if prompt else ""
            return ended and min(1, len(re.findall(r"[0-9]", answer + reference + asked)) / 4)
        """,
    )
    asked = [{"role": "user", "content": "7 and 8?"}]
    answers = [Answer("15", "", True, asked), Answer("1", "", True), Answer("12345", "6", True), Answer("1", "", False)]
    assert reward.scores(answers) == [1, 0.25, 1, 0]
    assert reward.name == "own"


def test_an_answer_on_which_it_fails_is_worth_nothing_and_says_why(tmp_path: Path) -> None:
    code = "def score(answer):\n    return {'half': 0.5, 'nan': float('nan'), 'two': 2, 'text': '1'}[answer]"
    names = ["half", "nan", "two", "text", "other", "half"]
    found = own(tmp_path, code).scores([Answer(name, "", True) for name in names])
    assert found == [0.5, 0, 0, 0, 0, 0.5]
    assert unscored(found) == [
        "own.py: score returns nan; expected a number from 0 to 1",
        "own.py: score returns 2; expected a number from 0 to 1",
        "own.py: score returns '1'; expected a number from 0 to 1",
        "own.py: KeyError in line 2: 'other'",
    ]


def test_a_number_of_thousands_of_digits_costs_one_answer(tmp_path: Path) -> None:
    found = own(tmp_path, "def score(answer):\n    return 10**5000 if answer == 'a' else [10**5000]").scores(
        [Answer(name, "", True) for name in "ab"]
    )
    assert found == [0, 0]
    assert all("expected a number from 0 to 1" in each for each in unscored(found))


def test_it_is_held_in_time_memory_and_place_and_cannot_count_answers(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("1")
    code = f"""
        seen = []
        def score(answer):
            seen.append(answer)
            if answer == "loop":
                while True: pass
            if answer == "file":
                return float(open({str(secret)!r}).read())
            if answer == "net":
                import socket
                socket.create_connection(("127.0.0.1", 9))
            if answer == "memory":
                return bytearray(1 << 29)[0]
            return len(seen) == 1
        """
    found = own(tmp_path, code, seconds=1, megabytes=64).scores(
        [Answer(name, "", True) for name in ("loop", "file", "net", "memory", "fine", "fine")]
    )
    assert found == [0, 0, 0, 0, 1, 1]
    said = ["more than 1 s of processor time", "PermissionError in line", "PermissionError in line", "MemoryError in"]
    for reason, begin in zip(unscored(found), said, strict=True):
        assert reason.startswith(f"own.py: {begin}")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def score(answer) return 1", r"own.py:1: is not Python: expected ':'"),
        ("import math\nimport numpy as np\ndef score(answer):\n    return 1", "own.py:2: imports numpy, which is not"),
        (
            "def worth(answer):\n    return 1",
            r"own.py: has no function `score`; expected `def score\(answer, reference\)`",
        ),
        ("\ndef score(text):\n    return 1", "own.py:2: `score` has the parameters text; expected"),
        ("def score():\n    return 1", "own.py:1: `score` has no parameter; expected"),
    ],
)
def test_a_file_that_can_be_no_reward_is_refused_with_its_line(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        own(tmp_path, code)
    with pytest.raises(UsageError, match=r"none.py: cannot be read as UTF-8 text"):
        PythonReward(file="none.py").resolve(tmp_path)


def test_another_text_of_the_file_is_another_key(tmp_path: Path) -> None:
    one = own(tmp_path, "def score(answer):\n    return 1").model_dump_json()
    other = own(tmp_path, "def score(answer):\n    return 0").model_dump_json()
    assert one != other
