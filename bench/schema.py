"""Loading the schema of an application through a cluster's writer endpoint, against a plain server of the same build."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict

from psycopg.conninfo import make_conninfo

from auroractl.system.locales import system_locales
from bench.plain import plain_server, psql
from bench.setting import Setting
from bench.verdict import Figure
from tests.schemas.entries import AURORA_SHOP, objects, without
from tests.schemas.impossible import impossible

ROUNDS = 7
_RATIO_MIN = 0.8
_WAYS: dict[str, tuple[str, ...]] = {"each in a transaction": (), "in one transaction": ("--single-transaction",)}
_CONNECT = "\\connect shop\n"
"""Roles and the database come before it. They cannot be part of one transaction, and are not measured."""
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
    with plain_server(setting) as plain:
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
    psql(setting, uri, "--file", str(setting.home / "around.sql"))
    began_s = time.perf_counter()
    psql(setting, make_conninfo(uri, dbname="shop"), *options, "--file", str(setting.home / "inside.sql"))
    elapsed_s = time.perf_counter() - began_s
    for statement in _UNDO.strip().splitlines():
        psql(setting, uri, "--command", statement)
    return elapsed_s
