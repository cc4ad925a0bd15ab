"""Erase people from mail, tables, Word files and chats of other countries, and count what went and what stayed.

    python benchmarks/data/erasure_elsewhere.py [--people 24]

Shares nothing with `erasure.py`: names, languages, forms of files and ways of hiding a value are others, and the search
afterwards is its own. Every record has a mark of its own; what must go and what must stay is known by marks. One JSON
line: by way of hiding how many records went, how many of others' were lost, and in how many places something stands.
`spelled-otherwise` and `described` are beyond what a search promises: they are counted, and fail nothing.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import re
import sys
import tempfile
import time
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

import docx
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from e2e.small_recipe import lmworks

RECIPE = """\
name: elsewhere
use_case: answering customers
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources:
      - {kind: files, name: post, path: post, licence: CC0-1.0, keep: [From]}
      - {kind: files, name: desk, path: desk, licence: CC0-1.0, text_field: remarque, subject_field: client}
      - {kind: files, name: office, path: office, licence: CC0-1.0}
      - {kind: files, name: rooms, path: rooms, licence: CC0-1.0, text_field: said, keep: [by, room]}
    licences: {allow: [CC0-1.0]}
    largest_bad_share: 1
    shard_bytes: 20000
  clean: {kind: normalise, from: raw}
  private: {kind: anonymise, from: clean, people: [by]}
  corpus: {kind: curate, from: private, filters: [], near_duplicates: {jaccard: 0.8}}
"""
GIVEN = "Łukasz Zoé Ayşe Björn Ελένη Chloë Jiří Søren Nguyễn Iñaki Özge Małgorzata François Dvořák"
FAMILY = "Żółć Lefèvre Öztürk Þórsson Παπαδάκη D'Orsay Řehoř Sørensen Văn Etxeberria Çelik Kowalska Garçon"
SOUNDS = "badicefohugajekilomunaperisotuvawexyzo"
HIDDEN = ("spelled-otherwise", "described")


Who = NamedTuple("Who", [(each, str) for each in ("name", "mail", "country", "national", "client")])


def somebody(draw: random.Random, number: int) -> Who:
    names, families = GIVEN.split(), FAMILY.split()
    country, first, more = (("33", "6", 8), ("48", "60", 7), ("90", "53", 8), ("49", "176", 8))[number % 4]
    name = f"{names[number % len(names)]} {families[number % len(families)]}"
    mail = f"{word(draw)}.{word(draw)}@{word(draw)}.example"
    return Who(name, mail, country, first + "".join(draw.choices("0123456789", k=more)), f"KD-{number:05d}")


def word(draw: random.Random) -> str:
    return "".join(draw.choices(re.findall("..", SOUNDS), k=draw.randint(2, 4)))


class Corpus:
    """Writes files, and knows of each record by its mark whose it is and how it is hidden."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.draw = folder, random.Random(1)
        (folder / "recipe.yaml").write_text(RECIPE)
        self.marks: dict[str, tuple[int, str]] = {}
        self.desk, self.notes, self.rooms = ["client;remarque"], list[dict[str, str]](), list[str]()
        for name in ("post", "desk", "office", "rooms"):
            (folder / name).mkdir()

    def text(self, owner: int, how: str, said: str = "") -> str:
        mark = "q" + "".join(self.draw.choices("bcdfghjklmnpqrstvwxz", k=9))
        self.marks[mark] = owner, how
        words = " ".join(word(self.draw) for _ in range(40))
        return f"{words[:90]} {mark} {said} {words[90:]}"

    def mail(self, owner: int, how: str, sender: str, said: str, encoding: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, "desk@firma.example", "Sprawa"
        message.set_content(self.text(owner, how, said), cte=encoding)
        (self.folder / "post" / f"{len(self.marks):05d}.eml").write_bytes(bytes(message))

    def office(self, owner: int, how: str, said: list[str], *, is_broken: bool = False) -> None:
        paper, stream = docx.Document(), io.BytesIO()
        line = paper.add_paragraph(self.text(owner, how) + " ")
        for piece in said:  # as Word cuts a word that was corrected
            line.add_run(piece)
        paper.save(stream)
        raw = stream.getvalue()
        (self.folder / "office" / f"{len(self.marks):05d}.docx").write_bytes(raw[:-300] if is_broken else raw)

    def everywhere(self, owner: int, who: Who) -> None:
        """One person's records, each hidden in another way."""
        local, domain = who.mail.split("@")
        other = f"Someone <{word(self.draw)}@{word(self.draw)}.example>"
        self.mail(owner, "mail-base64", f"{who.name} <{who.mail}>", "Dzień dobry.", "base64")
        self.mail(owner, "mail-quoted", other, f"> {who.mail.upper()} napisał:", "quoted-printable")
        self.desk.append(f"{who.client};{self.text(owner, 'table-phone-bare', f'tel {who.country}{who.national}')}")
        self.desk.append(f"{who.client};{self.text(owner, 'table-subject')}")
        self.desk.append(f"KD-{owner + 1:05d};{self.text(owner, 'table-tagged', f'voir {local}+achats@{domain}')}")
        self.notes.append({"client": who.client, "remarque": self.text(owner, "columns-subject")})
        spaced = f"+{who.country} {who.national[:3]} {who.national[3:6]} {who.national[6:]}"
        self.notes.append({"client": f"KD-{owner + 2:05d}", "remarque": self.text(owner, "columns-phone", spaced)})
        self.office(owner, "word-runs", [who.name[:3], who.name[3:], ", ", local, "@", domain])
        self.office(owner, "word-broken", [who.mail], is_broken=True)
        said = {"chat-name": f"{who.name.upper()}, hä?", "chat-sender": "", "described": "the tall one"}
        said["spelled-otherwise"] = who.mail.replace("@", " (at) ")
        for how, words in said.items():
            by = who.name if how == "chat-sender" else "bot"
            self.rooms.append(json.dumps({"room": "r", "by": by, "said": self.text(owner, how, words)}))
        cut = json.dumps({"by": "bot", "said": self.text(owner, "chat-cut", who.mail)})
        self.rooms.append(cut[:-2].replace("@", "\\u0040"))

    def write(self) -> None:
        (self.folder / "desk" / "clients.csv").write_text("\n".join(self.desk) + "\n", "utf-8")
        pq.write_table(pa.Table.from_pylist(self.notes), self.folder / "desk" / "n.parquet")
        (self.folder / "rooms" / "all.jsonl").write_text("\n".join(self.rooms) + "\n")


def said_in(raw: bytes, depth: int = 3) -> Iterator[str]:
    """What bytes say, by this script's own means."""
    text = raw.decode(errors="replace")
    for _ in range(2):
        yield text
        yield re.sub("<[^>]*>", "", text)
        text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    for run in re.findall(r"[\w+/]{40,}={0,2}", text, re.ASCII) if depth else ():
        if len(run) % 4 == 0 and "_" not in run:
            yield from said_in(base64.b64decode(run), depth - 1)
    for head in re.finditer(rb"PK\x03\x04.{22}(..)(..)", raw, re.DOTALL):
        start = head.end() + sum(int.from_bytes(length, "little") for length in head.groups())
        with suppress(zlib.error):
            yield from said_in(zlib.decompressobj(-15).decompress(raw[start:]), 0)


def places(store: Path, people: list[Who], marks: list[str]) -> list[str]:
    """Files in which a value, or the mark of a record that must go, stands."""
    found, numbers = [], [each.national for each in people]
    wanted = [*marks, *(each.mail for each in people)]
    wanted += [unicodedata.normalize("NFC", each.name).casefold() for each in people]
    for path in (each for each in store.rglob("*") if each.is_file()):
        raw = path.read_bytes()
        if path.suffix == ".parquet":
            raw = json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False).encode()
        for text in said_in(raw):
            text = unicodedata.normalize("NFC", text).casefold()
            digits = re.sub(r"[ ()/.+-]", "", text)
            if any(each in text for each in wanted) or any(each in digits for each in numbers):
                found.append(str(path.relative_to(store)))
                break
    return found


def measure(folder: Path, count: int) -> tuple[dict[str, object], bool]:
    """What went and what stayed, and whether it is what must be."""
    corpus, store = Corpus(folder), folder / ".lmworks"
    people = [somebody(corpus.draw, number) for number in range(count)]
    for number, who in enumerate(people):
        corpus.everywhere(number, who)
    corpus.write()
    gone = people[: count // 3]
    lmworks(folder, "build", "recipe.yaml")
    seen = corpus.marks.keys() & marks_in(folder)
    must = {mark: corpus.marks[mark][1] for mark in sorted(seen) if corpus.marks[mark][0] < len(gone)}
    others, sought = seen - must.keys(), [mark for mark, how in must.items() if how not in HIDDEN]
    before, values = len(places(store, gone, sought)), list[str]()
    for each in gone:
        values += [each.mail, f"+{each.country}{each.national}", each.name, each.client]
    began = time.perf_counter()
    done = lmworks(folder, "erase", *values, "--apply", "--certificate", "told.json", code=None)
    seconds, after = time.perf_counter() - began, places(store, gone, sought)
    lmworks(folder, "build")
    again, left = places(store, gone, sought), marks_in(folder)
    total, went = Counter(must.values()), Counter(how for mark, how in must.items() if mark not in left)
    told = {
        "people_erased": len(gone),
        "went": {how: f"{went[how]} of {total[how]}" for how in total},
        "others": len(others),
        "others_lost": dict(Counter(corpus.marks[mark][1] for mark in others - left)),
        "places": {"before": before, "after": after[:5], "after_building": again[:5]},
        "certificate": json.loads((folder / "told.json").read_text())["said"],
        "exit_code": done.returncode,
        "erase_seconds": round(seconds, 1),
    }
    return told, all(went[how] == total[how] for how in total if how not in HIDDEN) and not (others - left or again)


def marks_in(folder: Path) -> set[str]:
    """The marks of all that the first step gave, read or quarantined."""
    payload = Path(lmworks(folder, "show", "raw", "--path").stdout.strip())
    texts = [str(pq.read_table(path).to_pylist()) for path in sorted(payload.glob("part-*.parquet"))]
    return set(re.findall("q[b-z]{9}", "\n".join([*texts, *said_in((payload / "quarantine.jsonl").read_bytes())])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found, is_right = measure(Path(place), options.people)
    print(json.dumps(found, ensure_ascii=False))
    sys.exit(0 if is_right else 1)
