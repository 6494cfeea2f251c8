"""Started by the supervisor: python -m auroractl.endpoints --folder FOLDER --control SOCKET."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from pathlib import Path

import uvloop

from auroractl.endpoints.server import EndpointServer
from auroractl.process.locks import LockFile

_STARTUP_TIMEOUT_S = 60.0
"""PostgreSQL's authentication_timeout."""


def main() -> int:
    """Serve one cluster's endpoints; exit code 1 where another process already does."""
    parser = argparse.ArgumentParser(prog="auroractl.endpoints")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--startup-timeout-s", type=float, default=_STARTUP_TIMEOUT_S)
    arguments = parser.parse_args()
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lock = LockFile(arguments.folder / "pid")
    if not lock.acquire():
        logging.error("another endpoint process holds %s", arguments.folder)
        return 1
    server = EndpointServer(arguments.folder, arguments.control, arguments.startup_timeout_s)
    uvloop.run(server.run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
