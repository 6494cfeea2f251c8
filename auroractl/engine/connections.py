"""Connections from auroractl to servers: the one place where connection strings are built.

Internal connections use the server's Unix socket. It is in a folder that only the databases' account and the supervisor
can enter, so that no other account can listen there or intercept a connection. The supervisor authenticates by its
account, the programs of the databases' account by a password.

If a home's path is too long for a socket, internal connections use TCP. There any local account can bind an address
that is momentarily free, so the server has to prove by SCRAM that it knows the password, which it never receives
(https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-REQUIRE-AUTH).
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import make_conninfo

from auroractl.core.address import Address
from auroractl.core.errors import MachineError
from auroractl.engine.secrets import ADMIN, REPLICATION

ADMIN_DATABASE = "rdsadmin"
"""The database of internal sessions. The internal superuser owns it and no other user may connect, as on AWS."""
PAST_DATABASE = "template1"
"""The database of internal sessions in a past state that has no `rdsadmin` yet. No client can own, alter or drop it."""
SOCKET_PATH_BYTES_MAX = 100
"""Size of sockaddr_un.sun_path: 108 bytes on Linux, 104 on macOS."""
_UNENCRYPTED = {"sslmode": "disable", "gssencmode": "disable"}
REQUIRE_AUTH = "scram-sha-256"
"""libpq's `require_auth`: refuses to send a password to a server that asks for it in any other way."""
_REQUIRE_AUTH_SINCE = 16
_SCRAM = {"require_auth": REQUIRE_AUTH}
_PINNED = {
    "search_path": "pg_catalog,pg_temp",
    "role": "none",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "synchronous_commit": "on",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "lc_messages": "C",
    "exit_on_error": "off",
    "event_triggers": "off",
    "session_replication_role": "origin",
    "row_security": "on",
    "jit": "off",
    "local_preload_libraries": "",
    "session_preload_libraries": "",
    "default_tablespace": "",
    "temp_tablespaces": "",
    "work_mem": "4MB",
}
"""Settings that a database owner or a role could have changed, with the values that internal sessions need.

The startup packet overrides every setting of a database or a role
(https://www.postgresql.org/docs/18/config-setting.html#CONFIG-SETTING-SQL).
"""

PINNED_NAMES = frozenset(name.lower() for name in _PINNED)


_SINCE = {"transaction_timeout": 17, "event_triggers": 17}
"""The major versions that introduced some of these."""


@dataclass(frozen=True, slots=True)
class Access:
    """Connection parameters of auroractl itself, as the internal superuser or to receive WAL."""

    address: Address
    password: str = field(repr=False)
    """The internal superuser's password, for a server without a Unix socket."""
    major: int
    """The server's major version, and that of the programs that come with it."""
    socket_folder: Path | None = None
    """Folder of the server's Unix socket; None if it has none."""
    server_account: str = ""
    """The account that the server at the socket must run under."""
    by_account: bool = True
    """True if the supervisor authenticates at the socket by its account.

    If servers run under the same account, it authenticates by password: a client could make its server connect to
    itself.
    """

    def admin_conninfo(
        self, application_name: str, *, database: str = ADMIN_DATABASE, timeout_s: float, **settings: str
    ) -> str:
        """Build the connection string of an internal session; `settings` are server parameters besides the pinned ones."""
        by_account = self.by_account and self.socket_folder is not None
        proof = {"require_auth": "none"} if by_account else {"password": self.password, **_SCRAM}
        return make_conninfo(
            **self._way(timeout_s),
            **proof,
            user=ADMIN,
            dbname=database,
            application_name=application_name,
            options=options({**_pinned(self.major), **settings}),
        )

    def replication_conninfo(self, application_name: str, timeout_s: float, passfile: Path | None = None) -> str:
        """Build the connection string of a WAL receiver or base backup; without `passfile` PGPASSWORD is used."""
        return make_conninfo(
            **self._way(timeout_s),
            **self._proof(),
            user=REPLICATION,
            application_name=application_name,
            **({"passfile": str(passfile)} if passfile else {}),
        )

    def rewind_conninfo(self, application_name: str, timeout_s: float) -> str:
        """Build the connection string of pg_rewind, which reads PGPASSWORD and sets its own search path."""
        return make_conninfo(
            **self._way(timeout_s),
            **self._proof(),
            user=REPLICATION,
            dbname=ADMIN_DATABASE,
            application_name=application_name,
        )

    def _proof(self) -> dict[str, str]:
        """Return how a server proves itself to PostgreSQL's own programs.

        Before 16 they do not know `require_auth`. There `requirepeer` must suffice, which only a socket has.
        """
        require_socket(self.major, self.socket_folder)
        return _SCRAM if self.major >= _REQUIRE_AUTH_SINCE else {}

    def _way(self, timeout_s: float) -> dict[str, str]:
        limit = {"port": str(self.address.port), "connect_timeout": str(max(1, round(timeout_s)))}
        if self.socket_folder is None:
            return {"host": self.address.host, **limit, **_UNENCRYPTED}
        return {"host": str(self.socket_folder), **limit, "requirepeer": self.server_account}


def _pinned(major: int) -> dict[str, str]:
    """Return the pinned settings that a server knows; it refuses a connection with any other."""
    return {name: value for name, value in _PINNED.items() if _SINCE.get(name, 0) <= major}


def require_socket(major: int, folder: Path | None) -> None:
    """Check that a server of this version can have its Unix socket, if its programs could trust no other connection.

    Raises MachineError.
    """
    if folder is None and major < _REQUIRE_AUTH_SINCE:
        raise MachineError(
            f"PostgreSQL {major} needs Unix sockets, and the path of this home is too long for them.",
            f"Set AURORACTL_HOME to a shorter path, or use PostgreSQL {_REQUIRE_AUTH_SINCE} or newer",
        )


def lacks_admin_database(message: str) -> bool:
    """Return whether a connection was refused because the server's state predates `rdsadmin`."""
    return f'database "{ADMIN_DATABASE}" does not exist' in message


def client_conninfo(
    address: Address, user: str, password: str, database: str, timeout_s: float, *, encrypted: bool = False
) -> str:
    """Build the connection string of an ordinary session, such as the master user's."""
    return make_conninfo(
        host=address.host,
        port=str(address.port),
        user=user,
        password=password,
        dbname=database,
        application_name="auroractl",
        connect_timeout=str(max(1, round(timeout_s))),
        **(_UNENCRYPTED | ({"sslmode": "require"} if encrypted else {})),
        **_SCRAM,
    )


def options(settings: dict[str, str]) -> str:
    r"""Encode settings for the startup packet.

    >>> options({"DateStyle": "ISO, MDY", "jit": "off"})
    '-c DateStyle=ISO,\\ MDY -c jit=off'
    """
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def socket_path(folder: Path, port: int) -> Path:
    """Return the Unix socket of a server (https://www.postgresql.org/docs/18/runtime-config-connection.html)."""
    return folder / f".s.PGSQL.{port}"


def socket_fits(folder: Path) -> bool:
    """Return whether a server can have its socket in a folder and this process can connect to it there.

    This process's account needs a name. libpq takes a comma in `host` for the beginning of another host.
    """
    longest = len(os.fsencode(socket_path(folder, 65535)))
    return longest <= SOCKET_PATH_BYTES_MAX and "," not in str(folder) and own_name() is not None


def own_name() -> str | None:
    """Return the name of this process's account; None if it has none (a container's free user id)."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None
