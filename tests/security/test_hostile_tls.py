"""The endpoint process and clients that misbehave in or around a TLS handshake; one process serves all of them."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from auroractl.certificates.authority import certificate_pem, new_authority
from auroractl.core.address import Address
from auroractl.system.limits import raise_soft_limits
from tests.functional.command import wait_until
from tests.functional.test_endpoint_process import Alone
from tests.security.test_hostile_clients import AUTHENTICATION_OK, SSL_REQUEST, STARTUP

GSS_REQUEST = struct.pack("!II", 8, 80877104)
WEAKENING = struct.pack("!II", 8 + 34, 0x00030000) + b"user\0demo\0synchronous_commit\0off\0\0"
FLOOD = 2000


class Ending(Alone):
    """An endpoint process that ends TLS."""

    def __init__(self) -> None:
        super().__init__()
        now = datetime.now(UTC)
        authority = new_authority("test", now)
        self.certificate, _ = authority.issue("demo", [self.address.host, "localhost"], now)
        self.bundle = self.folder / "ca.pem"
        self.bundle.write_text(certificate_pem(authority.certificate))
        self.control.apply(self.table(hold_timeout_s=0.1), self.certificate)

    @property
    def failures(self) -> int:
        """TLS handshakes that failed."""
        return self.control.report().handshakes[1]

    def client(self, *, alpn: bool = True, bundle: Path | None = None) -> ssl.SSLContext:
        """A client's context with full verification."""
        context = ssl.create_default_context(cafile=bundle or self.bundle)
        if alpn:
            context.set_alpn_protocols(["postgresql"])
        return context

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address.host, self.address.port), timeout=30)

    def asked(self) -> socket.socket:
        """A connection whose request for TLS was granted."""
        client = self.connect()
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"S"
        return client

    def secure(self, client: socket.socket, *, alpn: bool = True) -> ssl.SSLSocket:
        return self.client(alpn=alpn).wrap_socket(client, server_hostname=self.address.host)


@pytest.fixture(scope="module")
def ending() -> Iterator[Ending]:
    process = Ending()
    try:
        yield process
    finally:
        process.end()


def _is_served(ending: Ending) -> bool:
    with ending.secure(ending.asked()) as good:
        good.sendall(STARTUP)
        assert b"no instance of endpoint writer" in good.recv(4096)
    return True


def _closed(client: socket.socket) -> bool:
    with contextlib.suppress(ConnectionError):
        while client.recv(4096):
            pass
    return True


def test_good_clients_with_a_request_directly_and_after_gss(ending: Ending) -> None:
    _is_served(ending)
    with ending.secure(ending.connect()) as direct:
        assert direct.selected_alpn_protocol() == "postgresql"
        direct.sendall(STARTUP)
        assert b"no instance of endpoint writer" in direct.recv(4096)
    with ending.connect() as client:
        client.sendall(GSS_REQUEST)
        assert client.recv(1) == b"N"
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"S"
        with ending.secure(client, alpn=False) as secure:
            secure.sendall(STARTUP)
            assert b"no instance of endpoint writer" in secure.recv(4096)
    with ending.connect() as plain:
        plain.sendall(STARTUP)
        assert b"no instance of endpoint writer" in plain.recv(4096)


def test_bytes_that_a_stranger_put_before_the_handshake_are_not_taken_for_encrypted_ones(ending: Ending) -> None:
    with ending.connect() as client:
        client.sendall(SSL_REQUEST + STARTUP)
        with contextlib.suppress(ConnectionError):
            assert client.recv(4096) == b""


@pytest.mark.parametrize("request_", [SSL_REQUEST, GSS_REQUEST])
def test_encryption_inside_tls_is_refused(ending: Ending, request_: bytes) -> None:
    with ending.secure(ending.asked()) as client:
        client.sendall(request_)
        assert _closed(client)


def test_what_is_no_handshake_ends_and_is_counted(ending: Ending) -> None:
    before = ending.failures
    with ending.asked() as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n" * 20)
        assert _closed(client)
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(ending.asked(), server_hostname=ending.address.host)
    with ending.secure(ending.connect(), alpn=False) as client, contextlib.suppress(ssl.SSLError):
        assert _closed(client), "direct TLS needs ALPN"
    with ending.asked() as client:
        client.sendall(b"\x16\x03")
    wait_until("four failures", lambda: ending.failures == before + 4)
    _is_served(ending)


def test_thousands_of_half_open_handshakes_do_not_hurt_good_clients(ending: Ending) -> None:
    raise_soft_limits()
    before, process = ending.failures, psutil.Process(ending.process.pid)
    outgoing = ssl.MemoryBIO()
    hello = ending.client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    begin = outgoing.read()
    memory = process.memory_info().rss
    with ExitStack() as stack:
        for number in range(FLOOD):
            client = stack.enter_context(ending.asked())
            # Half of them stop within the ClientHello, half after it.
            client.sendall(begin if number % 2 else begin[: len(begin) // 2])
        _is_served(ending)
        assert process.memory_info().rss - memory < FLOOD * 128 * 1024
        assert ending.failures == before
    wait_until("the end of all of them", lambda: ending.failures == before + FLOOD)
    _is_served(ending)


def test_the_startup_packet_is_examined_inside_tls_as_outside(ending: Ending) -> None:
    strict = replace(ending.table(hold_timeout_s=0.1), synchronous_commit_enforced=True)
    ending.control.apply(strict, ending.certificate)
    with ending.secure(ending.asked()) as client:
        client.sendall(WEAKENING)
        assert b"C42501" in client.recv(4096)
    ending.control.apply(replace(strict, tls_required=True), ending.certificate)
    with ending.connect() as plain:
        plain.sendall(STARTUP)
        answer = plain.recv(4096)
    assert b"C28000" in answer
    assert b'no pg_hba.conf entry for host "127.0.0.1", user "demo", database "demo", no encryption' in answer
    _is_served(ending)
    ending.control.apply(ending.table(hold_timeout_s=0.1), ending.certificate)


def test_a_new_certificate_is_used_by_new_connections_and_leaves_open_ones_alone(ending: Ending) -> None:
    now = datetime.now(UTC)
    other = new_authority("other", now)
    pem, _ = other.issue("demo", [ending.address.host], now)
    bundle = ending.folder / "other.pem"
    bundle.write_text(certificate_pem(other.certificate))
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        table = ending.table("w", w=Address("127.0.0.1", server.getsockname()[1]))
        ending.control.apply(table, ending.certificate)
        client = stack.enter_context(ending.secure(ending.asked()))
        client.sendall(STARTUP)
        joined, _ = server.accept()
        stack.enter_context(joined)
        joined.sendall(AUTHENTICATION_OK)
        assert client.recv(100) == AUTHENTICATION_OK
        ending.control.apply(table, pem)
        joined.sendall(b"x" * 100_000)
        received = 0
        while received < 100_000:
            received += len(client.recv(65536))
        with ending.client(bundle=bundle).wrap_socket(ending.asked(), server_hostname=ending.address.host):
            pass
        # Nonsense changes nothing.
        ending.control.apply(table, "nonsense")
        with ending.client(bundle=bundle).wrap_socket(ending.asked(), server_hostname=ending.address.host):
            pass
    ending.control.apply(ending.table(hold_timeout_s=0.1), ending.certificate)


def test_a_restarted_process_reads_its_certificate_from_the_file(ending: Ending) -> None:
    (ending.folder / "certificate.json").write_text(json.dumps({"pem": ending.certificate}))
    (ending.folder / "routes.json").write_text(json.dumps(ending.table(hold_timeout_s=0.1).to_json()))
    ending.process.terminate()
    ending.process.wait(30)
    ending.start()
    wait_until("the endpoint to be served again", lambda: _is_served(ending))
