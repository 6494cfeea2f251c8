"""A server without a volume: one build, the settings that a server of a cluster has, and PostgreSQL's defaults otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auroractl.core.address import Address
from auroractl.engine.configuration import render_configuration
from bench.setting import Setting

_MASTER = """
CREATE ROLE postgres LOGIN CREATEDB CREATEROLE;
GRANT rds_superuser TO postgres WITH ADMIN OPTION;
ALTER DATABASE postgres OWNER TO postgres;
"""


def psql(setting: Setting, uri: str, *arguments: str) -> None:
    """Run psql to success."""
    argv = [setting.program("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", uri, *arguments]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300)


@contextmanager
def plain_server(setting: Setting, fsync: str = "on") -> Iterator[str]:
    """Start a server on a copy of the template, with the settings that a server of a cluster has and no volume."""
    installation = setting.installation()
    account = installation.account
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    folder = Path(tempfile.mkdtemp(prefix="auroractl-bench-", dir=setting.home))
    folder.chmod(0o755)
    data, address = folder / "data", Address(f"127.250.{os.getpid() % 250}.1", 5439)
    subprocess.run(["cp", "-Rp", str(installation.template_path("any")), str(data)], check=True)
    settings: dict[str, str | int] = {
        "listen_addresses": address.host,
        "port": address.port,
        "unix_socket_directories": "",
        "shared_buffers": "128MB",
        "shared_preload_libraries": "pg_stat_statements",
        "wal_log_hints": "on",
        "fsync": fsync,
    }
    (data / "postgresql.conf").write_text(render_configuration(settings))
    (data / "pg_hba.conf").write_text("host all all samehost trust\n")
    pg_ctl = [installation.binaries("any").program("pg_ctl"), "--silent", "--pgdata", str(data)]
    if account:
        os.chown(folder, account.uid, account.gid)
    try:
        subprocess.run([*pg_ctl, "--log", str(folder / "log"), "--wait", "start"], check=True, cwd=folder, **identity)  # type: ignore[call-overload]
        there = f"postgresql://{{}}@{address.host}:{address.port}/postgres"
        for statement in _MASTER.strip().splitlines():
            psql(setting, there.format("rdsadmin"), "--command", statement)
        yield there.format("postgres")
    finally:
        subprocess.run([*pg_ctl, "--mode", "immediate", "stop"], check=False, cwd=folder, **identity)  # type: ignore[call-overload]
        shutil.rmtree(folder)
