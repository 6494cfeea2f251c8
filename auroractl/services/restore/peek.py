"""peek: query the past on a temporary recovered copy, without effect on the cluster.

The copy is removed when the client process ends, for any reason.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

from auroractl.api.requests.restore import Peek
from auroractl.core.restore.retention import RecoveryImage
from auroractl.core.text.timestamps import exact_timestamp
from auroractl.core.wal.lsn import format_lsn
from auroractl.runtime.caller import caller
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.instances.master_password import password_at
from auroractl.services.recovery_images.staging import ImageCopy
from auroractl.services.restore import recovered_copy, recovery_point
from auroractl.storage.images import DamagedImage
from auroractl.system.files import write_json
from auroractl.system.liveness import started_at


def peek(cluster: ManagedCluster, request: Peek) -> dict[str, Any]:
    """Make a recovered copy; return how to connect. Raises as `recovery_point.find_recovery_point`, EngineError, TimedOut."""
    cluster.require_running()
    identifier = f"peek-{uuid.uuid4()}"
    with recovered_copy.in_use(cluster, identifier):
        copy = recovered_copy.copy_named(cluster, identifier, recovered_copy.free_address(cluster))
        try:
            place = _bring(cluster, request, copy)
        except BaseException:
            recovered_copy.remove(cluster, identifier)
            raise
        finally:
            cluster.repository.unpin(identifier)
        client = {"ProcessId": request.client_pid, "StartedAt": started_at(request.client_pid)}
        write_json(copy.folder / recovered_copy.CLIENT, client)
    cluster.observer.watch_exit(request.client_pid)
    return {
        "ConsistentTime": exact_timestamp(place.cut.at),
        "ConsistentLsn": format_lsn(place.cut.lsn),
        **read_access(cluster, copy),
    }


def _bring(cluster: ManagedCluster, request: Peek, copy: recovered_copy.RecoveredCopy) -> recovery_point.RecoveryPoint:
    """Recover a copy to a target, with another image if one is damaged; return its recovery point."""
    with ExitStack() as copies:

        def begin(image: RecoveryImage) -> ImageCopy:
            cluster.repository.pin(cluster.name, copy.identifier, image.reached_at)
            return copies.enter_context(closing(recovered_copy.begin_copy(cluster, image, copy)))

        # The likely image is prepared while the exact recovery point is searched.
        likely = recovery_point.likely_image(cluster, request.target)
        begun = begin(likely) if likely else None
        place = recovery_point.find_recovery_point(cluster, request.target, use_earliest=request.use_earliest)
        while True:
            if begun is None or begun.image.identifier != place.image.identifier:
                if begun:
                    begun.close()
                begun = begin(place.image)
            try:
                _reach(cluster, place, copy, begun)
            except DamagedImage as error:
                begun.close()
                begun = None
                other = recovery_point.from_another_image(cluster, place)
                if other is None:
                    raise
                caller().progress.message(str(error))
                place = other
            else:
                return place


def _reach(
    cluster: ManagedCluster,
    place: recovery_point.RecoveryPoint,
    copy: recovered_copy.RecoveredCopy,
    begun: ImageCopy,
) -> None:
    """Recover a copy to its recovery point. Raises DamagedImage if its image is damaged, even if recovery succeeded."""
    recovered_copy.stage(cluster, place, copy, begun, durable=False)
    with ThreadPoolExecutor(1) as pool:
        # Verified during the recovery to save time. The answer waits for both.
        whole = pool.submit(begun.check)
        try:
            recovered_copy.recover(cluster, place, copy)
        finally:
            whole.result()


def read_access(cluster: ManagedCluster, copy: recovered_copy.RecoveredCopy) -> dict[str, Any]:
    """Return how to connect to a copy as the master user, with the password of that time."""
    row = cluster.row()
    binaries = cluster.binaries
    return {
        "DBClusterIdentifier": cluster.name,
        "Host": copy.server.address.host,
        "Port": copy.server.address.port,
        "User": row.master_username,
        "Password": password_at(cluster, copy.server.access(cluster.installation.secrets.admin)),
        "Database": row.database_name,
        "PsqlPath": binaries.program("psql"),
        "PgDumpPath": binaries.program("pg_dump"),
    }
