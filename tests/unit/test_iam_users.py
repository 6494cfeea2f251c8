"""The members of rds_iam as servers are told of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import pytest

from auroractl.core.address import Address
from auroractl.core.model import ClusterSnapshot, Endpoint, EndpointType
from auroractl.engine.configuration import write_access_rules
from auroractl.engine.iam_users import IamAccess, kept_users
from auroractl.engine.probe import Probe, ProbeFailed
from auroractl.runtime.cluster_memory import IamMemory
from auroractl.runtime.iam import _hosts
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.instances import iam

NAMES = (
    "app",
    "we ird,#@+name",
    'quo"te',
    '"',
    "back\\",
    "soft\u00adhyphen\u2028line",
    "caf\udce9",
    "tab\tand\rreturn",
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def _access(*users: str) -> IamAccess:
    return IamAccess(users, Address("127.0.0.1", 5432), "secret")


@pytest.mark.parametrize("names", [NAMES, ()])
def test_names_are_kept_as_they_are(data: Path, names: tuple[str, ...]) -> None:
    assert kept_users(data) is None
    write_access_rules(data, sockets=True, iam=_access(*names))
    assert kept_users(data) == names
    write_access_rules(data, sockets=True)
    assert kept_users(data) is None


def test_members_are_refused_where_they_cannot_log_in_with_a_token(data: Path) -> None:
    write_access_rules(data, sockets=False, iam=_access("app"))
    lines = [line.split() for line in (data / "pg_hba.conf").read_text().splitlines() if not line.startswith("#")]
    users = "@../iam_users.conf"
    assert ["host", "all", users, "127.0.0.0/8", "reject"] in lines
    assert next(line for line in lines if line[2] in {users, "all"})[2] == users
    assert _access("app", "postgres").without("postgres") == _access("app")


@pytest.mark.parametrize(("host", "accepted"), [("127.0.0.1", True), ("127.16.0.1", False)])
def test_localhost_is_a_cluster_only_where_its_address_is_that(host: str, accepted: bool) -> None:
    endpoints = (Endpoint("demo", "demo", EndpointType.WRITER, Address(host, 5432)),)
    snapshot = SimpleNamespace(dns_domain="example.org", endpoints=endpoints, instances=())
    hosts = _hosts(cast("ClusterSnapshot", snapshot))
    assert f"{host}:5432" in hosts
    assert ("localhost:5432" in hosts) is accepted


def test_a_failure_is_told_and_does_not_keep_servers_from_hearing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory = IamMemory()
    events: list[str] = []
    told: list[ManagedCluster] = []
    fake = SimpleNamespace(
        name="demo", memory=SimpleNamespace(iam=memory), row=lambda: SimpleNamespace(master_username="postgres")
    )
    cluster = cast("ManagedCluster", fake)
    monkeypatch.setattr(iam, "tell", told.append)
    monkeypatch.setattr("auroractl.runtime.events.record", lambda *given: events.append(given[-1]))
    found = [("app", True), ("postgres", False), ("/x\n\udce9", True)]
    ask = Mock(side_effect=[*[ProbeFailed("it is slow")] * 6, ValueError(), found, found])
    probe = cast("Probe", SimpleNamespace(iam_users=ask))
    for _ in range(7):
        iam.ask(cluster, probe)
    assert len(told) == memory.failures == 7
    assert caplog.text.count("it is slow") == caplog.text.count("ValueError") == 1
    assert len(events) == 1
    iam.ask(cluster, probe)
    iam.ask(cluster, probe)
    assert (memory.users, memory.failures) == (("app",), 0)
    assert [each.partition(" ")[2] for each in events[2:]] == [
        r"of rds_iam that keep their passwords, because pg_hba.conf cannot have their names: '/x\n\udce9'"
    ]
    assert all(each.isascii() for each in events)
