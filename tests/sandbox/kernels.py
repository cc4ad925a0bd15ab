"""Kernels that lack something, and how a filter of system calls decides."""

from __future__ import annotations

import ctypes
import errno
import struct

from lmworks.sandbox.confine import PROGRAM

LANDLOCK, UNSHARE, PRCTL, SET_SECCOMP = 444, 272, 157, 22


def lack(number: int, first_argument: int | None = None) -> None:
    """From now on, and in every process that is started, the kernel does not know a system call."""
    chosen = [(0x20, 0, 0, 16), (0x15, 0, 1, first_argument)] if first_argument is not None else []
    program = [
        *((0x20, 0, 0, 0), (0x15, 0, len(chosen) + 1, number), *chosen),
        *((0x06, 0, 0, 0x00050000 | errno.ENOSYS), (0x06, 0, 0, 0x7FFF0000)),
    ]
    content = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, struct.pack("HxxxxxxP", len(program), ctypes.addressof(content)), 0, 0) == 0


def decision(architecture: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What the filter says of a call, run as the kernel would (Berkeley's packet filter)."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    program = list(struct.iter_unpack("HBBI", PROGRAM))
    place = value = 0
    while True:
        code, if_so, if_not, operand = program[place]
        place += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("<I", data, operand)
            case 0x15:
                place += if_so if value == operand else if_not
            case 0x45:
                place += if_so if value & operand else if_not
            case 0x06:
                return int(operand)
