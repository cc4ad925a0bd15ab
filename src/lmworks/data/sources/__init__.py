"""Where documents come from. A new source is one file here and one line in `AnySource`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lmworks.data.sources.artifact import ArtifactSource
from lmworks.data.sources.botocore import Botocore
from lmworks.data.sources.dataset import Dataset
from lmworks.data.sources.files import Files
from lmworks.data.sources.git import Git
from lmworks.data.sources.huggingface import HuggingFace
from lmworks.data.sources.quarantine import Quarantine
from lmworks.data.sources.remote import Remote
from lmworks.data.sources.sql import Sql

AnySource = Annotated[
    Botocore  # the documentation of cloud services inside the botocore package
    | Files  # a folder of files in any form that a parser reads
    | Dataset  # a folder with a well-known data set, as published
    | HuggingFace  # a data set's folder with its card
    | Git  # the files that a checkout tracks
    | Remote  # object storage and servers
    | Sql  # a query's rows, as of a day
    | ArtifactSource  # documents of an earlier build
    | Quarantine,  # what could not be read before
    Field(discriminator="kind"),
]
