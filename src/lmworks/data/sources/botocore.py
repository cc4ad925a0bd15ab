"""The service models of Amazon's Python library: documentation of about 20,000 operations of 445 cloud services."""

from __future__ import annotations

import gzip
import html
import json
import re
import zlib
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lmworks.data.sources.source import FolderSource, Piece, Record, Unreadable
from lmworks.errors import LmworksError, UsageError

# Tags that the models use as markup. Others, such as <ip>, are placeholders in running text.
_PLACEHOLDER = re.compile(
    r"<(?!/?(?:p|code|li|a|i|ul|note|b|important|dt|dd|dl|ol|strong|replaceable|h[1-6]|em|pre|filename|br|hr|div|span"
    r"|table|thead|tbody|tr|th|td|sup|sub|u|tt|fullname|para|literal|title|caution|caption|img|link)[\s/>]|!--)"
)


class Botocore(FolderSource):
    """One document per operation, with its parameters, and one per service, for the latest API versions."""

    kind: Literal["botocore"]
    version: str = Field(
        default="1.44.8",
        description="Version of botocore. It is fixed, because the held-out services are those of this version.",
    )
    services: list[str] = Field(default=[], description="Names of the data folders to read. All by default.")
    limit: int | None = Field(
        default=None, ge=1, description="Number of services to read, from the first. All by default."
    )
    path: str | None = Field(
        default=None, description="Folder with the layout of botocore/data. By default that of the installed package."
    )

    @property
    def label(self) -> str:
        return "botocore"

    @property
    def source_licence(self) -> str:
        return "Apache-2.0"

    def root(self) -> Path:
        """Return `path`, or the data of the installed package. Raises UsageError for any version but `version`."""
        if self.path is None:
            return _installed(self.version)
        folder = (self.folder / self.path).resolve()
        if not folder.is_dir():
            raise UsageError(f"Source botocore: there is no folder {folder}.")
        return folder

    def paths(self) -> list[str]:
        """Return the latest model of each service. Raises UsageError for an unknown service."""
        root = self.root()
        latest: dict[str, str] = {}
        for model in sorted(root.glob("*/*/service-2.json.gz")):
            service, api_version, name = model.relative_to(root).parts
            latest[service] = f"{service}/{api_version}/{name}"  # versions are dates: the last one sorted is the latest
        for service in self.services:
            if service not in latest:
                nearest = get_close_matches(service, latest, 1)
                hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
                raise UsageError(f"Source botocore: there is no service {service!r} in {root}.{hint}")
        chosen = [path for service, path in latest.items() if not self.services or service in self.services]
        if not chosen:
            raise LmworksError(f"Source botocore: {root} holds no SERVICE/VERSION/service-2.json.gz.")
        return chosen[: self.limit]

    def read(self, piece: Piece) -> Iterator[Record | Unreadable]:
        """Yield what a service is for, then what each of its operations does."""
        with self.open(path := piece.path) as stream:
            raw = stream.read()
        try:
            model = json.loads(gzip.decompress(raw))
            service = model["metadata"]["serviceId"]
            operations = [(name, _operation_html(service, name, model)) for name in sorted(model["operations"])]
        except (OSError, EOFError, zlib.error) as error:
            yield Unreadable(path, "", 0, f"not a gzip file: {error}", raw)
            return
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield Unreadable(path, "", 0, f"not a service model: {type(error).__name__} {error}", raw)
            return
        meta = {"service": service, "folder": path.split("/", 1)[0]}
        overview = f"<h1>{html.escape(service)}</h1>\n{_markup(model)}"
        yield Record(path, "", overview, "html", self.source_licence, {"kind": "service", **meta})
        for name, text in operations:
            about = {"kind": "operation", **meta, "operation": name}
            yield Record(path, name, text, "html", self.source_licence, about)


@cache  # it is asked for by each of hundreds of files
def _installed(expected: str) -> Path:
    """Return the data of the installed package. Raises UsageError for any version but the expected one."""
    command = f"Run: pip install 'botocore=={expected}'"
    try:
        package = distribution("botocore")
    except PackageNotFoundError as error:
        raise UsageError(f"Source botocore: the package botocore is not installed. {command}") from error
    if package.version != expected:
        raise UsageError(
            f"Source botocore: version {package.version} is installed and {expected} is expected. {command}, "
            f"or write `version: {package.version}` in the recipe to use that version."
        )
    return Path(str(package.locate_file("botocore"))) / "data"


def _operation_html(service: str, name: str, model: dict[str, Any]) -> str:
    operation, shapes = model["operations"][name], model["shapes"]
    lines = [f"<h1>{html.escape(service)} {html.escape(name)}</h1>", _markup(operation)]
    members = shapes[operation["input"]["shape"]].get("members", {}) if "input" in operation else {}
    if members:
        lines += ["<p>Parameters:</p>", "<dl>"]
        for member, detail in members.items():
            text = _markup(detail) or _markup(shapes[detail["shape"]])
            lines.append(f"<dt>{html.escape(member)}</dt><dd>{text}</dd>")
        lines.append("</dl>")
    return "\n".join(lines)


def _markup(shape: dict[str, Any]) -> str:
    return _PLACEHOLDER.sub("&lt;", shape.get("documentation") or "")
