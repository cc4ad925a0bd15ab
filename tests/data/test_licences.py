"""The licence gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.licences import LicenceGate


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
        (["permissive"], "permissive", "not allowed"),
        (["permissive"], "cc by 4.0", "not an SPDX expression"),
        (["permissive"], "MIT OR", "not an SPDX expression"),
        (["permissive"], "(MIT", "not an SPDX expression"),
        (["permissive"], "MIT OR MIT)", "not an SPDX expression"),
        (["permissive"], "OR", "not an SPDX expression"),
    ],
)
def test_refuses(allow: list[str], licence: str | None, reason: str) -> None:
    assert reason in (LicenceGate(allow=allow).refusal(licence) or "")


def test_and_binds_closer_than_or() -> None:
    assert LicenceGate(allow=["MIT"]).refusal("GPL-3.0-only AND LGPL-3.0-only OR MIT") is None
    assert LicenceGate(allow=["MIT"]).refusal("MIT AND (GPL-3.0-only OR LGPL-3.0-only)") is not None


@given(st.text("MIT ()ANDORWGPL-3.0+"))
def test_no_text_breaks_the_parser(licence: str) -> None:
    LicenceGate(allow=["MIT"]).refusal(licence)
