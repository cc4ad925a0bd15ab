"""Models from and to a hub with Hugging Face's API, only on command. Code and pickles are never downloaded.

The environment alone gives the endpoint (HF_ENDPOINT) and the token (HF_TOKEN). Tokens stored by a login are not used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import resource
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.model.pretrained import NAME_ON_HUB
from lmworks.pipeline.files import digest_once, write_atomically
from lmworks.pipeline.store import Artifact, Store
from lmworks.recipe.schema import PROTECTED
from lmworks.release.built import Built
from lmworks.release.cards.card import card_text
from lmworks.release.cards.kinds import SOURCE
from lmworks.release.serving import require_servable

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TAKEN = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE", "NOTICE", "LICENSE.md")
DESCRIPTION_BYTES = 1 << 25
"""Most bytes read of an answer that is not a file: enough for the description of a model of 80,000 files."""
SECONDS = 120.0
"""Seconds to wait for an answer that is not a file, and between two parts of a file."""
SPARE = 1 << 20
"""Bytes that may be written beyond those of a file, for notes of `huggingface_hub` beside it."""


@dataclass(frozen=True)
class Snapshot:
    """A model on a hub at one commit, with the files that a download takes."""

    endpoint: str
    name: str
    revision: str
    licence: str
    """Licence that the model's card states, which is not always true."""
    files: Mapping[str, tuple[int, str]]
    """Name → bytes, and the sha256 of a large file or git's digest of a small one."""

    @property
    def size(self) -> int:
        """Size of all files, in bytes."""
        return sum(size for size, _ in self.files.values())


def find_snapshot(name: str, revision: str | None = None) -> Snapshot:
    """Ask a hub for a model. Raises `UsageError` for a bad name, or for files from which lmworks can make no model."""
    _require_name(name)
    with _hub() as hub:
        with _form_told(hub.endpoint, name):
            found = hub.model_info(name, revision=revision, files_metadata=True, timeout=SECONDS)
            files = {
                each.rfilename: (_size(each.size), each.lfs.sha256 if each.lfs else each.blob_id or "")
                for each in found.siblings or ()
                if any(fnmatchcase(each.rfilename, kind) for kind in TAKEN)
                and Path(each.rfilename).name == each.rfilename
            }
        whole = [each for each in files if each.endswith(".safetensors") and not each.startswith("consolidated")]
        files = {each: facts for each, facts in files.items() if not (whole and each.startswith("consolidated"))}
        if "config.json" not in files or not any(each.endswith(".safetensors") for each in files):
            raise UsageError(
                f"{name}: it has no config.json with *.safetensors, and lmworks never downloads pickles or code. Look "
                "for a model that was saved as safetensors"
            )
        licence = str((found.card_data and found.card_data.get("license")) or "not stated")
        return Snapshot(hub.endpoint, name, str(found.sha), licence, files)


def download(snapshot: Snapshot, out: Path) -> None:
    """Download a snapshot into a new folder, and check its files by the hub's digests. A retry keeps complete files.

    Raises `UsageError` if the folder exists or the disk has no room, LmworksError if bytes differ from those promised.
    """
    from huggingface_hub import hf_hub_download

    if out.exists():
        raise UsageError(f"{out} is there already; delete it, or name another folder with --out")
    part = out.with_name(f".{out.name}.part")  # hidden: `lmworks models` lists no half of a model
    part.mkdir(parents=True, exist_ok=True)
    for torn in part.rglob("*.incomplete"):  # of a download that was killed; huggingface_hub begins such a file anew
        torn.unlink()
    there = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    if (free := shutil.disk_usage(part).free) < snapshot.size - there:
        raise UsageError(f"{out}: {snapshot.size / 1e6:,.0f} MB do not fit into the {free / 1e6:,.0f} MB that are free")
    with _hub(of_files=True) as hub:
        for file, (size, digest) in sorted(snapshot.files.items(), key=lambda each: each[1][0]):
            with _written_at_most(
                size + SPARE, f"{file}: {snapshot.endpoint} sends more than the {size:,} bytes promised"
            ):
                hf_hub_download(
                    snapshot.name,
                    file,
                    revision=snapshot.revision,
                    local_dir=part,
                    token=hub.token,
                    endpoint=hub.endpoint,
                )
            got = part / file
            if got.stat().st_size != size or digest not in (digest_once(got), _git_digest(got)):
                got.unlink()
                raise LmworksError(f"{got}: not the file that {snapshot.endpoint} promised. It was deleted: try again")
    shutil.rmtree(part / ".cache", ignore_errors=True)
    facts = {"endpoint": snapshot.endpoint, "name": snapshot.name, "revision": snapshot.revision}
    digests = {file: digest for file, (_, digest) in sorted(snapshot.files.items())}
    write_atomically(
        part / SOURCE, json.dumps(facts | {"licence": snapshot.licence, "files": digests}, indent=1) + "\n"
    )
    part.rename(out)


@contextmanager
def _written_at_most(size: int, else_said: str) -> Iterator[None]:
    """Limit the size of files: a hub that sends a file without end would fill the disk. Raises LmworksError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    unlimited = before[1] == resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if unlimited else min(size, before[1]), before[1]))
    try:
        yield
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise LmworksError(else_said) from error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def require_release(store: Store, artifact: Artifact, privacy: str | None, *, confidential: bool) -> None:
    """Raise GateRefused for a model that learned from erased text, or, unless `confidential`, from protected text.
    Raise what `require_servable` raises."""
    require_servable(store, [artifact])
    if privacy in PROTECTED and not confidential:
        raise GateRefused(
            f"{artifact.manifest.step}: the recipe's `needs.privacy` is {privacy}, and a model can repeat what it "
            "learned from. Nothing was sent. If the model may go to this hub, add --confidential"
        )


def upload(store: Store, artifact: Artifact, name: str, *, public: bool) -> str:
    """Send a model's files and card as one commit, and return its address. Create the repository if there is none.

    Raises GateRefused if the repository exists and anybody can read it, unless `public`.
    """
    from huggingface_hub import CommitOperationAdd

    card = card_text(Built.holding(store, artifact), artifact, name).encode()
    files = {file: artifact.payload / file for file in artifact.manifest.files if file != "README.md"}
    with _hub() as hub:
        hub.create_repo(name, private=not public, exist_ok=True)
        if not public and not hub.model_info(name).private:
            raise GateRefused(f"{name}: it exists and everybody can read it. Nothing was sent. To send, add --public")
        sent = [CommitOperationAdd(file, str(path)) for file, path in files.items()]
        message = f"{artifact.manifest.step} {artifact.digest()[:12]}"
        done = hub.create_commit(
            name, [*sent, CommitOperationAdd("README.md", card)], commit_message=message, commit_description=""
        )
    return str(done.commit_url)


def require_token(name: str) -> str:
    """Return the endpoint that a model would be sent to. Raises `UsageError` for a bad name, and without a token."""
    _require_name(name)
    if not os.environ.get("HF_TOKEN"):
        raise UsageError("no HF_TOKEN in the environment: set it to a token of the hub with write permission")
    with _hub() as hub:
        return str(hub.endpoint)


def _require_name(name: str) -> None:
    if not NAME_ON_HUB.fullmatch(name):
        raise UsageError(f"{name!r}: expected the name of a hub's model, such as HuggingFaceTB/SmolLM2-135M")


def _git_digest(path: Path) -> str:
    """Return git's digest of a file, which the hub states for small files."""
    content = path.read_bytes() if path.stat().st_size < 2**26 else b""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _size(stated: Any) -> int:
    if not isinstance(stated, int | None) or (stated or 0) < 0:
        raise TypeError("expected a number of bytes")
    return stated or 0


@contextmanager
def _form_told(endpoint: str, name: str) -> Iterator[None]:
    """Raise LmworksError for a description of a model that `huggingface_hub` cannot read."""
    try:
        yield
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise LmworksError(
            f"{endpoint}: its answer about {name} is no description of a model ({type(error).__name__}). Expected a "
            "hub with Hugging Face's API: correct HF_ENDPOINT"
        ) from None


@contextmanager
def _hub(*, of_files: bool = False) -> Iterator[HfApi]:
    """Open a client without telemetry. Raises LmworksError, without addresses that hold secrets, if a call fails.

    Answers that are not files are read up to `DESCRIPTION_BYTES`.
    """
    for switch in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_XET"):  # by the one endpoint, and its open protocol
        os.environ[switch] = "1"
    from huggingface_hub import HfApi, get_session
    from huggingface_hub.errors import HfHubHTTPError

    endpoint = os.environ.get("HF_ENDPOINT") or None
    hub = HfApi(endpoint=endpoint, token=os.environ.get("HF_TOKEN") or False)
    client = get_session()
    before = client.event_hooks["response"]
    client.event_hooks["response"] = [*before, partial(_bound, of_files)]
    client.headers["Accept-Encoding"] = "identity"  # what is small as it is sent may be large
    client.timeout = SECONDS
    try:
        yield hub
    except LmworksError:
        raise
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise LmworksError(_in_words(hub.endpoint, error)) from None
    except Exception as error:  # of the client for HTTP, which huggingface_hub chooses
        if "http" not in type(error).__module__:
            raise
        raise LmworksError(_in_words(hub.endpoint, error)) from None
    finally:
        client.event_hooks["response"] = before


def _bound(of_files: bool, answer: Any) -> None:
    """Limit how much of an answer is read. Files have limits of their own."""
    place = str(answer.url).partition("?")[0]
    if (coding := answer.headers.get("Content-Encoding", "identity")) != "identity":
        raise LmworksError(f"{place}: its answer has the encoding {coding[:20]!r}, which was not requested")
    if of_files and answer.status_code in (200, 206):
        return
    read = answer.iter_bytes

    def bounded(*size: int) -> Iterator[bytes]:
        count, end = 0, time.monotonic() + SECONDS
        for part in read(*size):
            count += len(part)
            if count > DESCRIPTION_BYTES or time.monotonic() > end:
                most = f"{DESCRIPTION_BYTES:,} bytes" if count > DESCRIPTION_BYTES else f"{SECONDS:.0f} s"
                raise LmworksError(
                    f"{place}: its answer is longer than {most}; expected a hub's answer: correct HF_ENDPOINT"
                )
            yield part

    answer.iter_bytes = bounded


def _in_words(endpoint: str, error: Any) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    hint = {
        401: ": no such model, or HF_TOKEN is not of a user who can read it",
        403: ": HF_TOKEN has no permission for this, or the model's terms were not accepted on its page",
        404: ": no such model or revision, or HF_TOKEN has no permission to see it",
    }.get(status or 0, "")
    said = re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", str(error).strip().splitlines()[0] if str(error).strip() else "")
    return f"{endpoint}{hint} ({type(error).__name__}: {said[:300]})"
