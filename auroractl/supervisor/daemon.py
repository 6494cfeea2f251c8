"""The supervisor's life: lock the home, open the state, finish what was cut off, watch and serve, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from threading import Event, Thread

import uvicorn
from starlette.applications import Starlette

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.config.settings import load_settings
from auroractl.core.errors import AuroraError, ExitCode, InvalidClusterState, TimedOut
from auroractl.core.operations import OperationRecord
from auroractl.process.accounts import database_account, require_reachable
from auroractl.process.files import make_folder, unwritable
from auroractl.process.locks import LockFile, lock_holder
from auroractl.services import operations
from auroractl.services.context import Context
from auroractl.state.database import Database, open_database
from auroractl.supervisor.api import build_application
from auroractl.supervisor.idleness import Idleness
from auroractl.supervisor.watch import WatchLoop

log = logging.getLogger(__name__)

_RECOVERY_WAIT_S = 20.0
_OTHER_SUPERVISOR_WAIT_S = 30.0
_POLL_S = 0.02
_LOG_BYTES_MAX = 10_000_000


def run(home: Home, ready_fd: int | None, in_foreground: bool) -> int:
    """Be the supervisor of a home until told to stop; returns the exit code.

    With `ready_fd` one JSON line is written there, once it serves or with the error that keeps it from serving, and
    that error is then not raised. Raises AuroraError otherwise, InvalidClusterState where one already runs.
    """
    deadline_s = time.monotonic() + _OTHER_SUPERVISOR_WAIT_S
    try:
        # One that is just ending holds the home and serves nobody; then it is this one's turn.
        while not _served(home, ready_fd, in_foreground) and not _another_serves(home, ready_fd, deadline_s):
            time.sleep(_POLL_S)
    except AuroraError as error:
        log.error("%s", error)  # noqa: TRY400  (a sentence for a person; there is no bug to trace)
        if ready_fd is None:
            raise
        _report(ready_fd, {"Error": error.to_json()})
        return int(error.exit_code)
    return int(ExitCode.OK)


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[LockFile | None]:
    """The lock on the home; None where another supervisor holds it."""
    make_folder(home.root, mode=0o755)
    lock = LockFile(home.supervisor_lock)
    try:
        owner = lock.acquire()
    except OSError as error:
        raise unwritable(home.supervisor_lock, error) from error
    try:
        yield lock if owner else None
    finally:
        lock.release()


def _served(home: Home, ready_fd: int | None, in_foreground: bool) -> bool:
    """Serve until told to stop; False where another supervisor holds the home."""
    with _locked(home) as lock:
        if lock is None:
            return False
        _log_to_file(home, in_foreground)
        _serve(home, lock, ready_fd)
        return True


def _another_serves(home: Home, ready_fd: int | None, deadline_s: float) -> bool:
    if ready_fd is None:
        raise InvalidClusterState(
            f"A supervisor of {home.root} is running already (process {lock_holder(home.supervisor_lock)}).",
            "auroractl supervisor status",
        )
    if _answers(home):
        _report(ready_fd, {"Ready": True})
        return True
    if time.monotonic() > deadline_s:
        raise TimedOut("Another supervisor holds the home and does not answer.", f"Its log: {home.supervisor_log}")
    return False


def _answers(home: Home) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(home.socket))
        except OSError:
            return False
    return True


def _report(descriptor: int, document: dict[str, object]) -> None:
    with contextlib.suppress(OSError), os.fdopen(descriptor, "w") as pipe:
        pipe.write(json.dumps(document) + "\n")


def _log_to_file(home: Home, in_foreground: bool) -> None:
    """Started by a command, stderr is the log file already; in the foreground the file is written beside it."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if in_foreground:
        handlers.append(logging.FileHandler(home.supervisor_log))
    elif home.supervisor_log.exists() and home.supervisor_log.stat().st_size > _LOG_BYTES_MAX:
        home.supervisor_log.write_text("")
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, handlers=handlers, format="%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S", force=True,
    )  # fmt: skip


def _serve(home: Home, lock: LockFile, ready_fd: int | None) -> None:
    settings = load_settings(home)
    require_reachable(home.root, database_account(settings.run_as))
    database = open_database(home.state, home.state_backups)
    with contextlib.closing(database):
        changed = Event()
        context = Context(home, settings, database.repository, changed.set)
        log.info("supervisor %s of %s starts as process %d", __version__, home.root, os.getpid())
        _recover(context, database)
        context.take_stock()
        idleness = Idleness()
        # One in the foreground stays until it is told to leave.
        idle_s = 0.0 if ready_fd is None else settings.supervisor_idle_s
        watch = WatchLoop(context, changed, lock.still_named, lambda: idle_s > 0 and idleness.leave(idle_s))
        watch.start()
        try:
            with _listen(home) as listener:
                asyncio.run(_run_server(build_application(context, idleness), listener, ready_fd))
        finally:
            watch.stop()
            context.observer.close()
            home.socket.unlink(missing_ok=True)
            log.info("supervisor stops; databases go on running")


def _recover(context: Context, database: Database) -> None:
    """Finish or undo what was cut off; what takes long goes on while the API already serves."""
    threads = [
        Thread(target=_resume, args=(context, record), name=f"resume-{record.kind}", daemon=True)
        for record in database.repository.running_operations()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _RECOVERY_WAIT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _resume(context: Context, record: OperationRecord) -> None:
    try:
        operations.resume(context, record)
    except AuroraError as error:
        log.warning("%s %s could not be finished: %s", record.kind, record.cluster, error)
    except Exception:
        log.exception("%s %s could not be finished; please report it as a bug", record.kind, record.cluster)


@contextlib.contextmanager
def _listen(home: Home) -> Iterator[socket.socket]:
    make_folder(home.run)
    home.socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        mask = os.umask(0o177)
        try:
            listener.bind(str(home.socket))
        except OSError as error:
            raise unwritable(home.socket, error) from error
        finally:
            os.umask(mask)
        listener.listen(128)
        yield listener


class _Server(uvicorn.Server):
    """Signals are handled here: uvicorn would raise them again after a clean stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


async def _run_server(application: Starlette, listener: socket.socket, ready_fd: int | None) -> None:
    config = uvicorn.Config(
        application,
        loop="asyncio",
        http="h11",  # sends an HTTP/1.0 client plain lines; httptools, where installed, would send it chunks
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    if ready_fd is not None:
        _report(ready_fd, {"Ready": True})
    await _Server(config).serve(sockets=[listener])
