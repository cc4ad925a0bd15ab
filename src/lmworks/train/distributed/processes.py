"""One run on several processes: data and tensors are spread over a mesh, and sums are shared between processes.

FSDP2 shards blocks over the processes of `data`. Their matrices are split over the processes of `tensor` as in
Megatron (Shoeybi et al. 2019, section 3). Every process has whole embeddings, output and last norm. Checkpoints, model
and history are also written whole, so that a run can continue with another number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lmworks.errors import LmworksError
from lmworks.model.device import CPU, device_of_process

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor

COLUMNS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj")
"""Matrices whose outputs are split, into heads or inner features."""
ROWS = ("self_attn.o_proj", "mlp.down_proj")
"""Matrices whose inputs are split. Their products are summed."""
LONGEST_WAIT = {True: timedelta(minutes=1), False: timedelta(minutes=10)}
"""Longest wait for another process, which may be writing, before it counts as lost. True is for CPUs: their library
Gloo sometimes fails to connect under load."""
OF_HEADS = ("q_norm", "k_norm")
"""Weights that each process has whole but uses only for its own heads, so that their gradients must be summed."""


class Processes:
    """The processes of a run, one or more. Every process must make the same calls in the same order."""

    def __init__(self, device: torch.device | None = None, tensor: int = 1) -> None:
        self.device = device
        self.mesh: DeviceMesh | None = None
        self.rank, self.count, self.is_first = 0, 1, True
        if device and dist.is_initialized() and dist.get_world_size() > 1:
            from torch.distributed.device_mesh import init_device_mesh  # takes a second, which one process saves

            world = dist.get_world_size()
            self.mesh = init_device_mesh(device.type, (world // tensor, tensor), mesh_dim_names=("data", "tensor"))
            self.rank, self.count = self.mesh.get_local_rank("data"), self.mesh["data"].size()
            self.is_first = dist.get_rank() == 0

    def spread(self, blocks: Iterable[nn.Module]) -> None:
        """Move the blocks to the device one by one and shard each, before an optimizer is made of their parameters."""
        if self.mesh is None:
            return
        from torch.distributed.fsdp import fully_shard
        from torch.distributed.tensor.parallel import (
            ColwiseParallel,
            ParallelStyle,
            RowwiseParallel,
            parallelize_module,
        )

        split = self.mesh["tensor"]
        plan: dict[str, ParallelStyle] = {name: ColwiseParallel() for name in COLUMNS} | {
            name: RowwiseParallel() for name in ROWS
        }
        for block in blocks:
            block.to(self.device)
            if split.size() > 1:
                parallelize_module(block, split, plan)
            # Each block is a root to FSDP, which keeps roots whole until their backward pass unless it is told.
            fully_shard(block, mesh=self.mesh["data"], reshard_after_forward=True)
            block.set_gradient_divide_factor(1.0)  # type: ignore[operator]
            block.set_force_sum_reduction_for_comms(True)  # type: ignore[operator]

    def mine(self, batches: Iterable[Any], blocks: Iterable[nn.Module]) -> Iterator[Any]:
        """Yield this process's micro-batches. After the last one, the gradients of blocks are summed over processes.

        Raises LmworksError if the micro-batches cannot be divided evenly.
        """
        batches, blocks = list(batches), list(blocks)
        if len(batches) % self.count:
            raise LmworksError(
                f"{len(batches)} micro-batches per step cannot be spread evenly over {self.count} processes: change "
                "global_batch_tokens, micro_batch_rows or processes"
            )
        own = batches[self.rank :: self.count]
        for number, batch in enumerate(own):
            for block in blocks if self.mesh else ():
                block.set_requires_gradient_sync(number == len(own) - 1)  # type: ignore[operator]
            yield batch

    def add(self, values: Sequence[float]) -> list[float]:
        """Return sums over the processes of `data`. They are computed on the device, as its backend requires."""
        if self.mesh is None:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total, group=self.mesh.get_group("data"))
        return [float(value) for value in total]

    def any(self, asked: bool) -> bool:
        """Return whether `asked` is true in any process."""
        if self.mesh is None:
            return asked
        found = torch.tensor(float(asked), device=self.device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found)

    def add_gradients(self, module: nn.Module) -> None:
        """Sum, over processes, the gradients of weights that are whole in every process."""
        if self.mesh is None:
            return
        for name, parameter in module.named_parameters():
            if self.mesh["tensor"].size() > 1 and any(part in name for part in OF_HEADS):
                dist.all_reduce(local(parameter.grad), group=self.mesh.get_group("tensor"))
            if not _is_spread(parameter) and parameter.grad is not None:
                dist.all_reduce(parameter.grad, group=self.mesh.get_group("data"))

    def norm(self, gradients: Sequence[Tensor]) -> float:
        """Return the norm of all gradients together."""
        if self.mesh is None:
            return float(torch.nn.utils.get_total_norm(gradients))
        squares: dict[tuple[str, ...], Tensor] = {}
        for gradient in gradients:
            over = _split_over(gradient)
            square = local(gradient).float().square().sum()
            squares[over] = squares[over] + square if over in squares else square
        for over, square in sorted(squares.items()):
            for axis in over:
                dist.all_reduce(square, group=self.mesh.get_group(axis))
        return float(sum(squares.values()) ** 0.5)

    def owned(
        self, named: Iterable[tuple[str, Tensor]], change: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield each name with `change(whole matrix)`. One process computes each matrix, and all get their part."""
        if self.mesh is None:
            yield from ((name, change(update)) for name, update in named)
            return
        updates = dict(named)
        order = sorted(updates, key=lambda name: -updates[name].numel())
        owner = {name: place % dist.get_world_size() for place, name in enumerate(order)}
        own: dict[str, Tensor] = {}
        for name in order:
            matrix = whole(updates[name])
            if owner[name] == dist.get_rank():
                own[name] = matrix
        own = {name: change(matrix).float().contiguous() for name, matrix in own.items()}  # all processes at once
        for name in order:
            result = own[name] if name in own else torch.empty(updates[name].shape, device=updates[name].device)
            dist.broadcast(result, owner[name])
            yield name, like(result, updates[name])

    def wait(self) -> None:
        """Wait until all processes have made this call."""
        if self.mesh is not None:
            dist.barrier()


def whole(tensor: Tensor) -> Tensor:
    """Return the whole of a spread tensor. Every process must call this."""
    return tensor.full_tensor() if _is_spread(tensor) else tensor


def local(tensor: Tensor | None) -> Tensor:
    """Return this process's part of a tensor."""
    assert tensor is not None  # noqa: S101 - for the type checker; every weight takes part in every step
    return tensor.to_local() if _is_spread(tensor) else tensor


def like(tensor: Tensor, spread: Tensor) -> Tensor:
    """Return a whole tensor, spread over processes in the same way as `spread`."""
    if not _is_spread(spread):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, spread.device_mesh, spread.placements, src_data_rank=None)


def like_parts(part: Tensor, spread: Tensor) -> Tensor:
    """Return the parts that processes hold as one tensor, spread in the same way as `spread`."""
    if not _is_spread(spread):
        return part
    from torch.distributed.tensor import DTensor

    return DTensor.from_local(
        part, spread.device_mesh, spread.placements, run_check=False, shape=spread.shape, stride=spread.stride()
    )


def join(asked: str) -> torch.device:
    """Join the processes that `torchrun` started, and return this process's device, of kind `asked`.

    Raises LmworksError if there is no such device.
    """
    device = device_of_process(asked, int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]))
    backend = dist.get_default_backend_for_device(device)
    own = None if device.type == CPU else device  # else NCCL would guess it when it first waits
    dist.init_process_group(backend, timeout=LONGEST_WAIT[device.type == CPU], device_id=own)
    return device


def _is_spread(tensor: Tensor) -> TypeGuard[DTensor]:
    """Return whether the tensor is a DTensor, without importing DTensor, which takes a second."""
    return hasattr(tensor, "full_tensor")


def _split_over(tensor: Tensor) -> tuple[str, ...]:
    if not _is_spread(tensor):
        return ()
    from torch.distributed.tensor import Shard

    names = tensor.device_mesh.mesh_dim_names or ()
    return tuple(name for name, placed in zip(names, tensor.placements, strict=True) if isinstance(placed, Shard))
