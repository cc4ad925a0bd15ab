"""Errors that a user can act on, and the exit code each one means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class LmworksError(Exception):
    """Error with a message that states the fault, its place and a remedy."""

    exit_code = 1


class UsageError(LmworksError):
    """The command line or the recipe is wrong."""

    exit_code = 2


class GateRefused(LmworksError):
    """A gate (licence, quality, safety) refused to go on."""

    exit_code = 3


class BeyondContext(LmworksError):
    """A text is longer than the model reads: what it belongs to is lost, and nothing else."""

    def __init__(self, message: str, tokens: int) -> None:
        super().__init__(message)
        self.tokens = tokens
        """That it takes."""


class Stopped(LmworksError):
    """The user asked to stop; finished work is kept."""

    exit_code = 130


def format_counts(counts: Mapping[str, int]) -> str:
    """Counts as a user reads them, the largest first: `not JSON (3,000), no text (2)`; "" if there are none."""
    return ", ".join(f"{name} ({count:,})" for name, count in Counter(counts).most_common() if count)


@contextmanager
def told(place: Path | str, expected: str) -> Iterator[None]:
    """Turn whatever reading a foreign file raises into an LmworksError of one line that names `place`.

    Libraries raise what they like over what others wrote, Rust's panics among it: no kind of fault stands for all.
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
