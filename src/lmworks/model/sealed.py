"""Files that carry digests of what is in them, so that damage is refused by the name of what was hit.

A safetensors file has them in its metadata, one a tensor; a JSON file in front of its record. Whoever reads
safetensors or JSON reads these, too.
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
"""Key of the metadata: JSON, name of a tensor → sha256 of its type, shape and bytes."""
READ_BYTES = 1 << 20


def with_digests(content: bytes) -> Iterator[bytes | memoryview]:
    """Yield the parts of a safetensors file, as `safetensors.torch.save` makes it, with a digest of each tensor."""
    stream = BytesIO(content)
    header, start = _header(stream, len(content))
    metadata = {DIGESTS: canonical_json({name: _digest(stream, start, entry) for name, entry in header.items()})}
    text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    yield len(text).to_bytes(8, "little") + text
    yield memoryview(content)[start:]


def check_tensors(path: Path) -> None:
    """Raise ValueError with the name of a tensor that is not as it was written, OSError where there is no file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        header, start = _header(stream, size)
        try:
            digests = dict(json.loads(header.pop("__metadata__")[DIGESTS]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("its header has no digests of its tensors") from error
        if strange := sorted(digests.keys() ^ header.keys()):
            raise ValueError(f"tensor {strange[0]!r} is only in its header, or only among its digests")
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
    """The record of such a file. Raises ValueError if it is not as it was written, OSError where there is none."""
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
