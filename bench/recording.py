"""Pictures for the README from the real thing: python -m bench.recording docs.

Writes FOLDER/watch.svg, the screen of `auroractl watch` a few seconds after the writer was killed under load, and
FOLDER/drill.svg, what `auroractl drill writer-crash` reports.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from auroractl.api.progress import Silent
from auroractl.api.request import Request
from auroractl.api.requests.clusters import DescribeLive
from auroractl.api.requests.faults import CrashInstance
from auroractl.api.requests.instances import Connection
from auroractl.cli.render import plots, tables
from auroractl.cli.render.live import frame
from auroractl.cli.render.live_history import History
from auroractl.config.paths import Home
from auroractl.control_planes.local import LocalControlPlane
from auroractl.drills.workload import Target, Workload
from bench.setting import Setting, in_a_home_of_its_own

WIDTH = 88
LOOK_INTERVAL_S = 0.1
BEFORE_S, AFTER_S = 12.0, 6.0
Ask = Callable[[Request], Any]


def main(folder: Path) -> None:
    """Make a cluster, record both pictures into a folder, and remove it."""
    with in_a_home_of_its_own() as setting:
        setting.run("create-cluster", "demo")
        _save(folder / "watch.svg", "auroractl watch demo", _watched(setting))
        setting.run("delete-cluster", "demo", "--yes")
        setting.run("create-cluster", "demo")
        document = setting.json("drill", "writer-crash", "demo", "--rounds", "3")
        report = Group(tables.drill(document), Text(), Text(plots.commits(document)))
        _save(folder / "drill.svg", "auroractl drill writer-crash demo --rounds 3 --plot", report)


def _watched(setting: Setting) -> RenderableType:
    """The screen after a failover under load, drawn from what was measured all along."""

    def ask(request: Request) -> Any:
        return LocalControlPlane(Home(setting.home)).request(request.verb, request.to_json(), Silent())

    history = History()
    with _load(ask):
        _look(ask, history, BEFORE_S)
        ask(CrashInstance(cluster="demo", target="writer"))
        document = _look(ask, history, AFTER_S)
        while document["Operation"] is not None or document["DBCluster"]["Health"] != "ok":
            document = _look(ask, history, LOOK_INTERVAL_S)
        return Group(*frame(document, history, width=WIDTH, height=30))


@contextmanager
def _load(ask: Ask) -> Iterator[None]:
    def target(role: str) -> Target:
        there = ask(Connection(cluster="demo", role=role))
        return Target.of(there)

    load = Workload(target("writer"), target("reader"), "recorded", clients=4)
    load.start()
    try:
        yield
    finally:
        load.stop()


def _look(ask: Ask, history: History, duration_s: float) -> Any:
    deadline = time.monotonic() + duration_s
    while True:
        document = ask(DescribeLive(cluster="demo"))
        history.add(document)
        if time.monotonic() > deadline:
            return document
        time.sleep(LOOK_INTERVAL_S)


def _save(path: Path, title: str, picture: RenderableType) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False, markup=False)
    console.print(picture)
    console.save_svg(str(path), title=title)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
