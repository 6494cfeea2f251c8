"""Dry runs: a service runs all its checks up to its first write.

It cannot write anything, because the repository raises an exception instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from auroractl.core.model import Cluster, Endpoint, Instance
from auroractl.core.operations import OperationRecord
from auroractl.runtime.caller import caller
from auroractl.services.operations.runner import Rehearsed
from auroractl.state.repository import Repository


class DryRunRepository(Repository):
    """A repository that raises Rehearsed at the first write of a dry run, and writes for all other requests."""

    def __init__(self, real: Repository) -> None:
        vars(self).update(vars(real))

    @contextmanager
    def _write(self) -> Iterator[Any]:
        end_dry_run()
        with super()._write() as session:
            yield session

    def begin_operation(self, record: OperationRecord) -> None:
        """Record an operation, or end its dry run, because all its checks have passed."""
        if caller().dry_run:
            raise Rehearsed(record)
        super().begin_operation(record)

    def create_cluster(
        self, cluster: Cluster, instances: Sequence[Instance], endpoints: Sequence[Endpoint], operation: OperationRecord
    ) -> None:
        """Record a new cluster, or end its dry run with the details of the cluster."""
        if caller().dry_run:
            operation.arguments.update(
                EngineVersion=cluster.engine_version,
                Port=cluster.port,
                Instances=[] if operation.arguments.get("NoInstances") else [each.identifier for each in instances],
                Endpoints=[str(endpoint.address) for endpoint in endpoints],
            )
            raise Rehearsed(operation)
        super().create_cluster(cluster, instances, endpoints, operation)


def end_dry_run(*steps: str) -> None:
    """End a dry run of an operation without a journal, with its steps; all checks must have passed."""
    if caller().dry_run:
        raise Rehearsed(None, steps)


def rehearse(call: Callable[[], Any]) -> Rehearsed | None:
    """Run a call as a dry run; return its journal record and steps, or None if nothing is to do.

    Raises the error that would refuse the operation.
    """
    try:
        call()
    except Rehearsed as rehearsed:
        return rehearsed
    return None
