"""Documents as they are shown: without personal data wherever no `anonymise` step has treated it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.privacy.findings import scan, substitute
from lmworks.data.privacy.hidden import covered, shown_detectors
from lmworks.data.privacy.people import people_detector, people_of
from lmworks.data.records import Document
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built

Show = Callable[[Document], str]


def make_show(built: Built, artifact: Artifact, *, personal: bool = False) -> Show:
    """How a document of an artifact is shown: as it is if it is anonymised or `personal`, else without what is found.

    Of a row each field with a value stands in a line, under its name.

    What is looked for is what the build's `anonymise` steps look for, and every kind with a pattern of its own, so that
    no more of an earlier step is shown than reaches the later ones.
    """
    if personal or _is_anonymised(built, artifact):
        return lambda document: _shown(document, lambda name, text: text)
    steps = [found.manifest.config for found in built.artifacts.values() if found.stage == anonymise.name]
    configs = [AnonymiseConfig.model_validate(step) for step in steps]
    detectors = shown_detectors(dates=any(config.action_of("date") != "keep" for config in configs))
    fields = [name for config in configs for name in config.people]

    def show(document: Document) -> str:
        people = people_of({name: document.value(name) for name in fields}, fields)
        looked_for = [*detectors, *([people_detector(people)] if people else [])]
        return _shown(document, lambda name, text: substitute(text, scan(text, looked_for, label=name), covered))

    return show


def _shown(document: Document, hide: Callable[[str, str], str]) -> str:
    if document.structure is None:
        return hide("", document.text)
    return "\n".join(f"{name}: {hide(name, text)}" for name, text in _values(document.row(), ""))


def _values(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every value inside another that is no list or row, as text, under the way to it: `messages.0.content`."""
    if isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _values(inner, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _is_anonymised(built: Built, artifact: Artifact) -> bool:
    """Whether everything in it went through an `anonymise` step."""
    above = [link.parent for link in built.lineage.links(artifact, Role.READS)]
    return artifact.stage == anonymise.name or (
        bool(above) and all(parent is not None and _is_anonymised(built, parent) for parent in above)
    )
