"""Tables are read whole whatever separates their columns, and however many quotes are never closed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from data_support import quarantined
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.parsers.test_parsers import good, read
from lmworks.data.parsers.lines import read_lines
from lmworks.data.parsers.parser import Piece, Reading
from lmworks.data.parsers.tables import delimited
from lmworks.data.sources.source import Record
from lmworks.errors import LmworksError, UsageError
from quick import examples

Ingest = Callable[..., Any]


@pytest.mark.parametrize(
    ("name", "content", "options", "wanted"),
    [
        ("a.csv", "id;text\n1;Guten Tag, Welt\n2;Zweite, ja\n", {}, ["Guten Tag, Welt", "Zweite, ja"]),
        ("a.csv", "id\ttext\n1\tone, two\n2\tthree; four\n", {}, ["one, two", "three; four"]),
        ("a.csv", "id|text\n1|a, b\n", {}, ["a, b"]),
        ("a.tsv", "id,text\n1,a\n2,b\n", {}, ["a", "b"]),
        ("a.csv", 'id;text\n1;"two\nlines; here"\n2;b\n', {}, ["two\nlines; here", "b"]),
        ("a.csv", "1;a\n2;b\n", {"columns": ["id", "text"]}, ["a", "b"]),
        # What the first rows do not agree on stays as it was.
        ("a.csv", "text\none; two\nthree; four\n", {}, ["one; two", "three; four"]),
        ("a.csv", "text; or not\na\nb\n", {"text_field": "text; or not"}, ["a", "b"]),
        ("a.csv", "n,text|x\n1,a|b\n2,c|d\n", {"text_field": "text|x"}, ["a|b", "c|d"]),
        ("a.csv", "a;b,text\n1;2,one\n", {}, ["one"]),
        ("a.csv", "id;text\n1;a\n", {"delimiter": ",", "text_field": "id;text"}, ["1;a"]),
    ],
)
def test_a_delimiter_is_found_by_rows_of_equal_width(
    tmp_path: Path, name: str, content: str, options: dict[str, Any], wanted: list[str]
) -> None:
    assert [record.text for record in good(read(tmp_path, {name: content.encode()}, **options))] == wanted


def written(delimiter: str, rows: list[list[str]], quoting: Any = csv.QUOTE_MINIMAL) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, quoting=quoting).writerows(rows)
    return buffer.getvalue()


QUOTED = [["1", 'Complete, said "quick".'], ["2", "First line\nsecond line"], ["3", "a\ttab"], ["4", '"Yes."']]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("options", [{}, {"delimiter": "\t"}, {"quotes": True}])
@pytest.mark.parametrize("before", [0, 300])
def test_a_table_that_was_written_in_quotes_is_read_so(
    tmp_path: Path, name: str, quoting: Any, options: dict[str, Any], before: int
) -> None:
    rows = [["0", f"plain {number}"] for number in range(before)] + QUOTED
    content = written("\t", [["id", "text"], *rows], quoting)
    found = read(tmp_path, {name: content.encode()}, **options)
    assert [record.text for record in good(found)] == [text for _, text in rows]
    assert len(found) == len(rows)


@pytest.mark.parametrize(
    "lines",
    [
        ['1\t"Hello', '2\tworld"', "3\tplain"],
        ['1\t5" of rain', '2\tand 6"', '3\t"'],
        ['1\t"Yes," she said.', '2\tHe said "no"', '3\t"Yes."', '4\t"No."'],
        ['1\t"', '2\t""', '3\t"a" and "b"'],
        ['1\t"He said \\"hi\\""', "2\tplain"],
        [*(f"{number}\tplain" for number in range(300)), '300\t"lone', *(f"{number}\tplain" for number in range(300))],
    ],
)
def test_quotes_of_texts_stay_where_they_are(tmp_path: Path, lines: list[str]) -> None:
    found = read(tmp_path, {"a.tsv": "\n".join(["id\ttext", *lines, ""]).encode()})
    assert [record.text for record in good(found)] == [line.split("\t")[1] for line in lines]
    assert len(found) == len(lines)


DOUBLED, PLAIN, OTHER = '1\t"a ""b"""\n', "1\ta\n", '1\tthe "x"\n'


@pytest.mark.parametrize(
    ("rows", "is_all", "wanted"),
    [
        ([DOUBLED], True, True),
        ([DOUBLED] * 2 + [OTHER], True, False),
        ([DOUBLED] * 5 + [OTHER], True, True),
        (['1\t"a\tb"\n', '2\t"cut\n'], False, True),
        (['1\t"a\tb"\n', '2\t"lone\n'], True, False),
        (['1\t"a\tb"\n', '2\tx "lone\n'], False, False),
        (['1\t"a\tb"\tc\td\te\n'], True, False),
        (['1\t"Hello\n', '2\tworld"\n'], True, False),
        ([PLAIN], True, False),
    ],
)
def test_quotes_around_fields_are_told_by_rows_that_only_they_explain(
    rows: list[str], is_all: bool, wanted: bool
) -> None:
    assert is_quoted("".join(["id\ttext\n", *rows]), is_all=is_all) == wanted


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_all_in_quotes_tells_of_them(mark: str) -> None:
    assert is_quoted(f'{mark}"id"\t"text"\n{PLAIN}', is_all=True)


def test_a_lone_quote_in_a_table_in_quotes_costs_its_row(tmp_path: Path) -> None:
    content = written("\t", [["id", "text"], *QUOTED]) + '5\t"lone\n' + written("\t", QUOTED)
    found = read(tmp_path, {"a.tsv": content.encode()})
    assert [record.text for record in good(found)] == [text for _, text in QUOTED * 2]
    assert len(found) == 2 * len(QUOTED) + 1


def test_rows_that_look_quoted_in_a_table_without_quotes_are_counted(ingest_files: Ingest) -> None:
    content = written("\t", [["id", "text"], *QUOTED])
    later = "id\ttext\n" + '1\t"Yes," she said\n' * 100 + '2\t"He said ""no""."\n'
    result, _ = ingest_files({"a.tsv": content, "b.csv": content, "c.tsv": "id\ttext\n1\ta\n", "d.tsv": later})
    (odd,) = [reason for reason in result.counts if reason.startswith("rows with quotes doubled in quotes")]
    assert result.counts[odd] == 1
    result, _ = ingest_files({"a.tsv": content}, quotes=True)
    assert not any("quotes" in reason for reason in result.counts)


def test_quotes_stay_on_request(tmp_path: Path) -> None:
    (record,) = good(read(tmp_path, {"a.csv": b'id,text\n1,"say ""yes"""\n'}, quotes=False))
    assert record.text == '"say ""yes"""'


@given(st.lists(st.text('a"\t\n\r ', max_size=6), min_size=1, max_size=6), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_any_table_between_tabs_is_read_whole(tmp_path: Path, cells: list[str], is_all: bool) -> None:
    content = written("\t", [["id", "text"], *QUOTED * 9, *([cell, f"x{cell}"] for cell in cells)], int(is_all))
    found = read(tmp_path, {"a.tsv": content.encode()})
    assert [record.text for record in good(found)][len(QUOTED) * 9 :] == [f"x{cell}" for cell in cells]


cell = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=8)


@given(
    st.lists(st.tuples(cell, cell, cell), max_size=8), st.sampled_from([",", ";", "|"]), st.booleans(), st.booleans()
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_any_table_is_read_whole_whatever_separates_its_columns(
    tmp_path: Path, table: list[tuple[str, str, str]], delimiter: str, named: bool, quoted: bool
) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerows([("text", "a", "b"), *table])
    options = {"delimiter": delimiter} if named else {}
    found = read(tmp_path, {"a.csv": buffer.getvalue().encode()}, keep=["a", "b"], **options)
    assert [(record.text, record.meta["a"], record.meta["b"]) for record in good(found)] == table
    assert len(found) == len(table)


def test_signs_that_number_no_script_make_no_utf16_of_a_short_table(tmp_path: Path) -> None:
    content = b"text,a,b\r\n" + b"a\x07b\x07c\x07d\x07,\x07,\x07\r\n"
    (record,) = good(read(tmp_path, {"a.csv": content}, keep=["a", "b"]))
    assert (record.text, record.meta["a"]) == ("a\x07b\x07c\x07d\x07", "\x07")


def spans(content: bytes, limit: int = 10**9) -> Any:
    return read_lines(Piece("", 0), io.BytesIO(content), limit)


def is_quoted(content: str, *, is_all: bool) -> bool:
    return delimited._may_be_quoted([*spans(content.encode())], "\t", Reading(), is_all=is_all)


@given(
    st.lists(st.sampled_from(['"', ",", "a", "\n", '","', '"\n', 'a","\n', "\r\n"]), max_size=40),
    st.integers(1, 4),
    st.sampled_from([6, 20, 10**6]),
)
@settings(max_examples=examples(400))
def test_each_line_of_a_table_is_in_one_row_and_lines_without_quotes_are_rows(
    parts: list[str], width: int, limit: int
) -> None:
    content = "".join(parts).encode()
    found = list(delimited.read_rows(spans(content, limit), ",", limit, width))
    ends = [(row.span.offset, row.span.end) for row in found]
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    whole = [line for line in spans(content, limit) if line.end > max((end for _, end in ends), default=0)]
    assert not any(line.raw.strip() for line in whole)
    if '"' not in "".join(parts):
        assert all(row.fault.startswith("wrong number") or "longer" in row.fault or row.fields for row in found)


@pytest.mark.parametrize("end", [b"", b'"\n', b'"x\n', b'",a,b,c\n'])
@pytest.mark.parametrize("limit", [10**6, 500])
def test_quotes_that_never_close_cost_linear_time(monkeypatch: pytest.MonkeyPatch, end: bytes, limit: int) -> None:
    looks = 0
    text_of = delimited._text

    def counted(line: Any) -> str:
        nonlocal looks
        looks += 1
        return text_of(line)

    monkeypatch.setattr(delimited, "_text", counted)
    lines = 3000
    found = list(delimited.read_rows(spans(b'a","\n' * lines + end + b"a,b\n" * 3), ",", limit, 2))
    assert [row.fields for row in found[-3:]] == [["a", "b"]] * 3
    assert looks < 6 * lines


def test_a_row_of_endlessly_many_lines_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MOST_LINES", 10)
    found = list(delimited.read_rows(spans(b'"a\n' + b"b\n" * 20 + b'"\n'), ",", 10**6, 1))
    assert [row.span.raw for row in found if row.fault] == [b'"a\n', b'"\n']
    assert [row.fields for row in found if not row.fault] == [["b"]] * 20


@given(st.binary(max_size=200), st.integers(1, 60))
@example(b"0", 1)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_any_bytes_are_a_table_or_quarantined(tmp_path: Path, content: bytes, size: int) -> None:
    with suppress(UsageError):  # for a first row that looks like data
        for item in read(tmp_path, {"a.csv": content}):
            assert isinstance(item, Record) or content[item.start :].startswith(item.raw)


def test_a_build_without_a_document_says_which_columns_it_found(ingest_files: Ingest) -> None:
    with pytest.raises(LmworksError) as raised:
        ingest_files({"a.csv": "Frage^Antwort\n" + "was^das\n" * 3000, "b.jsonl": '{"body": "x"}\n'})
    said = str(raised.value)
    assert said.startswith("No document could be read: quarantined: field 'text' is missing (3,001).")
    assert "texts: a.csv, record 1: field 'text' is missing: found 'Frage^Antwort'." in said
    assert "`text_field`" in said and "`delimiter`" in said
    assert "{" not in said


def test_a_broken_header_is_told_once(ingest_files: Ingest) -> None:
    _, out = ingest_files({"a.csv": b"caf\xe9,n\n" + b"x,1\n" * 500, "z.txt": "z"}, shard_bytes=100)
    assert [record["reason"].split(":")[0] for record in quarantined(out)] == ["not UTF-8"]
