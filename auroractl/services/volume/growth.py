"""Growing and shrinking a volume, refusing writes while it is full, and resuming them."""

from __future__ import annotations

import logging
from typing import Any

from auroractl.api.requests.volumes import StorageAutogrow
from auroractl.core.errors import InvalidClusterState, InvalidParameterValue
from auroractl.core.text.sizes import format_size
from auroractl.core.volume.growth import HEADROOM_PERCENT_MAX, MAX_CAPACITY_BYTES, GrowthPlan, Reason, plan_growth
from auroractl.core.volume.model import StorageVolume
from auroractl.runtime import admitted_senders, events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.volume.lookup import require_volume

log = logging.getLogger(__name__)


def storage_autogrow(
    cluster: ManagedCluster, request: StorageAutogrow, *, dry_run: bool
) -> tuple[GrowthPlan, StorageVolume]:
    """Change a volume's growth settings, and grow it now if that is due.

    With `dry_run` nothing is changed, and the plan is what would be done. Raises InvalidParameterValue, or
    InvalidClusterState if the cluster has no volume yet or its size is unknown because it is not running.
    """
    rows = require_volume(cluster)
    volume = _changed(rows.volume, request)
    used_bytes = _used_bytes(cluster)
    if dry_run:
        return plan_growth(volume, rows.groups, used_bytes), volume
    cluster.repository.update_volume(
        cluster.name,
        auto_grow=request.auto_grow,
        max_capacity_bytes=request.max_capacity_bytes,
        increment_bytes=request.increment_bytes,
        headroom_percent=request.headroom_percent,
    )
    return evaluate(cluster, used_bytes), volume


def _changed(volume: StorageVolume, request: StorageAutogrow) -> StorageVolume:
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
        auto_grow=volume.auto_grow if request.auto_grow is None else request.auto_grow,
        max_capacity_bytes=volume.max_capacity_bytes if cap_bytes is None else cap_bytes,
        increment_bytes=volume.increment_bytes if increment_bytes is None else increment_bytes,
        headroom_percent=volume.headroom_percent if headroom is None else headroom,
        group_bytes=volume.group_bytes,
        created_at=volume.created_at,
    )


def _used_bytes(cluster: ManagedCluster) -> int:
    writer = cluster.writer()
    if not cluster.observer.refresh(writer).accepting:
        raise InvalidClusterState(
            f"The writer of DBCluster {cluster.name} does not answer, so the size of its volume is unknown.",
            f"See auroractl status {cluster.name}",
        )
    return cluster.observer.measure_used_bytes(writer)


def evaluate(cluster: ManagedCluster, used_bytes: int) -> GrowthPlan:
    """Allocate or release protection groups if that is due, and refuse or resume writes.

    The watch loop and the command may call it at the same time. Raises InvalidClusterState if there is no volume.
    """
    with cluster.memory.volume.growth_lock:
        rows = require_volume(cluster)
        plan = plan_growth(rows.volume, rows.groups, used_bytes)
        if plan.groups_after != plan.groups_before:
            _allocate(cluster, plan)
        _follow(cluster, plan)
    return plan


def _allocate(cluster: ManagedCluster, plan: GrowthPlan) -> None:
    cluster.repository.set_protection_groups(
        cluster.name, plan.groups_before, plan.groups_after, plan.used_bytes, cluster.now()
    )
    grew = plan.groups_after > plan.groups_before
    message = (
        f"The volume {'grew' if grew else 'shrank'} from {format_size(plan.allocated_before_bytes)} to "
        f"{format_size(plan.allocated_after_bytes)} ({plan.groups_after} protection groups): {plan.reason}"
    )
    events.record(cluster, events.VOLUME_GROWN, cluster.name, message)


def _follow(cluster: ManagedCluster, plan: GrowthPlan) -> None:
    """Make the writer refuse writes exactly while the volume is full."""
    memory = cluster.memory.volume
    answer = cluster.observer.writer_answer(cluster.name)
    known = plan.full == (memory.full_since is not None)
    if known and (answer is None or answer.read_only == plan.full):
        return
    if known:
        # A supervisor was interrupted between the two, or another instance became the writer.
        _configure_writer(cluster)
        return
    memory.full_since = cluster.now() if plan.full else None
    if plan.full:
        why = "growth is disabled" if plan.reason is Reason.DISABLED else "it is at its maximum capacity"
        message = (
            f"The volume is full ({format_size(plan.used_bytes)} used, {format_size(plan.allocated_after_bytes)} "
            f"allocated) and {why}: writes are refused"
        )
        events.record(cluster, events.VOLUME_FULL, cluster.name, message)
        # Publish the explanation before the writes are refused.
        cluster.publish_routes()
    else:
        message = f"The volume has free space again ({format_size(plan.allocated_after_bytes)}): writes continue"
        events.record(cluster, events.VOLUME_RESUMED, cluster.name, message)
    _configure_writer(cluster)
    cluster.publish_routes()


def _configure_writer(cluster: ManagedCluster) -> None:
    writer = cluster.writer()
    cluster.configure(writer, None)
    admitted_senders.reload(cluster.installation, writer)


def growth_view(plan: GrowthPlan, volume: StorageVolume, *, dry_run: bool) -> dict[str, Any]:
    """Build the document of a growth plan."""
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
