"""The master user's password, in a file that only the supervisor's user can read."""

from __future__ import annotations

from auroractl.core.errors import MachineError
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.system.file_credentials import as_self
from auroractl.system.files import make_folder, read_json, write_json


def keep_master_password(cluster: ManagedCluster, password: str) -> None:
    """Store the password of a new cluster."""
    cluster.installation.make_cluster_folders(cluster.name)
    with as_self():
        make_folder(cluster.runtime.home.run)
        write_json(cluster.paths.secrets, {"master": password})


def master_password(cluster: ManagedCluster) -> str:
    """Return the master user's password. Raises MachineError if its file is gone."""
    path = cluster.paths.secrets
    with as_self():
        document = read_json(path)
    if document is None:
        raise MachineError(f"The password of DBCluster {cluster.name} is gone: {path} does not exist.", "")
    return str(document["master"])
