"""Where a source is cut into shards: at places that its own names give, so that a change of one file stays there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import accumulate


def cut_files(names: Sequence[str], sizes: Sequence[int], size: int) -> Iterator[range]:
    """Consecutive files, at about `size` bytes a group and never more than twice as many, but for a single file.

    Between any two files stands the hash of the name of the second. Where it is lowest the list is cut in two, and so
    on in each half until it is small enough. So a file that comes or goes changes the group that it is in, and at most
    those beside it; a cut wherever a hash is below a threshold would do so too, but make groups of many times `size`.
    """
    ranks = [hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest() for name in names]
    before = [0, *accumulate(sizes)]
    waiting = [(0, len(names))] if names else []
    while waiting:
        start, stop = waiting.pop()
        if stop - start == 1 or before[stop] - before[start] <= 2 * size:
            yield range(start, stop)
        else:
            middle = min(range(start + 1, stop), key=ranks.__getitem__)
            waiting += [(middle, stop), (start, middle)]  # the first half comes first
