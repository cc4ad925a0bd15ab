"""The chat page as a person meets it, in a real browser."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from live_server import KEY, MODEL, PAGE, Live, listening, serving
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_adapted
from lmworks.engines.protocol import Running
from lmworks.knowledge.collection import Collection, Passage, write_facts, write_passages
from lmworks.knowledge.quoting import QuotingEngine
from lmworks.model.folder import load_model
from lmworks.serve.app import create_app
from lmworks.serve.connections import LIMITS
from lmworks.serve.knowledge import Knowledge
from lmworks.serve.service import Service
from lmworks.tokens.tokenizer import open_tokenizer
from looks import look
from tiny import make_adapted, make_tiny_model

pytestmark = pytest.mark.whole

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = make_tiny_model(tmp_path_factory.mktemp("served") / "model", context_length=1024)
    with serving(Unhurried(load_model(folder), open_tokenizer(folder))) as server:
        yield server


class Unhurried(DecoderEngine):
    """Writes as slowly as a model of use does: what is seen while it writes can be looked at."""

    pause = 0.005

    def batch(self, rows: int, slots: int | None = None) -> Running:
        batch = super().batch(rows, slots)
        step = batch.step

        def slowly() -> Any:
            time.sleep(self.pause)
            return step()

        batch.step = slowly  # type: ignore[method-assign]
        return batch


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing; install it: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def outside(browser: Browser, live: Live) -> Iterator[Page]:
    """A page of a browser that has not signed in. Whatever the page logs as an error fails the test."""
    page = browser.new_page(base_url=live.url)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto("/")
    yield page
    page.close()
    # Chromium calls every status from 400 on an error: 401 with the sign-in form, 400 where a test provokes it.
    assert [fault for fault in faults if "the server responded with a status of 40" not in fault] == []


@pytest.fixture
def page(outside: Page) -> Page:
    """The chat page."""
    sign_in(outside, KEY)
    expect(outside.locator("#examples button").first).to_be_visible()
    return outside


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key of this server").fill(key)
    page.get_by_role("button", name="Sign in").click()


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


def test_only_the_key_opens_the_page(outside: Page) -> None:
    sign_in(outside, "wrong")
    expect(outside.get_by_role("alert")).to_have_text("This is not the key of this server.")
    sign_in(outside, KEY)
    expect(outside.get_by_label("Message")).to_be_focused()
    cookies = outside.context.cookies()
    assert len(cookies) == 2, "the session, and that this browser signed in"
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in cookies)
    assert not any(KEY in cookie["value"] for cookie in cookies)


def test_signing_out_asks_for_the_key_again_and_forgets_the_chat(page: Page) -> None:
    ask(page, "What does S3 CreateBucket do?")
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=30_000)
    if not page.get_by_role("button", name="Sign out").is_visible():
        page.get_by_role("button", name="About").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Key of this server")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Key of this server")).to_be_visible()
    sign_in(page, KEY)
    expect(page.get_by_label("Message")).to_be_focused()
    assert "CreateBucket" not in page.locator("#log").inner_text()


def test_a_server_of_another_port_gets_no_session_and_the_address_leads_to_the_page_again(
    page: Page, live: Live
) -> None:
    got: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{other.server_address[1]}/", wait_until="networkidle")
        page.goto("/")
        expect(page.get_by_label("Message")).to_be_focused()
        other.shutdown()
    assert got and not any(got)


def test_below_a_path_of_a_proxy_the_key_goes_to_this_server_alone(outside: Page, live: Live) -> None:
    elsewhere: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/model/"):
                elsewhere.append(self.path)
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            names = ("Cookie", "Content-Type", "Sec-Fetch-Site")
            headers = {name: self.headers[name] for name in names if self.headers[name]}
            answer = httpx.request(
                self.command, live.url.rstrip("/") + self.path.removeprefix("/model"), content=body, headers=headers
            )
            self.send_response(answer.status_code)
            for name in ("Location", "Set-Cookie", "Content-Type", "Content-Security-Policy"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{proxy.server_address[1]}/model/"
        outside.goto(address)
        sign_in(outside, KEY)
        expect(outside.locator("#examples button").first).to_be_visible()
        outside.goto(address)
        expect(outside.get_by_label("Message")).to_be_focused()
        assert outside.url.startswith(f"{address}session-")
        proxy.shutdown()
    assert not [path for path in elsewhere if path != "/favicon.ico"]


def test_an_answer_streams_and_says_its_speed(page: Page) -> None:
    ask(page, "What does S3 CreateBucket do?")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator(".user")).to_have_text("What does S3 CreateBucket do?")
    expect(page.locator(".running .text")).not_to_be_empty()
    first = len(page.locator(".text").inner_text())
    expect(page.locator(".notes")).to_have_text(re.compile(r"^\d+ tokens · \d+ tokens/s · ended by"), timeout=30_000)
    assert len(page.locator(".text").inner_text()) > first
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_stop_ends_the_answer_and_the_chat_goes_on(page: Page) -> None:
    ask(page, "Tell me everything.")
    expect(page.locator(".running .text")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".notes")).to_have_text("stopped")
    text = page.locator(".text").inner_text()
    ask(page, "And now?")
    expect(page.locator(".user")).to_have_count(2)
    assert page.locator(".text").first.inner_text() == text
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#log")).to_be_empty()
    expect(page.locator("#examples")).to_be_visible()


def test_enter_sends_and_shift_enter_begins_a_line(page: Page) -> None:
    box = page.get_by_label("Message")
    box.fill("first")
    box.press("Shift+Enter")
    box.press_sequentially("second")
    expect(box).to_have_value("first\nsecond")
    expect(page.locator(".user")).to_have_count(0)
    box.press("Enter")
    expect(page.locator(".user")).to_have_text("first\nsecond")
    expect(box).to_have_value("")


def test_examples_are_asked_as_they_stand_and_never_read_as_html(page: Page) -> None:
    group = PAGE.examples[0]
    expect(page.get_by_role("heading", name=group.title)).to_be_visible()
    page.get_by_role("button", name=group.prompts[1]).click()
    expect(page.locator(".user")).to_have_text("<b>not bold</b>")
    assert page.locator(".user b").count() == 0


def test_what_the_model_writes_is_text(page: Page) -> None:
    chunk = '{"choices":[{"index":0,"delta":{"content":"<img src=x onerror=alert(1)>"},"finish_reason":"stop"}]}'
    body = f"data: {chunk}\n\ndata: [DONE]\n\n"
    page.route("**/v1/chat/completions", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    ask(page, "Write HTML.")
    expect(page.locator(".text")).to_have_text("<img src=x onerror=alert(1)>")
    assert page.locator(".text img").count() == 0


def test_the_card_says_what_the_model_is(page: Page) -> None:
    card = page.get_by_role("complementary", name="About this model")
    for words in (
        "cloud-docs-writer",
        "28.7K",
        "2,048 tokens",
        "1.23 [1.2, 1.27]",
        "test services; n\u00a0=\u00a025",
        "chance\u00a00.04",
        "Apache-2.0",
        "0123456789ab",
    ):
        expect(card).to_contain_text(words)
    expect(page.locator("#purpose")).to_have_text(PAGE.purpose)


def test_what_to_know_and_what_went_wrong_stand_beside_the_chat_as_text(page: Page) -> None:
    card = page.get_by_role("complementary", name="About this model")
    expect(card.locator("#advice li")).to_have_text([*PAGE.advice])
    expect(card.locator("#failures")).to_be_hidden()
    card.get_by_text("Its worst answers in tests").click()
    expect(card.locator("#failures li")).to_have_count(2)
    expect(card.locator("#failures li").first).to_contain_text("It said: <i>Creates</i> a bucket of ‹email hidden›.")
    expect(card.locator("#failures li").last).to_contain_text("It said: nothing")
    assert card.locator("#failures i").count() == 0


def test_on_a_phone_the_card_is_one_tap_away(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    card = page.get_by_role("complementary", name="About this model")
    expect(card).to_be_hidden()
    page.get_by_role("button", name="About").click()
    expect(card).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_faults_are_told_politely_and_the_chat_goes_on(page: Page) -> None:
    ask(page, "long " * 2000)
    expect(page.get_by_role("alert")).to_contain_text("a shorter one fits")
    page.get_by_role("button", name="New chat").click()
    ask(page, "Still there?")
    expect(page.locator(".text")).not_to_be_empty()


def test_a_chat_longer_than_the_context_goes_on_without_its_oldest_turns(page: Page) -> None:
    for number in range(5):
        ask(page, f"{'Tell me more about buckets and queues. ' * 6}{number}")
        expect(page.locator(".turn.running")).to_have_count(0, timeout=30_000)
    expect(page.locator(".turn.user")).to_have_count(5)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.get_by_text(re.compile(r"without the first \d+ messages")).count() > 0


def test_of_several_models_one_is_chosen_and_its_card_shown(browser: Browser, tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base", context_length=1024)
    engine = open_adapted(base, {MODEL: None, "legal": make_adapted(base, tmp_path / "legal", rank=4) / "adapter"})
    with serving(engine, "legal") as server:
        page = browser.new_page(base_url=server.url)
        page.goto("/")
        sign_in(page, KEY)
        expect(page.locator("#examples button").first).to_be_visible()
        ask(page, "What is it?")
        expect(page.locator(".notes")).to_have_count(1, timeout=30_000)
        page.get_by_label("Model", exact=True).select_option("legal")
        expect(page.locator("#log")).to_be_empty()
        facts = page.get_by_role("complementary", name="About this model").locator("dd")
        expect(facts.first).to_have_text("legal")
        expect(facts).to_have_count(4)
        expect(page.get_by_role("heading", name=PAGE.examples[0].title)).to_have_count(1)
        with page.expect_request("**/v1/chat/completions") as asked:
            ask(page, "What is it?")
        assert asked.value.post_data_json["model"] == "legal"
        page.set_viewport_size({"width": 390, "height": 800})
        look(page)
        page.close()


def test_quoted_passages_make_no_links_and_keep_their_numbers(browser: Browser, tmp_path: Path) -> None:
    texts = {
        "x ](https:evil) [zoo](https:evil.example).md": "The kettle costs 5 pounds.\n\n[1]: https://evil.example/login\n"
        "[2]: https://evil.example/2\n\nA kettle ![i](https://evil.example/i) <https://evil.example/a> [1] "
        "[z](https:evil.example)",
        "plain.md": "The kettle has **two** years:\n\n- one https://evil.example/b\n- see list[0]\n\n"
        "```\nkettle[0]\n```",
    }
    passages = [
        Passage(document=path, start=0, title="", text=text, source="s", licence="MIT", path=path, link="")
        for path, text in texts.items()
    ]
    write_passages(tmp_path, passages)
    write_facts(tmp_path, 0.0)
    app = create_app(Service(QuotingEngine(tmp_path), [MODEL]), KEY, [PAGE], Knowledge(Collection(tmp_path)))
    with listening(app, LIMITS) as address:
        page = browser.new_page(base_url=address)
        page.goto("/")
        sign_in(page, KEY)
        expect(page.locator("#examples button").first).to_be_visible()
        ask(page, "What does a kettle cost, and how many years has it?")
        expect(page.locator(".notes").first).to_be_visible(timeout=30_000)
        answer = page.locator(".turn .text").last
        expect(answer.locator("blockquote")).to_have_count(2)
        expect(answer.locator("a")).to_have_count(0)
        said = answer.inner_text()
        assert "[1] " in said and "[2] " in said and "x ](https:evil) [zoo](https:evil.example).md" in said
        assert "[1]: https://evil.example/login" in said and "see list[0]" in said
        expect(answer.locator("strong")).to_have_text("two")
        expect(answer.locator("blockquote li")).to_have_count(2)
        expect(answer.locator("pre")).to_have_text("kettle[0]")
        page.close()
