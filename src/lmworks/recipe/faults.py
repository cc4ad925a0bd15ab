"""Faults that pydantic finds in a value, in the words of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "fields"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(
        ("date_type", "date_from_datetime_parsing", "date_from_datetime_inexact"), "a day such as 2026-01-31"
    ),
    "string_type": "words",
    "string_pattern_mismatch": "words of the form {pattern}",
    "string_too_short": "text of {min_length} characters or more",
    "string_too_long": "text of {max_length} characters at most",
    "too_short": "{min_length} entries or more",
    "too_long": "{max_length} entries at most",
    "path_type": "a path",
    **dict.fromkeys(("literal_error", "enum"), "{expected}"),
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "finite_number": "a finite number",
}
"""Meaning of pydantic's faults, by their types."""


def expected(fault: Mapping[str, Any]) -> str:
    """Return the expected value for a fault, in the words of a recipe."""
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    if fault["type"] in KINDS:
        return f"expected {KINDS[fault['type']].format_map(fault.get('ctx', {}))}"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
