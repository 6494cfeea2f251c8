"""The DNS server where its address is taken, where it is flooded, and where clusters are stopped."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import Mock

import dns.message
import dns.query
import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.model import Wanted
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.state.database import open_database
from auroractl.supervisor import dns_server
from auroractl.supervisor.dns_messages import Answering
from auroractl.supervisor.dns_server import DnsServer
from tests.unit.state.conftest import Demo

_PATIENCE_S = 60


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """A runtime with the stopped cluster demo and a free port for DNS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings(dns=f"127.0.0.1:{probe.getsockname()[1]}")
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        Demo.of("demo", 16).create(database.repository)
        database.repository.update_cluster("demo", wanted=Wanted.STOPPED)
        yield Runtime(Home(tmp_path), settings, database.repository, lambda: None)


@contextmanager
def _serving(runtime: Runtime) -> Iterator[DnsServer]:
    server = DnsServer(runtime)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _address(runtime: Runtime) -> tuple[str, int]:
    host, _, port = runtime.settings.dns.partition(":")
    return host, int(port)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _query(runtime: Runtime) -> dns.message.Message:
    cluster = ManagedCluster(runtime, "demo")
    return dns.message.make_query(f"demo-instance-1.{cluster.dns_domain(cluster.row())}", "A")


def test_a_stopped_cluster_keeps_its_names(runtime: Runtime) -> None:
    host, port = _address(runtime)
    with _serving(runtime):
        _wait(lambda: not runtime.dns_problem)
        query = _query(runtime)
        _wait(lambda: bool(dns.query.udp(query, host, timeout=_PATIENCE_S, port=port).answer))


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_an_address_that_is_taken_is_told_and_taken_over_when_it_is_free(
    runtime: Runtime, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(_address(runtime))
        if kind is socket.SOCK_STREAM:
            other.listen()
        with _serving(runtime):
            _wait(lambda: "in use" in runtime.dns_problem)
            other.close()
            _wait(lambda: not runtime.dns_problem)
            host, port = _address(runtime)
            assert dns.query.tcp(_query(runtime), host, timeout=_PATIENCE_S, port=port)


def test_a_flood_is_answered_up_to_a_limit(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.5)
    server, wire = DnsServer(runtime), b"\1\2" + bytes(20)
    assert sum(server.answer(wire) is not None for _ in range(2500)) == 500
    monkeypatch.setattr(time, "monotonic", lambda: 1001.0)
    assert server.answer(wire) is not None


def test_what_comes_beyond_the_limit_is_not_read_until_the_next_second(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Mock()
    monkeypatch.setattr(time, "monotonic", lambda: 1000.25)
    monkeypatch.setattr(dns_server, "_MESSAGES_PER_S", 2)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        for number in range(3):
            theirs.send(bytes([number]) * 3)
        DnsServer(runtime)._receive(ours)
        assert ours.recv(10) == b"\2\2\2"
        loop.remove_reader.assert_called_once_with(ours)
        ((delay_s, resume), _) = loop.call_later.call_args
        assert delay_s == 0.75
        resume()
    loop.add_reader.assert_called_once()
    resume()
    loop.add_reader.assert_called_once()


def test_an_error_of_ours_is_logged_once_a_minute(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server, now_s = DnsServer(runtime), 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(Answering, "answer", Mock(side_effect=ZeroDivisionError))
    for _ in range(3):
        assert server.answer(b"") is None
    assert len(caplog.records) == 1
    now_s += 61
    server.answer(b"")
    assert len(caplog.records) == 2
