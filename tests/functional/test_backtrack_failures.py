"""What can go wrong with a backtrack: killed servers, damaged and missing images and log, a full disk. Nothing is half."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.system.liveness import processes_below
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import (
    assert_in_order,
    backtrack,
    execute,
    images,
    kill,
    last_event,
    moment,
    moments_folder,
    numbers,
    refused,
    told,
    wait_copies,
    wait_window,
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def shared(warm_home: Home) -> Iterator[Auroractl]:
    """A home with the cluster demo, a writer and a reader; damage is looked for quickly."""
    with home_of_its_own(warm_home, AURORACTL_SCRUB_RATE_MB_PER_S="200") as command:
        command("create-cluster", "demo", "--readers", "1")
        wait_window(command)
        yield command


@pytest.fixture
def demo(shared: Auroractl) -> Auroractl:
    """The shared cluster with 1 and 2 in the table `story`; `there` is between them."""
    execute(shared, "drop table if exists story", "create table story (id int primary key)")
    execute(shared, "insert into story values (1)")
    return shared


@pytest.fixture
def there(demo: Auroractl) -> str:
    """The moment between 1 and 2."""
    there = moment(demo)
    execute(demo, "insert into story values (2)")
    return there


def kill_in_step(auroractl: Auroractl, there: str, step: str, folder: Path) -> tuple[int, str]:
    """Backtrack; SIGKILL every process below a folder once a step has begun. Returns the exit code and what was said.

    A step may be over before it is seen on a busy machine; then it is tried again.
    """
    for _ in range(10):
        process = auroractl.start("backtrack", "demo", "--to", there, "--yes")
        killed = _kill_in_step(auroractl, process, step, folder)
        said = "".join(process.communicate(timeout=120))
        if killed:
            return process.returncode, said
        assert process.returncode == 0, said
        execute(auroractl, "insert into story values (2)")
    pytest.fail(f"the step {step!r} was never seen")


def _kill_in_step(auroractl: Auroractl, process: subprocess.Popen[str], step: str, folder: Path) -> bool:
    query = (
        "select 1 from operation_step s join operation o on o.identifier = s.operation"
        " where o.kind = 'backtrack' and o.status = 'running' and s.name like ? and s.status = 'started'"
    )
    while process.poll() is None:
        if auroractl.rows(query, f"{step}%"):
            break
        time.sleep(0.001)
    while process.poll() is None:
        pids = processes_below(folder)
        kill(pids)
        if pids:
            return True
    return False


@pytest.mark.parametrize("when", ["Recover", "Close connections", "Stop the writer", "Promote"])
def test_sigkill_of_the_recovering_server(demo: Auroractl, there: str, when: str) -> None:
    """The cluster is as it was, or the copy was made to recover once more and took its place: one or the other."""
    code, said = kill_in_step(demo, there, when, moments_folder(demo))
    assert code in {0, 1}, said
    assert_in_order(demo)
    assert numbers(demo) == ([1] if code == 0 else [1, 2])
    (newest, *_) = demo.json("describe-backtracks", "demo")["DBClusterBacktracks"]
    assert newest["Status"] == ("completed" if code == 0 else "failed")


def test_sigkill_of_the_writer_while_it_is_started_again(demo: Auroractl, there: str) -> None:
    """After the point of no return: it is finished."""
    code, said = kill_in_step(demo, there, "Start the writer", Path(demo.writer("demo")["DataDirectory"]))
    assert code == 0, said
    assert_in_order(demo)
    assert numbers(demo) == [1]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small filesystem")
def test_not_enough_disk_for_the_copy(demo: Auroractl, there: str) -> None:
    folder = moments_folder(demo)
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], check=True)
    try:
        owner = folder.parent.joinpath("instances").stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        assert "There is not enough space for a copy of the cluster" in refused(demo, "--to", there)
        assert_in_order(demo)
        assert numbers(demo) == [1, 2]
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    backtrack(demo, "--to", there)
    assert numbers(demo) == [1]


def flip(path: Path, place: int = 4096) -> None:
    """Damage one byte, as a disk would: the file's times tell nothing."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 0xFF]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_damaged_recovery_image_is_found_told_and_healed(demo: Auroractl, there: str) -> None:
    wait_copies(demo)
    image = images(demo)[0]
    victim = max((path for path in (image / "base" / "1").iterdir()), key=lambda path: path.stat().st_size)
    whole = victim.read_bytes()
    since = last_event(demo)
    flip(victim)
    wait_until("the event", lambda: told(demo, "has changed since the image was made", since))
    wait_until("the healing", lambda: told(demo, "was damaged; it was copied from", since))
    assert victim.read_bytes() == whole
    backtrack(demo, "--to", there)
    assert numbers(demo) == [1]


@pytest.fixture
def unread(demo: Auroractl) -> Iterator[Auroractl]:
    """The shared cluster, where nothing is read again by itself."""
    before = demo.variables["AURORACTL_SCRUB_RATE_MB_PER_S"]
    demo("supervisor", "stop")
    demo.variables["AURORACTL_SCRUB_RATE_MB_PER_S"] = "0.00001"
    wait_window(demo)
    wait_copies(demo)
    yield demo
    demo("supervisor", "stop")
    demo.variables["AURORACTL_SCRUB_RATE_MB_PER_S"] = before
    wait_window(demo)


def next_taken(auroractl: Auroractl, to: str) -> tuple[str, Path]:
    """The image that a backtrack to a moment begins from, and the data directory of the copy that it takes."""
    plan = auroractl.json("backtrack", "demo", "--to", to, "--dry-run")["BacktrackPlan"]
    used = str(plan["PageImage"]["Identifier"])
    return used, next(data for data in images(auroractl) if data.parent.name == used)


def test_a_damaged_recovery_image_is_never_used(unread: Auroractl, there: str) -> None:
    """Even where nobody has found it before: every file of what takes the writer's place is compared."""
    used, image = next_taken(unread, there)
    flip(max((path for path in (image / "base" / "1").iterdir()), key=lambda path: path.stat().st_size))
    since = last_event(unread)
    done = unread("backtrack", "demo", "--to", there, "--yes")
    assert "has changed since the image was made" in done.stderr
    assert_in_order(unread)
    assert numbers(unread) == [1]
    assert told(unread, "has changed since the image was made", since)
    wait_until("the healing", lambda: told(unread, f"The recovery image {used} was damaged; it was", since))


def test_peek_never_answers_from_a_damaged_recovery_image(unread: Auroractl, there: str) -> None:
    """A file that was cut off makes rows vanish without any complaint of PostgreSQL."""
    [(file, expected)] = execute(
        unread, "select pg_relation_filepath('pg_description'), (select count(*) from pg_description)"
    )
    used, image = next_taken(unread, there)
    victim = image / file
    os.truncate(victim, victim.stat().st_size // 2 // 8192 * 8192)
    since = last_event(unread)
    done = unread("peek", "demo", "--at", there, "--", "-Atc", "select count(*) from pg_description")
    assert done.stdout == f"{expected}\n"
    assert told(unread, "has changed since the image was made", since)
    wait_until("the healing", lambda: told(unread, f"The recovery image {used} was damaged; it was", since))


@pytest.mark.parametrize("command", ["peek", "backtrack"])
def test_a_damaged_image_that_is_the_only_copy_answers_nobody(auroractl: Auroractl, command: str) -> None:
    """It is copied and not taken, and compared beside that."""
    unread = {"AURORACTL_SCRUB_RATE_MB_PER_S": "0.00001", "AURORACTL_BACKTRACK_DISK_BUDGET": "1MB"}
    auroractl("create-cluster", "demo", "--readers", "0", **unread)
    wait_window(auroractl)
    [image] = wait_until("second copies to be given up", lambda: len(each := images(auroractl)) == 1 and each)
    execute(auroractl, "create table story as select 1 as id")
    there = moment(auroractl)
    execute(auroractl, "insert into story values (2)")
    victim = max((path for path in (image / "base" / "1").iterdir()), key=lambda path: path.stat().st_size)
    flip(victim)
    since = last_event(auroractl)
    if command == "peek":
        done = auroractl.run("peek", "demo", "--at", there, "--", "-Atc", "select id from story")
    else:
        done = auroractl.run("backtrack", "demo", "--to", there, "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Copy a recovery image of " in done.stderr
    assert f"{victim} has changed since the image was made." in done.stderr
    assert numbers(auroractl) == [1, 2]
    assert_in_order(auroractl)
    wait_until("its end", lambda: told(auroractl, "there is no older image to make it from", since))
    wait_window(auroractl)
    backtrack(auroractl, "--to", there)
    assert numbers(auroractl) == [1], "from another that was made from what the cluster was made from"


def test_an_image_whose_manifest_says_nothing_is_given_up_and_told_of(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    storage = auroractl.home.cluster("demo").storage
    found = wait_until("three images", lambda: len(each := sorted(storage.glob("*/*/manifest.json"))) == 3 and each)
    missing, wrong, _ = found
    execute(auroractl, "create table story as select 1 as id")
    there = moment(auroractl)
    execute(auroractl, "insert into story values (2)")
    since = last_event(auroractl)
    missing.unlink()
    wrong.write_text('{"a": 1}')
    wait_until("their end", lambda: not missing.parent.exists() and not wrong.parent.exists())
    for manifest in (missing, wrong):
        assert told(
            auroractl, f"The manifest of the recovery image {manifest.parent.name} was missing or damaged", since
        )
    backtrack(auroractl, "--to", there)
    assert numbers(auroractl) == [1]


def test_damaged_log_of_one_node_is_never_used(unread: Auroractl) -> None:
    execute(unread, "create table if not exists filler (text text)")
    for _ in range(3):
        execute(unread, "insert into filler select repeat(md5(i::text), 30) from generate_series(1, 5000) i")
    there = moment(unread)
    execute(unread, "insert into story values (2)")
    node = unread.home.cluster("demo").storage_node("demo-storage-1")
    finished = wait_until(
        "finished log", lambda: sorted(path for path in node.iterdir() if len(path.name) == 24 and not path.suffix)
    )
    assert len(finished) >= 2
    for path in finished[-3:]:
        flip(path, 1_000_000)
    backtrack(unread, "--to", there)
    assert numbers(unread) == [1]
    assert execute(unread, "select count(*) from filler") == [(15_000,)]
    execute(unread, "drop table filler")


def test_without_a_usable_image_the_cluster_stays_as_it_was(unread: Auroractl, there: str) -> None:
    """All of them damaged at once: refused, whatever is tried, until a new one has been made."""
    before = {each["ProcessId"] for each in unread.instances("demo")}
    for image in images(unread):
        flip(image / "global" / "pg_control", 8)
    said = [refused(unread, "--to", there) for _ in range(4)]
    assert any("has changed since the image was made" in each for each in said), said
    assert {each["ProcessId"] for each in unread.instances("demo")} == before
    assert_in_order(unread)
    assert numbers(unread) == [1, 2]
    wait_until("a moment that can be reached", lambda: unread.cluster("demo")["EarliestBacktrackTime"], 60)
    later = moment(unread)
    execute(unread, "insert into story values (3)")
    wait_until("the window", lambda: unread.run("backtrack", "demo", "--to", later, "--yes").returncode == 0, 60)
    assert_in_order(unread)
    assert numbers(unread) == [1, 2]


def test_no_process_of_any_copy_is_left(shared: Auroractl) -> None:
    """After all of the above: one server per instance, one receiver per storage node, an endpoint, a supervisor."""
    wait_until("image keepers to rest", lambda: len(shared.postmasters()) == 2)
    assert len([each for each in shared.processes() if "pg_receivewal" in each]) == 6
