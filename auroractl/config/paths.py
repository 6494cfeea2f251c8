"""Where everything of a home lies.

HOME/
  config.toml               settings of this home (optional)
  state.db                  what is wanted, what happened; state-backups/ holds copies made before upgrades
  supervisor.pid            locked by the supervisor for as long as it lives
  supervisor.log
  secrets/internal.json     passwords of the internal database users
  postgresql/VERSION/       copy of the binaries, only where the account cannot read the installed ones
  template/VERSION/         an initialised data directory, from which clusters are copied
  clusters/NAME/
    secrets.json            the master user's password
    endpoint/               routes.json, pid file and log of the endpoint process
    instances/ID/           data/ (the data directory), pgpass, postgresql.log, recovery/ (log read back for it)
    storage/                pgpass; for each storage node ID/ (its copy of the log), ID.pid and ID.log; for each full
                            node ID.images/ (page images) and ID.past/ (log that a backtrack left behind)
    moments/ID/             data/, log/ and postgresql.log of what is being brought back to a moment
  run/                      Unix sockets; elsewhere where this path would be too long for one
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.errors import ConfigurationError

SOCKET_PATH_LENGTH_MAX = 100
"""sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS."""


@dataclass(frozen=True, slots=True)
class InstancePaths:
    """Where an instance lies."""

    folder: Path

    @property
    def data(self) -> Path:
        """The PostgreSQL data directory."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "postgresql.log"

    @property
    def pgpass(self) -> Path:
        """The replication user's password, for the WAL receiver and for pg_rewind."""
        return self.folder / "pgpass"

    @property
    def recovery(self) -> Path:
        """Log that was read back from the storage nodes for this instance."""
        return self.folder / "recovery"


@dataclass(frozen=True, slots=True)
class ClusterPaths:
    """Where a cluster lies."""

    folder: Path
    run: Path

    @property
    def secrets(self) -> Path:
        """The master user's password."""
        return self.folder / "secrets.json"

    @property
    def endpoint(self) -> Path:
        """The endpoint process's working folder."""
        return self.folder / "endpoint"

    @property
    def endpoint_socket(self) -> Path:
        """The endpoint process's control socket."""
        return self.run / f"{_digest(os.fsencode(self.folder.name))[:12]}.sock"

    @property
    def instances(self) -> Path:
        """The folder of all instances."""
        return self.folder / "instances"

    @property
    def storage(self) -> Path:
        """The folder of all storage nodes."""
        return self.folder / "storage"

    @property
    def storage_pgpass(self) -> Path:
        """The replication user's password, for the storage nodes."""
        return self.storage / "pgpass"

    def storage_node(self, identifier: str) -> Path:
        """The folder of a storage node: its copy of the log."""
        return self.storage / identifier

    def storage_images(self, identifier: str) -> Path:
        """The page images of a full storage node."""
        return self.storage / f"{identifier}.images"

    def storage_past(self, identifier: str) -> Path:
        """A full storage node's copy of the log that backtracks left behind."""
        return self.storage / f"{identifier}.past"

    @property
    def moments(self) -> Path:
        """The folder of what is being brought back to moments."""
        return self.folder / "moments"

    def instance(self, identifier: str) -> InstancePaths:
        """The paths of one instance."""
        return InstancePaths(self.instances / identifier)


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds everything; `root` is absolute."""

    root: Path

    @property
    def config(self) -> Path:
        """Settings of this home."""
        return self.root / "config.toml"

    @property
    def state(self) -> Path:
        """The SQLite file."""
        return self.root / "state.db"

    @property
    def state_backups(self) -> Path:
        """Copies of the SQLite file made before upgrades."""
        return self.root / "state-backups"

    @property
    def supervisor_lock(self) -> Path:
        """Locked by the supervisor for life."""
        return self.root / "supervisor.pid"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor did and why."""
        return self.root / "supervisor.log"

    @property
    def internal_secrets(self) -> Path:
        """Passwords of the internal database users."""
        return self.root / "secrets" / "internal.json"

    @property
    def clusters(self) -> Path:
        """The folder of all clusters."""
        return self.root / "clusters"

    def binaries(self, version: str) -> Path:
        """The copy of the PostgreSQL binaries of a version."""
        return self.root / "postgresql" / version

    def template(self, version: str) -> Path:
        """The initialised data directory of a version."""
        return self.root / "template" / version

    @property
    def run(self) -> Path:
        """The folder of Unix sockets, short enough for their names."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) + len("/0123456789ab.sock") < SOCKET_PATH_LENGTH_MAX:
            return inside
        import tempfile  # noqa: PLC0415  (only for long paths: the client starts quickly)

        return Path(tempfile.gettempdir()) / f"auroractl-{os.getuid()}-{_digest(os.fsencode(self.root))[:16]}"

    @property
    def socket(self) -> Path:
        """The supervisor's control socket."""
        return self.run / "supervisor.sock"

    def cluster(self, identifier: str) -> ClusterPaths:
        """The paths of one cluster."""
        return ClusterPaths(self.clusters / identifier, self.run)


def _digest(text: bytes) -> str:
    import hashlib  # noqa: PLC0415  (not in a client that starts quickly)

    return hashlib.sha256(text).hexdigest()


def default_home() -> Path:
    """A system folder for root, whose database processes run under another account; else the user's data folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/auroractl")
    import platformdirs  # noqa: PLC0415  (only where it is needed: the client starts quickly)

    return platformdirs.user_data_path("auroractl")


def find_home(flag: str | None) -> Home:
    """The home that a command means: the flag, else AURORACTL_HOME, else the default.

    Raises ConfigurationError for one that is not a folder.
    """
    text = flag or os.environ.get("AURORACTL_HOME") or ""
    root = Path(text).expanduser().absolute() if text else default_home()
    if root.exists() and not root.is_dir():
        raise ConfigurationError(
            f"The home {root} is not a folder.", "Set AURORACTL_HOME to a folder, or to one that can be made"
        )
    return Home(root)


def user_config() -> Path:
    """The settings file of this person: AURORACTL_CONFIG, else the usual place."""
    text = os.environ.get("AURORACTL_CONFIG")
    if text:
        return Path(text).expanduser().absolute()
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "auroractl" / "config.toml"
