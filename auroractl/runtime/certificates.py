"""TLS of a cluster's endpoints: where it is ended, and the certificate in use."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime

from auroractl.certificates.files import server_certificate
from auroractl.config.paths import ClusterPaths, Home
from auroractl.core.addresses import tls_address
from auroractl.core.errors import MachineError
from auroractl.core.model import Address, Endpoint, Instance
from auroractl.runtime.cluster_memory import ClusterMemory

log = logging.getLogger(__name__)


def instance_endpoints(instances: Iterable[Instance]) -> dict[str, Address]:
    """Return the addresses at which TLS is ended for single instances."""
    found = {each.identifier: tls_address(each.address) for each in instances}
    return {name: address for name, address in found.items() if address is not None}


def hosts(endpoints: Iterable[Endpoint], instances: Iterable[Instance], names: Mapping[str, Address]) -> set[str]:
    """Return all that clients may call the endpoints of a cluster."""
    ends = [*(each.address for each in endpoints), *instance_endpoints(instances).values()]
    return {*(each.host for each in ends), *names, "localhost"}


def current_pem(home: Home, paths: ClusterPaths, memory: ClusterMemory, wanted: set[str], now: datetime) -> str:
    """Return the key and certificate of a cluster's endpoints, renewed if it is due; empty if none can be."""
    if memory.certificate is None or not memory.certificate.fits(wanted, now):
        try:
            memory.certificate = server_certificate(home, paths, sorted(wanted), now)
        except MachineError as error:
            # Clients without TLS must not suffer from it.
            log.warning("%s: no certificate could be issued: %s", paths.folder.name, error.message)
    return memory.certificate.pem if memory.certificate else ""
