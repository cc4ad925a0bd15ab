"""Models being served on one base: a worker thread that decodes all requests together, and the answers for HTTP.

The event loop never computes and the worker never waits for a client. What the loop asks of the worker goes through one
inbox of small functions; what the worker finds out comes back through each answer's queue.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol, TypeVar

from lmworks.engines.protocol import Answer, Asked, Engine, Late, Timed, is_last
from lmworks.engines.request import Piece
from lmworks.errors import LmworksError
from lmworks.serve import TIMEOUT_SECONDS
from lmworks.serve.errors import ApiError, failed, late, overloaded, stopping

logger = logging.getLogger("lmworks.serve")
T = TypeVar("T")

STEP_SECONDS = 5.0
"""Beyond its deadline, a client waits so long at the most for the end of the step in which that fell."""

PREPARED_AT_ONCE = 2
"""Requests whose prompts are made into tokens together: a megabyte of text takes a hundred of memory meanwhile."""


class Pieces(Protocol):
    """Answers to be written, as they come."""

    @property
    def requests(self) -> Sequence[Any]:
        """One an answer."""

    def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        """(index of the request, piece), until every request is answered."""

    def close(self) -> None:
        """End what still runs."""


class Reply:
    """The pieces of one or several requests as they come. Whoever submitted them must `close` it."""

    def __init__(self, requests: Sequence[Asked], model: str, close: Callable[[Reply], None]) -> None:
        self.requests = requests
        self.model = model
        self._close = close
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[int, Answer] | ApiError] = asyncio.Queue()

    def put(self, item: tuple[int, Answer] | ApiError) -> None:
        """Hand over a request's index and its next piece, or the error that ends them all; from any thread."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        """`answers` of what was asked to be written."""
        async for index, piece in self.answers():
            assert isinstance(piece, Piece)  # noqa: S101 - asked for them alone
            yield index, piece

    async def answers(self) -> AsyncIterator[tuple[int, Answer]]:
        """(index of the request, answer), until every request is answered. Raises the `ApiError` that ended it."""
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
            if isinstance(item, ApiError):
                raise item
            open_requests -= is_last(item[1])
            yield item

    def _left(self) -> float | None:
        due = [each.deadline for each in self.requests if each.deadline is not None]
        return max(due) + STEP_SECONDS - time.monotonic() if due else None

    def close(self) -> None:
        """Free the places; what still runs is ended."""
        self._close(self)


def is_late(answer: Answer) -> bool:
    """Whether it says that the time was over."""
    return isinstance(answer, Late) or (isinstance(answer, Piece) and answer.finish_reason == "timeout")


class Service:
    """Models by their names, a worker and a bounded number of places."""

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
        """Requests that were not answered in time."""
        self._timeout_seconds = timeout_seconds
        self.models = models
        self.created = int(time.time())
        self.capacity = rows + waiting
        """Requests inside at once: `rows` of them are decoded together, the others wait."""
        self._rows = rows
        self._answers: set[Reply] = set()  # this and the next two: touched by the event loop only
        self._prepared = 0
        self._preparing = asyncio.Semaphore(PREPARED_AT_ONCE)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._batch = Timed(engine.batch(rows))  # this and the next two: touched by the worker only
        self._owners: dict[Any, tuple[Reply, int]] = {}
        self._stopped = False
        self._worker = threading.Thread(target=self._work, name="lmworks-engine", daemon=True)
        self.ready = False

    def start(self) -> None:
        self._worker.start()
        self.ready = True

    def deadline(self, seconds: float | None) -> float:
        """Of a request that comes now and may take so many seconds, or as many as this server gives."""
        return time.monotonic() + min(seconds or self._timeout_seconds, self._timeout_seconds)

    def _require_places(self, number: int) -> None:
        if not self.ready:
            raise stopping()
        if sum(len(answer.requests) for answer in self._answers) + self._prepared + number > self.capacity:
            raise overloaded()

    async def prepare(self, number: int, made: Callable[[], T]) -> T:
        """What `made` makes of the prompts of so many requests, in a thread, a few at once; meanwhile they have places.

        Raises `ApiError` 503 when there are none.
        """
        self._require_places(number)
        self._prepared += number
        try:
            async with self._preparing:
                return await asyncio.to_thread(made)
        finally:
            self._prepared -= number

    def submit(self, requests: Sequence[Asked], model: str) -> Reply:
        """Take requests for a model, all or none. Raises `ApiError` 503 when there is no place."""
        self._require_places(len(requests))
        answer = Reply(requests, model, self._close)
        self._answers.add(answer)
        self._inbox.put(lambda: self._begin(answer))
        return answer

    def abort(self) -> None:
        """End every answer with an error; no further ones are taken. From any thread."""
        self.ready = False
        for answer in tuple(self._answers):
            answer.put(stopping())

    def stop(self) -> None:
        """End the worker, and wait for it."""
        self.abort()
        self._inbox.put(self._halt)
        self._worker.join()

    def _close(self, answer: Reply) -> None:
        self._answers.discard(answer)
        self._inbox.put(lambda: self._end(answer))

    # ------------------------------------------------------------ in the worker

    def _work(self) -> None:
        try:
            while not self._stopped:
                if self._batch.busy and self._inbox.empty():
                    self._step()
                else:
                    self._inbox.get()()
        finally:  # however it ends, nobody may wait for a worker that is gone
            self.ready = False
            self._fail()

    def _halt(self) -> None:
        self._stopped = True

    def _begin(self, answer: Reply) -> None:
        try:
            for index, asked in enumerate(answer.requests):
                self._owners[self._batch.add(asked, answer.model)] = (answer, index)
        except LmworksError as error:  # one request that cannot be answered ends itself, not the worker
            self._end(answer)
            answer.put(ApiError(400, str(error)))

    def _end(self, answer: Reply) -> None:
        for request in [request for request, (owner, _) in self._owners.items() if owner is answer]:
            self._batch.remove(request)
            del self._owners[request]

    def _step(self) -> None:
        try:
            pieces = self._batch.step()
        except Exception:
            logger.exception("decoding failed; the requests that were running get an error")
            self._fail()
            self._batch = Timed(self.engine.batch(self._rows))
            return
        for request, piece in pieces:
            answer, index = self._owners.pop(request) if is_last(piece) else self._owners[request]
            if is_late(piece):
                self.timed_out += 1
                logger.warning("a request was not answered in time; %d since the start", self.timed_out)
            answer.put((index, piece))

    def _fail(self) -> None:
        for answer in {answer for answer, _ in self._owners.values()}:
            answer.put(failed())
        self._owners.clear()
