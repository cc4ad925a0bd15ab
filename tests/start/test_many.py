"""Many files, large ones, and links that lead nowhere."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lmworks.start import look as looking
from lmworks.start.look import look
from lmworks.start.write import seen_in_words
from start.test_look import write_csv

LETTER = "Für Müller: die Straße bei der Mühle bleibt über Ostern geschlossen. "


def letters(folder: Path) -> None:
    for n in range(402):
        (folder / f"{n:03}.txt").write_bytes((LETTER * 3).encode("utf-8" if n % 3 else "cp1252"))


def test_every_one_of_many_texts_is_read_as_a_build_reads_it(tmp_path: Path) -> None:
    letters(tmp_path)
    assert {table.encoding: len(table.files) for table in look(tmp_path).tables} == {"": 268, "cp1252": 134}


def test_of_more_texts_than_there_is_time_for_it_is_said_how_many_were_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters(tmp_path)
    monkeypatch.setattr(looking, "SECONDS", 0)
    said = "\n".join(seen_in_words(look(tmp_path)))
    assert "201 of the files were not opened" in said


@pytest.mark.parametrize("name", ["more.txt", "more.csv", "more.json", "more"])
@pytest.mark.parametrize("target", ["nowhere", "more", "../outside"])
def test_a_link_that_leads_nowhere_or_out_is_told_and_not_followed(name: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "outside").write_text(json.dumps({"text": "what lies outside and is nobody's business " * 9}))
    (tmp_path / "own" / "a.txt").write_text("what lies inside and may be read by everybody " * 90)
    (tmp_path / "own" / name).symlink_to(name if target == "more" else target)
    seen = look(tmp_path / "own")
    assert [list(table.files) for table in seen.tables] == [["a.txt"]]
    assert sum(each.count for each in seen.unread) == 1


def test_rows_of_endless_texts_are_read_as_far_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST_READ", 10_000_000)
    rows = "".join(json.dumps({"text": "word " * 200_000, "n": n}) + "\n" for n in range(40))
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.jsonl", rows)
    (table,) = look(tmp_path).tables
    assert table.records < 20 and not table.is_whole


def test_what_is_lost_of_one_file_for_one_reason_is_told_by_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a first line of text"}\n' + "{broken\n" * 500)
    (told,) = look(tmp_path).unread
    assert (told.what, told.count) == ("a.jsonl, record 2", 500)


def test_a_list_of_nothing_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST_ROWS", 1_000)
    (tmp_path / "a.json").write_text("[" + ",".join(["{}"] * 5_000) + "]")
    (told,) = look(tmp_path).unread
    assert told.count == 1_000


def test_files_that_are_named_as_keys_and_passwords_are_told_with_how_to_leave_them_out(tmp_path: Path) -> None:
    for name in (
        "id_rsa",
        "prod.env",
        "passwords.txt",
        "Passwörter 2024.txt",
        "hesla_2024.txt",
        "mots de passe.md",
        "letter.txt",
    ):
        (tmp_path / name).write_text(f"what stands in {name} " * 90)
    (told,) = (line for line in seen_in_words(look(tmp_path)) if "keys or passwords" in line)
    assert told.startswith("perhaps not wanted: 6 files") and "id_rsa" in told and "letter" not in told


def test_of_many_long_cells_no_more_are_searched_for_personal_data_than_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MOST_SEARCHED", 60_000)
    searched: list[int] = []
    scan = looking.scan

    def counted(text: str, *given: Any, **named: Any) -> Any:
        searched.append(len(text))
        return scan(text, *given, **named)

    monkeypatch.setattr(looking, "scan", counted)
    cell = "1234 5678 9012 3456 ada@example.org " * 10
    write_csv(tmp_path / "a.csv", [f"c{n}" for n in range(20)], [[f"{n} {cell}"] * 20 for n in range(100)])
    (table,) = look(tmp_path).tables
    assert 0 < sum(searched) <= 60_000
    assert table.looked_at < 10 and table.personal["email"] == table.looked_at
    assert f"of {table.looked_at} looked at" in "\n".join(seen_in_words(look(tmp_path)))


def test_a_line_without_end_in_files_that_may_be_pairs_is_told_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MOST_LINE", 2**20)
    for language in ("en", "de"):
        with (tmp_path / f"train.{language}").open("wb") as held:
            held.write(
                (f"a line in {language} " * 300 + "\n").encode() * 30
            )  # more than is looked at to tell what it is
            held.truncate(2**27)
    seen = look(tmp_path)
    assert not any(table.parallel for table in seen.tables)
    assert any("longer than" in each.why for each in seen.unread)
