"""The master user tries to become more than it is, and to bring the cluster down; neither comes of it.

Each act of a group is tried and checked for itself; then the cluster has to go on with all of them together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.engine import sql
from tests.functional.command import wait_until
from tests.security import hostile_acts
from tests.security.conftest import eventually
from tests.security.hostile import Arena, arena, dial_back, signalled
from tests.security.hostile_acts import FIRST, Act, Site

GROUPS: dict[str, Callable[[Site], list[Act]]] = {
    "shadows on the search path": lambda site: hostile_acts.shadows_on_the_path(site.marks),
    "better matches in public": lambda site: hostile_acts.better_matches(site.marks),
    "objects of its own": lambda site: hostile_acts.own_objects(site.marks),
    "settings of databases": lambda _: hostile_acts.settings_of_databases(),
    "settings of roles": lambda _: hostile_acts.settings_of_roles(),
    "databases": lambda _: hostile_acts.acts_on_databases(),
    "the database postgres": lambda _: hostile_acts.postgres_is_gone(),
    "roles": lambda _: hostile_acts.acts_on_roles(),
    "the machine": hostile_acts.acts_on_the_machine,
    "disturbances": lambda _: hostile_acts.disturbances(),
}

_BY_PASSWORD = ("password authentication failed", "pg_hba.conf rejects connection")
"""The second for databases into which rdsrepladmin is not let at all."""
AT_THE_SOCKET = {
    "rdsadmin": ("Peer authentication failed",) if os.geteuid() == 0 else _BY_PASSWORD[:1],
    "rdsrepladmin": _BY_PASSWORD,
}


@pytest.fixture
def place(warm_home: Home) -> Iterator[Arena]:
    """A cluster to act on."""
    with arena(warm_home) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_the_master_user_stays_what_it_is_and_the_cluster_goes_on(place: Arena, group: str) -> None:
    place.attempt(GROUPS[group](place.site()))
    place.operate()
    assert not place.problems, "\n".join(place.problems)


def test_ending_every_session_that_it_may_end_stops_no_commit(place: Arena) -> None:
    seen = signalled(place, 4.0)
    wait_until("the cluster to be well", lambda: place.auroractl.cluster("demo")["Health"] == "ok")
    assert seen.senders_ended == set()
    assert seen.longest_gap_s < 3.0
    assert seen.commits > 5
    assert seen.commits_lost == set()


def test_no_server_lets_its_master_user_back_in_as_an_internal_user(place: Arena) -> None:
    """It has what it is never given: dblink, which a superuser made, and over TCP the right passwords."""
    writer = place.auroractl.writer("demo")
    access = place.auroractl.admin_access(writer)
    with sql.session(access, database=FIRST) as superuser:
        superuser.execute("create extension dblink schema public")
    right = json.loads(place.auroractl.home.internal_secrets.read_text())
    site = place.site()
    host, port = site.instance
    (socket_folder,) = site.sockets
    assert Path(socket_folder) == access.socket_folder
    for user, password in (("rdsadmin", right["admin"]), ("rdsrepladmin", right["replication"])):
        for database in ("rdsadmin", FIRST, "template1"):
            there = f"port={port} user={user} dbname={database}"
            said = dial_back(place, f"host={host} {there} password={password}")
            assert f'pg_hba.conf rejects connection for host "127.0.0.1", user "{user}"' in said
            said = dial_back(place, f"host={socket_folder} {there} password=guess")
            assert any(words in said for words in AT_THE_SOCKET[user]), said
    if os.geteuid() == 0:
        # The server's account is not the supervisor's, and no password changes that.
        said = dial_back(
            place, f"host={socket_folder} port={port} user=rdsadmin dbname=rdsadmin password={right['admin']}"
        )
        assert 'Peer authentication failed for user "rdsadmin"' in said
    master = place.auroractl.ask("connection", DBClusterIdentifier="demo", Role="writer", DBInstanceIdentifier=None)
    itself = f"host={host} port={port} user={master['User']} dbname={FIRST} password={master['Password']}"
    assert dial_back(place, itself) == "", "as itself it may"


def test_a_renamed_role_gets_its_name_back_and_an_event_says_so(place: Arena) -> None:
    def unnamed() -> str | None:
        names = [
            row[0]
            for row in place.master.rows("select rolname from pg_roles where rolname in ('gone', 'rds_superuser')")
        ]
        return None if names == ["rds_superuser"] else f"roles {names}"

    def untold() -> str | None:
        told = [row[0] for row in place.auroractl.rows("select message from event")]
        wanted = "The role rds_superuser had been renamed to gone; it has its name again."
        return None if wanted in told else f"events {told}"

    assert place.master.run("alter role rds_superuser rename to gone") is None
    assert eventually(unnamed, 30.0) is None
    assert eventually(untold, 30.0) is None


def test_there_are_more_than_three_hundred_acts() -> None:
    site = Site(Path("/nowhere"), ("127.0.0.1", 5432), [])
    assert len({act.name for group in GROUPS.values() for act in group(site)}) > 300
