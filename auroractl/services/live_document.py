"""What is kept of a cluster that is being watched, so that looking often costs little."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from auroractl.core.model import Instance


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """A status document and what it was made from."""

    made_s: float
    """On the monotonic clock."""
    condition: Hashable
    """What was alive and what was being done; where that changes the document is no longer good."""
    document: dict[str, Any]
    instances: tuple[Instance, ...]
