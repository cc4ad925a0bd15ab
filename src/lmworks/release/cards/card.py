"""The card of a model, in Hugging Face's form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from lmworks.data.records import Documents
from lmworks.model.folder import approximate_config, prefix_kind
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.lineage import ancestors
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, figures_of, read_json
from lmworks.release.inspect import dataflow
from lmworks.release.inspect.verdicts import verdicts
from lmworks.release.render.tables import label_of, tasks
from lmworks.release.render.templates import environment
from lmworks.release.trace.trace import training_data


def card_text(built: Built, artifact: Artifact) -> str:
    """The card as Markdown with a YAML head."""
    name = built.step_of(artifact) or artifact.manifest["step"]
    origins = [] if artifact.stage == "import-model" else dataflow.origins(built, [artifact])
    return (
        environment(__package__)
        .get_template("card.md.jinja")
        .render(
            built=built,
            name=name,
            artifact=artifact,
            shape=approximate_config(artifact.payload / "config.json"),
            config=read_json(artifact.payload / "config.json"),
            prefix=prefix_kind(artifact.payload),
            training=read_json(artifact.payload / "training.json"),
            origins=origins,
            trained_on=dataflow.trained_on(built, artifact),
            bases=bases(built, artifact),
            licences=licences_of(origins, bases(built, artifact)),
            languages=_languages(built, artifact),
            measured={task: found for task, found in tasks(built).items() if name in built.evaluations()[task]},
            verdicts=verdicts(built),
            steps=ancestors(built.store, artifact),
            quote=_quote,
        )
    )


def card_facts(store: Store, artifact: Artifact) -> dict[str, Any]:
    """Facts for the chat page, named as its `PageContent` names them. Of each task the first figure, which leads it."""
    built = Built.holding(store, artifact)
    name = built.step_of(artifact) or artifact.manifest["step"]
    measured = {task: systems[name] for task, systems in built.evaluations().items() if name in systems}
    return {
        "name": f"{built.name}/{name}",
        "purpose": built.use_case,
        "parameters": parameters(artifact),
        "context_length": approximate_config(artifact.payload / "config.json").context_length,
        "figures": [
            replace(figure, name=f"{task}: {label_of(figure)}")
            for task, evaluation in measured.items()
            for figure in figures_of(evaluation)[:1]
        ],
        "licences": licences_of(dataflow.origins(built, [artifact]), bases(built, artifact)),
        "digest": artifact.digest(),
    }


def bases(built: Built, artifact: Artifact) -> list[dict[str, str]]:
    """The config of each model of others that this one began with: its `path` and its `licence`."""
    found = (item.artifact for item in ancestors(built.store, artifact))
    return [each.manifest["config"] for each in found if each.stage == "import-model"]


def licences_of(origins: Sequence[dataflow.Origin], begun_with: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """The licences of the base and of all texts that reached the model; of all read, if documents were not counted."""
    used = [origin for origin in origins if any(origin.used.values())]
    return sorted({origin.licence for origin in used or origins} | {base["licence"] for base in begun_with})


def _languages(built: Built, model: Artifact) -> list[str]:
    """Languages of 1 % and more of the training documents, the most frequent first; none if no step looked.

    Below that, detection from few words is mostly wrong.
    """
    import pyarrow.parquet as pq

    counts: Counter[str] = Counter()
    for data, _, part in training_data(built.store, model):
        for shard in Documents(data.path(part), "").shards():
            counts.update(pq.read_table(shard, columns=["language"]).column("language").drop_null().to_pylist())
    return [language for language, count in counts.most_common() if count >= counts.total() / 100]


def _quote(text: str) -> Markup:
    return Markup(canonical_json(text))  # noqa: S704 - a JSON text is a YAML text; nothing in the head is read as HTML


def parameters(artifact: Artifact) -> int:
    """How many numbers a model has."""
    return int(artifact.manifest["counts"].get("parameters", 0))
