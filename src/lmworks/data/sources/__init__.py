"""Where documents come from. A new source is one file here and one line in `SOURCES`."""

from __future__ import annotations

from typing import Annotated

from lmworks.data.sources.artifact import ArtifactSource
from lmworks.data.sources.botocore import Botocore
from lmworks.data.sources.dataset import Dataset
from lmworks.data.sources.files import Files, Git, HuggingFace
from lmworks.data.sources.parallel import Parallel
from lmworks.data.sources.quarantine import Quarantine
from lmworks.data.sources.remote import Remote
from lmworks.data.sources.source import SourceConfig
from lmworks.data.sources.sql import Sql
from lmworks.recipe.kinds import Chosen
from lmworks.registry import Kinds, derived_from

SOURCES: Kinds[type[SourceConfig]] = Kinds(
    "sources",
    "source",
    {
        "botocore": Botocore,  # the documentation of cloud services inside the botocore package
        "files": Files,  # a folder of files in any form that a parser reads
        "parallel": Parallel,  # files that say the same line by line
        "dataset": Dataset,  # a folder with a well-known data set, as published
        "huggingface": HuggingFace,  # a data set's folder with its card
        "git": Git,  # the files that a checkout tracks
        "remote": Remote,  # object storage and servers
        "sql": Sql,  # a query's rows, as of a day
        "artifact": ArtifactSource,  # documents of an earlier build
        "quarantine": Quarantine,  # what could not be read before
    },
    derived_from(SourceConfig),  # type: ignore[type-abstract]
)

AnySource = Annotated[SourceConfig, Chosen(SOURCES)]
