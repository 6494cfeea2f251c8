"""Handlers of requests about the supervisor itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from auroractl.api.requests import supervisor as requests
from auroractl.services.clusters import power
from auroractl.services.observation import describe
from auroractl.supervisor.handlers.call import Call, Handler
from auroractl.supervisor.own_status import own_status
from auroractl.supervisor.results import Document, Stopped


def names(call: Call, _request: requests.Names) -> Document:
    """List all names, for shell completion."""
    return describe.names(call.runtime)


def supervisor_status(call: Call, _request: requests.SupervisorStatus) -> Document:
    """supervisor-status."""
    return own_status(call.runtime)


def supervisor_stop(call: Call, request: requests.SupervisorStop) -> Stopped:
    """supervisor-stop."""
    call.runtime.locks.require_idle()
    if request.everything:
        power.end_all_processes(call.runtime)
    return Stopped(lambda: os.kill(os.getpid(), signal.SIGTERM))


HANDLERS: Mapping[str, Handler] = {
    "names": names,
    "supervisor-status": supervisor_status,
    "supervisor-stop": supervisor_stop,
}
