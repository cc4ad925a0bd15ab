"""Tracing a model to its files, and an answer to training texts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lmworks.errors import UsageError
from lmworks.pipeline.store import Store
from lmworks.release.trace.trace import Lineage, trace_answer, trace_lineage


@pytest.fixture
def store(built: Store, tmp_path: Path) -> Store:
    """A copy of the small build, to be tampered with."""
    shutil.copytree(built.root.parent, tmp_path, dirs_exist_ok=True)
    return Store(tmp_path / ".lmworks")


def trace(store: Store) -> Lineage:
    return trace_lineage(store, store.named("finetune"))


def test_every_file_above_a_model_with_hash_licence_and_state(store: Store) -> None:
    found = trace(store)
    record = json.loads(json.dumps(found.as_json()))
    steps = [step["step"] for step in record["steps"]]
    assert steps[0] == "raw" and steps[-1] == "finetune"
    assert {"clean", "split", "corpus", "questions", "pretrain"} < set(steps)
    assert "evaluate" not in str(record), "what was made from a model is not what it was made from"
    files = {file["path"]: file for file in record["files"]}
    assert len(files) == 14
    assert files["bucket.txt"]["licence"] == "CC-BY-4.0"
    assert len(files["bucket.txt"]["sha256"]) == 64
    assert {file["state"] for file in files.values()} == {"unchanged"}
    assert "handbook  CC-BY-4.0  14 files" in found.as_text() and "all unchanged" in found.as_text()
    assert "bucket.txt" not in found.as_text(), "in words only what changed is listed"


def test_an_edited_and_a_missing_file_are_flagged(store: Store, tmp_path: Path) -> None:
    edited, gone = tmp_path / "sources" / "bucket.txt", tmp_path / "sources" / "queue.txt"
    edited.write_bytes(edited.read_bytes()[:-1] + b"!")  # as long as before
    gone.unlink()
    found = trace(store)
    states = {file.path: file.state for file in found.files}
    assert (states.pop("bucket.txt"), states.pop("queue.txt")) == ("EDITED", "MISSING")
    assert set(states.values()) == {"unchanged"}
    said = found.as_text()
    assert "12 unchanged, 1 EDITED, 1 MISSING" in said
    assert "EDITED    bucket.txt  sha256 was " in said and "MISSING   queue.txt  no such file" in said


def test_personal_data_in_a_file_s_name_is_not_told(store: Store) -> None:
    found = trace(store)
    files = [replace(found.files[0], path="letters/ada.byron@example.org.pdf", state="MISSING")]
    assert "MISSING   letters/‹email hidden›" in replace(found, files=files).as_text()


def test_a_source_folder_that_is_gone_makes_all_its_files_missing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "sources").rename(tmp_path / "elsewhere")
    found = trace(store)
    assert {file.state for file in found.files} == {"MISSING"}
    assert "there is no folder" in found.as_text()


def test_an_answer_leads_to_the_documents_that_trained_the_model_and_its_base(store: Store) -> None:
    taught = next(document for document in _corpus(store) if "Creates a" in document)
    answer = taught.split("\n\n")[1].removesuffix(".")
    path = f"{answer.split()[2]}.txt"
    found = trace_answer(store, store.named("finetune"), f"{answer} of yours")
    best = found.passages[0]
    assert (best.source, best.licence, best.path) == ("handbook", "CC-BY-4.0", path)
    assert best.words == len(answer.split())
    assert best.share == pytest.approx(best.words / (best.words + 2))
    assert best.shared == answer
    assert found.share == best.share
    assert f"»{answer}«" in " ".join(found.as_text().split())
    assert max(map(len, found.as_text().split("\n"))) <= 100
    assert len(found.passages) == len({passage.document for passage in found.passages}) == 5
    assert json.loads(json.dumps(found.as_json()))["passages"][0]["path"] == path


def test_text_of_the_base_alone_is_found_through_the_tuned_model(store: Store) -> None:
    parameters = next(document for document in _corpus(store) if "Creates a" in document).split("\n\n")[2]
    best = trace_answer(store, store.named("finetune"), parameters.split(": ", 1)[1]).passages[0]
    assert best.step == "corpus" and best.words == len(parameters.split()) - 2


def test_a_document_and_the_conversations_made_from_it_are_one_passage(store: Store) -> None:
    passages = trace_answer(store, store.named("finetune"), "in the account, waits until the", count=99).passages
    assert len({passage.path for passage in passages}) == len(passages) >= 5
    assert {passage.source for passage in passages} == {"handbook"}


def test_held_out_documents_are_not_called_training_text(store: Store) -> None:
    trained = "\n".join(_corpus(store))
    held_out = [index for index in range(11) if f"Service{index} " not in trained]
    assert held_out
    for index in held_out:
        found = trace_answer(store, store.named("finetune"), f"number {index * 7919} as the identifier")
        assert found.share < 1


def test_an_answer_of_our_own_wording_says_so(store: Store) -> None:
    found = trace_answer(store, store.named("finetune"), "I write about cloud services and nothing else.")
    assert found.passages[0].source == "written by lmworks"
    assert found.passages[0].step == "questions.train"
    base = trace_answer(store, store.named("pretrain"), "I write about cloud services and nothing else.")
    assert base.passages == [], "the base was not tuned on it"
    assert base.as_text().startswith("0% of the answer's 8 words")


def test_what_cannot_be_traced_is_said_plainly(store: Store) -> None:
    with pytest.raises(UsageError, match="holds no word"):
        trace_answer(store, store.named("finetune"), " … ")
    with pytest.raises(UsageError, match="'corpus' is no model"):
        trace_answer(store, store.named("corpus"), "text")


def test_an_artifact_of_no_build_is_still_traced(store: Store) -> None:
    model = store.named("finetune")
    record = store.builds.get("handbook")
    assert record
    store.builds.save("handbook", record.model_copy(update={"steps": {}}))
    assert {file.state for file in trace_lineage(store, model).files} == {"unchanged"}


def _corpus(store: Store) -> list[str]:
    from lmworks.data.shards.records import Documents

    return [document.text for document in Documents(store.named("corpus").payload, "").iterate()]
