"""The card of a data set, in the form of Croissant 1.0 (mlcommons.org/croissant): JSON-LD that catalogues read.

Licences are SPDX, and files have their sha256. PROV-O terms (w3.org/TR/prov-o) describe how the documents were made
from the files read: each step is an activity that used artifacts and made one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import COLUMNS
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.manifest import FileRecord
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, files_read
from lmworks.release.trace.provenance import provenances
from lmworks.terminal import shown

CONTEXT: Mapping[str, Any] = json.loads(Path(__file__).with_name("croissant-context.json").read_text(encoding="utf-8"))
"""JSON-LD context of the specification, with PROV added."""


@dataclass(frozen=True)
class Form:
    """Layout of the records of a step on disk."""

    noun: str
    pattern: str
    encoding: str
    fields: Mapping[str, bool]
    """Field → whether it holds turns of a chat. The card gives only the texts of turns."""


FORMS = (
    Form("documents", "part-*.parquet", "application/x-parquet", dict.fromkeys(COLUMNS, False)),
    Form("conversations", "conversations.jsonl", "application/jsonlines", {"id": False, "messages": True}),
    Form(
        "judgements",
        "preferences.jsonl",
        "application/jsonlines",
        {"id": False, "prompt": True, "chosen": True, "rejected": True},
    ),
)


def write_data_cards(built: Built) -> None:
    """Write a card for each set of texts that models were trained on; without models, for the last step's texts.

    Cards are at the top of the store, because readers of Croissant look only for files below the card.
    """
    folder = built.store.root
    links = [link for model in built.models.values() for link in built.lineage.trained_on(model)]
    trained = {link.reference: (link.parent, link.part) for link in links if link.parent}
    last = {} if links else {name: (artifact, "") for name, artifact in list(built.artifacts.items())[-1:]}
    for name, (artifact, part) in (trained | last).items():
        if card := croissant(built, artifact, name, part):
            write_atomically(folder / f"{built.name}-{name}-croissant.json", card)


def croissant(built: Built, artifact: Artifact, name: str, part: str) -> str:
    """Return the card of the texts in a part of an artifact, as JSON. Empty if the part holds no texts.

    Addresses of files start at the top of the store, where the card is.
    """
    folder, inside, use = built.store.root, f"{part}/" if part else "", built.use_case or "not stated"
    files: dict[str, FileRecord] = {}
    for form in FORMS:
        pattern = inside + form.pattern
        files = {path: file for path, file in artifact.manifest.files.items() if fnmatchcase(path, pattern)}
        if files:
            break
    else:
        return ""
    card = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": re.sub(r"\W+", "-", name),
        "description": f"{form.noun.capitalize()} made by the step {name} for this use: {use}.",
        "url": f"urn:sha256:{artifact.digest(part)}",
        "version": "1.0.0",
        "datePublished": datetime.fromtimestamp(artifact.manifest.run.started, UTC).date().isoformat(),
        "license": _licences(built, artifact, part),
        "distribution": [*_files(artifact, files, form, folder), _file_set(artifact.path(part), form, folder)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": form.noun,
                "name": form.noun,
                "key": {"@id": f"{form.noun}/id"},
                "field": [_field(form, field, turns=turns) for field, turns in form.fields.items()],
            }
        ],
        **_provenance(built, artifact),
    }
    return json.dumps(_shown(card), indent=1, ensure_ascii=False) + "\n"


def _shown(value: Any) -> Any:
    """Return a value of the card without control characters and without characters that change the text direction."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {key: _shown(inner) for key, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list) else value


def _files(artifact: Artifact, files: Mapping[str, FileRecord], form: Form, folder: Path) -> Iterator[dict[str, Any]]:
    for path, file in files.items():
        yield {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": os.path.relpath(artifact.payload / path, folder),
            "contentSize": f"{file.bytes} B",
            "encodingFormat": form.encoding,
            "sha256": file.sha256,
        }


def _file_set(place: Path, form: Form, folder: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "encodingFormat": form.encoding,
        "includes": f"{os.path.relpath(place, folder)}/{form.pattern}",
    }


def _field(form: Form, name: str, *, turns: bool) -> dict[str, Any]:
    read = {"fileSet": {"@id": "shards"}, "extract": {"column": name}}
    return {
        "@type": "cr:Field",
        "@id": f"{form.noun}/{name}",
        "name": name,
        "dataType": "sc:Text",
        **({"repeated": True} if turns else {}),
        "source": {**read, "transform": {"jsonPath": "content"}} if turns else read,
    }


def _licences(built: Built, artifact: Artifact, part: str) -> list[str]:
    """Return the address of each SPDX licence. Licence expressions and own symbols stay as they are."""
    found = {each.licence for each in provenances(built.lineage, artifact, part)}
    plain = re.compile(r"(?!LicenseRef-|unknown$)[A-Za-z0-9.-]+")
    return [f"https://spdx.org/licenses/{name}" if plain.fullmatch(name) else name for name in sorted(found) if name]


def _provenance(built: Built, artifact: Artifact) -> dict[str, Any]:
    steps = built.lineage.ancestors(artifact)
    return {
        "prov:wasDerivedFrom": [file for step in steps for file in _files_read(step.artifact)],
        "prov:wasGeneratedBy": [
            {
                "@type": "prov:Activity",
                "@id": f"urn:lmworks:{step.artifact.stage}:{step.artifact.key}",
                "name": f"{step.step}: {step.artifact.stage}, version {step.artifact.manifest.version}",
                "prov:used": [{"@id": f"urn:sha256:{link.record.digest}"} for link in step.links],
                "prov:generated": {"@id": f"urn:sha256:{step.artifact.digest()}"},
            }
            for step in steps
        ],
    }


def _files_read(artifact: Artifact) -> Iterator[dict[str, str]]:
    for record in files_read(artifact):
        name = f"{record['source']}/{record['path']}"
        yield {"@type": "prov:Entity", "@id": f"urn:sha256:{record['sha256']}", "name": name}
