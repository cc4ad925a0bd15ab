"""Sums between processes as on accelerators: gloo, which refuses tensors of the processor, as NCCL does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Collectives(dist.ProcessGroup):
    """All that the trainer, FSDP and DTensor call; the memory of `elsewhere` is the host's, where gloo can reach it."""

    NAME = "elsewhereccl"

    @classmethod
    def make(cls, store: dist.Store, rank: int, size: int, timeout: timedelta) -> Collectives:
        return cls(dist.ProcessGroupGloo(store, rank, size, timeout), rank, size)

    def __init__(self, gloo: Any, rank: int, size: int) -> None:
        super().__init__(rank, size)
        self.gloo = gloo
        self._label = ""

    def allreduce(self, tensors: list[Tensor], options: Any = None) -> Any:
        return self.gloo.allreduce(_reached(tensors), options or dist.AllreduceOptions())

    def allreduce_coalesced(self, tensors: list[Tensor], options: Any = None) -> Any:
        return self.gloo.allreduce_coalesced(_reached(tensors), options or dist.AllreduceCoalescedOptions())

    def broadcast(self, tensors: list[Tensor], options: Any = None) -> Any:
        return self.gloo.broadcast(_reached(tensors), options or dist.BroadcastOptions())

    def allgather(self, outputs: list[list[Tensor]], inputs: list[Tensor], options: Any = None) -> Any:
        return self.gloo.allgather([_reached(each) for each in outputs], _reached(inputs), options)

    def _allgather_base(self, output: Tensor, input_: Tensor, options: Any = None) -> Any:
        return self.gloo._allgather_base(*_reached([output, input_]), options or dist.AllgatherOptions())

    def allgather_into_tensor_coalesced(self, outputs: list[Tensor], inputs: list[Tensor], options: Any = None) -> Any:
        options = options or dist.AllgatherOptions()
        return self.gloo.allgather_into_tensor_coalesced(_reached(outputs), _reached(inputs), options)

    def _reduce_scatter_base(self, output: Tensor, input_: Tensor, options: Any = None) -> Any:
        return self.gloo._reduce_scatter_base(*_reached([output, input_]), options or dist.ReduceScatterOptions())

    def reduce_scatter_tensor_coalesced(self, outputs: list[Tensor], inputs: list[Tensor], options: Any = None) -> Any:
        options = options or dist.ReduceScatterOptions()
        return self.gloo.reduce_scatter_tensor_coalesced(_reached(outputs), _reached(inputs), options)

    def scatter(self, outputs: list[Tensor], inputs: list[list[Tensor]], options: Any = None) -> Any:
        return self.gloo.scatter(_reached(outputs), [_reached(each) for each in inputs], options)

    def barrier(self, options: Any = None) -> Any:
        return self.gloo.barrier(dist.BarrierOptions())

    def getBackendName(self) -> str:  # noqa: N802 - torch's name
        return self.NAME

    def size(self) -> int:
        return int(super().size())


def _reached(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Their memory as gloo takes it. Raises RuntimeError for tensors of the processor, in torch's words for NCCL."""
    for tensor in tensors:
        if tensor.device.type == "cpu":
            raise RuntimeError("No backend type associated with device type cpu")
    return [torch.ops.elsewhere.on_cpu(tensor) for tensor in tensors]
