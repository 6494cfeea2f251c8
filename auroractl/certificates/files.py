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
from datetime import datetime, timedelta
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
_in_use: dict[Path, tuple[tuple[int, int], str]] = {}
"""By file of an authority: the time of its last change and its inode, and the fingerprint that was read then."""


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The key and certificate of a cluster's endpoints."""

    pem: str
    hosts: tuple[str, ...]
    begin: datetime
    until: datetime
    authority: str
    """The fingerprint of the authority that issued it."""

    def fits(self, hosts: Collection[str], authority: str, now: datetime) -> bool:
        """Return whether it has all these names, is of this authority, is valid, and need not be renewed yet."""
        valid = self.begin <= now < self.until - RENEW_BEFORE
        return valid and self.authority == authority and set(self.hosts) >= set(hosts)


def server_certificate(home: Home, paths: ClusterPaths, hosts: Collection[str], now: datetime) -> ServerCertificate:
    """Return the certificate of a cluster's endpoints; issue one unless there is one that fits.

    Its folder must exist: a cluster that has just been deleted gets none.

    Raises MachineError if a file cannot be read or written.
    """
    with _lock, as_self():
        from auroractl.certificates import authority as ca  # noqa: PLC0415  (loads a library)

        authority = _authority(home, now)
        issuer, kept = ca.fingerprint(authority.certificate), _kept(paths.certificate)
        if kept is not None and kept.fits(hosts, issuer, now):
            return kept
        pem, until = authority.issue(paths.folder.name, hosts, now)
        document = {"pem": pem, "hosts": list(hosts), "until": until.isoformat(), "authority": issuer}
        write_json(paths.certificate, document)
        return _from_document(document)


def kept_certificate(paths: ClusterPaths) -> ServerCertificate | None:
    """Read the certificate that a cluster has, whether it fits or not; None if there is no usable one."""
    with _lock, as_self():
        return _kept(paths.certificate)


def _kept(path: Path) -> ServerCertificate | None:
    try:
        document = read_json(path)
        return _from_document(document) if document is not None else None
    except (MachineError, LookupError, TypeError, ValueError):
        # Damaged or of another version: it is made again.
        return None


def _from_document(document: dict[str, Any]) -> ServerCertificate:
    """Read a certificate with its key. Raises LookupError, TypeError or ValueError if it is damaged."""
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    pem = str(document["pem"])
    certificate = ca.issued_certificate(pem)
    return ServerCertificate(
        pem,
        hosts=tuple(map(str, document["hosts"])),
        begin=certificate.not_valid_before_utc,
        until=certificate.not_valid_after_utc,
        authority=document["authority"],
    )


def authority_in_use(home: Home) -> str:
    """Return the fingerprint of the home's authority, read again if its file changed; empty if it cannot be read."""
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    with as_self():
        try:
            found = home.ca_key.stat()
            version = (found.st_mtime_ns, found.st_ino)
            known = _in_use.get(home.ca_key)
            if known is None or known[0] != version:
                known = (version, ca.fingerprint(_read_authority(home).certificate))
                _in_use[home.ca_key] = known
        except (OSError, MachineError):
            return ""
    return known[1]


def _read_authority(home: Home) -> Authority:
    """Read the authority of a home. Raises FileNotFoundError if there is none, MachineError if it is damaged."""
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    try:
        return ca.authority_of(read_regular(home.ca_key).decode())
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise MachineError(
            f"The certificate authority {home.ca_key} cannot be read: {error}",
            "Make another one: auroractl ca rotate",
        ) from error


def _authority(home: Home, now: datetime) -> Authority:
    """Return the authority of a home; make one if there is none, it ends soon or is not valid yet.

    Raises MachineError.
    """
    from auroractl.certificates import authority as ca  # noqa: PLC0415

    try:
        found = _read_authority(home)
    except FileNotFoundError:
        return _replace(home, now, keep_previous=True)
    last = found.certificate.not_valid_after_utc - ca.LIFETIME
    if not found.certificate.not_valid_before_utc <= now <= last:
        # One that begins later was made while the clock was wrong.
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
