"""modify-cluster and modify-instance: changes of a row that need no step."""

from __future__ import annotations

from collections.abc import Collection

from auroractl.core import identifiers
from auroractl.core.model import RunningOperation
from auroractl.services import events
from auroractl.services.context import Context


def modify_cluster(
    context: Context,
    name: str,
    *,
    deletion_protection: bool | None,
    backtrack_window_s: int | None,
    tags: dict[str, str] | None,
    remove_tags: Collection[str],
) -> None:
    """Change what is given. Tags are added to those there are.

    Raises InvalidParameterValue, and InvalidClusterState where the cluster is stopped or busy; nothing is changed then.
    """
    context.require_running(name)
    if backtrack_window_s is not None:
        identifiers.backtrack_window(backtrack_window_s)
    with context.locks.operation(name, RunningOperation("", "modify-cluster", context.now())):
        merged = {**context.cluster(name).tags, **(tags or {})}
        kept = {key: value for key, value in merged.items() if key not in remove_tags}
        context.repository.update_cluster(
            name,
            deletion_protection=deletion_protection,
            backtrack_window_s=backtrack_window_s,
            tags=identifiers.tags(kept) if tags or remove_tags else None,
        )


def pause_automation(context: Context, name: str, *, paused: bool) -> bool:
    """Have a cluster heal by itself, or leave it as it is; False where that was so already."""
    if context.cluster(name).automation_paused is paused:
        return False
    context.repository.update_cluster(name, automation_paused=paused)
    message = "Automation paused: nothing is promoted or restarted by itself" if paused else "Automation resumed"
    events.record(context, name, events.AUTOMATION, name, message)
    context.wake()
    return True


def modify_instance(context: Context, identifier: str, *, promotion_tier: int) -> None:
    """Change an instance's promotion tier; causes no failover. Raises InstanceNotFound, InvalidParameterValue."""
    instance = context.instance(identifier)
    tier = identifiers.promotion_tier(promotion_tier)
    context.require_running(instance.cluster)
    with context.locks.operation(instance.cluster, RunningOperation("", "modify-instance", context.now())):
        context.repository.update_instance(instance.identifier, promotion_tier=tier)
