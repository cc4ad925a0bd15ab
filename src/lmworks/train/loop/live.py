"""Live values of a run: a file that `lmworks watch` follows, and the sinks named in `log_to`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lmworks.errors import UsageError
from lmworks.model.device import peak_bytes, product_rate
from lmworks.train.configs.train import LIVE, TrainConfig
from lmworks.train.loop.sinks import SINKS, JsonLines, Sink


class Live:
    """Live values of each step, written to all sinks. If a write fails, as on a full disk, training continues."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        facts: Mapping[str, float],
        device: torch.device,
        log: Callable[[str], None] = print,
        *,
        heard: bool,
    ) -> None:
        """`facts`: steps, tokens_per_step, flops_per_token and bytes_per_token. Without `heard`, write nothing."""
        self._log, self._said = log, False
        self._facts = dict(facts)
        self._sinks: list[Sink] = []
        if not heard:
            return
        self._device, self._product_rate = device, product_rate(device, getattr(torch, config.data_type))
        told = config.model_dump(mode="json", exclude={"log_to", "proportions"}) | self._facts
        self._sinks.append(JsonLines(str(folder / LIVE), config.step_name, told))
        for name, place in config.log_to.items():
            try:
                self._sinks.append(SINKS[name](place, config.step_name or config.objective, told))
            except ImportError as error:
                raise UsageError(f"log_to.{name} needs the package {name}: pip install {name}") from error

    def step(self, line: Mapping[str, Any], seconds: float) -> None:
        """Write the history line of a step that took `seconds`, with values that follow from it."""
        if not self._sinks:
            return
        rate = self._facts["tokens_per_step"] / seconds
        values = {name: value for name, value in line.items() if name != "step"}
        for name in ("loss", "validation_loss"):
            if name in line and self._facts["bytes_per_token"]:
                bits = line[name] / math.log(2)
                values[f"{name.removesuffix('loss')}bits_per_byte"] = bits / self._facts["bytes_per_token"]
        values["tokens_per_second"] = rate
        values["model_flops_utilisation"] = rate * self._facts["flops_per_token"] / self._product_rate
        values["memory_bytes"] = peak_bytes(self._device)
        values["seconds"] = round(time.time(), 3)
        for sink in self._sinks:
            self._tell(partial(sink.values, line["step"], values))

    def sample(self, step: int, title: str, text: str) -> None:
        for sink in self._sinks:
            self._tell(partial(sink.text, step, title, text))

    def close(self) -> None:
        for sink in self._sinks:
            self._tell(sink.close)

    def _tell(self, tell: Callable[[], None]) -> None:
        """Call `tell`, and log the first write error of the run."""
        try:
            tell()
        except OSError as error:
            if not self._said:
                self._log(f"{error.filename or 'log_to'}: {error.strerror}: no values written; training goes on")
            self._said = True
