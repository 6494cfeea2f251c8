"""The DNS names of a cluster, in the form of Aurora's, by which AWS's drivers recognise its endpoints.

A domain is `ID.REGION.rds.SUFFIX`. On AWS the ID stands for an account in a region; here, for a home in a region. So a
cluster that is created again has the same names, and two homes on one machine have different ones.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable

from auroractl.core.address import Address
from auroractl.core.addresses import tls_address
from auroractl.core.model import Endpoint, EndpointType, Instance

SUFFIX_DEFAULT = "amazonaws.com"
"""AWS's drivers know no other one. No cluster on AWS has these names: its IDs begin with another letter."""
_ID_FIRST = "a"
_ID_LENGTH = 12
_LETTERS = string.digits + string.ascii_lowercase
_LABEL = {
    EndpointType.WRITER: "cluster",
    EndpointType.READER: "cluster-ro",
    EndpointType.CUSTOM: "cluster-custom",
}


def domain(home: str, region: str, suffix: str = SUFFIX_DEFAULT) -> str:
    """Return the domain of the clusters of a home in a region.

    >>> domain("/home/ada/.local/share/auroractl", "us-east-1")
    'aidfqt96jot4.us-east-1.rds.amazonaws.com'
    """
    return f"{home_id(home, region)}.{region}.rds.{suffix}"


def home_id(home: str, region: str) -> str:
    """Return the ID that stands for a home in a region."""
    text = f"{home}/{region}"
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
    found = _ID_FIRST
    while len(found) < _ID_LENGTH:
        number, digit = divmod(number, len(_LETTERS))
        found += _LETTERS[digit]
    return found


def endpoint_name(domain_: str, endpoint: Endpoint) -> str:
    """Return the name of an endpoint: built-in ones are named after the cluster, custom ones after themselves."""
    first = endpoint.identifier if endpoint.type is EndpointType.CUSTOM else endpoint.cluster
    return f"{first}.{_LABEL[endpoint.type]}-{domain_}"


def instance_name(domain_: str, identifier: str) -> str:
    """Return the name of an instance.

    >>> instance_name("abc.us-east-1.rds.amazonaws.com", "demo-instance-1")
    'demo-instance-1.abc.us-east-1.rds.amazonaws.com'
    """
    return f"{identifier}.{domain_}"


def instance_address(instance: Instance, *, tls: bool) -> Address:
    """Return the address of an instance's name: where TLS is ended for it, if it is anywhere."""
    return (tls_address(instance.address) if tls else None) or instance.address


def names(
    domain_: str, endpoints: Iterable[Endpoint], instances: Iterable[Instance], *, tls: bool
) -> dict[str, Address]:
    """Return all names of a cluster, those of endpoints first, with their own addresses."""
    return {
        **{endpoint_name(domain_, each): each.address for each in endpoints},
        **{instance_name(domain_, each.identifier): instance_address(each, tls=tls) for each in instances},
    }


def zones(domain_: str) -> tuple[str, ...]:
    """Return the domains directly below which all names are."""
    return (domain_, *(f"{label}-{domain_}" for label in _LABEL.values()))
