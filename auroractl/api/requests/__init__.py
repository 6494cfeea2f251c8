"""Request types of all verbs, in files by noun.

A file is loaded on first use: a command needs one of fifty dataclasses, and each takes time to create.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auroractl.api.request import Options, Request
    from auroractl.api.requests import (
        certificates,
        clusters,
        endpoints,
        faults,
        instances,
        parameter_groups,
        restore,
        supervisor,
        volumes,
    )

_NOUNS = {
    "certificates", "clusters", "endpoints", "faults", "instances", "parameter_groups", "restore", "supervisor",
    "volumes",
}  # fmt: skip
__all__ = [
    "Options", "Request", "certificates", "clusters", "endpoints", "faults", "instances", "parameter_groups", "restore",
    "supervisor", "volumes",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _NOUNS:
        return import_module(f"{__name__}.{name}")
    if name in {"Options", "Request"}:
        return getattr(import_module("auroractl.api.request"), name)
    raise AttributeError(name)
