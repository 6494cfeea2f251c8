"""Which boot of the machine this is: in a later one, what was not flushed to disk may be lost."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

import psutil

_LINUX = Path("/proc/sys/kernel/random/boot_id")
_MACOS = b"kern.bootsessionuuid"
_LENGTH_MAX = 64


@cache
def boot_id() -> str:
    """Return an identifier of the machine's current boot. AURORACTL_BOOT_ID replaces it for tests."""
    return os.environ.get("AURORACTL_BOOT_ID") or _of_linux() or _of_macos() or f"{psutil.boot_time():.0f}"


def _of_linux() -> str:
    try:
        return _LINUX.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _of_macos() -> str:
    if sys.platform != "darwin":
        return ""
    value = ctypes.create_string_buffer(_LENGTH_MAX)
    size = ctypes.c_size_t(_LENGTH_MAX)
    failed = ctypes.CDLL(None).sysctlbyname(_MACOS, value, ctypes.byref(size), None, ctypes.c_size_t(0))
    return "" if failed else value.value.decode("ascii", errors="replace")
