"""create-cluster, cold and warm, against a bare shell script that does the same with the same binaries."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from auroractl.core.address import Address
from auroractl.core.volume.quorum import Quorum
from auroractl.engine.configuration import (
    ServerSettings,
    VolumeSettings,
    server_configuration,
    write_configuration,
    write_pgpass,
)
from auroractl.engine.connections import Access
from auroractl.engine.control_file import new_system_identifier, set_system_identifier
from auroractl.runtime.installation import Installation
from auroractl.system.file_credentials import as_account
from bench.setting import Setting, in_a_home_of_its_own
from bench.verdict import Figure

ROUNDS = 7

# The template, two copies, three starts side by side, six receivers, one quorum commit, one read on each reader. What a
# script would have prepared once (the configuration files, the identifier in the template) is prepared outside of the measured time.
SCRIPT = """\
set -eu
cp -Rp {template} writer
cp -Rp writer reader1 & cp -Rp writer reader2 & wait
for each in writer reader1 reader2; do cp -p $each.conf $each/postgresql.conf; cp -p hba.conf $each/pg_hba.conf; done
touch reader1/standby.signal reader2/standby.signal
for each in writer reader1 reader2; do
  {bin}/pg_ctl --silent --wait --pgdata=$each --log=$each.log start &
done
wait
for number in 1 2 3 4 5 6; do
  mkdir node$number
  PGPASSWORD={replication} {bin}/pg_receivewal --synchronous --no-loop --directory=node$number \\
    --dbname="host={writer} port={port} user=rdsrepladmin application_name=node$number" 2> node$number.log &
done
export PGPASSWORD={password} PGUSER=rdsadmin PGDATABASE=postgres PGPORT={port}
{bin}/psql -qXAt -h {writer} -c "create role somebody login password 'secret12'"
for host in {reader1} {reader2}; do
  until [ "$({bin}/psql -qXAt -h $host -c "select count(*) from pg_roles where rolname = 'somebody'")" = 1 ]; do :; done
done
until [ "$({bin}/psql -qXAt -h {writer} -c "select count(*) from pg_stat_replication where state = 'streaming'")" = 8 ]; do :; done
"""
NAMES = ("writer", "reader1", "reader2")
PORT = 5439


def run(setting: Setting) -> list[Figure]:
    """Interleaved, the median of each."""
    with in_a_home_of_its_own() as fresh:
        cold_s = fresh.elapsed_s("create-cluster", "cold")
    setting.run("supervisor", "start")
    setting.run("create-cluster", "first", "--readers", "0")
    ours, baseline = [], []
    for number in range(ROUNDS):
        ours.append(setting.elapsed_s("create-cluster", f"warm{number}"))
        setting.run("delete-cluster", f"warm{number}", "--yes")
        baseline.append(_script_s(setting))
    setting.run("delete-cluster", "first", "--yes")
    return [
        Figure(
            "create-cluster, 2 readers, warm", statistics.median(ours), "s",
            "shell script", statistics.median(baseline), ratio_max=1.5,
        ),
        Figure("create-cluster, 2 readers, cold home", cold_s, "s", value_max=5.0),
    ]  # fmt: skip


def _script_s(setting: Setting) -> float:
    installation = setting.installation()
    account = installation.account
    folder = Path(tempfile.mkdtemp(prefix="auroractl-bench-", dir=setting.home))
    folder.chmod(0o755)
    addresses = {name: Address(f"127.250.{os.getpid() % 250}.{number}", PORT) for number, name in enumerate(NAMES, 1)}
    script = SCRIPT.format(
        template=folder / "template",
        bin=Path(installation.binaries("any").program("psql")).parent,
        password=installation.secrets.admin,
        replication=installation.secrets.replication,
        port=PORT,
        **{name: address.host for name, address in addresses.items()},
    )
    identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    if account:
        os.chown(folder, account.uid, account.gid)
    with as_account(account):
        _prepare(installation, folder, addresses)
    try:
        began_s = time.perf_counter()
        subprocess.run(["sh", "-c", script], cwd=folder, check=True, **identity)  # type: ignore[call-overload]
        return time.perf_counter() - began_s
    finally:
        for name in NAMES:
            subprocess.run(
                [installation.binaries("any").program("pg_ctl"), "-s", "-m", "immediate", "-D", str(folder / name), "stop"],
                check=False, **identity,
            )  # type: ignore[call-overload]  # fmt: skip
        shutil.rmtree(folder)


def _prepare(installation: Installation, folder: Path, addresses: dict[str, Address]) -> None:
    subprocess.run(["cp", "-Rp", str(installation.template_path("any")), str(folder / "template")], check=True)
    set_system_identifier(folder / "template", new_system_identifier())
    settings = ServerSettings(1000, "128MB", "1GB", "512MB", "pg_stat_statements")
    write_pgpass(folder / "pgpass", installation.secrets.replication)
    scratch = folder / "scratch"
    scratch.mkdir()
    for name, address in addresses.items():
        follow = None if name == "writer" else addresses["writer"]
        quorum = VolumeSettings(Quorum(4, frozenset(f"node{number}" for number in range(1, 7))))
        values = server_configuration(
            name,
            address,
            settings,
            quorum,
            Access(follow, "", installation.binaries("any").major) if follow else None,
            folder / "pgpass",
            folder / name / "recovery",
            None,
        )
        write_configuration(scratch, values, standby=False, sockets=False)
        (scratch / "postgresql.conf").rename(folder / f"{name}.conf")
    (scratch / "pg_hba.conf").rename(folder / "hba.conf")
