"""Creation of a standby: by a new copy of the writer, or by a rewind of existing data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auroractl.engine.binaries import Binaries
from auroractl.engine.connections import Access
from auroractl.engine.secrets import InternalSecrets
from auroractl.engine.server import Server
from auroractl.system.account import Account
from auroractl.system.files import remove_tree, write_durably
from auroractl.system.liveness import kill_all, processes_below
from auroractl.system.programs import run

_COPY_TIMEOUT_S = 6 * 3600.0
_CONNECT_TIMEOUT_S = 10.0


def copy_from(source: Access, server: Server, secrets: InternalSecrets) -> None:
    """Replace a stopped server's data directory with a copy of a running one (pg_basebackup), including WAL."""
    with _incomplete_until_done(server):
        remove_tree(server.data)
        run(
            [
                server.binaries.program("pg_basebackup"),
                f"--pgdata={server.data}",
                f"--dbname={source.replication_conninfo(_name(server.name), _CONNECT_TIMEOUT_S)}",
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
    source: Access, place: Path, binaries: Binaries, account: Account | None, secrets: InternalSecrets
) -> None:
    """Copy a running server's data directory, without its WAL, to `data` below a folder. The copy needs recovery."""
    run(
        [
            binaries.program("pg_basebackup"),
            f"--pgdata={place / 'data'}",
            f"--dbname={source.replication_conninfo(_name(place.name), _CONNECT_TIMEOUT_S)}",
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


def rewind_to(source: Access, server: Server, secrets: InternalSecrets) -> None:
    """Rewind a stopped server to where its history and the new writer's diverge (pg_rewind).

    Raises MachineError if that is impossible; the data directory then needs a new copy.
    """
    with _incomplete_until_done(server):
        # pg_rewind first runs crash recovery in single-user mode, in which the server may not be a standby.
        (server.data / "standby.signal").unlink(missing_ok=True)
        run(
            [
                server.binaries.program("pg_rewind"),
                f"--target-pgdata={server.data}",
                f"--source-server={source.rewind_conninfo(_name(server.name), _CONNECT_TIMEOUT_S)}",
                "--no-sync",
            ],
            cwd=server.data.parent,
            account=server.account,
            extra_environment={"PGPASSWORD": secrets.replication},
            timeout_s=_COPY_TIMEOUT_S,
        )


@contextmanager
def _incomplete_until_done(server: Server) -> Iterator[None]:
    """Mark a data directory as incomplete while it is written to; the mark stays unless the write finishes.

    A copy left running by a supervisor that ended would keep writing into the directory, and is stopped first.
    """
    kill_all(processes_below(server.data.parent))
    write_durably(server.incomplete, "This data directory is being copied or rewound.\n")
    yield
    server.incomplete.unlink()


def _name(target: str) -> str:
    return f"copy-{target}"
