"""Starting programs: to the end, detached, or in place of this one."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from auroractl.core.errors import MachineError, TimedOut

if TYPE_CHECKING:
    from auroractl.process.accounts import Account

_ALLOWED = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONWARNINGS", "COVERAGE_PROCESS_START"})
_OUTPUT_TAIL_BYTES = 2000
_HEARD_BYTES = 65536
_detached: dict[int, subprocess.Popen[bytes]] = {}
_detached_lock = threading.Lock()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small environment for children: no PG* variables, no NOTIFY_SOCKET, nothing that would change what they do."""
    kept = {name: value for name, value in os.environ.items() if name in _ALLOWED or name.startswith("LC_")}
    return kept | dict(extra or {})


def _as_account(argv: Sequence[str], account: Account | None) -> tuple[Sequence[str], dict[str, Any]]:
    """A command line and arguments of subprocess that run a program under an account.

    With setpriv (util-linux) where it is there: CPython can vfork only where it need not change the account itself,
    and forking a process of this size takes three times as long.
    """
    if account is None:
        return argv, {}
    groups = os.getgrouplist(account.name, account.gid)
    setpriv = shutil.which("setpriv")
    if setpriv is None or not os.access(argv[0], os.X_OK):
        return argv, {"user": account.uid, "group": account.gid, "extra_groups": groups}
    numbers = ",".join(map(str, groups))
    return [setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", f"--groups={numbers}", "--", *argv], {}


def run(
    argv: Sequence[str],
    *,
    account: Account | None = None,
    extra_environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout_s: float = 60.0,
) -> str:
    """Run a program to its end and return what it printed on stdout.

    Raises MachineError with the end of its output where it fails or cannot be started, TimedOut after `timeout_s`
    (the program is killed then).
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
    """As `run` for a program whose output counts even if it fails; returns stdout and, where it failed, why."""
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
    try:
        return subprocess.run(
            command,
            input=stdin.encode(),
            capture_output=True,
            cwd=cwd or "/",
            start_new_session=True,
            env=environment(extra_environment),
            timeout=timeout_s,
            check=False,
            **identity,
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(
            f"{name} did not end within {timeout_s:g} s.", "See whether the machine is overloaded"
        ) from error
    except OSError as error:
        raise MachineError(f"{name} cannot be started: {error.strerror} ({argv[0]}).", "") from error


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left behind."""

    returncode: int
    stdout: str
    stderr: str


def complete(
    argv: Sequence[str], extra_environment: Mapping[str, str], *, check: bool = True, timeout_s: float = 60.0
) -> Completed:
    """Run a program to its end with the whole environment of this one and more.

    Raises MachineError for another exit code than 0 if `check` is set, TimedOut after `timeout_s` (it is killed then).
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
    log: Path,
    account: Account | None = None,
    extra_environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> int:
    """Start a program that outlives this process and return its process id.

    It gets a session of its own, so that Ctrl-C and the end of a terminal do not reach it; what it prints is appended
    to `log`. Raises MachineError where it cannot be started.
    """
    command, identity = _as_account(argv, account)
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=environment(extra_environment),
                start_new_session=True,
                pass_fds=pass_fds,
                **identity,
            )
    except OSError as error:
        raise MachineError(f"{argv[0]} cannot be started: {error}", "") from error
    with _detached_lock:
        _detached[child.pid] = child
    return child.pid


class Companion:
    """A program that works for this process and is talked with, line by line; it is killed when the talk is over.

    It gets a session of its own. Raises MachineError where it cannot be started.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._heard = b""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed at the end of the talk)
        try:
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
            raise MachineError(f"{argv[0]} cannot be started: {error}", "") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def hear(self, timeout_s: float) -> str | None:
        """The next line that it says, without its end; None where it says none in time, "" where it has ended."""
        assert self._process.stdout is not None
        poller = select.poll()
        poller.register(self._process.stdout, select.POLLIN)
        while b"\n" not in self._heard:
            if not poller.poll(timeout_s * 1000):
                return None
            more = self._process.stdout.read(_HEARD_BYTES)
            if not more:
                return ""
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def say(self, line: str) -> None:
        """Say a line to it; one that has ended does not hear it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")

    def complaint(self) -> str:
        """How it ended, and the end of what it printed as errors."""
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
    """Collect the exit status of detached children that ended, so that none stays behind as a zombie."""
    with _detached_lock:
        for pid, child in list(_detached.items()):
            if child.poll() is not None:
                del _detached[pid]


def exit_status(pid: int) -> int | None:
    """The exit status of a detached child that ended; None while it runs or where it is not ours."""
    with _detached_lock:
        child = _detached.get(pid)
        return child.poll() if child else None


def replace_process(program: str, argv: list[str], variables: dict[str, str]) -> NoReturn:
    """Become another program, with `variables` added to the environment. Raises MachineError where it cannot start."""
    try:
        os.execve(program, argv, {**os.environ, **variables})  # noqa: S606
    except OSError as error:
        raise MachineError(f"{program} cannot be started: {error.strerror}.", "") from error
