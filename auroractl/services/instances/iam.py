"""IAM authentication on the servers of a cluster: who are members of rds_iam, and that every server knows."""

from __future__ import annotations

import logging

from auroractl.core.errors import AuroraError, InvalidParameterCombination
from auroractl.core.model import ClusterSnapshot, Instance
from auroractl.engine import configuration, iam_users
from auroractl.engine.iam_users import IamAccess
from auroractl.engine.probe import Probe, ProbeFailed
from auroractl.runtime import admitted_senders, events
from auroractl.runtime.iam import credentials
from auroractl.runtime.managed_cluster import ManagedCluster

log = logging.getLogger(__name__)


def require_possible(cluster: ManagedCluster) -> None:
    """Check that the home can offer IAM authentication.

    Raises InvalidParameterCombination, or ConfigurationError if its access keys cannot be read.
    """
    if not cluster.settings.tls:
        raise InvalidParameterCombination(
            "IAM authentication needs TLS, and the setting tls is false.", "Set tls = true, or leave it out"
        )
    if not cluster.installation.has_sockets(cluster.name):
        raise InvalidParameterCombination(
            "IAM authentication needs Unix sockets, and the path of this home is too long for them or has a comma.",
            "Set AURORACTL_HOME to a shorter path",
        )
    if cluster.settings.api_credentials:
        credentials(cluster.settings.api_credentials)


def switch(cluster: ManagedCluster) -> None:
    """Make a change of the cluster's row count from the next connection on. What fails, the watch loop repeats."""
    on = cluster.row().iam_authentication
    message = (
        "IAM authentication enabled: members of rds_iam log in with tokens" if on else "IAM authentication disabled"
    )
    events.record(cluster, events.IAM, cluster.name, message)
    try:
        writer = next((each for each in cluster.instances() if each.is_writer), None)
        if on and writer is not None:
            ask(cluster, cluster.observer.probe(writer))
        else:
            tell(cluster)
        cluster.publish_routes()
    except AuroraError as error:
        log.warning("%s: not everything knows yet of IAM authentication: %s", cluster.name, error)
        cluster.wake()


def ask(cluster: ManagedCluster, probe: Probe) -> None:
    """Ask the writer who are members of rds_iam, and tell all servers. Raises MachineError.

    While it does not answer, those of before are members.
    """
    try:
        cluster.memory.iam.users = iam_users.usable(probe.iam_users())
    except ProbeFailed as error:
        log.info("%s: it is unknown whether rds_iam has other members now: %s", cluster.name, error)
    tell(cluster)


def is_due(cluster: ManagedCluster, snapshot: ClusterSnapshot) -> bool:
    """Return whether a running server has not been told what is so now."""
    return bool(_untold(cluster, snapshot, cluster.iam_access()))


def tell(cluster: ManagedCluster) -> None:
    """Tell the running servers who logs in with tokens. It counts from their next connection on. Raises MachineError."""
    access = cluster.iam_access()
    for instance, pid in _untold(cluster, cluster.snapshot(), access):
        server = cluster.installation.server(instance)
        with cluster.runtime.configuration_lock:
            configuration.write_access_rules(server.data, sockets=server.uses_socket(), iam=access)
        admitted_senders.reload(cluster.installation, instance)
        cluster.memory.iam.told[instance.identifier] = (pid, access)


def _untold(
    cluster: ManagedCluster, snapshot: ClusterSnapshot, access: IamAccess | None
) -> list[tuple[Instance, int | None]]:
    found, told = [], cluster.memory.iam.told
    for instance in snapshot.instances:
        seen = snapshot.seen(instance.identifier)
        if not seen.accepting or told.get(instance.identifier) == (seen.pid, access):
            continue
        if access is None and iam_users.kept_users(cluster.installation.server(instance).data) is None:
            # It has never heard of it.
            told[instance.identifier] = (seen.pid, None)
        else:
            found.append((instance, seen.pid))
    return found
