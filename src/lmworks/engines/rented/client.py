"""Client for chat completions of an address, with limits on size and time. It waits for a busy server.

It follows no redirect, and reads only a limited number of bytes. It removes the key, and characters that UTF-8 cannot
encode, from all that a server says.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lmworks.data.personal.hidden import hide
from lmworks.engines.rented.address import RentedModelConfig, require_key
from lmworks.engines.rented.confirmed import require_confirmed
from lmworks.engines.rented.secret import Secret
from lmworks.errors import LmworksError, UsageError

if TYPE_CHECKING:
    import httpx

LARGEST_BODY = 4 * 2**20
"""Maximum bytes of one answer: a hundred times the longest that models write."""
MOST_TOKENS = 2**24
"""Maximum number of tokens that a request can read or write. It is larger than any model's."""
SHOWN = 200
"""Maximum number of characters that are shown of a name, and of a server's error message."""
CONNECT_SECONDS = 10.0
LONGEST_WAIT = 600.0
"""Maximum seconds to wait for a busy server. If the server asks for more, the build stops."""
FIRST_WAIT, LONGEST_BACKOFF = 1.0, 30.0
POLL_SECONDS = 0.1
"""Seconds between two checks whether the user wants to stop."""
GRACE_SECONDS = 5.0
"""Seconds that running requests get when the user stops, because they are already paid for."""
TOO_LONG = ("context_length_exceeded", "exceed_context_size_error", "maximum context length", "context size")
"""Words with which OpenAI, lmworks, llama.cpp and vLLM say that a prompt is longer than the model's context."""
BUSY = (408, 409, 425, 429)
ENDINGS = ("length", "content_filter")
"""Endings of answers that are counted separately. All others are whole answers."""

LONGEST_FAULT = 10_000
"""Maximum number of characters of an error message that are searched for the key. Only the first ones are shown."""
_SURROGATE = re.compile("[\ud800-\udfff]")

Body = Mapping[str, Any]


class _Again(Exception):
    """Error of an attempt that can succeed if it is repeated."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True)
class Answered:
    """One answer as the server gave it."""

    text: str
    finish_reason: str
    reported: str
    """Model name in the server's answer. Empty if the answer names none."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    thoughts: str | None = None
    is_beyond: bool = False
    """Whether the prompt is longer than the model reads, so that there is no answer."""


class Client:
    """Sender of requests to one address with one key."""

    def __init__(self, config: RentedModelConfig) -> None:
        self.config = config
        if config.key_variable:
            require_confirmed(config.key_variable, config.address)
        self._key = require_key(config.key_variable, os.environ.get(config.key_variable or ""))
        self._secret = Secret(self._key)
        if self._key and self._secret.is_sought and self._key in config.model_dump_json():
            raise UsageError(
                f"{config.key_variable}: the recipe holds this key in another field of the model, where everyone can "
                "read it. Remove it, and ask the provider for a new key"
            )

    def ask(
        self,
        bodies: Sequence[Body],
        received: Callable[[int, Answered], None],
        check_stop: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda line: None,
        lost: Callable[[int], None] = lambda number: None,
    ) -> None:
        """Send each request. Call `received` with its number and answer, and `lost` before it is repeated.

        Raises LmworksError if a request cannot be answered, and errors of `check_stop`. Running requests then get some
        seconds to end, because they are already paid for.
        """
        asking = partial(asyncio.run, self._ask(bodies, received, check_stop, say, lost))
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asking()
        else:  # in a notebook, whose own loop must not be waited in
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asking).result()

    async def _ask(
        self,
        bodies: Sequence[Body],
        received: Callable[[int, Answered], None],
        check_stop: Callable[[], None],
        say: Callable[[str], None],
        lost: Callable[[int], None],
    ) -> None:
        import httpx

        config = self.config
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        timeout = httpx.Timeout(config.timeout_seconds, connect=min(CONNECT_SECONDS, config.timeout_seconds))
        left = iter(enumerate(bodies))
        is_stopping = False

        async with httpx.AsyncClient(
            headers=headers, timeout=timeout, follow_redirects=False, trust_env=not config.is_here
        ) as http:

            async def work() -> None:
                for number, body in left:
                    received(number, await self._patiently(http, body, say, partial(lost, number)))
                    if is_stopping:
                        return

            workers = [asyncio.create_task(work()) for _ in range(min(config.requests_at_once, len(bodies)))]
            try:
                pending = set(workers)
                while pending:
                    check_stop()
                    done, pending = await asyncio.wait(
                        pending, timeout=POLL_SECONDS, return_when=asyncio.FIRST_EXCEPTION
                    )
                    for each in done:
                        each.result()
            except BaseException:
                is_stopping = True
                with suppress(Exception):
                    await asyncio.wait([each for each in workers if not each.done()], timeout=GRACE_SECONDS)
                raise
            finally:
                for each in workers:
                    each.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _patiently(
        self, http: httpx.AsyncClient, body: Body, say: Callable[[str], None], lost: Callable[[], None]
    ) -> Answered:
        """Repeat a request until it succeeds, or has failed as often as the recipe allows."""
        import httpx

        backoff, why = FIRST_WAIT, ""
        for attempt in range(self.config.attempts):
            try:
                async with asyncio.timeout(self.config.timeout_seconds):
                    return await self._once(http, body)
            except _Again as again:
                why, wait = str(again), again.wait
            except TimeoutError:
                why, wait = f"gave no whole answer in {self.config.timeout_seconds:g} s", None
            except httpx.TransportError as error:
                why, wait = f"cannot be reached, or broke off ({type(error).__name__})", None
            if attempt + 1 == self.config.attempts:
                break
            lost()
            wait = backoff * random.uniform(0.5, 1.0) if wait is None else wait  # noqa: S311 - no secret
            if wait > 2 * LONGEST_BACKOFF or attempt == 0:
                say(f"{self.config.address} {why}: lmworks asks again in {wait:.0f} s")
            await asyncio.sleep(wait)
            backoff = min(2 * backoff, LONGEST_BACKOFF)
        raise LmworksError(
            f"{self.config.address} {why}, {self.config.attempts} times. The answers so far are kept; build again to "
            "continue, or raise `attempts`, lower `requests_at_once` or raise `timeout_seconds`"
        )

    async def _once(self, http: httpx.AsyncClient, body: Body) -> Answered:
        async with http.stream(
            "POST", f"{self.config.address.rstrip('/')}/chat/completions", json=dict(body)
        ) as answer:
            found = bytearray()
            async for chunk in answer.aiter_raw():
                found += chunk
                if len(found) > LARGEST_BODY:
                    raise self._too_long()
        sent = self._unpacked(bytes(found), answer.headers.get("content-encoding", "identity").strip().lower())
        if answer.status_code == 200:
            return self._read(sent)
        return self._failed(answer.status_code, answer.headers, sent)

    def _unpacked(self, body: bytes, coding: str) -> bytes:
        """Return a body uncompressed, even if the server compressed it unasked. Read at most `LARGEST_BODY` bytes."""
        if coding in ("", "identity"):
            return body
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise self._refused(f"sends an answer in the coding {self._safe(coding)!r}, which was not requested")
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        try:
            found = unpacking.decompress(body, LARGEST_BODY)
        except zlib.error:
            raise self._refused(f"sends an answer that is no {coding}, though it says so") from None
        if unpacking.unconsumed_tail:
            raise self._too_long()
        return found

    def _too_long(self) -> LmworksError:
        return self._refused(f"sends more than {LARGEST_BODY / 2**20:.0f} MiB for one answer")

    def _failed(self, status: int, headers: httpx.Headers, body: bytes) -> Answered:
        """Raise the error that a status means. A prompt that is too long gives an answer instead."""
        code, said = _fault(body)
        said = f" ({self._safe(said)})" if said else ""
        if 300 <= status < 400:
            where = self._safe(_host(headers.get("location", "")))
            raise self._refused(
                f"sends elsewhere, to {where} (HTTP {status}). Nothing was sent there. Name the right address"
            )
        if status in (401, 403):
            variable = self.config.key_variable
            held = f"the key in the environment variable {variable}" if variable else "requests without a key"
            mend = "put a valid key there" if variable else "name the variable with the key in `key_variable`"
            raise self._refused(f"refuses {held} (HTTP {status}){said}: {mend}")
        if status in BUSY or status >= 500:
            wait = _retry_after(headers.get("retry-after"))
            if wait is not None and wait > LONGEST_WAIT:
                raise self._refused(f"asks to come back in {wait:,.0f} s (HTTP {status}){said}: build again then")
            raise _Again(f"answers HTTP {status}{said}", wait)
        if status in (400, 413, 422) and any(words in f"{code} {said}".lower() for words in TOO_LONG):
            return Answered("", "length", "", is_beyond=True)
        if status == 404:
            raise self._refused(
                f"has no {self.config.model!r}, or no /chat/completions (HTTP 404){said}: check `model` or `address`, "
                "which usually ends in /v1"
            )
        raise self._refused(f"refuses the request (HTTP {status}){said}: `parameters` and `limit_name` change it")

    def _read(self, body: bytes) -> Answered:
        try:
            found = json.loads(body)
            choice = found["choices"][0]
            message = choice["message"]
            usage = found.get("usage") or {}
            read, written = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
            text, thoughts = message.get("content"), message.get("reasoning_content")
            reported, reason = found.get("model"), choice.get("finish_reason")
            if not all(isinstance(each, str | None) for each in (text, thoughts, reported, reason)):
                raise TypeError("a field of another type")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            kind = "no choices" if isinstance(error, IndexError) else "no answer"
            kind = "no JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else kind
            kind = str(error) if isinstance(error, _Implausible) else kind
            raise self._refused(
                f"answers with {kind} where a chat completion was expected ({len(body):,} bytes). Is it the base URL "
                "of an OpenAI-compatible API?"
            ) from None
        return Answered(
            self._clean(text or ""),
            reason if reason in ENDINGS else "stop",
            _shown(self._clean((reported or "")[:SHOWN])),
            read,
            written,
            None if thoughts is None else self._clean(thoughts),
        )

    def _refused(self, why: str) -> LmworksError:
        return LmworksError(f"{self.config.address} {why}")

    def _clean(self, said: str) -> str:
        """Return a server's text without the key, and without surrogates, which no file can hold."""
        return self._secret.taken_out(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", said))

    def _safe(self, said: str) -> str:
        """Return a server's error message without the key and personal data. It may repeat a prompt."""
        return hide(_shown(self._clean(said[:LONGEST_FAULT])))[:SHOWN]


def _fault(body: bytes) -> tuple[str, str]:
    """Return the code and the message of an error. Both are empty if the body is not in OpenAI's format or similar."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    inner = found.get("error", found) if isinstance(found, dict) else found
    if not isinstance(inner, dict):
        return "", inner if isinstance(inner, str) else ""
    code = " ".join(str(inner[name]) for name in ("code", "type") if inner.get(name))
    return code, str(inner.get("message") or inner.get("detail") or code)


class _Implausible(ValueError):
    """Error for a number of tokens that cannot be right."""


def _count(found: Any) -> int:
    """Return a server's count of tokens. 0 if it does not count them."""
    if found is None:
        return 0
    if not isinstance(found, int | float) or not math.isfinite(found) or found > MOST_TOKENS:
        raise _Implausible("a number of tokens that no model reads or writes")
    return max(0, int(found))


def _shown(said: str) -> str:
    """Return foreign text on one line, without characters that move a terminal's cursor or reverse letters."""
    return " ".join("".join(each if each.isprintable() else " " for each in said).split())


def _host(location: str) -> str:
    """Return the host name in a redirect's location, or words that say what is there instead."""
    with suppress(ValueError):
        return urlsplit(location).hostname or "a path of its own"
    return "what is no address"


def _retry_after(said: str | None) -> float | None:
    """Return the seconds that a server asks to wait, from either of HTTP's two forms (RFC 9110, 10.2.3)."""
    if not said:
        return None
    with suppress(ValueError):
        return max(0.0, float(said)) if float(said) < float("inf") else None
    with suppress(ValueError, TypeError, OverflowError, OSError):
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    return None


def now() -> str:
    """Return the present time in UTC, to the second, as text."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
