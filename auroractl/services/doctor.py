"""What can go wrong on a person's machine, looked at without a supervisor and without changing anything."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.checks import Check, failed, ok, warning
from auroractl.core.errors import AuroraError, MachineError
from auroractl.core.identifiers import PORT_DEFAULT
from auroractl.core.sizes import format_size
from auroractl.engine.binaries import find_binaries
from auroractl.process import leftovers, machine
from auroractl.process.accounts import Account, existing_account, require_reachable
from auroractl.process.files import nearest_existing
from auroractl.process.locks import lock_holder
from auroractl.process.programs import run

_GIB = 1024**3
_ROOM_MIN_BYTES, _ROOM_WELL_BYTES = 1 * _GIB, 10 * _GIB
_SYNC_SLOW_MS = 20.0
_DRIFT_MAX_MS = 20.0
_DRIFT_LOOKED_S = 0.2
_MEMORY_WELL_BYTES = 1 * _GIB
_SHARED_MEMORY_WELL_BYTES = 256 * 1024**2
_DESCRIPTORS_SPARE = 200
_REMOTE_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smbfs", "smb3", "9p", "fuse.sshfs", "vboxsf", "drvfs"})
_SEGMENTS_SHARE_MAX = 0.8
_ANY_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104  (looked for, not listened on)


def examine(home: Home, settings: Settings) -> list[Check]:
    """Every check but those of the configuration and of the supervisor, which need who asks."""
    account = _account_or_none(settings)
    looks: list[tuple[str, Callable[[], Check]]] = [
        ("Program", _program),
        ("Home", lambda: _home(home, account)),
        ("Account", lambda: _account(settings)),
        ("PostgreSQL", lambda: _postgresql(home, settings, account)),
        ("Addresses", lambda: _addresses(settings)),
        ("Port", lambda: _port(home)),
        ("Disk room", lambda: _room(home)),
        ("Disk speed", lambda: _speed(home)),
        ("Memory", _memory),
        ("Shared memory", _shared_memory),
        ("Open files", lambda: _open_files(settings)),
        ("Processes", _processes),
        ("Clock", lambda: _clock(home)),
        ("State", lambda: _state(home)),
        ("Leftovers", lambda: _leftovers(home)),
    ]
    return [_guarded(name, look) for name, look in looks]


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except AuroraError as error:
        return failed(name, error.message, error.hint)
    except OSError as error:
        return failed(name, f"It could not be looked at: {error}.", "")


def _program() -> Check:
    where = Path(sys.executable).parent
    system = f"{platform.system()} {platform.machine()}"
    return ok("Program", f"auroractl {__version__}, Python {platform.python_version()} in {where}, {system}.")


def _home(home: Home, account: Account | None) -> Check:
    place = nearest_existing(home.root)
    if not os.access(place, os.W_OK | os.X_OK):
        hint = "Check its owner and permissions, or set AURORACTL_HOME to a folder that can be written"
        return failed("Home", f"{home.root}: {place} cannot be written.", hint)
    require_reachable(home.root, account)
    made = "" if home.root.exists() else " (made by the first command)"
    return ok("Home", f"{home.root}{made} can be written" + (f" and {account.name} can enter it." if account else "."))


def _account_or_none(settings: Settings) -> Account | None:
    with contextlib.suppress(AuroraError):
        return existing_account(settings.run_as)
    return None


def _account(settings: Settings) -> Check:
    if os.geteuid() != 0:
        return ok("Account", f"Databases run under your own account (uid {os.geteuid()}).")
    account = existing_account(settings.run_as)
    if account is not None:
        return ok("Account", f"Databases run under {account.name}, because PostgreSQL refuses to run as root.")
    if shutil.which("useradd") is None:
        hint = "Create an unprivileged account and name it in the setting run_as"
        return failed("Account", "Running as root needs an unprivileged account, and none can be made.", hint)
    return ok(
        "Account", "An account auroractl is made by the first command, because PostgreSQL refuses to run as root."
    )


def _postgresql(home: Home, settings: Settings, account: Account | None) -> Check:
    binaries = find_binaries(settings.postgresql_folder, None, home.binaries)
    found = f"PostgreSQL {binaries.version} in {binaries.folder}"
    if account is not None:
        try:
            run([binaries.program("postgres"), "--version"], account=account)
        except MachineError:
            return ok("PostgreSQL", f"{found}; {account.name} cannot run it there, so it is copied into the home once.")
    return ok("PostgreSQL", f"{found} runs.")


def _addresses(settings: Settings) -> Check:
    problem = machine.bind_problem("127.0.0.1", 0)
    if problem:
        return failed("Addresses", f"Nothing can listen on 127.0.0.1: {problem}.", "Bring the loopback interface up")
    if settings.addresses == "ports":
        return ok("Addresses", "All listens on 127.0.0.1 with distinct ports, as the setting addresses says.")
    problem = machine.bind_problem("127.16.0.1", 0)
    if not problem:
        return ok("Addresses", "Each cluster can have loopback addresses of its own (127.x.y.0/24).")
    if settings.addresses == "block":
        hint = 'Set addresses to "auto" or "ports"'
        return failed("Addresses", f"addresses is block, and nothing can listen on 127.16.0.1: {problem}.", hint)
    hint = (
        "That works; where a driver expects one port for all, add loopback aliases: sudo ifconfig lo0 alias 127.16.0.1"
    )
    return warning("Addresses", "There is only 127.0.0.1: endpoints and instances have distinct ports.", hint)


def _port(home: Home) -> Check:
    name = f"Port {PORT_DEFAULT}"
    found = [each for each in machine.listeners(PORT_DEFAULT) if not _ours(home, each.pid)]
    everywhere = [each for each in found if each.host in _ANY_HOST]
    who = ", ".join(sorted({f"{each.name or 'a process'} ({each.pid or 'of another account'})" for each in everywhere}))
    if everywhere:
        hint = "New clusters take the next free port; end that process for them to have 5432"
        return warning(name, f"It is taken on all addresses by {who}.", hint)
    others = len({each.host for each in found})
    more = f"; programs on {others} other addresses do not matter" if others else ""
    return ok(name, f"Free for new clusters{more}.")


def _ours(home: Home, pid: int | None) -> bool:
    return pid is not None and leftovers.works_below(pid, home.root)


def _room(home: Home) -> Check:
    usage = shutil.disk_usage(nearest_existing(home.root))
    there = f"{format_size(usage.free)} of {format_size(usage.total)} are free for {home.root}."
    hint = "Make room, or set AURORACTL_HOME to a larger disk; setting log_keep_size says how much log each copy keeps"
    if usage.free < _ROOM_MIN_BYTES:
        return failed("Disk room", there, hint)
    return warning("Disk room", there, hint) if usage.free < _ROOM_WELL_BYTES else ok("Disk room", there)


def _speed(home: Home) -> Check:
    place = nearest_existing(home.root)
    kind = machine.filesystem(place)
    took_ms = machine.sync_ms(place)
    on = f" on {kind}" if kind else ""
    if kind in _REMOTE_FILESYSTEMS:
        hint = "Set AURORACTL_HOME to a folder on a local disk"
        return warning(
            "Disk speed", f"The home is{on}, where locks and flushes may not hold; one takes {took_ms:.1f} ms.", hint
        )
    if kind == "tmpfs":
        hint = "Good for tests; for what shall stay, set AURORACTL_HOME to a folder on a disk"
        return warning("Disk speed", "The home is in memory (tmpfs): gone when the machine restarts.", hint)
    if took_ms > _SYNC_SLOW_MS:
        hint = "Every commit waits for several of these; a faster disk, or one in memory for tests, helps"
        return warning("Disk speed", f"Flushing 8 KiB takes {took_ms:.1f} ms{on}.", hint)
    return ok("Disk speed", f"Flushing 8 KiB takes {took_ms:.1f} ms{on}.")


def _memory() -> Check:
    free = machine.free_memory_bytes()
    said = f"{format_size(free)} of memory are free."
    if free < _MEMORY_WELL_BYTES:
        return warning("Memory", said, "Run fewer readers, or set shared_buffers to less (128MB)")
    return ok("Memory", said)


def _shared_memory() -> Check:
    folder = machine.shared_memory_folder()
    if folder is None:
        return ok("Shared memory", "The system has no folder for it.")
    if not os.access(folder, os.W_OK):
        return failed("Shared memory", f"{folder} cannot be written.", f"Mount it: mount -t tmpfs shm {folder}")
    used, most = leftovers.shared_segments()
    if most and used > most * _SEGMENTS_SHARE_MAX:
        return warning(
            "Shared memory", f"{used} of {most} System V segments are in use.", "See ipcs -m; ipcrm removes one"
        )
    usage = shutil.disk_usage(folder)
    said = f"{format_size(usage.free)} of {format_size(usage.total)} are free in {folder}."
    if usage.free < _SHARED_MEMORY_WELL_BYTES:
        hint = "Parallel queries may fail; give a container more with --shm-size=1g"
        return warning("Shared memory", said, hint)
    return ok("Shared memory", said)


def _open_files(settings: Settings) -> Check:
    limit, needed = machine.open_files_max(), 2 * settings.connections_max + _DESCRIPTORS_SPARE
    if limit is None or limit >= needed:
        return ok(
            "Open files", f"{'Any number' if limit is None else limit} may be open in a process; {needed} are enough."
        )
    hint = (
        f"ulimit -n {needed} before the supervisor starts, or set connections_max to less ({settings.connections_max})"
    )
    said = (
        f"{limit} may be open in a process, and an endpoint with {settings.connections_max} connections needs {needed}."
    )
    return warning("Open files", said, hint)


def _processes() -> Check:
    limit = machine.processes_max()
    if limit is None:
        return ok("Processes", "Any number may run.")
    said = f"{limit} may run under this account; PostgreSQL starts one for each connection."
    return warning("Processes", said, "ulimit -u 4096") if limit < 1024 else ok("Processes", said)


def _clock(home: Home) -> Check:
    drift_ms = machine.clock_drift_ms(_DRIFT_LOOKED_S)
    if abs(drift_ms) > _DRIFT_MAX_MS:
        hint = "Let the machine's time service finish; times in events and logs are wrong until then"
        return warning("Clock", f"The clock is being set: it jumped by {drift_ms:.0f} ms in {_DRIFT_LOOKED_S} s.", hint)
    ahead_s = _last_written_s(home) - time.time()
    if ahead_s > 1:
        hint = "Set the clock; events would seem to come before what caused them"
        return warning("Clock", f"The clock was set back: the home was written {ahead_s:.0f} s in the future.", hint)
    zone = datetime.now().astimezone().strftime("%Z (UTC%z)")
    return ok("Clock", f"It runs evenly. This machine is on {zone}; auroractl shows UTC.")


def _last_written_s(home: Home) -> float:
    for path in (home.supervisor_log, home.state):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _state(home: Home) -> Check:
    if not home.state.exists():
        return ok("State", f"There is no {home.state.name} yet.")
    from auroractl.state import reading  # noqa: PLC0415  (SQLAlchemy, which takes half a second)
    from auroractl.state.schema import HEAD  # noqa: PLC0415

    try:
        damage, revision = reading.damage(home.state), reading.revision(home.state)
    except sqlite3.Error as error:
        damage, revision = str(error), ""
    if damage:
        hint = f"Stop the supervisor and put a copy from {home.state_backups} in its place"
        return failed("State", f"{home.state} is damaged: {damage}.", hint)
    if revision > HEAD:
        hint = "Update auroractl: pip install --upgrade auroractl"
        return failed("State", f"{home.state} is of schema {revision}, and this version knows {HEAD}.", hint)
    upgrade = "" if revision == HEAD else f"; it is upgraded to {HEAD} by the next start, after a copy"
    return ok("State", f"{home.state.name} is whole, schema {revision}{upgrade}.")


def _leftovers(home: Home) -> Check:
    strays = leftovers.stray_processes()
    if strays:
        pids = " ".join(str(each.pid) for each in strays)
        where = ", ".join(sorted({str(each.folder) for each in strays})[:3])
        said = f"{len(strays)} processes work in folders that are gone ({where})."
        return warning("Leftovers", said, f"End them: kill -9 {pids}")
    unknown = _unknown_folders(home)
    if unknown:
        said = f"{home.clusters} has folders of clusters that do not exist: {', '.join(unknown)}."
        return warning("Leftovers", said, f"Look into them, then remove them from {home.clusters}")
    return ok("Leftovers", "None.")


def _unknown_folders(home: Home) -> list[str]:
    if not home.clusters.is_dir():
        return []
    from auroractl.state import reading  # noqa: PLC0415

    with contextlib.suppress(sqlite3.Error):
        known = reading.cluster_names(home.state) if home.state.exists() else []
        return sorted(path.name for path in home.clusters.iterdir() if path.is_dir() and path.name not in known)
    return []


def supervisor_check(home: Home, answer: dict[str, Any] | None, problem: str) -> Check:
    """What there is to say of the supervisor, from its answer or from why there is none."""
    if answer is not None:
        said = f"It runs as process {answer['ProcessId']}, version {answer['Version']}."
        if answer["Version"] == __version__:
            return ok("Supervisor", said)
        hint = "auroractl supervisor stop; the next command starts the new one, and databases go on running"
        return warning("Supervisor", f"{said} This command is of version {__version__}.", hint)
    holder = lock_holder(home.supervisor_lock) if os.access(home.supervisor_lock, os.R_OK | os.W_OK) else None
    if holder is not None:
        hint = f"See {home.supervisor_log}; databases go on running after: kill -9 {holder}"
        return failed("Supervisor", f"Process {holder} holds the home and does not answer. {problem}".strip(), hint)
    return ok("Supervisor", "It is not running; the first command that needs it starts it.")
