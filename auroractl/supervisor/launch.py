"""Starting the supervisor of a home from a command."""

from __future__ import annotations

import json
import os
import select
import sys
import time

from auroractl.config.paths import Home
from auroractl.core.errors import RemoteError, SupervisorUnavailable, TimedOut
from auroractl.system.files import make_home, tail
from auroractl.system.programs import spawn

_START_TIMEOUT_S = 60.0
_MODULE = "auroractl.supervisor"


def launch_supervisor(home: Home) -> None:
    """Start the supervisor of a home, unless one is running, and wait until it is ready.

    Raises the error that the supervisor reported (such as a damaged state.db, an unknown configuration key or a home
    that is not writable), or SupervisorUnavailable with the end of its log.
    """
    make_home(home.root)
    read_end, write_end = os.pipe()
    try:
        spawn(
            [sys.executable, "-P", "-m", _MODULE, "--home", str(home.root), "--ready-fd", str(write_end)],
            cwd=home.root,
            log=home.supervisor_log,
            extra_environment={
                **{name: value for name, value in os.environ.items() if name.startswith("AURORACTL_")},
                # A heap per thread never shrinks (mallopt(3), M_ARENA_MAX), and Python threads take turns anyway.
                "MALLOC_ARENA_MAX": "1",
            },
            pass_fds=[write_end],
        )
        os.close(write_end)
        report = _read_report(read_end)
    finally:
        os.close(read_end)
    if not report:
        raise SupervisorUnavailable(
            f"The supervisor ended while starting: {tail(home.supervisor_log, 3)}", f"Its log is {home.supervisor_log}"
        )
    document = json.loads(report)
    if "Error" in document:
        raise RemoteError(document["Error"])


def _read_report(descriptor: int) -> bytes:
    deadline = time.monotonic() + _START_TIMEOUT_S
    report = b""
    while not report.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimedOut(f"The supervisor did not start within {_START_TIMEOUT_S:g} s.", "")
        part = os.read(descriptor, 65536)
        if not part:
            break
        report += part
    return report
