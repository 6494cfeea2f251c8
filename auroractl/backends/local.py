"""The supervisor of a home, asked over its Unix socket."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.core.errors import RemoteError, SupervisorUnavailable

if TYPE_CHECKING:
    from auroractl.backends import Document, Progress

_VERSION_HEADER = "auroractl-version"
_LEAVING_TIMEOUT_S = 30.0
_LEAVING_POLL_S = 0.05
_LEFT_TIMEOUT_S = 1.0


class LocalBackend:
    """Speaks HTTP/1.0 over the socket, one request per connection, and reads the answer line by line.

    Written by hand because importing http.client takes as long as the whole rest of a command.
    `on_other_version` is called with the supervisor's version where it is not ours.
    """

    def __init__(
        self,
        home: Home,
        on_other_version: Callable[[str], None] = lambda _version: None,
        *,
        start: bool = True,
        timeout_s: float | None = None,
    ) -> None:
        """`timeout_s` limits every wait for the supervisor; TimeoutError is raised then."""
        self._home = home
        self._on_other_version = on_other_version
        self._start = start
        self._timeout_s = timeout_s

    def request(self, verb: str, body: Document, progress: Progress) -> Document:
        """The result of a verb; the supervisor is started first where it does not run.

        Raises RemoteError for an error that the supervisor reports, SupervisorUnavailable where it goes away.
        """
        content = json.dumps(body).encode()
        head = f"POST /v1/{verb} HTTP/1.0\r\nContent-Length: {len(content)}\r\n\r\n"
        deadline_s = time.monotonic() + _LEAVING_TIMEOUT_S
        while (result := self._ask(head.encode() + content, progress)) is None:
            if time.monotonic() > deadline_s:
                raise _went_away()
            time.sleep(_LEAVING_POLL_S)
        return result

    def _ask(self, message: bytes, progress: Progress) -> Document | None:
        """The result; None where the supervisor is just leaving and has begun nothing."""
        begun = False
        with self._connect() as connection, contextlib.suppress(ConnectionError, json.JSONDecodeError):
            listener = self._listener()
            connection.sendall(message)
            with connection.makefile("rb") as answer:
                begun = self._read_head(answer)
                if begun:
                    return _read_lines(answer, progress)
        if not begun and self._left(listener):
            return None
        raise _went_away()

    def _listener(self) -> tuple[int, int] | None:
        try:
            found = self._home.socket.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _left(self, listener: tuple[int, int] | None) -> bool:
        """Whether a supervisor has ended in good order: it takes its socket away. A request that it begins it answers."""
        deadline_s = time.monotonic() + _LEFT_TIMEOUT_S
        while self._listener() == listener:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_LEAVING_POLL_S)
        return True

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
        return connection

    def _read_head(self, answer: Iterator[bytes]) -> bool:
        """Whether there is one."""
        for line in answer:
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == _VERSION_HEADER and value.strip() != __version__:
                self._on_other_version(value.strip())
            if not line.strip():
                return True
        return False


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
        "The supervisor ended while it was working.", "Any next command finishes or undoes the work: auroractl status"
    )
