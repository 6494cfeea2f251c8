"""The loopback addresses of a cluster.

Aurora-aware drivers expect one host per instance and one port per cluster, so a cluster takes a block of loopback
addresses (127.x.y.0/24). If only one loopback address exists, everything listens there on distinct ports instead.
Nothing outside this module knows which of the two forms is in use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from auroractl.core.address import Address
from auroractl.core.model import EndpointType

SINGLE_HOST = "127.0.0.1"
_FIRST_NET, _LAST_NET = 16, 239
_BLOCKS = (_LAST_NET - _FIRST_NET + 1) * 256
_ENDPOINT_OFFSET = {EndpointType.WRITER: 1, EndpointType.READER: 2}
_CUSTOM_OFFSETS = range(3, 8)
"""Five per cluster, as on AWS."""
_INSTANCE_OFFSET_FIRST, _INSTANCE_OFFSET_LAST = 11, 60
_TLS_OFFSET = 100
"""Distance of the address at which the endpoint process ends TLS for an instance from the instance's own."""


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """The addresses of one cluster.

    `block` is three octets, or empty for one host with distinct ports.
    """

    block: str
    port: int

    def _address(self, offset: int) -> Address:
        if self.block:
            return Address(f"{self.block}.{offset}", self.port)
        return Address(SINGLE_HOST, self.port + offset - 1)

    def endpoint(self, type_: EndpointType) -> Address:
        """Return the address of a built-in endpoint; the writer endpoint has the cluster's port in both forms."""
        return self._address(_ENDPOINT_OFFSET[type_])

    def custom_endpoints(self, taken: Collection[Address]) -> Iterator[Address]:
        """Return free addresses for custom endpoints, lowest first."""
        for offset in _CUSTOM_OFFSETS:
            address = self._address(offset)
            if address not in taken:
                yield address

    def instances(self, taken: Collection[Address]) -> Iterator[Address]:
        """Return free addresses for instances, lowest first."""
        for offset in range(_INSTANCE_OFFSET_FIRST, _INSTANCE_OFFSET_LAST + 1):
            address = self._address(offset)
            if address not in taken:
                yield address

    def all(self) -> list[Address]:
        """Return every address that the cluster may ever use, to check beforehand that they are free."""
        own = [self._address(offset) for offset in range(1, _INSTANCE_OFFSET_LAST + 1)]
        ends = (tls_address(each) for each in own[_INSTANCE_OFFSET_FIRST - 1 :]) if self.block else ()
        return [*own, *(each for each in ends if each is not None)]


def tls_address(instance: Address) -> Address | None:
    """Return the address at which TLS is ended for an instance; None where there is only one loopback address.

    >>> tls_address(Address("127.16.0.11", 5432)), tls_address(Address("127.0.0.1", 5442))
    (Address(host='127.16.0.111', port=5432), None)
    """
    if instance.host == SINGLE_HOST:
        return None
    block, _, offset = instance.host.rpartition(".")
    return Address(f"{block}.{int(offset) + _TLS_OFFSET}", instance.port)


def block_candidates(seed: int) -> Iterator[str]:
    """Yield each address block once, beginning at a position that `seed` determines.

    Different homes begin at different positions, so that clusters of several users or of concurrent tests rarely request the
    same block.

    >>> next(block_candidates(0))
    '127.16.0'
    """
    for step in range(_BLOCKS):
        high, low = divmod((seed + step) % _BLOCKS, 256)
        yield f"127.{_FIRST_NET + high}.{low}"
