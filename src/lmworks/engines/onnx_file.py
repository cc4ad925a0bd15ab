"""A model as one ONNX file, which any runtime computes: logits of a decoder; labels, spans or vectors of an encoder.

Axes: B batch, T time, D hidden size, H heads, K key-value heads, C head size, L labels, V vocabulary.
"""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.engines.encoder import ReadingEngine
from lmworks.engines.open import open_engine
from lmworks.errors import LmworksError
from lmworks.extras import told_if_missing
from lmworks.model.device import CPU
from lmworks.model.folder import family_of, require_form
from lmworks.pipeline.files import atomically

OPSET = 18
"""Operator set from 2022, which current runtimes know."""
LARGEST_BYTES = 2**31 - 2**24
"""Most bytes of weights. An ONNX file is one Protocol Buffers message, of at most 2 GiB."""
AGREEMENT = 1e-4
"""Largest difference between what the file and the model say, as a share of the largest value, or of 1."""
IDS = 16
"""That every vocabulary has."""
TRACED, ASKED = (2, 5), (3, 8)
"""[B,T] of the texts that the file is made with, and of those that it is tried with: others, so that both may vary."""


def write_onnx(folder: Path, file: Path) -> None:
    """Write the model of a folder as one file, in float32, of batches and texts of any length up to its context.

    Inputs are `input_ids` and, but of decoders, `attention_mask` (both int64 [B,T], filled up on the right). The output
    is `logits`: [B,T,V] of a decoder, [B,L] of labels, [B,T,L] of spans; or `vector` [B,D], of length 1. The file's
    metadata has `family`, `context_length`, `labels`, and the `pad_id` that texts are filled up with. Before it is put
    in place its outputs are compared with the model's, and it is refused if they differ.

    Raises LmworksError for a model of another family, one of more than 2 GiB, and one that cannot be written exactly.
    """
    with told_if_missing():
        import onnxruntime
        import onnxscript  # noqa: F401 - which torch imports
    require_form(folder, "onnx")
    engine = open_engine(folder, device=CPU)
    network, inputs, output, labels = _wrapped(engine)
    size = sum(each.numel() * 4 for each in network.parameters())
    if size > LARGEST_BYTES:
        raise LmworksError(f"{folder}: has {size / 2**30:.1f} GiB of weights in float32; an ONNX file holds at most 2")
    about = {
        "family": str(family_of(folder) or "encoder"),
        "context_length": str(engine.context_length),
        "labels": json.dumps(labels, ensure_ascii=False),
        "pad_id": str(getattr(getattr(network.network, "config", None), "pad_token_id", None) or 0),
    }
    with atomically(file) as unfinished:
        with _quiet():
            _export(network, inputs, output, about, unfinished)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(str(unfinished), options, providers=["CPUExecutionProvider"])
        _require_equal(folder, network, session, inputs)


def _wrapped(engine: Any) -> tuple[_Logits | _Read, list[str], str, list[str]]:
    """Return the module to export, the names of its inputs and of its output, and its labels."""
    if isinstance(engine, ReadingEngine):
        vectors = "embed" in engine.can
        return (
            _Read(engine.model, vectors).eval(),
            ["input_ids", "attention_mask"],
            "vector" if vectors else "logits",
            [] if vectors else engine.labels,
        )
    return _Logits(engine.model).eval(), ["input_ids"], "logits", []


class _Logits(nn.Module):
    """A decoder over whole texts: causality hides what fills them up on the right."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.network: nn.Module = getattr(model, "network", model)  # which a published one is not itself
        self.window: int | None = getattr(model.config, "sliding_window", None)

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = torch.arange(input_ids.shape[1]).expand(input_ids.shape[0], -1)
        hidden = self.model.hidden(input_ids, positions, self._attend)
        return F.linear(hidden, self.model.output_weight).float()  # [B,T,V]

    def _attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q[B,H,T,C], k and v[B,K,T,C] -> [B,H,T,C], by operations that every runtime has."""
        groups = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        places = torch.arange(q.shape[2])
        distance = places[:, None] - places
        seen = distance >= 0
        if self.window is not None:
            seen = seen & (distance < self.window)
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])  # [B,H,T,T]
        return scores.masked_fill(~seen, -math.inf).softmax(-1) @ v


class _Read(nn.Module):
    """A model that reads: its logits, or the mean over a text's tokens, of length 1, as `engines/encoder.py` has it."""

    def __init__(self, network: nn.Module, vectors: bool) -> None:
        super().__init__()
        self.network, self.vectors = network, vectors

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found = self.network(input_ids=input_ids, attention_mask=attention_mask)
        if not self.vectors:
            logits: Tensor = found.logits
            return logits
        weights = attention_mask[:, :, None]
        mean = (found.last_hidden_state * weights).sum(dim=1) / weights.sum(dim=1)  # [B,D]
        vector: Tensor = mean / mean.norm(dim=1, keepdim=True)
        return vector


def _example(inputs: Sequence[str], batch: int, length: int) -> tuple[Tensor, ...]:
    """Texts of unlike length."""
    ids = torch.arange(batch * length).reshape(batch, length) % IDS
    mask = torch.ones_like(ids)
    mask[0, length // 2 :] = 0
    return (ids, mask)[: len(inputs)]


def _export(network: nn.Module, inputs: Sequence[str], output: str, about: dict[str, str], file: Path) -> None:
    varies = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    program: Any = torch.onnx.export(
        network,
        _example(inputs, *TRACED),
        dynamo=True,
        input_names=list(inputs),
        output_names=[output],
        dynamic_shapes=[varies] * len(inputs),
        opset_version=OPSET,
        verbose=False,
    )
    for part in (program.model.graph, *program.model.graph.all_nodes()):
        part.metadata_props.clear()  # lines of code, and where they lie on this machine
    program.model.metadata_props.update(about)
    program.save(str(file), external_data=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's messages about its own steps, which users cannot act on."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@torch.no_grad()
def _require_equal(folder: Path, network: nn.Module, session: Any, inputs: Sequence[str]) -> None:
    asked = _example(inputs, *ASKED)
    wanted = network(*asked)
    (found,) = session.run(None, {name: each.numpy() for name, each in zip(inputs, asked, strict=True)})
    scale = max(1.0, float(wanted.abs().max()))
    if found.shape != tuple(wanted.shape) or float((torch.from_numpy(found) - wanted).abs().max()) > AGREEMENT * scale:
        raise LmworksError(f"{folder}: the ONNX file gave other outputs than the model, so it was not written")
