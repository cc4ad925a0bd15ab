"""Chats that are answered from passages: what is put before the last question, and what is told of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lmworks.data.forms.turns import Turn
from lmworks.engines.protocol import Engine
from lmworks.engines.request import Piece
from lmworks.errors import LmworksError
from lmworks.knowledge.collection import Collection, Found, Passage
from lmworks.knowledge.prompts import SPARE, fitting, with_passages
from lmworks.knowledge.quoting import quoted
from lmworks.recipe.schema import NOT_FOUND, PASSAGES_SHOWN
from lmworks.serve.errors import ApiError

logger = logging.getLogger("lmworks.serve")
LEAST_ANSWER = 256
"""Tokens that are left for an answer whose request says no number: some paragraphs."""


@dataclass(frozen=True)
class Knowledge:
    """A collection that chats are answered from."""

    collection: Collection
    shown: int = PASSAGES_SHOWN
    """Passages before a question at the most."""
    not_found: str = NOT_FOUND
    """Answer if no passage fits well enough."""

    def prompt(self, engine: Engine, turns: Sequence[Turn], limit: int | None) -> tuple[list[int], Found | None]:
        """Return a chat as the model reads it, with what was found for its last question; None where a user asks none.

        A passage that leaves no room for the answer is left out, and the next is read. Raises `ApiError` 503 where the
        collection was deleted.
        """
        if not turns or turns[-1]["role"] != "user":
            return engine.encode(turns), None
        question = turns[-1]["content"]
        try:
            found = self.collection.search(question, self.shown + SPARE)
        except LmworksError as error:
            logger.error("%s", error)
            message = "the passages that this server answers from were deleted; it must be started again"
            raise ApiError(503, message, code="passages_deleted") from error
        if engine.quotes:
            return [], replace(found, passages=found.passages[: self.shown], scores=found.scores[: self.shown])
        if not found.is_enough:
            return [], found

        def put(some: Sequence[Passage]) -> list[int]:
            return engine.encode([*turns[:-1], {**turns[-1], "content": with_passages(question, some)}])

        def leaves(least: int, some: Sequence[Passage]) -> bool:
            return engine.room(put(some)) >= least

        for least in (limit,) if limit else (LEAST_ANSWER, 1):
            shown = fitting(found, self.shown, partial(leaves, least))
            if shown.passages:
                return put(shown.passages), shown
        return put(found.passages[:1]), found  # which leaves no room: the chat itself is too long

    def told(self, found: Found) -> str:
        """Return what is said without a model: the passages found, or that none fits."""
        return quoted(found.passages) if found.is_enough else self.not_found


def citing(found: Found | None) -> dict[str, Any]:
    """Return an answer's fields about passages: whether some fit, and those shown to the model."""
    return {"found": found.is_enough, "citations": found.citations()} if found else {}


@dataclass(frozen=True)
class Told:
    """A text that is used as the answer so many times."""

    text: str
    number: int

    @property
    def requests(self) -> Sequence[int]:
        return range(self.number)

    async def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        for index in self.requests:
            yield index, Piece(self.text, (), "stop")

    def close(self) -> None:
        """Nothing runs."""
