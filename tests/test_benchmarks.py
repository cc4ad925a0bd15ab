"""Benchmarks cover the whole source, and each of them has a toy size."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def script(name: str) -> ModuleType:
    """Load one benchmark as a module."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_source_file_counts_towards_one_capability():
    house = script("house")
    rows = house.table()["rows"]
    unmapped = [path for path in house.files_here() if len(house.rows_of(path, rows)) != 1]
    assert not unmapped, "map these files in benchmarks/house.yaml"


def test_no_capability_passes_its_budget():
    house = script("house")
    passed = {row["title"]: row["python"] for row in house.counted(house.files_here())["rows"] if row["passed"]}
    assert not passed, "delete lines, or find a smaller design: budgets and ceilings are in benchmarks/house.yaml"


def test_a_capability_above_its_budget_is_named():
    house = script("house")
    rows = house.counted({"lmworks/sandbox/new.py": "x = 1\n" * 1430})["rows"]
    assert [row["title"] for row in rows if row["passed"]] == ["sandbox"]


def test_recipes_and_pages_use_the_settings():
    used = script("house").settings()
    assert list(used.values()).count(False) < 0.15 * len(used), "delete settings that no recipe and no page needs"


def test_a_file_of_an_unknown_package_is_refused():
    house = script("house")
    with pytest.raises(ValueError, match=r"src/lmworks/elsewhere/new\.py is in 0 rows"):
        house.counted({"lmworks/elsewhere/new.py": "x = 1\n"})


def test_a_long_function_and_a_long_file_are_named():
    house = script("house")
    text = "def long():\n" + "    x = 1\n" * 450
    found = house.counted({"lmworks/sandbox/new.py": text})["limits"]
    assert found["files"] == {"lmworks/sandbox/new.py": 451}
    assert found["functions"] == {"lmworks/sandbox/new.py:1 long": 451}


def test_each_script_has_a_toy_size_or_says_why_not():
    toy = script("toy")
    rows = toy.table()
    assert toy.scripts() == set(rows)
    for name, row in rows.items():
        assert len({"arguments", "used_by", "left_out"} & set(row)) == 1, name
        assert row.get("used_by", name) in rows, name


def test_a_failing_script_is_told_and_one_without_its_data_is_left_out(tmp_path):
    toy = script("toy")
    runner = toy.Runner(tmp_path, None, 900)
    assert runner.run("privacy/audit.py", {"arguments": '"1"'}) == "", "quotes hold a word together"
    assert "ValueError" in runner.run("privacy/audit.py", {"arguments": "no-number"})
    assert runner.why_not({"arguments": "{data}"}) == "needs DATA"
    assert runner.why_not({"arguments": "", "needs": ["no_such_package"]}) == "needs no_such_package"


def test_no_modules_import_each_other():
    house = script("house")
    assert house.circles(house.imports(house.files_here())) == [], "imports in functions count, and for type checkers"


def test_a_circle_is_found_wherever_its_imports_are():
    house = script("house")
    files = {
        "lmworks/data/one/a.py": "from lmworks.data.two.b import B\n",
        "lmworks/data/two/b.py": "if TYPE_CHECKING:\n    from lmworks.data.two import c\n",
        "lmworks/data/two/c.py": "def late():\n    import lmworks.data.one.a\n",
        "lmworks/data/d.py": "from lmworks.data.one.a import A\n",
    }
    names = [f"lmworks.data.{name}" for name in ("one.a", "two.b", "two.c")]
    found = house.structure(files)
    assert found == {"circles": [names], "arrows": 3, "back": ["one → two", "two → one"]}
