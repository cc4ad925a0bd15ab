"""What the default filters take of planted garbage, and of good texts of many kinds, as one JSON line.

    python benchmarks/data/garbage.py [--texts UNPACKED ...] [--data DATA] [--half tuning] [--filters garbage]
        [--show 3] [--write GOOD] [--joined 4]

Good texts are those that are installed with this machine: manual pages, documentation and sources of packages, tables
in CSV files and in Markdown (`good_texts.py`). UNPACKED is a folder with more of them, made so:

    apt-get download debian-faq debian-faq-de debian-reference-de debian-reference-en debian-reference-id fortunes \\
        fortunes-min fortunes-de fortunes-es fortunes-it fortunes-pl fortunes-ru maint-guide maint-guide-de \\
        maint-guide-ja maint-guide-vi developers-reference developers-reference-de manpages manpages-de manpages-tr \\
        aptitude-doc-cs aptitude-doc-fi debian-handbook bible-kjv-text
    for each in *.deb; do dpkg-deb -x $each UNPACKED; done

DATA is a folder of published sets (WikiText-2, chats, Shakespeare). Files fall into a tuning and a held-out half by the
hash of their paths; the garbage of the two halves is made by different functions. Limits were set on the tuning half.
Shuffled, damaged and misread texts are made of good ones of their half, kind by kind in turn, of 60 words or more.
A share is printed with its number of texts; `reasons` says which rule took them. With `--joined` so many texts of a
kind make up one: filters look at parts of long texts.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from good_texts import Half, good_texts

from lmworks.data.quality.filters import Filter, FilterSettings, reasons_to_drop

Maker = Callable[[random.Random], str]

PLANTED = 240
"""Garbage a kind, at the most."""


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


_CONFUSED = dict(
    pair.split(":") for pair in str.split("l:1 o:0 e:c m:rn n:ri h:li a:o i:! t:f s:5 u:ii d:cl b:6 g:9 w:vv r:i")
)


def misread(text: str, draw: random.Random) -> str:
    """As by a poor scan: letters confused, words broken."""
    share = draw.uniform(0.2, 0.4)
    read = (_CONFUSED.get(letter, letter) if draw.random() < share else letter for letter in text)
    return "".join(letter + (" " if draw.random() < 0.06 else "") for letter in read)


_WARES = str.split(
    "cheap viagra casino poker loans replica watches pills discount pharmacy mortgage "
    "bonus jackpot insurance forex crypto slots hosting diet weight loss"
)


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


_OFFERS = str.split(
    "rolex gucci nike outlet seo backlinks tickets hotel flug billig kredit ohne schufa abnehmen "
    "potenzmittel handy vertrag gewinnspiel sofort kaufen download mp3 torrent keygen crack serial stream gratis"
)


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
HOSTS = (
    *("documentation, English", "documentation, German", "documentation, French", "documentation, Spanish"),
    *("documentation, packages", "prose"),
)


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
    settings = FilterSettings(languages=["en", "de"])
    verdicts = [reasons_to_drop(name, texts, settings) for name in names]
    first = [next(filter(None, some), None) for some in zip(*verdicts, strict=True)]
    reasons = Counter(reason for reason in first if reason)
    found: dict[str, object] = {"n": len(texts), "removed": round(reasons.total() / max(1, len(texts)), 4)}
    found["reasons"] = dict(reasons)
    if show:
        found["kept"] = [text[:300] for text, reason in zip(texts, first, strict=True) if not reason][:show]
    return found


def joined(texts: Sequence[str], number: int) -> list[str]:
    """So many texts after one another, from each text on."""
    return ["\n\n".join(texts[start : start + number]) for start in range(len(texts) - number + 1)]


def main() -> None:
    """Plant, filter, print."""
    parser = argparse.ArgumentParser(description="Measure what the filters take of garbage and of good texts.")
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--half", choices=["tuning", "held-out"], default="held-out")
    parser.add_argument("--write", type=Path, help="write the good texts, for clean_text.py")
    parser.add_argument("--filters", default="garbage")
    parser.add_argument("--joined", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="how many kept texts to print of each kind of garbage")
    options = parser.parse_args()
    good = good_texts(options.texts, options.data, options.half)
    if options.write:
        options.write.write_text(json.dumps(good, ensure_ascii=False))
    if options.joined > 1:
        good = {kind: joined(some, options.joined) for kind, some in good.items()}
    bad = garbage(good, options.half)
    for kind in ALONE[options.half]:
        bad[kind] = joined(bad[kind], options.joined)
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
