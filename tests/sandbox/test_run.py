"""Programs and their tests, judged from outside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lmworks.errors import LmworksError
from lmworks.sandbox.run import Returned, Sandbox, Verdict


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seconds=2, megabytes=64, wall_seconds=30) as sandbox:
        yield sandbox


def verdict(sandbox: Sandbox, program: str, tests: str) -> Verdict:
    (found,) = sandbox.verdicts([(program, tests)])
    return found


GIVE = "def give(*values, **named):\n    return named or (values[0] if len(values) == 1 else values)\n"


@pytest.mark.parametrize(
    "tests",
    [
        "assert give(1) == 1 and type(give(1)) is int and give(True) is True and give(None) is None",
        "import math\nassert math.isnan(give(math.nan)) and give(-math.inf) == -math.inf",
        "assert give(3 ** 5000) == 3 ** 5000",
        "assert give('\\ud800é') == '\\ud800é' and give(b'\\0\\xff') == b'\\0\\xff'",
        "assert give({1: ({2}, [3.5])}) == {1: ({2}, [3.5])} and give(a=1, b=[2]) == {'a': 1, 'b': [2]}",
        "assert give(1, 'a') == (1, 'a')",
        "def check(candidate):\n    assert candidate(5) == 5, 'not ' + str(candidate(5))\ncheck(give)",
        "def test_one():\n    assert give(1) == 1\ndef test_two():\n    assert give(2) == 2",
        "import random\nfor _ in range(20):\n    n = random.randint(0, 9)\n    assert give(n) == n",
        "assert give(give(1)) == 1",
        "class TestGive:\n    def test_one(self):\n        assert give(1) == 1",
        "result = give(2)\ndef test_two():\n    assert result == 2",
        "def test_one(n=1):\n    if give(n) != n:\n        raise AssertionError",
        "deep = 0\nfor _ in range(150):\n    deep = [deep]\nassert give(deep) == deep",
        "assert give('é' * 1_000_000) == 'é' * 1_000_000 and give(b'x' * 600_000) == b'x' * 600_000",
        "assert give([*range(200_000)]) == [*range(200_000)]",
        "from __future__ import annotations\nassert give(1) == 1",
    ],
)
def test_an_honest_program_passes(sandbox: Sandbox, tests: str) -> None:
    assert verdict(sandbox, GIVE, tests) == Verdict("passed")
    assert verdict(sandbox, "def give(*values, **named):\n    return 'other'\n", tests).kind == "failed"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise ValueError('no')", "ValueError"),
        ("raise type('Mine', (KeyError,), {})('no')", "KeyError"),
        ("return [][1]", "IndexError"),
        ("return b'\\xff'.decode()", "UnicodeError"),
        ("return other()", "NameError"),
        ("return f(a)", "RecursionError"),
    ],
)
def test_an_exception_reaches_the_tests_by_its_nearest_built_in_type(
    sandbox: Sandbox, body: str, expected: str
) -> None:
    tests = f"try:\n    f(1)\nexcept {expected} as error:\n    assert type(error) is {expected}\nelse:\n    assert 0"
    assert verdict(sandbox, f"def f(a):\n    {body}", tests) == Verdict("passed")
    assert verdict(sandbox, "def f(a):\n    return 1", tests) == Verdict("failed", "AssertionError in line 6")


def test_what_a_function_is_not_there_raises_in_the_tests(sandbox: Sandbox) -> None:
    assert verdict(sandbox, "x = 1", "assert f(1) == 1") == Verdict("failed", "NameError in line 1")


def test_a_call_leaves_nothing_to_the_next(sandbox: Sandbox) -> None:
    program = "seen = []\ndef count(a):\n    seen.append(a)\n    return len(seen)"
    assert verdict(sandbox, program, "for _ in range(3):\n    assert count(5) == 1").kind == "passed"


LOOK = """
import sys, time

def look(seconds):
    frame, found = sys._getframe(), []
    while frame := frame.f_back:
        found += [f"{frame.f_code.co_name} {name} {value}" for name, value in frame.f_locals.items() if name[0] != '_']
    while time.process_time() < seconds:
        pass
    return [each for each in found if ' at 0x' not in each and 'Frozen' not in each]
"""


def test_what_a_program_finds_in_the_frames_above_is_the_same_in_every_call(sandbox: Sandbox) -> None:
    tests = "first, second, third = look(0.1), look(0.3), look(0.1)\nassert first and first == third\n"
    tests += "def others(found):\n    return [each for each in found if each.split()[1] not in ('call', 'arguments')]\n"
    assert verdict(sandbox, LOOK, f"{tests}assert others(first) == others(second)") == Verdict("passed")


def test_many_calls_take_none_of_the_time_of_the_program(sandbox: Sandbox) -> None:
    tests = "for number in range(400):\n    assert same(number) == number"
    assert verdict(sandbox, "def same(a):\n    return a", tests) == Verdict("passed")


@pytest.mark.slow
def test_all_calls_together_have_the_time_of_one_program(sandbox: Sandbox) -> None:
    program = "from time import process_time as now\ndef f():\n    while now() < 0.8:\n        pass"
    assert verdict(sandbox, program, "assert f() is None").kind == "passed"
    assert verdict(sandbox, program, "for _ in range(4):\n    assert f() is None").kind == "failed"


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        ("{}['a']", "('a',)"),
        ("raise KeyError(1, [2])", "(1, [2])"),
        ("raise ValueError(len)", "(str(len),)"),
        ("raise ValueError('x' * 2_000)", "('x' * 1_000,)"),
        ("raise SyntaxError('no', ('f', 1, 2, 'text'))", "('no', ('f', 1, 2, 'text'))"),
    ],
)
def test_an_exception_says_what_it_was_made_of(sandbox: Sandbox, raised: str, words: str) -> None:
    tests = f"try:\n    f()\nexcept Exception as error:\n    assert error.args == {words}\nelse:\n    assert False"
    assert verdict(sandbox, f"def f():\n    {raised}", tests) == Verdict("passed")


def test_annotations_are_those_that_the_program_wrote(sandbox: Sandbox) -> None:
    inspecting = "def kind():\n    def f(a: int): pass\n    return f.__annotations__['a'] is int"
    assert verdict(sandbox, inspecting, "assert kind() is True") == Verdict("passed")
    unknown = "def add(a: NoSuch):\n    return a + 1"
    assert verdict(sandbox, unknown, "assert add(1) == 2").reason.startswith("before any call: NameError in line 1")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def f(a) return", "before any call: SyntaxError in line 1: expected ':' (<program>, line 1)"),
        ("raise SystemExit(0)", "the program ended"),
        ("def f(a):\n    return lambda: 1", "f returns a value that is not literal"),
        ("def f(a):\n    return range(a)", "f returns a value that is not literal"),
        ("def f(a):\n    return a + 1", "AssertionError in line 1"),
        ("def f(a):\n    return 'x' * 9_000_000", "9000012 bytes, more than the limit of 8388608"),
        ("import ctypes\nctypes.string_at(0)", "the program ended"),
        ("import nothing", "before any call: ModuleNotFoundError in line 1: No module named 'nothing'"),
    ],
)
def test_a_program_that_fails_is_told_why(sandbox: Sandbox, program: str, reason: str) -> None:
    assert verdict(sandbox, program, "assert f(123) == 123") == Verdict("failed", reason)


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("if 0:\n    assert f(1) == 1", "the tests reach no call of the program"),
        ("for found in range(f(1) - 1):\n    assert found == 5", "the tests reach none of their assertions"),
        ("x = f(1)\ndef wrong():\n    assert f(1) == 2", "the tests reach none of their assertions"),
        (
            "assert f(1) == 1\ndef test_two(number):\n    assert f(number) == 2",
            "the tests have test_two, which nothing calls with the",
        ),
        (
            "assert f(1) == 1\ndef test_two():\n    yield\n    assert f(2) == 2",
            "the tests have test_two, which nothing calls with the",
        ),
        ("assert f(1) == 1\ndef setup_module():\n    pass", "the tests have setup_module, which nothing calls"),
        ("assert f('x' * (17 << 20)) == 1", "the tests give f 17825818 bytes, but the limit is"),
        ("assert f(*map(bytearray, [b''])) == 1", "the tests give f a value of type bytearray"),
        ("1 / 0\nassert f(1) == 1", "the tests end with ZeroDivisionError in line 1"),
        ("try:\n    f(object())\nexcept BaseException:\n    pass\nassert f(1)", "the tests give f a value of type"),
    ],
)
def test_tests_that_turn_out_to_be_beyond_judging_are_told(sandbox: Sandbox, tests: str, reason: str) -> None:
    found = verdict(sandbox, "def f(a):\n    return 1", tests)
    assert found.kind == "unjudged" and found.reason.startswith(reason)


ZERO = "def add(a, b):\n    return 0"
BASE = "    a, b, c = 0, 0, 0\n    def test_it(self):\n        assert add(self.a, self.b) == self.c\n"
FACTORY = "def make(a, b, c):\n    def test():\n        assert add(a, b) == c\n    return test\n"


@pytest.mark.parametrize(
    "tests",
    [
        f"class Base:\n{BASE}class TestZero(Base):\n    pass\nclass TestOne(Base):\n    a, b, c = 1, 2, 3",
        f"class Base:\n{BASE}class TestOne(Base):\n    a, b, c = 1, 2, 3\nBase().test_it()",
        f"{FACTORY}test_zero = make(0, 0, 0)\ntest_one = make(1, 2, 3)",
        f"{FACTORY}test_zero = make(0, 0, 0)\ntest_one = make(1, 2, 3)\ntest_zero()",
        "def test_add(a=1, b=2):\n    assert add(a, b) == a + b\ntest_add(0, 0)",
        "def test_add(*given):\n    a, b = given or (1, 2)\n    assert add(a, b) == a + b\ntest_add(0, 0)",
        "def test_zero(): assert add(0, 0) == 0\ndef test_one(): assert add(1, 2) == 3\n"
        "for each in (test_zero, test_one):\n    try:\n        each()\n    except AssertionError:\n        print('no')",
        "from functools import partial\ndef one(n):\n    assert add(n, 2) == n + 2\ntest_one = partial(one, 1)\n"
        "assert add(0, 0) == 0",
        f"class One:\n{BASE}one = One()\nOne().test_it()\none.c = 3\none.a = 3\ntest_one = one.test_it",
        "class TestAll:\n    @classmethod\n    def test_one(cls):\n        assert add(1, 2) == 3\n"
        "assert add(0, 0) == 0",
        "class TestAll:\n    class TestOne:\n        def test_one(self):\n            assert add(1, 2) == 3\n"
        "assert add(0, 0) == 0",
        "class AddTests:\n    def test_one(self):\n        assert add(1, 2) == 3\nassert add(0, 0) == 0",
        "assert add(0, 0) == 0\ndef run_all():\n    assert add(1, 2) == 3\nif __name__ == '__main__':\n    run_all()",
        "if __name__ == '__main__':\n    assert add(1, 2) == 3",
    ],
)
def test_what_tests_hold_is_run_however_it_was_made(sandbox: Sandbox, tests: str) -> None:
    assert verdict(sandbox, "def add(a, b):\n    return a + b", tests) == Verdict("passed")
    found = verdict(sandbox, ZERO, tests)
    assert found.kind == "failed" and found.reason.startswith("AssertionError in line ")


def test_tests_that_call_themselves_are_called_once(sandbox: Sandbox) -> None:
    once = "seen = []\ndef test_one():\n    seen.append(1)\n    assert f(len(seen)) == 1\ntest_one()"
    method = (
        "class TestF:\n    seen = []\n    def test_one(self):\n        self.seen.append(1)\n"
        "        assert f(len(self.seen)) == 1\nTestF().test_one()"
    )
    needing = "def test(candidate):\n    assert candidate(1) == 1\ntest(f)"
    for tests in (once, method, needing):
        assert verdict(sandbox, "def f(a):\n    return a", tests) == Verdict("passed")


def test_what_one_function_needs_is_not_given_by_the_call_of_another(sandbox: Sandbox) -> None:
    tests = "def make():\n    def test(n):\n        assert f(n) == 1\n    return test\n"
    tests += "test_one, test_two = make(), make()\n"
    assert verdict(sandbox, "def f(a):\n    return 1", f"{tests}test_one(1)").kind == "unjudged"
    assert verdict(sandbox, "def f(a):\n    return 1", f"{tests}test_one(1)\ntest_two(2)").kind == "passed"


def test_a_function_of_the_program_is_no_test_by_its_name(sandbox: Sandbox) -> None:
    tests = "assert test_prime(7) and not test_prime(8)"
    assert verdict(sandbox, "def test_prime(n):\n    return n == 7", tests) == Verdict("passed")


def test_a_test_that_hides_a_failure_of_the_program_does_not_pass(sandbox: Sandbox) -> None:
    tests = "for _ in range(3):\n    try:\n        assert f(1) == 1\n    except BaseException:\n        pass"
    assert verdict(sandbox, "import os\ndef f(a):\n    os._exit(0)", tests) == Verdict("failed", "the program ended")


def test_answers_that_come_before_their_question_are_worth_nothing(sandbox: Sandbox) -> None:
    program = "import os\nfor n in range(3):\n    os.write(3, b'\\0\\0\\0\\x0b[\"value\",0]')\ndef f(a):\n    return a"
    assert verdict(sandbox, program, "assert f(7) == 7\nassert f(8) == 8").kind == "failed"


@pytest.mark.slow
def test_a_program_with_many_calls_is_judged_by_its_own_time() -> None:
    with Sandbox(seconds=2, megabytes=64, wall_seconds=1) as sandbox:
        tests = "for n in range(400):\n    assert f(n) == n"
        assert verdict(sandbox, "def f(a):\n    return a", tests) == Verdict("passed")
        slow = "import time\ndef f(a):\n    time.sleep(100)"
        assert verdict(sandbox, slow, tests) == Verdict("failed", "more than 1 seconds")
        late = "import time\ndef f(a):\n    time.sleep(100 if a > 60 else 0)\n    return a"
        assert verdict(sandbox, late, tests) == Verdict("failed", "more than 1 seconds")


def test_calls_that_the_clock_ends_before_the_program_had_its_time_are_not_judged() -> None:
    with Sandbox(seconds=60, megabytes=64, wall_seconds=0.2) as sandbox:
        told = verdict(sandbox, "def f(a):\n    return a", "n = 0\nwhile True:\n    assert f(n) == n\n    n += 1")
    assert told.kind == "unjudged"
    assert "call the program" in told.reason and "times" in told.reason


def test_many_programs_are_judged_in_their_order(sandbox: Sandbox) -> None:
    answers = [(f"def f():\n    return {number % 3}", "assert f() == 1") for number in range(30)]
    assert [each.kind == "passed" for each in sandbox.verdicts(answers)] == [n % 3 == 1 for n in range(30)]


def test_a_server_that_is_gone_is_told() -> None:
    with Sandbox(seconds=1, megabytes=64, wall_seconds=5) as sandbox:
        sandbox._server.kill()
        with pytest.raises(LmworksError, match="the process that runs programs has ended"):
            sandbox.verdicts([("def f():\n    return 1", "assert f() == 1")])


DENIED = "PermissionError in line 2: [Errno 1] Operation not permitted"
BEFORE = "before any call: "


@pytest.mark.parametrize(
    ("body", "value", "failure"),
    [
        ("    return len(text) / 4", 1.0, ""),
        ("    return {'text': [text]}", {"text": ["four"]}, ""),
        ("    return {}[text]", None, "KeyError in line 2: 'four'"),
        ("    return lambda: text", None, "score returns a value that is not literal"),
        ("    while True: pass", None, "more than 2 s of processor time"),
        ("    __import__('time').sleep(99)", None, "more than 4 s by the clock"),
        ("    return bytearray(1 << 30)[0]", None, "MemoryError in line 2: "),
        ("    return open('/etc/passwd').read()", None, f"{DENIED}: '/etc/passwd'"),
        ("    return __import__('socket').socket() and 1", None, DENIED),
        ("    raise SystemExit", None, "the program ended"),
        ("  x\n   return", None, f"{BEFORE}IndentationError in line 3: unexpected indent (<program>, line 3)"),
        ("    pass\nimport nothing", None, f"{BEFORE}ModuleNotFoundError in line 3: No module named 'nothing'"),
    ],
)
def test_what_a_function_gives_is_told_or_why_it_gives_nothing(body: str, value: object, failure: str) -> None:
    with Sandbox(seconds=2, megabytes=64, wall_seconds=4) as sandbox:
        found = sandbox.returned(f"def score(text):\n{body}", "score", [{"text": "four"}])
    assert found == [Returned(value, failure)]


@pytest.mark.slow
def test_calls_are_answered_in_order_and_leave_nothing_to_each_other(sandbox: Sandbox) -> None:
    program = "seen = []\ndef score(number):\n    seen.append(number)\n    return seen"
    found = sandbox.returned(program, "score", [{"number": number} for number in range(40)])
    assert [each.value for each in found] == [[number] for number in range(40)]
