"""Names of classes that Hugging Face data sets state beside a column of numbers (`ClassLabel`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

METADATA = b"huggingface"
"""Key of the schema's metadata under which `datasets` stores its features, as JSON."""

Classes = Mapping[str, Any]
"""Names of classes by column: a list, or for a column of objects a mapping from their fields to such names."""


def classes_of(metadata: Mapping[bytes, bytes] | None) -> Classes:
    """Return the classes that the metadata of a Parquet or Arrow schema names. Empty for metadata of another form."""
    try:
        return classes_in(json.loads((metadata or {}).get(METADATA, b"{}")))
    except (ValueError, RecursionError):
        return {}


def classes_in(info: Any) -> Classes:
    """Return the classes of `dataset_info.json`, of a card's `dataset_info`, or of a schema's metadata."""
    if isinstance(info, list) and len(info) == 1:  # of a card; of several configurations nothing says which holds
        info = info[0]
    info = info.get("info", info) if isinstance(info, Mapping) else {}
    return _fields(info.get("features")) if isinstance(info, Mapping) else {}


def _fields(features: Any) -> dict[str, Any]:
    """Return the names inside several fields: an object, or a list of fields as a card has it."""
    if isinstance(features, list):
        features = {str(each["name"]): each for each in features if isinstance(each, Mapping) and "name" in each}
    features = features if isinstance(features, Mapping) else {}
    return {name: found for name, each in features.items() if (found := _names(each))}


def _names(feature: Any) -> Any:
    """Return the names inside one field: a list, an object, or None. A list of classes has the names of its items."""
    if isinstance(feature, list) and feature and not (isinstance(feature[0], Mapping) and "name" in feature[0]):
        return _names(feature[0])
    if not isinstance(feature, Mapping):
        return _fields(feature)
    if feature.get("_type") == "ClassLabel" or "class_label" in feature:
        stated = feature.get("class_label", feature)
        names = stated.get("names") if isinstance(stated, Mapping) else None
        names = [*names.values()] if isinstance(names, Mapping) else names  # a card numbers them
        return [str(name) for name in names] if isinstance(names, list) else None
    inside = next(
        (feature[name] for name in ("feature", "dtype", "sequence", "list", "struct") if name in feature), None
    )
    return _names(inside) if inside is not None else _fields(feature)


def named(value: Any, names: Any) -> Any:
    """Return a value with the names of its classes in place of their numbers; None for a number without a name.

    `datasets` writes -1 where there is no label.
    """
    if not names or value is None:
        return value
    if isinstance(value, list):
        return [named(each, names) for each in value]
    if isinstance(names, Mapping):
        return {name: named(value[name], names.get(name)) for name in value} if isinstance(value, Mapping) else value
    if type(value) is not int:
        return value
    return names[value] if 0 <= value < len(names) else None
