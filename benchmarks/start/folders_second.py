"""The second set of folders, kept for a last trial: who changes the product should not look at it."""

from __future__ import annotations

import ast
import csv
import gzip
import html
import json
import math
import random
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from folder_files import DS_STORE, THUMBS, Maker, blank, day, json_lines, normal, note, package, table


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


FOLDERS: dict[str, Maker] = {
    "capsule-reviews": single_reviews,
    "bildtexte": memory,
    "cloud-catalogue": operations,
    "handbook-index": reference_pages,
    "kiosk": kiosk,
    "platform-code": code,
    "dairy-sensors": sensors,
    "bank-tickets": tickets,
}
