"""The report of the data: what it says of each step, and that no text in it runs or gives a person away."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from data_store import EMAILS, PASSAGE, PATIENT
from small_store import build_store, make_nodes, write_sources

from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.inspect.changes import changes_of
from lmworks.release.inspect.data_report import write_data_report
from release.report.test_report import Page


@pytest.fixture(scope="module")
def page(data_store: Store) -> Page:
    path = write_data_report(data_store)
    assert path == data_store.root / "reports" / "handbook-data.html"
    return Page(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "words",
    [
        "Documents read 77 Could not be read 1",
        "from raw: 77 documents",
        "1 quarantined: not JSON sources: a.jsonl, record 68, byte",
        "In split.test 3 In split.validation 4 In unseen 60",
        "256 to 511",
        "MIT 10",
        "Intended use commercial",
        "Texts of the licences that ask for attribution: - CC-BY-4.0",
        "2 documents 7",
        "email 12 1.000 0.862 to 1.000 24",
        "person 2 not measured",
        "recall of phone/DE 1.000 (n 12)",
        "test: length",
        "exam.jsonl 1 1 exact",
        "Write to ‹email hidden›. [EMAIL].",
    ],
)
def test_it_says(page: Page, words: str) -> None:
    assert words in page.text


def test_changes_are_marked_in_the_text(page: Page) -> None:
    assert {"ins", "del"} <= set(page.tags)
    assert PASSAGE in page.text


def test_nothing_in_it_runs_or_is_fetched(page: Page) -> None:
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on") and name != "src"
        if name == "href":
            assert value is not None and value.startswith("#")


def test_no_personal_data_stands_in_it(page: Page) -> None:
    assert not [secret for secret in (*EMAILS, PATIENT.split()[1]) if secret in page.text]


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    nasty = (tmp_path / "sources" / "nasty.txt").read_text()
    (tmp_path / "sources" / "nasty.txt").write_text(nasty.replace("Nasty", "Nasty   \n\n\n\n"))
    shown = Page(write_data_report(build_store(tmp_path, make_nodes(tmp_path, until="corpus"))).read_text())
    assert "<script>alert('x')</script>" in shown.text
    assert "script" not in shown.tags
    assert not re.search("[\x00-\x08\x1b\u202e]", shown.text)


def test_documents_that_other_forms_are_made_of_are_shown_and_a_build_without_documents_says_so(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="questions"))
    shown = Page(write_data_report(store).read_text())
    assert "In corpus 8" in shown.text and "In split.test 2" in shown.text, "chats are made of them, and no documents"
    assert "No document" not in shown.text and "In clean" not in shown.text
    for step in ("raw", "clean", "split", "corpus"):
        shutil.rmtree(store.named(step).folder)
    shown = Page(write_data_report(store).read_text())
    assert (
        "No step of this build in the store makes documents. Its other texts: questions.train "
        "(9 conversations)." in shown.text
    )


@pytest.mark.parametrize("until", ["raw", "clean"])
def test_an_unfinished_build_is_reported(tmp_path: Path, until: str) -> None:
    write_sources(tmp_path / "sources")
    text = Page(write_data_report(build_store(tmp_path, make_nodes(tmp_path, until=until))).read_text()).text
    assert "Not built yet: " in text and "No step anonymises." in text and "No split balances features" in text


def test_of_a_step_whose_input_is_gone_it_is_said_that_this_is_unknown(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="clean"))
    shutil.rmtree(store.named("raw").folder)
    said = Page(write_data_report(store).read_text()).text
    assert re.search(r"from raw \(ingest \w+\): unknown, because it is no longer in the store", said)
    said = changes_of(Built.open(store), "clean", 1).as_text()
    assert re.search(r"its input raw \(ingest \w+\) is no longer in the store: what it did there is unknown", said)
