"""Homes whose paths hold every character that some configuration file, shell or connection string takes for its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import copy_home
from tests.functional.going_back import moment, wait_window

ODD = "it's \"\\ $H %d é"


@pytest.mark.slow
@pytest.mark.parametrize("name", [ODD, f"{ODD}, comma"], ids=["socket", "tcp"])
def test_everything_works_in_an_odd_home(warm_home: Home, name: str) -> None:
    below = copy_home(warm_home).root
    root = below / name
    root.mkdir(mode=0o755)
    for each in list(below.iterdir()):
        if each != root:
            shutil.move(each, root / each.name)
    auroractl = Auroractl(Home(root))
    try:
        auroractl("create-cluster", "demo", "--readers", "1")
        with auroractl.connect("demo") as connection:
            connection.execute("create table kept as select 1 as id")
        auroractl("failover", "demo")
        auroractl.wait_healthy("demo")
        wait_window(auroractl)
        before = moment(auroractl)
        with auroractl.connect("demo") as connection:
            connection.execute("drop table kept")
        seen = auroractl("peek", "demo", "--at", before, "--", "-Atc", "select id from kept").stdout
        assert seen.strip() == "1"
        auroractl("backtrack", "demo", "--to", before, "--yes")
        auroractl.wait_healthy("demo")
        auroractl("stop-cluster", "demo")
        auroractl("supervisor", "stop")
        auroractl("start-cluster", "demo")
        auroractl("scale-readers", "demo", "--add", "1")
        auroractl.wait_healthy("demo")
        for instance in auroractl.instances("demo"):
            with auroractl.connect("demo", instance=instance["DBInstanceIdentifier"]) as connection:
                wait_until("the data", lambda: connection.execute("select id from kept").fetchall() == [(1,)])
        sockets = list((root / "sockets").rglob(".s.PGSQL.*[0-9]"))
        assert bool(sockets) is ("," not in name)
        auroractl("delete-cluster", "demo", "--yes")
        assert not list((root / "sockets").glob("*/*"))
    finally:
        auroractl.end()
        shutil.rmtree(below)


@pytest.mark.parametrize("name", ["new\nline", "esc\x1b[1m", "bytes\udcff"])
def test_a_home_that_no_configuration_file_can_name_is_refused(tmp_path: Path, name: str) -> None:
    done = Auroractl(Home(tmp_path / name)).run("create-cluster", "demo")
    assert done.returncode == 2
    assert "printable name" in done.stderr
    assert list(tmp_path.iterdir()) == []
