"""What lies outside of a source's root is never read, by whatever way it is led to."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from data_support import quarantined, texts
from fsspec.implementations.memory import MemoryFileSystem

from data.sources.test_sources import run
from lmworks.data.erased.values import add_values, lines_of
from lmworks.data.sources.files import Files
from lmworks.errors import UsageError
from lmworks.pipeline import files as pipeline_files
from lmworks.pipeline.erasure import add_erased
from lmworks.pipeline.store import Store
from support import make_manifest

Ingest = Callable[..., Any]
OUT = "unreadable: a link that leads out of its folder"


def reasons(out: Path) -> dict[str, str]:
    return {record["path"]: record["reason"] for record in quarantined(out)}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key.txt").write_text("secret")
    (tmp_path / "texts").mkdir()
    return tmp_path / "private" / "key.txt"


def test_a_link_out_of_a_source_is_told_and_not_read(tmp_path: Path, private: Path, ingest_files: Ingest) -> None:
    folder = tmp_path / "texts"
    (folder / "absolute.txt").symlink_to(private)
    (folder / "relative.txt").symlink_to("../private/key.txt")
    (folder / "first.txt").symlink_to("second.txt")
    (folder / "second.txt").symlink_to(private)
    (folder / "beside.txt").symlink_to("../texts-too.txt")
    (tmp_path / "texts-too.txt").write_text("secret")
    (folder / "folder").symlink_to(private.parent)
    result, out = ingest_files({"good.txt": "good"})
    assert texts(out) == ["good"]
    names = ("absolute", "relative", "first", "second", "beside")
    assert reasons(out) == {f"{name}.txt": OUT for name in names}
    assert result.counts["not read: a linked folder"] == 1
    assert b"secret" not in b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_a_link_inside_a_source_is_the_file_that_it_leads_to(tmp_path: Path, ingest_files: Ingest) -> None:
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    (folder / ".objects").mkdir()
    (folder / ".objects" / "5f3a").write_text("kept by its digest")
    (folder / "a.txt").symlink_to(".objects/5f3a")
    (folder / "deep" / "b.txt").symlink_to("../c.txt")
    _, out = ingest_files({"c.txt": "plain"})
    assert texts(out) == ["kept by its digest", "plain", "plain"]


def test_a_snapshot_of_the_hub_leads_to_its_own_blobs_alone(tmp_path: Path, private: Path) -> None:
    snapshot, blobs = tmp_path / "datasets--a" / "snapshots" / "12ab", tmp_path / "datasets--a" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "34cd").write_text("text of the set")
    (blobs / "56ef").symlink_to(private)
    (snapshot / "train.txt").symlink_to("../../blobs/34cd")
    (snapshot / "train-bad.txt").symlink_to("../../blobs/56ef")
    (snapshot / "README.md").symlink_to(private)
    _, out = run(tmp_path, {"kind": "huggingface", "path": str(snapshot), "licence": "MIT", "format": "text"})
    assert texts(out) == ["text of the set"]
    assert reasons(out) == {"train-bad.txt": OUT}


def test_a_checkout_is_not_led_out_of_either(tmp_path: Path, private: Path) -> None:
    (tmp_path / "texts" / "key.py").symlink_to(private)
    (tmp_path / "texts" / "config.py").symlink_to(".git/config")
    (tmp_path / "texts" / "a.py").write_text("good")
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", "-C", str(tmp_path / "texts"), *arguments], check=True)
    _, out = run(tmp_path, {"kind": "git", "path": "texts", "format": "text", "licence": "MIT"})
    assert texts(out) == ["good"]
    assert reasons(out) == {"config.py": OUT, "key.py": OUT}


@pytest.mark.parametrize("when", ["before it is opened", "while it is opened", "behind a link inside"])
@pytest.mark.parametrize("swapped", ["a/b/key.txt", "a/b", "a"])
def test_a_link_that_takes_the_place_of_a_file_is_not_followed(
    tmp_path: Path, private: Path, swapped: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = {"a/b/key.txt": private, "a/b": private.parent, "a": tmp_path / "elsewhere"}[swapped]
    (tmp_path / "elsewhere" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere" / "b" / "key.txt").write_text("secret")
    (tmp_path / "texts" / "a" / "b").mkdir(parents=True)
    (tmp_path / "texts" / "a" / "b" / "key.txt").write_text("good")
    (tmp_path / "texts" / "way").symlink_to("a/b")
    source = Files(kind="files", path="texts", licence="MIT", folder=tmp_path)
    assert source.paths() == ["a/b/key.txt"]
    plain = os.path.realpath(tmp_path / "texts" / "a/b/key.txt")
    opened, looked_up = os.open, os.path.realpath

    def swap() -> None:
        place = tmp_path / "texts" / swapped
        if not place.is_symlink():
            place.rename(tmp_path / "moved")
            place.symlink_to(target)

    def open_late(path: Any, *rest: Any, **more: Any) -> int:
        if path == Path(swapped).name:  # its folder is open
            swap()
        return opened(path, *rest, **more)

    def look_up(path: Any, **more: Any) -> str:
        place = looked_up(path, **more)
        if str(place) == plain:
            swap()
        return place

    if when == "before it is opened":
        swap()
    elif when == "while it is opened":
        monkeypatch.setattr(pipeline_files.os, "open", open_late)
    else:
        monkeypatch.setattr(pipeline_files.os.path, "realpath", look_up)
    with pytest.raises(OSError, match=r"leads out of its folder|symbolic links|Not a directory"):
        source.open("way/key.txt" if when == "behind a link inside" else "a/b/key.txt")
    assert (tmp_path / "texts" / swapped).is_symlink()


@pytest.mark.parametrize(
    "path", ["../private/key.txt", "a/../../private/key.txt", "/etc/hostname", ".git/config", "a/.git/x"]
)
def test_no_path_leads_out_of_a_folder(tmp_path: Path, private: Path, path: str) -> None:
    for folder in (".git", "a/.git"):
        (tmp_path / "texts" / folder).mkdir(parents=True)
    (tmp_path / "texts" / ".git" / "config").write_text("secret")
    (tmp_path / "texts" / "a" / ".git" / "x").write_text("secret")
    with pytest.raises(OSError, match="leads out of its folder"):
        Files(kind="files", path="texts", licence="MIT", folder=tmp_path).open(path)


def test_a_link_in_an_archive_is_counted(ingest_files: Ingest) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "good")
        link = zipfile.ZipInfo("link.txt")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    result, out = ingest_files({"a.zip": packed.getvalue()})
    assert texts(out) == ["good"]
    assert result.counts["not read: a link in an archive"] == 1


def test_a_link_among_shards_of_a_foreign_store_is_not_followed(
    tmp_path: Path, private: Path, ingest_files: Ingest
) -> None:
    _, out = ingest_files({"a.txt": "good"})
    store = Store(tmp_path / "store")
    files = {name: {"sha256": name, "bytes": 1} for name in ("part-00000.parquet", "part-00001.parquet")}
    store.publish(out, make_manifest(step="raw", stage="ingest", key="00abcd", files=files))
    (store.root / "artifacts/ingest/00abcd/payload/part-00000.parquet").rename(private.parent / "shard")
    (store.root / "artifacts/ingest/00abcd/payload/part-00001.parquet").symlink_to(private.parent / "shard")
    with pytest.raises(Exception, match="No document could be read"):
        run(tmp_path, {"kind": "artifact", "store": "store", "artifact": "00abcd"})


def test_the_files_of_a_server_are_those_below_its_address(tmp_path: Path) -> None:
    class Listing(MemoryFileSystem):  # type: ignore[misc]
        """A server that lists what it likes, as a web page may link to any place of its host."""

        protocol = "listing"
        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

        def find(self, path: str, **_: Any) -> list[str]:
            return [f"{path}/a.txt", f"{path}/../b.txt", "/other/c.txt", f"{path}-too/d.txt"]

    fsspec.register_implementation("listing", Listing, clobber=True)
    for name in ("texts/a.txt", "b.txt", "other/c.txt", "texts-too/d.txt"):
        with fsspec.open(f"listing://{name}", "w") as file:
            file.write("good" if name == "texts/a.txt" else "secret")
    result, out = run(tmp_path, {"kind": "remote", "url": "listing://texts", "licence": "MIT"})
    assert texts(out) == ["good"]
    assert result.counts["not read: a path outside of the source"] == 3


THIS_MACHINE = ["texts", "file:///etc", "local:///etc", "://etc"]
THIS_MACHINE += [
    "generic://file:///etc",
    "zip://texts",
    "tar://texts",
    "dir://etc",
]
THIS_MACHINE += ["asyncwrapper://etc", "simplecache://etc", "git:///texts"]


@pytest.mark.parametrize("url", THIS_MACHINE)
def test_an_address_of_this_machine_is_the_business_of_another_kind(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="kind: files"):
        run(tmp_path, {"kind": "remote", "url": url, "licence": "MIT"})


CHAINED = ["simplecache::http://localhost:9/texts", "zip://*.txt::s3://bucket/a.zip", "filecache::memory://texts"]
CHAINED += ["simplecache::file:///etc", "dir::/etc", "simplecache::generic://file:///etc", "memory://a::b"]


@pytest.mark.parametrize("url", CHAINED)
def test_addresses_in_a_chain_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"chained by `::` .* expected one address"):
        run(tmp_path, {"kind": "remote", "url": url, "licence": "MIT"})


@pytest.mark.parametrize("url", ["github://texts", "dbfs://texts", "nosuch://texts"])
def test_an_address_that_cannot_be_opened_is_refused_in_a_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        run(tmp_path, {"kind": "remote", "url": url, "licence": "MIT"})


def test_the_lists_of_what_was_erased_are_no_documents_and_another_file_of_that_name_is_one(tmp_path: Path) -> None:
    add_erased(tmp_path, ["0" * 32, "1" * 32], "key", {"0" * 32: ["2" * 32]})
    add_values(tmp_path, lines_of(b"k" * 32, "Siti Lestari"), "key")
    (tmp_path / "told.txt").write_text("Kapal sandar di dermaga.")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "erased-documents.txt").write_text("Of what was erased, and when.\n")
    source = Files(kind="files", path=".", licence="MIT").located(tmp_path)
    assert source.paths() == ["below/erased-documents.txt", "told.txt"]
