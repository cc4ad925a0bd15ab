"""lmworks: one recipe file from a use case to a served, measured and governed language model."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmworks.api import (
        Fitted,
        Looked,
        Model,
        OpenRecipe,
        Records,
        evaluate_answers,
        fit,
        look,
        open_model,
        open_recipe,
        records,
    )
    from lmworks.errors import GateRefused, LmworksError, Stopped

__version__ = "0.2.0"
__all__ = [
    "Fitted",
    "GateRefused",
    "LmworksError",
    "Looked",
    "Model",
    "OpenRecipe",
    "Records",
    "Stopped",
    "__version__",
    "evaluate_answers",
    "fit",
    "look",
    "open_model",
    "open_recipe",
    "records",
]

# Libraries that report home must know before they are imported that here they do not.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
}.items():
    os.environ.setdefault(_name, _value)

# Threads that wait for another spin briefly: unasked, libgomp's spin for milliseconds, and where other work takes the
# cores they keep from it just what they wait for. On two cores that others use, training is about twice as fast so, and
# on quiet ones 2 % slower (benchmarks/train/waiting.py). It is read when the library is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")

if not TYPE_CHECKING:  # where a wrong name is to be told

    def __dir__() -> list[str]:
        """Return the public names, for completion in a notebook."""
        return __all__

    def __getattr__(name: str) -> Any:
        """Load a name when it is first used. `import lmworks` alone loads nothing else."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        errors = ("GateRefused", "LmworksError", "Stopped")
        return getattr(import_module("lmworks.errors" if name in errors else "lmworks.api"), name)
