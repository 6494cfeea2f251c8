"""The scripting contract on a real cluster: documents, error paths, dry runs, waiting, idempotence, AWS's names."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from auroractl.cli.main import main
from tests.contract import COMMANDS, check_golden
from tests.functional.command import Auroractl, wait_until

Words = str


@dataclass(frozen=True)
class Printed:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out)


Run = Callable[[Words], Printed]


@pytest.fixture
def run(demo: Auroractl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, which takes a tenth of the time of one in its own."""
    for name, value in demo.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AURORACTL_CLUSTER", raising=False)

    def command(words: str) -> Printed:
        capsys.readouterr()
        code = main(words.split())
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    return command


def _well(run: Run, words: str) -> Printed:
    done = run(words)
    assert done.code == 0, f"{words}: {done}"
    return done


def test_every_document_has_the_keys_of_its_golden_file(demo: Auroractl, run: Run) -> None:
    try:
        for name, checked in COMMANDS.items():
            for arguments in checked.runs:
                done = _well(run, f"{name} {arguments} --output json")
                assert checked.golden is not None, name
                check_golden(checked.golden, done.json)
    finally:
        run("delete-cluster second --yes --if-exists")
    _well(run, "wait cluster-available demo --timeout 60s")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_what_is_wrong_in_one_sentence(run: Run, name: str) -> None:
    checked = COMMANDS[name]
    done = run(f"{name} {checked.wrong}")
    assert done.code == checked.code, done
    assert done.out == ""
    assert done.err.startswith("Error: ")
    assert checked.sentence in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "steps", "arguments"),
    [
        ("create-cluster new --readers 1", ["Prepare PostgreSQL", "Mark the cluster available"], "Instances"),
        ("delete-cluster demo", ["Stop its processes", "Remove it from the state"], None),
        ("stop-cluster demo", ["Stop the writer", "Mark the cluster stopped"], None),
        ("scale-readers demo --add 2", ["Copy the data to 2 readers", "Mark them available"], "Add"),
        ("scale-readers demo --remove 1", ["Let running statements end"], "Remove"),
        ("failover demo --target READER", ["Promote READER"], "To"),
        ("reboot-instance WRITER", ["Stop WRITER", "Start WRITER"], "Instance"),
        ("delete-instance READER", ["Take READER from the endpoints", "Stop and remove"], "Remove"),
        ("delete-instance WRITER", ["Write a checkpoint", "Take WRITER from the endpoints"], "To"),
        ("modify-cluster demo --tags a=b", ["Change the cluster's settings"], None),
        ("modify-instance demo-instance-2 --promotion-tier 3", ["Change the instance's settings"], None),
        ("pause-automation demo", ["Pause or resume the cluster's automation"], None),
        ("create-endpoint later --cluster demo", ["Create the endpoint and publish it"], None),
        ("replace-storage-node 1 --cluster demo", ["Remove demo-storage-1"], "Old"),
        ("scrub-volume demo", ["Read all finished WAL on every storage node"], None),
        ("inject-fault crash-storage-node 3", ["Kill the storage node demo-storage-3"], None),
        ("inject-fault hang-storage-node 3", ["Freeze the storage node demo-storage-3"], None),
        ("inject-fault wipe-storage-node 3", ["Remove all data of demo-storage-3"], None),
        ("inject-fault crash-instance writer", ["Kill the instance WRITER"], None),
        ("inject-fault hang-instance READER", ["Freeze the instance READER"], None),
        ("inject-fault replica-lag READER --delay 2s", ["READER: replay is delayed by 2000 ms"], None),
        ("inject-fault partition-instance READER", ["READER: cut off from the writer"], None),
        (
            "inject-fault slow-endpoint reader --delay 50ms",
            ["Delay every request through demo-reader by 50 ms"],
            None,
        ),
        ("inject-fault refuse-endpoint writer", ["Refuse new connections to demo-writer"], None),
        ("inject-fault az-outage us-east-1b", ["Kill the storage node demo-storage-2 and keep it down"], None),
        ("drill writer-crash demo", ["writer-crash on WRITER"], None),
        ("use demo", ["Set default_cluster to demo in HOME/config.toml"], None),
    ],
)
def test_a_dry_run_names_the_steps_and_changes_nothing(
    demo: Auroractl, run: Run, words: str, steps: list[str], arguments: str | None
) -> None:
    def state() -> Any:
        tables = ("cluster", "instance", "endpoint", "storage_node", "operation", "event", "fault")
        servers = [each["ProcessId"] for each in demo.instances("demo")]
        files = [*sorted(demo.home.clusters.iterdir()), demo.home.config.exists()]
        return [demo.rows(f"select * from {table}") for table in tables], files, servers

    writer, reader = (each["DBInstanceIdentifier"] for each in demo.instances("demo")[:2])
    known = {"WRITER": writer, "READER": reader, "HOME": str(demo.home.root)}
    for word, meant in known.items():
        words, *steps = (text.replace(word, meant) for text in (words, *steps))
    before = state()
    plan = _well(run, f"{words} --dry-run").json["Plan"]
    assert state() == before
    names = [step["Name"] for step in plan["Steps"]]
    assert set(steps) <= set(names), names
    assert plan["Operation"] == words.split(maxsplit=1)[0]
    assert plan["Changed"] is True
    assert arguments is None or arguments in plan["Arguments"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("create-cluster demo --dry-run", 5, "already exists"),
        ("create-cluster new --port 80 --dry-run", 2, "1150 to 65535"),
        ("delete-cluster nobody --dry-run", 4, "not found"),
        ("failover demo --target nobody --dry-run", 4, "not found"),
        ("scale-readers demo --add 20 --dry-run", 2, "at most 15"),
        ("modify-instance demo-instance-2 --promotion-tier 99 --dry-run", 2, "0 to 15"),
        ("failover demo --dry-run --no-wait", 2, "exclude each other"),
    ],
)
def test_a_dry_run_is_refused_as_the_real_one_would_be(run: Run, words: str, code: int, sentence: str) -> None:
    done = run(words)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err


def test_a_dry_run_of_what_is_so_already_has_no_steps(run: Run) -> None:
    for words in (
        "create-cluster demo --if-not-exists",
        "delete-cluster nobody --if-exists",
        "start-cluster demo",
        "resume-automation demo",
        "use",
    ):
        plan = _well(run, f"{words} --dry-run").json["Plan"]
        assert (plan["Changed"], plan["Steps"]) == (False, []), words


def test_waiting_for_a_failover_that_nobody_has_noticed_yet(demo: Auroractl, run: Run) -> None:
    """The condition looks as if it held when the waiting begins; what counts is seen later."""
    writer = demo.writer("demo")["DBInstanceIdentifier"]
    _well(run, "inject-fault crash-instance writer --cluster demo")
    _well(run, "wait failover-completed demo --timeout 60s")
    assert demo.writer("demo")["DBInstanceIdentifier"] != writer
    with demo.connect("demo") as connection:
        connection.execute("create table if not exists after_failover ()")
    _well(run, f"wait instance-available {writer} --timeout 60s")
    _well(run, "wait cluster-available demo --timeout 60s")
    assert demo.cluster("demo")["Health"] == "ok"


def test_waiting_lives_through_the_end_of_the_supervisor(demo: Auroractl) -> None:
    pid = demo.supervisor_pid()
    with demo.start("wait", "cluster-deleted", "demo", "--timeout", "4") as process:
        time.sleep(1.0)
        os.kill(pid, signal.SIGKILL)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 6, told
    assert "last state: demo is available" in told
    demo("wait", "cluster-available", "demo", "--timeout", "1m")
    assert demo.supervisor_pid() != pid


def test_waiting_for_the_quorum(demo: Auroractl, run: Run) -> None:
    for number in (1, 2, 3):
        _well(run, f"inject-fault crash-storage-node {number} --cluster demo --duration 1m")
    late = run("wait quorum-held demo --timeout 1500ms")
    assert late.code == 6
    assert "3 of 4 storage nodes needed for writing acknowledge" in late.err
    for number in (1, 2, 3):
        _well(run, f"inject-fault restore {number} --cluster demo")
    _well(run, "wait quorum-held demo --timeout 60s")
    assert demo.volume("demo")["WriteQuorum"]["Held"]
    _well(run, "wait cluster-available demo --timeout 60s")


def test_commands_that_do_not_wait_and_waiting_for_them(demo: Auroractl, run: Run) -> None:
    created = _well(run, "create-cluster later --readers 0 --no-wait --output json").json
    assert created["DBCluster"]["Status"] == "creating"
    busy = run("stop-cluster later")
    assert busy.code == 5 or busy.err.startswith("✓"), busy
    _well(run, "wait cluster-available later --timeout 60s")
    stopping = _well(run, "stop-cluster later --no-wait --output json").json
    assert stopping["DBCluster"]["Status"] == "stopping"
    late = run("wait cluster-available later --timeout 1500ms")
    assert late.code == 6
    assert "last state: later is stop" in late.err
    _well(run, "wait cluster-stopped later --timeout 60s")
    deleting = _well(run, "delete-cluster later --yes --no-wait --output json").json
    check_golden("delete-cluster", deleting)
    _well(run, "wait cluster-deleted later --timeout 60s")
    assert run("describe-clusters later").code == 4
    assert run("wait cluster-available later").code == 4


def test_a_failover_that_is_not_waited_for(demo: Auroractl, run: Run) -> None:
    started = _well(run, "failover demo --no-wait --output json").json
    check_golden("failover", started)
    check_golden("status", json.loads(run("status demo --output json").out))
    assert started["DurationMilliseconds"] is None
    _well(run, "wait failover-completed demo --timeout 60s")
    assert demo.writer("demo")["DBInstanceIdentifier"] == started["To"]


def test_what_was_done_already_is_said_and_no_error(run: Run) -> None:
    assert _well(run, "start-cluster demo").out == "Cluster demo is already available.\n"
    assert _well(run, "create-cluster demo --if-not-exists --query Changed").out == "false\n"
    assert _well(run, "delete-cluster nobody --if-exists").out == "Cluster nobody does not exist; nothing to delete.\n"
    assert _well(run, "delete-cluster nobody --if-exists --yes --quiet").out == ""


def test_identifiers_alone(run: Run) -> None:
    assert _well(run, "describe-clusters -q").out == "demo\n"
    assert _well(run, "describe-instances -q demo").out.split() == [f"demo-instance-{number}" for number in (1, 2, 3)]
    assert _well(run, "describe-instances -q -o json").json == [f"demo-instance-{number}" for number in (1, 2, 3)]
    assert len(_well(run, "describe-volumes -q").out.split()) == 6
    added = _well(run, "scale-readers demo --add 1 -q")
    assert (added.out, added.err) == ("demo-instance-4\n", "")
    assert _well(run, "delete-instance demo-instance-4 --quiet").out == "demo-instance-4\n"


def test_a_script_for_aws_works_with_one_word_changed(demo: Auroractl, run: Run) -> None:
    _well(
        run,
        "create-db-cluster --db-cluster-identifier ported --engine aurora-postgresql --engine-version 18.6 --readers 0 "
        "--master-username app --master-user-password secret-enough --tags Key=team,Value=a Key=env --no-cli-pager",
    )
    _well(run, "wait db-cluster-available --db-cluster-identifier ported")
    found = "describe-db-clusters --db-cluster-identifier ported --output text --query"
    assert _well(run, f"{found} DBClusters[0].MasterUsername").out == "app\n"
    assert _well(run, f"{found} DBClusters[].TagList[].[Key,Value]").out == "env\t\nteam\ta\n"
    endpoint = "--db-cluster-endpoint-identifier reports"
    made = _well(
        run,
        f"create-db-cluster-endpoint --db-cluster-identifier demo {endpoint} --endpoint-type reader "
        "--static-members demo-instance-2 demo-instance-3 --output json",
    ).json
    assert made["StaticMembers"] == ["demo-instance-2", "demo-instance-3"]
    assert made["Status"] == "available"
    _well(run, f"modify-db-cluster-endpoint {endpoint} --endpoint-type ANY --excluded-members demo-instance-2")
    _well(run, f"delete-db-cluster-endpoint {endpoint}")
    _well(run, "modify-db-cluster --db-cluster-identifier ported --deletion-protection --apply-immediately")
    assert run("delete-db-cluster --db-cluster-identifier ported --skip-final-snapshot").code == 5
    _well(run, "modify-db-cluster --db-cluster-identifier ported --no-deletion-protection --apply-immediately")
    _well(run, "stop-db-cluster --db-cluster-identifier ported")
    _well(run, "start-db-cluster --db-cluster-identifier ported")
    _well(run, "reboot-db-instance --db-instance-identifier ported-instance-1")
    _well(run, "modify-db-instance --db-instance-identifier ported-instance-1 --promotion-tier 2 --apply-immediately")
    tier = "describe-db-instances --db-instance-identifier ported-instance-1 --query DBInstances[0].PromotionTier"
    assert _well(run, f"{tier} --output text").out == "2\n"
    _well(run, "describe-events --source-identifier ported --source-type db-cluster --duration 60 --max-items 20")
    _well(run, "delete-db-cluster --db-cluster-identifier ported --skip-final-snapshot")
    _well(run, "wait db-cluster-deleted --db-cluster-identifier ported")
    assert run("create-db-cluster --db-cluster-identifier other --engine aurora-mysql").code == 8


def test_events_are_chosen_as_aws_chooses_them(run: Run) -> None:
    _well(run, "reboot-instance demo-instance-2")
    every = _well(run, "describe-events demo --output json").json["Events"]
    kinds = {event["SourceType"] for event in every}
    assert kinds >= {"db-cluster", "db-instance"}

    def chosen(words: str) -> list[Any]:
        found: list[Any] = _well(run, f"describe-events {words} --output json").json["Events"]
        return found

    instance = chosen("--source-identifier demo-instance-2 --source-type db-instance")
    assert instance
    # More may happen to it in between.
    later = [event for event in chosen("demo") if event["SourceIdentifier"] == "demo-instance-2"]
    assert later[: len(instance)] == instance
    assert chosen("demo-instance-2")[: len(instance)] == instance
    assert {event["SourceType"] for event in chosen("demo --source-type db-cluster")} == {"db-cluster"}
    availability = chosen("demo --event-categories availability --event-categories creation")
    assert availability
    assert all({"availability", "creation"} & set(event["EventCategories"]) for event in availability)
    last = every[-1]["Date"]
    assert chosen(f"demo --start-time {last}")[0]["Date"] == last
    assert chosen(f"demo --end-time {every[0]['Date']}")[-1]["Date"] <= every[0]["Date"]
    assert chosen("demo --duration 0") == []


def test_ctrl_c_leaves_the_work_going_on_and_says_how_to_wait(demo: Auroractl) -> None:
    with demo.start("create-cluster", "patient", "--readers", "0") as process:
        assert process.stderr is not None
        deadline_s = time.monotonic() + 30
        while not (demo.home.clusters / "patient").exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "accepted the work" in told
    assert "Try: auroractl wait cluster-available patient" in told
    demo("wait", "cluster-available", "patient")
    demo("delete-cluster", "patient", "--yes")


def test_live_names_are_completed_and_the_supervisor_is_not_started_for_it(demo: Auroractl) -> None:
    def completed(typed: str) -> list[str]:
        words = f"auroractl {typed}"
        done = demo.run(
            _AURORACTL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1)
        )
        return done.stdout.split()

    def soon(typed: str, names: list[str]) -> None:
        """A machine that is busy with other tests may not answer within the limit at once."""
        wait_until(f"{typed} to be completed", lambda: completed(typed) == names, timeout_s=20)

    soon("status d", ["demo"])
    soon("failover demo --target demo-instance-", [f"demo-instance-{number}" for number in (1, 2, 3)])
    soon("reboot-db-instance --db-instance-identifier demo-instance-1", ["demo-instance-1"])
    soon("inject-fault crash-storage-node demo-storage-2", ["demo-storage-2"])
    soon("wait quorum", ["quorum-held"])
    demo("supervisor", "stop")
    assert completed("status d") == []
    assert demo.run("supervisor", "status").returncode == 3
    demo("supervisor", "start")
