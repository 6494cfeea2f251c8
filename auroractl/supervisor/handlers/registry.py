"""The tables of handlers for final and early answers."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.supervisor.handlers import (
    certificates,
    clusters,
    endpoints,
    faults,
    instances,
    parameter_groups,
    restore,
    supervisor,
    volumes,
)
from auroractl.supervisor.handlers.call import EarlyHandler, Handler

HANDLERS: Mapping[str, Handler] = {
    **clusters.HANDLERS,
    **instances.HANDLERS,
    **endpoints.HANDLERS,
    **parameter_groups.HANDLERS,
    **volumes.HANDLERS,
    **restore.HANDLERS,
    **faults.HANDLERS,
    **certificates.HANDLERS,
    **supervisor.HANDLERS,
}

EARLY: Mapping[str, EarlyHandler] = {**clusters.EARLY, **instances.EARLY, **volumes.EARLY, **restore.EARLY}
"""Handlers of the verbs that accept NoWait."""
