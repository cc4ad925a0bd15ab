"""Parsers are tried in this process, where a test may change them; `test_hostile_files.py` tries them guarded."""

from __future__ import annotations

import pytest

from lmworks.data.sources.parsed import ParsedSource


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read no form in a process of its own."""
    monkeypatch.setattr(ParsedSource, "_is_guarded", lambda source, piece: False)
