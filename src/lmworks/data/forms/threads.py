"""Trees of messages, as OpenAssistant publishes them (Köpf et al. 2023): one tree or one message per row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from lmworks.data.forms.row import Fault, LeftOut, Read, Row
from lmworks.data.forms.sample import Sample, conversation, ranked
from lmworks.data.forms.turns import ROLES, Turns

DEEPEST_THREAD = 100
"""Maximum number of messages of a thread, because threads are read by recursion. Few published threads have ten."""
_LEFT = ("lang", "created_date", "user_id", "labels", "emojis", "detoxify", "model_name", "events", "review_result")
MESSAGE = frozenset(
    {*_LEFT, "message_id", "parent_id", "message_tree_id", "text", "role", "replies", "rank", "deleted"}
)
"""Fields of a message."""


def tree(row: Read) -> Iterator[Sample]:
    """Yield a conversation for each path of best replies that ends with the assistant, and a judgement for every two
    replies of the assistant with different ranks. Rank 0 is the best."""
    row.leave("message_tree_id")
    if not (found := list(_below(row.row("prompt"), []))):
        raise LeftOut("no reply: a question without an answer")
    yield from found


def _below(node: Read, path: Turns) -> Iterator[Sample]:
    node.leave(*_LEFT)
    role = node.text("role")
    if role not in ROLES:
        raise Fault(f"unknown role: a message has {role!r}")
    path = [*path, {"role": ROLES[role], "content": node.text("text")}]
    replies = node.rows("replies") if node.get("replies") else []
    ranked = [reply for reply in replies if not (reply.get("deleted") and reply.whole())]
    ranked.sort(key=lambda reply: math.inf if (rank := _rank(reply)) is None else rank)
    below = [list(_below(reply, path)) for reply in ranked]
    if path[-1]["role"] == "user":
        yield from _judgements(path, ranked)
        below[1:] = [[each for each in some if each.is_judgement] for some in below[1:]]
    elif not any(not each.is_judgement for some in below for each in some):
        yield conversation(path)
    yield from chain.from_iterable(below)


def _rank(reply: Read) -> float | None:
    """Return the rank of a reply, or None if it is not ranked. The lowest rank is the best."""
    return None if reply.get("rank") is None else reply.number("rank")


def _judgements(path: Turns, replies: Sequence[Read]) -> Iterator[Sample]:
    """Yield judgements of replies in the order of their ranks."""
    found = [(each.text("text"), -rank) for each in replies if (rank := _rank(each)) is not None]
    yield from (each for each in ranked(path, found) if each.chosen != each.rejected)


def message_threads(rows: Iterator[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
    """Join messages into trees, each under the id of its first message's record.

    A message begins a tree if its name is taken, if its parent is missing, or if its thread has no beginning.
    """
    known: dict[str, tuple[str, dict[str, Any]]] = {}
    roots: list[tuple[str, dict[str, Any]]] = []
    for identity, row in rows:
        named = identity, {**row, "replies": []}
        if known.setdefault(str(row.get("message_id")), named) is not named:
            roots.append(named)
    for name in known:
        parent = _parent_of(name, known)
        if parent is None or _is_rootless(name, known):
            roots.append(known[name])
        else:
            known[parent][1]["replies"].append(known[name][1])
    for identity, message in roots:
        yield identity, {"message_tree_id": message.get("message_tree_id"), "prompt": message}


def _parent_of(name: str, known: Mapping[str, tuple[str, dict[str, Any]]]) -> str | None:
    """Return the name of the message that a message answers, if that message is there."""
    parent = str(known[name][1].get("parent_id"))
    return parent if parent in known else None


def _is_rootless(name: str, known: Mapping[str, tuple[str, dict[str, Any]]]) -> bool:
    """Return whether a message's thread has no first message: it is a circle, or longer than `DEEPEST_THREAD`."""
    for _ in range(DEEPEST_THREAD):
        if (above := _parent_of(name, known)) is None:
            return False
        name = above
    return True
