"""Loading the schema of an application through a cluster's writer endpoint, against a plain server of the same build."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from auroractl.core.model import Address
from auroractl.engine.configuration import render_configuration
from auroractl.system.locales import system_locales
from bench.setting import Setting
from bench.verdict import Figure
from tests.schemas.entries import AURORA_SHOP, objects, without
from tests.schemas.impossible import impossible

ROUNDS = 7
_RATIO_MIN = 0.8
_WAYS: dict[str, tuple[str, ...]] = {"each in a transaction": (), "in one transaction": ("--single-transaction",)}
_CONNECT = "\\connect shop\n"
"""Roles and the database come before it. They cannot be part of one transaction, and are not measured."""
_MASTER = """
CREATE ROLE postgres LOGIN CREATEDB CREATEROLE;
GRANT rds_superuser TO postgres WITH ADMIN OPTION;
ALTER DATABASE postgres OWNER TO postgres;
"""
_UNDO = """
DROP DATABASE shop;
DROP ROLE shop_app, shop_cdc, shop_dba, shop_owner, shop_readonly, shop_reporting, shop_support;
"""


def run(setting: Setting) -> list[Figure]:
    """In turn, the median of each. Whatever a build or the system lacks is left out on both sides."""
    setting.run("create-cluster", "bench")
    build = setting.json("describe-db-engine-versions", "--default-only")["DBEngineVersions"][0]
    left_out = {each.entry: each.instead for each in impossible(build["Features"], system_locales())}
    text = AURORA_SHOP.read_text()
    around, inside = without(text, left_out).rsplit(_CONNECT, 1)
    for name, part in (("around.sql", around), ("inside.sql", inside)):
        (setting.home / name).write_text(part)
    times_s: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    with _plain_server(setting) as plain:
        uris = [setting.run("uri", "bench").strip(), plain]
        for number in range(ROUNDS):
            for uri in uris if number % 2 else uris[::-1]:
                for way, options in _WAYS.items():
                    times_s[way, uri].append(_load_s(setting, uri, options))
    setting.run("delete-cluster", "bench", "--yes")
    count = len(objects(text))
    return [_figure(f"loading {count} objects, {way}", count, *(times_s[way, uri] for uri in uris)) for way in _WAYS]


def _figure(what: str, count: int, ours_s: list[float], theirs_s: list[float]) -> Figure:
    ours, theirs = count / statistics.median(ours_s), count / statistics.median(theirs_s)
    return Figure(what, ours, "objects/s", "the same server, plain", theirs, ratio_min=_RATIO_MIN)


def _load_s(setting: Setting, uri: str, options: tuple[str, ...]) -> float:
    _psql(setting, uri, "--file", str(setting.home / "around.sql"))
    began_s = time.perf_counter()
    _psql(setting, make_conninfo(uri, dbname="shop"), *options, "--file", str(setting.home / "inside.sql"))
    elapsed_s = time.perf_counter() - began_s
    for statement in _UNDO.strip().splitlines():
        _psql(setting, uri, "--command", statement)
    return elapsed_s


def _psql(setting: Setting, uri: str, *arguments: str) -> None:
    argv = [setting.program("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", uri, *arguments]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=300)


@contextmanager
def _plain_server(setting: Setting) -> Iterator[str]:
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
            _psql(setting, there.format("rdsadmin"), "--command", statement)
        yield there.format("postgres")
    finally:
        subprocess.run([*pg_ctl, "--mode", "immediate", "stop"], check=False, cwd=folder, **identity)  # type: ignore[call-overload]
        shutil.rmtree(folder)
