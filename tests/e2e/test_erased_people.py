"""Somebody who stands in an archive in seven ways is erased from all that was made of it, and stays out."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from e2e.erasure_corpus import ORDERS, Person, people, write_archive, write_recipe
from e2e.small_recipe import lmworks
from lmworks.data.shards.records import Document, Documents

pytestmark = pytest.mark.slow


def contents(store: Path) -> Iterator[tuple[Path, str]]:
    """Everything that can be read in a store, decoded by other means than lmworks decodes it."""
    for path in (path for path in store.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        if path.suffix == ".parquet":
            yield path, json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False)
            continue
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
        text = raw.decode(errors="replace")
        yield path, text
        for piece in re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", text):
            yield path, base64.b64decode(piece[: len(piece) // 4 * 4]).decode(errors="replace")


def standing(store: Path, person: Person) -> set[str]:
    """Where a person's address or number stands."""
    wanted = re.compile(
        rf"{re.escape(person.email).replace('@', '(?:@|&#64;|.u0040)')}|{person.phone[1:4]}\D*{person.phone[4:]}"
    )
    return {str(path.relative_to(store)) for path, text in contents(store) if wanted.search(text)}


def documents(folder: Path, step: str, part: str = "") -> dict[str, Document]:
    payload = Path(lmworks(folder, "show", step, "--path").stdout.strip())
    return {document.id: document for document in Documents(payload / part, "").iterate()}


@pytest.fixture(scope="module", params=ORDERS)
def erased(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project from which one of four people was erased, and one from whose sources that person was taken by hand."""
    persons = people(4)
    folder, by_hand = (tmp_path_factory.mktemp(name) for name in ("project", "by-hand"))
    write_archive(folder, persons)
    lmworks(folder, "build", str(write_recipe(folder, request.param)))
    assert len(standing(folder / ".lmworks", persons[0])) > 4
    wanted = [persons[0].email, persons[0].phone]
    said = json.loads(lmworks(folder, "erase", *wanted, "--json").stdout)
    assert len(said["records"]) == 7 and len(said["not_taken"]) >= 60, said
    wanted += [f"--with={name}" for name, why in said["not_taken"].items() if why.startswith("of the subject")]
    assert len(wanted) == 3, "the text that only its subject tells of"
    assert standing(folder / ".lmworks", persons[0]), "nothing is deleted without --apply"
    lmworks(folder, "erase", *wanted, "--apply", "--certificate", "certificate.json")
    assert standing(folder / ".lmworks", persons[0]) == set()
    lmworks(folder, "build")
    write_archive(by_hand, persons, forgotten=1)
    shutil.copy(folder / ".lmworks-privacy-key", by_hand)
    lmworks(by_hand, "build", str(write_recipe(by_hand, request.param)))
    return folder, by_hand


def test_an_erased_person_is_nowhere(erased: tuple[Path, Path]) -> None:
    (person, other, *_), store = people(4), erased[0] / ".lmworks"
    assert standing(store, person) == set()
    assert len(standing(store, other)) > 4
    kept = "\n".join(document.text for document in documents(erased[0], "raw").values())
    assert kept.count("Sehr geehrte") == 3, "the text that only its subject tells of is gone, too"


def test_what_is_left_is_as_if_the_records_had_never_been_there(erased: tuple[Path, Path]) -> None:
    project, by_hand = erased
    for step, part in [("raw", ""), ("corpus", ""), ("private", ""), *(("split", part) for part in ("train", "test"))]:
        assert documents(project, step, part) == documents(by_hand, step, part) != {}, f"{step} {part}"


def test_the_certificate_names_no_value_and_finds_none(erased: tuple[Path, Path]) -> None:
    person, text = people(4)[0], (erased[0] / "certificate.json").read_text()
    told = json.loads(text)
    assert told["holding"] == 0 and told["files"] > 20 and len(told["records"]) == 8 and told["limits"]
    assert not any(value in text for value in (person.email, person.phone, person.name))
    beside = [(erased[0] / name).read_text() for name in ("erased-values.txt", "erased-documents.txt")]
    assert not any(value in some for some in beside for value in (person.email, person.phone, person.name))


def test_what_comes_back_under_another_name_is_left_out(erased: tuple[Path, Path]) -> None:
    folder = erased[0]
    before = documents(folder, "raw")
    letters = folder / "letters"
    (letters / "mail.jsonl").rename(letters / "mail-of-old.jsonl")
    with (letters / "new.jsonl").open("w") as stream:
        stream.write(json.dumps({"text": f"A new letter by {people(4)[0].email.upper()}.", "writer": "Nobody"}) + "\n")
        stream.write(json.dumps({"text": "A new letter by somebody else, who may be read.", "writer": "Nobody"}) + "\n")
    said = lmworks(folder, "build", "--until", "raw").stderr
    assert "3 records hold what was erased" in said
    counts = json.loads(lmworks(folder, "show", "raw", "--json").stdout)["counts"]
    assert counts["erased: holds an erased value"] == 3, "the original, the malformed record and the new letter"
    texts = {each.text for each in before.values()} | {"A new letter by somebody else, who may be read."}
    assert {each.text for each in documents(folder, "raw").values()} == texts


def test_similar_contracts_of_others_stay(erased: tuple[Path, Path]) -> None:
    contracts = [each for each in documents(erased[0], "raw").values() if "This contract" in each.text]
    assert len(contracts) == 60
