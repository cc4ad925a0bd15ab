"""The third set of folders, made after the second was looked at: who changes the product should not look at it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from folder_files import THUMBS, Maker, json_lines, note, workbook

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


FOLDERS: dict[str, Maker] = {
    "letter-room": letters,
    "audioguide": descriptions,
}
