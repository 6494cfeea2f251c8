"""Requests about the supervisor itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from auroractl.api.field_types import FLAG
from auroractl.api.request import Request


class Names(Request):
    """List all names, for shell completion."""


class SupervisorStatus(Request):
    """Describe the supervisor."""


@dataclass(frozen=True, kw_only=True)
class SupervisorStop(Request):
    """Stop the supervisor."""

    everything: bool = field(default=False, metadata=FLAG.key("All"))
    """Stop all databases and endpoints too."""
