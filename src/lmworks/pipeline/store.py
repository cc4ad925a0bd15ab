"""The store: artifacts addressed by key.

artifacts/STAGE/KEY/payload/…       what the stage made
artifacts/STAGE/KEY/beside/…        what later builds can take of its units of work, in no digest: see `units`
artifacts/STAGE/KEY/manifest.json   written last: an artifact without it does not exist
work/KEY/{lock, step, progress.jsonl, scratch/, out/, beside/, result.json}
                                    result.json is the manifest to be: the stage has finished, publishing has not
builds/NAME.json, builds/last       what each recipe's steps were last built as; NAME@DIGEST.json for namesakes
erasing.txt                         ids of documents whose erasure was begun and not ended: see `erasure`
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.files import digest_files, digest_once, sync_folder
from lmworks.pipeline.manifest import Manifest, read_manifest, write_manifest
from lmworks.pipeline.record import BuildRecords, KeyParts
from lmworks.pipeline.units import BESIDE, PAYLOAD, Earlier

ERASED = "erased.json"
"""File name of the manifest of an artifact that an erasure deleted."""
KEPT = "kept"
"""Folder beside a payload in which earlier releases kept a training state."""


@dataclass(frozen=True)
class Artifact:
    """Finished output of a stage."""

    folder: Path

    @property
    def payload(self) -> Path:
        """The files that the stage made."""
        return self.folder / PAYLOAD

    @cached_property
    def manifest(self) -> Manifest:
        """Manifest of the artifact. Raises LmworksError if it cannot be read."""
        return read_manifest(self.folder / "manifest.json")

    @property
    def is_readable(self) -> bool:
        """Whether this lmworks can read its manifest."""
        try:
            return bool(self.manifest.step)
        except LmworksError:
            return False

    @property
    def is_erased(self) -> bool:
        """Whether an erasure has deleted it, or has begun to delete it."""
        return (self.folder / ERASED).exists()

    @property
    def label(self) -> str:
        """Name of the step, with stage and key, for people."""
        where = f"{self.stage} {self.key[:12]}"
        return f"{self.manifest.step} ({where})" if self.is_readable else where

    @property
    def stage(self) -> str:
        return self.folder.parent.name

    @property
    def key(self) -> str:
        return self.folder.name

    def digest(self, part: str = "") -> str:
        """Return the digest of the content, or of one sub-folder."""
        files = {path: file.sha256 for path, file in self.manifest.files.items()}
        if part:
            files = {path.removeprefix(f"{part}/"): sha for path, sha in files.items() if path.startswith(f"{part}/")}
        return digest_files(files)

    def path(self, part: str = "") -> Path:
        """Return the payload's folder, or one sub-folder of it."""
        return self.payload / part if part else self.payload

    def require_sound(self, part: str = "") -> None:
        """Raise LmworksError that names a file which is not as the stage wrote it.

        Every file is read once per build, because silent damage does not change a file's time. Raises FileNotFoundError
        for a file that is deleted with its artifact during this check.
        """
        for name in self.manifest.files:
            if not part or name.startswith(f"{part}/"):
                self.require_sound_file(name)

    def require_sound_file(self, name: str) -> None:
        """Raise LmworksError if one file of the payload is not as the stage wrote it."""
        path = self.payload / name
        try:
            if digest_once(path) != self.manifest.files[name].sha256:
                raise ValueError("differs from its digest in the manifest")
        except (OSError, ValueError) as error:
            if isinstance(error, FileNotFoundError) and (
                self.is_erased or not (self.folder / "manifest.json").exists()
            ):
                raise
            raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> LmworksError:
    """Return an error about a file of an artifact, with the command that makes the artifact again."""
    made = next((Artifact(each) for each in path.parents if (each / "manifest.json").exists()), None)
    again = f"`lmworks build --rebuild {made.manifest.step}`" if made and made.is_readable else "`lmworks build`"
    reason = getattr(error, "strerror", None) or error
    return LmworksError(f"{path}: {reason}; the file was damaged or changed: make it again with {again}")


class Store:
    """Artifacts, work in progress and the record of builds below one folder."""

    def __init__(self, root: Path, build: str | None = None) -> None:
        """Open the store below `root`. `build` names a recipe to use instead of the one built last."""
        self.root = root
        self.builds = BuildRecords(root / "builds", build)
        try:
            for name in ("artifacts", "work", "builds"):
                (root / name).mkdir(parents=True, exist_ok=True)
            if not os.access(root / "artifacts", os.R_OK | os.X_OK):
                raise PermissionError(13, "no permission to read")
            next((root / "artifacts").iterdir(), None)
        except OSError as error:
            raise _unusable(root, error) from error
        _refuse_links_out(root)

    def find(self, stage: str, key: str) -> Artifact | None:
        """Return the artifact, if it is finished and no erasure has begun to delete it."""
        artifact = Artifact(self.root / "artifacts" / stage / key)
        return artifact if (artifact.folder / "manifest.json").exists() and not artifact.is_erased else None

    def earlier(self, parts: KeyParts) -> Earlier:
        """Finished units of work of a stage of one version."""
        folders = (self.root / "artifacts" / parts.stage).absolute().glob(f"*/{BESIDE}")
        newest = sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)
        return Earlier(parts.model_dump(exclude={"config", "inputs"}), [folder.parent for folder in newest])

    def all(self) -> Iterator[Artifact]:
        """Yield every finished artifact, including those whose deletion by an erasure was interrupted."""
        for manifest in sorted((self.root / "artifacts").glob("*/*/manifest.json")):
            yield Artifact(manifest.parent)

    def work(self, key: str) -> Path:
        """Return the work folder of a key. Create it if it is missing."""
        folder = self.root / "work" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def publish(self, out: Path, manifest: Manifest) -> Artifact:
        """Move a finished output into place. Write the manifest last."""
        folder = self.root / "artifacts" / manifest.stage / manifest.key
        folder.mkdir(parents=True, exist_ok=True)
        parts = ((out, PAYLOAD), (out.with_name(BESIDE), BESIDE))
        if out.exists():  # nothing of what was there before may stay beside what is new
            (folder / "manifest.json").unlink(missing_ok=True)  # or a crash here leaves one that promises a payload
            for _, name in parts:
                if (folder / name).exists():
                    shutil.rmtree(folder / name)
        for made, name in parts:  # what a crash left behind follows, too
            if made.exists():
                (folder / "manifest.json").unlink(missing_ok=True)
                if (folder / name).exists():
                    shutil.rmtree(folder / name)
                made.replace(folder / name)
                sync_folder(folder)
        (folder / ERASED).unlink(missing_ok=True)
        write_manifest(folder / "manifest.json", manifest)
        return Artifact(folder)

    @contextmanager
    def in_use(self, say: Callable[[str], None], *, alone: bool = False) -> Iterator[None]:
        """Hold the store's lock. Builds share it, and cleaning up holds it exclusively."""
        with locked(self.root / "lock", say, shared=not alone):
            yield

    def named(self, name: str) -> Artifact:
        """Return the artifact that a user names by a step of the last build, or by the beginning of a key or digest."""
        build = self.builds.get(self.builds.last)
        steps = build.steps if build else {}
        if build and name in steps:
            found = self.find(steps[name].stage, steps[name].key)
            if found:
                return found
            raise UsageError(
                f"step {name!r} of {build.recipe} is not built; build it with `lmworks build --until {name}`"
            )
        matches = [
            item
            for item in self.all()
            if len(name) >= 6 and (item.key.startswith(name) or (item.is_readable and item.digest().startswith(name)))
        ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UsageError(f"the digests of {len(matches)} artifacts begin with {name!r}; type more characters")
        known = ", ".join(steps) or "none: nothing was built in this store"
        raise UsageError(f"no step or digest {name!r}; steps of the last build: {known}")


def _refuse_links_out(root: Path) -> None:
    """Raise LmworksError for a link through which lmworks would write or delete outside the store.

    A copied store may be a stranger's. Links inside artifacts are safe, because lmworks only reads or deletes them.
    """
    inside = root.resolve()
    for place, folders, files in os.walk(root):
        folder = Path(place)
        for path in (folder / name for name in (*folders, *files)):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(
                inside
            ):  # one that goes round, too
                raise LmworksError(
                    f"{path}: a link that leads out of the store. lmworks would write and delete outside the store. "
                    "Delete the link, or replace it by its target. Only the store itself may be a link"
                )
        if folder.parent.parent == root / "artifacts":
            folders.clear()


def _unusable(root: Path, error: OSError) -> LmworksError:
    return LmworksError(
        f"{root}: the store cannot be used ({error.strerror or error}); "
        "fix its permissions, or name another store with --store"
    )


@contextmanager
def locked(path: Path, say: Callable[[str], None], *, shared: bool = False) -> Iterator[None]:
    """Hold a kernel file lock, which ends with the process. Report it if another process holds the lock."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise _unusable(path.parent, error) from error
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another lmworks process works here; waiting for it to finish")
            fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def deletion_in_words(work: Path, step: str) -> Iterator[None]:
    """Raise LmworksError if files of the store, or the work folder, were deleted during their use."""
    try:
        yield
    except Exception as error:
        lost = isinstance(error, FileNotFoundError) and str(work.parent.parent) in str(error)
        if not lost and work.exists():
            raise
        raise LmworksError(
            f"{step}: files in {work.parent.parent} were deleted while this command used them, for example by "
            "`lmworks erase --apply` on a machine that does not see the locks of this one. Give the same command again"
        ) from error


def is_held(path: Path) -> bool:
    """Return whether a process holds a lock exclusively."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
