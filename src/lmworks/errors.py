"""Errors that a user can act on, and the exit code each one means."""

from __future__ import annotations


class LmworksError(Exception):
    """Something failed; the message says what, where, and how to mend it."""

    exit_code = 1


class UsageError(LmworksError):
    """The command line or the recipe is wrong."""

    exit_code = 2


class GateRefused(LmworksError):
    """A gate (licence, quality, safety) refused to go on."""

    exit_code = 3


class Stopped(LmworksError):
    """The user asked to stop; finished work is kept."""

    exit_code = 130
