"""Keyed ids and their key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lmworks.data.base.identity import KEY_FILE, document_id, key_digest, load_id_key
from lmworks.errors import UsageError


@pytest.fixture
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LMWORKS_ID_KEY", raising=False)


@pytest.mark.usefixtures("no_variable")
def test_the_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    key = load_id_key(tmp_path)
    assert len(key) >= 32
    assert load_id_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.usefixtures("no_variable")
def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    keys = []
    for name in "ab":
        (tmp_path / name).mkdir()
        keys.append(load_id_key(tmp_path / name))
    assert keys[0] != keys[1]
    assert key_digest(keys[0]) != key_digest(keys[1])


@pytest.mark.usefixtures("no_variable")
def test_a_damaged_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("short\n")
    with pytest.raises(UsageError, match="16 or more"):
        load_id_key(tmp_path)


def test_the_variable_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_ID_KEY", "a key that is long enough")
    assert load_id_key(tmp_path) == b"a key that is long enough"
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("LMWORKS_ID_KEY", "short")
    with pytest.raises(UsageError, match="LMWORKS_ID_KEY"):
        load_id_key(tmp_path)


def test_an_id_depends_on_key_and_place_alone() -> None:
    first = document_id(b"k" * 16, "docs", "a.txt", "1")
    assert first == document_id(b"k" * 16, "docs", "a.txt", "1")
    assert len(first) == 32
    others = [("docs", "a.txt", "2"), ("docs", "b.txt", "1"), ("doc", "sa.txt", "1")]
    assert (
        len({first, document_id(b"l" * 16, "docs", "a.txt", "1"), *(document_id(b"k" * 16, *o) for o in others)}) == 5
    )
