"""Events in AWS's words (Aurora User Guide, "Amazon RDS event categories and event messages")."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from auroractl.runtime.managed_cluster import ManagedCluster

log = logging.getLogger(__name__)

CLUSTER = "db-cluster"
INSTANCE = "db-instance"


@dataclass(frozen=True, slots=True)
class EventKind:
    """An event's id and categories. Ids that begin with AURORACTL are ours, for events that AWS does not have."""

    event_id: str
    source_type: str
    categories: tuple[str, ...]


CLUSTER_CREATED = EventKind("RDS-EVENT-0170", CLUSTER, ("creation",))
CLUSTER_DELETED = EventKind("RDS-EVENT-0171", CLUSTER, ("deletion",))
CLUSTER_STOPPED = EventKind("RDS-EVENT-0150", CLUSTER, ("notification",))
CLUSTER_STARTED = EventKind("RDS-EVENT-0151", CLUSTER, ("notification",))
ENGINE_VERSION = EventKind("AURORACTL-EVENT-0034", CLUSTER, ("maintenance",))
FAILOVER_FAILED = EventKind("RDS-EVENT-0069", CLUSTER, ("failover",))
FAILOVER_COMPLETED = EventKind("RDS-EVENT-0071", CLUSTER, ("failover",))
FAILOVER_STARTED_SAME_AZ = EventKind("RDS-EVENT-0072", CLUSTER, ("failover",))
FAILOVER_STARTED_CROSS_AZ = EventKind("RDS-EVENT-0073", CLUSTER, ("failover",))
INSTANCE_CREATED = EventKind("RDS-EVENT-0005", INSTANCE, ("creation",))
INSTANCE_DELETED = EventKind("RDS-EVENT-0003", INSTANCE, ("deletion",))
INSTANCE_RESTARTED = EventKind("RDS-EVENT-0006", INSTANCE, ("availability",))
PARAMETERS = EventKind("RDS-EVENT-0092", CLUSTER, ("configuration change",))
REPAIR = EventKind("AURORACTL-EVENT-0001", CLUSTER, ("recovery",))
DATA_LOSS = EventKind("AURORACTL-EVENT-0003", CLUSTER, ("failure",))
QUORUM_LOST = EventKind("AURORACTL-EVENT-0010", CLUSTER, ("availability", "failure"))
QUORUM_HELD = EventKind("AURORACTL-EVENT-0011", CLUSTER, ("availability", "recovery"))
STORAGE_NODE = EventKind("AURORACTL-EVENT-0012", CLUSTER, ("recovery",))
DAMAGE = EventKind("AURORACTL-EVENT-0013", CLUSTER, ("failure",))
VOLUME_GROWN = EventKind("AURORACTL-EVENT-0014", CLUSTER, ("notification",))
VOLUME_FULL = EventKind("AURORACTL-EVENT-0015", CLUSTER, ("low storage", "availability"))
VOLUME_RESUMED = EventKind("AURORACTL-EVENT-0016", CLUSTER, ("low storage", "recovery"))
FAULT = EventKind("AURORACTL-EVENT-0017", CLUSTER, ("notification",))
ENDPOINT = EventKind("AURORACTL-EVENT-0019", CLUSTER, ("configuration change",))
AUTOMATION = EventKind("AURORACTL-EVENT-0018", CLUSTER, ("notification",))
BACKTRACK = EventKind("AURORACTL-EVENT-0020", CLUSTER, ("backtrack",))
BACKTRACK_WINDOW_SMALL = EventKind("RDS-EVENT-0131", CLUSTER, ("backtrack",))
BACKTRACK_WINDOW_RESTORED = EventKind("RDS-EVENT-0132", CLUSTER, ("backtrack",))
DISPLACED = EventKind("AURORACTL-EVENT-0022", INSTANCE, ("security", "availability"))
DISPLACED_ENDPOINT = EventKind("AURORACTL-EVENT-0023", CLUSTER, ("security", "availability"))
INTERNALS = EventKind("AURORACTL-EVENT-0021", CLUSTER, ("security", "recovery"))
COMMITS = EventKind("AURORACTL-EVENT-0031", CLUSTER, ("configuration change",))
OPERATION_CANCELLED = EventKind("AURORACTL-EVENT-0030", CLUSTER, ("notification",))
PASSWORD = EventKind("AURORACTL-EVENT-0033", CLUSTER, ("configuration change", "security"))
IAM = EventKind("AURORACTL-EVENT-0036", CLUSTER, ("configuration change", "security"))
REQUEST_FAILED = EventKind("AURORACTL-EVENT-0032", CLUSTER, ("failure",))
GIVEN_UP = EventKind("AURORACTL-EVENT-0002", CLUSTER, ("failure",))
DURABILITY = EventKind("AURORACTL-EVENT-0035", CLUSTER, ("configuration change",))
POWER_CUT = EventKind("AURORACTL-EVENT-0037", CLUSTER, ("recovery",))


def record(cluster: ManagedCluster, kind: EventKind, source: str, message: str) -> None:
    """Store an event and log it. `source` is the identifier of its cluster or instance."""
    log.info("%s %s: %s", cluster.name, source, message)
    cluster.repository.add_event(
        cluster=cluster.name,
        source=source,
        source_type=kind.source_type,
        event_id=kind.event_id,
        message=message,
        categories=list(kind.categories),
        at=cluster.now(),
    )
