"""The initialised data directory from which clusters are copied: initdb takes most of a second, a copy does not."""

from __future__ import annotations

import os
from pathlib import Path

from auroractl.engine.binaries import Binaries
from auroractl.engine.configuration import WAL_SEGMENT_MB
from auroractl.engine.secrets import ADMIN, REPLICATION, InternalSecrets
from auroractl.process.accounts import Account
from auroractl.process.files import make_folder, remove_tree, write_durably
from auroractl.process.programs import run

_REVISION = 2
"""Counts up when what a template holds changes."""

# What a master user may do on AWS without being a superuser
# (AWS documentation: "Understanding the rds_superuser role").
# Iterations slow down guessing; nobody guesses 192 random bits, and every connection of ours would pay for them.
_ROLES = """\
SET scram_iterations = 1;
ALTER ROLE {admin} PASSWORD '{admin_password}';
CREATE ROLE {replication} LOGIN REPLICATION PASSWORD '{password}';
CREATE ROLE rds_superuser NOLOGIN;
GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_create_subscription, pg_use_reserved_connections TO rds_superuser WITH ADMIN OPTION;
"""


def template_name(version: str) -> str:
    """The template's name for an engine version."""
    return f"{version}-{_REVISION}"


def ensure_template(target: Path, binaries: Binaries, secrets: InternalSecrets, account: Account | None) -> None:
    """Make the template if it is not there yet; about a second. An interrupted attempt leaves nothing behind."""
    if target.exists():
        return
    make_folder(target.parent, mode=0o755)
    aside = target.with_name(target.name + ".partial")
    remove_tree(aside)
    make_folder(aside, owner=account)
    password = target.with_name(".password")
    write_durably(password, secrets.admin, owner=account)
    try:
        _initdb(aside, password, binaries, account)
    finally:
        password.unlink()
    run(
        [binaries.program("postgres"), "--single", "-j", "-D", str(aside), "postgres"],
        account=account,
        # In single-user mode with -j a statement ends with a semicolon and an empty line.
        stdin=_ROLES.format(
            admin=ADMIN, admin_password=secrets.admin, replication=REPLICATION, password=secrets.replication
        ).replace(";\n", ";\n\n"),
    )
    os.sync()
    aside.rename(target)


def _initdb(data: Path, password: Path, binaries: Binaries, account: Account | None) -> None:
    run(
        [
            binaries.program("initdb"),
            f"--pgdata={data}",
            f"--username={ADMIN}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            f"--wal-segsize={WAL_SEGMENT_MB}",
            "--data-checksums",
            "--no-sync",
            "--no-instructions",
        ],
        account=account,
    )
