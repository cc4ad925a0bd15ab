"""Erase four people with accents in their names, each written in 24 ways: one JSON line.

    python benchmarks/data/erased_spellings.py

Each of 96 files holds one spelling, beside 40 files of other people whose names are alike. The script counts which
spellings `lmworks erase` takes or offers, and which files of others. It confirms those of the four, erases,
and searches the store by its own means: every file, Parquet and gzip too, is decoded, without case and accents. It does
so again after a new build. Exit code 1 if fewer than 93 spellings are taken or offered, more than one letter of others
is, or the search finds anything.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import html
import json
import quopri
import re
import sys
import tempfile
import time
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from e2e.small_recipe import lmworks
from lmworks.data.shards.records import Documents

LEAST, MOST_FALSE = 93, 1
RECIPE = """\
name: letters
use_case: measuring an erasure
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: CC0-1.0}]
    licences: {allow: [CC0-1.0]}
  clean: {kind: normalise, from: raw}
"""


class Person(NamedTuple):
    """A person to erase."""

    given: str
    family: str
    mail: str
    phone: str

    @property
    def name(self) -> str:
        """Return the name as a letter has it."""
        return f"{self.given} {self.family}"


PEOPLE = (
    Person("Íñigo", "Echeverría", "inigo.echeverria@correo.example", "+34 612 345 678"),
    Person("Zoë", "Brontëová", "zoe.bronteova@posta.example", "+420 601 234 567"),
    Person("Łukasz", "Wiśniewski", "lukasz.wisniewski@poczta.example", "+48 501 234 567"),
    Person("Jürgen", "Müßigbrodt", "juergen.muessigbrodt@brief.example", "+49 170 1234567"),
)
OTHERS = (
    "Inigo Echegaray", "Ignacio Echeverría", "Zoe Bronson", "Eva Brontëová", "Lukasz Wilk", "Anna Wiśniewska",
    "Jurgen Muller", "Peter Müßigbrodt", "inigo.echeverria.ruiz@correo.example", "zoe@posta.example",
    "lukasz.w@poczta.example", "juergen@brief.example", "+34 612 345 679", "+420 601 234 568", "+48 501 234 568",
    "+49 170 1234568", "Wiśniewski, Adam", "Echeverría, Miren", "Müßigbrodt, Karla", "Brontëová, Jana",
)  # fmt: skip


def bare(text: str) -> str:
    """Return a text without accents and strokes."""
    plain = "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))
    return plain.translate(str.maketrans({"Ł": "L", "ł": "l", "ß": "ss"}))


def entities(text: str) -> str:
    """Return a text with numeric character references for what is not ASCII."""
    return text.encode("ascii", "xmlcharrefreplace").decode()


def packed(text: str) -> str:
    """Return a text in gzip and base64."""
    return base64.b64encode(gzip.compress(f"A note on {text} of today".encode())).decode()


SPELLINGS: dict[str, Callable[[Person], str]] = {
    "as given": lambda one: one.name,
    "capitals": lambda one: one.name.upper(),
    "small letters": lambda one: one.name.lower(),
    "no accents": lambda one: bare(one.name),
    "no accents, capitals": lambda one: bare(one.name).upper(),
    "accents as characters": lambda one: unicodedata.normalize("NFD", one.name),
    "line break": lambda one: f"{one.given}\n{one.family}",
    "many spaces": lambda one: f"{one.given}   \u00a0{one.family}",
    "family name first": lambda one: f"{one.family} {one.given}",
    "family name, comma": lambda one: f"{one.family}, {one.given}",
    "a name between": lambda one: f"{one.given} Maria {one.family}",
    "entities": lambda one: entities(one.name),
    "named entities": lambda one: "".join(
        f"&{html.entities.codepoint2name[ord(sign)]};" if ord(sign) in html.entities.codepoint2name else sign
        for sign in one.name
    ),
    "entities twice": lambda one: entities(one.name).replace("&", "&amp;"),
    "percent": lambda one: urllib.parse.quote(one.name),
    "plus and percent": lambda one: urllib.parse.quote_plus(one.name),
    "escapes": lambda one: json.dumps(one.name)[1:-1],
    "base64": lambda one: base64.b64encode(f"A note on {one.name} of today".encode()).decode(),
    "base64 of gzip": lambda one: packed(one.name),
    "quoted-printable": lambda one: quopri.encodestring(one.name.encode()).decode(),
    "tags inside": lambda one: f"<b>{one.given[:2]}</b>{one.given[2:]} <i>{one.family}</i>",
    "soft hyphen": lambda one: f"{one.given} {one.family[:4]}\u00ad{one.family[4:]}",
    "mail in capitals": lambda one: one.mail.upper().replace("@", " (at) "),
    "telephone": lambda one: one.phone.replace(" ", "-").replace("-", " / ", 1),
}


def write(folder: Path) -> dict[str, tuple[int, str]]:
    """Write the letters, and return the person and spelling of each file that holds one."""
    planted = {}
    (folder / "letters").mkdir(parents=True)
    for number, person in enumerate(PEOPLE):
        for place, (title, spell) in enumerate(SPELLINGS.items()):
            name = f"{number}-{place:02d}.txt"
            text = f"Note {number}{place:02d} on a garden. We heard from {spell(person)} about the gate of it."
            (folder / "letters" / name).write_text(text)
            planted[name] = (number, title)
    for place, other in enumerate((*OTHERS, *map(entities, OTHERS))):
        text = f"Letter {place} on a shed. We heard from {other} about the lock of it."
        (folder / "letters" / f"other-{place:02d}.txt").write_text(text)
    (folder / "recipe.yaml").write_text(RECIPE)
    return planted


def files_of(folder: Path) -> dict[str, str]:
    """Return the file of each record by the record's id."""
    payload = Path(lmworks(folder, "show", "raw", "--path").stdout.strip())
    return {document.id: str(document.meta["path"]) for document in Documents(payload, "").iterate()}


def decoded(text: str, depth: int = 3) -> Iterator[str]:
    """Yield a text and what is encoded in it."""
    yield text
    plain = text
    for _ in range(3):
        plain = html.unescape(
            urllib.parse.unquote(re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), plain))
        )
    yield plain
    yield re.sub("<[^<>]{0,99}>", "", plain)
    yield quopri.decodestring(text.encode()).decode(errors="replace")
    for run in re.findall(r"[A-Za-z0-9+/]{20,}={0,2}", text) if depth else ():
        try:
            raw = base64.b64decode(run + "=" * (-len(run) % 4))
            raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        except (ValueError, OSError, EOFError):
            continue
        yield from decoded(raw.decode(errors="replace"), depth - 1)


def standing(store: Path) -> set[str]:
    """Return the files of a store in which one of the people is, in any order and without case and accents."""
    found = set()
    for path in (path for path in store.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        is_table = path.suffix == ".parquet"
        text = "\n".join(map(repr, pq.read_table(path).to_pylist())) if is_table else raw.decode(errors="replace")
        text = text.replace("\\n", "\n").replace("\\xad", "").replace("\\xa0", " ")
        for other in OTHERS:  # the address of another person may begin with a name
            text = text.replace(other, "")
        for form in decoded(text):
            for other in OTHERS:  # an address of somebody else begins with the name of one of the people
                form = form.replace(other, "")
            words = " ".join(
                re.findall(r"\w+", bare(unicodedata.normalize("NFKC", form)).replace("\u00ad", "").lower())
            )
            for one in PEOPLE:
                given, family = bare(one.given).lower(), bare(one.family).lower()
                mail = " ".join(re.findall(r"\w+", one.mail))
                digits = re.sub(r"\D", "", one.phone)[2:]
                names = (f"{given} {family}", f"{family} {given}", f"{given} maria {family}")
                is_there = any(name in words for name in (*names, mail, mail.replace(" correo", " at correo")))
                if is_there or digits in re.sub(r"[^\w]", "", form):
                    found.add(str(path.relative_to(store)))
    return found


def measure(folder: Path) -> dict[str, object]:
    """Build, list, erase and search."""
    planted = write(folder)
    lmworks(folder, "build", "recipe.yaml")
    path_of, before = files_of(folder), len(standing(folder / ".lmworks"))
    wanted = [value for one in PEOPLE for value in (one.name, one.mail, one.phone)]
    began = time.perf_counter()
    listed = json.loads(lmworks(folder, "erase", *wanted, "--json").stdout)
    seconds = time.perf_counter() - began
    taken, offered = ({path_of[name] for name in listed[key] if name in path_of} for key in ("records", "not_taken"))
    lost = [
        f"{PEOPLE[number].name}: {title}" for path, (number, title) in planted.items() if path not in taken | offered
    ]
    false = sorted((taken | offered) - planted.keys())
    confirmed = [f"--with={name}" for name in listed["not_taken"] if path_of[name] in planted]
    done = lmworks(folder, "erase", *wanted, *confirmed, "--apply", "--certificate", "told.json")
    after = standing(folder / ".lmworks")
    lmworks(folder, "build", "recipe.yaml")
    again = standing(folder / ".lmworks")
    return {
        "planted": len(planted),
        "taken": len(taken & planted.keys()),
        "offered": len(offered & planted.keys()),
        "lost": lost,
        "false": [(folder / "letters" / path).read_text() for path in false],
        "places_before": before,
        "places_after": sorted(after),
        "places_after_building": sorted(again),
        "said": [line for line in done.stdout.splitlines() if line.startswith("searched afterwards")],
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Measure once."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    print(json.dumps(found, ensure_ascii=False))
    is_right = found["planted"] - len(found["lost"]) >= LEAST and len(found["false"]) <= MOST_FALSE
    sys.exit(0 if is_right and not found["places_after"] and not found["places_after_building"] else 1)


if __name__ == "__main__":
    main()
