"""Tables in files that are called texts, files of translation programs, and XML that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.parsers.tables.delimited import table_form
from lmworks.start.look import look
from start.test_look import sentences
from start.test_recognised import elsewhere as elsewhere
from start.test_recognised import init, recipe_of


@pytest.mark.parametrize(("sign", "form"), [("\t", "tsv"), ("|", "csv"), (";", "csv")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_in_a_text_file_is_read_as_a_table(sign: str, form: str, encoding: str, tmp_path: Path) -> None:
    rows = [sign.join(("nr", "message", "queue"))]
    rows += [sign.join((str(n), text, label)) for n, (text, label) in enumerate(sentences(200))]
    (tmp_path / "export.txt").write_text("\n".join(rows), encoding=encoding)
    (tmp_path / "notes.txt").write_text("What the columns mean. A queue is who answers.\n")
    table = next(each for each in look(tmp_path).tables if each.columns)
    assert (table.form, table.shape, table.labels, table.records) == (form, "labelled", ["queue"], 200)
    assert "labelled texts (queue)" in init(tmp_path, "--task", "classify")
    (source,) = recipe_of(tmp_path).data["raw"].sources  # type: ignore[attr-defined]
    assert (source.format, source.include) == (form, ["export.txt"])


@given(st.lists(st.text("abc ,.|;\t", max_size=40), max_size=30))
def test_whatever_lines_are_the_beginning_is_a_table_or_text(lines: list[str]) -> None:
    assert table_form("\n".join(lines).encode()) in ("", "csv", "tsv")


def test_sentences_with_some_signs_are_text() -> None:
    prose = "\n".join(f"We met at noon | or later; nobody knows {'; perhaps' * (n % 3)}." for n in range(40))
    assert table_form(prose.encode()) == ""


def test_files_of_translation_programs_are_pairs_without_what_nobody_translated(tmp_path: Path) -> None:
    units = "".join(
        f'<trans-unit id="{n}"><source>Der Zug <g id="1">{n}</g> hat heute leider<x id="2"/> Verspätung.</source>'
        f'<target state="{"new" if n % 5 == 0 else "final"}">Train {n} is late today, we are sorry.</target>'
        "<note>short</note></trans-unit>"
        for n in range(150)
    )
    body = f'<xliff version="1.2"><file source-language="de" target-language="en"><body>{units}</body></file></xliff>'
    (tmp_path / "trains.xlf").write_text(f'<?xml version="1.0"?>{body}')
    (table,) = look(tmp_path).tables
    assert (table.form, table.records, [*table.texts]) == ("xliff", 120, ["source", "target"])
    assert table.first[0]["source"] == "Der Zug 1 hat heute leider Verspätung."
    assert "120 pairs (source → target)" in init(tmp_path, "--task", "translate")


def test_xml_of_an_unknown_ending_is_not_read_as_text(tmp_path: Path) -> None:
    points = "".join(f'<trkpt lat="46.{n}" lon="7.{n}"><ele>{n}</ele></trkpt>' for n in range(2_000))
    (tmp_path / "tour.gpx").write_text(f'<?xml version="1.0"?><gpx>{points}</gpx>')
    said = init(tmp_path, "--task", "search", refused=True)
    assert "XML of a form that is not known" in said and "nothing can be built" in said


def test_texts_in_two_tables_are_to_be_joined(tmp_path: Path) -> None:
    long = [f"w{n}|{text}, and much more that nobody reads on air." for n, (text, _) in enumerate(sentences(200))]
    short = [f"w{n}|{text}." for n, (text, _) in enumerate(sentences(200, seed=1))]
    (tmp_path / "wires.txt").write_text("\n".join(["slug|copy", *long]))
    (tmp_path / "briefs.txt").write_text("\n".join(["slug|brief", *short]))
    said = init(tmp_path, "--task", "summarise", refused=True)
    assert "have the column slug in common: join them by it into one table" in said
