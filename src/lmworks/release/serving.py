"""Serve models of the store, with their cards and examples."""

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
    """Serve one model, or several adapters on one base, on this machine until a signal to stop.

    Raises what `open_served` raises.
    """
    served = open_served(store, artifacts, device, unmeasured=unmeasured)
    _run(served, load_or_make_key(store.root), port=port, as_json=as_json, timeout=timeout)


@dataclass(frozen=True)
class Served:
    """Models of one engine, loaded and ready to answer."""

    engine: Engine
    pages: Sequence[PageContent]
    """Page of each model, with the name that requests give the model."""
    knowledge: Knowledge | None = None


def open_served(store: Store, artifacts: Sequence[Artifact], device: str = AUTO, *, unmeasured: bool = False) -> Served:
    """Open one model, or several adapters on one base.

    Raises `UsageError` if an artifact is no model, or if several are not adapters on one base. Raises GateRefused if a
    model learned from erased text, or the list of erased texts lost entries, or the model failed a gate. Raises
    GateRefused for a language model that no task has measured, unless `unmeasured`.
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
            f"serve.passages: passages are put before a chat question, and {names[0]} takes no chats: it has no chat "
            "template, or writes no text. Serve a model tuned on conversations, or leave `passages` out"
        )
    return Served(engine, list(pages.values()), knowledge)


def open_answering(folder: Path, device: str) -> Engine:
    """Open the engine for a model's folder, or for a folder of passages, which it quotes as their recipe says."""
    if not holds_passages(folder):
        return open_engine(folder, device=device)
    serve = Built.holding(*stored).record.serve if (stored := stored_as(folder)) else None
    return QuotingEngine(folder, serve.passages_shown, serve.not_found) if serve else QuotingEngine(folder)


def _knowledge(store: Store, artifact: Artifact, *, quotes: bool) -> Knowledge | None:
    """Return the passages that a model answers from. None if its recipe names no passages."""
    built = Built.holding(store, artifact)
    serve = built.record.serve
    step = built.step_of(artifact) if quotes else serve and serve.passages
    if not step:
        return None
    collection = Collection(passages_built(store, step, built).payload)
    return Knowledge(collection, serve.passages_shown, serve.not_found) if serve else Knowledge(collection)


def _page(store: Store, artifact: Artifact) -> PageContent:
    """Return what the chat page says of a model. If a file behind it was altered, the page only says so; print why."""
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
            advice=("lmworks cannot describe this model: a file with facts about it was altered or is lost.",),
        )


def _passages_page(store: Store, artifact: Artifact) -> PageContent:
    """Return what the chat page says where passages are quoted as answers."""
    built, figures = Built.holding(store, artifact), artifact.manifest.figures
    unmeasured = "How often the right passage is found was not measured. To measure it, give `questions` to the step."
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
    """Serve a Hugging Face folder. If it is no artifact, its purpose and training texts are not known.

    Raises GateRefused for a language model that was not measured here, unless `unmeasured`.
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
        purpose="Not made here: its purpose and its training texts are not known.",
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
    """Raise what `require_answers` and `require_gates` raise, and `UsageError` for passages, which are no model."""
    for artifact in artifacts:
        _require(artifact, is_fit=is_model(artifact))
    require_answers(store, artifacts)
    require_gates(store, artifacts)


def require_measured(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise GateRefused for a language model that no build of the store has measured."""
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
        raise UsageError(f"{artifact.manifest.step} is made by {artifact.stage}: it is no model and cannot answer")


def require_answers(store: Store, artifacts: Sequence[Artifact]) -> None:
    """Raise `UsageError` for what cannot answer, GateRefused if it learned from erased text, LmworksError on damage."""
    for artifact in artifacts:
        _require(artifact, is_fit=is_model(artifact) or holds_passages(artifact.payload))
    if said := refusal_to_serve(store, _folder(store, artifacts[0]), artifacts):
        raise GateRefused(said)
    for artifact in artifacts:
        artifact.require_sound()


def _folder(store: Store, artifact: Artifact) -> Path | None:
    """Return the folder of the recipe that built an artifact. None if it is not there."""
    try:
        return Built.holding(store, artifact).folder
    except LmworksError:
        return None


def base_of(store: Store, models: Sequence[Artifact]) -> Artifact:
    """Return the common base: each model is the base itself or a LoRA on it. Raises `UsageError` if there is none."""
    bases = {model.manifest.step: _base_of(store, model) for model in models}
    first, *others = {base.digest(): base for base in bases.values()}.values()
    if others:
        found = ", ".join(f"{step} on {base.manifest.step}" for step, base in bases.items())
        raise UsageError(f"several models can be served together only as adapters on one base; found {found}")
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
            f"{model.manifest.step}: its adapter is {adapter}; only adapters of kind lora on a base that is not "
            "quantised can be served together. Serve this one alone"
        )
    (link,) = Lineage(store).links(model, Role.BEGINS_WITH)
    if not link.parent:
        raise UsageError(
            f"{model.manifest.step}: its base {link} is no longer in the store; build it again, or serve this one alone"
        )
    return link.parent


def _examples(store: Store, artifact: Artifact) -> Iterator[tuple[str, list[str]]]:
    """Yield prompts from held-out conversations, by their form."""
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
