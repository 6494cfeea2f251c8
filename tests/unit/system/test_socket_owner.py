"""The account at the other end of a loopback connection."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from auroractl.system.occupants import occupant
from auroractl.system.socket_owner import accepted_by, is_told, listener_at

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")

SERVER = """
import socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
accepted, _ = listener.accept()
accepted.send(b"x")
accepted.recv(1)
"""


@pytest.mark.parametrize("uid", [os.geteuid(), 65534])
def test_the_uid_of_who_accepted_is_told(uid: int) -> None:
    if os.geteuid() not in {0, uid}:
        pytest.skip("only root can be somebody else")
    program = f"import os, socket; os.setuid({uid})\n{SERVER}"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert client.recv(1) == b"x"
            assert accepted_by(client.getpeername(), client.getsockname()) == uid
            found = occupant("127.0.0.1", port)
            assert found is not None
            assert found.pid in {server.pid, None}
            assert listener_at(client.getpeername()) == uid
            client.send(b"x")


def test_a_connection_that_the_server_has_closed_is_nobodys_and_who_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            assert accepted_by(client.getpeername(), client.getsockname()) is None, "it was not accepted yet"
            accepted, _ = server.accept()
            assert accepted_by(client.getpeername(), client.getsockname()) == os.geteuid()
            accepted.close()
            assert client.recv(1) == b""
            assert accepted_by(client.getpeername(), client.getsockname()) is None
        there = server.getsockname()
        assert listener_at(there) == os.geteuid()
    assert listener_at(there) is None


def test_linux_tells() -> None:
    assert is_told()


def test_a_connection_that_is_not_there_is_nobodys() -> None:
    assert accepted_by(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


def test_a_free_address_has_no_occupant() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert occupant("127.0.0.1", port) is None


def test_an_address_that_is_taken_by_way_of_ipv6_has_an_occupant() -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        taken.bind(("::ffff:127.0.0.1", 0))
        taken.listen()
        found = occupant("127.0.0.1", taken.getsockname()[1])
        assert found is not None
        assert found.pid == os.getpid()


def test_an_address_that_is_taken_by_who_does_not_listen_has_an_occupant() -> None:
    """No table of the system tells of it, and a server cannot bind there all the same."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert str(occupant("127.0.0.1", port)) == "another process"
    assert occupant("127.0.0.1", port) is None
