"""The JSON Schema of recipes, for editors that complete and check while a recipe is written."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from lmworks import graph
from lmworks.recipe.file import recipe_class

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILLED_IN = {"learning_rate", "adamw_learning_rate"}
"""Fields that some objectives require and an adapter fills in."""


class _Written(GenerateJsonSchema):
    """Schema of a recipe as it is written, without fields that loading sets."""

    def field_is_present(self, field: Any) -> bool:
        """Return whether a recipe may state the field."""
        return not field.get("serialization_exclude")


def recipe_schema() -> dict[str, Any]:
    """Return the schema of a recipe file with every available kind, including those of installed packages."""
    schema = recipe_class(graph.CLASSES).model_json_schema(by_alias=True, schema_generator=_Written)
    models = schema["properties"]["models"]
    models["additionalProperties"] = {
        "if": {"required": ["variants"]},
        "then": {"properties": {"variants": {"type": "object", "minProperties": 2}}},
        "else": models["additionalProperties"],
    }
    return {"$schema": DIALECT, "title": "lmworks recipe", **_plain(schema)}


def _plain(value: Any) -> Any:
    """Return a schema without titles, which repeat names, and without requiring fields that an adapter fills in."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _plain(each) for key, each in value.items() if not (key == "title" and isinstance(each, str))}
    if isinstance(kept.get("required"), list):
        kept["required"] = [name for name in kept["required"] if name not in FILLED_IN]
    return kept
