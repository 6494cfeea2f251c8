"""Starting programs whose flushes of files to disk do nothing (Linux).

A filter of system calls (seccomp(2)) answers fsync and its relatives with success and without doing anything, as
`systemd-nspawn --suppress-sync` does. It needs no privileges. The thread that installs it, and only that, passes it on
to the program it starts, so that nothing runs between the start of the process and that of the program.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import struct
import sys
from collections.abc import Callable
from functools import cache
from threading import Thread
from typing import TypeVar

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""Instructions of the classic BPF (linux/bpf_common.h): load a word, compare it with a constant, return a constant."""
_NUMBER_AT, _MACHINE_AT = 0, 4
"""Offsets in struct seccomp_data (linux/seccomp.h)."""
_ALLOW, _SUCCEED = 0x7FFF0000, 0x00050000
"""SECCOMP_RET_ALLOW, and SECCOMP_RET_ERRNO with the error number 0."""
_MACHINES = {
    "x86_64": (0xC000003E, (74, 75, 26, 277)),
    "aarch64": (0xC00000B7, (82, 83, 227, 84)),
}
"""By machine its AUDIT_ARCH and the numbers of fsync, fdatasync, msync and sync_file_range."""


class _Program(ctypes.Structure):
    """struct sock_fprog (linux/filter.h)."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _instructions(machine: int, numbers: tuple[int, ...]) -> bytes:
    """Return the filter: system calls of another machine, and all but the given ones, are allowed."""
    last = len(numbers) + 3
    program = [(_LOAD, 0, 0, _MACHINE_AT), (_JUMP_IF_EQUAL, 0, last - 2, machine), (_LOAD, 0, 0, _NUMBER_AT)]
    program += [(_JUMP_IF_EQUAL, last - position, 0, number) for position, number in enumerate(numbers, 3)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _SUCCEED)]
    return b"".join(struct.pack("=HBBI", *each) for each in program)


def _filter_this_thread() -> None:
    """Install the filter for the calling thread and what it starts, for good. Raises OSError if the kernel refuses."""
    known = _MACHINES.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    if known is None:
        raise OSError(errno.ENOSYS, "there is no such filter for this system")
    instructions = _instructions(*known)
    program = _Program(len(instructions) // 8, instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    # Without this a filter needs privileges. It keeps the program from gaining any by setuid files, and nothing else.
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), ctypes.c_ulong(0)),
        (_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(program)),
    ):
        if libc.prctl(*arguments, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def without_flushes(start: Callable[[], _Result]) -> _Result:
    """Call a function that starts a program, and pass the filter on to that; return its result.

    Where there can be no filter the program is started without. Raises what the function raises.
    """
    result: list[_Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            if not why_flushing():
                _filter_this_thread()
            result.append(start())
        except BaseException as error:  # noqa: BLE001  (raised below, in the thread that asked)
            failure.append(error)

    thread = Thread(target=run, name="without-flushes")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


@cache
def why_flushing() -> str:
    """Return why programs cannot be kept from flushing here; empty if they can. It is tried once."""
    reasons = []

    def run() -> None:
        try:
            _filter_this_thread()
        except (OSError, AttributeError) as error:
            reasons.append(f"the system refuses a filter of system calls: {error}")

    thread = Thread(target=run, name="try-without-flushes")
    thread.start()
    thread.join()
    for reason in reasons:
        log.warning("storage nodes flush before they acknowledge: %s", reason)
    return "".join(reasons)
