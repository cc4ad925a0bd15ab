"""Every cell of every notebook runs, in order, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))
RUN = """\
import json, sys
cells = json.load(open(sys.argv[1], encoding="utf-8"))["cells"]
names = {"__name__": "__main__"}
for number, cell in enumerate(cells):
    if cell["cell_type"] == "code":
        print(f"-- cell {number}", flush=True)
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
"""
"""What a kernel does of a notebook, but for showing the value of a cell's last line: these print what they show."""
TOLD = {
    "ask-compare-and-trace-a-model": ["frozenset({'generate'})", "word list: accuracy", "base was made by these steps"],
    "labelled-texts-to-a-served-classifier": [
        "recipe.yaml:",
        "evaluate/classification-split-test/encoder",
        "letters that both sort otherwise",
        "'label': 'delivery'",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(notebook: Path, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [sys.executable, str(tmp_path / "run.py"), str(notebook)],
        cwd=tmp_path / "work",
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert all(words in done.stdout for words in TOLD[notebook.stem]), done.stdout


def test_what_is_shipped_is_text_alone() -> None:
    """No output of somebody's machine, and names of cells that a merge can tell apart."""
    assert {path.stem for path in NOTEBOOKS} == set(TOLD)
    for notebook in NOTEBOOKS:
        found: dict[str, Any] = json.loads(notebook.read_text("utf-8"))
        code = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
        assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code)
        assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
