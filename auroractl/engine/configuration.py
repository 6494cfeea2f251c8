"""The server's configuration files, generated whole; nothing is edited in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.model import Address
from auroractl.engine.secrets import REPLICATION
from auroractl.process.accounts import Account
from auroractl.process.files import write_durably

WAL_SEGMENT_MB = 4
INTERNAL_CONNECTIONS = 20
"""Room beyond the clients': what the supervisor keeps open, and sessions that are just ending."""
RESERVED_CONNECTIONS = 10
"""What stays free for the supervisor even if clients connect past the endpoints and take all the rest."""
_WAL_SENDERS_MAX = 40
"""15 readers and six storage nodes, each twice while it reconnects or is copied."""
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


def server_configuration(
    instance: str, address: Address, settings: ServerSettings, follow: Address | None, pgpass: Path
) -> dict[str, str | int]:
    """All parameters of a server. `follow` is the writer's address for a reader, None for the writer."""
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
        "max_wal_size": settings.max_wal_size,
        "min_wal_size": f"{WAL_SEGMENT_MB * 8}MB",
        "wal_keep_size": settings.wal_keep_size,
        "wal_log_hints": "on",
        "max_wal_senders": _WAL_SENDERS_MAX,
        "max_replication_slots": _WAL_SENDERS_MAX,
        "hot_standby_feedback": "on",
        "wal_retrieve_retry_interval": "200ms",
        "primary_conninfo": _primary_conninfo(instance, follow, pgpass) if follow else "",
        "recovery_target_timeline": "latest",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }


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
