"""Folders of a web server: read like those of this machine, and followed no further than a folder goes."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from counting import counting
from data_support import quarantined, texts

from data.sources.test_sources import run
from lmworks.data.sources.remote import Remote, http, listed, s3
from lmworks.errors import LmworksError

Write = Callable[[bytes], None]


class _Web(BaseHTTPRequestHandler):
    """Answers as a test says: with a status, more headers and what writes the body."""

    answer: ClassVar[Callable[[str], tuple[int, dict[str, str], Callable[[Write], None]]]]
    sent: ClassVar[int] = 0
    asked: ClassVar[int] = 0
    method: ClassVar[str] = ""

    def do_GET(self) -> None:
        type(self).method = self.command
        status, headers, write = type(self).answer(self.path)
        type(self).asked += 1
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            if self.command == "GET":
                write(self._write)

    do_HEAD = do_GET  # noqa: N815

    def _write(self, content: bytes) -> None:
        type(self).sent += self.wfile.write(content)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[_Web]]]:
    handler = type("Handler", (_Web,), {})
    with serving(handler) as address:
        yield address, handler


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def page(*links: str) -> tuple[int, dict[str, str], Callable[[Write], None]]:
    body = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links).encode()
    return 200, {"Content-Length": str(len(body))}, lambda write: write(body)


def endless(beginning: bytes, again: bytes) -> tuple[int, dict[str, str], Callable[[Write], None]]:
    """A body of 64 MiB without a length, which an eager reader would keep."""

    def write(send: Write) -> None:
        send(beginning)
        for _ in range(2**10):
            send(again * (2**16 // len(again)))

    return 200, {}, write


def source(address: str) -> Remote:
    return Remote(kind="remote", url=f"{address}/texts", licence="MIT")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


def test_a_folder_of_a_web_server_is_read_like_one_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "served" / "texts"
    (folder / "more & deeper").mkdir(parents=True)
    (folder / "a.txt").write_text("Grüße")
    (folder / "more & deeper" / "b c.jsonl").write_text(json.dumps({"text": "line"}) + "\n{\n")
    (tmp_path / "served" / "other.txt").write_text("no")
    with serving(partial(_Quiet, directory=str(tmp_path / "served"))) as address:
        _, out = run(tmp_path, {"kind": "remote", "url": f"{address}/texts/", "licence": "MIT"})
    assert texts(out) == ["Grüße", "line"]
    assert len(quarantined(out)) == 1


def test_folders_in_folders_without_an_end_are_refused(web: tuple[str, type[_Web]]) -> None:
    address, handler = web
    handler.answer = staticmethod(lambda path: page("again/", f"{path.count('/')}.txt"))
    with pytest.raises(LmworksError, match=rf"{address}/texts: its server lists folders more than 64 deep.* `url`"):
        source(address).walk()
    assert handler.asked < 100


def test_more_files_and_folders_than_any_source_has_are_refused(
    web: tuple[str, type[_Web]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "MOST_NAMES", 100)
    address, handler = web
    handler.answer = staticmethod(lambda path: page("a/", "b/") if path.count("/") < 9 else page("c.txt"))
    with pytest.raises(LmworksError, match="lists more than 100 files and folders, the last of them 'http"):
        source(address).walk()
    assert handler.asked < 100
    monkeypatch.setattr(listed, "MOST_CHARACTERS", 1000)
    with pytest.raises(LmworksError, match="names of more than 1,000 characters"):
        source(address).walk()


def test_a_page_without_an_end_is_read_as_far_as_a_page_may_go(
    web: tuple[str, type[_Web]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PAGE_BYTES", 2**20)
    address, handler = web
    handler.answer = staticmethod(lambda path: endless(b"", b"<a href='a.txt'>"))
    with pytest.raises(LmworksError, match=r"cannot be listed: .*more than the 1,048,576 bytes that a list of files"):
        source(address).walk()
    assert handler.sent < 2**24


def test_links_are_found_in_time_linear_in_a_page(web: tuple[str, type[_Web]]) -> None:
    address, handler = web
    spaces = b"<a" + b" " * 20_000 + b"<a href='a.txt'>"  # by fsspec's own pattern: hours
    handler.answer = staticmethod(lambda path: (200, {}, lambda write: write(spaces)))
    assert source(address).walk() == ["a.txt"]


def test_a_server_that_sends_in_circles_is_named(web: tuple[str, type[_Web]]) -> None:
    address, handler = web
    handler.answer = staticmethod(
        lambda path: (302, {"Location": f"{path}x", "Content-Length": "0"}, lambda write: None)
    )
    with pytest.raises(LmworksError, match=rf"{address}/texts cannot be listed: .*TooManyRedirects"):
        source(address).walk()
    handler.answer = staticmethod(lambda path: (403, {"Content-Length": "0"}, lambda write: None))
    with pytest.raises(LmworksError, match=r"cannot be listed: .*the server answers with status 403"):
        source(address).walk()


@pytest.mark.parametrize("is_listing", [True, False])
def test_no_server_sends_to_another(is_listing: bool, web: tuple[str, type[_Web]], tmp_path: Path) -> None:
    address, handler = web
    asked = list[str]()

    class Other(_Web):
        @staticmethod
        def answer(path: str) -> tuple[int, dict[str, str], Callable[[Write], None]]:
            asked.append(path)
            return page()

    with serving(Other) as other:
        elsewhere = (302, {"Location": f"{other}/secret", "Content-Length": "0"}, lambda write: None)
        handler.answer = lambda path: elsewhere if is_listing or path.endswith(".md") else page(f"{address}/texts/a.md")
        with pytest.raises(LmworksError, match=f"{other}/secret, another" if is_listing else "a.md"):
            run(tmp_path, source(address))
    assert not asked


def test_a_server_may_send_to_another_place_of_its_own(web: tuple[str, type[_Web]]) -> None:
    address, handler = web
    moved = (301, {"Location": "/texts/", "Content-Length": "0"}, lambda write: None)
    handler.answer = lambda path: moved if path == "/texts" else page(f"{address}/texts/a.md")
    assert source(address).walk() == ["a.md"]


def test_a_file_that_is_longer_than_its_server_says_is_quarantined(web: tuple[str, type[_Web]], tmp_path: Path) -> None:
    def answer(path: str) -> tuple[int, dict[str, str], Callable[[Write], None]]:
        if path == "/texts":
            return page("a.txt", "b.txt")
        if path.endswith("b.txt"):
            return 200, {"Content-Length": "4"}, lambda write: write(b"good")
        return (200, {"Content-Length": "4"}, print) if handler.method == "HEAD" else endless(b"", b"a")

    address, handler = web
    handler.answer = staticmethod(answer)
    _, out = run(tmp_path, {"kind": "remote", "url": f"{address}/texts", "licence": "MIT"})
    assert texts(out) == ["good"]
    assert handler.sent < 2**24
    assert [(record["path"], record["reason"]) for record in quarantined(out)] == [
        ("a.txt", "unreadable: the server sends more than the 4 bytes that it states")
    ]


def test_each_byte_of_a_web_server_s_files_is_sent_once_and_a_changed_file_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "served" / "texts"
    folder.mkdir(parents=True)
    rows = b"".join(b'{"text": "row %d of many"}\n' % number for number in range(100_000))
    (folder / "a.jsonl").write_bytes(rows)
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(rows))
    (folder / "c.txt").write_bytes(b"word " * 50_000)
    size = sum(path.stat().st_size for path in folder.iterdir())
    with serving(partial(_Quiet, directory=str(tmp_path / "served"))) as address, counting(address) as between:
        result, _ = run(tmp_path, {"kind": "remote", "url": f"{between.address}/texts", "licence": "MIT"})
        assert result.counts["documents"] == 200_001
        assert between.sent <= 1.1 * size, f"{between.sent / size:.2f} times"
        before = source(address).fingerprint()
        assert source(address).fingerprint() == before
        (folder / "c.txt").write_bytes(b"other")
        assert source(address).fingerprint() != before


@contextmanager
def bucket_of(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {"ENDPOINT_URL_S3": address, "EC2_METADATA_DISABLED": "true", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3.S3.clear_instance_cache()
    yield
    s3.S3.clear_instance_cache()


CONTENTS = b"<Contents><Key>texts/%d.txt</Key><Size>1</Size><ETag>&quot;1&quot;</ETag></Contents>"


@pytest.mark.parametrize("contents", [CONTENTS * 50, b""])
def test_a_listing_of_objects_that_goes_on_is_refused(
    contents: bytes, web: tuple[str, type[_Web]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "MOST_NAMES", 200)

    def answer(path: str) -> tuple[int, dict[str, str], Callable[[Write], None]]:
        if handler.asked > 1000:
            return 500, {}, lambda write: None
        more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>" % handler.asked
        body = b"<ListBucketResult>" + more + contents.replace(b"%d", b"%d" % handler.asked) + b"</ListBucketResult>"
        return 200, {"Content-Length": str(len(body))}, lambda write: write(body)

    address, handler = web
    handler.answer = staticmethod(answer)
    with bucket_of(address, monkeypatch), pytest.raises(LmworksError, match="s3://corpus/texts: its server lists more"):
        Remote(kind="remote", url="s3://corpus/texts").walk()
    assert handler.asked < 1000


def test_a_part_of_a_listing_of_objects_is_read_as_far_as_one_may_go(
    web: tuple[str, type[_Web]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PAGE_BYTES", 2**20)
    address, handler = web
    handler.answer = staticmethod(lambda path: endless(b"<ListBucketResult>", b"          "))
    with bucket_of(address, monkeypatch), pytest.raises(LmworksError, match="sends more than the 1,048,576 bytes"):
        Remote(kind="remote", url="s3://corpus/texts").walk()
    assert handler.sent < 2**24
