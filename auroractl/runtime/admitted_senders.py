"""Servers that count only WAL senders which were admitted (`engine/admission.py`)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance
from auroractl.core.volume.quorum import Quorum
from auroractl.engine import server_parameters
from auroractl.engine.configuration import awaiting_admission, awaits_admission
from auroractl.engine.server import Server
from auroractl.runtime.installation import Installation


def quorum_values(server: Server, values: Mapping[str, str | int], quorum: Quorum) -> dict[str, str]:
    """Return the write quorum that counts no one unasked, if clients may replicate; otherwise nothing."""
    return {"synchronous_standby_names": awaiting_admission(quorum)} if _clients_replicate(server, values) else {}


def _clients_replicate(server: Server, values: Mapping[str, str | int]) -> bool:
    """Return whether clients may replicate, or did in the last run and may be about to lose that."""
    if values["wal_level"] == "logical":
        return True
    return awaits_admission(server.data) and server.control_data()["wal_level setting"] == "logical"


def reload(installation: Installation, instance: Instance) -> None:
    """Make a server read its configuration again. Where senders are admitted, return only after it has."""
    server = installation.server(instance)
    if awaits_admission(server.data):
        with contextlib.suppress(AuroraError):
            return server_parameters.reload(installation.access(instance), {})
    return server.reload()
