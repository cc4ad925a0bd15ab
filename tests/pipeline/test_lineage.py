"""The walk over manifests: by key, by equal content, and past what is no longer there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from lmworks.pipeline.erasure import delete, holders
from lmworks.pipeline.files import digest_text
from lmworks.pipeline.lineage import Lineage, unused
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.record import BuildRecord, KeyParts, StepRecord
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from support import make_manifest

ID, OTHER = "1" * 32, "2" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def make(
    store: Store,
    step: str,
    links: Iterable[tuple[Artifact, str, Role]] = (),
    *,
    stage: str = "",
    ids: dict[str, Sequence[str]] | None = None,
    made: str = "",
    config: bool = False,
) -> Artifact:
    """An artifact with an input from each (artifact, part, role); `made` tells apart what is made of equal content.

    A model has a `config`.
    """
    stage, inputs = stage or step, {}
    for number, (parent, part, role) in enumerate(links):
        about = {"step": parent.manifest.step, "stage": parent.stage, "key": parent.key, "digest": parent.digest(part)}
        inputs[f"input{number}"] = [{**about, "part": part, "role": role}]
    out, files = store.root / "out", {}
    texts = {"text.txt": step, **({"config.json": "{}"} if config else {})} | {
        f"{part}/ids.txt" if part else "ids.txt": "\n".join(i) for part, i in (ids or {}).items()
    }
    for path, text in texts.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text)
        files[path] = {"sha256": digest_text(text), "bytes": len(text)}
    manifest = make_manifest(step=step, stage=stage, key=digest_text(f"{step} {made}")[:32], inputs=inputs, files=files)
    return store.publish(out, Manifest.model_validate(manifest))


def steps(artifacts: Iterable[Artifact]) -> set[str]:
    return {artifact.manifest.step for artifact in artifacts}


def test_a_parent_is_found_by_key_and_then_by_equal_content(store: Store) -> None:
    raw = make(store, "raw", ids={"": [ID]})
    clean = make(store, "clean", [(raw, "", Role.READS)])
    again = make(store, "raw", ids={"": [ID]}, made="with other licences")
    assert Lineage(store).links(clean)[0].parent == raw
    shutil.rmtree(raw.folder)
    assert Lineage(store).links(clean)[0].parent == again
    assert [item.step for item in Lineage(store).ancestors(clean)] == ["raw", "clean"]


def test_an_unknown_parent_is_named_and_ends_no_walk(store: Store) -> None:
    raw, tokenizer = make(store, "raw"), make(store, "tokenizer")
    clean = make(store, "clean", [(raw, "", Role.READS), (tokenizer, "", Role.READS)])
    make(store, "raw", ids={"": [ID]}, made="of other content")
    shutil.rmtree(raw.folder)
    last = Lineage(store).ancestors(clean)[-1]
    assert [link.parent for link in last.links] == [None, tokenizer]
    assert str(last.links[0]) == f"raw (raw {raw.key[:12]})" and last.links[0].path is None


def test_a_step_that_changes_nothing_is_not_its_own_parent(store: Store) -> None:
    first = make(store, "tidy", stage="tidy")
    second = make(store, "tidy", [(first, "", Role.READS)], made="again")
    third = make(store, "sort", [(second, "", Role.READS)])
    fourth = make(store, "tidy", [(third, "", Role.READS)], made="once more")
    shutil.rmtree(first.folder)
    assert Lineage(store).links(second)[0].parent is None, "what was made from it is none of its inputs"
    assert len(Lineage(store).ancestors(fourth)) == 3
    assert steps(holders(store, [ID])) == {"tidy", "sort"}


def test_two_that_lead_to_each_other_by_equal_content_end_no_walk(store: Store) -> None:
    gone = make(store, "tidy", made="gone")
    one = make(store, "tidy", [(gone, "", Role.READS)], made="one")
    make(store, "tidy", [(gone, "", Role.READS)], made="two")
    shutil.rmtree(gone.folder)
    assert len(Lineage(store).ancestors(one)) == 2
    assert len(list(Lineage(store).read_from(one))) == 2
    assert len(holders(store, [ID])) == 2, "what is not known is counted as reached"


def test_a_model_was_trained_on_the_texts_that_its_rows_and_those_of_its_bases_were_packed_from(store: Store) -> None:
    texts, chats, held_out, tokenizer = (make(store, name) for name in ("texts", "chats", "held out", "tokenizer"))
    rows = make(store, "rows", [(texts, "train", Role.TRAINS_ON), (tokenizer, "", Role.READS)])
    more = make(store, "more", [(rows, "", Role.TRAINS_ON)])
    base = make(store, "base", [(more, "", Role.TRAINS_ON)])
    judge = make(store, "judge", [(held_out, "", Role.TRAINS_ON)])
    turns = make(store, "turns", [(chats, "", Role.TRAINS_ON), (tokenizer, "", Role.READS)])
    of_model = [(base, Role.BEGINS_WITH), (turns, Role.TRAINS_ON), (held_out, Role.MEASURES), (judge, Role.JUDGES)]
    model = make(store, "model", [(parent, "", role) for parent, role in of_model])
    assert [link.record.reference for link in Lineage(store).trained_on(model)] == ["texts.train", "chats"]
    assert [link.record.step for link in Lineage(store).begun_with(model)] == ["base"]
    shutil.rmtree(rows.folder)
    assert [(str(link)[:4], link.parent) for link in Lineage(store).trained_on(model)] == [
        ("rows", None),
        ("chat", chats),
    ]
    shutil.rmtree(base.folder)
    assert [link.record.step for link in Lineage(store).trained_on(model)] == ["base", "chats"]


def test_erasure_reaches_what_stands_below_an_input_made_again(store: Store) -> None:
    raw = make(store, "raw", ids={"": [ID, OTHER]})
    split = make(store, "split", [(raw, "", Role.READS)], ids={"train": [ID], "test": [OTHER]})
    model = make(store, "model", [(split, "train", Role.TRAINS_ON)])
    spared = make(store, "spared", [(split, "test", Role.TRAINS_ON)])
    make(store, "raw", ids={"": [ID, OTHER]}, made="with other licences")
    shutil.rmtree(raw.folder)
    assert holders(store, [ID]) == dict.fromkeys([*holders(store, [ID])], "")
    assert steps(holders(store, [ID])) == {"raw", "split", "model"}
    assert model in holders(store, [ID]) and spared not in holders(store, [ID])


def test_erasure_counts_what_is_unknown_as_reached_and_says_so(store: Store) -> None:
    raw = make(store, "raw")
    notes = make(store, "notes", [(raw, "", Role.READS)])
    model = make(store, "model", [(notes, "", Role.MEASURES)])
    other = make(store, "other")
    shutil.rmtree(raw.folder)
    why = f"its input raw (raw {raw.key[:12]}) is unknown"
    assert holders(store, [ID]) == {notes: why, model: why}
    (other.folder / "manifest.json").write_text("{")
    assert holders(store, [ID])[other] == "its manifest cannot be read"
    delete(store, holders(store, [ID]), [ID])
    assert list(store.all()) == [] and (other.folder / "erased.json").exists()


def test_every_input_of_equal_content_is_asked(store: Store) -> None:
    """Two tokenizers may be equal though one alone has seen the text: either may have been the one that is gone."""
    mine, theirs = make(store, "mine", ids={"": [ID]}), make(store, "theirs", ids={"": [OTHER]})
    gone = make(store, "tokenizer", [(theirs, "", Role.TRAINS_ON)], made="gone")
    rows = make(store, "rows", [(gone, "", Role.READS)])
    make(store, "tokenizer", [(theirs, "", Role.TRAINS_ON)], made="theirs")
    make(store, "tokenizer", [(mine, "", Role.TRAINS_ON)], made="mine")
    shutil.rmtree(gone.folder)
    assert rows in holders(store, [ID])


def test_what_an_erasure_was_deleting_is_not_found(store: Store) -> None:
    raw = make(store, "raw")
    clean = make(store, "clean", [(raw, "", Role.READS)])
    (raw.folder / "erased.json").write_text("{}")
    assert store.find("raw", raw.key) is None and Lineage(store).links(clean)[0].parent is None
    assert set(holders(store, [ID])) == {raw, clean}


def test_an_erasure_finds_what_a_step_that_gives_ids_of_its_own_has_passed_on(store: Store) -> None:
    raw = make(store, "raw", ids={"": [ID, OTHER]})
    lines = make(store, "lines", [(raw, "", Role.READS)], stage="package.lines", ids={"": ["3" * 32, "4" * 32]})
    clean = make(store, "clean", [(lines, "", Role.READS)], ids={"": ["3" * 32]})
    model = make(store, "model", [(clean, "", Role.TRAINS_ON)])
    kept = make(store, "kept", [(raw, "", Role.READS)], stage="package.kept", ids={"": [OTHER]})
    spared = make(store, "spared", [(kept, "", Role.TRAINS_ON)])
    found = holders(store, [ID])
    assert {raw, lines, clean, model, kept} == set(found) and spared not in found


def test_an_erasure_reaches_what_a_model_wrote_of_others_once_it_had_learned_the_text(store: Store) -> None:
    raw = make(store, "raw", ids={"": [ID, OTHER]})
    prompts = make(store, "prompts", [(raw, "", Role.READS)], ids={"": [OTHER]})
    model = make(store, "model", [(raw, "", Role.TRAINS_ON)], config=True)
    drafts = make(store, "drafts", [(model, "", Role.READS), (prompts, "", Role.READS)], ids={"": [OTHER]})
    ruled = make(store, "ruled", [(drafts, "", Role.READS)], ids={"": [OTHER]})
    tuned = make(store, "tuned", [(ruled, "", Role.TRAINS_ON)], config=True)
    other = make(store, "other", [(prompts, "", Role.TRAINS_ON)], config=True)
    written = make(store, "written", [(other, "", Role.READS), (prompts, "", Role.READS)], ids={"": [OTHER]})
    spared = make(store, "spared", [(written, "", Role.TRAINS_ON)], config=True)
    found = set(holders(store, [ID]))
    assert {raw, model, drafts, ruled, tuned} <= found and not {other, written, spared} & found


def record_of(store: Store, name: str, artifacts: Sequence[Artifact], inputs: dict[str, str]) -> BuildRecord:
    """A saved build of these, whose steps are named as they were made, with the first input of some."""
    records = {}
    for artifact in artifacts:
        step, parts = artifact.manifest.step, KeyParts(stage=artifact.stage, version=1, config={}, inputs={})
        named = {"input0": (inputs[step],)} if step in inputs else {}
        records[step] = StepRecord(stage=artifact.stage, key=artifact.key, parts=parts, inputs=named)
    record = BuildRecord(recipe="recipe.yaml", steps=records)
    store.builds.save(name, record)
    return record


def test_for_a_build_an_input_is_what_its_recipe_names_if_that_has_equal_content(store: Store) -> None:
    one, two = make(store, "one", made="first"), make(store, "two")
    rows = make(store, "rows", [(one, "", Role.TRAINS_ON)], stage="pack")
    twin = make(store, "rows", [(two, "", Role.TRAINS_ON)], stage="pack", made="again")
    model = make(store, "model", [(rows, "", Role.TRAINS_ON)])
    build = record_of(store, "second", [two, twin, model], {"rows": "two", "model": "rows"})
    (link,) = Lineage(store).links(model)
    assert link.parent == rows and not link.is_stand_in
    (link,) = Lineage(store, build).links(model)
    assert link.parent == twin and link.is_stand_in
    assert [each.step for each in Lineage(store, build).ancestors(model)] == ["two", "rows", "model"]
    assert {waste.path for waste in unused(store)} == {one.folder, rows.folder}
    other = make(store, "other", stage="pack")
    build = record_of(store, "second", [two, other, model], {"rows": "two", "model": "other"})
    assert Lineage(store, build).links(model)[0].parent == rows, "what the recipe now names has other content"
    assert {waste.path for waste in unused(store)} == {twin.folder}


def test_an_erasure_reaches_a_model_through_the_rows_that_a_build_names_and_through_those_it_read(store: Store) -> None:
    one, two = make(store, "one", ids={"": [ID]}), make(store, "two", ids={"": [OTHER]})
    rows = make(store, "rows", [(one, "", Role.TRAINS_ON)], stage="pack")
    twin = make(store, "rows", [(two, "", Role.TRAINS_ON)], stage="pack", made="again")
    model = make(store, "model", [(rows, "", Role.TRAINS_ON)])
    record_of(store, "first", [one, rows, model], {"rows": "one", "model": "rows"})
    record_of(store, "second", [two, twin, model], {"rows": "two", "model": "rows"})
    assert set(holders(store, [ID])) == {one, rows, model}
    assert set(holders(store, [OTHER])) == {two, twin, model}
