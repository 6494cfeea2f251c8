"""Completing the names of what there is, by a quick question to the supervisor if it runs; it is never started for it.

A shell waits for the answer at every Tab, so there is a short limit, and whatever goes wrong means no names.
"""

from __future__ import annotations

from typing import Any

import typer

from auroractl.backends.local import LocalBackend
from auroractl.cli.progress import Silent
from auroractl.config.paths import find_home
from auroractl.core.errors import AuroraError

_LIMIT_S = 0.3


def _names(context: typer.Context, incomplete: str, *kinds: str) -> list[str]:
    home = context.find_root().params.get("home")
    try:
        answer: dict[str, Any] = LocalBackend(find_home(home), start=False, timeout_s=_LIMIT_S).request(
            "names", {}, Silent()
        )
    except (AuroraError, OSError):
        return []
    return [name for kind in kinds for name in answer.get(kind, []) if name.startswith(incomplete.lower())]


def clusters(ctx: typer.Context, incomplete: str) -> list[str]:
    """Clusters whose names begin with what was typed."""
    return _names(ctx, incomplete, "Clusters")


def instances(ctx: typer.Context, incomplete: str) -> list[str]:
    """Instances."""
    return _names(ctx, incomplete, "Instances")


def faulty_instances(ctx: typer.Context, incomplete: str) -> list[str]:
    """Instances, and the word for the one that writes."""
    return [word for word in ("writer",) if word.startswith(incomplete)] + instances(ctx, incomplete)


def either(ctx: typer.Context, incomplete: str) -> list[str]:
    """Clusters and instances."""
    return _names(ctx, incomplete, "Clusters", "Instances")


def endpoints(ctx: typer.Context, incomplete: str) -> list[str]:
    """Endpoints, custom ones and built-in ones."""
    return _names(ctx, incomplete, "Endpoints")


def storage_nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Storage nodes."""
    return _names(ctx, incomplete, "StorageNodes")


def targets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Whatever a fault can be on."""
    return _names(ctx, incomplete, "Instances", "Endpoints", "StorageNodes")
