"""Catalogues of translated messages: what is translated is a pair, and the rest is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from data_support import quarantined

from lmworks.data.shards.records import Documents

Ingest = Callable[..., Any]
CATALOGUE = """\
msgid ""
msgstr ""
"Language: de\\n"
"Content-Type: text/plain; charset=ISO-8859-1\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

#: src/window.c:7
#. a button
msgctxt "menu"
msgid "Open"
msgstr ""
"Öff"
"nen"

#, fuzzy
msgid "Close"
msgstr "zu"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"

msgid "Not yet"
msgstr ""

#~ msgid "Gone"
#~ msgstr "Weg"
"""


def test_translated_messages_are_pairs_and_others_are_counted(ingest_files: Ingest) -> None:
    files = {"de.po": CATALOGUE.encode("latin-1")}
    result, out = ingest_files(files, fields=["source", "target"], keep=["context"], language_field="language")
    found = [
        ({each.name: each.text for each in document.fields}, document.meta["context"], document.language)
        for document in Documents(out, "").iterate()
    ]
    assert sorted(found, key=str) == [
        ({"source": "%d file", "target": "%d Datei"}, "", "de"),
        ({"source": "%d files", "target": "%d Dateien"}, "", "de"),
        ({"source": "Open", "target": "Öffnen"}, "menu", "de"),
    ]
    for reason in ("a fuzzy translation", "a message without a translation", "an obsolete message"):
        assert result.counts[f"skipped: {reason}"] == 1, reason


def test_what_is_no_catalogue_is_quarantined_with_its_line(ingest_files: Ingest) -> None:
    good = 'msgid "Yes"\nmsgstr "Ja"\n'
    files = {
        "a.po": 'msgid "Yes"\n\nmsgstr "Ja"\nsecret words\n',
        "b.po": 'msgid "Yes\n',
        "c.po": good,
        "d.po": b"\xff",
    }
    _, out = ingest_files(files, fields=["source", "target"])
    told = {record["path"]: record["reason"] for record in quarantined(out)}
    assert told["a.po"] == "not a gettext catalogue: line 4" and told["b.po"].startswith("not a gettext")
    assert "not UTF-8" in told["d.po"] and {*told} == {"a.po", "b.po", "d.po"}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Language: 12", "not a gettext catalogue: a value of its header is not valid"),
        ("Language: de_DE_xx_yy_zz", "not a gettext catalogue: a value of its header is not valid"),
        ("POT-Creation-Date: 99-99-99 xx", "not a gettext catalogue: a value of its header is not valid"),
        ("PO-Revision-Date: tomorrow", "not a gettext catalogue: a value of its header is not valid"),
        ("Plural-Forms: nplurals=many", "not a gettext catalogue: a value of its header is not valid"),
        ("Plural-Forms: nplurals=0", "not a gettext catalogue: line 7"),
        ("Content-Type: text/plain; charset=hex", "not a gettext catalogue: its charset is not known"),
    ],
)
def test_whatever_a_header_says_the_catalogue_is_read_or_quarantined(
    header: str, reason: str, ingest_files: Ingest
) -> None:
    messages = 'msgid "Jä"\nmsgstr "Ja"\n\nmsgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "a"\nmsgstr[1] "b"\n'
    files = {"a.po": f'msgid ""\nmsgstr ""\n"{header}\\n"\n{messages}'.encode(), "b.po": 'msgid "Yes"\nmsgstr "Ja"\n'}
    _, out = ingest_files(files, fields=["source", "target"])
    assert [record["reason"] for record in quarantined(out)] == [reason] * bool(reason)
    assert len([*Documents(out, "").iterate()]) == (1 if reason else 4)
