"""The server's configuration files. They are generated as a whole and never edited in place."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from auroractl.core.address import Address
from auroractl.core.parameters.rds import SHOWN, server_parameters
from auroractl.core.text.sizes import parse_size_bytes
from auroractl.core.volume.quorum import Quorum
from auroractl.core.wal.segments import SEGMENT_BYTES
from auroractl.engine import iam_users
from auroractl.engine.connections import ADMIN_DATABASE, Access, own_name
from auroractl.engine.iam_users import IamAccess
from auroractl.engine.secrets import ADMIN, REPLICATION
from auroractl.system.files import write_durably
from auroractl.system.safe_open import NotOurs, read_regular

WAL_SEGMENT_MB = SEGMENT_BYTES // 1024**2
INTERNAL_CONNECTIONS = 20
"""Connections beyond the clients' limit: those that the supervisor keeps open, and sessions that are just ending."""
RESERVED_CONNECTIONS = 10
"""Connections reserved for the supervisor, even if clients bypass the endpoints and use up all others."""
_WAL_SENDERS_MAX = 40
"""15 readers and six storage nodes, each counted twice: while one reconnects or is copied, two senders exist."""
PREPARED_TRANSACTIONS_MAX = 100
"""Allows two-phase commit without a parameter change. A standby needs at least as many as its writer."""
_WORKER_PROCESSES_MAX, _LOCKS_PER_TRANSACTION = 8, 64
"""PostgreSQL's defaults; written out, because a standby may have to keep more than that."""
_WRITTEN_OUT = {**SHOWN, "wal_level": "replica"}
"""Defaults that are written out, because a server calls a value that vanishes from its file an error."""
_CONNECT_TIMEOUT_S = 5.0
_WAL_SENDER_TIMEOUT = "20s"
"""After this time a frozen standby no longer delays a clean shutdown of the writer."""
_IDENT_MAP = "supervisor"
_CONFIGURATION_BYTES_MAX = 1024**2
AWAITING = ", once auroractl has admitted it"
ADMITTED_FILE = "admitted.conf"
"""The file that has the write quorum that counts while senders are admitted, and is empty otherwise."""
_HBA_SOCKET = f"""\
# Written by auroractl. Internal users get in at the Unix socket only: the supervisor by its account where servers run
# under another one, else by a password, and programs that replicate by a password. All others prove a password, and
# members of rds_iam, if the cluster has IAM authentication, that the endpoint process has checked their token.
# TYPE  DATABASE     USER                  ADDRESS       METHOD
local   all          {ADMIN}                            %s
local   replication  {REPLICATION}                        scram-sha-256
local   {ADMIN_DATABASE}     {REPLICATION}                        scram-sha-256
%slocal   all          all                                 reject
host    all          {ADMIN},{REPLICATION} all           reject
%shost    all          all                   127.0.0.0/8   scram-sha-256
"""
_HBA_TCP = f"""\
# Written by auroractl. Every connection proves a password with SCRAM; nothing else gets in.
# TYPE  DATABASE     USER                  ADDRESS       METHOD
host    replication  {REPLICATION}          127.0.0.0/8   scram-sha-256
host    {ADMIN_DATABASE}     {REPLICATION}          127.0.0.0/8   scram-sha-256
host    all          {REPLICATION}          all           reject
%shost    all          all                   127.0.0.0/8   scram-sha-256
"""
"""The replication user is a superuser, so that no client can terminate its sessions.

It may connect for replication and to the database `rdsadmin`, where pg_rewind reads the server's files. Anyone with its
password can run any statement there, because pg_hba.conf distinguishes databases but not statements. Only the
supervisor and the databases' account have the password.
"""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings that differ between clusters and installations."""

    connections_max: int
    shared_buffers: str
    max_wal_size: str
    wal_keep_size: str
    preload_libraries: str
    """Modules that a server loads at its start, separated by commas."""
    aurora_extensions: str = ""
    """The value of Aurora's parameter `rds.extensions`; empty if the server does not have it."""


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """Settings that the cluster's volume requires of every server. An empty quorum means that there is no volume yet."""

    quorum: Quorum
    full: bool = False
    """True while writes are refused for lack of free space."""
    checkpoint_bytes_max: int | None = None
    """Maximum WAL between two checkpoints that backtrack tolerates; None if there is no such limit."""
    flushes: bool = True
    """False for a server that leaves it to the kernel when its files reach the disk."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """The effect of an injected fault on a reader."""

    apply_delay_ms: int = 0
    cut_off: bool = False
    """True if the writer's WAL does not reach it."""


def quote(value: str) -> str:
    r"""Quote a value for postgresql.conf.

    >>> print(quote("it's C:\\temp"))
    'it''s C:\\temp'
    """
    return "'" + value.replace("\\", r"\\").replace("'", "''").replace("\n", r"\n") + "'"


def render_configuration(values: Mapping[str, str | int]) -> str:
    """Render the text of a postgresql.conf."""
    lines = [f"{name} = {value if isinstance(value, int) else quote(value)}" for name, value in values.items()]
    return "\n".join(["# Written by auroractl at every start; changes made here are lost.", *lines, ""])


def synchronous_standby_names(quorum: Quorum) -> str:
    """Render PostgreSQL's own write quorum (https://www.postgresql.org/docs/18/runtime-config-replication.html).

    >>> synchronous_standby_names(Quorum(1, frozenset({"b", "a"})))
    'ANY 1 ("a", "b")'
    """
    names = ", ".join(f'"{name}"' for name in sorted(quorum.nodes))
    return f"ANY {quorum.required} ({names})" if quorum.nodes else ""


def awaiting_admission(quorum: Quorum) -> str:
    """Render a write quorum that counts no one: each name is longer than any application name can be.

    PostgreSQL truncates an application name to 63 bytes. What is longer has the backslashes of escaped bytes, which
    these names have not. `admission` says how the storage nodes are counted nevertheless.

    >>> awaiting_admission(Quorum(1, frozenset({"a"})))
    'ANY 1 ("a, once auroractl has admitted it.......................................")'
    """
    return synchronous_standby_names(
        Quorum(quorum.required, frozenset(f"{name}{AWAITING}".ljust(80, ".") for name in quorum.nodes))
    )


def restore_command(folder: Path) -> str:
    """Build the command with which a standby fetches missing WAL.

    It uses sh and cp, because the standby's account may be unable to run this Python.

    >>> restore_command(Path("/a b"))
    "test -f '/a b'/%f && cp '/a b'/%f %p"
    """
    source = shlex.quote(str(folder)).replace("%", "%%") + "/%f"
    return f"test -f {source} && cp {source} %p"


def server_configuration(
    instance: str,
    address: Address,
    settings: ServerSettings,
    volume: VolumeSettings,
    follow: Access | None,
    pgpass: Path,
    recovery: Path,
    socket_folder: Path | None,
    impairment: Impairment = Impairment(),
    chosen: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str | int]:
    """Return all parameters of a server; `chosen` are those of its parameter groups.

    `follow` is the connection to the writer for a reader, None for the writer. `recovery` is the folder of the WAL that
    was read back from the volume, `socket_folder` the folder for the server's Unix socket. Every server has the quorum,
    so that a promoted one never acknowledges a commit without it.
    """
    own: dict[str, str | int] = {
        "cluster_name": instance,
        "listen_addresses": address.host,
        "port": address.port,
        "unix_socket_directories": socket_directories(socket_folder),
        "unix_socket_permissions": "0700",
        "max_connections": settings.connections_max + INTERNAL_CONNECTIONS + RESERVED_CONNECTIONS,
        "superuser_reserved_connections": RESERVED_CONNECTIONS,
        "password_encryption": "scram-sha-256",
        "shared_buffers": settings.shared_buffers,
        "shared_preload_libraries": settings.preload_libraries,
        "max_wal_size": _max_wal_size(settings, volume),
        "checkpoint_completion_target": _COMPLETION_WITH_IMAGES if volume.checkpoint_bytes_max else "0.9",
        "min_wal_size": f"{WAL_SEGMENT_MB * 8}MB",
        "wal_keep_size": settings.wal_keep_size,
        "wal_log_hints": "on",
        # Full-recovery images are most of the WAL, and six nodes receive each of them. Compressed, they take a quarter of
        # the bytes and are faster to send.
        "wal_compression": "pglz",
        "max_prepared_transactions": PREPARED_TRANSACTIONS_MAX,
        "max_worker_processes": _WORKER_PROCESSES_MAX,
        "max_locks_per_transaction": _LOCKS_PER_TRANSACTION,
        "max_wal_senders": _WAL_SENDERS_MAX,
        "max_replication_slots": _WAL_SENDERS_MAX,
        "synchronous_standby_names": synchronous_standby_names(volume.quorum),
        "synchronous_commit": "on",
        "fsync": "on" if volume.flushes else "off",
        "wal_sender_timeout": _WAL_SENDER_TIMEOUT,
        "default_transaction_read_only": "on" if volume.full else "off",
        "hot_standby_feedback": "on",
        "restore_command": restore_command(recovery),
        "wal_retrieve_retry_interval": "200ms",
        "primary_conninfo": _primary_conninfo(instance, follow, pgpass, impairment),
        "recovery_min_apply_delay": f"{impairment.apply_delay_ms}ms",
        "recovery_target_timeline": "latest",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        **_WRITTEN_OUT,
        **({"rds.extensions": settings.aurora_extensions} if settings.aurora_extensions else {}),
    }
    return {**own, **server_parameters(chosen, own)}


def _primary_conninfo(instance: str, follow: Access | None, pgpass: Path, impairment: Impairment) -> str:
    if follow is None or impairment.cut_off:
        return ""
    return follow.replication_conninfo(instance, _CONNECT_TIMEOUT_S, pgpass)


_COMPLETION_WITH_IMAGES = "0.3"
"""Completion target for clusters with recovery images.

A recovery image is stopped at a checkpoint record, and recovery from it starts at that checkpoint's redo point: the WAL
between the two is replayed twice. Finishing earlier also lets checkpoints lie further apart within the same `max_wal_size`, which
saves full-recovery images in the WAL.
"""


def _max_wal_size(settings: ServerSettings, volume: VolumeSettings) -> str:
    """Return the `max_wal_size` of a server.

    A recovery image starts at a checkpoint, so the WAL between two checkpoints has to be replayed.
    """
    if volume.checkpoint_bytes_max is None:
        return settings.max_wal_size
    most_bytes = min(parse_size_bytes(settings.max_wal_size), volume.checkpoint_bytes_max)
    return f"{max(most_bytes // 1024**2, WAL_SEGMENT_MB * 8)}MB"


def socket_directories(folder: Path | None) -> str:
    """Return a folder as an entry of `unix_socket_directories`, in double quotes.

    >>> socket_directories(Path("/a, b"))
    '"/a, b"'
    """
    return "" if folder is None else '"' + str(folder).replace('"', '""') + '"'


def write_configuration(
    data: Path,
    values: Mapping[str, str | int],
    *,
    standby: bool,
    sockets: bool,
    iam: IamAccess | None = None,
) -> None:
    """Write the configuration files and mark the data directory as a standby's or a primary's.

    With `sockets`, internal users connect through the server's Unix socket and no longer over TCP.
    """
    text = render_configuration(values)
    if AWAITING in str(values["synchronous_standby_names"]):
        write_durably(data / ADMITTED_FILE, "")
        text += f"include_if_exists = '{ADMITTED_FILE}'\n"
    write_durably(data / "postgresql.conf", text)
    write_access_rules(data, sockets=sockets, iam=iam)
    signal = data / "standby.signal"
    if standby:
        write_durably(signal, "")
    else:
        signal.unlink(missing_ok=True)


def write_access_rules(data: Path, *, sockets: bool, iam: IamAccess | None = None) -> None:
    """Write who may connect how, unless the files already say so, as they do in a copy of a template.

    IAM authentication needs the server's Unix socket; without it members do not get in.
    """
    if iam is not None:
        iam_users.write_files(data, iam)
    at_socket, over_tcp = (iam.at_socket, iam.over_tcp) if iam is not None else ("", "")
    method = f"peer map={_IDENT_MAP}" if os.geteuid() == 0 else "scram-sha-256"
    for name, text in (
        ("pg_hba.conf", _HBA_SOCKET % (method, at_socket, over_tcp) if sockets else _HBA_TCP % over_tcp),
        ("pg_ident.conf", _ident_map()),
    ):
        if _read(data / name) != text.encode():
            write_durably(data / name, text)
    if iam is None:
        iam_users.remove_files(data)


def _read(path: Path) -> bytes | None:
    """Return a file's content; None if there is none that could be ours."""
    try:
        return read_regular(path, _CONFIGURATION_BYTES_MAX)
    except (FileNotFoundError, NotOurs):
        return None


def awaits_admission(data: Path) -> bool:
    """Return whether the configuration that was last written counts only senders that are admitted."""
    try:
        return AWAITING.encode() in read_regular(data / "postgresql.conf", _CONFIGURATION_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError, NotOurs):
        return False


def says_flush(data: Path) -> bool:
    """Return whether the configuration that was last written makes the server flush."""
    try:
        return b"\nfsync = 'off'" not in read_regular(data / "postgresql.conf", _CONFIGURATION_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError, NotOurs):
        return False


def _ident_map() -> str:
    """Map the supervisor's account to the internal superuser at the Unix socket; no account if it has no name.

    https://www.postgresql.org/docs/18/auth-username-maps.html
    """
    name = own_name()
    line = f'{_IDENT_MAP} "{name}" {ADMIN}\n' if name is not None and '"' not in name else ""
    return f"# Written by auroractl.\n# MAPNAME  SYSTEM-USERNAME  PG-USERNAME\n{line}"


def write_pgpass(path: Path, password: str) -> None:
    """Write the password file of the replication user, readable only by the databases' account."""
    write_durably(path, f"*:*:*:{REPLICATION}:{password}\n")
