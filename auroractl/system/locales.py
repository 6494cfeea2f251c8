"""The locales of this system."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from auroractl.core.engine.locales import normalized
from auroractl.core.errors import MachineError
from auroractl.system.programs import find_program, run

_PLACES = (Path("/usr/lib/locale"), Path("/usr/lib/locale/locale-archive"))
"""Where glibc keeps what localedef makes; each new locale changes one of them."""
_Version = tuple[tuple[int, int, int], ...]


def system_locales() -> frozenset[str]:
    """List the locales that the C library knows, normalized; empty if they cannot be listed.

    They are listed again only when they may have changed: that takes 10 ms of every create-cluster.
    """
    program = find_program("locale")
    if program is None:
        return frozenset()
    version = _version()
    try:
        return _listed(program, version) if version else _list(program)
    except MachineError:
        return frozenset()


def _version() -> _Version:
    found = [path.stat() for path in _PLACES if path.exists()]
    return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)


@lru_cache(maxsize=1)
def _listed(program: str, _version: _Version) -> frozenset[str]:
    return _list(program)


def _list(program: str) -> frozenset[str]:
    return frozenset(normalized(name) for name in run([program, "-a"]).split())
