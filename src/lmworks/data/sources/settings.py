"""Settings of all sources of files: how the files are read, in the user's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from lmworks.data.base.encodings import encoding_name
from lmworks.data.parsers import PARSERS
from lmworks.data.parsers.facts import FACTS
from lmworks.data.parsers.fields import settings_of
from lmworks.data.parsers.parser import Reading
from lmworks.data.shards.records import OWN_FIELDS
from lmworks.data.sources.source import SourceConfig
from lmworks.recipe.kinds import Named


class ReadSettings(SourceConfig):
    """Settings of how files are read."""

    licence: str | None = Field(
        default=None, description="SPDX expression for all files. No default: nobody but the user can state it."
    )
    licence_field: str | None = Field(
        default=None,
        description="Field of a record with its own licence; unset, or where a record has none, `licence` holds.",
    )
    created_field: str | None = Field(
        default=None,
        description="Field of a record that says when it was written: ISO 8601, RFC 2822, seconds since 1970, or a "
        "date such as 31.12.2024 or 1 May 2024. A record whose date cannot be read, or in two ways "
        "(see `dates`), is quarantined.",
    )
    dates: Literal["day-first", "month-first"] | None = Field(
        default=None,
        description="How `created_field` writes dates such as 05/01/2024; unset, a day above 12 in any date of the "
        "source says it for all. Where none does, those that can be read in two ways are quarantined, and where dates "
        "say both, the step stops.",
    )
    subject_field: str | None = Field(
        default=None, description="Field of a record that says whom it is about or from, by which an erasure finds it."
    )
    language_field: str | None = Field(
        default=None, description="Field of a record with the code of its language, such as `en` or `pt-BR`."
    )
    label_field: str | None = Field(
        default=None, description="Field of a record with its label, which is kept as `label` for what learns labels."
    )
    text_field: str | list[str] = Field(
        default="text",
        description="Field of a record that holds the text; of several, the texts are joined by an empty line. "
        "`info.post` is a field inside a field, `messages.*.content` a field of every item of a list. The default is "
        "the name that most published sets use.",
    )
    fields: Literal["all"] | list[str] = Field(
        default=[],
        description="Fields of a record that are kept each by itself, whatever is in them: `all`, or their names. From "
        "such records `conversations` and `preferences` are made; what reads text reads what all of them say, what "
        "changes it changes each in its place. Empty, a record is the one text of `text_field`.",
    )
    key_field: str | None = Field(
        default=None,
        description="Field that names a record for good, so that its id stays when rows are added before it; unset, "
        "the record's number in the file.",
    )
    keep: list[str] = Field(
        default=[], description="Fields kept in `meta`; none by default, since what nobody asked for may be private."
    )
    format: Annotated[str, Named(PARSERS)] | None = Field(
        default=None,
        description="Form of every file; unset, each file's ending says it. XML needs it, and JSON where "
        "neither `fields` nor `records` says that its files are records.",
    )
    include: list[str] = Field(
        default=[], description="Patterns of paths that are read, such as `*/Posts.xml`; all when empty."
    )
    exclude: list[str] = Field(
        default=[],
        description="Patterns of paths that are not read though `include` names them, such as `old/*` or `*.bak`; none "
        "by default, since what is left out teaches nothing. They are counted as left out, and not as lost.",
    )
    columns: list[str] = Field(
        default=[],
        description="Names of the columns of csv and tsv files that have no header. Empty, the first row names them. A "
        "first row that looks like data (numbers alone, an e-mail address, …) stops the step, unless `fields` or "
        "`text_field` names one of its columns.",
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Between columns; unset, a comma in csv and a tab in tsv, unless the first rows are cut into equal "
        "numbers of fields by another of `,`, `;`, `|` and the tab.",
    )
    quotes: bool | None = Field(
        default=None,
        description="Whether fields of a table may stand in quotes, those inside doubled. Unset, they may, but between "
        "tabs only where the first rows show it: such tables mostly have quotes of texts alone.",
    )
    encoding: Annotated[str, AfterValidator(encoding_name)] | None = Field(
        default=None,
        description="Of files that are text, such as `cp1252`; unset, UTF-8, or what an XML file declares. A byte "
        "order mark of UTF-8, UTF-16 or UTF-32 holds in any case. Of mail and pages of WARC files, what states none.",
    )
    records: str | None = Field(
        default=None,
        description="Where a JSON file's records stand, such as `data.*.paragraphs.*`; unset, the file is a list of "
        "records, or one record. Of an XML file, the name of the elements that are records.",
    )
    sheets: list[str] = Field(
        default=[],
        description="Names of the sheets of workbooks that are read; empty, all that are shown, which suits those with "
        "the same columns. Others are counted.",
    )
    html: Literal["keep", "main"] = Field(
        default="keep",
        description="`main` takes the main text of a web page and leaves menus and notices out. `keep` by default: "
        "pages of documentation lose tables and lists by it.",
    )
    class_names: dict[str, Any] = Field(
        default={}, description="Names of classes that stand beside the files. Set by `located`."
    )
    record_bytes: int = Field(
        default=2**26,
        ge=2**10,
        description="Longest record that is read; a longer one is quarantined. 64 MiB is six times the longest novel, "
        "and takes less than 1 GiB to parse.",
    )

    @field_validator("keep")
    @classmethod
    def _keep_is_free(cls, value: list[str]) -> list[str]:
        if taken := [name for name in value if name in OWN_FIELDS]:
            raise ValueError(f"{taken[0]!r} is a field that every document has of its own; rename yours to keep it")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.label_field not in (None, "label") and "label" in self.keep:
            raise ValueError(
                "`keep` and `label_field` name two fields that would both be kept as `label`; leave one out"
            )
        if self.fields and self.text_field != type(self).model_fields["text_field"].default:
            raise ValueError("`text_field` and `fields` are two ways to read a record: leave one out")
        if twice := [name for name, count in Counter(self.columns).items() if count > 1]:
            raise ValueError(f"`columns` names {twice[0]!r} twice, and one of the two would be lost")
        if self.format == "xml" and not self.records:
            raise ValueError("format `xml` needs `records`, the name of the elements that are records, such as `pair`")
        return self

    def reading(self, encoding: str = "utf-8") -> Reading:
        """Return the settings as parsers take them, for a file in an encoding."""
        return Reading(
            encoding=encoding,
            licence=self.source_licence,
            licence_field=self.licence_field,
            text_fields=(self.text_field,) if isinstance(self.text_field, str) else tuple(self.text_field),
            fields=self.fields if self.fields == "all" else tuple(self.fields) or None,
            key_field=self.key_field,
            facts={fact: path for fact in FACTS if (path := getattr(self, f"{fact}_field"))},
            keep=tuple(self.keep),
            classes=self.class_names,
            columns=tuple(self.columns),
            delimiter=self.delimiter,
            quotes=self.quotes,
            dates=self.dates,
            records=self.records,
            sheets=tuple(self.sheets),
            html=self.html,
            limit=self.record_bytes,
        )

    def named(self) -> Mapping[str, str]:
        return settings_of(self.reading())
