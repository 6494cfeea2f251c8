"""Links that the account of the databases plants, and the files of root that they lead to."""

from __future__ import annotations

import itertools
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.security.conftest import LocalAccount, take_stock

_PLANT = """\
import os, sys
kind, place, victim = sys.argv[1:]
if not os.access(os.path.dirname(place), os.W_OK):
    sys.exit()  # out of its reach, which is as good
if os.path.lexists(place):
    os.rename(place, place + ".kept-aside")
if kind == "symlink":
    os.symlink(victim, place)
elif kind == "fifo":
    os.mkfifo(place)
elif kind == "hardlink":
    os.link(victim, place)
"""
_UPROOT = """\
import os, shutil, stat, sys, time
place = sys.argv[1]
aside = place + ".kept-aside"
if os.path.lexists(place) and stat.S_ISFIFO(os.lstat(place).st_mode):
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    os.unlink(place)
    time.sleep(0.2)
    os.close(reader)
elif os.path.islink(place):
    os.unlink(place)
if os.path.lexists(aside) and not os.path.lexists(place):
    os.rename(aside, place)
elif os.path.isdir(aside):
    shutil.rmtree(aside)
elif os.path.lexists(aside):
    os.unlink(aside)
"""
_READ_ALL = """\
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(folder, name)
        try:
            if os.path.isfile(path) and sys.argv[2].encode() in open(path, "rb").read():
                print(path)
        except OSError:
            pass
"""
_WATCH = """\
import glob, sys, time
folder, token = sys.argv[1], sys.argv[2].encode()
while True:
    for path in glob.glob(folder + "/moments/*/data/postgresql.auto.conf"):
        try:
            if token in open(path, "rb").read():
                print(path, flush=True)
                sys.exit()
        except OSError:
            pass
    time.sleep(0.001)
"""
"""What is there only for a moment has been told all the same."""


@dataclass
class Victims:
    """What root has outside of the home."""

    folder: Path
    token: str = field(default_factory=lambda: f"secret-{secrets.token_hex(16)}")

    def __post_init__(self) -> None:
        self.folder.chmod(0o755)
        for path, mode in ((self.private, 0o600), (self.readable, 0o644)):
            # As long as a log that is read from its end, and with the beginning of a line that looks like one.
            path.write_text(f"2026-01-01 00:00:00.000 UTC [1] LOG:  {self.token}\n" * 3)
            path.chmod(mode)
        self.inside.mkdir()
        (self.inside / "kept").write_text("kept\n")
        self._before = take_stock(self.folder)

    @property
    def private(self) -> Path:
        """A file that only root may read."""
        return self.folder / "private"

    @property
    def readable(self) -> Path:
        """A file that everybody may read and only root may write."""
        return self.folder / "readable"

    @property
    def inside(self) -> Path:
        """A folder with a file in it."""
        return self.folder / "folder"

    def changes(self) -> list[str]:
        """What is not as it was."""
        now = take_stock(self.folder)
        return [
            f"{path} was changed"
            for path in self._before.keys() | now.keys()
            if self._before.get(path) != now.get(path)
        ]


def watching(account: LocalAccount, cluster: Path, token: str) -> subprocess.Popen[str]:
    """A program of the account that looks for a text in what copies of the cluster have, as long as it runs."""
    return account.start(account.python_program(_WATCH, str(cluster), token))


def readable(account: LocalAccount, folder: Path, token: str) -> list[Path]:
    """The files below a folder in which the account can read a text; those that lead elsewhere do not count."""
    found = map(Path, account.do(_READ_ALL, str(folder), token).splitlines())
    return [path for path in found if not path.is_symlink()]


def plant(account: LocalAccount, kind: str, place: Path, target: Path) -> None:
    """Put a symlink, a hardlink or a fifo in a place, as the account; nothing where that is out of its reach."""
    account.do(_PLANT, kind, str(place), str(target))


def is_planted(place: Path, targets: list[Path]) -> bool:
    """Whether what was planted in a place is still there."""
    return (
        place.is_symlink() or place.is_fifo() or (place.exists() and any(place.samefile(target) for target in targets))
    )


@contextmanager
def planted(account: LocalAccount, kind: str, places: list[Path], targets: list[Path]) -> Iterator[None]:
    """Links to the targets, in turn, or pipes, for as long as the block lasts; what was there lies beside meanwhile."""
    try:
        for place, target in zip(places, itertools.cycle(targets), strict=False):
            plant(account, kind, place, target)
        yield
    finally:
        for place in places:
            account.run(account.python_program(_UPROOT, str(place)))
