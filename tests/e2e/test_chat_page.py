"""A longer use of the chat page, in a real browser: what stays, what is said, what can be done again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, Route, expect

from chat_families import write_family
from e2e.test_browser import Unhurried, ask, browser, sign_in
from live_server import KEY, MODEL, PAGE, Live, listening, serving
from lmworks.engines.open import open_decoder
from lmworks.knowledge.collection import Collection, Passage, write_facts, write_passages
from lmworks.model.folder import load_model
from lmworks.serve.app import create_app
from lmworks.serve.knowledge import Knowledge
from lmworks.serve.service import Service
from lmworks.tokens.tokenizer import open_tokenizer
from looks import look, looks
from scripted import Script
from tiny import make_tiny_model

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.slow
MARKDOWN = """**Bold**, `code`, [a link](https://example.com/a) and https://example.org/b.

## A heading

```python
print("<b>1</b>")
```

| name | bytes |
|---|---:|
| key | 12 |

1. one
   - two
"""
HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(1)</script> [a](javascript:alert(1)) [b](data:text/html,x) "
    "[c](/v1/models) ![d](https://evil.example/pixel.png) [![e](https://evil.example/f)](https://evil.example/g) "
    "<https://evil.example/h> [i](ftp://evil.example/i)"
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A model of so small a context that ten questions do not fit it."""
    folder = make_tiny_model(tmp_path_factory.mktemp("served") / "model", context_length=512)
    with serving(Unhurried(load_model(folder), open_tokenizer(folder))) as server:
        yield server


@pytest.fixture
def page(browser: Browser, live: Live) -> Iterator[Page]:
    """The chat page. Whatever it throws fails the test, and so does a request to anywhere else."""
    context = browser.new_context(base_url=live.url)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(live.url) else faults.append(request.url))
    page.goto("/")
    sign_in(page, KEY)
    expect(page.locator("#examples button").first).to_be_visible()
    yield page
    context.close()
    assert faults == []


def answers(page: Page, *texts: str) -> list[Any]:
    """Let the server's answers be these, the last of them ever after; returns the bodies that the page sends."""
    sent: list[Any] = []

    def answer(route: Route) -> None:
        sent.append(route.request.post_data_json)
        text = texts[min(len(sent), len(texts)) - 1]
        pieces = [text[start : start + 5] for start in range(0, len(text), 5)]
        chunks = [{"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
        body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
        route.fulfill(body=body + "data: [DONE]\n\n", content_type="text/event-stream")

    page.route("**/v1/chat/completions", answer)
    return sent


def ended(page: Page, count: int) -> None:
    expect(page.locator(".turn.user")).to_have_count(count, timeout=60_000)
    expect(page.locator(".turn.running")).to_have_count(0, timeout=60_000)


def stopped(page: Page, question: str, stop: Callable[[], None]) -> None:
    """Ask, and stop the answer when it has begun, which takes long enough for that."""
    with pytest.MonkeyPatch.context() as slower:
        slower.setattr(Unhurried, "pause", 0.2)
        ask(page, question)
        expect(page.locator(".running .text")).not_to_be_empty()
        stop()
        expect(page.locator(".turn.running")).to_have_count(0)


def test_ten_questions_in_a_row_a_stop_a_retry_an_edit_and_a_reload(page: Page) -> None:
    for number in range(10):
        page.get_by_label("Longest answer").fill("60")
        question = f"Question {number}: what does S3 CreateBucket do, and what may go wrong?"
        if number == 5:
            stopped(page, question, lambda: page.keyboard.press("Escape"))
        else:
            ask(page, question)
        ended(page, number + 1)
    assert page.get_by_role("alert").count() == 0
    log = page.locator("#log")
    assert log.evaluate("node => node.scrollHeight - node.scrollTop - node.clientHeight") < 2, "its end is seen"
    notes = page.locator(".notes")
    expect(notes).to_have_count(10)
    expect(notes.nth(0)).to_have_text(
        re.compile(r"^\d+ tokens · \d+ tokens/s · ended by the length limit of 60 tokens")
    )
    expect(notes.nth(5)).to_have_text(re.compile("stopped$"))
    expect(notes.nth(9)).to_have_text(re.compile(r"^without the first \d+ messages: they no longer fit"))
    page.get_by_role("button", name="Retry").click()
    ended(page, 10)
    expect(notes.nth(9)).to_contain_text("the same again: at temperature 0")
    page.get_by_role("button", name="Edit").nth(8).click()
    expect(page.get_by_label("Edit your question")).to_be_focused()
    page.get_by_label("Edit your question").fill("And what is a queue?")
    page.keyboard.press("Enter")
    ended(page, 9)
    expect(page.locator(".turn.user").nth(8)).to_have_text("And what is a queue?")
    shown = log.inner_text()
    page.reload()
    ended(page, 9)
    assert log.inner_text() == shown
    assert log.evaluate("node => node.scrollHeight - node.scrollTop - node.clientHeight") < 2, "its end is seen"
    assert page.get_by_role("alert").count() == 0
    stopped(page, "Still there?", page.get_by_role("button", name="Stop").click)
    ended(page, 10)
    expect(notes.nth(9)).to_have_text(re.compile(r"^without the first \d+ messages: .* · stopped$"))
    assert page.get_by_role("alert").count() == 0


def test_a_question_with_little_room_behind_it_is_answered_in_what_room_there_is(page: Page, live: Live) -> None:
    engine, text = live.service.engine, "bucket " * 20
    while engine.room(engine.encode([{"role": "user", "content": text + "bucket "}])) > 30:
        text += "bucket "
    ask(page, text.strip())
    ended(page, 1)
    expect(page.locator(".notes")).to_contain_text("ended by the end of the context")
    ask(page, text * 3)
    ended(page, 2)
    expect(page.get_by_role("alert")).to_contain_text("longer than the model’s context. Edit it")
    ask(page, "Short?")
    ended(page, 3)
    expect(page.get_by_role("alert")).to_have_count(1)


def test_what_was_asked_is_sent_with_what_was_answered_and_no_more(page: Page) -> None:
    sent = answers(page, "first", "second", "third", "fourth")
    for number, question in enumerate(("one", "two", "three"), 1):
        ask(page, question)
        ended(page, number)
    page.get_by_role("button", name="Edit").nth(1).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit").nth(1)).to_be_focused()
    expect(page.locator(".turn.user")).to_have_text(["one", "two", "three"])
    page.keyboard.press("Enter")
    page.get_by_label("Edit your question").fill("another two")
    page.keyboard.press("Enter")
    ended(page, 2)
    assert [(each["role"], each["content"]) for each in sent[3]["messages"]] == [
        ("user", "one"),
        ("assistant", "first"),
        ("user", "another two"),
    ]


def test_a_failed_question_stays_and_can_be_asked_again(page: Page) -> None:
    page.route("**/v1/chat/completions", lambda route: route.abort())
    ask(page, "Are you there?")
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached. Is it still running?")
    sent = answers(page, "Yes.")
    page.reload()
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached. Is it still running?")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".text")).to_have_text("Yes.")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".turn.user")).to_have_text("Are you there?")
    assert [each["content"] for each in sent[0]["messages"]] == ["Are you there?"]


def test_markdown_is_shown_and_copied_as_it_was_written(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answers(page, MARKDOWN)
    ask(page, "Show me.")
    ended(page, 1)
    text = page.locator(".text")
    expect(text.locator("strong")).to_have_text("Bold")
    expect(text.get_by_role("heading", level=2, name="A heading")).to_be_visible()
    expect(text.locator("pre code")).to_have_text('print("<b>1</b>")')
    expect(text.locator("td")).to_have_text(["key", "12"])
    expect(text.locator("td").nth(1)).to_have_css("text-align", "end")
    expect(text.locator("ol > li > ul > li")).to_have_text("two")
    for link in text.locator("a").all():
        expect(link).to_have_attribute("href", re.compile(r"^https://example\.(com/a|org/b)$"))
        expect(link).to_have_attribute("rel", "noopener noreferrer")
    text.get_by_role("button", name="Copy").click()
    expect(text.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == 'print("<b>1</b>")'
    page.locator(".turn > .actions").get_by_role("button", name="Copy").click()
    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == MARKDOWN


def test_an_answer_fetches_nothing_and_runs_nothing(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    answers(page, HOSTILE)
    ask(page, "Attack.")
    ended(page, 1)
    expect(page.locator(".text")).to_contain_text("<img src=x onerror=alert(1)><script>alert(1)</script>")
    assert page.locator(".text :is(img, script, b)").count() == 0
    links = [link.get_attribute("href") for link in page.locator(".text a").all()]
    assert links == ["https://evil.example/pixel.png", "https://evil.example/g", "https://evil.example/h"]


PIECES = [
    "**",
    "_",
    "`",
    "```\n",
    "~~",
    "[",
    "](",
    ")",
    "<",
    ">",
    "|",
    "\n",
    "\n\n",
    "- ",
    "1. ",
    "# ",
    "> ",
    "    ",
    "---",
]
PIECES += [
    "![",
    "javascript:",
    "data:text/html,",
    "https://a.example",
    "//b",
    "mailto:c@d.example",
    "&lt;",
    "&#0;",
    "\\",
    "\0",
]
PIECES += [
    "<img src=x onerror=alert(1)>",
    "<script>",
    "|a|b|\n|-|-:|\n",
    '" onclick="x',
    "[x]: https://y.example\n",
    "[y](tel:1)",
    "word ",
]
DANGEROUS = """text => {
  const place = document.createElement("div");
  let at = 0;
  while (at < text.length) show(text.slice(0, at += 9), place);
  const streamed = place.innerHTML;
  place.replaceChildren();
  show(text, place);
  const tags = ("p ul ol li blockquote hr br table thead tbody tr th td em strong s h2 h3 h4 h5 h6 "
    + "a code pre span div button").split(" ");
  const attributes = "class href title rel target start tabindex type".split(" ");
  const found = [...place.querySelectorAll("*")].filter((node) =>
    !tags.includes(node.localName) || node.getAttributeNames().some((name) => !attributes.includes(name))
    || (node.localName === "a" && !["http:", "https:", "mailto:"].includes(node.protocol)));
  return [found.map((node) => node.outerHTML), streamed === place.innerHTML];
}"""


@pytest.fixture
def shown(page: Page) -> Callable[[list[str]], list[tuple[list[str], bool]]]:
    """What of texts is shown that may not be, and whether they look the same when they come in parts."""
    page.evaluate(
        'import(new URL("page/markdown.js", location.href)).then(({ showMarkdown }) => (window.show = showMarkdown))'
    )
    return lambda texts: page.evaluate(f"texts => texts.map({DANGEROUS})", texts)


def test_what_is_read_already_stays_while_an_answer_grows(shown: object, page: Page) -> None:
    assert page.evaluate("""() => {
      const place = document.createElement("div");
      show("# One\\n\\nTwo", place);
      const [first, second] = place.children;
      show("# One\\n\\nTwo and more", place);
      return [place.children[0] === first, place.children[1] === second, place.textContent];
    }""") == [True, False, "OneTwo and more"]


@pytest.mark.parametrize("one", ["*a ", "> ", "- ", "[", "**a "])
def test_what_stands_in_each_other_without_end_is_shown_flat(shown: object, page: Page, one: str) -> None:
    depth = page.evaluate(
        """text => {
          const place = document.createElement("div");
          show(text, place);
          const deep = node => 1 + Math.max(0, ...[...node.children].map(deep));
          return deep(place);
        }""",
        one * 2_000 + "x" + " b*" * 2_000,
    )
    assert depth < 80


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=30).map("".join),
        min_size=10,
        max_size=25,
    )
)
def test_whatever_a_model_writes_only_harmless_elements_are_made(
    shown: Callable[[list[str]], list[tuple[list[str], bool]]], texts: list[str]
) -> None:
    for text, (dangerous, same) in zip(texts, shown(texts), strict=True):
        assert dangerous == [], text
        assert same, text


def test_settings_are_sent_kept_and_set_back(page: Page) -> None:
    sent = answers(page, "Yes.")
    card = page.get_by_role("complementary", name="About this model")
    for label, value in (("Temperature", "0.7"), ("Top-p", "0.9"), ("Longest answer", "33")):
        card.get_by_label(label).fill(value)
    card.get_by_label("Longest answer").press("Tab")
    page.reload()
    expect(card.get_by_label("Temperature")).to_have_value("0.7")
    ask(page, "Hello?")
    ended(page, 1)
    assert [sent[0][name] for name in ("temperature", "top_p", "max_tokens")] == [0.7, 0.9, 33]
    card.get_by_label("Temperature").fill("7")
    card.get_by_role("button", name="Reset").click()
    ask(page, "Hello?")
    ended(page, 2)
    assert [sent[1][name] for name in ("temperature", "top_p", "max_tokens")] == [0, 1, 400]


def test_an_answer_takes_a_third_of_a_small_context_where_nothing_is_chosen(browser: Browser, live: Live) -> None:
    service = Service(live.service.engine, [MODEL])
    with listening(create_app(service, KEY, [replace(PAGE, context_length=512)])) as address:
        page = browser.new_page(base_url=address)
        page.goto("/")
        sign_in(page, KEY)
        expect(page.locator("#examples button").first).to_be_visible()
        sent = answers(page, "Yes.")
        ask(page, "Hello?")
        ended(page, 1)
        assert sent[0]["max_tokens"] == 512 // 3, "so that a second question fits"
        page.close()


def test_a_longer_answer_leaves_half_of_the_context_to_the_chat_and_a_shorter_one_brings_it_back(page: Page) -> None:
    field = page.get_by_label("Longest answer")
    for number, limit in enumerate(("20", "430", "8")):
        field.fill(limit)
        ask(page, f"What is bucket {number}?")
        ended(page, number + 1)
    expect(page.locator(".notes").nth(1)).to_contain_text("without the first 2 messages")
    field.fill("8")
    page.get_by_role("button", name="Edit").nth(1).click()
    page.get_by_label("Edit your question").press("Enter")
    ended(page, 2)
    expect(page.locator(".notes").nth(1)).to_have_text(re.compile(r"^8 tokens"))
    field.fill("1025")
    with page.expect_request("**/v1/chat/completions") as asked:
        ask(page, "Hello?")
    expect(page.get_by_role("alert")).to_contain_text("Longest answer: Value must be less than or equal to 1024")
    assert asked.value.post_data_json["max_tokens"] == 400, "more than half of the context is not taken"
    page.keyboard.press("Escape")
    page.evaluate("localStorage.setItem('lmworks settings 1', JSON.stringify({ max_tokens: '9999' }))")
    page.reload()
    expect(field).to_have_value("")


def test_a_chat_is_kept_in_its_tab_alone_until_a_new_one_is_begun(page: Page) -> None:
    answers(page, "Kept.")
    ask(page, "Secret question")
    ended(page, 1)
    expect(page.locator("#kept")).to_have_text("Kept in this tab until you close it or press New chat.")
    assert "Secret" not in page.evaluate("JSON.stringify(localStorage)")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("#examples")).to_be_visible()
    expect(other.locator("#log")).to_be_empty()
    other.close()
    page.reload()
    expect(page.locator(".text")).to_have_text("Kept.")
    page.get_by_role("button", name="New chat").click()
    assert "Secret" not in page.evaluate("JSON.stringify(sessionStorage)")
    page.reload()
    expect(page.locator("#examples")).to_be_visible()
    expect(page.locator("#log")).to_be_empty()


def test_the_whole_page_is_used_by_keyboard(page: Page) -> None:
    answers(page, MARKDOWN)
    page.keyboard.type("By keyboard?")
    page.keyboard.press("Enter")
    ended(page, 1)
    expect(page.get_by_label("Message")).to_be_focused()
    reached = []
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        focused = page.locator("*:focus")
        name = focused.evaluate("node => node.textContent.trim() || node.id")
        ring = focused.evaluate("node => getComputedStyle(node).outlineStyle")
        reached.append(name)
        assert ring != "none", f"nothing shows that {name!r} has the focus"
        if name == "New chat":
            break
    for name in ("Retry", "Copy", "https://example.org/b", "Edit", "New chat"):
        assert name in reached
    page.keyboard.press("Enter")
    expect(page.locator("#log")).to_be_empty()
    expect(page.get_by_label("Message")).to_be_focused()


def test_the_licences_of_what_is_shipped_are_served(page: Page) -> None:
    found = page.evaluate("fetch('page/markdown-it.LICENSES.txt').then((answer) => answer.text())")
    assert found == (Path("src/lmworks/serve/page/markdown-it.LICENSES.txt")).read_text()


def test_axe_finds_nothing_from_the_sign_in_to_the_card(browser: Browser, live: Live) -> None:
    for page in looks(browser, live.url):
        look(page)
        sign_in(page, "wrong")
        expect(page.get_by_role("alert")).not_to_be_empty()
        look(page)
        sign_in(page, KEY)
        expect(page.locator("#examples button").first).to_be_visible()
        look(page)
        answers(page, MARKDOWN * 3)
        for number, question in enumerate(("Show me.", "And again?"), 1):
            ask(page, question)
            ended(page, number)
        look(page)
        page.get_by_role("button", name="Edit").first.click()
        look(page)
        page.keyboard.press("Escape")
        page.route("**/v1/chat/completions", lambda route: route.abort())
        ask(page, "Gone?")
        ended(page, 3)
        look(page)
        if page.get_by_role("button", name="About").is_visible():
            page.get_by_role("button", name="About").click()
            look(page)
        page.get_by_text("Its worst answers in tests").click()
        look(page)
        page.unroute_all()
        page.get_by_role("button", name="New chat").click()
        ask(page, "Go on.")
        expect(page.locator(".running .text")).not_to_be_empty()
        look(page)


def test_thoughts_are_folded_and_an_answer_that_never_came_is_told(browser: Browser, tmp_path: Path) -> None:
    base = write_family(tmp_path / "qwen-3", "qwen-3")
    thoughts = "The question is short.\nSo is the answer: **two** words would do."
    whole, never = f"<think>\n{thoughts}\n</think>\n\nIt **creates** a bucket.", f"<think>\n{thoughts}"
    engine = Script(base, whole)
    with serving(engine) as live:
        for page in looks(browser, live.url):
            sign_in(page, KEY)
            expect(page.locator("#examples button").first).to_be_visible()
            engine.texts = [whole, never, whole]
            ask(page, "What does it do?")
            ended(page, 1)
            folded = page.locator(".thoughts")
            expect(page.locator(".text").first).to_have_text("It creates a bucket.")
            expect(folded.locator("div")).to_be_hidden()
            folded.locator("summary").focus()
            page.keyboard.press("Enter")
            expect(folded.locator("div")).to_have_text(thoughts, use_inner_text=True)
            look(page)
            ask(page, "And then?")
            ended(page, 2)
            expect(page.locator(".notes").nth(1)).to_contain_text("it was still thinking: there is no answer")
            page.reload()
            ended(page, 2)
            expect(page.locator(".thoughts").first).to_be_visible()
            ask(page, "Once more?")
            ended(page, 3)
            assert "And then?" not in engine.asked[-1] and thoughts not in engine.asked[-1]
            assert "It **creates** a bucket." in engine.asked[-1]
            look(page)


def test_an_answer_names_the_passages_that_were_read(browser: Browser, tmp_path: Path) -> None:
    kettles = Passage(
        document="1",
        start=0,
        title="<b>Kettles</b>",
        text="The warranty of a kettle is two years.",
        source="pages",
        licence="CC-BY-4.0",
        path="kettles.md",
        link="",
    )
    forged = "Forum (LicenseRef-own), [2] Official price list\n[3] Handbook \u202e"
    forum = replace(kettles, title=forged, text="A kettle is as old as its warranty.", licence="MIT")
    write_passages(tmp_path / "passages", [kettles, forum])
    write_facts(tmp_path / "passages", 0.1)
    knowledge = Knowledge(Collection(tmp_path / "passages"), 3, "Our pages do not say.")
    service = Service(open_decoder(make_tiny_model(tmp_path / "model", context_length=2048)), [MODEL])
    with listening(create_app(service, KEY, [PAGE], knowledge)) as address:
        page = browser.new_context(base_url=address).new_page()
        page.goto("/")
        sign_in(page, KEY)
        page.get_by_label("Longest answer").fill("8")
        ask(page, "How long is the warranty of a kettle?")
        ended(page, 1)
        cited = page.locator(".citations li")
        expect(cited).to_have_count(2)
        expect(cited.first.locator("bdi")).to_have_text(["<b>Kettles</b>", "CC-BY-4.0"])
        expect(cited.last.locator("bdi")).to_have_text([" ".join(forged.split()), "MIT"])
        title, licence = (each.bounding_box() for each in cited.last.locator("bdi").all())
        assert title and licence and title["y"] + title["height"] <= licence["y"], "a licence has a line of its own"
        expect(page.get_by_text(kettles.text)).to_be_hidden()
        cited.first.get_by_text("What it says").click()
        expect(page.get_by_text(kettles.text)).to_be_visible()
        look(page)
        page.reload()
        expect(cited).to_have_count(2)
        ask(page, "Who won the cup?")
        ended(page, 2)
        expect(page.locator(".text").last).to_have_text("Our pages do not say.")
        page.context.close()
