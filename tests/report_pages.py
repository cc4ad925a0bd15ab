"""A report as its readers meet it: first pages, what is read before anything is unfolded, and what is said twice."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

READERS = ("manager", "protection", "engineer")


class Pages(HTMLParser):
    """Of each section its first page's text; and all that is read before anything is unfolded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.first: dict[str, str] = dict.fromkeys(READERS, "")
        self.shown: dict[str, str] = dict.fromkeys(READERS, "")
        """Of each first page what is read before anything is unfolded."""
        self.unfolded = ""
        self.blocks: list[str] = [""]
        self.read: list[str] = [""]
        """Blocks that are read before anything is unfolded."""
        self.links: list[str] = []
        self.ids: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        body = text.partition("<body>")[2].partition("</body>")[0]
        self.feed(re.sub(r"(?s)<title>.*?</title>", "", body))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("p", "li", "td", "dd", "summary", "h3", "div", "figcaption", "svg", "text", "blockquote", "pre"):
            self.blocks.append("")
            self.read.append("")
        values = dict(attrs)
        self.links += [values["href"] or ""] if tag == "a" else []
        self.ids += [values["id"] or ""] if "id" in values else []
        if tag not in ("meta", "br"):
            self._open.append((tag, values))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        folded = [place for place, (tag, values) in enumerate(self._open) if tag == "details" and "open" not in values]
        is_summary = bool(folded) and tags[folded[0] + 1 :][:1] == ["summary"] and len(folded) == 1
        if not folded or is_summary:
            self.unfolded += f" {data}"
        reader = next((values["id"] for tag, values in self._open if values.get("class") == "reader"), None)
        if reader and any(values.get("class") == "first" for _, values in self._open):
            self.first[reader] += f"{data} "
            self.shown[reader] += f"{data} " if not folded or is_summary else ""
        if not {"blockquote", "pre", "svg", "td", "figcaption"} & set(tags) and not any(
            values.get("class") in ("answer", "rewriting") for _, values in self._open
        ):
            self.blocks[-1] += data
            self.read[-1] += data if not folded or is_summary else ""

    def of(self, reader: str) -> str:
        return re.sub(r" ([.,;:)])", r"\1", " ".join(self.first[reader].split())).replace("( ", "(")


def words(text: str) -> int:
    return len(text.split())


def too_long(page: Pages) -> dict[str, int]:
    """The first pages that nobody reads in a minute, with their words."""
    most = {"manager": 200, "protection": 350, "engineer": 350}
    return {reader: words(text) for reader, text in page.shown.items() if words(text) > most[reader]}


def said_twice(blocks: list[str]) -> list[str]:
    sentences = [sentence.strip(" .") for block in blocks for sentence in re.split(r"(?<=[.?!;])\s+", block)]
    told = Counter(" ".join(sentence.split()) for sentence in sentences)
    return [sentence for sentence, times in told.items() if times > 1 and words(sentence) >= 8]
