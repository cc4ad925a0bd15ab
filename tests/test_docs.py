"""What the documentation says is so."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lmworks.cli import app
from lmworks.graph import CLASSES
from lmworks.recipe.file import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "recipes").glob("*/README.md")),
]
NAMED = sorted(
    {(page.name, *name) for page in PAGES for name in re.findall(r"`(src/[\w/]+\.py):([\w.]+)`", page.read_text())}
)
BLOCKS = re.compile(r"```(?:sh|console)\n(.*?)```|((?:^    [^\n]+\n)+)", re.DOTALL | re.MULTILINE)
COMMANDS = [
    (page.name, line.strip())
    for page in PAGES
    for block in BLOCKS.findall(page.read_text())
    for line in "".join(block).splitlines()
    if re.match(r"\s*(lmworks|make) ", line)
]


RECIPES = [
    (page.name, block)
    for page in PAGES
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    if block.startswith("name:")
]


def definitions(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
            if isinstance(node, ast.ClassDef):
                found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("page", "file", "name"), NAMED)
def test_each_function_that_is_named_exists(page: str, file: str, name: str) -> None:
    assert name in definitions(ROOT / file), f"{page} names {file}:{name}"


def test_the_walk_names_a_function_in_every_room() -> None:
    rooms = {file.split("/")[2] for page, file, _ in NAMED if page == "architecture.md"}
    assert {"data", "tokens", "model", "engines", "evaluate", "train", "plan", "serve", "release"} <= rooms


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_each_command_has_options_that_exist(page: str, command: str) -> None:
    import typer

    words = command.split("#")[0].split()
    if words[0] == "make":
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert words[1] in targets
        return
    group = typer.main.get_command(app)
    known, words = group, words[1:]
    while hasattr(known, "commands") and not (words or ["-"])[0].startswith("-"):
        known, *words = known.commands[words[0]], *words[1:]
    options = {option for parameter in known.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= options, page


@pytest.mark.parametrize(("page", "recipe"), RECIPES)
def test_each_recipe_can_be_loaded(page: str, recipe: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe)
    assert load_recipe(tmp_path / "recipe.yaml", CLASSES).data, page


def test_the_readme_has_commands() -> None:
    assert any(page == "README.md" for page, _ in COMMANDS)


def test_what_a_page_points_to_is_there() -> None:
    """Pages, recipes and scripts that the documentation names."""
    named = re.compile(r"`((?:docs|recipes|benchmarks|src|tests)/[\w./-]+\.(?:md|yaml|py|json))`")
    missing = {
        (page.name, path) for page in PAGES for path in named.findall(page.read_text()) if not (ROOT / path).exists()
    }
    assert not missing


def test_hooks_run_programs_of_the_project() -> None:
    """Each hook's program is one that `make setup` installs."""
    from ruamel.yaml import YAML

    hooks = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    programs = {hook["entry"].split()[0].rpartition("/")[2] for hook in hooks}
    assert programs == {"ruff", "mypy", "lint-imports"}
    assert all(hook["language"] == "system" for hook in hooks)


@pytest.mark.whole
def test_the_site_has_every_page_and_fetches_nothing(tmp_path: Path) -> None:
    """Strict: a link that leads nowhere, or a page that stands in no list, fails."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        fetched = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?(https?:[^\" >]+)", page.read_text())
        linked = re.findall(
            r"<link[^>]* rel=\"?(?:stylesheet|preconnect|icon)\"?[^>]* href=\"?(https?:[^\" >]+)", page.read_text()
        )
        assert not fetched + linked, page


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    assert not [
        page.name for page in (ROOT / "docs").glob("*.md") if page.name not in index and page.name != "index.md"
    ]
