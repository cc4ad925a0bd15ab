"""lmworks: one recipe file from a use case to a served, measured and governed language model."""

import os

__version__ = "0.2.0"

# Libraries that report home must know before they are imported that here they do not.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
}.items():
    os.environ.setdefault(_name, _value)

# Threads that wait for another do not spin: where other work takes the cores, spinning keeps from them just what they
# wait for, and a training goes four times as fast without (benchmarks/train/waiting.py). OpenMP reads it when loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
