"""Objects of a server that speaks S3's protocol."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import logging
import random
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from counting import counting
from data_support import quarantined, texts
from pydantic import ValidationError
from storage import ENVIRONMENT, SECRET, client, storage_server

from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.sources.remote import Remote
from lmworks.data.sources.remote.s3 import S3
from lmworks.errors import LmworksError, UsageError
from support import make_context


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with storage_server() as address:
        yield address


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Put objects into the bucket `corpus`, which is new; credentials stand in the environment."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL_S3": server, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    S3.clear_instance_cache()
    writer = client(server)
    writer.create_bucket(Bucket="corpus")

    def put(objects: dict[str, bytes]) -> None:
        for key, content in objects.items():
            writer.put_object(Bucket="corpus", Key=key, Body=content)

    put.writer = writer  # type: ignore[attr-defined]
    yield put
    for page in writer.get_paginator("list_objects_v2").paginate(Bucket="corpus"):
        for item in page.get("Contents", ()):
            writer.delete_object(Bucket="corpus", Key=item["Key"])
    writer.delete_bucket(Bucket="corpus")


def config(url: str = "s3://corpus/texts", **more: Any) -> IngestConfig:
    source = {"kind": "remote", "url": url, "licence": "MIT", **more}
    return IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["MIT"]}})


def read(folder: Path, url: str = "s3://corpus/texts", **more: Any) -> Path:
    number = len(list(folder.glob("out-*")))
    out = folder / f"out-{number}"
    ingest(config(url, **more).resolve(folder), out=out, context=make_context(folder / f"work-{number}"))
    return out


def test_objects_are_read_like_files_in_every_packing(bucket: Any, tmp_path: Path) -> None:
    line, table = json.dumps({"text": "line"}).encode() + b"\n", io.BytesIO()
    pq.write_table(pa.table({"text": ["row"]}), table)
    bucket(
        {
            "texts/a.txt": "Grüße".encode(),
            "texts/b/c.jsonl": line + b"{\n",
            "texts/d.jsonl.gz": gzip.compress(line),
            "texts/e.jsonl.zst": zstandard.compress(line),
            "texts/f.jsonl.bz2": bz2.compress(line),
            "texts/g.parquet": table.getvalue(),
            "texts/b/": b"",
            "texts/.hidden/x.txt": b"no",
            "texts-of-others/x.txt": b"no",
            "x.txt": b"no",
        }
    )
    out = read(tmp_path)
    assert {document.meta["path"]: document.text for document in Documents(out, "").iterate()} == {
        "a.txt": "Grüße",
        "b/c.jsonl": "line",
        "d.jsonl.gz": "line",
        "e.jsonl.zst": "line",
        "f.jsonl.bz2": "line",
        "g.parquet": "row",
    }
    assert len(quarantined(out)) == 1
    assert len(texts(read(tmp_path, "s3://corpus"))) == 8


@pytest.mark.slow
def test_a_large_object_comes_in_parts_and_many_objects_in_pages(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    rows = b"".join(json.dumps({"text": f"{number} " + "x" * 5000}).encode() + b"\n" for number in range(2_400))
    bucket({"texts/large.jsonl": rows, **{f"texts/{number:04d}.txt": b"small" for number in range(25)}})
    assert len(texts(read(tmp_path))) == 2_400 + 25


def rows(count: int) -> bytes:
    return b"".join(
        json.dumps({"text": f"{number} {random.randbytes(20).hex()}"}).encode() + b"\n" for number in range(count)
    )


def test_each_byte_of_an_object_is_sent_once(
    bucket: Any, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(8):
            archive.writestr(f"{number}.jsonl", rows(4_000))
    objects = {
        "texts/plain.jsonl": rows(60_000),
        "texts/a.zip": packed.getvalue(),
        "texts/b.jsonl.gz": gzip.compress(rows(9_000)),
    }
    objects |= {"texts/table.csv": b"text,n\n" + b"".join(b"row %d,%d\n" % (n, n) for n in range(50_000))}
    bucket(objects | {f"texts/{number}.txt": random.randbytes(20_000).hex().encode() for number in range(50)})
    size = sum(map(len, objects.values())) + 50 * 40_000
    with counting(server) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", between.address)
        S3.clear_instance_cache()
        found = texts(read(tmp_path))
    assert len(found) == 60_000 + 32_000 + 9_000 + 50_000 + 50
    assert between.sent <= 1.1 * size, f"{between.sent / size:.2f} times"


def test_an_object_that_changes_is_noticed(bucket: Any, tmp_path: Path) -> None:
    bucket({"texts/a.txt": b"one", "texts/b.txt": b"other"})
    before = config().resolve(tmp_path).fingerprints
    assert config().resolve(tmp_path).fingerprints == before
    bucket({"texts/a.txt": b"two"})
    assert config().resolve(tmp_path).fingerprints != before
    assert texts(read(tmp_path)) == ["other", "two"]
    source = Remote(kind="remote", url="s3://corpus/texts")
    source.paths()
    bucket({"texts/a.txt": b"new"})
    with source.open("a.txt") as stream, pytest.raises(LmworksError, match=r"PreconditionFailed.*build again"):
        stream.read()


def test_an_object_that_is_gone_costs_itself_alone(bucket: Any, tmp_path: Path) -> None:
    bucket({"texts/a.txt": b"stays", "texts/b.txt": b"goes"})
    ready = config().resolve(tmp_path)
    bucket.writer.delete_object(Bucket="corpus", Key="texts/b.txt")
    (source,) = ready.sources
    with pytest.raises(FileNotFoundError), source.open("b.txt") as stream:
        stream.read()
    assert texts(read(tmp_path)) == ["stays"]


def test_what_is_not_there_is_named(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket({"texts/a.txt": b"text"})
    with pytest.raises(UsageError, match=r"s3://nowhere cannot be read \(NoSuchBucket\)\. Fix `url`"):
        read(tmp_path, "s3://nowhere/texts")
    with pytest.raises(LmworksError, match=r"s3://corpus/none holds no file that can be read"):
        read(tmp_path, "s3://corpus/none")
    S3.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(LmworksError, match=r"EndpointConnectionError\. Check network"):
        read(tmp_path)


def test_credentials_come_from_the_environment_and_are_never_shown(
    bucket: Any, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import requests

    bucket({"texts/a.txt": b"text"})
    # From here on the server checks who asks: after so many more requests it knows signatures.
    requests.post(f"{server}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
    denied = pytest.raises(UsageError, match=r"cannot be read .*AWS_ACCESS_KEY_ID")
    try:
        with caplog.at_level(logging.INFO), denied as raised:
            read(tmp_path)
        assert SECRET not in str(raised.value) + caplog.text
        assert ENVIRONMENT["AWS_ACCESS_KEY_ID"] not in str(raised.value) + caplog.text
    finally:
        requests.post(f"{server}/moto-api/reset-auth", data=b"inf", timeout=10)
    out = read(tmp_path)
    assert texts(out) == ["text"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    with pytest.raises(ValidationError, match="it holds a password"):
        config("s3://key:secret@corpus/texts")


def test_a_public_bucket_needs_no_credentials(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket({"texts/a.txt": b"text", "texts/b.txt": b"private"})
    bucket.writer.put_object_acl(Bucket="corpus", Key="texts/a.txt", ACL="public-read")
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    S3.clear_instance_cache()
    out = read(tmp_path)
    assert texts(out) == ["text"]
    assert [(record["path"], record["reason"]) for record in quarantined(out)] == [
        ("b.txt", "unreadable: the storage says 403")
    ]


LISTING = (
    b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>texts/a.txt</Key><Size>10</Size>"
    b"<ETag>&quot;1&quot;</ETag></Contents></ListBucketResult>"
)


class _Heedless(BaseHTTPRequestHandler):
    """Lists an object of ten bytes, and sends many more of it, or fewer."""

    sent: ClassVar[int] = 0
    size: ClassVar[int] = 0

    def do_GET(self) -> None:
        is_listing = "list-type" in self.path
        self.send_response(200)
        self.send_header("Content-Length", str(len(LISTING) if is_listing else self.size))
        self.end_headers()
        with suppress(OSError):
            if is_listing:
                self.wfile.write(LISTING)
            for start in range(0, 0 if is_listing else self.size, 2**16):
                type(self).sent += self.wfile.write(b"a" * min(2**16, self.size - start))

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.parametrize(("size", "said"), [(2**26, "sends more than the 10 bytes"), (3, "sends less than the 10")])
def test_a_server_that_heeds_no_range_is_read_no_further_than_was_asked(
    size: int, said: str, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Heedless, "size", size)
    monkeypatch.setattr(_Heedless, "sent", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Heedless) as heedless:
        threading.Thread(target=heedless.serve_forever, daemon=True).start()
        S3.clear_instance_cache()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{heedless.server_port}")
        source = Remote(kind="remote", url="s3://corpus/texts", licence="MIT")
        try:
            assert source.walk() == ["a.txt"]
            with pytest.raises(OSError, match=said):
                source.open("a.txt").read()
        finally:
            heedless.shutdown()
            S3.clear_instance_cache()
    assert _Heedless.sent < 2**24
