"""The page of a task's items, in a real browser: filters, differences between two systems, what an item unfolds to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from small_store import NASTY

from e2e.test_browser import browser
from lmworks.errors import UsageError
from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, ROUGE_L, SPAN_F1
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.items.page import collect, page, tasks_with_items, write_items
from looks import look, looks

__all__ = ["browser"]  # a fixture

COUNT = 5_000


def item(number: int, *, right: bool, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{number:05}",
        "cluster": f"service {number % 7}",
        "prompt": f"What is {number} twice?",
        "reference": str(2 * number),
        "answer": str(2 * number if right else 1),
        "score": float(right),
        "contamination": "known" if number % 5 == 0 else "clean",
        **more,
    }


def said(number: int, *, right: bool, system: str) -> dict[str, Any]:
    """Every tenth answer is cut, every twentieth has no result."""
    text = f"so {2 * number if right else 1}" + NASTY * (number == 3)
    kept = {"put": f"<|user|>What is {number} twice?", "raw": f" {text}\n", "tokens": 3, "truncated": number % 10 == 0}
    kept |= {"finish_reason": "length" if kept["truncated"] else "stop", "unextracted": number % 20 == 0}
    kept["extracted"] = None if kept["unextracted"] else text
    return item(number, right=right, **kept, thoughts=f"{system} thinks")


def written(folder: Path, name: str, systems: dict[str, list[dict[str, Any]]], metric: Any) -> Path:
    told = [
        {"name": each, "is_baseline": each == "rule", "is_plain": each != "rule", "told": "0.5"} for each in systems
    ]
    path = folder / f"{name}.html"
    path.write_text(page("recipe", name, {**collect(systems, metric), "systems": told}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base is right of even numbers, the tuned one of multiples of 3, the rule never; it was not asked the last."""
    numbers = range(COUNT)
    systems = {
        "rule": [item(number, right=False) for number in numbers[:-1]],
        "base": [said(number, right=number % 2 == 0, system="base") for number in numbers],
        "tuned": [said(number, right=number % 3 == 0, system="tuned") for number in numbers],
    }
    return written(tmp_path_factory.mktemp("sums"), "exact-answer-sums", systems, ACCURACY)


@pytest.fixture
def shown(sums: Path, browser: Browser) -> Any:
    made = browser.new_page()
    made.goto(sums.as_uri())
    yield made
    made.close()


def count_of(shown: Page, label: str) -> int:
    text = shown.locator("#show button").filter(has_text=re.compile(rf"^{label} [0-9,]+$")).inner_text()
    return int(text.rsplit(" ", 1)[1].replace(",", ""))


def test_it_counts_where_two_systems_differ_and_shows_only_those(shown: Page) -> None:
    """A is tuned, B the base: they differ but where 2 and 3 both divide, or neither."""
    both, a, b = (len(range(0, COUNT, step)) for step in (6, 3, 2))
    assert count_of(shown, "all") == COUNT
    assert (count_of(shown, "A right"), count_of(shown, "A wrong")) == (a, COUNT - a)
    assert count_of(shown, "both right") == both and count_of(shown, "neither right") == COUNT - a - b + both
    assert (count_of(shown, "only A right"), count_of(shown, "only B right")) == (a - both, b - both)
    assert count_of(shown, "A and B differ") == a + b - 2 * both
    shown.get_by_role("button", name=re.compile("A and B differ")).click()
    titles = shown.locator(".row button").all_inner_texts()
    assert len(titles) == 50 and titles[:3] == [f"What is {number} twice?" for number in (2, 3, 4)]
    assert "a=tuned&b=base&show=differ" in shown.url, "the address tells others what is filtered"
    shown.get_by_label("System B").select_option("rule (baseline)")
    assert count_of(shown, "both right") == 0 and count_of(shown, "only A right") == len(range(0, COUNT - 1, 3))
    shown.get_by_label("System A").select_option("rule (baseline)")
    assert count_of(shown, "A not asked") == 1


def test_it_is_filtered_by_text_cluster_and_contamination_and_by_what_went_wrong(shown: Page) -> None:
    assert count_of(shown, "A cut at the limit") == COUNT / 10 and count_of(shown, "A without a result") == COUNT / 20
    shown.get_by_label("In the training text of A").select_option("known")
    assert count_of(shown, "all") == COUNT / 5
    shown.get_by_label("Cluster").select_option(label=f"service 3 ({len(range(3, COUNT, 7))})")
    assert count_of(shown, "all") == len(range(10, COUNT, 35))
    shown.get_by_label("Text anywhere").fill("WHAT IS 45 t")
    assert shown.locator(".row button").all_inner_texts() == ["What is 45 twice?"]


def test_an_item_unfolds_to_all_that_was_kept_and_texts_are_never_markup(shown: Page) -> None:
    shown.locator(".row button").nth(3).click()
    opened = shown.locator("tr.item")
    expect(opened).to_contain_text("Wanted6")
    expect(opened).to_contain_text("<script>alert('x')</script>")
    sections = opened.locator("section")
    assert [re.findall(r"\w+:?", each)[:2] for each in sections.locator("h3").all_inner_texts()] == [
        ["A:", "tuned"],
        ["B:", "base"],
        ["rule", "wrong"],
    ]
    assert sections.nth(0).locator("pre").first.text_content() == f" so 6{NASTY}\n", "the raw answer, to the letter"
    sections.nth(0).get_by_text("Whole prompt that it got").click()
    expect(sections.nth(0).get_by_text("<|user|>What is 3 twice?")).to_be_visible()
    expect(sections.nth(1)).to_contain_text("the same as for A")
    expect(sections.nth(0)).to_contain_text("3 tokens")


def test_it_is_used_by_keys_alone(shown: Page) -> None:
    shown.keyboard.press("/")
    expect(shown.get_by_label("Text anywhere")).to_be_focused()
    shown.keyboard.press("Escape")
    for key in ("j", "j", "k", "Enter"):
        shown.keyboard.press(key)
    assert shown.locator(".row button").first.get_attribute("aria-expanded") == "true"
    shown.keyboard.press("ArrowRight")
    expect(shown.locator("#page")).to_have_text(f"2 of {COUNT // 50}")
    expect(shown.locator(".row button").first).to_have_text("What is 50 twice?")


def test_it_is_sorted_by_score_and_by_the_lead_of_one_system(browser: Browser, tmp_path: Path) -> None:
    """Of bits per byte less is better, and each item is divided by its own bytes."""
    bits = {"base": [(8, 4), (9, 3), (4, 4)], "tuned": [(4, 4), (9, 3), (8, 4)]}
    systems = {
        name: [{**item(number, right=True), "bits": a, "bytes": b} for number, (a, b) in enumerate(pairs)]
        for name, pairs in bits.items()
    }
    made = browser.new_page()
    made.goto(f"{written(tmp_path, 'perplexity', systems, BITS_PER_BYTE).as_uri()}#a=tuned&b=base&order=ahead")
    assert [re.findall("[0-9]+", each)[0] for each in made.locator(".row button").all_inner_texts()] == ["0", "1", "2"]
    assert (count_of(made, "A ahead"), count_of(made, "B ahead"), count_of(made, "equal score")) == (1, 1, 1)
    made.get_by_label("Order").select_option("A worst first")
    assert made.locator(".row .score:nth-child(2)").all_inner_texts() == ["3", "2", "1"]
    made.close()


@pytest.mark.slow
def test_choices_labels_and_spans_are_shown_with_their_scores_and_offsets(browser: Browser, tmp_path: Path) -> None:
    asked = {**item(0, right=True), "prompt": "🙂 Ada met Bob.", "reference": "yes", "answer": "yes"}
    choice = {
        **asked,
        "choices": [{"text": "yes", "log_likelihood": -1.25}, {"text": "no", "log_likelihood": -2.5}],
        "probabilities": {"no": 0.25, "yes": 0.75},
        "found": [["person", 2, 5]],
        "wanted": [["person", 2, 5], ["person", 10, 13]],
        "spans": [1, 1, 2],
    }
    path = written(tmp_path, "all", {"model": [choice]}, SPAN_F1)
    for made in looks(browser, path):
        made.locator(".row button").click()
        rows = made.locator("tr.item tbody tr").all_text_contents()
        spans = ["personAda2–5right", "personBob10–13missed"]
        assert rows == ["taken, wantedyes-1.250", "no-2.500", "yes0.750wanted", "no0.250", *spans]
        made.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        look(made)


@pytest.mark.whole
def test_it_is_accessible_and_fits_a_phone(sums: Path, browser: Browser) -> None:
    for made in looks(browser, sums):
        made.locator(".row button").nth(0).click()
        made.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        look(made)


def test_a_build_has_a_page_a_task(built: Store, browser: Browser) -> None:
    found = Built.open(built)
    tasks = tasks_with_items(found)
    assert len(tasks) == 2
    for task in tasks:
        path = write_items(found, task)
        assert path == built.root / "reports" / f"{found.name}-items-{task}.html"
        made = browser.new_page()
        faults: list[str] = []
        made.on("pageerror", lambda error, faults=faults: faults.append(str(error)))
        made.goto(path.as_uri())
        assert count_of(made, "all") == 20 and not faults
        made.close()
    with pytest.raises(UsageError, match=r"'none' is no task of .* whose items are kept; tasks with items: "):
        write_items(found, "none")


def test_personal_data_is_hidden_wherever_an_item_holds_it(built: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = "ada.byron@example.org"
    kept = {name: f"{name} {mail}" for name in ("put", "raw", "extracted", "thoughts", "answer", "reference", "prompt")}
    kept |= {"choices": [{"text": mail, "log_likelihood": -1.0}], "probabilities": {mail: 1.0}, "cluster": mail}
    items = [{**item(0, right=True), **kept, "wanted": [[mail, 0, 1]], "found": [[mail, 0, 1]], "other": mail}]
    monkeypatch.setattr("lmworks.release.items.page.read_lines", lambda path: items)
    found = Built.open(built)
    task = tasks_with_items(found)[0]
    systems = len(found.evaluations()[task]) - 1
    hidden = write_items(found, task).read_text(encoding="utf-8")
    assert mail not in hidden and hidden.count("‹email hidden›") + hidden.count("\\u2039email") >= 8
    assert write_items(found, task, personal=True).read_text(encoding="utf-8").count(mail) >= 8 + 3 * systems


def test_more_items_than_a_page_holds_are_drawn_and_that_is_said() -> None:
    items = [item(number, right=True) for number in range(30)]
    found = collect({"a": items, "b": items[:9]}, ROUGE_L, 10)
    assert (len(found["items"]), found["all"]) == (10, 30)
    text = page(
        "recipe", "task", {**found, "systems": [{"name": "a", "is_baseline": False, "is_plain": True, "told": ""}]}
    )
    assert "10 of 30 items, drawn by their ids (<code>lmworks items task --count 30</code> shows all)" in text
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*)</script>', text)[0])
    assert {row["id"] for row in data["items"]} == {row["id"] for row in found["items"]}
