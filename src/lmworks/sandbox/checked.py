"""Tests with marks, which tell that an assertion was made and that a function was begun.

What runs to its end has asked nothing if its assertions stand where nothing comes by.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MADE, BEGUN = "__assertion_made__", "__function_begun__"
"""Names of the marks in tests."""
FIXTURES = ("setup", "setUp", "teardown", "tearDown")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Block = ast.If | ast.Try | ast.For | ast.While | ast.With


def checked(tests: str) -> ast.Module:
    """Tests with a mark after each assertion, before each block that raises, and in each function."""
    tree = ast.parse(tests)
    for node in [*ast.walk(tree)]:
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [each for statement in statements for each in _marked(statement)])
        if isinstance(node, Function):
            line = min(each.lineno for each in (node, *node.decorator_list))
            node.body.insert(0, _mark(BEGUN, node.body[0], line))
    return ast.fix_missing_locations(tree)


def _marked(statement: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(statement, Block) and any(map(_raises, (*statement.body, *getattr(statement, "orelse", ())))):
        yield _mark(MADE, statement)
    yield statement
    if isinstance(statement, ast.Assert) and not isinstance(statement.test, ast.Constant):
        yield _mark(MADE, statement)


def _raises(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Raise) or (
        isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Constant) and not statement.test.value
    )


def _mark(name: str, place: ast.stmt, *arguments: int) -> ast.stmt:
    call = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(each) for each in arguments], [])
    return ast.copy_location(ast.Expr(call), place)


class Checks:
    """What tests have asked."""

    def __init__(self) -> None:
        self.made = 0
        """Assertions that held."""
        self.unjudged = ""
        """Why nobody can run all of them."""
        self._begun = set[int]()

    @property
    def names(self) -> dict[str, Callable[..., None]]:
        """What the marks call."""
        return {MADE: self._make, BEGUN: self._begun.add}

    def _make(self) -> None:
        self.made += 1

    def run_rest(self, namespace: Mapping[str, Any]) -> None:
        """Call the test functions, and those of test classes, which nothing called yet, as pytest does."""
        for name, each in [*namespace.items()]:
            if isinstance(each, type) and name.startswith("Test"):
                self._run_class(each)
            elif isinstance(each, types.FunctionType) and each.__code__.co_firstlineno not in self._begun:
                if name.startswith(FIXTURES):
                    self.unjudged = f"have {name}, which nothing calls"
                elif name.startswith("test"):
                    self._run(name, each)

    def _run_class(self, kind: type) -> None:
        for name in dir(kind):
            method = getattr(kind, name)
            if not isinstance(method, types.FunctionType) or method.__code__.co_firstlineno in self._begun:
                continue
            if name.startswith(FIXTURES):
                self.unjudged = f"have {name}, which nothing calls"
            elif name.startswith("test"):
                self._run(name, getattr(kind(), name))

    def _run(self, name: str, test: Callable[[], object]) -> None:
        needed = [
            each
            for each in inspect.signature(test).parameters.values()
            if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        ]
        if needed or inspect.isgeneratorfunction(test):
            self.unjudged = f"have {name}, which nothing calls with what it needs"
        else:
            test()
