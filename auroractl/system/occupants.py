"""The processes at addresses that should be ours.

On loopback any local account may bind any free address and port, so a server that is down for a moment may find another
process in its place.
"""

from __future__ import annotations

import contextlib
import errno
import pwd
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from auroractl.system.file_credentials import as_self

_SOCKETS = Path("/proc/net/tcp")
_MAPPED = "0" * 16 + "FFFF0000"
"""Prefix of an IPv4 address within IPv6 in /proc/net/tcp6."""
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  (looked for, not bound)
_LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc_pid_net(5))."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """A process that listens at an address; fields that this account may not see are None."""

    pid: int | None
    name: str | None
    user: str | None

    def __str__(self) -> str:
        """Format it for use in a sentence.

        >>> str(Occupant(12, "nc", "bob")), str(Occupant(None, None, "bob")), str(Occupant(None, None, None))
        ('process 12 (nc) of user bob', 'a process of user bob', 'another process')
        """
        process = f"process {self.pid} ({self.name})" if self.pid is not None else "another process"
        if self.user is None:
            return process
        return f"{'a process' if self.pid is None else process} of user {self.user}"


def occupant(host: str, port: int) -> Occupant | None:
    """Find the process that occupies an address while ours does not use it; None if there is none.

    A process that listens on the port at all addresses counts too.
    """
    # Which process a socket belongs to is visible only in /proc/PID/fd, to that process's user and to root.
    with as_self():
        return _occupant(host, port)


def _occupant(host: str, port: int) -> Occupant | None:
    on_linux = _SOCKETS.exists()
    bound = _bind_error(host, port)
    if on_linux and bound is None:
        # Faster than to read tables that have a line for every connection of the machine. Elsewhere a listener at all
        # addresses is not in the way of binding one of them.
        return None
    owners = list(_owners(host, port))
    # Scanning the descriptors of all processes takes long; Linux shows without it that there is no listener.
    pid = _listener(host, port) if owners or not on_linux else None
    if pid is None and not owners:
        # A socket that does not listen is in no table.
        return Occupant(None, None, None) if bound == errno.EADDRINUSE else None
    return Occupant(pid, _name(pid), _user(owners[0] if owners else None, pid))


def _bind_error(host: str, port: int) -> int | None:
    """Return the error number of an attempt to bind the address; None if it is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno
    return None


def _owners(host: str, port: int) -> Iterator[int]:
    """Yield the uids of the sockets that listen there, which Linux shows to all users."""
    here = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}"
    for table, addresses in (("tcp", {here, "0" * 8}), ("tcp6", {"0" * 32, _MAPPED + here})):
        with contextlib.suppress(OSError):
            for line in _SOCKETS.with_name(table).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].partition(":")
                if fields[3] == _LISTENING and address in addresses and int(number, 16) == port:
                    yield int(fields[7])


def _listener(host: str, port: int) -> int | None:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if (
                connection.status == psutil.CONN_LISTEN
                and local
                and local.port == port
                and local.ip in {host, f"::ffff:{host}", *_EVERYWHERE}
            ):
                return connection.pid
    return None


def _name(pid: int | None) -> str | None:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).name() if pid is not None else None
    return None


def _user(uid: int | None, pid: int | None) -> str | None:
    with contextlib.suppress(psutil.Error):
        if uid is None and pid is not None:
            uid = psutil.Process(pid).uids().real
    if uid is None:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
