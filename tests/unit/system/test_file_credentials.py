"""Whose rights threads have when they touch files; each case in a process of its own, because that is for good."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="only root on Linux can touch files as another account"
)

PRELUDE = """
import os, threading
from pathlib import Path
from auroractl.system.accounts import named_account
from auroractl.system.file_credentials import as_account, as_self, drop_to, trusted_owners, work_as
from auroractl.system.privileged_imports import import_as_self

nobody = named_account("nobody")
folder = Path({folder!r})
secret = folder / "secret"

def readable():
    try:
        return secret.read_text() == "root's"
    except PermissionError:
        return False

def in_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter, with a file that only root can read."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o777)
        (path / "secret").write_text("root's")
        (path / "secret").chmod(0o600)
        yield path


def run(folder: Path, program: str) -> None:
    """Run a program after the prelude; it must end without an error."""
    text = PRELUDE.format(folder=str(folder)) + program
    done = subprocess.run([sys.executable, "-P", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_threads_inherit_the_account_and_are_root_only_inside(folder: Path) -> None:
    run(
        folder,
        """
assert readable() and in_thread(readable)
work_as(nobody)
assert not readable() and not in_thread(readable)
with as_self():
    with as_self():
        assert readable()
    assert readable()
assert not readable()
assert os.geteuid() == 0 and trusted_owners() == {0, nobody.uid}
(folder / "made").touch()
assert (folder / "made").stat().st_uid == nobody.uid
with as_self():
    (folder / "own").touch()
assert (folder / "own").stat().st_uid == 0
""",
    )


def test_one_thread_as_root_does_not_make_another_root(folder: Path) -> None:
    run(
        folder,
        """
work_as(nobody)
inside, looked, seen = threading.Event(), threading.Event(), []

def other():
    inside.wait(10)
    seen.append(readable())
    looked.set()

thread = threading.Thread(target=other)
thread.start()
with as_self():
    inside.set()
    assert looked.wait(10) and readable()
thread.join()
assert seen == [False]
""",
    )


def test_groups_of_root_are_given_up(folder: Path) -> None:
    (folder / "secret").chmod(0o040)
    run(folder, "os.setgroups([0])\nwork_as(nobody)\nassert not readable()\n")
    run(
        folder, "os.setgroups([0])\nwith as_account(nobody):\n    assert not readable()\nassert os.getgroups() == [0]\n"
    )


def test_a_command_reads_as_the_account_for_a_while(folder: Path) -> None:
    run(
        folder,
        "with as_account(nobody):\n    assert not readable()\nassert readable()\nwith as_account(None):\n    assert readable()\n",
    )


def test_as_self_changes_nothing_before(folder: Path) -> None:
    run(
        folder,
        "with as_self():\n    assert readable()\nassert readable() and trusted_owners() == {0}\nwork_as(None)\nassert readable()\n",
    )


def test_dropping_is_for_good(folder: Path) -> None:
    run(
        folder,
        """
drop_to(nobody)
assert os.getresuid() == (nobody.uid,) * 3 and os.getresgid() == (nobody.gid,) * 3
assert not readable()
try:
    os.setuid(0)
except PermissionError:
    pass
else:
    raise AssertionError("root again")
""",
    )


def test_modules_are_read_as_the_process_itself(folder: Path) -> None:
    (folder / "hidden").mkdir(mode=0o700)
    (folder / "hidden" / "late_module.py").write_text("import late_too\nVALUE = late_too.VALUE\n")
    (folder / "hidden" / "late_too.py").write_text("VALUE = 7\n")
    run(
        folder,
        """
import sys
sys.path.insert(0, str(folder / "hidden"))
work_as(nobody)
try:
    import late_module
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("the folder can be read as the account")
sys.path_importer_cache.clear()
import_as_self()
import late_module, html.parser, encodings.idna, sqlite3.dbapi2
assert late_module.VALUE == 7
assert not readable()
""",
    )
