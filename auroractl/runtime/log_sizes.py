"""Size limits for the logs of servers and storage nodes, which do not limit them themselves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from auroractl.config.paths import Home
from auroractl.system.log_files import shorten

log = logging.getLogger(__name__)

_SERVER_BYTES_MAX = 50_000_000
_NODE_BYTES_MAX = 10_000_000


def bound_logs(home: Home) -> None:
    """Rotate a log that has become too large into its older file; report one that cannot be rotated."""
    for path, bytes_max in _logs(home):
        try:
            if shorten(path, bytes_max):
                log.info("%s was larger than %d bytes; what it held is in %s.1", path, bytes_max, path.name)
        except OSError as error:
            log.warning("%s cannot be kept from growing: %s", path, error)


def _logs(home: Home) -> Iterator[tuple[Path, int]]:
    for folder in home.clusters.glob("*"):
        paths = home.cluster(folder.name)
        for log_of_server in (*paths.instances.glob("*/postgresql.log"), *paths.moments.glob("*/postgresql.log")):
            yield log_of_server, _SERVER_BYTES_MAX
        for log_of_node in paths.storage.glob("*.log"):
            yield log_of_node, _NODE_BYTES_MAX
