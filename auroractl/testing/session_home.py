"""A private home for one test session, removed at its end or by the next session."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from auroractl.api.progress import Silent
from auroractl.api.requests.supervisor import SupervisorStop
from auroractl.config.paths import Home
from auroractl.config.settings import load_settings
from auroractl.control_planes.local import LocalControlPlane
from auroractl.core.errors import AuroraError, ConfigurationError, MachineError
from auroractl.engine.shared_memory_cleanup import release_shared_memory
from auroractl.system.account import Account
from auroractl.system.accounts import database_account, existing_account, require_reachable
from auroractl.system.file_credentials import as_account
from auroractl.system.files import remove_tree
from auroractl.system.liveness import kill_all, processes_below, wait_for_exit
from auroractl.system.locks import LockFile, lock_holder

PREFIX = "auroractl-pytest-"
_LOCK = "session.pid"
_MEMORY = Path("/dev/shm")  # noqa: S108  (a cluster has a thousand small files, which are fastest in memory)
_MEMORY_FREE_MIN_BYTES = 2 * 1024**3
_STOP_TIMEOUT_S = 30.0
_KILL_ROUNDS_MAX = 20


@contextlib.contextmanager
def private_home(base: Path | None) -> Iterator[Home]:
    """Create an empty home below `base` or a suitable folder; always stop and remove it afterwards.

    Homes of sessions that were killed are removed too. Raises ConfigurationError if the databases' account can enter no
    folder.
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
    """Return the databases' account according to the user's settings."""
    # A home that does not exist has no settings, so that only the user's apply.
    return database_account(load_settings(Home(Path("/nonexistent"))).run_as, ())


def _suitable_folder() -> Path:
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_FREE_MIN_BYTES:
        candidates.insert(0, _MEMORY)
    databases = account()
    for folder in candidates:
        with contextlib.suppress(ConfigurationError):
            require_reachable(folder, databases)
            if os.access(folder, os.W_OK):
                return folder
    raise ConfigurationError(
        "The databases' account can enter no folder for temporary files.",
        "Give a folder in the ini option aurora_base",
    )


def _remove_abandoned(folder: Path) -> None:
    """Remove the homes of killed sessions: their lock files have a process id but are not locked."""
    for root in folder.glob(f"{PREFIX}*"):
        lock = root / _LOCK
        with contextlib.suppress(OSError, AuroraError):
            if root.lstat().st_uid != os.geteuid():
                continue
            if lock.read_text() and lock_holder(lock) is None:
                end(Home(root))


def end(home: Home) -> None:
    """Stop everything in a home, kill what remains, and remove the home.

    Raises MachineError if processes do not end or files cannot be removed.
    """
    with contextlib.suppress(AuroraError):
        control_plane = LocalControlPlane(home, start=False)
        pid = control_plane.request("supervisor-status", {}, Silent())["ProcessId"]
        control_plane.request("supervisor-stop", SupervisorStop(everything=True).to_json(), Silent())
        wait_for_exit(pid, _STOP_TIMEOUT_S)
    _kill(home)
    with as_account(existing_account("", home.database_folders())):
        for lock in home.clusters.rglob("postmaster.pid"):
            release_shared_memory(lock.parent)
    if home.run.parent != home.root:
        remove_tree(home.run)
    remove_tree(home.root)


def _kill(home: Home) -> None:
    """Kill the supervisor first, because it would restart the others."""
    supervisor = lock_holder(home.supervisor_lock)
    if supervisor is not None:
        kill_all([supervisor])
    for _ in range(_KILL_ROUNDS_MAX):
        left = processes_below(home.root)
        if not left:
            return
        kill_all(left)
        time.sleep(0.01)
    raise MachineError(f"Processes of {home.root} do not end: {left}", "Kill them by hand")
