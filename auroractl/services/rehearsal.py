"""Dry runs: a service runs until it would write for the first time, by when it has checked everything it checks.

Nothing is written because nothing can be: the services get a repository that ends them in place of writing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from auroractl.core.model import Cluster, Endpoint, Instance
from auroractl.core.operations import OperationRecord
from auroractl.services.context import Context
from auroractl.services.operations import Rehearsed
from auroractl.state.repository import Repository


class _RehearsalRepository(Repository):
    """Reads as the real one, `real`, does; the first write ends the rehearsal."""

    def __init__(self, real: Repository) -> None:
        vars(self).update(vars(real))

    @contextmanager
    def _write(self) -> Iterator[Any]:
        raise Rehearsed(None)
        yield

    def begin_operation(self, record: OperationRecord) -> NoReturn:
        """All that can refuse the operation has been looked at."""
        raise Rehearsed(record)

    def create_cluster(
        self, cluster: Cluster, instances: Sequence[Instance], endpoints: Sequence[Endpoint], operation: OperationRecord
    ) -> NoReturn:
        """As begin_operation, with what would be made."""
        operation.arguments.update(
            EngineVersion=cluster.engine_version,
            Port=cluster.port,
            Instances=[instance.identifier for instance in instances],
            Endpoints=[str(endpoint.address) for endpoint in endpoints],
        )
        raise Rehearsed(operation)


def certain(context: Context, *steps: str) -> None:
    """Nothing can refuse what begins here: a dry run ends with the steps named. For what is not journalled."""
    if isinstance(context.repository, _RehearsalRepository):
        raise Rehearsed(None, steps)


def rehearse(context: Context, call: Callable[[Context], Any]) -> Rehearsed | None:
    """What a service would do: its journal record and steps, or None where there is nothing to do.

    `call` gets the context to work with. Raises whatever refuses the operation.
    """
    rehearsing = copy.copy(context)
    rehearsing.repository = _RehearsalRepository(context.repository)
    try:
        call(rehearsing)
    except Rehearsed as rehearsed:
        return rehearsed
    return None
