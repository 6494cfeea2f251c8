"""Commands in forks of a process that has loaded what every command loads, a fifth of the work of starting one.

A command gets its own arguments, environment, folder, stdin, stdout and stderr, and exits by itself, as if its user had
started it. Nothing is loaded beforehand that a command would not have loaded itself.

    python -P command_server.py DESCRIPTOR
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

_REQUEST_CHARS_MAX = 16 * 1024
_REQUEST_BYTES_MAX = 16 * _REQUEST_CHARS_MAX
_READ_LATE = ("AURORACTL_", "PG", "PYTEST_")
"""Variables that nothing reads while a command is loaded."""


def _others(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_READ_LATE)}


class CommandServer:
    """The process of which commands are forks, as its user sees it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._others = _others(environment)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # It ends once nobody holds the other end.
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=self._others,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        """End the process."""
        self._control.close()
        self._process.wait()

    def fits(self, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Whether a command with this environment would load the same, and it can be asked for in one message."""
        asked = sum(map(len, [*arguments, *environment, *environment.values()])) < _REQUEST_CHARS_MAX
        return asked and self._others == _others(environment) and self._process.poll() is None

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdin: str, timeout_s: float
    ) -> tuple[int, str, str]:
        """Run a command to its end; its exit code, stdout and stderr. Raises TimeoutExpired and has killed it then."""
        with (
            tempfile.TemporaryFile("w+") as given,
            tempfile.TemporaryFile("w+") as said,
            tempfile.TemporaryFile("w+") as complained,
        ):
            given.write(stdin)
            given.seek(0)
            code = self._run(arguments, environment, [given.fileno(), said.fileno(), complained.fileno()], timeout_s)
            said.seek(0)
            complained.seek(0)
            return code, said.read(), complained.read()

    def _run(
        self, arguments: Sequence[str], environment: Mapping[str, str], streams: list[int], timeout_s: float
    ) -> int:
        request = {"arguments": arguments, "environment": dict(environment), "folder": str(Path.cwd())}
        answer, theirs = socket.socketpair()
        with answer:
            with theirs:
                socket.send_fds(self._control, [json.dumps(request).encode()], [*streams, theirs.fileno()])
            answer.settimeout(timeout_s)
            lines = answer.makefile()
            pid = int(lines.readline())
            try:
                return int(lines.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout_s) from None


def _serve(control: socket.socket) -> None:
    import auroractl.__main__  # noqa: F401, PLC0415  (the tests import this module, and need it not)

    while True:
        request, descriptors, _, _ = socket.recv_fds(control, _REQUEST_BYTES_MAX, 4)
        if not request:
            return
        # Those that have watched over a command to its end.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            control.close()
            _watch_over(json.loads(request), descriptors[:3], descriptors[3])
        for descriptor in descriptors:
            os.close(descriptor)


def _watch_over(request: dict[str, Any], streams: list[int], answer: int) -> NoReturn:
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        _be_command(request, streams)
    # Whoever asked may have given up.
    with contextlib.suppress(OSError):
        os.write(answer, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _be_command(request: dict[str, Any], streams: list[int]) -> NoReturn:
    from auroractl.__main__ import run  # noqa: PLC0415

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["auroractl", *request["arguments"]]
    run()
    raise AssertionError("a command exits")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
