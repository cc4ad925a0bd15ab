"""The licence of a mixture: permissions and duties of texts under several licences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lmworks.data.licences.gate import USES, Alternative, LicenceGate, LicenceTerms, known_terms, may_become
from lmworks.errors import GateRefused
from lmworks.terminal import shown


@dataclass(frozen=True)
class CombinedLicence:
    """Terms that satisfy all licences of a set of texts."""

    use: str
    """Widest use that every licence allows, or "unspecified" if one of them states no use."""
    licences: list[str]
    """Every licence that applies. Of an OR, it is the branch with the fewest duties."""
    attribution: list[str]
    """Licences that demand attribution."""
    share_alike: str | None
    """Licence that works made from all texts must have, or None if no licence demands one."""


def combined_licence(gate: LicenceGate, expressions: Iterable[str]) -> CombinedLicence:
    """Return the licence of texts under these SPDX expressions, each of which passes the gate.

    Share-alike licences must agree: there must be one licence that all of them can change to, and that does not widen
    the use of the other licences. Raises GateRefused if there is none.
    """
    ways = {expression: gate.alternatives(expression) for expression in sorted(set(expressions))}
    binding = {name for found in ways.values() for way in found for name in way if _terms(name).share_alike}
    for whole in (None, *sorted(frozenset().union(*map(may_become, binding)))):
        chosen = [next((way for way in found if _fits(way, whole)), None) for found in ways.values()]
        if None not in chosen:
            return _meet([way for way in chosen if way is not None], whole)
    raise GateRefused(
        f"licences: no work made from all of {', '.join(ways)} can be distributed: their share-alike licences demand "
        "different licences for it. Leave some of these licences out, or keep them in separate recipes."
    )


def attribution_text(mixture: CombinedLicence, counts: Mapping[tuple[str, str], int]) -> str:
    """Return the text to publish with a model: authors and licences. `counts` is by (source, licence)."""
    lines = ["This model was made from texts of the following sources.", ""]
    for (source, licence), documents in sorted(counts.items()):
        lines.append(f"- {shown(source)}: {documents} documents under {shown(licence)}")
    if mixture.attribution:
        lines += ["", "Texts of the licences that ask for attribution:", ""]
        lines += [f"- {name}: {_address(name)}" for name in mixture.attribution]
    if mixture.share_alike:
        lines += ["", f"What is made from them carries the licence {mixture.share_alike}."]
    return "\n".join(lines) + "\n"


def _fits(way: Alternative, whole: str | None) -> bool:
    """Return whether a work under `whole` can use texts under these licences. None is a work without a set licence."""
    for name in way:
        terms = _terms(name)
        if whole is None and terms.share_alike:
            return False
        if whole is None:
            continue
        if terms.share_alike and whole not in may_become(name):
            return False
        wider = USES.index(_terms(whole).use) > USES.index(terms.use)
        if known_terms().get(name) and not terms.share_alike and wider:
            return False
    return True


def _meet(ways: Iterable[Alternative], whole: str | None) -> CombinedLicence:
    names = sorted(frozenset().union(*ways))
    uses = [USES.index(_terms(name).use) for name in names]
    return CombinedLicence(
        use=USES[min(uses, default=0)],
        licences=names,
        attribution=[name for name in names if _terms(name).attribution],
        share_alike=whole,
    )


def _terms(name: str) -> LicenceTerms:
    return known_terms().get(name) or LicenceTerms(use="unspecified")


def _address(name: str) -> str:
    return "see the contract" if name.startswith("LicenseRef-") else f"https://spdx.org/licenses/{name}.html"
