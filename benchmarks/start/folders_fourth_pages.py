"""Two folders of pages for the third set: notes of a static site, and an intranet in Polish."""

from __future__ import annotations

import html
import json
import random
import re
import shutil
import textwrap
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

from babel import Locale
from babel.core import get_global
from babel.dates import get_timezone_location
from folder_files import THUMBS, day, note
from phonenumbers import PhoneMetadata, country_code_for_region

TOP = (
    '<table width="100%" bgcolor="#003366"><tr><td><font color="white">Polisa w Drogę S.A. - intranet</font></td>'
    '<td align="right"><a href="#">Strona główna</a> <a href="#">Urlopy</a> <a href="#">Stołówka</a></td></tr></table>'
)
FOOT = "<hr><small>Tylko do użytku wewnętrznego. Uwagi: dział informacji, wewn. 214. Drukuj oszczędnie!</small>"
PAGE = (
    '<html><head><meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2"><title>{}</title></head>'
    "<body>\n{}\n{}\n{}\n</body></html>\n"
)


def wire_notes(data: Path, out: Path, rng: random.Random) -> None:
    """A news agency: notes as pages of a static site, with a teaser in the head of each."""
    notes: dict[str, str] = {}
    for path in sorted((data / "rte").glob("*.xml")):
        for pair in ElementTree.parse(path).getroot():
            text, short = (" ".join((pair.findtext(name) or "").split()) for name in ("t", "h"))
            told = (pair.get("value") or pair.get("entailment")) in ("TRUE", "YES")
            if told and len(text.split()) >= 25 and len(short.split()) <= len(text.split()) * 0.7:
                notes.setdefault(text, short)
    for number, (text, short) in enumerate(rng.sample(sorted(notes.items()), len(notes)), 1):
        when = day(rng)
        folder = out / "content" / "wire" / f"{when:%Y}" / f"{when:%m}"
        folder.mkdir(parents=True, exist_ok=True)
        shown = "" if number % 75 == 0 else json.dumps(short, ensure_ascii=False)
        head = [
            f"slug: n{number:05d}",
            f"date: {when:%Y-%m-%dT%H:%M:%S}+01:00",
            f"desk: {rng.choice(['world', 'money', 'home'])}",
        ]
        head += [f"teaser: {shown}", f"draft: {'true' if not shown else 'false'}", f"weight: {rng.randint(1, 9)}"]
        page = "---\n" + "\n".join(head) + "\n---\n\n" + textwrap.fill(text, 100) + "\n\n{{< share >}}\n"
        (folder / f"n{number:05d}.md").write_text(page, encoding="utf-8")
    for folder in sorted((out / "content" / "wire").glob("*/*")):
        (folder / "_index.md").write_text(f"---\ntitle: {folder.parent.name}-{folder.name}\n---\n", encoding="utf-8")
    first = sorted((out / "content" / "wire").rglob("n*.md"))[0]
    shutil.copyfile(first, first.with_name(first.stem + " copy.md"))
    single = '{{ define "main" }}<article><p class="teaser">{{ .Params.teaser }}</p>{{ .Content }}</article>{{ end }}\n'
    (out / "layouts" / "_default").mkdir(parents=True)
    (out / "layouts" / "_default" / "single.html").write_text(single, encoding="utf-8")
    (out / "layouts" / "shortcodes").mkdir()
    (out / "layouts" / "shortcodes" / "share.html").write_text(
        '<a class="share" href="#">Share</a>\n', encoding="utf-8"
    )
    (out / "hugo.toml").write_text('baseURL = "https://wire.example/"\ntitle = "Wire"\n', encoding="utf-8")
    note(
        out,
        "README.md",
        "# Wire\n\nSite of the agency. The teaser of a note stands on the front page; editors write it.",
    )


def slug(name: str) -> str:
    """Return a name as a Polish web master would write it in a file's name."""
    held = unicodedata.normalize("NFKD", name.lower().replace("ł", "l"))
    return re.sub(r"[^a-z0-9]+", "_", "".join(one for one in held if not unicodedata.combining(one))).strip("_")


def land_facts(code: str, polish: Locale) -> dict[str, str]:
    """Return what CLDR and phonenumbers know of a country, in Polish, by section."""
    money, old = [], []
    for name, _, until, tender in get_global("territory_currencies").get(code, []):
        if tender and name in polish.currencies:
            shown = f"{polish.currencies[name]} ({name}"
            (money.append(f"{shown})") if until is None else old.append(f"{shown}, do {until[0]} r.)"))
    spoken = sorted(
        get_global("territory_languages").get(code, {}).items(), key=lambda one: -one[1]["population_percent"]
    )
    tongues = [(polish.languages[name], held) for name, held in spoken if name in polish.languages]
    official = [name for name, held in tongues if held["official_status"]]
    other = [f"{name} ({held['population_percent']:g}%)" for name, held in tongues if not held["official_status"]][:6]
    zones = [
        get_timezone_location(zone, locale=polish, return_city=True)
        for zone in get_global("territory_zones").get(code, [])
    ]
    short = PhoneMetadata.short_metadata_for_region(code)
    alarm = short.emergency.example_number if short and short.emergency else None
    sections = {
        "Pieniądze": [("Waluta", money), ("Dawne waluty", old[::-1])],
        "Języki": [("Języki urzędowe", official), ("Inne języki i odsetek mówiących", other)],
        "Telefon i pomoc": [
            ("Numer kierunkowy", [f"+{country_code_for_region(code)}"] if country_code_for_region(code) else []),
            ("Numer alarmowy", [alarm] if alarm else []),
        ],
        "Czas": [("Zegary według miast", zones[:8])],
    }
    return {
        head: " ".join(f"{name}: {', '.join(held)}." for name, held in parts if held)
        for head, parts in sections.items()
    }


def land_pages(data: Path, out: Path, rng: random.Random) -> None:
    """A Polish travel insurer: a page for each country in the old intranet, in ISO 8859-2."""
    polish = Locale.parse("pl")
    lands = {name: code for code, name in polish.territories.items() if len(code) == 2 and code.isalpha()}
    told = {name: land_facts(code, polish) for name, code in sorted(lands.items())}
    told = {name: facts for name, facts in told.items() if facts["Pieniądze"] and facts["Języki"]}
    letters = sorted({slug(name)[0] for name in told})
    menu = " | ".join(f'<a href="../{one}/index.htm">{one.upper()}</a>' for one in letters)
    top = f"{TOP}{menu}<hr>"
    for place, (name, facts) in enumerate(told.items()):
        folder = out / "intranet" / "kraje" / slug(name)[0]
        folder.mkdir(parents=True, exist_ok=True)
        shown, parts = html.escape(name), []
        for head, text in facts.items():
            if not text:
                continue
            if place % 2:
                parts.append(f"<h3>{shown} - {head.lower()}</h3>\n<p>{html.escape(text)}</p>")
            else:
                parts.append(f"<tr><td><b>{shown} - {head.lower()}</b></td><td>{html.escape(text)}</td></tr>")
        body = "\n".join(parts) if place % 2 else "<table border=1>\n" + "\n".join(parts) + "\n</table>"
        whole = PAGE.format(f"{shown} - informacje dla konsultantów", top, f"<h1>{shown}</h1>\n{body}", FOOT)
        (folder / f"{slug(name)}.htm").write_bytes(whole.encode("iso-8859-2", "xmlcharrefreplace"))
    for one in letters:
        folder = out / "intranet" / "kraje" / one
        links = "".join(f'<li><a href="{path.name}">{path.stem}</a>' for path in sorted(folder.glob("*.htm")))
        (folder / "index.htm").write_bytes(
            PAGE.format(one.upper(), top, f"<ul>{links}</ul>", FOOT).encode("iso-8859-2")
        )
    iceland = out / "intranet" / "kraje" / "i" / "islandia.htm"
    shutil.copyfile(iceland, iceland.with_name("islandia_kopia.htm"))
    text = (
        "Kopia stron o krajach z intranetu. Dane: CLDR (Unicode-3.0) i phonenumbers (Apache-2.0).\r\n"
        "Kodowanie ISO-8859-2.\r\n"
    )
    (out / "CZYTAJ.TXT").write_bytes(text.encode("iso-8859-2"))
    (out / "intranet" / "Thumbs.db").write_bytes(THUMBS)
