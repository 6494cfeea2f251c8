"""Talking to an endpoint process over its control socket: one JSON line there, one back."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroractl.core.errors import AuroraError
from auroractl.core.routing import RoutingTable


class EndpointError(AuroraError):
    """The endpoint process does not answer, or cannot do what it was asked for."""

    code = "EndpointFailure"


@dataclass(frozen=True, slots=True)
class Report:
    """What an endpoint process says of itself."""

    pid: int
    connections: dict[str, int]
    """Open client connections by endpoint."""
    held: dict[str, int]
    """Clients that wait for an instance, by endpoint."""
    connections_by_instance: dict[str, int]
    accepted: dict[tuple[str, str], int]
    """Connections handed over since the process started, by endpoint and instance."""
    refused: dict[str, int]
    """Clients that were turned away since the process started, by endpoint."""


class EndpointProcessClient:
    """Blocking calls with a deadline. Every call raises EndpointError where the process does not answer."""

    def __init__(self, socket_path: Path, timeout_s: float = 2.0) -> None:
        self._socket_path = socket_path
        self._timeout_s = timeout_s

    def apply(self, table: RoutingTable) -> None:
        """Bring a table into force; returns when listeners are bound and connections cut.

        Raises EndpointError with the process's reason, such as an address that is in use.
        """
        self._ask({"verb": "apply", "table": table.to_json()})

    def report(self) -> Report:
        """What the process says of itself now."""
        answer = self._ask({"verb": "report"})
        accepted = {(endpoint, instance): count for endpoint, instance, count in answer.pop("accepted")}
        return Report(**answer, accepted=accepted)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout_s)
                connection.connect(str(self._socket_path))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    answer = json.loads(lines.readline() or b"null")
        except (OSError, ValueError) as error:
            raise EndpointError(f"The endpoint process does not answer: {error}", "") from error
        if not isinstance(answer, dict):
            raise EndpointError("The endpoint process ended while it was asked.", "")
        if "error" in answer:
            raise EndpointError(f"The endpoint process could not do it: {answer['error']}", "")
        return answer
