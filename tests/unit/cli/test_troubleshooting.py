"""doctor on homes that are not well, report without secrets, logs on one time line; no PostgreSQL and no supervisor."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from auroractl.cli.main import main
from auroractl.config.paths import Home
from auroractl.core.checks import Outcome
from auroractl.diagnostics import doctor
from auroractl.diagnostics.logs import Logs
from auroractl.system import leftovers, machine

SECRET = "s3cr'et #&pass"
OTHER_SECRET = "0therSecretOfTheInternalUser"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="auroractl-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("AURORACTL_HOME", folder)
        monkeypatch.setenv("AURORACTL_CONFIG", f"{folder}/none.toml")
        monkeypatch.delenv("AURORACTL_CLUSTER", raising=False)
        yield Home(Path(folder))


def _doctor(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Any]:
    assert main(["doctor", "--output", "json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["Healthy"] is (code == 0)
    return {check["Name"]: check for check in document["Checks"]}


def test_doctor_leaves_nothing_behind_and_has_a_hint_for_each_finding(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _doctor(capsys, 0)
    assert found["PostgreSQL"]["Status"] == "ok"
    assert found["Supervisor"]["Message"].startswith("It is not running")
    assert all(check["Hint"] for check in found.values() if check["Status"] != "ok")
    assert list(home.root.iterdir()) == []


def test_doctor_works_where_nothing_else_can_start(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.config.write_text('postgresql_foldr = "/nowhere"\n')
    home.state.write_bytes(b"not a database at all" * 100)
    found = _doctor(capsys, 1)
    assert found["Configuration"]["Status"] == "failed"
    assert "Did you mean postgresql_folder?" in found["Configuration"]["Hint"]
    assert found["State"]["Status"] == "failed"
    assert str(home.state_backups) in found["State"]["Hint"]
    home.config.write_text('postgresql_folder = "/nowhere"\n')
    assert "There is no PostgreSQL in /nowhere" in _doctor(capsys, 1)["PostgreSQL"]["Message"]


def test_doctor_tells_a_newer_schema(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(home.state)) as state:
        state.execute("CREATE TABLE alembic_version (version_num TEXT)")
        state.execute("INSERT INTO alembic_version VALUES ('9999')")
        state.commit()
    assert "9999" in _doctor(capsys, 1)["State"]["Message"]


def test_doctor_tells_folders_of_clusters_that_are_not_known(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Those of other tests would be told of first.
    monkeypatch.setattr("auroractl.system.leftovers.stray_processes", list)
    (home.clusters / "ghost").mkdir(parents=True)
    found = _doctor(capsys, 0)["Leftovers"]
    assert found["Status"] == "warning"
    assert "ghost" in found["Message"]


def test_doctor_does_not_wait_for_a_supervisor_that_says_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("auroractl.cli.troubleshooting._ANSWER_TIMEOUT_S", 0.3)
    home.run.mkdir()
    holder = (
        "import fcntl, os, sys, time; f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); fcntl.flock(f, fcntl.LOCK_EX);"
        "os.write(f, str(os.getpid()).encode()); print('held', flush=True); time.sleep(60)"
    )
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as silent,
        subprocess.Popen(
            [sys.executable, "-c", holder, str(home.supervisor_lock)], stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        silent.bind(str(home.socket))
        silent.listen()
        found = _doctor(capsys, 1)["Supervisor"]
        process.kill()
    assert str(process.pid) in found["Message"]
    assert f"kill -9 {process.pid}" in found["Hint"]


def test_a_port_that_is_taken_everywhere_is_told_with_whose_it_is(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setattr(doctor, "PORT_DEFAULT", port)
        check = doctor._port(home)
        assert check.outcome is Outcome.WARNING
        assert str(os.getpid()) in check.message
        assert machine.bind_problem("127.0.0.1", port) != ""
    assert doctor._port(home).outcome is Outcome.OK


def test_a_process_whose_folder_is_gone_is_found(home: Home) -> None:
    folder = home.cluster("gone").storage_node("node")
    folder.mkdir(parents=True)
    program = home.root / "pg_receivewal"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([str(program), "60"], cwd=folder) as process:
        try:
            assert process.pid not in [stray.pid for stray in leftovers.stray_processes()]
            folder.rmdir()
            assert process.pid in [stray.pid for stray in leftovers.stray_processes()]
        finally:
            process.kill()


def _home_with_secrets(home: Home) -> None:
    paths = home.cluster("demo")
    instance = paths.instance("demo-1")
    instance.data.mkdir(parents=True)
    paths.endpoint.mkdir()
    paths.storage.mkdir()
    home.internal_secrets.parent.mkdir()
    home.internal_secrets.write_text(json.dumps({"admin": OTHER_SECRET, "replication": "replSecret99"}))
    paths.secrets.write_text(json.dumps({"master": SECRET}))
    instance.pgpass.write_text("*:*:*:rdsrepladmin:replSecret99\n")
    instance.log.write_text(
        f"2026-11-25 04:00:00.000 UTC [1] STATEMENT:  ALTER ROLE bob PASSWORD 'hunter2hunter2'\n"
        f"2026-11-25 04:00:00.001 UTC [1] LOG:  postgresql://postgres:{quote(SECRET, safe='')}@127.0.0.1/x\n"
        f"2026-11-25 04:00:00.002 UTC [1] LOG:  uri postgresql://someone:forgottenSecret@127.0.0.1/x\n"
    )
    (instance.data / "postgresql.conf").write_text(f"primary_conninfo = 'password=''{OTHER_SECRET}'''\n")
    home.supervisor_log.write_text(f"2026-11-25T04:00:00.000Z INFO {SECRET} and {json.dumps(SECRET)}\n")
    home.config.write_text(f'# {SECRET}\nregion = "us-east-1"\n')
    with closing(sqlite3.connect(home.state)) as state:
        state.execute("CREATE TABLE alembic_version (version_num TEXT)")
        state.execute("CREATE TABLE cluster (identifier TEXT)")
        state.execute("CREATE TABLE operation (arguments TEXT)")
        state.execute("INSERT INTO cluster VALUES ('demo')")
        state.execute("INSERT INTO operation VALUES (?)", (json.dumps({"Password": SECRET, "x": "kept"}),))
        state.commit()


def test_no_secret_is_in_a_report(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _home_with_secrets(home)
    monkeypatch.setenv("AURORACTL_MASTER_PASSWORD", SECRET)
    target = home.root / "r.tar.gz"
    assert main(["report", "--file", str(target), "--output", "json"]) == 0
    view = json.loads(capsys.readouterr().out)["Report"]
    assert {"state.db", "doctor.json", "logs/supervisor.log", "logs/demo/demo-1.log"} <= set(view["Entries"])
    assert any("not running" in problem for problem in view["Problems"])
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as bundle:
        contents = {name: bundle.extractfile(name).read() for name in bundle.getnames()}  # type: ignore[union-attr]
    assert not any(name.endswith(("secrets.json", "pgpass", "internal.json")) for name in contents)
    forms = [SECRET, OTHER_SECRET, "replSecret99", "hunter2hunter2", "forgottenSecret", quote(SECRET, safe="")]
    leaked = [(name, form) for name, content in contents.items() for form in forms if form.encode() in content]
    assert leaked == []
    state = home.root / "copy.db"
    state.write_bytes(contents["r/state.db"])
    with closing(sqlite3.connect(state)) as copy:
        assert "kept" in copy.execute("SELECT arguments FROM operation").fetchone()[0]


def _bundle(home: Home, *arguments: str) -> tuple[dict[str, bytes], list[str]]:
    """The files of a report by name, and its problems."""
    target = home.root / "r.tar.gz"
    target.unlink(missing_ok=True)
    assert main(["report", "--file", str(target), *arguments]) == 0
    with tarfile.open(target) as bundle:
        contents = {name: bundle.extractfile(name).read() for name in bundle.getnames()}  # type: ignore[union-attr]
    return contents, contents["r/problems.txt"].decode().splitlines()


CARD = "4111 1111 1111 1111"
STATEMENTS = f"""\
2026-11-25 04:00:00.000 UTC [7] app@shop ERROR:  invalid input syntax for type integer: "{CARD}" at character 8
2026-11-25 04:00:00.000 UTC [7] app@shop CONTEXT:  unnamed portal parameter $1 = '{CARD}'
2026-11-25 04:00:00.000 UTC [7] app@shop STATEMENT:  insert into cards values ($1, $tag${CARD}$tag$,
\tE'{CARD}\\'{CARD}', U&'{CARD}')
2026-11-25 04:00:00.000 UTC [7] app@shop LOG:  statement: select '{CARD}' -- {CARD}
2026-11-25 04:00:00.001 UTC [1] LOG:  checkpoint starting: time
"""


def test_data_of_statements_is_in_a_report_only_where_it_was_asked_for(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    _home_with_secrets(home)
    log = home.cluster("demo").instance("demo-1").log
    # Its end begins within a literal.
    log.write_text(f"{'x' * 5 * 1024**2}'\n\tand {CARD}'\n{STATEMENTS}")
    contents, _ = _bundle(home)
    assert [name for name, content in contents.items() if CARD.encode() in content] == []
    kept = contents["r/logs/demo/demo-1.log"].decode()
    assert "STATEMENT:  insert into cards values ($1, [removed],\n\tE[removed], U&[removed])" in kept
    assert kept.endswith(STATEMENTS.splitlines(keepends=True)[-1])
    assert "passwords and client data removed" in capsys.readouterr().out
    contents, _ = _bundle(home, "--with-statements")
    assert CARD.encode() in contents["r/logs/demo/demo-1.log"]
    assert "passwords removed" in capsys.readouterr().out
    assert b"hunter2hunter2" not in b"".join(contents.values())


@pytest.mark.parametrize("kind", ["link", "pipe", "folder is a link", "other owner"])
def test_a_report_reads_only_files_of_ours(home: Home, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    _home_with_secrets(home)
    secret = home.root / "elsewhere" / "pg_hba.conf"
    secret.parent.mkdir()
    secret.write_text("private to root")
    instance = home.cluster("demo").instance("demo-1")
    planted = instance.log if kind in {"pipe", "other owner"} else instance.data / "pg_hba.conf"
    planted.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(planted)
    elif kind == "link":
        planted.symlink_to(secret)
    elif kind == "other owner":
        if os.geteuid() != 0:
            pytest.skip("only root gives files away")
        planted.write_text("private to somebody")
        os.chown(planted, 54321, 54321)
    else:
        (instance.data / "postgresql.conf").unlink()
        instance.data.rmdir()
        instance.data.symlink_to(secret.parent)
    contents, problems = _bundle(home)
    assert b"private to" not in b"".join(contents.values())
    entry = "demo-1.log" if planted == instance.log else planted.name
    assert any(entry in problem and "is not used" in problem for problem in problems)
    if kind in {"pipe", "other owner"}:
        capsys.readouterr()
        assert main(["logs", "demo"]) == 0
        printed = capsys.readouterr()
        assert "private to" not in printed.out
        assert f"Not read: {planted}" in printed.err


def test_a_planted_pgpass_stops_no_report(home: Home) -> None:
    _home_with_secrets(home)
    pgpass = home.cluster("demo").instance("demo-1").pgpass
    pgpass.unlink()
    os.mkfifo(pgpass)
    contents, problems = _bundle(home)
    assert any(str(pgpass) in problem for problem in problems)
    assert b"replSecret99" not in b"".join(contents.values())


def test_a_report_overwrites_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    target = home.root / "mine.tar.gz"
    target.write_text("precious")
    assert main(["report", "--file", str(target)]) == 1
    assert "already exists" in capsys.readouterr().err
    assert target.read_text() == "precious"


def test_logs_are_one_time_line_and_go_on(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    paths = home.cluster("demo")
    log, node = paths.instance("demo-1").log, paths.storage / "demo-storage-1.log"
    for path in (log, node):
        path.parent.mkdir(parents=True)
    home.supervisor_log.write_text("2026-11-25T04:00:01.000Z INFO second\nTraceback\n")
    log.write_text(
        "2026-11-25 04:00:00.000 UTC [1] LOG:  first\n\tand its second line\n2026-11-25 04:00:03.500 UTC [1] ERROR:  fourth\n"
    )
    node.write_text("error: third\n2026-11-25T04:00:03.000Z INFO demo-storage-1 receives\n")
    assert main(["logs", "demo", "--output", "text"]) == 0
    rows = [line.split("\t", 2) for line in capsys.readouterr().out.splitlines()]
    assert [row[2] for row in rows] == [
        "[1] LOG:  first", "    and its second line", "INFO second", "Traceback", "error: third",
        "INFO demo-storage-1 receives", "[1] ERROR:  fourth",
    ]  # fmt: skip
    assert main(["logs", "demo"]) == 0
    assert "~04:00:03.000  demo-storage-1  error: third" in capsys.readouterr().out
    assert main(["logs", "--instance", "DEMO-1", "-n", "1", "--output", "text"]) == 0
    assert capsys.readouterr().out == "2026-11-25T04:00:03.500Z\tdemo-1\t[1] ERROR:  fourth\n"

    follower = Logs(home, {os.geteuid()}, "demo")
    assert len(follower.read()) == 7
    assert list(follower.read()) == []
    with log.open("a") as file:
        file.write("2026-11-25 04:00:04.000 UTC [1] LOG:  half")
    assert list(follower.read()) == []
    with log.open("a") as file:
        file.write(" and whole\n")
    assert [line.text for line in follower.read()] == ["[1] LOG:  half and whole"]
    log.write_text("2026-11-25 04:00:05.000 UTC [1] LOG:  emptied\n")
    assert [line.text for line in follower.read()] == ["[1] LOG:  emptied"]


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ('regoin = "us-east-1"\n', "regoin"),
        ("region = [\n", "config.toml"),
        ('run_as = "no-such-account"\n', ""),
    ],
    ids=["unknown", "broken", "account"],
)
@pytest.mark.parametrize("command", [["logs"], ["logs", "demo"], ["supervisor", "logs"]], ids=" ".join)
def test_logs_are_shown_whatever_the_configuration_says(
    home: Home, command: list[str], configuration: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home.cluster("demo").folder.mkdir(parents=True)
    home.supervisor_log.write_text("2026-11-25T04:00:01.000Z INFO the reason\n")
    home.config.write_text(configuration)
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "the reason" in shown.out
    assert bool(shown.err) is bool(said)
    assert said in shown.err
    assert not said or shown.err.endswith(". The defaults apply.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["logs", "nosuch"], 4, "nosuch"),
        (["logs", "--instance", "nosuch"], 4, "Existing instances: supervisor"),
        (["logs", "--since", "soon"], 2, "not a duration"),
        (["logs", "--lines", "-3"], 2, "--lines"),
        (["doctor", "more"], 2, "more"),
        (["report", "--file", "/nonexistent/x.tar.gz"], 1, "/nonexistent/x.tar.gz"),
    ],
)
def test_what_is_refused(
    home: Home, arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    told = capsys.readouterr().err
    assert sentence in told
    assert told.startswith("Error: ")


def test_old_log_lines_are_left_out(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    home.supervisor_log.write_text(f"2020-01-01T00:00:00.000Z INFO old\n{now} INFO new\n")
    assert main(["logs", "--since", "1m", "--output", "text"]) == 0
    assert capsys.readouterr().out == f"{now}\tsupervisor\tINFO new\n"
