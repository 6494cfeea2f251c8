"""A process that lacks descriptors does not take others for dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ASKING = """
import os, resource, sys
from pathlib import Path
from auroractl.system.limits import Shortage, shortage_for_connections
from auroractl.system.liveness import processes_below, runs_in, works_in
from auroractl.storage.checksums import ChecksumRecord, checksum

folder, pid = Path(sys.argv[1]), int(sys.argv[2])
asked = {
    "runs_in": lambda: runs_in(pid, folder),
    "works_in": lambda: works_in(pid, folder),
    "processes_below": lambda: processes_below(folder),
    "checksum": lambda: checksum(folder / "segment"),
    "record": lambda: ChecksumRecord(folder).load(),
}
print([ask() for ask in asked.values()], shortage_for_connections())
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        os.open(os.devnull, os.O_RDONLY)
except OSError:
    pass
for name, ask in asked.items():
    try:
        print(name, ask())
    except Shortage:
        print(name, "Shortage")
print(shortage_for_connections().message.partition(";")[0])
"""


def test_what_cannot_be_found_out_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "segment").write_bytes(b"x")
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path, start_new_session=True) as sleeping:
        try:
            asking = [sys.executable, "-c", _ASKING, str(tmp_path), str(sleeping.pid)]
            said = subprocess.run(asking, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
        finally:
            sleeping.kill()
    assert said == [
        f"[True, True, [{sleeping.pid}], None, {{}}] None",
        *(f"{name} Shortage" for name in ("runs_in", "works_in", "processes_below", "checksum", "record")),
        "This process lacks resources: [Errno 24] Too many open files",
    ]
