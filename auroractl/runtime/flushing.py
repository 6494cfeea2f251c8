"""The record of what is not flushed, in a cluster's row, and which copy is trusted after a power cut.

| unflushed_boot | durable_instance | what is trusted in another boot of the machine |
|---|---|---|
| empty | empty | all copies: all are on disk |
| a boot | an instance | the data of that instance, the writer or the one before it, and WAL with a recorded checksum |
| a boot | empty | nothing unasked |
"""

from __future__ import annotations

from auroractl.core.errors import EngineError
from auroractl.core.volume.durability import Durability
from auroractl.state.repository import Repository
from auroractl.system.boot import boot_id


def is_settled(repository: Repository, cluster: str) -> bool:
    """Return whether nothing is left to do about what another boot of the machine did not flush."""
    row = repository.cluster(cluster)
    return row is None or row.unflushed_boot in {"", boot_id()}


def require_settled(repository: Repository, cluster: str) -> None:
    """Raise EngineError until it is settled which copy of a cluster is trusted, after the machine ended."""
    if not is_settled(repository, cluster):
        raise EngineError(
            f"The machine ended while DBCluster {cluster} ran, and it is not settled which of its copies is trusted.",
            f"See why, and settle it: auroractl start-cluster {cluster}. Or remove it: auroractl delete-cluster {cluster}",
        )


def record_start(repository: Repository, cluster: str, *, copy: bool) -> bool:
    """Record the start of a process: a storage node or a reader (`copy`), or the writer; return whether it flushes.

    If it does not, what it may change is no longer trusted from now on. Raises as `require_settled` does.
    """
    row = repository.cluster(cluster)
    if row is None:
        return True
    require_settled(repository, cluster)
    flushes = row.durability.copies_flush if copy else row.durability.writer_flushes
    if not flushes and row.unflushed_boot != boot_id():
        repository.record_unflushed(cluster, boot_id())
    if not flushes and not copy:
        record_nothing_durable(repository, cluster)
    return flushes


def record_durability(repository: Repository, cluster: str, wanted: Durability) -> None:
    """Record what a cluster is to flush; every process that starts later does."""
    repository.update_durability(cluster, durability=wanted)


def record_nothing_durable(repository: Repository, cluster: str) -> None:
    """Record that no data is known to be on disk as a whole any more. Raises as `require_settled` does."""
    require_settled(repository, cluster)
    row = repository.cluster(cluster)
    if row is not None and row.durable_instance:
        repository.update_durability(cluster, durable_instance="")


def record_all_flushed(repository: Repository, cluster: str) -> None:
    """Record that everything is on disk: nothing runs that does not flush, and all it left is flushed or gone."""
    repository.update_durability(cluster, unflushed_boot="", durable_instance="")


def record_same_boot(repository: Repository, cluster: str) -> None:
    """Record that what was not flushed is of the current boot, because processes of the cluster still live."""
    repository.update_durability(cluster, unflushed_boot=boot_id())
