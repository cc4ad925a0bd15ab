"""The head of a card: the fields that a hub reads, in Hugging Face's form."""

from __future__ import annotations

from typing import Any

from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.cards.evidence import Witness
from lmworks.release.cards.kinds import Kind
from lmworks.release.cards.learned import Learned
from lmworks.release.cards.measured import ITEMS, figure_evidence
from lmworks.release.render.tables import label_of


def head_of(witness: Witness, name: str, kind: Kind, learned: Learned) -> dict[str, Any]:
    """Return the fields of the head. Unknown ones are left out."""
    licences = learned.licences
    head: dict[str, Any] = {"license": licences[0].lower() if len(licences) == 1 else "other"}
    if len(licences) > 1:
        head["license_name"] = " AND ".join(licences)
    if learned.languages:
        head["language"] = learned.languages
    if learned.datasets:
        head["datasets"] = learned.datasets
    head |= {"library_name": kind.library, "pipeline_tag": kind.tag}
    if named := [base.name for base in kind.bases if base.is_on_hub]:
        head["base_model"] = named[-1]
        if kind.relation:
            head["base_model_relation"] = kind.relation
    head["tags"] = ["lmworks", *(f"source:{source}" for source in learned.sources)]
    results = [
        result
        for task, systems in witness.built.evaluations().items()
        if name in systems and (result := _result(witness, task, systems[name], kind))
    ]
    if results:
        head["model-index"] = [{"name": f"{witness.built.name}-{name}", "results": results}]
    return head


def _result(witness: Witness, task: str, evaluation: Artifact, kind: Kind) -> dict[str, Any] | None:
    """Return what one task measured, with the digest of its data. None if it has no figure."""
    links = witness.built.lineage.links(evaluation, Role.MEASURES)
    data = next((link for link in links if link.name != "model"), None)
    figures = evaluation.manifest.figures
    if not figures:
        return None
    return {
        "task": {"type": kind.tag, "name": task},
        "dataset": {
            "type": data.reference if data else task,
            "name": f"{data.reference} of {witness.built.name}" if data else task,
            **({"revision": data.record.digest} if data else {}),
        },
        "metrics": [
            {
                "type": figure.name,
                "value": figure.value,
                "name": label_of(figure),
                "verified": False,
                "args": _args(witness, evaluation, figure),
            }
            for figure in figures
        ],
    }


def _args(witness: Witness, evaluation: Artifact, figure: Figure) -> dict[str, Any]:
    """Return the facts without which a value has no meaning."""
    items = [each.sha256 for each in figure_evidence(witness, evaluation, figure) if each.file == ITEMS]
    found = {
        "n": figure.n,
        "interval": list(figure.interval) if figure.interval else None,
        "interval_level": 0.95 if figure.interval else None,
        "unit": figure.unit or None,
        "chance": figure.chance,
        "method": figure.method,
        "contamination": figure.contamination or "not known",
        "conditions": digest_text(canonical_json(figure.conditions.as_json())) if figure.conditions else "not known",
        "items_sha256": items[0] if items else None,
    }
    return {name: value for name, value in found.items() if value is not None}
