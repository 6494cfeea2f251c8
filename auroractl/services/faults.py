"""Injecting faults that are real: processes killed or frozen, files removed or damaged, an Availability Zone cut off."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from auroractl.core.errors import InstanceNotFound, InvalidParameterValue, NotFound
from auroractl.core.faults import Fault, FaultKind
from auroractl.core.guessing import did_you_mean
from auroractl.core.model import Cluster, Instance
from auroractl.core.storage import StorageNode
from auroractl.core.wal import SEGMENT_BYTES, Segment
from auroractl.services import events
from auroractl.services.context import Context
from auroractl.services.growth import require_volume
from auroractl.services.rehearsal import certain
from auroractl.storage.folder import LogFolder


class Damage(StrEnum):
    """Ways of damaging a segment."""

    FLIP = "flip"
    """One random bit."""
    TRUNCATE = "truncate"
    CONTENT = "content"
    """A page of random bytes."""
    DELETE = "delete"


_ON_NODES = frozenset({FaultKind.CRASH_STORAGE_NODE, FaultKind.HANG_STORAGE_NODE})
_ON_ENDPOINTS = frozenset({FaultKind.SLOW_ENDPOINT, FaultKind.REFUSE_ENDPOINT})
_ON_READERS = frozenset({FaultKind.REPLICA_LAG, FaultKind.PARTITION_INSTANCE})


@dataclass(frozen=True, slots=True)
class Injected:
    """What was done."""

    target: str
    message: str
    fault: Fault | None = None


def crash_storage_node(context: Context, cluster: str, node: str, duration_s: float | None) -> Injected:
    """SIGKILL a storage node. With a duration it stays down for so long; else the supervisor restarts it at once."""
    found = find_node(context, cluster, node)
    certain(context, f"Kill the storage node {found.identifier}")
    fault = None
    if duration_s is not None:
        fault = begin(context, cluster, FaultKind.CRASH_STORAGE_NODE, found.identifier, duration_s)
    with context.volume_memory(cluster).nodes_lock:
        context.installation.receiver(found).kill()
    return done(context, cluster, found.identifier, "Storage node killed", fault)


def hang_storage_node(context: Context, cluster: str, node: str, duration_s: float | None) -> Injected:
    """SIGSTOP a storage node, for a duration or until it is restored."""
    found = find_node(context, cluster, node)
    certain(context, f"Freeze the storage node {found.identifier}")
    fault = begin(context, cluster, FaultKind.HANG_STORAGE_NODE, found.identifier, duration_s)
    context.installation.receiver(found).suspend()
    return done(context, cluster, found.identifier, "Storage node frozen", fault)


def wipe_storage_node(context: Context, cluster: str, node: str) -> Injected:
    """Kill a storage node and remove all that it holds, as when its disk is replaced by an empty one."""
    found = find_node(context, cluster, node)
    certain(context, f"Kill the storage node {found.identifier}", f"Remove all that {found.identifier} holds")
    with context.volume_memory(cluster).nodes_lock:
        context.installation.receiver(found).kill()
        context.installation.log_folder(found).wipe()
        context.installation.past_folder(found).remove()
        with context.volume_memory(cluster).backtrack.images_lock:
            context.installation.image_folder(found).wipe()
        context.volume_memory(cluster).flushed_lsn.pop(found.identifier, None)
    context.wake()
    return done(context, cluster, found.identifier, "Storage node wiped", None)


def corrupt_segment(
    context: Context, cluster: str, node: str, *, how: Damage, count: int, seed: int | None
) -> Injected:
    """Damage finished segments of a storage node, chosen at random. Raises InvalidParameterValue where it has none."""
    found = find_node(context, cluster, node)
    folder = context.installation.log_folder(found)
    rng = random.Random(seed)  # noqa: S311  (a person who gives a seed wants the same damage again)
    segments = sorted(folder.inventory().finished, key=lambda each: each.number)
    if not segments or count < 1:
        raise InvalidParameterValue(
            f"{found.identifier} has {len(segments)} finished segments, so {count} cannot be damaged.",
            f"A segment is finished after {SEGMENT_BYTES // 1024**2} MiB of log",
        )
    chosen = [rng.choice(segments) for _ in range(count)]
    certain(context, *(f"Damage ({how}) the segment {segment.name} of {found.identifier}" for segment in chosen))
    for segment in chosen:
        _damage(folder, segment, how, rng)
    names = ", ".join(sorted({segment.name for segment in chosen}))
    return done(context, cluster, found.identifier, f"Damaged ({how}): {names}", None)


def _damage(folder: LogFolder, segment: Segment, how: Damage, rng: random.Random) -> None:
    path = folder.finished(segment)
    if not path.exists():
        return
    if how is Damage.DELETE:
        path.unlink()
    elif how is Damage.TRUNCATE:
        os.truncate(path, rng.randrange(path.stat().st_size or 1))
    else:
        place = rng.randrange(path.stat().st_size or 1)
        with path.open("r+b") as file:
            file.seek(place)
            before = file.read(1) or b"\0"
            file.seek(place)
            page = rng.randbytes(min(8192, SEGMENT_BYTES - place))
            file.write(bytes([before[0] ^ (1 << rng.randrange(8))]) if how is Damage.FLIP else page)


def az_outage(context: Context, cluster: str, zone: str, duration_s: float | None) -> Injected:
    """Cut off an Availability Zone: its storage nodes and instances are killed and stay down until it is restored."""
    row = context.cluster(cluster)
    _require_zone(row, zone)
    require_volume(context, cluster)
    nodes = [each for each in context.repository.storage_nodes(cluster) if each.availability_zone == zone]
    instances = [each for each in context.repository.instances(cluster) if each.availability_zone == zone]
    certain(
        context,
        *(f"Kill the storage node {node.identifier} and keep it down" for node in nodes),
        *(f"Kill the instance {instance.identifier} and keep it down" for instance in instances),
    )
    fault = begin(context, cluster, FaultKind.AZ_OUTAGE, zone, duration_s)
    with context.volume_memory(cluster).nodes_lock:
        for node in nodes:
            context.installation.receiver(node).kill()
    for instance in instances:
        context.broken_on_purpose.add((cluster, instance.identifier))
        context.installation.server(instance).kill()
    return done(context, cluster, zone, "Availability Zone cut off", fault)


def crash_instance(context: Context, cluster: str, instance: str) -> Injected:
    """SIGKILL every process of an instance's server."""
    found = find_instance(context, cluster, instance)
    certain(context, f"Kill the instance {found.identifier}")
    context.broken_on_purpose.add((cluster, found.identifier))
    context.installation.server(found).kill()
    return done(context, cluster, found.identifier, "Instance killed", None)


def hang_instance(context: Context, cluster: str, instance: str) -> Injected:
    """SIGSTOP every process of an instance's server; the supervisor ends and replaces what stays frozen."""
    found = find_instance(context, cluster, instance)
    certain(context, f"Freeze the instance {found.identifier}")
    context.broken_on_purpose.add((cluster, found.identifier))
    context.installation.server(found).suspend()
    return done(context, cluster, found.identifier, "Instance frozen", None)


def find_instance(context: Context, cluster: str, identifier: str) -> Instance:
    """An instance of a cluster; `writer` names the one that writes. Raises InstanceNotFound."""
    if identifier.lower() == "writer":
        return context.writer(cluster)
    instances = context.repository.instances(cluster)
    for instance in instances:
        if instance.identifier == identifier.lower():
            return instance
    raise InstanceNotFound(identifier, [instance.identifier for instance in instances])


def restore(context: Context, cluster: str, target: str) -> Injected:
    """End an injected fault; what it held down starts again. Raises NotFound where there is none on the target."""
    wanted = target.lower()
    for fault in context.repository.faults(cluster):
        number = fault.target.rpartition("-")[2] if fault.kind in _ON_NODES else fault.target
        if wanted in {fault.target, number}:
            certain(context, f"End {fault.kind} on {fault.target}")
            _end(context, fault)
            return done(context, cluster, fault.target, "Restored", None)
    raise NotFound(
        f"No fault is in force on {target} of DBCluster {cluster}.",
        f"In force: {', '.join(fault.target for fault in context.repository.faults(cluster)) or 'none'}",
    )


def end_expired(context: Context, cluster: str) -> None:
    """End the faults whose time is over."""
    for fault in context.repository.faults(cluster):
        if fault.until is not None and fault.until <= context.now():
            _end(context, fault)
            events.record(context, cluster, events.FAULT, fault.target, f"{fault.kind} ended: its duration is over")


def _end(context: Context, fault: Fault) -> None:
    context.repository.delete_fault(fault.cluster, fault.target)
    if fault.kind in _ON_READERS:
        apply_to_reader(context, fault.cluster, fault.target)
    elif fault.kind in _ON_ENDPOINTS:
        context.publish_routes(fault.cluster)
    elif fault.kind is FaultKind.HANG_STORAGE_NODE:
        for node in context.repository.storage_nodes(fault.cluster):
            if node.identifier == fault.target:
                context.installation.receiver(node).resume()
    context.wake()


def apply_to_reader(context: Context, cluster: str, reader: str) -> None:
    """Bring what is injected into a reader, or no longer is, into force; where it does not run, at its next start."""
    for instance in context.repository.instances(cluster):
        server = context.installation.server(instance)
        if instance.identifier == reader and not instance.is_writer and server.has_data():
            context.configure(instance, context.writer_address(cluster))
            server.reload()


def begin(
    context: Context,
    cluster: str,
    kind: FaultKind,
    target: str,
    duration_s: float | None,
    delay_ms: int | None = None,
) -> Fault:
    """Record a fault that lasts."""
    now = context.now()
    until = None if duration_s is None else now + timedelta(seconds=duration_s)
    fault = Fault(cluster, kind, target, now, until, delay_ms)
    context.repository.add_fault(fault)
    return fault


def done(context: Context, cluster: str, target: str, message: str, fault: Fault | None) -> Injected:
    """Tell of a fault and have it looked at."""
    lasting = ""
    if fault is not None:
        lasting = f" until {fault.until:%H:%M:%S} UTC" if fault.until else " until it is restored"
    events.record(context, cluster, events.FAULT, target, message + lasting)
    context.wake()
    return Injected(target, message + lasting, fault)


def find_node(context: Context, cluster: str, identifier: str) -> StorageNode:
    """A storage node by its identifier or its number. Raises NotFound."""
    require_volume(context, cluster)
    nodes = context.repository.storage_nodes(cluster)
    for node in nodes:
        if identifier.lower() in {node.identifier, node.identifier.rpartition("-")[2]}:
            return node
    known = [node.identifier for node in nodes]
    raise NotFound(
        f"DBCluster {cluster} has no storage node {identifier}.",
        did_you_mean(identifier, known, f"It has {', '.join(known)}"),
    )


def _require_zone(cluster: Cluster, zone: str) -> None:
    if zone not in cluster.availability_zones:
        raise NotFound(
            f"DBCluster {cluster.identifier} has no Availability Zone {zone}.",
            f"It has {', '.join(cluster.availability_zones)}",
        )
