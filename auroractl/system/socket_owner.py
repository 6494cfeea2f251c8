"""The account at the other end of a local connection, as reported by the kernel."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

_LOOPBACK = "127.0.0.1"
_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_ANY_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port (netlink(7))."""
_REQUEST_HEAD = struct.Struct("=BBBBI")
"""inet_diag_req_v2: family, protocol, extensions, padding, states; then the socket's identity (sock_diag(7))."""
_OWNER = struct.Struct("=II")
_STATE_OFFSET, _OWNER_OFFSET = _HEADER.size + 1, _HEADER.size + 4 + 48 + 12
"""inet_diag_msg: four bytes, the second of them the state, the identity, three counters, then the uid and the inode."""
_LISTENS = 10
"""TCP_LISTEN."""
_ANSWER_BYTES = 4096
_TIMEOUT_S = 1.0
_CREDENTIALS = struct.Struct("=iII")
"""ucred: pid, uid, gid (unix(7))."""


def listener_uid(connection: socket.socket) -> int | None:
    """Return the uid of the process that listens at a Unix socket to which this one is connected.

    None if the system does not report it (only Linux does). Raises OSError.
    """
    if sys.platform != "linux":
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def is_told() -> bool:
    """Return whether the system reports who accepted a connection: Linux does, unless a sandbox forbids it."""
    if sys.platform != "linux":
        return False
    with socket.create_server((_LOOPBACK, 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server, contextlib.suppress(OSError):
            return accepted_by(client.getpeername(), client.getsockname()) == os.geteuid()
    return False


def accepted_by(server: tuple[str, int], client: tuple[str, int]) -> int | None:
    """Return the uid of the process that accepted a local IPv4 connection; None if it has closed it.

    `server` and `client` are the ends of the connection. Call it after the server has sent something: before it
    accepts, its socket has no owner. Raises OSError if the system does not report it.
    """
    return _owner(server, client, listens=False)


def listener_at(server: tuple[str, int]) -> int | None:
    """Return the uid of the process that listens at a local IPv4 address, or at its port on all addresses.

    None if there is none. Raises OSError if the system does not report it.
    """
    return _owner(server, ("0.0.0.0", 0), listens=True)  # noqa: S104  (any client; nothing is bound)


def _owner(server: tuple[str, int], client: tuple[str, int], *, listens: bool) -> int | None:
    identity = (
        struct.pack("!HH", server[1], client[1])
        + socket.inet_aton(server[0]).ljust(16, b"\0")
        + socket.inet_aton(client[0]).ljust(16, b"\0")
        + struct.pack("=III", 0, _ANY_COOKIE, _ANY_COOKIE)
    )
    body = _REQUEST_HEAD.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY_COOKIE) + identity
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
        kernel.settimeout(_TIMEOUT_S)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
        answer = kernel.recv(_ANSWER_BYTES)
    # For a closed connection the kernel reports the listener.
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY or (answer[_STATE_OFFSET] == _LISTENS) is not listens:
        return None
    uid, inode = _OWNER.unpack_from(answer, _OWNER_OFFSET)
    # A socket that no process holds is shown as root's.
    return int(uid) if inode else None
