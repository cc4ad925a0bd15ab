"""Passages that are the answer: quoted with their numbers, or said not to be there, and no model writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from live_server import KEY, MODEL, PAGE, listening
from lmworks.knowledge.collection import Collection, Passage, write_facts, write_passages
from lmworks.knowledge.quoting import QuotingEngine, quoted
from lmworks.serve.app import create_app
from lmworks.serve.connections import LIMITS
from lmworks.serve.knowledge import Knowledge
from lmworks.serve.service import Service

PAGES = {
    "kettle.md": "Every kettle has a warranty of two years.\n\nKeep the receipt.",
    "lamp.md": "A used lamp can be returned within thirty days.",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    passages = [
        Passage(document=path, start=0, title="", text=text, source="pages", licence="MIT", path=path, link="")
        for path, text in PAGES.items()
    ]
    write_passages(tmp_path, passages)
    write_facts(tmp_path, 0.2)
    return tmp_path


def test_a_chat_is_answered_by_the_best_passages_with_their_numbers_and_citations(folder: Path) -> None:
    engine = QuotingEngine(folder)
    service = Service(engine, [MODEL])
    app = create_app(service, KEY, [PAGE], Knowledge(Collection(folder), 1, "Our pages do not say."))
    with listening(app, LIMITS) as address:
        import openai

        client = openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)

        def ask(question: str) -> openai.types.chat.ChatCompletion:
            return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": question}])

        found = ask("How long is the warranty of a kettle?")
        said = found.choices[0].message.content
        assert said == "[1] kettle.md\n\n> Every kettle has a warranty of two years.\n>\n> Keep the receipt."
        assert found.model_extra and found.model_extra["found"]
        assert [each["path"] for each in found.model_extra["citations"]] == ["kettle.md"]
        absent = ask("Which kettle did Napoleon's horse Marengo drink from at Waterloo in June?")
        assert absent.choices[0].message.content == "Our pages do not say."
        assert absent.model_extra and not absent.model_extra["found"]
        assert [each["path"] for each in absent.model_extra["citations"]] == ["kettle.md"], "the nearest is cited"


def test_rows_of_a_file_are_answered_by_passages(folder: Path) -> None:
    engine = QuotingEngine(folder)
    (answer,) = engine.generate([engine.encode([{"role": "user", "content": "a used lamp"}])], [])
    assert answer.text.startswith("[1] lamp.md\n\n> A used lamp")


@pytest.mark.parametrize("start", ["", "  ", "> ", "- ", "1. ", "text\n\n> * "])
@pytest.mark.parametrize("label", ["[1]", "[\n1\n]", "[a\\]b]"])
def test_a_passage_defines_no_link_of_the_answer(start: str, label: str) -> None:
    text = f"{start}{label}: https://evil.example/login"
    passage = Passage(
        document="a", start=0, title="", text=text, source="pages", licence="MIT", path="x ](b) [z](c).md", link=""
    )
    said = quoted([passage])
    assert said.startswith(r"[1] x \](b) \[z\](c).md" + "\n\n> ")
    first = label.splitlines()[0]
    assert f"\\{first}" in said and said.replace("\\[", "[").endswith("https://evil.example/login")


def test_other_brackets_of_a_passage_stay_as_they_are() -> None:
    text = "def f() -> list[int]:\n    return [1]\n\n[section]\nSee [the page](https://example.com)."
    passage = Passage(document="a", start=0, title="", text=text, source="s", licence="MIT", path="a.md", link="")
    assert "\\" not in quoted([passage])
