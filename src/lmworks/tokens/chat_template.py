"""Chat templates, which come with models of others: Jinja's sandbox, with limits to loops, calls and output.

The sandbox keeps a template from what it must not reach. Loops and calls are counted, as times differ by machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence, Sized
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

LONGEST = 2**16
"""Most characters of a template; published ones have up to 30,000."""
STEPS, STEPS_OF_A_TURN = 50_000, 200
"""Most turns of loops and calls in a rendering, and more for each turn of the chat: published ones take about 50."""
CHARACTERS, TIMES = 2**22, 100
"""Most characters that a rendering may write, and more for each character of the chat."""
DAY = datetime(2024, 7, 26)
"""Day that a template is given as today, so that equal chats have equal ids; Llama 3.2 falls back to this."""


class TemplateLimit(Exception):
    """A template does more than it may; the message names the limit."""


class TemplateRefusal(Exception):
    """A template does not take such messages, and says so."""


ERRORS: tuple[type[Exception], ...] = (TemplateLimit, TemplateRefusal, TemplateError, ArithmeticError, AssertionError)
ERRORS += (AttributeError, LookupError, MemoryError, NameError, RecursionError, SyntaxError, TypeError, ValueError)
"""Errors that a template may raise."""


class ChatTemplate:
    """A template, compiled. Raises one of `ERRORS`, here and when it is rendered."""

    def __init__(self, source: str, counted: bool = True) -> None:
        """Compile a template. Our own need not be counted."""
        if len(source) > LONGEST:
            raise TemplateLimit(f"it is longer than {LONGEST:,} characters")
        sandbox = _sandbox(counted)
        tree = sandbox.parse(source)
        texts = (node.value for node in tree.find_all(nodes.Const))
        self.constants = list(dict.fromkeys(text for text in texts if isinstance(text, str)))
        """Texts that the template holds, each once."""
        if counted:
            tree = _Counting().visit(tree).set_environment(sandbox)
        self._compiled = sandbox.from_string(tree)

    def render(self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, **names: Any) -> str:
        """Return the chat as one text."""
        given = sum(len(str(value)) for message in [*messages, names] for value in message.values())
        before = _budget.set(_Budget(len(messages), given))
        try:
            return self._compiled.render(messages=messages, add_generation_prompt=add_generation_prompt, **names)
        finally:
            _budget.reset(before)


class _Budget:
    """Steps and characters that are left of one rendering."""

    def __init__(self, turns: int, given: int) -> None:
        self._most = STEPS + STEPS_OF_A_TURN * turns, CHARACTERS + TIMES * given
        self._steps, self._characters = self._most

    def take(self, steps: int, characters: int = 0) -> None:
        """Raise TemplateLimit if more is asked for than is left."""
        self._steps -= steps
        self._characters -= characters
        if self._steps < 0:
            raise TemplateLimit(f"it takes more than {self._most[0]:,} steps on this chat")
        if self._characters < 0:
            raise TemplateLimit(f"it makes more than {self._most[1]:,} characters of this chat")


_budget: ContextVar[_Budget] = ContextVar("budget")


@pass_context
def _written(context: Context, value: Any) -> Any:
    """Return a value that is written, as text, and count its characters."""
    text = value if isinstance(value, str) else str(value)
    _budget.get().take(0, len(text))
    return text


class _Counting(NodeTransformer):
    """Adds to a template what counts its loops and its own texts."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named by Jinja
        self.generic_visit(node)
        step = nodes.Call(nodes.EnvironmentAttribute("step"), [], [], None, None)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        node.test = node.test and nodes.And(step, node.test)
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        return nodes.MarkSafeIfAutoescape(nodes.Const(node.data))  # is counted like any value that is written


class _Generation(Extension):
    """The words that a template marks as the assistant's own: those that are trained are known without the mark."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja has it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _raise_exception(message: Any = "") -> None:
    raise TemplateRefusal(str(message))


def _strftime_now(form: str) -> str:
    def shown(found: re.Match[str]) -> str:
        sign = found[0]
        if sign[-1] not in "aAbBdHIjmMpSyY%" or len(sign) > 2 + (sign[1:2] == "-"):
            raise TemplateLimit(f"it asks for a date by {sign!r}")
        text = DAY.strftime(f"%{sign[-1]}")
        return text.lstrip("0") or "0" if "-" in sign else text

    return re.sub(r"%[^a-zA-Z%]*.?", shown, form)


def _tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, **how: Any) -> str:
    """Return a value as JSON, as `transformers` has it: Jinja's own filter is for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, **how)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with what `transformers` gives to templates, in which each call is a step."""

    step = staticmethod(lambda: True)
    intercepted_binops = frozenset(["*", "**"])

    def __init__(self) -> None:
        extensions = [LoopControlExtension, _Generation]
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, optimized=False, finalize=_written, extensions=extensions
        )
        self.globals = {name: self.globals[name] for name in ("cycler", "dict", "joiner", "namespace", "range")}
        self.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        self.filters["tojson"] = _tojson

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        _budget.get().take(1)
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return a product or power, of which one sign in a template would make a text without end."""
        times, value = sorted((left, right), key=lambda factor: isinstance(factor, Sized))
        if isinstance(value, Sized):
            _budget.get().take(0, len(value) * max(times, 0))
        elif abs(left) > 2**32 or abs(right) > (64 if operator == "**" else 2**32):
            raise TemplateLimit(f"it computes {operator} of a number that is too large")
        return super().call_binop(context, operator, left, right)


@cache
def _sandbox(counted: bool) -> ImmutableSandboxedEnvironment:
    """Return the sandbox. Blocks are trimmed as `transformers` does."""
    return _Sandbox() if counted else ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
