"""Backtrack: how long nobody can write, beside restoring a copy; what the window costs; how soon the past can be read."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.load import PASSWORD, pgbench
from bench.setting import Setting
from bench.verdict import Figure
from tests.functional.ledger import Ledger

LOAD_S = int(os.environ.get("AURORACTL_BENCH_LOAD_S", "600"))
RATE = int(os.environ.get("AURORACTL_BENCH_RATE", "300"))
SCALE_PER_GB = 68
TARGETS = 9
RESTORES = 3
SIZES_GB = (0.2, 1.0, 4.0)
SIZE_ROUNDS = 3
SIZE_TRANSACTIONS = 6000
COST_ROUNDS = 3
COST_S = 160
"""Long enough for a recovery image: each start of a cluster is a moment of idleness in which one is begun, and one that the end of a
turn cuts off has cost what it would have cost.
"""
LOOKS_WITHOUT_MAKING = 4
NAME = "past"


def run(setting: Setting) -> list[Figure]:
    """A database of 1 GB after ten minutes of load, targets spread over them; restores of a copy and looks in between."""
    _create(setting, 1.0)
    began = datetime.now(UTC)
    base = _base_backup(setting)
    _load(setting, ["-N", "-c4", f"-T{LOAD_S}", f"-R{RATE}"])
    ended = datetime.now(UTC)
    # Before the backtracks, which leave the log of these minutes behind.
    restores_s = [_restore(setting, base, target) for target in _spread(began, ended, RESTORES)]
    peeks_s = [_peek(setting, target) for target in _spread(began, ended, RESTORES)]
    view = setting.json("describe-clusters", NAME)["DBClusters"][0]
    gaps_s, totals_s, replays = [], [], []
    targets = _spread(began, ended, TARGETS)
    random.Random(1).shuffle(targets)
    for target in targets:
        plan = setting.json("backtrack", NAME, "--to", target.isoformat(), "--dry-run")["BacktrackPlan"]
        replays.append(plan["ReplayBytes"])
        gap_s, total_s = _backtrack(setting, "--to", target.isoformat())
        gaps_s.append(gap_s)
        totals_s.append(total_s)
    shutil.rmtree(base.parent)
    setting.run("delete-cluster", NAME, "--yes")
    median_s, restore_s = statistics.median(gaps_s), statistics.median(restores_s)
    log_gb = view["BacktrackLogBytes"] / 1e9
    facts = f"log {log_gb:.2f} GB on all nodes, images {view['BacktrackImageBytes'] / 1e9:.2f} GB"
    return [
        Figure(f"backtrack of 1 GB, downtime, median of {TARGETS}", median_s, "s", value_max=3.0),
        Figure(f"backtrack of 1 GB, downtime, worst of {TARGETS}", max(gaps_s), "s", value_max=8.0),
        Figure(
            "the same beside a restore",
            median_s,
            "s",
            "copy a base backup, replay, promote",
            restore_s,
            ratio_max=1 / 3,
        ),
        Figure("the whole command, median", statistics.median(totals_s), "s", "the restore", restore_s),
        Figure("log replayed, most", max(replays) / 1e6, "MB", value_max=1024**3 / 1e6),
        Figure("first answer of peek, median", statistics.median(peeks_s), "s", value_max=3.0),
        Figure(
            "held for the window", (view["BacktrackLogBytes"] + view["BacktrackImageBytes"]) / 1e9, "GB", note=facts
        ),
    ]


def run_sizes(setting: Setting) -> list[Figure]:
    """The same number of changes in databases of three sizes."""
    medians = {}
    for size_gb in SIZES_GB:
        # The first image holds an empty database; the load is to be what is replayed, not the filling. Within a short
        # window an image is made soon, of a small database too.
        _create(setting, size_gb, window="1m")
        _wait_for_image(setting, size_gb)
        setting.run("modify-cluster", NAME, "--backtrack-window", "24h")
        began = datetime.now(UTC)
        _load(setting, ["-N", "-c4", f"-t{SIZE_TRANSACTIONS // 4}"])
        targets = _spread(began, datetime.now(UTC), SIZE_ROUNDS)
        medians[size_gb] = statistics.median(_backtrack(setting, "--to", target.isoformat())[0] for target in targets)
        setting.run("delete-cluster", NAME, "--yes")
    least = min(medians.values())
    return [
        Figure(f"backtrack of {size_gb:g} GB, downtime", took_s, "s", "the quickest of the sizes", least, ratio_max=1.5)
        for size_gb, took_s in medians.items()
    ]


def run_cost(setting: Setting) -> list[Figure]:
    """Writes with a window and without one, in turns, on one cluster each; only one runs at a time."""
    tps: dict[str, list[float]] = {"on": [], "off": []}
    windows = {"on": "24h", "off": "0"}
    for way, window in windows.items():
        setting.run(
            "create-cluster", f"cost-{way}", "--readers", "0", "--backtrack-window", window,
            "--master-user-password", PASSWORD,
        )  # fmt: skip
        pgbench(setting, _writer(setting, f"cost-{way}"), ["-i", "-q", "-s", str(SCALE_PER_GB)])
        if way == "on":
            # What filling the database costs is not what running with it costs.
            _wait_for_image(setting, 1.0, f"cost-{way}")
        setting.run("stop-cluster", f"cost-{way}")
    written = made = 0
    for number in range(COST_ROUNDS):
        for way in ("on", "off") if number % 2 == 0 else ("off", "on"):
            name = f"cost-{way}"
            setting.run("start-cluster", name)
            _checkpoint(setting, name)
            before, images = _lsn(setting, name), _images(setting, name)
            tps[way].append(pgbench(setting, _writer(setting, name), ["-N", "-c8", f"-T{COST_S}"]).tps)
            if way == "on":
                written += _lsn(setting, name) - before
                made += len(_images(setting, name) - images)
            if number == COST_ROUNDS - 1 and way == "on":
                view = setting.json("describe-clusters", name)["DBClusters"][0]
            setting.run("stop-cluster", name)
    for way in windows:
        setting.run("delete-cluster", f"cost-{way}", "--yes")
    held = view["BacktrackLogBytes"] + view["BacktrackImageBytes"]
    # An image is made in some of the turns only, and its cost is to be in the figure.
    turns = " ".join(f"{first / second:.2f}" for first, second in zip(tps["on"], tps["off"], strict=True))
    on, off = statistics.fmean(tps["on"]), statistics.fmean(tps["off"])
    return [
        Figure(
            "pgbench -N -c 8 with a window of 24 h",
            on,
            "tps",
            "without",
            off,
            ratio_min=0.95,
            note=f"{made} images made; turns {turns}",
        ),
        Figure("held per GB of log written", held / max(written, 1), "GB", note=f"{written / 1e9:.2f} GB written"),
    ]


def _create(setting: Setting, size_gb: float, window: str = "24h") -> None:
    setting.run(
        "create-cluster", NAME, "--readers", "0", "--backtrack-window", window, "--master-user-password", PASSWORD
    )
    scale = max(1, round(SCALE_PER_GB * size_gb))
    pgbench(setting, _writer(setting), ["-i", "-q", "-s", str(scale)])
    # There before every target, so that its clients can go on at once.
    _execute(setting, NAME, "create table ledger (client int, number int, primary key (client, number))")
    _checkpoint(setting, NAME)


def _load(setting: Setting, options: list[str]) -> None:
    pgbench(setting, _writer(setting), options)


def _writer(setting: Setting, name: str = NAME) -> tuple[str, int]:
    endpoint = next(
        each for each in setting.json("describe-instances", name)["DBInstances"] if each["IsClusterWriter"]
    )["Endpoint"]
    return endpoint["Address"], endpoint["Port"]


def _spread(began: datetime, ended: datetime, count: int) -> list[datetime]:
    return [began + (ended - began) * (place + 0.5) / count for place in range(count)]


def _execute(setting: Setting, name: str, statement: str) -> Any:
    with psycopg.connect(setting.run("uri", name).strip(), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def _checkpoint(setting: Setting, name: str) -> None:
    _execute(setting, name, "checkpoint")


def _lsn(setting: Setting, name: str) -> int:
    return int(_execute(setting, name, "select pg_current_wal_lsn() - '0/0'")[0])


def _images(setting: Setting, name: str) -> set[Path]:
    return set((setting.home / "clusters" / name / "storage").glob("*.images/*[0-9A-F]"))


def _wait_for_image(setting: Setting, size_gb: float, name: str = NAME) -> None:
    """Until an image holds the database and no other is being made."""
    deadline, quiet = time.monotonic() + 600, 0
    folder = setting.home / "clusters" / name / "storage"
    while quiet < LOOKS_WITHOUT_MAKING:
        if time.monotonic() > deadline:
            raise TimeoutError("no recovery image of the whole database was made")
        time.sleep(2)
        if any(folder.glob("*.images/*.making")):
            quiet = 0
            continue
        held = [
            sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
            for data in folder.glob("*.images/*/data")
        ]
        if max(held, default=0) > size_gb * 0.8e9:
            quiet += 1
        else:
            _checkpoint(setting, name)


def _backtrack(setting: Setting, *arguments: str) -> tuple[float, float]:
    """The longest time without a commit that a writing client saw, and how long the command took."""
    uri = setting.run("uri", NAME).strip()
    # Its clients count from the beginning each time.
    _execute(setting, NAME, "truncate ledger")
    with Ledger(uri, clients=2) as ledger:
        _wait_for_commits(ledger, 20)
        began_s = time.monotonic()
        setting.run("backtrack", NAME, *arguments, "--yes")
        took_s = time.monotonic() - began_s
        _wait_for_commits(ledger, 20)
        return ledger.longest_gap_s(began_s, time.monotonic()), took_s


def _wait_for_commits(ledger: Ledger, more: int) -> None:
    target, deadline = ledger.count() + more, time.monotonic() + 60
    while ledger.count() < target:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {more} commits within 60 s")
        time.sleep(0.005)


def _peek(setting: Setting, target: datetime) -> float:
    return setting.elapsed_s("peek", NAME, "--at", target.isoformat(), "--", "select count(*) from pgbench_branches")


def _base_backup(setting: Setting) -> Path:
    """What the usual way keeps: a copy of the data directory, made before the load."""
    installation = setting.installation()
    place = Path(f"{setting.home}-backup")
    place.mkdir(mode=0o755)
    if installation.account is not None:
        os.chown(place, installation.account.uid, installation.account.gid)
    host, port = _writer(setting)
    _as_account(
        setting,
        [
            setting.program("pg_basebackup"), f"--pgdata={place}/base", "--checkpoint=fast", "--wal-method=none",
            f"--dbname=host={host} port={port} user=rdsrepladmin",
        ],
        PGPASSWORD=installation.secrets.replication,
    )  # fmt: skip
    return place / "base"


def _restore(setting: Setting, base: Path, target: datetime) -> float:
    """Copy the backup, replay the log to the moment, promote: from the beginning to the first commit."""
    node = setting.home / "clusters" / NAME / "storage" / f"{NAME}-storage-1"
    data = base.with_name("restored")
    port = 39217
    began_s = time.monotonic()
    subprocess.run(["cp", "-Rp", "--reflink=auto", str(base), str(data)], check=True)
    with (data / "postgresql.conf").open("a") as file:
        file.write(
            f"\nlisten_addresses = '127.0.0.1'\nport = {port}\nsynchronous_standby_names = ''\n"
            f"restore_command = 'if test -f {node}/%f; then cp {node}/%f %p; else cp {node}/%f.partial %p; fi'\n"
            f"recovery_target_time = '{target.isoformat()}'\nrecovery_target_action = promote\n"
        )
    (data / "recovery.signal").touch()
    shutil.chown(data / "recovery.signal", *_owner(data))
    with (base.parent / "restored.log").open("w") as log:
        server = subprocess.Popen(
            _argv(setting, [setting.program("postgres"), "-D", str(data)]), stdout=log, stderr=log, cwd="/"
        )
    try:
        _first_commit(port)
        took_s = time.monotonic() - began_s
    finally:
        server.terminate()
        server.wait(timeout=120)
        shutil.rmtree(data)
    return took_s


def _owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


def _first_commit(port: int) -> None:
    deadline = time.monotonic() + 900
    while True:
        try:
            with psycopg.connect(
                host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname="postgres", autocommit=True
            ) as connection:
                connection.execute("create table restored ()")
                return
        except psycopg.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _argv(setting: Setting, argv: list[str]) -> list[str]:
    account = setting.installation().account
    if account is None:
        return argv
    return ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "--", *argv]


def _as_account(setting: Setting, argv: list[str], **environment: str) -> None:
    subprocess.run(_argv(setting, argv), check=True, env={**os.environ, **environment}, cwd="/")
