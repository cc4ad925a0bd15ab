"""Secret keys, and keyed document ids: stable for the holder of the key, meaningless to everyone else."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from lmworks.errors import UsageError

KEY_FILE = ".lmworks-id-key"
KEY_VARIABLE = "LMWORKS_ID_KEY"


@dataclass(frozen=True)
class SecretKey:
    """Place of a secret key: an environment variable, else a file beside the recipe."""

    variable: str
    file: str

    def load(self, folder: Path, *, make: bool = True) -> bytes:
        """Return the key: the variable's value, else the content of a file in `folder` that only its owner can read.

        A missing file is created. Raises UsageError if the key is too short, or missing and not to be made.
        """
        stated = os.environ.get(self.variable)
        if stated is not None:
            if len(stated) < 16:
                raise UsageError(f"{self.variable} has {len(stated)} characters; give it 16 or more random characters.")
            return stated.encode()
        path = folder / self.file
        if not path.exists():
            if not make:
                raise UsageError(f"There is no key: set {self.variable}, or restore {path} from a backup.")
            _make_key(path)
        key = path.read_bytes().strip()
        if len(key) < 16:
            raise UsageError(f"{path} holds {len(key)} bytes; a key has 16 or more. Restore it from a backup.")
        return key

    def digest(self, folder: Path) -> str:
        """Return a digest of the key, or "" if there is no key yet. The first build makes the key."""
        is_there = self.variable in os.environ or (folder / self.file).exists()
        return key_digest(self.load(folder)) if is_there else ""


ID_KEY = SecretKey(KEY_VARIABLE, KEY_FILE)
"""Key of document ids. Its holder can tell which document an id belongs to."""
PRIVACY_KEY = SecretKey("LMWORKS_PRIVACY_KEY", ".lmworks-privacy-key")
"""Key of surrogates and of the index of persons. Its holder can identify the persons behind them."""


def load_id_key(folder: Path) -> bytes:
    """Return the key that document ids are made with."""
    return ID_KEY.load(folder)


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
    """Return a digest to store in place of the key. It distinguishes keys and reveals none."""
    return hashlib.blake2b(b"lmworks id key", key=_fit(key), digest_size=16).hexdigest()


def document_id(key: bytes, source: str, path: str, record: str) -> str:
    """Return a keyed hash of the place where a document was found: 32 hexadecimal digits."""
    place = "\0".join((source, path, record)).encode()
    return hashlib.blake2b(place, key=_fit(key), digest_size=16).hexdigest()


def _fit(key: bytes) -> bytes:
    return key if len(key) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.sha256(key).digest()
