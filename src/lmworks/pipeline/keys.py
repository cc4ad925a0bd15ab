"""Parts of a step's config that enter its key, and reasons why a step with another key must be made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.record import KeyParts
from lmworks.recipe.references import references
from lmworks.recipe.schema import Effect, StepConfig, effects
from lmworks.registry import is_own


def key_config(config: StepConfig) -> dict[str, Any]:
    """Return the fields that enter a key: those unlike their default, without references and recorded-only fields.

    Those too that tell classes of one stage apart, and of a list their kinds: they may have all else in common.
    """
    naming = {name for name, _ in references(config)}
    dumped = config.model_dump(mode="json", exclude_defaults=True)
    changes = effects(type(config))
    telling = {name for name, effect in changes.items() if Effect.KIND in effect}
    if not is_own(type(config).__module__):  # a package may give several kinds one stage
        telling |= {"kind"} & changes.keys()
    dumped |= {name: getattr(config, name) for name in telling}
    kept = {name: value for name, value in dumped.items() if name not in naming and Effect.KEY in changes[name]}
    for name in naming | kept.keys():
        inner = getattr(config, name)
        if isinstance(inner, dict) and name in naming:
            kept[name] = [[key, key_config(value)] for key, value in inner.items()]  # in the order of the inputs
        elif isinstance(inner, list) and inner and isinstance(inner[0], StepConfig):
            kept[name] = [{"kind": getattr(each, "kind", None), **key_config(each)} for each in inner]
    return kept


def stale_reason(parts: KeyParts, before: KeyParts | None) -> str:
    """Return why a step must be made, in words."""
    if not before:
        return "not built before"
    reasons = []
    if parts.stage != before.stage:
        reasons.append(f"the stage changed from {before.stage} to {parts.stage}")
    elif parts.version != before.version:
        reasons.append(f"the stage's version changed from {before.version} to {parts.version}")
    for name in sorted({*parts.config, *before.config}):
        old, new = before.config.get(name, "its default"), parts.config.get(name, "its default")
        if old != new and name == "fingerprints":
            reasons.append("source files came, went, or have another size or time")
        elif old != new:
            reasons += _changes(name, old, new)
    reasons += [
        f"the package {name} changed from {before.plugins.get(name, 'none')} to {parts.plugins.get(name, 'none')}"
        for name in sorted({*parts.plugins, *before.plugins})
        if parts.plugins.get(name) != before.plugins.get(name)
    ]
    reasons += [
        f"input {name} changed"
        for name in sorted({*parts.inputs, *before.inputs})
        if parts.inputs.get(name) != before.inputs.get(name)
    ]
    return "; ".join(reasons) or "its artifact is gone"


def _changes(name: str, old: Any, new: Any) -> Iterator[str]:
    """Yield the differences between two values of a field in words, with the path inside entries."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            one, other = old.get(key, "its default"), new.get(key, "its default")
            if one != other:
                yield from _changes(f"{name}.{key}", one, other)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            if one != other:
                yield from _changes(f"{name}.{place}", one, other)
    else:
        yield f"{name} changed from {_brief(old)} to {_brief(new)}"


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= 40 else text[:37] + "…"
