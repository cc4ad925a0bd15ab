"""Detectors of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of, texts
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lmworks.data.personal.checks import luhn, mod97
from lmworks.data.personal.findings import Detectors, scan
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.privacy.index import find_person
from lmworks.data.privacy.own import OwnDetector
from lmworks.pipeline.store import Store
from support import make_context, make_manifest

CUSTOMER = {"name": "customer_number", "pattern": "C-[0-9]{8}"}


@pytest.fixture(autouse=True)
def privacy_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", "a privacy key that is long enough")


def run(folder: Path, *notes: str, **config: Any) -> tuple[list[str], Any, Path]:
    resolved = AnonymiseConfig.model_validate({"from": "raw", **config}).resolve(folder)
    raw, out = documents_of(folder / "raw", *notes), folder / "out"
    result = anonymise(resolved, raw, None, out=out, context=make_context(folder))
    return texts(out), result, out


def found(text: str, **fields: Any) -> list[str]:
    detectors = Detectors([OwnDetector(**{**CUSTOMER, **fields}).detector()])
    assert scan(text, detectors) == scan(text, detectors)
    return [text[each.start : each.end] for each in scan(text, detectors)]


def test_what_only_the_user_knows_the_form_of_is_masked_by_its_name(tmp_path: Path) -> None:
    written, result, out = run(tmp_path, "Für C-12345678 und C-1234567.", own=[CUSTOMER])
    assert written == ["Für [CUSTOMER_NUMBER] und C-1234567."]
    assert result.counts["customer_number redacted"] == 1
    artifact = Store(tmp_path).publish(
        out,
        make_manifest(
            step="private",
            stage="anonymise",
            config=AnonymiseConfig.model_validate({"from": "raw"}).resolve(tmp_path).model_dump(mode="json"),
        ),
    )
    assert [place.kind for place in find_person("C-12345678", [artifact], tmp_path)] == ["customer_number"]


def test_its_action_is_its_own_and_a_surrogate_passes_its_check(tmp_path: Path) -> None:
    own = [{**CUSTOMER, "pattern": "K[0-9]{9}", "check": "luhn"}]
    (text,), _, _ = run(tmp_path, "no. K123456782, K123456789", own=own, actions={"customer_number": "surrogate"})
    new, kept = text.removeprefix("no. ").split(", ")
    assert kept == "K123456789" and new != "K123456782" and luhn(new[1:])


def test_words_beside_it_and_a_check_are_asked_for() -> None:
    near = {"near": ["customer", "KUNDE"]}
    assert found("Kunde: C-12345678", **near) == ["C-12345678"]
    assert found("part C-12345678", **near) == []
    assert found("customer " + "x" * 80 + " C-12345678", **near) == []
    assert mod97("GB82WEST12345698765432"[4:] + "GB82")
    assert found("3214282912345698765432161182", pattern="[0-9]{28}", check="mod97") == ["3214282912345698765432161182"]
    assert found("3214282912345698765432161183", pattern="[0-9]{28}", check="mod97") == []


@pytest.mark.parametrize("pattern", [r"(a)\\1", "(?<=x)a", "a(?!b)", "a**", "(", "a*"])
def test_a_pattern_that_may_take_time_without_end_is_refused_by_its_field(pattern: str) -> None:
    with pytest.raises(ValidationError) as told:
        AnonymiseConfig.model_validate(
            {"from": "raw", "own": [{"name": "x_y", "pattern": pattern.replace("\\\\", "\\")}]}
        )
    (error,) = told.value.errors()
    assert error["loc"] == ("own", 0, "pattern")
    assert "RE2" in error["msg"] or "matches an empty text" in error["msg"]


def test_names_and_actions_that_mean_nothing_are_refused() -> None:
    for fields, words in (
        ({"own": [{**CUSTOMER, "name": "email"}]}, "own_email"),
        ({"own": [CUSTOMER, CUSTOMER]}, "two detectors named customer_number"),
        ({"actions": {"custmer": "keep"}}, "names custmer, which is not a kind"),
    ):
        with pytest.raises(ValidationError, match=words):
            AnonymiseConfig.model_validate({"from": "raw", **fields})


def test_nested_repeats_take_linear_time() -> None:
    detector = OwnDetector(name="x_y", pattern="(a+)+b").detector()
    assert list(detector.find("a" * 200_000)) == [], "an engine that tries all ways would never end"


@given(
    st.lists(st.sampled_from(["C-12345678", "x", " ", "é", "C-", "\n", "\ue000", "\ue001", "𝒳"]), max_size=12).map(
        "".join
    )
)
def test_findings_stand_where_they_are_said_to(text: str) -> None:
    assert found(text) == ["C-12345678"] * text.count("C-12345678")


def test_words_without_end_take_linear_time() -> None:
    detectors = AnonymiseConfig.model_validate({"from": "raw"}).detectors()
    assert scan("pwaws_secret" * 100_000, detectors) == [], (
        "a second for each 20 KB, were each word sought from each sign"
    )
