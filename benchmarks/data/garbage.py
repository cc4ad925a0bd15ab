"""What the default filters take of planted garbage, and of good texts of many kinds, as one JSON line.

    python benchmarks/data/garbage.py [--texts UNPACKED] [--data DATA] [--half tuning] [--filters garbage] [--show 3]
        [--write GOOD]

Good texts are those that are installed with this machine: manual pages, documentation and sources of packages, tables
in CSV files and in Markdown. UNPACKED is a folder with more of them, made so:

    apt-get download debian-faq debian-faq-de debian-reference-de debian-reference-en debian-reference-id fortunes \\
        fortunes-min fortunes-de fortunes-es fortunes-it fortunes-pl fortunes-ru maint-guide maint-guide-de \\
        maint-guide-ja maint-guide-vi developers-reference developers-reference-de manpages manpages-de manpages-tr \\
        aptitude-doc-cs aptitude-doc-fi debian-handbook bible-kjv-text
    for each in *.deb; do dpkg-deb -x $each UNPACKED; done

DATA is a folder of published sets (WikiText-2, chats, Shakespeare). Files fall into a tuning and a held-out half by the
hash of their paths; the garbage of the two halves is made by different functions. Limits were set on the tuning half.
Shuffled, damaged and misread texts are made of good ones of their half, English and German in turn.
A share is printed with its number of texts; `reasons` says which rule took them.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import html
import json
import random
import re
import string
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from lmworks.data.quality.filters import Filter, FilterSettings, reasons_to_drop

Half = Literal["tuning", "held-out"]
Maker = Callable[[random.Random], str]

MOST, PLANTED = 400, 240
"""Good texts a kind, garbage a kind, at the most."""
LEAST_CHARACTERS, MOST_CHARACTERS = 300, 4000
LEAST_SHORT = 120
"""Poems and chats may be shorter."""
_ROFF = re.compile(r"\\f[A-Z]|\\f\(..|\\&|\\\||\\:|\\/|\\,")
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_TABLE = re.compile(r"(?:^ *\|.*\|[ \t]*\n){4,}", re.MULTILINE)
_DOC_STRING = re.compile(r'"""(.{300,}?)"""', re.DOTALL)


# ---------------------------------------------------------------- good texts


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


def unpacked(texts: Path, half: Half) -> Iterator[tuple[str, str]]:
    """Kind and text of what Debian's packages hold."""
    share, books = texts / "usr/share", texts / "usr/share/doc"
    for path in by_suffix([share / "man"], half, ".gz"):
        place = path.relative_to(share / "man").parts[0]
        kind = {"de": "documentation, German", "tr": "other languages"}.get(place, "documentation, English")
        for text in few(pieces(plain_manual(read(path))), 2):
            yield kind, text
    kinds = {"de": "documentation, German", "en": "documentation, English"}
    for path in by_suffix([share], half, ".html"):
        found = re.search(
            r"[./-](de|en|fr|es|it|pl|pt|nl|ru|tr|vi|ja|id|cs|fi|sv|da|nb|hr|ro|ca|el|zh|ko|ar|fa)(?:-[A-Z]{2})?[./]",
            str(path),
        )
        kind = kinds.get(found[1] if found else "en", "other languages")
        for text in few(pieces(plain_page(read(path))), 2):
            yield kind, text
    for path in by_suffix([books], half, ".txt.gz"):
        language = path.name.split(".")[-3]
        for text in few(pieces(read(path)), 60):
            yield kinds.get(language, "other languages"), text
    yield from sayings(share / "games/fortunes", half)


ITALIAN = [
    "definizioni",
    "formiche",
    "italia",
    "itatrek",
    "jackfr",
    "leggi",
    "lercio",
    "luke",
    "luttazzi",
    "norm",
    "paolotedeschi",
    "salvo",
    "zuse",
]


def sayings(folder: Path, half: Half) -> Iterator[tuple[str, str]]:
    """Kind and text of collections of sayings, poems and talk: each is of one half by its own hash."""
    for path in sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.suffix.startswith((".dat", ".u8")) and "off" not in path.parts
    ):
        if path.name in ("asciiart", "art", "ascii-art", "translate-me", "vornamen", "namen", "woerterbuch"):
            continue
        kind = "prose"
        if path.parent.name in ("es", "it", "pl", "ru") or path.name in ITALIAN:
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


def good_texts(texts: Path | None, data: Path | None, half: Half) -> dict[str, list[str]]:
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
    for some_kinds in (unpacked(texts, half) if texts else (), published(data, half) if data else ()):
        for kind, text in some_kinds:
            found[kind].append(text)
    draw = random.Random(half)
    return {kind: draw.sample(some, min(MOST, len(some))) for kind, some in sorted(found.items())}


# ---------------------------------------------------------------- garbage, tuning half


def in_lines(words: Sequence[str], draw: random.Random) -> str:
    """Words in lines of some length."""
    width = draw.choice((8, 12, 20, 10_000))
    return "\n".join(" ".join(words[start : start + width]) for start in range(0, len(words), width))


def random_letters(draw: random.Random) -> str:
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 10))) for _ in range(draw.randint(30, 300))]
    return in_lines(words, draw)


_KEYS = ("qwertyuiop", "asdfghjkl;", "zxcvbnm,./")


def mash(draw: random.Random) -> str:
    """Runs of neighbouring keys."""
    words = []
    for _ in range(draw.randint(30, 250)):
        row, place, word = draw.choice((0, 1, 1, 1, 2)), draw.randrange(10), ""
        for _ in range(draw.randint(3, 14)):
            word += _KEYS[row][place]
            place = min(9, max(0, place + draw.choice((-2, -1, 1, 1, 2))))
        words.append(word)
    return in_lines(words, draw)


def numbers(draw: random.Random) -> str:
    return in_lines([str(draw.randrange(10 ** draw.randint(1, 9))) for _ in range(draw.randint(40, 300))], draw)


def shuffled(text: str, draw: random.Random) -> str:
    words = text.split()
    draw.shuffle(words)
    return " ".join(words)


def damaged(text: str, draw: random.Random) -> str:
    """Letters that no longer can be read."""
    share = draw.uniform(0.03, 0.15)
    return "".join("\ufffd" if letter.isalpha() and draw.random() < share else letter for letter in text)


_CONFUSED = {
    "l": "1",
    "o": "0",
    "e": "c",
    "m": "rn",
    "n": "ri",
    "h": "li",
    "a": "o",
    "i": "!",
    "t": "f",
    "s": "5",
    "u": "ii",
    "d": "cl",
    "b": "6",
    "g": "9",
    "w": "vv",
    "r": "i",
}


def misread(text: str, draw: random.Random) -> str:
    """As by a poor scan: letters confused, words broken."""
    share = draw.uniform(0.2, 0.4)
    read = (_CONFUSED.get(letter, letter) if draw.random() < share else letter for letter in text)
    return "".join(letter + (" " if draw.random() < 0.06 else "") for letter in read)


_WARES = [
    "cheap",
    "viagra",
    "casino",
    "poker",
    "loans",
    "replica",
    "watches",
    "pills",
    "discount",
    "pharmacy",
    "mortgage",
    "bonus",
    "jackpot",
    "insurance",
    "forex",
    "crypto",
    "slots",
    "hosting",
    "diet",
    "weight",
    "loss",
]


def spam(draw: random.Random) -> str:
    """Key words in all combinations."""
    found = []
    for _ in range(draw.randint(30, 120)):
        words = draw.sample(_WARES, draw.randint(2, 3))
        found.append(
            " ".join(
                [
                    draw.choice(("buy", "best", "cheap", "online", "free", "get")),
                    *words,
                    draw.choice(("online", "now", "usa", "2024", "no prescription")),
                ]
            )
        )
    return draw.choice((", ", " ", " | ")).join(found)


# ---------------------------------------------------------------- garbage, tuning half, of other kinds


def other_letters(draw: random.Random) -> str:
    """Sentences of random words; of letters in even shares, or in those of English."""
    weights = draw.choice(
        (None, [8, 1.5, 3, 4, 13, 2, 2, 6, 7, 0.2, 0.8, 4, 2.5, 7, 7.5, 2, 0.1, 6, 6.3, 9, 2.8, 1, 2.4, 0.2, 2, 0.1])
    )
    found = []
    for _ in range(draw.randint(5, 40)):
        words = [
            "".join(draw.choices(string.ascii_lowercase, weights, k=draw.randint(1, 12)))
            for _ in range(draw.randint(4, 18))
        ]
        found.append(" ".join(words).capitalize() + draw.choice(".!?"))
    return draw.choice((" ", "\n", "\n\n")).join(found)


def other_mash(draw: random.Random) -> str:
    """Two hands in turn on a German keyboard, with fragments that come again."""
    left, right = "qwertasdfgyxcvb", "zuiophjklnm"
    fragments = [
        "".join(draw.choice(left if number % 4 < 2 else right) for number in range(draw.randint(3, 6)))
        for _ in range(12)
    ]
    words = ["".join(draw.choices(fragments, k=draw.randint(1, 3))) for _ in range(draw.randint(40, 200))]
    return in_lines([word.upper() if draw.random() < 0.05 else word for word in words], draw)


def other_numbers(draw: random.Random) -> str:
    """Amounts, dates and telephone numbers in lines of any length."""
    makers: list[Maker] = [
        lambda draw: f"{draw.uniform(0, 10**5):.2f}",
        lambda draw: f"{draw.randint(1, 28)}.{draw.randint(1, 12)}.{draw.randint(1990, 2030)}",
        lambda draw: f"0{draw.randint(10, 999)}/{draw.randint(10**5, 10**7)}",
        lambda draw: f"-{draw.random():.6f}",
        lambda draw: f"{draw.randrange(16**6):06x}",
    ]
    lines = [
        " ".join(draw.choice(makers)(draw) for _ in range(draw.randint(1, 12))) for _ in range(draw.randint(8, 40))
    ]
    return "\n".join(lines)


def other_shuffled(text: str, draw: random.Random) -> str:
    """Words in another order, some texts without capitals and marks, in lines."""
    words = text.split()
    draw.shuffle(words)
    if draw.random() < 0.5:
        words = [word for word in (re.sub(r"\W+", "", each).lower() for each in words) if word]
    return in_lines(words, draw)


def other_damaged(text: str, draw: random.Random) -> str:
    """Read in a wrong encoding, once or twice, or every letter beyond ASCII lost."""
    how = draw.choice(("latin", "dos", "twice", "lost"))
    text = re.sub(r"'", "’", re.sub(r'"(\w)', r"“\1", text)).replace(" - ", " – ")
    text = "".join(draw.choice("äöüéèßñ") if letter in "aeou" and draw.random() < 0.15 else letter for letter in text)
    if how == "lost":
        return text.encode("latin-1", "replace").decode("utf-8", "replace")
    for _ in range(1 + (how == "twice")):
        text = text.encode().decode("cp437" if how == "dos" else "cp1252", "replace")
    return text


def other_misread(text: str, draw: random.Random) -> str:
    """Letters lost, doubled, exchanged with their neighbours or with any sign."""
    share, found = draw.uniform(0.15, 0.3), list(text)
    for place, letter in enumerate(found):
        if letter.isspace() or draw.random() > share:
            continue
        match draw.randrange(4):
            case 0:
                found[place] = ""
            case 1:
                found[place] = letter + draw.choice(string.ascii_letters)
            case 2:
                found[place - 1], found[place] = found[place], found[place - 1]
            case _:
                found[place] = draw.choice(string.ascii_letters + string.digits + ".,;:|~^*")
    return "".join(found)


_OFFERS = [
    "rolex",
    "gucci",
    "nike",
    "outlet",
    "seo",
    "backlinks",
    "tickets",
    "hotel",
    "flug",
    "billig",
    "kredit",
    "ohne",
    "schufa",
    "abnehmen",
    "potenzmittel",
    "handy",
    "vertrag",
    "gewinnspiel",
    "sofort",
    "kaufen",
    "download",
    "mp3",
    "torrent",
    "keygen",
    "crack",
    "serial",
    "stream",
    "gratis",
]


def other_spam(draw: random.Random) -> str:
    """Tags, or addresses of shops, a line each or in one."""
    found = []
    for _ in range(draw.randint(40, 120)):
        words = draw.sample(_OFFERS, draw.randint(1, 3))
        found.append(
            draw.choice(
                ("#" + "".join(words), " ".join(words), f"www.{'-'.join(words)}.{draw.choice(('biz', 'info', 'xyz'))}")
            )
        )
    return draw.choice((" ", "\n", " * ", " >> ")).join(found)


# ---------------------------------------------------------------- garbage, held-out half


def third_letters(draw: random.Random) -> str:
    """Runs without vowels, runs of letters and digits, letters with their accents."""
    letters = draw.choice(
        ("bcdfghjklmnpqrstvwxz", string.ascii_letters + string.digits, "abcdefghijklmnopqrstuvwxyzäöüßéè")
    )
    words = ["".join(draw.choices(letters, k=1 + int(draw.expovariate(0.18)))) for _ in range(draw.randint(40, 250))]
    return in_lines(words, draw)


def third_mash(draw: random.Random) -> str:
    """Columns of keys, keys held down, the same few runs again."""
    columns = ("qaz", "wsx", "edc", "rfv", "tgb", "yhn", "ujm")
    makers: list[Maker] = [
        lambda draw: "".join(draw.choices(columns, k=draw.randint(1, 3))),
        lambda draw: "".join(letter * draw.randint(2, 7) for letter in draw.sample("asdfghjkl", 3)),
        lambda draw: draw.choice(("asdf", "jkl", "asdfjkl", "fdsa", "lkjh", "qwer", "uiop")),
    ]
    return in_lines([draw.choice(makers)(draw) for _ in range(draw.randint(40, 200))], draw)


def third_numbers(draw: random.Random) -> str:
    """Times, shares, powers and groups of digits."""
    makers: list[Maker] = [
        lambda draw: f"{draw.randrange(24):02d}:{draw.randrange(60):02d}",
        lambda draw: f"{draw.uniform(0, 100):.1f}%",
        lambda draw: f"{draw.random():.3e}",
        lambda draw: f"{draw.randrange(1000)} {draw.randrange(1000):03d} {draw.randrange(1000):03d}",
    ]
    return in_lines([draw.choice(makers)(draw) for _ in range(draw.randint(40, 200))], draw)


def third_shuffled(text: str, draw: random.Random) -> str:
    """Words shuffled within each line, or those of a text drawn with replacement."""
    if draw.random() < 0.5:
        words = text.split()
        return in_lines(draw.choices(words, k=len(words)), draw)
    return "\n".join(" ".join(draw.sample(words, len(words))) for line in text.split("\n") for words in [line.split()])


def third_damaged(text: str, draw: random.Random) -> str:
    """Runs of lost letters, or accents read in a wrong encoding."""
    if draw.random() < 0.5:
        words = text.split(" ")
        return " ".join("\ufffd" * len(word) if draw.random() < 0.08 else word for word in words)
    text = "".join(draw.choice("äöüéáñçß") if letter in "aeiou" and draw.random() < 0.1 else letter for letter in text)
    return text.encode().decode(draw.choice(("cp1252", "latin-1")), "replace")


def third_misread(text: str, draw: random.Random) -> str:
    """Words run together, letters taken for others of about their form."""
    share, forms = draw.uniform(0.2, 0.35), ("acoe", "bhkd", "ijlt1", "mnwuv", "gqpy9", "fr7", "sz5", "xk")
    likes = {letter: form.replace(letter, "") for form in forms for letter in form}
    found = "".join(draw.choice(likes[each]) if each in likes and draw.random() < share else each for each in text)
    return re.sub(" ", lambda space: "" if draw.random() < 0.15 else " ", found)


def third_spam(draw: random.Random) -> str:
    """The same offers over and over, with prices and addresses."""
    wares = draw.sample(_WARES + _OFFERS, 12)
    lines = [
        f"{draw.choice(('SALE', 'HOT', 'NEW', 'TOP'))} {' '.join(draw.sample(wares, 3))} ${draw.randint(1, 99)} "
        f"{draw.choice(('click', 'call', 'order'))} http://{draw.choice(wares)}-{draw.choice(wares)}.biz"
        for _ in range(draw.randint(20, 80))
    ]
    return draw.choice((" ", "\n", " * ")).join(lines)


Spoiler = Callable[[str, random.Random], str]
ALONE: dict[Half, dict[str, Sequence[Maker]]] = {
    "tuning": {
        "random letters": (random_letters, other_letters),
        "keyboard mash": (mash, other_mash),
        "numbers": (numbers, other_numbers),
        "spam lists": (spam, other_spam),
    },
    "held-out": {
        "random letters": (third_letters,),
        "keyboard mash": (third_mash,),
        "numbers": (third_numbers,),
        "spam lists": (third_spam,),
    },
}
OF_TEXTS: dict[Half, dict[str, Sequence[Spoiler]]] = {
    "tuning": {
        "shuffled words": (shuffled, other_shuffled),
        "damaged text": (damaged, other_damaged),
        "misread text": (misread, other_misread),
    },
    "held-out": {
        "shuffled words": (third_shuffled,),
        "damaged text": (third_damaged,),
        "misread text": (third_misread,),
    },
}
HOSTS = ("documentation, English", "documentation, German", "documentation, packages", "prose")


def garbage(good: dict[str, list[str]], half: Half) -> dict[str, list[str]]:
    """Garbage by kind."""
    draw = random.Random(f"garbage {half}")
    found = {
        kind: [makers[number % len(makers)](draw) for number in range(PLANTED)] for kind, makers in ALONE[half].items()
    }
    hosts = [[text for text in good.get(kind, ()) if len(text.split()) >= 60] for kind in HOSTS]
    hosts = [each for each in hosts if each]
    for kind, spoilers in OF_TEXTS[half].items():
        found[kind] = [
            spoilers[number // len(hosts) % len(spoilers)](draw.choice(hosts[number % len(hosts)]), draw)
            for number in range(PLANTED)
        ]
    return found


# ---------------------------------------------------------------- judging


def judge(texts: Sequence[str], names: Sequence[Filter], show: int) -> dict[str, object]:
    """The share that goes, with n, and why."""
    settings = FilterSettings(("en", "de"))
    verdicts = [reasons_to_drop(name, texts, settings) for name in names]
    first = [next(filter(None, some), None) for some in zip(*verdicts, strict=True)]
    reasons = Counter(reason for reason in first if reason)
    found: dict[str, object] = {"n": len(texts), "removed": round(reasons.total() / max(1, len(texts)), 4)}
    found["reasons"] = dict(reasons)
    if show:
        found["kept"] = [text[:300] for text, reason in zip(texts, first, strict=True) if not reason][:show]
    return found


def main() -> None:
    """Plant, filter, print."""
    parser = argparse.ArgumentParser(description="Measure what the filters take of garbage and of good texts.")
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--half", choices=["tuning", "held-out"], default="held-out")
    parser.add_argument("--write", type=Path, help="write the good texts, for clean_text.py")
    parser.add_argument("--filters", default="garbage")
    parser.add_argument("--show", type=int, default=0, help="how many kept texts to print of each kind of garbage")
    options = parser.parse_args()
    good = good_texts(options.texts, options.data, options.half)
    if options.write:
        options.write.write_text(json.dumps(good, ensure_ascii=False))
    bad = garbage(good, options.half)
    names = options.filters.split(",")
    everything = [text for some in good.values() for text in some]
    judge(everything[:1], names, 0)  # loads models
    started = time.process_time()
    judge(everything, names, 0)
    seconds = time.process_time() - started
    found = {
        "half": options.half,
        "filters": names,
        "garbage": {kind: judge(texts, names, options.show) for kind, texts in bad.items()},
        "good": {kind: judge(texts, names, 0) for kind, texts in good.items()},
        "megabytes_a_second": round(sum(len(text.encode()) for text in everything) / 1e6 / max(seconds, 1e-9), 1),
    }
    print(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    main()
