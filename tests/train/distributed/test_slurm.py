"""The batch script that `lmworks launch` writes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmworks.cli import app
from lmworks.errors import UsageError
from lmworks.train.distributed.slurm import slurm_script

RECIPE = Path(__file__).parents[3] / "recipes" / "quickstart.yaml"
KNOWN = {"job-name", "nodes", "ntasks-per-node", "time", "output", "signal", "requeue", "gpus-per-node"}
"""Options of `sbatch` by its manual."""


def test_the_script_is_sound_and_asks_for_what_was_said(tmp_path: Path) -> None:
    words = ["launch", str(RECIPE), "pretrain", "--nodes", "2", "--gpus-per-node", "4", "--time", "02:00:00"]
    script = CliRunner().invoke(app, words).stdout
    path = tmp_path / "job.sh"
    path.write_text(script)
    subprocess.run(["bash", "-n", str(path)], check=True)
    options = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", script, re.MULTILINE))
    assert options.keys() <= KNOWN and script.count("#SBATCH") == len(options)
    assert (options["nodes"], options["gpus-per-node"], options["time"]) == ("2", "4", "02:00:00")
    assert script.index("#SBATCH") < script.index("set -euo")  # what comes after a command is not read
    assert f"lmworks build {RECIPE} --set pretrain.processes=8" in script


def test_a_command_with_signs_of_the_shell_stays_one_word() -> None:
    script = slurm_script("x", ["lmworks", "build", "my recipe;rm -rf.yaml"], nodes=1, gpus_per_node=0, time="1:00:00")
    assert "'my recipe;rm -rf.yaml'" in script and "gpus" not in script


@pytest.mark.parametrize(("nodes", "time"), [(0, "1:00:00"), (1, "soon")])
def test_what_slurm_would_refuse_is_refused(nodes: int, time: str) -> None:
    with pytest.raises(UsageError):
        slurm_script("x", ["true"], nodes=nodes, gpus_per_node=1, time=time)
