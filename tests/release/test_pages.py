"""Every page that is written to a file, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from e2e.test_browser import browser
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.inspect.annotation import write_sample
from lmworks.release.inspect.data_report import write_data_report
from lmworks.release.report.report import write_report
from looks import look, looks

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.slow


def accessible(browser: Browser, address: Path | str) -> None:
    for page in looks(browser, address):
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        look(page)


def test_the_report(built: Store, browser: Browser) -> None:
    path = write_report(built)
    for reader in ("manager", "protection", "engineer"):
        accessible(browser, f"{path.as_uri()}#{reader}")


def test_the_first_pages_are_tabs_without_a_script_and_follow_one_another_on_paper(
    built: Store, browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(write_report(built).as_uri())
    readers = [page.locator(f"#{reader}") for reader in ("manager", "protection", "engineer")]

    def seen() -> list[bool]:
        return [reader.is_visible() for reader in readers]

    assert seen() == [True, False, False]
    page.get_by_role("link", name="Data protection").click()
    assert seen() == [False, True, False]
    page.get_by_role("link", name="Manager").click()
    page.get_by_role("link", name="good and bad answers").click()
    assert seen() == [False, False, True], "what a link leads to is seen"
    assert page.locator("#samples").is_visible()
    page.emulate_media(media="print")
    assert seen() == [True, True, True]
    page.close()


def test_the_data_report(data_store: Store, browser: Browser) -> None:
    accessible(browser, write_data_report(data_store))


def test_the_page_for_experts(data_store: Store, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "guidelines.md").write_text("Reject what is <b>wrong</b>.\n")
    write_sample(Built.open(data_store), "corpus", 10, tmp_path / "guidelines.md", tmp_path, ["good", "bad"])
    accessible(browser, tmp_path / "annotate.html")
