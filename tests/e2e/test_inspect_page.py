"""What docs/inspect.md says, done on a real build; and the annotation page as an expert meets it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from e2e.small_recipe import lmworks
from lmworks.data.shards.records import Documents
from lmworks.release.inspect.annotation import annotation_page

pytestmark = pytest.mark.slow
DOCUMENT = (Path(__file__).parents[2] / "docs" / "inspect.md").read_text()
COMMANDS = [line.split()[1:] for line in re.findall(r"^(lmworks data .*)$", DOCUMENT, re.MULTILINE)]
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> & <b>bold</b>"


def test_every_command_does_what_the_page_says(built: Path) -> None:
    inspect, report, sample = COMMANDS
    (built / "guidelines.md").write_text("Reject what describes no operation.")
    assert lmworks(built, *inspect).stdout.startswith("corpus (curate): of ")
    assert "no reason begins with 'far'" in lmworks(built, *inspect[:3], "--reason", "far").stderr
    page = built / lmworks(built, *report).stdout.strip()
    assert page.name == "small-data.html" and "From source to corpus" in page.read_text()
    assert json.loads(lmworks(built, *report, "recipe.yaml", "--json").stdout)["report"].endswith("small-data.html")
    lmworks(built, *sample)
    rows = [json.loads(line) for line in (built / "for-experts" / "sample.jsonl").read_text().splitlines()]
    (built / "verdicts").mkdir()
    for expert, rejected in (("expert-1", 3), ("expert-2", 2)):
        lines = [
            json.dumps({"id": row["id"], "label": "reject" if place < rejected else "accept", "annotator": expert})
            for place, row in enumerate(rows)
        ]
        (built / "verdicts" / f"{expert}.jsonl").write_text("\n".join([*lines, "{cut"]))
    (step,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    recipe = (built / "recipe.yaml").read_text()
    (built / "recipe.yaml").write_text(recipe.replace("tokenizer:", f"{step}tokenizer:", 1))
    lmworks(built, "build", "recipe.yaml", "--until", "judged")
    shown = lmworks(built, "show", "judged").stdout
    assert "Cohen's kappa: " in shown and re.search(r"rejected +2\b", shown) and "quarantined: not JSON" in shown
    judged = Documents(built / lmworks(built, "show", "judged", "--path").stdout.strip(), "")
    left = {document.id for document in judged.iterate()}
    assert left.isdisjoint({row["id"] for row in rows[:2]}) and {row["id"] for row in rows[2:]} <= left
    assert "rejected" in lmworks(built, "data", "inspect", "judged").stdout


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """The page from a file. Whatever it logs as an error fails the test."""
    rows = [{"id": f"{number:032x}", "source": "s", "language": "en", "text": f"Text {number}"} for number in range(3)]
    rows[1]["text"] = HOSTILE
    (tmp_path / "annotate.html").write_text(annotation_page("small", "corpus", rows, HOSTILE, ["accept", "reject"]))
    with sync_playwright() as playwright:
        options = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        page, faults = browser.new_page(viewport={"width": 390, "height": 800}), list[str]()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto((tmp_path / "annotate.html").as_uri())
        yield page
        browser.close()
    assert faults == []


def test_an_expert_judges_by_keyboard_and_saves(page: Page) -> None:
    expect(page.locator("#text")).to_have_text("Text 0")
    page.keyboard.press("2")
    expect(page.locator("#text")).to_have_text(HOSTILE)
    expect(page.locator("header pre")).to_have_text(HOSTILE)
    assert page.title() == "small: verdicts on corpus" and page.locator("pre *").count() == 0
    page.keyboard.press("c")
    page.keyboard.type("1 comment")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(page.locator("#place")).to_have_text("3 of 3; 2 judged")
    page.keyboard.press("s")
    expect(page.get_by_role("alert")).to_contain_text("Type your pseudonym first")
    page.keyboard.type("expert 1")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the verdicts").click()
    assert saved.value.suggested_filename == "verdicts-expert-1.jsonl"
    assert [json.loads(line) for line in saved.value.path().read_text().splitlines()] == [
        {"id": f"{0:032x}", "label": "reject", "annotator": "expert 1"},
        {"id": f"{1:032x}", "label": "accept", "annotator": "expert 1", "comment": "1 comment"},
    ]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_work_goes_on_after_the_page_was_closed(page: Page) -> None:
    place = page.locator("#place")
    page.keyboard.press("2")
    expect(place).to_have_text("2 of 3; 1 judged")
    for _ in range(20):  # A busy Chromium hands what was kept to the next page some moments after it was written.
        page.reload()
        if place.text_content() == "2 of 3; 1 judged":
            break
        page.wait_for_timeout(250)
    expect(place).to_have_text("2 of 3; 1 judged")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="reject")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="accept").click()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="accept")).to_have_attribute("aria-pressed", "true")


def test_a_comment_without_a_verdict_is_not_lost_in_silence(page: Page) -> None:
    page.get_by_label("Your pseudonym, never your name:").fill("expert-1")
    page.get_by_role("button", name="accept").click()
    page.get_by_label("Comment (no personal data):").fill("what is this?")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#place")).to_have_text("3 of 3; 1 judged")
    with page.expect_download():
        page.get_by_role("button", name="Save the verdicts").click()
    expect(page.get_by_role("alert")).to_contain_text("Saved without the comment on this document, because")
    expect(page.locator("#place")).to_have_text("2 of 3; 1 judged")
    page.get_by_role("button", name="reject").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the verdicts").click()
    expect(page.locator("#fault")).to_be_empty()
    assert "what is this?" in saved.value.path().read_text()
