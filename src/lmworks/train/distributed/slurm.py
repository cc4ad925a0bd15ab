"""A batch script that builds a recipe on the nodes of a Slurm cluster."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from lmworks.errors import UsageError

SCRIPT = Path(__file__).with_name("slurm.sh").read_text(encoding="utf-8")


def slurm_script(name: str, command: list[str], *, nodes: int, gpus_per_node: int, time: str) -> str:
    """Return the script for `sbatch` that runs the build `command`. Raises UsageError for values that Slurm refuses.

    Two minutes before the time is over, the build gets a signal to stop, so that it ends at a checkpoint.
    """
    if nodes < 1 or gpus_per_node < 0:
        raise UsageError(f"--nodes {nodes} --gpus-per-node {gpus_per_node}: expected at least 1 and at least 0")
    if not re.fullmatch(r"(\d+-)?\d{1,2}:\d{2}:\d{2}", time):
        raise UsageError(f"--time {time}: expected D-HH:MM:SS or HH:MM:SS, such as 1-00:00:00")
    more = f"#SBATCH --gpus-per-node={gpus_per_node}\n" if gpus_per_node else ""
    return SCRIPT.format(name=name, nodes=nodes, time=time, more=more, command=shlex.join(command))
