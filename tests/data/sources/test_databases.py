"""A query asked of a real PostgreSQL server."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from data_support import quarantined, texts
from databases import PASSWORD, postgres_server

from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.sources.sql import Sql
from lmworks.errors import LmworksError
from support import make_context

SOURCE = {
    "kind": "sql",
    "url": "$TICKETS",
    "query": "select * from tickets order by id",
    "date": "2024-05-01",
    "text_field": "body",
    "key_field": "id",
    "licence": "MIT",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as address:
        yield address


@pytest.fixture
def tickets(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run statements on a table `tickets` that is new, as the database that $TICKETS names."""
    monkeypatch.setenv("TICKETS", server.format(PASSWORD))
    engine = sqlalchemy.create_engine(server.format(PASSWORD))
    with engine.connect() as connection:

        def run(statement: str) -> None:
            connection.execute(sqlalchemy.text(statement))
            connection.commit()

        run("drop table if exists tickets")
        columns = "id integer, body text, at timestamptz, price numeric, tags text[], more jsonb, raw bytea"
        run(f"create table tickets ({columns})")
        yield run
    engine.dispose()


def read(folder: Path, **more: Any) -> Path:
    config = IngestConfig.model_validate({"sources": [{**SOURCE, **more}], "licences": {"allow": ["MIT"]}})
    number = len(list(folder.glob("out-*")))
    out = folder / f"out-{number}"
    ingest(config.resolve(folder), out=out, context=make_context(folder / f"work-{number}"))
    return out


@pytest.mark.slow
def test_rows_with_nulls_and_all_types(tmp_path: Path, tickets: Any) -> None:
    tickets(
        r"""insert into tickets values
        (1, 'Grüße, 世界 😀', '2024-04-30 12:00+00', 12.50, '{a,b}', '{"x": null}', '\xff00'),
        (2, null, null, null, null, null, null), (3, 'only text', null, null, null, null, null)"""
    )
    out = read(tmp_path, keep=["at", "price", "tags", "more", "raw"])
    assert {document.text: dict(document.meta) for document in Documents(out, "").iterate()} == {
        "Grüße, 世界 😀": {
            "at": "2024-04-30 12:00:00+00:00",
            "price": "12.50",
            "tags": ["a", "b"],
            "more": {"x": None},
            "raw": "ff00",
            "path": next((tmp_path / "snapshots" / "2024-05-01").iterdir()).name,
            "format": "text",
        },
        "only text": {"path": next((tmp_path / "snapshots" / "2024-05-01").iterdir()).name, "format": "text"},
    }
    assert [record["reason"] for record in quarantined(out)] == ["field 'body' is missing"]


@pytest.mark.slow
def test_a_snapshot_stays_as_it_was_on_its_day(tmp_path: Path, tickets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tickets("insert into tickets values (2, 'second'), (1, 'first')")
    read(tmp_path)
    tickets("update tickets set body = 'changed' where id = 2")
    monkeypatch.delenv("TICKETS")
    assert texts(read(tmp_path)) == ["first", "second"], "the server is not asked again"
    monkeypatch.setenv("TICKETS", "postgresql://me@127.0.0.1:1/gone")
    with pytest.raises(LmworksError, match="check its host, port, user and password"):
        read(tmp_path, date="2024-05-02")


@pytest.mark.slow
def test_another_day_is_another_snapshot_with_the_same_ids(tmp_path: Path, tickets: Any) -> None:
    tickets("insert into tickets values (2, 'second'), (1, 'first')")
    before = {document.text: document.id for document in Documents(read(tmp_path), "").iterate()}
    tickets("update tickets set body = 'changed' where id = 2")
    tickets("insert into tickets values (0, 'new')")
    later = {document.text: document.id for document in Documents(read(tmp_path, date="2024-05-02"), "").iterate()}
    assert set(later) == {"first", "changed", "new"}
    assert (later["first"], later["changed"]) == (before["first"], before["second"])


@pytest.mark.slow
def test_rows_pass_through_a_cursor_of_the_server_in_bounded_memory(tmp_path: Path, tickets: Any) -> None:
    assert texts(read(tmp_path, query="select 1 as id, name || statement as body from pg_cursors")) != []
    rows = "select n as id, repeat('x', 10000) as body from generate_series(1, 8000) as n"
    program = (
        "import sys, resource, pathlib; from lmworks.data.sources.sql import Sql; import sqlalchemy, psycopg\n"
        "folder, query = pathlib.Path(sys.argv[2]), sys.argv[1]\n"
        "source = Sql(kind='sql', url='$TICKETS', query=query, date='2024-05-01', folder=folder)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; source.walk()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", program, rows, str(tmp_path)]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (snapshot,) = (path for path in (tmp_path / "snapshots").rglob("*.jsonl") if path.stat().st_size > 10**6)
    assert snapshot.stat().st_size > 80_000_000
    assert grown * 1024 < 40 * 2**20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("postgresql://me:wrong-secret@127.0.0.1:{port}/postgres", "password authentication failed"),
        ("postgresql://me:wrong-secret@127.0.0.1:1/postgres", "Connection refused"),
        ("postgresql://me:wrong-secret@127.0.0.1:{port}/nowhere", "password authentication failed"),
        ("postgresql://me:wrong-secret@nowhere.invalid/postgres", "resolve host"),
        ("postgresql://me:wrong-secret@127.0.0.1:port/postgres", "is not an address of a database"),
        ("postgresql://me:wrong-@secret@127.0.0.1/postgres", "in a password as %40"),
        ("postgres//wrong-secret", "is not an address of a database"),
        ("oracle://me:wrong-secret@127.0.0.1/x", "the query failed: No module named"),
    ],
)
def test_a_server_that_cannot_be_asked_is_named_without_its_password(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, address: str, fault: str
) -> None:
    monkeypatch.setenv("TICKETS", address.format(port=server.split(":")[-1].split("/")[0]))
    with pytest.raises(LmworksError, match=fault) as raised:
        read(tmp_path)
    assert "secret" not in str(raised.value) and "Source sql" in str(raised.value)
    assert not list(tmp_path.rglob("*.jsonl*")), "nothing half written stays"


@pytest.mark.slow
def test_a_query_that_fails_in_its_midst_leaves_no_snapshot(tmp_path: Path, tickets: Any) -> None:
    query = "select n as id, repeat('private ', 10) || (1 / (4000 - n)) as body from generate_series(1, 5000) as n"
    with pytest.raises(LmworksError, match=r"the query failed: division by zero.* Fix `url` or `query`"):
        read(tmp_path, query=query)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"private" in path.read_bytes()]


@pytest.mark.parametrize(
    "query",
    [
        "VACUUM INTO 'copy.db'",
        "DELETE FROM tickets",
        "; SELECT 1",
        "-- SELECT\nDROP TABLE tickets",
        "/* SELECT */ ATTACH 'x'",
    ],
)
def test_a_query_that_is_no_select_is_refused_with_the_recipe(query: str) -> None:
    with pytest.raises(ValueError, match="is not a query that only reads"):
        Sql.model_validate({**SOURCE, "query": query})


def test_a_query_that_would_write_by_way_of_a_select_is_refused_by_the_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tickets.db") as database:
        database.execute("CREATE TABLE tickets (text)")
        database.execute("INSERT INTO tickets VALUES ('a ticket')")
    source = {**SOURCE, "url": "sqlite:///tickets.db", "folder": tmp_path}
    with pytest.raises(LmworksError, match="the query failed"):
        Sql.model_validate({**source, "query": "WITH a AS (SELECT 1) DELETE FROM tickets"}).walk()
    assert Sql.model_validate({**source, "query": "-- all\nSELECT text FROM tickets"}).walk()
    with sqlite3.connect(tmp_path / "tickets.db") as database:
        assert database.execute("SELECT count(*) FROM tickets").fetchone() == (1,)


@pytest.mark.parametrize(
    "url", ["postgresql://me:pw@host/db", "postgresql://me:p/w@host/db", "postgresql://host/db?user=me&password=pw"]
)
def test_no_password_is_taken_from_a_recipe(url: str) -> None:
    with pytest.raises(ValueError, match="it holds a password"):
        Sql.model_validate({**SOURCE, "url": url})


def test_addresses_without_password_are_taken() -> None:
    for url in ("postgresql://me@host:5432/db", "sqlite:///tickets.db", "postgresql://host/db?sslmode=require", "$X"):
        assert Sql.model_validate({**SOURCE, "url": url}).url == url
