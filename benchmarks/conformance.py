"""Hold the data steps and the tokenizer against real data sets: one JSON line, exit code 1 when one falls short.

    python benchmarks/conformance.py DATA

DATA is a folder with the sets of `PUBLISHED`, each in a folder of its own, as published. A set that is not listed there
counts as a failure: every real set is read.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from lmworks.data.licences.gate import PERMISSIVE
from lmworks.data.quality.language import detect_language
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from lmworks.data.sources.dataset import adapters
from lmworks.data.tuning.samples import ConversationsConfig, PreferencesConfig, conversations, preferences
from lmworks.errors import GateRefused
from lmworks.tokens.kinds.bpe import BpeConfig, bpe
from lmworks.tokens.tokenizer import open_tokenizer
from support import make_context

FREE = {"MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0"}
COMMERCIAL: dict[str, object] = {"use": "commercial"}
POLICIES: dict[str, tuple[dict[str, object], set[str], dict[str, object]]] = {
    "commercial": (COMMERCIAL, FREE, {"use": "all", "share_alike": None, "attribution": sorted(FREE)}),
    "academic": ({"use": "academic"}, FREE | {"CC-BY-NC-4.0"}, {"use": "non-commercial", "share_alike": None}),
    "share-alike": (
        {"use": "commercial", "share_alike": True},
        FREE | {"CC-BY-SA-4.0", "GPL-3.0-only"},
        {"use": "all", "share_alike": "GPL-3.0-only"},  # CC-BY-SA-4.0 may become GPL-3.0, not the other way round
    ),
}
"""The gate, the licences that pass it, and the licence of what passes."""
UDHR_NAMES = {"eng": "en", "deu": "de", "fra": "fr", "spa": "es", "ita": "it", "por": "pt", "nld": "nl", "pol": "pl"}


Sets = list[tuple[dict[str, object], int]]
ASKED: dict[str, object] = {"text_field": ["query", "choices.*"], "keep": ["gold"], "include": ["*.jsonl"]}
LABELS: dict[str, object] = {"keep": ["!amt_worker_ids", "response", "gold"], "text_field": "orig_id"}
PUBLISHED: dict[str, Sets] = {
    "advbench": [({"dataset": "advbench"}, 510)],
    "aqua-rat": [({"dataset": "aqua-rat"}, 508)],
    "arc-easy": [({"licence": "CC-BY-SA-4.0", **ASKED}, 2_376)],
    "banking77": [({"dataset": "banking77"}, 13_083)],
    "bbh": [({"dataset": "bbh"}, 4_396)],
    "bbq": [({"dataset": "bbq"}, 6_436)],
    "code-alpaca-nc": [({"dataset": "alpaca"}, 500)],
    "commonsense-qa": [({"licence": "MIT", **ASKED}, 1_221)],
    "crowd-bbq-validation": [
        ({"licence": "CC-BY-4.0", "include": ["*.csv"], "text_field": "task", "keep": ["worker", "response"]}, 1_750),
        ({"licence": "CC-BY-4.0", "include": ["*.jsonl"], "text_field": ["context", "question", "answers.*"]}, 350),
    ],
    "crowd-snow2008": [
        ({"licence": "LicenseRef-Snow2008", "include": ["*.standardized.tsv"], **LABELS}, 13_620),
        ({"licence": "LicenseRef-Snow2008", "include": ["*_texts.tsv"], "text_field": ["text", "hypothesis"]}, 800),
    ],
    "crows-pairs": [({"dataset": "crows-pairs"}, 1_508)],
    "disfl-qa": [({"dataset": "disfl-qa"}, 3_970)],
    "e2e-nlg": [({"dataset": "e2e-nlg"}, 4_693)],
    "glue-cola": [({"dataset": "glue", "columns": ["source", "label", "star", "sentence"]}, 9_594)],
    "glue-sst2": [({"dataset": "glue"}, 10_872)],
    "glue-stsb": [({"dataset": "glue", "include": ["*.csv"], "columns": ["sentence1", "sentence2", "score"]}, 2_879)],
    "gsm8k": [({"dataset": "gsm8k"}, 8_792)],
    "hh-rlhf-harmless": [({"dataset": "hh-rlhf"}, 1_500)],
    "humaneval": [({"dataset": "humaneval"}, 164)],
    "lambada-openai": [({"licence": "MIT", "include": ["*.jsonl"], "text_field": ["context", "continuation"]}, 5_153)],
    "licence-tagged-docs": [({"licence": "LicenseRef-mixed", "include": ["*.jsonl"], "key_field": "id"}, 145)],
    "mmlu": [({"dataset": "mmlu"}, 11_022)],
    "mt-bench-questions": [({"dataset": "mt-bench"}, 80)],
    "multi30k": [({"dataset": "multi30k"}, 16_042)],
    "pii-presidio-synth": [
        (
            {"licence": "MIT", "format": "json", "include": ["*.json"], "text_field": "full_text", "keep": ["spans"]},
            1_500,
        )
    ],
    "prompt-injection-bastion": [({"licence": "MIT", "include": ["*.jsonl"], "key_field": "id"}, 181)],
    "rte": [({"dataset": "rte"}, 4_167)],
    "scitldr": [({"dataset": "scitldr"}, 1_619)],
    "self-instruct-seed-tasks": [({"dataset": "self-instruct"}, 175)],
    "sentence-polarity": [({"licence": "CC-BY-4.0", "include": ["*.jsonl"], "keep": ["label"]}, 10_662)],
    "sharegpt-format-conversations": [({"dataset": "sharegpt", "licence": "Apache-2.0"}, 500)],
    "squad-v2-dev": [({"dataset": "squad"}, 430)],
    "superglue-boolq": [({"dataset": "superglue"}, 2_000)],
    "superglue-copa": [({"licence": "BSD-2-Clause", **ASKED}, 100)],
    "tiny-shakespeare": [({"licence": "LicenseRef-Public-Domain", "include": ["*.txt"]}, 1)],
    "triviaqa-subset": [
        ({"licence": "Apache-2.0", "include": ["*.jsonl"], "text_field": ["context", "answer"]}, 3_000)
    ],
    "truthfulqa": [
        ({"dataset": "truthfulqa"}, 817),
        ({"licence": "Apache-2.0", "include": ["*.jsonl"], "text_field": ["prompt", "completion"]}, 3_000),
    ],
    "udhr-languages": [({"licence": "LicenseRef-Public-Domain", "include": ["*.jsonl"], "keep": ["lang"]}, 2_543)],
    "us-presidential-addresses": [({"licence": "LicenseRef-Public-Domain", "include": ["*.jsonl"]}, 124)],
    "wikitext2-raw": [({"licence": "CC-BY-SA-3.0", "format": "text", "include": ["*.raw"]}, 2)],
    "winogender": [
        ({"dataset": "winogender"}, 720),
        ({"licence": "MIT", "include": ["templates.tsv"], "text_field": "sentence", "keep": ["answer"]}, 120),
        ({"licence": "MIT", "include": ["*-stats.tsv"], "text_field": "occupation", "keep": ["bls_pct_female"]}, 60),
    ],
    "wmt22-cs-en": [
        ({"licence": "LicenseRef-WMT", "format": "lines", "include": ["src.cs", "ref.*.en", "hyp.*.en"]}, 20_272),
        ({"licence": "LicenseRef-WMT", "include": ["*_seg_*.csv"], "delimiter": " ", "text_field": "SYS"}, 16_008),
        (
            {
                "licence": "LicenseRef-WMT",
                "include": ["*_sys_*.csv"],
                "delimiter": " ",
                "columns": ["raw", "z", "segments", "judgements", "system", "end"],
                "text_field": "system",
            },
            24,
        ),
    ],
    "wsc273": [
        ({"licence": "CC-BY-4.0", "include": ["*.jsonl"], "text_field": ["context_options.*", "continuation"]}, 273)
    ],
}
"""By folder: how its files are read, and their records as counted by its publisher (of SQuAD its paragraphs, of the
sets of running text its files)."""

TUNING = {
    "gsm8k": ("question-answer", 8_792, 0),
    "self-instruct-seed-tasks": ("self-instruct", 175, 0),
    "superglue-boolq": ("boolq", 2_000, 0),
    "humaneval": ("humaneval", 164, 0),
    "mmlu": ("mmlu-csv", 10_886, 0),  # 136 questions stand there twice
    "squad-v2-dev": ("squad-paragraphs", 1_863, 0),  # of 1,865 answered, two contradict
    "scitldr": ("scitldr", 2_452, 0),  # a summary stands there twice
    "aqua-rat": ("aqua-rat", 508, 0),
    "sharegpt-format-conversations": ("sharegpt", 500, 0),
    "code-alpaca-nc": ("alpaca", 499, 1),  # one has no output
    "hh-rlhf-harmless": ("pair", 1_492, 8),  # four have an empty answer, in four the same side speaks twice
    "banking77": ("labels", 13_083, 0),
}
"""By folder: the form that is told, samples, and records set aside; counted by hand with regular expressions."""


def read(folder: Path, source: dict[str, object], gate: dict[str, object], name: str) -> Documents:
    """Ingest one source."""
    source = source if "kind" in source else {"kind": "files", **source}
    config = IngestConfig.model_validate({"sources": [source], "licences": gate})
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
        for document in read(
            folder, {"path": str(path), "licence_field": "license"}, {"allow": ["permissive"]}, "docs"
        ).iterate()
        if document.meta["path"] == "docs.jsonl"
    )
    return {"read": len(records), "passed": sum(found.values()), "ok": found == wanted}


def policy(data: Path, folder: Path) -> dict[str, object]:
    """By use, each record passes or not as a table made by hand says, and so does the licence of what passes."""
    records = [json.loads(line) for line in (data / "licence-tagged-docs" / "docs.jsonl").read_text().splitlines()]
    source = {"path": str(data / "licence-tagged-docs"), "licence_field": "license"}
    found = {}
    for name, (gate, licences, wanted) in POLICIES.items():
        documents = read(folder, source, gate, name)
        passed = Counter(document.licence for document in documents.iterate() if document.meta["path"] == "docs.jsonl")
        mixture = json.loads((documents.path / "licences.json").read_text())["mixture"]
        expected = Counter(record["license"] for record in records if record["license"] in licences)
        found[name] = passed == expected and wanted.items() <= mixture.items()
    stopped = refused(folder, source, {"use": "academic", "share_alike": True}, "conflict")
    return {**found, "conflict": stopped, "ok": all(found.values()) and stopped}


def refusal(data: Path, folder: Path) -> dict[str, object]:
    """A set under a non-commercial licence is refused as a whole, unless the use is not commercial."""
    path = folder / "alpaca"
    path.mkdir()
    rows = json.loads((data / "code-alpaca-nc" / "code_alpaca_500.json").read_text())
    (path / "rows.jsonl").write_text("".join(json.dumps({"text": row["output"]}) + "\n" for row in rows))
    source = {"path": str(path), "licence": "CC-BY-NC-4.0"}
    stopped = [
        refused(folder, source, gate, f"nc-{n}") for n, gate in enumerate(({"allow": ["permissive"]}, COMMERCIAL))
    ]
    passed = read(folder, source, {"use": "academic"}, "academic").count()
    return {"rows": len(rows), "passed": passed, "ok": all(stopped) and passed == len(rows)}


def refused(folder: Path, source: dict[str, object], gate: dict[str, object], name: str) -> bool:
    """Whether the gate stops the ingest."""
    try:
        read(folder, source, gate, name)
    except GateRefused:
        return True
    return False


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
    english = read(folder, {"path": "text", "licence": "CC-BY-SA-3.0"}, {"allow": ["CC-BY-SA-3.0"]}, "english")
    bpe(BpeConfig(documents="x", vocab_size=4096), english, folder / "tokenizer", make_context(folder / "bpe"))
    tokenizer = open_tokenizer(folder / "tokenizer")
    texts = [json.loads(line)["text"] for line in (data / "udhr-languages" / "udhr.jsonl").read_text().splitlines()]
    bad = sum(tokenizer.decode(tokenizer.encode(text)) != text for text in texts)
    return {"texts": len(texts), "changed": bad, "ok": not bad}


def published(data: Path, folder: Path) -> dict[str, object]:
    """Every set in the folder gives each record that it holds, and nothing of it is quarantined."""
    here = {path.name for path in data.iterdir() if path.is_dir()}
    wrong: dict[str, object] = dict.fromkeys(here - set(PUBLISHED), "no line in PUBLISHED")
    wrong |= dict.fromkeys(set(PUBLISHED) - here, "missing")
    records = 0
    for name in here & set(PUBLISHED):
        for number, (options, count) in enumerate(PUBLISHED[name]):
            out = f"{name}-{number}"
            source = {"kind": "dataset" if "dataset" in options else "files", **options, "path": str(data / name)}
            licence = source.get("licence") or adapters()[str(source["dataset"])].licence
            documents = read(folder, source, {"allow": [licence]}, out)
            bad = (folder / out / "quarantine.jsonl").read_bytes().count(b"\n")
            if (documents.count(), bad) != (count, 0):
                wrong[out] = {"expected": count, "read": documents.count(), "quarantined": bad}
            records += documents.count()
    return {"sets": len(here), "records": records, "wrong": wrong, "ok": not wrong}


def tuning(data: Path, folder: Path) -> dict[str, object]:
    """Tuning data of several published forms is told, converted, and what is wrong in it found."""
    found = {}
    for name, (kind, *_) in TUNING.items():
        options = {**PUBLISHED[name][0][0], "fields": "all"}
        licence = options.get("licence") or adapters()[str(options["dataset"])].licence
        raw = read(
            folder, {"kind": "dataset", **options, "path": str(data / name)}, {"allow": [licence]}, f"{name}-raw"
        )
        out, context, fields = folder / name, make_context(folder / f"{name}-forms"), {"from": "raw"}
        if kind == "pair":
            counts = preferences(PreferencesConfig.model_validate(fields), raw, out=out, context=context).counts
        else:
            counts = conversations(ConversationsConfig.model_validate(fields), raw, out=out, context=context).counts
        form = next(each for each in counts if each.startswith("samples of form "))
        bad = (out / "quarantine.jsonl").read_bytes().count(b"\n")
        found[name] = (form.removeprefix("samples of form "), counts[form], bad)
    return {**found, "ok": found == TUNING}


def main() -> None:
    """Run every check."""
    data = Path(sys.argv[1]).resolve()
    found = {}
    for check in (licences, policy, refusal, published, tuning, languages, round_trip):
        with tempfile.TemporaryDirectory() as name:
            found[check.__name__] = check(data, Path(name))
    print(json.dumps(found))
    sys.exit(0 if all(result["ok"] for result in found.values()) else 1)


if __name__ == "__main__":
    main()
