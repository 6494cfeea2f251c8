"""The certificate authority of a home: what clients are to trust, and its replacement."""

from __future__ import annotations

import logging
from typing import Any

from auroractl.certificates import files
from auroractl.core.errors import AuroraError
from auroractl.runtime.certificates import forget
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.operations.dry_run import end_dry_run

log = logging.getLogger(__name__)


def describe(runtime: Runtime) -> dict[str, Any]:
    """Describe the authorities that clients are to trust, the one in use first. Raises MachineError."""
    return {
        "CaBundle": str(runtime.home.ca_bundle),
        "Tls": runtime.settings.tls,
        "Certificates": [
            {
                "CertificateIdentifier": each.name,
                "InUse": position == 0,
                "Thumbprint": each.fingerprint,
                "ValidFrom": each.begin.isoformat(),
                "ValidTill": each.until.isoformat(),
                "Pem": each.pem,
            }
            for position, each in enumerate(files.trusted(runtime.home, runtime.now()))
        ],
    }


def rotate(runtime: Runtime, *, keep_previous: bool) -> None:
    """Replace the authority and the certificates of all clusters. Open connections stay as they are.

    Raises MachineError.
    """
    end_dry_run("Make a certificate authority", "Issue the certificates of all clusters")
    files.rotate(runtime.home, runtime.now(), keep_previous=keep_previous)
    for row in runtime.repository.clusters():
        cluster = ManagedCluster(runtime, row.identifier)
        with runtime.routing_lock:
            forget(cluster.memory)
        try:
            cluster.publish_routes()
        except AuroraError as error:
            log.warning("%s: the endpoint process did not take its certificate: %s", row.identifier, error)
