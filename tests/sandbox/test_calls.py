"""What is read from the text of tests."""

from __future__ import annotations

import pytest

from lmworks.sandbox.calls import Unjudged, calls_of

HUMAN_EVAL = """
METADATA = {'author': 'jt'}


def check(candidate):
    import math
    for number in range(3):
        assert candidate([number], scale=0.5) == [number * math.pi], "of " + str(number)
    assert True


check(rescale)
"""


@pytest.mark.parametrize(
    ("tests", "functions"),
    [
        ("assert add(1, 2) == 3", ["add"]),
        ("import math\nassert math.isclose(half(3), 1.5)", ["half"]),
        ("from math import isclose as near\nassert near(half(3), 1.5)", ["half"]),
        ("assert abs(half(3) - 1.5) < 1e-6\nassert not odd(2)", ["half", "odd"]),
        ("assert set(unlike([1, 1])) == {1}\nassert sorted(unlike([2]), key=lambda x: -x) == [2]", ["unlike"]),
        (HUMAN_EVAL, ["rescale"]),
        ("def test_add():\n    assert add(1, 2) == 3\n", ["add"]),
        ("for a, b in [(1, 2), (3, 4)]:\n    assert next_of(a) == b", ["next_of"]),
        ("values = [3, 1]\nassert put(values) == [1, 3]", ["put"]),
        ("try:\n    half('x')\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError", ["half"]),
        ("assert list(map(twice, [1, 2])) == [2, 4]", ["twice"]),
        ("assert unpack(pack('ab')) == 'ab'", ["pack", "unpack"]),
        ("packed = pack('ab')\nagain = packed + ''\nassert unpack(again) == 'ab'", ["pack", "unpack"]),
        ("def both(x):\n    return pack(x)\nassert unpack(both('ab')) == 'ab'", ["pack", "unpack"]),
        ("for packed in pack('ab'):\n    assert unpack(packed)", ["pack", "unpack"]),
        ("found = []\nfound.append(pack('ab'))\nassert unpack(found[0])", ["pack", "unpack"]),
        ("assert [*map(unpack, map(pack, ['ab']))] == ['ab']", ["pack", "unpack"]),
        ("for packed in map(pack, ['ab']):\n    assert unpack(packed)", ["pack", "unpack"]),
        ("import json, re\nassert json.loads(dump([1])) == [1] and re.compile('a').match(dump('a'))", ["dump"]),
        ("with suppress(TypeError):\n    half('x')\nassert half(2) == 1\nassert half(2) == 1", ["half", "suppress"]),
        ("assert getattr([], 'count')(f(1)) == 0", ["f"]),
        ("from operator import itemgetter, attrgetter\nassert sorted(f([1j]), key=attrgetter('real'))", ["f"]),
        ("import types, typing, dataclasses\nassert f(1) == types.SimpleNamespace(a=1).a", ["f"]),
        ("assert f(1) == 1\nassert f(1) == True\nassert f(1) == 1.0", ["f"]),
        ("xs = [2, 1]\nassert len(xs) == 2\nassert put(xs) == [1, 2]", ["put"]),
        ("assert callable(f)\nassert f(1) == 1", ["f"]),
        ("import platform, math\nassert f(platform.system()) == math.__name__", ["f"]),
        ("class A:\n    def __init__(self):\n        self._a = 1\nassert f(A()._a) == type(1).__name__", ["f"]),
        ("assert getattr([], '__len__')() == f(1)", ["f"]),
        ("words = split('a b')\nassert words.count('a') == 1", ["split"]),
    ],
)
def test_functions_of_the_program_are_those_that_tests_call_and_do_not_have(tests: str, functions: list[str]) -> None:
    assert calls_of(tests) == tuple(functions)


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("It adds.", "are not Python in line 1"),
        ("assert f('\0') == 1", "are not Python"),
        ("(" * 10_000, "are not Python"),
        (f"assert f(0x{'f' * 4000}) == 1", "are not Python that can be read"),
        (f"assert f({'+'.join('1' * 3000)}) == 1", "are not Python that can be read"),
        ("assert sum([1, 2]) == 3", "call no function of the program"),
        ("def check(candidate):\n    assert candidate(1) == 2", "call no function of the program"),
        ("add(1, 2)", "assert nothing"),
        ("import numpy\nassert add(1, 2) == 3", "import numpy, which is not available"),
        ("from solution import add\nassert add(1, 2) == 3", "import solution, which is not available"),
        ("import unittest\nassert add(1, 2) == 3", "import unittest"),
        ("assert LIMIT == 3\nassert add(1, 2) == 3", "use LIMIT without calling it, in line 1"),
        ("assert add.__doc__\nassert add(1, 2) == 3", "use add without"),
        ("assert isinstance(make(), Made)", "use Made without"),
        ("class Mine(Made):\n    pass\nassert Mine().x == 1", "use Made without"),
        ("assert apply(lambda x: x, 1) == 1", "give the program an argument that is not literal, in line 1"),
        ("def own(x):\n    return x\nassert apply(own, 1) == 1", "give the program an argument that is not"),
        ("assert total(x for x in [1]) == 1", "give the program an argument that is not literal"),
        ("assert eval(text(5)) == 5", "use eval, in line 1, which may run code from the program"),
        ("import pickle\nassert pickle.loads(dump(1)) == 1", "import pickle, which may run code from the program"),
        ("from pickle import loads as read\nassert read(dump(1)) == 1", "import pickle, which may run"),
        ("import timeit\nassert timeit.timeit(f(3), number=1) < 5", "import timeit, which may run"),
        ("import inspect\nassert inspect.signature(f(1))", "import inspect, which may run"),
        ("from ctypes import *\nassert f(1)", "import ctypes, which may run"),
        ("exec(compile(f(1), '', 'exec'))\nassert f(1)", "use exec, in line 1"),
        ("code = compile(f(1), '', 'exec')\nassert f(1)", "use compile, in line 1"),
        ("assert __builtins__.eval(f(1))", "use eval, in line 1"),
        ("import sys\nassert sys.modules['builtins'].eval(f(1))", "use eval, in line 2"),
        ("from typing import get_type_hints as hints\nassert hints(f(1))", "use get_type_hints, in line 1"),
        ("import typing\nassert typing.get_type_hints(f(1))", "use get_type_hints, in line 2"),
        ("assert globals()[f(1)](2)", "use globals, in line 1"),
        ("import sys\nassert sys.modules['builtins'].__dict__[f(1)](f(2))", "use __dict__, in line 2"),
        ("import sys\nassert sys.modules[f(1)]", "use modules, in line 2"),
        ("from sys import modules as m\nassert m[f(1)]", "use modules, in line 1"),
        ("import operator\nassert operator.__dict__['attrgetter'](f(1))", "use __dict__, in line 2"),
        ("import operator\nassert operator.__getattribute__(f(1))(f(2))", "use __getattribute__, in line 2"),
        ("assert (lambda: 1).__globals__[f(1)]", "use __globals__, in line 1"),
        ("assert __builtins__[f(1)](f(2))", "use __builtins__, in line 1"),
        ("import os\nassert os.system(f(1)) == 0", "use system, in line 2"),
        ("import os as o\nassert o.popen(f(1))", "use popen, in line 2"),
        ("import os\nassert os.execvp(f(1), [])", "use execvp, in line 2"),
        ("import os\nassert os.spawnl(0, f(1))", "use spawnl, in line 2"),
        ("from os import system as s\nassert s(f(1)) == 0", "use system, in line 1"),
        ("from os import *\nassert system(f(1)) == 0", r"use \*, in line 1"),
        ("import pathlib\nassert pathlib.os.system(f(1)) == 0", "use system, in line 2"),
        ("import typing\nassert typing._eval_type(f(1), {}, {})", "use _eval_type, in line 2"),
        ("from typing import _eval_type as e\nassert e(f(1), {}, {})", "use _eval_type, in line 1"),
        ("import sys\nassert sys._getframe().f_back == f(1)", "use _getframe, in line 2"),
        ("import sys\nassert getattr(sys, 'modules')[f(1)]", "use modules, in line 2"),
        (
            "from operator import attrgetter\nimport re\nassert attrgetter('a.__dict__')(re)[f(1)]",
            "use __dict__, in line 3",
        ),
        ("import typing\nassert getattr(typing, '_eval_type')(f(1))", "use _eval_type, in line 2"),
        ("assert any(c.__name__ == f(1) for c in object.__subclasses__())", "use __subclasses__, in line 1"),
        ("assert getattr([], f(1))(2)", "use getattr, in line 1, without a literal name as argument"),
        ("name = getattr\nassert name([], f(1))", "use getattr, in line 1"),
        ("import operator\nassert operator.methodcaller(f(1), 2)([])", "use methodcaller, in line 2"),
        ("from operator import methodcaller as call\nassert call(f(1))([])", "the tests rename methodcaller"),
        ("import sys\nif f(1) != 1:\n    sys.exit(1)\nassert f(2)", "use exit, in line 3"),
        ("assert f(1)\nraise SystemExit", "use SystemExit, in line 2"),
        ("assert (f(1) == 1, 'one')", "assertion that is always true, in line 1"),
        ("assert [f(n) == n for n in (1, 2)]", "assertion that is always true"),
        ("assert (f(n) == n for n in (1, 2))", "assertion that is always true"),
        ("f(1)\nassert True", "assert nothing"),
        ("async def test_f():\n    assert f(1) == 1", "are asynchronous, in line 1"),
        ("stack = Stack()\nstack.push(1)\nassert stack.pop() == 1", "use .push of an object of the program, in line 2"),
        ("assert Stack().size == 0", "use .size of an object"),
        (
            "values = [2, 1]\nput(values)\nassert values == [1, 2]",
            "check how the program changed its argument, in line 3",
        ),
        ("xs = [2]\nfor _ in 'ab':\n    assert xs == [2]\n    assert put(xs)", "check how the program changed"),
        ("xs = [2]\ndef look():\n    assert xs == [2]\nassert put(xs)\nlook()", "check how the program changed"),
        ("xs = [2]\nassert put(xs); assert xs == [2]", "check how the program changed"),
        ("assert callable(other)\nassert f(1) == 1", "use other without calling it, in line 1"),
        ("push(3)\nassert top() == 3", "call the program without using its answer, in line 1"),
        ("assert push(3) == 1\nassert push(3) == 2", "expect two answers from the same call, in line 2"),
        ("values = [2, 1]\nassert put(values) is None\nassert values == [1, 2]", "check how the program changed"),
    ],
)
def test_what_cannot_be_asked_from_outside_is_told(tests: str, reason: str) -> None:
    with pytest.raises(Unjudged, match=reason.replace("(", r"\(").replace(".", r"\.")):
        calls_of(tests)


@pytest.mark.parametrize("order", [1, -1])
def test_a_long_chain_of_names_is_read_in_one_pass(order: int) -> None:
    steps = [f"a{number} = a{number - 1}" for number in range(1, 4_000)]
    tests = "\n".join(["a0 = f(1)", *steps[::order], "values = [1]", "b = put(values)", "assert a3999 == values"])
    assert calls_of(tests) == ("f", "put")


def test_names_that_are_set_together_are_read_in_linear_time_and_room() -> None:
    names = ", ".join(f"a{number}" for number in range(20_000))
    others = names.replace("a", "b")
    assert calls_of(f"{others} = range(20_000)\n{names} = {others}\nassert f(1) == 1") == ("f",)
