"""What crosses between processes is exact, and nothing else crosses."""

from __future__ import annotations

import collections
import enum
import json
import math
import os
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.sandbox.values import Ended, NotLiteral, decode, encode, receive, send

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
hashable = st.recursive(plain, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
literals = st.recursive(
    hashable | st.sets(hashable, max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=4),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["list", "dict", "int", "set"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
)


def exactly(value: Any) -> str:
    """With types, and the order of all but sets."""
    if isinstance(value, set):
        return f"set {sorted(map(exactly, value))}"
    if isinstance(value, list | tuple):
        return f"{type(value)} {[*map(exactly, value)]}"
    if isinstance(value, dict):
        return f"dict {[(exactly(key), exactly(each)) for key, each in value.items()]}"
    return f"{type(value)} {value!r}"


@given(literals)
def test_a_literal_value_comes_back_as_it_was(value: Any) -> None:
    assert exactly(decode(json.loads(json.dumps(encode(value))))) == exactly(value)


def test_large_numbers_cross_whole() -> None:
    number = -math.factorial(3_000)
    assert decode(json.loads(json.dumps(encode(number)))) == number


class Count(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value",
    [object(), Count.ONE, collections.Counter("a"), collections.OrderedDict(), frozenset(), range(2), iter([]), 1j, int,
     bytearray(b""), type("Text", (str,), {})("a"), [[type("List", (list,), {})()]], {"a": len}, {(lambda: 1): 1}],
)  # fmt: skip
def test_nothing_else_is_written(value: object) -> None:
    with pytest.raises(NotLiteral):
        encode(value)


@pytest.mark.parametrize("kind", ["set", "dict"])
def test_numbers_that_all_fall_into_one_place_are_not_read_without_limit(kind: str) -> None:
    numbers = [["int", hex(number * ((1 << 61) - 1))] for number in range(1, 200_001)]
    with pytest.raises(NotLiteral, match="more than 10,000 entries"):
        decode(["list", [kind, *numbers[:6_000]], [kind, *numbers]])
    assert len(decode(["set", *numbers[:2_000]])) == 2_000


def test_values_without_end_are_not_written() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(NotLiteral, match="too many levels"):
        encode(endless)


@given(json_values)
def test_whatever_is_read_is_a_literal_or_refused(data: Any) -> None:
    try:
        value = decode(data)
    except NotLiteral:
        return
    encode(value)


NOT_WRITTEN = ([], ["frozenset"], ["dict", 1], ["set", ["list"]], ["int"], ["int", 5], ["bytes", "0"], {"a": 1}, [[1]])


@pytest.mark.parametrize("data", NOT_WRITTEN, ids=str)
def test_what_nobody_writes_is_not_read(data: object) -> None:
    with pytest.raises(NotLiteral):
        decode(data)


@pytest.mark.parametrize("sent", [b"\0\0\0\x05[1, 2", b"\0\0\0\x02[1", b"\xff\xff\xff\xff", b"\0\0\0\x01\xff", b"\0"])
def test_a_frame_that_is_none_ends_or_is_refused(sent: bytes) -> None:
    reader, writer = os.pipe()
    os.write(writer, sent)
    os.close(writer)
    with pytest.raises((NotLiteral, Ended)):
        receive(reader, 100)
    os.close(reader)


def test_a_long_frame_arrives_whole_and_a_longer_one_is_refused() -> None:
    reader, writer = os.pipe()
    thread = threading.Thread(target=send, args=(writer, "x" * 1_000_000))
    thread.start()
    assert receive(reader) == "x" * 1_000_000
    thread.join()
    send(writer, "x" * 100)
    with pytest.raises(NotLiteral, match="102 bytes, more than the limit of 100"):
        receive(reader, 100)
