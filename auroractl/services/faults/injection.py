"""Injected faults: killed or frozen processes, removed or damaged files, and Availability Zone outages."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import timedelta

from auroractl.core.errors import InstanceNotFound, InvalidParameterValue, NotFound
from auroractl.core.model import Cluster, Instance
from auroractl.core.volume.faults import ALL_DISKS, Damage, Fault, FaultKind, disk_of
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.operations.dry_run import end_dry_run
from auroractl.services.volume.lookup import find_node, require_volume
from auroractl.storage.folder import LogFolder
from auroractl.system.files import exists
from auroractl.system.safe_open import open_to_change

_ON_NODES = frozenset({FaultKind.CRASH_STORAGE_NODE, FaultKind.HANG_STORAGE_NODE})
_SUSPENDING = frozenset({FaultKind.HANG_STORAGE_NODE, FaultKind.DISK_CONGESTION})
_IN_ROUTES = frozenset({FaultKind.SLOW_ENDPOINT, FaultKind.REFUSE_ENDPOINT, FaultKind.DNS_LAG})
_ON_READERS = frozenset({FaultKind.REPLICA_LAG, FaultKind.PARTITION_INSTANCE})


@dataclass(frozen=True, slots=True)
class Injected:
    """The result of an injection."""

    target: str
    message: str
    fault: Fault | None = None


def crash_storage_node(cluster: ManagedCluster, node: str, duration_s: float | None) -> Injected:
    """Kill a storage node. It stays down for `duration_s`; if that is None, the supervisor restarts it at once."""
    found = find_node(cluster, node)
    end_dry_run(f"Kill the storage node {found.identifier}")
    fault = None
    if duration_s is not None:
        fault = begin(cluster, FaultKind.CRASH_STORAGE_NODE, found.identifier, duration_s)
    with cluster.memory.volume.nodes_lock:
        cluster.installation.receiver(found).kill()
    return done(cluster, found.identifier, "Storage node killed", fault)


def hang_storage_node(cluster: ManagedCluster, node: str, duration_s: float | None) -> Injected:
    """Freeze a storage node (SIGSTOP) for a duration, or until the fault is ended."""
    found = find_node(cluster, node)
    end_dry_run(f"Freeze the storage node {found.identifier}")
    fault = begin(cluster, FaultKind.HANG_STORAGE_NODE, found.identifier, duration_s)
    cluster.installation.receiver(found).suspend()
    return done(cluster, found.identifier, "Storage node frozen", fault)


def wipe_storage_node(cluster: ManagedCluster, node: str) -> Injected:
    """Kill a storage node and remove all its data, as if its disk was replaced."""
    found = find_node(cluster, node)
    end_dry_run(f"Kill the storage node {found.identifier}", f"Remove all data of {found.identifier}")
    with cluster.memory.volume.nodes_lock:
        cluster.installation.receiver(found).kill()
        cluster.installation.log_folder(found).wipe()
        cluster.installation.past_folder(found).remove()
        with cluster.memory.volume.backtrack.images_lock:
            cluster.installation.image_folder(found).wipe()
        cluster.memory.volume.flushed_lsn.pop(found.identifier, None)
    cluster.wake()
    return done(cluster, found.identifier, "Storage node wiped", None)


def corrupt_segment(cluster: ManagedCluster, node: str, *, how: Damage, count: int, seed: int | None) -> Injected:
    """Damage random finished segments of a storage node. Raises InvalidParameterValue if it has none."""
    found = find_node(cluster, node)
    folder = cluster.installation.log_folder(found)
    rng = random.Random(seed)  # noqa: S311  (a seed must reproduce the same damage)
    segments = sorted(folder.inventory().finished, key=lambda each: each.number)
    if not segments or count < 1:
        raise InvalidParameterValue(
            f"{found.identifier} has {len(segments)} finished segments, so {count} cannot be damaged.",
            f"A segment is finished after {SEGMENT_BYTES // 1024**2} MiB of WAL",
        )
    chosen = [rng.choice(segments) for _ in range(count)]
    end_dry_run(*(f"Damage ({how}) the segment {segment.name} of {found.identifier}" for segment in chosen))
    for segment in chosen:
        _damage(folder, segment, how, rng)
    names = ", ".join(sorted({segment.name for segment in chosen}))
    return done(cluster, found.identifier, f"Damaged ({how}): {names}", None)


def _damage(folder: LogFolder, segment: Segment, how: Damage, rng: random.Random) -> None:
    path = folder.finished(segment)
    if not exists(path):
        return
    if how is Damage.DELETE:
        path.unlink()
    elif how is Damage.TRUNCATE:
        os.truncate(path, rng.randrange(path.stat().st_size or 1))
    else:
        place = rng.randrange(path.stat().st_size or 1)
        with open_to_change(path) as file:
            file.seek(place)
            before = file.read(1) or b"\0"
            file.seek(place)
            page = rng.randbytes(min(8192, SEGMENT_BYTES - place))
            file.write(bytes([before[0] ^ (1 << rng.randrange(8))]) if how is Damage.FLIP else page)


def az_outage(cluster: ManagedCluster, zone: str, duration_s: float | None) -> Injected:
    """Kill all storage nodes and instances of an Availability Zone and keep them down until the fault is ended."""
    row = cluster.row()
    _require_zone(row, zone)
    require_volume(cluster)
    nodes = [each for each in cluster.storage_nodes() if each.availability_zone == zone]
    instances = [each for each in cluster.instances() if each.availability_zone == zone]
    end_dry_run(
        *(f"Kill the storage node {node.identifier} and keep it down" for node in nodes),
        *(f"Kill the instance {instance.identifier} and keep it down" for instance in instances),
    )
    fault = begin(cluster, FaultKind.AZ_OUTAGE, zone, duration_s)
    with cluster.memory.volume.nodes_lock:
        for node in nodes:
            cluster.installation.receiver(node).kill()
    for instance in instances:
        cluster.memory.uncounted.add(instance.identifier)
        cluster.installation.server(instance).kill()
    return done(cluster, zone, "Availability Zone is down", fault)


def crash_instance(cluster: ManagedCluster, instance: str) -> Injected:
    """Kill every process of an instance's server."""
    found = find_instance(cluster, instance)
    end_dry_run(f"Kill the instance {found.identifier}")
    cluster.memory.uncounted.add(found.identifier)
    cluster.installation.server(found).kill()
    return done(cluster, found.identifier, "Instance killed", None)


def hang_instance(cluster: ManagedCluster, instance: str) -> Injected:
    """Freeze every process of an instance's server (SIGSTOP). The supervisor kills and replaces a frozen instance."""
    found = find_instance(cluster, instance)
    end_dry_run(f"Freeze the instance {found.identifier}")
    cluster.memory.uncounted.add(found.identifier)
    cluster.installation.server(found).suspend()
    return done(cluster, found.identifier, "Instance frozen", None)


def find_instance(cluster: ManagedCluster, identifier: str) -> Instance:
    """Return an instance by its identifier, or the writer by `writer`. Raises InstanceNotFound."""
    if identifier.lower() == "writer":
        return cluster.writer()
    instances = cluster.instances()
    for instance in instances:
        if instance.identifier == identifier.lower():
            return instance
    raise InstanceNotFound(identifier, [instance.identifier for instance in instances])


def restore(cluster: ManagedCluster, target: str) -> Injected:
    """End an injected fault, so that its target recovers. Raises NotFound if the target has none."""
    wanted = target.lower()
    for fault in cluster.faults():
        number = fault.target.rpartition("-")[2] if fault.kind in _ON_NODES else fault.target
        if wanted in {fault.target.lower(), number.lower()}:
            end_dry_run(f"End {fault.kind} on {fault.target}")
            _end(cluster, fault)
            return done(cluster, fault.target, "Fault ended", None)
    raise NotFound(
        f"There is no injected fault on {target} of DBCluster {cluster.name}.",
        f"Injected faults: {', '.join(fault.target for fault in cluster.faults()) or 'none'}",
    )


def end_expired(cluster: ManagedCluster) -> None:
    """End the faults that have expired."""
    for fault in cluster.faults():
        if fault.until is not None and fault.until <= cluster.now():
            _end(cluster, fault)
            events.record(cluster, events.FAULT, fault.target, f"{fault.kind} ended after its duration")


def _end(cluster: ManagedCluster, fault: Fault) -> None:
    cluster.repository.delete_fault(fault.cluster, fault.target)
    if fault.kind in _ON_READERS:
        apply_to_reader(cluster, fault.target)
    elif fault.kind in _IN_ROUTES:
        cluster.publish_routes()
    elif fault.kind in _SUSPENDING:
        hanging = {each.target for each in cluster.faults() if each.kind is FaultKind.HANG_STORAGE_NODE}
        for node in cluster.storage_nodes():
            name = node.identifier
            if fault.target in {name, disk_of(name), ALL_DISKS} and name not in hanging:
                cluster.installation.receiver(node).resume()
    cluster.wake()


def apply_to_reader(cluster: ManagedCluster, reader: str) -> None:
    """Apply a change of a reader's faults to its configuration; a stopped reader applies it at its next start."""
    for instance in cluster.instances():
        server = cluster.installation.server(instance)
        if instance.identifier == reader and not instance.is_writer and server.has_data():
            cluster.configure(instance, cluster.writer())
            server.reload()


def begin(
    cluster: ManagedCluster,
    kind: FaultKind,
    target: str,
    duration_s: float | None,
    delay_ms: int | None = None,
    *,
    delay_min_ms: float | None = None,
    percentage: float | None = None,
) -> Fault:
    """Record a lasting fault."""
    now = cluster.now()
    until = None if duration_s is None else now + timedelta(seconds=duration_s)
    fault = Fault(cluster.name, kind, target, now, until, delay_ms, delay_min_ms, percentage)
    cluster.repository.add_fault(fault)
    return fault


def done(cluster: ManagedCluster, target: str, message: str, fault: Fault | None) -> Injected:
    """Record the event of a fault and wake the watch loop."""
    lasting = ""
    if fault is not None:
        lasting = f" until {fault.until:%H:%M:%S} UTC" if fault.until else " until the fault is ended"
    events.record(cluster, events.FAULT, target, message + lasting)
    cluster.wake()
    return Injected(target, message + lasting, fault)


def _require_zone(cluster: Cluster, zone: str) -> None:
    if zone not in cluster.availability_zones:
        raise NotFound(
            f"DBCluster {cluster.identifier} has no Availability Zone {zone}.",
            f"It has {', '.join(cluster.availability_zones)}",
        )
