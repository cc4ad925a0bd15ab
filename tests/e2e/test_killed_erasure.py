"""An erasure that was killed, or met a full disk: the same command ends it, and no build brings back a text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow

RECIPE = """\
name: letters
use_case: answering letters
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: CC0-1.0, subject_field: customer, text_field: text}]
    licences: {allow: [CC0-1.0]}
    shard_bytes: 200
  clean: {kind: normalise, from: raw}
"""
GERMAN = "Sehr geehrte Damen und Herren, der Garten ist seit gestern wieder grün und die Leiter steht im Schuppen."
ROWS = [
    {"text": "Please write to jane@example.org about the ladder in the garden of ours.", "customer": "C17"},
    {"text": GERMAN, "customer": "C17"},
    *(
        {"text": f"Somebody else has written letter {n} about chairs and tables.", "customer": f"D{n}"}
        for n in range(6)
    ),
]
STOPPED = """\
import os, signal, sys
left, how = int(sys.argv[1]), sys.argv[2]
def count(event, given):
    global left
    writes = event == "open" and isinstance(given[1], str) and given[1][:1] in "wax"
    if not (writes or event in ("os.remove", "os.rename", "os.rmdir", "os.mkdir")) or ".lmworks/lock" in str(given[0]):
        return
    if str(given[0]).startswith(os.getcwd()) or not str(given[0]).startswith("/"):
        left -= 1
        if left == 0 and how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if left <= 0 and how == "full" and (writes or event == "os.mkdir"):
            raise OSError(28, "No space left on device", str(given[0]))
from lmworks.cli import main
sys.argv = ["lmworks", "erase", "jane@example.org", "C17", "--apply"]
sys.addaudithook(count)
try:
    main()
finally:
    print(1000 - left if how == "count" else left)
"""


def stopped(project: Path, after: int, how: str) -> subprocess.CompletedProcess[str]:
    """Erase, and stop at a change of a file."""
    environment = {**os.environ, "LMWORKS_ID_KEY": "a key for tests only"}
    command = [sys.executable, "-c", STOPPED, str(after), how]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def held(project: Path) -> list[str]:
    """Files of a store in which the person or the text of hers stands."""
    store = project / ".lmworks"
    texts = {path: str(pq.read_table(path).to_pylist()) for path in store.rglob("*.parquet")}
    texts |= {path: path.read_text(errors="replace") for path in store.rglob("*.json*")}
    return [str(path) for path, text in texts.items() if "jane@" in text or "Sehr geehrte" in text]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A project, and how many changes of files an erasure makes there."""
    folder = tmp_path_factory.mktemp("built") / "project"
    (folder / "letters").mkdir(parents=True)
    lines = [json.dumps(row) for row in ROWS] + ['{"text": "jane@example.org is cut']
    for number in range(0, len(lines), 3):
        (folder / "letters" / f"{number}.jsonl").write_text("\n".join(lines[number : number + 3]) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE)
    lmworks(folder, "build", "recipe.yaml")
    assert len(held(folder)) >= 2
    counted = shutil.copytree(folder, folder.with_name("counted"))
    changes = int(stopped(counted, 1000, "count").stdout.splitlines()[-1])
    assert changes > 20 and held(counted) == []
    return folder, changes


@pytest.mark.parametrize(("how", "part"), [("kill", 0.3), ("kill", 0.65), ("kill", 0.97), ("full", 0.65)])
def test_the_same_command_ends_it(built: tuple[Path, int], how: str, part: float, tmp_path: Path) -> None:
    project = shutil.copytree(built[0], tmp_path / "project")
    done = stopped(project, max(1, round(part * built[1])), how)
    assert done.returncode in ((-9,) if how == "kill" else (0, 1)), done.stderr
    assert how == "kill" or "Traceback" not in done.stderr
    if done.returncode == 0:
        assert held(project) == []
        return
    if part in (0.3, 0.97):  # nobody noticed
        said = lmworks(project, "build", "recipe.yaml").stderr
        is_begun = (project / "erased-values.txt").exists()
        assert "an erasure was interrupted" in said or held(project) == [] or not is_begun
    again = lmworks(project, "erase", "jane@example.org", "C17", "--apply", "--certificate", "told.json", code=None)
    if again.returncode:
        assert "it was erased before" in again.stderr, again.stderr
    else:
        assert json.loads((project / "told.json").read_text())["holding"] == 0
    assert held(project) == [] and "cut off" not in lmworks(project, "status").stdout
    (project / "letters" / "later.jsonl").write_text(json.dumps(ROWS[1] | {"text": "Guten Tag."}) + "\n")
    lmworks(project, "build")
    assert held(project) == []
    assert json.loads(lmworks(project, "show", "raw", "--json").stdout)["counts"]["documents"] == 6
