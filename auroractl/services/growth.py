"""Growing and shrinking a volume, refusing writes while it is full, and resuming them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from auroractl.core.errors import InvalidClusterState, InvalidParameterValue
from auroractl.core.growth import HEADROOM_PERCENT_MAX, MAX_CAPACITY_BYTES, GrowthPlan, Reason, plan_growth
from auroractl.core.sizes import format_size
from auroractl.core.storage import StorageVolume, VolumeSnapshot
from auroractl.services import events
from auroractl.services.context import Context

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GrowthRequest:
    """What storage-autogrow is asked to change; None leaves a setting as it is."""

    enabled: bool | None = None
    max_capacity_bytes: int | None = None
    increment_bytes: int | None = None
    headroom_percent: int | None = None
    dry_run: bool = False


def storage_autogrow(context: Context, cluster: str, request: GrowthRequest) -> tuple[GrowthPlan, StorageVolume]:
    """Change how a volume grows, evaluate it now, and grow it if that is due.

    With `dry_run` nothing is changed and the plan is what would be done. Raises InvalidParameterValue,
    InvalidClusterState where the cluster has no volume yet or its size is not known because it does not run.
    """
    snapshot = require_volume(context, cluster)
    volume = _changed(snapshot.volume, request)
    used_bytes = _used_bytes(context, cluster)
    if request.dry_run:
        return plan_growth(volume, snapshot.groups, used_bytes), volume
    context.repository.update_volume(
        cluster,
        auto_grow=request.enabled,
        max_capacity_bytes=request.max_capacity_bytes,
        increment_bytes=request.increment_bytes,
        headroom_percent=request.headroom_percent,
    )
    return evaluate(context, require_volume(context, cluster), used_bytes), volume


def require_volume(context: Context, cluster: str) -> VolumeSnapshot:
    """The volume of a cluster as it is. Raises InvalidClusterState where it has none yet."""
    snapshot = context.volume_snapshot(cluster)
    if snapshot is None:
        raise InvalidClusterState(
            f"DBCluster {cluster} was created before there were storage volumes.",
            f"It gains one when it is started: auroractl stop-cluster {cluster}; auroractl start-cluster {cluster}",
        )
    return snapshot


def _changed(volume: StorageVolume, request: GrowthRequest) -> StorageVolume:
    cap_bytes, increment_bytes = request.max_capacity_bytes, request.increment_bytes
    headroom = request.headroom_percent
    if cap_bytes is not None and not volume.group_bytes <= cap_bytes <= MAX_CAPACITY_BYTES:
        raise InvalidParameterValue(
            f"The maximum capacity {format_size(cap_bytes)} is not between one protection group "
            f"({format_size(volume.group_bytes)}) and {format_size(MAX_CAPACITY_BYTES)}.",
            "Give a size such as 64TiB",
        )
    if increment_bytes is not None and not 0 < increment_bytes <= MAX_CAPACITY_BYTES:
        raise InvalidParameterValue(
            f"The increment must be more than 0 and at most {format_size(MAX_CAPACITY_BYTES)}.",
            f"It is rounded up to whole protection groups of {format_size(volume.group_bytes)}",
        )
    if headroom is not None and not 0 <= headroom <= HEADROOM_PERCENT_MAX:
        raise InvalidParameterValue(f"The headroom must be 0 to {HEADROOM_PERCENT_MAX} percent, not {headroom}.", "")
    return StorageVolume(
        cluster=volume.cluster,
        auto_grow=volume.auto_grow if request.enabled is None else request.enabled,
        max_capacity_bytes=volume.max_capacity_bytes if cap_bytes is None else cap_bytes,
        increment_bytes=volume.increment_bytes if increment_bytes is None else increment_bytes,
        headroom_percent=volume.headroom_percent if headroom is None else headroom,
        group_bytes=volume.group_bytes,
        created_at=volume.created_at,
    )


def _used_bytes(context: Context, cluster: str) -> int:
    writer = context.writer(cluster)
    if not context.observer.refresh(writer).accepting:
        raise InvalidClusterState(
            f"The writer of DBCluster {cluster} does not answer, so nobody knows how much its volume holds.",
            f"See auroractl status {cluster}",
        )
    return context.observer.measure_used_bytes(writer)


def evaluate(context: Context, snapshot: VolumeSnapshot, used_bytes: int) -> GrowthPlan:
    """Allocate or give back what is due, and refuse writes or let them go on. For every look and for the command."""
    cluster = snapshot.volume.cluster
    plan = plan_growth(snapshot.volume, snapshot.groups, used_bytes)
    if plan.groups_after != plan.groups_before:
        context.repository.set_protection_groups(
            cluster, plan.groups_before, plan.groups_after, used_bytes, context.now()
        )
        grew = plan.groups_after > plan.groups_before
        message = (
            f"The volume {'grew' if grew else 'shrank'} from {format_size(plan.allocated_before_bytes)} to "
            f"{format_size(plan.allocated_after_bytes)} ({plan.groups_after} protection groups): {plan.reason}"
        )
        events.record(context, cluster, events.VOLUME_GROWN, cluster, message)
    _follow(context, cluster, plan)
    return plan


def _follow(context: Context, cluster: str, plan: GrowthPlan) -> None:
    """Make the writer refuse writes exactly while the volume is full."""
    memory = context.volume_memory(cluster)
    answer = context.observer.writer_answer(cluster)
    known = plan.full == (memory.full_since is not None)
    if known and (answer is None or answer.read_only == plan.full):
        return
    if known:
        # A supervisor ended between the two, or another instance became the writer.
        _configure_writer(context, cluster)
        return
    memory.full_since = context.now() if plan.full else None
    if plan.full:
        why = "growth is disabled" if plan.reason is Reason.DISABLED else "it is at its maximum capacity"
        message = (
            f"The volume is full ({format_size(plan.used_bytes)} used, {format_size(plan.allocated_after_bytes)} "
            f"allocated) and {why}: writes are refused"
        )
        events.record(context, cluster, events.VOLUME_FULL, cluster, message)
        # First the words, then the refusal that they explain.
        context.publish_routes(cluster)
    else:
        message = f"The volume has room again ({format_size(plan.allocated_after_bytes)}): writes go on"
        events.record(context, cluster, events.VOLUME_RESUMED, cluster, message)
    _configure_writer(context, cluster)
    context.publish_routes(cluster)


def _configure_writer(context: Context, cluster: str) -> None:
    writer = context.writer(cluster)
    context.configure(writer, None)
    context.installation.server(writer).reload()


def growth_view(plan: GrowthPlan, volume: StorageVolume, *, dry_run: bool) -> dict[str, Any]:
    """The plan as a person or a script sees it."""
    return {
        "DBClusterIdentifier": volume.cluster,
        "AutoGrow": volume.auto_grow,
        "MaxAllocatedBytes": volume.max_capacity_bytes,
        "IncrementBytes": volume.increment_bytes,
        "HeadroomPercent": volume.headroom_percent,
        "ProtectionGroupBytes": volume.group_bytes,
        "UsedBytes": plan.used_bytes,
        "Before": {"ProtectionGroups": plan.groups_before, "AllocatedBytes": plan.allocated_before_bytes},
        "After": {"ProtectionGroups": plan.groups_after, "AllocatedBytes": plan.allocated_after_bytes},
        "Reason": plan.reason.value,
        "StorageFull": plan.full,
        "DryRun": dry_run,
    }
