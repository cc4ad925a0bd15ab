"""Folders as strangers would bring them, made of published data: eight for each of four sets.

    python benchmarks/start/folders.py --data DATA --set 1 OUT

DATA is a folder of published sets. Folders land in OUT/set-N/NAME; expected.yaml (sets 1 and 2),
expected_third.yaml and expected_fourth.yaml tell what each should become. All choices are seeded, so two runs on the
same packages write the same bytes. Sets 3 and 4 are kept for a last trial: who changes the product should not look at
them.
"""

from __future__ import annotations

import argparse
import csv
import html
import json
import random
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import folders_fourth
import folders_second
import folders_third
import pyarrow as pa
import pyarrow.parquet as pq
from folder_files import DS_STORE, THUMBS, Maker, blank, day, json_lines, note, pdf, table, workbook


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


FOLDERS: dict[str, Maker] = {
    "cinema-comments": shop_comments,
    "czech-desk": czech_desk,
    "city-guide": listings,
    "paper-digest": paper_digest,
    "museum-questions": answer_pages,
    "derechos": spanish_rights,
    "item-bank": exam_items,
    "new-project": nothing,
}
SETS = {1: FOLDERS, 2: folders_second.FOLDERS, 3: folders_third.FOLDERS, 4: folders_fourth.FOLDERS}


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
    parser.add_argument("out", type=Path, help="where folders land, below set-1 to set-4")
    given = parser.parse_args()
    write(given.data, given.set, given.out, SETS[given.set])


if __name__ == "__main__":
    main()
