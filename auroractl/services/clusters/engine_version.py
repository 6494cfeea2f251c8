"""modify-cluster --engine-version: another build of the same major version, from the next start on."""

from __future__ import annotations

from auroractl.core.engine.locales import require_usable
from auroractl.core.engine.versions import Build, parse_version
from auroractl.core.errors import InvalidClusterState, InvalidParameterValue
from auroractl.core.model import RunningOperation, Wanted
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.operations import queue
from auroractl.services.operations.dry_run import end_dry_run


def change_engine_version(cluster: ManagedCluster, requested: str) -> None:
    """Make a stopped cluster use another build when it is started; do nothing if it uses that build already.

    Raises InvalidParameterValue for another major version, an older minor one, or a build without the provider of the
    cluster's locale, InvalidClusterState if the cluster is not stopped or busy, MachineError if the build cannot be used.
    Nothing is changed then.
    """
    cluster.require_whole()
    build = cluster.installation.builds.choose(requested)
    _check(cluster, build)
    with cluster.locks.operation(cluster.name, RunningOperation("", queue.MODIFY_CLUSTER, cluster.now())):
        row = cluster.row()
        if build.identifier == row.engine_build:
            return
        if row.wanted is not Wanted.STOPPED:
            raise InvalidClusterState(
                f"DBCluster {cluster.name} is not stopped, and its servers keep their programs while they run.",
                f"Stop it first: auroractl stop-cluster {cluster.name}",
            )
        end_dry_run()
        cluster.installation.builds.pin(build.identifier)
        cluster.repository.update_cluster(
            cluster.name, engine_version=str(build.version), engine_build=build.identifier
        )
    message = f"The engine version is {build.version} from the next start on; it was {row.engine_version}"
    events.record(cluster, events.ENGINE_VERSION, cluster.name, message)


def _check(cluster: ManagedCluster, build: Build) -> None:
    row = cluster.row()
    current = parse_version(row.engine_version)
    if build.version.major != current.major:
        raise InvalidParameterValue(
            f"DBCluster {cluster.name} has PostgreSQL {current}; its major version cannot be changed in place.",
            f"Create a cluster of {build.version.major} and load a dump of this one into it: auroractl pg-dump {cluster.name}",
        )
    require_usable(row.locale, build)
    if build.version < current:
        raise InvalidParameterValue(
            f"DBCluster {cluster.name} has PostgreSQL {current}, and {build.version} is older.", "Name a newer version"
        )
