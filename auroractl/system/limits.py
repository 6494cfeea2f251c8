"""Resource limits of this process: raised as far as possible, and named when one is reached."""

from __future__ import annotations

import contextlib
import errno
import os
import resource

from auroractl.core.errors import MachineError

FILES_WANTED = 65_536
"""Each client of an endpoint takes two descriptors, and the usual soft limit is 1024."""

_CONNECTION_FILES = 8
"""A socket, and the files that the C library opens to look up an account."""
_CONNECTION_BYTES = 1024 * 1024

_NAMED = (
    ("ulimit -u", "processes and threads", resource.RLIMIT_NPROC),
    ("ulimit -n", "open files", resource.RLIMIT_NOFILE),
    ("ulimit -v", "bytes of address space", resource.RLIMIT_AS),
    ("ulimit -d", "bytes of data", resource.RLIMIT_DATA),
)
_OF_FILES = (resource.RLIMIT_NOFILE,)
_OF_PROCESSES = (resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_DATA)
_OF_MEMORY = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
_REACHED = {
    errno.EMFILE: _OF_FILES,
    errno.ENFILE: (),
    errno.EAGAIN: _OF_PROCESSES,
    errno.ENOMEM: _OF_MEMORY,
}


def raise_soft_limits() -> None:
    """Raise the soft limits of files, processes and memory to the hard ones; children inherit them.

    PostgreSQL uses at most `max_files_per_process` descriptors whatever the limit, and needs the processes and the
    memory itself. Files are raised to at most `FILES_WANTED`. No limit is ever lowered.
    """
    for _, _, limit in _NAMED:
        soft, hard = resource.getrlimit(limit)
        wanted = _wanted(limit, hard)
        if soft != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or wanted > soft):
            # macOS allows fewer files than its reported hard limit.
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(limit, (wanted, hard))


def _wanted(limit: int, hard: int) -> int:
    if limit != resource.RLIMIT_NOFILE:
        return hard
    return FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)


def open_files_max() -> int | None:
    """Return how many files a process may open after raising its soft limit; None if unlimited."""
    return _hard(resource.RLIMIT_NOFILE)


def processes_max() -> int | None:
    """Return how many processes this account may have after the soft limit is raised; None if unlimited."""
    return _hard(resource.RLIMIT_NPROC)


def _hard(limit: int) -> int | None:
    _, hard = resource.getrlimit(limit)
    return None if hard == resource.RLIM_INFINITY else hard


class Shortage(MachineError):
    """This process lacks descriptors, processes or memory. The failure therefore says nothing about its target."""


def raise_shortage(error: BaseException) -> None:
    """Raise Shortage if an error means that a limit of this process is reached."""
    short = shortage(error)
    if short is not None:
        raise short from error


def shortage(error: BaseException) -> Shortage | None:
    """Convert an error that means that a limit of this process is reached; return None for any other.

    >>> import errno, os
    >>> shortage(OSError(errno.EMFILE, os.strerror(errno.EMFILE))).message.partition("; ")[0]
    'This process lacks resources: [Errno 24] Too many open files'
    >>> shortage(ValueError("x")) is None
    True
    """
    number = _number(error)
    if number not in _REACHED:
        return None
    told = f"[Errno {number}] {os.strerror(number)}"
    limits = ", ".join(_finite(_REACHED[number])) or "no limit of this process; see those of the machine and its cgroup"
    return Shortage(
        f"This process lacks resources: {told}; its limits: {limits}.",
        "Raise the limit (ulimit, or LimitNPROC, LimitNOFILE, pids.max), then: auroractl supervisor stop",
    )


def shortage_for_connections() -> Shortage | None:
    """Return what this process lacks to make a connection now; None if it lacks nothing.

    Call it after a connection failed: libpq reports a shortage in many forms, for example as a missing server account.
    """
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(_CONNECTION_FILES):
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        bytearray(_CONNECTION_BYTES)
    except (OSError, MemoryError) as error:
        return shortage(error)
    return None


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if "unable to open database file" in str(error):
        return _open_errno()
    # CPython discards the error of pthread_create; it is EAGAIN for processes and memory alike (pthread_create(3)).
    return errno.EAGAIN if isinstance(error, RuntimeError) and "start new thread" in str(error) else None


def _open_errno() -> int | None:
    """Return the error of opening a file now: SQLite does not report it."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno
    return None


def _finite(limits: tuple[int, ...]) -> list[str]:
    found = []
    for command, what, limit in _NAMED:
        soft, _ = resource.getrlimit(limit)
        if limit in limits and soft != resource.RLIM_INFINITY:
            found.append(f"{soft} {what} ({command})")
    return found
