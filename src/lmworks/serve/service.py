"""Served models that share one base: a worker thread that decodes all requests together, and the answers for HTTP.

The event loop never computes, and the worker never waits for a client. The loop puts small functions into the worker's
inbox. The worker puts results into each answer's queue.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from lmworks.engines.protocol import Answer, Asked, Engine, Late, Timed, is_last
from lmworks.engines.request import Piece
from lmworks.errors import LmworksError
from lmworks.serve import TIMEOUT_SECONDS
from lmworks.serve.errors import ApiError, failed, late, overloaded, stopping, unread

logger = logging.getLogger("lmworks.serve")
T = TypeVar("T")

STEP_SECONDS = 5.0
"""Maximum seconds after the deadline that a client waits until the current step of the model ends."""
UNREAD_SECONDS = 5.0
"""Seconds after which an answer that its client does not read loses its place, if other requests wait. A client that
reads takes each piece at once, and a line of 10 kB/s empties a full buffer (48 kB) in this time."""

PREPARED_AT_ONCE = 2
"""Maximum number of requests whose prompts are tokenized at once. A megabyte of text takes 100 MB of memory for it."""


class Pieces(Protocol):
    """Protocol of answers whose pieces are sent as they come."""

    @property
    def requests(self) -> Sequence[Any]:
        """Requests, one per answer."""

    def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        """Yield (index of the request, piece) until every request is answered."""

    def close(self) -> None:
        """End the requests that still run."""


class Reply:
    """The pieces of one or more requests as they come. The caller of `submit` must `close` the reply."""

    def __init__(
        self,
        requests: Sequence[Asked],
        model: str,
        close: Callable[[Reply], None],
        others_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        self.requests = requests
        self.model = model
        self._close = close
        self._others_wait = others_wait
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[int, Answer] | ApiError] = asyncio.Queue()
        self._moved = 0.0

    def put(self, item: tuple[int, Answer] | ApiError) -> None:
        """Hand over a request's index and its next piece, or an error that ends all requests. Call from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._keep, item)

    def _keep(self, item: tuple[int, Answer] | ApiError) -> None:
        if self._queue.empty():
            self._moved = time.monotonic()
        self._queue.put_nowait(item)
        if self.unread_seconds() >= UNREAD_SECONDS and self._others_wait():
            self.drop(unread())

    def unread_seconds(self) -> float:
        """Return the seconds since the client took a piece, or 0 if no piece waits. Call in the event loop."""
        return 0.0 if self._queue.empty() else time.monotonic() - self._moved

    def drop(self, error: ApiError) -> None:
        """Drop the waiting pieces, and end with an error. Call in the event loop."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(error)
        self.close()

    async def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        """Yield `answers` to requests that generate text."""
        async for index, piece in self.answers():
            assert isinstance(piece, Piece)  # noqa: S101 - asked for them alone
            yield index, piece

    async def answers(self) -> AsyncIterator[tuple[int, Answer]]:
        """Yield (index of the request, answer) until every request is answered. Raises `ApiError` if one ends it."""
        open_requests = len(self.requests)
        while open_requests:
            left = self._left()
            if left is not None and left <= 0:  # though pieces lie there, which a client takes one by one for ever
                raise late()
            try:
                async with asyncio.timeout(left):
                    item = await self._queue.get()
            except TimeoutError:
                raise late() from None
            self._moved = time.monotonic()
            if isinstance(item, ApiError):
                raise item
            open_requests -= is_last(item[1])
            yield item

    def _left(self) -> float | None:
        due = [each.deadline for each in self.requests if each.deadline is not None]
        return max(due) + STEP_SECONDS - time.monotonic() if due else None

    def close(self) -> None:
        """End the requests that still run, and free their places."""
        self._close(self)


def is_late(answer: Answer) -> bool:
    """Return whether an answer reports that the time limit has passed."""
    return isinstance(answer, Late) or (isinstance(answer, Piece) and answer.finish_reason == "timeout")


class Service:
    """Named models, with one worker thread and a limited number of places for requests."""

    def __init__(
        self,
        engine: Engine,
        models: Sequence[str],
        *,
        rows: int = 16,
        waiting: int = 64,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.engine = engine
        self.timed_out = 0
        """Number of requests that were not answered in time."""
        self._timeout_seconds = timeout_seconds
        self.models = models
        self.created = int(time.time())
        self.capacity = rows + waiting
        """Maximum number of requests. `rows` of them are decoded together, and the others wait."""
        self._rows = rows
        self._answers: set[Reply] = set()  # this and the next two: touched by the event loop only
        self._prepared = 0
        self._preparing = asyncio.Semaphore(PREPARED_AT_ONCE)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._batch: Timed | None = Timed(engine.batch(rows))  # this and the next two: touched by the worker only
        self._owners: dict[Any, tuple[Reply, int]] = {}
        self._stopped = False
        self._busy_since: float | None = None
        self._worker = threading.Thread(target=self._work, name="lmworks-engine", daemon=True)
        self._accepts = False

    def start(self) -> None:
        self._worker.start()
        self._accepts = True

    @property
    def alive(self) -> bool:
        """Whether the worker runs and is not stuck. It is stuck if a step takes longer than a request's time limit."""
        since = self._busy_since
        stuck = since is not None and time.monotonic() - since > self._timeout_seconds + STEP_SECONDS
        return self._stopped or (self._worker.is_alive() and not stuck)

    @property
    def ready(self) -> bool:
        """Whether the service accepts and answers requests."""
        return self._accepts and self.alive

    def deadline(self, seconds: float | None) -> float:
        """Return the deadline of a new request with this time limit, or the server's limit if that is shorter."""
        return time.monotonic() + min(seconds or self._timeout_seconds, self._timeout_seconds)

    def _require_places(self, number: int) -> None:
        if not self._accepts:
            raise stopping()
        if not self.alive:
            logger.error("the engine hangs: stop this server and start it again")
            raise failed()
        missing = self._taken() + number - self.capacity
        if missing <= 0:
            return
        unread_ones = [answer for answer in self._answers if answer.unread_seconds() >= UNREAD_SECONDS]
        if missing > sum(len(answer.requests) for answer in unread_ones):
            raise overloaded()
        for answer in sorted(unread_ones, key=Reply.unread_seconds, reverse=True):
            if missing > 0:
                missing -= len(answer.requests)
                answer.drop(unread())

    def _taken(self) -> int:
        return sum(len(answer.requests) for answer in self._answers) + self._prepared

    async def prepare(self, number: int, made: Callable[[], T]) -> T:
        """Run `made` in a thread for the prompts of `number` requests. Meanwhile it holds their places.

        Only a few run at once. Raises `ApiError` 503 if there are not enough places.
        """
        self._require_places(number)
        self._prepared += number
        try:
            async with self._preparing:
                return await asyncio.to_thread(made)
        finally:
            self._prepared -= number

    def submit(self, requests: Sequence[Asked], model: str) -> Reply:
        """Accept all of the requests for a model, or raise `ApiError` 503 if there are not enough places."""
        self._require_places(len(requests))
        answer = Reply(requests, model, self._close, lambda: self._taken() > self._rows)
        self._answers.add(answer)
        self._inbox.put(lambda: self._begin(answer))
        return answer

    def abort(self) -> None:
        """End every answer with an error, and accept no further requests. Call from any thread."""
        self._accepts = False
        for answer in tuple(self._answers):
            answer.put(stopping())

    def stop(self) -> None:
        """End the worker, and wait for it unless it is stuck."""
        self.abort()
        self._inbox.put(self._halt)
        self._worker.join(None if self.alive else 0)

    def _close(self, answer: Reply) -> None:
        self._answers.discard(answer)
        self._inbox.put(lambda: self._end(answer))

    # ------------------------------------------------------------ in the worker

    def _work(self) -> None:
        try:
            while not self._stopped:
                try:
                    self._turn()
                except BaseException:  # Rust's panics are no Exception, and the next request must be answered
                    logger.exception("decoding failed; the requests that were running get an error")
                    self._fail()
                self._busy_since = None
        finally:  # however it ends, nobody may wait for a worker that is gone
            self._accepts = False
            for answer in tuple(self._answers):
                answer.put(failed())

    def _turn(self) -> None:
        """Do one step of the batch, or run one function of the inbox."""
        if self._batch and self._batch.busy and self._inbox.empty():
            self._busy_since = time.monotonic()
            self._step(self._batch)
        else:
            work = self._inbox.get()
            self._busy_since = time.monotonic()
            work()

    def _halt(self) -> None:
        self._stopped = True

    def _begin(self, answer: Reply) -> None:
        try:
            if self._batch is None:
                self._batch = Timed(self.engine.batch(self._rows))
            for index, asked in enumerate(answer.requests):
                self._owners[self._batch.add(asked, answer.model)] = (answer, index)
        except BaseException as error:  # a request that cannot be added ends itself, not the others
            if not isinstance(error, LmworksError):
                logger.exception("a request could not be added; it gets an error")
            answer.put(ApiError(400, str(error)) if isinstance(error, LmworksError) else failed())
            self._end(answer)

    def _end(self, answer: Reply) -> None:
        for request in [request for request, (owner, _) in self._owners.items() if owner is answer]:
            del self._owners[request]
            if self._batch:
                self._batch.remove(request)

    def _step(self, batch: Timed) -> None:
        for request, piece in batch.step():
            if request not in self._owners:  # its `add` failed when it was in the batch already
                batch.remove(request)
                continue
            answer, index = self._owners.pop(request) if is_last(piece) else self._owners[request]
            if is_late(piece):
                self.timed_out += 1
                logger.warning("a request was not answered in time; %d since the start", self.timed_out)
            answer.put((index, piece))

    def _fail(self) -> None:
        """End all running requests with an error. The next request gets a new batch, as this one may be damaged."""
        owners, self._owners, self._batch = self._owners, {}, None
        for answer in {answer for answer, _ in owners.values()}:
            answer.put(failed())
