"""Addresses that stand in a recipe, which everybody reads."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_PASSWORD = re.compile(r"[^/]*://[^/]*:(?!\d+/)[^@]+@|.*[?&]password=", re.DOTALL)


def _without_password(value: str) -> str:
    if _PASSWORD.match(value):
        raise ValueError(
            "it holds a password, and a recipe is no place for one; leave it to the storage's own configuration, or "
            "put a database's address into an environment variable and write `$ITS_NAME`"
        )
    return value


Address = Annotated[str, AfterValidator(_without_password)]
