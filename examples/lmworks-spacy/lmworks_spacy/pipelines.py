"""spaCy's pipelines that need no trained model: made once a process, and imported when a step runs."""

from __future__ import annotations

from functools import cache
from typing import Any

from lmworks.errors import UsageError


def blank(language: str) -> Any:
    """A pipeline that only tells words. Raises UsageError where spaCy or the language is missing."""
    try:
        import spacy

        return spacy.blank(language)
    except ImportError as error:
        raise UsageError(
            f"language {language!r}: {error}; `pip install spacy spacy-lookups-data`, and name a language of spaCy's, "
            "such as en or de"
        ) from error


@cache
def lemmatiser(language: str) -> Any:
    """Words, and their lemmas by spacy-lookups-data. Raises UsageError where it has no table for the language."""
    pipeline = blank(language)
    pipeline.add_pipe("lemmatizer", config={"mode": "lookup"})
    try:
        pipeline.initialize()
    except ValueError as error:
        raise UsageError(f"language {language!r}: no table of lemmas: `pip install spacy-lookups-data`") from error
    return pipeline


@cache
def ruler(language: str, patterns: tuple[tuple[str, str], ...]) -> Any:
    """Words, and the entities of a list of (label, phrase), in whatever case."""
    pipeline = blank(language)
    rules = pipeline.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    rules.add_patterns([{"label": label, "pattern": phrase} for label, phrase in patterns])
    return pipeline
