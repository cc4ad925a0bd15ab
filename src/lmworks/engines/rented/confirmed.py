"""Environment variables that a recipe may send to a host: those named for it, and those that this user confirmed.

A confirmation is a file below `$XDG_STATE_HOME`, outside every project: a recipe cannot bring its own.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from lmworks.errors import UsageError
from lmworks.pipeline.files import state_folder, write_atomically

PREFIX = "LMWORKS_KEY_"
"""Beginning of the names of variables that a recipe may send anywhere: you named them for that."""
_PLAIN = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,24}|xn--[a-z0-9-]{1,59})|localhost"
    r"|(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-f.]*:[0-9a-f:.]*"
)
"""Names and addresses of hosts that no key looks like."""


def host_of(address: str) -> str:
    """Return host and port of a URL, with `http://` before them if the key would travel unencrypted."""
    parts = urlsplit(address if "://" in address else f"https://{address}")
    return ("http://" if parts.scheme == "http" else "") + parts.netloc.lower()


def typed_host(text: str) -> str:
    """Return the host that was typed, alone or in a URL; empty where it is none, since it may be the key itself."""
    is_url = text.lower().startswith(("http://", "https://"))
    try:
        parts = urlsplit(text if is_url else f"https://{text}")
        name, _ = parts.hostname or "", parts.port  # which raises for what is no port
    except ValueError:
        return ""
    if "@" in parts.netloc or not (is_url or parts.netloc == text):
        return ""
    is_name = _PLAIN.fullmatch(name) or (is_url and re.fullmatch(r"\w[\w.-]*", name))
    return host_of(text) if is_name else ""


def confirm(variable: str, host: str) -> Path:
    """Keep that a variable may be sent to a host, and return the file that says so."""
    place = _place(variable, host_of(host))
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(place, f"{variable} {host_of(host)}\n")
    return place


def refusal(variable: str, address: str, where: str = "") -> str:
    """Return why a recipe may not send a variable to an address, and what to type; empty if it may."""
    host = host_of(address)
    try:
        if variable.startswith(PREFIX) or _place(variable, host).is_file():
            return ""
    except (OSError, RuntimeError):  # this user has no home, and so confirmed nothing
        pass
    typed = host if typed_host(host) else f"https://{host}"
    other = "" if where or variable.startswith("MLFLOW_") else f" Else name a variable that begins with {PREFIX}"
    return (
        f"found {variable}{where}: this recipe would send its value to {host}. Nothing was sent.\n"
        f"  If you trust that host with it: `lmworks confirm-key {variable} {typed}`.{other}"
    )


def require_confirmed(variable: str, address: str) -> None:
    """Raise UsageError for a variable that a recipe may not send to an address."""
    if said := refusal(variable, address):
        raise UsageError(f"key_variable: {said}")


def _place(variable: str, host: str) -> Path:
    name = hashlib.sha256(f"{variable} {host}".encode()).hexdigest()[:32]
    return state_folder() / "confirmed-keys" / name
