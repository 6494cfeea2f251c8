"""Results of handlers, and their conversion to documents for early and final answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from auroractl.api import documents
from auroractl.api.parameter_documents import group_view
from auroractl.api.verbs import VERBS
from auroractl.core.errors import ClusterNotFound
from auroractl.core.model import ClusterSnapshot, Endpoint, Instance
from auroractl.core.operations import OperationRecord
from auroractl.core.parameters.model import GroupKind, ParameterGroup
from auroractl.core.restore.retention import Backtrack
from auroractl.core.volume.growth import GrowthPlan
from auroractl.core.volume.model import ScrubReport, StorageVolume
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.observation import describe
from auroractl.services.volume.growth import growth_view

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClusterCreated:
    """A cluster exists; `changed` is False if it existed before."""

    cluster: str
    changed: bool = True


@dataclass(frozen=True, slots=True)
class ClusterChanged:
    """A cluster was changed, or is being."""

    cluster: str
    changed: bool | None
    """None to omit it from the document."""
    status: str | None = None
    """Replaces the observed status."""


@dataclass(frozen=True, slots=True)
class ClusterDeleted:
    """A cluster was deleted, or is being; `snapshot` is its last state, None if it did not exist."""

    cluster: str
    snapshot: ClusterSnapshot | None
    changed: bool = True


@dataclass(frozen=True, slots=True)
class ReadersScaled:
    """Readers were added or removed."""

    cluster: str
    added: Sequence[str]
    removed: Sequence[str]


@dataclass(frozen=True, slots=True)
class FailedOver:
    """Another instance became the writer, or is about to."""

    cluster: str
    source: str
    target: str
    planned: bool
    switch_ms: float | None = None
    """How long no client could write; None while the failover is in progress."""
    status: str | None = None


@dataclass(frozen=True, slots=True)
class OperationCancelled:
    """An operation was cancelled, or is being undone."""

    cluster: str
    record: OperationRecord
    status: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceChanged:
    """An instance was changed, or is being."""

    instance: str
    status: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceDeleted:
    """An instance was deleted, or is being; `instance` is its last state."""

    snapshot: ClusterSnapshot
    instance: Instance


@dataclass(frozen=True, slots=True)
class EndpointChanged:
    """A custom endpoint, in its last state if it was deleted."""

    snapshot: ClusterSnapshot
    endpoint: Endpoint
    status: str | None = None


@dataclass(frozen=True, slots=True)
class GroupCreated:
    """A parameter group was created."""

    group: ParameterGroup


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """A parameter group was changed or deleted."""

    kind: GroupKind
    group: str


@dataclass(frozen=True, slots=True)
class NodeReplaced:
    """A storage node was replaced by another one."""

    cluster: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class VolumeGrown:
    """A volume's growth settings, and the growth that was or would be done."""

    plan: GrowthPlan
    volume: StorageVolume
    dry_run: bool


@dataclass(frozen=True, slots=True)
class VolumeScrubbed:
    """The report of one scrub of a volume."""

    cluster: str
    report: ScrubReport


@dataclass(frozen=True, slots=True)
class Backtracked:
    """A backtrack in its current state."""

    row: Backtrack


@dataclass(frozen=True, slots=True)
class BacktrackPrepared:
    """A prepared backtrack; `connection` says how to read its copy, None if the copy's server is gone."""

    row: Backtrack
    connection: Document | None


@dataclass(frozen=True, slots=True)
class FaultInjected:
    """A fault was injected or ended."""

    cluster: str
    target: str
    message: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The supervisor is stopping; call `end` after the answer."""

    end: Callable[[], None]


@singledispatch
def document(result: Any, _runtime: Runtime) -> Any:
    """Convert a result to its document. Handlers of read-only verbs return documents directly."""
    return result


@document.register
def _(result: ClusterCreated, runtime: Runtime) -> Document:
    return {**_with_instances(ManagedCluster(runtime, result.cluster)), "Changed": result.changed}


@document.register
def _(result: ClusterChanged, runtime: Runtime) -> Document:
    changed = {} if result.changed is None else {"Changed": result.changed}
    return {"DBCluster": _cluster(ManagedCluster(runtime, result.cluster), result.status), **changed}


@document.register
def _(result: ClusterDeleted, _runtime: Runtime) -> Document:
    view = documents.cluster_view(result.snapshot) if result.snapshot else None
    view = {**view, "Status": VERBS["delete-cluster"].cluster_status} if view else None
    return {"DBClusterIdentifier": result.cluster, "DBCluster": view, "Changed": result.changed}


@document.register
def _(result: ReadersScaled, runtime: Runtime) -> Document:
    changes = {"Added": result.added, "Removed": result.removed, "Changed": bool(result.added or result.removed)}
    return {**_with_instances(ManagedCluster(runtime, result.cluster)), **changes}


@document.register
def _(result: FailedOver, runtime: Runtime) -> Document:
    return {
        "DBCluster": _cluster(ManagedCluster(runtime, result.cluster), result.status),
        "From": result.source,
        "To": result.target,
        "DurationMilliseconds": None if result.switch_ms is None else round(result.switch_ms, 1),
        "Planned": result.planned,
    }


@document.register
def _(result: OperationCancelled, runtime: Runtime) -> Document:
    """Undoing a creation may have removed the cluster."""
    try:
        view = _cluster(ManagedCluster(runtime, result.cluster), result.status)
    except ClusterNotFound:
        view = None
    return documents.cancelled_view(result.cluster, result.record, view)


@document.register
def _(result: InstanceChanged, runtime: Runtime) -> Document:
    view = describe.describe_instances(runtime, None, result.instance)[0]
    return {"DBInstance": {**view, "DBInstanceStatus": result.status} if result.status else view}


@document.register
def _(result: InstanceDeleted, runtime: Runtime) -> Document:
    view = describe.instance_view(runtime, result.snapshot, result.instance)
    return {"DBInstance": {**view, "DBInstanceStatus": VERBS["delete-instance"].instance_status}}


@document.register
def _(result: EndpointChanged, _runtime: Runtime) -> Document:
    """Build the document with the endpoint at the top, as on AWS, and in a list, as in describe-endpoints."""
    view = documents.endpoint_view(result.snapshot, result.endpoint)
    view = {**view, "Status": result.status} if result.status else view
    return {**view, "DBClusterEndpoints": [view]}


@document.register
def _(result: GroupCreated, _runtime: Runtime) -> Document:
    return {result.group.kind.words: group_view(result.group)}


@document.register
def _(result: GroupChanged, _runtime: Runtime) -> Document:
    return {f"{result.kind.words}Name": result.group}


@document.register
def _(result: NodeReplaced, runtime: Runtime) -> Document:
    volumes = describe.describe_volumes(runtime, result.cluster)
    return {"Old": result.old, "New": result.new, "StorageVolumes": volumes}


@document.register
def _(result: VolumeGrown, _runtime: Runtime) -> Document:
    return {"StorageGrowth": growth_view(result.plan, result.volume, dry_run=result.dry_run)}


@document.register
def _(result: VolumeScrubbed, _runtime: Runtime) -> Document:
    return {"Scrub": documents.scrub_view(result.cluster, result.report)}


@document.register
def _(result: Backtracked, _runtime: Runtime) -> Document:
    return {"DBClusterBacktrack": documents.backtrack_view(result.row)}


@document.register
def _(result: BacktrackPrepared, _runtime: Runtime) -> Document:
    return {"DBClusterBacktrack": documents.backtrack_view(result.row), "Connection": result.connection}


@document.register
def _(result: FaultInjected, _runtime: Runtime) -> Document:
    return {"DBClusterIdentifier": result.cluster, "Target": result.target, "Message": result.message}


@document.register
def _(_result: Stopped, _runtime: Runtime) -> Document:
    return {"Stopped": True}


def _cluster(cluster: ManagedCluster, status: str | None) -> Document:
    view = describe.describe_cluster(cluster)
    return {**view, "Status": status} if status else view


def _with_instances(cluster: ManagedCluster) -> Document:
    view, instances = describe.describe_with_instances(cluster)
    return {"DBCluster": view, "DBInstances": instances}
