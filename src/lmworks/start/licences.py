"""Which licence a file such as LICENSE states, by the words that its text cannot do without."""

from __future__ import annotations

import re

LICENCE_FILE = re.compile(r"(?i)(licen[sc]e|copying|unlicense)([.-][\w.-]*)?")
"""Names of files that state the licence of what lies beside them."""
_STATED = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+ ()-]{2,100})")
_CREATIVE_COMMONS = re.compile(
    r"(?is)creative\s+commons\s+attribution(-\s*non-?commercial)?(-\s*share-?alike)?(-\s*no-?derivatives)?\s*"
    r"(?:\(?[a-z -]*\)?\s*)?(\d\.\d)"
)
_WORDS = (
    ("Apache-2.0", ("Apache License", "Version 2.0")),
    ("AGPL-3.0-only", ("GNU AFFERO GENERAL PUBLIC LICENSE", "Version 3")),
    ("LGPL-3.0-only", ("GNU LESSER GENERAL PUBLIC LICENSE", "Version 3")),
    ("GPL-3.0-only", ("GNU GENERAL PUBLIC LICENSE", "Version 3")),
    ("GPL-2.0-only", ("GNU GENERAL PUBLIC LICENSE", "Version 2")),
    ("MPL-2.0", ("Mozilla Public License", "2.0")),
    ("CC0-1.0", ("CC0 1.0 Universal",)),
    ("Unlicense", ("free and unencumbered software released into the public domain",)),
    ("ISC", ("Permission to use, copy, modify, and/or distribute this software for any purpose",)),
    ("BSD-3-Clause", ("Redistributions of source code must retain", "Neither the name of")),
    ("BSD-2-Clause", ("Redistributions of source code must retain",)),
    ("MIT", ("Permission is hereby granted, free of charge",)),
)
"""The first whose words all stand in the text is its licence (texts of SPDX)."""


def stated_licence(text: str) -> str:
    """The SPDX id of a licence's text; "" for one that is not among the most common."""
    if found := _STATED.search(text):
        return found[1].strip()
    plain = " ".join(text.split())
    for name, words in _WORDS:
        if all(each.lower() in plain.lower() for each in words):
            return name
    if found := _CREATIVE_COMMONS.search(plain):
        parts = [part for part, there in zip(("NC", "SA", "ND"), found.groups()[:3], strict=True) if there]
        return "-".join(["CC-BY", *parts, found[4]])
    return ""
