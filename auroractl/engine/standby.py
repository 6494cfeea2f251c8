"""Making an instance a copy of the writer: a new copy, or a rewind of what it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auroractl.core.model import Address
from auroractl.engine.binaries import Binaries
from auroractl.engine.secrets import ADMIN, REPLICATION, InternalSecrets
from auroractl.engine.server import Server
from auroractl.process.accounts import Account
from auroractl.process.files import remove_tree, write_durably
from auroractl.process.liveness import kill_all, processes_below
from auroractl.process.programs import run

_COPY_TIMEOUT_S = 6 * 3600.0


def copy_from(source: Address, server: Server, secrets: InternalSecrets) -> None:
    """Replace a stopped server's data directory by a copy of a running one (pg_basebackup), log included."""
    with _incomplete_until_done(server):
        remove_tree(server.data)
        run(
            [
                server.binaries.program("pg_basebackup"),
                f"--pgdata={server.data}",
                f"--dbname={_conninfo(source, REPLICATION, server.name)}",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--no-password",
                "--no-sync",
            ],
            cwd=server.data.parent,
            account=server.account,
            extra_environment={"PGPASSWORD": secrets.replication},
            timeout_s=_COPY_TIMEOUT_S,
        )


def base_backup(
    source: Address, place: Path, binaries: Binaries, account: Account | None, secrets: InternalSecrets
) -> None:
    """Copy a running server's data directory, without its log, to `data` below a folder. It needs recovery."""
    run(
        [
            binaries.program("pg_basebackup"),
            f"--pgdata={place / 'data'}",
            f"--dbname={_conninfo(source, REPLICATION, place.name)}",
            "--checkpoint=fast",
            "--wal-method=none",
            "--no-password",
            "--no-sync",
        ],
        cwd=place,
        account=account,
        extra_environment={"PGPASSWORD": secrets.replication},
        timeout_s=_COPY_TIMEOUT_S,
    )


def rewind_to(source: Address, server: Server, secrets: InternalSecrets) -> None:
    """Bring a stopped server back to where its history and the new writer's part (pg_rewind).

    Raises MachineError where that cannot be done; the data directory then needs a new copy.
    """
    with _incomplete_until_done(server):
        # pg_rewind first lets a server that crashed recover, in single-user mode, where it may not be a standby.
        (server.data / "standby.signal").unlink(missing_ok=True)
        run(
            [
                server.binaries.program("pg_rewind"),
                f"--target-pgdata={server.data}",
                f"--source-server={_conninfo(source, ADMIN, server.name)}",
                "--no-sync",
            ],
            cwd=server.data.parent,
            account=server.account,
            extra_environment={"PGPASSWORD": secrets.admin},
            timeout_s=_COPY_TIMEOUT_S,
        )


@contextmanager
def _incomplete_until_done(server: Server) -> Iterator[None]:
    """Mark a data directory that is being written to; the mark stays where that does not come to its end.

    A copy that an ended supervisor left running would go on writing into it, and is ended first.
    """
    kill_all(processes_below(server.data.parent))
    write_durably(server.incomplete, "This data directory is being copied or rewound.\n")
    yield
    server.incomplete.unlink()


def _conninfo(address: Address, user: str, name: str) -> str:
    return (
        f"host={address.host} port={address.port} user={user} dbname=postgres "
        f"application_name=copy-{name} sslmode=disable gssencmode=disable connect_timeout=10"
    )
