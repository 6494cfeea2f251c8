"""Liveness of processes, the process that runs in a folder, and waiting for an exit."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock, Thread

import psutil

from auroractl.system.file_credentials import is_ours
from auroractl.system.limits import raise_shortage

log = logging.getLogger(__name__)

_POLL_INTERVAL_S = 0.05
_TTY_FIELD = 4
"""Position of tty_nr, counted from after the name in parentheses (proc_pid_stat(5))."""


def alive(pid: int) -> bool:
    """Return whether a process exists and is not an unreaped zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def started_at(pid: int) -> float | None:
    """Return a process's start time in seconds since 1970; None if there is none.

    Together with the process id it identifies the process permanently.
    """
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def suspended(pid: int) -> bool:
    """Return whether a process is stopped by a signal (SIGSTOP, a debugger)."""
    try:
        return bool(psutil.Process(pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})
    except psutil.Error:
        return False


def cpu_time_s(pid: int) -> float:
    """Return the CPU seconds used by a process and its live descendants; 0 if it does not exist."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0.0
    used_s = 0.0
    for each in family:
        with contextlib.suppress(psutil.Error):
            times = each.cpu_times()
            used_s += times.user + times.system
    return used_s


def runs_in(pid: int, folder: Path) -> bool:
    """Return whether a live process has `folder` as its working folder.

    Process ids are reused; the working folder shows whether it is still the same process. Raises Shortage.
    """
    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE and is_ours(process.uids().real) and _same(process.cwd(), folder)
        )
    except (psutil.Error, OSError) as error:
        raise_shortage(error)
        return False


def works_in(pid: int, folder: Path) -> bool:
    """Return whether a live process has `folder`, which only this process's user can write, as its working folder.

    Raises Shortage.
    """
    try:
        process = psutil.Process(pid)
        expected = is_ours(process.uids().real) or process.uids().real == os.geteuid()
        return process.status() != psutil.STATUS_ZOMBIE and expected and _same(process.cwd(), folder)
    except (psutil.Error, OSError) as error:
        raise_shortage(error)
        return False


def _same(cwd: str, folder: Path) -> bool:
    path = cwd.removesuffix(" (deleted)")
    # The kernel tells paths without links, so that resolving is rarely needed; it costs more than all else here.
    return path == str(folder) or Path(path) == folder.resolve()


def processes_below(folder: Path) -> list[int]:
    """List every live process whose working folder is `folder` or below it, even if it was deleted.

    All of ours run without a terminal. A process with a terminal is a user's shell and is not listed. Raises Shortage:
    a process that is missed would stay alive.
    """
    root = folder.resolve()
    found = []
    for process in _all_processes():
        try:
            # If another user's process cannot be read, for example because its path is too long, it is not ours.
            cwd = Path(process.cwd().removesuffix(" (deleted)"))
            below = (cwd == root or root in cwd.parents) and is_ours(process.uids().real)
            if below and process.status() != psutil.STATUS_ZOMBIE and not has_terminal(process):
                found.append(process.pid)
        except (psutil.Error, OSError) as error:
            raise_shortage(error)
    return [pid for pid in found if pid != os.getpid()]


def _all_processes() -> Iterator[psutil.Process]:
    try:
        yield from psutil.process_iter()
    except OSError as error:
        raise_shortage(error)
        raise


def has_terminal(process: psutil.Process) -> bool:
    """Return whether a process has a terminal, as a user's shell does. Raises psutil.Error, OSError if it is gone."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return process.terminal() is not None
    # psutil looks up the number in a list of terminals that it makes once and that lacks later ones.
    return stat.read_text().rpartition(")")[2].split()[_TTY_FIELD] != "0"


def children(pid: int) -> list[int]:
    """List the direct children of a process."""
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def command_line(pid: int) -> str:
    """Return the command line of a process or the title that it gave itself; empty if unknown."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return ""


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return False if the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_for_exit(pid: int, timeout_s: float) -> bool:
    """Wait until a process has ended; return False if it is still running after `timeout_s`."""
    descriptor = _pidfd(pid)
    if descriptor is not None:
        try:
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            return bool(poller.poll(timeout_s * 1000))
        finally:
            os.close(descriptor)
    deadline = time.monotonic() + timeout_s
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_INTERVAL_S)
    return True


def kill_all(pids: Iterable[int], timeout_s: float = 10.0) -> list[int]:
    """Send SIGKILL to processes and wait for their end; return those alive after `timeout_s` each.

    A process that waits for an unresponsive disk counts as ended: the kernel lets it do nothing more.
    """
    targets = list(pids)
    for pid in targets:
        send(pid, signal.SIGKILL)
    return [pid for pid in targets if not _ends(pid, timeout_s)]


def _ends(pid: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not wait_for_exit(pid, _POLL_INTERVAL_S):
        if _is_dying(pid):
            return True
        if time.monotonic() > deadline:
            return False
    return True


def _is_dying(pid: int) -> bool:
    """Return whether a process is in uninterruptible sleep with SIGKILL pending: it never runs user code again.

    (proc_pid_status(5): SigPnd is of the thread, ShdPnd of the process.)
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    pending = int(fields.get("SigPnd", "0"), 16) | int(fields.get("ShdPnd", "0"), 16)
    return fields.get("State", "").startswith("D") and bool(pending >> (signal.SIGKILL - 1) & 1)


def _pidfd(pid: int) -> int | None:
    """Open a descriptor that becomes readable when the process ends; None if unsupported or if it is gone."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _has_ended(pid: int) -> bool:
    """Return whether a process has certainly ended."""
    try:
        return not alive(pid)
    except OSError:
        return False


class ExitWatcher:
    """Calls back within milliseconds of a watched process's end, from its own thread."""

    def __init__(self, on_exit: Callable[[int], None]) -> None:
        self._on_exit = on_exit
        self._lock = Lock()
        self._descriptors: dict[int, int] = {}
        self._polled: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        self._thread = Thread(target=self._run, name="exit-watcher", daemon=True)
        self._thread.start()

    def watch(self, pid: int) -> None:
        """Watch a process; call back at once if it has already ended."""
        with self._lock:
            if pid in self._polled or pid in self._descriptors.values():
                return
            descriptor = _pidfd(pid)
            if descriptor is None:
                self._polled.add(pid)
            else:
                self._descriptors[descriptor] = pid
        os.write(self._wake_write, b"w")

    def close(self) -> None:
        """Stop watching."""
        self._stopping = True
        os.write(self._wake_write, b"c")
        self._thread.join()
        for descriptor in (*self._descriptors, self._wake_read, self._wake_write):
            os.close(descriptor)

    def _run(self) -> None:
        while not self._stopping:
            with self._lock:
                watched, polled = dict(self._descriptors), set(self._polled)
            poller = select.poll()
            poller.register(self._wake_read, select.POLLIN)
            for descriptor in watched:
                poller.register(descriptor, select.POLLIN)
            ready = {descriptor for descriptor, _ in poller.poll(_POLL_INTERVAL_S * 1000 if polled else None)}
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            ended = [watched[descriptor] for descriptor in ready if descriptor in watched]
            ended += [pid for pid in polled if _has_ended(pid)]
            with self._lock:
                for descriptor in ready & watched.keys():
                    del self._descriptors[descriptor]
                    os.close(descriptor)
                self._polled -= set(ended)
            for pid in ended:
                self._call_back(pid)

    def _call_back(self, pid: int) -> None:
        try:
            self._on_exit(pid)
        except Exception:
            # The end of other processes must still be noticed.
            log.exception("handling the end of process %d failed; please report it as a bug", pid)
