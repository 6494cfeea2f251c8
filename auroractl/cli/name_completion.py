"""Completion of names, by a request to a running supervisor.

A shell waits for the answer at every Tab. So the supervisor is never started for it, the time is limited, and an error
means no names.
"""

from __future__ import annotations

from typing import Any

import typer

from auroractl.api.progress import Silent
from auroractl.config.paths import find_home
from auroractl.control_planes.local import LocalControlPlane
from auroractl.core.errors import AuroraError

_LIMIT_S = 0.3


def _names(context: typer.Context, incomplete: str, *kinds: str) -> list[str]:
    home = context.find_root().params.get("home")
    try:
        answer: dict[str, Any] = LocalControlPlane(find_home(home), start=False, timeout_s=_LIMIT_S).request(
            "names", {}, Silent()
        )
    except (AuroraError, OSError):
        return []
    return [name for kind in kinds for name in answer.get(kind, []) if name.startswith(incomplete.lower())]


def clusters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of clusters."""
    return _names(ctx, incomplete, "Clusters")


def instances(ctx: typer.Context, incomplete: str) -> list[str]:
    """Instances."""
    return _names(ctx, incomplete, "Instances")


def faulty_instances(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of instances, and `writer`."""
    return [word for word in ("writer",) if word.startswith(incomplete)] + instances(ctx, incomplete)


def either(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of clusters and instances."""
    return _names(ctx, incomplete, "Clusters", "Instances")


def endpoints(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of custom and built-in endpoints."""
    return _names(ctx, incomplete, "Endpoints")


def storage_nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of storage nodes."""
    return _names(ctx, incomplete, "StorageNodes")


def targets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of all targets of faults."""
    return _names(ctx, incomplete, "Instances", "Endpoints", "StorageNodes")
