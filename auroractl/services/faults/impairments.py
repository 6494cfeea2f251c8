"""Injected impairments: readers that lag or are cut off, endpoints that are slow or refuse connections."""

from __future__ import annotations

from auroractl.core.errors import InvalidClusterState, InvalidInstanceState, InvalidParameterValue, NotFound
from auroractl.core.model import Endpoint
from auroractl.core.volume.faults import DNS_TARGET, FaultKind
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.faults.injection import Injected, apply_to_reader, begin, done, find_instance
from auroractl.services.operations.dry_run import end_dry_run
from auroractl.services.volume.lookup import require_volume

_LAG_MAX_MS = 24 * 3600 * 1000
_LATENCY_MAX_MS = 60 * 1000
_DNS_LAG_MAX_MS = 3600 * 1000


def lag_reader(cluster: ManagedCluster, reader: str, delay_ms: int, duration_s: float | None) -> Injected:
    """Delay a reader's replay of every commit by `delay_ms` (recovery_min_apply_delay)."""
    _require_delay(delay_ms, _LAG_MAX_MS)
    message = f"Replay is delayed by {delay_ms} ms"
    return _impair(cluster, reader, FaultKind.REPLICA_LAG, message, duration_s, delay_ms)


def partition_reader(cluster: ManagedCluster, reader: str, duration_s: float | None) -> Injected:
    """Cut a reader off from the writer's WAL. Clients still reach it, and read stale data."""
    return _impair(cluster, reader, FaultKind.PARTITION_INSTANCE, "Cut off from the writer", duration_s, None)


def _impair(
    cluster: ManagedCluster,
    reader: str,
    kind: FaultKind,
    message: str,
    duration_s: float | None,
    delay_ms: int | None,
) -> Injected:
    require_volume(cluster)
    found = find_instance(cluster, reader)
    if found.is_writer:
        raise InvalidInstanceState(
            f"DBInstance {found.identifier} is the writer, but {kind} requires a reader.",
            f"List the readers: auroractl describe-instances {cluster.name}",
        )
    end_dry_run(f"{found.identifier}: {message[0].lower()}{message[1:]}")
    fault = begin(cluster, kind, found.identifier, duration_s, delay_ms)
    apply_to_reader(cluster, found.identifier)
    return done(cluster, found.identifier, message, fault)


def slow_endpoint(cluster: ManagedCluster, endpoint: str, delay_ms: int, duration_s: float | None) -> Injected:
    """Delay what clients send through an endpoint by `delay_ms`, including on open connections."""
    _require_delay(delay_ms, _LATENCY_MAX_MS)
    found = _find_endpoint(cluster, endpoint)
    end_dry_run(f"Delay every request through {found.identifier} by {delay_ms} ms")
    fault = begin(cluster, FaultKind.SLOW_ENDPOINT, found.identifier, duration_s, delay_ms)
    cluster.publish_routes()
    return done(cluster, found.identifier, f"Every request is delayed by {delay_ms} ms", fault)


def refuse_endpoint(cluster: ManagedCluster, endpoint: str, duration_s: float | None) -> Injected:
    """Close an endpoint's listening socket. New connections are refused; open ones continue."""
    found = _find_endpoint(cluster, endpoint)
    end_dry_run(f"Refuse new connections to {found.identifier}")
    fault = begin(cluster, FaultKind.REFUSE_ENDPOINT, found.identifier, duration_s)
    cluster.publish_routes()
    return done(cluster, found.identifier, "New connections are refused", fault)


def lag_dns(cluster: ManagedCluster, delay_ms: int, duration_s: float | None) -> Injected:
    """Delay by `delay_ms` what DNS answers after a change of roles, as caches of resolvers and clients do."""
    _require_delay(delay_ms, _DNS_LAG_MAX_MS)
    require_volume(cluster)
    if cluster.settings.endpoint_mode != "dns" or not (cluster.settings.dns and cluster.row().address_block):
        raise InvalidClusterState(
            f"The DNS names of DBCluster {cluster.name} do not follow the roles of its instances.",
            'Set dns = "127.0.0.1:5380" and endpoint_mode = "dns", with addresses of their own (see docs/names.md), then: '
            "auroractl supervisor stop",
        )
    end_dry_run(f"Answer a change of roles {delay_ms} ms late")
    fault = begin(cluster, FaultKind.DNS_LAG, DNS_TARGET, duration_s, delay_ms)
    cluster.publish_routes()
    return done(cluster, cluster.name, f"DNS answers a change of roles {delay_ms} ms late", fault)


def _require_delay(delay_ms: int, most_ms: int) -> None:
    if not 0 < delay_ms <= most_ms:
        raise InvalidParameterValue(
            f"A delay of {delay_ms} ms is not between 1 and {most_ms} ms.", "Give one such as 250ms or 30s"
        )


def _find_endpoint(cluster: ManagedCluster, identifier: str) -> Endpoint:
    """Return an endpoint by its identifier, or a built-in one by `writer` or `reader`. Raises NotFound."""
    require_volume(cluster)
    endpoints = cluster.endpoints()
    for endpoint in endpoints:
        if identifier.lower() in {endpoint.identifier, endpoint.type.value.lower()}:
            return endpoint
    raise NotFound(
        f"DBCluster {cluster.name} has no endpoint {identifier}.",
        f"It has {', '.join(endpoint.identifier for endpoint in endpoints)}",
    )
