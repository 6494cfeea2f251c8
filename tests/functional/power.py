"""A disk whose power can be cut: whatever was not flushed to it is gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.functional.command import Auroractl

_SHUTDOWN = 0x8004587D
"""The request with which xfstests cuts a filesystem off its device (linux/fs.h and fs/ext4/ext4.h)."""
_WITHOUT_LOG_FLUSH = 2
_BYTES = 4 * 1024**3


class Disk:
    """An ext4 filesystem in a file; cutting its power loses what was not flushed, journal and all."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk"
        self.mount = folder / "mounted"
        self.mount.mkdir()
        with self._image.open("wb") as file:
            file.truncate(_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self._mount()
        self.mount.chmod(0o755)

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.mount))

    def cut_power(self) -> None:
        """Cut the power of the machine: end every process that uses the disk, and lose what it has not flushed."""
        self._signal(signal.SIGSTOP)
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG_FLUSH))
        finally:
            os.close(descriptor)
            # A process may have been started while the others were being stopped.
            while self._signal(signal.SIGKILL):
                time.sleep(0.02)
            self._begin_again()

    def _signal(self, number: signal.Signals) -> bool:
        """Send a signal to every process that uses the disk; return whether there was one."""
        using = self._users()
        for pid in using:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(using)

    def _begin_again(self) -> None:
        """Mount a copy of the disk: what has copied the mounts of this process may still hold the one that was cut off."""
        self.unmount()
        copy = self._image.with_name("copy")
        _run("cp", "--sparse=always", str(self._image), str(copy))
        copy.replace(self._image)
        self._mount()

    def _users(self) -> list[int]:
        """The processes that run a program of the disk, work on it or have a file of it open."""
        found = set()
        for link in (*Path("/proc").glob("[0-9]*/exe"), *Path("/proc").glob("[0-9]*/cwd"), *_open_files()):
            with contextlib.suppress(OSError):
                if str(link.readlink()).startswith(str(self.mount)):
                    found.add(int(link.parts[2]))
        return sorted(found - {os.getpid()})

    def unmount(self) -> None:
        """Unmount it."""
        for _ in range(20):
            if subprocess.run(["umount", str(self.mount)], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        _run("umount", "-l", str(self.mount))


def _open_files() -> Iterator[Path]:
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            yield from folder.iterdir()


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@contextmanager
def disk() -> Iterator[Disk | None]:
    """A disk of its own; None where this account or this machine can have none."""
    roomy = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="auroractl-power-", dir=roomy if os.access(roomy, os.W_OK) else None))
    folder.chmod(0o755)
    try:
        try:
            made = Disk(folder)
        except (OSError, subprocess.CalledProcessError):
            yield None
            return
        try:
            yield made
        finally:
            made.unmount()
    finally:
        shutil.rmtree(folder)


class Powered(Auroractl):
    """A command line whose supervisor can be told that the machine was booted again."""

    def supervisor_log(self) -> str:
        """The end of what the supervisor says; nothing while the disk is cut off."""
        with contextlib.suppress(OSError):
            return super().supervisor_log()
        return ""

    def server_logs(self) -> str:
        """The end of what the servers say; nothing while the disk is cut off."""
        with contextlib.suppress(OSError):
            return super().server_logs()
        return ""

    def boot(self) -> None:
        """Let every later supervisor run in a new boot of the machine."""
        self.variables["AURORACTL_BOOT_ID"] = str(uuid.uuid4())
