"""Chats that are answered from passages: what is put before the last question, and what is told of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lmworks.data.forms.turns import Turn
from lmworks.engines.protocol import Engine
from lmworks.engines.request import Piece
from lmworks.errors import LmworksError
from lmworks.knowledge.collection import Collection, Found
from lmworks.knowledge.prompts import that_fit, with_passages
from lmworks.serve.errors import ApiError

logger = logging.getLogger("lmworks.serve")
LEAST_ANSWER = 256
"""Tokens that are left for an answer whose request says no number: some paragraphs."""


@dataclass(frozen=True)
class Knowledge:
    """A collection that chats are answered from."""

    collection: Collection
    shown: int
    """Passages before a question at the most."""
    not_found: str
    """What is said where no passage fits well enough."""

    def prompt(self, engine: Engine, turns: Sequence[Turn], limit: int | None) -> tuple[list[int], Found | None]:
        """A chat as the model reads it, with what was found for its last question; None where a user asks none.

        Of passages that leave no room for the answer the last ones are left out. Raises `ApiError` 503 where the
        collection was deleted.
        """
        if not turns or turns[-1]["role"] != "user":
            return engine.encode(turns), None
        question = turns[-1]["content"]
        try:
            found = self.collection.search(question, self.shown)
        except LmworksError as error:
            logger.error("%s", error)
            message = "the passages that this server answers from were deleted; it must be started again"
            raise ApiError(503, message, code="passages_deleted") from error
        if not found.is_enough:
            return [], found
        for some in that_fit(found.passages):
            shown = replace(found, passages=some, scores=found.scores[: len(some)])
            ids = engine.encode([*turns[:-1], {**turns[-1], "content": with_passages(question, shown.passages)}])
            if engine.room(ids) >= (limit or LEAST_ANSWER):
                break
        return ids, shown


def citing(found: Found | None, *, is_found: bool = True) -> dict[str, Any]:
    """What an answer says of passages: whether there are such, and each that was before the model; nothing without."""
    if found is None and is_found:
        return {}
    return {"found": is_found, "citations": found.citations() if found else []}


@dataclass(frozen=True)
class Told:
    """A text that stands in place of so many answers."""

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
