"""Reading records out of XML dumps, beside `lxml.etree.iterparse`, which reads no further than the first fault.

    python benchmarks/data/xml_rows.py --megabytes 30

Prints one JSON line: MB a second of processor time by form of dump, the least of three interleaved runs each. With
`PYTHONPATH` set to another checkout's `src` it measures that one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from lmworks.data.sources.files import Files

WORDS = "The roof was damaged by hail on the night of the storm, and the owner wrote to us about it. "
FORMS = {
    "articles": (
        "page",
        "<page><title>T</title><ns>0</ns><revision><text>" + WORDS * 60 + "</text></revision></page>\n",
    ),
    "rows": ("row", '<row id="1"><title>T</title><body lang="en">' + WORDS * 5 + "</body><by>A. B.</by></row>\n"),
    "small": ("row", "<row>" + "".join(f"<f{n}>value {n}</f{n}>" for n in range(12)) + "</row>\n"),
}


def ours(folder: Path, name: str, tag: str) -> int:
    """Records read; `text_field` is the element with the most text."""
    field = {"articles": "revision", "rows": "body", "small": "f3"}[name]
    source = Files(kind="files", path=".", licence="MIT", folder=folder, format="xml", records=tag, text_field=field)
    return sum(1 for piece in source.pieces(f"{name}.xml", 2**20) for _ in source.read(piece))


def iterparse(folder: Path, name: str, tag: str) -> int:
    """Records found, their texts made, and nothing else done with them."""
    found = 0
    for _, element in etree.iterparse(str(folder / f"{name}.xml"), tag=tag):
        found += bool("".join(element.itertext()))
        element.clear()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=30)
    size = parser.parse_args().megabytes * 10**6
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, (tag, record) in FORMS.items():
            (Path(place) / f"{name}.xml").write_text(f"<all>\n{record * (size // len(record))}</all>")
            readers: dict[str, Callable[[Path, str, str], int]] = {"lmworks": ours, "iterparse": iterparse}
            seconds: dict[str, list[float]] = {reader: [] for reader in readers}
            for _ in range(3):
                for reader, read in readers.items():
                    begin = time.process_time()
                    if read(Path(place), name, tag) != size // len(record):
                        raise SystemExit(f"{reader} did not read all records of {name}")
                    seconds[reader].append(time.process_time() - begin)
            found |= {f"{name}: {reader} MB/s": round(size / 1e6 / min(taken), 1) for reader, taken in seconds.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
