"""What DNS answers for names, and how late."""

from __future__ import annotations

from dataclasses import replace

from auroractl.core.addresses import tls_address
from auroractl.core.dns_answers import answers
from auroractl.core.dns_names import endpoint_name
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.model import ClusterSnapshot, Endpoint, EndpointType
from auroractl.core.routing import routing_table
from auroractl.runtime.dns_memory import DnsMemory
from tests.unit.core.clusters import PLAN, gone, instance, snapshot, well

_DOMAIN = "abc.us-east-1.rds.amazonaws.com"
_WRITER, _READER = f"demo.cluster-{_DOMAIN}", f"demo.cluster-ro-{_DOMAIN}"
ONE, TWO, THREE = (instance(number).address.host for number in (1, 2, 3))


def _answers(found: ClusterSnapshot, before: dict[str, tuple[str, ...]], *, follow: bool = True) -> dict[str, object]:
    found = replace(found, dns_domain=_DOMAIN)
    table = routing_table(found, connections_max=1, hold_timeout_s=1)
    return dict(answers(found, table, before, follow_roles=follow))


def test_a_name_is_that_of_its_own_address() -> None:
    found = snapshot(well(1), well(2), well(3))
    told = _answers(found, {}, follow=False)
    for endpoint in found.endpoints:
        assert told[endpoint_name(_DOMAIN, endpoint)] == (endpoint.address.host,)
    assert told[f"i2.{_DOMAIN}"] == (TWO,)


def test_names_follow_roles_where_that_is_the_mode() -> None:
    told = _answers(snapshot(well(1), well(2), well(3)), {})
    assert told[_WRITER] == told[f"i1.{_DOMAIN}"] == (ONE,)
    assert told[_READER] == (TWO, THREE)


def test_with_tls_names_follow_roles_to_where_it_is_ended() -> None:
    ends = [tls_address(instance(number).address) for number in (1, 2, 3)]
    one, two, three = (each.host for each in ends if each)
    found = replace(snapshot(well(1), well(2), well(3)), tls=True)
    told = _answers(found, {})
    assert told[_WRITER] == told[f"i1.{_DOMAIN}"] == (one,)
    assert told[_READER] == (two, three)
    lost = replace(snapshot(gone(), gone(), well(3)), tls=True)
    assert _answers(lost, {_WRITER: (two,)})[_WRITER] == (two,)


def test_without_a_member_the_answer_stays() -> None:
    told = _answers(snapshot(gone(), well(2), well(3)), {_WRITER: (TWO,)})
    assert told[_WRITER] == (TWO,)


def test_a_promoted_member_leaves_the_name_of_a_custom_endpoint_of_readers() -> None:
    address = next(PLAN.custom_endpoints(()))
    reports = Endpoint("reports", "demo", EndpointType.CUSTOM, address, CustomEndpointType.READER, ("i1",))
    found = snapshot(well(1), well(2))
    name = endpoint_name(_DOMAIN, reports)
    told = _answers(replace(found, endpoints=(*found.endpoints, reports)), {name: (ONE,)})
    assert told[name] == (address.host,)


def test_the_address_of_a_deleted_instance_is_not_kept() -> None:
    found = snapshot(gone(), gone())
    told = _answers(found, {_WRITER: (THREE,), _READER: (TWO, THREE)})
    assert (told[_WRITER], told[_READER]) == ((ONE,), (TWO,))
    told = _answers(found, {_READER: (THREE,)})
    assert told[_READER] == (found.endpoint(EndpointType.READER).address.host,)


def test_a_writer_that_never_answered_is_told_all_the_same() -> None:
    assert _answers(snapshot(gone(), well(2), well(3)), {})[_WRITER] == (ONE,)


def test_names_keep_their_addresses_where_all_addresses_are_one() -> None:
    found = snapshot(well(1), well(2), well(3))
    single = replace(found, cluster=replace(found.cluster, address_block=""))
    writer = single.endpoint(EndpointType.WRITER)
    assert _answers(single, {})[_WRITER] == (writer.address.host,)


def test_a_change_is_told_at_once_without_a_lag() -> None:
    memory = DnsMemory()
    memory.keep({"w": (ONE,)}, 0, 10)
    memory.keep({"w": (TWO,)}, 0, 20)
    assert memory.hosts("w", 20) == (TWO,)


def test_a_change_is_told_after_the_lag() -> None:
    memory = DnsMemory()
    memory.keep({"w": (ONE,)}, 15, 10)
    memory.keep({"w": (TWO,)}, 15, 20)
    memory.keep({"w": (THREE,)}, 15, 21)
    told = [memory.hosts("w", now_s) for now_s in (20, 34.9, 35, 35.9, 36)]
    assert told == [(ONE,), (ONE,), (TWO,), (TWO,), (THREE,)]


def test_the_end_of_a_lag_tells_what_is_right() -> None:
    memory = DnsMemory()
    memory.keep({"w": (ONE,)}, 15, 10)
    memory.keep({"w": (TWO,)}, 15, 20)
    memory.keep({"w": (TWO,)}, 0, 21)
    assert memory.hosts("w", 21) == (TWO,)


def test_a_name_that_is_gone_is_forgotten() -> None:
    memory = DnsMemory()
    memory.keep({"w": (ONE,), "r": (TWO,)}, 0, 10)
    memory.keep({"w": (ONE,)}, 0, 20)
    assert memory.hosts("r", 20) is None


def test_what_is_remembered_of_changes_is_bounded() -> None:
    memory = DnsMemory()
    for number in range(1000):
        memory.keep({"w": (str(number),)}, 3600, number)
    assert memory.hosts("w", 1000) == ("968",)


def test_the_zones_are_found_once_per_change_of_names() -> None:
    memory = DnsMemory()
    memory.keep({"w.zone": (ONE,), "r.zone": (TWO,)}, 0, 10)
    assert memory.zones() == {"zone"}
    assert memory.zones() is memory.zones()
