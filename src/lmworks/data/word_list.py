"""Words and phrases that a user does not want, such as a toxicity list. No list comes with lmworks: whom a word hurts
depends on who speaks to whom, and published lists drop the texts of the groups that they name (Dodge et al. 2021,
arXiv 2104.08758)."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Self

from pydantic import Field

from lmworks.errors import UsageError
from lmworks.pipeline.files import digest_file
from lmworks.recipe import StepConfig

_WORD = re.compile(r"\w+")


class WordList(StepConfig):
    """A file of words or phrases, one a line, compared without regard to case; lines that begin with # say nothing."""

    path: Path = Field(description="Absolute, or from the recipe's folder.")
    at_least: int | float = Field(
        default=1, gt=0, description="Occurrences that drop a text; below 1, their share of its words. One is strict."
    )
    fingerprint: str = Field(default="", description="sha256 of the file; set by `resolve`.")
    folder: Path = Field(default=Path(), exclude=True, description="The recipe's folder; set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        """This list with the content of its file. Raises `UsageError` if it names no word."""
        found = self.model_copy(update={"folder": folder})
        try:
            found = found.model_copy(update={"fingerprint": digest_file(folder / self.path)})
            if not found.terms():
                raise UsageError(f"{folder / self.path}: no word found; write one word or phrase a line")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{folder / self.path}: cannot be read as UTF-8 text ({error}); mend `path`") from None
        return found

    def terms(self) -> dict[str, list[tuple[str, ...]]]:
        """Terms as words, by their first word."""
        return _read(self.folder / self.path, self.fingerprint)


@functools.lru_cache(maxsize=8)
def _read(path: Path, fingerprint: str) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        words = () if line.startswith("#") else tuple(_WORD.findall(line.lower()))
        if words:
            found.setdefault(words[0], []).append(words)
    return found


def listed_words(text: str, settings: WordList | None) -> str | None:
    """Whether a text holds listed words or phrases often enough to go."""
    if settings is None:
        return None
    words, terms = _WORD.findall(text.lower()), settings.terms()
    if terms.keys().isdisjoint(words):
        return None
    found = sum(
        any(tuple(words[place : place + len(term)]) == term for term in terms[word])
        for place, word in enumerate(words)
        if word in terms
    )
    least = settings.at_least if settings.at_least >= 1 else settings.at_least * len(words)
    return "word list" if found >= least else None
