"""Free ports."""

from __future__ import annotations

import socket


def free_port(host: str) -> int:
    """Find a port on which no process listens on a host; another process may still take it first. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
