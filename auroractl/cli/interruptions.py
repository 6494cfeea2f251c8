"""The message after Ctrl-C: the state of the request, and the next command to use."""

from __future__ import annotations

from typing import Any

from auroractl.control_planes import Delivery

_SEEN = {
    Delivery.NOT_SENT: "Interrupted before the request was sent; nothing was started.",
    Delivery.SENT: "Interrupted before the supervisor answered; the work may have been started.",
    Delivery.ACCEPTED: "Interrupted. The supervisor has accepted the work and will finish it.",
}


def what_was_seen(delivery: Delivery) -> str:
    """Describe how far the request was delivered."""
    return _SEEN[delivery]


def what_to_do(verb: str, body: dict[str, Any], delivery: Delivery = Delivery.ACCEPTED) -> str:
    """Return the command that waits for a verb's work, or else shows its progress.

    >>> what_to_do("failover", {"DBClusterIdentifier": "demo"})
    'auroractl wait failover-completed demo'
    >>> what_to_do("failover", {"DBClusterIdentifier": "demo"}, Delivery.SENT)
    'auroractl status demo'
    >>> what_to_do("create-instance", {"DBClusterIdentifier": "demo", "DBInstanceIdentifier": None})
    'auroractl wait cluster-available demo'
    """
    from auroractl.api.verbs import VERBS  # noqa: PLC0415  (only on the way out)
    from auroractl.api.waiting import Condition  # noqa: PLC0415

    if delivery is Delivery.NOT_SENT:
        return "the same command again"
    condition = VERBS[verb].waits_for if delivery is Delivery.ACCEPTED else None
    if condition is Condition.INSTANCE_AVAILABLE and not body.get("DBInstanceIdentifier"):
        # The supervisor chooses the name.
        condition = Condition.CLUSTER_AVAILABLE
    about = "DBInstanceIdentifier" if condition is Condition.INSTANCE_AVAILABLE else "DBClusterIdentifier"
    name = body.get(about) or ""
    return (f"auroractl wait {condition} {name}" if condition else f"auroractl status {name}").rstrip()
