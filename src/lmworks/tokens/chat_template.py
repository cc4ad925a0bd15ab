"""Chat templates of published models, run in Jinja's sandbox with limits on loops, calls and output.

The sandbox restricts what a template can access. Loops and calls are counted, because times differ by machine.
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
"""Maximum number of characters of a template. Published templates have up to 30,000."""
STEPS, STEPS_OF_A_TURN = 50_000, 200
"""Maximum loop iterations and calls per rendering, and more for each turn. Published templates need about 50."""
CHARACTERS, TIMES = 2**22, 100
"""Maximum number of characters that a rendering may write, and how many more for each character of the chat."""
DAY = datetime(2024, 7, 26)
"""Date given to templates as today, so that equal chats have equal ids. It is the default date of Llama 3.2."""


class TemplateLimit(Exception):
    """Error of a template that exceeds a limit. The message names the limit."""


class TemplateRefusal(Exception):
    """Error that a template itself raises to reject messages."""


ERRORS: tuple[type[Exception], ...] = (TemplateLimit, TemplateRefusal, TemplateError, ArithmeticError, AssertionError)
ERRORS += (AttributeError, LookupError, MemoryError, NameError, RecursionError, SyntaxError, TypeError, ValueError)
"""Errors that a template may raise."""


class ChatTemplate:
    """Compiled template. Compiling and rendering raise one of `ERRORS`."""

    def __init__(self, source: str, counted: bool = True) -> None:
        """Compile a template. If `counted` is false, as for lmworks's own template, it has no limits."""
        if len(source) > LONGEST:
            raise TemplateLimit(f"it is longer than {LONGEST:,} characters")
        sandbox = _sandbox(counted)
        tree = sandbox.parse(source)
        texts = (node.value for node in tree.find_all(nodes.Const))
        self.constants = list(dict.fromkeys(text for text in texts if isinstance(text, str)))
        """Text constants in the template, each once."""
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
    """Steps and characters that one rendering may still use."""

    def __init__(self, turns: int, given: int) -> None:
        self._most = STEPS + STEPS_OF_A_TURN * turns, CHARACTERS + TIMES * given
        self._steps, self._characters = self._most

    def take(self, steps: int, characters: int = 0) -> None:
        """Subtract steps and characters. Raises TemplateLimit if too few are left."""
        self._steps -= steps
        self._characters -= characters
        if self._steps < 0:
            raise TemplateLimit(f"it takes more than {self._most[0]:,} steps on this chat")
        if self._characters < 0:
            raise TemplateLimit(f"it makes more than {self._most[1]:,} characters of this chat")


_budget: ContextVar[_Budget] = ContextVar("budget")


@pass_context
def _written(context: Context, value: Any) -> Any:
    """Return a value of the output as text, and count its characters."""
    text = value if isinstance(value, str) else str(value)
    _budget.get().take(0, len(text))
    return text


class _Counting(NodeTransformer):
    """Transformer of a template that adds code to count its loops and the text that it writes."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named by Jinja
        self.generic_visit(node)
        step = nodes.Call(nodes.EnvironmentAttribute("step"), [], [], None, None)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        node.test = node.test and nodes.And(step, node.test)
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        return nodes.MarkSafeIfAutoescape(nodes.Const(node.data))  # is counted like any value that is written


class _Generation(Extension):
    """Parser of Jinja's `generation` block, which marks the assistant's words. lmworks does not need this mark."""

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
    """Return a value as JSON, as in `transformers`. Jinja's own filter escapes characters for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, **how)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with the functions and filters that `transformers` offers. It counts each call as a step."""

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
        """Return a product or power. Count its size first, because one operator can make a huge text."""
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
