"""Lines of each capability in `src/` beside its budget, the limits on files, folders and functions, and the imports.

    python benchmarks/house.py                      # of the working tree
    python benchmarks/house.py --at a42e0df4        # of a commit, which is not checked out
    python benchmarks/house.py --json

`house.yaml` maps every file to one row. Python lines include docstrings and empty lines. Jinja, JavaScript and YAML are
counted beside them, so that code does not move there unseen. OVER marks a row above its budget. Some rows are reduced
later: `ceiling` in `house.yaml` is the most lines that such a row may have until then. A test fails when a row passes
its ceiling, or its budget where it has no ceiling. A file without a row is an error, and the script ends with 1.

A setting is a field of a recipe that a class declares. It is used if its name is a key in a recipe, or a word in the
code of README or of a page in `docs/` or `docs/explanation/`. The generated reference does not count.

An import counts wherever it is: at the top, in a function, or behind `TYPE_CHECKING`. A circle is a group of modules of
which each leads to each other one. A room of `data/` is one of its folders or a file beside them. An arrow is a pair of
rooms of which one imports the other. An arrow leads back if it is part of a circle of rooms.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).with_suffix(".yaml")
KINDS = {
    ".py": "python",
    ".jinja": "jinja",
    ".html": "jinja",
    ".js": "javascript",
    ".css": "css",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "yaml",
}
SHOWN = ("python", "jinja", "javascript", "css", "yaml", "other")


def table() -> dict:
    """Return the rows, their paths and budgets."""
    return yaml.safe_load(TABLE.read_text())


def rows_of(path: str, rows: list[dict]) -> list[int]:
    """Return the rows that hold the longest path matching a file. A sound table gives one row for each file."""
    found = [
        (len(start), row["row"])
        for row in rows
        for start in row.get("paths", [])
        if path == start or (start.endswith("/") and path.startswith(start))
    ]
    return [row for length, row in found if length == max(found)[0]]


def files_here() -> dict[str, str]:
    """Return the text of each file in `src/` of the working tree. Ignored files are left out."""
    names = _git("ls-files", "--cached", "--others", "--exclude-standard", "src").splitlines()
    return {name.removeprefix("src/"): (ROOT / name).read_text() for name in names if (ROOT / name).exists()}


def files_at(commit: str) -> dict[str, str]:
    """Return the text of each file of a commit's `src/`, by its path below `src/`."""
    names = _git("ls-tree", "-r", "--name-only", commit, "src").splitlines()
    queries = "".join(f"{commit}:{name}\n" for name in names).encode()
    out = subprocess.run(
        ["git", "-C", ROOT, "cat-file", "--batch"], input=queries, stdout=subprocess.PIPE, check=True
    ).stdout
    texts, at = {}, 0
    for name in names:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[-1])
        texts[name.removeprefix("src/")] = out[end + 1 : end + 1 + size].decode()
        at = end + size + 2
    return texts


def counted(files: dict[str, str]) -> dict:
    """Return the lines of each row by kind, the sum, and how many folders, files and functions pass their limits.

    Raises ValueError if a file has no row, or several.
    """
    stated = table()
    lines: dict[int, Counter] = defaultdict(Counter)
    for path, text in files.items():
        rows = rows_of(path, stated["rows"])
        if len(rows) != 1:
            problem = f"src/{path} is in {len(rows)} rows of benchmarks/house.yaml"
            raise ValueError(f"{problem}\nTry: add its path to one row")
        lines[rows[0]][KINDS.get(Path(path).suffix, "other")] += text.count("\n")
    python = sum(count["python"] for count in lines.values())
    rows = []
    for row in stated["rows"]:
        count = {kind: lines[row["row"]][kind] for kind in SHOWN}
        named = {name: row.get(name) for name in ("row", "title", "now", "budget")}
        passed = count["python"] > row.get("ceiling", row["budget"])
        rows.append(named | count | {"over": count["python"] > row["budget"], "passed": passed})
    found = {"rows": rows, "python": python, "budgets": stated["sum"], "limits": limits(files, stated["limits"])}
    return found | structure(files)


def limits(files: dict[str, str], most: dict[str, int]) -> dict:
    """Return what passes the limits: folders by files (`__init__.py` not counted), files and functions by lines."""
    python = {path: text for path, text in files.items() if path.endswith(".py")}
    folders = Counter(str(Path(path).parent) for path in python if Path(path).name != "__init__.py")
    functions = {
        f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path, text in python.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = {path: text.count("\n") for path, text in python.items()}
    return {
        "folders": _past(folders, most["files"]),
        "files": _past(long, most["lines"]),
        "functions": _past(functions, most["function"]),
        "most": most,
    }


def imports(files: dict[str, str]) -> dict[str, set[str]]:
    """Return the modules of `src/` that each module imports, by name."""
    paths = {_module(path): path for path in files if path.endswith(".py")}
    found: dict[str, set[str]] = {}
    for module, path in paths.items():
        names = set()
        for node in ast.walk(ast.parse(files[path])):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                names |= {inner if inner in paths else str(node.module) for inner in whole.values()}
        found[module] = (names & paths.keys()) - {module}
    return found


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of names of which each leads to each other one, along any number of arrows."""
    ahead = {name: _reached(name, arrows) for name in arrows}
    groups = {frozenset(other for other in ahead[name] if name in ahead.get(other, ())) for name in arrows}
    return sorted(sorted(group) for group in groups if group)


def _reached(name: str, arrows: dict[str, set[str]]) -> set[str]:
    reached, left = set[str](), [name]
    while left:
        new = arrows.get(left.pop(), set()) - reached
        reached |= new
        left += new
    return reached


def rooms(arrows: dict[str, set[str]], place: str) -> dict[str, set[str]]:
    """Return the arrows between the folders of a package and the files beside them."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, others in arrows.items():
        if module.startswith(f"{place}."):
            room, length = _room(module, place), len(place) + 1
            found[room] |= {_room(other, place) for other in others if other[length:] and other.startswith(f"{place}.")}
            found[room].discard(room)
    return dict(found)


def _room(module: str, place: str) -> str:
    return module[len(place) + 1 :].partition(".")[0]


def structure(files: dict[str, str]) -> dict:
    """Return the circles of modules, and of `data/` the arrows between rooms and those that lead back."""
    arrows = imports(files)
    between = rooms(arrows, "lmworks.data")
    ringed = circles(between)
    back = [
        f"{room} → {other}"
        for room, others in sorted(between.items())
        for other in sorted(others)
        if any({room, other} <= {*group} for group in ringed)
    ]
    return {"circles": circles(arrows), "arrows": sum(map(len, between.values())), "back": back}


def settings() -> dict[str, bool]:
    """Return each setting of the working tree, as `class.name`, and whether a recipe or a page uses its name."""
    from lmworks.reference.facts import kinds

    recipes = "\n".join(
        path.read_text() for path in [*ROOT.glob("recipes/**/*.yaml"), *ROOT.glob("examples/**/*.yaml")]
    )
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/explanation/*.md")]
    code = "\n".join("\n".join(re.findall(r"```.*?```|`[^`\n]+`", path.read_text(), re.DOTALL)) for path in pages)
    names = set(re.findall(r"([a-z_][a-z0-9_]*):", recipes)) | set(re.findall(r"[a-z_][a-z0-9_]*", code))
    fields = ((field.owner, field.name.rpartition(".")[2]) for kind in kinds() for field in kind.fields)
    return {f"{owner.__module__}.{owner.__name__}.{name}": name in names for owner, name in fields}


def _past(sizes: dict[str, int], most: int) -> dict[str, int]:
    return {name: size for name, size in sorted(sizes.items(), key=lambda pair: -pair[1]) if size > most}


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=True).stdout


def _print(result: dict, place: str) -> None:
    print(f"Lines of src/ at {place}. Budgets are of Python.\n")
    head = f"{'':>3} {'capability':30}{'a42e0df4':>9}{'python':>8}{'budget':>8}{'':6}"
    print(head + "".join(f"{kind:>11}" for kind in SHOWN[1:]))
    for row in result["rows"]:
        beside = "".join(f"{row[kind] or '':>11}" for kind in SHOWN[1:])
        mark = " OVER" if row["over"] else ""
        start = f"{row['row']:>3} {row['title']:30}{row['now'] or '':>9}{row['python']:>8}{row['budget']:>8}"
        print(f"{start}{mark:6}{beside}".rstrip())
    beside = "".join(f"{sum(row[kind] for row in result['rows']):>11}" for kind in SHOWN[1:])
    print(f"{'':>3} {'sum':30}{'':>9}{result['python']:>8}{'':14}{beside}")
    for name, most in result["budgets"].items():
        print(f"{'':>3} {'sum, ' + name.replace('_', ' '):47}{most:>8}{' OVER' if result['python'] > most else ''}")
    found = result["limits"]
    print(f"\n{len(found['folders'])} folders have more than {found['most']['files']} files:")
    print("  " + ", ".join(f"{name} {size}" for name, size in found["folders"].items()))
    print(f"{len(found['files'])} files have more than {found['most']['lines']} lines:")
    print("  " + ", ".join(f"{name} {size}" for name, size in found["files"].items()))
    print(f"{len(found['functions'])} functions have more than {found['most']['function']} lines")
    print(f"{len(result['circles'])} circles of modules")
    print("".join(f"  {', '.join(names)}\n" for names in result["circles"]), end="")
    print(f"{result['arrows']} arrows between the rooms of data/, {len(result['back'])} lead back")
    print("".join(f"  {arrow}\n" for arrow in result["back"]), end="")
    if "settings" in result:
        unused = [name for name, used in result["settings"].items() if not used]
        print(f"{len(unused)} of {len(result['settings'])} settings are in no recipe and no page:")
        print("  " + ", ".join(name.removeprefix("lmworks.") for name in unused))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", metavar="COMMIT", help="count this commit instead of the working tree")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    try:
        result = counted(files_at(given.at) if given.at else files_here())
    except ValueError as error:
        sys.exit(f"house.py: {error}")
    if not given.at:
        result["settings"] = settings()
    if given.json:
        print(json.dumps(result))
    else:
        _print(result, given.at or "the working tree")


if __name__ == "__main__":
    main()
