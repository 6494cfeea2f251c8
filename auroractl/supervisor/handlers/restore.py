"""Handlers of requests about backtracks and peeks."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.requests import restore as requests
from auroractl.core.operations import OperationRecord
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.restore import backtrack, backtrack_plan, peek
from auroractl.services.restore.backtrack import BacktrackRequest
from auroractl.supervisor.handlers.call import Call, EarlyHandler, Handler
from auroractl.supervisor.results import Backtracked, BacktrackPrepared, Document


def _parameters(request: requests.Backtrack) -> BacktrackRequest:
    return BacktrackRequest(None if request.undo else request.target, request.use_earliest)


def backtrack_(call: Call, request: requests.Backtrack) -> Backtracked:
    """backtrack."""
    cluster = call.cluster(request.cluster)
    return Backtracked(backtrack.backtrack(cluster, _parameters(request)))


def backtracking(cluster: ManagedCluster, record: OperationRecord, _request: requests.BacktrackRequest) -> Backtracked:
    """Build the early answer of backtrack and accept-backtrack."""
    row = cluster.repository.backtrack(record.arguments["Backtrack"])
    assert row is not None
    return Backtracked(row)


def plan_backtrack(call: Call, request: requests.PlanBacktrack) -> Document:
    """plan-backtrack."""
    return {"BacktrackPlan": backtrack_plan.plan(call.cluster(request.cluster), _parameters(request))}


def prepare_backtrack(call: Call, request: requests.PrepareBacktrack) -> BacktrackPrepared:
    """prepare-backtrack."""
    cluster = call.cluster(request.cluster)
    parameters = BacktrackRequest(request.target, request.use_earliest)
    row = backtrack.prepare(cluster, parameters)
    return BacktrackPrepared(row, backtrack.pending_connection(cluster, row.identifier))


def accept_backtrack(call: Call, request: requests.AcceptBacktrack) -> Backtracked:
    """accept-backtrack."""
    return Backtracked(backtrack.accept(call.cluster(request.cluster)))


def cancel_backtrack(call: Call, request: requests.CancelBacktrack) -> Backtracked:
    """cancel-backtrack."""
    return Backtracked(backtrack.cancel(call.cluster(request.cluster)))


def describe_backtracks(call: Call, request: requests.DescribeBacktracks) -> Document:
    """describe-backtracks."""
    return {"DBClusterBacktracks": backtrack.describe(call.runtime, request.cluster, request.identifier)}


def peek_(call: Call, request: requests.Peek) -> Document:
    """peek."""
    return {"Peek": peek.peek(call.cluster(request.cluster), request)}


HANDLERS: Mapping[str, Handler] = {
    "backtrack": backtrack_,
    "plan-backtrack": plan_backtrack,
    "prepare-backtrack": prepare_backtrack,
    "accept-backtrack": accept_backtrack,
    "cancel-backtrack": cancel_backtrack,
    "describe-backtracks": describe_backtracks,
    "peek": peek_,
}
EARLY: Mapping[str, EarlyHandler] = {
    "backtrack": backtracking,
    "accept-backtrack": backtracking,
}
