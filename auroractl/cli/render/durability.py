"""The durability of a cluster in one line."""

from __future__ import annotations

from typing import Any


def durability_line(view: dict[str, Any]) -> str:
    """Say what a power cut would leave of a cluster."""
    kind, durable = view["Durability"], view["DurableInstance"]
    writer = next((each["DBInstanceIdentifier"] for each in view["DBClusterMembers"] if each["IsClusterWriter"]), None)
    if writer is None:
        left = "without an instance nothing is left to flush"
    elif kind == "everywhere":
        complete = (
            f"complete the change: auroractl modify-cluster {view['DBClusterIdentifier']} --durability everywhere"
        )
        left = (
            "every copy flushes each commit"
            if view["EveryCopyFlushed"]
            else f"not every copy is flushed yet; {complete}"
        )
    elif kind == "none":
        left = "nothing is flushed; a power cut may cost the cluster"
    elif durable == writer:
        left = "the writer is flushed; a power cut costs nothing that was committed"
    else:
        after = f"a power cut would go back to {durable}" if durable else "a power cut may cost the cluster"
        left = f"{writer} is not on disk as a whole yet; {after}"
    return f"Durability  {kind}: {left}"
