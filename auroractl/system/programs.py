"""Starting programs: to completion, detached, or in place of this one."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, NoReturn, Self

from auroractl.core.errors import MachineError, TimedOut
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_self
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import open_log
from auroractl.system.unflushed import without_flushes
from auroractl.system.waiting import SLICE_S, check_stop, has_checks

_ALLOWED = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONWARNINGS", "COVERAGE_PROCESS_START"})
_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OUTPUT_TAIL_BYTES = 2000
_HEARD_BYTES = 65536
_HEARD_BYTES_MAX = 64 * 1024 * 1024
"""Limit for one line. A report on a recovery image's files is as long as the manifest that stores it."""
_detached: dict[int, subprocess.Popen[bytes]] = {}
_detached_lock = threading.Lock()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a small environment for children, without variables that would change their behaviour.

    It contains no PG* variables and no NOTIFY_SOCKET.
    """
    kept = {name: value for name, value in os.environ.items() if value and (name in _ALLOWED or name.startswith("LC_"))}
    return {"PATH": _STANDARD_PATH} | kept | dict(extra or {})


def find_program(name: str) -> str | None:
    """Find a system program, even if PATH is missing or, as often, lacks root's folders."""
    return shutil.which(name) or shutil.which(name, path=_STANDARD_PATH)


@cache
def _groups_of(account: Account) -> tuple[int, ...]:
    return tuple(os.getgrouplist(account.name, account.gid))


@cache
def _setpriv() -> str | None:
    return find_program("setpriv")


def _as_account(argv: Sequence[str], account: Account | None) -> tuple[Sequence[str], dict[str, Any]]:
    """Return a command line and subprocess arguments that run a program under an account.

    This uses setpriv (util-linux) if available: CPython can use vfork only if it need not change the account itself,
    and forking a process of this size takes three times as long.
    """
    if account is None:
        return argv, {}
    groups = _groups_of(account)
    setpriv = _setpriv()
    if setpriv is None or not os.access(argv[0], os.X_OK):
        return argv, {"user": account.uid, "group": account.gid, "extra_groups": groups}
    numbers = ",".join(map(str, groups))
    return [setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", f"--groups={numbers}", "--", *argv], {}


@contextmanager
def _ready_to_start(cwd: Path | None, account: Account | None) -> Iterator[str]:
    """Start programs inside the block as the process's user, in the folder that is yielded.

    A folder of the account is opened as that account: its name may have become a link to another user's folder.
    """
    if cwd is None or account is None or sys.platform != "linux":
        with as_self():
            yield str(cwd or "/")
        return
    descriptor = os.open(cwd, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with as_self():
            yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def run(
    argv: Sequence[str],
    *,
    account: Account | None = None,
    extra_environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout_s: float = 60.0,
) -> str:
    """Run a program to completion and return its stdout.

    Raises MachineError with the end of its output if it fails or cannot be started, TimedOut after `timeout_s` (the
    program is killed then).
    """
    done = _run(argv, account, extra_environment, cwd, stdin, timeout_s)
    if done.returncode != 0:
        raise MachineError(_complaint(argv, done), "")
    return str(done.stdout, errors="replace")


def run_tolerant(
    argv: Sequence[str],
    *,
    account: Account | None = None,
    extra_environment: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> tuple[str, str]:
    """Run a program as `run` does, but return stdout even if it fails, together with the reason."""
    done = _run(argv, account, extra_environment, None, "", timeout_s)
    return str(done.stdout, errors="replace"), _complaint(argv, done) if done.returncode else ""


def _complaint(argv: Sequence[str], done: subprocess.CompletedProcess[bytes]) -> str:
    tail = (done.stderr or done.stdout)[-_OUTPUT_TAIL_BYTES:].decode(errors="replace").strip()
    return f"{Path(argv[0]).name} failed with exit code {done.returncode}: {tail}"


def _run(
    argv: Sequence[str],
    account: Account | None,
    extra_environment: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: str,
    timeout_s: float,
) -> subprocess.CompletedProcess[bytes]:
    name = Path(argv[0]).name
    command, identity = _as_account(argv, account)
    with _readable(stdin) as said:
        try:
            with _ready_to_start(cwd, account) as folder:
                process = subprocess.Popen(
                    command,
                    stdin=said,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=folder,
                    start_new_session=True,
                    env=environment(extra_environment),
                    **identity,
                )
        except OSError as error:
            raise_shortage(error)
            raise MachineError(f"{name} cannot be started: {error.strerror} ({argv[0]}).", "") from error
    with process:
        try:
            return _communicate(process, name, timeout_s)
        except BaseException:
            # It may have started others, as pg_basebackup does; they are in its session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise


@contextlib.contextmanager
def _readable(text: str) -> Iterator[IO[bytes] | int]:
    """Provide `text` as a program's input, in a file: communicate() loses unwritten input on a timeout."""
    if not text:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file


def _communicate(process: subprocess.Popen[bytes], name: str, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    """Return a program's output and exit code.

    Raises TimedOut, and whatever a check raises (the caller kills it then).
    """
    deadline_s = time.monotonic() + timeout_s
    slice_s = SLICE_S if has_checks() else timeout_s
    check_stop()
    while True:
        left_s = deadline_s - time.monotonic()
        try:
            stdout, stderr = process.communicate(timeout=max(0.0, min(slice_s, left_s)))
        except subprocess.TimeoutExpired as error:
            check_stop()
            if left_s <= 0:
                raise TimedOut(
                    f"{name} did not end within {timeout_s:g} s.", "See whether the machine is overloaded"
                ) from error
        else:
            return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@dataclass(frozen=True, slots=True)
class Completed:
    """The output and exit code of a program."""

    returncode: int
    stdout: str
    stderr: str


def complete(
    argv: Sequence[str], extra_environment: Mapping[str, str], *, check: bool = True, timeout_s: float = 60.0
) -> Completed:
    """Run a program to completion with this process's whole environment and more.

    Raises MachineError for an exit code other than 0 if `check` is set, TimedOut after `timeout_s` (it is killed then).
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, **extra_environment},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"{' '.join(argv)} did not end within {timeout_s:g} s.", "") from error
    if check and done.returncode != 0:
        raise MachineError(f"{' '.join(argv)} ended with exit code {done.returncode}: {done.stderr}{done.stdout}", "")
    return Completed(done.returncode, done.stdout, done.stderr)


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path | None,
    account: Account | None = None,
    extra_environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    flushes: bool = True,
) -> int:
    """Start a program that outlives this process and return its process id.

    Unless it `flushes`, its flushes of files do nothing where the system can do that.

    It gets a session of its own, so that Ctrl-C and the end of a terminal do not reach it. Its output is appended to
    `log`, a file of the account if there is one; None discards it. Raises MachineError if it cannot be started.
    """
    command, identity = _as_account(argv, account)
    try:
        with _open_output(log, account) as output, _ready_to_start(cwd, account) as folder:

            def start() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=folder,
                    env=environment(extra_environment),
                    start_new_session=True,
                    pass_fds=pass_fds,
                    **identity,
                )

            child = start() if flushes else without_flushes(start)
    except OSError as error:
        raise_shortage(error)
        raise MachineError(f"{argv[0]} cannot be started: {error}", "") from error
    with _detached_lock:
        _detached[child.pid] = child
    return child.pid


def _open_output(log: Path | None, account: Account | None) -> BinaryIO:
    if log is None:
        return Path(os.devnull).open("ab")
    if account is not None:
        return open_log(log)
    with as_self():
        return open_log(log)


class Companion:
    """A program that serves this process line by line and is killed when the dialogue ends.

    It gets a session of its own. Raises MachineError if it cannot be started.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._heard = bytearray()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed at the end of the talk)
        try:
            with as_self():
                self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    bufsize=0,
                    cwd="/",
                    env=environment(),
                    start_new_session=True,
                )
        except OSError as error:
            self._errors.close()
            raise_shortage(error)
            raise MachineError(f"{argv[0]} cannot be started: {error}", "") from error

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def hear(self, timeout_s: float) -> bytes | None:
        """Read its next line, without the line end; None on a timeout, b"" once it has ended.

        Raises MachineError for a line that is too long.
        """
        assert self._process.stdout is not None
        poller = select.poll()
        poller.register(self._process.stdout, select.POLLIN)
        deadline_s = time.monotonic() + timeout_s
        begin = 0
        while (end := self._heard.find(b"\n", begin)) < 0:
            begin = len(self._heard)
            if begin > _HEARD_BYTES_MAX:
                raise MachineError(f"The process {self.pid} wrote a line of more than {_HEARD_BYTES_MAX} bytes.", "")
            if not poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
                return None
            more = self._process.stdout.read(_HEARD_BYTES)
            if not more:
                return b""
            self._heard += more
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        return line

    def say(self, line: str) -> None:
        """Send it a line; one that has ended does not receive it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")

    def complaint(self) -> str:
        """Return its exit status and the end of its error output."""
        status = self._process.wait()
        self._errors.seek(0)
        tail = self._errors.read()[-_OUTPUT_TAIL_BYTES:].decode(errors="replace").strip()
        return f"exit code {status}. {tail}".strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with self._process, self._errors:
            pass


def reap() -> None:
    """Reap detached children that have ended, so that none stays behind as a zombie."""
    with _detached_lock:
        for pid, child in list(_detached.items()):
            if child.poll() is not None:
                del _detached[pid]


def replace_process(program: str, arguments: list[str], variables: dict[str, str]) -> NoReturn:
    """Replace this process with another program, adding `variables` to the environment. Raises MachineError.

    Its argv[0] is its path: programs of PostgreSQL use it to locate their files, which without PATH is the only way.
    """
    try:
        os.execve(program, [program, *arguments], {**os.environ, **variables})  # noqa: S606
    except OSError as error:
        raise MachineError(f"{program} cannot be started: {error.strerror}.", "") from error
