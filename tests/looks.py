"""How pages are looked at: on a phone and on a desk, by day and by night, by axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

SEEN = [(width, scheme) for width in (375, 1280) for scheme in ("light", "dark")]


def looks(browser: Browser, address: Path | str) -> Iterator[Page]:
    """The page at an address or in a file, as each of `SEEN` sees it."""
    for width, scheme in SEEN:
        size: Any = {"width": width, "height": 800}
        page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(address.as_uri() if isinstance(address, Path) else address)
        yield page
        page.close()


def look(page: Page) -> None:
    """Nothing that axe finds stands on the page as it is, and it is no wider than its window."""
    found = [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for each in Axe().run(page).response["violations"]
        for node in each["nodes"]
    ]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    found += ["wider than its window"] * wide
    assert not found, "\n".join(found)
