"""Folders of a web server, as a file system for fsspec.

fsspec's own file system reads pages of any length, and its search for links takes time cubic in their spaces.
"""

from __future__ import annotations

import errno
import html
import re
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, TraceConfig, TraceRequestRedirectParams
from fsspec.implementations.http import HTTPFileSystem

from lmworks.data.sources.remote.listed import PAGE_BYTES

_LINK = re.compile(r"""<a\s[^<>]*?\bhref\s*=\s*["']([^"'<>]+)|(https?://[-\w@:%+.~#?&/=]+)""", re.IGNORECASE)
_STATUS = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 410: errno.ENOENT}
_CHANGES = ("size", "ETag", "Content-MD5", "Digest", "Last-Modified")


class Http(HTTPFileSystem):  # type: ignore[misc]
    """Files that the pages of a server link to, below an address."""

    def __init__(self, **more: Any) -> None:
        super().__init__(get_client=_client, **more)

    def ukey(self, url: str) -> str:
        """Return a value that changes with the file, if the server's headers show the change."""
        info = self.info(url)
        return str([info.get(name) for name in _CHANGES])

    async def _ls_real(self, url: str, detail: bool = True, **_: Any) -> list[Any]:
        """Return the links of a page to addresses below it. Raises OSError if the page cannot be read."""
        session, base = await self.set_session(), url.rstrip("/") + "/"
        try:
            async with session.get(self.encode_url(url)) as page:
                self._raise_not_found_for_status(page, url)
                is_page = page.headers.get("Content-Type", "text/html").partition(";")[0].strip() == "text/html"
                text = await _text(page) if is_page else ""
        except ClientError as error:
            raise OSError(errno.EIO, f"the server gives no page ({type(error).__name__})", url) from None
        links: set[str] = set()
        for link in _LINK.finditer(text):
            with suppress(ValueError):  # no address
                links.add(urljoin(base, html.unescape(link[1] or link[2]).strip()).partition("#")[0])
        below = sorted(link for link in links if link.startswith(base) and link[len(base) :][:1] not in ("", "?"))
        if not detail:
            return below
        return [{"name": link, "size": None, "type": "directory" if link[-1] == "/" else "file"} for link in below]

    async def _get_file(self, rpath: str, lpath: str, **more: Any) -> None:
        try:
            await super()._get_file(rpath, lpath, **more)
        except ClientError as error:
            raise OSError(errno.EIO, f"the connection was lost ({type(error).__name__})", rpath) from None

    def _raise_not_found_for_status(self, response: ClientResponse, url: str) -> None:
        if response.status >= 400:
            number = _STATUS.get(response.status, errno.EIO)
            raise OSError(number, f"the server answers with status {response.status}", url)


async def _text(page: ClientResponse) -> str:
    """Read a page. Raises OSError if it is longer than the limit for a list of files."""
    content = bytearray()
    async for chunk in page.content.iter_chunked(2**16):
        content += chunk
        if len(content) > PAGE_BYTES:
            page.close()
            most = f"more than the {PAGE_BYTES:,} bytes that a list of files may have"
            raise OSError(errno.EIO, f"the server sends {most}", str(page.url))
    return content.decode(errors="replace")


async def _stay(_: ClientSession, __: Any, redirect: TraceRequestRedirectParams) -> None:
    """Raise OSError if a server redirects to another server, which could be one that only this machine can reach."""
    there = urljoin(str(redirect.url), redirect.response.headers.get("Location", ""))
    here, sent = redirect.url, urlsplit(there)
    is_safer = (here.scheme, here.port, sent.scheme, sent.port or 443) == ("http", 80, "https", 443)
    is_same = (here.scheme, here.port) == (sent.scheme, sent.port or {"http": 80, "https": 443}.get(sent.scheme))
    if sent.hostname != here.host or not (is_same or is_safer):
        raise OSError(errno.EIO, f"the server redirects to {there[:200]}, another; to read it, change `url`", str(here))


async def _client(**more: Any) -> ClientSession:
    staying = TraceConfig()
    staying.on_request_redirect.append(_stay)
    return ClientSession(**more, headers={"Accept-Encoding": "identity"}, trace_configs=[staying])
