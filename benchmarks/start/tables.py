"""Folders whose texts are rows: each function fills one company's folder, with the dirt that such folders have."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from files import text_pdf, workbook, write
from grammar import RULES, Writer, sides


def _table(rows: Iterable[Sequence[object]], delimiter: str = ",", line_end: str = "\r\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return out.getvalue()


def _jsonl(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def shop(folder: Path, writer: Writer, share: float) -> None:
    """Questions about tools and their answers: `;` between columns, Latin-1, blank, broken and repeated rows."""
    rows: list[list[str]] = []
    for number in range(int(2400 * share)):
        product, other, problem = (writer.line(rule) for rule in ("producto", "producto", "problema"))
        given = {"p": product, "otro": f"la marca {writer.line('marca')}" if product == other else other}
        is_she = product.split()[0] in writer.rules["femeninos"]
        given |= dict(zip(("el", "del", "un"), ("la", "de la", "una") if is_she else ("el", "del", "un"), strict=True))
        given |= {rule: writer.line(rule) for rule in ("marca", "uso", "plazo", "ciudad")} | {"problema": problem}
        given |= {"problema2": writer.line("problema"), "precio": f"{writer.number(2, 240)},{writer.number(10, 99)} €"}
        given |= {"anos": writer.number(2, 5), "dias": writer.number(7, 60)}
        question, answer = sides(writer.fill(writer.draw.choice(writer.rules["pares"]), **given))
        year, month, day = writer.day(2021)
        date = writer.draw.choice([f"{day:02}/{month:02}/{year}", f"{day}-{month}-{year % 100:02}"])
        asked = writer.line("saludo") + question
        rows.append([f"P{number:05}", product, asked[:1].upper() + asked[1:] + writer.line("fin"), answer, date])
        if number % 40 == 7:
            rows.append(["", "", "", "", ""])
        if number % 60 == 11:
            rows.append(rows[-1])
    body = _table([["Código", "Producto", "Pregunta", "Respuesta", "Fecha"], *rows], ";").replace("€", "EUR")
    lines = body.splitlines(keepends=True)
    lines[len(lines) // 2] = '"P99999;taladro;¿sin cerrar la comilla\r\n'.replace('"', "'") + lines[len(lines) // 2]
    write(folder / "preguntas_clientes.csv", "".join(lines), "latin-1")
    write(folder / "LÉEME.txt", "Exportado de la tienda. La columna Fecha es del envío de la pregunta.\r\n", "latin-1")
    write(folder / "old" / "preguntas_clientes (copia).csv", "".join(lines[: len(lines) // 3]), "latin-1")
    write(folder / "precios.xlsx", workbook([["Producto", "Precio"], ["candado", "12,90"], ["barniz marino", "31,00"]]))
    write(folder / ".DS_Store", b"\0\0\0\1Bud1\0")


def hospital(folder: Path, writer: Writer, share: float) -> None:
    """Ward notes that name people: JSON Lines a year with `patient`, typed-up notes as text files, an empty file."""
    people = [
        {
            "name": f"{writer.line('given')} {writer.line('surname')}",
            "mrn": f"{writer.number(100, 999)}-{writer.number(1000, 9999)}",
            "born": "{2}/{1}/{0}".format(*writer.day(1930, 1995)),
            "age": writer.number(28, 95),
            "phone": f"01632 {writer.number(960000, 960999)}",
        }
        for _ in range(max(30, int(400 * share)))
    ]
    by_year: dict[int, list[dict[str, Any]]] = {}
    for number in range(int(2400 * share)):
        person = writer.draw.choice(people)
        year, month, day = writer.day(2022, 2024)
        given = {
            **person,
            "date": f"{day:02}/{month:02}/{year}",
            "time": f"{writer.number(10, 23)}:{writer.number(10, 59)}",
        }
        given |= {
            "n": writer.number(2, 9),
            "pulse": writer.number(58, 128),
            "bp": f"{writer.number(92, 180)}/{writer.number(50, 98)}",
        }
        given |= {
            "temp": f"{writer.number(36, 39)}.{writer.number(0, 9)}",
            "sat": writer.number(86, 99),
            "crp": writer.number(3, 240),
        }
        given["kinline"] = writer.fill(
            writer.draw.choice(writer.rules["kinlines"]), phone=f"01632 {writer.number(960000, 960999)}"
        )
        text = writer.line("note", **given)
        row = {
            "id": f"N{number:05}",
            "patient": person["name"],
            "mrn": person["mrn"],
            "date": f"{year}-{month:02}-{day:02}",
            "text": text,
        }
        by_year.setdefault(year, []).append(row)
        if number % 25 == 0:
            write(folder / "typed" / f"note {number}.txt", "\ufeff" * (number % 50 == 0) + text + "\r\n")
    for year, rows in sorted(by_year.items()):
        broken = '{"id": "N-", "patient": "' + "\n" if year == 2023 else ""
        write(folder / f"notes_{year}.jsonl", _jsonl(rows) + broken)
    write(folder / "notes_2025.jsonl", "")
    write(folder / "READ ME FIRST.txt", "Extract for the project. Not to leave the hospital's network. IG ref 2231.\n")


SHARES = {
    "delay": 26,
    "refund": 18,
    "app": 12,
    "lost-property": 9,
    "season-ticket": 8,
    "fines": 7,
    "cleanliness": 6,
    "staff": 5,
}
SHARES |= {"bicycles": 4, "accessibility": 2.5, "groups": 1.5, "safety": 1}


def tickets(folder: Path, writer: Writer, share: float) -> None:
    """Labelled complaints of passengers: twelve classes from 26 to 1 in a hundred, customers, dates in two forms."""
    topics, weights = list(SHARES), list(SHARES.values())
    rows: list[list[str]] = []
    for number in range(int(50_000 * share)):
        topic = writer.draw.choices(topics, weights)[0]
        also = writer.draw.choices(topics, weights)[0] if writer.draw.random() < 0.25 else ""
        given = {"n": writer.number(3, 58), "sum": f"{writer.number(2, 190)}.{writer.number(10, 99)}"}
        said = [writer.line(topic, **given), *([writer.line(also, **given)] if also else [])]
        if writer.draw.random() < 0.3:
            said.reverse()
        text = writer.line("greet") + ", and ".join(said) + "." + writer.line("mood") + writer.line("close")
        if writer.draw.random() < 0.2:
            at = writer.draw.randrange(len(text) - 1)
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        label = writer.draw.choice(topics) if writer.draw.random() < 0.04 else topic
        year, month, day = writer.day(2023, 2025)
        date = f"{year}-{month:02}-{day:02}" if number % 3 else f"{day} {RULES['months'][month - 1]} {year}"
        rows.append([f"T-{number + 20_000}", f"C{writer.number(1, max(20, int(9000 * share)))}", date, text, label])
    rows += rows[: len(rows) // 100]
    write(
        folder / "export" / "tickets.csv",
        "\ufeff" + _table([["ticket", "customer", "received", "message", "queue"], *rows], ",", "\n"),
    )
    write(
        folder / "export" / "queues.csv",
        _table([["queue", "team"], *([topic, f"Team {at % 4 + 1}"] for at, topic in enumerate(topics))]),
    )
    write(folder / "NOTE.md", "# Export\n\nFrom the service desk. `queue` is where an agent put the ticket at first.\n")


def strings(folder: Path, writer: Writer, share: float) -> None:
    """An app's strings, English and German: a table of a translation tool, and the web site's gettext catalogue."""
    rows: list[tuple[str, str, str]] = []
    seen: set[str] = set()
    pasts = writer.rules["pasts"]
    for _ in range(int(30_000 * share)):
        (n, nom, acc, plural), (m, _, other, _) = (sides(each) for each in writer.draw.sample(writer.rules["nouns"], 2))
        (v, v_de, part), (v2, v2_de, _) = (sides(each) for each in writer.draw.sample(writer.rules["verbs"], 2))
        (w, w_de), (r, r_de) = (sides(writer.draw.choice(writer.rules[rule])) for rule in ("wheres", "reasons"))
        given = {
            "n": n,
            "n.nom": nom,
            "n.acc": acc,
            "n.pl": plural,
            "m": m,
            "m.acc": other,
            "v": v,
            "v.de": v_de,
            "v.part": part,
        }
        given |= {
            "v.past": pasts[v],
            "n.many": f"{n}es" if n.endswith("s") else f"{n}s",
            "v2": v2,
            "v2.de": v2_de,
            "w": w,
            "w.de": w_de,
            "r": r,
            "r.de": r_de,
            "count": writer.number(2, 30),
        }
        english, german = (side[:1].upper() + side[1:] for side in sides(writer.line("frames", **given)))
        if english not in seen:
            seen.add(english)
            rows.append((f"{n}.{v}.{len(rows)}".replace(" ", "_"), english, german))
        if len(rows) >= 3600 * share:
            break
    web, app = rows[: len(rows) // 6], rows[len(rows) // 6 :]
    lines = ["key\ten\tde\n", *("\t".join(row) + "\n" for row in app), "\n", "settings.title\tSettings\n"]
    write(folder / "translations" / "app_strings.tsv", "".join(lines))
    entries = "\n".join(
        f"#: web/{key}.html\nmsgid {json.dumps(en)}\nmsgstr {json.dumps(de, ensure_ascii=False)}\n"
        for key, en, de in web
    )
    write(
        folder / "translations" / "web" / "de.po",
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n' + entries,
    )
    write(folder / "LICENSE", "Copyright Lindenberg Software GmbH. Internal.\n")


def dialogues(folder: Path, writer: Writer, share: float) -> None:
    """Chats of guests with a hotel's desk in three languages, formal or not: turns in JSON Lines, a file a language."""
    for language in ("en", "fr", "de"):
        rows: list[dict[str, Any]] = []
        for number in range(int(900 * share)):
            register = writer.draw.choice(["formal", "informal"])
            inner = Writer(RULES["dialogues"][f"{language}-{register}"], writer.draw)
            what, other = writer.draw.sample(inner.rules["what"], 2)
            given = {
                "what": what,
                "other": other,
                "when": inner.line("when"),
                "n": writer.number(15, 190),
                "code": f"{writer.number(100, 999)}{chr(65 + number % 26)}",
            }
            said = [f"{inner.line('greet')} {inner.line('ask', **given)}".strip(), inner.line("answer", **given)]
            if number % 3:
                said += [inner.line("more", **given), inner.line("end", **given)]
            turns = [{"speaker": ("guest", "desk")[at % 2], "text": text} for at, text in enumerate(said)]
            rows.append({"chat": f"{language}-{number}", "lang": language, "register": register, "turns": turns})
        rows += rows[:5]
        write(folder / language / f"chats_{language}.jsonl", _jsonl(rows))
    write(folder / "de" / "leer.jsonl", "")
    write(folder / "Tonalität.docx.txt", "Formell: Sie. Informell: du. Nie mischen.\n")


def vehicles(folder: Path, writer: Writer, share: float) -> None:
    """Events of buses and what the control room wrote of each trip, beside raw signals that are numbers alone."""
    rows: list[list[str]] = []
    for number in range(int(3000 * share)):
        a, b, c = writer.draw.sample(writer.rules["stop"], 3)
        kind = writer.draw.choice(["calm", "late", "hard", "broken"])
        facts = {
            "bus": writer.number(100, 389),
            "a": a,
            "b": b,
            "c": c,
            "minutes": writer.number(12, 75),
            "delay": writer.number(4, 40),
        }
        facts |= {"cause": writer.line("cause"), "fault": writer.line("fault"), "speed": writer.number(41, 88)}
        hour, minute = int(writer.number(5, 22)), int(writer.number(0, 30))
        events = [f"{hour:02}:{minute:02} bus={facts['bus']} depart={a}"]
        events += {
            "calm": [],
            "late": [f"cause={facts['cause']} delay={facts['delay']}"],
            "hard": [f"at={c} decel=hard vmax={facts['speed']}"],
            "broken": [f"at={c} dtc={facts['fault']}"],
        }[kind]
        events.append(f"arrive={b} t={facts['minutes']}min")
        rows.append([f"TR{number:06}", facts["bus"], " | ".join(events), writer.line(kind, **facts)])
    write(folder / "control_room.csv", _table([["trip", "bus", "events", "remark"], *rows], ";", "\n"))
    for month in range(1, 4):
        signals = [
            [str(at), writer.number(0, 80), f"{writer.draw.random() * 9:.3f}", writer.number(0, 1)]
            for at in range(int(4000 * share))
        ]
        write(
            folder / "signals" / f"2024-{month:02}.csv", _table([["t", "v", "brake_bar", "door"], *signals], ",", "\n")
        )
    write(folder / "signals" / "dump.bin", writer.draw.randbytes(20_000))


def summaries(folder: Path, writer: Writer, share: float) -> None:
    """Long contracts and what a clerk wrote of each in a sentence or two."""
    months = RULES["months"]
    rows: list[dict[str, Any]] = []
    for number in range(int(1000 * share)):
        a, b = writer.line("company"), writer.line("company")
        term, notice, rent = (
            writer.number(1, 25),
            writer.line("days"),
            f"£{writer.number(2, 90)},{writer.number(100, 999)}",
        )
        goods, place, law = writer.line("goods"), writer.line("place"), writer.line("law")
        given = {"a": a, "b": b, "ra": "Owner", "rb": "Hirer", "date": writer.mixed_date(months), "amount": rent}
        given |= {
            "percent": writer.number(2, 12),
            "years": term,
            "days": notice,
            "goods": goods,
            "place": place,
            "law": law,
        }
        told = [
            clause
            for clause in writer.rules["clauses"]
            if clause.startswith(("Payment", "Term.", "Delivery", "Governing"))
        ]
        other = [clause for clause in writer.rules["clauses"] if clause not in told]
        clauses = told + writer.draw.sample(other, writer.draw.randint(4, 8))
        writer.draw.shuffle(clauses)
        body = [writer.line("opening", **given), *(writer.fill(clause, **given) for clause in clauses)]
        kind = writer.line("title")
        summary = (
            f"{kind} between {a} and {b} for {term} years over {goods}; {rent}, notice {notice} days, law of {law}."
        )
        rows.append(
            {"ref": f"K/{number:04}", "kind": kind, "body": "\n\n".join([kind.upper(), *body]), "abstract": summary}
        )
    rows[3]["abstract"] = ""
    write(folder / "abstracts" / "contracts.jsonl", _jsonl(rows[: len(rows) * 9 // 10]))
    write(folder / "abstracts" / "contracts_new.jsonl", "\ufeff" + _jsonl(rows[len(rows) * 9 // 10 :]))
    write(
        folder / "house style.pdf", text_pdf(["Abstracts name the parties, the term, the sum, the notice and the law."])
    )


def reviews(folder: Path, writer: Writer, share: float) -> None:
    """Stars from 1 to 5 with a text, in English and French, as a shop system exports them."""
    rows: list[list[str]] = []
    rules = writer.rules
    for number in range(int(8000 * share)):
        language = "en" if writer.draw.random() < 0.7 else "fr"
        stars = writer.draw.choices("12345", [9, 6, 13, 27, 45])[0]
        drawn = {slot: writer.draw.choice(rules[slot][language]) for slot in ("item", "part", "use")}
        said = writer.draw.sample(rules[language][stars], writer.draw.choice([1, 1, 2]))
        if writer.draw.random() < 0.15:
            said[-1] = writer.draw.choice(rules[language][str(min(5, int(stars) + 1))])
        also = writer.draw.choice(rules[language]["any"])
        text = writer.fill(", ".join(said) + ". " + also, n=writer.number(2, 40), **drawn).strip()
        text = text if number % 9 else text.upper() if number % 2 else text.replace(".", "!!")
        rows.append(
            [
                writer.number(10_000, 99_999),
                stars,
                text[:1].upper() + text[1:],
                language,
                "{2:02}.{1:02}.{0}".format(*writer.day(2022, 2024)),
            ]
        )
    rows += [[*row] for row in rows[:40]]
    rows[9][2] = ""
    write(folder / "reviews-export.csv", "\ufeff" + _table([["customer", "stars", "review", "lang", "date"], *rows]))
    write(folder / "Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500))
