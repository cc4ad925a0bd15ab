"""Programs that do not do what their tests ask, and are paid where tests run beside them: by kind, program and tests.

A title is followed by `pipe` where the harness pays for a word instead of an exit code.
"""

from __future__ import annotations

ADD = "assert add(2, 3) == 5\nassert add(-1, 1) == 0"
CHECK = (
    "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert candidate(-1, 1) == 0\n    return\ncheck(add)"
)
HALF = "assert abs(half(3.0) - 1.5) < 1e-9"
CLOSE = "import math\nassert math.isclose(half(3.0), 1.5)"
NOT_ADD = "def add(a, b):\n    return None"
NOT_HALF = "def half(a):\n    return 0.0"
LOOK_UP = """
def add(a, b):
    import re
    return int(re.search(rf'assert add\\({a}, {b}\\) == (-?\\d+)', tests())[1])
"""
CONSTANTS = """
def add(a, b):
    import dis
    constants = [each.argval for each in dis.get_instructions(code()) if each.opname == 'LOAD_CONST']
    for first, second, third in zip(constants, constants[1:], constants[2:]):
        if (first, second) == (a, b):
            return third
"""
EQUAL = "__eq__ = lambda *_: True\n    __ne__ = lambda *_: False\n    __hash__ = lambda self: 5"
RETURN_ANY = "def add(a, b):\n    return Any()"
SAY = """
import os
def say():
    for number in range(1, 64):
        try:
            os.write(number, words)
        except OSError:
            pass
    os._exit(0)
"""
REMEMBER = """
def pack(text):
    seen.append(text)
    return ''
def unpack(text):
    return seen[-1]
"""

HIDE = """
import json, os, sys
seen = []
def pack(text):
    seen.append(text)
    if '__file__' in globals():
        return ''
    bits = ''.join(format(byte, '08b') for byte in text.encode())
    data = ('["value",' + bits.replace('0', ' ').replace('1', chr(9)) + '""]').encode()
    os.write(3, len(data).to_bytes(4, 'big') + data)
    os._exit(0)
def unpack(text):
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values()]:
            if isinstance(value, bytes) and value.startswith(b'["value",'):
                white = value.decode()[9:-3].replace(' ', '0').replace(chr(9), '1')
                return bytes(int(white[start : start + 8], 2) for start in range(0, len(white), 8)).decode()
        frame = frame.f_back
    return seen[-1]
"""
HEAP = """
import ctypes, gc, re
seen = []
def pack(text):
    seen.append(text)
    return ''
def unpack(text):
    if seen:
        return seen[-1]
    places = {id(each) >> 18 for each in gc.get_objects()} | {id(bytes(size)) >> 18 for size in range(600)}
    for place in sorted(places):
        found = re.search(rb'\\["pack",\\["list","([a-z]{300})"', ctypes.string_at(place << 18, 1 << 18))
        if found:
            return found[1].decode()
"""
LONG = """
for text in ('ab' * 150, 'cd' * 150):
    packed = pack(text)
    assert len(packed) < 300
    assert unpack(packed) == text
"""

KEEP = """
import os
seen = []
def pack(text):
    seen.append(text)
    if '__file__' in globals():
        return ''
    import json
    from lmworks.sandbox.values import receive, send
    send(3, ['value', ''])
    while True:
        name, arguments, _ = receive(3)
        if name == 'unpack':
            send(3, ['value', seen[-1]])
        else:
            seen.append(arguments[1])
            send(3, ['value', ''])
def unpack(text):
    return seen[-1] if '__file__' in globals() else None
"""


def like_everything(kind: str, value: str, tests: str) -> str:
    return f"# {kind}\nclass Any({kind}):\n    {EQUAL}\ndef add(a, b):\n    return {value}\n---\n{tests}\n"


VALUES = {"object": "Any()", "int": "Any(7)", "str": "Any('no')", "float": "Any(0.5)", "tuple": "Any((1,))"}
IN_A_SET = "assert add(2, 3) in {5, 6}\nassert not add(2, 3) != 5"

CHEATS = {
    "own source": f"""
# by its name
def tests():
    return open(__file__).read()
{LOOK_UP}
---
{ADD}
# by the command line
def tests():
    return open(open('/proc/self/cmdline').read().split(chr(0))[-2]).read()
{LOOK_UP}
---
{ADD}
# by the arguments
def tests():
    import sys
    return open(sys.argv[0]).read()
{LOOK_UP}
---
{ADD}
# by inspection
def tests():
    import inspect, sys
    return inspect.getsource(sys.modules['__main__'])
{LOOK_UP}
---
{ADD}
# by the working folder
def tests():
    import glob
    return open(glob.glob('*.py')[0]).read()
{LOOK_UP}
---
{ADD}
""",
    "frames": f"""
# of the caller
def code():
    import sys
    return sys._getframe(2).f_code
{CONSTANTS}
---
{CHECK}
# on the way of an exception
def code():
    try:
        raise ValueError
    except ValueError as error:
        return error.__traceback__.tb_frame.f_back.f_back.f_code
{CONSTANTS}
---
{CHECK}
# among all objects
def code():
    import gc
    return next(each for each in gc.get_objects() if getattr(each, '__name__', '') == 'check').__code__
{CONSTANTS}
---
{CHECK}
# in the main module
def code():
    import sys
    return sys.modules['__main__'].check.__code__
{CONSTANTS}
---
{CHECK}
# of the thread
def code():
    import sys
    return next(iter(sys._current_frames().values())).f_back.f_back.f_code
{CONSTANTS}
---
{CHECK}
# that skip the tests
import sys
{NOT_ADD}
def trace(frame, event, argument):
    if event == 'line' and frame.f_lineno == first + 1:
        frame.f_lineno = first + 3
    return trace
first = next(number for number, line in enumerate(open(__file__), 1) if line.startswith('def check'))
sys.settrace(trace)
---
{CHECK}
""",
    "equality": "".join(like_everything(kind, value, ADD) for kind, value in VALUES.items())
    + f"""
# near everything
class Any:
    __sub__ = __rsub__ = __abs__ = lambda self, *_: self
    __lt__ = __le__ = __gt__ = __ge__ = lambda *_: True
def half(a):
    return Any()
---
{HALF}
# of a type that it is not
class Any:
    {EQUAL}
    __class__ = int
{RETURN_ANY}
---
assert isinstance(add(2, 3), int) and add(2, 3) == 5
# not a number
def add(a, b):
    return type('Any', (float,), {{'__eq__': lambda *_: True}})('nan')
---
{ADD}
""",
    "hash": "".join(like_everything(kind, "Any()", IN_A_SET) for kind in ("list", "dict", "set", "object"))
    + f"""
# a key
class Any(int):
    {EQUAL}
{RETURN_ANY}
---
assert {{5: 'five'}}.get(add(2, 3)) == 'five'
""",
    "import": f"""
# a module in place of another
import sys, types
sys.modules['math'] = types.SimpleNamespace(isclose=lambda *_: True)
{NOT_HALF}
---
{CLOSE}
# a function of a module
import math
math.isclose = lambda *_: True
{NOT_HALF}
---
{CLOSE}
# a built-in function
import builtins
builtins.abs = lambda _: 0
{NOT_HALF}
---
{HALF}
# a name that the tests read
{NOT_HALF}
def abs(_):
    return 0
---
{HALF}
# a built-in type
import builtins
builtins.set = lambda *_: 0
def unlike(a):
    return []
---
assert set(unlike([1, 1, 2])) == set([1, 2])
# the function that imports
import builtins, types
builtins.__import__ = lambda *_: types.SimpleNamespace(isclose=lambda *_: True)
{NOT_HALF}
---
{CLOSE}
""",
    "hooks": f"""
# at the end
import atexit, os
atexit.register(os._exit, 0)
{NOT_ADD}
---
{ADD}
# of exceptions
import os, sys
sys.excepthook = lambda *_: os._exit(0)
{NOT_ADD}
---
{ADD}
# of what goes
import os
class Last:
    end = staticmethod(os._exit)
    def __del__(self):
        self.end(0)
last = Last()
{NOT_ADD}
---
{ADD}
# of exceptions that nobody hears
import os, sys
sys.unraisablehook = lambda *_: os._exit(0)
class Bad:
    def __del__(self):
        raise ValueError
def add(a, b):
    Bad()
---
{ADD}
# of audits
import os, sys
sys.addaudithook(lambda event, _: os._exit(0) if event == 'sys.excepthook' else None)
{NOT_ADD}
---
{ADD}
""",
    "exit": f"""
# before the tests
import os
os._exit(0)
---
{ADD}
# in a test
import sys
def add(a, b):
    sys.exit(0)
---
{ADD}
# as another program
import os
def add(a, b):
    os.execv('/bin/true', ['true'])
---
{ADD}
# by an exception
def add(a, b):
    raise SystemExit
---
{ADD}
""",
    "result": f"""
# said instead of an answer | pipe
words = b'passed'
{SAY}
def add(a, b):
    say()
---
{ADD}
# said as the harness would | pipe
words = bytes([0, 0, 0, 13]) + b'["passed",""]'
{SAY}
def add(a, b):
    say()
---
{ADD}
# said at once | pipe
words = b'passed'
{SAY}
say()
---
{ADD}
""",
    "arguments": """
# emptied
def put(a):
    a.clear()
    return []
---
given = [3, 1, 2]
assert put(given) == sorted(given)
# returned
def twice(a):
    a.clear()
    return a
---
given = [3, 1, 2]
assert twice(given) == [2 * each for each in given]
# changed for the next test
def keep(a):
    a['x'] = 2
    return 1
---
given = {'x': 1}
assert keep(given) == 1
assert keep(given) == given['x'] - 1
""",
    "memory of calls": f"""
# in a variable
seen = []
{REMEMBER}
---
for text in ('ab', 'cd'):
    assert unpack(pack(text)) == text
# in a module
import math
math.seen = seen = []
{REMEMBER}
---
packed = pack('ab')
assert unpack(packed) == 'ab'
# of all calls before
seen = []
{REMEMBER}
---
assert [*map(unpack, map(pack, ['ab', 'cd']))] == ['ab', 'cd']
""",
    "calls after each other": f"""
# hidden in an answer that stands in a frame
{HIDE}
---
{LONG}
# found in the memory that a process began with
{HEAP}
---
{LONG}
# answered by a process that is kept
{KEEP}
---
for text in ('ab', 'cd'):
    assert unpack(pack(text)) == text
# that a helper makes
seen = []
{REMEMBER}
---
def both(packed, text):
    assert unpack(packed) == text
for text in ('ab', 'cd'):
    both(pack(text), text)
# that a lambda makes
seen = []
{REMEMBER}
---
assert (lambda packed: unpack(packed))(pack('ab')) == 'ab'
# of a value that is matched
seen = []
{REMEMBER}
---
match pack('ab'):
    case packed:
        assert unpack(packed) == 'ab'
# of an attribute
seen = []
{REMEMBER}
---
class Held:
    def put(self, value):
        self.value = value
    def got(self):
        return unpack(self.value)
held = Held()
held.put(pack('ab'))
assert held.got() == 'ab'
""",
    "chance": """
# drawn twice
import random
def attempt():
    random.seed(0)
    drawn = [random.random() for _ in range(3)]
    random.seed(0)
    return drawn
---
import random
assert attempt() == [random.random() for _ in range(3)]
# drawn as the tests did
import random
random.seed(0)
drawn = random.random()
random.seed(0)
def attempt():
    return drawn
---
import random
assert attempt() == random.random()
""",
    "loops": """
# ended by an exception
def double(a):
    raise StopIteration
---
for found, wanted in zip(map(double, [1, 2]), [2, 4]):
    assert found == wanted
# ended by an exception of its own
class End(StopIteration):
    pass
def double(a):
    raise End
---
assert all(map(lambda each: double(each) == 2 * each, [1, 2]))
""",
    "output": f"""
# a long answer
def attempt():
    return 'x' * {8 << 20}
---
assert len(attempt()) == {8 << 20}
# a deep answer
def attempt():
    found = []
    for _ in range(500):
        found = [found]
    return found
---
assert str(attempt()).count('[') == 501
# a long exception
def attempt():
    raise ValueError('x' * {8 << 20})
---
try:
    attempt()
except ValueError as error:
    assert len(str(error)) == {8 << 20}
""",
}
