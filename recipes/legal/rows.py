"""Licence texts and notices, with what they ask of who uses the work, one a line: python recipes/legal/rows.py

Reads the package licensedcode-data (pip install --no-deps licensedcode-data; CC-BY-4.0, by the makers of ScanCode), or
the folder named, and writes texts/rows.jsonl beside this script: each licence, and at most three notices of it, those
with the lowest hashes. Licences of one family (gpl-2.0, gpl-3.0-plus) have equal `family`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

MOST = 3
LEAST_CHARACTERS = 80
"""Of a notice: shorter ones only name their licence."""
HEAD = re.compile(r"---\n(?P<head>.*?)\n---\n(?P<text>.*)", re.DOTALL)


def find_data() -> Path:
    """The folder with `licenses` and `rules` in the package."""
    spec = find_spec("licensedcode")
    for place in (spec and spec.submodule_search_locations) or ():
        if (found := Path(place, "data")).is_dir():
            return found
    sys.exit("licensedcode-data is not installed: pip install --no-deps licensedcode-data")


def rows(data: Path) -> Iterator[dict[str, str]]:
    """Text, category, key and family of licences and notices."""
    category: dict[str, str] = {}
    for path in sorted((data / "licenses").glob("*.LICENSE")):
        head, text = read(path)
        if "category" in head and text and "is_exception" not in head:
            category[head["key"]] = head["category"]
            yield row(text, head["category"], head["key"])
    notices: dict[str, list[str]] = {}
    for path in sorted((data / "rules").glob("*.RULE")):
        head, text = read(path)
        key = head.get("license_expression", "")
        if key in category and head.get("is_license_notice") == "yes" and len(text) >= LEAST_CHARACTERS:
            notices.setdefault(key, []).append(text)
    for key, texts in notices.items():
        for text in sorted(set(texts), key=lambda each: hashlib.sha256(each.encode()).hexdigest())[:MOST]:
            yield row(text, category[key], key)


def read(path: Path) -> tuple[dict[str, str], str]:
    """The fields of a file's head that stand in one line, and its text."""
    found = HEAD.match(path.read_text(encoding="utf-8"))
    if not found:
        return {}, ""
    return dict(re.findall(r"^(\w+): *(.+)$", found["head"], re.MULTILINE)), found["text"].strip()


def row(text: str, category: str, key: str) -> dict[str, str]:
    """One line."""
    return {"text": text, "category": category, "licence": key, "family": re.split(r"-v?\d", key)[0]}


if __name__ == "__main__":
    out = Path(__file__).with_name("texts")
    out.mkdir(exist_ok=True)
    lines = [
        json.dumps(each, ensure_ascii=False) for each in rows(Path(sys.argv[1]) if len(sys.argv) > 1 else find_data())
    ]
    (out / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines):,} texts in {out / 'rows.jsonl'}")
