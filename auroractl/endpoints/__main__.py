"""Started by the supervisor: python -m auroractl.endpoints --folder FOLDER --control SOCKET --cluster-folder FOLDER."""

from __future__ import annotations

import argparse
import logging
import resource
import signal
import sys
from pathlib import Path

import uvloop

from auroractl.endpoints.router import NEWCOMERS_MAX
from auroractl.endpoints.server import EndpointServer
from auroractl.system.accounts import named_account
from auroractl.system.leftovers import end_orphans
from auroractl.system.limits import raise_soft_limits
from auroractl.system.locks import LockFile
from auroractl.system.log_files import log_to

_STARTUP_TIMEOUT_S = 60.0
"""PostgreSQL's authentication_timeout."""


def main() -> int:
    """Serve one cluster's endpoints; exit with code 1 if another process already does."""
    parser = argparse.ArgumentParser(prog="auroractl.endpoints")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--account", type=named_account, help="what to become before the first client is served")
    parser.add_argument("--startup-timeout-s", type=float, default=_STARTUP_TIMEOUT_S)
    parser.add_argument("--cluster-folder", type=Path, help="Where to end what still works should it be removed.")
    parser.add_argument("--newcomers-max", type=int, default=NEWCOMERS_MAX)
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lock = LockFile(arguments.folder / "pid")
    if not lock.acquire():
        sys.stderr.write(f"another endpoint process holds {arguments.folder}\n")
        return 1
    log_to(arguments.folder / "endpoint.log")
    raise_soft_limits()
    # Its memory has private keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cluster = arguments.cluster_folder and arguments.cluster_folder.resolve()
    server = EndpointServer(
        arguments.folder, arguments.control, arguments.startup_timeout_s, arguments.newcomers_max, arguments.account
    )
    uvloop.run(server.run(lock.is_removed))
    if cluster is not None and lock.is_removed():
        # If no supervisor is left, no other process would notice; a storage node does not notice that its folder is
        # gone.
        logging.error("the cluster's folder was removed; ended what worked there: %s", end_orphans(cluster))
    return 0


if __name__ == "__main__":
    sys.exit(main())
