"""File system for fsspec that reads S3, and storage with the same protocol, through botocore.

The usual file system, s3fs, cannot be installed: it needs an older botocore than the source `botocore` does.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from lmworks.data.sources.remote.listed import PAGE_BYTES, bounded
from lmworks.errors import LmworksError, UsageError

OF_ONE_OBJECT = {"403": errno.EACCES, "AccessDenied": errno.EACCES, "404": errno.ENOENT, "NoSuchKey": errno.ENOENT}
OF_THE_USER = ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch")


class S3(AbstractFileSystem):  # type: ignore[misc]
    """Buckets and the objects in them, read-only.

    Credentials, region and endpoint come from where botocore looks for them: the environment (`AWS_ACCESS_KEY_ID`,
    `AWS_PROFILE`, `AWS_ENDPOINT_URL_S3`, …), the user's own configuration, the machine's role. Without credentials
    requests are not signed, as public buckets allow.
    """

    protocol = "s3"

    def __init__(self, **more: Any) -> None:
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config

        super().__init__(**more)
        session = botocore.session.get_session()
        with _faults("s3:"):
            signature = None if session.get_credentials() else UNSIGNED
            config = Config(retries={"mode": "standard", "max_attempts": 5}, signature_version=signature)
            self._client = session.create_client("s3", config=config)
        self._client.meta.events.register("before-send.s3.ListObjectsV2", self._page)
        self._known: dict[str, dict[str, Any]] = {}

    def find(self, path: str, **_: Any) -> list[str]:
        """Return every object below a folder of a bucket, sorted, as they are now."""
        bucket, _, folder = self._strip_protocol(path).partition("/")
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{folder}/" * bool(folder)
        )
        found: dict[str, dict[str, Any]] = {}

        def names() -> Iterator[str]:
            for page in pages:
                yield ""  # for the page, which may hold nothing
                for item in page.get("Contents", ()):
                    yield item["Key"]
                    if not item["Key"].endswith("/"):
                        found[f"{bucket}/{item['Key']}"] = {"size": item["Size"], "ETag": item["ETag"]}

        with _faults(f"s3://{bucket}"):
            deque(bounded(names(), f"s3://{bucket}/{folder}"), maxlen=0)
        self._known.update(found)
        return sorted(found)

    def _page(self, request: Any, **_: Any) -> Any:
        """Send a request for one page of a listing. Its answer is read only up to the limit for a page."""
        request.stream_output = True
        answer = self._client._endpoint.http_session.send(request)
        answer.raw = _Page(answer.raw, request.url)
        return answer

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size and ETag of an object, as it was last listed. Raises OSError."""
        name = self._strip_protocol(path)
        if name not in self._known:
            bucket, _, key = name.partition("/")
            with _faults(f"s3://{bucket}", key):
                found = self._client.head_object(Bucket=bucket, Key=key)
            self._known[name] = {"size": found["ContentLength"], "ETag": found["ETag"]}
        return {"name": name, "type": "file", **self._known[name]}

    def ukey(self, path: str) -> str:
        """Return a value that changes whenever the object does."""
        return str(self.info(path)["ETag"])

    def _open(self, path: str, mode: str = "rb", **more: Any) -> _Object:
        return _Object(self, path, mode, **{"cache_type": "none", **more})  # each range is asked for once


class _Page:
    """Page of a server's listing."""

    def __init__(self, raw: Any, url: str) -> None:
        self._raw, self._url = raw, url

    def stream(self) -> Iterator[bytes]:
        found: bytes = self._raw.read(PAGE_BYTES + 1)
        if len(found) > PAGE_BYTES:
            self._raw.close()
            raise LmworksError(
                f"{self._url.partition('?')[0]}: its server sends more than the {PAGE_BYTES:,} bytes that a list of "
                "objects may have; correct AWS_ENDPOINT_URL_S3"
            )
        yield found


class _Object(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        bucket, _, key = self.path.partition("/")
        end = min(end, self.size)
        wanted, asked = {"Range": f"bytes={start}-{end - 1}", "IfMatch": self.details["ETag"]}, end - start
        with _faults(f"s3://{bucket}", key), self._body(bucket, key, wanted) as body:
            found: bytes = body.read(asked + 1)
        if len(found) != asked:  # a server that heeds no range may send the whole object, or go on for ever
            more = "more" if len(found) > asked else "less"
            raise OSError(errno.EIO, f"the storage sends {more} than the {asked:,} bytes that were asked for", key)
        return found

    def _body(self, bucket: str, key: str, wanted: dict[str, str]) -> Any:
        return self.fs._client.get_object(Bucket=bucket, Key=key, **wanted)["Body"]


@contextmanager
def _faults(bucket: str, key: str = "") -> Iterator[None]:
    """Turn errors of the service into errors with lmworks' own texts, because botocore's may quote the request."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        stated = error.response.get("Error", {}) if isinstance(error, ClientError) else {}
        code = str(stated.get("Code", type(error).__name__))
        if key and code in OF_ONE_OBJECT:
            raise OSError(OF_ONE_OBJECT[code], f"the storage says {code}", key) from None
        if isinstance(error, ClientError) and (code in OF_THE_USER or not key):
            raise UsageError(
                f"{bucket} cannot be read ({code}). Fix `url`, the credentials in the environment "
                "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE) or AWS_ENDPOINT_URL_S3."
            ) from None
        raise LmworksError(f"{bucket}: {code}. Check network and AWS_ENDPOINT_URL_S3; build again to go on.") from None
