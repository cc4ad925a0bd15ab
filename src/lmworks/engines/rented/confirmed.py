"""Environment variables that a recipe may send to a host: those named for it, and those that this user confirmed.

A confirmation is a file below `$XDG_STATE_HOME`, outside every project: a recipe cannot bring its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from lmworks.errors import UsageError
from lmworks.pipeline.files import state_folder, write_atomically

PREFIX = "LMWORKS_KEY_"
"""Beginning of the names of variables that a recipe may send anywhere: you named them for that."""


def host_of(address: str) -> str:
    """Return host and port of a URL, with `http://` before them if the key would travel unencrypted."""
    parts = urlsplit(address if "://" in address else f"https://{address}")
    return ("http://" if parts.scheme == "http" else "") + parts.netloc.lower()


def confirm(variable: str, host: str) -> Path:
    """Keep that a variable may be sent to a host, and return the file that says so."""
    place = _place(variable, host_of(host))
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(place, f"{variable} {host_of(host)}\n")
    return place


def refusal(variable: str, address: str) -> str:
    """Return why a recipe may not send a variable to an address, and what to type; empty if it may."""
    host = host_of(address)
    try:
        if variable.startswith(PREFIX) or _place(variable, host).is_file():
            return ""
    except (OSError, RuntimeError):  # this user has no home, and so confirmed nothing
        pass
    return (
        f"found {variable}: this recipe would send its value to {host}. Nothing was sent.\n"
        f"  If you trust that host with it: `lmworks confirm-key {variable} {host}`. "
        f"Else name a variable that begins with {PREFIX}"
    )


def require_confirmed(variable: str, address: str) -> None:
    """Raise UsageError for a variable that a recipe may not send to an address."""
    if said := refusal(variable, address):
        raise UsageError(f"key_variable: {said}")


def _place(variable: str, host: str) -> Path:
    name = hashlib.sha256(f"{variable} {host}".encode()).hexdigest()[:32]
    return state_folder() / "confirmed-keys" / name
