"""The paths of all files and folders of a home.

If root started auroractl, root owns everything except the folders of the databases' account, marked with *.

HOME/
  config.toml               settings of this home (optional)
  state.db                  configuration and history; state-backups/ holds copies made before upgrades
  supervisor.pid            locked by the supervisor for as long as it lives
  supervisor.log            and supervisor.log.1 with the older entries, as for every log below
  secrets/internal.json     passwords of the internal database users
  secrets/ca.pem            key and certificate of the certificate authority
  ca-bundle.pem             the certificates that clients are to trust
  postgresql/BUILD/         copies of the PostgreSQL builds that clusters use
  template/BUILD-N/      *  an initialised data directory, from which clusters are copied
  template/trial/        *  a copy of one on which parameters are being tried
  clusters/NAME/
    secrets.json            the master user's password
    endpoint/               routes.json, certificate.json, pid file and log of the endpoint process
    instances/           *  ID/: data/ (the data directory), pgpass, postgresql.log, recovery/ (WAL read back for it)
    storage/             *  base/ (the data directory of the last instance, only while there is none), base.json (its
                            position), pgpass; for each storage node ID/ (its copy of the WAL), ID.pid and ID.log; for each
                            full node ID.images/ (recovery images) and ID.past/ (WAL of abandoned timelines)
    moments/             *  ID/: data/, log/ and postgresql.log of a recovered copy
  sockets/CLUSTER/       *  SERVER/: the Unix socket of a server; the names are short
  run/                      auroractl's own Unix sockets; in another folder if this path is too long for one
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from auroractl.config import home_security
from auroractl.core.errors import ConfigurationError

SOCKET_PATH_LENGTH_MAX = 100
"""Size of sockaddr_un.sun_path: 108 bytes on Linux, 104 on macOS."""


@dataclass(frozen=True, slots=True)
class InstancePaths:
    """The paths of an instance."""

    folder: Path

    @property
    def data(self) -> Path:
        """The PostgreSQL data directory."""
        return self.folder / "data"

    @property
    def unverified(self) -> Path:
        """A data directory that is not trusted since the machine ended, until there is a new copy."""
        return self.folder / "data.unverified"

    def kept(self, stamp: str) -> Path:
        """A data directory with commits that the cluster went back over; it is the user's to remove."""
        return self.folder / f"data.kept-{stamp}"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "postgresql.log"

    @property
    def pgpass(self) -> Path:
        """The replication user's password, for the WAL receiver and for pg_rewind."""
        return self.folder / "pgpass"

    @property
    def recovery(self) -> Path:
        """WAL that was read back from the storage nodes for this instance."""
        return self.folder / "recovery"


@dataclass(frozen=True, slots=True)
class ClusterPaths:
    """The paths of a cluster."""

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
    def certificate(self) -> Path:
        """The key and certificate of the endpoints."""
        return self.endpoint / "certificate.json"

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
    def base(self) -> Path:
        """The data directory that the next instance begins with; it exists only while the cluster has no instance."""
        return self.storage / "base"

    @property
    def base_position(self) -> Path:
        """The position of `base` when it was kept; it exists only beside that."""
        return self.storage / "base.json"

    @property
    def storage_pgpass(self) -> Path:
        """The replication user's password, for the storage nodes."""
        return self.storage / "pgpass"

    def storage_node(self, identifier: str) -> Path:
        """The folder of a storage node: its copy of the WAL."""
        return self.storage / identifier

    def storage_images(self, identifier: str) -> Path:
        """The recovery images of a full storage node."""
        return self.storage / f"{identifier}.images"

    def storage_past(self, identifier: str) -> Path:
        """A full storage node's copy of the WAL of abandoned timelines."""
        return self.storage / f"{identifier}.past"

    @property
    def moments(self) -> Path:
        """The folder of recovered copies."""
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
        """The state database (SQLite)."""
        return self.root / "state.db"

    @property
    def state_backups(self) -> Path:
        """Copies of the state database made before upgrades."""
        return self.root / "state-backups"

    @property
    def supervisor_lock(self) -> Path:
        """Locked by the supervisor for life."""
        return self.root / "supervisor.pid"

    @property
    def supervisor_log(self) -> Path:
        """The supervisor's log."""
        return self.root / "supervisor.log"

    @property
    def internal_secrets(self) -> Path:
        """Passwords of the internal database users."""
        return self.root / "secrets" / "internal.json"

    @property
    def ca_key(self) -> Path:
        """The key and certificate of the home's certificate authority."""
        return self.root / "secrets" / "ca.pem"

    @property
    def ca_bundle(self) -> Path:
        """The certificates of authorities that clients are to trust."""
        return self.root / "ca-bundle.pem"

    @property
    def clusters(self) -> Path:
        """The folder of all clusters."""
        return self.root / "clusters"

    def database_folders(self) -> Iterator[Path]:
        """The folders of existing clusters and templates that the databases' account owns."""
        for cluster in sorted(self.clusters.glob("*")):
            yield from (cluster / "instances", cluster / "storage")
        yield from sorted(self.templates())

    def binaries(self, build: str) -> Path:
        """The copy of a PostgreSQL build."""
        return self.root / "postgresql" / build

    def template(self, name: str) -> Path:
        """An initialised data directory."""
        return self.root / "template" / name

    def pinned_builds(self) -> Iterator[Path]:
        """The copies of PostgreSQL builds that exist."""
        return (self.root / "postgresql").glob("*")

    def templates(self) -> Iterator[Path]:
        """The initialised data directories that exist."""
        return (self.root / "template").glob("*")

    def cluster_of(self, folder: Path) -> str:
        """The identifier of the cluster in whose folder `folder` is."""
        return folder.relative_to(self.clusters).parts[0]

    @property
    def trial(self) -> Path:
        """The folder of the server on which parameters are tried."""
        return self.root / "template" / "trial"

    @property
    def trial_sockets(self) -> Path:
        """The folder of its Unix socket. No cluster has this name."""
        return self.cluster_sockets("_trial") / "0"

    def cluster_sockets(self, identifier: str) -> Path:
        """The folder of the Unix sockets of a cluster's servers. Its name is short, because a socket's path has to be."""
        return self.root / "sockets" / _digest(identifier.encode())[:8]

    def server_sockets(self, folder: Path) -> Path:
        """The Unix socket folder of the server in `folder`, which is somewhere below its cluster's."""
        return _server_sockets(self, folder)

    @property
    def run(self) -> Path:
        """The folder of auroractl's own Unix sockets, short enough for their names.

        Raises ConfigurationError if it has to be outside the home, and another user owns it.
        """
        inside = self.root / "run"
        if len(os.fsencode(inside)) + len("/0123456789ab.sock") < SOCKET_PATH_LENGTH_MAX:
            return inside
        import tempfile  # noqa: PLC0415  (only for long paths: the client starts quickly)

        outside = Path(tempfile.gettempdir()) / f"auroractl-{os.getuid()}-{_digest(os.fsencode(self.root))[:16]}"
        home_security.require_private(outside)
        return outside

    @property
    def socket(self) -> Path:
        """The supervisor's control socket."""
        return self.run / "supervisor.sock"

    def cluster(self, identifier: str) -> ClusterPaths:
        """The paths of one cluster."""
        return ClusterPaths(self.clusters / identifier, self.run)


@lru_cache(maxsize=1024)
def _server_sockets(home: Home, folder: Path) -> Path:
    name, *below = folder.relative_to(home.clusters).parts
    return home.cluster_sockets(name) / _digest(os.fsencode("/".join(below)))[:8]


def _digest(text: bytes) -> str:
    import hashlib  # noqa: PLC0415  (not in a client that starts quickly)

    return hashlib.sha256(text).hexdigest()


def default_home() -> Path:
    """Return root's system folder, or the user's data folder for anyone else.

    Root's database processes run under another account, which must be able to enter the home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/auroractl")
    _home_folder()
    import platformdirs  # noqa: PLC0415  (only where it is needed: the client starts quickly)

    return platformdirs.user_data_path("auroractl")


def _home_folder() -> Path:
    """Return the user's home folder. Raises ConfigurationError if there is none, as for an account in a container."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise ConfigurationError(
            f"The account with uid {os.getuid()} has no home folder.", "Set HOME, or AURORACTL_HOME to a folder"
        ) from error


def expanded(text: str) -> Path:
    """Expand a path with ~ or ~name at its beginning. Raises ConfigurationError for an unknown name."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{text}: there is no such home folder.", "Write the whole path") from error


def find_home(flag: str | None) -> Home:
    """Find the home for a command: the flag, otherwise AURORACTL_HOME, otherwise the default.

    Raises ConfigurationError if it is not a folder, its path contains characters that configuration files cannot hold,
    an account has no home folder, it belongs to another user, or root would create it where others could replace it.
    """
    text = flag or os.environ.get("AURORACTL_HOME") or ""
    root = expanded(text).absolute() if text else default_home()
    if not str(root).isprintable():
        raise ConfigurationError(
            f"The path of the home {str(root)!r} contains a control character or is not valid UTF-8.",
            "Set AURORACTL_HOME to a folder with a printable name",
        )
    if root.exists() and not root.is_dir():
        raise ConfigurationError(
            f"The home {root} is not a folder.", "Set AURORACTL_HOME to a folder, or to one that can be made"
        )
    home_security.require_ours(root)
    return Home(root)


def user_config() -> Path:
    """Return the user's settings file: AURORACTL_CONFIG, otherwise the usual location."""
    text = os.environ.get("AURORACTL_CONFIG")
    if text:
        return expanded(text).absolute()
    base = os.environ.get("XDG_CONFIG_HOME")
    if base:
        return expanded(base) / "auroractl" / "config.toml"
    try:
        home = _home_folder()
    except ConfigurationError:
        # Without a home folder there is no such file, and none below / either.
        home = Path("/")
    return home / ".config" / "auroractl" / "config.toml"
