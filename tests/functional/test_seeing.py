"""watch, top, logs, diagram, doctor, report and demo on a real cluster."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.functional.command import Auroractl, wait_until


@contextmanager
def load(auroractl: Auroractl) -> Iterator[None]:
    """Somebody who commits rows, up to two hundred a second, and a reading session that sleeps for a while."""
    ended = threading.Event()

    def write() -> None:
        with auroractl.connect("demo") as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS seen (number int)")
            while not ended.is_set():
                connection.execute("INSERT INTO seen VALUES (1)")
                ended.wait(0.005)

    def sleep() -> None:
        with auroractl.connect("demo", role="reader") as connection:
            connection.execute("SELECT pg_sleep(4) /* asleep */")

    threads = [threading.Thread(target=work) for work in (write, sleep)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_watch_and_top_measure_what_happens(demo: Auroractl) -> None:
    def asleep() -> list[Any]:
        sessions = demo.ask("describe-activity", DBClusterIdentifier="demo")["Sessions"]
        return [each for each in sessions if "asleep" in each["Statement"] and each["State"] == "active"]

    with load(demo):
        (sleeper,) = wait_until("the session that sleeps", asleep)
        view = demo.json("watch", "demo", "--once")
    assert sleeper["WaitEvent"] == "PgSleep"
    assert sleeper["StatementMilliseconds"] is not None
    assert sleeper["DBInstanceIdentifier"] != demo.writer("demo")["DBInstanceIdentifier"]
    assert 5 < view["WriteTransactionsPerSecond"] < 1000
    assert view["LogBytesPerSecond"] > 500
    assert all(each["CurrentLsn"] for each in view["DBInstances"])
    assert all(each["LagBytes"] is not None for each in view["StorageVolume"]["StorageNodes"])
    assert demo.json("top", "demo")["Unanswered"] == []
    printed = demo("watch", "demo", COLUMNS="80").stdout
    assert max(map(len, printed.splitlines())) <= 80
    assert "\x1b" not in printed
    assert "write quorum held: 6 of 6" in printed


class Screen:
    """A command on a terminal of 80 columns and 30 lines."""

    def __init__(self, auroractl: Auroractl, *arguments: str) -> None:
        main, below = pty.openpty()
        self._terminal, self.text = main, ""
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "auroractl", *arguments],
            stdin=below, stdout=below, stderr=below, start_new_session=True,
            env={**auroractl.environment, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "30"},
        )  # fmt: skip
        os.close(below)

    def shows(self, text: str) -> bool:
        """Whether it has shown a text by now."""
        while select.select([self._terminal], [], [], 0)[0]:
            try:
                self.text += os.read(self._terminal, 65536).decode(errors="replace")
            except OSError:
                break
        return text in self.text

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self) -> int:
        try:
            wait_until("the screen to end", lambda: self.shows("\0") or self.process.poll() is not None)
            return self.process.wait(1)
        finally:
            self.process.kill()
            os.close(self._terminal)


def test_the_screens_are_live_and_end_cleanly(demo: Auroractl) -> None:
    watch, top = Screen(demo, "watch", "demo"), Screen(demo, "top", "demo")
    wait_until("the first pictures", lambda: watch.shows("demo-writer") and top.shows("sessions: "), 20)
    demo.ask("pause-automation", DBClusterIdentifier="demo", Paused=True)
    wait_until("the change", lambda: watch.shows("Automation is paused"))
    demo.ask("pause-automation", DBClusterIdentifier="demo", Paused=False)
    os.kill(watch.process.pid, signal.SIGINT)
    top.press("q")
    assert watch.end() == 0
    assert top.end() == 0
    assert "\x1b[?1049l" in watch.text, "the terminal shows again what was there before"


def test_logs_of_all_parts_and_as_they_come(demo: Auroractl) -> None:
    done = demo("logs", "demo", "--since", "1h", "--output", "text").stdout.splitlines()
    times, parts = zip(*(line.split("\t")[:2] for line in done), strict=True)
    assert list(times) == sorted(times)
    assert {"supervisor", "demo-endpoints", "demo-instance-1", "demo-storage-1"} <= set(parts)
    with demo.start("logs", "demo", "--instance", "supervisor", "--follow", "-n", "1") as follower:
        assert follower.stdout is not None
        follower.stdout.readline()
        demo.ask("pause-automation", DBClusterIdentifier="demo", Paused=True)
        demo.ask("pause-automation", DBClusterIdentifier="demo", Paused=False)
        while "utomation" not in (line := follower.stdout.readline()):
            assert line
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=10)
        assert follower.returncode == 130


def test_the_diagram_is_of_now(demo: Auroractl) -> None:
    drawn = demo("diagram", "demo", "--markdown").stdout
    writer = demo.writer("demo")["DBInstanceIdentifier"].replace("-", "_")
    assert drawn.startswith("```mermaid\nflowchart TB\n")
    assert drawn.count(f"i_{writer} == log ==> n_demo_storage_") == 6
    assert drawn.count(f"i_{writer} -. log .-> i_demo_instance_") == 2


def test_report_beside_a_running_supervisor(demo: Auroractl, tmp_path: Path) -> None:
    with demo.connect("demo") as connection, pytest.raises(psycopg.Error):
        connection.execute("ALTER ROLE nobody PASSWORD 'hunter2hunter2'")
    target = tmp_path / "r.tar.gz"
    view = demo.json("report", "--file", str(target))["Report"]
    assert view["Problems"] == []
    with tarfile.open(target) as bundle:
        contents = {name: bundle.extractfile(name).read() for name in bundle.getnames()}  # type: ignore[union-attr]
    secrets = [*json.loads(demo.home.internal_secrets.read_text()).values()]
    secrets += [*json.loads(demo.home.cluster("demo").secrets.read_text()).values(), "hunter2hunter2"]
    leaked = [name for name, content in contents.items() for secret in secrets if secret.encode() in content]
    assert leaked == []
    assert b"STATEMENT:  ALTER ROLE nobody PASSWORD [removed]" in contents["r/logs/demo/demo-instance-1.log"]
    checks = {each["Name"]: each for each in json.loads(contents["r/doctor.json"])["Checks"]}
    assert str(demo.supervisor_pid()) in checks["Supervisor"]["Message"]
    assert checks["State"]["Status"] == "ok"
    assert json.loads(contents["r/describe-clusters.json"])["DBClusters"][0]["DBClusterIdentifier"] == "demo"


def test_the_demo_shows_a_failover_and_leaves_nothing(demo: Auroractl) -> None:
    done = demo("demo", "--output", "json")
    view = done.json["Demo"]
    assert view["AcknowledgedRowsLost"] == 0
    assert view["RowsAcknowledged"] > 0
    assert view["From"] != view["To"]
    assert view["RowsAfterBacktrack"] >= view["RowsAcknowledged"]
    assert "$ auroractl inject-fault crash-instance tour-instance-1" in done.stderr
    assert "Completed failover" in done.stderr
    assert [each["DBClusterIdentifier"] for each in demo.json("describe-clusters")["DBClusters"]] == ["demo"]
    taken = demo.run("demo", "--name", "demo")
    assert taken.returncode == 5
    assert "already exists" in taken.stderr
    demo.wait_healthy("demo")
