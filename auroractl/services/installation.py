"""What all clusters of a home share: the account, the programs, the internal passwords, the template."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from threading import RLock

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.model import Address, Instance
from auroractl.core.storage import StorageNode
from auroractl.engine import configuration
from auroractl.engine.binaries import Binaries, find_binaries
from auroractl.engine.secrets import REPLICATION, InternalSecrets, load_internal_secrets
from auroractl.engine.server import Server
from auroractl.engine.template import ensure_template, template_name
from auroractl.process.accounts import Account, database_account, require_reachable
from auroractl.process.files import make_folder
from auroractl.storage.folder import LogFolder
from auroractl.storage.images import ImageFolder
from auroractl.storage.receiver import Receiver


class Installation:
    """Found out at first use, so that a supervisor can run and say what is missing."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self._lock = RLock()

    @cached_property
    def account(self) -> Account | None:
        """The account of the database processes; None for the current one."""
        account = database_account(self.settings.run_as)
        require_reachable(self.home.root, account)
        return account

    @cached_property
    def binaries(self) -> Binaries:
        """The PostgreSQL programs."""
        with self._lock:
            return find_binaries(self.settings.postgresql_folder, self.account, self.home.binaries)

    @cached_property
    def secrets(self) -> InternalSecrets:
        """The passwords of the internal database users."""
        with self._lock:
            return load_internal_secrets(self.home.internal_secrets)

    def template(self) -> None:
        """Make the template that clusters are copied from, if it is not there yet."""
        # Before Python 3.12 a cached_property holds a lock of its own while it is computed, and these then take ours:
        # whoever held ours and waited for theirs would wait for ever.
        path, binaries, secrets, account = self.template_path, self.binaries, self.secrets, self.account
        with self._lock:
            ensure_template(path, binaries, secrets, account)

    @property
    def template_path(self) -> Path:
        """Where the template lies."""
        return self.home.template(template_name(self.binaries.version))

    def server(self, instance: Instance) -> Server:
        """The PostgreSQL server of an instance."""
        paths = self.home.cluster(instance.cluster).instance(instance.identifier)
        return Server(
            name=instance.identifier,
            data=paths.data,
            log=paths.log,
            address=instance.address,
            binaries=self.binaries,
            account=self.account,
        )

    def make_storage_folder(self, cluster: str) -> None:
        """The folder of a cluster's storage nodes with the password that they need."""
        paths = self.home.cluster(cluster)
        make_folder(paths.storage, owner=self.account)
        configuration.write_pgpass(paths.storage_pgpass, self.secrets.replication, self.account)

    def make_node_folder(self, node: StorageNode) -> None:
        """The folder of a storage node."""
        make_folder(self.home.cluster(node.cluster).storage_node(node.identifier), owner=self.account)

    def receiver(self, node: StorageNode) -> Receiver:
        """The process of a storage node."""
        paths = self.home.cluster(node.cluster)
        return Receiver(
            name=node.identifier,
            folder=paths.storage_node(node.identifier),
            lock=paths.storage / f"{node.identifier}.pid",
            log=paths.storage / f"{node.identifier}.log",
            passfile=paths.storage_pgpass,
            program=self.binaries.program("pg_receivewal"),
            user=REPLICATION,
            account=self.account,
        )

    def log_folder(self, node: StorageNode) -> LogFolder:
        """A storage node's copy of the log."""
        return LogFolder(self.home.cluster(node.cluster).storage_node(node.identifier), self.account)

    def past_folder(self, node: StorageNode) -> LogFolder:
        """A full storage node's copy of the log that backtracks left behind."""
        return LogFolder(self.home.cluster(node.cluster).storage_past(node.identifier), self.account)

    def make_past_folder(self, node: StorageNode) -> None:
        """The folder of the log that backtracks left behind."""
        make_folder(self.home.cluster(node.cluster).storage_past(node.identifier), owner=self.account)

    def make_scratch_folder(self, path: Path) -> None:
        """A folder that the databases' account can work in."""
        make_folder(path, owner=self.account)

    def own(self, path: Path) -> None:
        """Give a file to the databases' account."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def image_folder(self, node: StorageNode) -> ImageFolder:
        """A full storage node's page images."""
        return ImageFolder(
            node.identifier, self.home.cluster(node.cluster).storage_images(node.identifier), self.account
        )

    def server_at(self, folder: Path, address: Address) -> Server:
        """A server of no instance, whose `data` and log lie in a folder."""
        return Server(
            name=folder.name,
            data=folder / "data",
            log=folder / "postgresql.log",
            address=address,
            binaries=self.binaries,
            account=self.account,
        )

    def make_instance_folder(self, instance: Instance) -> None:
        """The folder of an instance with what its server needs besides the data directory."""
        paths = self.home.cluster(instance.cluster).instance(instance.identifier)
        make_folder(paths.folder, owner=self.account)
        configuration.write_pgpass(paths.pgpass, self.secrets.replication, self.account)

    def parameters(
        self,
        instance: Instance,
        follow: Address | None,
        volume: configuration.VolumeSettings,
        impairment: configuration.Impairment | None = None,
    ) -> dict[str, str | int]:
        """The parameters of an instance's server."""
        paths = self.home.cluster(instance.cluster).instance(instance.identifier)
        settings = configuration.ServerSettings(
            connections_max=self.settings.connections_max,
            shared_buffers=self.settings.shared_buffers,
            max_wal_size=self.settings.max_wal_size,
            wal_keep_size=self.settings.wal_keep_size,
        )
        return configuration.server_configuration(
            instance.identifier,
            instance.address,
            settings,
            volume,
            follow,
            paths.pgpass,
            paths.recovery,
            impairment or configuration.Impairment(),
        )

    def configure(
        self,
        instance: Instance,
        follow: Address | None,
        volume: configuration.VolumeSettings,
        impairment: configuration.Impairment,
    ) -> None:
        """Write the configuration of an instance: a reader that follows `follow`, or the writer."""
        paths = self.home.cluster(instance.cluster).instance(instance.identifier)
        values = self.parameters(instance, follow, volume, impairment)
        if follow is not None:
            # PostgreSQL refuses a standby with room for fewer connections than its log was written with, which the
            # setting may have had before (https://www.postgresql.org/docs/18/hot-standby.html#HOT-STANDBY-ADMIN).
            least = int(self.server(instance).control_data()["max_connections setting"])
            values["max_connections"] = max(least, int(values["max_connections"]))
        configuration.write_configuration(paths.data, values, standby=follow is not None, account=self.account)
