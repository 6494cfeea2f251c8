"""A writer whose disk takes no writes: its server answers, and nothing commits."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.functional.command import Auroractl, wait_until
from tests.functional.ledger import Ledger
from tests.functional.test_volume import wait_for_progress

STALLED_AFTER_S = 2


@contextmanager
def on_a_disk_of_its_own(data: Path, image: Path) -> Iterator[None]:
    """A stopped server's data directory on an ext4 filesystem of its own."""
    with image.open("wb") as file:
        file.truncate(256 * 1024**2)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    aside = data.with_name("data.aside")
    data.rename(aside)
    data.mkdir()
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(data)], check=False)
    if mounted.returncode:
        data.rmdir()
        aside.rename(data)
        pytest.skip("no loop device can be mounted here")
    try:
        owner = aside.stat()
        (data / "lost+found").rmdir()
        subprocess.run(["cp", "-Rp", f"{aside}/.", str(data)], check=True)
        os.chown(data, owner.st_uid, owner.st_gid)
        data.chmod(0o700)
        shutil.rmtree(aside)
        yield
    finally:
        # Nothing can be unmounted or ended while it is frozen.
        subprocess.run(["fsfreeze", "-u", str(data)], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "--lazy", str(data)], check=True)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("fsfreeze") or not shutil.which("mkfs.ext4"),
    reason="freezing a filesystem takes root, fsfreeze and mkfs.ext4",
)
def test_a_writer_whose_disk_is_stuck_is_replaced_and_comes_back(auroractl: Auroractl, tmp_path: Path) -> None:
    auroractl.variables["AURORACTL_STALLED_AFTER_S"] = str(STALLED_AFTER_S)
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    data = Path(writer["DataDirectory"])
    auroractl("stop-cluster", "demo")
    auroractl("supervisor", "stop", "--all")
    with on_a_disk_of_its_own(data, tmp_path / "disk.img"):
        auroractl("start-cluster", "demo")
        auroractl.wait_healthy("demo")
        with Ledger(auroractl.uri("demo"), clients=4) as ledger:
            wait_for_progress(ledger)
            subprocess.run(["fsfreeze", "-f", str(data)], check=True)
            try:
                wait_until(
                    "another writer",
                    lambda: auroractl.writer("demo")["DBInstanceIdentifier"] != writer["DBInstanceIdentifier"],
                    30,
                )
                wait_for_progress(ledger)
                wait_until("the reason", lambda: "takes no writes" in str(auroractl.cluster("demo")["Problems"]), 15)
                history = auroractl.json("failover-history", "demo")["Failovers"]
                assert [each["Reason"] for each in history] == [
                    "The writer's disk takes no writes; it is ended and a reader is promoted."
                ]
            finally:
                subprocess.run(["fsfreeze", "-u", str(data)], check=True)
            auroractl.wait_healthy("demo")
            wait_for_progress(ledger)
        assert ledger.missing() == set()
        auroractl("stop-cluster", "demo")
