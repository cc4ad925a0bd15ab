"""Sums between processes as on accelerators: gloo, which refuses tensors of the processor, as NCCL does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        # A group keeps its name in its backend; this one answers before that is ever asked for a sum.
        self._register_backend(torch.device(torch._C._get_privateuse1_backend_name()), self.BackendType.CUSTOM, gloo)

    def allreduce(self, tensors: list[Tensor], opts: Any = None) -> Any:
        return self.gloo.allreduce(_reached(tensors), opts or dist.AllreduceOptions())

    def allreduce_coalesced(self, tensors: list[Tensor], opts: Any = None) -> Any:
        return self.gloo.allreduce_coalesced(_reached(tensors), opts or dist.AllreduceCoalescedOptions())

    def broadcast(self, tensors: list[Tensor], opts: Any = None) -> Any:
        return self.gloo.broadcast(_reached(tensors), opts or dist.BroadcastOptions())

    def allgather(self, outputs: list[list[Tensor]], inputs: list[Tensor], opts: Any = None) -> Any:
        return self.gloo.allgather([_reached(each) for each in outputs], _reached(inputs), opts)

    def all_gather_single(self, output: Tensor, input_: Tensor, opts: Any = None) -> Any:
        return self.gloo._allgather_base(*_reached([output, input_]), opts or dist.AllgatherOptions())

    def all_gather_single_coalesced(self, outputs: list[Tensor], inputs: list[Tensor], opts: Any = None) -> Any:
        return _last(self.all_gather_single(*pair, opts) for pair in zip(outputs, inputs, strict=True))

    def reduce_scatter_single(self, output: Tensor, input_: Tensor, opts: Any = None) -> Any:
        return self.gloo._reduce_scatter_base(*_reached([output, input_]), opts or dist.ReduceScatterOptions())

    def reduce_scatter_single_coalesced(self, outputs: list[Tensor], inputs: list[Tensor], opts: Any = None) -> Any:
        return _last(self.reduce_scatter_single(*pair, opts) for pair in zip(outputs, inputs, strict=True))

    def scatter(self, outputs: list[Tensor], inputs: list[list[Tensor]], opts: Any = None) -> Any:
        return self.gloo.scatter(_reached(outputs), [_reached(each) for each in inputs], opts)

    def barrier(self, opts: Any = None) -> Any:
        return self.gloo.barrier(dist.BarrierOptions())

    def getBackendName(self) -> str:  # noqa: N802 - torch's name
        return self.NAME

    def size(self) -> int:
        return int(super().size())


def _last(works: Iterable[Any]) -> Any:
    """The last of several sums, when all before it are done."""
    for work in works:
        work.wait()
    return work


def _reached(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Their memory as gloo takes it. Raises RuntimeError for what NCCL refuses, in torch's words."""
    for tensor in tensors:
        if tensor.device.type == "cpu":
            raise RuntimeError("No backend type associated with device type cpu")
        if not tensor.is_contiguous():
            raise RuntimeError("Tensors must be contiguous")
    return [torch.ops.elsewhere.on_cpu(tensor) for tensor in tensors]
