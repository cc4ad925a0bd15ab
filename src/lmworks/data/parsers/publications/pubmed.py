"""PubMed's XML (baseline and update files): one record per article, with title and abstract."""

from __future__ import annotations

from lmworks.data.parsers.parser import Reading, Record, Skipped
from lmworks.data.parsers.publications.xml import Element, element_form, text_of


def _record(article: Element, path: str, number: str, reading: Reading) -> Record | Skipped:
    citation = article.find("MedlineCitation")
    key = citation.findtext("PMID") or number
    body = citation.find("Article")
    sections = [_section(part) for part in body.iterfind("Abstract/AbstractText")]
    text = "\n\n".join([text_of(body.find("ArticleTitle")), *sections])
    if not any(sections):
        return Skipped(path, key, "no abstract")
    found = {
        "pmid": key,
        "title": text_of(body.find("ArticleTitle")),
        "journal": text_of(body.find("Journal/Title")),
        "language": body.findtext("Language") or "",
        "doi": article.findtext("PubmedData/ArticleIdList/ArticleId[@IdType='doi']") or "",
        "mesh": [text_of(name) for name in citation.iterfind("MeshHeadingList/MeshHeading/DescriptorName")],
    }
    year = body.findtext("Journal/JournalIssue/PubDate/Year") or citation.findtext("DateRevised/Year")
    meta = {name: value for name, value in found.items() if value}
    return Record(path, key, text, "text", reading.licence, meta, year)


def _section(part: Element) -> str:
    label, text = part.get("Label"), text_of(part)
    return f"{label}: {text}" if label and text else text


FORM = element_form("PubmedArticle", _record, about="Abstracts of PubMed.")
