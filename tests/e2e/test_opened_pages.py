"""All that was built, as the pages of one local application: over HTTP, and as a person meets it in a browser."""

from __future__ import annotations

import json
import math
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.small_recipe import lmworks, start
from e2e.test_browser import browser
from e2e.test_knowledge import write_shop
from live_server import listening
from lmworks.application.app import make_app
from lmworks.application.pages import PAGES
from looks import SEEN, look

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.slow

KEY = "the-key-of-this-start"
HTML = {"accept": "text/html"}
LIVE = [{"run": "smollm2-135m", "config": {"steps": 200, "tokens_per_step": 192}}]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that was built, and a training that goes on."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    lmworks(folder, "build", "recipe.yaml")
    work = folder / ".lmworks" / "work" / ("0" * 32)
    (work / "scratch").mkdir(parents=True)
    (work / "step").write_text("smollm2-135m")
    lines: list[dict[str, Any]] = list(LIVE)
    for step in range(1, 101):
        loss = 8 * math.exp(-step / 40)
        lines.append({"step": step, "loss": loss, "bits_per_byte": loss / 3, "seconds": 0.4 * step})
        if step % 20 == 0:
            lines[-1] |= {"validation_loss": loss + 0.2, "validation_bits_per_byte": loss / 3 + 0.1}
    lines.append({"step": 100, "prompt": "What does it do?", "text": "It makes a bucket, which is kept " * 20})
    (work / "scratch" / "live.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def at(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(make_app(shop / ".lmworks", KEY, tmp_path_factory.mktemp("scratch"), "cpu")) as address:
        yield address


@contextmanager
def entered(at: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{at}/{KEY}", timeout=60, follow_redirects=True, headers=HTML) as http:
        yield http


@contextmanager
def page_of(browser: Browser, at: str, width: int = 1280, scheme: str = "light") -> Iterator[Page]:
    size: Any = {"width": width, "height": 800}
    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{at}/{KEY}/")
    yield page
    page.close()


def ended(http: httpx.Client, place: str) -> Any:
    """How a file stands once it is answered, or is not."""
    while not (now := http.get(place, headers={"accept": "*/*"}).json())["ended"]:
        time.sleep(0.05)
    return now


def test_it_is_for_who_has_its_address(at: str) -> None:
    with httpx.Client(base_url=at, headers=HTML) as http:
        for first in ("", "/another", f"/{KEY[:-1]}", "/favicon.ico", f"//{KEY}", "/%00", "/.", "/favicon.ico/.."):
            for path in ("/", "/knowledge/report/", "/knowledge/report/knowledge.html"):
                refused = http.get(f"{at}{first}{path}")
                assert refused.status_code == 404, f"{first}{path}"
                assert "knowledge" not in refused.text and KEY not in f"{refused.headers}{refused.text}"
        assert not http.get("/favicon.ico").content
    with entered(at) as http:
        shown = http.get("/")
        assert shown.status_code == 200 and not http.cookies, "other ports of the machine get what is in a cookie"
        assert shown.headers["referrer-policy"] == "no-referrer" and shown.headers["cache-control"] == "no-store"


def test_every_page_opens_and_every_link_leads_somewhere(at: str) -> None:
    with entered(at) as http:
        waiting, seen, fragments = [f"/{KEY}/"], set[str](), list[tuple[str, str]]()
        while waiting:
            path = waiting.pop()
            if path in seen or "/chat/" in path.rstrip("/").removesuffix("/chat"):
                continue
            seen.add(path)
            found = http.get(f"{at}{path}")
            assert found.status_code == 200, f"{path}: {found.text[:500]}"
            assert "default-src 'none'" in found.headers["content-security-policy"]
            if found.headers["content-type"].startswith("text/html"):
                links = re.findall(r'<a [^>]*href="([^"]+)"', found.text)
                joined = [found.url.join(link.replace("&amp;", "&")) for link in links if "://" not in link]
                waiting += [link.raw_path.decode() for link in joined]
                fragments += [(link.raw_path.decode(), link.fragment) for link in joined if link.fragment]
        assert {f"/{KEY}/knowledge/{page.name}/" for page in PAGES} <= seen
        assert f"/{KEY}/knowledge/report/knowledge-data.html" in seen
        assert fragments
        for path, fragment in fragments:
            assert f'id="{fragment}"' in http.get(f"{at}{path}").text, f"{path}#{fragment}"


def test_what_is_not_there_is_told(at: str, shop: Path) -> None:
    with entered(at) as http:
        for path, said in {
            "/other/overview/": "no build &#39;other&#39;; expected knowledge",
            "/knowledge/report/..%2Fbuilds%2Flast": "404",
            "/knowledge/artifacts/..%2F..%2Frecipe.yaml": "the store has no such file",
            "/knowledge/artifacts/%2Fetc%2Fpasswd": "the store has no such file",
            "/knowledge/report/other.html": "the reports of knowledge have no such file",
            "/knowledge/chat/nobody/": "nobody",
            "/knowledge/passages/?q=a&from=clean": "expected one of passages",
            "/knowledge/training/?run=nobody": "no training of &#39;nobody&#39;; expected smollm2-135m",
        }.items():
            found = http.get(path)
            assert found.status_code == 404 and (said == "404" or said in found.text), path
        refused = http.post("/knowledge/predict/?name=rows.exe&model=smollm2-135m", content=b"")
        assert refused.status_code == 404 and "expected one of .csv" in refused.text


def test_passages_are_found_and_what_is_in_none_is_not(at: str) -> None:
    with entered(at) as http:
        found = http.get("/knowledge/passages/", params={"q": "Which article is the toaster?"}).text
        assert "toaster.md" in found and "LicenseRef-own" in found and "the best first" in found
        absent = http.get("/knowledge/passages/", params={"q": "<b>Napoleon's</b> horse"}).text
        assert "Not found: no passage" in absent and "<b>Napoleon" not in absent


def test_a_file_is_answered_and_its_faults_are_told(at: str) -> None:
    with entered(at) as http:
        ask = {"name": "../rows.csv", "model": "smollm2-135m", "text": "question"}
        begun = http.post("/knowledge/predict/", params=ask, content="question,n\nWho?,1\nWhat?,2\n").json()
        place = f"/knowledge/predict/jobs/{begun['job']}"
        now = ended(http, place)
        assert now["rows"] == 2 and now["columns"][:3] == ["question", "n", "predicted_text"]
        answered = http.get(f"{place}/file")
        assert answered.text.splitlines()[1].startswith("Who?,1,")
        assert "rows.predicted.csv" in answered.headers["content-disposition"]
        ask_on = ask | {"continue": ""}
        begun = http.post("/knowledge/predict/", params=ask_on, content="question,n\nWho?,1\nWhat?,2\n").json()
        goes_on = f"/knowledge/predict/jobs/{begun['job']}"
        assert ended(http, goes_on)["rows"] == 2 and http.get(f"{goes_on}/file").text != answered.text
        begun = http.post("/knowledge/predict/", params=ask | {"text": "other"}, content="question\nWho?\n").json()
        place = f"/knowledge/predict/jobs/{begun['job']}"
        now = ended(http, place)
        assert "other" in now["said"] and not now["file"]
        long = ask | {"name": f"{'r' * 240}.jsonl", "text": "text"}
        begun = http.post("/knowledge/predict/", params=long, content='{"text": "\\ud800"}\n{"text": "Who?"}\n').json()
        now = ended(http, f"/knowledge/predict/jobs/{begun['job']}")
        assert "1 rows that the model cannot answer" in now["said"] and now["rows"] == 2 and now["file"]


def test_on_a_phone_and_a_desk_by_day_and_by_night(at: str, browser: Browser) -> None:
    for width, scheme in SEEN:
        with page_of(browser, at, width, scheme) as page:
            for each in PAGES:
                page.goto(f"{at}/{KEY}/knowledge/{each.name}/")
                page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
                look(page)
            page.goto(f"{at}/{KEY}/knowledge/passages/?q=Which+article+is+the+toaster%3F")
            look(page)
            page.goto(f"{at}/{KEY}/nobody/plan/")
            look(page)


def test_all_of_it_by_the_keyboard(at: str, browser: Browser, tmp_path: Path) -> None:
    with page_of(browser, at) as page:
        page.keyboard.press("Tab")  # the name of the build
        for each in PAGES:
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.textContent") == each.title
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Chat")
        page.get_by_role("link", name="smollm2-135m").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("knowledge/smollm2-135m")  # its script has begun
        page.get_by_label("Message").press_sequentially("Which article is the toaster?")
        page.keyboard.press("Enter")
        expect(page.locator("#log")).to_contain_text("toaster.md", timeout=30_000)
        page.get_by_role("link", name="Back").press("Enter")
        page.get_by_role("link", name="Passages").press("Enter")
        expect(page.get_by_label("Question")).to_be_focused()
        page.keyboard.type("Which article is the kettle?")
        page.keyboard.press("Enter")
        expect(page.locator(".passage").first).to_contain_text("kettle")
        (tmp_path / "rows.csv").write_text("text\nWho?\n")
        page.get_by_role("link", name="Predict").press("Enter")
        page.get_by_label(re.compile("File")).set_input_files(tmp_path / "rows.csv")
        expect(page.get_by_role("button", name="Ask")).to_be_enabled()
        page.get_by_role("button", name="Ask").press("Enter")
        expect(page.get_by_role("link", name="The whole file")).to_be_visible(timeout=30_000)
        expect(page.locator("#rows")).to_contain_text("predicted_text")
        page.get_by_label("Go on from each text as it stands").press("Space")
        with page.expect_request(lambda each: each.method == "POST") as sent:
            page.get_by_role("button", name="Ask").press("Enter")
        assert "&continue=" in sent.value.url
        expect(page.get_by_role("link", name="The whole file")).to_be_visible(timeout=30_000)


def test_a_training_renews_itself_and_keeps_what_has_the_focus(at: str, browser: Browser, shop: Path) -> None:
    with page_of(browser, at, 375) as page:
        page.goto(f"{at}/{KEY}/knowledge/training/?run=smollm2-135m")
        chart = page.locator("figure").first
        chart.focus()
        chart.evaluate("node => (node.scrollLeft = 50)")
        with next((shop / ".lmworks" / "work").glob("0*/scratch/live.jsonl")).open("a") as file:
            file.write(json.dumps({"step": 101, "loss": 1.0, "seconds": 41}) + "\n")
        expect(page.locator(".lead")).to_contain_text("step 101 of 200", timeout=20_000)
        expect(chart).to_be_focused()
        assert chart.evaluate("node => node.scrollLeft") == 50


def test_the_command_says_where_and_what_was_erased_is_shown_no_more(tmp_path: Path) -> None:
    write_shop(tmp_path)
    lmworks(tmp_path, "build", "recipe.yaml", "--until", "passages")
    process = start(tmp_path, "open", "--port", "0", "--no-browser")
    try:
        assert process.stdout
        entrance = process.stdout.readline().split()[1]
        with httpx.Client(timeout=60, follow_redirects=True, headers=HTML) as http:
            first = http.get(entrance)
            assert first.status_code == 200 and "Not built yet" in first.text
            asked = f"{first.url}".replace("overview", "passages") + "?q=Which+article+is+the+toaster"
            shown = http.get(asked).text
            document = re.search(r"document <code>(\w+)</code>", shown)
            assert document and "toaster.md" in shown
            lmworks(tmp_path, "erase", document[1], "--apply")
            assert "toaster.md" not in http.get(asked).text
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in (0, 130)


def test_a_browser_is_shown_a_file_and_nothing_stays_on_disk(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, seen = tmp_path / "scratch", tmp_path / "seen"
    scratch.mkdir()
    killed = scratch / "lmworks-open-99999999-abc"  # more than any process is called
    killed.mkdir()
    (killed / "rows.csv").write_text("text\nof a customer\n")
    browse = tmp_path / "browse.sh"
    browse.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    browse.chmod(0o700)
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("BROWSER", f"{browse} %s")
    process = start(tmp_path, "open", "--store", str(shop / ".lmworks"), "--port", "0", "--browser")
    try:
        assert process.stdout
        entrance = process.stdout.readline().split()[1]
        while not (seen.exists() and seen.read_text().endswith("\n")):
            time.sleep(0.05)
        opened = Path(seen.read_text().strip().removeprefix("file://"))
        assert opened.parent.stat().st_mode & 0o077 == 0 and entrance in opened.read_text()
        assert not killed.exists()
        assert entrance.split("/")[3] not in seen.read_text(), "the arguments of programs are seen by all"
        with httpx.Client(base_url=entrance, timeout=60) as http:
            rows = "text\n" + "What is it?\n" * 5_000
            ask = {"name": "rows.csv", "model": "smollm2-135m"}
            assert http.post("knowledge/predict/", params=ask, content=rows).status_code == 202
            while not [*scratch.rglob("*.jsonl")]:
                time.sleep(0.05)
            sent = [http.post("knowledge/predict/", params=ask, content=rows) for _ in range(4)]
            assert [each.status_code for each in sent] == [202, 202, 202, 404] and "wait" in sent[-1].text
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert not [*scratch.rglob("rows*"), *scratch.rglob("*.jsonl")]
