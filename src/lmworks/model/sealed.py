"""Files with digests of their contents, so that an error can name the damaged part.

A safetensors file has one digest per tensor in its metadata. A JSON file has one before its record. Other programs
can read these files as ordinary safetensors and JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lmworks.pipeline.files import canonical_json

if TYPE_CHECKING:
    from torch import Tensor

DIGESTS = "sha256"
"""Key in the metadata of the digests as JSON: the sha256 of type, shape and bytes, by the name of the tensor."""
READ_BYTES = 1 << 20


def with_digests(content: bytes) -> Iterator[bytes | memoryview]:
    """Yield parts of a safetensors file with a digest of each tensor. `content` is from `safetensors.torch.save`."""
    stream = BytesIO(content)
    header, start = _header(stream, len(content))
    metadata = {DIGESTS: canonical_json({name: _digest(stream, start, entry) for name, entry in header.items()})}
    text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    yield len(text).to_bytes(8, "little") + text
    yield memoryview(content)[start:]


def check_tensors(path: Path) -> None:
    """Raise ValueError, with the name, if a tensor has changed since it was written, or OSError without a file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        header, start = _header(stream, size)
        try:
            digests = dict(json.loads(header.pop("__metadata__")[DIGESTS]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("its header has no digests of its tensors") from error
        if strange := sorted(digests.keys() ^ header.keys()):
            raise ValueError(f"tensor {strange[0]!r} is in the header or among the digests, but not in both")
        for name, entry in header.items():
            if _digest(stream, start, entry) != digests[name]:
                raise ValueError(f"tensor {name!r} differs from its digest")


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file. Raises as `check_tensors` does."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_tensors(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def with_digest(record: dict[str, Any]) -> bytes:
    """Return a JSON file that holds a record and the sha256 of its text."""
    return _framed(json.dumps(record).encode())


def load_record(path: Path) -> dict[str, Any]:
    """Return the record in a file of `with_digest`. Raises ValueError if it has changed, or OSError without a file."""
    content = path.read_bytes()
    text = content[len(_framed(b"")) - 2 : -2]
    if _framed(text) != content:
        raise ValueError(f"{path.name} differs from its digest")
    return dict(json.loads(text))


def _framed(text: bytes) -> bytes:
    return b'{"%s": "%s", "record": %s}\n' % (DIGESTS.encode(), hashlib.sha256(text).hexdigest().encode(), text)


def _header(stream: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and where its tensors begin."""
    length = int.from_bytes(stream.read(8), "little")
    if length > size - 8:
        raise ValueError("its header is cut or damaged")
    try:
        return dict(json.loads(stream.read(length))), 8 + length
    except (TypeError, ValueError) as error:
        raise ValueError(f"its header is damaged: {error}") from error


def _digest(stream: BinaryIO, start: int, entry: Any) -> str:
    """Return the digest of one tensor, as the header describes it."""
    try:
        (begin, end), kind = entry["data_offsets"], [entry["dtype"], entry["shape"]]
        stream.seek(start + begin)
        left = int(end - begin)
    except (KeyError, TypeError, ValueError, OSError, OverflowError) as error:
        raise ValueError(f"its header is damaged: {error!r}") from error
    digest = hashlib.sha256(canonical_json(kind).encode())
    while left > 0 and (block := stream.read(min(left, READ_BYTES))):
        digest.update(block)
        left -= len(block)
    if left > 0:
        raise ValueError("the file is cut")
    return digest.hexdigest()
