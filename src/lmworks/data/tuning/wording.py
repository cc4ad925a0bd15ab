"""Templates that put records into words: texts with names of fields in braces."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from lmworks.data.forms.row import Fault, Row
from lmworks.recipe.schema import StepConfig


class Template(StepConfig):
    """A wording, as FLAN's: `{field}` stands for a record's field."""

    prompt: str = Field(min_length=1, description="Words of the user.")
    completion: str = Field(min_length=1, description="Words of the assistant.")


class _Placeholders(string.Formatter):
    """Paths between braces: `{ticket.thread.0.text}`."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        """Return the value at a path, and the path."""
        parts = [field_name] if field_name in kwargs else re.findall(r"[^.\[\]]+", field_name)
        value: Any = kwargs
        for part in parts:
            value = value[int(part)] if isinstance(value, list) else value[part]
        return value, field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return the value as text. A width is refused, as it could fill the memory."""
        if format_spec:
            raise ValueError(f"{format_spec!r} behind a name; expected the name alone")
        return str(value)


def filled(template: str, row: Row) -> str:
    """Return a template with the values of a record. Raises Fault, which shows no values, if a field is missing."""
    try:
        return _Placeholders().vformat(template, (), row)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Fault(f"field missing: the template asks for {error}, the record has {', '.join(row)[:200]}") from None
