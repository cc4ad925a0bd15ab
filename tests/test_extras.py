"""What a plain installation lacks is told with what brings it, before anything is measured or made."""

from __future__ import annotations

import ast
import io
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lmworks import cli, extras
from lmworks.data.licences.gate import LicenceGate, _licensing, _parse
from lmworks.data.parsers import PARSERS
from lmworks.errors import told
from lmworks.extras import MissingPackage, remedy, told_if_missing
from lmworks.pipeline.display import PlainDisplay
from lmworks.plan.plan import Plan, make_plan
from lmworks.workspace import open_workspace, run

SOURCE = Path(extras.__file__).parent
RECIPE = """\
name: small
use_case: looking
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
  clean: {kind: anonymise, from: raw}
  split: {kind: split, from: clean}
tokenizer: {kind: bpe, from: clean, vocab_size: 300}
models:
  pretrain: {objective: causal-lm, from: scratch, data: clean, log_to: {wandb: mine}}
evaluate:
  models: [pretrain]
  tasks: [{kind: perplexity, data: split.test}]
"""


class Lacking(MetaPathFinder):
    """Finds some modules nowhere."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Modules that are not there, to be added to."""
    names: set[str] = set()
    found = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in names else found(name))
    monkeypatch.setattr(sys, "meta_path", [Lacking(names), *sys.meta_path])
    yield names
    _parse.cache_clear()
    _licensing.cache_clear()


def hide(monkeypatch: pytest.MonkeyPatch, lacking: set[str], *names: str) -> None:
    lacking.update(names)
    for module in list(sys.modules):
        if module.partition(".")[0] in names:
            monkeypatch.delitem(sys.modules, module)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "text.txt").write_text("A text of some words.")
    (tmp_path / "texts" / "letter.docx").write_bytes(b"no letter")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path / "recipe.yaml"


def counted_only(*given: Any, measure: bool, **more: Any) -> Plan:
    assert not measure
    return make_plan(*given, measure=False, **more)


def test_all_that_is_missing_is_told_before_this_machine_is_measured(
    recipe: Path, lacking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, lacking, "docx", "faker", "wandb")
    monkeypatch.setattr("lmworks.workspace.make_plan", counted_only)
    with pytest.raises(MissingPackage) as error:
        open_workspace(recipe, measure=True)
    assert str(error.value).splitlines() == [
        "steps need packages that are not installed: pip install 'lmworks[data]' wandb",
        "  raw: docx",
        "  clean: faker",
        "  pretrain: wandb",
    ]
    assert not list(recipe.parent.glob(".lmworks/*/*")) and not (recipe.parent / ".lmworks-id-key").exists()
    with pytest.raises(MissingPackage, match=r"\n  raw: docx$"):
        run(open_workspace(recipe), PlainDisplay(io.StringIO()), until="raw")


def test_a_module_in_a_package_that_is_not_there_is_missing() -> None:
    assert extras.absent(["no_such_package.part", "json.decoder"]) == ["no_such_package.part"]
    assert remedy(["sklearn.cluster"]) == remedy(["sklearn"])


def test_a_plan_is_shown_and_tells_what_is_missing(
    recipe: Path, lacking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, lacking, "faker", "wandb")
    shown = CliRunner().invoke(cli.app, ["plan", str(recipe)])
    assert shown.exit_code == 0 and "pip install 'lmworks[data]' wandb\n  clean: faker\n" in shown.stderr


def test_a_step_that_is_built_needs_nothing(
    recipe: Path, lacking: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    run(open_workspace(recipe), PlainDisplay(io.StringIO()), workers=1, until="clean")
    hide(monkeypatch, lacking, "faker", "docx")
    made = run(open_workspace(recipe), PlainDisplay(io.StringIO()), workers=1, until="clean")
    assert made["clean"].manifest.counts["documents"] == 1


def test_a_licence_is_not_called_malformed_where_its_reader_is_missing(
    lacking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, lacking, "license_expression")
    _parse.cache_clear()
    _licensing.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="license_expression"), told_if_missing():
        LicenceGate(allow=["CC-BY-4.0"]).refusal("CC-BY-4.0")


def test_a_file_is_not_called_damaged_where_its_reader_is_missing() -> None:
    with pytest.raises(ModuleNotFoundError), told("letter", "a letter"):
        raise ModuleNotFoundError("No module named 'ftfy'", name="ftfy")


def test_what_no_extra_brings_is_left_to_be_seen() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'nothing'"), told_if_missing():
        import nothing  # noqa: F401
    assert remedy(["sklearn", "sacrebleu", "wandb"]) == "pip install 'lmworks[data,evaluate]' wandb"


def test_no_extra_is_asked_for_beyond_those_that_bring_all() -> None:
    assert remedy(["scipy", "optuna"]) == "pip install 'lmworks[search]'"
    assert remedy(["scipy", "faker", "bm25s"]) == "pip install 'lmworks[data,knowledge]'"
    assert remedy(["scipy", "wandb"]) == "pip install 'lmworks[data]' wandb"


def imported(path: Path) -> Iterator[str]:
    """Modules that a file imports while it runs, type checking aside."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def declared(path: Path) -> Iterator[str]:
    """Modules that classes of a file say that they need."""
    for node in ast.walk(ast.parse(path.read_text())):
        says = isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "packages"
        if says or (isinstance(node, ast.FunctionDef) and node.name == "imports"):
            yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))  # type: ignore[misc]


def test_what_is_imported_of_extras_is_named_by_what_needs_it() -> None:
    optional = {name for path in SOURCE.rglob("*.py") for name in imported(path)}
    brought = {name for name in optional if extras._distribution(name) in extras.extras()}
    named = {module for form in PARSERS.built_in.values() for module in form.needs}
    named |= {name for path in SOURCE.rglob("*.py") for name in declared(path)}
    # Told when a command begins: optuna, huggingface_hub, ray, onnx, babel by `--language`; done without: fastokens.
    # What a file of a vocabulary and a bucket hold is seen late, and told as it is met.
    told = {"optuna", "ray", "babel", "huggingface_hub", "onnxruntime", "onnxscript"}
    assert brought - named <= told | {"fastokens", "google", "botocore"}


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for name, each in extra.items() if name != "dev" for line in each)]
    known = {extras._normal(re.match(r"[\w.-]+", line)[0]) for line in lines}  # type: ignore[index]
    brought_by = metadata.packages_distributions()
    missing = {}
    for path in SOURCE.rglob("*.py"):
        for module in {*imported(path)} - sys.stdlib_module_names - {"lmworks", "lmworks_api_docs"}:
            if not {extras._normal(name) for name in brought_by.get(module, [module])} & known:
                missing[module] = path.name
    assert missing.keys() <= {"mlflow", "pandas", "wandb"}, "which a recipe or a program names, and its user installs"


def test_every_file_of_the_package_is_in_the_wheel() -> None:
    """The page's icon was not."""
    named = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package, patterns in named.items():
        folder = SOURCE.parent / package
        files = {file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
        assert files - {file for pattern in patterns for file in folder.glob(pattern)} == set()


def test_every_recipe_is_in_the_wheel() -> None:
    root = SOURCE.parents[1]
    named = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    files = {file for patterns in named.values() for pattern in patterns for file in root.glob(pattern)}
    wanted = {*root.glob("recipes/*.yaml"), *root.glob("recipes/*/*.yaml"), *root.glob("recipes/*/*.md")}
    assert files == wanted | {*root.glob("recipes/*/*.py")}
    assert all(to == f"share/lmworks/{Path(each).parent}" for to, patterns in named.items() for each in patterns)
