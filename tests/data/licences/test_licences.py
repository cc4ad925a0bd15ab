"""The licence gate."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from lmworks.data.licences.gate import PERMISSIVE, LicenceGate, known_terms, may_become
from lmworks.data.licences.mixture import CombinedLicence, combined_licence
from lmworks.errors import GateRefused


@pytest.mark.parametrize(
    ("allow", "licence"),
    [
        (["permissive"], "MIT"),
        (["permissive"], "apache-2.0"),
        (["permissive"], "GPL-3.0-only OR MIT"),
        (["permissive"], "MIT AND (Apache-2.0 OR GPL-2.0-only)"),
        (["permissive"], "Apache-2.0 WITH LLVM-exception"),
        (["permissive"], "MIT+"),
        (["CC-BY-SA-4.0"], "CC-BY-SA-4.0"),
        (["LicenseRef-our-contract"], "LicenseRef-our-contract"),
    ],
)
def test_passes(allow: list[str], licence: str) -> None:
    assert LicenceGate(allow=allow).refusal(licence) is None


@pytest.mark.parametrize(
    ("allow", "licence", "reason"),
    [
        ([], "MIT", "not allowed"),
        (["permissive"], None, "no licence"),
        (["permissive"], "", "no licence"),
        (["permissive"], "GPL-3.0-only", "not allowed"),
        (["permissive"], "MIT AND GPL-3.0-only", "not allowed"),
        (["permissive"], "MIT AND GPL-3.0-only OR LGPL-3.0-only", "not allowed"),
        (["permissive"], "permissive", "not known"),
        (["permissive"], "cc by 4.0", "not an SPDX expression"),
        (["permissive"], "MIT OR", "not an SPDX expression"),
        (["permissive"], "(MIT", "not an SPDX expression"),
        (["permissive"], "MIT OR MIT)", "not an SPDX expression"),
        (["permissive"], "OR", "not an SPDX expression"),
    ],
)
def test_refuses(allow: list[str], licence: str | None, reason: str) -> None:
    assert reason in (LicenceGate(allow=allow).refusal(licence) or "")


def test_a_text_in_place_of_a_licence_is_refused_in_few_words() -> None:
    assert len(LicenceGate(use="commercial").refusal("MIT OR " * 100_000 + "MIT") or "") < 600
    assert "not an SPDX expression" in (LicenceGate(allow=["MIT"]).refusal("(" * 400 + "MIT" + ")" * 4) or "")


@pytest.mark.parametrize("use", [None, "commercial"])
@pytest.mark.parametrize(
    "stated",
    [
        "Copyright Quilla Farnsworth, quilla.farn@lodge.example",
        "Quilla",
        "quilla.farn",
        "LicenseRef-Quilla-Farnsworth",
        "GPL-3.0-only AND LicenseRef-Quilla-Farnsworth",
        "Quilla+ OR GPL-3.0-only",
        "GPL-3.0-only WITH Quilla",
    ],
)
def test_a_reason_holds_no_text_of_a_record(use: Any, stated: str) -> None:
    reason = LicenceGate(allow=["CC0-1.0"], use=use).refusal(stated)
    assert reason and "quilla" not in reason.lower() and "farn" not in reason.lower()


def test_and_binds_closer_than_or() -> None:
    assert LicenceGate(allow=["MIT"]).refusal("GPL-3.0-only AND LGPL-3.0-only OR MIT") is None
    assert LicenceGate(allow=["MIT"]).refusal("MIT AND (GPL-3.0-only OR LGPL-3.0-only)") is not None


@given(st.text("MIT ()ANDORWGPL-3.0+"))
def test_no_text_breaks_the_parser(licence: str) -> None:
    reason = LicenceGate(allow=["MIT"]).refusal(licence)
    assert reason or "MIT" in licence.upper(), "what does not name an allowed licence is refused"


@pytest.mark.parametrize(
    ("gate", "licence", "reason"),
    [
        ({"use": "commercial"}, "MIT", None),
        ({"use": "commercial"}, "CC-BY-NC-4.0", "CC-BY-NC-4.0 (allows non-commercial use only)"),
        ({"use": "non-commercial"}, "CC-BY-NC-4.0", None),
        ({"use": "academic"}, "CC-BY-NC-4.0", None),
        ({"use": "academic"}, "CC-BY-NC-SA-4.0", "asks for share-alike"),
        ({"use": "academic", "share_alike": True}, "CC-BY-NC-SA-4.0", None),
        ({"use": "commercial"}, "GPL-3.0-or-later OR CC-BY-NC-4.0", "asks for share-alike"),
        ({"use": "commercial"}, "GPL-3.0-or-later OR CC-BY-4.0", None),
        ({"use": "commercial"}, "CC-BY-4.0 AND CC-BY-NC-4.0", "allows non-commercial use only"),
        ({"use": "commercial"}, "GPL-2.0-only WITH Classpath-exception-2.0", "asks for share-alike"),
        ({"use": "commercial"}, "Apache-2.0 WITH Apache-2.0", "not an SPDX expression"),
        ({"use": "commercial"}, "CC-BY-ND-4.0", "forbids derived works"),
        ({"use": "commercial"}, "Aladdin", "its terms are not known"),
        ({"use": "commercial"}, "LicenseRef-contract", "nor in `allow`"),
        ({"use": "commercial", "allow": ["LicenseRef-contract"]}, "LicenseRef-contract AND MIT", None),
        ({"use": "commercial"}, "NOASSERTION", "no licence"),
        ({"use": "commercial", "allow": ["GPL-3.0-only"]}, "GPL-3.0", None),
    ],
)
def test_a_policy_by_use(gate: dict[str, Any], licence: str, reason: str | None) -> None:
    refusal = LicenceGate.model_validate(gate).refusal(licence)
    assert (refusal is None) if reason is None else (reason in (refusal or "passed"))


def test_the_table_speaks_of_spdx_ids_and_agrees_with_what_is_permissive() -> None:
    known = get_spdx_licensing().known_symbols
    assert set(known_terms()) <= set(known)
    free = LicenceGate(use="commercial")
    assert all(free.refusal(name) is None for name in PERMISSIVE)
    for name, terms in known_terms().items():
        assert may_become(name) <= set(known_terms())
        assert terms.share_alike or may_become(name) == {name}


BY_SA, NC, GPL = "CC-BY-SA-4.0", "CC-BY-NC-4.0", "GPL-3.0-only"


@pytest.mark.parametrize(
    ("expressions", "use", "licences", "share_alike"),
    [
        (["MIT", "CC0-1.0"], "all", ["CC0-1.0", "MIT"], None),
        (["MIT", NC], "non-commercial", [NC, "MIT"], None),
        (["MIT", BY_SA], "all", [BY_SA, "MIT"], BY_SA),
        ([BY_SA, "CC-BY-SA-3.0"], "all", ["CC-BY-SA-3.0", BY_SA], BY_SA),
        ([BY_SA, GPL], "all", [BY_SA, GPL], GPL),
        (["GPL-2.0-or-later", GPL], "all", ["GPL-2.0-or-later", GPL], GPL),
        (["GPL-2.0-only OR MIT", GPL], "all", [GPL, "MIT"], GPL),
        ([f"GPL-2.0-only OR {BY_SA}", GPL], "all", [BY_SA, GPL], GPL),
        (["CC-BY-NC-SA-4.0", "MIT"], "non-commercial", ["CC-BY-NC-SA-4.0", "MIT"], "CC-BY-NC-SA-4.0"),
        (["CC-BY-NC-SA-4.0", NC], "non-commercial", [NC, "CC-BY-NC-SA-4.0"], "CC-BY-NC-SA-4.0"),
        (["MIT AND Apache-2.0"], "all", ["Apache-2.0", "MIT"], None),
    ],
)
def test_the_licence_of_a_mixture(
    expressions: list[str], use: str, licences: list[str], share_alike: str | None
) -> None:
    asking = [name for name in licences if name != "CC0-1.0"]
    gate = LicenceGate(use="academic", share_alike=True)
    assert combined_licence(gate, expressions) == CombinedLicence(use, licences, asking, share_alike)


@pytest.mark.parametrize(
    "expressions",
    [
        [BY_SA, NC],
        [BY_SA, "CC-BY-NC-SA-4.0"],
        ["GPL-2.0-only", GPL],
        [f"{BY_SA} AND {NC}"],
        ["CC-BY-SA-4.0", "ODbL-1.0"],
    ],
)
def test_share_alike_licences_that_bind_differently_are_refused(expressions: list[str]) -> None:
    with pytest.raises(GateRefused, match="share-alike"):
        combined_licence(LicenceGate(use="academic", share_alike=True), ["MIT", *expressions])


@given(st.lists(st.sampled_from(sorted(known_terms())), min_size=1, max_size=4))
def test_a_mixture_allows_no_more_than_any_of_its_licences(names: list[str]) -> None:
    gate = LicenceGate(allow=names)
    try:
        mixture = combined_licence(gate, names)
    except GateRefused:
        assert any(known_terms()[name].share_alike for name in names)
        return
    order = ["unspecified", "academic", "non-commercial", "all"]
    assert all(order.index(mixture.use) <= order.index(known_terms()[name].use) for name in names)
    assert all(mixture.share_alike in may_become(name) for name in names if known_terms()[name].share_alike)


def test_ingest_writes_what_may_be_done_with_the_texts(ingest_files: Any) -> None:
    records = [("MIT", "one"), ("CC-BY-4.0 OR CC-BY-NC-4.0", "two"), ("CC-BY-NC-4.0", "three"), (None, "four")]
    lines = "".join(json.dumps({"text": text, "l": licence}) + "\n" for licence, text in records)
    gate = {"use": "commercial"}
    result, out = ingest_files({"a.jsonl": lines}, gate=gate, licence=None, licence_field="l")
    listing = json.loads((out / "licences.json").read_text())
    assert (listing["records"], listing["passed"], listing["share_without_licence"]) == (4, 2, 0.25)
    assert listing["mixture"]["licences"] == ["CC-BY-4.0", "MIT"]
    text = (out / "ATTRIBUTION.txt").read_text()
    assert "- texts: 1 documents under MIT\n" in text
    assert "https://spdx.org/licenses/CC-BY-4.0.html" in text
    assert result.counts["documents"] == 2


def test_ingest_by_names_alone_writes_no_more_than_before(ingest_files: Any) -> None:
    _, out = ingest_files({"a.txt": "text"})
    assert sorted(path.name for path in out.iterdir()) == [
        "files.json",
        "ids.txt",
        "part-00000.parquet",
        "quarantine.jsonl",
    ]


def test_conflicting_licences_stop_the_ingest(ingest_files: Any) -> None:
    lines = "".join(json.dumps({"text": name, "l": name}) + "\n" for name in (BY_SA, NC))
    with pytest.raises(GateRefused, match="share-alike") as refusal:
        ingest_files({"a.jsonl": lines}, gate={"allow": [BY_SA, NC]}, licence=None, licence_field="l")
    assert refusal.value.exit_code == 3


def test_known_terms_agree_with_an_index_of_licences() -> None:
    index = json.loads((resources.files("license_expression") / "data/scancode-licensedb-index.json").read_text())
    by_id = {entry.get("spdx_license_key"): entry for entry in index if not entry["is_deprecated"]}
    assert set(known_terms()) <= set(by_id)
    differing = {
        name
        for name, terms in known_terms().items()
        if terms.share_alike != by_id[name]["category"].startswith("Copyleft")
        and by_id[name]["category"] in ("Permissive", "Public Domain", "Copyleft", "Copyleft Limited")
    }
    assert differing == {"Artistic-2.0"}, "licence_terms.json names each that differs"
