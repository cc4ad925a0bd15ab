"""Where a list of files is cut into shards."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.reading.listing import cut_files

FILES = st.dictionaries(st.text(max_size=6), st.integers(0, 300), max_size=40)


def groups(files: dict[str, int], size: int) -> list[tuple[str, ...]]:
    names = sorted(files)
    return [tuple(names[place] for place in some) for some in cut_files(names, [files[name] for name in names], size)]


@given(FILES, st.integers(1, 500))
def test_every_file_is_in_one_group_in_order_and_no_group_is_large(files: dict[str, int], size: int) -> None:
    found = groups(files, size)
    assert [name for group in found for name in group] == sorted(files)
    assert all(len(group) == 1 or sum(files[name] for name in group) <= 2 * size for group in found)


def test_a_file_that_comes_or_goes_changes_its_own_group_and_at_most_those_beside_it() -> None:
    draw = random.Random(0)
    changed = []
    for turn in range(200):
        files = {f"{draw.random()}.txt": draw.randint(100, 900) for _ in range(200)}
        before, new = groups(files, 2000), f"{draw.random()}.txt"
        after = groups(files | {new: 500}, 2000)
        fresh = [place for place, group in enumerate(after) if group not in before]
        assert fresh == list(range(fresh[0], fresh[-1] + 1)), (turn, "what changed is not in one place")
        changed.append(len(fresh))
    assert max(changed) <= 4
    assert sum(changed) / len(changed) < 2


def test_groups_are_about_as_large_as_wanted() -> None:
    files = {f"{number:05d}.txt": 100 for number in range(10_000)}
    sizes = [100 * len(group) for group in groups(files, 5000)]
    assert 4000 < sum(sizes) / len(sizes) < 6000
