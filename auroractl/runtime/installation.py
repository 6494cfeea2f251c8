"""What the clusters of a home share: account, programs, internal passwords, templates."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from types import MappingProxyType

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.address import Address
from auroractl.core.engine.locales import Locale
from auroractl.core.model import Instance
from auroractl.core.volume.model import StorageNode
from auroractl.engine import aurora_sql, configuration
from auroractl.engine.binaries import Binaries
from auroractl.engine.connections import Access, require_socket, socket_fits
from auroractl.engine.iam_users import IamAccess
from auroractl.engine.secrets import InternalSecrets, load_internal_secrets
from auroractl.engine.server import Server
from auroractl.engine.template import ensure_template, template_name
from auroractl.runtime.engine_builds import EngineBuilds
from auroractl.storage.folder import LogFolder
from auroractl.storage.images import ImageFolder
from auroractl.storage.receiver import Receiver
from auroractl.system.account import Account
from auroractl.system.accounts import database_account, require_reachable
from auroractl.system.file_credentials import as_self
from auroractl.system.files import make_folder, make_folder_of, remove_tree
from auroractl.system.locales import system_locales

_CONNECT_TIMEOUT_S = 10.0
_PRELOADED = {"pg_stat_statements"}


@dataclass(frozen=True, slots=True)
class Engine:
    """What a cluster was created with and keeps: its PostgreSQL build and the locale of its databases."""

    build: str
    locale: Locale


class Installation:
    """Determined at first use, so that a supervisor can run and report what is missing."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        engine_of: Callable[[str], Engine],
        used: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self.home = home
        self.settings = settings
        self.builds = EngineBuilds(home, settings, lambda: self.account, used)
        self._engine_of = engine_of
        """Returns what a cluster was created with."""
        self._lock = RLock()
        self._templates: dict[str, Path] = {}
        """The templates of clusters that were made since the start, so that all instances are copies of the same."""

    @cached_property
    def account(self) -> Account | None:
        """The account of the database processes; None for the current one."""
        account = database_account(self.settings.run_as, self.home.database_folders())
        require_reachable(self.home.root, account)
        return account

    def binaries(self, cluster: str) -> Binaries:
        """Return the PostgreSQL programs of a cluster, which raise MachineError when they are used if they are gone."""
        return self.builds.binaries(self._engine_of(cluster).build)

    def require_programs(self, cluster: str) -> None:
        """Check that a cluster has its PostgreSQL programs. Raises MachineError with what to install."""
        self.builds.pin(self._engine_of(cluster).build)

    @cached_property
    def secrets(self) -> InternalSecrets:
        """The passwords of the internal database users."""
        with self._lock:
            return load_internal_secrets(self.home.internal_secrets)

    def engine_of(self, cluster: str) -> Engine:
        """Return what a cluster was created with. Raises ClusterNotFound."""
        return self._engine_of(cluster)

    def template(self, cluster: str) -> None:
        """Make the template of which a cluster is a copy, unless it exists."""
        self._templates[cluster] = self.template_of(self._engine_of(cluster))

    def template_of(self, engine: Engine) -> Path:
        """Return the template of a build and a locale, and make it unless it exists."""
        # Before Python 3.12 a cached_property holds its own lock while it is computed, and these then take ours. A
        # thread that held ours and waited for theirs would deadlock.
        path, binaries = self._template_path(engine), self.builds.pin(engine.build)
        secrets, account = self.secrets, self.account
        with self._lock:
            ensure_template(path, binaries, engine.locale, secrets, account, with_aurora_sql=self.settings.aurora_sql)
        return path

    def template_path(self, cluster: str) -> Path:
        """Return the template of which a cluster is a copy, or would be if it were made now."""
        return self._templates.get(cluster) or self._template_path(self._engine_of(cluster))

    def _template_path(self, engine: Engine) -> Path:
        name = template_name(engine.build, engine.locale, system_locales(), with_aurora_sql=self.settings.aurora_sql)
        return self.home.template(name)

    def server(self, instance: Instance) -> Server:
        """Return the PostgreSQL server of an instance."""
        paths = self.home.cluster(instance.cluster).instance(instance.identifier)
        return Server(
            name=instance.identifier,
            data=paths.data,
            log=paths.log,
            address=instance.address,
            binaries=self.binaries(instance.cluster),
            account=self.account,
            socket_folder=self._socket_folder(paths.folder),
        )

    @property
    def server_uid(self) -> int:
        """Return the uid under which servers run."""
        return self.account.uid if self.account else os.geteuid()

    def access(self, instance: Instance) -> Access:
        """Return the connection parameters of the supervisor for an instance's server."""
        return self.server(instance).access(self.secrets.admin)

    def _socket_folder(self, folder: Path) -> Path | None:
        """Return the folder for a server's Unix socket; None if the path would be too long."""
        sockets = self.home.server_sockets(folder)
        return sockets if socket_fits(sockets) else None

    def has_sockets(self, cluster: str) -> bool:
        """Return whether the servers of a cluster can have Unix sockets."""
        return self._socket_folder(self.home.cluster(cluster).instance("any").folder) is not None

    def require_sockets(self, cluster: str, major: int) -> None:
        """Check that servers of this version can have their Unix sockets, if they need them. Raises MachineError."""
        require_socket(major, self._socket_folder(self.home.cluster(cluster).instance("any").folder))

    def make_socket_folder(self, server: Server) -> None:
        """Make the folder of a server's Unix socket, which only the databases' account may enter."""
        if server.socket_folder is not None:
            of_cluster = server.socket_folder.parent
            with as_self():
                make_folder(of_cluster.parent, mode=0o755)
            make_folder_of(of_cluster, self.account)
            make_folder(server.socket_folder)

    def remove_socket_folder(self, server: Server) -> None:
        """Remove the folder of a server's Unix socket; do nothing if there is none."""
        if server.socket_folder is not None:
            remove_tree(server.socket_folder)

    def make_cluster_folders(self, cluster: str) -> None:
        """Make a cluster's folder, owned by this process, and the subfolders that its databases use."""
        paths = self.home.cluster(cluster)
        with as_self():
            make_folder(self.home.clusters, mode=0o755)
            make_folder(paths.folder, mode=0o755)
        for folder in (paths.instances, paths.moments):
            make_folder_of(folder, self.account)

    def make_storage_folder(self, cluster: str) -> None:
        """Make the folder of a cluster's storage nodes, with the password that they need."""
        paths = self.home.cluster(cluster)
        make_folder_of(paths.storage, self.account)
        configuration.write_pgpass(paths.storage_pgpass, self.secrets.replication)

    def make_node_folder(self, node: StorageNode) -> None:
        """Make the folder of a storage node."""
        make_folder(self.home.cluster(node.cluster).storage_node(node.identifier))

    def receiver(self, node: StorageNode) -> Receiver:
        """Return the process of a storage node."""
        paths = self.home.cluster(node.cluster)
        return Receiver(
            name=node.identifier,
            folder=paths.storage_node(node.identifier),
            lock=paths.storage / f"{node.identifier}.pid",
            log=paths.storage / f"{node.identifier}.log",
            program=str(self.binaries(node.cluster).folder / "bin" / "pg_receivewal"),
            account=self.account,
        )

    def start_receiver(self, node: StorageNode, writer: Instance, *, flushes: bool) -> int | None:
        """Start a storage node receiving from a writer; return its process id. Raises as `Receiver.start` does."""
        passfile = self.home.cluster(node.cluster).storage_pgpass
        conninfo = self.access(writer).replication_conninfo(node.identifier, _CONNECT_TIMEOUT_S, passfile)
        return self.receiver(node).start(writer.address, conninfo, flushes=flushes)

    def log_folder(self, node: StorageNode) -> LogFolder:
        """Return a storage node's copy of the WAL."""
        return LogFolder(self.home.cluster(node.cluster).storage_node(node.identifier))

    def past_folder(self, node: StorageNode) -> LogFolder:
        """Return a full storage node's copy of the WAL of abandoned timelines."""
        return LogFolder(self.home.cluster(node.cluster).storage_past(node.identifier))

    def make_past_folder(self, node: StorageNode) -> None:
        """Make the folder for the WAL of abandoned timelines."""
        make_folder(self.home.cluster(node.cluster).storage_past(node.identifier))

    def image_folder(self, node: StorageNode) -> ImageFolder:
        """Return a full storage node's recovery images."""
        return ImageFolder(node.identifier, self.home.cluster(node.cluster).storage_images(node.identifier))

    def server_at(self, folder: Path, address: Address) -> Server:
        """Return a server that belongs to no instance, whose `data` and log are in a folder."""
        return Server(
            name=folder.name,
            data=folder / "data",
            log=folder / "postgresql.log",
            address=address,
            binaries=self.binaries(self.home.cluster_of(folder)),
            account=self.account,
            socket_folder=self._socket_folder(folder),
        )

    def make_instance_folder(self, instance: Instance) -> None:
        """Make the folder of an instance with what its server needs besides the data directory."""
        paths = self.home.cluster(instance.cluster).instance(instance.identifier)
        make_folder(paths.folder)
        configuration.write_pgpass(paths.pgpass, self.secrets.replication)

    def server_settings(self, binaries: Binaries) -> configuration.ServerSettings:
        """Return the settings that servers of a build have in common."""
        return configuration.ServerSettings(
            connections_max=self.settings.connections_max,
            shared_buffers=self.settings.shared_buffers,
            max_wal_size=self.settings.max_wal_size,
            wal_keep_size=self.settings.wal_keep_size,
            preload_libraries=", ".join(_PRELOADED & binaries.libraries),
            aurora_extensions=aurora_sql.EXTENSIONS if self.settings.aurora_sql else "",
        )

    def parameters(
        self,
        instance: Instance,
        follow: Instance | None,
        volume: configuration.VolumeSettings,
        impairment: configuration.Impairment | None = None,
        chosen: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, str | int]:
        """Return the parameters of an instance's server; `chosen` are those of its parameter groups."""
        paths = self.home.cluster(instance.cluster).instance(instance.identifier)
        return configuration.server_configuration(
            instance.identifier,
            instance.address,
            self.server_settings(self.binaries(instance.cluster)),
            volume,
            self.access(follow) if follow else None,
            paths.pgpass,
            paths.recovery,
            self.server(instance).socket_folder,
            impairment or configuration.Impairment(),
            chosen,
        )

    def configure(
        self, instance: Instance, values: Mapping[str, str | int], iam: IamAccess | None, *, standby: bool
    ) -> None:
        """Write the configuration of an instance's server."""
        server = self.server(instance)
        self.make_socket_folder(server)
        configuration.write_configuration(server.data, values, standby=standby, sockets=server.uses_socket(), iam=iam)
