"""The account of the databases plants links where root writes and reads; nothing outside changes, and nothing is told.

Root keeps a folder of victims: a file that only it may read, one that everybody may read, and a folder. Whatever lies in
the way of an operation, they are as they were afterwards, and what the private one says is nowhere to be read.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from auroractl.config.paths import Home
from auroractl.system.liveness import processes_below
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import moment, wait_window
from tests.security.conftest import LocalAccount, eventually
from tests.security.planting import Victims, is_planted, plant, planted, readable, watching

_WRITABLE = """\
import os, sys
for folder, _, _ in os.walk(sys.argv[1]):
    if os.access(folder, os.W_OK):
        print(folder)
"""

Places = Callable[[Auroractl], list[Path]]
Work = Callable[[Auroractl], None]


def _instance(auroractl: Auroractl, which: int) -> Path:
    return Path(auroractl.instances("demo")[which]["DataDirectory"]).parent


def _log(auroractl: Auroractl) -> Path:
    """The log of a reader."""
    return auroractl.home.cluster("demo").instance(auroractl.readers("demo")[0]["DBInstanceIdentifier"]).log


def _node(auroractl: Auroractl, kind: str = "full") -> dict[str, Any]:
    found: list[dict[str, Any]] = auroractl.volume("demo")["StorageNodes"]
    return next(node for node in found if node["Kind"].lower().startswith(kind))


def _named(names: list[str], folder: Callable[[Auroractl], Path]) -> Places:
    return lambda auroractl: [folder(auroractl) / name for name in names]


def _trees_on_their_way_out(auroractl: Auroractl) -> list[Path]:
    """The names that a storage node and the instance that is added next get before they are removed."""
    cluster = auroractl.home.cluster("demo")
    added = cluster.instance(f"demo-instance-{len(auroractl.instances('demo')) + 1}").folder
    folders = [Path(_node(auroractl)["Path"]), added]
    return [each.with_name(f"{each.name}.removing") for each in folders]


def _reboot_reader(auroractl: Auroractl) -> None:
    _do(auroractl, "reboot-instance", auroractl.readers("demo")[0]["DBInstanceIdentifier"])


def _fail_over(auroractl: Auroractl) -> None:
    _do(auroractl, "failover", "demo")


def _backtrack_and_peek(auroractl: Auroractl) -> None:
    then = moment(auroractl)
    _do(auroractl, "peek", "demo", "--at", then, "--", "-c", "select 1")
    _do(auroractl, "backtrack", "demo", "--to", then, "--yes")


def _replace_node(auroractl: Auroractl) -> None:
    _do(auroractl, "replace-storage-node", _node(auroractl)["StorageNodeIdentifier"])


def _restart_node(auroractl: Auroractl) -> None:
    """A storage node that was killed comes back, with its log and its lock."""
    node = _node(auroractl)["StorageNodeIdentifier"]
    _do(auroractl, "inject-fault", "crash-storage-node", node)
    eventually(lambda: None if _node(auroractl)["ProcessId"] else "not yet", 5.0)


def _scrub(auroractl: Auroractl) -> None:
    _do(auroractl, "scrub-volume", "demo")


def _add_and_remove(auroractl: Auroractl) -> None:
    _do(auroractl, "scale-readers", "demo", "--add", "1")
    _do(auroractl, "scale-readers", "demo", "--remove", "1")


def _do(auroractl: Auroractl, *arguments: str) -> None:
    """A command that may succeed or be refused because of what was planted; it must end, and know why."""
    try:
        done = auroractl.run(*arguments, timeout_s=60)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{arguments} did not end")
    sys.stdout.write(f"{arguments}: {done}\n")
    assert done.returncode != 70, done


def _image_places(auroractl: Auroractl) -> list[Path]:
    images = auroractl.home.cluster("demo").storage_images(_node(auroractl)["StorageNodeIdentifier"])
    return [each / "manifest.json" for each in sorted(images.iterdir()) if (each / "manifest.json").exists()]


@dataclass(frozen=True)
class Case:
    """What is planted where, and what is done then."""

    places: Places
    work: tuple[Work, ...]
    kind: str = "symlink"
    victims: tuple[str, ...] = ("private",)
    """To which of them links lead, in turn."""
    met: bool = False
    """Whether the work comes across each of them for certain, and takes it away or puts a file of its own there."""


_READER: Callable[[Auroractl], Path] = lambda auroractl: _instance(auroractl, 1)  # noqa: E731
_REPLACED = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "standby.signal"]
_CONFIGURATION = [*_REPLACED, "recovery.signal"]
CASES = {
    "password and mark of a copy": Case(
        _named(["pgpass", "data.incomplete"], _READER), (_reboot_reader, _fail_over), victims=("private", "readable"), met=True
    ),
    "folders that are being removed": Case(
        _trees_on_their_way_out, (_add_and_remove, _replace_node), victims=("inside",), met=True
    ),
    "hard links in place of configuration": Case(
        _named(_CONFIGURATION, lambda one: _READER(one) / "data"), (_reboot_reader,), kind="hardlink", met=True
    ),
    "pipes in place of configuration": Case(
        _named(_REPLACED, lambda one: _READER(one) / "data"), (_reboot_reader,), kind="fifo", met=True
    ),
    "the log of an instance as a pipe": Case(lambda each: [_log(each)], (_reboot_reader,), kind="fifo"),
    "configuration": Case(
        lambda each: [_READER(each) / "data" / name for name in (*_CONFIGURATION, "postgresql.auto.conf")],
        (_reboot_reader,),
    ),
    "settings that a copy takes over": Case(
        lambda each: [_instance(each, 0) / "data" / "postgresql.auto.conf"], (_backtrack_and_peek,)
    ),
    "the log of an instance": Case(lambda each: [_log(each)], (_reboot_reader,)),
    "the pid file of a server": Case(lambda each: [_READER(each) / "data" / "postmaster.pid"], (_reboot_reader,)),
    "the recovery folder": Case(lambda each: [_instance(each, 1) / "recovery"], (_fail_over,), victims=("inside",)),
    "the data directory's log": Case(
        lambda each: [_READER(each) / "data" / "pg_wal"], (_reboot_reader, _fail_over), victims=("inside",)
    ),
    "log, lock and password of the storage nodes": Case(
        lambda each: [each.home.cluster("demo").storage / f"{_node(each)['StorageNodeIdentifier']}.{end}" for end in ("log", "pid")]
        + [each.home.cluster("demo").storage_pgpass],
        (_restart_node,),
    ),
    "the log of a storage node as a pipe": Case(
        lambda each: [each.home.cluster("demo").storage / f"{_node(each)['StorageNodeIdentifier']}.log"],
        (_restart_node,), kind="fifo",
    ),
    "log that a storage node holds": Case(
        lambda each: [Path(_node(each)["Path"]) / name for name in ("000000010000000000000001", "00000002.history")],
        (_scrub, _fail_over),
    ),
    "manifests of recovery images": Case(_image_places, (_backtrack_and_peek,)),
    "the recovery images of a node": Case(
        lambda each: [each.home.cluster("demo").storage_images(_node(each)["StorageNodeIdentifier"])],
        (_scrub, _replace_node), victims=("inside",),
    ),
    "the folder of a storage node": Case(
        lambda each: [Path(_node(each)["Path"])], (_scrub, _replace_node), victims=("inside",)
    ),
    "the data directory": Case(lambda each: [_READER(each) / "data"], (_reboot_reader, _add_and_remove), victims=("inside",)),
}  # fmt: skip


@pytest.fixture
def victims() -> Iterator[Victims]:
    """Files of root outside of any home."""
    folder = Path(tempfile.mkdtemp(prefix="auroractl-victims-"))
    yield Victims(folder)
    shutil.rmtree(folder)


class Ground:
    """A cluster that tests share for as long as what was planted did it no harm."""

    def __init__(self, warm_home: Home) -> None:
        self._warm_home = warm_home
        self._current: Any = None
        self.auroractl: Auroractl | None = None

    def well(self) -> Auroractl:
        """A healthy cluster with a recovery image."""
        if self.auroractl is None or eventually(lambda: _ill(self.auroractl), 5.0):
            self.end()
            self._current = home_of_its_own(self._warm_home)
            self.auroractl = self._current.__enter__()
            self.auroractl("create-cluster", "demo")
            wait_window(self.auroractl)
        assert self.auroractl is not None
        return self.auroractl

    def end(self) -> None:
        """End the home, if there is one."""
        if self._current is not None:
            self._current.__exit__(None, None, None)


def _ill(auroractl: Auroractl | None) -> str | None:
    assert auroractl is not None
    view = auroractl.cluster("demo")
    well = view["Health"] == "ok" and view["Status"] == "available" and view["Operation"] is None
    return None if well else f"{view['Status']}: {view['Problems']}, {view['Operation']}"


@pytest.fixture(scope="module")
def ground(warm_home: Home) -> Iterator[Ground]:
    """Where things are planted."""
    found = Ground(warm_home)
    yield found
    found.end()


@pytest.mark.parametrize("name", CASES)
def test_what_is_planted_in_the_way_of_root_changes_and_tells_nothing(
    ground: Ground, database_account: LocalAccount, victims: Victims, name: str
) -> None:
    case, auroractl = CASES[name], ground.well()
    if case.kind == "hardlink" and Path("/proc/sys/fs/protected_hardlinks").read_text().strip() == "1":
        pytest.skip("this kernel lets nobody make a hard link to a file of somebody else")
    targets = [getattr(victims, each) for each in case.victims]
    with (
        planted(database_account, case.kind, places := case.places(auroractl), targets),
        watching(database_account, auroractl.home.cluster("demo").folder, victims.token) as watcher,
    ):
        try:
            for work in case.work:
                work(auroractl)
            left = [path for path in places if case.met and is_planted(path, targets)]
            problems = [f"nothing came across {path}" for path in left]
            problems += victims.changes() + _told(auroractl, database_account, victims)
        finally:
            watcher.kill()
            seen, _ = watcher.communicate()
    problems += [f"{path} held it for a moment" for path in seen.splitlines()]
    # What the account does to its own data may need the remedy that status names.
    auroractl.run("start-cluster", "demo")
    problems += victims.changes()
    if (ill := eventually(lambda: _ill(auroractl), 40.0)) is not None:
        problems.append(f"after it was taken away: {ill}")
    assert not problems, "\n".join(problems)


def _told(auroractl: Auroractl, account: LocalAccount, victims: Victims) -> list[str]:
    """Where the private victim's content can be read: by the account, and by whoever gets the report or reads logs."""
    found = readable(account, auroractl.home.root, victims.token)
    problems = [f"{path} holds it, for the account to read" for path in found]
    target = victims.folder.with_name(f"{victims.folder.name}-report.tar.gz")
    done = auroractl.run("report", "--file", str(target), timeout_s=60)
    try:
        if target.exists():
            with tarfile.open(fileobj=io.BytesIO(target.read_bytes())) as bundle:
                for member in bundle.getmembers():
                    file = bundle.extractfile(member)
                    if file is not None and victims.token.encode() in file.read():
                        problems.append(f"the report tells it in {member.name.partition('/')[2]}")
    finally:
        target.unlink(missing_ok=True)
    logs = auroractl.run("logs", "demo", timeout_s=60)
    problems += [
        f"{what} tells it" for what, each in (("report", done), ("logs", logs)) if victims.token in each.stdout
    ]
    return problems


def test_only_the_databases_own_folders_are_open_to_them(ground: Ground, database_account: LocalAccount) -> None:
    """Nothing can be planted where root keeps what it believes: state, secrets, endpoints, sockets, programs."""
    home = ground.well().home
    allowed = (
        home.cluster("demo").instances,
        home.cluster("demo").storage,
        home.cluster("demo").moments,
        home.root / "template",
        home.root / "sockets",
    )
    writable = [Path(line) for line in database_account.do(_WRITABLE, str(home.root)).splitlines()]
    assert [path for path in writable if not any(path.is_relative_to(each) for each in allowed)] == []
    assert writable


def test_a_cluster_with_links_planted_in_it_is_deleted_and_nothing_else(
    auroractl: Auroractl, database_account: LocalAccount, victims: Victims
) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    places = [_READER(auroractl) / "planted", _READER(auroractl) / "data" / "base" / "planted",
              auroractl.home.cluster("demo").storage / "planted", Path(_node(auroractl)["Path"]) / "planted"]  # fmt: skip
    for place in places:
        plant(database_account, "symlink", place, victims.inside)
    plant(database_account, "symlink", _READER(auroractl) / "recovery", victims.inside)
    auroractl("delete-cluster", "demo", "--yes")
    assert victims.changes() == []
    assert not auroractl.home.cluster("demo").folder.exists()
    wait_until("nothing to run", lambda: not processes_below(auroractl.home.clusters))
