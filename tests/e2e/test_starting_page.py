"""The page that begins: from a folder, or files from a browser, to a build and an answered question."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.test_browser import browser
from live_server import listening
from lmworks.application.app import make_app
from looks import SEEN, look

__all__ = ["browser"]  # a fixture

KEY = "the-key-of-this-start"
ASKED = "When is waste of kind 2-3 collected?"


def write_questions(folder: Path) -> None:
    folder.mkdir(parents=True)
    for page in range(4):
        asked = "".join(
            f"<details><summary>When is waste of kind {page}-{n} collected?</summary><p>On day {n} of each week, from "
            f"seven in the morning; kind {page}-{n} goes into the bin of colour {page * n}.</p></details>"
            for n in range(6)
        )
        (folder / f"p{page}.html").write_text(f"<html><nav><a>Home</a></nav>{asked}<footer>Privacy</footer></html>")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("models") / ".lmworks"
    with listening(make_app(root, KEY, tmp_path_factory.mktemp("scratch"), "cpu")) as address:
        yield f"{address}/{KEY}/~start/"


def looked_at(http: httpx.Client, folder: Path) -> str:
    answer = http.post("look", content=json.dumps({"path": str(folder)}))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["to"])


def ended(http: httpx.Client, place: str) -> dict[str, Any]:
    while not (now := http.get(f"{place}state").json())["ended"]:
        time.sleep(0.2)
    return dict(now)


def test_a_folder_becomes_a_build_that_quotes_it(at: str, tmp_path: Path) -> None:
    write_questions(tmp_path / "waste")
    with httpx.Client(base_url=at, timeout=120, follow_redirects=True) as http:
        assert "Folder on this machine" in http.get("").text
        place = looked_at(http, tmp_path / "waste")
        page = http.get(place).text
        assert "24 pairs of texts" in page and "When is waste of kind 0-0 collected?" in page
        assert page.count("<select") <= 3 and 'value="search" selected' in page
        begun = http.post(f"{place}build", content=json.dumps({"task": "search", "privacy": "public"}))
        assert begun.status_code == 202, begun.text
        now = ended(http, place)
        assert now["code"] == 0, now["lines"]
        shown = http.get(place).text
        assert "no model writes" in shown and 'data-model="passages"' in shown
        second = looked_at(http, tmp_path / "waste")
        again = http.post(f"{second}build", content=json.dumps({"task": "search"}))
        assert again.status_code == 202, "a second recipe gets a folder of its own"
        assert ended(http, second)["code"] == 0


def test_what_cannot_be_built_is_said_before_anything_is_written(at: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("time,bar\n" + "\n".join(f"2026-03-01T10:{n % 60:02}:00,{n}" for n in range(99)))
    with httpx.Client(base_url=at, timeout=60, headers={"accept": "*/*"}) as http:
        page = http.get(looked_at(http, tmp_path)).text
        assert "no language model is needed" in page and "<select" not in page
        missing = http.post("look", content=json.dumps({"path": str(tmp_path / "none")}))
        assert missing.status_code == 404 and "Type its full path" in missing.json()["error"]
        assert http.get("0123456789abcdef/").json()["error"].startswith("this page is from an earlier run")


def test_too_little_text_is_said_when_it_is_to_be_built(at: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The mill is closed on Mondays.")
    (tmp_path / "empty").mkdir()
    with httpx.Client(base_url=at, timeout=60, headers={"accept": "*/*"}) as http:
        place = looked_at(http, tmp_path)
        assert "<select" in http.get(place).text
        refused = http.post(f"{place}build", content=json.dumps({"task": "search", "privacy": "public"}))
        assert refused.status_code == 403 and "2,000 bytes of texts" in refused.json()["error"]
        nothing = http.get(looked_at(http, tmp_path / "empty")).text
        assert "<select" not in nothing and "nothing that is read" in nothing


def test_files_from_a_browser_are_looked_at(at: str) -> None:
    rows = "message,queue\n" + "\n".join(
        f"the lift of hall {n} is stuck again,{'lifts' if n % 2 else 'halls'}" for n in range(90)
    )
    with httpx.Client(base_url=at, timeout=60) as http:
        sent = http.post("files?folder=0123456789abcdef&name=tickets.csv", content=rows)
        assert "90" in http.get(looked_at(http, Path(sent.json()["path"]))).text
        for bad in (
            "folder=../../etc&name=a.csv",
            "folder=0123456789abcdef&name=.hidden",
            "folder=0123456789abcdef&name=",
        ):
            assert http.post(f"files?{bad}", content=rows, headers={"accept": "*/*"}).status_code == 404
        climbing = http.post("files?folder=0123456789abcdef&name=../../up.csv", content=rows)
        assert Path(climbing.json()["path"]).joinpath("up.csv").is_file(), "a name has no folders"


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_pages_of_elsewhere_start_nothing(at: str, origin: str, tmp_path: Path) -> None:
    body = json.dumps({"path": str(tmp_path)})
    assert httpx.post(f"{at}look", content=body, headers={"origin": origin}).status_code == 403
    own = at.split("/")[2]
    assert httpx.post(f"{at}look", content=body, headers={"origin": f"http://{own}"}).status_code == 200
    assert httpx.get(at.replace(KEY, "another"), timeout=30).status_code == 404


def seen(page: Page) -> None:
    for width, scheme in SEEN:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        look(page)


@pytest.mark.slow
def test_from_a_folder_to_an_answer_by_keyboard_alone(browser: Browser, at: str, tmp_path: Path) -> None:
    write_questions(tmp_path / "by-keys")
    page = browser.new_page()
    page.goto(at)
    seen(page)
    page.get_by_label("Folder on this machine").focus()
    page.keyboard.type(str(tmp_path / "by-keys"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What do you want")).to_be_visible(timeout=60_000)
    seen(page)
    page.get_by_role("button", name="Build").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ask it")).to_be_visible(timeout=120_000)
    page.get_by_label("Your text or question").focus()
    page.keyboard.type(ASKED)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("kind 2-3 goes into the bin of colour 6", timeout=60_000)
    seen(page)
    page.close()
