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
    """Fields of every source of files."""

    licence: str | None = Field(
        default=None, description="SPDX expression for all files. It has no default, because only you can state it."
    )
    licence_field: str | None = Field(
        default=None, description="Field of a record with its own licence. `licence` applies to records without one."
    )
    created_field: str | None = Field(
        default=None,
        description="Field of a record with its date: ISO 8601, RFC 2822, seconds since 1970, or a date such as "
        "31.12.2024 or 1 May 2024. A record with an unreadable or ambiguous date (see `dates`) is quarantined.",
    )
    dates: Literal["day-first", "month-first"] | None = Field(
        default=None,
        description="Order of day and month in dates such as 05/01/2024. By default a day above 12 in any date of the "
        "source decides for all. If there is no such day, ambiguous dates are quarantined. If dates contradict each "
        "other, the step stops.",
    )
    subject_field: str | None = Field(
        default=None, description="Field of a record with the person it is about or from. Erasures search this field."
    )
    language_field: str | None = Field(
        default=None, description="Field of a record with the code of its language, such as `en` or `pt-BR`."
    )
    label_field: str | None = Field(
        default=None, description="Field of a record with its label, which is kept as `label` for training."
    )
    label_from_folder: bool = Field(
        default=False,
        description="Whether the folder's name is the label of a file's records, such as `pos` for `train/pos/12.txt`. "
        "Off by default, because most folder names are not labels. A file without a folder gets no label.",
    )
    label_case: Literal["keep", "lower"] = Field(
        default="keep",
        description="`lower` merges labels that differ only in case or spaces. `keep` is the default, "
        "because some labels, such as names of genes, differ only in case.",
    )
    text_field: str | list[str] = Field(
        default="text",
        description="Field of a record with the text. Texts of several fields are joined by an empty line. `info.post` "
        "is a field inside a field, `messages.*.content` a field of every item of a list. Most published data sets "
        "use the default name.",
    )
    required: list[str] = Field(
        default=[],
        description="Fields that must not be empty, such as the answer to a question. A record in which one of them is "
        "missing or empty is left out and counted. None by default.",
    )
    fields: Literal["all"] | list[str] = Field(
        default=[],
        description="Names of fields to keep separately, or `all`. `conversations` and `preferences` are made from "
        "such records. Steps that read text read all of these fields, and steps that change text change each field "
        "in its place. By default a record is only the text of `text_field`.",
    )
    key_field: str | None = Field(
        default=None,
        description="Field with a permanent name of the record. With it, the record keeps its id when rows are added "
        "before it. By default the record's number in the file is used.",
    )
    keep: list[str] = Field(
        default=[], description="Fields to keep in `meta`. None by default, because a field may be private."
    )
    format: Annotated[str, Named(PARSERS)] | None = Field(
        default=None,
        description="Format of every file. By default a file's ending decides. State it for XML files, and for JSON "
        "files unless `fields` or `records` shows that they hold records.",
    )
    include: list[str] = Field(
        default=[], description="Patterns of paths to read, such as `*/Posts.xml`. All by default."
    )
    exclude: list[str] = Field(
        default=[],
        description="Patterns of paths to skip even if `include` names them, such as `old/*` or `*.bak`. Skipped files "
        "are counted as left out, not as lost.",
    )
    columns: list[str] = Field(
        default=[],
        description="Names of columns of csv and tsv files without a header. By default the first row names them. A "
        "first row that looks like data (only numbers, an e-mail address, …) stops the step, unless `fields` or "
        "`text_field` names one of its columns.",
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Character between columns. By default a comma in csv and a tab in tsv, or the one of `,`, `;`, "
        "`|` and the tab that cuts the first rows into equal numbers of fields.",
    )
    quotes: bool | None = Field(
        default=None,
        description="Whether quotes enclose fields of a table, with inner quotes doubled. On by default. In tsv the "
        "first rows decide by default, because quotes in such tables are mostly part of the text.",
    )
    encoding: Annotated[str, AfterValidator(encoding_name)] | None = Field(
        default=None,
        description="Encoding of text files, such as `cp1252`. By default UTF-8, or the one that an XML file declares. "
        "A byte order mark of UTF-8, UTF-16 or UTF-32 always decides. In mail and WARC files, this setting applies "
        "to parts that state no encoding.",
    )
    records: str | None = Field(
        default=None,
        description="Place of the records in a JSON file, such as `data.*.paragraphs.*`. By default the file is a list "
        "of records, or one record. For XML, the name of the elements that are records.",
    )
    sheets: list[str] = Field(
        default=[],
        description="Names of workbook sheets to read. By default all visible sheets. They should have the same "
        "columns. Sheets that are not read are counted.",
    )
    html: Literal["keep", "main"] = Field(
        default="keep",
        description="`main` takes the main text of a web page without menus and notices. `keep` is the default, "
        "because `main` loses tables and lists of documentation.",
    )
    class_names: dict[str, Any] = Field(default={}, description="Names of the label classes, set by `located`.")
    record_bytes: int = Field(
        default=2**26,
        ge=2**10,
        description="Maximum size of a record in bytes. Larger records are quarantined. 64 MiB is six times the "
        "longest novel, and parsing it takes less than 1 GiB of memory.",
    )

    @field_validator("keep")
    @classmethod
    def _keep_is_free(cls, value: list[str]) -> list[str]:
        if taken := [name for name in value if name in OWN_FIELDS]:
            raise ValueError(f"every document of lmworks has a field {taken[0]!r}; rename your field to keep it")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.label_field not in (None, "label") and "label" in self.keep:
            raise ValueError(
                "`keep` and `label_field` name two fields that would both be kept as `label`; leave one out"
            )
        if self.label_from_folder and (self.label_field or "label" in self.keep):
            raise ValueError("`label_from_folder` and a field would both give `label`: leave one of them out")
        if self.fields and self.text_field != type(self).model_fields["text_field"].default:
            raise ValueError("`text_field` and `fields` are two ways to read a record: leave one out")
        if twice := [name for name, count in Counter(self.columns).items() if count > 1]:
            raise ValueError(f"`columns` names {twice[0]!r} twice; give each column a different name")
        if self.format == "xml" and not self.records:
            raise ValueError("format `xml` needs `records`, the name of the elements that are records, such as `pair`")
        return self

    def reading(self, encoding: str = "utf-8") -> Reading:
        """Return the settings in the form that parsers need, for a file in an encoding."""
        return Reading(
            encoding=encoding,
            licence=self.source_licence,
            licence_field=self.licence_field,
            text_fields=(self.text_field,) if isinstance(self.text_field, str) else tuple(self.text_field),
            fields=self.fields if self.fields == "all" else tuple(self.fields) or None,
            key_field=self.key_field,
            facts={fact: path for fact in FACTS if (path := getattr(self, f"{fact}_field"))},
            label_case=self.label_case,
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
