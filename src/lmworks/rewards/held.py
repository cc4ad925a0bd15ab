"""Run a Python file that may do no harm: `held.py SECONDS BYTES PRINTED_BYTES FILE`, on Linux and x86_64.

The kernel holds it: to processor time and memory, and to the system calls below (seccomp, a list of what is allowed).
It can compute, read files and print; it cannot write a file, start a process or thread, signal another, or reach a
network. This file imports nothing of lmworks: it runs without its packages.
"""

import ctypes
import platform
import resource
import runpy
import struct
import sys

NOT_HELD = 97
"""The exit code of a system that cannot hold programs."""
ALLOWED = (
    *(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),  # read, write, close, stat, fstat, lstat, poll, lseek, mmap, …, brk
    *(13, 14, 15, 16, 17, 19, 20, 21, 24, 25, 28, 32, 33, 35),  # signals of its own, ioctl, pread, …, dup2, nanosleep
    *(39, 60, 63, 72, 78, 79, 89, 96, 97, 98, 99, 100),  # getpid, exit, uname, fcntl, …, times
    *(102, 104, 107, 108, 131, 158, 186, 201, 202, 204),  # ids, sigaltstack, arch_prctl, gettid, time, futex, …
    *(217, 218, 228, 229, 230, 231, 262, 267, 269, 273),  # getdents64, clocks, exit_group, newfstatat, …
    *(318, 332, 334, 439),  # getrandom, statx, rseq, faccessat2
)
"""Numbers of system calls on x86_64."""
OPENAT, WRITING = 257, 0x1 | 0x2 | 0x40 | 0x200 | 0x400
"""Allowed without these flags: to write, to make, to empty, to append."""
X86_64 = 0xC000003E
ALLOW, REFUSE = 0x7FFF0000, 0x00050001
"""REFUSE is EPERM, which Python raises as PermissionError."""
LOAD, EQUALS, HAS, RETURN = 0x20, 0x15, 0x45, 0x06


def instructions() -> bytes:
    """The filter: each instruction is (code, jump if so, jump if not, value) of Berkeley's packet filter."""
    found = [(LOAD, 0, 0, 4), (EQUALS, 1, 0, X86_64), (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, 0)]
    for number in ALLOWED:
        found += [(EQUALS, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    found += [(EQUALS, 1, 0, OPENAT), (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, 32)]  # its flags, the third argument
    found += [(HAS, 0, 1, WRITING), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *each) for each in found)


def hold(seconds: int, memory: int, printed: int) -> bool:
    """Limit this process for good; whether the kernel does."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    limits = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_AS: memory, resource.RLIMIT_FSIZE: printed}
    for limit, value in {**limits, resource.RLIMIT_NOFILE: 64, resource.RLIMIT_CORE: 0}.items():
        resource.setrlimit(limit, (value, value))
    content = ctypes.create_string_buffer(instructions())
    program = struct.pack("HxxxxxxP", (len(content) - 1) // 8, ctypes.addressof(content))
    prctl = ctypes.CDLL(None).prctl
    new_privileges, filtered = (38, 1, 0, 0, 0), (22, 2, ctypes.c_char_p(program), 0, 0)
    return bool(prctl(*new_privileges) == 0 and prctl(*filtered) == 0)


if __name__ == "__main__":
    path = sys.argv.pop()
    if not hold(*map(int, sys.argv[1:])):
        sys.exit(NOT_HELD)
    runpy.run_path(path, run_name="__main__")
