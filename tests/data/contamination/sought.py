"""Verdicts on items that are sought in a few texts, as evaluations seek them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from data_support import documents_of

from lmworks.data.contamination.search import SearchConfig, contamination_search
from support import make_context


def seek(items: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Return the verdict on each item."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, learned = documents_of(folder / "data", *items), documents_of(folder / "texts", *texts)
        (folder / "out").mkdir()
        config = SearchConfig(data="data", texts=["texts"]).resolve(folder)
        contamination_search(config, data, [learned], out=folder / "out", context=make_context(folder / "work"))
        lines = [json.loads(line) for line in (folder / "out" / "verdicts.jsonl").read_text().splitlines()]
    return [line["question"] for line in sorted(lines, key=lambda line: str(line["id"]))]
