"""Good texts of many kinds, of two halves: what no filter should take.

Files fall into a tuning and a held-out half by the hash of their paths.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import json
import random
import re
import sysconfig
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

Half = Literal["tuning", "held-out"]

MOST = 400
"""Texts a kind, at the most."""
LEAST_CHARACTERS, MOST_CHARACTERS = 300, 4000
LEAST_SHORT = 120
"""Poems and chats may be shorter."""
LANGUAGES = {"de": "German", "en": "English", "fr": "French", "es": "Spanish"}
"""Those with a kind of their own."""
_ROFF = re.compile(r"\\f[A-Z]|\\f\(..|\\&|\\\||\\:|\\/|\\,")
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_TABLE = re.compile(r"(?:^ *\|.*\|[ \t]*\n){4,}", re.MULTILINE)
_DOC_STRING = re.compile(r'"""(.{300,}?)"""', re.DOTALL)
_LANGUAGE = re.compile(
    r"[./_-](de|en|fr|es|it|pl|pt|nl|ru|tr|vi|ja|id|cs|fi|sv|da|nb|hr|ro|ca|el|zh|ko|ar|fa)(?:[-_][A-Z]{2})?[./]"
)


def half_of(path: Path) -> Half:
    """The half that a file belongs to."""
    return "tuning" if hashlib.sha256(str(path).encode()).digest()[0] % 2 else "held-out"


def read(path: Path) -> str:
    """The text of a file, plain or in gzip."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "ignore")


def pieces(text: str, least: int = LEAST_CHARACTERS) -> Iterator[str]:
    """Parts of a text of about a page, cut at empty lines."""
    held: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        held.append(block.strip("\n"))
        if sum(map(len, held)) > MOST_CHARACTERS / 2:
            yield "\n\n".join(held)[: 2 * MOST_CHARACTERS]
            held = []
    if sum(map(len, held)) >= least:
        yield "\n\n".join(held)


def plain_manual(text: str) -> str:
    """The words of a page in roff."""
    lines = []
    for line in text.splitlines():
        if line.startswith((".\\", "'\\", ".so", ".TH", ".ie", ".el", ".de", ".if", ".ds")):
            continue
        if line.startswith("."):
            name, _, rest = line[1:].partition(" ")
            line = f"\n{rest}" if name in ("SH", "SS", "PP", "TP", "IP", "P", "LP") else rest.replace('"', "")
        lines.append(_ROFF.sub("", line).replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\e", "\\"))
    return "\n".join(lines)


def plain_page(text: str) -> str:
    """The words of a page in HTML."""
    return re.sub(r"\n{3,}", "\n\n", html.unescape(_TAG.sub("", text)))


def roots() -> list[Path]:
    """Where packages are installed."""
    found = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    return [
        each
        for each in (*dict.fromkeys(found), Path("/usr/share"), Path("/usr/lib"), Path("/usr/include"))
        if each.exists()
    ]


def by_suffix(folders: Sequence[Path], half: Half, *suffixes: str) -> Iterator[Path]:
    """Files of one half in a random order that stays."""
    found = {path for folder in folders for path in folder.rglob("*") if path.name.endswith(suffixes)}
    files = [path for path in found if half_of(path) == half and path.is_file() and not path.is_symlink()]
    yield from sorted(files, key=lambda path: hashlib.sha256(str(path).encode()).digest())


def few(texts: Iterator[str], most: int = 3) -> Iterator[str]:
    """The first texts of one file, so that no file makes up a kind."""
    for _, text in zip(range(most), texts, strict=False):
        yield text


def documentation(half: Half) -> Iterator[str]:
    for path in by_suffix(roots(), half, ".rst", ".md", ".txt"):
        if "licen" not in str(path).lower() and path.stat().st_size < 10**6:
            yield from few(pieces(read(path)))


def doc_strings(half: Half) -> Iterator[str]:
    for path in by_suffix(roots()[:2], half, ".py"):
        yield from few(iter(_DOC_STRING.findall(read(path))))


def code(half: Half) -> Iterator[str]:
    for suffix in (".py", ".js", ".c", ".h", ".hpp", ".sh", ".css", ".pm", ".json", ".sql", ".html", ".yaml"):
        number = 0
        for path in by_suffix(roots(), half, suffix):
            if 300 < path.stat().st_size < 10**6 and number < MOST // 8:
                for text in few(pieces(read(path)), 2):
                    number += 1
                    yield text


def tables(half: Half) -> Iterator[str]:
    for path in by_suffix(roots(), half, ".csv", ".tsv", ".csv.gz", ".tab"):
        rows = read(path).splitlines()[:400]
        for start in range(0, len(rows), 40):
            yield "\n".join(rows[start : start + 40])[:MOST_CHARACTERS]
            if start >= 80:
                break
    for path in by_suffix(roots(), half, ".md"):
        yield from few(iter(found.group() for found in _TABLE.finditer(read(path))))
    for path in by_suffix(roots(), half, ".csv"):  # the same as Markdown
        rows = [row for _, row in zip(range(25), csv.reader(read(path).splitlines()), strict=False)]
        yield "\n".join(f"| {' | '.join(row)} |" for row in rows)[:MOST_CHARACTERS]


def kind_of(language: str) -> str:
    return f"documentation, {LANGUAGES[language]}" if language in LANGUAGES else "other languages"


def unpacked(texts: Path, half: Half) -> Iterator[tuple[str, str]]:
    """Kind and text of what Debian's packages hold."""
    share = texts / "usr/share"
    for path in by_suffix([share / "man"], half, ".gz"):
        place = path.relative_to(share / "man").parts[0]
        for text in few(pieces(plain_manual(read(path))), 2):
            yield kind_of("en" if place.startswith("man") else place), text
    for path in by_suffix([share], half, ".html"):
        found = _LANGUAGE.search(str(path))
        for text in few(pieces(plain_page(read(path))), 2):
            yield kind_of(found[1] if found else "en"), text
    for path in by_suffix([share / "doc"], half, ".txt.gz"):
        for text in few(pieces(read(path)), 60):
            yield kind_of(path.name.split(".")[-3]), text
    yield from sayings(share / "games/fortunes", half)


FOREIGN = str.split("definizioni formiche italia itatrek jackfr leggi lercio luke luttazzi norm paolotedeschi salvo")
FOREIGN += str.split("zuse es it pl ru brasil cs cz sk eo bg")
NO_TEXTS = str.split("asciiart art ascii-art translate-me vornamen namen woerterbuch")


def sayings(folder: Path, half: Half) -> Iterator[tuple[str, str]]:
    """Kind and text of collections of sayings, poems and talk: each is of one half by its own hash."""
    for path in sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.suffix.startswith((".dat", ".u8")) and "off" not in path.parts
    ):
        if path.name in NO_TEXTS:
            continue
        kind = "prose"
        if path.parent.name in FOREIGN or path.name in FOREIGN:
            kind = "other languages"
        elif path.name in ("gedichte", "songs-poems"):
            kind = "poems"
        elif path.name in ("channel-debian.fortunes", "knghtbrd", "debian", "infodrom"):
            kind = "chats"
        every = [text for each in re.split(r"\n%\n", read(path)) if half_of(Path(text := each.strip("\n"))) == half]
        size = 1 if kind in ("poems", "chats") else 5
        for start in range(0, len(every), size):
            text = "\n\n".join(every[start : start + size])
            if len(text) >= (LEAST_CHARACTERS if size > 1 else LEAST_SHORT):
                yield kind, text


def published(data: Path, half: Half) -> Iterator[tuple[str, str]]:
    """Kind and text of published sets."""
    lines = (data / "wikitext2-raw" / f"wiki.{'valid' if half == 'tuning' else 'test'}.raw").read_text().splitlines()
    for line in lines:
        if len(line) >= LEAST_CHARACTERS:
            yield "prose", line.strip()
    for number, text in enumerate(re.split(r"\n\n", (data / "tiny-shakespeare" / "input.txt").read_text())):
        if len(text) >= LEAST_SHORT and (number % 2 == 1) == (half == "tuning"):
            yield "plays", text
    for path in sorted((data / "hh-rlhf-harmless").glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines()):
            text = str(json.loads(line)["chosen"])
            if len(text) >= LEAST_SHORT and (number % 2 == 1) == (half == "tuning"):
                yield "chats", text.strip()


def good_texts(texts: Sequence[Path], data: Path | None, half: Half) -> dict[str, list[str]]:
    """Good texts by kind."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind, some in (
        ("documentation, packages", documentation(half)),
        ("documentation, doc strings", doc_strings(half)),
        ("code", code(half)),
        ("tables", tables(half)),
    ):
        for _, text in zip(range(MOST), some, strict=False):
            found[kind].append(text)
    for some_kinds in (*(unpacked(folder, half) for folder in texts), published(data, half) if data else ()):
        for kind, text in some_kinds:
            found[kind].append(text)
    draw = random.Random(half)
    return {kind: draw.sample(some, min(MOST, len(some))) for kind, some in sorted(found.items())}
