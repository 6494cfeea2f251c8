"""The locales of this system."""

from __future__ import annotations

from auroractl.core.engine.locales import normalized
from auroractl.core.errors import MachineError
from auroractl.system.programs import find_program, run


def system_locales() -> frozenset[str]:
    """List the locales that the C library knows, normalized; empty if they cannot be listed."""
    program = find_program("locale")
    if program is None:
        return frozenset()
    try:
        return frozenset(normalized(name) for name in run([program, "-a"]).split())
    except MachineError:
        return frozenset()
