"""A run of the tests leaves the checkout as it was, and says which tests are left to `make test-full`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from checkout import ROOT, beside, changed

MARKS = re.compile(r"\bpytest\.mark\.slow\b|^from quick import .*\bfew\b|\banother_device\b", re.MULTILINE)


def test_what_a_command_leaves_in_a_checkout_is_seen(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(".lmworks*\n__pycache__\n")
    (tmp_path / ".lmworks").mkdir()
    last = tmp_path / ".lmworks" / "last.json"
    last.write_text("{}")
    before = beside(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").touch()
    assert changed(before, beside(tmp_path)) == []
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / ".lmworks-id-key").touch()
    (tmp_path / "report.html").touch()
    last.unlink()
    assert changed(before, beside(tmp_path)) == [
        ".lmworks",
        ".lmworks/last.json",
        "recipes/.lmworks-id-key",
        "report.html",
    ]


def test_what_tests_start_can_be_interrupted_though_a_shell_started_them_in_its_background() -> None:
    asked = "import conftest, signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, asked]
    done = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_guide_names_each_file_of_which_tests_are_left_to_the_full_run() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    table = guide[guide.index("| left to `make test-full` |") :].split("\n\n")[0]
    named = re.findall(r"`([\w/]+\.py)`", table)
    files = {path for path in (ROOT / "tests").rglob("test_*.py") if path.name != Path(__file__).name}
    left = {str(path.relative_to(ROOT / "tests")) for path in files if MARKS.search(path.read_text("utf-8"))}
    assert sorted(named) == sorted(left), "name in the table of CONTRIBUTING.md each file with slow tests"
