"""The files of a home's certificate authority, and of the certificates of its clusters.

HOME/secrets/ca.pem                          the authority's key and certificate (0600)
HOME/ca-bundle.pem                           the certificates that clients are to trust, the newest first (0644)
HOME/clusters/NAME/endpoint/certificate.json  the key and certificate of a cluster's endpoints (0600)

All belong to who runs auroractl. The databases' account can read none but the bundle: the endpoint process, which drops to
that account, gets its key beforehand or over its control socket.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from auroractl.config.paths import ClusterPaths, Home
from auroractl.core.errors import MachineError
from auroractl.system.file_credentials import as_self
from auroractl.system.files import make_folder, read_json, write_durably, write_json
from auroractl.system.safe_open import read_regular

if TYPE_CHECKING:
    from auroractl.certificates.authority import Authority

RENEW_BEFORE = timedelta(days=30)
"""How long before its end a certificate is renewed. Clients notice nothing: open connections stay as they are."""
_BUNDLE_MODE = 0o644
_PREVIOUS_MAX = 3
"""How many earlier authorities the bundle keeps at most."""
_lock = Lock()
"""Held while an authority is made or replaced: there is one supervisor per home, with several threads."""


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The key and certificate of a cluster's endpoints."""

    pem: str
    hosts: tuple[str, ...]
    until: datetime
    authority: str
    """The fingerprint of the authority that issued it."""

    def fits(self, hosts: Collection[str], now: datetime) -> bool:
        """Return whether it has all these names, and is not so close to its end that it should be renewed."""
        return set(self.hosts) >= set(hosts) and now < self.until - RENEW_BEFORE


def server_certificate(home: Home, paths: ClusterPaths, hosts: Collection[str], now: datetime) -> ServerCertificate:
    """Return the certificate of a cluster's endpoints; issue one unless there is one that fits.

    Its folder must exist: a cluster that has just been deleted gets none.

    Raises MachineError if a file cannot be read or written.
    """
    with _lock, as_self():
        kept = _kept(paths.certificate)
        if kept is not None and kept.fits(hosts, now) and home.ca_bundle.exists():
            return kept
        from auroractl.certificates import authority as ca  # noqa: PLC0415  (loads a library)

        authority = _authority(home, now)
        pem, until = authority.issue(paths.folder.name, hosts, now)
        issued = ServerCertificate(pem, tuple(hosts), until, ca.fingerprint(authority.certificate))
        write_json(
            paths.certificate,
            {"pem": pem, "hosts": list(hosts), "until": until.isoformat(), "authority": issued.authority},
        )
        return issued


def _kept(path: Path) -> ServerCertificate | None:
    """Read a kept certificate; None if there is none, or one that cannot be used."""
    try:
        document: dict[str, Any] | None = read_json(path)
        if document is None:
            return None
        until = datetime.fromisoformat(document["until"]).astimezone(UTC)
        return ServerCertificate(document["pem"], tuple(document["hosts"]), until, document["authority"])
    except (MachineError, LookupError, TypeError, ValueError):
        # Damaged or of another version: it is made again.
        return None


def _authority(home: Home, now: datetime) -> Authority:
    """Return the authority of a home; make one if there is none or it ends soon. Raises MachineError."""
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    try:
        found = ca.authority_of(read_regular(home.ca_key).decode())
    except FileNotFoundError:
        return _replace(home, now, keep_previous=True)
    except (OSError, ValueError) as error:
        raise MachineError(
            f"The certificate authority {home.ca_key} cannot be read: {error}",
            "Make another one: auroractl ca rotate",
        ) from error
    if now > found.certificate.not_valid_after_utc - ca.LIFETIME:
        return _replace(home, now, keep_previous=True)
    trusted_now = _trusted(home)
    if found.certificate not in trusted_now:
        # The bundle was damaged or removed, or a rotation was interrupted.
        bundle = [found.certificate, *trusted_now]
        write_durably(home.ca_bundle, "".join(map(ca.certificate_pem, bundle)), mode=_BUNDLE_MODE)
    return found


def _replace(home: Home, now: datetime, *, keep_previous: bool) -> Authority:
    """Make a new authority. Its certificate comes into the bundle first, so that no client meets an unknown one."""
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    made = ca.new_authority(f"auroractl {secrets.token_hex(4)}", now)
    previous = [each for each in _trusted(home) if each.not_valid_after_utc > now] if keep_previous else []
    bundle = [made.certificate, *previous[:_PREVIOUS_MAX]]
    make_folder(home.ca_key.parent)
    write_durably(home.ca_bundle, "".join(map(ca.certificate_pem, bundle)), mode=_BUNDLE_MODE)
    write_durably(home.ca_key, made.to_pem())
    return made


def _trusted(home: Home) -> list[Any]:
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    try:
        return ca.certificates_of(read_regular(home.ca_bundle).decode())
    except (OSError, ValueError):
        return []


def rotate(home: Home, now: datetime, *, keep_previous: bool) -> None:
    """Replace the authority. Clusters get new certificates when they are next asked for. Raises MachineError."""
    with _lock, as_self():
        _replace(home, now, keep_previous=keep_previous)
        for path in home.clusters.glob("*/endpoint/certificate.json"):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class TrustedCertificate:
    """The certificate of an authority that clients are to trust."""

    name: str
    fingerprint: str
    begin: datetime
    until: datetime
    pem: str


def trusted(home: Home, now: datetime) -> list[TrustedCertificate]:
    """List the authorities in the bundle, the one in use first; make one if there is none. Raises MachineError."""
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    with _lock, as_self():
        _authority(home, now)
        return [
            TrustedCertificate(
                name=ca.common_name(each),
                fingerprint=ca.fingerprint(each),
                begin=each.not_valid_before_utc,
                until=each.not_valid_after_utc,
                pem=ca.certificate_pem(each),
            )
            for each in _trusted(home)
        ]
