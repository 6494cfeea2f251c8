"""Dispatch of requests to handlers, with dry runs, early answers and the other common options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auroractl.api.progress import Progress
from auroractl.api.request import Options, Request
from auroractl.api.verb import DryRun
from auroractl.api.verbs import VERBS
from auroractl.core.errors import ClusterAlreadyExists, ClusterNotFound
from auroractl.core.operations import OperationRecord, plan_view
from auroractl.runtime.caller import Caller, on_behalf_of
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.observation import describe
from auroractl.services.operations.dry_run import rehearse
from auroractl.services.operations.runner import Rehearsed
from auroractl.supervisor.handlers.call import Call
from auroractl.supervisor.handlers.registry import EARLY, HANDLERS
from auroractl.supervisor.results import ClusterCreated, ClusterDeleted, Stopped, document

Answer = Callable[[Any], None]
"""Receives the result document, possibly before the work is done. Only the first call counts."""


def serve(runtime: Runtime, request: Request, options: Options, progress: Progress, answer: Answer) -> None:
    """Carry out a request and answer it. Raises AuroraError if it fails."""

    def early(record: OperationRecord) -> None:
        if options.no_wait:
            answer(document(EARLY[request.verb](ManagedCluster(runtime, record.cluster), record, request), runtime))

    with on_behalf_of(Caller(progress, early, options.dry_run)):
        if options.dry_run and VERBS[request.verb].dry_run is DryRun.STEPS:
            answer({"Plan": _plan(runtime, request, options)})
            return
        result = _carry_out(runtime, request, options)
        answer(document(result, runtime))
    if isinstance(result, Stopped):
        result.end()


def _carry_out(runtime: Runtime, request: Request, options: Options) -> Any:
    if options.if_not_exists and runtime.repository.cluster(_named(request).lower()) is not None:
        return _existing(runtime, request)
    try:
        return HANDLERS[request.verb](Call(runtime, options), request)
    except ClusterAlreadyExists:
        if options.if_not_exists:
            return _existing(runtime, request)
        raise
    except ClusterNotFound:
        if options.if_exists:
            return ClusterDeleted(_named(request), None, changed=False)
        raise


def _named(request: Request) -> str:
    """Return the cluster that a request names."""
    return str(getattr(request, "cluster", None))


def _existing(runtime: Runtime, request: Request) -> ClusterCreated:
    return ClusterCreated(runtime.cluster(_named(request)).identifier, changed=False)


def _plan(runtime: Runtime, request: Request, options: Options) -> dict[str, Any]:
    """Return the plan of a verb: run all its checks and change nothing."""
    try:
        rehearsed = rehearse(lambda: HANDLERS[request.verb](Call(runtime, options), request))
    except ClusterAlreadyExists:
        if not options.if_not_exists:
            raise
        rehearsed = None
    except ClusterNotFound:
        if not options.if_exists:
            raise
        rehearsed = None
    return _plan_view(runtime, request, options, rehearsed)


def _plan_view(runtime: Runtime, request: Request, options: Options, rehearsed: Rehearsed | None) -> dict[str, Any]:
    verb = VERBS[request.verb]
    record = rehearsed.record if rehearsed else None
    steps = [] if rehearsed is None else rehearsed.steps or ([verb.step] if verb.step else [])
    return plan_view(
        verb.plan_name,
        record.cluster if record else _cluster_of(runtime, request, options),
        steps,
        changed=rehearsed is not None,
        arguments=record.arguments if record else None,
    )


def _cluster_of(runtime: Runtime, request: Request, options: Options) -> str | None:
    """Return the cluster of a request, by the instance, cluster or endpoint that it names."""
    if instance := getattr(request, "instance", None):
        return runtime.instance(instance).cluster
    if hasattr(request, "cluster"):
        known = options.if_exists and request.cluster
        return str(request.cluster).lower() if known else runtime.cluster(request.cluster).identifier
    for endpoint in describe.describe_endpoints(runtime, None):
        if endpoint["DBClusterEndpointIdentifier"] == str(getattr(request, "endpoint", "")).lower():
            return str(endpoint["DBClusterIdentifier"])
    return None
