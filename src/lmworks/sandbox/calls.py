"""What tests of a program ask, read from their text alone: the calls that they make, and whether those can be judged.

The program runs in another process, and only literal values cross. So tests may call its functions, and do what they
like with what these return; they cannot reach into its objects, hand it functions, or see what becomes of arguments.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from lmworks.sandbox.modules import MODULES

AVAILABLE = {name.split(".")[0] for name in MODULES} | {"__future__"}
TAKE_FUNCTIONS = {"map", "filter", "sorted", "min", "max", "reduce", "partial"}
"""Which call what they are given in the tests' own process."""
KEEP_VALUES = {"append", "appendleft", "add", "insert", "extend", "update", "setdefault"}
"""Methods after which an object holds what they were given."""
LITERAL_ATTRIBUTES = {name for kind in (int, float, str, bytes, list, tuple, dict, set) for name in dir(kind)}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Unjudged(Exception):
    """The tests cannot be judged from outside of the program; the message says why."""


class Calls(NamedTuple):
    """What tests call."""

    functions: tuple[str, ...]
    """Names that the program must define."""
    chained: bool
    """Whether what one call returns goes into another: such calls must know nothing of each other, or a program that
    remembers what it was given would pass where it has to find it again."""


@lru_cache(maxsize=256)  # a prompt is answered many times
def calls_of(tests: str) -> Calls:
    """What tests call. Raises Unjudged."""
    try:
        tree = ast.parse(tests)
        functions = _missing_names(symtable.symtable(tests, "tests", "exec"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise Unjudged(f"are no Python{place}") from error
    _look_at_imports(tree)
    if not functions:
        raise Unjudged("call no function that they do not define themselves; end with `check(name)` where it is due")
    if not any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(tree)):
        raise Unjudged("assert nothing")
    return Calls(tuple(sorted(functions)), _Reader(tree, functions).read())


def _missing_names(table: symtable.SymbolTable) -> set[str]:
    """Of the whole text: what is read and neither set there nor built in."""
    used, known = set[str](), {*dir(builtins), "__file__"}
    tables = [table]
    for each in tables:
        tables += each.get_children()
        for symbol in each.get_symbols():
            if (symbol.is_assigned() or symbol.is_imported()) and (each is table or symbol.is_declared_global()):
                known.add(symbol.get_name())
            elif symbol.is_referenced() and (each is table or symbol.is_global()):
                used.add(symbol.get_name())
    return used - known


def _look_at_imports(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        for name in names:
            if name.split(".")[0] not in AVAILABLE:
                raise Unjudged(f"import {name}, which cannot be had where they run")


class _Reader:
    """One look at the text of tests; names are taken as if they meant one thing in all of it."""

    def __init__(self, tree: ast.Module, functions: set[str]) -> None:
        self.nodes = list(ast.walk(tree))
        self.own = {node.name: node for node in self.nodes if isinstance(node, Function | ast.ClassDef)}
        self.functions = _grown(functions, self._parameters_for)
        """Of the program, and parameters of the tests' own functions that stand for them."""
        wrappers = {name for name, node in self.own.items() if _names(node) & self.functions}
        self.derived = _grown(
            self.functions | wrappers, lambda known: self._set_to(lambda value: bool(_names(value) & known))
        )
        """Names of the program's answers, of what was made of them, and of what gives them."""

    def read(self) -> bool:
        """Whether calls are chained. Raises Unjudged."""
        self._look_at_uses()
        given, chained = set[str](), False
        for call in self.nodes:
            arguments = [*call.args, *(each.value for each in call.keywords)] if isinstance(call, ast.Call) else []
            functions = [each for each in arguments if getattr(each, "id", "") in self.functions]
            if self.is_call(call):
                self._look_at_arguments(arguments)
                given |= {each.id for each in arguments if isinstance(each, ast.Name)}
            if self.is_call(call) or functions:  # as in map(function, values)
                chained |= any(_names(each) & self.derived for each in arguments if each not in functions)
        self._look_at_objects()
        for test in (node.test for node in self.nodes if isinstance(node, ast.Assert)):
            if _names(test) & given and not _names(test) & self.derived:
                raise Unjudged(f"ask what the program did to its argument, in line {test.lineno}")
        return chained

    def is_call(self, node: ast.AST) -> bool:
        """Whether it calls a function of the program."""
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.functions

    def _parameters_for(self, functions: set[str]) -> set[str]:
        found = set[str]()
        for call in self.nodes:
            own = self.own.get(getattr(getattr(call, "func", None), "id", ""))
            if isinstance(call, ast.Call) and isinstance(own, Function):
                named = [(each.arg or "", each.value) for each in call.keywords]
                given = [*zip((each.arg for each in own.args.args), call.args, strict=False), *named]
                found |= {name for name, value in given if isinstance(value, ast.Name) and value.id in functions}
        return found

    def _set_to(self, wanted: Callable[[ast.expr], bool]) -> set[str]:
        """Names that are set to such values."""
        found = set[str]()
        for node in self.nodes:
            targets, values = list[ast.expr](), list[ast.expr | None]()
            match node:
                case ast.Assign(targets=targets, value=value):
                    values = [value]
                case ast.AugAssign() | ast.AnnAssign() | ast.NamedExpr():
                    targets, values = [node.target], [node.value]
                case ast.For() | ast.comprehension():
                    targets, values = [node.target], [node.iter]
                case ast.Call(func=ast.Attribute(value=target, attr=name), args=[*arguments]) if name in KEEP_VALUES:
                    targets, values = [target], [*arguments]
            if any(each and wanted(each) for each in values):
                found = found.union(*map(_names, targets))
        return found

    def _look_at_uses(self) -> None:
        """The program's functions are called, or given to what calls them."""
        fine = set[ast.expr]()
        for call in self.nodes:
            if isinstance(call, ast.Call):
                fine.add(call.func)
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if name in TAKE_FUNCTIONS or isinstance(self.own.get(name), Function):
                    fine |= {*call.args, *(each.value for each in call.keywords)}
        for node in self.nodes:
            if isinstance(node, ast.Name) and node.id in self.functions and node not in fine:
                raise Unjudged(f"use {node.id} otherwise than by calling it, in line {node.lineno}")

    def _look_at_arguments(self, arguments: Sequence[ast.expr]) -> None:
        for each in arguments:
            if getattr(each, "id", "") in {*self.own, *self.functions} or isinstance(
                each, ast.Lambda | ast.GeneratorExp
            ):
                raise Unjudged(f"give the program what is no literal value, in line {each.lineno}")

    def _look_at_objects(self) -> None:
        results = self._set_to(self.is_call)
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and node.attr not in LITERAL_ATTRIBUTES:
                base = node.value
                if self.is_call(base) or getattr(base, "id", "") in results:
                    raise Unjudged(f"use .{node.attr} of an object of the program, in line {node.lineno}")


def _grown(names: set[str], more: Callable[[set[str]], set[str]]) -> set[str]:
    """With all that follows."""
    while not (found := more(names)) <= names:
        names = names | found
    return names


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
