"""Hold the data steps and the tokenizer against real data sets: one JSON line, exit code 1 when one falls short.

    python benchmarks/conformance.py DATA

DATA is a folder with `licence-tagged-docs`, `code-alpaca-nc`, `udhr-languages`, `wikitext2-raw` and the sets of
`PUBLISHED`, all as published.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from lmworks.data.documents import Documents
from lmworks.data.filters import detect_language
from lmworks.data.ingest import IngestConfig, ingest
from lmworks.data.licences import PERMISSIVE
from lmworks.data.sources.dataset import adapters
from lmworks.errors import GateRefused
from lmworks.tokens.bpe import BpeConfig, bpe
from lmworks.tokens.tokenizer import open_tokenizer
from support import make_context

UDHR_NAMES = {"eng": "en", "deu": "de", "fra": "fr", "spa": "es", "ita": "it", "por": "pt", "nld": "nl", "pol": "pl"}


PUBLISHED: dict[str, tuple[dict[str, object], int]] = {
    "mmlu": ({"dataset": "mmlu"}, 11_022),
    "squad-v2-dev": ({"dataset": "squad"}, 430),
    "truthfulqa": ({"dataset": "truthfulqa"}, 817),
    "code-alpaca-nc": ({"dataset": "alpaca"}, 500),
    "sharegpt-format-conversations": ({"dataset": "sharegpt", "licence": "Apache-2.0"}, 500),
    "glue-sst2": ({"dataset": "glue"}, 10_872),
    "glue-cola": ({"dataset": "glue", "columns": ["source", "label", "star", "sentence"]}, 9_594),
    "superglue-boolq": ({"dataset": "superglue"}, 2_000),
    "hh-rlhf-harmless": ({"dataset": "hh-rlhf"}, 1_500),
    "banking77": ({"kind": "files", "licence": "CC-BY-4.0", "include": ["*.csv"]}, 13_083),
    "e2e-nlg": ({"kind": "files", "licence": "CC-BY-SA-4.0", "include": ["*.csv"], "text_field": "ref"}, 4_693),
    "gsm8k": (
        {"kind": "files", "licence": "MIT", "include": ["*.jsonl"], "text_field": ["question", "answer"]},
        8_792,
    ),
    "us-presidential-addresses": (
        {"kind": "files", "licence": "LicenseRef-Public-Domain", "include": ["*.jsonl"]},
        124,
    ),
}
"""Sets by folder: how each is read, and its records as counted by its publisher (of SQuAD: its paragraphs)."""


def read(folder: Path, source: dict[str, object], allow: list[str], name: str) -> Documents:
    """Ingest one source."""
    source = source if "kind" in source else {"kind": "files", **source}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": allow}})
    out = folder / name
    out.mkdir()
    ingest(config.resolve(folder), out=out, context=make_context(folder / f"{name}-work"))
    return Documents(out, "")


def licences(data: Path, folder: Path) -> dict[str, object]:
    """Only documents whose own licence is permissive pass, and all of them do."""
    path = data / "licence-tagged-docs"
    records = [json.loads(line) for line in (path / "docs.jsonl").read_text().splitlines()]
    wanted = Counter(record["license"] for record in records if record["license"] in PERMISSIVE)
    found = Counter(
        document.licence
        for document in read(folder, {"path": str(path), "licence_field": "license"}, ["permissive"], "docs").iterate()
        if document.meta["path"] == "docs.jsonl"
    )
    return {"read": len(records), "passed": sum(found.values()), "ok": found == wanted}


def refusal(data: Path, folder: Path) -> dict[str, object]:
    """A set under a non-commercial licence is refused as a whole."""
    try:
        read(folder, {"path": str(data / "code-alpaca-nc"), "licence": "CC-BY-NC-4.0"}, ["permissive"], "nc")
    except GateRefused:
        return {"ok": True}
    return {"ok": False}


def languages(data: Path, folder: Path) -> dict[str, object]:
    """Paragraphs of the declaration of human rights are told apart."""
    lines = (data / "udhr-languages" / "udhr.jsonl").read_text().splitlines()
    records = [record for line in lines if (record := json.loads(line))["lang"] in UDHR_NAMES]
    asked = [(detect_language(record["text"])[0], UDHR_NAMES[record["lang"]]) for record in records]
    certain = [(found, true) for found, true in asked if found]
    share = sum(found == true for found, true in certain) / len(certain)
    return {"paragraphs": len(asked), "answered": len(certain), "accuracy": round(share, 4), "ok": share >= 0.97}


def round_trip(data: Path, folder: Path) -> dict[str, object]:
    """A tokenizer learned from English gives back text in every language."""
    (folder / "text").mkdir()
    for path in (data / "wikitext2-raw").glob("*.raw"):
        (folder / "text" / f"{path.stem}.txt").write_text(path.read_text())
    english = read(folder, {"path": "text", "licence": "CC-BY-SA-3.0"}, ["CC-BY-SA-3.0"], "english")
    bpe(BpeConfig(documents="x", vocab_size=4096), english, folder / "tokenizer", make_context(folder / "bpe"))
    tokenizer = open_tokenizer(folder / "tokenizer")
    texts = [json.loads(line)["text"] for line in (data / "udhr-languages" / "udhr.jsonl").read_text().splitlines()]
    bad = sum(tokenizer.decode(tokenizer.encode(text)) != text for text in texts)
    return {"texts": len(texts), "changed": bad, "ok": not bad}


def published(data: Path, folder: Path) -> dict[str, object]:
    """Each set gives every record that it holds, and nothing of it is quarantined."""
    wrong = {}
    for name, (options, count) in PUBLISHED.items():
        source = {"kind": "dataset", **options, "path": str(data / name)}
        allow = [str(source.get("licence") or adapters()[str(source["dataset"])].licence)]
        documents = read(folder, source, allow, name)
        bad = (folder / name / "quarantine.jsonl").read_bytes().count(b"\n")
        if (documents.count(), bad) != (count, 0):
            wrong[name] = {"expected": count, "read": documents.count(), "quarantined": bad}
    records = sum(count for _, count in PUBLISHED.values())
    return {"sets": len(PUBLISHED), "records": records, "wrong": wrong, "ok": not wrong}


def main() -> None:
    """Run every check."""
    data = Path(sys.argv[1]).resolve()
    found = {}
    for check in (licences, refusal, published, languages, round_trip):
        with tempfile.TemporaryDirectory() as name:
            found[check.__name__] = check(data, Path(name))
    print(json.dumps(found))
    sys.exit(0 if all(result["ok"] for result in found.values()) else 1)


if __name__ == "__main__":
    main()
