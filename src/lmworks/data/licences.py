"""The licence gate: which texts may be read at all. What is not allowed is refused."""

from __future__ import annotations

import re
from collections.abc import Collection

from pydantic import Field

from lmworks.recipe import StepConfig

_PERMISSIVE_IDS = """0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC0-1.0 ISC MIT
MIT-0 MS-PL ODC-By-1.0 PDDL-1.0 PostgreSQL PSF-2.0 Python-2.0 Unicode-3.0 Unlicense UPL-1.0 Zlib"""
PERMISSIVE = frozenset(_PERMISSIVE_IDS.split())
"""SPDX ids of licences that allow commercial use and derived works, and ask for no more than attribution."""


class LicenceGate(StepConfig):
    """Which licences pass."""

    allow: list[str] = Field(
        default=[],
        description="SPDX ids, or `permissive` for all that ask for attribution at most. "
        "Empty by default: a text is used because somebody decided so, never by accident.",
    )

    def refusal(self, licence: str | None) -> str | None:
        """Why a licence does not pass, or None if it does. OR needs one branch to pass, AND needs all."""
        if not licence:
            return "no licence"
        allowed = {name.lower() for name in self.allow if name != "permissive"}
        if "permissive" in self.allow:
            allowed.update(name.lower() for name in PERMISSIVE)
        passes = _Expression(licence).evaluate(allowed)
        if passes is None:
            return f"not an SPDX expression: {licence}"
        return None if passes else f"licence not allowed: {licence}"


class _Expression:
    """An SPDX licence expression: WITH binds closest, then AND, then OR (SPDX 2.3, annex D)."""

    def __init__(self, text: str) -> None:
        self.rest: list[str] = re.findall(r"[()]|[^\s()]+", text)

    def evaluate(self, allowed: Collection[str]) -> bool | None:
        """Whether the expression passes; None if it is malformed."""
        try:
            passes = self._any(allowed)
        except ValueError:
            return None
        return None if self.rest else passes

    def _any(self, allowed: Collection[str]) -> bool:
        passes = self._all(allowed)
        while self._take("OR"):
            passes |= self._all(allowed)
        return passes

    def _all(self, allowed: Collection[str]) -> bool:
        passes = self._one(allowed)
        while self._take("AND"):
            passes &= self._one(allowed)
        return passes

    def _one(self, allowed: Collection[str]) -> bool:
        if self._take("("):
            passes = self._any(allowed)
            if not self._take(")"):
                raise ValueError("a bracket is not closed")
            return passes
        name = self._name()
        if self._take("WITH"):
            self._name()  # an exception only adds permissions
        return name.lower() in allowed or name.lower().removesuffix("+") in allowed

    def _name(self) -> str:
        if not self.rest or not re.fullmatch(r"(?!(?:AND|OR|WITH)$)[A-Za-z0-9.:-]+\+?", self.rest[0]):
            raise ValueError("a licence id is missing")
        return self.rest.pop(0)

    def _take(self, token: str) -> bool:
        if self.rest and self.rest[0] == token:
            self.rest.pop(0)
            return True
        return False
