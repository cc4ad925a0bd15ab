"""The licence gate decides which texts lmworks reads. A licence that is not allowed is refused."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from importlib import resources
from itertools import islice, product
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from lmworks.recipe.schema import StepConfig

if TYPE_CHECKING:
    from license_expression import Licensing

_PERMISSIVE_IDS = """0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC0-1.0 ISC MIT
MIT-0 MS-PL ODC-By-1.0 PDDL-1.0 PostgreSQL PSF-2.0 Python-2.0 Unicode-3.0 Unlicense UPL-1.0 Zlib"""
PERMISSIVE = frozenset(_PERMISSIVE_IDS.split())
"""SPDX ids of licences that allow commercial use and derived works, and demand nothing but attribution."""

USES = ("unspecified", "academic", "non-commercial", "all")
"""Use classes of a licence, narrowest first (Data Provenance Initiative)."""
Purpose: TypeAlias = Literal["commercial", "non-commercial", "academic"]
"""Use of models, as a recipe states it."""
NO_LICENCE = "no licence"
NOT_KNOWN = "licence not known: neither an SPDX id nor in `allow`"
NOT_SPDX = "not an SPDX expression"
REFUSALS = (NO_LICENCE, "licence not allowed", NOT_KNOWN, NOT_SPDX)
"""Beginnings of the gate's reasons."""

Alternative: TypeAlias = frozenset[str]
"""Licences that apply together: one way to satisfy an expression."""
_Node: TypeAlias = "str | tuple[str, tuple[_Node, ...]]"
"""A licence id, or ("AND" or "OR", branches)."""
_LONGEST = 500
"""Maximum characters of an expression. Anything longer is a text in the wrong field."""
_MOST_ALTERNATIVES = 64
"""Maximum alternatives of one expression. Real expressions have a handful, hostile ones have millions."""


@dataclass(frozen=True)
class LicenceTerms:
    """Demands and permissions of a licence."""

    use: str
    """Widest use that the licence allows, one of `USES`."""
    attribution: bool = True
    """Whether the author must be named."""
    share_alike: bool = False
    """Whether derived works must have the same licence."""
    ai_training_allowed: bool = False
    """Whether the licence permits training. It does not if derived works are forbidden."""


class LicenceGate(StepConfig):
    """Choice of the licences that pass."""

    packages: ClassVar[tuple[str, ...]] = ("license_expression",)
    allow: list[str] = Field(
        default=[],
        description="SPDX ids, symbols of your own contracts (`LicenseRef-…`), or `permissive` for licences that "
        "demand only attribution. Empty by default, so that no text is used unless you decide so.",
    )
    use: Purpose | None = Field(
        default=None, description="Use of the models. Licences that allow it pass. By default, only `allow` counts."
    )
    share_alike: bool = Field(default=False, description="Whether share-alike licences pass, which bind derived works.")

    def refusal(self, licence: str | None) -> str | None:
        """Return why a licence does not pass, or None if it passes. Of OR one branch must pass, of AND all branches.

        The reason quotes only SPDX ids and names in `allow`, because other text could be about a person.
        """
        if not licence or licence.strip().upper() in ("NONE", "NOASSERTION"):
            return NO_LICENCE
        expression = _parse(licence)
        if expression is None:
            return NOT_SPDX
        if self.alternatives(licence):
            return None
        if any(name not in known_ids() and name.lower() not in self._allowed for name in _names(expression)):
            return NOT_KNOWN
        objections = {name: objection for name in _names(expression) if (objection := self._objection(name))}
        reasons = [why if name == licence else f"{name}: {why}" for name, why in objections.items()]
        details = f" ({'; '.join(reasons)})" if self.use else ""
        return f"licence not allowed: {licence}{details}"

    def alternatives(self, licence: str) -> list[Alternative]:
        """Return every set of licences that satisfies an expression and passes, with the fewest duties first."""
        expression = _parse(licence)
        return [] if expression is None else sorted(set(self._ways(expression)), key=self._duties)

    def _ways(self, node: _Node) -> list[Alternative]:
        if isinstance(node, str):
            return [] if self._objection(node) else [frozenset([node])]
        operator, branches = node
        each = [self._ways(branch) for branch in branches]
        if operator == "OR":
            return [way for ways in each for way in ways][:_MOST_ALTERNATIVES]
        return [frozenset().union(*ways) for ways in islice(product(*each), _MOST_ALTERNATIVES)]

    def _duties(self, alternative: Alternative) -> tuple[object, ...]:
        terms = [known_terms().get(name) or LicenceTerms(use="unspecified") for name in alternative]
        narrowest = min(USES.index(each.use) for each in terms)
        return sum(each.share_alike for each in terms), -narrowest, len(alternative), sorted(alternative)

    def _objection(self, name: str) -> str | None:
        """Return why one licence does not pass, or None if it passes."""
        if name.lower() in self._allowed:
            return None
        if self.use is None:
            return "not in `allow`"
        terms = known_terms().get(name)
        if terms is None:
            return "its terms are not known"
        wanted = "all" if self.use == "commercial" else self.use
        if USES.index(terms.use) < USES.index(wanted):
            return f"allows {terms.use} use only" if terms.use != "unspecified" else "states no use"
        if not terms.ai_training_allowed:
            return "forbids derived works"
        return "asks for share-alike" if terms.share_alike and not self.share_alike else None

    @functools.cached_property
    def _allowed(self) -> frozenset[str]:
        names = [name for name in self.allow if name != "permissive"]
        written = {expression for name in names if isinstance(expression := _parse(name), str)}
        return frozenset(map(str.lower, written | PERMISSIVE if "permissive" in self.allow else written))


@functools.cache
def known_ids() -> frozenset[str]:
    """Return all SPDX ids."""
    return frozenset(_licensing().known_symbols)


@functools.cache
def known_terms() -> dict[str, LicenceTerms]:
    """Return terms by SPDX id, from `licence_terms.json`, which names its sources."""
    classes = licence_table()["classes"]
    return {
        name: LicenceTerms(**{key: value for key, value in terms.items() if key != "licences"})
        for terms in classes
        for name in terms["licences"]
    }


def may_become(name: str) -> frozenset[str]:
    """Return the licences under which a share-alike work with this licence can be distributed."""
    return frozenset([name, *licence_table()["compatible"].get(name, ())])


@functools.cache
def licence_table() -> Any:
    """Return `licence_terms.json`: terms by class, and the licences that share-alike works can change to."""
    return json.loads((resources.files("lmworks.data.licences") / "licence_terms.json").read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=4096)
def _parse(licence: str) -> _Node | None:
    """Return the tree of an SPDX expression with ids as SPDX writes them, or None if it is malformed."""
    if len(licence) > _LONGEST:
        return None
    licensing = _licensing()
    try:
        tree = licensing.parse(licence)
        return None if tree is None else _plain(tree)
    except Exception:  # the library raises errors of its own, and others over hostile text
        return None


def _plain(tree: Any) -> _Node:
    if hasattr(tree, "exception_symbol"):
        if not tree.exception_symbol.is_exception:
            raise ValueError(f"{tree.exception_symbol.key} is not an exception")
        return _plain(tree.license_symbol)  # an exception only adds permissions
    if hasattr(tree, "key"):
        if tree.is_exception or not re.fullmatch(r"[A-Za-z0-9.:-]+\+?", tree.key):
            raise ValueError(f"{tree.key} is not a licence id")
        base = str(tree.key).removesuffix("+")
        return base if base in known_ids() else str(tree.key)
    return tree.operator.strip(), tuple(_plain(branch) for branch in tree.args)


def _names(node: _Node) -> list[str]:
    return [node] if isinstance(node, str) else [name for branch in node[1] for name in _names(branch)]


@functools.cache
def _licensing() -> Licensing:
    """Return a parser of SPDX ids and their spellings, without guesses for other people's LicenseRef symbols."""
    from license_expression import LicenseSymbol, Licensing, get_spdx_licensing

    return Licensing(
        LicenseSymbol(
            symbol.key,
            aliases=[alias for alias in symbol.aliases if not alias.startswith("LicenseRef-")],
            is_exception=symbol.is_exception,
        )
        for symbol in get_spdx_licensing().known_symbols.values()
    )


def licence_class(licence: str) -> str:
    """Return a class to sort by: the narrowest use of the licences in an expression, and whether one is share-alike."""
    names = _names(_parse(licence) or "")
    found = [known_terms().get(name) or LicenceTerms(use="unspecified") for name in names]
    narrowest = min(USES.index(terms.use) for terms in found)
    return USES[narrowest] + (" share-alike" if any(terms.share_alike for terms in found) else "")
