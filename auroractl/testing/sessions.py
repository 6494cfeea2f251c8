"""A private home for one test session: made, guarded, ended and removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from auroractl.backends.local import LocalBackend
from auroractl.config.paths import Home
from auroractl.config.settings import load_settings
from auroractl.core.errors import AuroraError, ConfigurationError, MachineError
from auroractl.engine.shared_memory import release_shared_memory
from auroractl.process.accounts import Account, database_account, require_reachable
from auroractl.process.files import remove_tree
from auroractl.process.liveness import kill_all, processes_below, wait_for_exit
from auroractl.process.locks import LockFile, lock_holder
from auroractl.testing.silence import Silent

PREFIX = "auroractl-pytest-"
_LOCK = "session.pid"
_MEMORY = Path("/dev/shm")  # noqa: S108  (a cluster is a thousand small files; memory takes them at once)
_MEMORY_FREE_MIN_BYTES = 2 * 1024**3
_STOP_TIMEOUT_S = 30.0
_KILL_ROUNDS_MAX = 20


@contextlib.contextmanager
def private_home(base: Path | None) -> Iterator[Home]:
    """An empty home below `base`, or below a folder that suits; ended and removed whatever happens inside.

    Homes that sessions before left behind, because they were killed, are removed too. Raises ConfigurationError where
    the account of the databases can enter no folder.
    """
    folder = base or _suitable_folder()
    _remove_abandoned(folder)
    home = Home(Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)))
    home.root.chmod(0o755)
    lock = LockFile(home.root / _LOCK)
    lock.acquire()
    try:
        yield home
    finally:
        end(home)
        lock.release()


def account() -> Account | None:
    """The account of the databases, by the settings of the person who runs the tests."""
    # A home that does not exist has no settings of its own.
    return database_account(load_settings(Home(Path("/nonexistent"))).run_as)


def _suitable_folder() -> Path:
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_FREE_MIN_BYTES:
        candidates.insert(0, _MEMORY)
    wanted_by = account()
    for folder in candidates:
        with contextlib.suppress(ConfigurationError):
            require_reachable(folder, wanted_by)
            if os.access(folder, os.W_OK):
                return folder
    raise ConfigurationError(
        "There is no folder for temporary files that the account of the databases can enter.",
        "Name one in the ini option aurora_base",
    )


def _remove_abandoned(folder: Path) -> None:
    """A lock file with a process id that nobody holds is that of a session that was killed."""
    for root in folder.glob(f"{PREFIX}*"):
        lock = root / _LOCK
        with contextlib.suppress(OSError, AuroraError):
            if lock.read_text() and lock_holder(lock) is None:
                end(Home(root))


def end(home: Home) -> None:
    """End everything that works in a home, by the product's own means first, and remove it.

    Raises MachineError where processes do not end or files cannot be removed.
    """
    with contextlib.suppress(AuroraError):
        backend = LocalBackend(home, start=False)
        pid = backend.request("supervisor-status", {}, Silent())["ProcessId"]
        backend.request("supervisor-stop", {"All": True}, Silent())
        wait_for_exit(pid, _STOP_TIMEOUT_S)
    _kill(home)
    for lock in home.clusters.rglob("postmaster.pid"):
        release_shared_memory(lock.parent)
    if home.run.parent != home.root:
        remove_tree(home.run)
    remove_tree(home.root)


def _kill(home: Home) -> None:
    """The supervisor first: it would start again what ends."""
    supervisor = lock_holder(home.supervisor_lock)
    if supervisor is not None:
        kill_all([supervisor])
    for _ in range(_KILL_ROUNDS_MAX):
        left = processes_below(home.root)
        if not left:
            return
        kill_all(left)
        time.sleep(0.01)
    raise MachineError(f"Processes of {home.root} do not end: {left}", "End them by hand")
