"""Errors that a user can act on, each with its exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class LmworksError(Exception):
    """Error with a message that states the fault, its place and a remedy."""

    exit_code = 1


class UsageError(LmworksError):
    """Error in the command line or the recipe."""

    exit_code = 2


class GateRefused(LmworksError):
    """Error of a gate (licence, quality, safety) that stopped the work."""

    exit_code = 3


class BeyondContext(LmworksError):
    """Error for a text that is longer than the model's context. Only the item with this text is lost."""

    def __init__(self, message: str, tokens: int) -> None:
        super().__init__(message)
        self.tokens = tokens
        """Number of tokens of the text."""


class Stopped(LmworksError):
    """Error that ends the work when the user asks to stop. Finished work is kept."""

    exit_code = 130


def format_counts(counts: Mapping[str, int]) -> str:
    """Return counts in words, the largest first: `not JSON (3,000), no text (2)`. Return "" if there are none."""
    return ", ".join(f"{name} ({count:,})" for name, count in Counter(counts).most_common() if count)


@contextmanager
def told(place: Path | str, expected: str) -> Iterator[None]:
    """Turn any error in reading a foreign file into an LmworksError of one line that names `place`.

    Libraries raise many types of errors for such files, even panics of Rust code, which are no `Exception`.
    """
    try:
        yield
    except (LmworksError, ModuleNotFoundError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        missing = isinstance(error, KeyError) and error.args
        what = f"{error.args[0]!r} is missing" if missing else str(error) or type(error).__name__
        raise LmworksError(f"{place}: {' '.join(what.split())[:300]}; expected {expected}") from error
