"""Ports that are free."""

from __future__ import annotations

import socket


def free_port(host: str) -> int:
    """A port on which nothing listens on a host now; whoever is quicker may still take it. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
