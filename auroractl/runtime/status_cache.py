"""Cached status of a watched cluster, which makes frequent polling cheap."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from auroractl.core.model import Instance


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """A status document and its inputs.

    It does not survive a restart of the supervisor: the next request makes another.
    """

    made_s: float
    """On the monotonic clock."""
    condition: Hashable
    """Live processes and running work at that time; if they change, the document is stale."""
    document: dict[str, Any]
    instances: tuple[Instance, ...]
