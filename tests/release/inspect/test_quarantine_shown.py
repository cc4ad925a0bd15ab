"""Of records that could not be read a report shows a few, and looks at no more than these, however many there are."""

from __future__ import annotations

import pytest
from small_store import build_store

from lmworks.data.personal import hidden
from lmworks.graph import STEPS, node
from lmworks.release.built import Built
from lmworks.release.inspect.changes import changes_of
from lmworks.release.inspect.data_report import render as render_data
from lmworks.release.inspect.dataflow import quarantine
from lmworks.release.report.report import render

BAD = 400


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "sources").mkdir()
    (folder / "sources" / "jane@example.org.csv").write_text("text\n" + "a,\n" * BAD + "The gutter was seen.\n")
    raw = {
        "kind": "ingest",
        "sources": [{"kind": "files", "path": "sources", "licence": "MIT"}],
        "licences": {"allow": ["permissive"]},
        "largest_bad_share": 1,
    }
    (folder / ".lmworks-id-key").write_text("0" * 64)
    config = STEPS["ingest"].config.model_validate(raw).resolve(folder)
    return Built.open(build_store(folder, [node("raw", STEPS["ingest"], config)]))


def test_no_more_is_searched_for_personal_data_than_is_shown(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0
    scan = hidden.scan

    def counted(*given: object, **named: object) -> object:
        nonlocal searched
        searched += 1
        return scan(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(hidden, "scan", counted)
    pages = render(built), render_data(built)
    (examples,) = changes_of(built, "raw", 3).examples.values()
    assert len(examples) == 3
    assert searched < BAD
    for page in pages:
        assert f"Could not be read: {BAD}" in page and "jane@example.org" not in page
    assert quarantine(built).count == BAD and len(quarantine(built).shown) == 10
