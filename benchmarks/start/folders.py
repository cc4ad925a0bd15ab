"""Folders as strangers would bring them, made of published data: eight for each of two sets.

    python benchmarks/start/folders.py --data DATA --set 1 OUT

DATA is a folder of published sets. Folders land in OUT/set-1/NAME and OUT/set-2/NAME; expected.yaml tells what each
should become. All choices are seeded, so two runs on the same packages write the same bytes. Set 2 is kept for a last
trial: who changes the product should not look at it.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import html
import importlib.util
import json
import math
import random
import re
import shutil
import textwrap
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

Maker = Callable[[Path, Path, random.Random], None]
"""Writes one folder: published data, the folder, and the source of its choices."""

DS_STORE = b"\x00\x00\x00\x01Bud1\x00\x00\x10\x00\x00\x00\x08\x00" + bytes(6_000)
THUMBS = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4_088)
START = datetime(2023, 1, 9, 8, 0)


def package(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {name} is needed: install the project with its extra [dev]")
    return Path(spec.submodule_search_locations[0])


def json_lines(path: Path) -> Iterator[Any]:
    """Yield the record of each line."""
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def note(folder: Path, name: str, text: str) -> None:
    """Write a short note for people."""
    (folder / name).write_text(textwrap.dedent(text).strip() + "\n", encoding="utf-8")


def day(rng: random.Random, days: int = 700) -> datetime:
    """Return a working moment after the start."""
    return START + timedelta(days=rng.randrange(days), minutes=rng.randrange(600))


def blank(rows: list[dict[str, Any]], column: str, count: int, rng: random.Random) -> None:
    """Empty a column in some rows."""
    for row in rng.sample(rows, count):
        row[column] = None


def table(
    path: Path,
    rows: list[dict[str, Any]],
    delimiter: str = ",",
    encoding: str = "utf-8",
    newline: str = "\r\n",
) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator=newline)
        writer.writeheader()
        writer.writerows(rows)


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    """Write an Excel file whose bytes do not tell when."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    stream = BytesIO()
    book.save(stream)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            held = old.read(name)
            if name == "docProps/core.xml":
                held = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2024-03-01T09:00:00Z", held)
            entry = zipfile.ZipInfo(name, (2024, 3, 1, 9, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, held)


def pdf(path: Path, head: str, title: str, paragraphs: list[str]) -> None:
    """Write text in a Western language as a plain PDF with a head and a page number on each page."""
    lines = [(16, title), (11, "")]
    for paragraph in paragraphs:
        lines += [(11, line) for line in textwrap.wrap(paragraph, 84)] + [(11, "")]
    pages = [lines[place : place + 40] for place in range(0, len(lines), 40)]

    def shown(size: int, x: int, y: int, text: str) -> bytes:
        """Return the commands that print a line."""
        held = re.sub(r"([\\()])", r"\\\1", text).encode("cp1252")
        return b"BT /F1 %d Tf %d %d Td (%s) Tj ET\n" % (size, x, y, held)

    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b""]
    kids = []
    for number, page in enumerate(pages, 1):
        content = shown(8, 72, 805, head)
        content += b"".join(shown(size, 72, 770 - 17 * row, text) for row, (size, text) in enumerate(page) if text)
        content += shown(8, 270, 40, f"Página {number} de {len(pages)}")
        kids.append(b"%d 0 R" % (len(objects) + 1))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (len(objects) + 2)
        )
        objects.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(content), content))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    objects[2] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    held = b"%PDF-1.4\n"
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(held))
        held += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    start = len(held)
    held += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    held += b"".join(b"%010d 00000 n \n" % place for place in places)
    held += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path.write_bytes(held)


def normal(text: str) -> str:
    """Return letters and digits alone, to see that two texts are one."""
    return "".join(filter(str.isalnum, text.lower()))


def shop_comments(data: Path, out: Path, rng: random.Random) -> None:
    """A cinema chain: comments with a verdict of their readers, in Excel."""
    reviews = list(json_lines(data / "sentence-polarity" / "sentence_polarity.jsonl"))
    picked = [row for row in rng.sample(reviews, 3_600) if len(row["text"].split()) > 4][:3_000]
    names = {0: ["Negative", "negative", "NEGATIVE "], 1: ["Positive", "positive", "POSITIVE"]}
    towns = ["Leeds", "York", "Hull", "Harrogate", None]
    rows = [
        [
            40_000 + place,
            day(rng),
            rng.choices(towns, [30, 25, 20, 20, 5])[0],
            rng.randint(1, 12),
            row["text"],
            rng.choices(names[row["label"]], [90, 7, 3])[0],
        ]
        for place, row in enumerate(picked)
    ]
    for row in rng.sample(rows, 25):
        row[5] = None
    for row in rng.sample(rows, 8):
        row[4] = None
    head = ["No.", "Date", "Cinema", "Screen", "Comment", "Tone (Jo + Sam)"]
    counts = [["Cinema", "Comments"]] + [[town, sum(row[2] == town for row in rows)] for town in towns[:4]]
    workbook(out / "Guest comments 2023-24 MASTER.xlsx", {"Comments": [head, *rows], "per cinema": counts})
    shutil.copyfile(out / "Guest comments 2023-24 MASTER.xlsx", out / "Guest comments 2023-24 MASTER (1).xlsx")
    note(
        out,
        "README.txt",
        """
        Comments of our guests about the films, as typed at the desk and in the app.
        Jo and Sam marked the tone of each in spring. A few are still open.
        Second sheet: counts for the board, please ignore.
        """,
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


def czech_desk(data: Path, out: Path, rng: random.Random) -> None:
    """A translation office: Czech news and English versions in a cp1250 file with semicolons."""
    source = (data / "wmt22-cs-en" / "src.cs").read_text(encoding="utf-8").splitlines()
    target = (data / "wmt22-cs-en" / "ref.B.en").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = []
    for number, (czech, english) in enumerate(zip(source, target, strict=True), 1):
        try:
            (czech + english).encode("cp1250")
        except UnicodeEncodeError:
            continue
        rows.append(
            {
                "Číslo": number,
                "Zadáno": day(rng, 350).strftime("%d.%m.%Y"),
                "Český text": czech.strip(),
                "Anglický překlad": english.strip(),
                "Překladatel": rng.choice(["Nováková", "Dvořák", "Říha", "Šťastná"]),
                "Stav": rng.choices(["schváleno", "Schváleno", "ke kontrole", None], [85, 5, 7, 3])[0],
            }
        )
    blank(rows, "Anglický překlad", 15, rng)
    table(out / "překlady_zpravodajství_2023.csv", rows, ";", "cp1250")
    table(out / "překlady_zpravodajství_2023 – kopie.csv", rows, ";", "cp1250")
    (out / "ČTI MĚ.txt").write_bytes(
        "Vývoz z naší databáze zakázek. Zprávy pro anglickou redakci.\r\nPrázdný překlad = ještě neodevzdáno.\r\n"
        "Kódování Windows-1250, oddělovač středník.\r\n".encode("cp1250")
    )
    (out / "Thumbs.db").write_bytes(THUMBS)


FIELDS = {
    "name": "Name",
    "eatType": "Kind",
    "food": "Food",
    "priceRange": "Price range",
    "customer rating": "Rating",
    "area": "Area",
    "familyFriendly": "Family friendly",
    "near": "Near",
}


def listings(data: Path, out: Path, rng: random.Random) -> None:
    """A city guide: facts of restaurants and the text that editors wrote for each."""
    rows: list[dict[str, Any]] = []
    with (data / "e2e-nlg" / "testset_w_refs.csv").open(newline="", encoding="utf-8") as stream:
        for number, row in enumerate(csv.DictReader(stream), 1):
            facts = dict(re.findall(r"([\w ]+?)\[(.*?)\]", row["mr"].replace(", ", ",")))
            listing: dict[str, Any] = {"ID": f"L{number:05d}"}
            listing |= {shown: facts.get(name) for name, shown in FIELDS.items()}
            rows.append(listing | {"Editor": rng.choice(["mk", "tb", "ro", ""]), "Listing text": row["ref"]})
    rng.shuffle(rows)
    blank(rows, "Listing text", 40, rng)
    table(out / "listings_final_v3.csv", rows)
    table(out / "listings_final_v3 (copy).csv", rows)
    note(
        out,
        "README.md",
        """
        # Listings

        One row a listing: what we know of the place, then the text that an editor wrote for the guide.
        The same place has several rows where several editors wrote a text. Empty text: not written yet.
        """,
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


def paper_digest(data: Path, out: Path, rng: random.Random) -> None:
    """A newsletter: abstracts of papers and a digest of one sentence."""
    rows: list[dict[str, Any]] = []
    for place, paper in enumerate(json_lines(data / "scitldr" / "train_1000.jsonl")):
        received = day(rng, 350) + timedelta(days=365 * (place >= 560))
        rows.append(
            {
                "ref": paper["paper_id"],
                "received": received.date().isoformat(),
                "headline": paper.get("title"),
                "abstract": " ".join(paper["source"]),
                "digest": " ".join(paper["target"][0].split()),
                "editor": rng.choice(["Ines", "Piet", "Oyelaran", None]),
            }
        )
    blank(rows, "digest", 12, rng)
    blank(rows, "headline", 10, rng)
    halves = {"digest-2023.jsonl": rows[:560], "digest-2024.jsonl": [*rows[560:], *rng.sample(rows[:560], 6)]}
    for name, held in halves.items():
        (out / name).write_text("".join(json.dumps(row) + "\n" for row in held), encoding="utf-8")
    shutil.copyfile(out / "digest-2023.jsonl", out / "digest-2023.jsonl.bak")
    note(
        out,
        "README",
        """
        Export of the newsletter database. "abstract" is what authors send, "digest" is the sentence that we print.
        The .bak is from the move to the new server.
        """,
    )


LEFT_OUT = ("Indexical", "Confusion", "Distraction", "Subjective", "Logical", "Misinformation", "Mandela")


def answer_pages(data: Path, out: Path, rng: random.Random) -> None:
    """A science museum: pages of questions and answers as its website has them."""
    subjects: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    with (data / "truthfulqa" / "TruthfulQA.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if not row["Category"].startswith(LEFT_OUT) and "no comment" not in row["Best Answer"]:
                subjects[row["Category"]].append((row["Question"], row["Best Answer"], row["Source"]))
    names = {subject: re.sub(r"\W+", "-", subject.lower()) + ".html" for subject in sorted(subjects)}
    menu = "".join(f'<li><a href="{name}">{html.escape(subject)}</a></li>' for subject, name in names.items())
    top = (
        '<div class="cookie-banner">We use cookies to count visits. <button>Accept all</button> '
        '<a href="#">More</a></div>'
        '<header><a class="logo" href="index.html">Aldermoor Science Museum</a>'
        f'<nav><ul><li><a href="#">Visit</a></li><li><a href="#">Tickets</a></li>'
        f'<li><a href="#">Shop</a></li>{menu}</ul>'
        "</nav></header>"
    )
    foot = (
        "<aside><h4>Stay in touch</h4><p>Get our newsletter once a month.</p></aside><footer><p>&copy; 2024 Aldermoor "
        'Science Museum. Registered charity.</p><p><a href="#">Privacy</a> | <a href="#">Imprint</a> | '
        '<a href="#">Jobs</a></p></footer><script>window.stats = window.stats || []; stats.push(["view"]);</script>'
    )
    site = out / "www.aldermoor-museum.example" / "faq"
    site.mkdir(parents=True)
    for subject, name in names.items():
        style = rng.randrange(3)
        parts = []
        for question, answer, link in subjects[subject]:
            asked, told = html.escape(question), html.escape(answer.rstrip(".") + ".")
            more = f' <a href="{html.escape(link.split(";")[0])}">Read more</a>' if link.startswith("http") else ""
            if style == 0:
                parts.append(f"<h3>{asked}</h3>\n<p>{told}{more}</p>")
            elif style == 1:
                parts.append(f"<details><summary>{asked}</summary><p>{told}{more}</p></details>")
            else:
                parts.append(f"<dt>{asked}</dt>\n<dd>{told}{more}</dd>")
        body = "\n".join(parts)
        body = f"<dl>{body}</dl>" if style == 2 else body
        page = (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(subject)} - Questions - '
            f"Aldermoor Science Museum</title><style>nav li {{ display: inline }}</style></head><body>{top}"
            f'<p class="crumbs">Home &gt; Questions &gt; {html.escape(subject)}</p><main>\n'
            f"<h1>{html.escape(subject)}</h1>\n"
            f"{body}\n</main>{foot}</body></html>\n"
        )
        (site / name).write_text(page, encoding="utf-8")
    index = (
        f"<!DOCTYPE html>\n<html><head><title>Questions</title></head><body>{top}<main></main>{foot}</body></html>\n"
    )
    (site / "index.html").write_text(index, encoding="utf-8")
    shutil.copyfile(site / names["Health"], site / "health (old).html")
    note(out, "README.txt", "Copy of the question pages of our website, made with wget in March. Staff keep them.")
    (site / ".DS_Store").write_bytes(DS_STORE)


CHAPTERS = [
    ("01_Preambulo", "Preámbulo", 0, 8),
    ("02 Dignidad, igualdad y vida", "Dignidad, igualdad y vida", 9, 15),
    ("03_justicia", "La persona ante la justicia", 16, 22),
    ("04_circulacion y asilo", "Circulación, asilo y nacionalidad", 23, 27),
    ("05_familia-propiedad", "Familia y propiedad", 28, 31),
    ("06_LIBERTADES", "Libertades y participación", 32, 37),
    ("07_Trabajo (v2)", "Seguridad social, trabajo y descanso", 38, 43),
    ("08_bienestar y educacion", "Bienestar, educación y cultura", 44, 50),
    ("09_Deberes", "Orden social, deberes y límites", 51, 55),
]


def spanish_rights(data: Path, out: Path, rng: random.Random) -> None:
    """An ombudsman: leaflets in Spanish as PDF files, with Catalan copies of the same articles."""
    texts: dict[str, list[str]] = defaultdict(list)
    for row in json_lines(data / "udhr-languages" / "udhr.jsonl"):
        if row["lang"] in ("spa", "cat"):
            texts[row["lang"]].append(row["text"])
    (out / "Castellano").mkdir()
    (out / "Català").mkdir()
    head = "Oficina de la Defensora del Vecino · Cuadernos de derechos · www.defensora.example"
    for name, title, first, last in CHAPTERS:
        pdf(out / "Castellano" / f"{name}.pdf", head, title, texts["spa"][first : last + 1])
    for number, place in enumerate(range(0, len(texts["cat"]), 14), 1):
        pdf(
            out / "Català" / f"quadern {number}.pdf",
            head,
            f"Drets humans, quadern {number}",
            texts["cat"][place : place + 14],
        )
    shutil.copyfile(out / "Castellano" / "03_justicia.pdf", out / "Castellano" / "03_justicia - copia.pdf")
    note(out, "LEEME.txt", "Cuadernos para la ventanilla. Los vecinos preguntan sobre todo en castellano.")
    (out / "Castellano" / "Thumbs.db").write_bytes(THUMBS)


def exam_items(data: Path, out: Path, rng: random.Random) -> None:
    """An exam board: 20,000 questions with the subject team that owns each, in Parquet."""
    pairs: list[tuple[str, str]] = []
    for path in sorted((data / "mmlu").glob("*/*.csv")):
        subject = re.sub(r"_(dev|test|val)$", "", path.stem).replace("_", " ")
        with path.open(newline="", encoding="utf-8") as stream:
            pairs += [(row[0], subject) for row in csv.reader(stream) if row]
    pairs += [
        (row["query"].removeprefix("Question: "), "primary science")
        for row in json_lines(data / "arc-easy" / "arc_easy.jsonl")
    ]
    pairs += [
        (row["query"].removeprefix("Question: ").split("\nChoices:")[0], "everyday reasoning")
        for row in json_lines(data / "commonsense-qa" / "commonsense_qa.jsonl")
    ]
    pairs += [
        (row["context"].removeprefix("Question: ").removesuffix("\nAnswer:"), "general knowledge")
        for row in json_lines(data / "triviaqa-subset" / "triviaqa_sm_sub.jsonl")
    ]
    for name in ("dev.json", "test.json"):
        pairs += [(row["question"], "algebra") for row in json_lines(data / "aqua-rat" / name)]
    sums = [(row["question"], "arithmetic") for row in json_lines(data / "gsm8k" / "train.jsonl")]
    pairs += sums[: 20_000 - len(pairs)]
    rng.shuffle(pairs)
    rows: list[dict[str, Any]] = [
        {
            "item_id": f"Q-{place:06d}",
            "created": day(rng),
            "author": f"a{rng.randrange(60):02d}",
            "difficulty": rng.choice([1, 2, 3, None]),
            "question": question.strip(),
            "subject_team": subject.title() if rng.random() < 0.02 else subject,
        }
        for place, (question, subject) in enumerate(pairs)
    ]
    blank(rows, "subject_team", 40, rng)
    bank = out / "item_bank"
    bank.mkdir()
    for part, place in enumerate(range(0, len(rows), 10_000)):
        pq.write_table(pa.Table.from_pylist(rows[place : place + 10_000]), bank / f"part-{part:05d}.snappy.parquet")
    (bank / "_SUCCESS").write_bytes(b"")
    note(
        out,
        "README.md",
        """
        # Item bank

        Nightly dump. `subject_team` is the team that keeps the question; new questions arrive without it and someone
        sorts them by hand on Mondays.
        """,
    )


def nothing(data: Path, out: Path, rng: random.Random) -> None:
    """A start-up that made the folder before it had data."""


def single_reviews(data: Path, out: Path, rng: random.Random) -> None:
    """A film magazine: a text file for each review, in a folder for each verdict."""
    held = {normal(row["text"]) for row in json_lines(data / "sentence-polarity" / "sentence_polarity.jsonl")}
    seen: set[str] = set()
    reviews: list[tuple[str, str]] = []
    for name in ("dev.tsv", "train_sample.tsv"):
        with (data / "glue-sst2" / name).open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                text = row["sentence"].strip()
                if len(text.split()) >= 8 and normal(text) not in held | seen:
                    seen.add(normal(text))
                    reviews.append((text, row["label"]))
    rng.shuffle(reviews)
    folders = {"1": out / "Reviews" / "Thumbs up", "0": out / "Reviews" / "thumbs down"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for number, (text, label) in enumerate(reviews[:2_400]):
        (folders[label] / f"rev{number:05d}.txt").write_text(text + "\n", encoding="utf-8")
    for number in range(5):
        (folders["1"] / f"rev9000{number}.txt").write_bytes(b"")
    first = sorted(folders["0"].glob("*.txt"))[0]
    shutil.copyfile(first, folders["0"] / f"Copy of {first.name}")
    (out / "Reviews" / ".DS_Store").write_bytes(DS_STORE)
    note(
        out,
        "readme.txt",
        """
        Capsule reviews, one a file. The intern sorted them in two folders. Empty files are drafts.
        """,
    )


def memory(data: Path, out: Path, rng: random.Random) -> None:
    """A picture agency: a translation memory of captions, English and German."""
    english = (data / "multi30k" / "train_5k.en").read_text(encoding="utf-8").splitlines()
    german = (data / "multi30k" / "train_5k.de").read_text(encoding="utf-8").splitlines()
    units = []
    marked = set(rng.sample(range(4_800), 20))
    for number, (source, target) in enumerate(list(zip(english, german, strict=True))[:4_800]):
        when, author = day(rng).strftime("%Y%m%dT%H%M%SZ"), rng.choice(["ANKE", "JT", "extern01"])
        mark = '<ph x="1">&lt;br/&gt;</ph>' if number in marked else ""
        second = "" if number % 500 == 499 else escape(target.strip())
        units.append(
            f'    <tu tuid="{number + 1}" creationdate="{when}" creationid="{author}">\n'
            f'      <prop type="x-project">Bilder</prop>\n'
            f'      <tuv xml:lang="en-GB"><seg>{mark}{escape(source.strip())}</seg></tuv>\n'
            f'      <tuv xml:lang="de-DE"><seg>{mark}{second}</seg></tuv>\n    </tu>\n'
        )
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">\n'
        '  <header creationtool="TransDesk" creationtoolversion="7.1" segtype="sentence" o-tmf="TDM" adminlang="en-US" '
        'srclang="en-GB" datatype="plaintext"/>\n  <body>\n'
    )
    whole = head + "".join(units) + "  </body>\n</tmx>\n"
    (out / "Bildtexte_EN-DE_Master.tmx").write_text(whole, encoding="utf-8-sig")
    (out / "Bildtexte_EN-DE_Master_alt.tmx").write_text(whole, encoding="utf-8-sig")
    note(
        out,
        "LIESMICH.txt",
        """
        Übersetzungsspeicher aus TransDesk, Bildunterschriften, Englisch nach Deutsch.
        "_alt" ist die Sicherung vor dem Umzug (gleicher Stand).
        """,
    )
    (out / "Thumbs.db").write_bytes(THUMBS)


def plain(text: str) -> str:
    """Return text without HTML marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split()).replace(" .", ".").replace(" ,", ",")


def operations(data: Path, out: Path, rng: random.Random) -> None:
    """A reseller of cloud services: facts of each operation and the text of its catalogue, in nested JSON."""
    folders = sorted(path for path in (package("botocore") / "data").iterdir() if path.is_dir())
    services = []
    for folder in folders[::5]:
        path = max(folder.glob("*/service-2.json.gz"), default=None)
        if path is None:
            continue
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            model = json.load(stream)
        items = []
        for name, operation in sorted(model["operations"].items()):
            found = re.search(r"<p>(.*?)</p>", operation.get("documentation", ""), re.DOTALL)
            text = plain(found[1]) if found else ""
            if not 60 <= len(text) <= 600:
                continue
            taken = model["shapes"].get(operation.get("input", {}).get("shape"), {})
            given = model["shapes"].get(operation.get("output", {}).get("shape"), {})
            types = {one: model["shapes"][part["shape"]]["type"] for one, part in taken.get("members", {}).items()}
            items.append(
                {
                    "sku": f"OP-{rng.randrange(10**6):06d}",
                    "facts": {
                        "operation": name,
                        "method": operation.get("http", {}).get("method"),
                        "needs": {one: types[one] for one in taken.get("required", []) if one in types},
                        "takes": [one for one in types if one not in taken.get("required", [])][:8],
                        "returns": list(given.get("members", {}))[:8],
                        "errors": [error["shape"] for error in operation.get("errors", [])][:6],
                    },
                    "catalogue_text": None if rng.random() < 0.01 else text,
                }
            )
        if items:
            services.append({"service": model["metadata"]["serviceFullName"], "operations": items[:35]})
    whole = json.dumps({"exported": "2024-02-29", "shop": "en", "services": services}, indent=1, ensure_ascii=False)
    (out / "catalogue-export-20240229.json").write_text(whole, encoding="utf-8")
    (out / "catalogue-export-20240229 (1).json").write_text(whole, encoding="utf-8")
    note(
        out,
        "README.md",
        """
        Export of the shop's catalogue. `facts` come from the vendor, `catalogue_text` is what we print. `null`: not
        written yet. Field list: ask Marit.
        """,
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


def described(name: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, long text and line of each documented function of a package."""
    root = package(name)
    for path in sorted(root.rglob("*.py")):
        if "tests" in path.parts or "externals" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            line, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
            long = re.split(r"\n(?:Examples|References|See Also)\n-+", rest)[0].strip()
            line = " ".join(line.split())
            if 30 <= len(line) <= 160 and 400 <= len(long) <= 4_000:
                yield f"{'.'.join(path.relative_to(root).with_suffix('').parts)}.{node.name}", long, line


def reference_pages(data: Path, out: Path, rng: random.Random) -> None:
    """A publisher of technical books: long entries of a reference and the line for its index, three CSV files."""
    for number, (name, year) in enumerate([("scipy", 2021), ("sklearn", 2022), ("networkx", 2023)]):
        seen: set[str] = set()
        rows: list[dict[str, Any]] = []
        for entry, long, line in described(name):
            if long in seen:
                continue
            seen.add(long)
            rows.append(
                {
                    "Entry": entry,
                    "Chapter": entry.split(".")[0],
                    "Pages": rng.randint(1, 6),
                    "Full text": long,
                    "Index line": line,
                    "Checked by": rng.choice(["HB", "hb", "Lucía", ""]),
                }
            )
        rows = rng.sample(rows, min(700, len(rows)))
        blank(rows, "Index line", 8, rng)
        table(out / f"Volume {number + 1} ({year}).csv", rows, encoding="utf-8-sig")
    shutil.copyfile(out / "Volume 2 (2022).csv", out / "Volume 2 (2022) - Copy.csv")
    note(
        out,
        "Read me first.txt",
        """
        Three volumes of the handbook. "Full text" is the entry, "Index line" what stands in the index.
        Texts have line breaks in them, open with care.
        """,
    )
    (out / "Thumbs.db").write_bytes(THUMBS)


def sentence_of(context: str, start: int) -> str:
    """Return the sentence of a passage around a place."""
    first = max(context.rfind(". ", 0, start) + 2, 0) if ". " in context[:start] else 0
    last = context.find(". ", start)
    return context[first : last + 1 if last >= 0 else len(context)].strip()


def kiosk(data: Path, out: Path, rng: random.Random) -> None:
    """A visitor centre: the dialogue tree of its talking kiosk."""
    articles = json.loads((data / "squad-v2-dev" / "dev-v2.0.part.json").read_text(encoding="utf-8"))["data"]
    nodes: list[dict[str, Any]] = []
    root: dict[str, Any] = {
        "id": "start",
        "type": "menu",
        "bot": "Hello! What would you like to know about?",
        "children": [],
    }
    nodes.append(root)
    for place, article in enumerate(articles):
        topic: dict[str, Any] = {
            "id": f"t{place}",
            "type": "menu",
            "user": article["title"].replace("_", " "),
            "bot": "Ask me about it.",
            "children": [],
        }
        root["children"].append(topic["id"])
        nodes.append(topic)
        for number, part in enumerate(article["paragraphs"]):
            for step, asked in enumerate(part["qas"]):
                if asked["is_impossible"]:
                    if rng.random() > 0.06:
                        continue
                    answer = {"type": "handover", "bot": None, "goto": "human"}
                else:
                    answer = {
                        "type": "answer",
                        "bot": sentence_of(part["context"], asked["answers"][0]["answer_start"]),
                    }
                key = f"t{place}.p{number}.{step}"
                topic["children"].append(key)
                nodes.append(
                    {"id": key, "user": " ".join(asked["question"].split()), **answer, "children": ["t" + str(place)]}
                )
    for node in rng.sample(nodes[1:], 10):
        node["user"] = None
    tree = {"name": "kiosk-hall-2", "version": "14.2", "language": "en", "entry": "start", "nodes": nodes}
    (out / "export").mkdir()
    whole = json.dumps(tree, indent=2, ensure_ascii=False)
    (out / "export" / "kiosk_flow_v14.2.json").write_text(whole, encoding="utf-8")
    (out / "export" / "kiosk_flow_v14.2_backup.json").write_text(whole, encoding="utf-8")
    theme = {"font": "Inter", "idle_seconds": 45, "colours": {"back": "#102a43", "text": "#f0f4f8"}}
    (out / "export" / "theme.json").write_text(json.dumps(theme, indent=2), encoding="utf-8")
    note(
        out,
        "README.md",
        """
        # Kiosk

        Export of the dialogue editor. A node of type `answer` is a question (`user`) and what the kiosk says (`bot`).
        `handover` rings the desk.
        """,
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


def code(data: Path, out: Path, rng: random.Random) -> None:
    """A web agency: the source of its platform, with the packages of others below node_modules."""
    for name in ("flask", "werkzeug", "itsdangerous", "click"):
        for path in sorted(package(name).rglob("*.py")):
            target = out / "platform" / "src" / name / path.relative_to(package(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    driver = package("playwright") / "driver" / "package"
    modules = out / "platform" / "web" / "node_modules"
    for part in ("package.json", "README.md", "LICENSE", "index.js", "index.mjs", "cli.js", "ThirdPartyNotices.txt"):
        target = modules / "playwright-core" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (driver / part).exists():
            shutil.copyfile(driver / part, target)
    for path in sorted(driver.joinpath("lib").rglob("*.js")) + sorted(driver.joinpath("types").rglob("*.ts")):
        if path.stat().st_size < 900_000:
            target = modules / "playwright-core" / path.relative_to(driver)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    search = package("mkdocs") / "contrib" / "search" / "templates" / "search"
    (modules / "lunr").mkdir(parents=True, exist_ok=True)
    for path in sorted(search.glob("*.js")):
        shutil.copyfile(path, modules / "lunr" / path.name)
    web = {"name": "platform-web", "private": True, "dependencies": {"lunr": "^2.3.9", "playwright-core": "*"}}
    (out / "platform" / "web" / "package.json").write_text(json.dumps(web, indent=2) + "\n", encoding="utf-8")
    source = out / "platform" / "src" / "werkzeug"
    shutil.copyfile(source / "security.py", source / "security (copy).py")
    cache = source / "__pycache__"
    cache.mkdir()
    (cache / "utils.cpython-311.pyc").write_bytes(b"\xa7\r\r\n" + bytes(2_000))
    (out / "platform" / ".gitignore").write_text("node_modules/\n__pycache__/\n", encoding="utf-8")
    note(
        out,
        "README.md",
        """
        # Platform

        `src` is our server (forks of Flask, Werkzeug, ItsDangerous and Click, BSD licences), `web` the front end.
        """,
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


def sensors(data: Path, out: Path, rng: random.Random) -> None:
    """A dairy: readings of its machines, a file a month, which hold no language."""
    for month in range(6):
        rows: list[dict[str, Any]] = []
        begin = datetime(2024, 1 + month, 1)
        for step in range(700):
            when = begin + timedelta(minutes=60 * step)
            hot = 4.2 + 1.1 * math.sin(when.hour / 24 * math.tau) + rng.gauss(0, 0.2)
            shake = abs(rng.gauss(0.8, 0.15)) + (2.5 if rng.random() < 0.01 else 0)
            rows.append(
                {
                    "ts": when.isoformat() + "Z",
                    "dev": f"PMP-{rng.randint(1, 4):02d}",
                    "temp_c": None if rng.random() < 0.01 else f"{hot:.2f}",
                    "flow_lpm": f"{rng.gauss(118, 4):.1f}",
                    "vib_rms": f"{shake:.3f}",
                    "rpm": rng.randint(1_440, 1_470),
                    "state": rng.choice(["WARN", "warn"]) if shake > 2.5 else "OK",
                }
            )
        table(out / f"scada_{begin:%Y%m}.csv", rows, newline="\n")
    shutil.copyfile(out / "scada_202403.csv", out / "scada_202403(1).csv")
    note(out, "README.txt", "Hourly readings of pumps 1 to 4. temp_c empty = probe offline. State set by the PLC.")
    (out / "Thumbs.db").write_bytes(THUMBS)


def tickets(data: Path, out: Path, rng: random.Random) -> None:
    """A bank's service desk: messages and the queue that took each, among columns that say nothing."""
    with (data / "banking77" / "train.csv").open(newline="", encoding="utf-8") as stream:
        messages = list(csv.DictReader(stream))
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(rng.sample(messages, 4_000)):
        queue = row["category"].replace("_", " ")
        rows.append(
            {
                "ticket": 7_100_000 + number,
                "opened": day(rng, 350).isoformat() + "Z",
                "channel": rng.choice(["app", "App", "mail", "web"]),
                "priority": rng.choices([1, 2, 3, None], [5, 20, 70, 5])[0],
                "clerk": f"clerk{rng.randrange(24):02d}",
                "office": rng.choice(["Ghent", "Bruges", "Leuven"]),
                "message": row["text"],
                "queue": queue.upper() if rng.random() < 0.02 else queue,
                "closed": rng.random() < 0.97,
            }
        )
    blank(rows, "queue", 30, rng)
    blank(rows, "message", 12, rng)
    whole = "".join(json.dumps(row) + "\n" for row in rows)
    (out / "tickets-2023-full.ndjson").write_text(whole, encoding="utf-8")
    (out / "tickets-2023-full.copy.ndjson").write_text(whole, encoding="utf-8")
    note(
        out, "README.md", "Dump of the desk's tool. `queue` is where the ticket ended. Names of customers are removed."
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


SETS: dict[int, dict[str, Maker]] = {
    1: {
        "cinema-comments": shop_comments,
        "czech-desk": czech_desk,
        "city-guide": listings,
        "paper-digest": paper_digest,
        "museum-questions": answer_pages,
        "derechos": spanish_rights,
        "item-bank": exam_items,
        "new-project": nothing,
    },
    2: {
        "capsule-reviews": single_reviews,
        "bildtexte": memory,
        "cloud-catalogue": operations,
        "handbook-index": reference_pages,
        "kiosk": kiosk,
        "platform-code": code,
        "dairy-sensors": sensors,
        "bank-tickets": tickets,
    },
}


def write(data: Path, number: int, out: Path, names: Iterable[str]) -> None:
    """Write the folders of a set afresh."""
    for name in names:
        folder = out / f"set-{number}" / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        SETS[number][name](data, folder, random.Random(f"{number} {name}"))


def main() -> None:
    """Write the folders of a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of published sets")
    parser.add_argument("--set", type=int, choices=sorted(SETS), required=True, help="which set to write")
    parser.add_argument("out", type=Path, help="where folders land, below set-1 or set-2")
    given = parser.parse_args()
    write(given.data, given.set, given.out, SETS[given.set])


if __name__ == "__main__":
    main()
