"""What installed packages add: found by their entry points, imported when named, told by name when they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lmworks.data.sources import SOURCES
from lmworks.pipeline.build import Build, Node
from lmworks.pipeline.keys import stale_reason
from lmworks.pipeline.record import KeyParts
from lmworks.pipeline.store import Store
from lmworks.recipe.kinds import plugins_of
from lmworks.registry import Plugin
from packages import RECIPE, SOURCE, STEP, Site, faults, load, nodes


def test_a_step_of_a_package_is_a_step_like_any_other(site: Site, tmp_path: Path) -> None:
    site.install("shouting", {"steps": {"shout": "shouting:shout"}}, STEP)
    assert load(tmp_path).data["loud"].volume == 1  # type: ignore[attr-defined]
    said = faults(tmp_path, RECIPE.replace("from: raw}", "from: raw, volumee: 3}"))
    assert "recipe.yaml:5: data.loud.volumee: unknown field 'volumee'; did you mean 'volume'?" in said


def test_an_unknown_kind_is_answered_with_the_nearest_of_those_that_packages_add(site: Site, tmp_path: Path) -> None:
    site.install("shouting", {"steps": {"shout": "shouting:shout"}}, STEP)
    said = faults(tmp_path, RECIPE.replace("kind: shout", "kind: shoot"))
    assert "recipe.yaml:5: data.loud: no kind 'shoot'; did you mean 'shout'?" in said


def test_nothing_of_a_package_is_imported_that_no_recipe_names(site: Site, tmp_path: Path) -> None:
    site.install("broken", {"steps": {"shout": "broken:shout"}, "sources": {"shelf": "broken:Shelf"}}, "import absent_")
    load(tmp_path, RECIPE[: RECIPE.index("  loud")])
    assert "broken" not in sys.modules


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import absent_", "ModuleNotFoundError: No module named 'absent_'"),
        ("", "AttributeError: module 'broken' has no attribute 'shout'"),
        ("shout = (", "SyntaxError: '(' was never closed"),
        ("raise OSError('no disk')", "OSError: no disk"),
        ("shout = print", "TypeError: expected a function that is marked with `@stage(version=1)`"),
        (STEP.replace('"shout"] = "shout"', '"loud"] = "loud"'), 'expected its field `kind: Literal["shout"]`'),
    ],
)
def test_a_package_that_fails_is_named_with_its_version_and_the_reason(
    site: Site, tmp_path: Path, code: str, reason: str
) -> None:
    site.install("broken", {"steps": {"shout": "broken:shout"}}, code, "2.1")
    said = faults(tmp_path)
    assert "recipe.yaml:5: data.loud: the kind 'shout' of broken 2.1 cannot be loaded from broken:shout" in said
    assert reason in said


def test_two_packages_with_one_kind_are_both_named(site: Site, tmp_path: Path) -> None:
    for name in ("shouting", "yelling"):
        site.install(name, {"steps": {"shout": f"{name}:shout"}}, STEP)
    said = faults(tmp_path)
    assert "the kind 'shout' is in shouting 1.0 and yelling 1.0: uninstall all but one" in said


def test_a_built_in_kind_is_never_replaced(site: Site, tmp_path: Path) -> None:
    files = SOURCES["files"]
    site.install("thief", {"sources": {"files": "thief:Shelf"}}, SOURCE)
    assert SOURCES["files"] is files
    assert list(SOURCES).count("files") == 1
    assert list(SOURCES.faults()) == ["thief 1.0: the built-in source 'files' is not replaced; give yours a new name"]
    assert "thief" not in sys.modules


def test_a_tokenizer_is_told_from_a_step_of_the_data(tmp_path: Path) -> None:
    said = faults(tmp_path, RECIPE.replace("{kind: shout", "{kind: bpe"))
    assert "data.loud: 'bpe' makes a tokenizer: name it in that section" in said


def key(folder: Path, name: str, node: Node) -> str:
    build = Build(Store(folder / ".lmworks"), [])
    resolved = build.resolve(Node(name, node.stage, node.config, plugins=node.plugins))
    assert resolved
    return resolved.key


def test_the_version_of_a_package_enters_the_keys_of_the_steps_that_use_it_alone(site: Site, tmp_path: Path) -> None:
    text = RECIPE.replace("{kind: files, path", "{kind: shelf, path") + "  again: {kind: normalise, from: raw}\n"
    keys = []
    for version in ("1.0", "1.1"):
        site.install("shouting", {"steps": {"shout": "shouting:shout"}}, STEP)
        site.install("shelves", {"sources": {"shelf": "shelves:Shelf"}}, SOURCE, version)
        made = nodes(tmp_path, load(tmp_path, text))
        assert [str(plugin) for plugin in made["raw"].plugins] == [f"shelves {version}"]
        assert [str(plugin) for plugin in made["loud"].plugins] == ["shouting 1.0"]
        assert not made["again"].plugins
        keys.append({name: key(tmp_path, name, each) for name, each in made.items()})
        for file in site.folder.glob("shelves-1.0.dist-info/*"):
            file.unlink()
        for folder in site.folder.glob("shelves-1.0.dist-info"):
            folder.rmdir()
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {"raw"}


def test_a_package_that_changed_is_why_a_step_is_stale() -> None:
    parts = KeyParts(stage="shout", version=1, config={}, inputs={})
    before, now = (parts.model_copy(update={"plugins": {"shouting": version}}) for version in ("1.0", "1.1"))
    assert stale_reason(now, before) == "the package shouting changed from 1.0 to 1.1"
    assert stale_reason(now, parts) == "the package shouting changed from none to 1.1"


def test_configs_inside_a_config_and_names_in_it_tell_their_packages(site: Site, tmp_path: Path) -> None:
    site.install(
        "shelves",
        {"sources": {"shelf": "shelves:Shelf"}, "parsers": {"ini": "shelves:INI"}},
        SOURCE
        + """
from lmworks.data.parsers.parser import Form

INI = Form(lambda piece, stream, reading: iter(()))
""",
    )
    plain = load(tmp_path, RECIPE[: RECIPE.index("  loud")]).data["raw"]
    read = load(tmp_path, RECIPE[: RECIPE.index("  loud")].replace("licence: MIT", "licence: MIT, format: ini"))
    assert plugins_of(plain) == set()
    assert plugins_of(read.data["raw"]) == {Plugin("shelves", "1.0")}


def test_only_what_differs_inside_of_a_field_is_told() -> None:
    before, now = (
        KeyParts(stage="ingest", version=1, inputs={}, config={"sources": [{"path": "x" * 50}, source]})
        for source in ({"path": "t", "records": "tickets"}, {"path": "t", "records": "tickets.*", "skip": None})
    )
    assert stale_reason(now, before) == (
        "sources.1.records changed from tickets to tickets.*; sources.1.skip changed from its default to null"
    )


def test_why_a_step_is_stale_names_lists_of_other_lengths_sources_and_inputs() -> None:
    parts = KeyParts(stage="ingest", version=1, inputs={}, config={"keep": ["a", "b"], "fingerprints": [1]})
    now = parts.model_copy(update={"config": {"keep": ["a"], "fingerprints": [2]}})
    assert stale_reason(now, parts) == (
        'source files came, went, or have another size or time; keep changed from ["a","b"] to ["a"]'
    )
    long = parts.model_copy(update={"config": {**parts.config, "keep": "x" * 41}, "inputs": {"raw": ["0" * 64]}})
    assert stale_reason(parts, long) == f'keep changed from {"x" * 37}… to ["a","b"]; input raw changed'
    assert (stale_reason(parts, parts), stale_reason(parts, None)) == ("its artifact is gone", "not built before")
