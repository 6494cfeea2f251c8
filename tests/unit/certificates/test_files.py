"""The authority of a home and the certificates of its clusters, over years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

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
