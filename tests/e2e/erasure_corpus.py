"""A made-up archive in which each of some people stands in seven ways, and a recipe that curates and anonymises it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECIPE = """\
name: archive
use_case: answering letters
plan: {{measure: false}}
data:
  raw:
    kind: ingest
    sources:
      - {{kind: files, path: letters, licence: CC0-1.0, keep: [writer], subject_field: writer}}
      - {{kind: files, path: chats, licence: CC0-1.0, fields: all}}
      - {{kind: files, path: pages, licence: CC0-1.0}}
    licences: {{allow: [CC0-1.0]}}
    shard_bytes: 16384
  clean: {{kind: normalise, from: raw, html: text}}
{steps}
  split: {{kind: split, from: {last}, test: 0.1, validation: 0.1}}
tokenizer: {{kind: bpe, vocab_size: 400, from: split.train}}
"""
CURATE = "  corpus: {{kind: curate, from: {}, filters: [length], near_duplicates: {{jaccard: 0.8}}}}"
PRIVATE = "  private: {{kind: anonymise, from: {}, people: [writer]}}"
ORDERS = {
    "anonymise-first": ("\n".join([PRIVATE.format("clean"), CURATE.format("private")]), "corpus"),
    "curate-first": ("\n".join([CURATE.format("clean"), PRIVATE.format("corpus")]), "private"),
}
GIVEN = "Ada Bo Cleo Dag Edda Finn Gro Hanna Ivo Jule Kaj Lene Mara Nils Olga Pia Runa Siv Tove Ulf"
WORDS = (
    "garden chair table lamp invoice delivery bicycle kettle carpet mirror window engine ladder basket blanket candle "
    "drawer hammer helmet jacket journal needle pillow saddle shovel spoon ticket trumpet wallet whistle anchor barrel"
)
GERMAN = "Garten Stuhl Tisch Lampe Rechnung Lieferung Fahrrad Kessel Teppich Spiegel Fenster Leiter Korb Decke"


@dataclass(frozen=True)
class Person:
    """Somebody who is to be forgotten."""

    name: str
    email: str
    phone: str
    """As one writes it at home; others write it from abroad."""

    @property
    def abroad(self) -> str:
        return f"+49 (0){self.phone[1:4]} {self.phone[4:]}"


def people(count: int) -> list[Person]:
    """People no two of whom share a name, an address or a number."""
    found, given = [], GIVEN.split()
    for number in range(count):
        name = f"{given[number % len(given)]} {given[number // len(given)]}sdottir"
        found.append(
            Person(name, f"{name.replace(' ', '.').lower()}@example.com", f"0{170 + number % 9}{5550100 + number}")
        )
    return found


def write_archive(folder: Path, persons: Sequence[Person], *, forgotten: int = 0, others: int = 60) -> None:
    """Write the sources; with `forgotten` as they are after somebody took the records of so many people out by hand.

    Lines are emptied and files left out, so that every other record keeps its place.
    """
    for name in ("letters", "chats", "pages"):
        (folder / name).mkdir(parents=True)
    lines: dict[str, list[str]] = {name: [] for name in ("mail", "archive", "copies", "talks")}
    draw = random.Random(11)
    for number, person in enumerate(persons):
        said = _drawn(draw, WORDS, 60)
        letter = f"To whom it may concern: {said}. Write to {person.email} or call {person.phone}. Yours, {person.name}"
        near = letter.replace(said.split()[30], "harpsichord", 1).replace("To whom it may", "As it did not")
        german = f"Sehr geehrte Damen und Herren: {_drawn(draw, GERMAN, 50)}. Mit freundlichen Grüßen"
        mine = [
            ("mail", json.dumps({"text": letter, "writer": person.name})),
            ("archive", json.dumps({"text": letter, "writer": person.name})),
            ("copies", json.dumps({"text": near, "writer": person.name})),
            ("mail", json.dumps({"text": f"{said}\n{person.email}"}).replace("@", "\\u0040")[:-1]),
            ("copies", json.dumps({"text": german, "writer": person.name})),
            ("talks", _chat(f"Please call {person.abroad} about the {_drawn(draw, WORDS, 12)}.")),
        ]
        for name, line in mine:
            lines[name].append("" if number < forgotten else line)
        for name in lines:
            lines[name].append(_other(name, number, draw))
        page = f"<p>{_drawn(draw, WORDS, 40)}</p><p>Mail {person.email.replace('@', '&#64;')}</p>"
        if number >= forgotten:
            (folder / "pages" / f"{number:03d}.html").write_text(page)
        (folder / "pages" / f"{number:03d}-other.html").write_text(f"<p>{_drawn(draw, WORDS, 40)}</p>")
    lines["contracts"] = [
        json.dumps({"text": _contract(number), "writer": f"Party {number}"}) for number in range(others)
    ]
    lines["contracts"].append(
        ""
        if forgotten
        else json.dumps({"text": f"{_contract(0)} Sent to {persons[0].email}.", "writer": persons[0].name})
    )
    for name, some in lines.items():
        (folder / ("chats" if name == "talks" else "letters") / f"{name}.jsonl").write_text("\n".join(some) + "\n")


def _drawn(draw: random.Random, words: str, count: int) -> str:
    return " ".join(draw.choices(words.split(), k=count))


def _chat(question: str) -> str:
    answer = "It will be with you before the end of the week, as we have agreed."
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns})


def _other(name: str, number: int, draw: random.Random) -> str:
    said = _drawn(draw, WORDS, 50)
    if name == "talks":
        return _chat(f"Number {number}: {said}?")
    return json.dumps({"text": f"Letter {number} to {name}: {said}.", "writer": f"Somebody {number} Else"})


def _contract(number: int) -> str:
    terms = _drawn(random.Random(3), WORDS, 150)
    return f"This contract between the parties, of which the other is number {number:04d}, is of: {terms}."


def write_recipe(folder: Path, order: str) -> Path:
    """A recipe that anonymises before or after it curates."""
    steps, last = ORDERS[order]
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(steps=steps, last=last))
    return path
