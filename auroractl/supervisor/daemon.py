"""The supervisor process: lock the home, open the state, resume interrupted operations, serve, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.config.settings import load_settings
from auroractl.core.errors import AuroraError, ExitCode, InvalidClusterState
from auroractl.core.operations import OperationRecord
from auroractl.runtime.home_migration import give_cluster_folders
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.clusters import power_cut
from auroractl.services.operations import runner
from auroractl.services.restore import backtrack
from auroractl.state.database import Database, open_database
from auroractl.supervisor.api import Api
from auroractl.supervisor.assembly import assemble
from auroractl.supervisor.control_socket import ControlSocket
from auroractl.supervisor.idleness import Idleness
from auroractl.supervisor.watch import WatchLoop
from auroractl.system.accounts import database_account, require_reachable
from auroractl.system.file_credentials import as_self, work_as
from auroractl.system.files import make_folder, make_home, unwritable
from auroractl.system.limits import raise_soft_limits
from auroractl.system.locks import LockFile, lock_holder
from auroractl.system.log_files import log_to
from auroractl.system.privileged_imports import import_as_self
from auroractl.system.waiting import wait_until

log = logging.getLogger(__name__)

_RECOVERY_WAIT_S = 20.0
_OTHER_SUPERVISOR_WAIT_S = 30.0
_POLL_S = 0.02


def run(home: Home, ready_fd: int | None = None) -> int:
    """Run the supervisor of a home until it is stopped; return the exit code.

    With `ready_fd` it is in the background, and one JSON line is written there: when the supervisor is ready, or with the
    error that prevented that. The error is then not raised. Otherwise AuroraError is raised: InvalidClusterState if one is
    running already.
    """
    raise_soft_limits()
    _forget_libpq_variables()

    def waits() -> str:
        if _served(home, ready_fd) or _another_serves(home, ready_fd):
            return ""
        return "another supervisor holds it and does not answer"

    try:
        # A supervisor that is ending holds the home but serves no requests. This one takes over from it.
        hint = f"Its log: {home.supervisor_log}"
        wait_until("the home could not be taken", waits, _OTHER_SUPERVISOR_WAIT_S, _POLL_S, hint=hint)
    except AuroraError as error:
        log.error("%s", error)  # noqa: TRY400  (a user's error needs no traceback)
        if ready_fd is None:
            raise
        _report(ready_fd, {"Error": error.to_json()})
        return int(error.exit_code)
    return int(ExitCode.OK)


def _forget_libpq_variables() -> None:
    """Remove libpq's variables from the environment. PGHOSTADDR alone would redirect every connection."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[LockFile | None]:
    """Hold the lock on the home; None if another supervisor holds it."""
    make_home(home.root)
    lock = LockFile(home.supervisor_lock)
    try:
        owner = lock.acquire()
    except OSError as error:
        raise unwritable(home.supervisor_lock, error) from error
    try:
        yield lock if owner else None
    finally:
        lock.release()


def _served(home: Home, ready_fd: int | None) -> bool:
    """Serve until stopped; return False if another supervisor holds the home."""
    with _locked(home) as lock:
        if lock is None:
            return False
        _log_to(home.supervisor_log, in_foreground=ready_fd is None)
        _serve(home, lock, ready_fd)
        return True


def _another_serves(home: Home, ready_fd: int | None) -> bool:
    if ready_fd is None:
        raise InvalidClusterState(
            f"A supervisor of {home.root} is already running (process {lock_holder(home.supervisor_lock)}).",
            "auroractl supervisor status",
        )
    if _answers(home):
        _report(ready_fd, {"Ready": True})
        return True
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


def _serve(home: Home, lock: LockFile, ready_fd: int | None) -> None:
    settings = load_settings(home)
    account = database_account(settings.run_as, home.database_folders())
    require_reachable(home.root, account)
    give_cluster_folders(home, account)
    if account is not None:
        import_as_self()
        work_as(account)
    database = open_database(home.state, home.state_backups, access=as_self)
    with contextlib.closing(database):
        changed = Event()
        runtime = assemble(home, settings, database.repository, changed.set)
        log.info("supervisor %s of %s starts as process %d", __version__, home.root, os.getpid())
        _recover(runtime, database)
        runtime.take_stock()
        idleness = Idleness()
        # A supervisor in the foreground runs until it is stopped.
        idle_s = 0.0 if ready_fd is None else settings.supervisor_idle_s
        watch = WatchLoop(runtime, changed, lock, lambda: idle_s > 0 and idleness.leave(idle_s))
        watch.start()
        try:
            with _dns(runtime), _listen(home) as listener:
                asyncio.run(_serve_socket(Api(runtime, idleness), listener, ready_fd))
        finally:
            watch.stop()
            runtime.observer.close()
            with as_self():
                home.socket.unlink(missing_ok=True)
            log.info("supervisor stops; databases keep running")


@contextlib.contextmanager
def _dns(runtime: Runtime) -> Iterator[None]:
    """Serve the names of clusters, if the setting `dns` says where."""
    if not runtime.settings.dns:
        yield
        return
    with as_self():
        from auroractl.supervisor.dns_server import DnsServer  # noqa: PLC0415  (its library only where it is used)
    server = DnsServer(runtime)
    server.start()
    try:
        yield
    finally:
        server.stop()


def _recover(runtime: Runtime, database: Database) -> None:
    """Finish or undo interrupted operations. Slow ones continue while the API already serves."""
    power_cut.settle_all(runtime)
    running = database.repository.running_operations()
    backtrack.end_orphans(runtime, running)
    for cluster in database.repository.clusters():
        if cluster.identifier not in {record.cluster for record in running}:
            database.repository.clear_phases(cluster.identifier)
    clusters = dict.fromkeys(record.cluster for record in running)
    threads = [
        Thread(
            target=_resume,
            args=(ManagedCluster(runtime, cluster), [record for record in running if record.cluster == cluster]),
            name=f"resume-{cluster}",
            daemon=True,
        )
        for cluster in clusters
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _RECOVERY_WAIT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _resume(cluster: ManagedCluster, records: Sequence[OperationRecord]) -> None:
    """Resume the operations of one cluster, one after another."""
    for record in records:
        try:
            runner.resume(cluster, record)
        except AuroraError as error:
            log.warning("%s %s could not be finished: %s", record.kind, record.cluster, error)
        except Exception:
            log.exception("%s %s could not be finished; please report it as a bug", record.kind, record.cluster)


@contextlib.contextmanager
def _listen(home: Home) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        with as_self():
            _bind(listener, home)
        listener.listen(128)
        yield listener


def _log_to(path: Path, *, in_foreground: bool) -> None:
    try:
        log_to(path, in_foreground=in_foreground)
    except OSError as error:
        raise unwritable(path, error) from error


def _bind(listener: socket.socket, home: Home) -> None:
    make_folder(home.run)
    home.socket.unlink(missing_ok=True)
    mask = os.umask(0o177)
    try:
        listener.bind(str(home.socket))
    except OSError as error:
        raise unwritable(home.socket, error) from error
    finally:
        os.umask(mask)


async def _serve_socket(api: Api, listener: socket.socket, ready_fd: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    control = ControlSocket(listener, api.begin)
    if ready_fd is not None:
        _report(ready_fd, {"Ready": True})
    await control.serve(stop)
