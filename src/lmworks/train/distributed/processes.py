"""One run on several processes: data and tensors spread over a mesh, and what must be added up between them.

Blocks are sharded by FSDP2 over the processes of `data`, and their matrices split over those of `tensor` as Megatron
does (Shoeybi et al. 2019, section 3). Embeddings, output and last norm are whole in every process. All that is written
(checkpoints, model, history) is whole, too, so that any number of processes can go on with it.
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
"""Outputs are split: heads, and inner features."""
ROWS = ("self_attn.o_proj", "mlp.down_proj")
"""Inputs are split; products are added up."""
LONGEST_WAIT = {True: timedelta(minutes=1), False: timedelta(minutes=10)}
"""For another process, on processors or not, which may be writing; then it counts as lost. Gloo, which joins
processors, sometimes fails to connect under load."""
OF_HEADS = ("q_norm", "k_norm")
"""Whole weights that each process uses for its own heads only: their gradients are parts."""


class Processes:
    """The processes of a run, of which there may be one. All calls are made by all of them, in the same order."""

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
        """Yield every n-th micro-batch; gradients of blocks are added up between processes after the last.

        Raises LmworksError where they cannot be shared out evenly.
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
        """Sums over the processes of `data`; on the device, for what adds up there takes no tensors from elsewhere."""
        if self.mesh is None:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total, group=self.mesh.get_group("data"))
        return [float(value) for value in total]

    def any(self, asked: bool) -> bool:
        """Return whether any process says so."""
        if self.mesh is None:
            return asked
        found = torch.tensor(float(asked), device=self.device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found)

    def add_gradients(self, module: nn.Module) -> None:
        """Make the gradients of weights that are whole in every process those of the whole batch."""
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
        """`change(whole matrix)` for each; every matrix has one process that computes it, and all get their part."""
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
        """Until all have come here."""
        if self.mesh is not None:
            dist.barrier()


def whole(tensor: Tensor) -> Tensor:
    """Return the whole of a tensor that is spread; every process must ask for it."""
    return tensor.full_tensor() if _is_spread(tensor) else tensor


def local(tensor: Tensor | None) -> Tensor:
    """Return the part of a tensor that is here."""
    assert tensor is not None  # noqa: S101 - for the type checker; every weight takes part in every step
    return tensor.to_local() if _is_spread(tensor) else tensor


def like(tensor: Tensor, spread: Tensor) -> Tensor:
    """Return a whole tensor, spread as another one is."""
    if not _is_spread(spread):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, spread.device_mesh, spread.placements, src_data_rank=None)


def like_parts(part: Tensor, spread: Tensor) -> Tensor:
    """Return the parts that the processes hold, as a tensor that is spread as another one is."""
    if not _is_spread(spread):
        return part
    from torch.distributed.tensor import DTensor

    return DTensor.from_local(
        part, spread.device_mesh, spread.placements, run_check=False, shape=spread.shape, stride=spread.stride()
    )


def join(asked: str) -> torch.device:
    """Become one of the processes that `torchrun` started; the device of this one, of the kind that is asked for.

    Raises LmworksError if it has none.
    """
    device = device_of_process(asked, int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]))
    backend = dist.get_default_backend_for_device(device)
    own = None if device.type == CPU else device  # else NCCL would guess it when it first waits
    dist.init_process_group(backend, timeout=LONGEST_WAIT[device.type == CPU], device_id=own)
    return device


def _is_spread(tensor: Tensor) -> TypeGuard[DTensor]:
    """Return whether it is a DTensor, asked without the second that their import takes."""
    return hasattr(tensor, "full_tensor")


def _split_over(tensor: Tensor) -> tuple[str, ...]:
    if not _is_spread(tensor):
        return ()
    from torch.distributed.tensor import Shard

    names = tensor.device_mesh.mesh_dim_names or ()
    return tuple(name for name, placed in zip(names, tensor.placements, strict=True) if isinstance(placed, Shard))
