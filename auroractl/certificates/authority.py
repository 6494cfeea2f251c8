"""A certificate authority: its key and certificate, and the certificates that it issues.

Keys are on the curve P-256: made in a tenth of a millisecond, and known to every driver with TLS 1.2. The library is
`cryptography`, which pip installs as a wheel everywhere and which most Python drivers need anyway. `trustme` would add
a library for tests on top of it, and has no say over lifetimes, key identifiers or an authority that lasts.

Loading it takes 60 ms, so only what makes or reads a certificate imports this module.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=90)
_CLOCK_SKEW = timedelta(hours=1)
"""Certificates are valid from this long before they are made, for containers whose clock is late."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its private key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def to_pem(self) -> str:
        """Return the private key and the certificate."""
        return _key_pem(self.key) + certificate_pem(self.certificate)

    def issue(self, name: str, hosts: Collection[str], now: datetime) -> tuple[str, datetime]:
        """Issue a certificate for a server with these host names and addresses.

        Returns a new private key with the certificate in PEM, and when the certificate ends.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(now + LIFETIME, self.certificate.not_valid_after_utc)
        certificate = (
            _builder(name, key.public_key(), now - _CLOCK_SKEW, until)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.certificate.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return _key_pem(key) + certificate_pem(certificate), until


def new_authority(name: str, now: datetime) -> Authority:
    """Make a certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(name, key.public_key(), now - _CLOCK_SKEW, now + AUTHORITY_LIFETIME)
    certificate = (
        built.issuer_name(_subject(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def authority_of(pem: str) -> Authority:
    """Read what `to_pem` returned. Raises ValueError for anything else."""
    return Authority(*_key_and_certificate(pem))


def issued_certificate(pem: str) -> x509.Certificate:
    """Read the certificate that `issue` returned with its key. Raises ValueError for anything else."""
    return _key_and_certificate(pem)[1]


def _key_and_certificate(pem: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        # TypeError: it is encrypted.
        raise ValueError(f"its key cannot be used: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("its key is of another kind")  # noqa: TRY004  (a wrong content, not a wrong type)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    if certificate.public_key() != key.public_key():
        raise ValueError("its certificate belongs to another key")
    return key, certificate


def certificates_of(bundle: str) -> list[x509.Certificate]:
    """Read the certificates of a bundle in PEM. Raises ValueError if it is none."""
    return x509.load_pem_x509_certificates(bundle.encode())


def certificate_pem(certificate: x509.Certificate) -> str:
    """Return a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint of a certificate, as openssl prints it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _builder(name: str, key: ec.EllipticCurvePublicKey, begin: datetime, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin.astimezone(UTC))
        .not_valid_after(until.astimezone(UTC))
    )


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "auroractl"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def common_name(certificate: x509.Certificate) -> str:
    """Return the name in a certificate's subject."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
