"""Control planes of the commands: one request per verb, JSON in and out; `local` asks this machine's supervisor.

The verbs are the names of the commands and the documents have AWS's shape, so that another one (AWS itself) can
answer the same requests.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from auroractl.api.progress import Progress

Document = dict[str, Any]


class Delivery(Enum):
    """How far a request has been delivered, as seen by the client."""

    NOT_SENT = "not sent"
    SENT = "sent"
    """Not answered yet; it may have been started."""
    ACCEPTED = "accepted"
    """The other side has begun to answer; the work no longer depends on this client."""


class ControlPlane(Protocol):
    """Interface that answers requests."""

    delivery: Delivery
    """The delivery state of the last request."""

    def request(self, verb: str, body: Document, progress: Progress) -> Document:
        """Return the result document of a verb. Raises AuroraError, also for errors of the other side."""
