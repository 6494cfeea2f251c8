"""Read-only checks of the machine, which need no supervisor."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.checks import Check, failed, ok, warning
from auroractl.core.engine.locales import AURORA, how_to_add, normalized
from auroractl.core.errors import AuroraError
from auroractl.core.identifiers import PORT_DEFAULT
from auroractl.core.text.sizes import format_size
from auroractl.runtime.engine_builds import EngineBuilds
from auroractl.system import leftovers, limits, machine
from auroractl.system.account import Account
from auroractl.system.accounts import FALLBACK, existing_account, named_account, require_reachable, usable_account
from auroractl.system.files import nearest_existing
from auroractl.system.locales import system_locales
from auroractl.system.locks import lock_holder
from auroractl.system.programs import find_program
from auroractl.system.unflushed import why_flushing

_GIB = 1024**3
_FREE_MIN_BYTES, _FREE_ENOUGH_BYTES = 1 * _GIB, 10 * _GIB
_SYNC_SLOW_MS = 20.0
_DRIFT_MAX_MS = 20.0
_DRIFT_MEASURED_S = 0.2
_MEMORY_ENOUGH_BYTES = 1 * _GIB
_SHARED_MEMORY_ENOUGH_BYTES = 256 * 1024**2
_DESCRIPTORS_SPARE = 200
_REMOTE_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smbfs", "smb3", "9p", "fuse.sshfs", "vboxsf", "drvfs"})
_SEGMENTS_SHARE_MAX = 0.8
_ANY_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104  (compared with, not bound to)


def examine(home: Home, settings: Settings) -> list[Check]:
    """Run every check except those of the configuration and the supervisor, which only the command can make."""
    account = _account_or_none(home, settings)
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("Program", _program),
        ("Home", lambda: _home(home, account)),
        ("Account", lambda: _account(home, settings)),
        ("PostgreSQL", lambda: _postgresql(home, settings, account)),
        ("Locale", _locale),
        ("Addresses", lambda: _addresses(settings)),
        ("Port", lambda: _port(home)),
        ("Disk space", lambda: _space(home)),
        ("Disk speed", lambda: _speed(home)),
        ("Memory", _memory),
        ("Shared memory", _shared_memory),
        ("Open files", lambda: _open_files(settings)),
        ("Processes", _processes),
        ("Clock", lambda: _clock(home)),
        ("State", lambda: _state(home)),
        ("Leftovers", lambda: _leftovers(home)),
    ]
    return [_guarded(name, check) for name, check in checks]


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except AuroraError as error:
        return failed(name, error.message, error.hint)
    except OSError as error:
        return failed(name, f"The check failed: {error}.", "")


def _program() -> Check:
    where = Path(sys.executable).parent
    system = f"{platform.system()} {platform.machine()}"
    return ok("Program", f"auroractl {__version__}, Python {platform.python_version()} in {where}, {system}.")


def _home(home: Home, account: Account | None) -> Check:
    place = nearest_existing(home.root)
    if not os.access(place, os.W_OK | os.X_OK):
        hint = "Check its owner and permissions, or set AURORACTL_HOME to a writable folder"
        return failed("Home", f"{home.root}: {place} is not writable.", hint)
    require_reachable(home.root, account)
    created = "" if home.root.exists() else " (created by the first command)"
    return ok("Home", f"{home.root}{created} is writable" + (f", and {account.name} can enter it." if account else "."))


def _account_or_none(home: Home, settings: Settings) -> Account | None:
    with contextlib.suppress(AuroraError):
        return existing_account(settings.run_as, home.database_folders())
    return None


def _account(home: Home, settings: Settings) -> Check:
    if os.geteuid() != 0:
        return ok("Account", f"Databases run as your own account (uid {os.geteuid()}).")
    account = usable_account(settings.run_as, home.database_folders())
    if account is not None:
        return ok("Account", f"Databases run as {account.name}, because PostgreSQL refuses to run as root.")
    if find_program("useradd") is None:
        with contextlib.suppress(ValueError):
            return ok("Account", f"Databases run as {named_account(FALLBACK).name}: no other account can be created.")
        hint = "Create an unprivileged account and name it in the setting run_as"
        return failed("Account", "Running as root needs an unprivileged account, and none can be created.", hint)
    return ok("Account", "The first command creates the account auroractl, because PostgreSQL refuses to run as root.")


def _postgresql(home: Home, settings: Settings, account: Account | None) -> Check:
    builds = EngineBuilds(home, settings, lambda: account)
    default, (found, problems) = builds.default(), builds.all()
    text = f"PostgreSQL {default.version} in {default.folder} is the default."
    others = sorted({build.version for build in found} - {default.version})
    if others:
        text += f" For --engine-version there are {', '.join(map(str, others))}."
    if problems:
        return warning("PostgreSQL", f"{text} {problems[0].message}", problems[0].hint)
    return ok("PostgreSQL", text)


def _locale() -> Check:
    if normalized(AURORA) in system_locales():
        return ok("Locale", f"New clusters sort text as on Aurora ({AURORA}).")
    return warning("Locale", f"This system has no {AURORA}: new clusters sort text by code point.", how_to_add(AURORA))


def _addresses(settings: Settings) -> Check:
    problem = machine.bind_problem("127.0.0.1", 0)
    if problem:
        return failed("Addresses", f"Nothing can listen on 127.0.0.1: {problem}.", "Bring the loopback interface up")
    if settings.addresses == "ports":
        return ok("Addresses", "Everything listens on 127.0.0.1 with distinct ports, as the setting addresses says.")
    problem = machine.bind_problem("127.16.0.1", 0)
    if not problem:
        return ok("Addresses", "Each cluster can have its own loopback addresses (127.x.y.0/24).")
    if settings.addresses == "block":
        hint = 'Set addresses to "auto" or "ports"'
        return failed(
            "Addresses", f"The setting addresses is block, but nothing can listen on 127.16.0.1: {problem}.", hint
        )
    hint = "For drivers that expect one port for all, add loopback aliases: sudo ifconfig lo0 alias 127.16.0.1"
    return warning("Addresses", "Only 127.0.0.1 is available: endpoints and instances have distinct ports.", hint)


def _port(home: Home) -> Check:
    name = f"Port {PORT_DEFAULT}"
    found = [each for each in machine.listeners(PORT_DEFAULT) if not _ours(home, each.pid)]
    everywhere = [each for each in found if each.host in _ANY_HOST]
    who = ", ".join(sorted({f"{each.name or 'a process'} ({each.pid or 'another account'})" for each in everywhere}))
    if everywhere:
        hint = "New clusters use the next free port; stop that process if they should have 5432"
        return warning(name, f"It is in use on all addresses by {who}.", hint)
    others = len({each.host for each in found})
    more = f"; programs on {others} other addresses do not interfere" if others else ""
    return ok(name, f"Free for new clusters{more}.")


def _ours(home: Home, pid: int | None) -> bool:
    return pid is not None and leftovers.works_below(pid, home.root)


def _space(home: Home) -> Check:
    usage = shutil.disk_usage(nearest_existing(home.root))
    found = f"{format_size(usage.free)} of {format_size(usage.total)} are free for {home.root}."
    hint = "Free some space, set AURORACTL_HOME to a larger disk, or lower log_keep_size (the WAL that each copy keeps)"
    if usage.free < _FREE_MIN_BYTES:
        return failed("Disk space", found, hint)
    return warning("Disk space", found, hint) if usage.free < _FREE_ENOUGH_BYTES else ok("Disk space", found)


def _speed(home: Home) -> Check:
    place = nearest_existing(home.root)
    kind = machine.filesystem(place)
    took_ms = machine.sync_ms(place)
    on = f" on {kind}" if kind else ""
    if kind in _REMOTE_FILESYSTEMS:
        hint = "Set AURORACTL_HOME to a folder on a local disk"
        return warning(
            "Disk speed",
            f"The home is{on}, where locks and flushes may be unreliable; a flush takes {took_ms:.1f} ms.",
            hint,
        )
    if kind == "tmpfs":
        hint = "Good for tests; for lasting data set AURORACTL_HOME to a folder on a disk"
        return warning("Disk speed", "The home is in memory (tmpfs) and is lost when the machine restarts.", hint)
    if took_ms > _SYNC_SLOW_MS:
        hint = "Every commit waits for a flush; use a faster disk, or for tests --durability none"
        return warning("Disk speed", f"Flushing 8 KiB takes {took_ms:.1f} ms{on}.", hint)
    nodes = f" Storage nodes flush too: {why}." if (why := why_flushing()) else ""
    return ok("Disk speed", f"Flushing 8 KiB takes {took_ms:.1f} ms{on}.{nodes}")


def _memory() -> Check:
    free = machine.free_memory_bytes()
    found = f"{format_size(free)} of memory are free."
    if free < _MEMORY_ENOUGH_BYTES:
        return warning("Memory", found, "Run fewer readers, or lower shared_buffers (128MB)")
    return ok("Memory", found)


def _shared_memory() -> Check:
    folder = machine.shared_memory_folder()
    if folder is None:
        return ok("Shared memory", "This system has no folder for it.")
    if not os.access(folder, os.W_OK):
        return failed("Shared memory", f"{folder} is not writable.", f"Mount it: mount -t tmpfs shm {folder}")
    used, most = leftovers.shared_segments()
    if most and used > most * _SEGMENTS_SHARE_MAX:
        return warning(
            "Shared memory",
            f"{used} of {most} System V segments are in use.",
            "List them with ipcs -m; ipcrm removes one",
        )
    usage = shutil.disk_usage(folder)
    found = f"{format_size(usage.free)} of {format_size(usage.total)} are free in {folder}."
    if usage.free < _SHARED_MEMORY_ENOUGH_BYTES:
        hint = "Parallel queries may fail; in a container, raise it with --shm-size=1g"
        return warning("Shared memory", found, hint)
    return ok("Shared memory", found)


def _open_files(settings: Settings) -> Check:
    limit, needed = limits.open_files_max(), 2 * settings.connections_max + _DESCRIPTORS_SPARE
    if limit is None or limit >= needed:
        return ok("Open files", f"A process may open {'any number' if limit is None else limit}; {needed} are needed.")
    hint = f"ulimit -n {needed} before the supervisor starts, or lower connections_max ({settings.connections_max})"
    found = f"A process may open {limit}, but an endpoint with {settings.connections_max} connections needs {needed}."
    return warning("Open files", found, hint)


def _processes() -> Check:
    limit = limits.processes_max()
    if limit is None:
        return ok("Processes", "This account may run any number.")
    found = f"This account may run {limit}; PostgreSQL starts one for each connection."
    return warning("Processes", found, "ulimit -u 4096") if limit < 1024 else ok("Processes", found)


def _clock(home: Home) -> Check:
    drift_ms = machine.clock_drift_ms(_DRIFT_MEASURED_S)
    if abs(drift_ms) > _DRIFT_MAX_MS:
        hint = "Wait for the machine's time service; until then, times in events and logs are wrong"
        found = f"The clock is being adjusted: it jumped by {drift_ms:.0f} ms in {_DRIFT_MEASURED_S} s."
        return warning("Clock", found, hint)
    ahead_s = _last_written_s(home) - time.time()
    if ahead_s > 1:
        hint = "Correct the clock; otherwise events appear in the wrong order"
        return warning("Clock", f"The clock was set back: files of the home are {ahead_s:.0f} s in the future.", hint)
    zone = datetime.now().astimezone().strftime("%Z (UTC%z)")
    return ok("Clock", f"It runs steadily. This machine's time zone is {zone}; auroractl shows UTC.")


def _last_written_s(home: Home) -> float:
    for path in (home.supervisor_log, home.state):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _state(home: Home) -> Check:
    if not home.state.exists():
        return ok("State", f"There is no {home.state.name} yet.")
    from auroractl.state import reading  # noqa: PLC0415  (SQLAlchemy takes half a second to import)
    from auroractl.state.schema import HEAD  # noqa: PLC0415

    try:
        damage, revision = reading.damage(home.state), reading.revision(home.state)
    except sqlite3.Error as error:
        damage, revision = str(error), ""
    if damage:
        hint = f"Stop the supervisor and replace the file with a copy from {home.state_backups}"
        return failed("State", f"{home.state} is damaged: {damage}.", hint)
    if revision > HEAD:
        hint = "Update auroractl: pip install --upgrade auroractl"
        return failed("State", f"{home.state} has schema {revision}, but this version supports {HEAD}.", hint)
    upgrade = "" if revision == HEAD else f"; the next start backs it up and upgrades it to {HEAD}"
    return ok("State", f"{home.state.name} is intact and has schema {revision}{upgrade}.")


def _leftovers(home: Home) -> Check:
    strays = leftovers.stray_processes()
    if strays:
        pids = " ".join(str(each.pid) for each in strays)
        where = ", ".join(sorted({str(each.folder) for each in strays})[:3])
        found = f"{len(strays)} processes run in folders that no longer exist ({where})."
        return warning("Leftovers", found, f"Kill them: kill -9 {pids}")
    unknown = _unknown_folders(home)
    if unknown:
        found = f"{home.clusters} has folders of clusters that do not exist: {', '.join(unknown)}."
        return warning("Leftovers", found, f"Check their contents, then remove them from {home.clusters}")
    return ok("Leftovers", "None.")


def _unknown_folders(home: Home) -> list[str]:
    if not home.clusters.is_dir():
        return []
    from auroractl.state import reading  # noqa: PLC0415

    with contextlib.suppress(sqlite3.Error):
        known = reading.cluster_names(home.state) if home.state.exists() else []
        return sorted(path.name for path in home.clusters.iterdir() if path.is_dir() and path.name not in known)
    return []


def commits_check(clusters: Sequence[dict[str, Any]] | None) -> Check:
    """Check synchronous_commit by the supervisor's `DBClusters`; None if no supervisor answers."""
    if clusters is None:
        return ok("Commits", "synchronous_commit was not checked, because the supervisor is not running.")
    found = [f"{each['DBClusterIdentifier']}: {text}" for each in clusters for text in each.get("Warnings", [])]
    if not found:
        return ok("Commits", "No observed database or role setting weakens synchronous_commit.")
    hint = "Set it to on again; the setting enforce_synchronous_commit = true refuses other values"
    return warning("Commits", " ".join(found), hint)


def supervisor_check(home: Home, answer: dict[str, Any] | None, problem: str) -> Check:
    """Check the supervisor by its answer, or by the problem that prevented one."""
    if answer is not None:
        found = f"It runs as process {answer['ProcessId']}, version {answer['Version']}."
        if answer["Version"] == __version__:
            return ok("Supervisor", found)
        hint = "auroractl supervisor stop; the next command starts the new one, and databases keep running"
        return warning("Supervisor", f"{found} This command has version {__version__}.", hint)
    holder = lock_holder(home.supervisor_lock) if os.access(home.supervisor_lock, os.R_OK | os.W_OK) else None
    if holder is not None:
        hint = f"Read {home.supervisor_log}, then kill -9 {holder}; databases keep running"
        return failed("Supervisor", f"Process {holder} holds the home and does not answer. {problem}".strip(), hint)
    return ok("Supervisor", "It is not running; the first command that needs it will start it.")
