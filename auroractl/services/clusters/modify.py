"""modify-cluster, modify-instance and pause-automation: changes of a row without steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from auroractl.core import identifiers
from auroractl.core.errors import UsageError
from auroractl.core.model import Phase
from auroractl.core.parameters.model import GroupKind
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.runtime.tickets import Ticket, require_no_other
from auroractl.services.clusters import durability_change
from auroractl.services.instances import iam
from auroractl.services.instances.master_password import change_master_password
from auroractl.services.operations import queue
from auroractl.services.operations.dry_run import end_dry_run
from auroractl.services.parameters import apply, groups


def modify_cluster(
    cluster: ManagedCluster,
    *,
    deletion_protection: bool | None,
    backtrack_window_s: int | None,
    tags: dict[str, str] | None,
    remove_tags: Collection[str],
    master_user_password: str | None = None,
    parameter_group: str | None = None,
    iam_authentication: bool | None = None,
    durability: str | None = None,
) -> None:
    """Change the given settings. Tags are added to the existing ones.

    Raises InvalidParameterValue, or InvalidClusterState if the cluster is stopped, busy or, for a password, without an
    instance; ParameterGroupNotFound, InvalidParameterCombination for a group of another family; EngineError if a server
    refuses the password or the group's values; InvalidParameterCombination, ConfigurationError if the home cannot offer
    IAM authentication. Nothing is changed then; but a change of the durability may be half done, and is completed by
    repeating it.
    """
    cluster.require_running()
    if backtrack_window_s is not None:
        identifiers.backtrack_window(backtrack_window_s)
    if master_user_password is not None:
        identifiers.master_password(master_user_password)
    if iam_authentication:
        iam.require_possible(cluster)
    flushing = None if durability is None else identifiers.durability(durability)
    group = _group(cluster, GroupKind.CLUSTER, parameter_group)
    with _in_turn(cluster, lambda _: queue.ticket(cluster, queue.MODIFY_CLUSTER)):
        merged = {**cluster.row().tags, **(tags or {})}
        kept = {key: value for key, value in merged.items() if key not in remove_tags}
        changed_tags = identifiers.tags(kept) if tags or remove_tags else None
        if master_user_password is not None:
            cluster.writer()
        if group is not None and group != cluster.row().parameter_group:
            apply.change_user(cluster, GroupKind.CLUSTER, cluster.name, cluster.row().parameter_group, group)
        if flushing is not None and not durability_change.is_complete(cluster, flushing):
            cluster.writer()
            end_dry_run()
            durability_change.change_durability(cluster, flushing)
        if master_user_password is not None:
            end_dry_run()
            change_master_password(cluster, master_user_password)
        cluster.repository.update_cluster(
            cluster.name,
            deletion_protection=deletion_protection,
            backtrack_window_s=backtrack_window_s,
            tags=changed_tags,
            iam_authentication=iam_authentication,
        )
        if iam_authentication is not None:
            iam.switch(cluster)


def _group(cluster: ManagedCluster, kind: GroupKind, name: str | None) -> str | None:
    """Return the stored name of a group that a request names; None if it names none."""
    if name is None:
        return None
    return groups.resolve(cluster.runtime, kind, name, cluster.row().engine_version)


def pause_automation(cluster: ManagedCluster, *, paused: bool) -> bool:
    """Pause or resume the automation of a cluster; return False if nothing changed."""
    if cluster.row().automation_paused is paused:
        return False
    cluster.repository.update_cluster(cluster.name, automation_paused=paused)
    message = "Automation paused: there is no automatic failover or restart" if paused else "Automation resumed"
    events.record(cluster, events.AUTOMATION, cluster.name, message)
    cluster.wake()
    return True


def modify_instance(
    runtime: Runtime, identifier: str, *, promotion_tier: int | None, parameter_group: str | None = None
) -> None:
    """Change an instance's promotion tier, which causes no failover, and its DB parameter group.

    Raises InstanceNotFound, InvalidParameterValue, InvalidInstanceState if it is being created or deleted, and
    InvalidClusterState if the cluster is stopped or busy.
    """
    instance = runtime.instance(identifier)
    cluster = ManagedCluster(runtime, instance.cluster)
    if promotion_tier is None and parameter_group is None:
        raise UsageError("Nothing to change was named.", "Give --promotion-tier or --db-parameter-group-name")
    tier = None if promotion_tier is None else identifiers.promotion_tier(promotion_tier)
    group = _group(cluster, GroupKind.INSTANCE, parameter_group)
    cluster.require_running()

    def make(tickets: Collection[Ticket]) -> Ticket:
        require_no_other(tickets, instance.identifier)
        shown = replace(instance, phase=Phase.MODIFYING)
        return queue.ticket(cluster, queue.MODIFY_INSTANCE, shown)

    with _in_turn(cluster, make):
        if group is not None and group != instance.parameter_group:
            apply.change_user(cluster, GroupKind.INSTANCE, instance.identifier, instance.parameter_group, group)
        cluster.repository.update_instance(instance.identifier, promotion_tier=tier)


@contextmanager
def _in_turn(cluster: ManagedCluster, make: Callable[[Collection[Ticket]], Ticket]) -> Iterator[None]:
    with queue.in_turn(cluster, make) as made, cluster.locks.operation(made.cluster, made.operation, ticket=made):
        yield
