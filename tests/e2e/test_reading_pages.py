"""The page of a model that sorts, marks, compares or rewrites texts, as a person meets it in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.test_browser import ask, browser, sign_in
from live_server import KEY, serving
from lmworks.engines.open import open_engine
from looks import look
from readers import LABELS, write_reader, write_rewriter

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.slow
TEXT = "Where is my parcel 😀? <b>Not bold</b>"
KINDS = ("sequence classifier", "token classifier", "encoder", "encoder-decoder")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("readers")
    found = {kind: write_reader(folder / kind.replace(" ", "-"), kind) for kind in KINDS[:3]}
    return {**found, "encoder-decoder": write_rewriter(folder / "t5")}


@pytest.fixture(params=[(kind, width) for kind in KINDS for width in (375, 1280)], ids=str)
def opened(request: pytest.FixtureRequest, browser: Browser, folders: dict[str, Path]) -> Iterator[tuple[str, Page]]:
    """Whatever the page logs as an error fails the test."""
    kind, width = request.param
    with serving(open_engine(folders[kind])) as live:
        scheme = "dark" if width == 375 else "light"
        page = browser.new_page(base_url=live.url, viewport={"width": width, "height": 800}, color_scheme=scheme)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto("/")
        sign_in(page, KEY)
        expect(page.locator("#examples button").first).to_be_visible()
        yield kind, page
        page.close()
        assert not faults


def test_a_text_is_answered_by_itself_and_so_is_the_next(opened: tuple[str, Page], folders: dict[str, Path]) -> None:
    kind, page = opened
    for number, text in enumerate((TEXT, "Thank you")):
        ask(page, text)
        expect(page.locator(".pair")).to_have_count(number + 1)
        expect(page.locator(".turn.running")).to_have_count(0)
    first, second = page.locator(".pair").all()
    expect(first.locator(".turn.user")).to_have_text(TEXT)
    engine = open_engine(folders[kind])
    if kind == "sequence classifier":
        (expected,) = engine.classify([TEXT])
        rows = first.locator(".labels li")
        expect(rows).to_have_count(len(LABELS))
        expect(rows.first).to_contain_text(f"{expected.label}{expected.probability * 100:.1f} %")
    elif kind == "token classifier":
        (tagged,) = engine.tag([TEXT])
        marks = first.locator("mark")
        assert tagged.spans, "a model that marks nothing shows nothing"
        for mark, (label, start, end) in zip(marks.all(), tagged.spans, strict=True):
            expect(mark).to_have_text(TEXT[start:end] + label)
    elif kind == "encoder":
        left, right = (each.vector for each in engine.embed([TEXT, "Thank you"]))
        cosine = sum(a * b for a, b in zip(left, right, strict=True))
        expect(second.locator(".labels li")).to_contain_text(f"{cosine:.3f}")
    else:
        assert second.locator(".text").text_content() is not None
    assert page.locator("b").count() == 0, "what is asked is never read as HTML"
    look(page)
    page.get_by_role("button", name="New chat" if kind == "none" else "Clear").click()
    expect(page.locator(".pair")).to_have_count(0)
