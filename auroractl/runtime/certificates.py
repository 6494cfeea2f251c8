"""TLS of a cluster's endpoints: where it is ended, and the certificate in use."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from auroractl.certificates.files import authority_in_use, kept_certificate, server_certificate
from auroractl.config.paths import ClusterPaths, Home
from auroractl.core.address import Address
from auroractl.core.addresses import tls_address
from auroractl.core.errors import MachineError
from auroractl.core.model import Endpoint, Instance
from auroractl.runtime.cluster_memory import ClusterMemory

log = logging.getLogger(__name__)

_RETRY_S = 60.0
"""How long after a certificate could not be issued it is tried again."""


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
    if time.monotonic() >= memory.certificate_due_s:
        held = memory.certificate
        if held is None or not held.fits(wanted, authority_in_use(home), now):
            _renew(home, paths, memory, wanted, now)
    return memory.certificate.pem if memory.certificate else ""


def _renew(home: Home, paths: ClusterPaths, memory: ClusterMemory, wanted: set[str], now: datetime) -> None:
    """Issue a certificate; if that fails, keep the one that there is."""
    try:
        memory.certificate = server_certificate(home, paths, sorted(wanted), now)
    except MachineError as error:
        # Clients without TLS must not suffer from it.
        log.warning("%s: no certificate could be issued: %s", paths.folder.name, error.message)
        memory.certificate_due_s = time.monotonic() + _RETRY_S
        if memory.certificate is None:
            kept = kept_certificate(paths)
            memory.certificate = kept if kept is not None and now < kept.until else None


def forget(memory: ClusterMemory) -> None:
    """Have the certificate read or issued again at once. The caller holds the routing lock."""
    memory.certificate, memory.certificate_due_s = None, 0.0
