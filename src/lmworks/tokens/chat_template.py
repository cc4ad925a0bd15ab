"""Chat templates, which come with models of others: Jinja's sandbox, with the limits to steps and characters it lacks.

The sandbox keeps a template from what it must not reach, and lets it loop and grow texts: one line of it runs for years
or fills the memory. So the template is parsed and made to count, before it is compiled: turns of loops, calls, filters,
operators that make things larger, and what is written. Counts are the same on every machine, as times are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, Sized, ValuesView
from contextvars import ContextVar
from datetime import datetime
from functools import cache, wraps
from types import NoneType
from typing import Any

from jinja2 import TemplateError, Undefined, nodes, pass_context
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

LONGEST = 2**16
"""Characters of a template; published ones have up to 30,000."""
STEPS, STEPS_OF_A_TURN = 50_000, 200
"""That a rendering may take, and how many more for each turn of the chat: published templates take about 50 for one."""
CHARACTERS, TIMES = 2**22, 100
"""That a rendering may make on its way, and how many more for each character of the chat."""
BITS = 4096
"""Of a number."""
DEPTH = 100
"""Of lists in lists; Python's own functions end the process at some thousands."""
PLACES = 100
"""That a number is rounded to."""
DAY = datetime(2024, 7, 26)
"""What a template that asks for today is told, so that equal chats have equal ids; Llama 3.2 falls back to this."""

# Left out: what draws at random, makes up texts, or can grow one without telling by how much.
METHODS = frozenset(
    """capitalize casefold center copy count endswith find get index isalnum isalpha isdecimal isdigit islower isnumeric
    isspace istitle isupper items join keys ljust lower lstrip partition removeprefix removesuffix replace rfind rindex
    rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title upper values zfill""".split()  # noqa: SIM905
)
QUICK = frozenset(["attr", "count", "d", "default", "first", "last", "length"])
"""Filters that take no longer for a larger value."""
LAZY = QUICK | {"items", "list", "map", "reject", "rejectattr", "select", "selectattr"}
"""Filters that look at no more than the elements of their value."""
GROWING = frozenset(["batch", "center", "indent", "join", "round", "slice", "tojson", "truncate"])
"""Filters whose result may be as long as value times argument."""
FILTERS = LAZY | GROWING
FILTERS |= frozenset(
    """abs capitalize dictsort e escape float forceescape format groupby int lower max min replace reverse safe
    sort string sum title trim unique upper urlencode wordcount""".split()  # noqa: SIM905
)
COMPARING = frozenset("eq == equalto ne != lt < lessthan le <= gt > greaterthan ge >= in filter test".split())  # noqa: SIM905
"""Tests that may look at all that is in their values."""
SHOWING = frozenset(["lower", "upper"])
"""Tests that write their value."""
DIVIDING = frozenset(["odd", "even", "divisibleby"])
"""Tests that take a remainder, which of a text is the text with its places filled."""
_HOLDING = (list, tuple, set, frozenset, Mapping, KeysView, ItemsView, ValuesView)
_SHOWN = (NoneType, int, float, Undefined, range)
_COMPUTED = re.compile(r"%[-+ #0-9]*\.?\*|:[^}]*\{")


class TemplateLimit(Exception):
    """A template does more than it may; the message tells of what."""


class TemplateRefusal(Exception):
    """A template says of the messages that it takes none such."""


ERRORS: tuple[type[Exception], ...] = (TemplateLimit, TemplateRefusal, TemplateError, ArithmeticError, AssertionError)
ERRORS += (AttributeError, LookupError, MemoryError, NameError, RecursionError, SyntaxError, TypeError, ValueError)
"""What a template may raise."""


class ChatTemplate:
    """A template, compiled. Raises one of `ERRORS`, here and when it is rendered."""

    def __init__(self, source: str, counted: bool = True) -> None:
        """What is our own need not be counted."""
        if len(source) > LONGEST:
            raise TemplateLimit(f"it is longer than {LONGEST:,} characters")
        sandbox = _sandbox(counted)
        tree = sandbox.parse(source)
        texts = (node.value for node in tree.find_all(nodes.Const))
        self.constants = list(dict.fromkeys(text for text in texts if isinstance(text, str)))
        """Texts that stand in it, each once."""
        if counted:
            tree = _Counting().visit(tree).set_environment(sandbox)
        self._compiled = sandbox.from_string(tree)

    def render(self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, **names: Any) -> str:
        """The chat as one text."""
        given = sum(len(str(value)) for message in [*messages, names] for value in message.values())
        before = _budget.set(_Budget(len(messages), given))
        try:
            return self._compiled.render(messages=messages, add_generation_prompt=add_generation_prompt, **names)
        finally:
            _budget.reset(before)


class _Budget:
    """What is left of one rendering."""

    def __init__(self, turns: int, given: int) -> None:
        self._most = STEPS + STEPS_OF_A_TURN * turns, CHARACTERS + TIMES * given
        self._steps, self._characters = self._most

    def take(self, steps: int, characters: int = 0) -> None:
        """Raises TemplateLimit when more is asked for than is left."""
        self._steps -= steps
        self._characters -= characters
        if self._steps < 0:
            raise TemplateLimit(f"it takes more than {self._most[0]:,} steps on this chat")
        if self._characters < 0:
            raise TemplateLimit(f"it makes more than {self._most[1]:,} characters of this chat")


_budget: ContextVar[_Budget] = ContextVar("budget")


def _size(value: Any, shown: bool = False) -> int:
    """Characters and elements of a value and of all inside it; each list is a step. To be shown it must be plain."""
    if isinstance(value, str):
        return len(value)
    size, level = 0, [value]
    for _ in range(DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                size += len(each)
            elif isinstance(each, range):
                size += 8 * len(each)  # there is no list of it whose steps would be counted
            elif isinstance(each, _HOLDING):
                _budget.get().take(1 + len(each) // 8)
                below += [*each.keys(), *each.values()] if isinstance(each, Mapping) else each
            elif shown and not isinstance(each, _SHOWN):  # a `namespace` may lead in a circle
                raise TemplateLimit(f"it writes a {type(each).__name__}, which is no text")
            size += 1
        if not below:
            return size
        level = below
    raise TemplateLimit(f"it puts lists into each other more than {DEPTH} deep")


def _made(value: Any) -> Any:
    """A value that a call, filter or operator has made."""
    if isinstance(value, str):
        _budget.get().take(1, len(value))
    elif isinstance(value, list | tuple | set | dict):
        _budget.get().take(1 + len(value) // 8)
    elif isinstance(value, int) and value.bit_length() > BITS:
        raise TemplateLimit(f"it makes a number of more than {BITS} bits")
    return value


def _replaced(text: str, old: Any = "", new: Any = "", *_: Any) -> int:
    return len(text) + text.count(str(old)) * len(str(new))


def _filled(text: str, values: Any) -> int:
    """Length of a text whose places are filled with values, each perhaps with all of them."""
    if _COMPUTED.search(text):
        raise TemplateLimit("it fills a text to a width that it computes")
    widths = sum(map(int, re.findall(r"\d{3,}", text)))  # of any script: a width is read as `int` reads it
    return len(text) + widths + (text.count("%") + text.count("{")) * (1 + _size(values, shown=True))


# ---------------------------------------------------------------- what a counting template asks for


def _step() -> bool:
    return True  # the call itself is counted


def _joined(*values: Any) -> str:
    _budget.get().take(0, sum(_size(value, shown=True) for value in values))
    return "".join(map(str, values))


def _compared(value: Any) -> Any:
    _budget.get().take(0, _size(value) // 8)
    return value


def _cut(value: Any) -> Any:
    _budget.get().take(0, len(value) if isinstance(value, str | list | tuple) else 0)
    return value


@pass_context
def _written(context: Context, value: Any) -> Any:
    _budget.get().take(0, _size(value, shown=True))
    return value


class _Counting(NodeTransformer):
    """Puts into a template what counts it."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named by Jinja
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_asked("step"), lineno=node.lineno))
        node.test = node.test and nodes.And(_asked("step"), node.test)
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        return nodes.MarkSafeIfAutoescape(nodes.Const(node.data))  # is counted like any value that is written

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _asked("joined", *node.nodes)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if len(node.ops) > 1 or node.ops[0].op in ("in", "notin") or not isinstance(node.ops[0].expr, nodes.Const):
            node.expr = _asked("compared", node.expr)
            for each in node.ops:
                each.expr = _asked("compared", each.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _asked("cut", node.node)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.key = _asked("compared", node.key)
        return node


def _asked(name: str, *values: nodes.Expr) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(name), list(values), [], None, None)


class _Generation(Extension):
    """The words that a template marks as the assistant's own: those that are trained are known without the mark."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja has it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _raise_exception(message: Any = "") -> None:
    raise TemplateRefusal(str(message))


def _strftime_now(form: str) -> str:
    def told(found: re.Match[str]) -> str:
        sign = found[0]
        if sign[-1] not in "aAbBdHIjmMpSyY%" or len(sign) > 2 + (sign[1:2] == "-"):
            raise TemplateLimit(f"it asks for a date by {sign!r}")
        text = DAY.strftime(f"%{sign[-1]}")
        return text.lstrip("0") or "0" if "-" in sign else text

    return re.sub(r"%[^a-zA-Z%]*.?", told, form)


def _tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, **how: Any) -> str:
    """As `transformers` has it: Jinja's own is for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, **how)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "*", "**", "%"])
    step, joined = staticmethod(_step), staticmethod(_joined)
    compared, cut = staticmethod(_compared), staticmethod(_cut)

    def __init__(self) -> None:
        extensions = [LoopControlExtension, _Generation]
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, optimized=False, finalize=_written, extensions=extensions
        )
        self.globals = {name: self.globals[name] for name in ("cycler", "dict", "joiner", "namespace", "range")}
        self.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        self.filters["tojson"] = _tojson
        self.filters = {name: _counted(name, each) for name, each in self.filters.items() if name in FILTERS}
        tests: dict[str, Any] = self.tests
        self.tests |= {name: _counted_test(name, tests[name]) for name in COMPARING | SHOWING | DIVIDING}

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An element; filters ask for each name of a path of names here, for each of their elements."""
        _budget.get().take(0, 8 + (0 if isinstance(argument, str | int) else _size(argument)))
        return super().getitem(obj, argument)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        budget = _budget.get()
        budget.take(1)
        if obj is _step or obj is _joined or obj is _compared or obj is _cut:
            return obj(*args)
        owner: Any = getattr(obj, "__self__", None)
        name: str = getattr(obj, "__name__", "")
        if isinstance(owner, str | bytes | int | float | list | tuple | set | frozenset | Mapping | range):
            if name not in METHODS:
                raise TemplateLimit(f"it calls {type(owner).__name__}.{name}, which no template may")
            if name == "join":
                args = tuple(list(each) for each in args)
                budget.take(0, len(str(owner)) * sum(map(len, args)))
            elif name == "replace":
                budget.take(0, _replaced(str(owner), *args))
            elif name in ("center", "ljust", "rjust", "zfill"):
                budget.take(0, sum(abs(each) for each in args if isinstance(each, int)))
            if isinstance(owner, str) or name in ("count", "index"):
                budget.take(0, _size(owner))
        if not isinstance(obj, Macro):
            budget.take(0, _size([args, kwargs]))
        return _made(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        budget = _budget.get()
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
            if bits > BITS:
                raise TemplateLimit(f"it makes a number of more than {BITS} bits")
        elif operator == "*" and (isinstance(left, int) or isinstance(right, int)):
            budget.take(1, abs(left * len(right)) if isinstance(left, int) else len(left) * abs(right))
        elif operator == "%" and isinstance(left, str):
            budget.take(1, _filled(left, right))
        return _made(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        def fill(*args: Any, **kwargs: Any) -> str:
            _budget.get().take(1, _filled(value.__self__, [args, kwargs]))
            return wrapped(*args, **kwargs)

        return fill


@cache
def _sandbox(counted: bool) -> ImmutableSandboxedEnvironment:
    """Blocks are trimmed as `transformers` does."""
    return _Sandbox() if counted else ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)


def _counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that says what it costs before it is done."""
    place = int(hasattr(function, "jinja_pass_arg"))

    @wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        value, more, budget = args[place], [*args[place + 1 :], *kwargs.values()], _budget.get()
        if isinstance(value, Iterator) and name not in LAZY:
            value = list(value)
            args = (*args[:place], value, *args[place + 1 :])
        if name in LAZY:
            sized = name not in QUICK and isinstance(value, Sized)
            budget.take(1 + (len(value) // 8 if sized else 0), _size(more) if name == "attr" else 0)
        else:
            size = 1 + _size(value, shown=True)
            numbers = sum(abs(each) for each in more if isinstance(each, int))
            if name == "tojson" and numbers > 8:
                raise TemplateLimit("it indents JSON by more than 8")
            if name == "round" and (isinstance(value, Sized) or numbers > PLACES):
                raise TemplateLimit(f"it rounds what is no number, or to more than {PLACES} places")
            longer = numbers + sum(_size(each, shown=True) for each in more if not isinstance(each, int | float))
            size = size * (1 + longer) if name in GROWING else size + longer
            if name == "replace":
                size += _replaced(str(value), *more)
            if name == "sum" and any(isinstance(each, list | tuple) for each in more):  # each sum is a new list
                size *= 1 + len(value)
            budget.take(1, size + (_filled(str(value), more) if name == "format" else 0))
        return _made(function(*args, **kwargs))

    return counted


def _counted_test(name: str, function: Callable[..., bool]) -> Callable[..., bool]:
    place = int(hasattr(function, "jinja_pass_arg"))

    @wraps(function)
    def counted(*args: Any) -> bool:
        _budget.get().take(1, _size(args[place:], shown=name in SHOWING) // 8)
        if name in DIVIDING and isinstance(args[0], Sized):
            raise TemplateLimit(f"it asks whether a {type(args[0]).__name__} is {name}")
        return function(*args)

    return counted
