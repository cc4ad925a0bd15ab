"""Documents as pages show them: personal data that no `anonymise` step has treated is hidden."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from lmworks.data.personal.findings import Detector, Detectors, scan, substitute
from lmworks.data.personal.hidden import covered, shown_detectors
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.privacy.own import OwnDetector
from lmworks.data.privacy.people import is_named_by, people_detector, people_of, whole_name
from lmworks.data.shards.records import Document, Documents, read_columns, read_shard
from lmworks.pipeline.lineage import Link
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, anonymising_in
from lmworks.release.trace.provenance import records

Show = Callable[[Document], str]


def make_show(built: Built, artifact: Artifact, *, personal: bool = False) -> Show:
    """Return a function that shows documents of an artifact: unchanged if `personal`, else with personal data hidden.

    A row is shown with one line per field that has a value, after the field's name.

    The function hides what the build's `anonymise` steps look for, with the recipe's own detectors, and every kind
    that has a pattern. So an earlier step shows no more than reaches the later ones. In documents that are already
    anonymised, it hides only what `own` detectors of other `anonymise` steps find.
    """
    configs, passed = anonymising(built), _passed(built, artifact)
    detectors: list[Detector] = [
        own.detector() for config in configs for own in config.own if own not in (passed or ())
    ]
    if personal:
        return lambda document: _shown(document, lambda name, text: text)
    fields: list[str] = []
    if passed is None:
        fields = [name for config in configs for name in config.people]
        detectors += shown_detectors(dates=any(config.action_of("date") != "keep" for config in configs))

    search = Detectors(detectors)

    def show(document: Document) -> str:
        people = _named_in(document, fields)
        named = [people_detector(people)] if people else []

        def hide(name: str, text: str) -> str:
            if text.strip() and is_named_by(name, fields):
                return covered(whole_name(text))
            return substitute(text, scan(text, search, label=name, more=named), covered)

        return _shown(document, hide)

    return show


def anonymising(built: Built) -> list[AnonymiseConfig]:
    """Return the build's `anonymise` steps, as they were built and as the recipe has them now."""
    steps = [found.manifest.config for found in built.artifacts.values() if found.stage == anonymise.name]
    return [*map(AnonymiseConfig.model_validate, steps), *anonymising_in(built.fields)]


def hiding(built: Built, *artifacts: Artifact, ids: Collection[str] = ()) -> list[Detector]:
    """Return detectors of what is hidden in stored samples, in addition to kinds with patterns: the `own` detectors.

    For records of these artifacts with these ids, also detect people: those named by `people` fields of the documents
    behind the records, and the subjects of these documents.
    """
    configs = anonymising(built)
    fields = [name for config in configs for name in config.people]
    people: list[str] = []
    if (fields or _states_subjects(built)) and ids:
        links = (link for each in artifacts for link in built.lineage.links(each, Role.READS, Role.MEASURES))
        each_once = {link.path: link for link in links}.values()
        behind = [document for link in each_once for document in _behind(built, link, ids)]
        own_documents = (documents for each in artifacts for documents in outputs(each))
        for document in (*behind, *(each for documents in own_documents for each in find(documents, ids))):
            people += _named_in(document, fields)
    own: list[Detector] = [each.detector() for config in configs for each in config.own]
    return [*own, *([people_detector(people)] if people else [])]


def _named_in(document: Document, fields: Sequence[str]) -> list[str]:
    """Return the people whom fields of a document name, and its subject, if the subject is a name and no number."""
    about = document.subject
    is_name = about and not any(map(str.isdigit, about))
    return [*people_of(document, fields), *([about] if about and is_name else [])]


def _states_subjects(built: Built) -> bool:
    sources = (each for found in built.artifacts.values() for each in found.manifest.config.get("sources") or ())
    return any(isinstance(each, Mapping) and each.get("subject_field") for each in sources)


def _behind(built: Built, link: Link, ids: Collection[str]) -> Iterator[Document]:
    """Yield the documents of an input with these ids; for conversations and judgements, those they were made from."""
    if not (link.parent and link.path):
        return
    yield from find(Documents(link.path, ""), ids)
    wanted = {text.document for text in records(link.path) if text.id in ids and text.document}
    for each in built.lineage.read_from(link.parent) if wanted else ():
        for document in find(Documents(each.path, ""), wanted) if each.path and wanted else ():
            wanted = wanted - {document.id}
            yield document


def outputs(artifact: Artifact) -> list[Documents]:
    """Return each part of the output that has documents."""
    files = artifact.manifest.files
    parts = sorted({path.rpartition("/")[0] for path in files if path.endswith(".parquet")})
    return [Documents(artifact.path(part), "") for part in parts]


def find(documents: Documents, ids: Collection[str]) -> Iterator[Document]:
    """Yield the documents with these ids, with one shard in memory at a time."""
    for shard in documents.shards():
        if not set(read_columns(shard, ["id"]).column("id").to_pylist()).isdisjoint(ids):
            yield from (document for document in read_shard(shard) if document.id in ids)


def _shown(document: Document, hide: Callable[[str, str], str]) -> str:
    if document.structure is None:
        return hide("", document.text)
    return "\n".join(f"{name}: {hide(name, text)}" for name, text in _values(document.row(), ""))


def _values(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield every value inside another that is no list or row, with its path, such as `messages.0.content`."""
    if isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _values(inner, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _passed(built: Built, artifact: Artifact) -> list[OwnDetector] | None:
    """Return the `own` detectors that have searched all documents of an artifact. None if some are not anonymised."""
    config = AnonymiseConfig.model_validate(artifact.manifest.config) if artifact.stage == anonymise.name else None
    parents = [link.parent for link in built.lineage.links(artifact, Role.READS)]
    above = [_passed(built, parent) if parent is not None else None for parent in parents]
    done = [each for each in above if each is not None]
    everywhere = [own for own in done[0] if all(own in others for others in done)] if done and done == above else []
    if config is not None:
        return [*config.own, *everywhere]
    return everywhere if done and done == above else None
