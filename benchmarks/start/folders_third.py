"""The third set of folders, made after the second was looked at: who changes the product should not look at it."""

from __future__ import annotations

import gzip
import html
import json
import random
import re
import shutil
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from folder_files import DS_STORE, THUMBS, Maker, json_lines, note, package, workbook

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


FOLDERS: dict[str, Maker] = {
    "letter-room": letters,
    "audioguide": descriptions,
    "enquiry-desk": librarian,
    "error-handbook": error_handbook,
}
