"""Calls in the tests of a program, read from their text alone, and whether they can be judged.

The program runs in another process, and only literal values cross. So tests can call its functions and use the returned
values freely. They cannot reach into its objects, hand it functions, or see changes to arguments.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from lmworks.sandbox.modules import FOR_TESTS, MODULES

AVAILABLE, SAFE = ({name.split(".")[0] for name in names} | {"__future__"} for names in (MODULES, FOR_TESTS))
TAKE_FUNCTIONS = {"map", "filter", "sorted", "min", "max", "reduce", "partial"}
"""Functions that call their arguments in the tests' own process."""
KEEP_VALUES = {"append", "appendleft", "add", "insert", "extend", "update", "setdefault"}
"""Methods after which an object holds the arguments."""
RUN_VALUES = {"eval", "exec", "__import__", "get_type_hints", "ForwardRef", "evaluate_forward_ref", "CodeType"}
RUN_VALUES |= {"popen", "posix_spawn", "posix_spawnp"}
RUN_VALUES |= {f"{do}{how}" for do in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")}
HOLD_NAMES = {"__dict__", "modules", "__getattribute__", "__getattr__", "__builtins__", "__globals__", "__subclasses__"}
HOLD_NAMES |= {"__self__", "__code__", "f_globals", "f_locals", "f_builtins", "f_code"}
"""Names in which, or by which, code can find something by its name, or find code itself."""
REFUSED = RUN_VALUES | HOLD_NAMES
TOLD_OF_MODULES = {"__name__", "__doc__", "__file__", "__version__"}
RUN_AS_NAMES = RUN_VALUES | {"compile", "globals", "locals", "vars"}
"""Names that could run a program's answer in the process of the tests."""
TAKE_NAMES = dict.fromkeys(("getattr", "setattr", "delattr"), slice(1, 2))
TAKE_NAMES |= {"attrgetter": slice(None), "methodcaller": slice(1)}
"""Functions that find something by its name, and the position of the name among their arguments."""
EXITS = {"exit", "quit", "_exit", "abort", "SystemExit"}
ALWAYS_TRUE = (ast.Tuple, ast.List, ast.Set, ast.Dict, ast.ListComp, ast.GeneratorExp, ast.Lambda, ast.JoinedStr)
LITERAL_ATTRIBUTES = {name for kind in (int, float, str, bytes, list, tuple, dict, set) for name in dir(kind)}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Unjudged(Exception):
    """Error for tests that cannot be judged from outside of the program. The message says why."""


@lru_cache(maxsize=256)  # a prompt is answered many times
def calls_of(tests: str) -> tuple[str, ...]:
    """Return the names of functions that tests call and that a program must define. Raises Unjudged."""
    try:
        tree = ast.parse(tests)
        functions = _missing_names(symtable.symtable(tests, "tests", "exec"))
        _look_at_imports(tree)
        if not functions:
            raise Unjudged(
                "the tests call no function of the program. If their last line should be `check(NAME)`, add this line"
            )
        _look_at_assertions(tree)
        _look_at_modules(tree)
        _look_at_names(tree)
        _Reader(tree, functions).read()
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # of numbers with too many digits, too
        place = f"in line {error.lineno}" if isinstance(error, SyntaxError) else "that can be read"
        raise Unjudged(f"the tests are not Python {place}") from error
    return tuple(sorted(functions))


def _missing_names(table: symtable.SymbolTable) -> set[str]:
    """Return names in the whole text that are read, but are neither set nor built in."""
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


def imports(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield line and name of each imported module, and whether it is available where programs run."""
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        yield from ((getattr(node, "lineno", 0), name, name.split(".")[0] in AVAILABLE) for name in names)


def _look_at_imports(tree: ast.Module) -> None:
    for _, name, available in imports(tree):
        if not available:
            raise Unjudged(f"the tests import {name}, which is not available where tests run")
        if name.split(".")[0] not in SAFE:
            raise Unjudged(f"the tests import {name}, which may run code from the program")


def _look_at_assertions(tree: ast.Module) -> None:
    """Check that there are assertions that can fail, and that nothing else decides. Raises Unjudged."""
    asserted = False
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Assert(test=test):
                asserted |= not isinstance(test, ast.Constant) or not test.value
                if isinstance(test, ALWAYS_TRUE) and _holds_something(test):
                    raise Unjudged(f"the tests make an assertion that is always true, in line {line}")
            case ast.Raise():
                asserted = True
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                raise Unjudged(f"the tests are asynchronous, in line {line}")
            case ast.Name(id=name) | ast.Attribute(ast.Name(id=("sys" | "os")), name) if name in EXITS:
                raise Unjudged(f"the tests use {name}, in line {line}, which would end the tests too early")
            case ast.Name(id=name) if name in RUN_AS_NAMES:
                raise Unjudged(f"the tests use {name}, in line {line}, which may run code from the program")
            case ast.Attribute(attr=name) if name in REFUSED:
                raise Unjudged(f"the tests use {name}, in line {line}, which may run code from the program")
            case ast.Name(id="__builtins__"):
                raise Unjudged(f"the tests use __builtins__, in line {line}, which may run code from the program")
            case ast.ImportFrom(module=module, names=names) if taken := {
                name for name in (each.name for each in names) if name in REFUSED or _is_inner(module or "", name)
            }:
                raise Unjudged(f"the tests use {', '.join(sorted(taken))}, in line {line}, which may run any code")
    if not asserted:
        raise Unjudged("the tests assert nothing")


def _is_inner(module: str, name: str) -> bool:
    """Return whether a module's name is private or runs a command, as `os.system` and not `platform.system` does."""
    inner = name.startswith("_") and name not in TOLD_OF_MODULES
    return inner or (module in ("os", "posix") and name in ("system", "*"))


def _look_at_modules(tree: ast.Module) -> None:
    """Check that tests use nothing of a module that runs its arguments under an ordinary name. Raises Unjudged."""
    modules = {
        each.asname or each.name.split(".")[0]: each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for each in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            inner = getattr(root, "id", "") in modules and _is_inner("", node.attr)
            if inner or (node.attr == "system" and modules.get(getattr(node.value, "id", "")) != "platform"):
                raise Unjudged(f"the tests use {node.attr}, in line {node.lineno}, which may run code from the program")


def _look_at_names(tree: ast.Module) -> None:
    """Check that names to look something up are written in the tests, and are not refused. Raises Unjudged."""
    written = set[ast.AST]()
    for node in ast.walk(tree):  # a call before what it calls
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in TAKE_NAMES:
                taken = node.args[TAKE_NAMES[name]]
                texts = [str(each.value) for each in taken if isinstance(each, ast.Constant)]
                for part in (part for text in texts for part in text.split(".")):
                    inner = part.startswith("_") and part not in LITERAL_ATTRIBUTES | TOLD_OF_MODULES
                    if inner or part in REFUSED | RUN_AS_NAMES | {"system"}:
                        raise Unjudged(f"the tests use {part}, in line {line}, which may run code from the program")
                if all(isinstance(each, ast.Constant) for each in taken):
                    written.add(node.func)
            case ast.ImportFrom(names=names) if any(each.asname and each.name in TAKE_NAMES for each in names):
                raise Unjudged(f"the tests rename {' and '.join(each.name for each in names)}, in line {line}")
        if getattr(node, "id", getattr(node, "attr", "")) in TAKE_NAMES and node not in written:
            name = getattr(node, "id", getattr(node, "attr", ""))
            raise Unjudged(f"the tests use {name}, in line {line}, without a literal name as argument")


def _holds_something(test: ast.expr) -> bool:
    return bool(getattr(test, "elts", True) and getattr(test, "keys", True) and getattr(test, "values", True))


class _Reader:
    """Reader of the text of tests. A name is taken to mean the same in the whole text."""

    def __init__(self, tree: ast.Module, functions: set[str]) -> None:
        self.nodes = list(ast.walk(tree))
        self.once = {each.test for each in tree.body if isinstance(each, ast.Assert)}
        """Assertions that run in the order of the text, because they are in no loop and in no function."""
        self.own = {node.name: node for node in self.nodes if isinstance(node, Function | ast.ClassDef)}
        self.functions = _reached(functions, self._parameters())
        """Functions of the program, and parameters of the tests' own functions that stand for them."""
        wrappers = {name for name, node in self.own.items() if _names(node) & self.functions}
        self.derived = _reached(self.functions | wrappers, self._set_to())
        """Names of the program's answers, of values made of them, and of functions that return them."""

    def read(self) -> None:
        """Check the whole text. Raises Unjudged."""
        self._look_at_uses()
        given = dict[str, int]()
        for call in self.nodes:
            if isinstance(call, ast.Call) and self.is_call(call):
                arguments = [*call.args, *(each.value for each in call.keywords)]
                self._look_at_arguments(arguments)
                for name in (each.id for each in arguments if isinstance(each, ast.Name)):
                    given[name] = min(given.get(name, call.lineno), call.lineno)
        self._look_at_objects()
        for test in (node.test for node in self.nodes if isinstance(node, ast.Assert)):
            last = test.end_lineno or test.lineno
            before = test in self.once and all(given.get(name, last + 1) > last for name in _names(test))
            if _names(test) & given.keys() and not _names(test) & self.derived and not before:
                raise Unjudged(f"the tests check how the program changed its argument, in line {test.lineno}")
        self._look_at_memory()

    def _look_at_memory(self) -> None:
        """Check that no call depends on an earlier one, because each call has its own process. Raises Unjudged."""
        tried = {
            each
            for block in self.nodes
            if isinstance(block, ast.Try | ast.With)
            for statement in block.body
            for each in ast.walk(statement)
        }
        expected = dict[str, object]()
        for node in self.nodes:
            match node:
                case ast.Expr(value=call) if self.is_call(call) and node not in tried:
                    raise Unjudged(f"the tests call the program without using its answer, in line {node.lineno}")
                case ast.Assert(test=ast.Compare(left=call, ops=[ast.Eq()], comparators=[ast.Constant() as value])):
                    if self.is_call(call) and expected.setdefault(ast.dump(call), value.value) != value.value:
                        raise Unjudged(f"the tests expect two answers from the same call, in line {node.lineno}")

    def is_call(self, node: ast.AST) -> bool:
        """Return whether a node calls a function of the program."""
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.functions

    def _parameters(self) -> Iterator[tuple[str, str]]:
        """Yield names that are passed to the tests' own functions, each with the parameter that then stands for it."""
        for call in self.nodes:
            own = self.own.get(getattr(getattr(call, "func", None), "id", ""))
            if isinstance(call, ast.Call) and isinstance(own, Function):
                named = [(each.arg or "", each.value) for each in call.keywords]
                given = [*zip((each.arg for each in own.args.args), call.args, strict=False), *named]
                yield from ((value.id, name) for name, value in given if isinstance(value, ast.Name))

    def _set_to(self) -> Iterator[tuple[str, str]]:
        """Yield steps from names in an assigned value to the assignment, and from there to the names it sets."""
        for number, (targets, values) in enumerate(self._assignments()):
            assignment = f"assignment {number}"
            yield from ((name, assignment) for name in _all(values))
            yield from ((assignment, target) for target in _all(targets))

    def _assignments(self) -> Iterator[tuple[Sequence[ast.expr], Sequence[ast.expr]]]:
        for node in self.nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    yield targets, [value]
                case ast.AugAssign() | ast.AnnAssign() | ast.NamedExpr() if node.value:
                    yield [node.target], [node.value]
                case ast.For() | ast.comprehension():
                    yield [node.target], [node.iter]
                case ast.Call(func=ast.Attribute(value=target, attr=name), args=[*arguments]) if name in KEEP_VALUES:
                    yield [target], arguments

    def _look_at_uses(self) -> None:
        """Check that tests only call the program's functions, or pass them to functions that call them."""
        fine = set[ast.expr]()
        called = {call.func.id for call in self.nodes if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
        for call in self.nodes:
            if isinstance(call, ast.Call):
                fine.add(call.func)
                if getattr(call.func, "id", "") == "callable":
                    fine |= {each for each in call.args if getattr(each, "id", "") in called}
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if name in TAKE_FUNCTIONS or isinstance(self.own.get(name), Function):
                    fine |= {*call.args, *(each.value for each in call.keywords)}
        for node in self.nodes:
            if isinstance(node, ast.Name) and node.id in self.functions and node not in fine:
                raise Unjudged(f"the tests use {node.id} without calling it, in line {node.lineno}")

    def _look_at_arguments(self, arguments: Sequence[ast.expr]) -> None:
        for each in arguments:
            if getattr(each, "id", "") in {*self.own, *self.functions} or isinstance(
                each, ast.Lambda | ast.GeneratorExp
            ):
                raise Unjudged(f"the tests give the program an argument that is not literal, in line {each.lineno}")

    def _look_at_objects(self) -> None:
        results = {
            name for targets, values in self._assignments() if any(map(self.is_call, values)) for name in _all(targets)
        }
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and node.attr not in LITERAL_ATTRIBUTES:
                base = node.value
                if self.is_call(base) or getattr(base, "id", "") in results:
                    raise Unjudged(f"the tests use .{node.attr} of an object of the program, in line {node.lineno}")


def _reached(names: Iterable[str], steps: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names, and all names that these steps reach from them."""
    following = dict[str, list[str]]()
    for name, next_name in steps:
        following.setdefault(name, []).append(next_name)
    found, waiting = set(names), [*names]
    while waiting:
        for each in following.pop(waiting.pop(), ()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _all(nodes: Iterable[ast.AST]) -> set[str]:
    return {name for node in nodes for name in _names(node)}
