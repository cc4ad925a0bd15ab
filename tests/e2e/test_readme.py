"""The commands of README.md run in its order, in a checkout of their own and at small size."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from e2e.answering import serving
from e2e.small_recipe import start

pytestmark = pytest.mark.whole
ROOT = Path(__file__).parents[2]
NEVER_SET_UP = ("make", "--no-print-directory", "-o", "setup")
"""This environment is set up already; and a make that runs these tests must not add its own lines."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with all files of the checkout that the commands read."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("recipes", "src", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder; it must not fail."""
    path = f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def opened(folder: Path) -> str:
    """Return the first page that `lmworks open` shows in this folder."""
    process = start(folder, "open", "--port", "0", "--no-browser")
    try:
        assert process.stdout
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)
        assert address, line
        return httpx.get(address[0], timeout=60, follow_redirects=True).text
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_the_first_commands_run_one_after_another(checkout: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    lines = lines[: lines.index("lmworks status") + 1]
    commands = [line for line in lines if line.startswith(("make ", "lmworks "))]
    assert commands == ["make quickstart", "lmworks open", "lmworks serve", "lmworks status"]
    for command in commands:
        if command == "make quickstart":
            assert "next: lmworks " in run(checkout, *NEVER_SET_UP, "quickstart-reduced")
        elif command == "lmworks open":
            assert "recipes/quickstart.yaml" in opened(checkout)
        elif command == "lmworks serve":
            with serving(checkout, "finetune") as (http, model):
                turns = [{"role": "user", "content": "What does CreateBucket do?"}]
                asked = {"model": model, "messages": turns, "max_tokens": 4}
                assert http.post("/v1/chat/completions", json=asked).json()["choices"]
        else:
            assert run(checkout, *shlex.split(command))
