"""Values that cross between processes: exact literals, as JSON in a frame of known length, and nothing else.

Writing refuses an instance of a subclass, a value that refers to itself, and a type that is not listed. Reading can
make only values of the listed types, whatever the bytes are.
"""

from __future__ import annotations

import json
import os
from typing import Any

DEPTH = 200
"""Most levels of nested values."""
PLAIN = (type(None), bool, str, float)
"""Types that JSON keeps apart, including NaN and the infinities as Python writes them."""
ENTRIES = 10_000
"""Most entries of all sets and dicts. With chosen keys of equal hash, each key is compared with all keys before it."""
SMALL = 1 << 63
"""Limit above which integers are written in hexadecimal: decimals take quadratic time, so Python limits them."""
HEADER = 4
"""Bytes of the length before a frame."""


class NotLiteral(ValueError):
    """Error for a value, or for bytes, that cannot cross."""


class Ended(Exception):
    """Error for a channel whose other side is gone."""


def encode(value: Any, depth: int = DEPTH) -> Any:
    """Return a value in the form for JSON: plain, or [type, …]. Raises NotLiteral."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if not depth:
        raise NotLiteral("too many levels of nested values")
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
    """Return the value that `encode` got. Raises NotLiteral for other data, and for more than `ENTRIES`."""
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
        raise NotLiteral("the data holds no value")
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
        raise NotLiteral("the data holds no value") from error


def packed(message: Any) -> bytes:
    """Return a message as the bytes of a frame."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def send(channel: int, message: Any) -> None:
    """Write one message. Raises Ended."""
    send_frame(channel, packed(message))


def send_frame(channel: int, data: bytes) -> None:
    """Write one packed message. Raises Ended."""
    rest = memoryview(len(data).to_bytes(HEADER, "big") + data)
    try:
        while rest:
            rest = rest[os.write(channel, rest) :]
    except OSError as error:
        raise Ended from error


def receive(channel: int, limit: int = (1 << 8 * HEADER) - 1) -> Any:
    """Read one message of at most `limit` bytes. Raises Ended, and NotLiteral for bytes that are no message."""
    return unpacked(receive_frame(channel, limit))


def receive_frame(channel: int, limit: int) -> bytes:
    """Read one message of at most `limit` bytes without unpacking it. Raises Ended, and NotLiteral if it is longer."""
    length = int.from_bytes(_read(channel, HEADER), "big")
    if length > limit:
        raise NotLiteral(f"{length} bytes, more than the limit of {limit}")
    return _read(channel, length)


def unpacked(data: bytes) -> Any:
    """Return the contents of a frame. Raises NotLiteral if it is no message."""
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise NotLiteral("the data is not JSON") from error


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
