"""What the configuration of servers needs of parameter groups and of the servers that run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from auroractl.core.errors import AuroraError
from auroractl.core.parameters import standby
from auroractl.core.parameters.model import GroupKind
from auroractl.engine import server_parameters
from auroractl.engine.configuration import INTERNAL_CONNECTIONS, RESERVED_CONNECTIONS
from auroractl.runtime.installation import Installation
from auroractl.state.repository import Repository
from auroractl.system.files import exists

if TYPE_CHECKING:
    from auroractl.core.model import Instance

_CLEAN = frozenset({"shut down", "shut down in recovery"})


def chosen_settings(repository: Repository, kind: GroupKind, name: str) -> Mapping[str, str]:
    """Return the settings of a group; none for a default group or one that is gone."""
    group = repository.parameter_group(kind, name) if name else None
    return group.settings if group else {}


def clients_max(connections: int) -> int:
    """Return how many clients a server with a given `max_connections` has room for.

    >>> clients_max(130)
    100
    """
    return max(1, connections - INTERNAL_CONNECTIONS - RESERVED_CONNECTIONS)


def values_of_running(installation: Installation, instance: Instance) -> standby.Values | None:
    """Ask a running server for the values of which standbys need enough; None if it is not running.

    A server that does not answer counts as one that has nothing, so that the writer takes no raised value.
    """
    if installation.server(instance).pid() is None:
        return None
    try:
        return server_parameters.standby_values(installation.access(instance))
    except AuroraError:
        return dict.fromkeys(standby.STANDBY_PARAMETERS, 0)


def prepared_transactions_fit(data: Path, control: Mapping[str, str], places: int) -> bool:
    """Return whether a stopped server is known to have no more prepared transactions than places for them.

    After a crash they are in the WAL, so nothing is known.
    """
    if places >= standby.values_in(control)["max_prepared_transactions"]:
        return True
    folder = data / "pg_twophase"
    clean = control["Database cluster state"] in _CLEAN
    return clean and exists(folder) and sum(1 for _ in folder.iterdir()) <= places
