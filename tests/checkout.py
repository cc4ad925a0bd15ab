"""What lies in the checkout beside its files: a test that changes it would change the store of who works here."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def beside(root: Path) -> dict[str, int]:
    """Return what `lmworks` wrote and the files that git does not know, each with the time of its last change."""
    own = (path for place in (root, *root.glob("*/"), *root.glob("*/*/")) for path in place.glob(".lmworks*"))
    found = {path for place in own for path in (place, *(place.rglob("*") if place.is_dir() else ()))}
    if (root / ".git").exists():
        command = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        found |= {root / name for name in listed.split("\0") if name}
    return {str(path.relative_to(root)): path.lstat().st_mtime_ns for path in sorted(found)}


def changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Return the paths that were made, changed or deleted in between."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
