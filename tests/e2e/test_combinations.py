"""Whatever a recipe may combine: models are traced to sources and licences, edits and clean-ups break nothing, and
what is erased is gone."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from e2e.combinations import (
    KEY,
    MADE,
    NOTES_READ,
    PARTS,
    READ,
    REFUSED,
    TOKENIZERS,
    Case,
    accepted,
    cover,
    make_sources,
    outputs,
    recipe,
    takes,
    word_of,
)
from e2e.small_recipe import made
from lmworks import graph
from lmworks.cli import main
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.preferences import Preferences
from lmworks.errors import LmworksError
from lmworks.pipeline.build import Environment
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.inspect import dataflow
from lmworks.tokens.tokenizer import Tokenizer, open_tokenizer
from lmworks.train.objectives import OBJECTIVES
from lmworks.workspace import Workspace, open_workspace

pytestmark = pytest.mark.slow
Command = Callable[..., tuple[str, str]]
VICTIM = 3
"""The number of the note that is erased."""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in a folder with sources and gives what it said; it must end well."""
    make_sources(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)

    def run(*words: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["lmworks", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code in (0, None), f"{' '.join(words)}: {said.out}{said.err}"
        return said.out, said.err

    return run


def test_every_kind_is_covered() -> None:
    data = {kind for kind, step in graph.STEPS.items() if step.config.section == "data"}
    tokenizers = {kind for kind, step in graph.STEPS.items() if step.config.section == "tokenizer"}
    assert data == set(MADE) and tokenizers == set(TOKENIZERS)
    cases = cover()
    assert {case.objective for case in cases} == set(OBJECTIVES) and {case.tokenizer for case in cases} == tokenizers
    assert {(case.data, case.objective) for case in cases} == set(accepted())
    assert {case.data for case in cases} == {reference for reference, made in outputs() if made}
    assert len({(case.tokenizer, case.objective) for case in cases}) == len(TOKENIZERS) * len(OBJECTIVES)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_models_are_traced_and_erased_whatever_they_were_made_of(
    tokenizer: str, tmp_path: Path, command: Command
) -> None:
    cases = {f"m{number}": case for number, case in enumerate(each for each in cover() if each.tokenizer == tokenizer)}
    write(tmp_path, recipe(tokenizer, [*cases.values()]))
    command("build", "recipe.yaml")
    store = Store(tmp_path / ".lmworks")
    for model, case in cases.items():
        check_lineage(command, store, model, case)

    write(tmp_path, recipe(tokenizer, [*cases.values()], allowed="[permissive, CC-BY-SA-4.0]"))
    assert made(command("build", "--verbose")[1]) == ["raw", "services", "examples", "turns", "short", "pairs"], (
        "their output is equal"
    )
    assert "raw" in command("gc", "--apply")[0]
    assert made(command("build", "--verbose")[1]) == []
    command("report")
    assert "stale" not in command("status")[0]
    for model, case in cases.items():
        check_lineage(command, store, model, case)

    word = word_of(VICTIM)
    (victim,) = [each.id for each in Documents(store.named("clean").payload, "").iterate() if word in each.text]
    learned = open_tokenizer(store.named("tokenizer").payload)
    assert len(holders_of(word, store, learned)) > len(MADE) / 2
    listed = json.loads(command("erase", victim, "--json")[0])["held_by"]
    assert {row["step"] for row in listed} > {"raw", "clean", "base"}
    assert not any(row["counted_because"] for row in listed), "every input is known"
    command("erase", victim, "--apply")
    assert holders_of(word, store, learned) == []
    command("status")
    command("report")
    for name in Built.open(store).models:
        command("trace", name)
    command("build", "--until", "corpus")
    assert holders_of(word, store, learned) == []


def check_lineage(command: Command, store: Store, model: str, case: Case) -> None:
    """The model leads to its files, its card says what it learned from, and that has a card."""
    traced = json.loads(command("trace", model, "--json")[0])
    assert traced["unknown"] == [], case
    steps = {step["step"] for step in traced["steps"]}
    learned = PARTS.get(case.data, (case.data,))
    assert {model, "tokenizer", *(data.partition(".")[0] for data in learned)} <= steps, case
    assert {file["state"] for file in traced["files"]} <= {"unchanged"} and all(
        file["licence"] for file in traced["files"]
    )
    built = Built.open(store)
    card = (store.root / "reports" / f"{built.name}-{model}-card.md").read_text().replace("\\", "")
    origins = dataflow.origins(built, [built.artifacts[model]])
    assert "Its training data" in card, case
    assert ("It learned to answer as base" in card) == (case.objective == "distillation"), card
    for data in learned:
        read = READ.get(data, NOTES_READ)
        assert {(origin.source, origin.licence) for origin in origins if origin.used[data]} == read, case
        assert f"({data})" in card and all(source in card and licence in card for source, licence in read), case
        data_card = json.loads((store.root / f"{built.name}-{data}-croissant.json").read_text())
        assert len(data_card["license"]) == len({licence for _, licence in read if licence}), case


def holders_of(word: str, store: Store, tokenizer: Tokenizer) -> list[Path]:
    """Files of a store in which a word stands, Parquet and rows of tokens decoded."""
    return [path for path in store.root.rglob("*") if path.is_file() and word in decoded(path, tokenizer).lower()]


def decoded(path: Path, tokenizer: Tokenizer) -> str:
    if path.suffix == ".parquet":
        columns = pq.read_table(path).to_pydict().values()
        return "\n".join(str(value) for column in columns for value in column)
    if path.name == "tokens.npy":
        return tokenizer.decode(np.load(path).ravel().tolist())
    return path.read_bytes().decode(errors="replace")


def write(folder: Path, text: str) -> None:
    (folder / "recipe.yaml").write_text(text)


# ---------------------------------------------------------------- what is refused


REASONS = {
    Documents: ("no rows: no text is left", "0 labels in the field"),
    Conversations: ("here are no conversations",),
    Preferences: ("here are no judgements",),
}


def test_what_does_not_fit_is_refused_with_the_reason(tmp_path: Path, command: Command) -> None:
    pairs = [(reference, objective) for reference, _ in outputs() for objective in OBJECTIVES]
    unfit = [pair for pair in pairs if pair not in accepted()]
    said = {pair: refusal(tmp_path, Case(pair[0], "character", pair[1])) for pair in unfit}
    assert all(said[pair] for pair in unfit if told_before(*pair))
    for mixed in (True, False):
        later = [pair for pair in unfit if not said[pair] and (pair[0] in PARTS) is mixed]
        for part in [[pair] for pair in later] if mixed else [later]:
            cases = [Case(data, "character", objective) for data, objective in part]
            said |= dict(zip(part, refusals(tmp_path, cases), strict=True))
    wrong = {pair: reason for pair, reason in said.items() if not any(each in reason for each in expected(*pair))}
    assert len(said) == len(pairs) - len(accepted()) and wrong == {}


def told_before(data: str, objective: str) -> str:
    """What is said before anything is built to a model whose data are made by a step of another kind; else empty."""
    part = PARTS.get(data, (data,))[0]
    config = graph.STEPS[next(kind for kind, made in MADE.items() if part in made)].config
    wanted = takes(objective).holds
    return f"makes {config.makes}; this step reads {wanted}." if config.makes and config.makes != wanted else ""


def expected(data: str, objective: str) -> tuple[str, ...]:
    mixed = ("is a mix", "expected one part with conversations") if data in PARTS else ()
    if before := told_before(data, objective):
        return (before, *mixed)
    return (REFUSED[data, objective],) if (data, objective) in REFUSED else (*mixed, *REASONS[takes(objective)])


def refusal(folder: Path, case: Case) -> str:
    """What a recipe of one model is refused with before anything is built; empty if it is not."""
    write(folder, recipe(case.tokenizer, [case]))
    try:
        open_workspace(folder / "recipe.yaml")
    except LmworksError as error:
        return str(error)
    return ""


def refusals(folder: Path, cases: list[Case]) -> list[str]:
    """What the steps before the training of each model are refused with; empty where they are not."""
    write(folder, recipe(cases[0].tokenizer, cases))
    workspace = open_workspace(folder / "recipe.yaml")
    wanted = {case.data.partition(".")[0] for case in cases} | {"tokenizer"}
    for name in wanted:
        build_until(workspace, name)
    return [refused(workspace, f"m{number}/data") for number in range(len(cases))]


def refused(workspace: Workspace, name: str) -> str:
    try:
        build_until(workspace, name)
    except LmworksError as error:
        return str(error)
    return ""


def build_until(workspace: Workspace, name: str) -> None:
    """Make one step, and what it needs."""
    build = workspace.build
    nodes = {node.name: node for node in build.nodes}
    for reference in nodes[name].references():
        step = reference.partition(".")[0]
        if step not in build.artifacts:
            build_until(workspace, step)
    if build.look(nodes[name])[0] is None:
        build.run(nodes[name], PlainDisplay(io.StringIO()), (1, 1), Environment(lambda: None, 1))
