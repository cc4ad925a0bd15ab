"""Folders of a web server, as a file system for fsspec: what a server sends is read as far as it was asked for.

fsspec's own reads a page and a range of a file however long they are, and searches links in time cubic in their spaces.
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

from lmworks.data.sources.listed import PAGE_BYTES

_LINK = re.compile(r"""<a\s[^<>]*?\bhref\s*=\s*["']([^"'<>]+)|(https?://[-\w@:%+.~#?&/=]+)""", re.IGNORECASE)


class Http(HTTPFileSystem):  # type: ignore[misc]
    """Files that the pages of a server link to, below an address."""

    def __init__(self, **more: Any) -> None:
        super().__init__(get_client=_client, **more)

    async def _ls_real(self, url: str, detail: bool = True, **_: Any) -> list[Any]:
        """What a page links to below itself; a page that is no HTML names nothing. Raises OSError."""
        session, base = await self.set_session(), url.rstrip("/") + "/"
        try:
            async with session.get(self.encode_url(url)) as page:
                page.raise_for_status()
                is_page = page.headers.get("Content-Type", "text/html").partition(";")[0].strip() == "text/html"
                text = (await page.read()).decode(errors="replace") if is_page else ""
        except ClientError as error:
            raise OSError(errno.EIO, f"the server gives no page ({type(error).__name__})", url) from None
        links: set[str] = set()
        for found in _LINK.finditer(text):
            with suppress(ValueError):  # no address
                links.add(urljoin(base, html.unescape(found[1] or found[2]).strip()).partition("#")[0])
        below = sorted(link for link in links if link.startswith(base) and link[len(base) :][:1] not in ("", "?"))
        if not detail:
            return below
        return [{"name": link, "size": None, "type": "directory" if link[-1] == "/" else "file"} for link in below]


class _Answer(ClientResponse):
    async def read(self) -> bytes:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.request_info.headers.get("Range", ""))
        most, found = (int(asked[2]) - int(asked[1]) + 1 if asked else PAGE_BYTES), bytearray()
        try:
            async for chunk in self.content.iter_chunked(2**16):
                found += chunk
                if len(found) > most:
                    self.close()
                    break
        except ClientError as error:
            raise OSError(errno.EIO, f"the server broke off ({type(error).__name__})", str(self.url)) from None
        if len(found) > most or (asked and len(found) < most):
            what = "that were asked for" if asked else "that a list of files may have"
            more = "more" if len(found) > most else "less"
            raise OSError(errno.EIO, f"the server sends {more} than the {most:,} bytes {what}", str(self.url))
        return bytes(found)

    def raise_for_status(self) -> None:
        if self.status >= 400:
            number = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 410: errno.ENOENT}
            self.release()
            raise OSError(number.get(self.status, errno.EIO), f"the server says {self.status}", str(self.url))


async def _stay(_: ClientSession, __: Any, redirect: TraceRequestRedirectParams) -> None:
    """Raises OSError where a server sends to another: it could name any that this machine alone reaches."""
    there = urljoin(str(redirect.url), redirect.response.headers.get("Location", ""))
    here, sent = redirect.url, urlsplit(there)
    is_safer = (here.scheme, here.port, sent.scheme, sent.port or 443) == ("http", 80, "https", 443)
    is_same = (here.scheme, here.port) == (sent.scheme, sent.port or {"http": 80, "https": 443}.get(sent.scheme))
    if sent.hostname != here.host or not (is_same or is_safer):
        raise OSError(errno.EIO, f"the server sends to {there[:200]}, another; if it is meant, state that", str(here))


async def _client(**more: Any) -> ClientSession:
    staying = TraceConfig()
    staying.on_request_redirect.append(_stay)
    identity = {"Accept-Encoding": "identity"}
    return ClientSession(**more, response_class=_Answer, headers=identity, trace_configs=[staying])
