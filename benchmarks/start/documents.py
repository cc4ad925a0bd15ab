"""Folders whose texts are documents, and two in which nothing can be read."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from files import archive, letter, mail, scan, text_pdf, workbook, write
from grammar import RULES, Writer


def _contract(writer: Writer, clauses: int) -> list[str]:
    given = {"a": writer.line("company"), "b": writer.line("company"), "ra": "Supplier", "rb": "Customer"}

    def drawn() -> dict[str, str]:
        each = {
            "date": writer.mixed_date(RULES["months"]),
            "amount": f"£{writer.number(1, 400)},{writer.number(100, 999)}",
        }
        return {**given, **each, "percent": writer.number(1, 15), "years": writer.number(1, 12)}

    chosen = writer.draw.sample(writer.rules["clauses"], clauses)
    numbered = [f"{at}. {writer.fill(clause, **drawn())}" for at, clause in enumerate(chosen, 1)]
    return [writer.line("title").upper(), writer.line("opening", **drawn()), *numbered]


def law(folder: Path, writer: Writer, share: float) -> None:
    """Contracts as PDFs by year, scans among them, copies in `old`, a locked-up spreadsheet."""
    for number in range(max(12, int(140 * share))):
        year = 2015 + number % 9
        name = f"{year}/{writer.line('surname')} - {writer.line('goods')} ({number}).pdf"
        content = (
            scan(writer.draw, "PDF") if number % 17 == 5 else text_pdf(_contract(writer, writer.draw.randint(9, 16)))
        )
        write(folder / "Contracts" / name, content)
        if number % 20 == 3:
            write(folder / "Contracts" / "old" / Path(name).name, content)
    write(folder / "Contracts" / "2019" / "broken.pdf", b"%PDF-1.4\n1 0 obj\n<< /Type /Cat")
    write(folder / "Matters.xlsx", workbook([["Matter", "Partner"], ["1187", "Pell"]]))
    write(folder / "Contracts" / ".DS_Store", b"\0\0\0\1Bud1\0")
    write(folder / "Contracts" / "~$draft.docx", b"")


def docs(folder: Path, writer: Writer, share: float) -> None:
    """Pages of an interface for energy meters: HTML with menus, guides in Markdown, pages generated twice."""
    calls = [(verb, noun) for noun in writer.rules["noun"] for verb in writer.rules["verb"]]
    writer.draw.shuffle(calls)
    calls = calls[: max(24, int(len(calls) * share))]
    menu = "".join(f'<li><a href="{verb}-{noun}.html">{verb} {noun}</a></li>' for verb, noun in calls[:40])
    for verb, noun in calls:
        given = {"noun": noun, "noun2": writer.line("noun"), "verb": verb, "n": writer.number(2, 90)}
        params = writer.draw.sample(writer.rules["param"], 4)
        cells = ((f"<code>{param}</code>", writer.line("type"), writer.line("paramline", **given)) for param in params)
        table = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
        errors = "".join(f"<li>{writer.line('status', **given, param=params[0])}</li>" for _ in range(3))
        example = json.dumps(
            {params[0]: 3, params[1]: "north", noun: f"{noun[:2]}_{writer.number(1000, 9999)}"}, indent=2
        )
        about = "".join(f"<p>{writer.line('about', **given, param=params[0])}</p>" for _ in range(2))
        page = (
            f"<!DOCTYPE html><html><head><title>{verb} {noun}</title><script>track()</script></head>"
            f"<body><nav><ul>{menu}</ul></nav><main><h1>{verb.title()} a {noun}</h1>{about}"
            f"<h2>Parameters</h2><table>{table}</table><h2>Errors</h2><ul>{errors}</ul>"
            f"<h2>Example</h2><pre>{escape(example)}</pre></main><footer>Kilnwatt API 3.2</footer></body></html>"
        )
        write(folder / "reference" / f"{verb}-{noun}.html", page)
    for noun in writer.rules["noun"]:
        given = {"noun": noun, "noun2": writer.line("noun"), "n": writer.number(2, 60)}
        body = "\n\n".join(writer.lines("advice", 4, **given) + writer.lines("about", 2, **given))
        write(
            folder / "guides" / f"{noun}.md",
            f"---\ntitle: Working with {noun}s\n---\n\n# Working with {noun}s\n\n{body}\n",
        )
    first = calls[0]
    write(
        folder / "reference" / "v2" / f"{first[0]}-{first[1]}.html",
        (folder / "reference" / f"{first[0]}-{first[1]}.html").read_bytes(),
    )
    write(folder / "guides" / "logo.png", scan(writer.draw, "PNG"))
    write(folder / "LICENSE", "Creative Commons Attribution 4.0 International\n")


def code(folder: Path, writer: Writer, share: float) -> None:
    """A repository: Python packages with tests, some JavaScript and shell, a licence, vendored and built files."""
    draw, nouns, verbs = writer.draw, writer.rules["noun"], writer.rules["verb"]
    checks = [
        "if not {n}:\n        return {d}",
        'if len({n}) > {k}:\n        raise ValueError(f"{{len({n})}} {n}, at most {k}")',
        "{n} = [each for each in {n} if each.{p} is not None]",
        "if {p} is None:\n        {p} = {k}",
        "{n} = sorted({n}, key=lambda each: each.{p})",
    ]
    ends = [
        "return sum(each.{p} for each in {n})",
        "return {{each.{p}: each for each in {n}}}",
        "return [each for each in {n} if each.{p} >= {k}]",
        "return max({n}, key=lambda each: each.{p}, default=None)",
        "return {n}[:{k}]",
        'log.info("%s {v}d %d", {p}, len({n}))\n    return {n}',
    ]
    for package in nouns[: max(3, int(16 * share))]:
        names = []
        for module in draw.sample(verbs, max(3, int(9 * min(1, share)))):
            parts = [
                f'"""How to {module} {package}s."""\n\nfrom __future__ import annotations\n\n'
                "import logging\n\nlog = logging.getLogger(__name__)\n"
            ]
            for noun in draw.sample(nouns, 5):
                given = {
                    "n": f"{noun}s",
                    "p": draw.choice(writer.rules["param"]),
                    "k": writer.number(2, 500),
                    "v": module,
                    "d": draw.choice(["[]", "None", "0"]),
                }
                body = "\n    ".join(
                    [*(each.format(**given) for each in draw.sample(checks, 2)), draw.choice(ends).format(**given)]
                )
                about = f'"""{module.title()} {noun}s of a {package} by their `{given["p"]}`."""'
                parts.append(f"\n\ndef {module}_{noun}s({noun}s, {given['p']}=None):\n    {about}\n    {body}\n")
                names.append((module, noun))
            write(folder / "src" / "kilnwatt" / package / f"{module}.py", "".join(parts))
        write(folder / "src" / "kilnwatt" / package / "__init__.py", "")
        tests = "".join(
            f"\n\ndef test_{m}_{n}s_of_nothing():\n    assert not {m}.{m}_{n}s([])\n" for m, n in names[::2]
        )
        imports = ", ".join(sorted({m for m, _ in names}))
        write(folder / "tests" / f"test_{package}.py", f"from kilnwatt.{package} import {imports}\n{tests}")
        told = f"`${{{package}.owner}} (${{{package}.limit}})`"
        web = f"export function {package}View(el, {package}) {{\n  el.textContent = {told};\n}}\n"
        write(folder / "web" / f"{package}.js", web)
    write(folder / "tools" / "release.sh", "#!/bin/sh\nset -eu\npython -m build\ntwine check dist/*\n")
    write(folder / "pyproject.toml", '[project]\nname = "kilnwatt"\nversion = "3.2.0"\nlicense = "Apache-2.0"\n')
    write(folder / "LICENSE", "Apache License\nVersion 2.0, January 2004\nhttp://www.apache.org/licenses/\n")
    write(folder / "web" / "vendor.min.js", "!function(e,t){" + "a=b,".join("c()" for _ in range(4000)) + "}();")
    write(folder / "src" / "kilnwatt" / "table.pyc", draw.randbytes(3000))


def saga(folder: Path, writer: Writer, share: float) -> None:
    """One text of some 30 MB, chapter after chapter, with Windows line ends and a line of noise."""
    target, size, number = int(30e6 * share), 0, 0
    parts: list[str] = []
    while size < target:
        number += 1
        paragraphs = [
            " ".join(writer.line("sentence") for _ in range(writer.draw.randint(3, 8)))
            for _ in range(writer.draw.randint(8, 20))
        ]
        parts.append(f"CHAPTER {number}\r\n\r\n" + "\r\n\r\n".join(paragraphs) + "\r\n\r\n")
        size += len(parts[-1])
    parts.insert(len(parts) // 2, "@@@@ \ufffd\ufffd 0x00 page lost in scanning @@@@\r\n\r\n")
    write(folder / "saga_complete_FINAL(2).txt", "".join(parts))


def scans(folder: Path, writer: Writer, share: float) -> None:
    """Registers as a scanner left them: PDFs of pictures, and pictures. No letter can be read."""
    for number in range(max(6, int(36 * share))):
        write(folder / f"Kirchenbuch_{1790 + number}" / "scan.pdf", scan(writer.draw, "PDF", writer.draw.randint(1, 3)))
        write(folder / f"Kirchenbuch_{1790 + number}" / "Deckel.jpg", scan(writer.draw, "JPEG"))
    write(folder / "Bilder" / "IMG_0001.tif", scan(writer.draw, "TIFF"))


def finance(folder: Path, writer: Writer, share: float) -> None:
    """Half-year reports with tables, in Markdown and HTML, and news with dates and tickers."""
    names = [
        (f"{writer.line('surname')} {sector}", "".join(word[0] for word in sector.split()) + writer.number(10, 99))
        for sector in writer.rules["sector"]
    ]

    def drawn(name: str) -> dict[str, str]:
        low = writer.draw.randint(20, 600)
        return {
            "name": name,
            "low": str(low),
            "high": str(low + 37),
            "percent": f"{writer.number(1, 19)}.{writer.number(0, 9)}",
            "margin": f"{writer.number(3, 24)}.{writer.number(0, 9)}",
            "margin2": f"{writer.number(3, 24)}.{writer.number(0, 9)}",
            "cents": writer.number(2, 60),
        }

    for name, ticker in names:
        for year in range(2016, 2016 + max(2, int(9 * share))):
            for half in ("H1", "H2"):
                rows = [
                    (line, writer.number(40, 900), writer.number(40, 900))
                    for line in ("Revenue", "Gross profit", "Operating profit", "Net debt", "Cash")
                ]
                paras = [writer.line("para", **drawn(name)) for _ in range(8)]
                if (year + len(ticker)) % 2:
                    cells = "\n".join(f"| {a} | {b} | {c} |" for a, b, c in rows)
                    text = (
                        f"# {name}: {half} {year}\n\n| £ million | {year} | {year - 1} |\n|---|---|---|\n{cells}\n\n"
                        + "\n\n".join(paras)
                        + "\n"
                    )
                    write(folder / "reports" / ticker / f"{year}_{half}.md", text)
                else:
                    cells = "".join(f"<tr><td>{a}</td><td>{b}</td><td>{c}</td></tr>" for a, b, c in rows)
                    body = f"<h1>{name}: {half} {year}</h1><table>{cells}</table>" + "".join(
                        f"<p>{each}</p>" for each in paras
                    )
                    write(folder / "reports" / ticker / f"{year}_{half}.html", f"<html><body>{body}</body></html>")
    news = []
    for number in range(int(4000 * share)):
        name, ticker = writer.draw.choice(names)
        given = drawn(name)
        year, month, day = writer.day(2020, 2025)
        stamp = f"{year}-{month:02}-{day:02}T0{number % 8 + 1}:15:00Z"
        news.append(
            {
                "time": stamp,
                "ticker": ticker,
                "headline": writer.line("headline", **given),
                "body": " ".join(writer.line("para", **drawn(name)) for _ in range(2)),
            }
        )
    write(folder / "news" / "wire.jsonl", "".join(json.dumps(each) + "\n" for each in news + news[:20]))
    write(folder / "news" / "disclaimer.txt", "For internal use. No advice.\n")


def guild(folder: Path, writer: Writer, share: float) -> None:
    """A drive on which everything lies: minutes, letters, mail, tables, photographs, archives, a third unreadable."""

    def text(lines: int) -> list[str]:
        return [writer.line("line", n=writer.number(2, 80)) for _ in range(lines)]

    for number in range(max(10, int(60 * share))):
        year, month, day = writer.day(2018, 2025)
        write(
            folder / "Minutes" / f"{year}-{month:02}-{day:02} {number}.docx",
            letter([f"Minutes of {day}.{month}.{year}", *text(12)]),
        )
        sender = f"{writer.line('surname').lower()}@garden.example"
        stamp = f"{day:02} {RULES['months'][month - 1][:3]} {year} 10:15:00 +0000"
        photo = scan(writer.draw, "JPEG") if number % 5 == 0 else b""
        write(
            folder / "Mail" / f"{number}.eml",
            mail(
                sender, "committee@garden.example", f"About {writer.line('crop')}", stamp, "\n\n".join(text(4)), photo
            ),
        )
        if number % 3 == 0:
            write(
                folder / "notes" / f"note_{number}.md",
                f"# Walk round, {day}.{month}.\n\n" + "\n".join(f"- {line}" for line in text(6)) + "\n",
            )
            write(folder / "Photos" / f"IMG_{number:04}.jpg", scan(writer.draw, "JPEG"))
            write(
                folder / "Accounts" / f"{year}_{number}.xlsx",
                workbook([["who", "what"], *([writer.line("surname"), line] for line in text(3))]),
            )
        if number % 6 == 0:
            write(folder / "Slides" / f"agm {number}.pptx", archive([("ppt/slides/slide1.xml", "<p:sld/>")]))
    members = "\n".join(f'{writer.line("surname")},plot {writer.number(1, 80)},"{line}"' for line in text(30))
    write(folder / "members.csv", f"name,plot,remark\n{members}\n", "cp1252")
    old = [(f"old/minutes_{at}.txt", "\n".join(text(10))) for at in range(8)]
    write(folder / "backup 2017.zip", archive([*old, ("__MACOSX/._minutes_1.txt", b"\0\5\x16\7")]))
    write(folder / "empty.txt", "")
    write(folder / "Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(300))


def nothing(folder: Path, writer: Writer, share: float) -> None:
    """Nothing to learn from: empty files, binaries, measurements."""
    write(folder / "readme.txt", "")
    write(folder / "texts" / "chapter1.txt", "\n\n   \n")
    for number in range(4):
        write(folder / "raw" / f"capture{number}.bin", writer.draw.randbytes(30_000))
        rows = "\n".join(f"{at},{writer.draw.random():.5f},{writer.draw.random():.5f}" for at in range(500))
        write(folder / "raw" / f"channel{number}.csv", f"t,a,b\n{rows}\n")
    write(folder / "firmware.img.gz", b"\x1f\x8b\x08\x00" + writer.draw.randbytes(4000))
