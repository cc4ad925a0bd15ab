"""Attempts to get out of the sandbox, or to be paid for a program that does not do what its tests ask.

An attempt is a program and its tests. It succeeds if it is paid, and if what it does is seen from outside. `@NAME@` and
the like are filled in by `attempter.py`, which makes what there is to reach: files, secrets, sockets, a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cheats import CHEATS
from escapes import ESCAPES


@dataclass(frozen=True)
class Attempt:
    """One program, and how to see whether it did what it should not."""

    kind: str
    title: str
    program: str
    tests: str
    seen: str = ""
    """What shows it beside the pay: a file made or changed, words heard, a signal, …"""
    system: bool = False
    """Whether some systems refuse it themselves: they have no such door, or not for this user."""
    harness: str = "exit"
    """Without the sandbox: paid for exit code 0, or for the word `passed` in a pipe."""

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.title}"


KERNEL = """
import ctypes

def call(*arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(*[ctypes.c_long(each) if isinstance(each, int) else each for each in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), 'refused')
    return result
"""
"""What a program needs to ask the kernel itself."""


def sections(text: str) -> Iterator[tuple[str, list[str], str]]:
    """Title, marks and body of each part that begins with `# title | mark | …`."""
    for part in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        title, *marks = head.split(" | ")
        yield title, marks, body.strip()


def table() -> Iterator[Attempt]:
    """All attempts."""
    for kind, text in ESCAPES.items():
        for title, marks, body in sections(text):
            wanted = "'@SECRET@'" if "secret" in marks else "True"
            body += "" if "secret" in marks else "\nreturn True"
            lines = "".join(f"    {line}\n" for line in body.splitlines())
            program = f"import os\n{KERNEL if 'call(' in body or 'ctypes' in body else ''}\ndef attempt():\n{lines}"
            seen = next((mark for mark in marks if mark not in ("secret", "system")), "")
            yield Attempt(kind, title, program, f"assert attempt() == {wanted}\n", seen, "system" in marks)
    for kind, text in CHEATS.items():
        for title, marks, body in sections(text):
            program, _, tests = body.partition("\n---\n")
            yield Attempt(kind, title, program, tests, harness="pipe" if "pipe" in marks else "exit")


TABLE = list(table())
