"""The card of a data set, in the form of Croissant 1.0 (mlcommons.org/croissant): JSON-LD that catalogues read.

Licences are SPDX, files carry their sha256, and the way from the files read to the documents is in PROV-O terms
(w3.org/TR/prov-o): each step is an activity that used artifacts and made one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmworks.data.records import COLUMNS, Documents
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.lineage import ancestors
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, reference
from lmworks.release.trace.trace import training_data

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""As the specification gives it, with PROV added."""


def write_data_cards(built: Built) -> None:
    """Write the card of the documents that models are trained on; without models, of the last step's documents.

    Cards lie at the top of the store, since readers of Croissant look for files below the card only.
    """
    folder = built.store.root
    trained = {
        (step, part): artifact
        for model in built.models.values()
        for artifact, step, part in training_data(built.store, model)
    }
    last = {} if trained else {(name, ""): artifact for name, artifact in list(built.artifacts.items())[-1:]}
    for (step, part), artifact in (trained | last).items():
        if Documents(artifact.path(part), "").shards():
            path = folder / f"{built.name}-{reference(step, part)}-croissant.json"
            write_atomically(path, croissant(built.store, artifact, step, part, built.use_case, folder))


def croissant(store: Store, artifact: Artifact, step: str, part: str, use: str, folder: Path) -> str:
    """The card of the documents of one step, or of one part of them, as JSON.

    `use` says what they were made for; addresses of files start at `folder`, where the card lies.
    """
    inside = f"{part}/" if part else ""
    shards = {
        path: record
        for path, record in artifact.manifest["files"].items()
        if path.startswith(inside) and path.endswith(".parquet") and "/" not in path.removeprefix(inside)
    }
    card = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": re.sub(r"\W+", "-", reference(step, part)),
        "description": f"Documents made by the step {reference(step, part)} for this use: {use or 'not stated'}.",
        "url": f"urn:sha256:{artifact.digest(part)}",
        "version": "1.0.0",
        "datePublished": datetime.fromtimestamp(artifact.manifest["run"]["started"], UTC).date().isoformat(),
        "license": _licences(artifact, part),
        "distribution": [*_files(artifact, shards, folder), _file_set(artifact.path(part), folder)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "documents",
                "name": "documents",
                "key": {"@id": "documents/id"},
                "field": [_field(name) for name in COLUMNS],
            }
        ],
        **_provenance(store, artifact),
    }
    return json.dumps(card, indent=1, ensure_ascii=False) + "\n"


def _files(artifact: Artifact, shards: Mapping[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    for path, record in shards.items():
        yield {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": os.path.relpath(artifact.payload / path, folder),
            "contentSize": f"{record['bytes']} B",
            "encodingFormat": "application/x-parquet",
            "sha256": record["sha256"],
        }


def _file_set(shards: Path, folder: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "encodingFormat": "application/x-parquet",
        "includes": f"{os.path.relpath(shards, folder)}/part-*.parquet",
    }


def _field(name: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"documents/{name}",
        "name": name,
        "dataType": "sc:Text",
        "source": {"fileSet": {"@id": "shards"}, "extract": {"column": name}},
    }


def _licences(artifact: Artifact, part: str) -> list[str]:
    """The address of each SPDX licence; expressions and own symbols as they are."""
    import pyarrow.parquet as pq

    found: set[str] = set()
    for shard in Documents(artifact.path(part), "").shards():
        found.update(pq.read_table(shard, columns=["licence"]).column("licence").unique().to_pylist())
    plain = re.compile(r"(?!LicenseRef-)[A-Za-z0-9.-]+")
    return [f"https://spdx.org/licenses/{name}" if plain.fullmatch(name) else name for name in sorted(found)]


def _provenance(store: Store, artifact: Artifact) -> dict[str, Any]:
    steps = ancestors(store, artifact)
    return {
        "prov:wasDerivedFrom": [file for step in steps for file in _files_read(step.artifact)],
        "prov:wasGeneratedBy": [
            {
                "@type": "prov:Activity",
                "@id": f"urn:lmworks:{step.artifact.stage}:{step.artifact.key}",
                "name": f"{step.step}: {step.artifact.stage}, version {step.artifact.manifest['version']}",
                "prov:used": [
                    {"@id": f"urn:sha256:{record['digest']}"}
                    for records in step.artifact.manifest["inputs"].values()
                    for record in records
                ],
                "prov:generated": {"@id": f"urn:sha256:{step.artifact.digest()}"},
            }
            for step in steps
        ],
    }


def _files_read(artifact: Artifact) -> Iterator[dict[str, str]]:
    if "files.json" in artifact.manifest["files"]:
        for record in json.loads((artifact.payload / "files.json").read_text(encoding="utf-8")):
            name = f"{record['source']}/{record['path']}"
            yield {"@type": "prov:Entity", "@id": f"urn:sha256:{record['sha256']}", "name": name}
