"""The server's configuration files, generated whole; nothing is edited in place."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.model import Address
from auroractl.core.quorum import Quorum
from auroractl.core.sizes import parse_size_bytes
from auroractl.core.wal import SEGMENT_BYTES
from auroractl.engine.secrets import REPLICATION
from auroractl.process.accounts import Account
from auroractl.process.files import write_durably

WAL_SEGMENT_MB = SEGMENT_BYTES // 1024**2
INTERNAL_CONNECTIONS = 20
"""Room beyond the clients': what the supervisor keeps open, and sessions that are just ending."""
RESERVED_CONNECTIONS = 10
"""What stays free for the supervisor even if clients connect past the endpoints and take all the rest."""
_WAL_SENDERS_MAX = 40
"""15 readers and six storage nodes, each twice while it reconnects or is copied."""
PREPARED_TRANSACTIONS_MAX = 100
"""Two-phase commit works without a change of parameters, and a standby needs room for as many as its writer."""
_WAL_SENDER_TIMEOUT = "20s"
"""After this a frozen standby no longer delays a clean shutdown of the writer."""
_HBA = """\
# Written by auroractl. Every connection proves its password with SCRAM; nothing else gets in.
# TYPE  DATABASE     USER          ADDRESS       METHOD
host    replication  rdsrepladmin  127.0.0.0/8   scram-sha-256
host    all          all           127.0.0.0/8   scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What differs between clusters and installations."""

    connections_max: int
    shared_buffers: str
    max_wal_size: str
    wal_keep_size: str


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """What the cluster's volume asks of every server; an empty quorum means that there is no volume yet."""

    quorum: Quorum
    full: bool = False
    """Writes are refused until there is room again."""
    checkpoint_bytes_max: int | None = None
    """Checkpoints must not lie further apart than backtrack can bear; None where nothing asks for that."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What an injected fault does to a reader."""

    apply_delay_ms: int = 0
    cut_off: bool = False
    """The writer's log does not reach it."""


def quote(value: str) -> str:
    """A value as postgresql.conf and connection strings in it want it.

    >>> quote("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def render_configuration(values: Mapping[str, str | int]) -> str:
    """The text of a postgresql.conf."""
    lines = [f"{name} = {value if isinstance(value, int) else quote(value)}" for name, value in values.items()]
    return "\n".join(["# Written by auroractl at every start; changes made here are lost.", *lines, ""])


def synchronous_standby_names(quorum: Quorum) -> str:
    """PostgreSQL's own write quorum (https://www.postgresql.org/docs/18/runtime-config-replication.html).

    >>> synchronous_standby_names(Quorum(1, frozenset({"b", "a"})))
    'ANY 1 ("a", "b")'
    """
    names = ", ".join(f'"{name}"' for name in sorted(quorum.nodes))
    return f"ANY {quorum.required} ({names})" if quorum.nodes else ""


def restore_command(folder: Path) -> str:
    """What a standby runs for log that it does not have: sh and cp, because its account may not have this Python.

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
    follow: Address | None,
    pgpass: Path,
    recovery: Path,
    impairment: Impairment = Impairment(),
) -> dict[str, str | int]:
    """All parameters of a server.

    `follow` is the writer's address for a reader, None for the writer. `recovery` is where log that was read back from
    the volume lies. The quorum is every server's, so that a promoted one never acknowledges without it.
    """
    return {
        "cluster_name": instance,
        "listen_addresses": address.host,
        "port": address.port,
        # Everything connects over TCP: socket paths have a length limit that a home's path can pass.
        "unix_socket_directories": "",
        "max_connections": settings.connections_max + INTERNAL_CONNECTIONS + RESERVED_CONNECTIONS,
        "superuser_reserved_connections": RESERVED_CONNECTIONS,
        "password_encryption": "scram-sha-256",
        "shared_buffers": settings.shared_buffers,
        "shared_preload_libraries": "pg_stat_statements",
        "max_wal_size": _max_wal_size(settings, volume),
        "checkpoint_completion_target": _COMPLETION_WITH_IMAGES if volume.checkpoint_bytes_max else "0.9",
        "min_wal_size": f"{WAL_SEGMENT_MB * 8}MB",
        "wal_keep_size": settings.wal_keep_size,
        "wal_log_hints": "on",
        # Whole pages are most of the log, and six nodes receive each of them: a quarter of the bytes, and faster for it.
        "wal_compression": "pglz",
        "max_prepared_transactions": PREPARED_TRANSACTIONS_MAX,
        "max_wal_senders": _WAL_SENDERS_MAX,
        "max_replication_slots": _WAL_SENDERS_MAX,
        "synchronous_standby_names": synchronous_standby_names(volume.quorum),
        "synchronous_commit": "on",
        "wal_sender_timeout": _WAL_SENDER_TIMEOUT,
        "default_transaction_read_only": "on" if volume.full else "off",
        "hot_standby_feedback": "on",
        "restore_command": restore_command(recovery),
        "wal_retrieve_retry_interval": "200ms",
        "primary_conninfo": _primary_conninfo(instance, follow, pgpass) if follow and not impairment.cut_off else "",
        "recovery_min_apply_delay": f"{impairment.apply_delay_ms}ms",
        "recovery_target_timeline": "latest",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }


_COMPLETION_WITH_IMAGES = "0.3"
"""A page image stops at a checkpoint's record and is recovered from its beginning: what lies between is replayed twice.

A sooner end also lets checkpoints lie further apart within the same `max_wal_size`, which saves whole pages in the log.
"""


def _max_wal_size(settings: ServerSettings, volume: VolumeSettings) -> str:
    """A page image begins at a checkpoint, so what lies between two is replayed."""
    if volume.checkpoint_bytes_max is None:
        return settings.max_wal_size
    most_bytes = min(parse_size_bytes(settings.max_wal_size), volume.checkpoint_bytes_max)
    return f"{max(most_bytes // 1024**2, WAL_SEGMENT_MB * 8)}MB"


def _primary_conninfo(instance: str, follow: Address, pgpass: Path) -> str:
    parts = {
        "host": follow.host,
        "port": str(follow.port),
        "user": REPLICATION,
        "passfile": str(pgpass),
        "application_name": instance,
        "sslmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": "5",
    }
    return " ".join(f"{name}='{value}'" for name, value in parts.items())


def write_configuration(data: Path, values: Mapping[str, str | int], *, standby: bool, account: Account | None) -> None:
    """Write postgresql.conf and pg_hba.conf, and make the data directory a standby's or a primary's."""
    write_durably(data / "postgresql.conf", render_configuration(values), owner=account)
    write_durably(data / "pg_hba.conf", _HBA, owner=account)
    signal = data / "standby.signal"
    if standby:
        write_durably(signal, "", owner=account)
    else:
        signal.unlink(missing_ok=True)


def write_pgpass(path: Path, password: str, account: Account | None) -> None:
    """The password file of the replication user, readable by the databases' account only."""
    write_durably(path, f"*:*:*:{REPLICATION}:{password}\n", owner=account)
