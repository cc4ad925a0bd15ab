"""From a model in the store to a running server with its card and examples."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lmworks.data.conversations import Conversations
from lmworks.errors import UsageError
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, is_model
from lmworks.release.card import card_facts

EXAMPLES_PER_FORM = 3


def serve_artifact(store: Store, artifact: Artifact, *, port: int, as_json: bool) -> None:
    """Serve a model on this machine until a signal to stop. Raises `UsageError` when the artifact is no model."""
    if not is_model(artifact):
        raise UsageError(
            f"{artifact.manifest['step']} is made by {artifact.stage}: it is no model and cannot be served"
        )
    from lmworks.generate.engine import open_engine
    from lmworks.serve.access import load_or_make_key
    from lmworks.serve.content import Examples, PageContent
    from lmworks.serve.run import run
    from lmworks.serve.service import Service

    facts = card_facts(store, artifact)
    examples = [Examples(form, prompts) for form, prompts in _examples(store, artifact)]
    key = load_or_make_key(store.root)

    def started(address: str) -> None:
        if as_json:
            print(json.dumps({"address": address, "model": facts["name"], "key": key}), flush=True)
        else:
            print(
                f"serving {facts['name']}\n  chat page  {address}\n  API        {address}v1\n  key        {key}",
                flush=True,
            )

    run(
        Service(open_engine(artifact.payload), facts["name"]),
        key,
        PageContent(**facts, examples=examples),
        port=port,
        started=started,
    )


def _examples(store: Store, artifact: Artifact) -> Iterator[tuple[str, list[str]]]:
    """Prompts from held-out conversations, by their form."""
    built = Built.holding(store, artifact)
    reference = (built.record.get("serve") or {}).get("examples")
    step, _, part = (reference or "").partition(".")
    if step not in built.artifacts:
        return
    source = built.artifacts[step]
    prompts: dict[str, list[str]] = {}
    for record in Conversations(source.path(part), source.digest(part)).iterate():
        prompts.setdefault(record.get("form", "Examples"), []).append(record["messages"][0]["content"])
    for form, texts in prompts.items():
        yield form.capitalize(), sorted(texts, key=len)[len(texts) // 2 :][:EXAMPLES_PER_FORM]
