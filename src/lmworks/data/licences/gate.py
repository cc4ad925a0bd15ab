"""The licence gate: which texts may be read at all. What is not allowed is refused."""

from __future__ import annotations

import functools
import json
import re
from datetime import date
from importlib import resources
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator

from lmworks.errors import UsageError
from lmworks.recipe.schema import StepConfig
from lmworks.recipe.yaml import read_yaml

if TYPE_CHECKING:
    from license_expression import Licensing

_PERMISSIVE_IDS = """0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSL-1.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC0-1.0 ISC MIT
MIT-0 MS-PL ODC-By-1.0 PDDL-1.0 PostgreSQL PSF-2.0 Python-2.0 Unicode-3.0 Unlicense UPL-1.0 Zlib"""
PERMISSIVE = frozenset(_PERMISSIVE_IDS.split())
"""SPDX ids of licences that allow commercial use and derived works, and ask for no more than attribution."""

USES = ("unspecified", "academic", "non-commercial", "all")
"""Use classes of a licence, narrowest first (Data Provenance Initiative)."""
Purpose: TypeAlias = Literal["commercial", "non-commercial", "academic"]
"""What models are for, as a recipe says it."""
NO_LICENCE, EXPIRED = "no licence", "licence expired"
NOT_KNOWN = "licence not known: neither an id of SPDX nor one of `allow` or `terms`"
NOT_SPDX = "not an SPDX expression"
REFUSALS = (NO_LICENCE, EXPIRED, "licence not allowed", NOT_KNOWN, NOT_SPDX)
"""How the reasons of the gate begin."""

Alternative: TypeAlias = frozenset[str]
"""Licences that hold together: one way to satisfy an expression."""
_Node: TypeAlias = "str | tuple[str, tuple[_Node, ...]]"
"""A licence id, or ("AND" or "OR", branches)."""
_LONGEST = 500
"""Characters of an expression; what is longer is a text in the wrong field."""
_MOST_ALTERNATIVES = 64
"""Of one expression: a hostile one has millions, real ones a handful."""


class LicenceTerms(StepConfig):
    """What a licence asks for and allows."""

    use: Literal["all", "non-commercial", "academic", "unspecified"] = Field(
        description="The widest use that it allows. No default: it stands in the licence."
    )
    attribution: bool = Field(default=True, description="Whether its author must be named; most licences ask for it.")
    share_alike: bool = Field(default=False, description="Whether what is made from it must carry the same licence.")
    ai_training_allowed: bool = Field(
        default=False, description="Whether a model may learn from it; no unless the contract says so."
    )
    expires: date | None = Field(default=None, description="Last day it holds; most licences never end.")


class LicenceGate(StepConfig):
    """Which licences pass."""

    packages: ClassVar[tuple[str, ...]] = ("license_expression",)
    allow: list[str] = Field(
        default=[],
        description="SPDX ids, or `permissive` for all that ask for attribution at most. "
        "Empty by default: a text is used because somebody decided so, never by accident.",
    )
    policy: str | None = Field(
        default=None, description="A YAML file with these fields, shared by recipes; what a recipe states itself wins."
    )
    use: Purpose | None = Field(
        default=None, description="What the models are for: licences that allow it pass. Unset, only `allow` counts."
    )
    attribution: bool = Field(
        default=True, description="Whether licences that ask for attribution pass: the text to publish is written."
    )
    share_alike: bool = Field(
        default=False, description="Whether licences that bind what is made from a text pass: nobody wants it unasked."
    )
    terms: dict[str, LicenceTerms] = Field(
        default={}, description="Terms of your own contracts, by symbol (`LicenseRef-…`); none are known by default."
    )
    as_of: date | None = Field(
        default=None,
        description="The day on which terms must hold. Stated, not read from the clock: the same recipe passes the "
        "same texts. Needed where terms expire.",
    )

    @model_validator(mode="after")
    def _stated_fully(self) -> Self:
        for name, terms in self.terms.items():
            if not re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", name):
                raise ValueError(
                    f"terms of {name!r}: own symbols begin with LicenseRef-; the terms of others are known"
                )
            if terms.expires and not self.as_of and not self.policy:
                raise ValueError(f"the terms of {name} expire; state `as_of`, the day on which they must hold")
        return self

    def resolve(self, folder: Path) -> Self:
        """This gate with the fields of its policy file. Raises UsageError naming file and line."""
        if self.policy is None:
            return self
        path = folder / self.policy
        try:
            tree = read_yaml(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"licences.policy: {path} cannot be read ({error}); name a YAML file") from error
        stated = {name: getattr(self, name) for name in self.model_fields_set - {"policy"}}
        if not isinstance(tree.value, dict) or "policy" in tree.value:
            raise UsageError(f"{path}:1: expected the fields of `licences`, such as `use:`, without `policy:`")
        try:
            return type(self).model_validate({**tree.value, **stated})
        except ValidationError as error:
            fault = error.errors()[0]
            where, place = ".".join(map(str, fault["loc"])), tree.line(fault["loc"]) or 1
            raise UsageError(f"{path}:{place}: {where or 'policy'}: {fault['msg']}; found {fault['input']!r}") from None

    def refusal(self, licence: str | None) -> str | None:
        """Why a licence does not pass, or None if it does. OR needs one branch to pass, AND needs all.

        Only ids of SPDX and those that this gate names stand in it: any other text may be of a person.
        """
        if not licence or licence.strip().upper() in ("NONE", "NOASSERTION"):
            return NO_LICENCE
        expression = _parse(licence)
        if expression is None:
            return NOT_SPDX
        if self.alternatives(licence):
            return None
        if any(name not in known_ids() and name.lower() not in self._own for name in _names(expression)):
            return NOT_KNOWN
        objections = {name: objection for name in _names(expression) if (objection := self._objection(name))}
        expired = [f"{name} {why}" for name, why in objections.items() if why.startswith("on ")]
        if expired:
            return f"{EXPIRED}: {', '.join(expired)}"
        reasons = [why if name == licence else f"{name}: {why}" for name, why in objections.items()]
        details = f" ({'; '.join(reasons)})" if self.use or self.terms else ""
        return f"licence not allowed: {licence}{details}"

    def alternatives(self, licence: str) -> list[Alternative]:
        """Every set of licences that satisfies an expression and passes, those with the fewest duties first."""
        expression = _parse(licence)
        return [] if expression is None else sorted(set(self._ways(expression)), key=self._duties)

    def terms_of(self, name: str) -> LicenceTerms | None:
        """What is known of a licence: its own terms, or those of the table."""
        return self.terms.get(name) or known_terms().get(name)

    def _ways(self, node: _Node) -> list[Alternative]:
        if isinstance(node, str):
            return [] if self._objection(node) else [frozenset([node])]
        operator, branches = node
        each = [self._ways(branch) for branch in branches]
        if operator == "OR":
            return [way for ways in each for way in ways][:_MOST_ALTERNATIVES]
        return [frozenset().union(*ways) for ways in islice(product(*each), _MOST_ALTERNATIVES)]

    def _duties(self, alternative: Alternative) -> tuple[object, ...]:
        terms = [self.terms_of(name) or LicenceTerms(use="unspecified") for name in alternative]
        narrowest = min(USES.index(each.use) for each in terms)
        return sum(each.share_alike for each in terms), -narrowest, len(alternative), sorted(alternative)

    def _objection(self, name: str) -> str | None:
        """Why one licence does not pass."""
        own = self.terms.get(name)
        if own and own.expires and self.as_of and self.as_of > own.expires:
            return f"on {own.expires}"
        if own and not own.ai_training_allowed:
            return "its terms forbid training"
        if name.lower() in self._allowed:
            return None
        if self.use is None:
            return "not in `allow`"
        terms = self.terms_of(name)
        if terms is None:
            return "its terms are not known"
        wanted = "all" if self.use == "commercial" else self.use
        if USES.index(terms.use) < USES.index(wanted):
            return f"allows {terms.use} use only" if terms.use != "unspecified" else "states no use"
        if not terms.ai_training_allowed:
            return "forbids derived works"
        if terms.share_alike and not self.share_alike:
            return "asks for share-alike"
        return "asks for attribution" if terms.attribution and not self.attribution else None

    @functools.cached_property
    def _allowed(self) -> frozenset[str]:
        names = [name for name in self.allow if name != "permissive"]
        written = {expression for name in names if isinstance(expression := _parse(name), str)}
        return frozenset(map(str.lower, written | PERMISSIVE if "permissive" in self.allow else written))

    @functools.cached_property
    def _own(self) -> frozenset[str]:
        return self._allowed.union(map(str.lower, self.terms))


@functools.cache
def known_ids() -> frozenset[str]:
    """The ids of SPDX."""
    return frozenset(_licensing().known_symbols)


@functools.cache
def known_terms() -> dict[str, LicenceTerms]:
    """Terms by SPDX id, from `licence_terms.json`, which names its sources."""
    classes = licence_table()["classes"]
    return {
        name: LicenceTerms.model_validate({key: value for key, value in terms.items() if key != "licences"})
        for terms in classes
        for name in terms["licences"]
    }


def may_become(name: str) -> frozenset[str]:
    """The licences that share-alike work under this one may be passed on under."""
    return frozenset([name, *licence_table()["compatible"].get(name, ())])


@functools.cache
def licence_table() -> Any:
    """Return `licence_terms.json`: terms by class, and what share-alike works may become."""
    return json.loads((resources.files("lmworks.data.licences") / "licence_terms.json").read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=4096)
def _parse(licence: str) -> _Node | None:
    """The tree of an SPDX expression with ids as SPDX writes them; None if it is malformed."""
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
            raise ValueError(f"{tree.exception_symbol.key} is no exception")
        return _plain(tree.license_symbol)  # an exception only adds permissions
    if hasattr(tree, "key"):
        if tree.is_exception or not re.fullmatch(r"[A-Za-z0-9.:-]+\+?", tree.key):
            raise ValueError(f"{tree.key} is no licence id")
        base = str(tree.key).removesuffix("+")
        return base if base in known_ids() else str(tree.key)
    return tree.operator.strip(), tuple(_plain(branch) for branch in tree.args)


def _names(node: _Node) -> list[str]:
    return [node] if isinstance(node, str) else [name for branch in node[1] for name in _names(branch)]


@functools.cache
def _licensing() -> Licensing:
    """SPDX ids and their spellings, without the guesses for other people's LicenseRef symbols."""
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
    """The narrowest use that the licences of an expression allow, and whether one is share-alike: a word to sort by."""
    names = _names(_parse(licence) or "")
    found = [known_terms().get(name) or LicenceTerms(use="unspecified") for name in names]
    narrowest = min(USES.index(terms.use) for terms in found)
    return USES[narrowest] + (" share-alike" if any(terms.share_alike for terms in found) else "")
