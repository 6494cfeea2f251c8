"""IAM authentication on the servers of a cluster: who are members of rds_iam, and that every server knows."""

from __future__ import annotations

import logging
from contextlib import closing

from auroractl.core.errors import AuroraError, InvalidParameterCombination
from auroractl.core.model import ClusterSnapshot, Instance
from auroractl.engine import configuration, iam_users
from auroractl.engine.iam_users import IamAccess
from auroractl.engine.probe import Probe
from auroractl.runtime import admitted_senders, events
from auroractl.runtime.iam import credentials
from auroractl.runtime.managed_cluster import ManagedCluster

log = logging.getLogger(__name__)

_FAILURES_TOLD = 5
_NAMES_TOLD_MAX = 10
"""Names in one event."""
_NAMELESS_MAX = 100
"""Names after which no more events are recorded: users can make new ones without end."""


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
    for instance in cluster.instances():
        if not cluster.installation.server(instance).uses_socket():
            raise InvalidParameterCombination(
                f"IAM authentication needs Unix sockets, and {instance.identifier} was started without one.",
                f"Restart it: auroractl reboot-instance {instance.identifier}",
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
            with closing(probe_of(cluster, writer)) as probe:
                ask(cluster, probe)
        else:
            tell(cluster)
        cluster.publish_routes()
    except AuroraError as error:
        log.warning("%s: not everything knows yet of IAM authentication: %s", cluster.name, error)
        cluster.wake()


def probe_of(cluster: ManagedCluster, writer: Instance) -> Probe:
    """Make a connection to a writer for `ask`. The server itself ends a question that takes too long."""
    return cluster.observer.probe(writer, statement_timeout=f"{cluster.settings.probe_timeout_s * 1000:.0f}ms")


def ask(cluster: ManagedCluster, probe: Probe) -> None:
    """Ask the writer who are members of rds_iam, and tell all servers. Raises MachineError.

    While it does not answer, those of before are members.
    """
    try:
        found = iam_users.members(probe.iam_users(), cluster.row().master_username)
    except Exception as error:  # noqa: BLE001  (whatever it is: the servers are told of what is known)
        _note_failure(cluster, str(error) or type(error).__name__)
    else:
        cluster.memory.iam.users = tuple(filter(iam_users.is_usable, found))
        _note_answer(cluster, frozenset(found).difference(cluster.memory.iam.users))
    tell(cluster)


def _note_failure(cluster: ManagedCluster, problem: str) -> None:
    """Log a failure once, and record an event when there were several."""
    memory = cluster.memory.iam
    memory.failures += 1
    if problem != memory.problem:
        log.warning("%s: it is unknown whether rds_iam has other members now: %s", cluster.name, problem)
    memory.problem = problem
    if memory.failures == _FAILURES_TOLD:
        message = f"Who is a member of rds_iam is unknown, and changes do not count: {problem}"
        events.record(cluster, events.IAM, cluster.name, message)


def _note_answer(cluster: ManagedCluster, nameless: frozenset[str]) -> None:
    """Record an event when members are known again, and when there are others whom pg_hba.conf cannot name."""
    memory = cluster.memory.iam
    if memory.failures >= _FAILURES_TOLD:
        events.record(cluster, events.IAM, cluster.name, "Who is a member of rds_iam is known again")
    memory.failures, memory.problem = 0, ""
    if nameless - memory.nameless and len(memory.nameless) < _NAMELESS_MAX:
        names = ", ".join(map(ascii, sorted(nameless)[:_NAMES_TOLD_MAX]))
        message = f"Members of rds_iam that keep their passwords, because pg_hba.conf cannot have their names: {names}"
        events.record(cluster, events.IAM, cluster.name, message)
        memory.nameless |= nameless


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
