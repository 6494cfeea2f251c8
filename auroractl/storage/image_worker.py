"""Copies page images and takes their checksums in a process of its own, which gives way to everybody.

A thread of the supervisor could not: Linux shares the processors among sessions first (process/priority.py). The process says
how much it has read or written and waits for an answer before it goes on, so that its pace is set, and it is told to stop,
where the reasons for that are known. It ends by itself where nobody answers any more.

    python -m auroractl.storage.image_worker copy IMAGE TARGET [--owner UID:GID]
    python -m auroractl.storage.image_worker checksums DATA
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroractl.core.errors import MachineError
from auroractl.process.accounts import Account
from auroractl.process.priority import set_niceness
from auroractl.process.programs import Companion
from auroractl.storage.images import Checksums, DamagedImage, ImageFolder, Pace, checksums

_TOLD_BYTES = 4 * 1024 * 1024
"""So much is read or written between two questions."""
_LOOK_S = 0.2
_MODULE = "auroractl.storage.image_worker"


@dataclass(frozen=True, slots=True)
class ImageWorker:
    """Has the work done.

    `pace` is called with the bytes that have been read or written, or with 0 where none were for a while; it may wait, and
    raises what is to end the work. `niceness` says how much the work gives way now, from 0 to 19.
    """

    pace: Pace
    niceness: Callable[[], int]

    def copy(self, image: Path, target: Path, account: Account | None) -> None:
        """Copy the data directory of a stored image, which lies in the folder `image`.

        Raises DamagedImage where it is not what it was, OSError, MachineError where the work is cut off, and what `pace` raises.
        """
        owner = [f"--owner={account.uid}:{account.gid}"] if account else []
        self._have_done(["copy", str(image), str(target), *owner])

    def checksums(self, data: Path) -> Checksums:
        """Flush every file of a data directory and take its checksum.

        Raises OSError, MachineError where the work is cut off, and what `pace` raises.
        """
        found = self._have_done(["checksums", str(data)])
        return {name: (size, checksum) for name, (size, checksum) in found.items()}

    def _have_done(self, arguments: list[str]) -> Any:
        with Companion([sys.executable, "-P", "-m", _MODULE, *arguments]) as companion:
            while (line := companion.hear(_LOOK_S)) != "":
                set_niceness([companion.pid], self.niceness())
                told = json.loads(line) if line else {"Bytes": 0}
                if "Bytes" not in told:
                    return _result(told)
                self.pace(told["Bytes"])
                if line:
                    companion.say("on")
            raise MachineError(f"The work on a page image was cut off: {companion.complaint()}", "")


def _result(told: dict[str, Any]) -> Any:
    if "Damaged" in told:
        raise DamagedImage(told["Damaged"], "")
    if "Error" in told:
        raise OSError(*told["Error"])
    return told["Result"]


def _tell(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _ask_to_go_on() -> Pace:
    untold_bytes = 0

    def pace(size_bytes: int) -> None:
        nonlocal untold_bytes
        untold_bytes += size_bytes
        if untold_bytes >= _TOLD_BYTES:
            _tell(Bytes=untold_bytes)
            untold_bytes = 0
            if not sys.stdin.readline():
                sys.exit("nobody waits for it any more")

    return pace


def _owner(written: str) -> Account:
    uid, gid = written.split(":")
    return Account("", int(uid), int(gid))


def _work(arguments: argparse.Namespace) -> Checksums | None:
    pace = _ask_to_go_on()
    # So that it is found and ended with what works there, should its supervisor be gone.
    os.chdir(arguments.data if arguments.work == "checksums" else arguments.target.parent)
    if arguments.work == "checksums":
        return checksums(arguments.data, pace, flush=True)
    stored = ImageFolder("", arguments.image.parent).image(arguments.image.name)
    if stored is None:
        raise FileNotFoundError(2, "The page image is gone", str(arguments.image))
    stored.copy_to(arguments.target, arguments.owner, pace)
    return None


def main() -> None:
    """Do one piece of work and say what came of it."""
    parser = argparse.ArgumentParser(prog=_MODULE)
    works = parser.add_subparsers(dest="work", required=True)
    copying = works.add_parser("copy")
    copying.add_argument("image", type=Path)
    copying.add_argument("target", type=Path)
    copying.add_argument("--owner", type=_owner)
    works.add_parser("checksums").add_argument("data", type=Path)
    try:
        _tell(Result=_work(parser.parse_args()))
    except DamagedImage as error:
        _tell(Damaged=error.message)
    except OSError as error:
        # Several at once are told as one without a number.
        _tell(Error=[error.errno, error.strerror, error.filename] if error.errno else [str(error)])


if __name__ == "__main__":
    main()
