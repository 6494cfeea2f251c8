"""The DNS names of a cluster."""

from __future__ import annotations

import re

from aws_advanced_python_wrapper.utils.rds_utils import RdsUtils  # type: ignore[import-untyped]

from auroractl.core.address import Address
from auroractl.core.addresses import tls_address
from auroractl.core.dns_names import domain, names, zones
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.model import Endpoint, EndpointType
from tests.unit.core.clusters import PLAN, instance

_HOME = "/home/ada/.local/share/auroractl"


def _names(*, tls: bool = False) -> dict[str, Address]:
    address = next(PLAN.custom_endpoints(()))
    endpoints = (
        Endpoint("demo-writer", "demo", EndpointType.WRITER, PLAN.endpoint(EndpointType.WRITER)),
        Endpoint("demo-reader", "demo", EndpointType.READER, PLAN.endpoint(EndpointType.READER)),
        Endpoint("reports", "demo", EndpointType.CUSTOM, address, CustomEndpointType.ANY),
    )
    return names("abc.eu-west-1.rds.amazonaws.com", endpoints, [instance(1), instance(2)], tls=tls)


def test_endpoints_and_instances_have_auroras_names() -> None:
    assert list(_names()) == [
        "demo.cluster-abc.eu-west-1.rds.amazonaws.com",
        "demo.cluster-ro-abc.eu-west-1.rds.amazonaws.com",
        "reports.cluster-custom-abc.eu-west-1.rds.amazonaws.com",
        "i1.abc.eu-west-1.rds.amazonaws.com",
        "i2.abc.eu-west-1.rds.amazonaws.com",
    ]


def test_each_name_has_the_address_of_its_part() -> None:
    assert list(_names().values()) == [
        PLAN.endpoint(EndpointType.WRITER),
        PLAN.endpoint(EndpointType.READER),
        next(PLAN.custom_endpoints(())),
        instance(1).address,
        instance(2).address,
    ]


def test_with_tls_the_name_of_an_instance_leads_to_where_it_is_ended() -> None:
    assert list(_names(tls=True).values())[3:] == [tls_address(instance(1).address), tls_address(instance(2).address)]


def test_awss_driver_recognises_the_names_and_finds_the_instances() -> None:
    writer, *_, one, _two = _names()
    assert RdsUtils().is_writer_cluster_dns(writer)
    assert RdsUtils().get_rds_instance_host_pattern(writer).replace("?", "i1") == one


def test_a_home_keeps_its_domain_in_a_region() -> None:
    assert domain(_HOME, "us-east-1") == domain(_HOME, "us-east-1")


def test_homes_and_regions_have_domains_of_their_own() -> None:
    found = {domain(home, region) for home in (_HOME, "/srv/other") for region in ("us-east-1", "eu-west-1")}
    assert len(found) == 4


def test_an_id_has_twelve_lower_case_characters_unlike_any_of_aws() -> None:
    assert re.fullmatch(r"a[a-z0-9]{11}\.us-east-1\.rds\.example\.test", domain(_HOME, "us-east-1", "example.test"))


def test_every_name_is_directly_below_a_zone() -> None:
    assert {name.partition(".")[2] for name in _names()} == set(zones("abc.eu-west-1.rds.amazonaws.com"))
