"""Client of a home's supervisor, over its Unix socket."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.control_planes import Delivery
from auroractl.core.errors import InvalidParameterValue, RemoteError, SupervisorUnavailable
from auroractl.core.text.bounded_json import REQUEST_BYTES_MAX
from auroractl.system.socket_owner import listener_uid

if TYPE_CHECKING:
    from auroractl.api.progress import Progress
    from auroractl.control_planes import Document

_VERSION_HEADER = "auroractl-version"
_LEAVING_TIMEOUT_S = 30.0
_LEAVING_POLL_S = 0.05
_LEFT_TIMEOUT_S = 1.0
_LATE_HEAD_TIMEOUT_S = 1.0
_ROOT = 0


class LocalControlPlane:
    """Speaks HTTP/1.0 over the socket, one request per connection, and reads the answer line by line.

    Written by hand because importing http.client takes as long as all the rest of a command. `on_other_version` is
    called with the supervisor's version if it differs from ours.
    """

    def __init__(
        self,
        home: Home,
        on_other_version: Callable[[str], None] = lambda _version: None,
        *,
        start: bool = True,
        timeout_s: float | None = None,
    ) -> None:
        """Set up the client; `timeout_s` limits every wait for the supervisor (TimeoutError)."""
        self._home = home
        self._on_other_version = on_other_version
        self._start = start
        self._timeout_s = timeout_s
        self.delivery = Delivery.NOT_SENT

    def request(self, verb: str, body: Document, progress: Progress) -> Document:
        """Return the result of a verb; start the supervisor first if it is not running.

        Raises InvalidParameterValue for a request that is too long, RemoteError for an error that the supervisor
        reports, SupervisorUnavailable if it goes away.
        """
        content = json.dumps(body).encode()
        if len(content) > REQUEST_BYTES_MAX:
            raise InvalidParameterValue(
                f"The request is {len(content)} bytes long; {REQUEST_BYTES_MAX} are the most.", "Give less at a time"
            )
        head = f"POST /v1/{verb} HTTP/1.0\r\nContent-Length: {len(content)}\r\n\r\n"
        message = head.encode() + content
        result = self._ask(message, progress)
        return self._ask_again(message, progress) if result is None else result

    def _ask_again(self, message: bytes, progress: Progress) -> Document:
        """Repeat a request that a supervisor which was just ending has not begun."""
        from auroractl.system.waiting import holds_in_time  # noqa: PLC0415  (only where it is needed)

        result: Document | None = None

        def answered() -> bool:
            nonlocal result
            result = self._ask(message, progress)
            return result is not None

        if not holds_in_time(answered, _LEAVING_TIMEOUT_S, _LEAVING_POLL_S) or result is None:
            raise _went_away()
        return result

    def _ask(self, message: bytes, progress: Progress) -> Document | None:
        """Return the result; None if the supervisor is just ending and has begun nothing."""
        begun = False
        self.delivery = Delivery.NOT_SENT
        with self._connect() as connection, contextlib.suppress(ConnectionError, json.JSONDecodeError):
            listener = self._listener()
            with connection.makefile("rb") as answer:
                begun = self._deliver(connection, message, answer)
                if begun:
                    self.delivery = Delivery.ACCEPTED
                    result = _read_lines(answer, progress)
                    self.delivery = Delivery.ACCEPTED if result is not None else Delivery.NOT_SENT
                    return result
        if not begun and self._left(listener):
            self.delivery = Delivery.NOT_SENT
            return None
        raise _went_away()

    def _listener(self) -> tuple[int, int] | None:
        try:
            found = self._home.socket.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _left(self, listener: tuple[int, int] | None) -> bool:
        """Return whether a supervisor ended cleanly, which removes its socket. It answers every request that it begins."""
        from auroractl.system.waiting import holds_in_time  # noqa: PLC0415  (only where it is needed)

        return holds_in_time(lambda: self._listener() != listener, _LEFT_TIMEOUT_S, _LEAVING_POLL_S)

    def _connect(self) -> socket.socket:
        connection = self._try_connect()
        if connection is None and self._start:
            from auroractl.supervisor.launch import launch_supervisor  # noqa: PLC0415  (only where it is needed)

            launch_supervisor(self._home)
            connection = self._try_connect()
        if connection is None:
            raise SupervisorUnavailable(
                f"The supervisor of {self._home.root} is not running.", "Start it: auroractl supervisor start"
            )
        return connection

    def _try_connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timeout_s)
        try:
            connection.connect(str(self._home.socket))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            connection.close()
            return None
        except OSError as error:
            connection.close()
            raise SupervisorUnavailable(
                f"The supervisor's socket {self._home.socket} cannot be used: {error.strerror}.",
                "Use the account that started it, or set AURORACTL_HOME",
            ) from error
        try:
            self._require_ours(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_ours(self, connection: socket.socket) -> None:
        """Check that the peer is a supervisor of this user or of root.

        A request may contain the master user's password.
        """
        uid = listener_uid(connection)
        if uid not in {None, os.geteuid(), _ROOT}:
            raise SupervisorUnavailable(
                f"A process of user {uid} listens at the supervisor's socket {self._home.socket}; no request was sent.",
                "Find out who put it there, and remove it",
            )

    def _deliver(self, connection: socket.socket, message: bytes, answer: Iterator[bytes]) -> bool:
        """Send a request; return whether an answer begins.

        Ctrl-C waits briefly for the answer, to learn whether the request was accepted.
        """
        self.delivery = Delivery.SENT
        try:
            connection.sendall(message)
            return self._read_head(answer)
        except KeyboardInterrupt:
            if _begins_to_answer(connection):
                self.delivery = Delivery.ACCEPTED
            raise

    def _read_head(self, answer: Iterator[bytes]) -> bool:
        """Read the response head; return whether there is one."""
        for line in answer:
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == _VERSION_HEADER and value.strip() != __version__:
                self._on_other_version(value.strip())
            if not line.strip():
                return True
        return False


def _begins_to_answer(connection: socket.socket) -> bool:
    ready, _, _ = select.select([connection], [], [], _LATE_HEAD_TIMEOUT_S)
    return bool(ready) and connection.recv(64, socket.MSG_PEEK).split(b" ")[1:2] == [b"200"]


def _read_lines(answer: Iterator[bytes], progress: Progress) -> Document | None:
    for line in answer:
        item: dict[str, Any] = json.loads(line)
        match item["Type"]:
            case "result":
                result: Document = item["Result"]
                return result
            case "leaving":
                return None
            case "error":
                raise RemoteError(item["Error"])
            case "step":
                progress.step(item["Name"], item["State"], item["ElapsedMilliseconds"])
            case _:
                progress.message(item["Text"])
    raise _went_away()


def _went_away() -> SupervisorUnavailable:
    return SupervisorUnavailable(
        "The supervisor ended while it was working.", "The next command finishes or undoes the work: auroractl status"
    )
