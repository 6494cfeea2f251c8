"""Injecting what breaks nothing and makes it worse: readers that lag or are cut off, endpoints that are slow or refuse."""

from __future__ import annotations

from auroractl.core.errors import InvalidInstanceState, InvalidParameterValue, NotFound
from auroractl.core.faults import FaultKind
from auroractl.core.model import Endpoint
from auroractl.services.context import Context
from auroractl.services.faults import Injected, apply_to_reader, begin, done, find_instance
from auroractl.services.growth import require_volume
from auroractl.services.rehearsal import certain

_LAG_MAX_MS = 24 * 3600 * 1000
_LATENCY_MAX_MS = 60 * 1000


def lag_reader(context: Context, cluster: str, reader: str, delay_ms: int, duration_s: float | None) -> Injected:
    """Have a reader apply every commit `delay_ms` after the writer made it (recovery_min_apply_delay)."""
    _require_delay(delay_ms, _LAG_MAX_MS)
    message = f"Applies changes {delay_ms} ms late"
    return _impair(context, cluster, reader, FaultKind.REPLICA_LAG, message, duration_s, delay_ms)


def partition_reader(context: Context, cluster: str, reader: str, duration_s: float | None) -> Injected:
    """Keep the writer's log from a reader, whose clients still reach it: what they read grows old."""
    return _impair(context, cluster, reader, FaultKind.PARTITION_INSTANCE, "Cut off from the writer", duration_s, None)


def _impair(
    context: Context,
    cluster: str,
    reader: str,
    kind: FaultKind,
    message: str,
    duration_s: float | None,
    delay_ms: int | None,
) -> Injected:
    require_volume(context, cluster)
    found = find_instance(context, cluster, reader)
    if found.is_writer:
        raise InvalidInstanceState(
            f"DBInstance {found.identifier} is the writer, and {kind} is for readers.",
            f"See the readers: auroractl describe-instances {cluster}",
        )
    certain(context, f"{found.identifier}: {message[0].lower()}{message[1:]}")
    fault = begin(context, cluster, kind, found.identifier, duration_s, delay_ms)
    apply_to_reader(context, cluster, found.identifier)
    return done(context, cluster, found.identifier, message, fault)


def slow_endpoint(context: Context, cluster: str, endpoint: str, delay_ms: int, duration_s: float | None) -> Injected:
    """Pass on what clients send through an endpoint `delay_ms` later, on open connections too."""
    _require_delay(delay_ms, _LATENCY_MAX_MS)
    found = _find_endpoint(context, cluster, endpoint)
    certain(context, f"Pass on every request through {found.identifier} {delay_ms} ms late")
    fault = begin(context, cluster, FaultKind.SLOW_ENDPOINT, found.identifier, duration_s, delay_ms)
    context.publish_routes(cluster)
    return done(context, cluster, found.identifier, f"Every request arrives {delay_ms} ms late", fault)


def refuse_endpoint(context: Context, cluster: str, endpoint: str, duration_s: float | None) -> Injected:
    """Close an endpoint's listening socket: connections are refused, open ones go on."""
    found = _find_endpoint(context, cluster, endpoint)
    certain(context, f"Refuse new connections to {found.identifier}")
    fault = begin(context, cluster, FaultKind.REFUSE_ENDPOINT, found.identifier, duration_s)
    context.publish_routes(cluster)
    return done(context, cluster, found.identifier, "Connections are refused", fault)


def _require_delay(delay_ms: int, most_ms: int) -> None:
    if not 0 < delay_ms <= most_ms:
        raise InvalidParameterValue(
            f"A delay of {delay_ms} ms is not between 1 and {most_ms} ms.", "Give one such as 250ms or 30s"
        )


def _find_endpoint(context: Context, cluster: str, identifier: str) -> Endpoint:
    """An endpoint by its identifier, or `writer` or `reader` for the built-in ones. Raises NotFound."""
    require_volume(context, cluster)
    endpoints = context.repository.endpoints(cluster)
    for endpoint in endpoints:
        if identifier.lower() in {endpoint.identifier, endpoint.type.value.lower()}:
            return endpoint
    raise NotFound(
        f"DBCluster {cluster} has no endpoint {identifier}.",
        f"It has {', '.join(endpoint.identifier for endpoint in endpoints)}",
    )
