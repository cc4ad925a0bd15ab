"""Values that cross between processes: exact literals, as JSON in a frame of known length, and nothing else.

An instance of a subclass, a value that refers to itself or one of a type that is not listed is refused where it is
written; where it is read nothing else can come into being, whatever the bytes are.
"""

from __future__ import annotations

import json
import os
from typing import Any

DEPTH = 200
"""Most levels of values in values."""
PLAIN = (type(None), bool, str, float)
"""Which JSON tells apart, with NaN and the infinities as Python writes them."""
ENTRIES = 10_000
"""Most entries of sets and dicts in all. Chosen keys with one hash are each compared with all before."""
SMALL = 1 << 63
"""Larger integers are written in hexadecimal: Python limits decimals, since they take quadratic time."""
HEADER = 4
"""Bytes before a frame: its length."""


class NotLiteral(ValueError):
    """A value, or bytes, that may not cross."""


class Ended(Exception):
    """The other side is gone."""


def encode(value: Any, depth: int = DEPTH) -> Any:
    """Return a value as JSON takes it: plain, or [type, …]. Raises NotLiteral."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if not depth:
        raise NotLiteral("values in values without end")
    if kind is int:
        return value if -SMALL < value < SMALL else ["int", hex(value)]
    if kind is bytes:
        return ["bytes", value.hex()]
    if kind in (list, tuple, set):
        return [kind.__name__, *(encode(item, depth - 1) for item in value)]
    if kind is dict:
        return ["dict", *(encode(part, depth - 1) for item in value.items() for part in item)]
    raise NotLiteral(f"a value of type {kind.__name__}")


def decode(data: Any) -> Any:
    """Return the input of `encode`. Raises NotLiteral for other data, and for more than `ENTRIES`."""
    entries, rest = 0, [data]
    while rest:
        each = rest.pop()
        if type(each) is list and each:
            entries += len(each) - 1 if each[0] in ("set", "dict") else 0
            rest += each[1:]
    if entries > ENTRIES:
        raise NotLiteral(f"sets and dicts of more than {ENTRIES:,} entries")
    return _decoded(data, DEPTH)


def _decoded(data: Any, depth: int) -> Any:
    if type(data) in (*PLAIN, int):
        return data
    if type(data) is not list or not data or not depth:
        raise NotLiteral("no value")
    kind, items = data[0], data[1:]
    try:
        if kind in ("int", "bytes"):
            (text,) = items
            return int(text, 16) if kind == "int" else bytes.fromhex(text)
        parts = [_decoded(item, depth - 1) for item in items]
        if kind == "dict":
            return dict(zip(parts[::2], parts[1::2], strict=True))
        return {"list": list, "tuple": tuple, "set": set}[kind](parts)
    except (TypeError, ValueError, KeyError) as error:  # such as a list in a set
        raise NotLiteral("no value") from error


def packed(message: Any) -> bytes:
    """As a frame holds it."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def send(channel: int, message: Any) -> None:
    """Write one message. Raises Ended."""
    send_frame(channel, packed(message))


def send_frame(channel: int, data: bytes) -> None:
    """Write one message that is packed. Raises Ended."""
    rest = memoryview(len(data).to_bytes(HEADER, "big") + data)
    try:
        while rest:
            rest = rest[os.write(channel, rest) :]
    except OSError as error:
        raise Ended from error


def receive(channel: int, limit: int = (1 << 8 * HEADER) - 1) -> Any:
    """Read one message of at most `limit` bytes. Raises Ended, and NotLiteral for what is none."""
    return unpacked(receive_frame(channel, limit))


def receive_frame(channel: int, limit: int) -> bytes:
    """Read one message of at most `limit` bytes as it is. Raises Ended, and NotLiteral for a longer one."""
    length = int.from_bytes(_read(channel, HEADER), "big")
    if length > limit:
        raise NotLiteral(f"{length} bytes, of which {limit} are read")
    return _read(channel, length)


def unpacked(data: bytes) -> Any:
    """Return the contents of a frame. Raises NotLiteral if it is no message."""
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise NotLiteral("no JSON") from error


def _read(channel: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        try:
            part = os.read(channel, min(length - len(data), 1 << 16))
        except OSError as error:
            raise Ended from error
        if not part:
            raise Ended
        data += part
    return bytes(data)
