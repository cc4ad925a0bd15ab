"""Tests with marks, which show that an assertion was made and that a function began.

Tests that run to their end have checked nothing if their assertions are in code that never runs.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

MADE, BEGUN, BROKEN = "__assertion_made__", "__function_begun__", "__function_broken__"
"""Names of the marks in tests."""
NEW, FUNCTION = "__new_function__", "__function__"
"""Name called when a `def` runs, and the parameter with its function, which identifies functions."""
FIXTURES = ("setup", "setUp", "teardown", "tearDown")
CLASSES = ("Test", "Tests", "TestCase")
"""Ends of names of test classes that do not begin with `Test`."""
CALLED = (types.FunctionType, types.MethodType, partial)
"""Types of objects that are tests if their names say so."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Block = ast.If | ast.Try | ast.For | ast.While | ast.With


def checked(tests: str) -> ast.Module:
    """Return tests with a mark after each assertion, before each block that raises, and in each function."""
    tree = ast.parse(tests)
    for node in [*ast.walk(tree)]:
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [each for statement in statements for each in _marked(statement)])
        if isinstance(node, Function):
            _mark_function(node)
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


def _mark_function(node: Function) -> None:
    """Add marks to a function for its beginning and for an exception that ends it. They get the function, as made by
    one run of its `def`, and its first argument, which is the object of a method."""
    first = [each.arg for each in (*node.args.posonlyargs, *node.args.args)][:1]
    node.args.kwonlyargs.append(ast.arg(FUNCTION))
    node.args.kw_defaults.append(ast.Call(ast.Name(NEW, ast.Load()), [], []))
    place = node.body[0]
    again = ast.copy_location(ast.Raise(), place)
    broken = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), None, [_mark(BROKEN, place, FUNCTION), again])
    node.body = [_mark(BEGUN, place, FUNCTION, *first), ast.copy_location(ast.Try(node.body, [broken], [], []), place)]


def _mark(name: str, place: ast.stmt, *given: str) -> ast.stmt:
    call = ast.Call(ast.Name(name, ast.Load()), [ast.Name(each, ast.Load()) for each in given], [])
    return ast.copy_location(ast.Expr(call), place)


class Checks:
    """Record of the checks that tests made."""

    def __init__(self) -> None:
        self.made = 0
        """Number of assertions that held."""
        self.unjudged = ""
        """Reason why not all of them can run."""
        self._begun, self._broken = set[tuple[object, type | None]](), set[object]()
        """Functions that were called, with the classes they were called for, and functions that an exception ended."""

    @property
    def names(self) -> dict[str, Callable[..., object]]:
        """Functions behind the marks."""
        return {MADE: self._make, BEGUN: self._begin, BROKEN: self._broken.add, NEW: object}

    def _make(self) -> None:
        self.made += 1

    def _begin(self, function: object, first: object = None) -> None:
        self._begun |= {(function, None), (function, first if isinstance(first, type) else type(first))}

    def run_rest(self, namespace: Mapping[str, Any]) -> None:
        """Call the test functions and methods that no call has yet run to the end with their own defaults, as pytest
        does. A test with optional arguments runs again, because an earlier call may have passed other values."""
        for name, each in [*namespace.items()]:
            if isinstance(each, type):
                if _holds_tests(name, each):
                    self._run_class(each)
            else:
                self._run(name, each, None)

    def _run_class(self, kind: type) -> None:
        for name in dir(kind):
            member = getattr(kind, name)
            if not isinstance(member, type):
                self._run(name, member, kind)
            elif _holds_tests(name, member) and member.__qualname__ == f"{kind.__qualname__}.{name}":
                self._run_class(member)

    def _run(self, name: str, test: Callable[..., object], kind: type | None) -> None:
        if not name.startswith(("test", *FIXTURES)) or not isinstance(test, CALLED):
            return
        static = kind is None or isinstance(inspect.getattr_static(kind, name), staticmethod)
        of_object = not static and isinstance(test, types.FunctionType)
        function = (getattr(getattr(test, "__func__", test), "__kwdefaults__", None) or {}).get(FUNCTION)
        begun = (function, None if static else kind) in self._begun
        if name.startswith(FIXTURES):
            if not begun:
                self.unjudged = f"the tests have {name}, which nothing calls"
            return
        needed, optional = _parameters(test, of_object)
        if begun and needed:
            return
        if begun and not optional and function not in self._broken and isinstance(test, types.FunctionType):
            return
        if needed or inspect.isgeneratorfunction(test) or (of_object and kind and _parameters(kind)[0]):
            self.unjudged = f"the tests have {name}, which nothing calls with the arguments that it needs"
        elif of_object and kind:
            getattr(kind(), name)()
        else:
            test()


def _holds_tests(name: str, kind: type) -> bool:
    return name.startswith("Test") or (name.endswith(CLASSES) and not kind.__subclasses__())


def _parameters(test: Callable[..., object], of_object: bool = False) -> tuple[list[str], list[str]]:
    """Return the names of required parameters, except that of its object, and of optional parameters."""
    try:
        found = [each for each in inspect.signature(test).parameters.values() if each.name != FUNCTION]
    except (TypeError, ValueError):  # of what tells nothing about itself
        return [], []
    various = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if of_object and found and found[0].kind not in various:
        del found[0]
    needed = [each.name for each in found if each.default is each.empty and each.kind not in various]
    return needed, [each.name for each in found if each.name not in needed]
