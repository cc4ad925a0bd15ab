"""What reading costs the system, in calls per file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from data_support import texts


def test_a_small_file_costs_no_look_at_the_folders_above_it(
    ingest_files: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"a/b/c/{number // 50}/{number}.txt": f"text {number}" for number in range(300)}
    calls = Counter[str]()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def count(*words: Any, **more: Any) -> Any:
            calls[name] += 1
            return call(*words, **more)

        return count

    for name in ("lstat", "stat", "open"):
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))
    _, out = ingest_files(files)
    assert len(texts(out)) == 300
    assert calls["lstat"] < 300
    assert calls["stat"] / 300 < 10
    assert calls["open"] / 300 < 2 * 7, "a file is opened twice, and each time the six folders on the way to it"
