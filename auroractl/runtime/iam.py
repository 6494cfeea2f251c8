"""IAM authentication of a cluster: what its servers and its endpoint process are told, and whose signatures count."""

from __future__ import annotations

import configparser
import logging
import os
import stat
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from auroractl.config.paths import expanded
from auroractl.config.settings import Settings
from auroractl.core import dns_names
from auroractl.core.address import Address
from auroractl.core.errors import AuroraError, ConfigurationError
from auroractl.core.iam import IamRules, SigningKeys, signing_days, signing_keys
from auroractl.core.model import Cluster, ClusterSnapshot, Endpoint, EndpointType, Instance
from auroractl.engine import iam_users
from auroractl.engine.connections import socket_path
from auroractl.engine.iam_users import IamAccess
from auroractl.runtime.certificates import instance_endpoints
from auroractl.runtime.installation import Installation
from auroractl.system.file_credentials import as_self
from auroractl.system.safe_open import read_regular

log = logging.getLogger(__name__)

_FILE_BYTES_MAX = 64 * 1024
_HINT = "Write it in the form of AWS's ~/.aws/credentials, or remove api_credentials from the settings"
_told: dict[str, str] = {}
"""What was last wrong with a file. After a restart: told again."""


def access(
    row: Cluster,
    endpoints: Iterable[Endpoint],
    instances: Iterable[Instance],
    installation: Installation,
    users: tuple[str, ...] | None,
) -> IamAccess:
    """Return what the servers of a cluster with IAM authentication need.

    `users` are None until the writer was asked; then those count that were last written.
    """
    if users is None:
        kept = (iam_users.kept_users(installation.server(each).data) for each in instances)
        users = next((each for each in kept if each is not None), ())
    return IamAccess(users, _judge(endpoints), iam_users.secret_of(row.resource_id, installation.secrets.admin))


def rules(snapshot: ClusterSnapshot, installation: Installation, settings: Settings) -> IamRules | None:
    """Return what the endpoint process of a cluster needs; None if it has no IAM authentication."""
    row = snapshot.cluster
    if not row.iam_authentication:
        return None
    servers = {each.identifier: installation.server(each) for each in snapshot.instances}
    return IamRules(
        row.region,
        _hosts(snapshot),
        {
            name: str(socket_path(server.socket_folder, server.address.port))
            for name, server in servers.items()
            if server.socket_folder is not None
        },
        _judge(snapshot.endpoints),
        iam_users.secret_of(row.resource_id, installation.secrets.admin),
        _keys(settings.api_credentials, row.region, snapshot.at),
    )


def _judge(endpoints: Iterable[Endpoint]) -> Address:
    """Return the address of the writer endpoint, which is the endpoint process's own for UDP as well."""
    return next(each.address for each in endpoints if each.type is EndpointType.WRITER)


def _hosts(snapshot: ClusterSnapshot) -> frozenset[str]:
    """Return all that clients may call the cluster, with ports."""
    names = dns_names.names(snapshot.dns_domain, snapshot.endpoints, snapshot.instances, tls=True)
    addresses = {
        *(each.address for each in snapshot.endpoints),
        *(each.address for each in snapshot.instances),
        *instance_endpoints(snapshot.instances).values(),
    }
    # Other processes listen at the ports of localhost, unless the cluster has its addresses there.
    local = {f"localhost:{each.port}" for each in addresses if each.host == "127.0.0.1"}
    return frozenset({*map(str, addresses), *local, *(f"{name}:{each.port}" for name, each in names.items())})


def _keys(file: str, region: str, now: datetime) -> SigningKeys | None:
    """Return what checks signatures; None if they are not checked. Nothing is good while the file cannot be read."""
    if not file:
        return None
    try:
        found = credentials(file)
    except AuroraError as error:
        if _told.get(file) != error.message:
            log.warning("all tokens are refused: %s", error.message)
        _told[file] = error.message
        return {}
    _told.pop(file, None)
    return _derived(tuple(sorted(found.items())), region, signing_days(now))


@lru_cache(maxsize=64)
def _derived(found: tuple[tuple[str, str], ...], region: str, days: tuple[str, ...]) -> SigningKeys:
    return signing_keys(dict(found), region, days)


def credentials(file: str) -> Mapping[str, str]:
    """Return the secret access keys in a file of AWS's form, by access key id. Raises ConfigurationError.

    Only its owner may be able to read it, and that is who runs auroractl.
    """
    path = expanded(file)
    with as_self():
        try:
            status = path.stat()
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise ConfigurationError(f"Others can read {path}.", f"Make it yours alone: chmod 600 {path}")
            return _parsed(path, read_regular(path, _FILE_BYTES_MAX, [os.geteuid()]).decode())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The file of api_credentials cannot be read: {error}", _HINT) from error


def _parsed(path: Path, text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        # Its message would quote the line.
        raise ConfigurationError(f"{path} is no file of credentials ({type(error).__name__}).", _HINT) from error
    profiles = [parser[name] for name in parser.sections()]
    pairs = ((each.get("aws_access_key_id", ""), each.get("aws_secret_access_key", "")) for each in profiles)
    found = {key: secret for key, secret in pairs if key and secret}
    if not found:
        raise ConfigurationError(f"{path} has no aws_access_key_id with an aws_secret_access_key.", _HINT)
    return found
