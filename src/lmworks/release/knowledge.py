"""Passages of a build, for servers and models that answer from them."""

from __future__ import annotations

from lmworks.data.erasure.lists import refusal_to_serve
from lmworks.errors import GateRefused, UsageError
from lmworks.knowledge.passages import passages
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built


def passages_built(store: Store, step: str | None = None, built: Built | None = None) -> Artifact:
    """Return passages of a build, by default the last. Without `step`, take those that its recipe serves, or its only.

    Raises UsageError if there are none, GateRefused if they hold erased text or the list of erased texts lost entries.
    """
    built = built or Built.open(store)
    there = [name for name, each in built.artifacts.items() if each.stage == passages.name]
    served = built.record.serve and built.record.serve.passages
    name = step or served or (there[0] if len(there) == 1 else None)
    if not there:
        raise UsageError(
            f"{built.recipe}: its last build has no step of kind `passages`. Add one to `data` (docs/knowledge.md), "
            f"or, if an erasure deleted it, type: {built.command}"
        )
    if name not in there:
        found = f"found {name!r}" if name else "several steps of kind `passages`"
        raise UsageError(f"{built.recipe}: {found}; expected one of {', '.join(there)}")
    artifact = built.artifacts[name]
    if said := refusal_to_serve(store, built.folder, [artifact]):
        raise GateRefused(said)
    artifact.require_sound()
    return artifact
