"""Walls around a process that runs untrusted code, on Linux on x86_64.

There are four: a list of system calls (seccomp), no files (Landlock, or namespaces with an empty root), limits of
processor time, memory, files and processes, and no capabilities, so that root has no privileges. Files that a process
opened before it was confined stay open: callers close what a program must not have.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import socket
import struct
from collections.abc import Callable
from pathlib import Path

X86_64 = 0xC000003E
"""Kernel's number of the 64-bit architecture. 32-bit calls have another one. x32 calls have bit 30 in their number."""
ALLOWED = (
    *(0, 1, 3, 5, 8, 11, 12, 25),  # read, write, close, fstat, lseek, munmap, brk, mremap
    *(7, 23, 270, 271),  # poll, select, pselect6, ppoll: of what is open
    *(13, 14, 15, 131),  # rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack: signals of its own
    *(24, 35, 96, 98, 100, 201, 202, 228, 229, 230),  # sched_yield, nanosleep, times, clocks, futex
    *(39, 102, 104, 107, 108, 186),  # getpid, getuid, getgid, geteuid, getegid, gettid
    *(60, 231, 318),  # exit, exit_group, getrandom
)
"""Numbers of system calls. None opens, names or makes anything outside of the process."""
MAPPING, EXECUTABLE = (9, 10), 0x4
"""mmap and mprotect. They are allowed except for executable memory (PROT_EXEC), so that no new machine code runs."""
TO_FORK = (
    *(33, 56, 57, 61, 62, 293),  # dup2, clone, fork, wait4, kill, pipe2
    *(72, 110, 157, 160, 273, 302, 317, 334, 436, 444, 446),  # and what a child is confined with
)
"""Numbers of further system calls that our own process needs to fork programs."""
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
"""Verdicts of a filter: do the call, raise PermissionError, end the process (SECCOMP_RET_*)."""
LOAD, EQUALS, HAS, RETURN = 0x20, 0x15, 0x45, 0x06
"""Instructions of Berkeley's packet filter."""
NUMBER, ARCHITECTURE, THIRD_ARGUMENT = 0, 4, 32
"""Offsets in `struct seccomp_data`. Of the argument only its lower half, which has all flags."""

PARENT_DEATH_SIGNAL, SECCOMP, FILTER, NO_NEW_PRIVILEGES = 1, 22, 2, 38
KILLED = 9
CREATE_RULESET, RESTRICT_SELF = 444, 446
FILES, PORTS, SCOPES = (0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF), 0x3, 0x3
"""Accesses that Landlock can refuse: to files by its versions from 1 to 5, to TCP from 4, to abstract sockets and
signals from 6."""
NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""Namespaces of users, mounts, processes, network, System V objects and host names (CLONE_NEW*)."""
PRIVATE, LOCKED = 0x40000 | 0x4000, 0x1 | 0x2 | 0x4 | 0x8
"""Flags of mounts: private to the namespace and recursive, or read-only without set-user-id, devices and programs."""
HERE = str(Path(__file__).parent)

_libc = ctypes.CDLL(None, use_errno=True)


class CannotConfine(Exception):
    """Error for a system that lacks a wall. The message says which."""


def instructions(more: tuple[int, ...] = ()) -> bytes:
    """Return the filter of system calls, with `more` allowed: instructions of (code, skipped if so, if not, value)."""
    program = [(LOAD, 0, 0, ARCHITECTURE), (EQUALS, 1, 0, X86_64), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    for number in (*ALLOWED, *more):
        program += [(EQUALS, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    for number in MAPPING:
        program += [(EQUALS, 0, 4, number), (LOAD, 0, 0, THIRD_ARGUMENT), (HAS, 1, 0, EXECUTABLE)]
        program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("HBBI", *each) for each in [*program, (RETURN, 0, 0, REFUSE)])


PROGRAM = instructions()
PARENT_PROGRAM = instructions(TO_FORK)


def prepare() -> None:
    """Give up every capability, and the system's root if Landlock is missing. Call it once, before confined processes
    are forked. Without Landlock the caller continues as a child of itself, in namespaces of its own.

    Raises CannotConfine.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise CannotConfine(f"{platform.system()} on {platform.machine()} is not supported: use Linux on x86_64")
    if not landlock_version():
        enter_namespaces()
    _must("capset", _libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24)))
    _must("prctl(PR_SET_NO_NEW_PRIVS)", _libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))


def confine(seconds: int | None, memory: int) -> None:
    """Limit this process for good to `memory` bytes, including what it has, and to `seconds` of processor time. None
    keeps the present limit of time.

    Raises CannotConfine.
    """
    end_with_parent()
    if version := landlock_version():
        restrict_by_landlock(version)
    none = resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_NOFILE: 5}
    limits |= {} if seconds is None else {resource.RLIMIT_CPU: seconds}
    for limit, value in {**dict.fromkeys(none, 0), **limits}.items():
        resource.setrlimit(limit, (value, value))
    _filter(PROGRAM)


def confine_parent(memory: int) -> None:
    """Limit this process for good to `memory` bytes, and to forking processes that `confine` themselves.

    Raises CannotConfine.
    """
    end_with_parent()
    if version := landlock_version():
        restrict_by_landlock(version)
    for limit, value in {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: memory}.items():
        resource.setrlimit(limit, (value, value))
    _filter(PARENT_PROGRAM)


def end_with_parent() -> None:
    """Have this process killed when the process that forked it ends. Raises CannotConfine."""
    _must("prctl(PR_SET_PDEATHSIG)", _libc.prctl(PARENT_DEATH_SIGNAL, KILLED, 0, 0, 0))


def _filter(instructions: bytes) -> None:
    content = ctypes.create_string_buffer(instructions)
    program = struct.pack("HxxxxxxP", (len(content) - 1) // 8, ctypes.addressof(content))
    _must("prctl(PR_SET_SECCOMP)", _libc.prctl(SECCOMP, FILTER, ctypes.c_char_p(program), 0, 0))


def holes() -> list[str]:
    """Return what this process can still do in spite of its walls. A kernel can claim walls that it did not build."""
    deeds: dict[str, Callable[[], object]] = {
        "open a file": lambda: os.open("/", os.O_RDONLY),
        "open a socket": socket.socket,
        "start a process": lambda: os.fork() or os._exit(0),
        "signal another": lambda: os.kill(os.getppid(), 0),
    }
    found = []
    for name, deed in deeds.items():
        try:
            deed()
        except PermissionError:
            continue
        except OSError:  # such as of a limit, which is no wall
            pass
        found.append(name)
    return found


def landlock_version() -> int:
    """Return the version of Landlock, 0 if the kernel has none or was started without it."""
    return max(0, int(_libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)))


def restrict_by_landlock(version: int) -> None:
    """Refuse this process, for good, all accesses that a version of Landlock can refuse. Raises CannotConfine."""
    refused = (FILES[min(version, len(FILES)) - 1], PORTS, SCOPES)[: 1 if version < 4 else 2 if version < 6 else 3]
    attributes = struct.pack(f"{len(refused)}Q", *refused)
    size = ctypes.c_size_t(len(attributes))
    rules = _must("landlock_create_ruleset", _libc.syscall(CREATE_RULESET, attributes, size, 0))
    _must("landlock_restrict_self", _libc.syscall(RESTRICT_SELF, rules, 0))
    os.close(rules)


def enter_namespaces() -> None:
    """Continue as the first process of new namespaces that contain only an empty folder."""
    ids = os.getuid(), os.getgid()
    _must("unshare", _libc.unshare(NAMESPACES), "the kernel has no Landlock (Linux 5.13), and refuses namespaces")
    Path("/proc/self/setgroups").write_text("deny")
    for name, number in zip(("uid_map", "gid_map"), ids, strict=True):
        Path("/proc/self", name).write_text(f"{number} {number} 1")
    _must("mount", _libc.mount(None, b"/", None, PRIVATE, None))
    _must("mount", _libc.mount(b"none", HERE.encode(), b"tmpfs", LOCKED, b"size=4k"))
    os.chdir(HERE)
    os.chroot(".")
    if child := os.fork():
        os.waitpid(child, 0)
        os._exit(0)
    end_with_parent()


def _must(call: str, result: int, reason: str = "") -> int:
    if result < 0:
        raise CannotConfine(f"{reason or 'the kernel refuses'}: {call}: {os.strerror(ctypes.get_errno())}")
    return result
