"""Where documents come from. A new source is one file here and one line in `AnySource`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lmworks.data.sources.botocore import Botocore
from lmworks.data.sources.files import Files

AnySource = Annotated[
    Botocore  # the documentation of cloud services inside the botocore package
    | Files,  # a folder of txt, md, html, jsonl and parquet
    Field(discriminator="kind"),
]
