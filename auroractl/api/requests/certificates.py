"""Requests about the certificate authority of a home."""

from __future__ import annotations

from dataclasses import dataclass, field

from auroractl.api.field_types import FLAG
from auroractl.api.request import Request


class DescribeCa(Request):
    """Describe the certificate authority of the home, and earlier ones that clients still trust."""


@dataclass(frozen=True, kw_only=True)
class RotateCa(Request):
    """Replace the certificate authority of the home, and the certificates of all clusters."""

    discard_previous: bool = field(default=False, metadata=FLAG.key("DiscardPrevious"))
    """Whether clients stop trusting the earlier ones."""
