"""Chats that are answered from passages: prompts with passages, and answers about the passages found."""

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
"""Number of tokens kept free for an answer if the request sets no limit: some paragraphs."""


@dataclass(frozen=True)
class Knowledge:
    """A collection of passages from which chats are answered."""

    collection: Collection
    shown: int = PASSAGES_SHOWN
    """Maximum number of passages put before a question."""
    not_found: str = NOT_FOUND
    """Answer if no passage fits well enough."""

    def prompt(self, engine: Engine, turns: Sequence[Turn], limit: int | None) -> tuple[list[int], Found | None]:
        """Return the prompt of a chat, and the passages found for its last turn (None if this is not a user's turn).

        A passage that leaves no room for the answer is left out, and the next one is tried. Raises `ApiError` 503 if
        the collection was deleted.
        """
        if not turns or turns[-1]["role"] != "user":
            return engine.encode(turns), None
        question = turns[-1]["content"]
        try:
            found = self.collection.search(question, self.shown + SPARE)
        except LmworksError as error:
            logger.error("%s", error)
            message = "the passages from which this server answers were deleted. Start the server again"
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
        """Return an answer without a model: quotes of the passages found, or the text for "not found"."""
        return quoted(found.passages) if found.is_enough else self.not_found


def citing(found: Found | None) -> dict[str, Any]:
    """Return an answer's fields about passages: whether some fit, and those shown to the model."""
    return {"found": found.is_enough, "citations": found.citations()} if found else {}


@dataclass(frozen=True)
class Told:
    """A fixed text that is sent as the answer, `number` times."""

    text: str
    number: int

    @property
    def requests(self) -> Sequence[int]:
        return range(self.number)

    async def pieces(self) -> AsyncIterator[tuple[int, Piece]]:
        for index in self.requests:
            yield index, Piece(self.text, (), "stop")

    def close(self) -> None:
        """Do nothing, since nothing is running."""
