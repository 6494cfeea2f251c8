"""Which parameters wait for a reboot, as the servers say, and which readers are restarted before the writer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from auroractl.core.errors import AuroraError
from auroractl.core.model import ClusterSnapshot, Instance, Phase
from auroractl.core.parameters import standby
from auroractl.core.volume.quorum import Quorum
from auroractl.engine import server_parameters
from auroractl.engine.configuration import VolumeSettings
from auroractl.runtime.cluster_memory import PendingParameters
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parameters import values_of_running

log = logging.getLogger(__name__)

_NAMES = {"wal_level": "rds.logical_replication"}
"""Parameters that follow from one that a group has."""


def wanted(cluster: ManagedCluster, instance: Instance) -> dict[str, int]:
    """Return the values that an instance is to have of what standbys need enough of."""
    return standby.values_of(cluster.parameters(instance, VolumeSettings(Quorum(0, frozenset()))))


def note(cluster: ManagedCluster, instance: Instance) -> None:
    """Read from a server what waits for its restart, and remember it. Raises EngineError, TimedOut."""
    pid = cluster.installation.server(instance).pid()
    if pid is None:
        return
    access = cluster.installation.access(instance)
    names = {_NAMES.get(name, name) for name in server_parameters.waiting_for_restart(access)}
    if cluster.row().standby_floor:
        has = server_parameters.standby_values(access)
        names |= {name for name, value in wanted(cluster, instance).items() if has[name] != value}
    cluster.memory.parameters[instance.identifier] = PendingParameters(pid, tuple(sorted(names)))


def due(cluster: ManagedCluster, snapshot: ClusterSnapshot) -> Iterator[tuple[str, Callable[[], None], bool]]:
    """Yield what is to be read from servers that were started since it was last read, and whether beside operations.

    Servers of which nothing is known have not been asked since the supervisor's start, which may have ended the last one
    in the middle of a change. So they are given the values of their groups again.
    """
    known = cluster.memory.parameters
    for instance in snapshot.instances:
        seen, last = snapshot.seen(instance.identifier), known.get(instance.identifier)
        if not seen.accepting or instance.phase is not Phase.NONE or (last is not None and last.pid == seen.pid):
            continue
        again = last is None and bool(snapshot.cluster.parameter_group or instance.parameter_group)
        act = _apply_again if again else note
        yield f"parameters of {instance.identifier}", partial(_quietly, act, cluster, instance.identifier), not again


def _apply_again(cluster: ManagedCluster, instance: Instance) -> None:
    cluster.configure(instance, None if instance.is_writer else cluster.writer())
    server_parameters.reload(cluster.installation.access(instance), {})
    note(cluster, instance)


def _quietly(act: Callable[[ManagedCluster, Instance], None], cluster: ManagedCluster, identifier: str) -> None:
    try:
        act(cluster, cluster.instance(identifier))
    except AuroraError as error:
        log.info("%s did not say which of its parameters wait for a reboot: %s", identifier, error)


def forget(cluster: ManagedCluster, instance: Instance) -> None:
    """Forget what is known of an instance, so that the watch loop asks it as soon as it answers."""
    cluster.memory.parameters.pop(instance.identifier, None)


def note_rebooted(cluster: ManagedCluster, instance: Instance) -> None:
    """Read what still waits for a restart after a reboot; a failure is left to the watch loop."""
    forget(cluster, instance)
    with suppress(AuroraError):
        note(cluster, instance)


def readers_to_restart(cluster: ManagedCluster) -> list[str]:
    """List the readers to restart before the writer is, because it will have more than they have."""
    if not cluster.row().standby_floor:
        return []
    return standby.readers_first(wanted(cluster, cluster.writer()), _running(cluster))


def readers_below(cluster: ManagedCluster, writer: Instance) -> list[str]:
    """List the readers that run with less than a new writer has, and would pause their replay."""
    if not cluster.row().standby_floor:
        return []
    values = values_of_running(cluster.installation, writer)
    return standby.readers_first(values, _running(cluster)) if values else []


def _running(cluster: ManagedCluster) -> dict[str, standby.Values]:
    readers = [each for each in cluster.instances() if not each.is_writer]
    found = {each.identifier: values_of_running(cluster.installation, each) for each in readers}
    return {name: values for name, values in found.items() if values is not None}
