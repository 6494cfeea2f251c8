"""Copying and checksumming of recovery images in a separate low-priority process.

A thread of the supervisor could not have low priority: Linux shares the processors among sessions first
(system/priority.py). The process reports how much it has read or written and waits for an answer before it continues.
Its caller knows the reasons to pace or stop the work, and does both this way. The process ends by itself if no answer
comes.

    python -m auroractl.storage.image_worker [--account NAME] copy IMAGE TARGET
    python -m auroractl.storage.image_worker [--account NAME] checksums DATA

Started by root, it switches to the account that owns the images before it touches any of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroractl.core.errors import InvalidParameterValue, MachineError, TimedOut
from auroractl.core.text.bounded_json import bounded_object
from auroractl.storage.images import Checksums, DamagedImage, ImageFolder, Pace, checksums
from auroractl.system.account import Account
from auroractl.system.accounts import named_account
from auroractl.system.file_credentials import drop_to
from auroractl.system.priority import set_niceness
from auroractl.system.programs import Companion

_REPORT_BYTES = 4 * 1024 * 1024
"""Bytes that are read or written between two reports."""
_LOOK_S = 0.2
_SILENCE_TIMEOUT_S = 3600.0
"""The process reports nothing while it links shared blocks or waits for a slow disk."""
_MODULE = "auroractl.storage.image_worker"


@dataclass(frozen=True, slots=True)
class ImageWorker:
    """Client of the worker process.

    `pace` is called with the bytes that have been read or written, or with 0 if there were none for a while. It may
    wait, and raises an exception to end the work. `niceness` returns the current priority of the work, from 0 to 19.
    """

    account: Account | None
    pace: Pace
    niceness: Callable[[], int]

    def copy(self, image: Path, target: Path) -> None:
        """Copy the data directory of a stored image, which is in the folder `image`.

        Raises DamagedImage if the image has changed, OSError, MachineError if the work is interrupted, TimedOut if the
        process reports nothing for an hour, and whatever `pace` raises.
        """
        self._have_done(["copy", str(image), str(target)])

    def checksums(self, data: Path) -> Checksums:
        """Flush every file of a data directory and compute its checksum.

        Raises as `copy` does, except DamagedImage.
        """
        found = self._have_done(["checksums", str(data)])
        try:
            return {name: (_number(size), _number(checksum)) for name, (size, checksum) in found.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise _invalid_report() from error

    def _have_done(self, arguments: list[str]) -> Any:
        account = [f"--account={self.account.name}"] if self.account else []
        with Companion([sys.executable, "-P", "-m", _MODULE, *account, *arguments]) as companion:
            silent_since_s = time.monotonic()
            while (line := companion.hear(_LOOK_S)) != b"":
                set_niceness([companion.pid], self.niceness())
                report = _parse_report(line) if line else {"Bytes": 0}
                if "Bytes" not in report:
                    return _result(report)
                self.pace(_number(report["Bytes"]))
                if line:
                    silent_since_s = time.monotonic()
                    companion.say("on")
                elif time.monotonic() - silent_since_s > _SILENCE_TIMEOUT_S:
                    raise TimedOut(f"The recovery image worker reported nothing for {_SILENCE_TIMEOUT_S:.0f} s.", "")
            raise MachineError(f"The recovery image worker was interrupted: {companion.complaint()}", "")


def _parse_report(line: bytes) -> dict[str, Any]:
    """Parse a report of the process, which runs under the databases' account. Raises MachineError."""
    try:
        return bounded_object(line)
    except InvalidParameterValue as error:
        raise _invalid_report() from error


def _result(report: dict[str, Any]) -> Any:
    match report:
        case {"Damaged": str(problem)}:
            raise DamagedImage(problem, "")
        case {"Error": [int(number), str(problem), (str() | None) as name]}:
            raise OSError(number, problem, name)
        case {"Error": [str(problem)]}:
            raise OSError(problem)
        case {"Result": result}:
            return result
    raise _invalid_report()


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _invalid_report()
    return value


def _invalid_report() -> MachineError:
    return MachineError("The recovery image worker sent an invalid report.", "")


def _report(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _reporting_pace() -> Pace:
    unreported_bytes = 0

    def pace(size_bytes: int) -> None:
        nonlocal unreported_bytes
        unreported_bytes += size_bytes
        if unreported_bytes >= _REPORT_BYTES:
            _report(Bytes=unreported_bytes)
            unreported_bytes = 0
            if not sys.stdin.readline():
                sys.exit("no process waits for it any more")

    return pace


def _work(arguments: argparse.Namespace) -> Checksums | None:
    pace = _reporting_pace()
    # So that it is found and killed with everything else that works there, if its supervisor is gone.
    os.chdir(arguments.data if arguments.work == "checksums" else arguments.target.parent)
    if arguments.work == "checksums":
        return checksums(arguments.data, pace, flush=True)
    stored = ImageFolder("", arguments.image.parent).image(arguments.image.name)
    if stored is None:
        raise FileNotFoundError(2, "The recovery image is gone", str(arguments.image))
    stored.copy_to(arguments.target, pace)
    return None


def main() -> None:
    """Perform one piece of work and report the result."""
    parser = argparse.ArgumentParser(prog=_MODULE)
    parser.add_argument("--account", type=named_account)
    works = parser.add_subparsers(dest="work", required=True)
    copying = works.add_parser("copy")
    copying.add_argument("image", type=Path)
    copying.add_argument("target", type=Path)
    works.add_parser("checksums").add_argument("data", type=Path)
    arguments = parser.parse_args()
    drop_to(arguments.account)
    try:
        _report(Result=_work(arguments))
    except DamagedImage as error:
        _report(Damaged=error.message)
    except OSError as error:
        # Several errors at once are reported as one without an errno.
        _report(Error=[error.errno, error.strerror, error.filename] if error.errno else [str(error)])


if __name__ == "__main__":
    main()
