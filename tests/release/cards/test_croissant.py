"""The card of a data set, read by the reference library."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import mlcroissant
import pytest
from small_store import build_store, make_nodes, write_sources

from lmworks.data.licences.mixture import CombinedLicence, attribution_text
from lmworks.data.shards.records import Documents
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.cards import croissant
from lmworks.release.report.report import write_report


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("cards")
    write_sources(folder / "sources")
    store = build_store(folder, make_nodes(folder, until="corpus"), plan=None)
    write_report(store)
    return store


@pytest.fixture(scope="module")
def path(store: Store) -> Path:
    (found,) = store.root.glob("*-corpus-croissant.json")
    return found


@pytest.fixture(scope="module")
def card(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_the_reference_library_finds_no_error_and_reads_the_documents(path: Path, store: Store) -> None:
    dataset = mlcroissant.Dataset(jsonld=str(path))
    assert not dataset.metadata.ctx.issues.errors
    read = {
        record["documents/id"].decode(): record["documents/text"].decode() for record in dataset.records("documents")
    }
    corpus = Documents(store.named("corpus").payload, "")
    assert read == {document.id: document.text for document in corpus.iterate()}


def test_licences_are_spdx_and_files_are_hashed(path: Path, card: dict[str, Any]) -> None:
    assert card["license"] == ["https://spdx.org/licenses/CC-BY-4.0"]
    files = [each for each in card["distribution"] if each["@type"] == "cr:FileObject"]
    assert files
    for file in files:
        assert hashlib.sha256((path.parent / file["contentUrl"]).read_bytes()).hexdigest() == file["sha256"]


def test_lineage_leads_from_the_files_read_to_the_documents(card: dict[str, Any], store: Store, path: Path) -> None:
    names = [activity["name"].split(":")[0] for activity in card["prov:wasGeneratedBy"]]
    assert names == ["raw", "clean", "split", "corpus"]
    used = [each["@id"] for each in card["prov:wasGeneratedBy"][1]["prov:used"]]
    assert used == [card["prov:wasGeneratedBy"][0]["prov:generated"]["@id"]]
    sources = store.root.parent / "sources"
    digests = {f"urn:sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in sources.rglob("*.*")}
    read = {each["@id"] for each in card["prov:wasDerivedFrom"]}
    assert read
    assert read <= digests


def test_no_name_turns_the_direction_of_writing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "invoice-\u202egpj.exe\u2066\x1b[2J"
    record = {"source": "s\u202e", "path": name, "sha256": "0" * 64}
    monkeypatch.setattr(croissant, "files_read", lambda artifact: [record])
    told = croissant.croissant(Built.open(store), store.named("corpus"), "corpus", "")
    assert not set(told) & {"\u202e", "\u2066", "\x1b"}
    assert "invoice-\\u202egpj.exe\\u2066\\u001b[2J" in json.dumps(json.loads(told)).replace("\\\\", "\\")


def test_no_source_turns_the_direction_of_an_attribution() -> None:
    mixture = CombinedLicence(use="commercial", licences=[], attribution=[], share_alike=None)
    assert "\u202e" not in attribution_text(mixture, {("s\u202e", "MIT"): 1})
