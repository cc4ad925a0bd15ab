"""From models in the store to a running server with their cards and examples."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmworks.data.erasure.lists import refusal_to_serve
from lmworks.data.tuning.conversations import Conversations, question_of
from lmworks.engines.open import open_adapted, open_engine
from lmworks.engines.protocol import Engine
from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.knowledge.collection import Collection
from lmworks.knowledge.quoting import QuotingEngine, holds_passages
from lmworks.model.device import AUTO
from lmworks.model.folder import ADAPTER, stored_parameters
from lmworks.pipeline.lineage import Lineage
from lmworks.pipeline.record import split_reference
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, is_model
from lmworks.release.cards.card import card_facts, parameters
from lmworks.release.cards.kinds import writes
from lmworks.release.gates import require_gates, stored_as
from lmworks.release.knowledge import passages_built
from lmworks.serve import TIMEOUT_SECONDS
from lmworks.serve.access import ServerKey, load_or_make_key
from lmworks.serve.content import Examples, PageContent
from lmworks.serve.knowledge import Knowledge
from lmworks.tokens.tokenizer import FILES

EXAMPLES_PER_FORM = 3


def serve_artifacts(
    store: Store,
    artifacts: Sequence[Artifact],
    *,
    port: int,
    as_json: bool,
    timeout: float = TIMEOUT_SECONDS,
    device: str = AUTO,
    unmeasured: bool = False,
) -> None:
    """Serve a model on this machine until a signal to stop, or several that are adapters on one base.

    Raises what `open_served` raises.
    """
    served = open_served(store, artifacts, device, unmeasured=unmeasured)
    _run(served, load_or_make_key(store.root), port=port, as_json=as_json, timeout=timeout)


@dataclass(frozen=True)
class Served:
    """Models of one engine, opened to be asked."""

    engine: Engine
    pages: Sequence[PageContent]
    """Of each model; it has the name under which the model is asked."""
    knowledge: Knowledge | None = None


def open_served(store: Store, artifacts: Sequence[Artifact], device: str = AUTO, *, unmeasured: bool = False) -> Served:
    """Open a model, or several that are adapters on one base.

    Raises `UsageError` when an artifact is no model, and when several are more than that; GateRefused when one learned
    from what was erased, or nobody can tell, since a list of it lost entries, when its gates refused it, and unless
    `unmeasured`, when it is a language model that no task has measured.
    """
    require_answers(store, artifacts)
    require_gates(store, artifacts)
    pages = {}
    for artifact in artifacts:
        page = _page(store, artifact)
        pages[page.name] = page
    if len(pages) < len(artifacts):
        raise UsageError(f"a model is named twice; found {len(artifacts)} models called {', '.join(pages)}")
    names = list(pages)
    base = base_of(store, artifacts) if len(names) > 1 else None
    if not unmeasured:
        require_measured(store, artifacts)
    if base is None:
        engine = open_answering(artifacts[0].payload, device)
    else:
        base.require_sound()
        adapters = (None if each.digest() == base.digest() else each.payload / ADAPTER for each in artifacts)
        engine = open_adapted(base.payload, dict(zip(names, adapters, strict=True)), device)
    knowledge = _knowledge(store, artifacts[0], quotes=engine.quotes)
    if knowledge and not engine.chats:
        raise UsageError(
            f"serve.passages: they are put before the question of a chat, and {names[0]} takes none: it has no chat "
            "template, or writes nothing; serve one that was tuned on conversations, or leave them out"
        )
    return Served(engine, list(pages.values()), knowledge)


def open_answering(folder: Path, device: str) -> Engine:
    """Open what answers for a model's folder, or for a folder of passages, which are quoted as their recipe says."""
    if not holds_passages(folder):
        return open_engine(folder, device=device)
    serve = Built.holding(*stored).record.serve if (stored := stored_as(folder)) else None
    return QuotingEngine(folder, serve.passages_shown, serve.not_found) if serve else QuotingEngine(folder)


def _knowledge(store: Store, artifact: Artifact, *, quotes: bool) -> Knowledge | None:
    """What the recipe of a model lets it answer from; None where that names no passages."""
    built = Built.holding(store, artifact)
    serve = built.record.serve
    step = built.step_of(artifact) if quotes else serve and serve.passages
    if not step:
        return None
    collection = Collection(passages_built(store, step, built).payload)
    return Knowledge(collection, serve.passages_shown, serve.not_found) if serve else Knowledge(collection)


def _page(store: Store, artifact: Artifact) -> PageContent:
    """What is said of a model beside its chat; of what was altered, that nothing can be said, and in the log why."""
    if holds_passages(artifact.payload):
        return _passages_page(store, artifact)
    try:
        facts, examples = card_facts(store, artifact), _examples(store, artifact)
        return PageContent(**facts, examples=[Examples(form, prompts) for form, prompts in examples])
    except LmworksError as error:
        print(error, file=sys.stderr)
        built = Built.holding(store, artifact)
        return PageContent(
            name=f"{built.name}/{built.step_of(artifact) or artifact.manifest.step}",
            purpose=built.use_case,
            parameters=parameters(artifact),
            context_length=0,
            digest=artifact.digest(),
            advice=("What is known of this model cannot be told: a file behind it was altered or is lost.",),
        )


def _passages_page(store: Store, artifact: Artifact) -> PageContent:
    """What is said beside passages that are quoted as answers."""
    built, figures = Built.holding(store, artifact), artifact.manifest.figures
    unmeasured = "How often the right passage is found was not measured: `questions` of the step measure it."
    return PageContent(
        name=f"{built.name}/{built.step_of(artifact) or artifact.manifest.step}",
        purpose=built.use_case,
        parameters=0,
        context_length=0,
        figures=figures,
        licences=sorted({*Collection(artifact.payload).column("licence")}),
        digest=artifact.digest(),
        advice=["Answers are passages of your documents, quoted. No model writes.", *([] if figures else [unmeasured])],
    )


def serve_folder(
    folder: Path,
    *,
    port: int,
    as_json: bool,
    timeout: float = TIMEOUT_SECONDS,
    device: str = AUTO,
    unmeasured: bool = False,
) -> None:
    """Serve a Hugging Face folder. Of one that is no artifact, nobody knows here what it was made for and of.

    Raises GateRefused for a language model, which was not measured here, unless `unmeasured`.
    """
    folder = folder.resolve()
    how: dict[str, Any] = {"port": port, "as_json": as_json, "timeout": timeout}
    if found := stored_as(folder):
        serve_artifacts(found[0], [found[1]], device=device, unmeasured=unmeasured, **how)
        return
    if not unmeasured and writes(folder):
        raise GateRefused(
            f"{folder}: no build here has measured how well it answers\nImport it in a recipe with `evaluate`, or "
            f"type: lmworks serve {shlex.quote(str(folder))} --unmeasured"
        )
    engine = open_engine(folder, device=device)
    page = PageContent(
        name=folder.name,
        purpose="Not made here: what it is for, and what it learned from, is not known.",
        parameters=stored_parameters(folder),
        context_length=engine.context_length,
    )
    _run(Served(engine, [page]), load_or_make_key(folder), **how)


def _run(served: Served, key: ServerKey, *, port: int, as_json: bool, timeout: float) -> None:
    from lmworks.serve.run import run
    from lmworks.serve.service import Service

    names = [page.name for page in served.pages]

    def started(address: str) -> None:
        if as_json:
            found = {"address": address, "models": names, "key_file": key.file and str(key.file)}
            print(json.dumps(found | ({"key": key.key} if key.is_new else {})), flush=True)
        else:
            places = f"  chat page  {address}\n  API        {address}v1\n  key        {key.as_text()}"
            print(f"serving {', '.join(names)}\n{places}", flush=True)

    service = Service(served.engine, names, timeout_seconds=timeout)
    run(service, key.key, served.pages, served.knowledge, port=port, started=started)


def require_servable(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise what `require_answers` and `require_gates` raise, and `UsageError` for passages: none can be exported."""
    for artifact in artifacts:
        _require(artifact, is_fit=is_model(artifact))
    require_answers(store, artifacts)
    require_gates(store, artifacts)


def require_measured(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise GateRefused for a language model of which no build of the store has measured how well it answers."""
    builds = [Built(store, name, record).parted()[0] for name, record in store.builds.readable()]
    for artifact in artifacts:
        if is_model(artifact) and writes(artifact.payload) and not any(built.measures(artifact) for built in builds):
            built = Built.holding(store, artifact)
            name = built.step_of(artifact) or artifact.manifest.step
            raise GateRefused(
                f"{name}: no task has measured how well it answers\nName it under `evaluate: models:` in "
                f"{built.recipe} and build again, or type: lmworks serve {name} --unmeasured"
            )


def _require(artifact: Artifact, *, is_fit: bool) -> None:
    if not is_fit:
        raise UsageError(f"{artifact.manifest.step} is made by {artifact.stage}: it is no model and answers nothing")


def require_answers(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise `UsageError` for what answers nothing, GateRefused where it learned from what was erased, or damage."""
    for artifact in artifacts:
        _require(artifact, is_fit=is_model(artifact) or holds_passages(artifact.payload))
    if said := refusal_to_serve(store, _folder(store, artifacts[0]), artifacts):
        raise GateRefused(said)
    for artifact in artifacts:
        artifact.require_sound()


def _folder(store: Store, artifact: Artifact) -> Path | None:
    """Of the recipe that an artifact was built by, if it is there."""
    try:
        return Built.holding(store, artifact).folder
    except LmworksError:
        return None


def base_of(store: Store, models: Sequence[Artifact]) -> Artifact:
    """The base that each of several models is, or is a LoRA on. Raises `UsageError` where there is no such."""
    bases = {model.manifest.step: _base_of(store, model) for model in models}
    first, *others = {base.digest(): base for base in bases.values()}.values()
    if others:
        found = ", ".join(f"{step} on {base.manifest.step}" for step, base in bases.items())
        raise UsageError(f"several models are served together if they are adapters on one base; found {found}")
    for model in models:
        if any(model.manifest.files[name].sha256 != first.manifest.files[name].sha256 for name in FILES):
            raise UsageError(f"{model.manifest.step}: has another tokenizer than its base; serve it alone")
    return first


def _base_of(store: Store, model: Artifact) -> Artifact:
    adapter = model.manifest.config.get("adapter")
    if not adapter or model.stage == "import-model":  # which is the base and an adapter of others in one
        return model
    if adapter["kind"] != "lora" or adapter["quantise"]:
        raise UsageError(
            f"{model.manifest.step}: its adapter is {adapter}; served together are those of kind lora that were "
            "learned beside a base as it is: serve this one alone"
        )
    (link,) = Lineage(store).links(model, Role.BEGINS_WITH)
    if not link.parent:
        raise UsageError(
            f"{model.manifest.step}: its base {link} is no longer in the store; build it again, or serve this one alone"
        )
    return link.parent


def _examples(store: Store, artifact: Artifact) -> Iterator[tuple[str, list[str]]]:
    """Prompts from held-out conversations, by their form."""
    built = Built.holding(store, artifact)
    serve = built.record.serve
    step, part = split_reference((serve and serve.examples) or "")
    if step not in built.artifacts:
        return
    source = built.artifacts[step]
    prompts: dict[str, list[str]] = {}
    for record in Conversations(source.path(part), source.digest(part)).iterate():
        prompts.setdefault(record.get("form", "Examples"), []).append(question_of(record))
    for form, texts in prompts.items():
        yield form.capitalize(), sorted(texts, key=len)[len(texts) // 2 :][:EXAMPLES_PER_FORM]
