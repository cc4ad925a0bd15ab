"""Packed token rows, which a trainer reads. They are made before training, so the step gives the place in the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.data.shards.records import write_ids
from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np, pa, pq
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Handle
from lmworks.tokens.rows.mixture import Mixture, row_numbers
from lmworks.tokens.rows.mixture import Rows as Rows
from lmworks.tokens.rows.mixture import permutation as permutation

if TYPE_CHECKING:
    from lmworks.tokens.answers import Message
    from lmworks.tokens.tokenizer import Tokenizer

ROWS_AT_ONCE = 256
"""Number of rows that are checked and hashed together. Taking single rows of a mapped file costs more than reading."""


@dataclass(frozen=True)
class PackedRows:
    """Rows of `sequence_length + 1` tokens. Inputs are all except the last token, targets all except the first.

    A segment is a document or conversation. It begins where `begins` is 1, or else at a token that begins a document.
    """

    tokens: Rows
    weights: Rows
    """Weights of tokens: 1 for a trained target, else 0."""
    sequence_length: int
    vocab_size: int
    tokenizer_digest: str
    bytes_of_text: int
    parts: Mapping[str, int] = field(default_factory=dict)
    """Number of rows of each part, in the order of the parts. Empty if there is only one."""
    mixture: Mixture | None = None
    """Order in which rows of the parts are read. Without it, `row_numbers` gives the order of all rows."""
    labels: Rows | None = None
    """Label numbers of tokens. Only tokens of weight 1 have a label. None if the rows are not labelled."""
    label_names: Sequence[str] = ()
    margins: NDArray[np.float32] | None = None
    """Margins [rows, groups] by which the answers of each group should differ. None for data without judgements."""
    begins: Rows | None = None
    """Marks: 1 where a conversation begins. None if the token that begins a document is enough to find beginnings."""
    asked: Sequence[str] = ()
    """Messages of each row of prompts, as JSON."""

    @property
    def trained_tokens(self) -> int:
        """Number of targets with weight in one pass over the rows."""
        return int(self.weights[:, 1:].sum())

    def turns(self, row: int) -> list[Message]:
        """Return the messages before the answer of a row. Another model can then encode them with its own template."""
        found: list[Message] = json.loads(str(self.asked[row])) if len(self.asked) else []
        return found

    def numbers(self, seed: int, first: int, count: int) -> Rows:
        """Return the row numbers at `count` places from `first` on. They depend only on the seed and the places."""
        if self.mixture:
            return self.mixture.numbers(seed, first, count)
        return row_numbers(len(self.tokens), seed, first, count)

    def checked_digest(self, name: str) -> str:
        """Return the sha256 of tokens, weights and beginnings. Raises LmworksError for an id outside the vocabulary.

        It reads everything once, which takes little time compared with training.
        """
        digest = hashlib.sha256()
        for start in range(0, len(self.tokens), ROWS_AT_ONCE):
            tokens, *others = (each[start : start + ROWS_AT_ONCE] for each in self._read)
            if tokens.max() >= self.vocab_size:
                row = int((tokens.max(1) >= self.vocab_size).argmax())
                raise LmworksError(
                    f"{name}: row {start + row} has id {tokens[row].max()}, but the tokenizer has {self.vocab_size} "
                    "ids. The rows are damaged or of another tokenizer; pack them again: `lmworks build --rebuild`"
                )
            digest.update(np.concatenate([each.view(np.uint8) for each in (tokens, *others)], axis=1).tobytes())
        return digest.hexdigest()

    @property
    def _read(self) -> list[Rows]:
        return [each for each in (self.tokens, self.weights, self.begins) if each is not None]

    def of_labels(self, names: Sequence[str]) -> PackedRows:
        """Return rows whose labels are numbered as in `names`. Other labels get weight 0."""
        if self.labels is None or [*names] == [*self.label_names]:
            return self
        known = {name: number for number, name in enumerate(names)}
        numbers = np.array([known.get(name, -1) for name in self.label_names] or [-1])[self.labels]
        weights = np.where(numbers < 0, 0, self.weights).astype(self.weights.dtype)
        return replace(self, weights=weights, labels=np.maximum(numbers, 0), label_names=names)

    def shares(self) -> Iterator[tuple[Rows, float]]:
        """Yield the tokens of each part that is read, and how often they are read, as a multiple of the average."""
        shares = self.mixture.shares if self.mixture else [1.0]
        sizes = list(self.parts.values()) if self.mixture else [len(self.tokens)]
        total = sum(rows for share, rows in zip(shares, sizes, strict=True) if share)
        start = 0
        for share, rows in zip(shares, sizes, strict=True):
            if share:
                yield self.tokens[start : start + rows], share * total / rows
            start += rows


@dataclass(frozen=True)
class Shards(Handle):
    """Folder with `tokens.npy`, `weights.npy`, `ids.txt`, `shards.json`.

    For some data it also has `labels.npy` and `margins.npy`, `begins.npy`, or `asked.parquet`.
    """

    def open(self) -> PackedRows:
        """Return the rows as mapped files. They are read when they are used."""
        facts = json.loads((self.path / "shards.json").read_text())
        tokens, weights = (np.load(self.path / f"{name}.npy", mmap_mode="r") for name in ("tokens", "weights"))
        names = ("sequence_length", "vocab_size", "tokenizer_digest", "bytes_of_text")
        labels, margins, begins = (
            np.load(path, mmap_mode="r") if path.exists() else None
            for path in (self.path / f"{name}.npy" for name in ("labels", "margins", "begins"))
        )
        asked = self.path / "asked.parquet"
        return PackedRows(
            tokens,
            weights,
            **{name: facts[name] for name in names},
            parts=dict(facts.get("parts", ())),
            labels=labels,
            label_names=facts.get("label_names", ()),
            margins=margins,
            begins=begins,
            asked=pq.read_table(asked).column("messages") if asked.exists() else (),
        )


LOST = ("dropped", "truncated", "split", "untrained", "refused")
"""Names of the counts of conversations that packing shortened, split or left out."""


def write_rows(
    out: Path,
    tokens: Iterable[Rows],
    weights: Iterable[Rows],
    ids: Iterable[str],
    *,
    rows: int,
    sequence_length: int,
    trained_tokens: int,
    vocab_size: int,
    labels: tuple[Sequence[str], Rows] | None = None,
    margins: NDArray[np.float32] | None = None,
    begins: Iterable[Rows] | None = None,
    asked: Sequence[str] = (),
    **facts: Any,
) -> dict[str, int]:
    """Write the files of `Shards`. Return the counts among the facts.

    `tokens`, `weights` and `begins` are blocks of [rows, sequence_length + 1]. Only one block is in memory at a time.
    `ids` must be sorted.
    """
    if not rows:
        lost = ", ".join(f"{facts[name]} {name}" for name in LOST if facts.get(name))
        how = "take `long_samples: truncate` or `split`: " if "truncated" in facts else ""
        mend = f"; raise sequence_length (now {sequence_length}), {how or 'or '}{lost}" if lost else ""
        raise LmworksError(
            f"no rows: no text is left, or every text is longer than a row; check the steps before this one{mend}"
        )
    shape = (rows, sequence_length + 1)
    _write_array(out / "tokens.npy", shape, token_type(vocab_size), tokens)
    _write_array(out / "weights.npy", shape, np.uint8, weights)
    if labels:
        facts["label_names"] = list(labels[0])
        _write_array(out / "labels.npy", shape, np.uint16, [labels[1]])
    if margins is not None:
        _write_array(out / "margins.npy", margins.shape, np.float32, [margins])
    if begins is not None:
        _write_array(out / "begins.npy", shape, np.uint8, begins)
    if asked:
        pq.write_table(pa.table({"messages": asked}), out / "asked.parquet", compression="zstd")
    write_ids(out, (name for name, _ in groupby(ids)))
    counts = {
        "rows": rows,
        "sequence_length": sequence_length,
        "tokens": rows * sequence_length,
        "trained_tokens": trained_tokens,
    }
    every = {**counts, "vocab_size": vocab_size, **facts}
    (out / "shards.json").write_text(json.dumps(every, indent=1, sort_keys=True) + "\n")
    return counts | {name: value for name, value in facts.items() if isinstance(value, int)}


def write_filled(
    out: Path, encoder: Tokenizer, tokens: Rows, weights: Rows, documents: Iterable[str], **more: Any
) -> dict[str, int]:
    """Write rows that are in memory. `documents` are the ids of the documents in them, in any order."""
    return write_rows(
        out,
        [tokens],
        [weights],
        sorted(documents),
        rows=len(tokens),
        sequence_length=tokens.shape[1] - 1,
        vocab_size=encoder.vocab_size,
        tokenizer_digest=encoder.digest,
        **{"trained_tokens": int(weights[:, 1:].sum()), **more},
    )


def filled(rows: Sequence[Sequence[int]], width: int, fill: int, kind: type[np.integer[Any]]) -> Rows:
    """Return rows as one array [rows, width], padded at the end of each row with `fill`."""
    array = np.full((len(rows), width), fill, kind)
    for place, row in zip(array, rows, strict=True):
        place[: len(row)] = row
    return array


def token_type(vocab_size: int) -> type[np.integer[Any]]:
    """Return the narrowest type that holds every id."""
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32


def _write_array(
    path: Path, shape: tuple[int, ...], kind: type[np.number[Any]], blocks: Iterable[NDArray[Any]]
) -> None:
    """Write the file that `numpy.save` would write for one array of all blocks."""
    header = BytesIO()
    facts = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, facts)
    write_atomically(path, chain([header.getvalue()], (block.astype(kind, copy=False).tobytes() for block in blocks)))
