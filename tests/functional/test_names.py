"""Names of endpoints and instances: the hosts file, the DNS server, and names that follow the writer."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.core.address import Address
from auroractl.core.addresses import tls_address
from tests.drivers import harness
from tests.drivers.faults import Faults
from tests.drivers.harness import free_port
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own

_OTHER = (
    "# BEGIN auroractl /srv/other\n127.16.0.1 demo.cluster-a0123456789b.us-east-1.rds.amazonaws.com\n"
    "# END auroractl /srv/other\n"
)


@pytest.fixture(scope="module")
def named(warm_home: Home) -> Iterator[Auroractl]:
    """The cluster demo, whose names follow roles and are served by DNS."""
    with home_of_its_own(warm_home) as command:
        # The resolver of the C library asks port 53 only, and only root may bind it.
        server = f"127.53.{os.getpid() % 250}.1:53" if os.geteuid() == 0 else f"127.0.0.1:{free_port()}"
        command.variables |= {"AURORACTL_DNS": server, "AURORACTL_ENDPOINT_MODE": "dns"}
        command.variables["AURORACTL_AWS_FAILOVER_S"] = "6"
        command("create-cluster", "demo", "--readers", "1")
        wait_until("the DNS server", lambda: command.ask("describe-names")["Dns"]["Status"] == "available")
        yield command


def _server(named: Auroractl) -> tuple[str, int]:
    host, _, port = named.variables["AURORACTL_DNS"].partition(":")
    return host, int(port)


def _ask(named: Auroractl, name: str, *, tcp: bool = False) -> dns.message.Message:
    host, port = _server(named)
    ask = dns.query.tcp if tcp else dns.query.udp
    return ask(dns.message.make_query(name, "A"), host, timeout=30, port=port)


def _address(named: Auroractl, name: str) -> str:
    (found,) = _ask(named, name).answer
    assert found.ttl == 5
    return str(found[0].to_text())


def _tls_host(instance: dict[str, Any]) -> str:
    """The address at which TLS is ended for an instance, to which its name leads."""
    found = tls_address(Address(instance["Endpoint"]["Address"], instance["Endpoint"]["Port"]))
    assert found is not None
    return found.host


def test_the_writers_name_has_the_writers_address_as_on_aws(named: Auroractl) -> None:
    named.wait_healthy("demo")
    view, (writer, reader) = named.cluster("demo"), named.instances("demo")
    assert _address(named, view["EndpointName"]) == _address(named, writer["Endpoint"]["Name"])
    assert _address(named, view["ReaderEndpointName"]) == _address(named, reader["Endpoint"]["Name"])
    assert _address(named, reader["Endpoint"]["Name"]) == _tls_host(reader)


def test_the_same_is_answered_over_tcp(named: Auroractl) -> None:
    name = named.cluster("demo")["EndpointName"]
    assert _ask(named, name, tcp=True).answer == _ask(named, name).answer


def test_a_foreign_name_is_refused(named: Auroractl) -> None:
    assert _ask(named, "rds.amazonaws.com").rcode() == dns.rcode.REFUSED


def test_a_malformed_packet_is_answered_or_dropped_and_a_good_one_answered_next(named: Auroractl) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        for wire in (b"", b"\0", bytes(600), b"\1\2\0\0" + b"\xff" * 30):
            client.sendto(wire, _server(named))
        answer, _ = client.recvfrom(2000)
    assert answer[:2] == b"\1\2"
    assert answer[3] & 15 == dns.rcode.FORMERR
    test_a_foreign_name_is_refused(named)


def test_slow_and_many_tcp_clients_keep_no_other_from_being_answered(named: Auroractl) -> None:
    name = named.cluster("demo")["EndpointName"]
    clients = [socket.create_connection(_server(named), timeout=30) for _ in range(40)]
    try:
        for each in clients[:20]:
            each.send(struct.pack("!H", 60000))
        assert _ask(named, name).answer
        for each in clients[:20]:
            assert each.recv(1) == b""
        wait_until("an answer over TCP", lambda: _ask(named, name, tcp=True).answer)
    finally:
        for each in clients:
            each.close()


def test_names_are_written_and_removed_beside_those_of_another_home(named: Auroractl, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    before = "127.0.0.1 localhost\n" + _OTHER
    file.write_text(before)
    named("hosts", "--write", AURORACTL_HOSTS_FILE=str(file))
    view, written = named.cluster("demo"), file.read_text()
    assert written.startswith(before)
    assert f"\n{view['Endpoint']} {view['EndpointName']}\n" in written
    assert written == before + named("hosts").stdout
    again = named("hosts", "--write", AURORACTL_HOSTS_FILE=str(file))
    assert "Nothing to change" in again.stdout
    named("hosts", "--remove", AURORACTL_HOSTS_FILE=str(file))
    assert file.read_text() == before


def test_another_account_can_write_the_printed_block(named: Auroractl, tmp_path: Path) -> None:
    file, block = tmp_path / "hosts", named("hosts").stdout
    file.write_text("")
    elsewhere = Auroractl(Home(tmp_path / "none"), {"AURORACTL_HOSTS_FILE": str(file)})
    elsewhere("hosts", "--write", "--block", "-", stdin=block)
    assert file.read_text() == block
    elsewhere("hosts", "--remove", "--block", "-", stdin=block)
    assert file.read_text() == ""
    wrong = elsewhere.run("hosts", "--write", "--block", "-", stdin=block.replace("127.", "10."))
    assert (wrong.returncode, file.read_text()) == (2, "")
    assert "is not a block that auroractl hosts prints" in wrong.stderr


def test_a_hosts_file_that_is_a_link_is_refused_and_unchanged(named: Auroractl, tmp_path: Path) -> None:
    (tmp_path / "hosts").symlink_to("target")
    (tmp_path / "target").write_text("kept\n")
    done = named.run("hosts", "--write", AURORACTL_HOSTS_FILE=str(tmp_path / "hosts"))
    assert (done.returncode, (tmp_path / "target").read_text()) == (1, "kept\n")
    assert "is a link" in done.stderr
    assert "Traceback" not in done.stderr


def _connected(named: Auroractl, address: str) -> psycopg.Connection:
    """A connection to an address that DNS answered, as a client makes it that resolves the cluster's name."""
    there = psycopg.conninfo.make_conninfo(named.uri("demo"), host=address)
    return psycopg.connect(there, autocommit=True, connect_timeout=30)


def test_a_client_with_a_stale_answer_meets_the_old_writer_which_takes_no_writes(named: Auroractl) -> None:
    named.wait_healthy("demo")
    name, old = named.cluster("demo")["EndpointName"], named.writer("demo")
    named("inject-fault", "dns-lag", "--delay", "10m")
    try:
        (fault,) = named.volume("demo")["Faults"]
        assert (fault["Kind"], fault["Target"], fault["DelayMilliseconds"]) == ("dns-lag", "DNS", 600_000)
        assert "600000 ms late" in str(named.cluster("demo")["Problems"])
        named("failover", "demo")
        stale = _address(named, name)
        assert stale == _tls_host(old)
        connection = wait_until("the old writer as a reader", lambda: _connected(named, stale))
        with connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create table written (id int)")
    finally:
        named("inject-fault", "restore", "dns")
    new = named.writer("demo")
    assert new["DBInstanceIdentifier"] != old["DBInstanceIdentifier"]
    assert _address(named, name) == _tls_host(new)
    with _connected(named, _address(named, name)) as connection:
        connection.execute("create table written (id int)")


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    os.geteuid() != 0 or not harness.names_can_be_mounted(), reason="needs root and unshare, for port 53"
)
def test_drivers_that_ask_dns_meet_the_read_only_error_and_awss_gets_through(named: Auroractl, tmp_path: Path) -> None:
    named.wait_healthy("demo")
    command = lambda *arguments: named(*arguments).stdout  # noqa: E731
    target, recorder = harness.Target.of(command, "demo"), harness.Recorder()
    drivers = ("psycopg-anew", "wrapper", "wrapper-anew")
    harness.make_ledger(target)
    named("inject-fault", "dns-lag", "--delay", "6s")
    files = harness.resolver_files(_server(named)[0], tmp_path)
    with harness.running([harness.python_program()], replace(target, drivers=drivers), files, recorder):
        faults = Faults(command, "demo", recorder, drivers)
        faults.begin()
        found = faults.inject("planned", lambda: named("inject-fault", "restore", "dns"))
    seen = {each.driver: each for each in found}
    assert any(error.startswith("ReadOnlySqlTransaction") for error in seen["psycopg-anew"].errors)
    assert seen["psycopg-anew"].gap_s > 5
    for driver in ("wrapper", "wrapper-anew"):
        assert [error for error in seen[driver].errors if not error.startswith("FailoverSuccessError")] == []
    assert recorder.lost(target) == {}


def test_a_failover_like_aws_really_has_no_writer_until_dns_has_changed(named: Auroractl) -> None:
    named.wait_healthy("demo")
    view, old, new = named.cluster("demo"), *named.instances("demo")
    with named.start("failover", "demo", "--like-aws") as command:
        wait_until("the loss", lambda: _is_refused(old["Endpoint"]["Address"], view["Port"]))
        assert _is_refused(view["Endpoint"], view["Port"])
        assert _address(named, view["EndpointName"]) == _tls_host(old)
        assert command.wait(120) == 0
    assert _address(named, view["EndpointName"]) == _tls_host(new)
    assert not _is_refused(view["Endpoint"], view["Port"])
    latest = named.ask("failover-history", DBClusterIdentifier="demo")["Failovers"][0]
    assert latest["GapMilliseconds"] > 1000 * float(named.variables["AURORACTL_AWS_FAILOVER_S"])
    assert [step["Name"] for step in latest["Steps"] if "rehearsed" in step["Name"]] == [
        "Wait 5 s, as AWS detects and promotes (rehearsed)",
        "Wait 1 s, as AWS changes DNS (rehearsed)",
    ]


def _is_refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=30).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_drill_rehearses_awss_time_and_loses_nothing(named: Auroractl) -> None:
    named.wait_healthy("demo")
    found = named.json("drill", "like-aws", "demo", "--duration", "500ms", timeout_s=170)["Drill"]
    assert found["Passed"] is True
    (only,) = found["Rounds"]
    assert only["AcknowledgedRowsLost"] == 0
    assert only["LongestGapMilliseconds"] > 1000 * float(named.variables["AURORACTL_AWS_FAILOVER_S"])


def test_the_command_prints_what_resolvers_need(named: Auroractl) -> None:
    host, port = _server(named)
    printed = named("dns").stdout
    assert f"DNS={host}:{port}\n" in printed
    assert f"nameserver {host}\nport {port}\n" in printed
    zone = named.cluster("demo")["EndpointName"].partition(".")[2]
    assert f"~{zone}" in printed
    assert f"/etc/resolver/{zone}\n" in printed


def test_a_custom_endpoint_has_a_name_as_long_as_it_exists(named: Auroractl) -> None:
    named("create-endpoint", "reports", "--cluster", "demo")
    (view,) = named.ask("describe-endpoints", DBClusterEndpointIdentifier="reports")["DBClusterEndpoints"]
    assert ".cluster-custom-a" in view["EndpointName"]
    assert _ask(named, view["EndpointName"]).answer
    named("delete-endpoint", "reports")
    assert _ask(named, view["EndpointName"]).rcode() == dns.rcode.NXDOMAIN
