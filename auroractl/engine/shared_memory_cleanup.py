"""Release of what a killed server holds outside its processes and files.

PostgreSQL removes its shared memory when it shuts down, or at its next start after a crash. A server that is killed and
whose data directory is then removed does neither; its segments would remain until the machine restarts.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import struct
import sys
from pathlib import Path

from auroractl.system.file_credentials import is_ours, trusted_owners
from auroractl.system.safe_open import read_regular

log = logging.getLogger(__name__)

_SHMEM_KEY_LINE = 6
"""Seventh line of postmaster.pid: shared memory key and id (src/include/utils/pidfile.h)."""
_SEGMENTS, _ID_FIELD, _UID_FIELD = Path("/proc/sysvipc/shm"), 1, 7
"""One line for each segment (proc(5), /proc/sysvipc)."""
_IPC_RMID = 0
_SHM_RDONLY = 0o10000
_MAGIC = 679834894
_HEADER = struct.Struct("@iiQQI")
"""PGShmemHeader: magic, creator, total size, free offset, handle of the dynamic control segment."""
_CONTROL_MAGIC = 0x9A503D32
_CONTROL_HEADER = struct.Struct("@III")
_CONTROL_ITEM = struct.Struct("@IIQQQ?7x")
"""dsm_control_item: handle, reference count, first page, pages, private handle, pinned (src/backend/storage/ipc/dsm.c)."""
_DYNAMIC = Path("/dev/shm")  # noqa: S108  (where Linux keeps POSIX shared memory)


def release_shared_memory(data: Path) -> None:
    """Remove the shared memory of a server that has no live process; do nothing if it left none.

    Only on Linux: on other systems the segments have no names by which to find them.
    """
    if sys.platform != "linux":
        return
    try:
        lines = read_regular(data / "postmaster.pid").decode(errors="replace").splitlines()
        postmaster, shared_memory_id = abs(int(lines[0])), int(lines[_SHMEM_KEY_LINE].split()[1])
    except (OSError, IndexError, ValueError):
        return
    if not _is_of_our_servers(shared_memory_id):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = _read_header(libc, shared_memory_id)
    if header is None:
        return
    magic, creator, _, _, control = header
    # Ids restart with the machine: that in an old file may now belong to another server.
    if magic != _MAGIC or creator != postmaster:
        return
    _remove_dynamic(control)
    libc.shmctl(shared_memory_id, _IPC_RMID, None)


def _is_of_our_servers(shared_memory_id: int) -> bool:
    """Return whether a segment belongs to the servers' account, which could name any segment in its own file."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _SEGMENTS.read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[_ID_FIELD]) == shared_memory_id:
                return is_ours(int(fields[_UID_FIELD]))
    return False


def _read_header(libc: ctypes.CDLL, shared_memory_id: int) -> tuple[int, int, int, int, int] | None:
    libc.shmat.restype = ctypes.c_void_p
    address = libc.shmat(shared_memory_id, None, _SHM_RDONLY)
    if address in {None, ctypes.c_void_p(-1).value}:
        return None
    try:
        magic, creator, total, free, control = _HEADER.unpack(ctypes.string_at(address, _HEADER.size))
    finally:
        libc.shmdt(ctypes.c_void_p(address))
    return magic, creator, total, free, control


def _remove_dynamic(control: int) -> None:
    segment = _DYNAMIC / f"PostgreSQL.{control}"
    try:
        content = read_regular(segment, owners=trusted_owners())
    except OSError:
        return  # gone, or its name was reused by another user
    # The account of the servers writes it. It may contain anything, and list segments of other accounts.
    with contextlib.suppress(struct.error, OSError):
        _remove_listed(content)
    segment.unlink(missing_ok=True)


def _remove_listed(content: bytes) -> None:
    magic, items, _ = _CONTROL_HEADER.unpack_from(content)
    if magic == _CONTROL_MAGIC:
        offset = (_CONTROL_HEADER.size + 7) // 8 * 8
        for position in range(items):
            handle, references, *_ = _CONTROL_ITEM.unpack_from(content, offset + position * _CONTROL_ITEM.size)
            if references and handle % 2 == 0:
                (_DYNAMIC / f"PostgreSQL.{handle}").unlink(missing_ok=True)
