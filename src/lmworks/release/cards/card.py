"""The card of a model, in Hugging Face's form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from lmworks.model.config import DecoderConfig, Family
from lmworks.model.folder import ENGINE, approximate_config, family_of, prefix_kind
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.lineage import Link
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, files_read, is_model, read_json
from lmworks.release.inspect import dataflow
from lmworks.release.inspect.verdicts import verdicts
from lmworks.release.render.tables import label_of, tasks
from lmworks.release.render.templates import environment
from lmworks.release.trace.provenance import UNKNOWN, provenances

TAGS: Mapping[Family | None, str] = {
    "encoder-decoder": "text2text-generation",
    "encoder": "feature-extraction",
    "sequence classifier": "text-classification",
    "reward model": "text-classification",
    "token classifier": "token-classification",
}
"""What the hub calls the use of a family that does not continue texts."""
DOES: Mapping[Family | None, str] = {
    "encoder": "makes a vector of a text",
    "sequence classifier": "tells the label of a text",
    "reward model": "scores an answer",
    "token classifier": "marks spans of a text",
    "encoder-decoder": "writes the target of a source",
    "byte n-gram": "goes on from a text, byte by byte",
}


def shape(artifact: Artifact) -> DecoderConfig | None:
    """What is known of a model's size; None of one that is no network."""
    path = artifact.payload / "config.json"
    return None if ENGINE in read_json(path) else approximate_config(path)


def card_text(built: Built, artifact: Artifact) -> str:
    """The card as Markdown with a YAML head."""
    name = built.step_of(artifact) or artifact.manifest.step
    steps = built.lineage.ancestors(artifact)
    origins = [] if artifact.stage == "import-model" else dataflow.origins(built, [artifact])
    family = family_of(artifact.payload)
    return (
        environment(__package__)
        .get_template("card.md.jinja")
        .render(
            built=built,
            name=name,
            artifact=artifact,
            shape=shape(artifact),
            family=family,
            tag=TAGS.get(family, "text-generation"),
            does=DOES.get(family, ""),
            writes=family in (None, "decoder", "byte n-gram", "encoder-decoder"),
            config=read_json(artifact.payload / "config.json"),
            prefix=prefix_kind(artifact.payload),
            training=read_json(artifact.payload / "training.json"),
            origins=origins,
            trained_on=dataflow.trained_on(built, artifact),
            readings=_by_model(dataflow.readings(built, artifact)),
            tokenizer_texts=dataflow.texts_at(dataflow.tokenizer_texts(built, artifact)),
            elsewhere=_made_elsewhere(built),
            unknown=[str(link) for link in built.lineage.trained_on(artifact) if not link.parent],
            bases=bases(built, artifact),
            helpers=helpers(built, artifact),
            licences=licences_of(origins, bases(built, artifact)),
            languages=_languages(built, artifact),
            measured={task: found for task, found in tasks(built).items() if name in built.evaluations()[task]},
            verdicts=verdicts(built),
            steps=steps,
            stand_ins=list(dict.fromkeys(link.reference for item in steps for link in item.links if link.is_stand_in)),
            quote=_quote,
        )
    )


def card_facts(store: Store, artifact: Artifact) -> dict[str, Any]:
    """Facts for the chat page, named as its `PageContent` names them. Of each task the first figure, which leads it."""
    built = Built.holding(store, artifact)
    name = built.step_of(artifact) or artifact.manifest.step
    measured = {task: systems[name] for task, systems in built.evaluations().items() if name in systems}
    return {
        "name": f"{built.name}/{name}",
        "purpose": built.use_case,
        "parameters": parameters(artifact),
        "context_length": found.context_length if (found := shape(artifact)) else 0,
        "figures": [
            replace(figure, name=f"{task}: {label_of(figure)}")
            for task, evaluation in measured.items()
            for figure in evaluation.manifest.figures[:1]
        ],
        "licences": licences_of(dataflow.origins(built, [artifact]), bases(built, artifact)),
        "digest": artifact.digest(),
    }


def bases(built: Built, artifact: Artifact) -> list[dict[str, str]]:
    """The config of each model of others that this one began with: its `path` and its `licence`."""
    begun_with = [artifact, *(link.parent for link in built.lineage.begun_with(artifact))]
    return [each.manifest.config for each in begun_with if each and each.stage == "import-model"]


def helpers(built: Built, artifact: Artifact) -> dict[str, list[str]]:
    """Other models that a model, or one that it began with, learned from: those that judged, those that wrote texts."""
    models = [artifact, *(link.parent for link in built.lineage.begun_with(artifact) if link.parent)]
    judges = [
        (model.manifest.config.get("objective") == "distillation", link)
        for model in models
        for link in built.lineage.links(model, Role.JUDGES)
    ]
    texts = [link.parent for link in built.lineage.trained_on(artifact) if link.parent]
    written = [link for each in texts for link in [*built.lineage.read_from(each)] if _is_model(link)]
    found = {
        "It learned to answer as": [link for is_teacher, link in judges if is_teacher],
        "Its answers were judged by": [link for is_teacher, link in judges if not is_teacher],
        "Some of these texts were written by": written,
    }
    return {how: list(dict.fromkeys(link.reference for link in links)) for how, links in found.items() if links}


def _is_model(link: Link) -> bool:
    return link.parent is not None and is_model(link.parent)


def _by_model(readings: Sequence[dataflow.Reading]) -> list[str]:
    names = dict.fromkeys(reading.model for reading in readings)
    return [f"{name}: {', '.join(str(each) for each in readings if each.model == name)}" for name in names]


def _made_elsewhere(built: Built) -> dict[str, int]:
    """Sources whose documents another build made, and how many of its files were read."""
    items = built.artifacts.values()
    return Counter(
        file["source"] for each in items for file in files_read(each) if file["source"] in dataflow.made_elsewhere(each)
    )


def licences_of(origins: Sequence[dataflow.Origin], begun_with: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """The licences of the base and of all texts that the model or its tokenizer learned from.

    Those of all texts read, if some of these are not known.
    """
    unknown = any(origin.licence == UNKNOWN.licence for origin in origins)
    used = {origin.licence for origin in origins if unknown or any(origin.used.values())}
    return sorted({licence for licence in used if licence} | {base["licence"] for base in begun_with})


def _languages(built: Built, model: Artifact) -> list[str]:
    """Languages of 1 % and more of the training documents, the most frequent first; none if no step looked.

    Below that, detection from few words is mostly wrong.
    """
    counts: Counter[str] = Counter()
    for link in built.lineage.trained_on(model):
        found = provenances(built.lineage, link.parent, link.part) if link.parent else ()
        counts.update(each.language for each in found if each.language)
    return [language for language, count in counts.most_common() if count >= counts.total() / 100]


def _quote(text: str) -> Markup:
    return Markup(canonical_json(text))  # noqa: S704 - a JSON text is a YAML text; nothing in the head is read as HTML


def parameters(artifact: Artifact) -> int:
    """How many numbers a model has."""
    return int(artifact.manifest.counts.get("parameters", 0))
