"""Giving back what a killed server holds outside its processes and files.

PostgreSQL removes its shared memory when it shuts down, or at its next start after a crash. A server that is killed
and whose data directory is then removed does neither; its segments would stay until the machine restarts.
"""

from __future__ import annotations

import ctypes
import logging
import struct
import sys
from pathlib import Path

log = logging.getLogger(__name__)

_SHMEM_KEY_LINE = 6
"""postmaster.pid's seventh line: shared memory key and id (src/include/utils/pidfile.h)."""
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
    """Remove the shared memory of a server of which no process lives; nothing where it has left none.

    Only on Linux: elsewhere the segments have no names that could be found.
    """
    if sys.platform != "linux":
        return
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        postmaster, shared_memory_id = abs(int(lines[0])), int(lines[_SHMEM_KEY_LINE].split()[1])
    except (OSError, IndexError, ValueError):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = _read_header(libc, shared_memory_id)
    if header is None:
        return
    magic, creator, _, _, control = header
    # Ids begin anew when the machine does: that of an old file may be another server's by now.
    if magic != _MAGIC or creator != postmaster:
        return
    _remove_dynamic(control)
    libc.shmctl(shared_memory_id, _IPC_RMID, None)


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
        content = segment.read_bytes()
    except OSError:
        return
    magic, items, _ = _CONTROL_HEADER.unpack_from(content)
    if magic == _CONTROL_MAGIC:
        offset = (_CONTROL_HEADER.size + 7) // 8 * 8
        for position in range(items):
            handle, references, *_ = _CONTROL_ITEM.unpack_from(content, offset + position * _CONTROL_ITEM.size)
            if references and handle % 2 == 0:
                (_DYNAMIC / f"PostgreSQL.{handle}").unlink(missing_ok=True)
    segment.unlink(missing_ok=True)
