"""Client of an endpoint process's control socket: one JSON line each way."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroractl.core.address import Address
from auroractl.core.errors import AuroraError, InvalidParameterValue
from auroractl.core.iam import IamRules
from auroractl.core.routing_table import RoutingTable
from auroractl.core.text.bounded_json import bounded_object

_ANSWER_BYTES_MAX = 1024 * 1024
_HEARD_BYTES = 64 * 1024


class EndpointError(AuroraError):
    """The endpoint process does not answer, or cannot do what was requested."""

    code = "EndpointFailure"


class AddressInUse(EndpointError):
    """The endpoint process has applied the table, but another process listens at one of its addresses."""


@dataclass(frozen=True, slots=True)
class Report:
    """The status report of an endpoint process."""

    pid: int
    connections: dict[str, int]
    """Open client connections by endpoint."""
    held: dict[str, int]
    """Clients waiting for an instance, by endpoint."""
    connections_by_instance: dict[str, int]
    accepted: dict[tuple[str, str], int]
    """Connections handed to an instance since the process started, by endpoint and instance."""
    refused: dict[str, int]
    """Clients refused since the process started, by endpoint."""
    handshakes: tuple[int, int]
    """TLS handshakes since the process started: complete, and failed."""
    unbound: dict[str, tuple[Address, str]]
    """Addresses that the process cannot listen on yet, with the system's reason, by endpoint."""


class EndpointProcessClient:
    """Blocking calls, each with a deadline for the whole call.

    Every call raises EndpointError if the process does not answer, or gives an invalid answer: it runs under the
    databases' account, and another process may answer in its place.
    """

    def __init__(self, socket_path: Path, timeout_s: float = 2.0) -> None:
        self._socket_path = socket_path
        self._timeout_s = timeout_s

    def apply(self, table: RoutingTable, certificate: str = "", iam: IamRules | None = None) -> None:
        """Apply a table, a key with certificate for TLS, and rules for tokens; return when listeners are bound.

        Raises AddressInUse if the table is in force except for listeners that cannot be bound yet.
        """
        request = {"verb": "apply", "table": table.to_json(), "certificate": certificate, "iam": iam and iam.to_json()}
        unbound = _report(self._ask(request)).unbound
        if unbound:
            endpoint, (address, reason) = next(iter(unbound.items()))
            raise AddressInUse(f"The endpoint {endpoint} cannot listen at {address}: {reason}.", "")

    def report(self) -> Report:
        """Return the process's current status report."""
        return _report(self._ask({"verb": "report"}))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        deadline_s = time.monotonic() + self._timeout_s
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout_s)
                connection.connect(str(self._socket_path))
                connection.sendall(json.dumps(request).encode() + b"\n")
                line = _read_line(connection, deadline_s)
        except OSError as error:
            raise EndpointError(f"The endpoint process does not answer: {error}", "") from error
        if not line:
            raise EndpointError("The endpoint process ended while it was asked.", "")
        try:
            answer = bounded_object(line)
        except InvalidParameterValue as error:
            raise _no_answer() from error
        if "error" in answer:
            raise EndpointError(f"The endpoint process could not do it: {answer['error']}", "")
        return answer


def _read_line(connection: socket.socket, deadline_s: float) -> bytes:
    """Read a line, or less if the connection ends first. Raises OSError, EndpointError for a line that is too long."""
    heard = bytearray()
    while not heard.endswith(b"\n"):
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left_s)
        more = connection.recv(_HEARD_BYTES)
        if not more:
            break
        heard += more
        if len(heard) > _ANSWER_BYTES_MAX:
            raise _no_answer()
    return bytes(heard)


def _no_answer() -> EndpointError:
    return EndpointError("The endpoint process sent an invalid answer.", "")


def _report(answer: dict[str, Any]) -> Report:
    try:
        return Report(
            pid=_number(answer["pid"]),
            connections=_counts(answer["connections"]),
            held=_counts(answer["held"]),
            connections_by_instance=_counts(answer["connections_by_instance"]),
            accepted={
                (str(endpoint), str(instance)): _number(count) for endpoint, instance, count in answer["accepted"]
            },
            refused=_counts(answer["refused"]),
            # A process of an earlier version reports neither of these.
            handshakes=_pair(answer.get("handshakes", [0, 0])),
            unbound={
                str(name): (Address(str(host), _number(port)), str(reason))
                for name, host, port, reason in answer.get("unbound", [])
            },
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _no_answer() from error


def _counts(value: Any) -> dict[str, int]:
    return {name: _number(count) for name, count in value.items()}


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return _number(first), _number(second)


def _number(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is not a number")
    return value
