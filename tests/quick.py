"""How many of many alike cases the quick tests take; `make test-full` takes all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

IS_FULL = os.environ.get("LMWORKS_TEST_EXAMPLES") == "full"


def few(cases: Iterable[Any], count: int = 2) -> list[Any]:
    """Return the cases of a parametrisation, of which the quick tests take the first `count`.

    A case of several arguments is a tuple.
    """
    found = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [
        pytest.param(*case, marks=[pytest.mark.slow] if number >= count else []) for number, case in enumerate(found)
    ]


def examples(count: int) -> int:
    """Return how many examples of a property are tried: all, or a quarter by the quick tests."""
    return count if IS_FULL else max(count // 4, 5)
