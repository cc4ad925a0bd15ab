"""Make every attempt of `attempts.py`, as a user, and print which are paid and what was seen of them.

    attempter.py USER without|within|within-namespaces FOLDER

`without` the sandbox, a program and its tests are one file that Python runs; `within`, they are an answer to
`unit-tests`; `within-namespaces`, so on a kernel without Landlock. FOLDER is empty, and USER's. Root becomes USER.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import pty
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import tty
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attempts import TABLE, Attempt
from kernels import LANDLOCK, lack

signals: set[int] = set()
CONTENT = "as it was"


class World:
    """What there is to reach, and what shows that it was reached."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = os.environ["LMWORKS_SECRET"]
        self.token = uuid.uuid4().hex
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1 & 2**64 - 1), 0, 0, 0)  # where only parents may look
        self.held = ctypes.create_string_buffer(self.secret.encode())
        (folder / "secret").write_text(self.secret)
        (folder / "link").symlink_to(folder / "secret")
        self.opened = os.open(folder / "secret", os.O_RDONLY)
        os.set_inheritable(self.opened, True)
        self.lines = [socket.socket(*kind) for kind in ((2, 1), (2, 2), (1, 2), (1, 2))]
        for line, place in zip(self.lines, self.places(), strict=True):
            line.bind(place)
        self.lines[0].listen(16)
        self.master, self.terminal = pty.openpty()
        os.setsid()
        fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0)
        tty.setraw(self.terminal)
        os.dup2(self.terminal, 0)
        for each in (10, 12, 29, 37):
            signal.signal(each, lambda number, _: signals.add(number))
        resource.setrlimit(resource.RLIMIT_CORE, (1, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    def places(self) -> list[object]:
        return [("127.0.0.1", 0), ("127.0.0.1", 0), str(self.folder / "socket"), f"\0{self.token}"]

    def filled(self, attempt: Attempt, number: int) -> tuple[str, str]:
        """Its program and tests."""
        kept = self.folder / f"kept-{number}"
        kept.write_text(CONTENT)
        names: dict[str, object] = {
            **{"NAME": f"-{number}-", "KEPT": kept, "MADE": self.folder / f"made-{number}", "FOLDER": self.folder},
            **{"PARENT": os.getpid(), "ADDRESS": ctypes.addressof(self.held), "LENGTH": len(self.secret)},
            **{"OPENED": self.opened, "TCP": self.lines[0].getsockname()[1], "UDP": self.lines[1].getsockname()[1]},
            "TOKEN": self.token,
        }
        program, tests = attempt.program, attempt.tests.replace("@SECRET@", self.secret)
        for name, value in names.items():
            program = program.replace(f"@{name}@", str(value))
        return program, tests

    def look(self) -> None:
        """Once, when all was tried."""
        self.typed, self.shown = (_read_all(each) for each in (self.terminal, self.master))
        (rows,) = struct.unpack("H6x", fcntl.ioctl(self.terminal, termios.TIOCGWINSZ, bytes(8)))
        self.rows, self.heard = rows, b""
        while select.select(self.lines, [], [], 0.2)[0]:
            for line in select.select(self.lines, [], [], 0)[0]:
                source = line.accept()[0] if line is self.lines[0] else line
                self.heard += source.recv(1 << 10)

    def seen(self, attempt: Attempt, number: int) -> bool:
        """Whether an attempt did what it is about."""
        kind, _, what = attempt.seen.partition(" ")
        kept = self.folder / f"kept-{number}"
        name = f"-{number}-".encode()
        match kind:
            case "made":
                return os.path.lexists(self.folder / f"made-{number}")
            case "changed":
                return not kept.exists() or not kept.stat().st_mode & 0o400 or kept.read_text() != CONTENT
            case "typed":
                return what.encode() in self.typed
            case "shown":
                return name in self.shown
            case "heard":
                return name in self.heard
            case "resized":
                return self.rows == 77
            case "signal":
                return int(what) in signals
            case "limited":
                return resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
            case "later":
                return os.getpriority(os.PRIO_PROCESS, 0) == 19
        raise ValueError(attempt.seen)


def _read_all(file: int) -> bytes:
    found = b""
    while select.select([file], [], [], 0.1)[0]:
        found += os.read(file, 1 << 12)
    return found


def without(attempt: Attempt, program: str, tests: str, folder: Path) -> tuple[bool, str]:
    """Whether a harness that trusts programs pays, and what the program said last."""
    folder.mkdir()
    path = folder / "program.py"
    end = "" if attempt.harness == "exit" else "\nimport os\nos.write(RESULT, b'passed')\n"
    path.write_text(f"{program}\n\n{tests}{end}")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    path.write_text(path.read_text().replace("RESULT", str(writer)))
    ended = subprocess.run(
        [sys.executable, "-S", "-B", str(path)],
        cwd=folder,
        close_fds=False,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    os.close(writer)
    said = os.read(reader, 1 << 10)
    os.close(reader)
    paid = ended.returncode == 0 if attempt.harness == "exit" else b"passed" in said
    return paid, ended.stderr.decode()[-300:].strip()


def within(answers: list[tuple[str, str]]) -> list[tuple[bool, str]]:
    """Whether `unit-tests` pays, and why not."""
    from lmworks.rewards import Answer, unit_tests
    from lmworks.sandbox.run import Sandbox, Verdict

    class Told(Sandbox):
        def verdicts(self, answers: Sequence[tuple[str, str]]) -> list[Verdict]:
            verdicts.extend(found := super().verdicts(answers))
            return found

    verdicts: list[Verdict] = []
    unit_tests.WALL_TIMES, unit_tests.Sandbox = 2, Told
    reward = unit_tests.UnitTestsReward(seconds=1, megabytes=64)
    controls = [Answer("def add(a, b):\n    return a + b", "assert add(2, 3) == 5", ended=True)] * 2
    scores = reward.scores(
        [controls[0], *(Answer(program, tests, ended=True) for program, tests in answers), controls[1]]
    )
    assert scores[0] == scores[-1] == 1, "an honest program is not paid"
    said = [f"{each.kind}: {each.reason}" for each in verdicts]
    return [(score != 0, words) for score, words in zip(scores[1:-1], said[1:-1], strict=True)]


def become(user: int) -> None:
    """Give up being root, but for the one capability to reach Python where it stands in root's home."""
    libc = ctypes.CDLL(None)
    os.setgroups([])
    os.setresgid(user, user, user)
    libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setresuid(user, user, user)
    if not os.access(sys.executable, os.X_OK):
        every = (1 << 1).to_bytes(4, "little")  # CAP_DAC_OVERRIDE
        libc.capset((0x20080522).to_bytes(4, "little") + bytes(4), every * 3 + bytes(12))
        libc.prctl(47, 2, 1, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE


def main() -> None:
    user, mode, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    if os.getuid() != user:
        become(user)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    world = World(folder)
    answers = [world.filled(attempt, number) for number, attempt in enumerate(TABLE)]
    if mode == "without":
        folders = [folder / f"run-{number}" for number in range(len(TABLE))]
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(without, TABLE, *zip(*answers, strict=True), folders))
    else:
        if mode == "within-namespaces":
            lack(LANDLOCK)
        found = within(answers)
    world.look()
    results = {
        attempt.name: {"paid": paid, "seen": bool(attempt.seen) and world.seen(attempt, number), "said": said}
        for number, (attempt, (paid, said)) in enumerate(zip(TABLE, found, strict=True))
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
