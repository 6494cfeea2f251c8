"""The authority of a home and the certificates of its clusters, over years."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from auroractl.certificates import files
from auroractl.config.paths import Home
from auroractl.core.errors import MachineError

NOW = datetime(2026, 11, 27, tzinfo=UTC)
HOSTS = ["127.16.0.1", "localhost"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.cluster("demo").endpoint.mkdir(parents=True)
    return home


def _certificate(home: Home, after: timedelta = timedelta(), hosts: list[str] = HOSTS) -> files.ServerCertificate:
    return files.server_certificate(home, home.cluster("demo"), hosts, NOW + after)


def _issuer_is_trusted(home: Home, found: files.ServerCertificate) -> bool:
    leaf = x509.load_pem_x509_certificate(found.pem.encode())
    bundle = x509.load_pem_x509_certificates(home.ca_bundle.read_bytes())
    for each in bundle:
        try:
            leaf.verify_directly_issued_by(each)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def test_a_certificate_is_kept_until_it_is_due_or_lacks_a_name(home: Home) -> None:
    first = _certificate(home)
    assert _certificate(home, timedelta(days=59)) == first
    renewed = _certificate(home, timedelta(days=61))
    assert renewed.pem != first.pem
    assert renewed.until > first.until
    more = _certificate(home, timedelta(days=61), [*HOSTS, "127.16.0.3"])
    assert more.pem != renewed.pem
    assert _certificate(home, timedelta(days=61)) == more, "fewer names need no new one"
    assert first.authority == renewed.authority == more.authority


def test_a_new_authority_replaces_one_that_ends_and_both_are_trusted(home: Home) -> None:
    first = _certificate(home)
    late = _certificate(home, timedelta(days=3650 - 80))
    assert late.authority != first.authority
    assert len(files.trusted(home, NOW + timedelta(days=3650 - 80))) == 2
    assert _issuer_is_trusted(home, late)
    _certificate(home, timedelta(days=2 * 3650 - 170))
    assert len(files.trusted(home, NOW + timedelta(days=2 * 3650 - 170))) == 2, "one that has ended is left out"


@pytest.mark.parametrize(
    "what", ["", "{", '{"pem": "x"}', '{"pem": "x", "hosts": [], "until": "soon", "authority": ""}']
)
def test_a_damaged_certificate_is_made_again(home: Home, what: str) -> None:
    first = _certificate(home)
    home.cluster("demo").certificate.write_text(what)
    again = _certificate(home)
    assert again.pem != first.pem
    assert again.authority == first.authority


def test_a_lost_bundle_is_written_again(home: Home) -> None:
    _certificate(home)
    for damage in (home.ca_bundle.unlink, lambda: home.ca_bundle.write_text("nothing")):
        damage()
        home.cluster("demo").certificate.unlink()
        assert _issuer_is_trusted(home, _certificate(home))


def test_a_deleted_cluster_gets_none(home: Home) -> None:
    home.cluster("demo").endpoint.rmdir()
    with pytest.raises(MachineError, match=r"cannot be written"):
        _certificate(home)
    assert not home.cluster("demo").endpoint.exists()


def test_a_damaged_authority_is_an_error_until_it_is_rotated(home: Home) -> None:
    _certificate(home)
    home.cluster("demo").certificate.unlink()
    home.ca_key.write_text("nothing")
    with pytest.raises(MachineError, match=r"cannot be read") as caught:
        _certificate(home)
    assert "auroractl ca rotate" in caught.value.hint
    files.rotate(home, NOW, keep_previous=False)
    assert _issuer_is_trusted(home, _certificate(home))
    assert len(files.trusted(home, NOW)) == 1


def test_a_certificate_without_a_usable_key_is_made_again(home: Home) -> None:
    first = _certificate(home)
    path = home.cluster("demo").certificate
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pem": "nonsense"}))
    assert _certificate(home).pem not in {first.pem, "nonsense"}


def test_an_encrypted_key_is_a_damaged_authority(home: Home) -> None:
    _certificate(home)
    key = serialization.load_pem_private_key(home.ca_key.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    home.ca_key.write_bytes(encrypted)
    with pytest.raises(MachineError, match=r"cannot be read"):
        _certificate(home)


def test_a_certificate_of_another_authority_is_replaced(home: Home) -> None:
    first = _certificate(home)
    kept = home.cluster("demo").certificate.read_text()
    assert first.authority == files.authority_in_use(home)
    files.rotate(home, NOW, keep_previous=False)
    # Interrupted before the certificates were removed.
    home.cluster("demo").certificate.write_text(kept)
    assert not first.fits(HOSTS, files.authority_in_use(home), NOW)
    second = _certificate(home)
    assert second.authority == files.authority_in_use(home) != first.authority
    assert _issuer_is_trusted(home, second)
    home.ca_key.unlink()
    assert files.authority_in_use(home) == ""
    assert _certificate(home).authority == files.authority_in_use(home) != second.authority


def test_a_rotation_that_was_interrupted_before_the_key_leaves_the_certificate_trusted(home: Home) -> None:
    _certificate(home)
    key = home.ca_key.read_bytes()
    kept = home.cluster("demo").certificate.read_text()
    files.rotate(home, NOW, keep_previous=False)
    home.ca_key.write_bytes(key)
    home.cluster("demo").certificate.write_text(kept)
    assert _issuer_is_trusted(home, _certificate(home))


def test_what_begins_in_the_future_is_made_again(home: Home) -> None:
    ahead = _certificate(home, timedelta(days=20))
    assert not ahead.fits(HOSTS, ahead.authority, NOW)
    now = _certificate(home)
    assert now.begin <= NOW
    assert now.authority != ahead.authority, "its authority begins in the future too"
