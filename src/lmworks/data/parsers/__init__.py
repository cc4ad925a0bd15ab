"""Parsers of files. A new file format needs one module here and one line in `PARSERS`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from posixpath import splitext

from lmworks.data.parsers import lines
from lmworks.data.parsers.documents import docx, faq, mail, parts, pdf, tex, whole
from lmworks.data.parsers.parser import Form
from lmworks.data.parsers.publications import arxiv, mediawiki, pubmed, stackexchange, tmx, warc, xliff, xml_rows
from lmworks.data.parsers.tables import columns, delimited, json_values, jsonl, po, workbook
from lmworks.registry import Kinds, instance_of

PARSERS: Kinds[Form] = Kinds(
    "parsers",
    "form",
    {
        "text": whole.TEXT,
        "html": whole.HTML,
        "faq": faq.FORM,
        "tex": tex.FORM,
        "pdf": pdf.FORM,
        "docx": docx.FORM,
        "lines": lines.FORM,
        "parts": parts.FORM,
        "jsonl": jsonl.FORM,
        "json": json_values.FORM,
        "csv": delimited.CSV,
        "tsv": delimited.TSV,
        "xlsx": workbook.FORM,
        "parquet": columns.PARQUET,
        "arrow": columns.ARROW,
        "po": po.FORM,
        "tmx": tmx.FORM,
        "xliff": xliff.FORM,
        "eml": mail.FORM,
        "mbox": mail.MAILBOX,
        "warc": warc.FORM,
        "xml": xml_rows.FORM,
        "mediawiki": mediawiki.FORM,
        "stackexchange": stackexchange.FORM,
        "pubmed": pubmed.FORM,
        "arxiv": arxiv.FORM,
    },
    instance_of(Form),
)
"""File formats by the name that a source's `format` states."""

ENDINGS: Mapping[str, str] = {ending: name for name, form in PARSERS.built_in.items() for ending in form.endings}
"""Format by a file's ending. The endings `.xml` and `.json` do not decide alone: see `ParsedSource`."""
_CODE = (
    "py js ts tsx jsx java kt go rs c h cc cpp hpp cs rb php swift scala r jl lua pl sh sql css vue proto tf m f90 hs"
)
CODE = frozenset(f".{word}" for word in f"{_CODE} ex clj dart".split())
"""Endings of source code, which `git` reads as text."""

NUMBERED = frozenset(
    ("lines", "parts", "jsonl", "json", "csv", "tsv", "xlsx", "parquet", "arrow", "po", "tmx", "xliff", "faq", "mbox")
)
"""Formats whose records have no name but their number."""


def form_of(path: str) -> str | None:
    """Return the format for a file's ending, or None if the ending is not known."""
    return ENDINGS.get(splitext(path)[1].lower())  # in a third of the time that a Path takes


_SHEETS, _SLIDES, _PAGES = "save it as XLSX", "save it as PDF", "save it as DOCX, PDF or text"
INSTEAD: Mapping[str, str] = {
    **dict.fromkeys((".xls", ".xlsb", ".ods"), _SHEETS),
    **dict.fromkeys((".pptx", ".ppt", ".odp", ".key"), _SLIDES),
    **dict.fromkeys((".doc", ".rtf", ".odt", ".pages"), _PAGES),
    **dict.fromkeys((".epub", ".mobi", ".azw3"), "convert it to HTML or text; an EPUB is a zip archive of HTML pages"),
    **dict.fromkeys((".msg", ".pst"), "export it as MBOX, or each message as EML"),
    **dict.fromkeys((".rar", ".7z"), "pack it as zip or tar"),
    ".svg": "it is a picture",
}
"""Advice by the ending of common formats that are not read."""


def hints(endings: Iterable[str]) -> str:
    """Return advice about files that are not read, in sentences; "" if there is none."""
    return " ".join(f"{ending} is not read: {INSTEAD[ending]}." for ending in sorted({*endings} & {*INSTEAD}))
