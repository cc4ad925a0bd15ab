"""Keyed document ids: stable for whoever holds the key, meaningless to everyone else."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from lmworks.errors import UsageError

KEY_FILE = ".lmworks-id-key"
KEY_VARIABLE = "LMWORKS_ID_KEY"


def load_id_key(folder: Path) -> bytes:
    """The key that document ids are made with: `LMWORKS_ID_KEY`, else a file in `folder` that is made once.

    Whoever holds the key can tell which document an id belongs to, so the file is readable by its owner only.
    """
    stated = os.environ.get(KEY_VARIABLE)
    if stated is not None:
        if len(stated) < 16:
            raise UsageError(f"{KEY_VARIABLE} has {len(stated)} characters; give it 16 or more random ones.")
        return stated.encode()
    path = folder / KEY_FILE
    if not path.exists():
        _make_key(path)
    key = path.read_bytes().strip()
    if len(key) < 16:
        raise UsageError(f"{path} holds {len(key)} bytes; an id key has 16 or more. Restore it from a backup.")
    return key


def _make_key(path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secrets.token_hex(32) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(unfinished, path)  # unlike a rename, keeps the key of another process that came first
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()


def key_digest(key: bytes) -> str:
    """What may be stored in place of the key: it tells two keys apart and gives neither away."""
    return hashlib.blake2b(b"lmworks id key", key=_fit(key), digest_size=16).hexdigest()


def document_id(key: bytes, source: str, path: str, record: str) -> str:
    """Keyed hash of where a document was found: 32 hex digits."""
    place = "\0".join((source, path, record)).encode()
    return hashlib.blake2b(place, key=_fit(key), digest_size=16).hexdigest()


def _fit(key: bytes) -> bytes:
    return key if len(key) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.sha256(key).digest()
