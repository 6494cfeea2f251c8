"""The identity with which a thread accesses files (credentials(7), "file system user ID").

A supervisor that root runs works in folders that the databases' account can write, where a name may turn into a link at
any moment. It therefore accesses files as that account, and as root only inside `as_self`. All other rights of the
process (signals, sockets, programs that it starts) remain root's.

The identity belongs to a thread, and a thread inherits it from the one that starts it: start no thread inside
`as_self`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auroractl.core.errors import MachineError
from auroractl.system.account import Account

_NOBODY = 2**32 - 1
"""No valid id: setfsuid(2) then changes nothing and returns the current one."""
_FILE_CAPABILITIES = 0b11111
"""CAP_CHOWN to CAP_FSETID, with which root bypasses file permissions (capabilities(7))."""
_CAP_SYS_PTRACE = 1 << 19
_PR_SET_DUMPABLE = 4
_libc = ctypes.PyDLL(None)
"""Keeps the interpreter's lock: none of these calls blocks."""
if sys.platform == "linux":
    for _call in (_libc.setfsuid, _libc.setfsgid):
        _call.argtypes, _call.restype = (ctypes.c_uint32,), ctypes.c_uint32
_account: Account | None = None


def work_as(account: Account | None) -> None:
    """Make this thread, and those that it starts from now on, access files as an account; None changes nothing.

    Raises MachineError if the system does not apply the identity.
    """
    global _account  # noqa: PLW0603  (one per process: it decides what `as_self` does)
    if account is None:
        return
    os.setgroups(os.getgrouplist(account.name, account.gid))
    _assume(account.uid, account.gid)
    _account = account
    if _held_capabilities() & _FILE_CAPABILITIES:
        raise MachineError(f"The system does not let root touch files as {account.name}.", "Run as an ordinary user")


@contextmanager
def as_self() -> Iterator[None]:
    """Access files as the process's user inside the block; does nothing before `work_as`."""
    if _account is None:
        yield
        return
    previous = _assume(os.geteuid(), os.getegid())
    try:
        yield
    finally:
        _assume(*previous)


@contextmanager
def as_account(account: Account | None) -> Iterator[None]:
    """Access files as an account inside the block, in a single-threaded process; None changes nothing.

    Raises MachineError if the system does not apply the identity.
    """
    if account is None or os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups(os.getgrouplist(account.name, account.gid))
    previous = _assume(account.uid, account.gid)
    try:
        yield
    finally:
        _assume(*previous)
        os.setgroups(groups)


def drop_to(account: Account | None, *, secretive: bool = False) -> None:
    """Switch to an account permanently; None changes nothing. Raises OSError if that fails.

    If it is secretive, other processes of the account can neither trace it nor read its memory. They cannot see its working
    folder either, and neither could root without CAP_SYS_PTRACE: there it is not.
    """
    if account is None:
        return
    hidden = secretive and _held_capabilities() & _CAP_SYS_PTRACE
    os.setgroups(os.getgrouplist(account.name, account.gid))
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    # Containers lack that capability, and the supervisor recognises this process by its working folder.
    _libc.prctl(_PR_SET_DUMPABLE, 0 if hidden else 1, 0, 0, 0)


def trusted_owners() -> frozenset[int]:
    """Return the uids that may own this process's files: its own and that of its working account."""
    return frozenset({os.geteuid()} | ({_account.uid} if _account else set()))


def is_ours(uid: int) -> bool:
    """Return whether a process of this user may be one that this process started for its databases.

    Files and folders that the account can change identify those processes. Without this check, the account could
    replace a folder with a link and make root kill other users' processes.
    """
    return _account is None or uid == _account.uid


def _assume(uid: int, gid: int) -> tuple[int, int]:
    """Change the identity of this thread and return the previous one. Raises MachineError if it does not apply."""
    if sys.platform != "linux":
        raise MachineError("Only Linux lets root touch files as another account.", "Run as an ordinary user")
    # The group first: after the change of user the right to change the group is lost.
    previous_gid, previous_uid = _libc.setfsgid(gid), _libc.setfsuid(uid)
    # Neither call reports an error (setfsuid(2), "BUGS"), and a process that may change the user may change the group.
    if _libc.setfsuid(_NOBODY) != uid:
        raise MachineError(f"The system does not let this process touch files as user {uid}.", "")
    return previous_uid, previous_gid


def _held_capabilities() -> int:
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16)
