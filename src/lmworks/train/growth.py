"""Whether a run may begin where an earlier one, equal but for `steps`, kept its state: if it ends as a straight run.

Imports no torch: `lmworks status` asks, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lmworks.model.sealed import check_tensors, load_record
from lmworks.pipeline.build import versions
from lmworks.pipeline.process import processor_name

if TYPE_CHECKING:
    from lmworks.train.configs.train import TrainConfig

LIBRARIES = ("torch", "numpy", "transformers", "tokenizers")
"""Whose versions may change a bit of a training."""


def last_constant_step(config: TrainConfig) -> int:
    """After how many steps the state is kept: the rate has been the same until there, however many steps there are.

    At the latest one before the last, at which a run measures and samples because it ends.
    """
    steps, falls = int(config.steps), 0.0 if config.schedule == "constant" else config.decay_share
    last = min(steps - 1, math.floor(steps * (1 - falls)))
    return last // config.steps_of_a_batch * config.steps_of_a_batch


def why_anew(config: TrainConfig) -> str:
    """Why a run with other `steps` cannot go on from a state of this one; empty where it can."""
    kept, mixture = last_constant_step(config), config.proportions
    if kept <= (config.branch_step or 0):
        return (
            "the rate falls from step 1 on, by less where there are more steps: `decay_share` below 1 or `schedule: "
            "constant` keeps a state to go on from"
        )
    if config.keep_best or config.patience is not None:
        return "the best weights are not kept with the state"
    if config.on_spike == "roll-back":
        return "checkpoints to roll back to are not kept with the state"
    if any(step <= kept for step in config.publish_checkpoints):
        return "published checkpoints stand in the earlier model alone"
    if mixture and (mixture.curriculum or mixture.max_epochs):
        return "the order of a mixture with `curriculum` or `max_epochs` follows from all steps"
    return ""


def conditions(config: TrainConfig, **facts: str) -> dict[str, str]:
    """What besides the recipe decides on bits, as far as it is known."""
    fields = ("threads", "compile", "processes", "tensor_parallel")
    found = {name: str(getattr(config, name)) for name in fields} | {"processor": processor_name()}
    return found | {name: version for name, version in versions().items() if name in LIBRARIES} | facts


def find_state(config: TrainConfig, earlier: Sequence[Path], facts: Mapping[str, str]) -> tuple[Path | None, str]:
    """The state (without its suffix) that reaches furthest of those that earlier runs kept, and what to say of it."""
    if why := why_anew(config):
        return None, f"begins anew: {why}"
    states = [path.with_suffix("") for folder in earlier for path in folder.glob("step-*.json")]
    limit, now, refused = last_constant_step(config), conditions(config, **facts), []
    fitting = [state for state in states if _steps(state) <= limit]
    if states and not fitting:
        found = ", ".join(str(steps) for steps in sorted({_steps(state) for state in states}))
        return None, f"begins anew: states of {found} steps are kept, and here the rate is constant up to {limit}"
    for state in sorted(fitting, key=_steps, reverse=True):
        try:
            record = load_record(state.with_suffix(".json"))
            check_tensors(state.with_suffix(".safetensors"))
        except (OSError, ValueError) as error:
            refused.append(f"{state}: {error}")
            continue
        pairs = ((name, record["conditions"].get(name), value) for name, value in now.items())
        changed = [f"{name} was {before}, now {value}" for name, before, value in pairs if before != value]
        if not changed:
            words = f"goes on after {_steps(state)} steps, where the run of {record['steps']} steps kept its state"
            return state, "; ".join([*refused, words])
        refused.append(f"bits may differ, since {', '.join(changed)}")
    return None, f"begins anew: {'; '.join(refused) or 'no earlier run kept its state'}"


def _steps(state: Path) -> int:
    return int(state.name.removeprefix("step-"))
