"""Which processes of a cluster may run without flushing, and the record of it that a power cut leaves."""

from __future__ import annotations

from auroractl.core.errors import EngineError
from auroractl.state.repository import Repository
from auroractl.system.boot import boot_id


def is_settled(repository: Repository, cluster: str) -> bool:
    """Return whether nothing is left to do about what another boot of the machine did not flush."""
    row = repository.cluster(cluster)
    return row is None or row.unflushed_boot in {"", boot_id()}


def require_settled(repository: Repository, cluster: str) -> None:
    """Raise EngineError while no copy of a cluster is trustworthy, because the machine ended while it ran."""
    if not is_settled(repository, cluster):
        raise EngineError(
            f"The machine ended while DBCluster {cluster} ran, and no copy of its data is known to be on disk.",
            f"Delete it: auroractl delete-cluster {cluster}, or trust what the writer has: "
            f"auroractl start-cluster {cluster} --allow-data-loss",
        )


def permit(repository: Repository, cluster: str, *, copy: bool) -> bool:
    """Return whether a process that is about to start flushes: a storage node or a reader (`copy`), or the writer.

    If it does not, that is recorded first. Raises as `require_settled` does.
    """
    row = repository.cluster(cluster)
    if row is None:
        return True
    require_settled(repository, cluster)
    flushes = row.durability.copies_flush if copy else row.durability.writer_flushes
    if not flushes and row.unflushed_boot != boot_id():
        repository.change_durability(cluster, unflushed_boot=boot_id())
    if not flushes and not copy and row.durable_instance:
        repository.change_durability(cluster, durable_instance="")
    return flushes
