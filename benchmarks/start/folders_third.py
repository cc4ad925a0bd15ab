"""The third set of folders, made after the second was looked at: who changes the product should not look at it."""

from __future__ import annotations

import gzip
import html
import json
import random
import re
import shutil
import struct
import zlib
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from folder_files import DS_STORE, THUMBS, Maker, blank, day, json_lines, note, package, table, workbook

DESKS = {
    "Nordic": "dan nob swe isl fin",
    "Baltic": "est lav lit",
    "Iberian": "spa cat eus",
    "South Slavic": "bul hrv mkd slv srp_latn",
    "Czech and Slovak": "ces slk",
    "Polish": "pol",
    "Russian and Ukrainian": "rus ukr",
    "Hungarian": "hun",
    "French": "fra",
    "German and Dutch": "deu nld",
    "Italian": "ita",
    "Romanian": "ron",
    "Irish and Welsh": "gle cym",
    "Turkish": "tur",
    "Arabic": "arb",
    "Hebrew": "heb",
    "Caucasus": "hye kat",
    "African": "amh swh yor zul",
    "South Asian": "ben hin tam",
    "South-East Asian": "ind tha vie",
    "Chinese": "cmn_hans cmn_hant",
    "Japanese and Korean": "jpn kor",
    "English": "eng",
}


def letters(data: Path, out: Path, rng: random.Random) -> None:
    """An advice centre: openings of letters in 49 languages and the desk that took each, in Excel by year."""
    desk_of = {language: desk for desk, held in DESKS.items() for language in held.split()}
    texts = [(row["text"], desk_of[row["lang"]]) for row in json_lines(data / "udhr-languages" / "udhr.jsonl")]
    texts = [(text, desk) for text, desk in texts if len(text) > 8]
    rng.shuffle(texts)
    rows = [
        [
            f"L/{place + 1:04d}",
            rng.choice(["post", "post", "front desk", "e-mail", None]),
            text,
            f"{desk} desk" if rng.random() < 0.04 else desk,
            rng.choice(["", "", "", "urgent", "2 pages", "with copy of passport"]),
        ]
        for place, (text, desk) in enumerate(texts)
    ]
    for row in rng.sample(rows, 30):
        row[3] = rng.choice([None, "?"])
    head = ["Our ref", "Came by", "Opening of the letter", "Passed to", "Remarks"]
    half = 1_300
    sheets: dict[str, list[list[Any]]] = {
        "2022": [["Letter room - log of incoming letters 2022"], [], head, *rows[:half]],
        "2023": [["Letter room - log of incoming letters 2023"], [], head, *rows[half:]],
        "Desks": [
            ["Desk", "Room", "Extension"],
            *[[desk, rng.randint(101, 120), 4_000 + i] for i, desk in enumerate(DESKS)],
        ],
    }
    workbook(out / "Letter room log (shared).xlsx", sheets)
    (out / "~$Letter room log (shared).xlsx").write_bytes(b"\x05Maeve" + b" " * 49 + bytes(110))
    note(
        out,
        "how we log.txt",
        """
        Type the first lines of the letter as they stand. "Passed to" is the desk that answered it in the end.
        A question mark means nobody could read it. Desks with extensions are on the last sheet.
        """,
    )


def unit(key: str, german: str, french: str | None, state: str) -> str:
    """Return a unit of an XLIFF file."""
    target = f'        <target state="{state}">{escape(french)}</target>\n' if french is not None else ""
    return (
        f'      <trans-unit id="{key}">\n        <source>{escape(german)}</source>\n{target}'
        f"        <note>max. 160</note>\n      </trans-unit>\n"
    )


def descriptions(data: Path, out: Path, rng: random.Random) -> None:
    """A bilingual town: descriptions of pictures for blind visitors, German and French, as XLIFF."""
    lots = {"Los 1": "val", "Los 2": "test_2016_flickr"}
    for lot, name in lots.items():
        german = (data / "multi30k" / f"{name}.de").read_text(encoding="utf-8").splitlines()
        french = (data / "multi30k" / f"{name}.fr").read_text(encoding="utf-8").splitlines()
        units = []
        for number, (source, target) in enumerate(zip(german, french, strict=True), 1):
            key, chance = f"{lot[-1]}-{number:04d}", rng.random()
            if chance < 0.02:
                units.append(unit(key, source.strip(), None, ""))
            elif chance < 0.03:
                units.append(unit(key, source.strip(), source.strip(), "needs-translation"))
            else:
                state = "final" if chance < 0.8 else "translated"
                units.append(unit(key, source.strip(), target.strip(), state))
        whole = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">\n'
            f'  <file original="{lot}.docx" source-language="de-CH" target-language="fr-CH" datatype="plaintext">\n'
            f'    <header><tool tool-id="w" tool-name="Wortwerk"/></header>\n    <body>\n{"".join(units)}    </body>\n'
            "  </file>\n</xliff>\n"
        )
        (out / lot).mkdir()
        (out / lot / f"{lot.replace(' ', '_')}_de-CH_fr-CH.xlf").write_text(whole, encoding="utf-8")
    (out / "archiv").mkdir()
    shutil.copyfile(out / "Los 1" / "Los_1_de-CH_fr-CH.xlf", out / "archiv" / "Los_1_de-CH_fr-CH_20230930.xlf")
    note(
        out,
        "À lire - Bitte lesen.txt",
        """
        Bildbeschreibungen für den Audioguide / descriptions d'images pour l'audioguide.
        Los 1 und Los 2 sind abgenommen, offene Stellen haben kein Ziel oder "needs-translation".
        archiv: état remis à la ville, identique au lot 1.
        """,
    )
    (out / "Los 1" / "Thumbs.db").write_bytes(THUMBS)


def librarian(data: Path, out: Path, rng: random.Random) -> None:
    """A library: chats of guests with its librarians, a plain log for each month."""
    rows = [row for _, row in zip(range(1_000), json_lines(data / "superglue-boolq" / "val.jsonl"), strict=False)]
    rng.shuffle(rows)
    months: dict[int, list[str]] = {month: [] for month in range(1, 11)}
    for number, row in enumerate(rows):
        month, when = number // 100 + 1, datetime(2023, number // 100 + 1, number % 100 // 4 + 1, 9 + number % 8, 5)
        clock = [when + timedelta(minutes=minute) for minute in (0, 1, 1 + rng.randint(1, 6), 9, 10)]
        asked = row["question"] + rng.choice(["", "?", "??", " please"])
        title, _, told = row["passage"].partition(" -- ")
        told = " ".join(told.split()).replace("``", '"').replace("''", '"')
        said = [("SYSTEM", "guest waiting"), ("Guest", rng.choice(["hi", "hello", "good morning", "Hi there"]))]
        said = [*said[: rng.randint(1, 2)], ("Guest", asked)]
        if rng.random() < 0.04:
            said.append(("SYSTEM", "guest left before a librarian joined"))
        else:
            yes = "Yes" if row["label"] in (True, "true") else "No"
            said.append((rng.choice(["Marjorie", "Dev", "Tobias"]), f"{yes}, as far as I can see. {title}: {told}"))
            said += [("Guest", rng.choice(["thanks!", "great, ty", "cheers"]))] * rng.randint(0, 1)
        lines = [f"[{moment:%H:%M}] {who}: {text}" for moment, (who, text) in zip(clock, said, strict=False)]
        months[month].append(f"--- chat {88_000 + number} opened {when:%d/%m/%Y %H:%M} ---\n" + "\n".join(lines) + "\n")
    (out / "chatlogs").mkdir()
    for month, chats in months.items():
        (out / "chatlogs" / f"2023-{month:02d}.log").write_text("\n".join(chats), encoding="utf-8")
    shutil.copyfile(out / "chatlogs" / "2023-04.log", out / "chatlogs" / "2023-04 (restored).log")
    note(
        out,
        "ABOUT",
        """
        Chats of the enquiry desk, one log a month. Guests are anonymous; staff agreed to first names.
        April had to be restored from the nightly copy.
        """,
    )
    (out / "chatlogs" / ".DS_Store").write_bytes(DS_STORE)


def explained(text: str) -> str:
    """Return the first paragraph of a description without its marks."""
    first = re.split(r"</p>", text, maxsplit=1)[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", first)).split()).replace(" .", ".").replace(" ,", ",")


def error_entry(name: str, shape: dict[str, Any], used: list[str], rng: random.Random) -> str | None:
    """Return the entry of an error with its facts and its explanation, or None if that is too short or long."""
    text = explained(shape.get("documentation", ""))
    if not 30 <= len(text) <= 400:
        return None
    error = shape.get("error", {})
    fault = "server" if shape.get("fault") or error.get("httpStatusCode", 400) >= 500 else "client"
    parts = {
        "code": error.get("code", name),
        "status": str(error.get("httpStatusCode", "")),
        "side": fault,
        "raisedBy": "; ".join(used[:6]),
        "carries": "; ".join(list(shape.get("members", {}))[:6]),
        "explanation": "" if rng.random() < 0.02 else text,
    }
    held = "".join(
        f"    <{key}>{escape(value)}</{key}>\n" if value else f"    <{key}/>\n" for key, value in parts.items()
    )
    return f'  <entry id="E{rng.randrange(10**7):07d}" rev="{rng.randint(1, 9)}">\n{held}  </entry>\n'


def error_handbook(data: Path, out: Path, rng: random.Random) -> None:
    """A help desk: errors of many products with their facts and the explanation for callers, an XML file each."""
    folders = sorted(path for path in (package("botocore") / "data").iterdir() if path.is_dir())
    for folder in folders[1::3]:
        path = max(folder.glob("*/service-2.json.gz"), default=None)
        if path is None:
            continue
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            model = json.load(stream)
        used: dict[str, list[str]] = defaultdict(list)
        for name, operation in sorted(model["operations"].items()):
            for error in operation.get("errors", []):
                used[error["shape"]].append(name)
        entries = [error_entry(name, model["shapes"][name], held, rng) for name, held in sorted(used.items())]
        body = "".join(entry for entry in entries if entry)
        if body:
            product = escape(model["metadata"]["serviceFullName"], {'"': "&quot;"})
            whole = f'<?xml version="1.0" encoding="UTF-8"?>\n<product name="{product}">\n{body}</product>\n'
            (out / f"{folder.name}.xml").write_text(whole, encoding="utf-8")
    (out / "old").mkdir()
    for path in sorted(out.glob("*.xml"))[:3]:
        shutil.copyfile(path, out / "old" / path.name)
    note(
        out,
        "readme.txt",
        """
        Error handbook, one file a product. All fields but <explanation> come from the vendor's feed.
        <explanation/> = to be written. "old" is not used any more.
        """,
    )


ARTICLES = [
    ("sport", 1, 13),
    ("svet", 14, 26),
    ("domaci", 124, 132),
    ("domaci", 133, 148),
    ("domaci", 163, 171),
    ("domaci", 200, 220),
    ("kultura", 241, 245),
    ("doprava", 264, 288),
    ("domaci", 323, 343),
    ("kultura", 358, 374),
    ("sport", 375, 389),
    ("svet", 406, 415),
    ("svet", 438, 442),
    ("zdravi", 443, 456),
    ("svet", 457, 472),
    ("svet", 489, 503),
    ("zdravi", 541, 557),
    ("svet", 600, 603),
    ("svet", 604, 625),
    ("svet", 657, 669),
    ("domaci", 675, 703),
    ("sport", 730, 758),
    ("kultura", 759, 770),
    ("domaci", 794, 813),
    ("svet", 891, 904),
    ("kultura", 992, 1020),
    ("svet", 1026, 1050),
    ("svet", 1051, 1055),
    ("domaci", 1061, 1088),
    ("doprava", 1132, 1155),
    ("zdravi", 1256, 1279),
    ("domaci", 1322, 1345),
]
"""Where articles of a newspaper lie among the Czech lines: section, title, last line."""


def article_page(section: str, title: str, body: list[str], teasers: list[str], when: datetime) -> str:
    """Return the page of an article with the menu, box and footer of its newspaper."""
    menu = "".join(f'<li><a href="../{name}/">{name.capitalize()}</a></li>' for name in sorted(SECTIONS))
    parts = [" ".join(body[place : place + 3]) for place in range(0, len(body), 3)]
    text = "\n".join(
        f'<p class="perex"><strong>{html.escape(part)}</strong></p>' if place == 0 else f"<p>{html.escape(part)}</p>"
        for place, part in enumerate(parts)
    )
    more = "".join(f'<li><a href="#">{html.escape(teaser)}</a></li>' for teaser in teasers)
    return (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN">\n<html lang="cs"><head>'
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1250" />'
        f"<title>{html.escape(title)} | Podhorský deník</title></head><body>"
        f'<div id="hlava"><img src="logo.gif" alt="Podhorský deník" /><ul class="menu">{menu}</ul>'
        '<form action="/hledej"><input name="q" value="Hledat v archivu" /></form></div>'
        f'<div id="obsah"><span class="rubrika">{section.capitalize()}</span><h1>{html.escape(title)}</h1>'
        f'<div class="datum">{when.day}. {when.month}. {when.year} {when:%H:%M}</div>\n{text}\n'
        '<div class="sdilet">Sdílet článek: <a href="#">Facebook</a> <a href="#">Twitter</a> '
        '<a href="#">Vytisknout</a></div></div>'
        f'<div id="pravy"><h3>Mohlo by vás zajímat</h3><ul>{more}</ul><div class="reklama">Reklama</div>'
        "<p>Předplaťte si Podhorský deník a čtěte bez reklam.</p></div>"
        '<div id="pata">&copy; 2021 Podhorský deník. Publikování bez souhlasu vydavatele je zakázáno. '
        '<a href="#">Kontakty</a> | <a href="#">Inzerce</a> | <a href="#">Cookies</a></div></body></html>\n'
    )


SECTIONS = {section for section, _, _ in ARTICLES}


def clippings(data: Path, out: Path, rng: random.Random) -> None:
    """A Czech town library: articles saved from the website of a newspaper, in windows-1250."""
    lines = (data / "wmt22-cs-en" / "src.cs").read_text(encoding="utf-8").splitlines()
    titles = [lines[first].rstrip(".") for _, first, _ in ARTICLES]
    for number, (section, first, last) in enumerate(ARTICLES):
        when = datetime(2021, 12, 11, 6, 0) + timedelta(minutes=rng.randrange(4_000))
        page = article_page(section, titles[number], lines[first + 1 : last + 1], rng.sample(titles, 4), when)
        held = page.encode("cp1250", "xmlcharrefreplace")
        folder = out / "vystrizky" / section
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"clanek-{20_411 + 7 * number}.htm").write_bytes(held)
        if number in (7, 20):
            (folder / f"clanek-{20_411 + 7 * number}-tisk.htm").write_bytes(held)
    for section in sorted(SECTIONS):
        page = article_page(section, f"Rubrika {section}", [], titles[:6], datetime(2021, 12, 14))
        (out / "vystrizky" / section / "index.htm").write_bytes(page.encode("cp1250", "xmlcharrefreplace"))
    (out / "POPIS.txt").write_bytes(
        "Výstřižky z internetového archivu deníku, uložené pro čtenáře studovny (prosinec 2021).\r\n"
        "Soubory -tisk.htm jsou verze pro tisk.\r\n".encode("cp1250")
    )
    (out / "vystrizky" / "Thumbs.db").write_bytes(THUMBS)


def wire_desk(data: Path, out: Path, rng: random.Random) -> None:
    """A radio newsroom: reports of agencies and the brief that was read out, two tables with one key."""
    briefs_of: dict[str, list[str]] = {}
    for path in sorted((data / "rte").glob("*.xml")):
        for pair in ElementTree.parse(path).iter("pair"):
            text, brief = (" ".join((pair.findtext(part) or "").split()) for part in "th")
            if len(text.split()) < 15 or len(brief) >= 0.8 * len(text):
                continue
            held = briefs_of.setdefault(text, [])
            if (pair.get("value") or pair.get("entailment")) in ("TRUE", "YES"):
                held.append(brief)
    texts = list(briefs_of)
    rng.shuffle(texts)
    spare = set(rng.sample([text for text in texts if not briefs_of[text]], 250))
    wires: list[dict[str, Any]] = []
    briefs: list[dict[str, Any]] = []
    for text in texts:
        if not briefs_of[text] and text not in spare:
            continue
        slug = f"w{len(wires) + 30_000}"
        moved = day(rng)
        wires.append(
            {
                "slug": slug,
                "agency": rng.choice(["AP", "RTR", "AFP", "own"]),
                "moved": f"{moved:%Y-%m-%d %H:%M}",
                "copy": text,
            }
        )
        for brief in briefs_of[text][:1]:
            briefs.append(
                {"slug": slug, "bulletin": f"{moved.hour + 1:02d}h", "read_by": rng.choice("KLMN"), "brief": brief}
            )
    rng.shuffle(briefs)
    table(out / "WIRES.txt", wires, "|", newline="\n")
    table(out / "BRIEFS.txt", briefs, "|", newline="\n")
    table(out / "BRIEFS_lastweek.txt", briefs[:400], "|", newline="\n")
    note(
        out,
        "notes.md",
        """
        Unload of the newsroom system, fields parted by |.
        WIRES: what the agencies moved. BRIEFS: what we read on air, `slug` says from which wire. Not every wire made
        it on air. BRIEFS_lastweek is a part of BRIEFS that somebody needed for a report.
        """,
    )


def judged(data: Path, out: Path, rng: random.Random) -> None:
    """A linguistics department: sentences marked as well formed or not, as "Unicode text" saved from Excel."""
    lines = (data / "glue-cola" / "in_domain_train.tsv").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        source, mark, _, sentence = line.split("\t")
        rows.append({"Nr": number, "Src": source, "Sentence": sentence, "Mark": mark, "Seen by": ""})
    rows = rng.sample(rows, 4_200)
    for number, row in enumerate(rows, 1):
        row |= {"Nr": number, "Seen by": rng.choice(["JvD", "jvd", "Ewa", "Ewa K."])}
    blank(rows, "Mark", 35, rng)
    parts = {"Judgements A.txt": rows[:2_100], "Judgements B.txt": rows[2_100:]}
    for name, held in parts.items():
        table(out / name, held, "\t", "utf-16")
    table(out / "Judgements A - Kopie.txt", parts["Judgements A.txt"], "\t", "utf-16")
    note(
        out,
        "codebook.txt",
        """
        Src: short name of the book or paper. Mark: 1 = a native speaker would say it, 0 = would not.
        No mark: we could not agree. Files come from Excel, "Save as Unicode text".
        """,
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


def picture(rng: random.Random) -> bytes:
    """Return a small picture as PNG: a sky, a hill and grain."""
    wide, high, hill = 96, 64, rng.randrange(20, 44)
    rows = b""
    for row in range(high):
        colour = (110, 160, 220) if row < hill else (70, 120, 60)
        rows += b"\0" + bytes(max(0, min(255, part + rng.randrange(-9, 9))) for _ in range(wide) for part in colour)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    held = b"\x89PNG\r\n\x1a\n"
    for kind, body in parts:
        held += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return held


def tracks(data: Path, out: Path, rng: random.Random) -> None:
    """A hiking club: tracks of its satellite receivers and pictures, which hold no text to learn from."""
    (out / "GPS").mkdir()
    (out / "DCIM" / "100MEDIA").mkdir(parents=True)
    for number in range(40):
        when = day(rng)
        north, east, height = 46.5 + rng.random() / 4, 9.8 + rng.random() / 4, rng.uniform(900, 1_900)
        points = []
        for _ in range(rng.randint(90, 240)):
            when += timedelta(seconds=rng.randint(20, 60))
            north, east = north + rng.gauss(0.0002, 0.0002), east + rng.gauss(0.0001, 0.0003)
            height += rng.gauss(0.5, 4)
            points.append(
                f'<trkpt lat="{north:.6f}" lon="{east:.6f}"><ele>{height:.1f}</ele>'
                f"<time>{when:%Y-%m-%dT%H:%M:%SZ}</time><extensions>"
                f"<hr>{rng.randint(88, 164)}</hr></extensions></trkpt>"
            )
        body = "\n".join(points)
        whole = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<gpx version="1.1" creator="eTrek 22" xmlns="http://www.topografix.com/GPX/1/1">\n'
            f"<trk><name>ACTIVE LOG {number + 1:03d}</name><trkseg>\n{body}\n</trkseg></trk></gpx>\n"
        )
        (out / "GPS" / f"Track_{when:%y%m%d}_{number + 1:03d}.gpx").write_text(whole, encoding="utf-8")
    first = sorted((out / "GPS").glob("*.gpx"))[0]
    shutil.copyfile(first, out / "GPS" / f"{first.stem} (1).gpx")
    for number in range(12):
        (out / "DCIM" / "100MEDIA" / f"IMAG{number * 3 + 11:04d}.png").write_bytes(picture(rng))
    (out / "DCIM" / "100MEDIA" / "Thumbs.db").write_bytes(THUMBS)
    note(out, "readme.txt", "Copied from the two receivers and the camera of the club, all tours since 2023.")


FOLDERS: dict[str, Maker] = {
    "letter-room": letters,
    "audioguide": descriptions,
    "enquiry-desk": librarian,
    "error-handbook": error_handbook,
    "press-clippings": clippings,
    "radio-briefs": wire_desk,
    "judgements": judged,
    "club-tours": tracks,
}
