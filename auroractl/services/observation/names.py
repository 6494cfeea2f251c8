"""The DNS names of clusters, for the hosts file and for resolvers."""

from __future__ import annotations

from typing import Any

from auroractl.core import dns_names
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime


def describe_names(runtime: Runtime) -> dict[str, Any]:
    """List the names of all clusters with their addresses, and the zones below which they are."""
    clusters = [(row, ManagedCluster(runtime, row.identifier)) for row in runtime.repository.clusters()]
    region = runtime.settings.region
    domains = {dns_names.domain(str(runtime.home.root), region, runtime.settings.dns_suffix)}
    domains |= {cluster.dns_domain(row) for row, cluster in clusters}
    return {
        "Names": [
            {"Name": name, "DBClusterIdentifier": row.identifier, "Address": address.host, "Port": address.port}
            for row, cluster in clusters
            for name, address in dns_names.names(
                cluster.dns_domain(row), cluster.endpoints(), cluster.instances(), tls=runtime.settings.tls
            ).items()
        ],
        "Dns": _dns(runtime),
        "Zones": [zone for domain in sorted(domains) for zone in dns_names.zones(domain)],
    }


def _dns(runtime: Runtime) -> dict[str, Any] | None:
    """Describe the DNS server; None if there is none."""
    host, _, port = runtime.settings.dns.rpartition(":")
    if not host:
        return None
    problem = runtime.dns_problem
    return {
        "Address": host,
        "Port": int(port),
        "Status": "inactive" if problem else "available",
        "StatusReason": problem,
    }
