"""The third set of folders, kept aside like the second: who changes the product should not look at it.

Where the texts come from, and their licences: CoLA (sentences quoted from publications, none stated), Multi30k
(research and education, not commercial), GSM8K (MIT), PASCAL RTE (none stated), BoolQ (CC-BY-SA-3.0), the Universal
Declaration of Human Rights (public domain), CLDR by way of Babel (Unicode-3.0) and phonenumbers (Apache-2.0). Sounds
and pictures of the last folder are made.
"""

from __future__ import annotations

import csv
import gzip
import random
import re
import shutil
import sqlite3
import struct
import textwrap
import wave
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from babel import Locale
from babel.core import get_global
from folder_files import DS_STORE, THUMBS, Maker, day, json_lines, normal, note, workbook
from folders_fourth_pages import land_pages, wire_notes


def marked_sentences(data: Path, out: Path, rng: random.Random) -> None:
    """An evening school: sentences of learners and the marks of teachers, in a database of three tables."""
    seen: set[str] = set()
    pool: list[tuple[str, str, str]] = []
    for path in sorted((data / "glue-cola").glob("*.tsv")):
        with path.open(newline="", encoding="utf-8") as stream:
            for _, label, sign, text in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                if normal(text) not in seen:
                    seen.add(normal(text))
                    pool.append((text.strip(), label, sign))
    marks = {"1": ["ok", "OK", "ok "], "0": ["wrong", "Wrong", "WRONG"]}
    units = ["Word order", "Questions", "Passive", "Relative clauses", "Quantity", "Reported speech"]
    rows: list[list[Any]] = []
    for number, (text, label, sign) in enumerate(rng.sample(pool, 6_000), 1):
        mark = rng.choices(marks[label], [92, 5, 3])[0]
        teacher = rng.choice(["Farah", "Colm", "Ebele"])
        seconds = rng.randint(8, 240)
        when = day(rng).isoformat(" ")
        rows.append([number, rng.randint(1, 6), rng.randint(1, 90), text, mark, sign or None, teacher, seconds, when])
    for row in rng.sample(rows, 45):
        row[4] = row[5] = None
    with closing(sqlite3.connect(out / "eveningschool.sqlite3")) as base:
        base.executescript(
            "CREATE TABLE exercise (exercise_id INTEGER PRIMARY KEY, unit TEXT);"
            "CREATE TABLE learner (learner_id INTEGER PRIMARY KEY, cohort TEXT, first_language TEXT);"
            "CREATE TABLE submission (submission_id INTEGER PRIMARY KEY, exercise_id INTEGER, learner_id INTEGER,"
            " typed TEXT, verdict TEXT, red_pen TEXT, teacher TEXT, seconds INTEGER, handed_in TEXT);"
        )
        base.executemany("INSERT INTO exercise VALUES (?, ?)", enumerate(units, 1))
        tongues = ["Tigrinya", "Dari", "Polish", "Portuguese", "Cantonese", None]
        learners = [(number, rng.choice(["Mon/Wed", "Tue/Thu"]), rng.choice(tongues)) for number in range(1, 91)]
        base.executemany("INSERT INTO learner VALUES (?, ?, ?)", learners)
        base.executemany("INSERT INTO submission VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        base.commit()
    (out / "backup").mkdir()
    shutil.copyfile(out / "eveningschool.sqlite3", out / "backup" / "eveningschool-before-summer.sqlite3")
    note(
        out,
        "about the database.txt",
        """
        The file that our exercise app keeps. Table "submission" has what learners typed and the teacher's verdict.
        "red_pen" is the sign that the teacher wrote beside the sentence while marking. No verdict: not marked yet.
        """,
    )


def stamp(moment: float) -> str:
    """Return a time of a film as subtitles write it."""
    whole = round(moment * 1_000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1_000 % 60:02},{whole % 1_000:03}"


def cues(times: list[tuple[float, float]], texts: list[str], first: int = 1) -> str:
    """Return subtitles with lines of at most 42 letters; a text without letters is left out."""
    parts = []
    for number, ((start, end), text) in enumerate(zip(times, texts, strict=True), first):
        if text:
            parts.append(f"{number}\n{stamp(start)} --> {stamp(end)}\n" + "\n".join(textwrap.wrap(text, 42)) + "\n")
    return "\n".join(parts).replace("\n", "\r\n")


def described_films(data: Path, out: Path, rng: random.Random) -> None:
    """A television channel: what a voice tells blind viewers of silent films, in English and in French."""
    pairs: list[tuple[str, str]] = []
    for name in ("val", "test_2016_flickr"):
        sides = [
            (data / "multi30k" / f"{name}.{side}").read_text(encoding="utf-8").splitlines() for side in ("en", "fr")
        ]
        pairs += [(source.strip(), target.strip()) for source, target in zip(*sides, strict=True)]
    rng.shuffle(pairs)
    credit = "Audiodescription : Atelier Lucarne"
    for number, place in enumerate(range(0, len(pairs), 106), 1):
        held = pairs[place : place + 106]
        clock, times = 12.0, []
        for source, _ in held:
            length = 1.2 + len(source) / 17
            times.append((clock, clock + length))
            clock += length + rng.uniform(1, 14)
        english, french = [one for one, _ in held], [one for _, one in held]
        for spot in rng.sample(range(len(held)), 5):
            english[spot], french[spot] = f"<i>{english[spot]}</i>", f"<i>{french[spot]}</i>"
        french[rng.randrange(len(held))] = ""
        folder = out / f"ep {number:02d} FINAL" if number == 4 else out / f"Ep{number:02d}"
        folder.mkdir()
        (folder / f"regards_{number:02d}.en.srt").write_bytes(cues(times, english).encode("utf-8-sig"))
        if number == 17:
            continue
        if number % 6 == 1:
            whole = cues([(1.0, 6.0), *times], [credit, *french])
        else:
            whole = cues([*times, (clock, clock + 5)], [*french, credit])
        (folder / f"regards_{number:02d}.fr.srt").write_bytes(whole.encode("cp1252" if number % 5 == 3 else "utf-8"))
    shutil.copyfile(out / "Ep02" / "regards_02.fr.srt", out / "Ep02" / "regards_02.fr (version 1).srt")
    (out / "Ep02" / "Thumbs.db").write_bytes(THUMBS)
    note(
        out,
        "LISEZMOI.txt",
        """
        Série « Regards », textes de l'audiodescription. Original anglais, version française de l'atelier.
        Les minutages sont les mêmes. Épisode 17 : pas encore traduit.
        """,
    )


def told_sums(data: Path) -> list[tuple[int, list[Any]]]:
    """Return steps, and calculation, result, people, things and text of each word problem."""
    problems = list(json_lines(data / "gsm8k" / "train.jsonl"))
    small = {word for row in problems for word in re.findall(r"\b[a-z]+\b", row["question"])}
    common = {
        word
        for word, count in Counter(word for row in problems for word in row["question"].split()).items()
        if count > 1_500
    }
    found = []
    for row in problems:
        text, steps = row["question"].strip(), re.findall(r"<<(.+?)>>", row["answer"])
        result = row["answer"].rpartition("####")[2].strip().replace(",", "")
        if not steps or not 15 <= len(text.split()) <= 70:
            continue
        words = re.findall(r"\b[A-Za-z]+\b", text)
        people = list(
            dict.fromkeys(word for word in words if word[0].isupper() and len(word) > 2 and word.lower() not in small)
        )
        counted = Counter(word for word in words if word.islower() and len(word) > 3 and word not in common)
        things = [word for word, count in counted.most_common(3) if word in row["answer"]]
        found.append((len(steps), ["; ".join(steps), float(result), ", ".join(people[:3]), ", ".join(things), text]))
    return found


def word_problems(data: Path, out: Path, rng: random.Random) -> None:
    """A publisher of schoolbooks: sums and the stories that authors made of them, a sheet for each year."""
    problems = told_sums(data)
    sheets: dict[str, list[list[Any]]] = {"READ ME": [["Sums & stories, edition 4"], ["Ask Wren before you sort!"]]}
    for year, steps in {"Year 4": (1, 2), "Year 5": (3,), "Year 6": (4, 5, 6)}.items():
        rows: list[list[Any]] = []
        for place, (_, row) in enumerate(rng.sample([one for one in problems if one[0] in steps], 800), 1):
            rows.append(
                [f"{year[-1]}.{place}", *row, rng.choice(["Wren", "Tolu", "G.", None]), rng.choice(["x", None])]
            )
        for row in rng.sample(rows, 9):
            row[5] = None
        head = ["Nr", "Sum", "Result", "Who", "Things", "Story", "Author", "Drawn?"]
        sheets[year] = [
            [f"Stories for {year}"],
            [None, "from the planner", None, None, None, "by the author"],
            head,
            *rows,
        ]
    workbook(out / "Sums&Stories_ed4.xlsx", sheets)
    (out / "~$Sums&Stories_ed4.xlsx").write_bytes(b"\x04Wren" + bytes(160))
    note(
        out,
        "note.txt",
        """
        One sheet a school year. The planner gives the sum, who is in it and things that occur; an author writes the
        story (the question the children read). "Drawn?" is for the illustrator. Empty story: still to be written.
        """,
    )
    (out / ".DS_Store").write_bytes(DS_STORE)


def sessions(data: Path, rng: random.Random) -> Iterator[tuple[int, str]]:
    """Yield month and text of each conversation at a reference desk."""
    asked = {row["passage"]: row for row in json_lines(data / "superglue-boolq" / "val.jsonl")}
    rows = [row for passage, row in sorted(asked.items()) if len(passage.split()) <= 160]
    rng.shuffle(rows)
    moments = sorted(day(rng, 357) for _ in rows)
    for number, (row, when) in enumerate(zip(rows, moments, strict=True), 48_000):
        who, name = f"visitor{number}", rng.choice(["Ruth", "Ade", "Marguerite"])
        told = row["passage"].partition(" -- ")[2].strip() or row["passage"]
        lines = [(who, rng.choice(["hi", "hello?", "Good morning", ""])), (who, " ".join(row["question"].split()))]
        lines.append(
            (f"{name} (library)", rng.choice(["Hello! One moment, I will look that up.", "Let me check.", ""]))
        )
        left = number % 31 == 0
        if not left:
            lines.append((f"{name} (library)", f"{'Yes' if str(row['label']).lower() == 'true' else 'No'}. {told}"))
            lines.append((who, rng.choice(["thanks!", "thank you so much", "ok", ""])))
        shown = [f"=== session {number} opened {when:%Y-%m-%d %H:%M} via {rng.choice(['web', 'app'])} ==="]
        for speaker, text in lines:
            when += timedelta(seconds=rng.randint(9, 95))
            if text:
                shown.append(f"[{when:%H:%M:%S}] {speaker}: {text}")
        end = "visitor left before an answer" if left else f"closed, rating {rng.choice(['5/5', '4/5', '2/5', 'none'])}"
        yield when.month, "\n".join([*shown, f"=== session {number} {end} ===", "", ""])


def library_log(data: Path, out: Path, rng: random.Random) -> None:
    """A public library: what visitors asked its reference desk in the chat, a log file a month."""
    months: dict[int, list[str]] = {month: [] for month in range(1, 13)}
    for month, text in sessions(data, rng):
        months[month].append(text)
    (out / "chatlogs").mkdir()
    for month, texts in months.items():
        whole = "# deskchat 3.1 log, do not edit\n\n" + "".join(texts)
        path = out / "chatlogs" / f"deskchat.2023-{month:02d}.log"
        if month <= 2:
            Path(f"{path}.gz").write_bytes(gzip.compress(whole.encode(), mtime=0))
        else:
            path.write_text(whole, encoding="utf-8")
    shutil.copyfile(out / "chatlogs" / "deskchat.2023-05.log", out / "chatlogs" / "deskchat.2023-05.log.old")
    hours = [f"2023-{month:02d}-01 03:00:0{month % 10} rotate ok pid={rng.randrange(900, 9_000)}" for month in months]
    (out / "chatlogs" / "rotate.log").write_text("\n".join(hours) + "\n", encoding="utf-8")
    note(out, "README", "Logs of the desk's chat. Visitors are numbered. Answers come from encyclopedias (CC-BY-SA).")


def declaration_mail(data: Path, out: Path, rng: random.Random) -> None:
    """A human rights campaign: paragraphs of the Declaration that people sent in their language, one mailbox."""
    english = Locale.parse("en")
    special = {
        "srp_latn": "Serbian",
        "nob": "Norwegian",
        "cmn_hans": "Chinese, simplified",
        "cmn_hant": "Chinese, traditional",
    }
    rows = [(row["lang"], row["text"]) for row in json_lines(data / "udhr-languages" / "udhr.jsonl")]
    rng.shuffle(rows)
    aliases = get_global("language_aliases")
    blanks, again = set(rng.sample(range(len(rows)), 35)), set(rng.sample(range(len(rows)), 12))
    held: list[bytes] = []
    for number, (code, text) in enumerate(rows):
        when = day(rng, 500)
        panel = special.get(code) or english.languages[aliases.get(code, code)]
        mail = EmailMessage(policy=policy.default.clone(max_line_length=200))
        mail["From"] = f"p{rng.randrange(10**5):05d}@post.example"
        mail["To"] = "wall@words-on-the-wall.example"
        mail["Subject"] = rng.choice(["for the wall", "Wall", "Fwd: words on the wall", "(no subject)", "30 articles"])
        mail["Date"] = format_datetime(when)
        mail["Message-ID"] = f"<{number:05d}.{rng.randrange(10**6):06d}@post.example>"
        if number not in blanks:
            mail["X-Panel"] = panel.upper() if rng.random() < 0.02 else panel
        mail["X-Volunteer"] = rng.choice(["Ola", "Bea", "Chidi"])
        mail.set_content(text + "\n", cte=rng.choice(["base64", "quoted-printable", "8bit"]))
        whole = b"From wall@words-on-the-wall.example " + f"{when:%a %b %d %H:%M:%S %Y}\n".encode()
        whole += re.sub(rb"(?m)^(>*From )", rb">\1", mail.as_bytes()) + b"\n"
        held += [whole, whole] if number in again else [whole]
    (out / "Mail").mkdir()
    (out / "Mail" / "Words on the Wall.mbox").write_bytes(b"".join(held))
    (out / "Mail" / "Drafts.mbox").write_bytes(b"")
    note(
        out,
        "README.txt",
        """
        All mails to the wall. Volunteers put each on the panel of its language (header X-Panel).
        Mails without a panel came last week. Nobody here reads all of these languages.
        """,
    )


def picture(rng: random.Random, wide: int = 96, high: int = 64) -> bytes:
    """Return a grey picture as PNG."""
    rows = b"".join(
        b"\0" + bytes(min(255, max(0, int(rng.gauss(40 + row, 9)))) for _ in range(wide)) for row in range(high)
    )
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    shown = (
        struct.pack(">I", len(held)) + name + held + struct.pack(">I", zlib.crc32(name + held)) for name, held in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(shown)


def night_sounds(data: Path, out: Path, rng: random.Random) -> None:
    """An orchard: recordings of the night, pictures of a camera at the fence, and the walk of the ranger."""
    (out / "REC").mkdir()
    (out / "DCIM" / "100TRAIL").mkdir(parents=True)
    for number in range(36):
        when = day(rng, 60)
        with wave.open(str(out / "REC" / f"{when:%Y%m%d}_{number:03d}.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(1)
            sound.setframerate(4_000)
            sound.writeframes(bytes(min(255, max(0, int(rng.gauss(128, 12)))) for _ in range(12_000)))
    for number in range(24):
        (out / "DCIM" / "100TRAIL" / f"IMG_{number + 1:04d}.PNG").write_bytes(picture(rng))
    points, north, east = [], 51.2, -2.7
    for _ in range(400):
        north, east = north + rng.gauss(0, 1e-4), east + rng.gauss(0, 1e-4)
        points.append(f'<trkpt lat="{north:.6f}" lon="{east:.6f}"><ele>{rng.gauss(64, 2):.1f}</ele></trkpt>')
    track = (
        '<?xml version="1.0"?>\n<gpx version="1.1" creator="Trek 12"><trk><trkseg>\n'
        + "\n".join(points)
        + "\n</trkseg></trk></gpx>\n"
    )
    (out / "walk.gpx").write_text(track, encoding="utf-8")
    (out / "REC" / ".DS_Store").write_bytes(DS_STORE)


FOLDERS: dict[str, Maker] = {
    "evening-school": marked_sentences,
    "regards": described_films,
    "sums-and-stories": word_problems,
    "wire-notes": wire_notes,
    "kraje": land_pages,
    "reference-desk": library_log,
    "words-on-the-wall": declaration_mail,
    "orchard-nights": night_sounds,
}
